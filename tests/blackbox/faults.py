"""What the stories of faults share: strace that breaks system calls of a running daemon, a receiver of webhooks, and buyers whose
acknowledgements are kept outside the shop.
"""
import base64, hashlib, hmac, http.client, http.server, json, os, shutil, subprocess, threading, time, urllib.parse

from keystall import Browser, Buyer

GONE = (OSError, http.client.HTTPException)
WEBHOOK_KEY = bytes(range(32))
WEBHOOK_SECRET = "whsec_" + base64.b64encode(WEBHOOK_KEY).decode()


def need_strace(test):
    """Installs strace where it is missing, as the other suites do their tools; skips where that cannot be."""
    if not shutil.which("strace") and os.geteuid() == 0:
        subprocess.run("apt-get -qq update && apt-get -qq install -y --no-install-recommends strace", shell=True, capture_output=True)
    if not shutil.which("strace"):
        test.skipTest("strace is not installed")
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True)
    if probe.returncode != 0:
        test.skipTest("strace may trace nothing here: " + probe.stderr.decode()[-200:])


def until(what, good, seconds, every=0.02):
    """Seconds until `good`, which is an error after `seconds`."""
    began = time.monotonic()
    while not good():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(every)
    return time.monotonic() - began


class Broken:
    """System calls of a process on files of one folder that fail or hang while this is open. `calls` is {call: what strace injects}."""

    def __init__(self, pid, folder, calls):
        self.log = os.path.join(folder, f"strace-{time.monotonic_ns()}")
        arguments = ["-f", "-p", str(pid), "-o", self.log, "-e", "trace=" + ",".join(calls)]
        for call, what in calls.items():
            arguments += ["-e", f"inject={call}:{what}"]
        self.paths = [os.path.join(folder, "shop", "shop.redb")]
        for path in self.paths:
            arguments += ["-P", path]
        self.process = subprocess.Popen(["strace", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        line = self.process.stderr.readline().decode()
        assert "attached" in line, f"strace does not attach: {line}"
        # It says a line for each thread; nobody else reads them.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def hits(self):
        """Calls that were broken so far."""
        try:
            with open(self.log, "rb") as log:
                said = log.read()
                return said.count(b"(INJECTED)") + said.count(b"(DELAYED)")
        except FileNotFoundError:
            return 0

    def mend(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    __enter__ = lambda self: self  # noqa: E731

    def __exit__(self, *_):
        self.mend()


class Receiver:
    """Takes webhooks, checks their signature (Standard Webhooks), keeps them in order."""

    def __init__(self):
        receiver = self
        self.events, self.wrong = [], []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                content = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
                signed = base64.b64encode(hmac.new(WEBHOOK_KEY, content, hashlib.sha256).digest()).decode()
                if f"v1,{signed}" not in self.headers["webhook-signature"].split():
                    receiver.wrong.append(body)
                receiver.events.append((time.monotonic(), self.headers["webhook-id"], json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.at = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, kind):
        return [event for _, _, event in list(self.events) if event["type"] == kind]

    def settings(self, gateway):
        """What a shop must be told to call here."""
        return {"WEBHOOK__URL": f"http://{self.at}/hook", "WEBHOOK__SECRET": WEBHOOK_SECRET,
                "NET__ALLOW_PRIVATE": f"{urllib.parse.urlsplit(gateway.url).netloc},{self.at}"}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Sales:
    """Buyers that buy until they are stopped. What the shop acknowledged is kept here: orders, payments, keys that were seen."""

    def __init__(self, shop, gateway, buyers=2):
        self.shop, self.gateway, self.buyers = shop, gateway, buyers
        self.placed, self.paid, self.seen, self.wrong, self.refused = {}, set(), {}, [], 0
        self.stop = self.threads = None

    def begin(self):
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.buy, daemon=True) for _ in range(self.buyers)]
        [t.start() for t in self.threads]

    def end(self):
        if self.stop:
            self.stop.set()
            [t.join(30) for t in self.threads]

    def buy(self):
        buyer = Buyer(self.shop)
        while not self.stop.is_set():
            try:
                values = {"quantity": "1", "contact": "buyer@example.com", "password": "", "channel": "main"}
                answer = buyer.post("/p/card", values)
                if answer.status != 303:
                    # Nothing else than "come back later" may be said to a good order.
                    if answer.status != 503:
                        self.wrong.append(f"an order is answered {answer.status}: {answer.text[:300]}")
                    self.refused += 1
                    time.sleep(0.05)
                    continue
                order = urllib.parse.urlsplit(answer.header("location")).path
                self.placed[order] = None
                pay = buyer.get(order + "/pay")
                if pay.status != 303:
                    continue
                number = self.gateway.open(pay.header("location"))
                self.placed[order] = number
                answer = self.gateway.pay(number)
                if "success" in answer.body:
                    self.paid.add(order)
                    state = buyer.get(order + ".json")
                    if state.status == 200:
                        self.seen[order] = tuple(state.json["keys"])
            except GONE:
                buyer.close()
                time.sleep(0.02)
            except Exception as error:  # noqa: BLE001 - told to the story's own thread
                self.wrong.append(repr(error)[:300])
                return

    def check(self, story, among, every_paid=False):
        """What was acknowledged is there; the rest is settled by the gateway's retries where `every_paid`."""
        story.assertEqual(self.wrong, [])
        if every_paid:
            for order, number in self.placed.items():
                if number and order not in self.paid:
                    story.assertIn("success", self.gateway.pay(number).body)
                    self.paid.add(order)
        buyer, keys = Buyer(self.shop), []
        for order in self.placed:
            state = buyer.state(order)
            if order in self.paid:
                story.assertEqual(state["state"], "delivered", "an acknowledged sale was lost")
                story.assertEqual(tuple(state["keys"]), self.seen.get(order, tuple(state["keys"])), "other keys than before")
                keys += state["keys"]
            else:
                story.assertIn(state["state"], ("pending", "delivered"))
                keys += state["keys"] if state["state"] == "delivered" else []
        story.assertEqual(len(keys), len(set(keys)), "a key was sold twice")
        story.assertLessEqual(set(keys), set(among))
        return len(self.paid)


def ready(shop):
    """The answer of /readyz, its status alone; 0 where there is none."""
    try:
        return Browser(shop, timeout=5).get("/readyz").status
    except GONE:
        return 0

"""A disk that fails, fills up or hangs below the shipped binary (R05, R06, R24).

KEYSTALL_FAULT_CASES (6) says how many faults of the disk; beyond the six that always run they are drawn by KEYSTALL_SEED.
"""
import os, random, signal, subprocess, sys, tempfile, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import Broken, Receiver, Sales, need_strace, ready, until  # noqa: E402
from keystall import Browser, Buyer, Story  # noqa: E402
from smtp_server import Server  # noqa: E402
from test_systemd import Supervised  # noqa: E402

CASES = int(os.environ.get("KEYSTALL_FAULT_CASES", "6"))
OWNER = "owner@merchant.test"
READ_ONLY_WITHIN, WRITES_WITHIN = 1.0, 10.0
MIB = 1024 * 1024
# The call that fails, with which error; beside each a sync that fails, where the call alone is seldom made.
ALWAYS = [("fdatasync", "EIO"), ("fdatasync", "ENOSPC"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("ftruncate", "ENOSPC"), ("openat", "EIO")]


class Disk(Story):
    def open_told_shop(self, keys, **settings):
        """A shop whose merchant hears by webhook and by mail."""
        receiver, server, gateway = Receiver(), Server(), self.open_gateway()
        self.addCleanup(receiver.close)
        self.addCleanup(server.close)
        mail = {"MAIL__HOST": "127.0.0.1", "MAIL__PORT": str(server.port), "MAIL__TLS": "none", "MAIL__FROM": "shop@merchant.test", "MAIL__MERCHANT": OWNER}
        shop, _ = self.open_shop(keys=keys, gateway=gateway, **{**mail, **receiver.settings(gateway), **settings})
        return shop, gateway, receiver, server

    def alarms(self, server):
        return [m for m in server.to(OWNER) if "doctor" in m.text]

    def refuses_orders_kindly(self, shop, seconds=READ_ONLY_WITHIN):
        """New orders get an honest page with a next step, in both languages and as JSON."""
        for language, title, step in (("en", "No orders at the moment", "do not pay twice"), ("zh-CN", "暂停下单", "请不要重复付款")):
            browser = Browser(shop, language=language)
            form = {"quantity": "1", "contact": "late@example.com", "password": "", "channel": "main"}
            answer = browser.post("/p/card", form)
            self.assertEqual(answer.status, 503, answer.text[:400])
            self.assertIn(title, answer.text)
            self.assertIn(step, answer.text)
            self.assertEqual(answer.page.offences, [])
            answer = browser.post("/p/card", form, Accept="application/json")
            self.assertEqual(answer.status, 503)

    def test_while_the_disk_fails_paid_keys_are_read_and_nothing_acknowledged_is_lost(self):
        need_strace(self)
        seed = int(os.environ.get("KEYSTALL_SEED", random.randrange(2**32)))
        rng = random.Random(seed)
        shop, gateway, receiver, server = self.open_told_shop(keys=0)
        shop.keys = shop.import_keys("card", 400 + 100 * CASES)
        vkey = shop.vkey()
        sales = Sales(shop, gateway)
        cases = [(*case, None) for case in ALWAYS[:CASES]]
        for _ in range(CASES - len(cases)):
            cases.append((*rng.choice(ALWAYS[:4]), rng.choice([None, f"when={rng.randint(1, 9)}", f"when={rng.randint(1, 9)}+2"])))
        slowest = {"refused": 0.0, "writes": 0.0}
        for at, (call, error, when) in enumerate(cases):
            with self.subTest(f"{call} {error} {when or 'until it is mended'}, case {at} of seed {seed}"):
                try:
                    self.one_fault(shop, gateway, receiver, sales, (at, call, error, when), slowest)
                finally:
                    sales.end()
        paid = sales.check(self, shop.keys, every_paid=True)
        until("the end of the alarm", lambda: len(receiver.of("shop.writable")) == len(receiver.of("shop.read_only")), 90)
        until("the alarm's mails", lambda: len(self.alarms(server)) >= 2, 20)
        self.assertIn("磁盘无法写入：暂停下单", " ".join(m.message["Subject"] for m in self.alarms(server)))
        self.assertEqual(receiver.wrong, [])
        ids = [i for _, i, event in receiver.events if event["type"].startswith("shop.")]
        self.assertEqual(len(ids), len(set(ids)), "an alarm was told twice")
        export = shop.export()
        self.assert_verified("ledger", export, vkey)
        self.assertEqual(len(self.sales(export)), paid)
        self.assertNotIn("panicked", self.whole_log(shop))
        print(f"\n{len(cases)} faults of the disk, {paid} acknowledged sales, orders refused within {slowest['refused']:.2f} s, "
              f"writes again within {slowest['writes']:.2f} s, seed {seed}", file=sys.stderr)

    def whole_log(self, shop):
        with open(shop.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def one_fault(self, shop, gateway, receiver, sales, case, slowest):
        at, call, error, when = case
        buyer = Buyer(shop)
        order, state = buyer.buy(gateway, fast=True)
        pending = buyer.order(fast=True)
        number = buyer.checkout(pending, gateway)
        sales.placed[order] = None
        sales.paid.add(order)
        sales.seen[order] = tuple(state["keys"])
        sales.placed[pending] = number
        calls = {call: f"error={error}" + (f":{when}" if when else "")}
        if call in ("ftruncate", "openat"):
            calls["fdatasync"] = "error=EIO"
        with Broken(shop.process.pid, shop.home, calls) as broken:
            sales.begin()
            try:
                if when is None:
                    slowest["refused"] = max(slowest["refused"], until("orders are refused", lambda: ready(shop) == 503, READ_ONLY_WITHIN + 2))
                    began = time.monotonic()
                    self.refuses_orders_kindly(shop)
                    while time.monotonic() - began < 1.0:
                        self.assertEqual(buyer.state(order)["keys"], state["keys"], "paid keys cannot be read")
                        self.assertEqual(buyer.get("/p/card").status, 200)
                        self.assertEqual(buyer.get("/").status, 200)
                    answer = gateway.pay(number)
                    self.assertNotIn("success", answer.body.lower(), "a payment that is not kept was acknowledged")
                    self.assertGreaterEqual(answer.status, 400, "a gateway that looks at the status alone would not come again")
                    self.assertEqual(buyer.state(pending)["state"], "pending")
                    if at == 0:
                        # Faults that follow each other within seconds are one alarm.
                        until("the webhook of the alarm while nothing can be written", lambda: receiver.of("shop.read_only"), 5)
                else:
                    time.sleep(1.0)
                self.assertGreater(broken.hits(), 0, "nothing was broken")
            finally:
                broken.mend()
                mended = time.monotonic()
        until("writing goes on by itself", lambda: ready(shop) == 200, WRITES_WITHIN)
        until("an order is taken", lambda: self.takes_an_order(shop), WRITES_WITHIN)
        slowest["writes"] = max(slowest["writes"], time.monotonic() - mended)
        sales.end()
        gateway.retry()
        if when is None:
            self.assert_delivered(buyer.state(pending), 1, shop.keys)
            sales.paid.add(pending)
        sales.check(self, shop.keys)

    def takes_an_order(self, shop):
        answer = Buyer(shop).post("/p/card", {"quantity": "1", "contact": "again@example.com", "password": "", "channel": "main"})
        return answer.status == 303

    # --- A disk that fills up --------------------------------------------------------------------------------------
    def test_a_full_disk_keeps_paid_keys_readable_and_takes_orders_again_when_there_is_room(self):
        if os.geteuid() != 0:
            self.skipTest("a file system of its own needs root")
        folder = tempfile.mkdtemp(prefix="keystall-tmpfs-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", folder], capture_output=True)
        if done.returncode != 0:
            os.rmdir(folder)
            self.skipTest("no tmpfs can be mounted here: " + done.stderr.decode()[-200:])
        self.addCleanup(lambda: (subprocess.run(["umount", "-l", folder], check=True), os.rmdir(folder)))
        shop, gateway, receiver, server = self.open_told_shop(keys=300, start=False)
        small = os.path.join(folder, "shop")
        subprocess.run(["cp", "-a", shop.dir, small], check=True)
        shop.dir = small
        shop.start()
        self.addCleanup(shop.kill)
        sales = Sales(shop, gateway)
        buyer = Buyer(shop)
        order, state = buyer.buy(gateway)
        filler = os.path.join(folder, "filler")
        free = lambda: os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize  # noqa: E731
        numbers = lambda: self.metrics(shop)  # noqa: E731
        for percent in (19, 9, 4):
            self.leave_free(filler, folder, 64 * MIB * percent // 100)
            until(f"the alarm below {percent + 1} %", lambda: any(e["data"]["free_percent"] <= percent for e in receiver.of("disk.low")), 5)
            self.assertEqual(ready(shop), 200, "orders are taken until the reserve is all that is left")
            found = {f["check"]: f for f in shop.cli("doctor", "--json").json["findings"]}
            self.assertEqual(found["disk"]["level"], "fail" if percent < 5 else "warn", found["disk"])
            self.assertAlmostEqual(numbers()["keystall_disk_free_bytes"], free(), delta=2 * MIB)
        self.assertEqual(len(receiver.of("disk.low")), 3)
        sales.begin()
        try:
            pending = buyer.order(fast=True)
            number = buyer.checkout(pending, gateway)
            self.leave_free(filler, folder, 0)
            until("no orders are taken", lambda: ready(shop) == 503, 2)
            self.refuses_orders_kindly(shop)
            began = time.monotonic()
            while time.monotonic() - began < 2.0:
                self.assertEqual(buyer.state(order)["keys"], state["keys"], "paid keys cannot be read")
            # With nothing left at all the payment is perhaps not kept; then it is not acknowledged either.
            answer = gateway.pay(number)
            if "success" in answer.body:
                sales.paid.add(pending)
            sales.placed[pending] = number
            until("the alarm of a full disk", lambda: receiver.of("disk.full"), 5)
            doctor = shop.cli("doctor", "--json")
            self.assertEqual(doctor.code, 1)
            self.assertIn("no orders are taken", {f["check"]: f for f in doctor.json["findings"]}["disk"]["message"])
            self.refuses_orders_kindly(shop)
            os.remove(filler)
            freed = time.monotonic()
            until("an order is taken", lambda: self.takes_an_order(shop), WRITES_WITHIN)
            again = time.monotonic() - freed
        finally:
            sales.end()
        gateway.retry()
        paid = sales.check(self, shop.keys, every_paid=True)
        until("the mails of the alarms", lambda: len(self.alarms(server)) >= 4, 10)
        self.assert_verified("ledger", shop.export(), shop.vkey())
        self.assertNotIn("panicked", self.whole_log(shop))
        shop.kill()
        print(f"\na full disk: {paid} acknowledged sales, orders again {again:.2f} s after there was room", file=sys.stderr)

    def metrics(self, shop):
        import http.client, socket
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(os.path.join(shop.dir, "admin.sock"))
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#") and len(line.split()) == 2}

    def leave_free(self, filler, folder, bytes_):
        """Fills until so much is free; all of it where that is 0."""
        with open(filler, "ab") as f:
            while True:
                space = os.statvfs(folder)
                more = space.f_bavail * space.f_frsize - bytes_
                if more <= 0:
                    return
                try:
                    f.write(b"\0" * min(more, MIB))
                    f.flush()
                except OSError:
                    return

    def test_the_watchdog_restarts_no_daemon_whose_disk_refuses_writes_since_it_alone_shows_paid_keys(self):
        need_strace(self)
        shop, gateway = self.open_shop(keys=20, start=False)
        service = Supervised(shop)
        self.addCleanup(service.close)
        service.until("READY=1")
        buyer = Buyer(shop)
        order, state = buyer.buy(gateway)
        with Broken(service.process.pid, shop.home, {"fdatasync": "error=EIO"}):
            Buyer(shop).post("/p/card", {"quantity": "1", "contact": "late@example.com", "password": "", "channel": "main"})
            until("orders are refused", lambda: ready(shop) == 503, 5)
            began = time.monotonic()
            while time.monotonic() - began < 4:
                # systemd, told nothing for so long, would end it.
                self.assertFalse(service.quiet_for(2.0), "no word for the watchdog's whole limit")
            self.assertEqual(buyer.state(order)["keys"], state["keys"])
        until("writing goes on by itself", lambda: ready(shop) == 200, WRITES_WITHIN)
        service.end()

    # --- A disk that hangs -----------------------------------------------------------------------------------------
    def test_a_writer_that_hangs_on_the_disk_is_silent_to_the_watchdog_and_its_successor_has_everything(self):
        need_strace(self)
        shop, gateway = self.open_shop(keys=20, start=False)
        vkey = shop.vkey()
        service = Supervised(shop)
        self.addCleanup(service.close)
        service.until("READY=1")
        buyer = Buyer(shop)
        order, state = buyer.buy(gateway)
        service.until("WATCHDOG=1")
        with Broken(service.process.pid, shop.home, {"fdatasync": "delay_enter=300000000"}) as hung:
            late = Buyer(shop, timeout=3)
            with self.assertRaises(OSError):
                late.order(fast=True)
            began = time.monotonic()
            while not service.quiet_for(2.0):
                self.assertLess(time.monotonic() - began, 20, "a daemon whose writer hangs says that it lives")
            self.assertEqual(buyer.state(order)["keys"], state["keys"], "what is paid is read all the same")
            # What systemd does after WatchdogSec; RestartSec comes after it.
            service.process.send_signal(signal.SIGABRT)
            service.process.kill()
            # It holds the thread that it delays.
            hung.process.kill()
            service.process.wait(30)
        began = time.monotonic()
        again = Supervised(shop)
        self.addCleanup(again.close)
        again.until("READY=1")
        self.assertLess(time.monotonic() - began, 20)
        buyer = Buyer(shop)
        self.assertEqual(buyer.state(order), state)
        self.assert_delivered(buyer.buy(gateway)[1], 1, shop.keys)
        self.assert_verified("ledger", shop.export(), vkey)


if __name__ == "__main__":
    unittest.main()

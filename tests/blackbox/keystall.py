"""The harness of the outside tests: shops in temporary folders, the real binary, buyers over HTTPS.

The binary is KEYSTALL_BIN, else target/release/keystall, else target/debug/keystall (CARGO_TARGET_DIR is respected);
keystall-verify lies beside it. Nothing here prints a secret, and nothing outside the temporary folder is touched.

Which fields `--json` gives is not fixed by the interface page: whatever the tests must guess is in `Shop.found` and the
functions below "Lenient reading", and nowhere else.
"""
import html.parser, http.client, json, os, re, secrets, shutil, signal, socket, ssl, subprocess, sys, tempfile, time, unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import verify_ledger  # noqa: E402
from epay_gateway import Gateway  # noqa: E402

HOST = "shop.test"


def binary(name="keystall"):
    if os.environ.get("KEYSTALL_BIN"):
        given = os.path.abspath(os.environ["KEYSTALL_BIN"])
        return given if name == "keystall" else os.path.join(os.path.dirname(given), name)
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "target")
    for profile in ("release", "debug"):
        path = os.path.join(target, profile, name)
        if os.path.exists(path):
            return os.path.abspath(path)
    raise AssertionError(f"{name} is not built: cargo build --release, or set KEYSTALL_BIN")


def free_port():
    """Nobody's, and below those that the system gives to connections: another story at work cannot be given it meanwhile."""
    while True:
        port = secrets.randbelow(20_000) + 12_000
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def clean_environment():
    """Ours, without any setting of a shop."""
    return {k: v for k, v in os.environ.items() if not k.startswith("KEYSTALL_")}


class Result:
    """What a command said. `json` is the one document of --json."""

    def __init__(self, code, out, err):
        self.code, self.raw, self.out, self.err = code, out, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def said(self):
        return self.out + self.err


def run(arguments, env=None, stdin=b"", timeout=60, name="keystall"):
    done = subprocess.run([binary(name), *arguments], input=stdin, capture_output=True, env=env or clean_environment(), timeout=timeout)
    return Result(done.returncode, done.stdout, done.stderr)


# --- A shop ----------------------------------------------------------------------------------------------------
class Shop:
    """A new shop: `init` now, `start()` serves it. `settings` are keystall.toml's, as SECTION__KEY="value"."""

    def __init__(self, gateways=(), init=True, **settings):
        self.home = tempfile.mkdtemp(prefix="keystall-blackbox-")
        self.dir, self.log, self.port = os.path.join(self.home, "shop"), os.path.join(self.home, "serve.log"), free_port()
        self.process, self.said_at_init, self.serial = None, "", 0
        allowed = ",".join(urllib.parse.urlsplit(g.url).netloc for g in gateways)
        self.env = clean_environment()
        defaults = {"LISTEN__HTTPS": f"127.0.0.1:{self.port}", "TLS__MODE": "self-signed", "NET__ALLOW_PRIVATE": allowed,
                    "LIMITS__OPEN_ORDERS_PER_ADDRESS": "0", "LIMITS__OPEN_ORDERS_PER_CONTACT": "0", "LIMITS__HELD_SHARE_PERCENT": "0"}
        self.env |= {f"KEYSTALL_{k}": v for k, v in {**defaults, **settings}.items() if v != ""}
        for gateway in gateways:
            gateway.connect_to = ("127.0.0.1", self.port)
        if init:
            agreed = ["--agree-tos"] if self.env["KEYSTALL_TLS__MODE"] == "acme" else []
            self.said_at_init = self.must("init", "--host", HOST, "--title", "Blackbox", "--currency", "CNY", *agreed).said

    # Commands
    def cli(self, *arguments, stdin=b"", dir=None, timeout=60, env=None):
        return run([*arguments, "--dir", dir or self.dir], {**self.env, **(env or {})}, stdin, timeout)

    def must(self, *arguments, **how):
        result = self.cli(*arguments, **how)
        assert result.code == 0, f"keystall {' '.join(arguments[:2])} exits {result.code}: {result.err[-800:]}"
        return result

    def file(self, content, name="file"):
        """A private file outside the shop's folder."""
        self.serial += 1
        path = os.path.join(self.home, f"{self.serial}-{name}")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def add_product(self, slug="card", price="9.99", keys=0, title="测试卡", **more):
        extra = [a for k, v in more.items() for a in ("--" + k.replace("_", "-"), v)]
        self.must("product", "add", "--slug", slug, "--title", title, "--price", price, *extra)
        return self.import_keys(slug, keys) if keys else []

    def import_keys(self, slug, keys):
        """Imports the texts, or so many new random ones; gives them back."""
        if isinstance(keys, int):
            keys = [f"{slug.upper()}-{secrets.token_hex(10).upper()}" for _ in range(keys)]
        self.must("key", "import", "--product", slug, "-", stdin="".join(k + "\n" for k in keys).encode())
        return keys

    def add_channel(self, gateway, name="main", *options):
        secret = self.file(gateway.key, "secret")
        self.must("channel", "add", name, "--kind", "epay", "--set", f"gateway={gateway.url}", "--set", f"pid={gateway.pid}",
                  "--set", f"type={gateway.type}", "--secret", f"key=@{secret}", *options)

    def product(self, verb, slug, *more):
        """`product show | set | hide`: how they name the product is not on the page."""
        return self.cli("product", verb, slug, *more)

    def void(self, slot, why):
        """`key void`: its arguments are not on the page."""
        return self.cli("key", "void", slot, "--why", why)

    def vkey(self):
        return self.must("ledger", "vkey").out.strip()

    def checkpoint(self):
        """The latest signed note, in a file."""
        answer = Browser(self).get("/ledger/checkpoint")
        assert answer.status == 200, answer.status
        return self.file(answer.body, "checkpoint")

    def export(self):
        self.serial += 1
        path = os.path.join(self.home, f"export-{self.serial}")
        self.must("ledger", "export", "--out", path, timeout=120)
        return path

    # The daemon
    def start(self, wait=20.0):
        """Serves; seconds until /readyz said 200."""
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([binary(), "serve", "--dir", self.dir], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        while True:
            try:
                if Browser(self, timeout=2).get("/readyz").status == 200:
                    return time.monotonic() - began
            except (OSError, http.client.HTTPException):
                pass
            assert self.process.poll() is None, f"serve ended with {self.process.returncode}: {self.log_tail()}"
            assert time.monotonic() - began < wait, f"not ready after {wait} s: {self.log_tail()}"
            time.sleep(0.01)

    def log_tail(self):
        return verify_ledger.read(self.log)[-1500:].decode("utf-8", "replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("serve does not end within 15 s of SIGTERM") from None

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                self.kill()
        finally:
            if not os.environ.get("KEYSTALL_KEEP"):
                shutil.rmtree(self.home, ignore_errors=True)


# --- A browser -------------------------------------------------------------------------------------------------
class Answer:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.headers = {}
        for name, value in response.getheaders():
            self.headers.setdefault(name.lower(), []).append(value)

    def header(self, name):
        return ", ".join(self.headers.get(name.lower(), []))

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def page(self):
        return Page(self.text)


class Page(html.parser.HTMLParser):
    """Links, forms, and what a strict content security policy would refuse."""

    def __init__(self, text):
        super().__init__()
        self.links, self.forms, self.offences, self.lang = [], [], [], ""
        self.in_raw = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        a = {k: v or "" for k, v in attributes}
        self.offences += [f"{k} on {tag}" for k in a if k.startswith("on") or k == "style"]
        self.offences += [f"{k}={a[k][:20]}" for k in ("href", "src", "action") if a.get(k, "").lower().startswith("javascript:")]
        if tag == "html":
            self.lang = a.get("lang", "")
        if tag == "a" and "href" in a:
            self.links.append(a["href"])
        if tag == "style" or tag == "script" and "src" not in a:
            self.in_raw = tag
        if tag == "form":
            self.forms.append({"action": a.get("action", ""), "method": a.get("method", "get").lower(), "fields": []})
        if tag in ("input", "select", "textarea", "button") and self.forms and a.get("name"):
            self.forms[-1]["fields"].append((a["name"], a.get("value", ""), a.get("type", tag)))
        if tag == "option" and self.forms and self.forms[-1]["fields"]:
            name, value, kind = self.forms[-1]["fields"][-1]
            self.forms[-1]["fields"].append((name, a.get("value", ""), "option"))

    def handle_data(self, data):
        if self.in_raw and data.strip():
            self.offences.append(f"inline {self.in_raw}")

    def handle_endtag(self, tag):
        if tag == self.in_raw:
            self.in_raw = None

    def form_with(self, *names):
        for form in self.forms:
            if set(names) <= {n for n, *_ in form["fields"]}:
                return form
        raise AssertionError(f"no form with {names}; forms have {[[f[0] for f in form['fields']] for form in self.forms]}")

    def choices(self, name):
        return [v for form in self.forms for n, v, _ in form["fields"] if n == name]


class Browser:
    """One kept-alive connection and a jar of cookies."""

    def __init__(self, shop=None, address=None, host=HOST, language=None, timeout=20):
        self.address, self.host, self.language, self.timeout = address or ("127.0.0.1", shop.port), host, language, timeout
        self.cookies, self.connection = {}, None

    CONTEXT = ssl._create_unverified_context()

    def connect(self, https=True):
        if https:
            return http.client.HTTPSConnection(*self.address, timeout=self.timeout, context=self.CONTEXT)
        return http.client.HTTPConnection(*self.address, timeout=self.timeout)

    def request(self, method, path, form=None, headers=(), body=None):
        sent = {"Host": self.host, **dict(headers)}
        if self.language:
            sent.setdefault("Accept-Language", self.language)
        if self.cookies:
            sent.setdefault("Cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items()))
        if form is not None:
            body = urllib.parse.urlencode(form)
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        for attempt in (0, 1):
            fresh = self.connection is None
            self.connection = self.connection or self.connect()
            try:
                self.connection.request(method, path, body, sent)
                answer = Answer(self.connection.getresponse())
                break
            except (OSError, http.client.HTTPException):
                self.close()
                if fresh or method != "GET" or attempt:
                    raise
        for cookie in answer.headers.get("set-cookie", []):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    __del__ = close

    def get(self, path, **headers):
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path, form, **headers):
        return self.request("POST", path, form, {k.replace("_", "-"): v for k, v in headers.items()})


class Buyer(Browser):
    """A person who buys, by what the pages say."""

    def form_values(self, slug, channel="main", **fields):
        page = self.get(f"/p/{slug}").page
        form = page.form_with("quantity", "contact", "channel")
        values = {n: v for n, v, kind in form["fields"] if kind == "hidden"}
        offered = page.choices("channel")
        assert channel in offered, f"channel {channel} is not among {offered}"
        values |= {"quantity": "1", "contact": "buyer@example.com", "password": "", "channel": channel, **fields}
        return form["action"] or f"/p/{slug}", {k: v for k, v in values.items() if v is not None}

    def post_order(self, slug, **fields):
        action, values = self.form_values(slug, **fields)
        return self.post(urllib.parse.urlsplit(action).path, values)

    def order(self, slug="card", fast=False, **fields):
        """The path /o/SECRET of a new order. `fast` posts without reading the product's page first."""
        if fast:
            values = {"quantity": "1", "contact": "buyer@example.com", "password": "", "channel": "main", **fields}
            answer = self.post(f"/p/{slug}", values)
        else:
            answer = self.post_order(slug, **fields)
        assert answer.status == 303, f"an order is answered {answer.status}: {answer.text[:1500]}"
        path = urllib.parse.urlsplit(answer.header("location")).path
        assert re.fullmatch(r"/o/[0-9A-Za-z_-]{16,}", path), "the answer's Location is not an order's page"
        return path

    def checkout(self, order, gateway):
        """Follows the order's /pay to the gateway; the order's number there."""
        answer = self.get(order + "/pay")
        assert answer.status == 303, f"/pay is answered {answer.status}: {answer.text[:600]}"
        return gateway.open(answer.header("location"))

    def state(self, order):
        answer = self.get(order + ".json")
        assert answer.status == 200, answer.status
        return answer.json

    def buy(self, gateway, slug="card", fast=False, **fields):
        """(order's path, its JSON) of a purchase from the form to the keys."""
        order = self.order(slug, fast, **fields)
        number = self.checkout(order, gateway)
        answer = gateway.pay(number)
        assert "success" in answer.body and answer.status == 200, f"a good notice is answered {answer.status} {answer.body[:200]}"
        return order, self.state(order)


# --- Lenient reading -------------------------------------------------------------------------------------------
def values_of(document, *names):
    """Every value in a JSON document whose key is one of the names, at any depth."""
    found = []
    if isinstance(document, dict):
        for key, value in document.items():
            found += [value] if key in names else []
            found += values_of(value, *names)
    elif isinstance(document, list):
        for value in document:
            found += values_of(value, *names)
    return found


def has_number(document, number):
    """Whether a count stands anywhere in a JSON document."""
    if isinstance(document, (dict, list)):
        return any(has_number(v, number) for v in (document.values() if isinstance(document, dict) else document))
    return document == number and document is not True


def slots_of(document):
    """Every slot in a JSON document, as `batch:index`, written so or as two numbers."""
    found = []
    if isinstance(document, dict):
        index = next((document[k] for k in ("index", "slot") if type(document.get(k)) is int), None)
        if type(document.get("batch")) is int and index is not None:
            found.append(f"{document['batch']}:{index}")
        document = list(document.values())
    if isinstance(document, list):
        for value in document:
            found += slots_of(value)
    if isinstance(document, str) and re.fullmatch(r"\d+:\d+", document):
        found.append(document)
    return found


def reason_of(state):
    """The reason beside a state, in the order's JSON, where one is given."""
    return next(iter(values_of(state, "reason")), None)


# --- The base of the stories -----------------------------------------------------------------------------------
class Story(unittest.TestCase):
    """Each story opens its own shop; everything is closed at its end."""

    maxDiff = 2000

    def open_gateway(self, **how):
        gateway = Gateway(**how)
        self.addCleanup(gateway.close)
        return gateway

    def open_shop(self, keys=5, price="9.99", gateway=None, start=True, **settings):
        """(shop, gateway) with a product `card`, its keys in `shop.keys`, and the channel `main`."""
        gateway = gateway or self.open_gateway()
        shop = Shop([gateway], **settings)
        self.addCleanup(shop.close)
        shop.keys = shop.add_product("card", price, keys)
        shop.add_channel(gateway)
        if start:
            shop.start()
        return shop, gateway

    def assert_delivered(self, state, quantity=1, among=None):
        self.assertEqual(state["state"], "delivered", state.get("reason"))
        self.assertEqual(len(state["keys"]), quantity)
        if among is not None:
            self.assertTrue(set(state["keys"]) <= set(among), "a key that was never imported here")
        return state["keys"]

    def verifiers(self, what, path, vkey, known=()):
        """Exit codes of both verifiers, and what they said."""
        flags = [a for k in known for a in ("--known", k)]
        ours = run([what, path, "--vkey", vkey, *flags], name="keystall-verify")
        done = subprocess.run([sys.executable, os.path.join(HERE, "verify_ledger.py"), what, path, "--vkey", vkey, *flags], capture_output=True)
        return ours.code, done.returncode, ours.said + "\n--- verify_ledger.py\n" + (done.stdout + done.stderr).decode()

    def assert_verified(self, what, path, vkey, known=()):
        rust, python, said = self.verifiers(what, path, vkey, known)
        self.assertEqual((rust, python), (0, 0), said[-2500:])
        return said

    def sales(self, export):
        """The sale entries of an export."""
        lines = verify_ledger.read(os.path.join(export, "gen-0", "entries.ndjson")).split(b"\n")[:-1]
        return [e for e in map(json.loads, lines) if e["type"] == "sale"]

"""A real nginx and a real Caddy in front of a real shop, with the examples of packaging/examples as they are shipped."""
import http.client, os, re, shutil, socket, ssl, subprocess, sys, tempfile, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import HERE, HOST, Buyer, Shop, Story, binary, free_port, verify_ledger  # noqa: E402

EXAMPLES = os.path.join(HERE, "..", "..", "packaging", "examples")
EXAMPLE_HOST = "shop.example.com"


def changed(text, *changes):
    """An example with other names, ports and paths: each must be in it, else the example is another one."""
    for old, new in changes:
        assert old in text, f"the example has no {old!r} any more"
        text = text.replace(old, new)
    return text


class Proxy:
    """A proxy before `upstream`, over TLS at `port` and in the clear at `plain_port`."""

    def __init__(self, home, upstream):
        self.home, self.upstream, self.process = home, upstream, None
        self.port, self.plain_port = free_port(), free_port()
        self.cert, self.key = os.path.join(home, "cert.pem"), os.path.join(home, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
                        "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", self.key, "-out", self.cert], check=True, capture_output=True)
        self.log = os.path.join(home, "proxy.log")

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "HOME": self.home, "XDG_DATA_HOME": self.home, "XDG_CONFIG_HOME": self.home})
        until = time.monotonic() + 20
        for port in (self.port, self.plain_port):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert self.process.poll() is None and time.monotonic() < until, verify_ledger.read(self.log).decode()[-2000:]
                    time.sleep(0.05)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


class Nginx(Proxy):
    program = "nginx"

    def command(self):
        example = verify_ledger.read(os.path.join(EXAMPLES, "nginx.conf")).decode()
        server = changed(example, (EXAMPLE_HOST, HOST), ("listen 80;", f"listen 127.0.0.1:{self.plain_port};"), ("    listen [::]:80;\n", ""),
                         ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"), ("    listen [::]:443 ssl http2;\n", ""),
                         (f"/etc/ssl/{HOST}.pem", self.cert), (f"/etc/ssl/{HOST}.key", self.key), ("/var/log/nginx/keystall.error.log", f"{self.home}/error.log"), ("http://127.0.0.1:8080", f"http://127.0.0.1:{self.upstream}"))
        paths = "".join(f"{kind}_temp_path {self.home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.geteuid() == 0 else ""
        whole = f"daemon off;\n{user}pid {self.home}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{paths}access_log {self.home}/access.log;\n{server}}}\n"
        return ["nginx", "-e", "stderr", "-c", self.write("nginx.conf", whole)]


class Caddy(Proxy):
    program = "caddy"

    def command(self):
        example = verify_ledger.read(os.path.join(EXAMPLES, "Caddyfile")).decode()
        ports = f"\thttp_port {self.plain_port}\n\thttps_port {self.port}\n\tadmin off\n\tskip_install_trust\n\tdefault_sni {HOST}\n\tstorage file_system {self.home}/storage\n"
        site = changed(example, (f"# A certificate of your own instead: tls /etc/ssl/{EXAMPLE_HOST}.pem /etc/ssl/{EXAMPLE_HOST}.key", f"tls {self.cert} {self.key}"),
                       ("\tlog default {", ports + "\tlog default {"), (EXAMPLE_HOST, HOST), ("127.0.0.1:8080 {", f"127.0.0.1:{self.upstream} {{"))
        return ["caddy", "run", "--adapter", "caddyfile", "--config", self.write("Caddyfile", site)]


class FromAddress(Buyer):
    """A buyer at an address of his own, who knows the shop's host and looks at its certificate's name."""

    def __init__(self, proxy, source="127.0.0.7", **how):
        super().__init__(address=("127.0.0.1", proxy.port), **how)
        self.source, self.proxy = source, proxy

    def connect(self, https=True):
        context = ssl.create_default_context(cafile=self.proxy.cert)
        connection = http.client.HTTPSConnection(HOST, self.address[1], timeout=self.timeout, context=context)
        source = (self.source, 0)
        connection._create_connection = lambda _, timeout, __: socket.create_connection(self.address, timeout, source)
        return connection


class Stories:
    """What holds behind every proxy."""

    def open_proxy(self, trusted="127.0.0.1,::1", **settings):
        if not shutil.which(self.kind.program):
            self.skipTest(f"{self.kind.program} is not installed")
        home = tempfile.mkdtemp(prefix="keystall-proxy-")
        self.addCleanup(shutil.rmtree, home, True)
        gateway = self.open_gateway()
        plain = free_port()
        shop = Shop([gateway], **{"LISTEN__HTTP": f"127.0.0.1:{plain}", "LISTEN__HTTPS": ",", "LISTEN__TRUSTED_PROXIES": trusted, **settings})
        self.addCleanup(shop.close)
        # What the harness would look for over TLS is behind the proxy here.
        shop.port = plain
        shop.add_product("card", "9.99", 50)
        shop.add_channel(gateway)
        proxy = self.kind(home, plain)
        self.addCleanup(proxy.close)
        with open(shop.log, "ab") as log:
            shop.process = subprocess.Popen([binary(), "serve", "--dir", shop.dir], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=shop.env)
        until = time.monotonic() + 20
        while self.plain(plain, "/readyz")[0] != 200:
            assert shop.process.poll() is None and time.monotonic() < until, shop.log_tail()
            time.sleep(0.05)
        proxy.start()
        gateway.connect_to = ("127.0.0.1", proxy.port)
        return shop, gateway, proxy

    def plain(self, port, path, **headers):
        """(status, headers) of a request in the clear."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": HOST, **headers})
            answer = connection.getresponse()
            answer.read()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}
        except OSError:
            return 0, {}
        finally:
            connection.close()

    def test_a_purchase_through_the_proxy(self):
        shop, gateway, proxy = self.open_proxy()
        buyer = FromAddress(proxy)
        window = buyer.get("/")
        self.assertEqual(window.status, 200)
        self.assertRegex(window.header("strict-transport-security"), r"^max-age=\d+")
        self.assertEqual(len(window.headers["strict-transport-security"]), 1)
        self.assertEqual(window.header("cache-control"), "private, no-cache")
        order, state = buyer.buy(gateway)
        self.assert_delivered(state)
        page = buyer.get(order)
        self.assertEqual((page.status, page.header("cache-control")), (200, "no-store"))
        self.assertIn(f"https://{HOST}{order}", page.text)
        self.assertIn("keystall-receipt/v1", buyer.get(order + "/receipt").text)
        asset = re.search(r'/static/shop\.css\?v=[0-9a-f]+', window.text)[0]
        self.assertIn("immutable", buyer.get(asset).header("cache-control"))

    def test_a_form_of_a_browser_passes_and_one_from_elsewhere_does_not(self):
        _, _, proxy = self.open_proxy()
        buyer = FromAddress(proxy)
        form = {"order": "x", "password": "y"}
        own = buyer.post("/find", form, Origin=f"https://{HOST}", Sec_Fetch_Site="same-origin")
        self.assertEqual(own.status, 422, own.text[:500])
        foreign = buyer.post("/find", form, Origin="https://evil.example", Sec_Fetch_Site="cross-site")
        self.assertEqual(foreign.status, 403)

    def test_in_the_clear_one_redirect_leads_to_https_and_no_loop(self):
        _, _, proxy = self.open_proxy()
        status, headers = self.plain(proxy.plain_port, "/p/card?lang=en")
        self.assertEqual(status, 308)
        self.assertRegex(headers["location"], rf"^https://{re.escape(HOST)}(:\d+)?/p/card\?lang=en$")
        self.assertEqual(FromAddress(proxy).get("/p/card?lang=en").status, 200)

    def test_limits_count_the_buyer_whatever_he_claims(self):
        shop, gateway, proxy = self.open_proxy(LIMITS__OPEN_ORDERS_PER_ADDRESS="1")
        claims = ("198.51.100.1", "198.51.100.2, 127.0.0.1", "127.0.0.1")
        buyers = {source: FromAddress(proxy, source) for source in ("127.0.0.7", "127.0.0.8")}
        first = buyers["127.0.0.7"].order(fast=True, contact="a@example.com")
        for number, claim in enumerate(claims):
            values = {"quantity": "1", "contact": f"b{number}@example.com", "password": "", "channel": "main"}
            again = buyers["127.0.0.7"].post("/p/card", values, X_Forwarded_For=claim, Forwarded=f"for={claim}", X_Real_IP=claim)
            self.assertIn(again.status, (422, 429), claim)
        # Another buyer is another one, behind the same proxy.
        buyers["127.0.0.8"].order(fast=True, contact="c@example.com")
        # What is told to a gateway as the buyer's address is his, too.
        gateway.mapi = "qrcode"
        buyers["127.0.0.7"].request("GET", first + "/pay.svg", headers={"X-Forwarded-For": "198.51.100.9"})
        self.assertEqual([call["clientip"] for call in gateway.mapi_calls], ["127.0.0.7"])

    def test_events_arrive_while_the_stream_is_open(self):
        _, gateway, proxy = self.open_proxy()
        buyer = FromAddress(proxy)
        order = buyer.order(fast=True)
        number = buyer.checkout(order, gateway)
        stream = FromAddress(proxy).connect()
        stream.request("GET", order + "/events", headers={"Host": HOST, "Accept": "text/event-stream"})
        answer = stream.getresponse()
        self.assertEqual(answer.status, 200)
        self.addCleanup(stream.close)
        self.addCleanup(answer.close)
        self.assertIn("pending", self.event(answer))
        began = time.monotonic()
        gateway.pay(number)
        self.assertIn("delivered", self.event(answer))
        self.assertLess(time.monotonic() - began, 5, "held back until the stream's end or its next heartbeat")

    def event(self, answer):
        while True:
            line = answer.readline().decode()
            self.assertTrue(line, "the stream ended")
            if line.startswith("data:"):
                return line

    def test_a_shop_that_does_not_trust_its_proxy_says_so_instead_of_sending_round(self):
        """The shop has TLS of its own too, and nobody named the proxy."""
        shop, _, proxy = self.open_proxy(trusted="", LISTEN__HTTPS=f"127.0.0.1:{free_port()}")
        answer = FromAddress(proxy).get("/?lang=en")
        self.assertEqual((answer.status, answer.header("location")), (400, ""))
        self.assertIn("[listen] trusted_proxies", answer.text)
        for _ in range(3):
            FromAddress(proxy).get("/")
        log = verify_ledger.read(shop.log).decode()
        told = [line for line in log.splitlines() if "trusted_proxies" in line]
        self.assertEqual(len(told), 1, told)
        self.assertIn("127.0.0.1", told[0])

    def test_no_log_of_the_proxy_holds_the_path_of_an_order(self):
        shop, _, proxy = self.open_proxy()
        buyer = FromAddress(proxy)
        order = buyer.order(fast=True)
        buyer.get(order)
        # The shop ends while somebody waits at an order, and then refuses.
        stream = FromAddress(proxy).connect()
        stream.request("GET", order + "/events", headers={"Host": HOST, "Accept": "text/event-stream", "Referer": f"https://{HOST}{order}"})
        answer = stream.getresponse()
        self.assertIn("pending", self.event(answer))
        shop.kill()
        stream.close()
        answer.close()
        status = buyer.get(order, Referer=f"https://{HOST}{order}").status
        self.assertEqual(status, 502)
        plain = self.plain(proxy.plain_port, order)[0]
        self.assertEqual(plain, 308)
        proxy.close()
        logs = [os.path.join(proxy.home, name) for name in os.listdir(proxy.home) if name.endswith(".log")]
        self.assertTrue(logs)
        for log in logs:
            self.assertNotIn(order.split("/")[2].encode(), verify_ledger.read(log), log)


def passed_on():
    """The settings that nginx.conf shows beside TLS that is passed on, as variables."""
    example = verify_ledger.read(os.path.join(EXAMPLES, "nginx.conf")).decode()
    part = example[example.index("pass port 443 on as it is"):example.index("server {")]
    settings, section = {}, None
    for line in part.splitlines():
        if found := re.match(r"#   \[(\w+)\]", line):
            section = found[1].upper()
        elif found := re.match(r"#   (\w+) = ([^#]*[^# ])", line):
            settings[f"{section}__{found[1].upper()}"] = found[2].strip("[]").replace('"', "") or ","
    return settings


class PassedOn(Story):
    def test_who_has_tls_passed_on_cannot_choose_his_address(self):
        """For the shop each buyer comes from this machine, as from a proxy that terminates TLS; only his headers are his own."""
        settings = passed_on()
        self.assertEqual(settings["LISTEN__TRUSTED_PROXIES"], ",", "the example says that nobody is trusted")
        for key in ("LIMITS__OPEN_ORDERS_PER_ADDRESS", "LIMITS__HELD_SHARE_PERCENT"):
            self.assertEqual(settings.pop(key), "0")
        self.assertTrue(settings.pop("LISTEN__HTTPS").startswith("127.0.0.1:"))
        gateway = self.open_gateway()
        shop = Shop([gateway], **{**settings, "LIMITS__OPEN_ORDERS_PER_ADDRESS": "1"})
        self.addCleanup(shop.close)
        shop.add_product("card", "9.99", 50)
        shop.add_channel(gateway)
        shop.start()
        buyer = Buyer(shop)
        buyer.order(fast=True, contact="a@example.com")
        for number, claim in enumerate(("198.51.100.1", "198.51.100.2, 203.0.113.9")):
            values = {"quantity": "1", "contact": f"b{number}@example.com", "password": "", "channel": "main"}
            again = buyer.post("/p/card", values, X_Forwarded_For=claim)
            self.assertIn(again.status, (422, 429), f"{claim} was believed")


class BehindNginx(Stories, Story):
    kind = Nginx


class BehindCaddy(Stories, Story):
    kind = Caddy


if __name__ == "__main__":
    unittest.main()

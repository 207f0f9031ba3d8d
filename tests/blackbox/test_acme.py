"""The certificate: fetched from an authority that really looks, renewed, kept, told about.

Where pebble is missing and cannot be installed, its stories are skipped; those against the double of a directory are not.
"""
import datetime, http.client, os, socket, ssl, sys, threading, time, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from acme_directory import Directory  # noqa: E402
from acme_servers import Pebble, pebble_binary  # noqa: E402
from keystall import HOST, Browser, Shop, Story, free_port  # noqa: E402


def until(happens, seconds=30.0, what="it"):
    """What `happens` gives, once it is true."""
    began = time.monotonic()
    while True:
        found = happens()
        if found:
            return found
        assert time.monotonic() - began < seconds, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)


def shake(port, name=HOST, root=None, alpn=None, version=None):
    """A handshake: (certificate as DER, ALPN). With `root` the chain and the name are verified as a browser does."""
    context = ssl.create_default_context(cadata=root) if root else ssl._create_unverified_context()
    if alpn:
        context.set_alpn_protocols(alpn)
    if version:
        context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            return tls.getpeercert(True), tls.selected_alpn_protocol()


def trusts(port, root, name=HOST):
    try:
        return shake(port, name, root)[0]
    except (ssl.SSLError, OSError):
        return None


class Acme(Story):
    def open_pebble(self, **how):
        if not pebble_binary():
            self.skipTest("pebble is not installed and cannot be: apt-get install pebble")
        home = self.folder()
        pebble = Pebble(home, **how)
        self.addCleanup(pebble.close)
        return pebble

    def folder(self):
        import shutil, tempfile
        home = tempfile.mkdtemp(prefix="keystall-acme-")
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        return home

    def open(self, pebble, start=True, http=True, **settings):
        shop = Shop(**pebble.settings(http=http, **settings))
        shop.port = pebble.tls_port
        self.addCleanup(shop.close)
        if start:
            shop.start()
        return shop

    def certified(self, shop, root, name=HOST, seconds=40):
        try:
            return until(lambda: trusts(shop.port, root, name), seconds, "a trusted certificate")
        except AssertionError as late:
            raise AssertionError(f"{late}: {shop.log_tail()}") from None


class Pebbles(Acme):
    def test_a_shop_gets_a_certificate_for_its_name_and_keeps_it_over_a_restart(self):
        # As in the world, a nonce is refused now and then.
        pebble = self.open_pebble(environment={"PEBBLE_WFE_NONCEREJECT": "5"})
        pebble.lead(HOST, "127.0.0.1")
        shop = self.open(pebble)
        root = pebble.root()
        first = self.certified(shop, root)
        self.assertIn("validate w/ HTTP", pebble.said())
        shop.stop()
        shop.start()
        self.assertEqual(trusts(shop.port, root), first, "the first handshake after a start has it already")

    def test_a_shop_without_plain_http_proves_itself_in_a_handshake(self):
        pebble = self.open_pebble()
        pebble.lead(HOST, "127.0.0.1")
        pebble.lead("www.shop.test", "127.0.0.1")
        shop = self.open(pebble, http=False, TLS__ACME_NAMES="www.shop.test")
        root = pebble.root()
        self.certified(shop, root)
        self.assertIsNotNone(trusts(shop.port, root, "www.shop.test"), "the further name is in it too")
        self.assertNotIn("validate w/ HTTP", pebble.said())
        with self.assertRaises(OSError):
            shake(shop.port, HOST, alpn=["acme-tls/1"])

    def test_an_address_gets_a_certificate_in_both_ways(self):
        for http in (True, False):
            with self.subTest(http=http):
                pebble = self.open_pebble()
                shop = self.open(pebble, http=http, SHOP__HOST="127.0.0.1")
                self.certified(shop, pebble.root(), "127.0.0.1")

    def test_a_name_that_leads_elsewhere_is_told_of_and_the_shop_sells_on_with_its_own_certificate(self):
        pebble = self.open_pebble()
        shop = self.open(pebble)
        said = until(lambda: self.status(shop)["last_error"], what="a failure")
        self.assertRegex(said, r"shop\.test cannot be looked up: set its A|the authority cannot connect to shop\.test|another server answers")
        status = self.status(shop)
        self.assertEqual((status["failures"], status["hsts_max_age_s"]), (1, 300))
        self.assertIsNone(status["serial"])
        doctor = shop.cli("doctor")
        self.assertIn("certificate: none of an authority yet", doctor.out)
        self.assertIn("keystall certificate renew", doctor.out)
        self.assertEqual(Browser(shop).get("/readyz").status, 200)
        # The merchant sets it right, and need not wait.
        pebble.lead(HOST, "127.0.0.1")
        shop.must("certificate", "renew")
        self.certified(shop, pebble.root())
        status = self.status(shop)
        self.assertEqual((status["failures"], status["last_error"]), (0, None))
        self.assertIn("certificate: good until", shop.cli("doctor").out)
        expires = self.metric(shop)
        self.assertGreater(expires, time.time())

    def test_a_name_that_the_authority_refuses_says_so(self):
        pebble = self.open_pebble(blocked=[HOST])
        pebble.lead(HOST, "127.0.0.1")
        shop = self.open(pebble)
        said = until(lambda: self.status(shop)["last_error"], what="a failure")
        self.assertIn("the authority does not sign for shop.test: take another [shop] host", said)

    def test_where_port_80_leads_elsewhere_the_next_attempt_is_a_handshake(self):
        pebble = self.open_pebble()
        pebble.lead(HOST, "127.0.0.1")
        elsewhere = free_port()
        shop = self.open(pebble, LISTEN__HTTP=f"127.0.0.1:{elsewhere}")
        until(lambda: self.status(shop)["failures"] == 1, what="a failure")
        looks = pebble.said().count("validate w/ HTTP")
        self.assertGreater(looks, 0)
        shop.must("certificate", "renew")
        self.certified(shop, pebble.root())
        self.assertEqual(pebble.said().count("validate w/ HTTP"), looks, "it was not asked for over HTTP again")

    def test_a_client_that_comes_all_the_time_sees_an_unbroken_chain_through_renewals(self):
        pebble = self.open_pebble(life_s=24)
        pebble.lead(HOST, "127.0.0.1")
        shop = self.open(pebble)
        root, seen, broken = pebble.root(), [], []
        self.certified(shop, root)
        ended, staying = threading.Event(), []

        def come():
            kept = None
            while not ended.is_set():
                try:
                    seen.append(shake(shop.port, HOST, root)[0])
                    # One that stays, as browsers do, is not cut by a renewal.
                    if kept is None:
                        kept = self.keep_open(shop.port, root)
                        staying.append(kept)
                    kept.request("GET", "/readyz", headers={"Host": HOST})
                    assert kept.getresponse().read() is not None
                except (OSError, AssertionError, http.client.HTTPException) as error:
                    broken.append((time.monotonic(), repr(error)))
                time.sleep(0.05)

        clients = [threading.Thread(target=come) for _ in range(3)]
        for one in clients:
            one.start()
        hsts = {}
        try:
            began = time.monotonic()
            while len(set(seen)) < 4 and time.monotonic() - began < 90:
                hsts[len(set(seen))] = Browser(shop).get("/").header("strict-transport-security")
                time.sleep(0.5)
        finally:
            ended.set()
            for one in clients:
                one.join()
            for one in staying:
                one.close()
        self.assertEqual(broken, [], shop.log_tail())
        self.assertGreaterEqual(len(set(seen)), 4, "renewed at half of its life, again and again")
        changes = [a for a, b in zip(seen, seen[1:]) if a != b]
        self.assertLess(len(changes), 3 * len(set(seen)), "an old one does not come back")
        self.assertEqual(hsts[1], "max-age=300")
        self.assertEqual(self.status(shop)["hsts_max_age_s"], 31_536_000)
        self.assertEqual(Browser(shop).get("/").header("strict-transport-security"), "max-age=31536000")

    def test_an_authority_that_goes_away_leaves_the_old_certificate_and_one_that_comes_back_without_memory_gets_a_new_account(self):
        pebble = self.open_pebble(life_s=20)
        pebble.lead(HOST, "127.0.0.1")
        shop = self.open(pebble)
        old_root = pebble.root()
        first = self.certified(shop, old_root)
        pebble.stop()
        said = until(lambda: self.status(shop)["last_error"], what="a failure")
        self.assertIn("the authority cannot be used now", said)
        until(lambda: "has run out" in shop.cli("doctor").out, what="the end of its life")
        self.assertEqual(shake(shop.port)[0], first, "an expired one is served to the very end, and after it")
        self.assertEqual(shop.cli("doctor").code, 1)
        self.assertIn("certificate was not renewed in time", shop.log_tail())
        pebble.start()
        shop.must("certificate", "renew")
        self.certified(shop, pebble.root())

    def test_only_an_awaited_answer_is_under_the_well_known_path(self):
        pebble = self.open_pebble()
        shop = self.open(pebble)
        until(lambda: self.status(shop)["failures"], what="a failure")
        plain = ("127.0.0.1", pebble.http_port)
        for token in ("x", "", "..%2f..%2f", "a/b"):
            connection = http.client.HTTPConnection(*plain, timeout=10)
            connection.request("GET", f"/.well-known/acme-challenge/{token}", headers={"Host": HOST})
            self.assertIn(connection.getresponse().status, (404, 308), token)
            connection.close()
        connection = http.client.HTTPConnection(*plain, timeout=10)
        connection.request("GET", "/find", headers={"Host": HOST})
        answer = connection.getresponse()
        connection.close()
        self.assertTrue(answer.getheader("location", "").startswith(f"https://{HOST}"), answer.status)

    def test_what_is_kept_of_the_certificate_is_sealed(self):
        pebble = self.open_pebble()
        pebble.lead(HOST, "127.0.0.1")
        shop = self.open(pebble)
        self.certified(shop, pebble.root())
        shop.stop()
        with open(os.path.join(shop.dir, "shop.redb"), "rb") as f:
            kept = f.read()
        for secret in (b"PRIVATE KEY", b"key_pkcs8", b"BEGIN CERTIFICATE"):
            self.assertNotIn(secret, kept)

    # What the stories ask
    def status(self, shop):
        return shop.must("certificate", "show", "--json").json

    def metric(self, shop):
        text = self.numbers(shop)
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith("keystall_certificate_expires_timestamp_seconds ")))

    def numbers(self, shop):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(shop.dir, "admin.sock"))
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            said = b""
            while more := s.recv(65536):
                said += more
        return said.decode()

    def keep_open(self, port, root):
        """A connection that stays."""
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.sock = ssl.create_default_context(cadata=root).wrap_socket(plain, server_hostname=HOST)
        return connection


class Doubles(Acme):
    """What pebble 2.4 does not have: profiles, renewal information, limits."""

    def open_double(self, **how):
        http_port = free_port()
        double = Directory(self.folder(), http_port, **how)
        self.addCleanup(double.close)
        return double

    def open_at(self, double, **settings):
        shop = Shop(**double.settings(double.http_port, port := free_port(), **settings))
        shop.port = port
        self.addCleanup(shop.close)
        shop.start()
        return shop

    def orders(self, double):
        return [payload for path, payload in double.requests if path == "/order"]

    def test_an_address_is_ordered_as_short_lived_and_a_name_as_the_authority_likes(self):
        profiles = {"classic": 90, "shortlived": 6}
        for host, expected in (("127.0.0.1", "shortlived"), (HOST, None)):
            with self.subTest(host=host):
                double = self.open_double(profiles=profiles)
                shop = self.open_at(double, SHOP__HOST=host)
                self.certified(shop, double.root(), host)
                self.assertEqual([o.get("profile") for o in self.orders(double)], [expected])

    def test_a_profile_is_ordered_by_name_or_the_shop_says_which_there_are(self):
        double = self.open_double(profiles={"classic": 90, "tlsserver": 45})
        shop = self.open_at(double, TLS__ACME_PROFILE="tlsserver")
        self.certified(shop, double.root())
        self.assertEqual(self.orders(double)[0]["profile"], "tlsserver")
        other = self.open_at(self.open_double(profiles={"classic": 90}), TLS__ACME_PROFILE="tlsserver")
        said = until(lambda: self.status(other)["last_error"], what="a failure")
        self.assertIn("no profile \"tlsserver\"", said)
        self.assertIn("(classic)", said)

    def test_a_window_that_has_passed_means_within_the_hour_and_names_the_certificate_that_is_replaced(self):
        now = time.time()
        first = []

        def window(identifier):
            first.append(identifier)
            if identifier == first[0]:
                return now - 7200, now - 3600, 21600
            return now + 40 * 86400, now + 41 * 86400, None

        double = self.open_double(profiles={"classic": 90}, window=window)
        shop = self.open_at(double)
        until(lambda: first, what="the question for the window")
        # No order follows another without a pause, whatever the authority says.
        paused = lambda status: 50 < (until_of(status["next_attempt"]) - time.time()) / 60 < 61
        until(lambda: (s := self.status(shop))["next_attempt"] != "now" and paused(s), what="a date within the hour")
        self.assertEqual(len(self.orders(double)), 1)
        shop.must("certificate", "renew")
        until(lambda: len(set(first)) == 2, what="the second certificate")
        replaces = [o.get("replaces") for o in self.orders(double)]
        self.assertEqual(replaces, [None, first[0]])
        # Asked once for each; the second window is far.
        in_window = lambda status: 39.9 < (until_of(status["next_attempt"]) - time.time()) / 86400 < 41.1
        status = until(lambda: (s := self.status(shop))["next_attempt"] != "now" and in_window(s) and s, what="a date in the second window")
        self.assertEqual(len(first), 2)
        self.assertEqual(status["hsts_max_age_s"], 300, "it came on the first day: that shows nothing")

    def test_a_predecessor_that_was_replaced_already_does_not_stand_in_the_way(self):
        future = lambda _: (time.time() + 86400, time.time() + 90000, 3600)
        double = self.open_double(profiles={}, window=future)
        shop = self.open_at(double)
        until(lambda: double.asked_windows, what="the question for the window")
        double.replaced.add(double.asked_windows[0])
        before = self.status(shop)["serial"]
        shop.must("certificate", "renew")
        until(lambda: self.status(shop)["serial"] != before, what="the second certificate")
        self.assertEqual([o.get("replaces") for o in self.orders(double)], [None, double.asked_windows[0], None])

    def test_a_rate_limit_is_kept_also_over_restarts(self):
        double = self.open_double()
        double.limit = "7200"
        shop = self.open_at(double)
        status = until(lambda: (s := self.status(shop))["last_error"] and s, what="a refusal")
        self.assertIn("the authority signs no more for now", status["last_error"])
        self.assertGreater(until_of(status["next_attempt"]), time.time() + 7000)
        double.limit = None
        asked = len(double.requests)
        shop.stop()
        shop.start()
        time.sleep(4)
        self.assertEqual(len(double.requests), asked)
        self.assertEqual(self.status(shop)["next_attempt"], status["next_attempt"])

    def test_an_authority_that_answers_with_pages_is_waited_for(self):
        double = self.open_double()
        shop = self.open_at(double, TLS__ACME_DIRECTORY=double.base + "/nonce")
        said = until(lambda: self.status(shop)["last_error"], what="a failure")
        self.assertIn("the authority cannot be used now", said)

    def status(self, shop):
        return shop.must("certificate", "show", "--json").json


class Settings(Story):
    def test_the_check_of_the_settings_says_what_no_authority_will_sign(self):
        def checked(**settings):
            shop = Shop(**{"TLS__MODE": "acme", "LISTEN__HTTPS": "127.0.0.1:443", **settings})
            self.addCleanup(shop.close)
            # That each is another host's shop is another doubt.
            return [doubt for doubt in shop.must("config", "check", "--json").json["doubts"] if "the shop was made for" not in doubt]

        for host in ("localhost", "10.0.0.7", "shop.local", "shop.test", "intranet"):
            self.assertIn("no public authority signs", checked(SHOP__HOST=host)[0], host)
        self.assertEqual(checked(SHOP__HOST="shop.keystall.org"), [])
        self.assertEqual(checked(SHOP__HOST="9.9.9.9"), [])
        self.assertIn("neither", checked(SHOP__HOST="shop.keystall.org", LISTEN__HTTPS="127.0.0.1:8443")[0])


def until_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    unittest.main()

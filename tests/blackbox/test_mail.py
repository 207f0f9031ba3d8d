"""Mail, against real servers: aiosmtpd with STARTTLS and auth, Debian's postfix, and a DNS of the test's own."""
import os, re, sys, tempfile, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Buyer, Story  # noqa: E402
from smtp_server import Authority, Dns, Injector, Postfix, Server, free_port  # noqa: E402

BUYER, OWNER, PASSWORD = "li.lei@buyer.test", "owner@merchant.test", "smtp-password-canary"


class Mail(Story):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="keystall-mail-")
        cls.authority = Authority(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def open_server(self, **how):
        server = Server(**{"authority": self.authority, "user": "shop", "password": PASSWORD, **how})
        self.addCleanup(server.close)
        return server

    def open_mail_shop(self, port, keys=30, start=True, **settings):
        mail = {"MAIL__HOST": "localhost", "MAIL__PORT": str(port), "MAIL__TLS": "starttls", "MAIL__USER": "shop", "MAIL__PASSWORD": PASSWORD,
                "MAIL__FROM": "shop@merchant.test", "MAIL__MERCHANT": OWNER, "MAIL__CA_FILE": self.authority.ca, "MAIL__TIMEOUT": "5s"}
        return self.open_shop(keys=keys, start=start, **{**mail, **settings})

    def effects(self, shop):
        return shop.must("outbox", "list", "--json").json["effects"]

    def until(self, what, good, seconds=20):
        until = time.monotonic() + seconds
        while not good():
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.05)

    # --- What arrives ------------------------------------------------------------------------------------------
    def test_a_sale_reaches_its_buyer_with_link_and_receipt_and_the_merchant_without_either(self):
        server = self.open_server()
        shop, gateway = self.open_mail_shop(server.port)
        order, state = Buyer(shop).buy(gateway, contact=BUYER)
        server.wait(2)
        [mail], [told] = server.to(BUYER), server.to(OWNER)
        self.assertTrue(server.encrypted)
        self.assertEqual(mail.sender, "shop@merchant.test")
        for form in (mail.text, mail.html):
            self.assertIn(f"https://shop.test{order}", form)
        self.assertEqual(mail.message["Auto-Submitted"], "auto-generated")
        self.assertRegex(mail.id, r"^<e\d+\.[0-9a-f]{16}@shop\.test>$")
        [(name, receipt)] = mail.attachments.items()
        self.assertRegex(name, r"^keystall-receipt-[0-9A-Z]{13}\.txt$")
        self.assert_verified("receipt", shop.file(receipt, "receipt.txt"), shop.vkey())
        key = state["keys"][0]
        for one in (mail, told):
            self.assertNotIn(key, one.text + one.html, "the key itself is sent only if the merchant says so")
        self.assertNotIn(order, told.raw.decode("utf-8", "replace") + told.text + told.html)
        self.assertNotIn(BUYER, told.raw.decode("utf-8", "replace") + told.text)
        self.assertFalse(told.attachments)
        for outer in re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\'> )]+)', mail.html):
            self.assertTrue(outer.startswith("https://shop.test/"), outer)
        self.until("the outbox empties", lambda: not self.effects(shop))

    def test_keys_are_in_the_mail_where_the_merchant_says_so_and_tls_from_the_first_byte_works(self):
        server = self.open_server(wrapped=True)
        shop, gateway = self.open_mail_shop(server.port, MAIL__KEYS="true", MAIL__TLS="tls")
        _, state = Buyer(shop, language="en").buy(gateway, contact=BUYER)
        [mail] = server.wait(1, to=BUYER)
        self.assertIn(state["keys"][0], mail.text)
        self.assertIn("Your order is ready", mail.text)

    # --- What goes wrong ---------------------------------------------------------------------------------------
    def test_r14_a_daemon_killed_between_promise_and_delivery_sends_after_its_restart(self):
        port = free_port()
        shop, gateway = self.open_mail_shop(port)
        orders = [Buyer(shop).buy(gateway, contact=f"b{n}@buyer.test")[0] for n in range(3)]
        shop.kill()
        server = self.open_server(port=port)
        shop.start()
        server.wait(6, seconds=25)
        self.until("the outbox empties", lambda: not self.effects(shop))
        links = [re.search(r"/o/[0-9A-Za-z_-]+", m.text)[0] for n in range(3) for m in server.to(f"b{n}@buyer.test")]
        self.assertEqual(links, orders)

    def test_r14_a_daemon_killed_after_the_server_took_the_mail_sends_it_again_under_the_same_id(self):
        server = self.open_server()
        shop, gateway = self.open_mail_shop(server.port, MAIL__MERCHANT="", MAIL__TIMEOUT="30s")
        server.hold.set()
        Buyer(shop).buy(gateway, contact=BUYER)
        server.wait(1)
        shop.kill()
        server.hold.clear()
        shop.start()
        first, second = server.wait(2)
        self.assertEqual(first.id, second.id)
        self.until("the outbox empties", lambda: not self.effects(shop))
        self.assertEqual(len(server.mails), 2)

    def test_a_server_that_never_says_goodbye_is_believed_what_it_said_before(self):
        server = self.open_server()
        server.hold_quit.set()
        server.refuse["RCPT"] = lambda address: "550 5.1.1 no such user" if address.startswith("gone") else None
        shop, gateway = self.open_mail_shop(server.port, MAIL__MERCHANT="", MAIL__TIMEOUT="3s")
        Buyer(shop).buy(gateway, contact=BUYER)
        Buyer(shop).buy(gateway, contact="gone@buyer.test")
        self.until("one is kept, one given up", lambda: [e["dead"] for e in self.effects(shop)] == [True])
        self.assertEqual(len(server.mails), 1)
        self.assertIn("550", self.effects(shop)[0]["last_error"])

    def test_r14_a_server_that_is_down_and_comes_back_gets_every_mail_once(self):
        port = free_port()
        shop, gateway = self.open_mail_shop(port)
        contacts = [f"b{n}@buyer.test" for n in range(6)]
        for contact in contacts:
            Buyer(shop).buy(gateway, contact=contact)
        self.until("an attempt fails", lambda: any(e["last_error"] for e in self.effects(shop)))
        self.assertEqual(len(self.effects(shop)), 12)
        level = lambda: next(f["level"] for f in shop.cli("doctor", "--json").json["findings"] if f["check"] == "buyers")
        self.until("a letter to a buyer fails too", lambda: level() == "warn")
        server = self.open_server(port=port)
        server.wait(12, seconds=30)
        self.until("the outbox empties", lambda: not self.effects(shop))
        self.assertEqual(sorted(m.recipients[0] for m in server.mails), sorted(contacts + [OWNER] * 6))
        self.assertEqual(len({m.id for m in server.mails}), 12)

    def test_a_server_that_says_4xx_and_then_5xx_leaves_a_message_for_a_person_and_a_retry_sends_it(self):
        server = self.open_server()
        server.refuse["RCPT"] = [f"451 4.7.1 <{BUYER}> greylisted, try later", f"550 5.1.1 <{BUYER}>: User li.lei unknown"]
        shop, gateway = self.open_mail_shop(server.port, MAIL__MERCHANT="")
        Buyer(shop).buy(gateway, contact=BUYER)
        self.until("the first answer is kept", lambda: (self.effects(shop)[0]["last_error"] or "").count("451"))
        self.assertFalse(self.effects(shop)[0]["dead"])
        self.until("the second gives it up", lambda: self.effects(shop)[0]["dead"])
        [dead] = self.effects(shop)
        self.assertIn("550", dead["last_error"])
        self.assertEqual((dead["via"], dead["attempts"]), ("buyer_mail", 2))
        finding = next(f for f in shop.cli("doctor", "--json").json["findings"] if f["check"] == "outbox")
        self.assertIn(dead["order"], finding["message"])
        written = shop.log_tail() + str(self.effects(shop))
        for private in (BUYER, "li.lei", PASSWORD):
            self.assertNotIn(private, written)
        shop.must("outbox", "retry")
        [mail] = server.wait(1)
        self.assertEqual(mail.recipients, [BUYER])
        self.until("the outbox empties", lambda: not self.effects(shop))

    def test_words_put_behind_starttls_break_the_handshake_and_the_mail_waits(self):
        server = self.open_server()
        between = Injector(server.port)
        self.addCleanup(between.close)
        shop, gateway = self.open_mail_shop(between.port, MAIL__MERCHANT="")
        Buyer(shop).buy(gateway, contact=BUYER)
        self.until("an attempt fails", lambda: [e["attempts"] for e in self.effects(shop)] == [1])
        self.assertGreater(between.upgrades, 0)
        self.assertEqual(server.mails, [])
        result = shop.cli("notify", "test", "--dns", self.open_dns({}).at, "--json", "--to", BUYER)
        self.assertEqual((result.code, [s["step"] for s in result.json["steps"]]), (1, ["connect"]), result.said)

    def test_a_link_that_a_server_quotes_is_kept_nowhere(self):
        server = self.open_server()
        server.refuse["DATA"] = lambda _address: "554 5.7.1 Blocked: listed URL https://shop.test/o/canary-link KEY-canary"
        shop, gateway = self.open_mail_shop(server.port, MAIL__MERCHANT="")
        Buyer(shop).buy(gateway, contact=BUYER)
        self.until("it is given up", lambda: self.effects(shop)[0]["dead"])
        self.assertIn("554 5.7.1", self.effects(shop)[0]["last_error"])
        for private in ("canary-link", "KEY-canary", "https://"):
            self.assertNotIn(private, shop.log_tail() + self.effects(shop)[0]["last_error"])

    def test_ten_buyers_in_a_row_that_cannot_be_told_are_one_alarm(self):
        server = self.open_server()
        server.refuse["RCPT"] = lambda address: None if address == OWNER else "550 5.1.1 no such user"
        shop, gateway = self.open_mail_shop(server.port)
        for n in range(11):
            Buyer(shop).buy(gateway, fast=True, contact=f"b{n}@buyer.test")
        server.wait(12)
        alarms = [m for m in server.to(OWNER) if "keystall notify test" in m.text]
        self.assertEqual(len(alarms), 1)
        doctor = shop.cli("doctor", "--json")
        finding = next(f for f in doctor.json["findings"] if f["check"] == "buyers")
        self.assertEqual((doctor.code, finding["level"]), (1, "fail"))

    def test_a_certificate_of_nobody_and_a_wrong_password_are_named_as_settings(self):
        server = self.open_server()
        shop, _ = self.open_mail_shop(server.port, start=False, MAIL__CA_FILE="")
        self.assertRefused(shop, "settings", "certificate", "ca_file")
        shop.env |= {"KEYSTALL_MAIL__CA_FILE": self.authority.ca, "KEYSTALL_MAIL__PASSWORD": "wrong-canary"}
        said = self.assertRefused(shop, "settings", "login", "password")
        self.assertNotIn("wrong-canary", said)
        shop.env |= {"KEYSTALL_MAIL__PORT": str(free_port())}
        self.assertRefused(shop, "unreachable", "no connection", "check [mail] host and port", "587")
        self.assertEqual(server.mails, [])

    def assertRefused(self, shop, code, *words):
        result = shop.cli("notify", "test", "--dns", self.open_dns({}).at, "--json")
        self.assertEqual(result.code, 1, result.said[-800:])
        self.assertEqual(result.json["error"]["code"], code, result.said)
        for word in words:
            self.assertIn(word, result.json["error"]["message"])
        return result.said

    def test_without_a_mail_server_the_shop_works_and_doctor_says_that_nobody_is_told(self):
        shop, gateway = self.open_shop()
        self.assert_delivered(Buyer(shop).buy(gateway)[1])
        finding = next(f for f in shop.cli("doctor", "--json").json["findings"] if f["check"] == "buyers")
        self.assertEqual(finding["level"], "warn")
        self.assertIn("nobody is told", finding["message"])
        self.assertEqual(shop.cli("notify", "test").code, 1)

    # --- The test mail, and DNS --------------------------------------------------------------------------------
    def open_dns(self, table):
        dns = Dns(table)
        self.addCleanup(dns.close)
        return dns

    def test_notify_test_tells_each_step_and_the_dns_lines_to_add(self):
        server = self.open_server()
        shop, _ = self.open_mail_shop(server.port)
        bare = self.open_dns({("shop.test", "A"): ["203.0.113.9"], ("localhost", "A"): ["127.0.0.1"]})
        result = shop.cli("notify", "test", "--to", "me@buyer.test", "--dns", bare.at)
        self.assertEqual(result.code, 0, result.said)
        [mail] = server.to("me@buyer.test")
        self.assertIn("Blackbox", mail.message["Subject"])
        for words in ("connect ", "TLS 1.3", "login ", "250 taken", 'merchant.test  TXT  "v=spf1 a:shop.test ~all"',
                      '_dmarc.merchant.test  TXT  "v=DMARC1; p=none; rua=mailto:shop@merchant.test"', "SELECTOR._domainkey.merchant.test"):
            self.assertIn(words, result.out)
        full = self.open_dns({("shop.test", "A"): ["203.0.113.9"], ("localhost", "A"): ["127.0.0.1"],
                              ("merchant.test", "TXT"): ["some=other", "v=spf1 include:esp.test -all"], ("esp.test", "TXT"): ["v=spf1 ip4:203.0.113.0/24 -all"],
                              ("x1._domainkey.merchant.test", "TXT"): ["v=DKIM1; k=rsa; p=" + "MIIB" * 80], ("_dmarc.merchant.test", "TXT"): ["v=DMARC1; p=quarantine"]})
        answer = shop.must("notify", "test", "--dns", full.at, "--dkim-selector", "x1", "--json").json
        self.assertEqual({f["name"]: f["standing"] for f in answer["findings"]}, {"SPF": "good", "DKIM": "good", "DMARC": "good"})
        self.assertEqual([s["step"] for s in answer["steps"]], ["connect", "tls", "login", "sender", "recipient", "message"])
        self.assertEqual(len(server.to(OWNER)), 1)

    def test_s41_no_address_on_the_command_line_makes_a_header(self):
        server = self.open_server()
        shop, _ = self.open_mail_shop(server.port, start=False)
        for address in ("a@b.test\r\nBcc: c@d.test", "a@b.test, c@d.test", "no-address", "<a@b.test>"):
            self.assertEqual(shop.cli("notify", "test", "--to", address, "--dns", "127.0.0.1:1").code, 1, address)
        self.assertEqual(server.tried, 0)

    # --- Texts -------------------------------------------------------------------------------------------------
    def test_texts_are_listed_changed_previewed_and_put_back(self):
        server = self.open_server()
        shop, gateway = self.open_mail_shop(server.port, MAIL__MERCHANT="")
        kinds = {t["kind"] for t in shop.must("notify", "template", "list", "--json").json["templates"]}
        self.assertEqual(len(kinds), 19)
        shown = shop.must("notify", "template", "show", "delivered", "--lang", "zh-CN").out
        self.assertTrue(shown.startswith("subject: "))
        shop.must("notify", "template", "set", "delivered", "-", "--lang", "zh-CN", stdin=shown.encode())
        for text, said in (("subject: x\n\n{订单}", "{订单号}"), ("subject: x\n\n{{7*7}}", "no placeholder"), ("hello", "subject:"), ("subject: x\n\n", "empty")):
            result = shop.cli("notify", "template", "set", "delivered", "-", "--lang", "zh-CN", stdin=text.encode())
            self.assertEqual(result.code, 1, text)
            self.assertIn(said, result.err)
        own = "subject: 自家的话 {订单号}\n\n<b>{商品}</b> {{ ${7 <% 7*7 %>\n\n[去看看]({链接})\n"
        shop.must("notify", "template", "set", "delivered", "-", "--lang", "zh-CN", stdin=own.replace("{{ ${7 ", "").encode())
        page = os.path.join(shop.home, "preview.html")
        shop.must("notify", "template", "preview", "delivered", "--lang", "zh-CN", "--html", page)
        with open(page, encoding="utf-8") as f:
            self.assertIn("&#60;b&#62;", f.read())
        Buyer(shop, language="zh-CN").buy(gateway, contact=BUYER)
        [mail] = server.wait(1)
        self.assertTrue(mail.message["Subject"].startswith("自家的话 "))
        self.assertIn("<% 7*7 %>", mail.text)
        shop.must("notify", "template", "reset", "delivered", "--lang", "zh-CN")
        self.assertEqual(shop.must("notify", "template", "show", "delivered", "--lang", "zh-CN").out, shown)

    # --- Debian's postfix --------------------------------------------------------------------------------------
    @unittest.skipUnless(Postfix.is_there(), "postfix is not installed, or this is not root")
    def test_postfix_takes_a_mail_and_a_bounced_address_is_given_up_by_its_own_word(self):
        sink = self.open_server(authority=None, user=None, password=None)
        postfix = Postfix(self.authority, sink.port, [BUYER])
        self.addCleanup(postfix.close)
        shop, gateway = self.open_mail_shop(postfix.port, MAIL__USER="", MAIL__PASSWORD="", MAIL__MERCHANT="")
        Buyer(shop).buy(gateway, contact=BUYER)
        Buyer(shop).buy(gateway, contact="gone@buyer.test")
        [mail] = sink.wait(1)
        self.assertEqual(mail.recipients, [BUYER])
        self.assertEqual(len(mail.attachments), 1)
        self.until("the other is given up", lambda: [e for e in self.effects(shop) if e["dead"]], 15)
        [dead] = self.effects(shop)
        self.assertIn("5.1.1", dead["last_error"])
        self.assertNotIn("gone@", dead["last_error"])


if __name__ == "__main__":
    unittest.main()

"""The first sale, as a stranger meets it: the demo, a shop with a real gateway's manners, the receipt, the pages' rules.

    python3 -m unittest tests/blackbox/test_first_sale.py
"""
import os, re, secrets, subprocess, sys, tempfile, threading, time, unittest, urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify_ledger  # noqa: E402
from keystall import Browser, Buyer, Story, binary, clean_environment, free_port, run, signal, shutil  # noqa: E402


class Demo:
    """`keystall demo`, as its page promises it."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="keystall-demo-")
        listen, cashier = free_port(), free_port()
        self.err = open(os.path.join(self.home, "stderr"), "wb")
        command = [binary(), "demo", "--dir", os.path.join(self.home, "d"), "--listen", f"127.0.0.1:{listen}", "--cashier", f"127.0.0.1:{cashier}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.err, env=clean_environment())
        self.lines, self.words = [], {}
        watchdog = threading.Timer(30, self.process.kill)  # a demo that never says `ready` ends the wait
        watchdog.start()
        for raw in self.process.stdout:
            line = raw.decode().rstrip("\n")
            self.lines.append(line)
            word, _, rest = line.partition(" ")
            self.words[word] = rest
            if line == "ready":
                break
        watchdog.cancel()

    def close(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.err.close()
            shutil.rmtree(self.home, ignore_errors=True)


def visit(url, method="GET", form=None, cookies=None):
    """One request of a browser that follows no redirect, to whatever address the URL names."""
    parts = urllib.parse.urlsplit(url)
    browser = Browser(address=(parts.hostname, parts.port or 443), host=parts.netloc)
    if parts.scheme == "http":
        browser.connection = browser.connect(https=False)
    browser.cookies = cookies if cookies is not None else {}
    try:
        return browser.request(method, (parts.path or "/") + ("?" + parts.query if parts.query else ""), form)
    finally:
        browser.close()


class TheDemo(Story):
    @classmethod
    def setUpClass(cls):
        cls.demo = Demo()
        cls.addClassCleanup(cls.demo.close)

    def test_it_prints_its_five_lines_and_serves(self):
        self.assertEqual([line.split(" ")[0] for line in self.demo.lines], ["shop", "cashier", "dir", "vkey", "ready"])
        self.assertEqual(visit(self.demo.words["shop"]).status, 200)
        verify_ledger.parse_vkey(self.demo.words["vkey"])

    def test_a_sale_takes_four_steps_of_links_and_forms_and_ends_with_a_receipt_that_two_verifiers_accept(self):
        cookies = {}
        base = self.demo.words["shop"]
        window = visit(base, cookies=cookies)
        product_links = [l for l in window.page.links if re.search(r"/p/[0-9a-z-]+$", l)]
        self.assertTrue(product_links, "the window shows products")
        # 1: choose. 2: order. 3: pay at the cashier. 4: the order's page with the keys.
        product_url = urllib.parse.urljoin(base, product_links[0])
        page = visit(product_url, cookies=cookies).page
        form = page.form_with("quantity", "contact", "channel")
        values = {n: v for n, v, kind in form["fields"] if kind == "hidden"}
        values |= {"quantity": "1", "contact": "guest@example.com", "password": "", "channel": page.choices("channel")[0]}
        placed = visit(urllib.parse.urljoin(product_url, form["action"] or product_url), "POST", values, cookies)
        self.assertEqual(placed.status, 303, placed.text[:500])
        order_url = urllib.parse.urljoin(base, placed.header("location"))
        to_cashier = visit(order_url + "/pay", cookies=cookies)
        self.assertEqual(to_cashier.status, 303)
        cashier_url = to_cashier.header("location")
        self.assertTrue(cashier_url.startswith(self.demo.words["cashier"].rstrip("/")), "the buyer is sent to the cashier")
        pay_form = visit(cashier_url).page.forms[0]
        self.assertEqual(pay_form["method"], "post")
        self.assertTrue(pay_form["action"].startswith("/"))
        fields = {n: v for n, v, _ in pay_form["fields"]}
        paid = visit(urllib.parse.urljoin(cashier_url, pay_form["action"]), "POST", fields)
        self.assertIn(paid.status, (200, 302, 303))
        self.watch_delivery(order_url, cookies)

    def watch_delivery(self, order_url, cookies):
        state = visit(order_url + ".json", cookies=cookies).json
        for _ in range(200):
            if state["state"] == "delivered":
                break
            time.sleep(0.05)
            state = visit(order_url + ".json", cookies=cookies).json
        keys = self.assert_delivered(state)
        page = visit(order_url, cookies=cookies)
        self.assertIn(keys[0], page.text)
        self.assertEqual(page.page.offences, [])
        receipt = visit(urllib.parse.urljoin(order_url, state["receipt"]), cookies=cookies)
        path = os.path.join(self.demo.home, "receipt")
        with open(path, "wb") as f:
            f.write(receipt.body)
        self.assert_verified("receipt", path, self.demo.words["vkey"])
        out = os.path.join(self.demo.home, "export")
        exported = run(["ledger", "export", "--out", out, "--dir", self.demo.words["dir"]])
        self.assertEqual(exported.code, 0, exported.err)
        self.assert_verified("ledger", out, self.demo.words["vkey"])


class AFirstSale(Story):
    def test_a_key_is_sold_and_its_receipt_and_ledger_pass_both_verifiers_running_and_stopped(self):
        shop, gateway = self.open_shop(keys=5)
        buyer, vkey = Buyer(shop), shop.vkey()
        order, state = buyer.buy(gateway, quantity="2", contact=" 买家@example.com ")
        keys = self.assert_delivered(state, 2, shop.keys)
        self.assertEqual((state["amount"], state["currency"]), (1998, "CNY"))
        self.assertEqual(gateway.orders[state["order"]].params["money"], "19.98", "the number people see is the provider's")
        receipt = buyer.get(order + "/receipt")
        self.assertEqual(receipt.status, 200)
        self.assertTrue(receipt.header("content-type").startswith("text/plain"))
        path = shop.file(receipt.body, "receipt")
        self.assert_verified("receipt", path, vkey)
        opened = verify_ledger.Receipt(receipt.text)
        self.assertEqual({k[2].decode() for k in opened.keys}, set(keys))
        self.assertEqual([v.decode() for n, _, v in opened.opens if n == "buyer"], ["买家@example.com"], "trimmed, as typed")
        note = shop.checkpoint()
        export = shop.export()
        self.assert_verified("ledger", export, vkey, known=[note, path])
        shop.stop()
        self.assertEqual(shop.vkey(), vkey)
        stopped = shop.export()
        self.assert_verified("ledger", stopped, vkey, known=[note, path])
        self.assertEqual([(s["order"], s["qty"], s["amt"]) for s in self.sales(stopped)], [(state["order"], 2, 1998)])

    def test_the_keys_download_is_the_keys(self):
        shop, gateway = self.open_shop(keys=3)
        buyer = Buyer(shop)
        order, state = buyer.buy(gateway, quantity="3")
        download = buyer.get(order + "/keys.txt")
        self.assertEqual(download.status, 200)
        self.assertEqual(set(download.text.split()), set(shop.keys))
        self.assertIn("attachment", download.header("content-disposition"))

    def test_a_pending_order_shows_no_key_and_offers_no_download(self):
        shop, gateway = self.open_shop(keys=2)
        buyer = Buyer(shop)
        order = buyer.order()
        state = buyer.state(order)
        self.assertEqual(state["state"], "pending")
        self.assertFalse(state.get("keys"))
        self.assertFalse(state.get("receipt"))
        self.assertGreater(state["expires_at_ms"], 1_700_000_000_000)
        for tail in ("/keys.txt", "/receipt"):
            self.assertNotEqual(buyer.get(order + tail).status, 200, tail)
        text = buyer.get(order).text
        for key in shop.keys:
            self.assertNotIn(key, text)

    def test_an_order_is_found_again_by_number_and_password_and_wrong_looks_like_unknown(self):
        shop, gateway = self.open_shop()
        order, state = Buyer(shop).buy(gateway, password="correct horse")
        stranger = Buyer(shop)
        form = stranger.get("/find").page.form_with("order", "password")
        hidden = {n: v for n, v, kind in form["fields"] if kind == "hidden"}
        found = stranger.post("/find", {**hidden, "order": state["order"], "password": "correct horse"})
        self.assertEqual(found.status, 303)
        self.assertEqual(urllib.parse.urlsplit(found.header("location")).path, order)
        wrong = stranger.post("/find", {**hidden, "order": state["order"], "password": "wrong"})
        unknown = stranger.post("/find", {**hidden, "order": state["order"][::-1], "password": "correct horse"})
        self.assertEqual(wrong.status, unknown.status)
        self.assertNotEqual(wrong.status, 303)
        same = lambda answer, number: answer.text.replace(number, "N")
        self.assertEqual(same(wrong, state["order"]), same(unknown, state["order"][::-1]))

    def test_an_order_without_a_password_is_not_found_by_an_empty_one(self):
        shop, gateway = self.open_shop()
        _, state = Buyer(shop).buy(gateway)
        self.assertNotEqual(Buyer(shop).post("/find", {"order": state["order"], "password": ""}).status, 303)

    def test_the_first_event_is_the_state_of_now(self):
        shop, gateway = self.open_shop()
        buyer = Buyer(shop)
        order, _ = buyer.buy(gateway)
        connection = buyer.connect()
        connection.request("GET", order + "/events", headers={"Host": "shop.test", "Accept": "text/event-stream"})
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        self.assertTrue(response.getheader("content-type").startswith("text/event-stream"))
        event = b""
        while not (event.strip() and event.endswith(b"\n\n")):
            line = response.readline()
            self.assertTrue(line, "the stream ends before an event")
            event += line
        connection.close()
        self.assertIn(b"data:", event)
        self.assertIn(b"delivered", event)

    def test_the_return_of_the_buyer_leads_to_the_order_by_signature_and_to_find_without(self):
        shop, gateway = self.open_shop()
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        gateway.pay(number)
        query = "/pay/main/return?" + urllib.parse.urlencode(gateway.notice(number))
        back = Browser(shop).get(query)
        self.assertEqual((back.status, urllib.parse.urlsplit(back.header("location")).path), (303, order))
        stranger = Browser(shop).get("/pay/main/return?" + urllib.parse.urlencode(gateway.notice(number, sign="0" * 32)))
        self.assertEqual((stranger.status, urllib.parse.urlsplit(stranger.header("location")).path), (303, "/find"))

    def test_several_products_and_an_unknown_one(self):
        shop, gateway = self.open_shop()
        shop.add_product("gift", "1.00", 2, title="礼品卡")
        window = Browser(shop).get("/").page
        self.assertLessEqual({"/p/card", "/p/gift"}, set(window.links))
        self.assertEqual(Browser(shop).get("/p/none").status, 404)
        _, state = Buyer(shop).buy(gateway, slug="gift")
        self.assertTrue(state["keys"][0].startswith("GIFT-"))
        self.assertEqual(gateway.notice(state["order"])["money"], "1")

    def test_the_last_key_held_by_one_buyer_is_not_offered_to_the_next(self):
        shop, gateway = self.open_shop(keys=1)
        first = Buyer(shop)
        order = first.order()
        refused = Buyer(shop).post("/p/card", {"quantity": "1", "contact": "late@example.com", "password": "", "channel": "main"})
        self.assertEqual(refused.status, 422)
        number = first.checkout(order, gateway)
        gateway.pay(number)
        self.assert_delivered(first.state(order), 1, shop.keys)


class ThePages(Story):
    """Rules that hold on every page of one shop."""

    @classmethod
    def setUpClass(cls):
        case = Story()
        cls.addClassCleanup(case.doCleanups)
        cls.shop, cls.gateway = case.open_shop(keys=20)
        buyer = Buyer(cls.shop)
        cls.pending = buyer.order()
        cls.order, cls.sold = buyer.buy(cls.gateway)
        buyer.close()

    def every_answer(self):
        get = Browser(self.shop).get
        for path in ("/", "/p/card", "/find", "/verify", "/nothing/here", "/p/none", "/o/" + "A" * 22, "/o/" + "A" * 22 + ".json", "/healthz", "/readyz",
                     "/ledger/checkpoint", self.pending, self.order, self.order + ".json", self.order + "/keys.txt", self.order + "/receipt",
                     "/pay/main/return", "/pay/none/notify", "/metrics", "/admin/"):
            yield path, get(path)
        yield "a refused form", Browser(self.shop).post("/p/card", {"quantity": "0"})
        yield "a method that is not there", Browser(self.shop).request("DELETE", "/")

    def test_every_answer_also_an_error_carries_the_policy_and_nothing_inline(self):
        for path, answer in self.every_answer():
            with self.subTest(path):
                csp = answer.header("content-security-policy")
                for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
                    self.assertIn(part, csp)
                self.assertNotIn("unsafe", csp)
                self.assertEqual(answer.header("referrer-policy"), "no-referrer")
                self.assertEqual(answer.header("x-content-type-options"), "nosniff")
                if answer.header("content-type").startswith("text/html"):
                    self.assertEqual(answer.page.offences, [])

    def test_every_answer_has_a_status_that_fits(self):
        expected = {"/": 200, "/p/card": 200, "/find": 200, "/verify": 200, "/nothing/here": 404, "/p/none": 404, "/o/" + "A" * 22: 404, "/healthz": 200,
                    "/readyz": 200, "/ledger/checkpoint": 200, "/metrics": 404, "a refused form": 422, "a method that is not there": 405}
        for path, answer in self.every_answer():
            with self.subTest(path):
                self.assertLess(answer.status, 500)
                self.assertEqual(answer.status, expected.get(path, answer.status))

    def test_the_pages_of_an_order_are_never_stored(self):
        for path in (self.pending, self.order, self.order + ".json", self.order + "/keys.txt", self.order + "/receipt", self.order + "/pay"):
            with self.subTest(path.replace(self.order, "ORDER")):
                self.assertIn("no-store", Browser(self.shop).get(path).header("cache-control"))

    def test_scripts_and_styles_come_from_here_and_exist(self):
        text = Browser(self.shop).get(self.pending).text + Browser(self.shop).get("/verify").text
        sources = set(re.findall(r'<(?:script[^>]*\ssrc|link[^>]*\shref)="([^"]+)"', text))
        self.assertTrue(sources)
        for source in sources:
            self.assertTrue(source.startswith("/") and not source.startswith("//"), source)
            self.assertEqual(Browser(self.shop).get(source).status, 200, source)

    def test_the_language_follows_the_browser(self):
        for accept, lang, other in (("zh-CN,zh;q=0.9,en;q=0.5", "zh", "en"), ("en-GB,en;q=0.9", "en", "zh")):
            for path in ("/", "/p/card", "/find", self.order, "/nothing/here"):
                with self.subTest(f"{accept} {path}".replace(self.order, "ORDER")):
                    answer = Browser(self.shop, language=accept).get(path)
                    self.assertTrue(answer.page.lang.startswith(lang), answer.page.lang)
                    words = re.sub(r"<[^>]+>|测试卡|测试", "", answer.text)
                    chinese = len(re.findall("[\u4e00-\u9fff]", words))
                    (self.assertGreater if lang == "zh" else self.assertLess)(chinese, 3, "words of the wrong language")

    def test_a_form_from_a_foreign_page_is_refused_and_one_without_an_origin_passes(self):
        form = {"quantity": "1", "contact": "a@example.com", "password": "", "channel": "main"}
        refused = ({"Origin": "https://evil.example"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://shop.test.evil.example"})
        for headers in refused:
            for path in ("/p/card", "/find"):
                with self.subTest(f"{headers} {path}"):
                    answer = Browser(self.shop).request("POST", path, {**form, "order": "x"}, headers)
                    self.assertEqual(answer.status, 403)
        # `Referrer-Policy: no-referrer` makes browsers send `Origin: null` with the shop's own forms.
        for headers in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}, {"Origin": "https://shop.test", "Sec-Fetch-Site": "same-origin"}):
            with self.subTest(f"{headers}"):
                self.assertEqual(Browser(self.shop).request("POST", "/p/card", form, headers).status, 303)

    def test_a_notice_is_no_form_of_a_browser_and_needs_no_origin(self):
        buyer = Buyer(self.shop)
        number = buyer.checkout(buyer.order(), self.gateway)
        query = urllib.parse.urlencode(self.gateway.notice(number))
        answer = self.gateway.send_raw(self.gateway.orders[number].params["notify_url"], query, headers={"Sec-Fetch-Site": "cross-site", "Origin": self.gateway.url})
        self.assertIn("success", answer.body)

    def test_any_host_is_answered_and_never_comes_back(self):
        evil = Browser(self.shop, host="evil.example")
        for path in ("/", "/p/card", "/find", self.order, "/nothing"):
            answer = evil.get(path)
            self.assertLess(answer.status, 500)
            self.assertNotIn("evil.example", answer.text + str(answer.headers))
        buyer = Buyer(self.shop, host="evil.example")
        order = buyer.order()
        number = buyer.checkout(order, self.gateway)
        for name in ("notify_url", "return_url"):
            self.assertEqual(urllib.parse.urlsplit(self.gateway.orders[number].params[name]).hostname, "shop.test")
        forwarded = Browser(self.shop).get("/p/card", X_Forwarded_Host="evil.example", X_Forwarded_Proto="http")
        self.assertNotIn("evil.example", forwarded.text)

    def test_errors_under_json_are_json(self):
        answer = Browser(self.shop).get("/o/" + "B" * 22 + ".json")
        self.assertEqual(answer.status, 404)
        self.assertTrue(answer.header("content-type").startswith("application/json"))
        self.assertTrue(answer.json["error"]["code"] and answer.json["error"]["message"])

    def test_a_guessed_secret_and_a_cut_one_look_the_same(self):
        secret = self.order[3:]
        wrong = [secret[:-1], secret + "A", secret[::-1], secrets.token_urlsafe(16), "x", "%00", "../" + secret]
        answers = {(a.status, a.header("content-type")) for a in (Browser(self.shop).get("/o/" + w) for w in wrong)}
        self.assertEqual({status for status, _ in answers}, {404})

    def test_the_checkpoint_is_a_signed_note_of_this_shop(self):
        answer = Browser(self.shop).get("/ledger/checkpoint")
        note = verify_ledger.Note(answer.text)
        self.assertTrue(note.signed_by(verify_ledger.parse_vkey(self.shop.vkey())))
        self.assertTrue(note.origin.startswith("shop.test/"))

    def test_readiness_and_health_say_little(self):
        for path in ("/healthz", "/readyz"):
            answer = Browser(self.shop).get(path)
            self.assertEqual(answer.status, 200)
            self.assertLess(len(answer.body), 200)

    def test_no_get_changes_a_state(self):
        buyer = Buyer(self.shop)
        order = buyer.order()
        before = buyer.state(order)
        for tail in ("", "/pay", "/events?", "/cancel", "/refund", "/deliver", "/keys.txt", "/receipt"):
            if not tail.startswith("/events"):
                buyer.get(order + tail)
        self.assertEqual(buyer.state(order), before)


if __name__ == "__main__":
    unittest.main()

"""The code that a buyer scans on the order's page: the gateway's own, and the shop's link whenever the gateway gives none.

    python3 -m unittest tests/blackbox/test_pay_code.py

No decoder is needed: a code is known by the drawing of the same text, which the gateway is made to give for another order.
"""
import concurrent.futures, os, sys, time, unittest, urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from epay_gateway import SUBMIT_FIELDS, sign  # noqa: E402
from keystall import Browser, Buyer, Story  # noqa: E402

# Nothing that a phone should be made to open by a code of ours.
HOSTILE = ("javascript:alert(1)", "JaVaScRiPt://a.example/%0aalert(1)", "data:text/html,<script>alert(1)</script>", "intent://a#Intent;end", "tel:110",
           "file:///etc/passwd", "//a.example/", "https://qr.alipay.com@a.example/", "https://a.example/\r\nX: y", "https://a.example/\u202egnp",
           "weixin:\u0000//a", "https://a.example/" + "a" * 2000, " ", "WIFI:S:free;;")


class PayCodes(Story):
    def svg(self, browser, order):
        answer = browser.get(order + "/pay.svg")
        self.assertEqual(answer.status, 200, answer.text[:300])
        self.assertEqual(answer.header("content-type"), "image/svg+xml")
        self.assertIn("no-store", answer.header("cache-control"))
        self.assertIn("default-src 'none'", answer.header("content-security-policy"))
        self.assertTrue(answer.text.startswith("<svg ") and "http://www.w3.org/2000/svg" in answer.text)
        for offence in ("<script", "href", "style", "onload"):
            self.assertNotIn(offence, answer.text)
        return answer.text

    def drawing_of(self, text, buyer, gateway):
        """The drawing of a text: what a new order shows whose gateway gives exactly that."""
        was = gateway.mapi, gateway.qrcode
        gateway.mapi, gateway.qrcode = "qrcode", text
        try:
            return self.svg(buyer, buyer.order())
        finally:
            gateway.mapi, gateway.qrcode = was

    def link_of(self, order, buyer, gateway):
        """The absolute link that pays this order, below the address that the shop gives providers."""
        number = buyer.checkout(order, gateway)
        base = gateway.orders[number].params["notify_url"].partition("/pay/")[0]
        return f"{base}{order}/pay"

    def test_the_gateways_own_code_is_asked_for_once_and_who_scans_it_gets_the_key(self):
        shop, gateway = self.open_shop(keys=5)
        buyer = Buyer(shop)
        order = buyer.order()
        self.assertEqual(gateway.mapi_calls, [], "an order alone asks nobody")
        drawn = self.svg(buyer, order)
        for browser in (buyer, Browser(shop), Browser(shop)):
            self.assertEqual(self.svg(browser, order), drawn)
        self.assertEqual((len(gateway.mapi_calls), gateway.refused), (1, []))
        asked = gateway.mapi_calls[0]
        self.assertEqual(asked["sign"], sign(asked, gateway.key))
        self.assertLessEqual({*SUBMIT_FIELDS, "clientip", "device", "sign_type", "type"}, set(asked))
        self.assertEqual((asked["clientip"], asked["device"], asked["money"], asked["pid"]), ("127.0.0.1", "pc", "9.99", gateway.pid))
        self.assertNotIn(gateway.key, str(asked))
        state = buyer.state(order)
        self.assertEqual((state["state"], state["order"]), ("pending", asked["out_trade_no"]))
        trade = gateway.orders[state["order"]]
        page = f"{gateway.url}pay?no={trade.trade_no}"
        self.assertEqual(drawn, self.drawing_of(page, buyer, gateway), "the code is the gateway's page of this trade")
        with urllib.request.urlopen(page) as scanned:
            self.assertIn(state["order"], scanned.read().decode())
        answer = gateway.pay(state["order"])
        self.assertEqual((answer.status, answer.body), (200, "success"))
        self.assert_delivered(buyer.state(order), 1, shop.keys)
        self.assertEqual(buyer.get(order + "/pay.svg").status, 404, "nothing is left to pay")

    def test_the_same_code_in_every_dress_is_the_same_drawing(self):
        shop, gateway = self.open_shop(keys=6)
        buyer = Buyer(shop)
        gateway.qrcode = "weixin://wxpay/bizpayurl?pr=fYcJxRZ"
        drawings = set()
        for gateway.mapi in ("qrcode", "double"):
            drawings.add(self.svg(buyer, buyer.order()))
        self.assertEqual(len(drawings), 1)
        gateway.qrcode = "https://pay.example/1"
        drawings = set()
        for gateway.mapi in ("qrcode", "payurl"):
            drawings.add(self.svg(buyer, buyer.order()))
        self.assertEqual(len(drawings), 1)
        self.assertEqual(len(gateway.mapi_calls), 4)

    def test_whatever_else_the_gateway_says_the_buyer_scans_the_shops_link_and_can_pay(self):
        modes = ("off", "broken", "html", "redirect", "error", "urlscheme", "html-form")
        shop, gateway = self.open_shop(keys=50, start=False)
        for mode in modes:  # a channel each: one that fails is left alone for a while
            shop.add_channel(gateway, "c-" + mode)
        shop.start()
        buyer = Buyer(shop)
        for mode in modes:
            with self.subTest(mode):
                gateway.mapi, gateway.qrcode = mode, None
                order = buyer.order(channel="c-" + mode)
                before = len(gateway.mapi_calls)
                for _ in range(3):
                    drawn = self.svg(buyer, order)
                self.assertEqual(len(gateway.mapi_calls), before + 1, "asked once")
                self.assertEqual(drawn, self.drawing_of(self.link_of(order, buyer, gateway), buyer, gateway))
                self.assertEqual(buyer.state(order)["state"], "pending")
                gateway.pay(buyer.checkout(order, gateway))
                self.assert_delivered(buyer.state(order), 1, shop.keys)
        self.assertEqual(gateway.refused, [], "no redirect was followed")

    def test_a_hostile_code_is_never_drawn(self):
        shop, gateway = self.open_shop(keys=60)
        buyer = Buyer(shop)
        for gateway.qrcode in HOSTILE:
            for gateway.mapi in ("qrcode", "payurl"):
                with self.subTest(code=gateway.qrcode[:60], field=gateway.mapi):
                    order, calls = buyer.order(), len(gateway.mapi_calls)
                    drawn = self.svg(buyer, order)
                    self.assertEqual(len(gateway.mapi_calls), calls + 1)
                    self.assertEqual(drawn, self.drawing_of(self.link_of(order, buyer, gateway), buyer, gateway))
        self.assertNotIn("alert(1)", shop.log_tail())

    def test_a_silent_gateway_keeps_one_buyer_waiting_for_five_seconds_and_the_next_not_at_all(self):
        shop, gateway = self.open_shop(keys=5)
        buyer = Buyer(shop)
        gateway.mapi = "silent"
        first, next_one = buyer.order(), buyer.order()
        began = time.monotonic()
        first_drawn = self.svg(buyer, first)
        self.assertTrue(4 < time.monotonic() - began < 8, time.monotonic() - began)
        began = time.monotonic()
        self.svg(buyer, next_one)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(len(gateway.mapi_calls), 1)
        gateway.pay(buyer.checkout(first, gateway))
        self.assert_delivered(buyer.state(first), 1, shop.keys)
        self.assertNotEqual(first_drawn, self.svg(buyer, next_one), "each its own link")

    def test_many_tabs_at_once_make_one_call_and_all_get_the_code(self):
        shop, gateway = self.open_shop(keys=5)
        order = Buyer(shop).order()
        tab = lambda _: Browser(shop).get(order + "/pay.svg")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(tab, range(32)))
        self.assertEqual({a.status for a in answers}, {200})
        self.assertEqual((len({a.body for a in answers}), len(gateway.mapi_calls)), (1, 1))

    def test_a_channel_of_links_asks_nobody(self):
        shop, gateway = self.open_shop(keys=5, start=False)
        shop.add_channel(gateway, "links", "--set", "code=link")
        shop.start()
        buyer = Buyer(shop)
        order = buyer.order(channel="links")
        drawn = self.svg(buyer, order)
        self.assertEqual(gateway.mapi_calls, [])
        self.assertEqual(drawn, self.drawing_of(self.link_of(order, buyer, gateway), buyer, gateway))

    def test_a_notice_that_comes_before_the_answer_settles_and_the_late_code_is_nobodys(self):
        shop, gateway = self.open_shop(keys=5)
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        gateway.mapi = "silent"
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(Browser(shop).get, order + "/pay.svg")
            while not gateway.mapi_calls:
                time.sleep(0.01)
            gateway.pay(number)
            self.assert_delivered(buyer.state(order), 1, shop.keys)
            gateway.released.set()
            self.assertEqual(waiting.result().status, 404)
        self.assertEqual(buyer.get(order + "/pay.svg").status, 404)

    def test_unknown_orders_have_no_code_and_nothing_is_posted_there(self):
        shop, gateway = self.open_shop(keys=5)
        buyer = Buyer(shop)
        order = buyer.order()
        for path in ("/o/" + "A" * len(order[3:]), "/o/x", order[:-1] + ("A" if order[-1] != "A" else "B")):
            self.assertEqual(buyer.get(path + "/pay.svg").status, 404)
        self.assertEqual(buyer.post(order + "/pay.svg", {}).status, 405)
        self.assertEqual(gateway.mapi_calls, [])


if __name__ == "__main__":
    unittest.main()

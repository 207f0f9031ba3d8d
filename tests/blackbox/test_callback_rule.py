"""The callback rule from outside: what a provider, or somebody who plays one, may send, and what the shop makes of it.

Each test names its line S01 … S18 of the security page's catalogue.
    python3 -m unittest tests/blackbox/test_callback_rule.py
"""
import json, os, sys, threading, time, unittest, urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from epay_gateway import gzipped, sign  # noqa: E402
from keystall import Browser, Buyer, Shop, Story, reason_of  # noqa: E402

FORM = "application/x-www-form-urlencoded"


class Callback(Story):
    """One shop with two channels of two merchants for a class of tests; every test makes its own orders."""

    KEYS = 120

    @classmethod
    def setUpClass(cls):
        case = Story()
        cls.addClassCleanup(case.doCleanups)
        cls.gateway, cls.second = case.open_gateway(), case.open_gateway(pid="2002", type="wxpay")
        cls.shop = Shop([cls.gateway, cls.second], LOG__LEVEL="debug")
        cls.addClassCleanup(cls.shop.close)
        cls.keys = cls.shop.add_product("card", "10.00", cls.KEYS)
        cls.shop.add_channel(cls.gateway)
        cls.shop.add_channel(cls.second, "second")
        cls.shop.start()

    def pending(self, gateway=None, channel="main", **fields):
        """(buyer, order's path, its number at the gateway) of a new unpaid order."""
        buyer = Buyer(self.shop)
        self.addCleanup(buyer.close)
        order = buyer.order(fast=True, channel=channel, **fields)
        return buyer, order, buyer.checkout(order, gateway or self.gateway)

    def raw(self, number, query="", **how):
        return self.gateway.send_raw(self.gateway.orders[number].params["notify_url"], query, **how)

    def assert_refused(self, answer):
        self.assertNotIn("success", answer.body.lower(), "a refused notice must not be answered with success")
        self.assertLess(answer.status, 600)

    def assert_success(self, answer):
        self.assertEqual((answer.status, answer.body.strip()), (200, "success"))

    def assert_untouched_and_then_payable(self, buyer, order, number, gateway=None):
        """What was sent changed nothing: still pending, and the true notice delivers."""
        self.assertEqual(buyer.state(order)["state"], "pending")
        self.assert_success((gateway or self.gateway).pay(number))
        self.assert_delivered(buyer.state(order), 1, self.keys)


class Signatures(Callback):
    def test_a_tampered_signature_never_delivers(self):
        """S12"""
        buyer, order, number = self.pending()
        good = self.gateway.notice(number)["sign"]
        forms = {"truncated": good[:-1], "prefix": good[:8], "longer": good + "0", "upper case": good.upper(), "empty": "", "blank": " ", "missing": None,
                 "flipped": good[:-1] + ("0" if good[-1] != "0" else "1"), "0e hash": "0e" + "1" * 30, "zero": "0", "true": "true", "spaced": good[:16] + " " + good[16:],
                 "probe": "WECHATPAY/SIGNTEST/" + good, "of no key": sign(self.gateway.notice(number), ""), "NUL": good + "\0", "null": "null",
                 "of the sandbox key": sign(self.gateway.notice(number), "89unJUB8HZ54Hj7x4nUj56HN4nUzUJ8i")}
        for name, signature in forms.items():
            with self.subTest(name):
                self.assert_refused(self.gateway.send(number, self.gateway.notice(number, sign=signature)))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_a_parameter_changed_or_added_after_signing_never_delivers(self):
        """S12: every parameter received is under the signature, also unknown ones"""
        buyer, order, number = self.pending()
        good = self.gateway.notice(number)
        for change in ({"trade_no": "1"}, {"money": "10.00"}, {"name": "x"}, {"type": "wxpay"}, {"param": "x"}, {"unknown": "1"}, {"trade_status": "SUCCESS"}):
            with self.subTest(str(change)):
                self.assert_refused(self.gateway.send(number, {**good, **change}))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_an_unknown_parameter_under_the_signature_is_accepted(self):
        """S12: verify over what was received"""
        buyer, order, number = self.pending()
        self.assert_success(self.gateway.pay(number, addtime="2026-11-21 10:00:00", buyer="买家", empty=""))
        self.assert_delivered(buyer.state(order), 1, self.keys)

    def test_a_notice_without_sign_type_is_accepted(self):
        """S12: some gateways send none"""
        buyer, order, number = self.pending()
        self.assert_success(self.gateway.pay(number, sign_type=None))
        self.assert_delivered(buyer.state(order))


class Identities(Callback):
    def test_another_merchants_valid_signature_is_refused(self):
        """S03"""
        buyer, order, number = self.pending()
        for pid in ("1002", "2002", "", "01001", "1001 ", "１００１", None):
            with self.subTest(f"pid {pid!r}"):
                self.assert_refused(self.gateway.send(number, self.gateway.notice(number, pid=pid)))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_the_notice_of_one_channel_never_pays_an_order_of_another(self):
        """S02"""
        buyer, order, number = self.pending()
        good = self.gateway.notice(number)
        other = self.gateway.orders[number].params["notify_url"].replace("/pay/main/", "/pay/second/")
        signed_by_second = self.gateway.notice(number, key=self.second.key, pid=self.second.pid, type=self.second.type)
        for name, url, params in (("main's notice at second", other, good), ("second's notice at second", other, signed_by_second),
                                  ("second's key at main", None, self.gateway.notice(number, key=self.second.key)), ("second's notice at main", None, signed_by_second)):
            with self.subTest(name):
                self.assert_refused(self.gateway.send_raw(url or self.gateway.orders[number].params["notify_url"], urllib.parse.urlencode(params)))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_an_unknown_order_and_a_bad_signature_get_one_identical_answer(self):
        """S12, rule 1"""
        buyer, order, number = self.pending()
        bad = self.gateway.send(number, self.gateway.notice(number, sign="0" * 32))
        stranger = number[:-1] + ("Z" if number[-1] != "Z" else "Y")
        unknown = self.gateway.send(number, self.gateway.notice(number, out_trade_no=stranger))
        both = self.gateway.send(number, self.gateway.notice(number, out_trade_no="nothing", sign="0" * 32))
        shown = lambda a: (a.status, a.body, {k.lower(): v for k, v in a.headers.items() if k.lower() not in ("date", "x-request-id")})
        self.assertEqual(shown(bad), shown(unknown))
        self.assertEqual(shown(bad), shown(both))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_an_unknown_channel_is_refused(self):
        """S02"""
        buyer, order, number = self.pending()
        for name in ("none", "MAIN", "main%2f", ""):
            url = self.gateway.orders[number].params["notify_url"].replace("/pay/main/", f"/pay/{name}/")
            self.assert_refused(self.gateway.send_raw(url, urllib.parse.urlencode(self.gateway.notice(number))))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_one_transaction_pays_one_order(self):
        """S07"""
        buyer, order, number = self.pending()
        _, other, other_number = self.pending()
        self.assert_success(self.gateway.pay(number, trade_no="SAME0001"))
        self.assert_refused(self.gateway.send(other_number, self.gateway.notice(other_number, trade_no="SAME0001")))
        self.assertEqual(buyer.state(other)["state"], "pending")
        self.assert_delivered(buyer.state(order), 1, self.keys)

    def test_an_order_paid_by_two_channels_delivers_once_and_both_are_acknowledged(self):
        """S08, as far as the form lets a buyer change the channel: a second transaction on the order's own channel"""
        buyer, order, number = self.pending()
        self.assert_success(self.gateway.pay(number))
        first = buyer.state(order)
        self.assert_success(self.gateway.send(number, self.gateway.notice(number, trade_no="ANOTHER" + number)))
        self.assertEqual(buyer.state(order)["keys"], first["keys"])
        self.assertEqual(buyer.state(order)["state"], "delivered")


class Amounts(Callback):
    def test_an_amount_that_is_not_the_orders_never_delivers(self):
        """S04"""
        wrong = ("9.99", "9", "0", "0.00", "-10", "-10.00", "+10", "1e1", "1e2", "1E1", "010.00", "00010", "10,00", "1,000", "１０", "１０.００", "9223372036854775808", "92233720368547758.08",
                 "18446744073709551626", "NaN", "nan", "inf", "0x0a", "10.001", "10.", ".10", "", " ", " 10", "10 ", "10.00元", "10.00000000000000000001", "ten", None, "10.0.0", "1_0", "10\n")
        for money in wrong:
            with self.subTest(f"money {money!r}"):
                buyer, order, number = self.pending()
                self.assert_refused(self.gateway.send(number, self.gateway.notice(number, money=money)))
                self.assertEqual(buyer.state(order)["state"], "pending")
                self.assertFalse(buyer.state(order).get("keys"))

    def test_the_full_amount_after_nonsense_still_delivers(self):
        """S04"""
        buyer, order, number = self.pending()
        for money in ("1e9", "", "NaN", "-10.00"):
            self.assert_refused(self.gateway.send(number, self.gateway.notice(number, money=money)))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_one_minor_unit_short_is_held_and_says_so(self):
        """S04, table `short`"""
        buyer, order, number = self.pending()
        self.assert_refused(self.gateway.pay(number, money="9.99"))
        state = buyer.state(order)
        self.assertEqual(state["state"], "pending")
        self.assertFalse(state.get("keys"))
        self.assertEqual(reason_of(state), "short")

    def test_one_minor_unit_over_delivers(self):
        """S04, table `settled`"""
        buyer, order, number = self.pending()
        self.assert_success(self.gateway.pay(number, money="10.01"))
        self.assert_delivered(buyer.state(order), 1, self.keys)
        self.assertEqual(buyer.state(order)["amount"], 1000)

    def test_every_way_that_gateways_print_the_amount_is_understood(self):
        """S04: "10", "10.0", "10.00", and four decimals by POST"""
        for money in ("10", "10.0", "10.00"):
            buyer, order, number = self.pending()
            self.assert_success(self.gateway.pay(number, money=money))
            self.assert_delivered(buyer.state(order))
        buyer, order, number = self.pending()
        answer = self.gateway.pay_as_form(number)
        self.assertEqual(self.gateway.notice(number, money="10.0000")["money"], "10.0000")
        self.assert_success(answer)
        self.assert_delivered(buyer.state(order))


class Statuses(Callback):
    def test_a_status_other_than_success_never_delivers(self):
        """S05"""
        buyer, order, number = self.pending()
        for status in ("TRADE_CLOSED", "WAIT_BUYER_PAY", "TRADE_FINISHED", "TRADE_REFUND", "trade_success", "TRADE_SUCCESS ", "SUCCESS", "1", "", None, "TRADE_SUCCESS,TRADE_CLOSED"):
            with self.subTest(f"trade_status {status!r}"):
                self.gateway.send(number, self.gateway.notice(number, trade_status=status))
                self.assertEqual(buyer.state(order)["state"], "pending")
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_another_pay_type_than_the_channels_is_refused(self):
        """Pitfalls of the payments page: type == channel"""
        buyer, order, number = self.pending()
        self.assert_refused(self.gateway.send(number, self.gateway.notice(number, type="qqpay")))
        self.assert_untouched_and_then_payable(buyer, order, number)


class Repeats(Callback):
    def test_a_notice_a_hundred_times_gives_one_key_and_the_same_answer(self):
        """S06, serial"""
        buyer, order, number = self.pending()
        first = self.gateway.pay(number)
        keys = self.assert_delivered(buyer.state(order), 1, self.keys)
        for _ in range(99):
            again = self.gateway.send(number, self.gateway.notice(number))
            self.assertEqual((again.status, again.body), (first.status, first.body))
        self.assertEqual(buyer.state(order)["keys"], keys)

    def test_a_refused_notice_is_made_good_by_the_gateways_retry(self):
        """S06: the retry of a gateway whose first notice was cut on its way"""
        buyer, order, number = self.pending()
        self.assert_refused(self.raw(number, urllib.parse.urlencode(self.gateway.notice(number, sign_type=None))[:-9]))
        self.gateway.unanswered[:] = [(number, self.gateway.notice(number), "GET")]
        self.assert_success(self.gateway.retry()[-1])
        self.assert_delivered(buyer.state(order))
        self.assertEqual(self.gateway.unanswered, [])

    def test_a_repeat_after_delivery_with_another_amount_is_refused(self):
        """S07, table `conflict`"""
        buyer, order, number = self.pending()
        self.assert_success(self.gateway.pay(number))
        self.assert_refused(self.gateway.send(number, self.gateway.notice(number, money="20")))
        self.assert_delivered(buyer.state(order), 1, self.keys)


class Shapes(Callback):
    def test_a_parameter_twice_or_as_an_array_is_refused(self):
        """S11"""
        buyer, order, number = self.pending()
        good = urllib.parse.urlencode(self.gateway.notice(number))
        array = self.gateway.notice(number)
        array["money[]"] = array.pop("money")
        array["sign"] = sign(array, self.gateway.key)
        for name, query in {"money twice": good + "&money=10", "sign twice": good + "&sign=0", "same twice": good + "&pid=1001", "encoded name": good + "&mone%79=10",
                            "array": urllib.parse.urlencode(array), "array beside": good + "&money[]=10", "empty twice": good + "&sign_type="}.items():
            with self.subTest(name):
                self.assert_refused(self.raw(number, query))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_parameters_in_query_and_body_are_not_mixed(self):
        """S11"""
        buyer, order, number = self.pending()
        params = self.gateway.notice(number)
        half, rest = dict(list(params.items())[:4]), dict(list(params.items())[4:])
        self.assert_refused(self.raw(number, urllib.parse.urlencode(half), method="POST", body=urllib.parse.urlencode(rest), headers={"Content-Type": FORM}))
        self.assert_refused(self.raw(number, urllib.parse.urlencode(params), method="POST", body="money=10", headers={"Content-Type": FORM}))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_other_content_types_and_encodings_are_refused(self):
        """S11"""
        buyer, order, number = self.pending()
        params = self.gateway.notice(number)
        form = urllib.parse.urlencode(params)
        cases = {"json": (json.dumps(params), {"Content-Type": "application/json"}), "text": (form, {"Content-Type": "text/plain"}), "none": (form, {}),
                 "BOM": ("\ufeff" + form, {"Content-Type": FORM}), "gzip": (gzipped(form), {"Content-Type": FORM, "Content-Encoding": "gzip"}),
                 "multipart": (form, {"Content-Type": "multipart/form-data; boundary=x"}), "utf-16": (form.encode("utf-16"), {"Content-Type": FORM}),
                 "not UTF-8": (form.encode() + b"&param=%ff%fe", {"Content-Type": FORM})}
        for name, (body, headers) in cases.items():
            with self.subTest(name):
                body = body.encode("utf-8") if isinstance(body, str) else body
                self.assert_refused(self.raw(number, method="POST", body=body, headers=headers))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_a_body_over_64_kib_is_refused_and_the_shop_goes_on(self):
        """S14"""
        buyer, order, number = self.pending()
        for size in (64 * 1024 + 1, 5_000_000):
            params = self.gateway.notice(number, param="x" * size)
            try:
                self.assert_refused(self.raw(number, method="POST", body=urllib.parse.urlencode(params).encode(), headers={"Content-Type": FORM}))
            except OSError:
                pass  # hanging up on it is a refusal too
        try:
            self.assert_refused(self.raw(number, "x=" + "y" * (64 * 1024 + 1)))
        except OSError:
            pass
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_nothing_and_nonsense_are_refused(self):
        """S11"""
        buyer, order, number = self.pending()
        for query in ("", "a", "&&&", "=&=", "%", "sign=", "%00=%00", "out_trade_no=" + number):
            with self.subTest(query):
                self.assert_refused(self.raw(number, query))
        self.assert_refused(self.raw(number, method="POST", body=b"", headers={"Content-Type": FORM}))
        for method in ("PUT", "DELETE", "PATCH"):
            self.assert_refused(self.raw(number, method=method))
        self.assert_untouched_and_then_payable(buyer, order, number)

    def test_a_notice_as_a_form_is_accepted(self):
        """S11: GMwalletApp's epusdt posts"""
        buyer, order, number = self.pending()
        self.assert_success(self.gateway.pay(number, method="POST"))
        self.assert_delivered(buyer.state(order))


class OrdersOfClients(Callback):
    def test_price_and_currency_in_the_clients_request_are_ignored(self):
        """S17, S18"""
        buyer = Buyer(self.shop)
        extra = {"price": "0.01", "amount": "1", "money": "0.01", "currency": "JPY", "total": "0", "coupon": "FREE", "state": "paid", "paid": "1", "sku": "other"}
        answer = buyer.post_order("card", **extra)
        self.assertIn(answer.status, (303, 422))
        if answer.status == 303:
            order = urllib.parse.urlsplit(answer.header("location")).path
            self.assertEqual((buyer.state(order)["amount"], buyer.state(order)["currency"], buyer.state(order)["state"]), (1000, "CNY", "pending"))
            self.assertEqual(self.gateway.orders[buyer.checkout(order, self.gateway)].params["money"], "10.00")

    def test_a_quantity_that_is_no_small_positive_number_is_refused(self):
        """S17"""
        buyer = Buyer(self.shop)
        for quantity in ("0", "-1", "2147483648", "4294967297", "18446744073709551617", "1.5", "1e0", "", " ", "１", "+1", "0x1", "one", None):
            with self.subTest(f"quantity {quantity!r}"):
                answer = buyer.post_order("card", quantity=quantity)
                self.assertEqual(answer.status, 422)
                self.assertIn("<form", answer.text, "the page comes back")

    def test_a_form_twice_or_without_its_fields_is_refused(self):
        """S11, S17"""
        buyer = Buyer(self.shop)
        for body in ("quantity=1&quantity=2&contact=a%40example.com&channel=main", "quantity=1&contact=a%40example.com&channel=none", "quantity=1&contact=a%40example.com", "", "%"):
            answer = buyer.request("POST", "/p/card", body=body, headers={"Content-Type": FORM})
            self.assertIn(answer.status, (400, 422), body)

    def test_more_than_the_stock_is_refused(self):
        """S17"""
        self.assertEqual(Buyer(self.shop).post_order("card", quantity=str(self.KEYS + 1)).status, 422)

    def test_an_order_paid_before_its_page_was_opened_is_delivered(self):
        """S10: the notice settles whether or not the buyer ever opened /pay"""
        buyer, first, number = self.pending()
        unopened = Buyer(self.shop)
        order = unopened.order(fast=True)
        name = unopened.state(order)["order"]
        params = self.gateway.notice(number, out_trade_no=name, trade_no="EARLY" + name)
        self.assert_success(self.gateway.send(number, params))
        self.assert_delivered(unopened.state(order), 1, self.keys)
        self.assertEqual(buyer.state(first)["state"], "pending")


class Changes(Story):
    """Stories that need a shop of their own."""

    def test_a_price_changed_between_order_and_payment_does_not_count(self):
        """S16"""
        shop, gateway = self.open_shop(keys=4, price="10.00")
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        self.assertEqual(shop.product("set", "card", "--price", "99.00").code, 0)
        self.assertEqual(gateway.orders[number].params["money"], "10.00")
        self.assertIn("success", gateway.pay(number).body)
        self.assert_delivered(buyer.state(order), 1, shop.keys)
        self.assertEqual(buyer.state(order)["amount"], 1000)
        later = buyer.order()
        self.assertEqual(buyer.state(later)["amount"], 9900)

    def test_a_product_hidden_between_order_and_payment_is_still_delivered(self):
        """S16"""
        shop, gateway = self.open_shop(keys=4)
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        self.assertEqual(shop.product("hide", "card").code, 0)
        self.assertNotIn("/p/card", Browser(shop).get("/").page.links)
        self.assertIn("success", gateway.pay(number).body)
        self.assert_delivered(buyer.state(order), 1, shop.keys)

    def wait_for(self, buyer, order, state, seconds=20):
        until = time.monotonic() + seconds
        while buyer.state(order)["state"] != state:
            self.assertLess(time.monotonic(), until, f"still {buyer.state(order)['state']}, not {state}")
            time.sleep(0.1)

    def test_a_late_notice_with_stock_delivers_late(self):
        """S09, with stock"""
        shop, gateway = self.open_shop(keys=2, SHOP__ORDER_TTL="2s")
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        self.wait_for(buyer, order, "expired")
        self.assertIn("success", gateway.pay(number).body)
        state = buyer.state(order)
        self.assert_delivered(state, 1, shop.keys)
        self.assertEqual(reason_of(state), "late")

    def test_a_late_notice_without_stock_waits_and_is_delivered_when_stock_comes(self):
        """S09, without stock; R12's little sister"""
        shop, gateway = self.open_shop(keys=1, SHOP__ORDER_TTL="2s")
        late, buyer = Buyer(shop), Buyer(shop)
        order = late.order()
        number = late.checkout(order, gateway)
        self.wait_for(late, order, "expired")
        _, sold = buyer.buy(gateway)
        self.assert_delivered(sold, 1, shop.keys)
        self.assertIn("success", gateway.pay(number).body)
        state = late.state(order)
        self.assertEqual((state["state"], reason_of(state)), ("paid", "no_stock"))
        self.assertFalse(state.get("keys"))
        new = shop.import_keys("card", 1)
        self.wait_for(late, order, "delivered")
        self.assert_delivered(late.state(order), 1, new)
        self.assert_verified("ledger", shop.export(), shop.vkey())

    def test_the_last_key_and_many_late_payers_make_one_sale(self):
        """S09 and R12: 8 payers of expired orders, 1 key"""
        shop, gateway = self.open_shop(keys=1, SHOP__ORDER_TTL="1s")
        buyers, orders, numbers = [], [], []
        for _ in range(8):
            buyer = Buyer(shop)
            order = buyer.order(fast=True)
            buyers.append(buyer), orders.append(order), numbers.append(buyer.checkout(order, gateway))
            self.wait_for(buyer, order, "expired")
        threads = [threading.Thread(target=gateway.pay, args=(n,)) for n in numbers]
        [t.start() for t in threads], [t.join() for t in threads]
        states = [b.state(o) for b, o in zip(buyers, orders)]
        self.assertEqual(sorted(s["state"] for s in states), ["delivered"] + ["paid"] * 7)
        self.assertEqual(gateway.unanswered, [])

    def test_an_empty_or_placeholder_key_makes_no_channel(self):
        """S01"""
        gateway = self.open_gateway()
        shop = Shop([gateway])
        self.addCleanup(shop.close)
        shop.add_product("card", "1.00", 1)
        for bad in ("", " ", "\n", "\t \n", "key", "secret", "your_key", "changeme", "123456", "xxxxxxxx", "epay_key", "test"):
            with self.subTest(f"{bad!r}"):
                secret = shop.file(bad, "secret")
                result = shop.cli("channel", "add", "bad", "--kind", "epay", "--set", f"gateway={gateway.url}", "--set", "pid=1001", "--set", "type=alipay", "--secret", f"key=@{secret}")
                self.assertIn(result.code, (1, 2))
        self.assertNotEqual(shop.cli("channel", "add", "bad", "--kind", "epay", "--set", f"gateway={gateway.url}", "--set", "pid=1001", "--set", "type=alipay").code, 0)
        self.assertNotIn("bad", shop.must("channel", "list").said.split())

    def test_a_removed_channel_refuses_its_notices(self):
        """S01: known and enabled"""
        shop, gateway = self.open_shop(keys=2)
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        if shop.cli("channel", "remove", "main").code == 0:
            self.assertNotIn("success", gateway.pay(number).body.lower())
            self.assertEqual(buyer.state(order)["state"], "pending")

    def test_a_weak_channel_asks_the_provider_before_it_delivers(self):
        """S15"""
        gateway = self.open_gateway()
        shop = Shop([gateway])
        self.addCleanup(shop.close)
        keys = shop.add_product("card", "10.00", 3)
        shop.add_channel(gateway, "main", "--set", "weak=true")
        shop.start()
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        lie = gateway.send(number, gateway.notice(number))
        self.assertNotIn("success", lie.body.lower())
        self.assertNotEqual(buyer.state(order)["state"], "delivered")
        self.assertFalse(buyer.state(order).get("keys"))
        self.assertIn("success", gateway.pay(number).body)
        self.assert_delivered(buyer.state(order), 1, keys)

    def test_a_channel_with_a_gateway_on_a_private_address_needs_permission(self):
        """S43, as the channel sees it: no [net] allow_private"""
        gateway = self.open_gateway()
        shop = Shop([gateway], NET__ALLOW_PRIVATE="")
        self.addCleanup(shop.close)
        shop.add_product("card", "10.00", 3)
        shop.cli("channel", "add", "main", "--kind", "epay", "--set", f"gateway={gateway.url}", "--set", "pid=1001", "--set", "type=alipay",
                 "--set", "weak=true", "--secret", "key=@" + shop.file(gateway.key))
        self.assertNotEqual(shop.cli("channel", "test", "main").code, 0)


del Callback


if __name__ == "__main__":
    unittest.main()

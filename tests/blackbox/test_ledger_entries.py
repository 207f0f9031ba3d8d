"""What comes after a sale, as merchant, buyer and auditor meet it: refunds, replaced keys, erased orders, an auditor's nonce,
changes of the shop, outages. Each story ends with an export that both verifiers accept.

    python3 -m unittest tests/blackbox/test_ledger_entries.py
"""
import json, os, re, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify_ledger  # noqa: E402
from keystall import Buyer, Story  # noqa: E402


class AfterTheSale(Story):
    def setUp(self):
        self.shop, self.gateway = self.open_shop(keys=6)
        self.buyer = Buyer(self.shop)

    def bought(self, **fields):
        """(page, number, state) of a purchase."""
        page, state = self.buyer.buy(self.gateway, **fields)
        return page, state["order"], state

    def entries(self):
        """All entries; the export is verified on the way."""
        export = self.shop.export()
        self.assert_verified("ledger", export, self.shop.vkey())
        lines = verify_ledger.read(os.path.join(export, "gen-0", "entries.ndjson")).split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def of_type(self, kind):
        return [entry for entry in self.entries() if entry["type"] == kind]

    def receipt(self, page):
        answer = self.buyer.get(page + "/receipt")
        self.assertEqual(answer.status, 200)
        return self.shop.file(answer.body, "receipt.txt")

    def doctor(self, check):
        findings = self.shop.cli("doctor", "--json").json["findings"]
        return next(finding for finding in findings if finding["check"] == check)

    def test_money_of_a_sale_goes_back_in_two_parts_and_no_further(self):
        _, number, _ = self.bought()
        bare = self.shop.cli("order", "refund", number, "--note", "x")
        self.assertNotEqual(bare.code, 0)
        self.assertIn("--why", bare.said)
        self.shop.must("order", "refund", number, "--why", "bad", "--amount", "4.00", "--note", "half")
        too_much = self.shop.cli("order", "refund", number, "--why", "bad", "--amount", "6.00", "--note", "more")
        self.assertNotEqual(too_much.code, 0)
        self.assertIn("5.99", too_much.said)
        self.shop.must("order", "refund", number, "--why", "goodwill", "--note", "the rest")
        refunds = self.of_type("refund")
        self.assertEqual([(r["amt"], r["why"]) for r in refunds], [(400, "bad"), (599, "goodwill")])
        shown = self.shop.must("order", "show", number, "--json").json
        self.assertEqual([r["amount"] for r in shown["refunds"]], [400, 599])

    def test_a_bad_key_is_replaced_on_the_page_and_in_the_receipt(self):
        page, number, state = self.bought(quantity="2")
        old = self.receipt(page)
        slots = self.shop.must("order", "show", number, "--json").json["slots"]
        refused = self.shop.cli("order", "replace", number, "--slot", "0:5", "--why", "bad", "--note", "x")
        self.assertIn("0:5", refused.said)
        self.shop.must("order", "replace", number, "--slot", slots[0], "--why", "bad", "--note", "already used")
        now = self.buyer.state(page)
        self.assertEqual((len(now["keys"]), now["keys"][1]), (2, state["keys"][1]))
        self.assertNotIn(state["keys"][0], now["keys"])
        self.assertIn(now["keys"][0], self.shop.keys)
        keys = self.buyer.get(page + "/keys.txt").text.split()
        self.assertEqual(keys, now["keys"])
        self.assertNotIn(state["keys"][0], self.buyer.get(page).text)
        new = self.receipt(page)
        said = self.assert_verified("receipt", new, self.shop.vkey())
        self.assertIn("3", said)
        text = verify_ledger.read(new).decode()
        self.assertEqual(len(re.findall(r"^more .*\"type\":\"replace\"", text, re.M)), 1)
        self.assert_verified("receipt", old, self.shop.vkey())
        self.assertEqual(len(self.of_type("replace")), 1)

    def test_an_erased_order_is_gone_and_its_buyers_own_receipt_still_verifies(self):
        contact = "canary-contact@example.com"
        page, number, state = self.bought(contact=contact, password="canary-password")
        other, _, _ = self.bought(contact="other@example.com")
        own = self.receipt(page)
        careful = self.shop.cli("ledger", "erase", number)
        self.assertNotEqual(careful.code, 0)
        self.assertIn("--yes", careful.said)
        self.shop.must("ledger", "erase", number, "--yes")
        answer = self.buyer.get(page)
        self.assertEqual(answer.status, 200)
        for text in ("canary-contact", state["keys"][0]):
            self.assertNotIn(text, answer.text)
        self.assertNotIn("keys", self.buyer.state(page))
        self.assertEqual(self.buyer.get(page + "/receipt").status, 410)
        self.assertEqual(self.buyer.get(page + "/keys.txt").status, 404)
        shown = self.shop.must("order", "show", number, "--json")
        self.assertNotIn("canary", shown.said)
        self.assertEqual(shown.json["state"], "delivered")
        self.assertNotIn("canary", self.shop.must("order", "list", "--json").said)
        self.assert_verified("receipt", own, self.shop.vkey())
        listed = verify_ledger.read(os.path.join(self.shop.dir, "backups", "erased")).decode()
        self.assertTrue(listed.startswith(number))
        self.shop.must("ledger", "erase", number, "--yes")
        # At the next start the month's key is another, and the old one is gone.
        self.shop.stop()
        self.shop.start()
        for _ in range(100):
            keys = verify_ledger.read(os.path.join(self.shop.dir, "erase.keys")).decode()
            months = [line.split(" ")[0] for line in keys.splitlines() if re.match(r"\d{4}-\d{2}", line)]
            if not any(re.fullmatch(r"\d{4}-\d{2}", month) and month + ".1" in months for month in months) and any("." in m for m in months):
                break
            time.sleep(0.1)
        else:
            self.fail(f"the month's key is not replaced: {months}")
        self.assertEqual(self.doctor("erasures")["level"], "ok")
        self.assertEqual(len(self.buyer.state(other)["keys"]), 1)
        self.receipt(other)
        database = verify_ledger.read(os.path.join(self.shop.dir, "shop.redb"))
        for text in (contact, "canary-password", state["keys"][0]):
            self.assertNotIn(text.encode(), database)
        self.assertEqual(len(self.of_type("erase")), 1)

    def test_what_is_open_or_owed_is_not_erased(self):
        page = self.buyer.order()
        number = self.buyer.state(page)["order"]
        refused = self.shop.cli("ledger", "erase", number, "--yes")
        self.assertNotEqual(refused.code, 0)
        self.assertIn("pending", refused.said)

    def test_an_auditors_nonce_is_found_again(self):
        answer = self.shop.must("ledger", "audit", "--nonce", "a1_b2-c3", "--json").json
        self.assertGreater(answer["size"], answer["seq"])
        self.assertEqual([entry["nonce"] for entry in self.of_type("audit")], ["a1_b2-c3"])
        self.assertNotEqual(self.shop.cli("ledger", "audit", "--nonce", "a b").code, 0)

    def test_changes_of_channels_and_settings_are_told(self):
        self.shop.stop()
        self.shop.env["KEYSTALL_LIMITS__ORDER_QUANTITY_MAX"] = "7"
        self.shop.start()
        log = self.shop.must("ledger", "admin", "--json").json["entries"]
        self.assertEqual([(e["what"], e["who"]) for e in log], [("payee", "owner"), ("settings", "owner")])
        self.assertIn("[limits] order_quantity_max", log[1]["text"])
        self.assertEqual(len(self.of_type("admin")), 2)
        self.shop.stop()
        self.shop.start()
        self.assertEqual(len(self.of_type("admin")), 2, "a restart changes nothing")

    def test_a_shop_that_was_closed_for_ten_hours_says_so(self):
        self.shop.stop()
        closed = time.time() - 10 * 3600
        os.utime(os.path.join(self.shop.dir, "alive"), (closed, closed))
        self.shop.start()
        for _ in range(100):
            marks = [mark for mark in self.of_type("mark") if "down_ms" in mark]
            if marks:
                break
            time.sleep(0.1)
        self.assertEqual(len(marks), 1)
        self.assertAlmostEqual(marks[0]["down_ms"] / 3_600_000, 10, delta=0.1)


if __name__ == "__main__":
    import unittest
    unittest.main()

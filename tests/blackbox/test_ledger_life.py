"""The life of a ledger, as a merchant lives it: a new log key, an old copy of the database, a restore."""
import json, os, shutil, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import HOST, Browser, Buyer, Shop, Story, run  # noqa: E402


class LedgerLife(Story):
    def open_shop_with_sheet(self, keys=6):
        """A shop whose recovery secret lies in `shop.sheet`, as on the merchant's paper."""
        gateway = self.open_gateway()
        shop = Shop([gateway], init=False)
        self.addCleanup(shop.close)
        said = shop.must("init", "--host", HOST, "--title", "Blackbox", "--currency", "CNY").err
        lines = said[said.index("Recovery secret") :].splitlines()[1:7]  # Six rows of four words.
        shop.sheet = shop.file("\n".join(lines) + "\n", "sheet")
        shop.keys = shop.add_product("card", "9.99", keys)
        shop.add_channel(gateway)
        shop.start()
        return shop, gateway

    def sell(self, shop, gateway, **fields):
        order, state = Buyer(shop).buy(gateway, **fields)
        self.assert_delivered(state, among=shop.keys)
        return order, state

    def test_a_new_log_key_is_vouched_for_on_another_machine_and_sales_go_on(self):
        shop, gateway = self.open_shop_with_sheet()
        first = shop.vkey()
        old_order, _ = self.sell(shop, gateway)
        prepared = shop.must("ledger", "rotate", "--ahead", "5")
        message = shop.file(prepared.out, "message")
        self.sell(shop, gateway)
        signed = run(["sign", message, "--secret-file", shop.sheet], name="keystall-verify")
        self.assertEqual(signed.code, 0, signed.said)
        signature = signed.out.split()[-1]
        self.assertRegex(signature, r"^[0-9a-f]{128}$")
        wrong = shop.cli("ledger", "rotate", "--signature", "ab" * 64)
        self.assertEqual(wrong.code, 1, wrong.said)
        self.assertIn("origin key", wrong.err)
        shop.must("ledger", "rotate", "--signature", signature)
        self.assertEqual(shop.vkey(), first, "what auditors pin stays")
        keys = shop.must("ledger", "vkey", "--json").json
        new = keys["signs_now"]
        self.assertEqual([key["vkey"] for key in keys["keys"]], [first, new])
        self.assertIn(new, shop.must("ledger", "vkey", "--all").out)
        kept = shop.checkpoint()
        self.sell(shop, gateway)
        self.assert_verified("ledger", shop.export(), first, known=[kept])
        # A receipt made now is proven to the new key's checkpoint.
        receipt = shop.file(Browser(shop).get(old_order + "/receipt").body, "receipt")
        self.assert_verified("receipt", receipt, new)
        again = shop.cli("ledger", "rotate", "--signature", signature)
        self.assertEqual(again.code, 1, again.said)
        # After a kill nothing of it is lost.
        shop.kill()
        shop.start()
        self.assertEqual(shop.must("ledger", "vkey", "--json").json["signs_now"], new)
        self.assert_verified("ledger", shop.export(), first, known=[kept])

    def test_an_old_copy_is_refused_and_a_restore_opens_the_next_generation(self):
        shop, gateway = self.open_shop_with_sheet()
        first = shop.vkey()
        old_order, _ = self.sell(shop, gateway)
        open_order = Buyer(shop).order()
        shop.stop()
        database = os.path.join(shop.dir, "shop.redb")
        copy = os.path.join(shop.home, "copy.redb")
        shutil.copy(database, copy)
        shop.start()
        self.sell(shop, gateway)
        lost = shop.checkpoint()
        running = shop.cli("backup", "restore", copy, "--recovery", shop.sheet)
        self.assertEqual(running.code, 1, running.said)
        self.assertIn("stop the daemon", running.err)
        shop.stop()
        # Put back by hand: not one signature below what was signed.
        shutil.copy(copy, database)
        refused = shop.cli("serve", timeout=20)
        self.assertEqual(refused.code, 1, refused.said)
        self.assertIn("older copy", refused.err)
        looked = shop.must("backup", "restore", copy, "--recovery", shop.sheet, "--dry-run", "--json").json
        self.assertEqual((looked["dry_run"], looked["lost"], looked["expired"]), (True, 1, 1))
        stranger = shop.file("ab" * 32, "sheet")
        self.assertEqual(shop.cli("backup", "restore", copy, "--recovery", stranger).code, 1)
        done = shop.must("backup", "restore", copy, "--recovery", shop.sheet, "--json").json
        self.assertEqual((done["generation"], done["lost"]), (1, 1))
        self.assertEqual(done["withheld"], [{"product": "card", "keys": 5}])
        self.assertTrue(os.path.exists(done["set_aside"]))
        # The same copy once more: what was known to be lost is not forgotten.
        again = shop.must("backup", "restore", copy, "--recovery", shop.sheet, "--json").json
        self.assertEqual((again["generation"], again["lost"]), (1, 1))
        self.restored(shop, gateway, first, lost, old_order, open_order)

    def restored(self, shop, gateway, first, lost, old_order, open_order):
        shop.start()
        self.assertEqual(Browser(shop).get(open_order + ".json").json["state"], "expired")
        doctor = shop.cli("doctor")
        self.assertIn("key release --product card", doctor.said)
        # Nothing that may have been sold is on sale.
        refused = Buyer(shop).post("/p/card", {"quantity": "1", "contact": "buyer@example.com", "password": "", "channel": "main"})
        self.assertEqual(refused.status, 422)
        self.assertEqual(shop.must("key", "release", "--product", "card", "--json").json["released"], 5)
        self.sell(shop, gateway)
        export = shop.export()
        self.assertEqual(sorted(os.listdir(export)), ["README.txt", "gen-0", "gen-1"])
        for known in ([], [lost], [shop.checkpoint()]):
            self.assert_verified("ledger", export, first, known=known)
        said = run(["ledger", export, "--vkey", first, "--known", lost], name="keystall-verify")
        self.assertIn("lost in a restore", said.out)
        receipt = shop.file(Browser(shop).get(old_order + "/receipt").body, "receipt")
        self.assert_verified("receipt", receipt, first)
        archive = os.path.join(shop.home, "both.tar.zst")
        shop.must("ledger", "export", "--out", archive)
        said = run(["ledger", archive, "--vkey", first, "--json"], name="keystall-verify")
        self.assertEqual((said.code, len(json.loads(said.out)["generations"])), (0, 2), said.said)

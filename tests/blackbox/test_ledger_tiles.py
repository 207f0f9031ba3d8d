"""The ledger as others follow it: tiles for monitors, and witnesses that cosign.

    python3 -m unittest tests/blackbox/test_ledger_tiles.py
"""
import json, os, shutil, subprocess, sys, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_tools as v  # noqa: E402
from keystall import HERE, Browser, Buyer, Story, binary, run, verify_ledger  # noqa: E402
from witness import Key, Witness, WitnessedStory, sha  # noqa: E402


def checkpoint(shop, path="/ledger/checkpoint"):
    answer = Browser(shop).get(path)
    assert answer.status == 200, answer.status
    return v.Note(answer.text)


class Monitors(Story):
    def test_a_monitor_rebuilds_the_root_from_tiles_and_bundles(self):
        shop, gateway = self.open_shop()
        Buyer(shop).buy(gateway)
        note = checkpoint(shop)
        browser = Browser(shop)
        for prefix in ("/ledger", "/ledger/gen-0"):
            leaves = browser.get(f"{prefix}/tile/0/000.p/{note.size}")
            bundle = browser.get(f"{prefix}/tile/entries/000.p/{note.size}")
            self.assertEqual((leaves.status, bundle.status), (200, 200))
            self.assertEqual(leaves.header("content-type"), "application/octet-stream")
            self.assertEqual(len(bundle.body), note.size * 34)
            tree = v.Tree()
            for at in range(note.size):
                length, data = bundle.body[34 * at:34 * at + 2], bundle.body[34 * at + 2:34 * at + 34]
                self.assertEqual(length, b"\0\x20")
                self.assertEqual(sha(b"\0", data), leaves.body[32 * at:32 * at + 32])
                tree.push(data)
            self.assertEqual(tree.root(), note.root)
        # What a bundle shows is what a skeleton shows.
        lines = verify_ledger.read(os.path.join(shop.export(), "gen-0", "entries.ndjson")).split(b"\n")[:-1]
        self.assertEqual(b"".join(v.entry_hashes(lines)), b"".join(bundle.body[34 * i + 2:34 * i + 34] for i in range(note.size)))

    def test_nothing_is_served_beyond_the_checkpoint_or_where_it_is_not_public(self):
        shop, _ = self.open_shop()
        size = checkpoint(shop).size
        for path in (f"0/000.p/{size + 1}", "0/000", "1/000.p/1", "entries/000", "0/0", "0/000.p/0", "8/0/000", "none"):
            self.assertEqual(Browser(shop).get(f"/ledger/tile/{path}").status, 404, path)
        self.assertEqual(Browser(shop).get("/ledger/gen-1/checkpoint").status, 404)
        hidden, _ = self.open_shop(LEDGER__PUBLIC_CHECKPOINT="false")
        for path in ("checkpoint", "tile/0/000.p/1", "gen-0/checkpoint", "gen-0/tile/entries/000.p/1"):
            self.assertEqual(Browser(hidden).get(f"/ledger/{path}").status, 404, path)


class Witnesses(WitnessedStory):
    def cosigned(self, shop, witness):
        return checkpoint(shop).signed_by(v.parse_vkey(witness.vkey, 4), True)

    def refused(self, shop):
        """What `serve` says when it does not start."""
        done = subprocess.run([binary(), "serve", "--dir", shop.dir], capture_output=True, env=shop.env, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        return (done.stdout + done.stderr).decode()

    def doctor(self, shop):
        findings = json.loads(shop.cli("doctor", "--json").out)["findings"]
        return next(f for f in findings if f["check"].startswith("witness "))

    def test_a_cosigned_checkpoint_is_shown_exported_and_verified(self):
        shop, gateway, witness = self.witnessed_shop()
        self.assertTrue(self.cosigned(shop, witness))
        order, _ = Buyer(shop).buy(gateway)
        self.assertIsNone(self.cosigned(shop, witness), "a newer checkpoint was never shown to the witness")
        self.restart(shop)
        self.assertTrue(self.cosigned(shop, witness))
        self.assertEqual(witness.answers, [200, 200])
        self.assertFalse(witness.bodies[1].startswith("old 0\n"), "what a witness knows is kept")
        self.assertIn(witness.name, shop.must("ledger", "checkpoint").out)
        finding = self.doctor(shop)
        self.assertEqual(finding["level"], "ok", finding)

        vkey, export = shop.vkey(), shop.export()
        self.assert_verified("ledger", export, vkey)
        other = Witness("other.test/w2", b"another")
        self.addCleanup(other.close)
        for key, code in ((witness.vkey, 0), (other.vkey, 4)):
            flags = ["ledger", export, "--vkey", vkey, "--witness", key]
            self.assertEqual(run(flags, name="keystall-verify").code, code)
            python = subprocess.run([sys.executable, os.path.join(HERE, "verify_ledger.py"), *flags], capture_output=True)
            self.assertEqual(python.returncode, code, python.stdout + python.stderr)
        receipt = shop.file(Browser(shop).get(order + "/receipt").body, "receipt")
        self.assertIn(witness.name.encode(), verify_ledger.read(receipt))
        self.assert_verified("receipt", receipt, vkey)

    def test_a_witness_that_forgot_or_knows_less_is_told_from_where_it_knows(self):
        shop, gateway, witness = self.witnessed_shop()
        size = checkpoint(shop).size
        Buyer(shop).buy(gateway)
        witness.seen.clear()
        self.restart(shop)
        self.assertEqual(witness.answers, [200, 409, 200])
        self.assertEqual([body.split("\n")[0] for body in witness.bodies], ["old 0", f"old {size}", "old 0"])
        self.assertTrue(self.cosigned(shop, witness))

    def test_an_older_copy_of_the_whole_folder_is_not_served_against_a_witness(self):
        shop, gateway, witness = self.witnessed_shop()
        shop.stop()
        copy = shop.dir + "-copy"
        shutil.copytree(shop.dir, copy)
        shop.start()
        Buyer(shop).buy(gateway)
        self.restart(shop)
        known = checkpoint(shop).size
        shop.stop()
        shutil.rmtree(shop.dir)
        shutil.move(copy, shop.dir)
        said = self.refused(shop)
        self.assertIn(f"knows {known} ledger entries", said)
        self.assertIn("older copy", said)
        # The limit that the README states: without the witness nothing here knows better.
        with_witness = shop.env.pop("KEYSTALL_LEDGER__WITNESS")
        shop.start()
        Buyer(shop).buy(gateway)
        Buyer(shop).buy(gateway)
        shop.stop()
        # It has grown beyond what the witness saw, as another history.
        shop.env["KEYSTALL_LEDGER__WITNESS"] = with_witness
        self.assertIn("another history", self.refused(shop))
        self.assertEqual(witness.answers[-1], 422)

    def test_another_root_of_the_same_size_is_another_history(self):
        shop, _, witness = self.witnessed_shop()
        shop.stop()
        origin, (size, _) = next(iter(witness.seen.items()))
        witness.seen[origin] = size, sha(b"another")
        self.assertIn("another history", self.refused(shop))

    def test_a_witness_that_is_down_or_silent_delays_nothing(self):
        shop, gateway, witness = self.witnessed_shop(start=False)
        witness.hanging = True
        self.assertLess(shop.start(), 12)
        Buyer(shop).buy(gateway)
        shop.stop()
        self.assertIn(b"was not compared", verify_ledger.read(shop.log))
        witness.close()
        self.assertLess(shop.start(), 8)
        Buyer(shop).buy(gateway)
        finding = self.doctor(shop)
        self.assertEqual(finding["level"], "warn")
        self.assertIn("has not cosigned yet", finding["message"])

    def test_what_a_witness_refuses_is_told(self):
        shop, _, witness = self.witnessed_shop(start=False)
        witness.logs.clear()
        shop.start()
        self.assertIn("does not know this log (404)", self.doctor(shop)["message"])
        witness.logs[shop.vkey().split("+")[0]] = []
        self.restart(shop)
        self.assertIn("does not know this log's key (403)", self.doctor(shop)["message"])
        self.assertIsNone(self.cosigned(shop, witness))

    def test_a_lie_of_a_witness_is_not_kept(self):
        shop, _, witness = self.witnessed_shop(start=False)
        stranger = Key(b"stranger")
        note = lambda: v.Note(witness.bodies[-1].split("\n\n", 1)[1])
        lies = [
            lambda status, text: (status, witness.cosign(note(), stranger)),
            lambda status, text: (status, ""),
            lambda status, text: (status, "<html>fine</html>\n"),
            lambda status, text: (status, text + "trailing"),
            lambda status, text: (302, ""),
            lambda status, text: (409, "7"),
            lambda status, text: (500, "oh\n"),
        ]
        for number, lie in enumerate(lies):
            with self.subTest(number):
                witness.seen.clear()
                witness.lie = lie
                shop.start()
                self.assertIsNone(self.cosigned(shop, witness))
                self.assertEqual(self.doctor(shop)["level"], "warn")
                shop.stop()
        witness.lie, witness.clock = None, lambda: time.time() - 7_300
        witness.seen.clear()
        shop.start()
        self.assertIsNone(self.cosigned(shop, witness))
        self.assertIn("away from the shop's clock", self.doctor(shop)["message"])
        shop.stop()
        witness.clock = time.time
        shop.start()
        self.assertTrue(self.cosigned(shop, witness), "an honest answer is kept after all that")

    def test_settings_that_name_no_witness_are_refused_with_what_is_meant(self):
        shop, _, witness = self.witnessed_shop(start=False)
        for setting, word in ((witness.vkey, "its key and its address"), (f"{shop.vkey()} https://w.example", "key of a log"),
                              (f"{witness.vkey} ftp://w.example", "https://"), (f"{witness.vkey} http://w.example", "allow_private"),
                              (f"{witness.setting},{witness.setting}", "twice")):
            result = shop.cli("ledger", "vkey", env={"KEYSTALL_LEDGER__WITNESS": setting})
            self.assertNotEqual(result.code, 0)
            self.assertIn(word, result.said)
        result = shop.cli("ledger", "vkey", env={"KEYSTALL_LEDGER__WITNESS_EVERY": "30s"})
        self.assertIn("between 1m and 7d", result.said)


if __name__ == "__main__":
    unittest.main()

"""Files of the shop's folder that are damaged, cut, replaced or older than they were (R07): noticed, or without any effect; never
another key, price or receipt than before, never a panic, and always with what to do.

KEYSTALL_DAMAGE_CASES (50) says how many; KEYSTALL_SEED repeats a run.
"""
import os, random, re, shutil, subprocess, sys, tempfile, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import GONE, ready  # noqa: E402
from keystall import Browser, Buyer, Shop, Story, binary, free_port  # noqa: E402

CASES = int(os.environ.get("KEYSTALL_DAMAGE_CASES", "50"))
PAGE = 4096
# What a person can do, in the words that the shop uses for it.
ADVICE = re.compile(r"backup restore|put (it|the right one|the file that belongs to it) back|put it there|restore the shop|install|is missing|\[\w+\]|keystall\.toml|init")
FILES = ["shop.redb"] * 8 + ["root.key", "erase.keys", "ledger.highwater", "keystall.toml"]


class Damage(Story):
    def grown_shop(self):
        shop, gateway = self.open_shop(keys=40)
        buyer = Buyer(shop)
        bought = [buyer.buy(gateway, fast=True, contact=f"buyer{i}@example.com")[0] for i in range(8)]
        waiting = buyer.order()
        return shop, gateway, bought, waiting

    def truth(self, shop, bought, waiting):
        """What buyers see: price, keys, states, receipts."""
        browser = Browser(shop, timeout=10)
        price = re.findall(r"9\.99", browser.get("/p/card").text)
        seen = [browser.get(o + ".json").body for o in bought + [waiting]]
        return len(price) > 0, seen, [browser.get(o + "/receipt").status for o in bought[:2]]

    def damage(self, rng, path):
        """Damages a file; what was done."""
        with open(path, "rb") as f:
            content = bytearray(f.read())
        how = rng.choice(["bit", "bit", "bit", "bits", "zeros", "cut", "grown"])
        # Where something is written: most of a young database is not.
        used = [at for at in range(0, len(content), 64) if any(content[at:at + 64])]
        at = rng.choice(used) + rng.randrange(64)
        at = min(at, len(content) - 1)
        if how == "bit":
            content[at] ^= 1 << rng.randrange(8)
        elif how == "bits":
            for one in range(at, min(at + rng.randint(2, 64), len(content))):
                content[one] ^= rng.randrange(1, 256)
        elif how == "zeros":
            begin = at - at % PAGE
            end = min(begin + PAGE, len(content))
            content[begin:end] = bytes(end - begin)
        elif how == "cut":
            del content[rng.randrange(len(content)):]
        else:
            content += rng.randbytes(rng.randint(1, 2 * PAGE))
        os.chmod(path, 0o600)
        with open(path, "wb") as f:
            f.write(content)
        return f"{os.path.basename(path)}: {how} at {at}"

    def test_whatever_is_damaged_is_noticed_or_changes_nothing(self):
        seed = int(os.environ.get("KEYSTALL_SEED", random.randrange(2**32)))
        rng = random.Random(seed)
        shop, _, bought, waiting = self.grown_shop()
        truth = self.truth(shop, bought, waiting)
        killed = shop.dir + "-killed"
        shutil.copytree(shop.dir, killed, ignore=shutil.ignore_patterns("admin.sock"))
        shop.stop()
        stopped = shop.dir + "-stopped"
        shutil.copytree(shop.dir, stopped, ignore=shutil.ignore_patterns("admin.sock"))
        said = {"refused": 0, "unharmed": 0}
        for case in range(CASES):
            shutil.rmtree(shop.dir)
            shutil.copytree(rng.choice([killed, stopped]), shop.dir)
            name = rng.choice(FILES)
            path = os.path.join(shop.dir, name)
            if not os.path.exists(path):
                continue
            did = self.damage(rng, path)
            with self.subTest(f"{did}, case {case} of seed {seed}"):
                said[self.one_case(shop, truth, bought, waiting, name)] += 1
        self.assertGreater(said["refused"], CASES // 10, "nearly nothing of it was noticed")
        print(f"\n{CASES} damaged files: {said['refused']} refused with what to do, {said['unharmed']} without effect, 0 served wrongly, seed {seed}", file=sys.stderr)

    def one_case(self, shop, truth, bought, waiting, name):
        open(shop.log, "w").close()
        with open(shop.log, "ab") as log:
            shop.process = subprocess.Popen([binary(), "serve", "--dir", shop.dir], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=shop.env)
        began = time.monotonic()
        try:
            while ready(shop) != 200:
                if shop.process.poll() is not None:
                    said = self.log(shop)
                    self.assertNotIn("panicked", said)
                    self.assertEqual(shop.process.returncode, 1, said[-600:])
                    self.assertRegex(said, ADVICE, "what to do is not said")
                    return "refused"
                self.assertLess(time.monotonic() - began, 20, "it hangs: " + self.log(shop)[-600:])
                time.sleep(0.01)
            self.assertEqual(self.truth(shop, bought, waiting), truth, "something else than before is served")
            self.assertNotIn("panicked", self.log(shop))
            return "unharmed"
        finally:
            if shop.process.poll() is None:
                shop.kill()

    def log(self, shop):
        with open(shop.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    # --- Files of another time, or of another shop -------------------------------------------------------------
    def test_an_older_database_put_back_is_refused_with_what_to_do(self):
        shop, gateway, *_ = self.grown_shop()
        shop.stop()
        database = os.path.join(shop.dir, "shop.redb")
        shutil.copy(database, shop.home + "/older.redb")
        shop.start()
        self.assert_delivered(Buyer(shop).buy(gateway)[1], 1, shop.keys)
        shop.stop()
        shutil.copy(database, shop.home + "/newer.redb")
        shutil.copy(shop.home + "/older.redb", database)
        said = self.refused(shop)
        self.assertIn("it is an older copy", said)
        self.assertIn("backup restore", said)
        shutil.copy(shop.home + "/newer.redb", database)
        shop.start()

    def test_files_of_another_shop_and_missing_ones_are_named(self):
        shop, *_ = self.grown_shop()
        shop.stop()
        other, _ = self.open_shop(keys=1, start=False)
        good = shop.dir + "-good"
        shutil.copytree(shop.dir, good)
        for name, word in (("shop.redb", "root.key"), ("root.key", "root.key"), ("erase.keys", "erase.keys"), ("ledger.highwater", "ledger.highwater")):
            for path in (os.path.join(other.dir, name), None):
                with self.subTest(f"{name} {'of another shop' if path else 'missing'}"):
                    shutil.rmtree(shop.dir)
                    shutil.copytree(good, shop.dir)
                    os.remove(os.path.join(shop.dir, name))
                    if path:
                        shutil.copy(path, os.path.join(shop.dir, name))
                    said = self.refused(shop)
                    self.assertIn(word if path else name, said)
                    self.assertRegex(said, ADVICE)

    def refused(self, shop):
        done = shop.cli("serve", timeout=30)
        self.assertEqual(done.code, 1, done.said[-400:])
        self.assertNotIn("panicked", done.said)
        return done.said


if __name__ == "__main__":
    unittest.main()

"""New keys for old while it sells, with kill -9 at any moment (S27, R20): links in mails stay good, no key is lost or sold twice,
and the key before opens nothing any more.

KEYSTALL_ROTATIONS (6) says how often the daemon is killed under a rotation.
"""
import http.client, os, random, sys, threading, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Buyer, Story  # noqa: E402

CYCLES = int(os.environ.get("KEYSTALL_ROTATIONS", "6"))
BUYERS = 4
GONE = (OSError, http.client.HTTPException)


def root_key(shop):
    with open(os.path.join(shop.dir, "root.key"), "rb") as file:
        return file.read()


class Rotation(Story):
    def status(self, shop):
        return shop.must("secret", "status", "--json").json

    def wait_until_done(self, shop, seconds=100):
        until = time.monotonic() + seconds
        while True:
            status = self.status(shop)
            if status["rows_done"] and not status["pools"]:
                return
            self.assertLess(time.monotonic(), until, f"the rows have not followed: {status}")
            time.sleep(0.5)

    def test_keys_are_replaced_with_the_daemon_stopped(self):
        shop, gateway = self.open_shop(keys=30)
        order, state = Buyer(shop).buy(gateway)
        shop.stop()
        before = root_key(shop)
        said = shop.must("secret", "rotate-pool", "--all").said + shop.must("secret", "rotate-root").said
        self.assertIn("1 pool has a new key", said)
        self.assertIn("all under the newest key", said)
        after = root_key(shop)
        self.assertNotEqual(before, after)
        self.assertFalse(os.path.exists(os.path.join(shop.dir, "root.key.next")))
        # Links that are out stay good, the stock opens, and what is known is known.
        shop.start()
        buyer = Buyer(shop)
        self.assertEqual(buyer.state(order), state)
        self.assert_delivered(buyer.buy(gateway)[1], 1, shop.keys)
        self.assertNotEqual(shop.cli("key", "import", "--product", "card", "-", stdin=shop.keys[0].encode()).code, 0)
        shop.stop()
        # The key before opens nothing.
        path = os.path.join(shop.dir, "root.key")
        os.remove(path)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o400), "wb") as file:
            file.write(before)
        refused = shop.cli("product", "list")
        self.assertEqual(refused.code, 1)
        self.assertIn("root.key does not belong to this shop.redb", refused.err)

    def test_keys_are_replaced_under_sales_and_kills(self):
        shop, gateway = self.open_shop(keys=0, start=False)
        shop.keys = shop.import_keys("card", 3_000)
        seed = int(os.environ.get("KEYSTALL_SEED", random.randrange(2**32)))
        rng, vkey = random.Random(seed), shop.vkey()
        self.paid, self.seen, self.wrong, roots = [], {}, [], {root_key(shop)}
        shop.start()
        for cycle in range(CYCLES):
            with self.subTest(f"cycle {cycle} of seed {seed}"):
                stop = threading.Event()
                threads = [threading.Thread(target=self.buy_until, args=(shop, gateway, stop)) for _ in range(BUYERS)]
                [thread.start() for thread in threads]
                rotate = threading.Thread(target=self.rotate, args=(shop, rng.random() < 0.5))
                rotate.start()
                time.sleep(rng.uniform(0.05, 0.6))
                shop.kill()
                stop.set()
                [thread.join() for thread in threads]
                rotate.join()
                shop.start()
                roots.add(root_key(shop))
                self.assertEqual(self.wrong, [])
                buyer = Buyer(shop)
                for order in self.paid[-40:]:
                    state = buyer.state(order)
                    self.assertEqual(state["state"], "delivered")
                    self.assertEqual(state["keys"], self.seen.get(order, state["keys"]), "other keys than before")
        # So many that were begun may be left that another one is refused.
        self.wait_until_done(shop)
        shop.must("secret", "rotate-root")
        self.wait_until_done(shop)
        buyer, keys = Buyer(shop), []
        for order in self.paid:
            keys += self.assert_delivered(buyer.state(order), 1)
        self.assertEqual(len(keys), len(set(keys)), "a key was sold twice")
        self.assertLessEqual(set(keys), set(shop.keys))
        self.assert_verified("ledger", shop.export(), vkey)
        doctor = {finding["check"]: finding for finding in shop.cli("doctor", "--json").json["findings"]}
        self.assertEqual((doctor["books"]["level"], doctor["secrets"]["level"]), ("ok", "ok"))
        # All that is left can be sold.
        listed = shop.must("key", "list", "--product", "card", "--max", "5000", "--json").json
        self.assertEqual(len(listed["keys"]), len(shop.keys))
        print(f"\n{CYCLES} kills under rotations, {len(roots)} root keys, {len(self.paid)} sales, seed {seed}", file=sys.stderr)

    def rotate(self, shop, root_first):
        verbs = [("secret", "rotate-root"), ("secret", "rotate-pool", "--product", "card")]
        for verb in verbs if root_first else verbs[::-1]:
            shop.cli(*verb, timeout=30)  # cut off by the kill, or refused because the last one goes on

    def buy_until(self, shop, gateway, stop):
        buyer = Buyer(shop)
        while not stop.is_set():
            try:
                order = buyer.order(fast=True)
                number = buyer.checkout(order, gateway)
                if "success" in gateway.pay(number).body:
                    self.paid.append(order)
                    self.seen[order] = buyer.state(order)["keys"]
            except GONE:
                return
            except Exception as error:  # noqa: BLE001 - told to the test's own thread
                self.wrong.append(repr(error)[:300])
                return


if __name__ == "__main__":
    unittest.main()

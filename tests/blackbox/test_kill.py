"""kill -9 in the middle of sales (R03): what was acknowledged before is there after, nothing is sold twice.

KEYSTALL_KILL_CYCLES (10) says how often, KEYSTALL_READY_WITHIN (2) in how many seconds the shop must be ready again. The acknowledgements are kept here, outside the daemon.
    KEYSTALL_KILL_CYCLES=100 python3 -m unittest tests/blackbox/test_kill.py
"""
import http.client, os, random, sys, threading, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Browser, Buyer, Story  # noqa: E402

CYCLES = int(os.environ.get("KEYSTALL_KILL_CYCLES", "10"))
BUYERS = 6
READY_WITHIN = float(os.environ.get("KEYSTALL_READY_WITHIN", "2"))
GONE = (OSError, http.client.HTTPException)


class Kill(Story):
    def test_no_acknowledged_sale_is_lost_and_no_key_is_sold_twice(self):
        shop, gateway = self.open_shop(keys=0, start=False)
        shop.keys = shop.import_keys("card", 500 + 200 * CYCLES)
        vkey, seed = shop.vkey(), int(os.environ.get("KEYSTALL_SEED", random.randrange(2**32)))
        rng, slowest = random.Random(seed), 0.0
        self.placed, self.paid, self.seen, self.wrong = {}, set(), {}, []
        shop.start()
        for cycle in range(CYCLES):
            with self.subTest(f"cycle {cycle} of seed {seed}"):
                self.one_cycle(shop, gateway, rng.uniform(0.1, 0.5))
                note = self.note
                ready = shop.start()
                slowest = max(slowest, ready)
                self.assertLessEqual(ready, READY_WITHIN, "ready too late")
                self.assertEqual(self.wrong, [])
                self.check_what_was_acknowledged(shop, sample=None if cycle == CYCLES - 1 else rng)
                if cycle in (0, CYCLES // 2, CYCLES - 1):
                    self.assert_verified("ledger", shop.export(), vkey, known=note)
        self.finish(shop, gateway, vkey)
        print(f"\n{CYCLES} kills, {len(self.paid)} acknowledged sales, ready within {slowest:.2f} s, seed {seed}", file=sys.stderr)

    def one_cycle(self, shop, gateway, seconds):
        """Buyers buy until the daemon is killed under them; a note seen before the kill is kept."""
        stop, self.note = threading.Event(), []
        threads = [threading.Thread(target=self.buy_until, args=(shop, gateway, stop)) for _ in range(BUYERS)]
        [t.start() for t in threads]
        time.sleep(seconds)
        answer = Browser(shop).get("/ledger/checkpoint")
        if answer.status == 200:
            self.note = [shop.file(answer.body, "note")]
        time.sleep(0.05)
        shop.kill()
        stop.set()
        [t.join() for t in threads]

    def buy_until(self, shop, gateway, stop):
        buyer = Buyer(shop)
        while not stop.is_set():
            try:
                order = buyer.order(fast=True)
                self.placed[order] = None  # acknowledged: the order exists
                number = buyer.checkout(order, gateway)
                self.placed[order] = number
                if "success" in gateway.pay(number).body:
                    self.paid.add(order)  # acknowledged: it is paid and delivered
                    self.seen[order] = tuple(buyer.state(order)["keys"])  # acknowledged: these keys
            except GONE:
                return
            except Exception as error:  # noqa: BLE001 - told to the test's own thread
                self.wrong.append(repr(error)[:300])
                return

    def check_what_was_acknowledged(self, shop, sample):
        buyer = Buyer(shop)
        orders = list(self.placed)
        if sample and len(orders) > 150:
            orders = orders[-100:] + sample.sample(orders[:-100], 50)
        for order in orders:
            state = buyer.state(order)
            if order in self.paid:
                self.assertEqual(state["state"], "delivered", "an acknowledged sale was lost")
                self.assertEqual(tuple(state["keys"]), self.seen.get(order, tuple(state["keys"])), "other keys than before")
            else:
                self.assertIn(state["state"], ("pending", "delivered"))
        buyer.close()

    def finish(self, shop, gateway, vkey):
        """The gateway's retries settle what the kills left open; then everything is counted."""
        for order, number in self.placed.items():
            if number and order not in self.paid:
                self.assertIn("success", gateway.pay(number).body)
                self.paid.add(order)
        buyer, keys = Buyer(shop), []
        for order in self.paid:
            keys += self.assert_delivered(buyer.state(order), 1)
        self.assertEqual(len(keys), len(set(keys)), "a key was sold twice")
        self.assertLessEqual(set(keys), set(shop.keys))
        export = shop.export()
        self.assert_verified("ledger", export, vkey, known=self.note)
        self.assertEqual(len(self.sales(export)), len(self.paid))


class Restart(Story):
    def test_a_polite_stop_and_a_start_keep_orders_open_and_sold(self):
        shop, gateway = self.open_shop(keys=3)
        buyer = Buyer(shop)
        order, state = buyer.buy(gateway)
        waiting = buyer.order()
        number = buyer.checkout(waiting, gateway)
        shop.stop()
        self.assertEqual(shop.process.returncode, 0)
        shop.start()
        buyer = Buyer(shop)
        self.assertEqual(buyer.state(order), state)
        self.assertIn("success", gateway.pay(number).body)
        self.assert_delivered(buyer.state(waiting), 1, shop.keys)


if __name__ == "__main__":
    unittest.main()

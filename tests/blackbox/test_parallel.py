"""Many at once: one order's notice 64 times, 600 sales by 16 buyers, and an export in which every flipped bit is seen.

    python3 -m unittest tests/blackbox/test_parallel.py
"""
import os, random, sys, threading, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify_ledger  # noqa: E402
from keystall import Buyer, Story, run  # noqa: E402

SALES = int(os.environ.get("KEYSTALL_PARALLEL_SALES", "600"))
BUYERS = 16
FLIPS = 200


def at_once(work, count):
    """Runs work(0) … work(count - 1) in as many threads, let go together; the first error is raised here."""
    gate, errors = threading.Barrier(count), []

    def one(i):
        try:
            gate.wait(30)
            work(i)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    if errors:
        raise errors[0]


class Parallel(Story):
    def test_sixty_four_notices_at_once_make_one_sale_of_one_key(self):
        """S06, concurrent"""
        shop, gateway = self.open_shop(keys=70)
        buyer, answers = Buyer(shop), []
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        notice = gateway.notice(number)
        at_once(lambda _: answers.append(gateway.send(number, notice)), 64)
        self.assertEqual({(a.status, a.body) for a in answers}, {(200, "success")})
        self.assertEqual(len(answers), 64)
        self.assert_delivered(buyer.state(order), 1, shop.keys)
        export = shop.export()
        self.assertEqual([s["qty"] for s in self.sales(export)], [1])
        self.assert_verified("ledger", export, shop.vkey())

    def test_sixteen_buyers_at_the_last_ten_keys_get_each_key_once(self):
        """S06, S09: orders hold their keys, so some buyers are refused and nobody is sold air"""
        self.rush(buyers=16, keys=10)

    def test_two_hundred_buyers_at_fifty_keys_get_fifty_and_each_other_is_told_so(self):
        """The flash sale in small"""
        self.rush(buyers=200, keys=50)

    def rush(self, buyers, keys):
        shop, gateway = self.open_shop(keys=keys)
        got, refused = [], []

        def buy(i):
            buyer = Buyer(shop)
            # Posted without the page: a late buyer's page may already say "sold out", without a form.
            answer = buyer.post("/p/card", {"quantity": "1", "contact": f"b{i}@example.com", "password": "", "channel": "main"})
            if answer.status == 422:
                return refused.append(i)
            order = answer.header("location")
            gateway.pay(buyer.checkout(order[order.index("/o/"):], gateway))
            got.extend(self.assert_delivered(buyer.state(order[order.index("/o/"):]), 1, shop.keys))

        at_once(buy, buyers)
        self.assertEqual((len(got), len(set(got)), len(refused)), (keys, keys, buyers - keys))

    def test_hundreds_of_sales_are_each_right_and_no_change_of_their_ledger_goes_unseen(self):
        """P2's correctness: 0 wrong; then R22 in small, on the shipped verifier"""
        shop, gateway = self.open_shop(keys=SALES * 2 + 200)
        sold, lock = {}, threading.Lock()
        rng = random.Random(11)
        plans = [[rng.choice((1, 1, 1, 2, 3)) for _ in range(SALES // BUYERS)] for _ in range(BUYERS)]

        def buy(i):
            buyer = Buyer(shop)
            for quantity in plans[i]:
                order, state = buyer.buy(gateway, fast=True, quantity=str(quantity), contact=f"buyer{i}@example.com")
                keys = self.assert_delivered(state, quantity)
                with lock:
                    sold[state["order"]] = (quantity, keys)
            buyer.close()

        began = time.monotonic()
        at_once(buy, BUYERS)
        seconds = time.monotonic() - began
        handed_out = [k for _, keys in sold.values() for k in keys]
        self.assertEqual(len(sold), sum(map(len, plans)))
        self.assertEqual(len(handed_out), sum(map(sum, plans)))
        self.assertEqual(len(set(handed_out)), len(handed_out), "a key was sold twice")
        self.assertLessEqual(set(handed_out), set(shop.keys))
        self.assertEqual(gateway.unanswered, [])
        vkey, note = shop.vkey(), shop.checkpoint()
        export = shop.export()
        self.assert_verified("ledger", export, vkey, known=[note])
        self.assertEqual({s["order"]: s["qty"] for s in self.sales(export)}, {n: q for n, (q, _) in sold.items()})
        print(f"\n{len(sold)} sales by {BUYERS} buyers in {seconds:.1f} s", file=sys.stderr)
        self.flip_bits(export, vkey)

    def flip_bits(self, export, vkey):
        rng = random.Random(12)
        paths = [os.path.join(export, "gen-0", name) for name in ("entries.ndjson", "marks.ndjson")]
        for path in paths:
            data = verify_ledger.read(path)
            for _ in range(FLIPS // len(paths)):
                at = rng.randrange(len(data))
                self.write(path, data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:])
                result = run(["ledger", export, "--vkey", vkey], name="keystall-verify")
                self.assertIn(result.code, (1, 3, 4, 5), f"a flip at byte {at} of {os.path.basename(path)}")
            self.write(path, data)
        self.assertEqual(run(["ledger", export, "--vkey", vkey], name="keystall-verify").code, 0)

    def write(self, path, data):
        with open(path, "wb") as f:
            f.write(data)


if __name__ == "__main__":
    unittest.main()

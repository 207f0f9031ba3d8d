"""A moved clock (R15), with the shipped binary under libfaketime: no order ends by a jump, and the ledger tells of it. All jumps, with
a clock that is injected, are in `actions/clock_tests.rs`. Skipped where libfaketime is not installed (`apt install faketime`).
"""
import glob, json, os, sys, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Buyer, Story  # noqa: E402
import verify_ledger  # noqa: E402

LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)


@unittest.skipUnless(LIBRARY, "libfaketime is not installed")
class Clock(Story):
    def test_no_order_ends_by_a_jump_and_the_ledger_tells_of_each(self):
        shop, gateway = self.open_shop(keys=20, start=False)
        self.offset = shop.file("+0", "offset")
        shop.env |= {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": self.offset, "FAKETIME_NO_CACHE": "1",
                     "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        shop.start()
        buyer, orders = Buyer(shop), []
        for offset in ("+3600", "-3600", "+86400", "-86400", "+0"):
            orders.append(buyer.order())
            self.jump(offset)
            time.sleep(3.5)
            self.assertEqual([buyer.state(order)["state"] for order in orders], ["pending"] * len(orders), offset)
        for order in orders:
            gateway.pay(buyer.checkout(order, gateway))
            self.assert_delivered(buyer.state(order), 1, shop.keys)
        export = shop.export()
        self.assert_verified("ledger", export, shop.vkey())
        lines = verify_ledger.read(os.path.join(export, "gen-0", "entries.ndjson")).split(b"\n")[:-1]
        told = [entry["skew_ms"] for entry in map(json.loads, lines) if entry["type"] == "clock"]
        expected = [3600, -7200, 3600 + 86400, -2 * 86400, 86400]
        self.assertEqual([round(skew / 10_000) * 10 for skew in told], expected, "each jump once")

    def jump(self, offset):
        beside = self.offset + ".new"
        with open(beside, "w") as file:
            file.write(offset)
        os.replace(beside, self.offset)


if __name__ == "__main__":
    unittest.main()

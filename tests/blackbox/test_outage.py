"""An outage with payments meanwhile (R10): whoever paid while the shop was down gets the goods after its start, also whose order
expired, whether the provider sends its notices again or never does. Times are short here; hours pass in `pay/reconcile/tests.rs`.
"""
import os, sys, threading, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Buyer, Story  # noqa: E402

WITHIN = 25.0


class Outage(Story):
    def test_who_paid_while_the_shop_was_down_gets_the_goods(self):
        retrying, once = self.open_gateway(), self.open_gateway(pid="2002")
        shop, _ = self.open_shop(keys=60, gateway=retrying, start=False, SHOP__ORDER_TTL="4s", SHOP__SCARCE_ORDER_TTL="4s",
                                 NET__ALLOW_PRIVATE=",".join(g.url.split("/")[2] for g in (retrying, once)))
        once.connect_to = ("127.0.0.1", shop.port)
        shop.add_channel(once, "once")
        shop.start()
        buyer, orders = Buyer(shop), []
        for number in range(20):
            gateway, channel = ((retrying, "main"), (once, "once"))[number % 2]
            order = buyer.order(channel=channel)
            orders.append((order, buyer.checkout(order, gateway), gateway))
        unpaid = buyer.order()
        buyer.checkout(unpaid, retrying)
        shop.kill()
        for _, number, gateway in orders:
            self.assertRaises(OSError, gateway.pay, number)  # paid, and nobody heard the notice
        time.sleep(5)  # every order's time is over
        ready = time.monotonic()
        shop.start()
        # One provider tries again now, as 1, 3 and 20 minutes later; the other never does.
        retry = threading.Thread(target=self.retry, args=(retrying, orders))
        retry.start()
        buyer, waiting = Buyer(shop), [order for order, _, _ in orders]
        while waiting:
            waiting = [order for order in waiting if buyer.state(order)["state"] != "delivered"]
            self.assertLess(time.monotonic() - ready, WITHIN, f"{len(waiting)} of {len(orders)} were paid and not delivered")
            time.sleep(0.2)
        took = time.monotonic() - ready
        retry.join()
        keys = [key for order, _, _ in orders for key in self.assert_delivered(buyer.state(order), 1, shop.keys)]
        self.assertEqual(len(keys), len(set(keys)), "a key was sold twice")
        self.assertEqual(buyer.state(unpaid)["state"], "expired")
        self.assertEqual(len(self.sales(shop.export())), len(orders))
        print(f"\n{len(orders)} orders paid while the shop was down: delivered {took:.1f} s after its start", file=sys.stderr)

    def retry(self, gateway, orders):
        for _, number, of in orders:
            if of is gateway:
                gateway.send(number, gateway.notice(number))


if __name__ == "__main__":
    unittest.main()

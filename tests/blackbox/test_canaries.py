"""No secret rests in the clear (S28, S45): 1,000 canaries are planted, then every byte that the shop wrote is searched.

Searched are the whole data folder, the logs at level debug, and a ledger export; in raw, base64, hex and UTF-16 forms.
    python3 -m unittest tests/blackbox/test_canaries.py
"""
import base64, os, re, secrets, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify_ledger  # noqa: E402
from keystall import Buyer, Shop, Story  # noqa: E402

CANARIES = 1000
SALES = 60


def canary(kind):
    return f"{kind}{secrets.token_hex(12)}"


def forms_of(text):
    """The byte strings that give a text away: long middles, so that neighbours and padding do not matter."""
    raw = text.encode()
    wide = text.encode("utf-16-le")
    yield raw
    yield raw.lower()
    yield raw.upper()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield wide
    yield text.encode("utf-16-be")
    for shift in range(3):  # base64 at each alignment, without the characters that neighbours touch
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * shift + raw)[4:-4]


def search(canaries, files):
    """[(file, kind of canary)]. One pass over each file's bytes: each window of eight is looked up."""
    needles = {}
    for text in canaries:
        for form in forms_of(text):
            needles[form] = text
    by_head = {}
    for needle in needles:
        by_head.setdefault(needle[:8], []).append(needle)
    found = []
    for path in files:
        data = verify_ledger.read(path)
        for at in range(len(data) - 7):
            for needle in by_head.get(data[at:at + 8], ()):
                if data.startswith(needle, at):
                    found.append((os.path.basename(path), re.match("[A-Za-z]+?(?=[0-9a-f]{24})|.{4}", needles[needle])[0]))
    return found


def files_below(*roots):
    for root in roots:
        if os.path.isfile(root):
            yield root
        for folder, _, names in os.walk(root):
            yield from (os.path.join(folder, n) for n in names if os.path.isfile(os.path.join(folder, n)))


class Canaries(Story):
    def test_the_search_itself_finds_a_planted_one_in_each_form(self):
        shop = Shop(init=False)
        self.addCleanup(shop.close)
        os.makedirs(shop.dir)
        text = canary("KEYCANARY")
        forms = [text.encode(), text.encode("utf-16-le"), text.encode().hex().encode(), base64.b64encode(b"ab" + text.encode() + b"c"), b"x" * 9 + base64.b64encode(text.encode())]
        for i, form in enumerate(forms):
            path = shop.file(os.urandom(300) + form + os.urandom(300), f"plant{i}")
            self.assertTrue(search([text, canary("OTHER")], [path]), f"form {i}")
        self.assertEqual(search([text], [shop.file(os.urandom(100_000))]), [])

    def test_of_a_thousand_planted_secrets_none_is_found_in_what_the_shop_wrote(self):
        keys = [canary("KEYCANARY") for _ in range(CANARIES - 4 * SALES - 3)]
        contacts = [canary("Contact") + "@example.com" for _ in range(2 * SALES)]
        passwords = [canary("Password") for _ in range(2 * SALES)]
        gateway, other = self.open_gateway(key=canary("Channelkey")), self.open_gateway(key=canary("Channelkey"), pid="2002")
        shop = Shop([gateway, other], LOG__LEVEL="debug")
        self.addCleanup(shop.close)
        shop.add_product("card", "9.99")
        shop.import_keys("card", keys)
        shop.add_channel(gateway)
        shop.add_channel(other, "second")
        shop.start()
        buyer, orders = Buyer(shop), []
        for i in range(SALES):
            order, state = buyer.buy(gateway, fast=True, contact=contacts[i], password=passwords[i] if i < 10 else "")
            orders.append((order, state))
            buyer.get(order), buyer.get(order + "/receipt"), buyer.get(order + "/keys.txt")
        self.pester(shop, gateway, other, contacts[SALES:], passwords[SALES:], orders)
        export = shop.export()
        shop.cli("key", "list", "--product", "card")
        shop.cli("key", "find", keys[0])
        shop.cli("order", "list")
        shop.cli("config", "show")
        shop.cli("doctor")
        shop.kill()
        shop.start()
        self.assert_delivered(Buyer(shop).state(orders[0][0]), 1, keys)
        planted = keys + [c.split("@")[0] for c in contacts] + passwords + [gateway.key, other.key]
        secrets_of_orders = [order[3:] for order, _ in orders]
        everything = lambda: list(files_below(shop.dir, shop.log, export))
        self.assertGreater(len(everything()), 4)
        self.assertEqual(search(planted, everything()), [], "while it runs")
        self.assertEqual(search(secrets_of_orders, [shop.log]), [], "links of orders in the log")
        shop.stop()
        again = shop.export()
        self.assertEqual(search(planted, list(files_below(shop.dir, shop.log, export, again))), [], "after the stop")
        self.assertGreaterEqual(len(planted), CANARIES - 1)

    def pester(self, shop, gateway, other, contacts, passwords, orders):
        """Refused notices, wrong passwords, refused forms and open orders, each with canaries in them."""
        buyer = Buyer(shop)
        for i, (contact, password) in enumerate(zip(contacts, passwords)):
            if i < 8:
                order = buyer.order(fast=True, contact=contact, password=password)
                number = buyer.checkout(order, gateway)
                gateway.send(number, gateway.notice(number, sign=None))
                gateway.send(number, gateway.notice(number, pid="1"))
                gateway.send(number, gateway.notice(number, key=other.key))
                gateway.pay(number, money="1")
            elif i < 20:
                buyer.post("/p/card", {"quantity": "0", "contact": contact, "password": password, "channel": "main"})
            elif i < 26:
                buyer.post("/find", {"order": orders[0][1]["order"], "password": password})
            else:
                buyer.get(f"/find?order={contact}&password={password}")
                buyer.get(f"/nothing?contact={contact}&p={password}")
                buyer.request("POST", "/pay/main/notify?contact=" + contact, body="password=" + password)


if __name__ == "__main__":
    unittest.main()

"""The shop behind the browser's pages: one order in every state, and what a visitor alone cannot bring about.

Prints one line of JSON once it serves: {"origin", "orders": [{"name", "path"}], "xss", …}. Then answers one line of JSON for
each line of commands (`{"do": NAME, …}`, the methods `do_NAME` below) until its input ends, and takes the shop away.
"""
import email, email.policy, json, os, re, socket, socketserver, ssl, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "blackbox"))
import payloads  # noqa: E402
from test_web_security import picture  # noqa: E402
from keystall import HOST, Buyer, Gateway, Shop  # noqa: E402

PRICE = "10.00"
# Its own slow forms fill this network's places; the daemon gives a sender five seconds for each piece.
FLOOD_PLACES = 64


class Visitor(Buyer):
    """A buyer with an address and a contact of its own, so that the limits of one are not those of all."""

    count = 0

    def __init__(self, shop, address=None):
        Visitor.count += 1
        self.number = Visitor.count
        self.at = address or f"10.{self.number // 250}.{self.number % 250}.1"
        super().__init__(shop)

    def request(self, method, path, form=None, headers=(), body=None):
        return super().request(method, path, form, {"X-Forwarded-For": self.at, **dict(headers)}, body)

    def order(self, slug="card", fast=True, **fields):
        return super().order(slug, fast, **{"contact": f"buyer{self.number}@example.com", **fields})


class Post(socketserver.ThreadingTCPServer):
    """Takes every mail and keeps it (RFC 5321, the least of it)."""

    daemon_threads = allow_reuse_address = True

    def __init__(self):
        self.mails = []
        super().__init__(("127.0.0.1", 0), Taker)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def link(self, pattern, seconds):
        """The first address of a kind in any mail, waited for; None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for mail in list(self.mails):
                message = email.message_from_bytes(mail, policy=email.policy.default)
                body = message.get_body(("plain", "html"))
                found = re.search(pattern, body.get_content() if body else "")
                if found:
                    return found[0]
            time.sleep(0.1)
        return None


class Taker(socketserver.StreamRequestHandler):
    def handle(self):
        say = lambda words: self.wfile.write(words + b"\r\n")
        say(b"220 post ESMTP")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                say(b"354 go on")
                mail = bytearray()
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    mail += line[1:] if line.startswith(b".") else line
                self.server.mails.append(bytes(mail))
            say({b"QUIT": b"221 bye", b"EHLO": b"250-post\r\n250 8BITMIME"}.get(verb, b"250 ok"))
            if verb == b"QUIT":
                return


class Stage:
    def __init__(self):
        self.post = Post()
        self.gateway = Gateway()
        self.gateway.server.handle_error = lambda *_: None  # the shop hangs up on a query when it is stopped
        self.shop = Shop([self.gateway], init=False, LISTEN__TRUSTED_PROXIES="127.0.0.1", LIMITS__OPEN_ORDERS_PER_ADDRESS="3",
                         LIMITS__OPEN_ORDERS_PER_CONTACT="2", LIMITS__HELD_SHARE_PERCENT="10", LIMITS__ORDER_QUANTITY_MAX="20",
                         MAIL__HOST="127.0.0.1", MAIL__PORT=str(self.post.server_address[1]), MAIL__TLS="none", MAIL__FROM="shop@example.com")
        self.shop.env["KEYSTALL_SHOP__PORT"] = str(self.shop.port)
        self.shop.must("init", "--host", HOST, "--title", "钥铺 Browser", "--currency", "CNY")
        dress = {"NOTICE": "**春节照常发货。** We deliver on all days, see [the terms](/terms).", "SUPPORT": "help@example.com", "ICP": "粤ICP备2026000000号-1",
                 "COLOUR": "#0b6e4f", "LOGO": self.shop.file(picture(200, 200), "logo.png"), "TERMS": self.shop.file("# 条款\n\n1. 一\n2. 二\n", "terms.md")}
        self.shop.env |= {f"KEYSTALL_SHOP__{name}": value for name, value in dress.items()}
        self.orders, self.flood = [], []

    def close(self):
        self.shop.close()
        self.gateway.close()
        self.post.shutdown()
        self.post.server_close()

    # What is on sale
    def furnish(self):
        shop = self.shop
        text = shop.file("## 使用方法\n\n1. 登录后打开 **兑换**。\n2. 输入卡密。\n\n> 仅限国区。\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" + "verylongword" * 40)
        shop.must("category", "add", "--slug", "games", "--title", "游戏", "--title-en", "Games")
        shop.must("category", "add", "--slug", "empty", "--title", "空", "--title-en", "Empty")
        questions = shop.file("## 多久到账？ How soon?\n\n几秒。Seconds.\n\n## 能退吗？ " + "long" * 30 + "?\n\n" + "word" * 60 + "\n")
        shop.add_product("card", PRICE, 120, title="测试卡 Test card", title_en="Test card", text=text, category="games", scope="国区 · China",
                         instructions=text, questions=questions, support="https://help.example.com/" + "path/" * 20, picture=shop.file(picture(), "picture.png"))
        shop.add_product("many", "0.01", 60, title="批量卡", title_en="Many at once")
        shop.add_product("scarce", PRICE, 1, title="只剩一张", title_en="The last one")
        shop.add_product("soldout", PRICE, 0, title="售罄商品", title_en="Sold out")
        shop.add_product("wide", "999999.99", 0, title="超长标题" * 20, title_en="Unbreakable" * 12)
        shop.import_keys("wide", ["W" * 400 + "-1", "<b>&amp;\u6d4b" + "x" * 300])
        shop.add_channel(self.gateway)
        shop.add_channel(self.gateway, "weak", "--set", "weak=true")

    def keep(self, name, order):
        self.orders.append({"name": name, "path": order})
        return order

    def paid(self, name, slug="card", money=None, **fields):
        buyer = Visitor(self.shop)
        order = self.keep(name, buyer.order(slug, **fields))
        number = buyer.checkout(order, self.gateway)
        self.gateway.pay(number, money)
        return number

    def pending(self, slug="card", **fields):
        """(buyer, order, number at the gateway) of an unpaid order."""
        buyer = Visitor(self.shop)
        order = buyer.order(slug, **fields)
        return buyer, order, buyer.checkout(order, self.gateway)

    def by_hand(self, verb, number, why="按买家要求 / the buyer asked", *flags):
        self.shop.must("order", verb, number, *flags, "--reason", why)

    # The states that need time to pass: orders that live for a second
    def past(self):
        env = self.shop.env
        env |= {"KEYSTALL_SHOP__ORDER_TTL": "1s", "KEYSTALL_SHOP__SCARCE_ORDER_TTL": "1s"}
        self.shop.start()
        expired, late, queued, queued_next = self.pending(), self.pending(), self.pending("scarce"), None
        self.keep("expired", expired[1])
        short = self.pending()
        self.gateway.pay(short[2], "5")
        self.keep("expired-short", short[1])
        reviewed = self.pending("many")
        for buyer, order, _ in (expired, late, queued, short, reviewed):
            self.until(buyer, order, "expired")
        queued_next = self.pending("scarce")
        self.gateway.pay(queued_next[2])
        for name, (_, order, number) in {"late": late, "queue": queued}.items():
            self.gateway.pay(number)
            self.keep(name, order)
        self.shop.stop()
        env["KEYSTALL_SHOP__LATE_DELIVERY"] = "1s"
        self.shop.start()
        self.gateway.pay(reviewed[2])
        self.keep("review", reviewed[1])
        self.shop.stop()
        for name in ("ORDER_TTL", "SCARCE_ORDER_TTL", "LATE_DELIVERY"):
            env.pop(f"KEYSTALL_SHOP__{name}")

    def until(self, buyer, order, state, seconds=30):
        end = time.monotonic() + seconds
        while buyer.state(order)["state"] != state:
            assert time.monotonic() < end, f"still {buyer.state(order)['state']}, not {state}"
            time.sleep(0.05)

    # The others
    def present(self):
        self.shop.start()
        self.keep("pending", self.pending()[1])
        self.keep("pending-wide", self.pending("wide")[1])
        self.paid("short", money="5")
        self.paid("delivered")
        self.paid("delivered-many", slug="many", quantity="6")
        self.paid("delivered-wide", slug="wide")
        self.paid("over", money="20")
        number = self.paid("surplus")
        self.gateway.send(number, self.gateway.notice(number, trade_no="SECOND" + number))
        number = self.paid("over-returned", money="20")
        self.by_hand("refund", number)
        self.by_hand("cancel", self.paid("refunding", money="5"))
        number = self.paid("refunded", money="5")
        self.by_hand("cancel", number)
        self.by_hand("refund", number)
        _, order, number = self.pending()
        self.by_hand("cancel", number)
        self.keep("cancelled", order)
        _, order, number = self.pending()
        self.by_hand("deliver", number, "线下已收款 / paid by bank transfer", "--paid")
        self.keep("by-hand", order)
        buyer = Visitor(self.shop)
        order = self.keep("provider-disagrees", buyer.order("many", channel="weak"))
        number = buyer.checkout(order, self.gateway)
        self.gateway.send(number, self.gateway.notice(number))
        return self

    def inbox(self):
        """The path of a contact's inbox, from the mail that brings it; None where no mail comes."""
        buyer = Visitor(self.shop)
        contact = "inbox@example.com"
        for n in range(2):
            order = buyer.order(contact=contact)
            self.gateway.pay(buyer.checkout(order, self.gateway))
        buyer.post("/find/contact", {"contact": contact})
        link = self.post.link(r"https://[^\s\"<>]*/inbox/[\w-]+", 8)
        return link and "/inbox/" + link.rsplit("/", 1)[1]

    def hoarders(self):
        """Someone with as many open orders as a contact, an address and a network may have."""
        busy = "busy@example.com"
        for _ in range(2):
            Visitor(self.shop).order("many", contact=busy)
        for n in range(3):
            Visitor(self.shop, "203.0.113.7").order("many", contact=f"line{n}@example.com")
        Visitor(self.shop, "198.51.100.7").order("card", contact="net@example.com", quantity="8")
        return {"contact": busy, "address": "203.0.113.7", "network": "198.51.100.9"}

    def xss(self):
        """Ten payloads in all that a merchant writes: pages of products and orders that must open no dialog."""
        paths = []
        for n, payload in enumerate(payloads.RENDERED):
            slug = f"x-{n}"
            self.shop.add_product(slug, PRICE, 0, title=payload[:60] or "x", title_en=payload[:60], text=self.shop.file(payload),
                                  scope=payload[:60], support=payload[:60], instructions=self.shop.file(payload))
            self.shop.import_keys(slug, [f"{payload}-{n}".replace("\n", " ")])
            paths.append(f"/p/{slug}")
            buyer = Visitor(self.shop)
            order = buyer.order(slug)
            number = buyer.checkout(order, self.gateway)
            self.shop.must("order", "deliver", number, "--reason", payload)
            paths.append(order)
        return paths

    # Commands
    def do_order(self, slug="card", **fields):
        buyer, order, number = self.pending(slug, **fields)
        return {"path": order, "number": number, "json": buyer.state(order)}

    def do_pay(self, number, money=None):
        return {"answer": self.gateway.pay(number, money).body}

    def do_state(self, path):
        return Visitor(self.shop).state(path)

    def do_open_orders(self, contact=None):
        listed = self.shop.must("order", "list", "--state", "pending", "--json").json
        return {"count": len(listed["orders"])}

    def do_flood(self, address):
        """Forms whose bodies never end, on every place that one line has."""
        context = ssl._create_unverified_context()
        for _ in range(FLOOD_PLACES):
            line = context.wrap_socket(socket.create_connection(("127.0.0.1", self.shop.port)))
            line.sendall(f"POST /find HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                         "Content-Length: 9\r\n\r\n".encode())
            self.flood.append(line)
        return {}

    def do_calm(self):
        while self.flood:
            self.flood.pop().close()
        return {}


def main():
    stage = Stage()
    try:
        stage.furnish()
        stage.past()
        stage.present()
        said = {"origin": f"https://{HOST}:{stage.shop.port}", "gateway": stage.gateway.url.rstrip("/"), "orders": stage.orders,
                "hoarders": stage.hoarders(), "xss": stage.xss(),
                "inbox": stage.inbox()}
        print(json.dumps(said), flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            print(json.dumps(getattr(stage, "do_" + command.pop("do"))(**command)), flush=True)
    finally:
        stage.close()


if __name__ == "__main__":
    main()

"""Goods as buyers see them: categories, search, pictures, what a product says, and how the merchant dresses the shop.

    python3 -m unittest tests/blackbox/test_goods.py
"""
import json, os, re, struct, sys, unittest, urllib.parse, zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Browser, Shop, Story  # noqa: E402


def png(width, height, pixel=lambda x, y: (x % 256, y % 256, 128), rows=None, text=b""):
    """A PNG of that size; with fewer `rows` than its height it is cut off."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    raw = b"".join(b"\0" + bytes(v for x in range(width) for v in pixel(x, y)) for y in range(height if rows is None else rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            (chunk(b"tEXt", text) if text else b"") + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def jpeg_size(jpeg):
    """Width and height of a baseline JPEG, by its SOF0."""
    at = 2
    while True:
        marker, length = struct.unpack(">HH", jpeg[at:at + 4])
        if marker == 0xFFC0:
            height, width = struct.unpack(">HH", jpeg[at + 5:at + 9])
            return width, height
        at += 2 + length


class Base(Story):
    def bare(self, **settings):
        shop = Shop(**settings)
        self.addCleanup(shop.close)
        return shop

    def exits(self, code, result, *words):
        self.assertEqual(result.code, code, result.said[-600:])
        for word in words:
            self.assertIn(word, result.said)
        for ugly in ("panicked", "unwrap()", "Err(", "Some("):
            self.assertNotIn(ugly, result.said)
        return result

    def shown(self, shop, slug):
        return json.loads(self.exits(0, shop.cli("product", "show", slug, "--json")).out)

    def both_ways(self, shop):
        """Once without the daemon, once with it."""
        yield "files"
        shop.start()
        yield "daemon"
        shop.stop()

    def slugs(self, page):
        links = [link[3:] for link in page.links if link.startswith("/p/")]
        return list(dict.fromkeys(links))


class Commands(Base):
    def test_categories_are_made_changed_listed_and_taken_away(self):
        shop = self.bare()
        shop.add_product("card")
        for way in self.both_ways(shop):
            with self.subTest(way):
                self.exits(0, shop.cli("category", "add", "--slug", "games", "--title", "游戏", "--title-en", "Games", "--position", "2"), "游戏")
                self.exits(0, shop.cli("category", "add", "--slug", "films", "--title", "电影", "--position", "-1"))
                self.exits(1, shop.cli("category", "add", "--slug", "films", "--title", "电影"), "category set")
                self.exits(1, shop.cli("category", "add", "--slug", "Films!", "--title", "电影"), "slug")
                self.exits(0, shop.cli("category", "set", "films", "--position", "9", "--title-en", "Films"))
                self.exits(2, shop.cli("category", "set", "films"), "nothing to change")
                self.exits(1, shop.cli("category", "set", "none", "--position", "9"), "category list")
                self.exits(0, shop.cli("product", "set", "card", "--category", "games"))
                listed = json.loads(self.exits(0, shop.cli("category", "list", "--json")).out)["categories"]
                self.assertEqual([(c["slug"], c["title_en"], c["products"]) for c in listed], [("games", "Games", 1), ("films", "Films", 0)])
                self.exits(1, shop.cli("category", "remove", "games"), "(card)", "product set")
                self.exits(0, shop.cli("product", "set", "card", "--category", ""))
                for name in ("games", "films"):
                    self.exits(0, shop.cli("category", "remove", name))
                self.exits(1, shop.cli("category", "remove", "games"), "no category")
                self.exits(1, shop.cli("product", "set", "card", "--category", "games"), "category add")

    def test_everything_that_a_product_says_can_be_said_shown_and_taken_back(self):
        shop = self.bare()
        how, faq = shop.file("Enter **it**.\n", "how.md"), shop.file("## When?\n\nNow.\n\n## 怎么用？\n看上面。\n", "faq.md")
        picture, empty = shop.file(png(500, 300), "card.png"), shop.file("", "empty.md")
        shop.must("category", "add", "--slug", "games", "--title", "游戏")
        said = ["--category", "games", "--position", "-4", "--scope", "国区", "--instructions", how, "--questions", faq, "--support", "a@example.com", "--picture", picture]
        for way in self.both_ways(shop):
            with self.subTest(way):
                self.exits(0, shop.cli("product", "add", "--slug", way, "--title", "T", "--price", "1.00", *said), "480 × 288")
                shown = self.shown(shop, way)
                self.assertEqual((shown["category"], shown["position"], shown["scope"], shown["support"]), ("games", -4, "国区", "a@example.com"))
                self.assertEqual((shown["instructions"], shown["questions"]), ("Enter **it**.\n", "## When?\n\nNow.\n\n## 怎么用？\n\n看上面。\n"))
                self.exits(0, shop.cli("product", "show", way), "Enter **it**.", "## 怎么用？", "国区", "games")
                self.exits(0, shop.cli("product", "set", way, "--category", "", "--position", "0", "--scope", "", "--instructions", empty, "--questions", empty,
                                       "--support", "", "--no-picture"))
                shown = self.shown(shop, way)
                self.assertEqual([shown[name] for name in ("category", "scope", "support", "picture", "instructions", "questions", "position")],
                                 [None, None, None, None, "", "", 0])
                self.exits(0, shop.cli("product", "picture", way, picture))
                self.assertEqual(self.shown(shop, way)["picture"]["width"], 480)

    def test_what_does_not_fit_is_refused_with_what_to_do_and_changes_nothing(self):
        shop = self.bare()
        shop.add_product("card")
        before = self.shown(shop, "card")
        bad = {
            "--scope": ["x" * 121, "two\nlines"], "--support": ["x" * 300], "--position": ["1000001"],
            "--instructions": [shop.file("x" * 20_000)], "--questions": [shop.file("Hello"), shop.file("## a\n"), shop.file("## a\nb\n" * 31)],
        }
        for flag, values in bad.items():
            for value in values:
                with self.subTest(f"{flag} {value[:20]}"):
                    self.exits(1, shop.cli("product", "set", "card", flag, value))
        self.exits(2, shop.cli("product", "set", "card", "--picture", shop.file(png(9, 9)), "--no-picture"))
        self.exits(1, shop.cli("product", "picture", "card", "/no/such/file"), "cannot read")
        self.exits(1, shop.cli("product", "picture", "none", shop.file(png(9, 9))), "product list")
        self.assertEqual(self.shown(shop, "card"), before)

    def test_s44_uploads_that_are_no_good_picture(self):
        shop = self.bare()
        shop.add_product("card")
        huge = bytearray(png(8, 8))
        huge[16:24] = struct.pack(">II", 50_000, 50_000)
        huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
        uploads = {
            "svg": (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "scripts"),
            "page": (b"<!doctype html><script>alert(1)</script>", "PNG, JPEG, WebP or GIF"),
            "huge": (bytes(huge), "million pixels"),
            "bomb": (png(30_000, 2, rows=0), ""),
            "cut off": (png(300, 300)[:2_000], "damaged"),
            "no rows": (png(300, 300, rows=10), "damaged"),
            "stripe": (png(600, 4), "cut it"),
            "large": (png(8, 8) + b"\0" * (2 << 20), "2 MiB"),
            "zip": (b"PK\3\4" + b"\0" * 100, "known format"),
            "nothing": (b"", "known format"),
        }
        for way in self.both_ways(shop):
            for name, (content, word) in uploads.items():
                with self.subTest(f"{way}: {name}"):
                    self.exits(1, shop.cli("product", "picture", "card", shop.file(content, "a.png")), word)
                    self.assertIsNone(self.shown(shop, "card")["picture"])


class Pages(Base):
    def test_a_buyer_finds_products_by_category_search_and_order(self):
        shop = self.bare()
        for slug, title in (("games", "游戏"), ("empty", "空的")):
            shop.must("category", "add", "--slug", slug, "--title", title, "--title-en", slug.title())
        shop.add_product("steam", title="Steam 充值卡", category="games", position="2", scope="国区")
        shop.add_product("xbox", title="Xbox 会员", category="games", position="1")
        shop.add_product("music", title="音乐月卡")
        shop.add_product("secret", title="没人看见", category="games")
        shop.must("product", "hide", "secret")
        shop.start()
        buyer = Browser(shop)
        window = buyer.get("/")
        self.assertEqual(self.slugs(window.page), ["music", "xbox", "steam"])
        self.assertEqual([link for link in window.page.links if link.startswith("/c/")], ["/c/games"])
        self.assertEqual(self.slugs(buyer.get("/c/games").page), ["xbox", "steam"])
        for query, expected in (("STEAM", ["steam"]), ("ｘｂｏｘ", ["xbox"]), ("games", ["xbox", "steam"]), ("国区 steam", ["steam"]), ("没人", []), ("steam xbox", [])):
            with self.subTest(query):
                found = buyer.get("/?q=" + urllib.parse.quote(query))
                self.assertEqual((found.status, self.slugs(found.page)), (200, expected))
                self.assertEqual(found.page.offences, [])
        for path in ("/c/empty", "/c/none", "/p/secret", "/terms"):
            self.assertEqual(buyer.get(path).status, 404, path)

    def test_a_picture_is_served_anew_in_sizes_and_without_what_else_was_in_it(self):
        shop = self.bare()
        shop.add_product("card")
        upload = png(1_000, 500, text=b"Comment\0taken at 39.9042N") + b"<script>alert(1)</script>"
        shop.must("product", "picture", "card", shop.file(upload, "card.gif"))
        picture = self.shown(shop, "card")["picture"]
        shop.start()
        buyer = Browser(shop)
        self.assertIn(f"/pic/{picture['id']}-", buyer.get("/p/card").text)
        for width, most in ((240, 30_000), (480, 60_000), (960, 120_000)):
            answer = buyer.get(f"/pic/{picture['id']}-{width}.jpg")
            self.assertEqual((answer.status, answer.header("content-type")), (200, "image/jpeg"))
            self.assertEqual(jpeg_size(answer.body), (width, width // 2))
            self.assertLess(len(answer.body), most)
            for part in (b"39.9042N", b"script", b"Comment"):
                self.assertNotIn(part, answer.body)
            self.assertIn("immutable", answer.header("cache-control"))
            self.assertEqual(answer.header("x-content-type-options"), "nosniff")
        shop.must("product", "set", "card", "--no-picture")
        self.assertEqual(buyer.get(f"/pic/{picture['id']}-240.jpg").status, 404, "gone with its last product")

    def test_the_merchants_dress_comes_from_the_settings(self):
        shop = self.bare()
        for name, content in (("terms.md", "# 条款\n\n<b>No</b> refunds."), ("logo.png", png(120, 60))):
            with open(os.path.join(shop.dir, name), "wb") as f:
                f.write(content if isinstance(content, bytes) else content.encode())
        shop.env |= {"KEYSTALL_SHOP__TERMS": "terms.md", "KEYSTALL_SHOP__LOGO": "logo.png", "KEYSTALL_SHOP__COLOUR": "#c2410c", "KEYSTALL_SHOP__NOTICE": "Back on *Monday*",
                     "KEYSTALL_SHOP__ICP": "京ICP备00000000号", "KEYSTALL_SHOP__SUPPORT": "help@example.com"}
        self.exits(0, shop.cli("config", "check"))
        shop.start()
        buyer = Browser(shop)
        window = buyer.get("/").text
        for part in ("<em>Monday</em>", "京ICP备00000000号", "help@example.com", 'href="/terms"'):
            self.assertIn(part, window)
        files = re.findall(r'"(/brand/[0-9a-f]{32}\.(?:png|css))"', window)
        self.assertEqual({f[-3:] for f in files}, {"png", "css"})
        for path in files:
            answer = buyer.get(path)
            self.assertEqual(answer.status, 200)
            self.assertIn("immutable", answer.header("cache-control"))
        terms = buyer.get("/terms")
        self.assertEqual(terms.status, 200)
        self.assertIn("&lt;b&gt;No", terms.text)

    def test_a_shop_opens_without_a_file_of_its_dress_and_the_check_says_which(self):
        shop = self.bare()
        logo = shop.file(b"<svg/>", "logo.svg")
        shop.env |= {"KEYSTALL_SHOP__TERMS": "none.md", "KEYSTALL_SHOP__LOGO": logo}
        self.exits(1, shop.cli("config", "check"), "[shop] terms", "none.md", "[shop] logo", "PNG")
        self.assertFalse(json.loads(shop.cli("config", "check", "--json").out)["ok"])
        shop.start()
        self.assertEqual(Browser(shop).get("/").status, 200)
        self.assertIn("[shop] logo", shop.log_tail())
        for key, value in (("COLOUR", "green"), ("TERMS", "http://example.com/terms"), ("ICP", "a\nb"), ("NOTICE", "x" * 5_000)):
            with self.subTest(key):
                self.exits(1, shop.cli("config", "check", env={f"KEYSTALL_SHOP__{key}": value}), f"[shop] {key.lower()}")


if __name__ == "__main__":
    unittest.main()

"""Every command, with and without the daemon: exit codes, one JSON document, refusals that change nothing.

    python3 -m unittest tests/blackbox/test_cli.py
"""
import hashlib, json, os, re, shutil, stat, subprocess, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify_ledger  # noqa: E402
from keystall import HOST, Browser, Buyer, Result, Shop, Story, binary, has_number, run, slots_of, values_of  # noqa: E402


def fingerprint(folder):
    """Names and contents of a folder's regular files."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            if os.path.isfile(path):
                found[os.path.relpath(path, folder)] = hashlib.sha256(verify_ledger.read(path)).hexdigest()
    return found


class Base(Story):
    def bare(self, **settings):
        shop = Shop(**settings)
        self.addCleanup(shop.close)
        return shop

    def exits(self, code, result, about=""):
        self.assertEqual(result.code, code, f"{about} {result.err[-600:]}")
        return result

    def one_document(self, result):
        """--json: one JSON document on standard output and nothing else."""
        self.exits(0, result)
        return json.loads(result.out)

    def says(self, result, *words):
        for word in words:
            self.assertIn(word, result.said)

    def no_traces(self, result):
        """A refusal is a sentence, never a panic or a debug print."""
        for ugly in ("panicked", "RUST_BACKTRACE", "unwrap()", "Err(", "Some("):
            self.assertNotIn(ugly, result.said)


class Usage(Base):
    def test_help_shows_an_example_for_every_command(self):
        commands = ("init", "serve", "demo", "product add", "product list", "product show", "product set", "product hide", "key import", "key list", "key void", "key find",
                    "channel add", "channel list", "channel test", "channel remove", "order list", "order show", "order deliver", "order cancel",
                    "ledger export", "ledger vkey", "ledger checkpoint", "config check", "config show", "config example", "doctor")
        for command in commands:
            with self.subTest(command):
                result = self.exits(0, run([*command.split(), "--help"]))
                self.assertIn("keystall " + command, result.out, "no example")

    def test_wrong_usage_is_2_and_says_so(self):
        shop = self.bare(init=False)
        for arguments in (["nonsense"], ["product"], ["product", "nonsense"], ["product", "add"], ["product", "add", "--slug"], ["--nonsense"], [], ["key", "import"],
                          ["ledger", "export"], ["order", "show"]):
            with self.subTest(" ".join(arguments)):
                result = self.exits(2, shop.cli(*arguments))
                self.assertEqual(result.out, "")
                self.no_traces(result)
        self.assertFalse(os.path.exists(shop.dir))

    def test_init_without_a_terminal_asks_nothing_and_makes_nothing(self):
        shop = self.bare(init=False)
        self.assertIn(shop.cli("init").code, (1, 2))
        self.assertFalse(os.path.exists(os.path.join(shop.dir, "shop.redb")))

    def test_the_version_is_printed(self):
        self.assertRegex(self.exits(0, run(["--version"])).out, r"^keystall \d+\.\d+\.\d+")


class Owner(Base):
    """Root names files that the shop's owner cannot read: they are opened before root's rights are given up."""

    def owned(self):
        if os.getuid() != 0:
            self.skipTest("only root gives its rights up")
        shop = self.bare(init=False)
        # The owner may pass, and look into nothing but the shop.
        os.chmod(shop.home, 0o711)
        os.mkdir(shop.dir, 0o700)
        os.chown(shop.dir, 4711, 4712)
        program = os.path.join(shop.home, "keystall")
        shutil.copy(binary(), program)
        private = os.path.join(shop.home, "private")
        os.mkdir(private, 0o700)

        def file(name, content):
            path = os.path.join(private, name)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write(content)
            return path

        def cli(*arguments, stdin=b""):
            done = subprocess.run([program, *arguments, "--dir", shop.dir], input=stdin, capture_output=True, env=shop.env, timeout=60)
            return Result(done.returncode, done.stdout, done.stderr)

        self.exits(0, cli("init", "--host", HOST, "--title", "T", "--currency", "CNY"))
        return shop, cli, file

    def test_keys_texts_and_secrets_in_roots_folder_are_read(self):
        shop, cli, file = self.owned()
        text, questions = file("text.md", "What it is.\n"), file("questions.md", "## Why?\nSo.\n")
        self.exits(0, cli("product", "add", "--slug", "card", "--title", "T", "--price", "1", "--text", text, "--questions", questions))
        keys = file("keys.txt", "AAAA-0001\nAAAA-0002\n")
        self.assertEqual(self.one_document(cli("key", "import", "--product", "card", keys, "--json"))["imported"], 2)
        # Standard input is what it was, also beside a file that is handed over.
        self.exits(0, cli("product", "set", "card", "--text", "-", "--questions", questions, stdin=b"From standard input.\n"))
        self.assertIn("From standard input.", cli("product", "show", "card", "--json").out)
        key = file("epay.key", "signing-key-of-the-gateway\n")
        channel = ("--kind", "epay", "--set", "gateway=https://pay.example.com/", "--set", "pid=1001", "--set", "type=alipay")
        self.exits(0, cli("channel", "add", "main", *channel, "--secret", f"key=@{key}"))
        self.assertEqual({os.stat(os.path.join(shop.dir, name)).st_uid for name in os.listdir(shop.dir)}, {4711})

    def test_a_place_that_the_owner_cannot_reach_is_refused_with_whom_it_is_about(self):
        shop, cli, file = self.owned()
        out = os.path.join(os.path.dirname(file("x", "")), "export")
        result = self.exits(1, cli("ledger", "export", "--out", out))
        self.says(result, "commands act as the user 4711")


class Currency(Base):
    def test_it_is_the_shops_for_good_and_never_that_of_other_settings(self):
        shop = self.bare(SHOP__HOST=HOST)
        for command in (["product", "add", "--slug", "b", "--title", "B", "--price", "5"], ["product", "list"], ["config", "check"], ["serve"], ["doctor"]):
            with self.subTest(command[0]):
                result = self.exits(1, shop.cli(*command, env={"KEYSTALL_SHOP__CURRENCY": "USD"}))
                self.says(result, "this shop's currency is CNY", 'currency = "CNY"')
        self.exits(0, shop.cli("product", "list"))

    def test_no_command_meets_a_shop_with_defaults_when_its_settings_are_gone(self):
        shop = self.bare(init=False)
        self.exits(0, shop.cli("init", "--host", HOST, "--title", "T", "--currency", "USD"))
        os.remove(os.path.join(shop.dir, "keystall.toml"))
        for command in (["product", "add", "--slug", "b", "--title", "B", "--price", "5"], ["config", "check"], ["doctor"], ["serve"]):
            with self.subTest(command[0]):
                self.says(self.exits(1, shop.cli(*command)), "settings are gone", f'host = "{HOST}" and currency = "USD"')


class Refusals(Base):
    def test_a_restore_looks_for_the_copy_first_and_names_what_it_needs(self):
        shop = self.bare()
        missing = os.path.join(shop.home, "none")
        self.says(self.exits(1, shop.cli("backup", "restore", missing)), f"cannot read {missing}")
        self.says(self.exits(2, shop.cli("backup", "restore", os.path.join(shop.dir, "shop.redb"))), "--recovery FILE", "--recovery -")

    def test_a_second_init_says_what_there_is_to_do(self):
        shop = self.bare()
        result = self.exits(1, shop.cli("init", "--host", HOST, "--title", "T"))
        self.says(result, "holds a shop already", os.path.join(shop.dir, "keystall.toml"), f"keystall serve --dir {shop.dir}", "init --dir FOLDER")

    def test_an_init_that_may_not_make_its_folder_names_root_and_another_folder(self):
        if os.getuid() != 0:
            self.skipTest("only root becomes another user")
        shop = self.bare(init=False)
        os.chmod(shop.home, 0o711)
        program = os.path.join(shop.home, "keystall")
        shutil.copy(binary(), program)
        done = subprocess.run([program, "init", "--dir", shop.dir, "--host", HOST, "--title", "T"], capture_output=True, env=shop.env, user=4711, group=4712, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"sudo keystall init", done.stderr)
        self.assertIn(b"--dir FOLDER", done.stderr)


class Init(Base):
    def test_it_makes_the_files_of_a_shop_and_a_secret_key_that_only_its_owner_reads(self):
        shop = self.bare()
        for name in ("keystall.toml", "shop.redb", "root.key", "erase.keys", "ledger.highwater"):
            self.assertTrue(os.path.exists(os.path.join(shop.dir, name)), name)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(shop.dir, "root.key")).st_mode), 0o400)
        for name in ("shop.redb", "erase.keys"):
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(shop.dir, name)).st_mode) & 0o077, 0, name)
        verify_ledger.parse_vkey(shop.vkey())
        self.assertIn(HOST, verify_ledger.read(os.path.join(shop.dir, "keystall.toml")).decode())

    def test_it_refuses_a_shop_that_is_there_and_changes_nothing(self):
        shop = self.bare()
        before = fingerprint(shop.dir)
        result = self.exits(1, shop.cli("init", "--host", "other.test", "--title", "Other"))
        self.no_traces(result)
        self.assertEqual(fingerprint(shop.dir), before)

    def test_a_new_ledger_verifies(self):
        shop = self.bare()
        self.assert_verified("ledger", shop.export(), shop.vkey())

    def test_two_shops_have_two_keys_and_two_origins(self):
        self.assertNotEqual(self.bare().vkey(), self.bare().vkey())

    def test_a_host_or_currency_that_cannot_be_is_refused(self):
        for flags in (("--host", "bad host", "--title", "T"), ("--host", "", "--title", "T"), ("--host", "a" * 300, "--title", "T"),
                      ("--host", "ok.test", "--title", "T", "--currency", "cny!"), ("--host", "http://ok.test/shop", "--title", "T")):
            shop = self.bare(init=False)
            with self.subTest(str(flags)[:60]):
                self.assertIn(shop.cli("init", *flags).code, (1, 2))
                self.assertFalse(os.path.exists(os.path.join(shop.dir, "shop.redb")))

    def test_the_folder_may_come_from_the_environment(self):
        shop = self.bare()
        result = run(["ledger", "vkey"], {**shop.env, "KEYSTALL_DIR": shop.dir})
        self.assertEqual(result.out.strip(), shop.vkey())


class Serve(Base):
    def refused(self, shop):
        """Opening the store may tidy its file, so what it holds is tested by a start that follows, not by its bytes."""
        bytes_of = lambda: {k: v for k, v in fingerprint(shop.dir).items() if k != "shop.redb"}
        before, names = bytes_of(), sorted(os.listdir(shop.dir))
        result = self.exits(1, shop.cli("serve", timeout=20))
        self.no_traces(result)
        after = bytes_of()
        self.assertEqual({k: after.get(k) for k in before}, before, "something was written")
        for made in set(os.listdir(shop.dir)) - set(names):
            self.assertNotIn(made, ("keystall.toml", "shop.redb", "root.key", "erase.keys", "ledger.highwater"), "something was created")
        return result

    def test_an_empty_folder_is_refused_and_stays_empty(self):
        shop = self.bare(init=False)
        os.makedirs(shop.dir)
        self.says(self.refused(shop), "init")
        self.assertEqual(os.listdir(shop.dir), [])
        missing = self.bare(init=False)
        self.exits(1, missing.cli("serve", timeout=20))
        self.assertFalse(os.path.exists(missing.dir))

    def test_a_wrong_root_key_is_refused_by_name_and_nothing_is_overwritten(self):
        """S26"""
        shop = self.bare()
        shop.add_product("card", "1.00", 2)
        path = os.path.join(shop.dir, "root.key")
        original = verify_ledger.read(path)
        os.chmod(path, 0o600)
        other = self.bare()
        shutil.copyfile(os.path.join(other.dir, "root.key"), path)
        os.chmod(path, 0o400)
        self.says(self.refused(shop), "root.key")
        self.assertEqual(self.exits(1, shop.cli("key", "list", "--product", "card")).out, "")
        os.chmod(path, 0o600)
        with open(path, "wb") as f:
            f.write(original)
        os.chmod(path, 0o400)
        shop.start()

    def test_a_missing_or_cut_root_key_is_refused(self):
        for content in (None, b"", b"short"):
            shop = self.bare()
            path = os.path.join(shop.dir, "root.key")
            os.remove(path)
            if content is not None:
                shop.file(content)
                with open(path, "wb") as f:
                    f.write(content)
            self.says(self.refused(shop), "root.key")

    def test_a_shop_whose_settings_are_gone_is_not_opened_with_defaults(self):
        shop = self.bare()
        path = os.path.join(shop.dir, "keystall.toml")
        os.rename(path, path + ".away")
        self.says(self.refused(shop), "settings are gone", path, "in [shop] with host = \"shop.test\"")
        # Settings from the environment alone are as good.
        shop.env["KEYSTALL_SHOP__HOST"] = "shop.test"
        shop.start()
        shop.stop()
        del shop.env["KEYSTALL_SHOP__HOST"]
        os.rename(path + ".away", path)
        shop.start()

    def test_a_second_daemon_is_refused_while_the_first_goes_on(self):
        shop, _ = self.open_shop(keys=1)
        result = self.exits(1, shop.cli("serve", timeout=20, env={"KEYSTALL_LISTEN__HTTPS": "127.0.0.1:0"}))
        self.no_traces(result)
        self.assertEqual(Browser(shop).get("/readyz").status, 200)

    def test_a_ledger_behind_its_high_water_mark_is_not_served(self):
        """Section 10 of the ledger page: going back to an old copy is noticed"""
        shop, gateway = self.open_shop(keys=3)
        shop.stop()
        old = shop.home + "/old.redb"
        shutil.copyfile(os.path.join(shop.dir, "shop.redb"), old)
        shop.start()
        Buyer(shop).buy(gateway)
        shop.stop()
        shutil.copyfile(old, os.path.join(shop.dir, "shop.redb"))
        with self.assertRaises(AssertionError):
            shop.start(wait=4)
        self.assertNotIn("panicked", shop.log_tail())


class Products(Base):
    def both_ways(self, work):
        """Once with the file alone, once through the running daemon."""
        for running in (False, True):
            with self.subTest(running=running):
                shop, gateway = self.open_shop(keys=3, start=running)
                work(shop)

    def test_add_list_show_set_hide(self):
        def work(shop):
            self.exits(0, shop.cli("product", "add", "--slug", "new-one", "--title", "新品", "--title-en", "New one", "--price", "0.01"))
            listed = self.one_document(shop.cli("product", "list", "--json"))
            self.assertLessEqual({"card", "new-one"}, set(values_of(listed, "slug")))
            self.assertIn("新品", json.dumps(listed, ensure_ascii=False))
            shown = self.one_document(shop.product("show", "new-one", "--json"))
            self.assertIn("new-one", values_of(shown, "slug"))
            self.exits(0, shop.product("set", "new-one", "--price", "5.00"))
            self.assertTrue(has_number(self.one_document(shop.product("show", "new-one", "--json")), 500) or "5.00" in shop.product("show", "new-one").said)
            self.exits(0, shop.product("hide", "new-one"))
            self.says(self.exits(0, shop.cli("product", "list")), "card")

        self.both_ways(work)

    def test_a_change_through_the_daemon_is_seen_at_once(self):
        shop, _ = self.open_shop(keys=1)
        shop.add_product("fresh", "3.00", 1)
        self.assertIn("/p/fresh", Browser(shop).get("/").page.links)
        self.exits(0, shop.product("hide", "fresh"))
        self.assertNotIn("/p/fresh", Browser(shop).get("/").page.links)

    def test_what_cannot_be_a_product_is_refused(self):
        shop = self.bare()
        shop.add_product("card", "1.00")
        for slug, price in (("card", "1.00"), ("Upper", "1.00"), ("a b", "1.00"), ("../x", "1.00"), ("", "1.00"), ("x" * 65, "1.00"), ("卡", "1.00"),
                            ("ok", "-1"), ("ok", "1.001"), ("ok", "1e3"), ("ok", "NaN"), ("ok", "1,00"), ("ok", "99999999999999999999"), ("ok", ""), ("ok", "１")):
            with self.subTest(f"{slug[:20]!r} {price!r}"):
                result = shop.cli("product", "add", "--slug", slug, "--title", "T", f"--price={price}")
                self.assertIn(result.code, (1, 2))
                self.no_traces(result)
        self.assertEqual(values_of(self.one_document(shop.cli("product", "list", "--json")), "slug"), ["card"])

    def test_an_unknown_product_is_refused(self):
        shop = self.bare()
        for command in (["show", "none"], ["set", "none", "--price", "1.00"], ["hide", "none"]):
            self.no_traces(self.exits(1, shop.product(*command)))


class Keys(Base):
    def test_a_dry_run_counts_and_imports_nothing(self):
        shop = self.bare()
        shop.add_product("card", "1.00")
        text = b"AAAA-1111\nBBBB-2222\nAAAA-1111\n\n"
        dry = self.one_document(shop.cli("key", "import", "--product", "card", "-", "--dry-run", "--json", stdin=text))
        self.assertTrue(has_number(dry, 2) and has_number(dry, 1), "2 new, 1 twice")
        self.assertNotIn("AAAA-1111", json.dumps(dry))
        self.assertEqual(self.entries(shop, "stock"), [])
        real = self.one_document(shop.cli("key", "import", "--product", "card", "-", "--json", stdin=text))
        self.assertTrue(has_number(real, 2))
        self.assertEqual([e["count"] for e in self.entries(shop, "stock")], [2])

    def entries(self, shop, kind):
        lines = verify_ledger.read(os.path.join(shop.export(), "gen-0", "entries.ndjson")).split(b"\n")[:-1]
        return [e for e in map(json.loads, lines) if e["type"] == kind]

    def test_keys_imported_before_are_not_imported_again(self):
        shop = self.bare()
        shop.add_product("card", "1.00", 0)
        shop.import_keys("card", ["ONE-11111", "TWO-22222"])
        again = shop.cli("key", "import", "--product", "card", "-", "--json", stdin=b"TWO-22222\nTHREE-333\n")
        self.assertTrue(has_number(self.one_document(again), 1))
        self.assertEqual([e["count"] for e in self.entries(shop, "stock")], [2, 1])

    def test_a_pattern_refuses_what_does_not_match(self):
        shop = self.bare()
        shop.add_product("card", "1.00")
        result = shop.cli("key", "import", "--product", "card", "-", "--pattern", "[A-Z]{4}-[0-9]{4}", stdin=b"GOOD-1234\nbad line\n")
        counts = [e["count"] for e in self.entries(shop, "stock")]
        self.assertIn((result.code, counts), ((1, []), (0, [1])))
        self.assertNotIn("bad line", result.said.replace("line 2", ""), "a key's text in a message")

    def test_files_of_other_programs_are_read(self):
        """CSV, GB18030, UTF-16 and a byte order mark (S30); the bytes that come out are the text's in UTF-8"""
        texts = {"utf-8 with BOM": "\ufeffBOM-0001\r\nBOM-0002\r\n".encode(), "utf-16": "U16-卡一\nU16-卡二\n".encode("utf-16"), "gb18030": "国标-卡一\n国标-卡二\n".encode("gb18030"),
                 "CR LF mixed": b"MIX-0001\r\nMIX-0002\n", "no last line feed": b"END-0001\nEND-0002", "percent": b"PCT-%0A-1\nPCT-%0A-2\n"}
        for name, raw in texts.items():
            with self.subTest(name):
                shop, gateway = self.open_shop(keys=0)
                shop.must("key", "import", "--product", "card", shop.file(raw, "keys.txt"))
                _, state = Buyer(shop).buy(gateway, quantity="2")
                expected = {"utf-16": "utf-16", "gb18030": "gb18030"}.get(name, "utf-8-sig")
                self.assertEqual(set(state["keys"]), set(raw.decode(expected).split()))

    def test_a_csv_is_read_by_its_cells(self):
        shop, gateway = self.open_shop(keys=0)
        shop.must("key", "import", "--product", "card", shop.file('"user1","pa""ss, 1"\r\n', "keys.csv"))
        _, state = Buyer(shop).buy(gateway)
        self.assertIn("user1", state["keys"][0])
        self.assertIn('pa"ss, 1', state["keys"][0].replace('""', '"'))

    def test_what_is_no_text_is_refused_whole(self):
        shop = self.bare()
        shop.add_product("card", "1.00")
        for name, raw in {"NUL": b"GOOD-0001\nBA\0D-0002\n", "a line of 10 MB": b"x" * 10_000_000 + b"\n", "nothing": b"", "only blanks": b" \n\n\t\n"}.items():
            with self.subTest(name):
                result = shop.cli("key", "import", "--product", "card", shop.file(raw))
                self.no_traces(result)
                self.assertEqual(result.code, 1)
        self.assertEqual(self.entries(shop, "stock"), [])
        self.exits(1, shop.cli("key", "import", "--product", "none", "-", stdin=b"A-1\n"))
        self.exits(1, shop.cli("key", "import", "--product", "card", "/nonexistent/file"))

    def test_a_list_masks_keys_and_find_tells_where_one_is(self):
        for running in (False, True):
            with self.subTest(running=running):
                shop, gateway = self.open_shop(keys=4, start=running)
                for flags in ([], ["--json"]):
                    listed = self.exits(0, shop.cli("key", "list", "--product", "card", *flags))
                    for key in shop.keys:
                        self.assertNotIn(key, listed.said)
                self.exits(0, shop.cli("key", "find", shop.keys[0]))
                self.assertNotEqual(shop.cli("key", "find", "NO-SUCH-KEY-ANYWHERE").said, shop.cli("key", "find", shop.keys[0]).said)

    def test_a_voided_key_is_never_sold_and_stands_in_the_ledger(self):
        shop, gateway = self.open_shop(keys=2)
        slot = sorted(slots_of(self.one_document(shop.cli("key", "list", "--product", "card", "--json"))))[0]
        self.exits(0, shop.void(slot, "leaked"))
        _, state = Buyer(shop).buy(gateway)
        self.assert_delivered(state, 1, shop.keys)
        self.assertEqual([e["slots"] for e in self.entries(shop, "void")], [slot])
        self.assertNotIn(slot, [e["slots"] for e in self.entries(shop, "sale")])
        again = {"quantity": "1", "contact": "buyer@example.com", "password": "", "channel": "main"}
        self.assertEqual(Buyer(shop).post("/p/card", again).status, 422, "the other one is sold")
        self.exits(1, shop.void(slot, "leaked"), "voided twice")
        self.assert_verified("ledger", shop.export(), shop.vkey())


class Channels(Base):
    def add(self, shop, secret, name="c", gateway="https://pay.example/", more=()):
        return shop.cli("channel", "add", name, "--kind", "epay", "--set", f"gateway={gateway}", "--set", "pid=1", "--set", "type=alipay", *more, "--secret", f"key={secret}")

    def test_a_secret_comes_from_a_file_and_is_never_shown(self):
        for running in (False, True):
            with self.subTest(running=running):
                shop, gateway = self.open_shop(keys=1, start=running)
                for command in (["channel", "list"], ["channel", "list", "--json"], ["config", "show"], ["config", "show", "--json"], ["doctor"]):
                    self.assertNotIn(gateway.key, shop.cli(*command).said, command)
                self.assertIn("main", shop.must("channel", "list").out)

    def test_a_channel_that_cannot_work_is_refused(self):
        shop = self.bare()
        good = "@" + shop.file("4f2b9d1c7e8a4b6f9c3d5e7a1b2c8d90")
        for name, how in {"kind": ["channel", "add", "c", "--kind", "none"], "no settings": ["channel", "add", "c", "--kind", "epay"]}.items():
            self.assertIn(shop.cli(*how).code, (1, 2), name)
        self.assertIn(self.add(shop, good, gateway="ftp://pay.example/").code, (1, 2))
        self.assertIn(self.add(shop, good, gateway="nonsense").code, (1, 2))
        self.assertIn(self.add(shop, good, name="../x").code, (1, 2))
        self.assertIn(self.add(shop, "@/nonexistent").code, (1, 2))
        self.assertIn(self.add(shop, good, more=("--set", "colour=red")).code, (1, 2), "an unknown setting")
        self.exits(0, self.add(shop, good))
        self.exits(1, self.add(shop, good), "twice")

    def test_test_asks_the_gateway(self):
        shop, gateway = self.open_shop(keys=1)
        self.says(self.exits(0, shop.cli("channel", "test", "main")), "no such order")
        right, gateway.key = gateway.key, "another key of sixteen"
        self.says(self.exits(1, shop.cli("channel", "test", "main"), "a wrong key"), "商户密钥错误", "pid or key are wrong")
        gateway.key = right
        gateway.close()
        self.exits(1, shop.cli("channel", "test", "main"), "a gateway that is gone")


class Orders(Base):
    def test_orders_are_listed_shown_and_filtered(self):
        shop, gateway = self.open_shop(keys=3)
        buyer = Buyer(shop)
        _, sold = buyer.buy(gateway, contact="somebody@example.com")
        waiting = buyer.state(buyer.order())["order"]
        for running in (True, False):
            with self.subTest(running=running):
                if not running:
                    shop.stop()
                everything = json.dumps(self.one_document(shop.cli("order", "list", "--json")))
                self.assertIn(sold["order"], everything)
                self.assertIn(waiting, everything)
                delivered = json.dumps(self.one_document(shop.cli("order", "list", "--state", "delivered", "--json")))
                self.assertIn(sold["order"], delivered)
                self.assertNotIn(waiting, delivered)
                shown = self.one_document(shop.cli("order", "show", sold["order"], "--json"))
                self.assertIn("delivered", values_of(shown, "state"))
                self.assertNotIn(sold["keys"][0], json.dumps(shown), "a key in the merchant's view")
                self.exits(0, shop.cli("order", "show", sold["order"]))
                self.exits(1, shop.cli("order", "show", "NOSUCHORDER1"))
                self.assertIn(shop.cli("order", "list", "--state", "nonsense").code, (1, 2))

    def test_a_cancelled_order_frees_its_key_and_a_late_payment_of_it_is_a_surplus(self):
        shop, gateway = self.open_shop(keys=1)
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.checkout(order, gateway)
        self.exits(0, shop.cli("order", "cancel", number))
        self.assertEqual(buyer.state(order)["state"], "cancelled")
        _, other = Buyer(shop).buy(gateway)
        self.assert_delivered(other, 1, shop.keys)
        self.assertIn("success", gateway.pay(number).body)
        self.assertFalse(buyer.state(order).get("keys"))
        self.exits(1, shop.cli("order", "cancel", other["order"]), "a delivered order is not cancelled")

    def test_the_merchant_delivers_by_hand_and_it_stands_in_the_ledger(self):
        shop, gateway = self.open_shop(keys=2)
        buyer = Buyer(shop)
        order = buyer.order()
        number = buyer.state(order)["order"]
        result = shop.cli("order", "deliver", number)
        state = buyer.state(order)
        self.assertIn((result.code, state["state"]), ((0, "delivered"), (1, "pending")), "either delivered or refused because it is unpaid")
        self.assertEqual(len(self.sales(shop.export())), int(result.code == 0))
        self.exits(1, shop.cli("order", "deliver", "NOSUCHORDER1"))


class Ledger(Base):
    def test_vkey_checkpoint_and_export_with_and_without_the_daemon(self):
        shop, gateway = self.open_shop(keys=2)
        Buyer(shop).buy(gateway)
        seen = []
        for running in (True, False):
            if not running:
                shop.stop()
            printed = self.exits(0, shop.cli("ledger", "vkey"))
            self.assertRegex(printed.out, r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\n$", "vkey prints only it")
            note = verify_ledger.Note(self.exits(0, shop.cli("ledger", "checkpoint")).out)
            self.assertTrue(note.signed_by(verify_ledger.parse_vkey(printed.out.strip())))
            self.one_document(shop.cli("ledger", "vkey", "--json"))
            self.one_document(shop.cli("ledger", "checkpoint", "--json"))
            export = shop.export()
            self.assert_verified("ledger", export, printed.out.strip(), known=[shop.file(shop.cli("ledger", "checkpoint").raw)])
            self.assertTrue(os.path.exists(os.path.join(export, "README.txt")))
            seen.append(printed.out)
        self.assertEqual(len(set(seen)), 1)

    def test_an_export_never_overwrites(self):
        shop = self.bare()
        export = shop.export()
        before = fingerprint(export)
        self.exits(1, shop.cli("ledger", "export", "--out", export))
        self.assertEqual(fingerprint(export), before)

    def test_the_verifier_tells_its_exits_apart(self):
        shop, other = self.bare(), self.bare()
        export, vkey = shop.export(), shop.vkey()
        verify = lambda *a: run([*a], name="keystall-verify")
        self.exits(2, verify("ledger", export))
        self.exits(2, verify("ledger", export, "--vkey", "nonsense"))
        self.exits(2, verify("nonsense"))
        self.exits(4, verify("ledger", export, "--vkey", other.vkey()))
        self.assertEqual(len(values_of(json.loads(self.exits(0, verify("ledger", export, "--vkey", vkey, "--json")).out), "nothing here")), 0)
        os.remove(os.path.join(export, "gen-0", "marks.ndjson"))
        self.assertIn(verify("ledger", export, "--vkey", vkey).code, (3, 4))


class Configuration(Base):
    def test_the_example_is_accepted_by_the_check(self):
        shop = self.bare()
        example = self.exits(0, shop.cli("config", "example"))
        for section in ("[shop]", "[listen]", "[tls]", "[store]", "[limits]", "[net]", "[ledger]", "[log]"):
            self.assertIn(section, example.out)
        path = os.path.join(shop.dir, "keystall.toml")
        text = re.sub(r'(?m)^#?\s*host = ".*"', f'host = "{HOST}"', example.out, count=1)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        self.exits(0, shop.cli("config", "check"))

    def test_an_unknown_key_is_named_with_the_nearest_known_one(self):
        shop = self.bare()
        path = os.path.join(shop.dir, "keystall.toml")
        text = verify_ledger.read(path).decode()
        with open(path, "w", encoding="utf-8") as f:
            f.write(re.sub(r"(?m)^\[store\][^\[]*", "", text) + "\n[store]\ncache_mb = 64\n")
        for command in (["config", "check"], ["serve"]):
            self.says(self.exits(1, shop.cli(*command, timeout=20)), "cache_mb", "cache_mib")

    def test_an_unknown_key_of_the_environment_is_named_too(self):
        shop = self.bare()
        result = self.exits(1, shop.cli("config", "check", env={"KEYSTALL_LISTEN__HTPS": "127.0.0.1:1"}))
        self.assertIn("https", result.said.lower())

    def test_a_wrong_value_is_named(self):
        shop = self.bare()
        for key, value in (("SHOP__ORDER_TTL", "soon"), ("STORE__CACHE_MIB", "many"), ("TLS__MODE", "none"), ("LISTEN__HTTPS", "nonsense"), ("LOG__FORMAT", "xml")):
            with self.subTest(key):
                result = self.exits(1, shop.cli("config", "check", env={"KEYSTALL_" + key: value}))
                self.says(result, key.split("__")[1].lower())

    def test_show_says_what_holds_and_no_secret(self):
        shop = self.bare()
        secret = shop.file("hunter2-" * 4, "mail")
        shown = self.exits(0, shop.cli("config", "show", env={"KEYSTALL_STORE__GROUP_MAX": "77", "KEYSTALL_MAIL__PASSWORD_FILE": secret}))
        self.assertIn("77", shown.out)
        self.assertNotIn("hunter2", shown.said)
        self.one_document(shop.cli("config", "show", "--json"))


class Doctor(Base):
    def test_it_speaks_with_and_without_the_daemon(self):
        shop, gateway = self.open_shop(keys=1)
        for running in (True, False):
            if not running:
                shop.stop()
            result = shop.cli("doctor")
            self.assertIn(result.code, (0, 1))
            self.assertTrue(result.said.strip())
            self.no_traces(result)
            json.loads(shop.cli("doctor", "--json").out)

    def test_a_shop_that_is_not_there_is_refused_by_every_command_and_not_created(self):
        """`init` creates; nothing else ever does"""
        shop = self.bare(init=False)
        for command in ("product list", "product add --slug a --title a --price 1.00", "key list --product a", "key find a", "channel list", "order list", "ledger vkey",
                        "ledger checkpoint", "ledger export --out " + os.path.join(shop.home, "out"), "doctor"):
            with self.subTest(command.split(" --")[0]):
                result = self.exits(1, shop.cli(*command.split()))
                self.no_traces(result)
                self.assertFalse(os.path.exists(shop.dir))

    def test_every_list_is_one_json_document_in_an_empty_shop(self):
        shop = self.bare()
        for command in ("product list", "channel list", "order list", "ledger vkey", "ledger checkpoint", "config show", "config check"):
            with self.subTest(command):
                self.one_document(shop.cli(*command.split(), "--json"))


if __name__ == "__main__":
    unittest.main()

"""Backups as a merchant lives them: made while the shop sells, proven, lost with the machine, gone back to with the sheet alone.

Debian's `age` opens what is made here where it is there (KEYSTALL_AGE, else `age` on the path), with `zstd` behind it.
"""
import http.server, json, os, random, re, shutil, signal, subprocess, sys, threading, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server, s3_program  # noqa: E402
from keystall import HOST, Browser, Buyer, Shop, Story, binary, run  # noqa: E402

AGE = os.environ.get("KEYSTALL_AGE") or shutil.which("age")
KILLS = int(os.environ.get("KEYSTALL_BACKUP_KILLS", "6"))


def mode(path):
    return os.stat(path).st_mode & 0o777


class Backups(Story):
    def open_shop_with_sheet(self, keys=20, gateway=None, **settings):
        """A shop whose recovery secret lies in `shop.sheet`, as on the merchant's paper."""
        gateway = gateway or self.open_gateway()
        shop = Shop([gateway], init=False, **settings)
        self.addCleanup(shop.close)
        said = shop.must("init", "--host", HOST, "--title", "Blackbox", "--currency", "CNY").err
        lines = said[said.index("Recovery secret") :].splitlines()[1:7]  # Six rows of four words.
        shop.sheet = shop.file("\n".join(lines) + "\n", "sheet")
        shop.keys = shop.add_product("card", "9.99", keys)
        shop.add_channel(gateway)
        shop.start()
        return shop, gateway

    def sell(self, shop, gateway, **fields):
        order, state = Buyer(shop).buy(gateway, **fields)
        self.assert_delivered(state, among=shop.keys)
        return order, state

    def files(self, shop, value=None):
        """Paths of the newest data and month keys."""
        value = value or shop.must("backup", "list", "--json").json
        newest = lambda part: part[-1] if isinstance(part, list) else part
        return tuple(os.path.join(shop.dir, "backups", newest(value[half])["name"]) for half in ("data", "keys"))

    def another_machine(self, shop, gateway, **settings):
        """An empty folder that a shop with the same address is restored into."""
        other = Shop([gateway], init=False, LISTEN__HTTPS=shop.env["KEYSTALL_LISTEN__HTTPS"], **settings)
        self.addCleanup(other.close)
        other.port, other.sheet, other.keys = shop.port, shop.sheet, shop.keys
        gateway.connect_to = ("127.0.0.1", shop.port)
        return other

    def test_a_shop_that_sells_is_backed_up_lost_and_stands_again_with_the_sheet_alone(self):
        shop, gateway = self.open_shop_with_sheet(keys=400)
        vkey, stop, sold = shop.vkey(), threading.Event(), []

        def buy():
            while not stop.is_set():
                sold.append(self.sell(shop, gateway, fast=True))

        buyers = [threading.Thread(target=buy) for _ in range(3)]
        [buyer.start() for buyer in buyers]
        try:
            made = shop.must("backup", "create", "--json").json
            before = len(sold)
            again = shop.must("backup", "create", "--json").json
        finally:
            stop.set()
            [buyer.join() for buyer in buyers]
        self.assertGreater(before, 0, "sales went on")
        self.assertIsNone(again["not_everywhere"])
        open_order = Buyer(shop).order()
        made = shop.must("backup", "create", "--json").json
        at_copy = list(sold)
        # Paid and sold after the copy: the machine takes it with it.
        late = Buyer(shop)
        paid_late = late.checkout(open_order, gateway)
        lost, lost_state = self.sell(shop, gateway)
        data, keys = self.files(shop, made)
        for path in (data, keys, os.path.join(shop.dir, "backups", "index.json")):
            self.assertEqual(mode(path), 0o600)
        self.assertEqual(mode(os.path.dirname(data)), 0o700)
        metrics = subprocess.run(["curl", "-s", "--unix-socket", os.path.join(shop.dir, "admin.sock"), "http://x/metrics"], capture_output=True, text=True).stdout
        if metrics:
            self.assertRegex(metrics, r'keystall_backup_age_seconds\{place="local"\} \d+')
        self.assertIn("ok    backups", shop.cli("doctor").out)
        kept = shop.checkpoint()
        saved = os.path.join(shop.home, "usb")
        os.mkdir(saved)
        shutil.copy(data, saved)
        shutil.copy(keys, saved)
        shop.kill()
        shutil.rmtree(shop.dir)

        other = self.another_machine(shop, gateway)
        data = os.path.join(saved, os.path.basename(data))
        looked = other.must("backup", "restore", data, "--recovery", shop.sheet, "--known", kept, "--dry-run", "--json").json
        self.assertTrue(looked["dry_run"] and looked["lost"] >= 1)
        self.assertFalse(os.path.exists(other.dir), "a dry run leaves nothing")
        done = other.must("backup", "restore", data, "--recovery", shop.sheet, "--known", kept, "--json", timeout=120).json
        self.assertEqual((done["generation"], done["closed"], done["root_key"]), (1, 0, True))
        self.assertEqual(done["withheld"][0]["product"], "card")
        for name, expected in (("root.key", 0o400), ("erase.keys", 0o600), ("shop.redb", 0o600), ("keystall.toml", 0o600), ("", 0o700)):
            self.assertEqual(mode(os.path.join(other.dir, name)), expected, name)
        # The buyer pays for what the shop believes to be over, while it is away: nobody hears the notice.
        gateway.orders[paid_late].paid = True
        other.start()
        browser = Browser(other)
        for order, state in at_copy:
            self.assertEqual(browser.get(order + ".json").json["keys"], state["keys"], "old links still open")
        self.assertEqual(browser.get(lost).status, 404, "what was ordered after the copy is not known")
        self.found_after(other, open_order)
        export = other.export()
        self.assertEqual(sorted(os.listdir(export)), ["README.txt", "gen-0", "gen-1"])
        self.assert_verified("ledger", export, vkey, known=[kept])
        # Nothing that may have been sold since is on sale; a person releases it.
        refused = Buyer(other).post("/p/card", {"quantity": "1", "contact": "buyer@example.com", "password": "", "channel": "main"})
        self.assertEqual(refused.status, 422)
        other.must("key", "release", "--product", "card")
        self.sell(other, gateway)
        # The restored shop is backed up as the first was.
        other.must("backup", "create")

    def found_after(self, shop, open_order):
        """The payment that nobody heard of is found by asking, and waits for a person: its goods are withheld."""
        until = time.monotonic() + 20
        while True:
            found = shop.must("backup", "aftermath", "--json").json
            if found["orders"]:
                break
            self.assertLess(time.monotonic(), until, "the provider was not asked")
            time.sleep(0.2)
        self.assertEqual(found["orders"][0]["found"], "9.99")
        state = Browser(shop).get(open_order + ".json").json["state"]
        self.assertEqual(found["orders"][0]["state"], state)
        self.assertIn(state, ("paid", "refunding"))
        self.assertIn("cannot be asked", shop.must("backup", "aftermath").out)

    def test_the_standard_tools_open_a_backup_without_us(self):
        if not AGE or not shutil.which("zstd"):
            self.skipTest("age and zstd are not there")
        shop, gateway = self.open_shop_with_sheet()
        _, state = self.sell(shop, gateway)
        out = os.path.join(shop.home, "out")
        made = shop.must("backup", "create", "--out", out, "--json").json
        identity = shop.must("backup", "identity", "--recovery", shop.sheet)
        self.assertIn("whoever has this key", identity.err)
        key = shop.file(identity.out, "identity")
        for half, begins in (("data", b"root.key"), ("keys", b"keystall-erase-keys/v1")):
            path = os.path.join(out, made[half]["name"])
            opened = subprocess.run([AGE, "-d", "-i", key, path], capture_output=True)
            self.assertEqual(opened.returncode, 0, opened.stderr)
            plain = subprocess.run(["zstd", "-d", "-q"], input=opened.stdout, capture_output=True, check=True).stdout
            self.assertTrue(plain.startswith(b"keystall-backup/v1\n"))
            self.assertIn(begins, plain)
            with open(path, "rb") as file:
                sealed = file.read()
            self.assertNotIn(state["keys"][0].encode(), plain, "keys are sealed once more within")
            flipped = shop.file(sealed[:-1] + bytes([sealed[-1] ^ 1]), "flipped")
            self.assertNotEqual(subprocess.run([AGE, "-d", "-i", key, flipped], capture_output=True).returncode, 0)
        stranger = shop.file(shop.must("backup", "identity", "--recovery", shop.file("ab" * 32), dir=os.path.join(shop.home, "none")).out)
        self.assertNotEqual(subprocess.run([AGE, "-d", "-i", stranger, path], capture_output=True).returncode, 0)
        self.assertEqual(shop.cli("backup", "identity", "--recovery", shop.file("ab" * 32)).code, 1)

    def test_verify_tells_a_good_backup_from_every_other(self):
        shop, gateway = self.open_shop_with_sheet()
        self.sell(shop, gateway)
        data, keys = self.files(shop, shop.must("backup", "create", "--json").json)
        self.assertIn("as it was verified", shop.must("backup", "verify", data).out)
        proven = shop.must("backup", "verify", data, "--recovery", shop.sheet, "--json").json
        self.assertEqual((proven["books"]["orders"], proven["wrong"], proven["restored"]), (1, [], True))
        self.assertLess(proven["age_s"], 600)
        self.assertIn(f'its first log key is {proven["first_vkey"]}', shop.must("backup", "verify", data, "--recovery", shop.sheet).out)
        self.assertEqual(proven["first_vkey"], shop.vkey())
        with open(data, "rb") as file:
            sealed = file.read()
        rng = random.Random(7)
        wrong = [sealed[:at] + bytes([sealed[at] ^ 1 << rng.randrange(8)]) + sealed[at + 1 :] for at in (3, 40, 90, 200, 300, *rng.sample(range(400, len(sealed)), 6))]
        wrong += [sealed[:end] for end in (0, 10, 200, len(sealed) // 2, len(sealed) - 1)] + [sealed + b"x", b"PK\x03\x04"]
        folder = os.path.join(shop.home, "wrong")
        os.mkdir(folder)
        path = os.path.join(folder, os.path.basename(data))
        for content in wrong:
            with open(path, "wb") as file:
                file.write(content)
            for how in (["verify", path], ["verify", path, "--recovery", shop.sheet]):
                said = shop.cli("backup", *how)
                self.assertEqual(said.code, 1, said.said)
                self.assertRegex(said.err, r"^keystall: .{10,}")
            empty = os.path.join(shop.home, "empty")
            said = shop.cli("backup", "restore", path, "--recovery", shop.sheet, "--signed-unknown", dir=empty)
            self.assertEqual(said.code, 1, said.said)
            self.assertFalse(os.path.exists(empty), "nothing is left behind")
        self.assertEqual(sorted(os.listdir(os.path.join(shop.dir, "backups"))), sorted(["index.json", "lock", os.path.basename(data), os.path.basename(keys)]))
        other, _ = self.open_shop_with_sheet()
        said = other.cli("backup", "verify", data, "--recovery", other.sheet)
        self.assertIn("another key", said.err)

    def test_kill_9_leaves_no_half_backup_and_the_next_one_is_good(self):
        shop, gateway = self.open_shop_with_sheet(keys=3000)
        seed = int(os.environ.get("KEYSTALL_SEED", random.randrange(2**32)))
        rng = random.Random(seed)
        for cycle in range(KILLS):
            with self.subTest(f"kill {cycle} of seed {seed}"):
                making = subprocess.Popen([binary(), "backup", "create", "--dir", shop.dir], env=shop.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(rng.uniform(0.02, 0.6))
                shop.kill()
                making.wait(20)
                shop.start()
                made = shop.must("backup", "create", "--json").json
                listed = shop.must("backup", "list", "--json").json
                known = {copy["name"] for copy in listed["data"] + listed["keys"]}
                there = set(os.listdir(os.path.join(shop.dir, "backups")))
                self.assertEqual(there - {"index.json", "lock"}, known, "the index and the folder agree")
                self.assertIn(made["data"]["name"], known)
        data, _ = self.files(shop)
        shop.must("backup", "verify", data, "--recovery", shop.sheet)

    def test_kill_9_during_a_restore_is_mended_by_running_it_again(self):
        shop, gateway = self.open_shop_with_sheet(keys=3000)
        order, state = self.sell(shop, gateway)
        data, _ = self.files(shop, shop.must("backup", "create", "--json").json)
        shop.stop()
        seed = int(os.environ.get("KEYSTALL_SEED", random.randrange(2**32)))
        rng, cut = random.Random(seed), 0
        other = self.another_machine(shop, gateway)
        command = [binary(), "backup", "restore", data, "--recovery", shop.sheet, "--signed-unknown", "--dir", other.dir]

        def restore(until=None):
            """Kills it after that many seconds; whether it was done by then. One that was done begins again from nothing."""
            restoring = subprocess.Popen(command, env=other.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if until is not None:
                time.sleep(until)
                restoring.send_signal(signal.SIGKILL)
            done = restoring.wait(120) == 0
            if done:
                shutil.rmtree(other.dir)
            return done

        began = time.monotonic()
        self.assertTrue(restore())
        whole = time.monotonic() - began
        for cycle in range(2 * KILLS):
            cut += not restore(rng.uniform(0, whole))
        self.assertGreater(cut, 0, f"seed {seed}")
        done = other.must("backup", "restore", data, "--recovery", shop.sheet, "--signed-unknown", "--json", timeout=120).json
        self.assertEqual(done["closed"], 0)
        other.start()
        self.assertEqual(Browser(other).get(order + ".json").json["keys"], state["keys"], f"seed {seed}")
        self.assertEqual([name for name in os.listdir(other.dir) if name.endswith((".restoring", ".new", ".part"))], [])
        self.assertFalse(os.path.exists(os.path.join(other.dir, "backups", "checking")))

    def test_a_mounted_disk_gets_each_backup_and_a_lost_one_raises_the_alarm(self):
        shop, gateway = self.open_shop_with_sheet(BACKUP__FOLDER="../disk", BACKUP__EVERY="1m")
        said = shop.cli("backup", "create")
        self.assertEqual(said.code, 1, said.said)
        self.assertIn("not brought everywhere", said.out)
        os.mkdir(os.path.join(shop.home, "disk"))
        made = shop.must("backup", "create", "--json").json
        self.assertEqual(len(made["data"]["places"]), 1)
        self.assertIn(made["data"]["name"], os.listdir(os.path.join(shop.home, "disk")))

    def test_object_storage_gets_each_backup_and_gives_it_back(self):
        if not s3_program():
            self.skipTest("no S3 server here")
        server = S3Server()
        self.addCleanup(server.close)
        gateway = self.open_gateway()
        allowed = ",".join([gateway.url.split("//")[1].rstrip("/"), server.place])
        shop, gateway = self.open_shop_with_sheet(BACKUP__S3_ENDPOINT=server.endpoint, BACKUP__S3_BUCKET=server.bucket, BACKUP__S3_ACCESS_KEY=ACCESS_KEY,
                                                  BACKUP__S3_SECRET_KEY=SECRET_KEY, BACKUP__S3_PATH_STYLE="true", gateway=gateway, NET__ALLOW_PRIVATE=allowed)
        order, state = self.sell(shop, gateway)
        made = shop.must("backup", "create", "--json").json
        self.assertEqual(made["data"]["places"], [f"s3 {server.bucket}/keystall/"], made)
        names = {os.path.basename(path) for path in server.files()}
        self.assertLessEqual({made["data"]["name"], made["keys"]["name"]}, names)
        shop.stop()
        shutil.rmtree(shop.dir)
        # On another machine, with the provider's own tool.
        got = os.path.join(shop.home, "got")
        env = {**os.environ, "HOME": shop.home, "RCLONE_S3_PROVIDER": "Other", "RCLONE_S3_ENDPOINT": server.endpoint,
               "RCLONE_S3_ACCESS_KEY_ID": ACCESS_KEY, "RCLONE_S3_SECRET_ACCESS_KEY": SECRET_KEY}
        subprocess.run([s3_program(), "copy", f":s3:{server.bucket}/keystall", got, "--config", os.path.join(shop.home, "none")], env=env, check=True, capture_output=True, timeout=60)
        data = os.path.join(got, made["data"]["name"])
        other = self.another_machine(shop, gateway, **{name.removeprefix("KEYSTALL_"): value for name, value in shop.env.items() if name.startswith(("KEYSTALL_BACKUP__", "KEYSTALL_NET__"))})
        done = other.must("backup", "restore", data, "--recovery", shop.sheet, "--signed-unknown", "--json", timeout=120).json
        self.assertEqual((done["closed"], done["root_key"], done["vouched"]["by"]), (0, True, []))
        said = other.must("backup", "restore", data, "--recovery", shop.sheet, "--signed-unknown", "--dry-run").out
        self.assertIn("its root key is the one of this folder", said)
        other.start()
        self.assertEqual(Browser(other).get(order + ".json").json["keys"], state["keys"], "old links still open")
        # What the machine before left there is known again, and what is made now lies beside it.
        again = other.must("backup", "create", "--json").json
        self.assertEqual(again["data"]["places"], made["data"]["places"])
        listed = other.must("backup", "list", "--json").json
        found = [copy["name"] for copy in listed["data"] if copy["found_at"]]
        self.assertEqual((found, listed["strange"]), ([made["data"]["name"]], []))
        server.stop()
        said = other.cli("backup", "create")
        self.assertEqual(said.code, 1, said.said)
        self.assertIn("not brought everywhere", said.out)
        failing = other.must("backup", "list", "--json").json["failing"]
        self.assertEqual([failed["place"] for failed in failing], made["data"]["places"])

    def test_a_storage_that_gives_without_end_fills_no_disk(self):
        given = []

        class Liar(http.server.BaseHTTPRequestHandler):
            """Takes everything, and gives back a stream that never ends."""

            def do_PUT(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.close_connection = True
                if "list-type" in self.path:
                    self.wfile.write(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
                    return
                given.append(0)
                try:
                    while given[-1] < 256 << 20:
                        given[-1] += self.wfile.write(b"x" * 65536)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        place = f"127.0.0.1:{server.server_port}"
        gateway = self.open_gateway()
        allowed = ",".join([gateway.url.split("//")[1].rstrip("/"), place])
        shop, _ = self.open_shop_with_sheet(BACKUP__S3_ENDPOINT=f"http://{place}", BACKUP__S3_BUCKET="shop", BACKUP__S3_ACCESS_KEY=ACCESS_KEY,
                                            BACKUP__S3_SECRET_KEY=SECRET_KEY, BACKUP__S3_PATH_STYLE="true", gateway=gateway, NET__ALLOW_PRIVATE=allowed)
        said = shop.cli("backup", "create")
        self.assertEqual(said.code, 1, said.said)
        self.assertRegex(said.out, "not brought everywhere: s3 shop/keystall/: .* gives more than the [0-9]+ bytes")
        self.assertLess(sum(given), 32 << 20, "what the sockets hold, and no more")
        listed = shop.must("backup", "list", "--json").json
        self.assertEqual([copy["places"] for copy in listed["data"]], [[]])
        self.assertEqual([failed["place"] for failed in listed["failing"]], ["s3 shop/keystall/"])
        self.assertEqual([name for name in os.listdir(os.path.join(shop.dir, "backups")) if name.endswith(".part")], [])

    def test_an_erased_order_is_not_brought_back_by_an_older_backup(self):
        shop, gateway = self.open_shop_with_sheet()
        erased, _ = self.sell(shop, gateway)
        kept, state = self.sell(shop, gateway)
        number = Browser(shop).get(erased + ".json").json["order"]
        old, _ = self.files(shop, shop.must("backup", "create", "--json").json)
        # The folder keeps the newest of a day alone; the merchant kept this one too.
        saved = shutil.copy(old, shop.home)
        shop.must("ledger", "erase", number, "--yes")
        shop.must("backup", "create")
        shop.stop()
        shutil.copy(saved, old)
        other = self.another_machine(shop, gateway)
        done = other.must("backup", "restore", old, "--recovery", shop.sheet, "--signed-unknown", "--json", timeout=120).json
        self.assertEqual(done["erased"], 1)
        other.start()
        self.assertNotIn("keys", {k for k, v in Browser(other).get(erased + ".json").json.items() if v and k == "keys"})
        self.assertEqual(Browser(other).get(kept + ".json").json["keys"], state["keys"])


if __name__ == "__main__":
    unittest.main()

"""`keystall doctor` names each thing that is wrong, with what to do, and exits with 1; also where the shop does not open at all.

A full disk is in test_faults_disk.py.
"""
import datetime, json, os, re, shutil, subprocess, sys, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Buyer, Shop, Story, free_port  # noqa: E402


class Doctor(Story):
    def doctor(self, shop, code, **env):
        result = shop.cli("doctor", "--json", env=env)
        self.assertEqual(result.code, code, result.said)
        self.assertNotIn("panicked", result.said)
        document = result.json
        self.assertEqual(document["ok"], code == 0)
        # For people it says the same.
        plain = shop.cli("doctor", env=env)
        self.assertEqual(plain.code, code)
        return {f["check"]: (f["level"], f["message"]) for f in document["findings"]}

    def failing(self, found):
        return sorted(check for check, (level, _) in found.items() if level == "fail")

    def test_a_shop_in_order_fails_nothing_served_or_not(self):
        shop, gateway = self.open_shop(keys=9)
        Buyer(shop).buy(gateway)
        found = self.doctor(shop, 0)
        self.assertEqual(self.failing(found), [])
        self.assertEqual(found["pages"][0], "ok")
        self.assertEqual(found["daemon"][0], "ok")
        self.assertRegex(found["daemon"][1], r"^answers, since 20\d\d-\d\d-\d\dT")
        shop.stop()
        found = self.doctor(shop, 0)
        self.assertEqual(found["daemon"][0], "warn")
        self.assertIn("keystall serve", found["daemon"][1])

    def test_a_folder_without_a_shop_is_told_to_make_one_and_nothing_else(self):
        shop = Shop(init=False)
        self.addCleanup(shop.close)
        os.mkdir(shop.dir)
        found = self.doctor(shop, 1)
        self.assertEqual(list(found), ["shop"])
        self.assertIn("`keystall init` makes one", found["shop"][1])

    def test_behind_a_proxy_the_certificate_is_the_proxys_and_doubts_are_repeated(self):
        shop, _ = self.open_shop(keys=1, start=False)
        found = self.doctor(shop, 0, KEYSTALL_LISTEN__HTTPS="", KEYSTALL_LISTEN__HTTP=f"127.0.0.1:{free_port()}", KEYSTALL_LISTEN__TRUSTED_PROXIES="")
        self.assertEqual(found["certificate"], ("ok", "the proxy's: the shop itself listens without TLS"))
        self.assertEqual(found["settings"][0], "warn")
        self.assertIn("trusted_proxies", found["settings"][1])

    def test_another_host_than_the_shop_was_made_for_is_doubted(self):
        shop, _ = self.open_shop(keys=1, start=False)
        found = self.doctor(shop, 0, KEYSTALL_SHOP__HOST="other.test")
        self.assertEqual(found["settings"][0], "warn")
        self.assertIn("it is other.test, and the shop was made for shop.test", found["settings"][1])

    def test_a_wrong_root_key_is_named_and_the_rest_is_looked_at_all_the_same(self):
        shop, _ = self.open_shop(keys=1, start=False)
        other, _ = self.open_shop(keys=1, start=False)
        shutil.copy(os.path.join(other.dir, "root.key"), os.path.join(shop.dir, "root.key"))
        found = self.doctor(shop, 1)
        self.assertEqual(self.failing(found), ["shop"])
        self.assertIn("root.key does not belong to this shop.redb: put the right one back", found["shop"][1])
        self.assertEqual(found["pages"][0], "ok")
        self.assertEqual(found["certificate"][0], "warn")
        self.assertIn("disk", found)

    def test_files_that_are_gone_are_each_named(self):
        shop, _ = self.open_shop(keys=1, start=False)
        for name in ("ledger.highwater", "erase.keys"):
            os.remove(os.path.join(shop.dir, name))
        found = self.doctor(shop, 1)
        for name in ("ledger.highwater", "erase.keys", "shop"):
            self.assertEqual(found[name][0], "fail", found)
        self.assertIn("put it back", found["erase.keys"][1])

    def test_a_damaged_page_is_found_under_a_running_daemon_and_without_one(self):
        shop, gateway = self.open_shop(keys=9)
        Buyer(shop).buy(gateway)
        database = os.path.join(shop.dir, "shop.redb")
        with open(database, "r+b") as f:
            content = f.read()
            # The product's row, which is not sealed: its title in a leaf.
            places = [m.start() for m in re.finditer("测试卡".encode(), content)]
            self.assertTrue(places)
            for at in places:
                f.seek(at)
                f.write("错误价".encode())
        found = self.doctor(shop, 1)
        self.assertEqual(found["pages"][0], "fail", found)
        for word in ("damaged", "copy of the folder", "backup"):
            self.assertIn(word, found["pages"][1])
        shop.kill()
        found = self.doctor(shop, 1)
        self.assertEqual((found["pages"][0], found["shop"][0]), ("fail", "fail"))
        self.assertIn("backup restore", found["shop"][1])
        refused = shop.cli("serve")
        self.assertEqual(refused.code, 1)
        self.assertIn("damaged", refused.said)

    def test_a_certificate_that_ran_out_or_soon_will_is_named(self):
        shop, _ = self.open_shop(keys=1, start=False)
        cert, key = (os.path.join(shop.home, n) for n in ("cert.pem", "key.pem"))
        for days, level, word in ((-1, "fail", "ran out"), (3, "warn", "ends"), (90, "ok", "good until")):
            made = self.certificate(shop.home, cert, key, days)
            if made:
                self.skipTest("this openssl makes none that ran out: " + made)
            with self.subTest(f"{days} days"):
                env = {"KEYSTALL_TLS__MODE": "files", "KEYSTALL_TLS__CERT": cert, "KEYSTALL_TLS__KEY": key}
                found = self.doctor(shop, 1 if level == "fail" else 0, **env)
                self.assertEqual(found["certificate"][0], level, found["certificate"])
                self.assertIn(word, found["certificate"][1])
                if level != "ok":
                    self.assertIn("systemctl reload keystall", found["certificate"][1])

    def certificate(self, home, cert, key, days):
        """A self-made certificate that ends in so many days; what openssl said where it made none."""
        request, extra = os.path.join(home, "request.pem"), os.path.join(home, "extra.cnf")
        with open(extra, "w") as f:
            f.write("subjectAltName=DNS:shop.test\n")
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=shop.test"]
        subprocess.run(new, check=True, capture_output=True)
        sign = subprocess.run(["openssl", "x509", "-req", "-in", request, "-signkey", key, "-extfile", extra, "-out", cert, "-days", str(days)], capture_output=True)
        return sign.stderr.decode()[-200:] if sign.returncode else ""

    def test_a_dead_mail_server_is_named_before_any_mail_waits_for_it(self):
        port = str(free_port())
        mail = {"MAIL__HOST": "127.0.0.1", "MAIL__PORT": port, "MAIL__TLS": "none", "MAIL__FROM": "shop@merchant.test", "MAIL__MERCHANT": "me@merchant.test", "MAIL__TIMEOUT": "3s"}
        shop, _ = self.open_shop(keys=9, **mail)
        found = self.doctor(shop, 1)
        self.assertEqual(self.failing(found), ["mail server"])
        for word in (port, "keystall notify test"):
            self.assertIn(word, found["mail server"][1])

    def index(self, shop, change):
        path = os.path.join(shop.dir, "backups", "index.json")
        with open(path) as f:
            index = json.load(f)
        change(index)
        with open(path, "w") as f:
            json.dump(index, f)

    def test_a_stale_backup_is_named(self):
        shop, _ = self.open_shop(keys=9, start=False)
        shop.must("backup", "create")
        self.assertEqual(self.doctor(shop, 0)["backups"][0], "ok")

        def three_days_older(index):
            for copy in index["data"] + index["keys"]:
                copy["at_ms"] -= 3 * 24 * 3600 * 1000

        self.index(shop, three_days_older)
        found = self.doctor(shop, 1)
        self.assertEqual(self.failing(found), ["backups"])
        made = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3)
        # The shop's day may be another than the day in UTC.
        days = [(made + datetime.timedelta(hours=h)).strftime("%Y-%m-%d") for h in (-1, 0, 8)]
        self.assertRegex(found["backups"][1], f"is of ({'|'.join(days)})T")
        self.assertIn("`keystall backup create` tries at once", found["backups"][1])
        shop.must("backup", "create")
        self.assertEqual(self.doctor(shop, 0)["backups"][0], "ok")

    def test_an_index_of_backups_that_does_not_read_is_named_and_so_is_each_place_that_fails(self):
        shop, _ = self.open_shop(keys=9, start=False, BACKUP__FOLDER="../disk")
        self.assertEqual(shop.cli("backup", "create").code, 1)
        found = self.doctor(shop, 1)
        self.assertEqual(self.failing(found), ["backups"])
        self.assertRegex(found["backups"][1], "the last attempt failed: folder .*disk: ")
        os.mkdir(os.path.join(shop.home, "disk"))
        shop.must("backup", "create")
        self.assertNotIn("failed", self.doctor(shop, 0)["backups"][1])
        path = os.path.join(shop.dir, "backups", "index.json")
        with open(path, "r+") as f:
            f.truncate(40)
        found = self.doctor(shop, 1)
        self.assertEqual(self.failing(found), ["backups"])
        self.assertIn(path, found["backups"][1])
        self.assertIn("move it away, and `keystall backup create`", found["backups"][1])
        os.remove(path)
        shop.must("backup", "create")
        self.assertNotEqual(self.doctor(shop, 0)["backups"][0], "fail")
        listed = shop.must("backup", "list", "--json").json
        self.assertEqual([bool(copy["found_at"]) for copy in listed["data"]], [True, True, False], "what lies at the place and in backups/ is known again")

    def test_a_backup_that_was_cut_short_is_none(self):
        shop, _ = self.open_shop(keys=9, start=False)
        shop.must("backup", "create")
        self.assertNotEqual(self.doctor(shop, 0)["backups"][0], "fail")
        newest = shop.must("backup", "list", "--json").json["data"][-1]
        path = os.path.join(shop.dir, "backups", newest["name"])
        os.truncate(path, newest["bytes"] - 1)
        found = self.doctor(shop, 1)
        self.assertEqual(self.failing(found), ["backups"])
        self.assertIn(f"{path} is not there any more, or was cut short: `keystall backup create`", found["backups"][1])
        os.remove(path)
        self.assertEqual(self.failing(self.doctor(shop, 1)), ["backups"])
        shop.must("backup", "create")
        self.assertNotEqual(self.doctor(shop, 0)["backups"][0], "fail")


if __name__ == "__main__":
    unittest.main()

"""Exports of the ledger: whole, by number, by time, hashes only; as a folder and as an archive; with the daemon and without.

    python3 -m unittest tests/blackbox/test_ledger_export.py
"""
import datetime, hashlib, json, os, resource, signal, subprocess, sys, threading, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify_ledger  # noqa: E402
from keystall import Buyer, Story, binary, run  # noqa: E402

PACKED = ".tar.zst"


def contents(folder):
    """{name: bytes} of everything in a folder."""
    found = {}
    for inside, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(inside, name)
            found[os.path.relpath(path, folder)] = verify_ledger.read(path)
    return found


class Exports(Story):
    def place(self, shop, ending=""):
        """A new name in an empty folder of its own."""
        shop.serial += 1
        folder = os.path.join(shop.home, f"place-{shop.serial}")
        os.mkdir(folder)
        return os.path.join(folder, "export" + ending)

    def export(self, shop, *flags, ending=""):
        out = self.place(shop, ending)
        result = shop.must("ledger", "export", "--out", out, *flags, timeout=120)
        self.assertEqual(os.listdir(os.path.dirname(out)), [os.path.basename(out)], "something is left beside it")
        return out, result

    def seqs(self, folder, generation=0):
        lines = verify_ledger.read(os.path.join(folder, f"gen-{generation}", "entries.ndjson")).split(b"\n")[:-1]
        return [json.loads(line)["seq"] for line in lines]

    def unpack(self, shop, archive):
        """What GNU tar makes of it."""
        folder = self.place(shop)
        os.mkdir(folder)
        subprocess.run(["tar", "--zstd", "-xf", archive, "-C", folder], check=True)
        return folder

    def listed(self, archive):
        """Lines of GNU tar's list."""
        done = subprocess.run(["tar", "--zstd", "-tvf", archive], capture_output=True, check=True, text=True, env={**os.environ, "TZ": "UTC"})
        self.assertEqual(done.stderr, "")
        return [line.split() for line in done.stdout.splitlines()]

    def test_every_form_verifies_as_a_folder_and_as_an_archive(self):
        shop, gateway = self.open_shop(keys=20)
        for _ in range(6):
            Buyer(shop).buy(gateway)
        now = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8)))  # The shop's day begins at 16:00 UTC.
        tomorrow = (now + datetime.timedelta(days=1)).strftime("%Y-%m-%d")
        hour_ago = (now - datetime.timedelta(hours=1)).isoformat(timespec="seconds")
        forms = {"whole": [], "by number": ["--from", "3", "--to", "5"], "from the first": ["--to", "2"], "by time": ["--since", hour_ago],
                 "by day": ["--since", "2020-01-01", "--until", tomorrow], "of a generation": ["--generation", "0"], "hashes": ["--skeleton"]}
        vkey, note = shop.vkey(), shop.checkpoint()
        whole, _ = self.export(shop)
        for running in (True, False):
            if not running:
                shop.stop()
            for name, flags in forms.items():
                with self.subTest(name, running=running):
                    folder, said = self.export(shop, *flags)
                    archive, packed = self.export(shop, *flags, ending=PACKED)
                    for path in (folder, archive):
                        self.assert_verified("ledger", path, vkey, known=[] if name == "hashes" else [note])
                    self.assertEqual(contents(self.unpack(shop, archive)), contents(folder))
                    self.assertEqual(said.out.replace(folder, ""), packed.out.replace(archive, ""))
                    self.assertEqual(contents(self.export(shop, *flags)[0]), contents(folder), "the same state is the same export")
        first = self.seqs(self.export(shop, "--from", "3")[0])
        self.assertEqual(first, self.seqs(whole)[3:])

    def test_a_range_is_proven_to_the_root_of_the_whole(self):
        shop, gateway = self.open_shop(keys=20, start=False)
        for batch in range(3):
            shop.import_keys("card", 2)
        whole, _ = self.export(shop)
        size = len(self.seqs(whole))
        self.assertEqual(size, 6, "open, four imports, and the channel that was added after the first")
        for begin in range(1, size):
            folder, said = self.export(shop, "--from", str(begin), "--to", str(begin))
            self.assertEqual(self.seqs(folder), list(range(begin, size)), "to the newest checkpoint, since none is older")
            self.assertIn(f"entries {begin} to {size - 1}", said.out)
            self.assert_verified("ledger", folder, shop.vkey())
            prefix = json.loads(verify_ledger.read(os.path.join(folder, "gen-0", "prefix.json")))
            self.assertEqual((prefix["size"], len(prefix["hashes"])), (begin, bin(begin).count("1")))
            carried = [json.loads(json.loads(line)["line"]) for line in verify_ledger.read(os.path.join(folder, "gen-0", "carried.ndjson")).splitlines()]
            self.assertEqual([e["seq"] for e in carried], [seq for seq in range(begin) if seq != 2], "the open and every import before it")
            path = os.path.join(folder, "gen-0", "carried.ndjson")
            with open(path, "r+b") as f:
                f.seek(-10, os.SEEK_END)
                digit = f.read(1)
                f.seek(-1, os.SEEK_CUR)
                f.write(b"0" if digit != b"0" else b"1")
            self.assertEqual(run(["ledger", folder, "--vkey", shop.vkey()], name="keystall-verify").code, 1)

    def test_gnu_tar_lists_an_archive_that_says_nothing_of_this_machine(self):
        shop, _ = self.open_shop(keys=3, start=False)
        archive, _ = self.export(shop, "--from", "1", ending=PACKED)
        listed = self.listed(archive)
        self.assertEqual([line[-1] for line in listed], ["README.txt", *(f"gen-0/{name}" for name in ("marks.ndjson", "prefix.json", "carried.ndjson", "entries.ndjson"))])
        for mode, owner, _, *when, _ in listed:
            self.assertEqual((mode, owner, when), ("-rw-r--r--", "0/0", ["1970-01-01", "00:00"]))
        again, _ = self.export(shop, "--from", "1", ending=PACKED)
        digests = {hashlib.sha256(verify_ledger.read(path)).hexdigest() for path in (archive, again)}
        self.assertEqual(len(digests), 1)
        skeleton, _ = self.export(shop, "--skeleton", ending=PACKED)
        self.assertEqual([line[-1] for line in self.listed(skeleton)], ["README.txt", "gen-0/marks.ndjson", "gen-0/skeleton.bin"])
        self.assertEqual(self.listed(skeleton)[-1][2], str(32 * 3))

    def test_exports_under_sales_are_whole_and_proven(self):
        shop, gateway = self.open_shop(keys=400)
        done, errors, sold = threading.Event(), [], []

        def sell():
            buyer = Buyer(shop)
            try:
                while not done.is_set():
                    sold.append(buyer.buy(gateway, fast=True)[1]["order"])
            except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
                errors.append(error)

        sellers = [threading.Thread(target=sell) for _ in range(4)]
        [seller.start() for seller in sellers]
        try:
            exports = []
            while len(exports) < 12 or len(sold) < 40:
                flags = ([], ["--from", "2"], ["--skeleton"])[len(exports) % 3]
                exports.append(self.export(shop, *flags, ending=("", PACKED)[len(exports) % 2])[0])
        finally:
            done.set()
            [seller.join(60) for seller in sellers]
        self.assertEqual(errors, [])
        vkey = shop.vkey()
        for export in exports:
            self.assert_verified("ledger", export, vkey)
        last = shop.export()
        self.assertLessEqual(set(sold), {s["order"] for s in self.sales(last)})
        self.assert_verified("ledger", last, vkey, known=[shop.checkpoint()])

    def test_json_says_what_is_inside(self):
        shop, _ = self.open_shop(keys=3, start=False)
        _, result = self.export(shop, "--from", "1", "--json")
        told = result.json
        self.assertEqual((told["size"], told["entries"]), (3, 2))
        [part] = told["generations"]
        self.assertEqual({k: part[k] for k in ("generation", "form", "first", "size", "checkpoints")},
                         {"generation": 0, "form": "range", "first": 1, "size": 3, "checkpoints": 1})
        self.assertEqual(result.err, "")

    def test_what_cannot_be_is_refused_and_leaves_nothing(self):
        shop, _ = self.open_shop(keys=3, start=False)
        refused = [(1, ["--from", "3"], "3 entries, 0 to 2"), (1, ["--to", "99"], "3 entries, 0 to 2"), (1, ["--from", "1", "--to", "0"], "begin at 1 and end at 0"),
                   (1, ["--since", "2099-01-01"], "no entry was made in that time"), (1, ["--until", "2001-01-01T00:00:00Z"], "there are entries from 20"),
                   (1, ["--since", "yesterday"], "is not a time"), (1, ["--generation", "1"], "the newest is 0"),
                   (2, ["--skeleton", "--from", "1"], "--skeleton"), (2, ["--from", "1", "--since", "2020-01-01"], "--since"), (2, ["--from", "-1"], "-1"),
                   (2, ["--from", "x"], "--from")]
        for running in (False, True):
            if running:
                shop.start()
            for code, flags, word in refused:
                for ending in ("", PACKED):
                    with self.subTest(flags, running=running, ending=ending):
                        out = self.place(shop, ending)
                        result = shop.cli("ledger", "export", "--out", out, *flags)
                        self.assertEqual(result.code, code, result.said)
                        self.assertIn(word, result.err)
                        self.assertEqual(os.listdir(os.path.dirname(out)), [])

    def test_nothing_that_is_there_is_written_over(self):
        shop, _ = self.open_shop(keys=3, start=False)
        for ending in ("", PACKED):
            out, _ = self.export(shop, ending=ending)
            before = contents(os.path.dirname(out))
            result = shop.cli("ledger", "export", "--out", out)
            self.assertEqual((result.code, contents(os.path.dirname(out))), (1, before), result.said)
        for name in ("export.tar", "export.zst", "export.tar.gz", "export.zip"):
            out = os.path.join(os.path.dirname(self.place(shop)), name)
            result = shop.cli("ledger", "export", "--out", out)
            self.assertEqual(result.code, 2)
            self.assertIn(".tar.zst", result.err)
            self.assertEqual(os.listdir(os.path.dirname(out)), [])

    def test_a_target_that_cannot_be_written_leaves_nothing(self):
        shop, _ = self.open_shop(keys=3)
        for _ in range(12):
            shop.import_keys("card", 1)

        def little_room():
            # Python ignores SIGXFSZ, so that a write beyond the limit fails as on a full disk.
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

        for ending in ("", PACKED):
            out = self.place(shop, ending)
            command = [binary(), "ledger", "export", "--out", out, "--dir", shop.dir]
            done = subprocess.run(command, env=shop.env, capture_output=True, text=True, preexec_fn=little_room, restore_signals=False, timeout=60)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("nothing is left of it", done.stderr)
            self.assertEqual(os.listdir(os.path.dirname(out)), [])
        for out in (os.path.join(shop.home, "no", "such", "export"), os.path.join(shop.file(b"a file"), "export"), "/proc/export", "/proc/export.tar.zst"):
            result = shop.cli("ledger", "export", "--out", out)
            self.assertEqual(result.code, 1, result.said)
            self.assertIn("cannot write", result.err)
            self.assertFalse(os.path.exists(out))
        self.assert_verified("ledger", self.export(shop, ending=PACKED)[0], shop.vkey())

    def test_an_interrupted_export_leaves_nothing(self):
        shop, _ = self.open_shop(keys=3)
        for ending in ("", PACKED):
            for what in (signal.SIGINT, signal.SIGTERM):
                out = self.place(shop, ending)
                folder = os.path.dirname(out)
                # While the daemon stands still, the export does too.
                shop.process.send_signal(signal.SIGSTOP)
                try:
                    command = [binary(), "ledger", "export", "--out", out, "--dir", shop.dir]
                    process = subprocess.Popen(command, env=shop.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                    ends = time.monotonic() + 20
                    while not os.listdir(folder) and time.monotonic() < ends:
                        time.sleep(0.01)
                    self.assertEqual(len(os.listdir(folder)), 1, "it has begun")
                    process.send_signal(what)
                    time.sleep(0.5)  # a signal is noted by a thread of its own
                finally:
                    shop.process.send_signal(signal.SIGCONT)
                _, err = process.communicate(timeout=30)
                self.assertEqual((process.returncode, os.listdir(folder)), (1, []), err)
                self.assertIn("interrupted", err)
        self.assert_verified("ledger", self.export(shop)[0], shop.vkey())


if __name__ == "__main__":
    unittest.main()

"""Tools that nobody here wrote follow a running shop: Go's sumdb packages (tests/interop) open its checkpoints, read its tiles, and
check what it proves to buyers and witnesses. Needs Debian's golang-go and golang-golang-x-mod-dev.

    python3 -m unittest tests/blackbox/test_ledger_interop.py
"""
import json, os, shutil, subprocess, sys, tempfile, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify_ledger as v  # noqa: E402
from keystall import HERE, HOST, Browser, Buyer, run  # noqa: E402
from witness import WitnessedStory  # noqa: E402

LIBRARIES = "/usr/share/gocode"


class GoFollowsTheLedger(WitnessedStory):
    @classmethod
    def setUpClass(cls):
        has_library = os.path.isdir(f"{LIBRARIES}/src/golang.org/x/mod/sumdb")
        if not shutil.which("go") or not has_library:
            if os.geteuid() == 0:
                raise AssertionError("apt-get install golang-go golang-golang-x-mod-dev")
            raise unittest.SkipTest("golang-go and golang-golang-x-mod-dev are not installed")
        folder = tempfile.mkdtemp(prefix="keystall-interop-")
        cls.addClassCleanup(shutil.rmtree, folder, True)
        cls.program = os.path.join(folder, "interop")
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": LIBRARIES, "GOFLAGS": "", "GOCACHE": os.path.join(folder, "cache")}
        subprocess.run(["go", "build", "-o", cls.program, "main.go"], cwd=os.path.join(HERE, "..", "interop"), env=env, check=True, timeout=300)

    def signs_now(self, shop):
        """The present log key; `ledger vkey` prints the first."""
        return shop.must("ledger", "vkey", "--json").json["signs_now"]

    def follow(self, shop, *files, prefix="/ledger", vkey=None):
        url = f"https://{HOST}:{shop.port}{prefix}"
        flags = ["-prefix", url, "-vkey", vkey or shop.vkey(), "-dial", f"127.0.0.1:{shop.port}"]
        return subprocess.run([self.program, *flags, *files], capture_output=True, text=True, timeout=120)

    def test_go_proves_every_entry_and_accepts_what_the_shop_proves(self):
        shop, gateway, witness = self.witnessed_shop()
        files = [shop.checkpoint()]
        buyer = Buyer(shop)
        for _ in range(3):
            order, _ = buyer.buy(gateway)
            files.append(shop.checkpoint())
            files.append(shop.file(buyer.get(order + "/receipt").body, "receipt"))
        shop.stop()
        shop.start()
        files += [shop.file(body, "submission") for body in witness.bodies]
        done = self.follow(shop, *files)
        self.assertEqual(done.returncode, 0, done.stderr)
        counts = json.loads(done.stdout)
        self.assertEqual(counts["entries"], counts["size"])
        self.assertEqual((counts["checkpoints"], counts["submissions"]), (4, 2))
        self.assertEqual(counts["proofs"], 6, "of each receipt its sale and its import")
        self.assertEqual(json.loads(self.follow(shop, prefix="/ledger/gen-0").stdout)["size"], counts["size"])

        # And it refuses what is not ours, so its word is worth something.
        note = shop.checkpoint()
        with open(note, encoding="utf-8") as f:
            text = f.read()
        size = text.split("\n")[1]
        forged = shop.file(text.replace(f"\n{size}\n", f"\n{int(size) - 1}\n", 1), "forged")
        self.assertNotEqual(self.follow(shop, forged).returncode, 0)
        with open(files[2], encoding="utf-8") as f:
            receipt = shop.file(f.read().replace("\nindex ", "\nindex 1", 1), "receipt")
        self.assertNotEqual(self.follow(shop, receipt).returncode, 0)
        stranger, _ = self.open_shop(start=False)
        self.assertNotEqual(self.follow(shop, vkey=stranger.vkey()).returncode, 0)

    def test_go_follows_full_tiles_across_a_change_of_the_log_key(self):
        shop, gateway, witness = self.witnessed_shop()
        lines = shop.said_at_init[shop.said_at_init.index("Recovery secret"):].splitlines()[1:7]
        recovery = shop.file("\n".join(lines) + "\n", "sheet")
        before = shop.must("ledger", "rotate", "--ahead", "270").out
        signed = run(["sign", shop.file(before, "message"), "--secret-file", recovery], name="keystall-verify")
        self.assertEqual(signed.code, 0, signed.said)
        old = shop.vkey()
        shop.must("ledger", "rotate", "--signature", signed.out.split()[-1])
        deadline = time.monotonic() + 20
        while len(witness.answers) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(witness.answers, [200, 200], "the last checkpoint of the old key is cosigned at once")
        self.assertTrue(v.Note(witness.bodies[1].split("\n\n", 1)[1]).signed_by(v.parse_vkey(old)))
        Buyer(shop).buy(gateway)
        self.restart(shop)
        self.assertEqual(witness.answers[2:], [403], "its operator must be told the new key")
        witness.know(self.signs_now(shop))
        self.restart(shop)
        done = self.follow(shop, *[shop.file(body, "submission") for body in witness.bodies[-1:]], vkey=self.signs_now(shop))
        self.assertEqual(done.returncode, 0, done.stderr)
        counts = json.loads(done.stdout)
        self.assertGreater(counts["size"], 270)
        self.assertGreaterEqual(counts["tiles"], 5, "two tiles of leaves, one above them, two bundles")
        full = Browser(shop).get("/ledger/gen-0/tile/0/000")
        self.assertIn("immutable", full.header("cache-control"))
        newest = Browser(shop).get("/ledger/tile/0/000")
        self.assertEqual(newest.body, full.body)
        self.assertEqual(newest.header("cache-control"), "public, max-age=60", "after a restore it is another tree")


if __name__ == "__main__":
    unittest.main()

"""The vectors of tests/vectors/ledger.json, which the daemon's own verifier and the browser read too, in the Python verifier.

    python3 -m unittest tests/blackbox/test_ledger_vectors.py

KEYSTALL_VECTORS names another file.
"""
import argparse, base64, contextlib, hashlib, io, json, os, shutil, subprocess, sys, tarfile, tempfile, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_tools as v  # noqa: E402

PATH = os.environ.get("KEYSTALL_VECTORS") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "ledger.json")


def hashes(texts):
    return [bytes.fromhex(text) for text in texts]


def root_of(leaves):
    tree = v.Tree()
    for leaf in leaves:
        tree.push(leaf)
    return tree.root()


def proofs(leaves):
    """Inclusion and consistency proofs of a list of leaves, as RFC 6962, 2.1.1 and 2.1.2 define them, with roots kept."""
    kept = {}

    def root(a, b):
        if (a, b) not in kept:
            half = a + (1 << (b - a - 1).bit_length() - 1) if b - a > 1 else b
            kept[a, b] = v.sha(b"\0", leaves[a]) if b - a == 1 else v.sha(b"\1", root(a, half), root(half, b))
        return kept[a, b]

    def inclusion(index, a, b):
        if b - a == 1:
            return []
        half = a + (1 << (b - a - 1).bit_length() - 1)
        return inclusion(index, a, half) + [root(half, b)] if index < half else inclusion(index, half, b) + [root(a, half)]

    def consistency(old, a, b, whole):
        if old == b:
            return [] if whole else [root(a, b)]
        half = a + (1 << (b - a - 1).bit_length() - 1)
        if old <= half:
            return consistency(old, a, half, whole) + [root(half, b)]
        return consistency(old, half, b, False) + [root(a, half)]

    return root, lambda index, size: inclusion(index, 0, size), lambda old, size: consistency(old, 0, size, True)


class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(PATH, encoding="utf-8") as f:
            cls.vectors = json.load(f)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def all_of(self, section, check):
        self.assertTrue(self.vectors[section])
        for number, vector in enumerate(self.vectors[section]):
            with self.subTest(f"{section}: {vector['name']}"):
                check(vector, os.path.join(self.folder, str(number)))

    def write(self, path, content):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def run_it(self, what, path, x):
        flags = [a for key in x["vkeys"] for a in ("--vkey", key)]
        flags += [a for i, text in enumerate(x["known"]) for a in ("--known", self.write(f"{path}.known/{i}", text))]
        flags += [a for flag in ("nonce", "since", "until") if flag in x for a in (f"--{flag}", x[flag])]
        flags += [a for key in x.get("witnesses", []) for a in ("--witness", key)]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = v.main([what, path, *flags])
        self.assertEqual(code, x["exit"], out.getvalue())
        return out.getvalue()

    def malformed(self, read, *arguments):
        try:
            read(*arguments)
        except v.Fault as fault:
            self.assertEqual(fault.args[0], v.MALFORMED)
            return True
        except (ValueError, RecursionError):
            return True
        return False

    def test_lines_and_their_hashes(self):
        def check(x, _):
            self.assertEqual(v.parse_entry(x["line"].encode())["type"], x["type"])
            self.assertEqual(v.entry_hashes([x["line"].encode()])[0].hex(), x["hash"])

        self.all_of("lines", check)

    def test_lines_that_are_malformed(self):
        self.all_of("bad_lines", lambda x, _: self.assertTrue(self.malformed(v.parse_entry, bytes.fromhex(x["line_hex"]))))

    def test_commitments(self):
        def field(x, _):
            got = v.commitment(bytes.fromhex(x["salt"]), x["field"], bytes.fromhex(x["value_hex"]))
            self.assertEqual(got.hex(), x["commitment"])

        def key(x, _):
            got = v.derive_key("keystall 2026-11 key commitment v1", bytes.fromhex(x["salt"] + x["key_hex"]))
            self.assertEqual(got.hex(), x["commitment"])

        self.all_of("field_commitments", field)
        self.all_of("key_commitments", key)

    def test_roots_and_proofs(self):
        def root(x, _):
            self.assertEqual(root_of(hashes(x["leaves"])).hex(), x["root"])

        def inclusion(x, _):
            got = v.root_by_path(bytes.fromhex(x["leaf_data"]), x["index"], x["size"], hashes(x["path"]))
            self.assertEqual(got == bytes.fromhex(x["root"]), x["valid"])

        def consistency(x, _):
            old, new = hashes([x["old_root"], x["new_root"]])
            self.assertEqual(v.consistent(x["old_size"], x["new_size"], hashes(x["path"]), old, new), x["valid"])

        self.all_of("roots", root)
        self.all_of("inclusion", inclusion)
        self.all_of("consistency", consistency)

    def test_trees_of_every_size(self):
        def check(x, _):
            root, inclusion, consistency = proofs([hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(x["sizes"])])
            digests = {name: hashlib.sha256() for name in ("roots", "inclusion", "consistency")}
            digests["roots"].update(v.sha())
            for size in range(1, x["sizes"] + 1):
                digests["roots"].update(root(0, size))
                digests["inclusion"].update(b"".join(b"".join(inclusion(i, size)) for i in range(size)))
                digests["consistency"].update(b"".join(b"".join(consistency(old, size)) for old in range(1, size + 1)))
            self.assertEqual({name: digest.hexdigest() for name, digest in digests.items()}, x["digests"])

        self.all_of("trees", check)

    def test_notes_and_cosignatures(self):
        def check(kind, witness):
            def one(x, _):
                verdict = {True: "signed", None: "unsigned", False: "forged"}
                bad = self.malformed(v.Note, x["note"])
                got = "malformed" if bad else verdict[v.Note(x["note"]).signed_by(v.parse_vkey(x["vkey"], kind), witness)]
                self.assertEqual(got, x["verdict"])

            return one

        self.all_of("notes", check(1, False))
        self.all_of("cosignatures", check(4, True))

    def test_verifier_keys_and_what_they_sign(self):
        def statement(x, _):
            key = v.parse_vkey(x["vkey"])[2]
            self.assertEqual(v.ed25519_verify(key, x["message"].encode(), bytes.fromhex(x["signature"])), x["valid"])

        self.all_of("vkeys", lambda x, _: self.assertEqual(not self.malformed(v.parse_vkey, x["vkey"]), x["valid"]))
        self.all_of("statements", statement)

    def named(self, section, name):
        return next(x for x in self.vectors[section] if x["name"] == name)

    def files(self, x):
        shared = {name: self.vectors["shared"][key] for name, key in x.get("shared", {}).items()}
        binary = {name: base64.b64decode(text) for name, text in x.get("binary", {}).items()}
        texts = {name: text.encode() for name, text in {**x["files"], **shared}.items()}
        return {**texts, **binary}

    def test_exports(self):
        def check(x, path):
            os.makedirs(path)
            for name, content in self.files(x).items():
                self.write(os.path.join(path, name), content)
            said = self.run_it("ledger", path, x)
            for g in x.get("expect", {}).get("generations", []):
                self.assertIn(f"entries {g['first']} to {g['first'] + g['entries'] - 1}, signed {g['signed']}", said)
            for sku, n in x.get("expect", {}).get("stock", {}).items():
                left = "in this range" if n["left"] is None else f"= {n['left']} left"
                self.assertIn(f"{sku}: {n['imported']} imported - {n['sold']} sold - {n['replaced']} replaced - {n['void']} void " + left, said)

        self.all_of("exports", check)

    def test_fork_proofs(self):
        def check(x, _):
            proof = lambda: v.Fork(x["proof"]).check(self.options(x).vkey)
            self.assertEqual(self.code(proof), x["exit"])

        self.all_of("forks", check)

    def test_receipts(self):
        self.all_of("receipts", lambda x, path: self.run_it("receipt", self.write(path + "/receipt.txt", x["receipt"]), x))

    def options(self, x):
        vkeys = [v.parse_vkey(key) for key in x["vkeys"]]
        return argparse.Namespace(vkey=vkeys, known=[], witness=[], nonce=None, since=-1, until=2**53 - 1)

    def code(self, check, *arguments):
        """The exit that a check comes to, without the files and flags around it."""
        try:
            missing = check(*arguments)
        except v.Fault as fault:
            return fault.args[0]
        except (ValueError, RecursionError):
            return v.MALFORMED
        return v.INCOMPLETE if missing else 0

    def flipped(self, data, step):
        for i in range(0, len(data), step):
            yield i, data[:i] + bytes([data[i] ^ 1 << i // step % 8]) + data[i + 1:]

    def test_no_flipped_bit_of_an_export_passes(self):
        for name, only in (("whole", ("entries", "marks")), ("entries 9 to 23", ("prefix", "carried")), ("a skeleton", ("skeleton",))):
            x = self.named("exports", name)
            files, check = self.files(x), lambda files: v.Ledger(files, self.options(x)).missing
            self.assertEqual(self.code(check, files), 0)
            for path in [path for path in files if path.split("/")[1].startswith(only)]:
                for i, changed in self.flipped(files[path], 7):
                    self.assertIn(self.code(check, {**files, path: changed}), (1, 3, 4), f"{name}: {path}, byte {i}")

    def test_no_flipped_bit_of_a_receipt_passes(self):
        x = self.named("receipts", "whole")
        check = lambda data: v.verify_receipt(data.decode(), self.options(x))
        self.assertEqual(self.code(check, x["receipt"].encode()), 0)
        for i, changed in self.flipped(x["receipt"].encode(), 7):
            self.assertIn(self.code(check, changed), (1, 3, 4), f"byte {i}")

    @unittest.skipUnless(shutil.which("zstd"), "needs the zstd program")
    def test_an_archive_says_what_its_folder_says(self):
        x = self.named("exports", "entries 9 to 23")

        def packed(change=lambda member: None, twice=False):
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for name, data in list(self.files(x).items()) * (1 + twice):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    change(member)
                    tar.addfile(member, io.BytesIO(data))
            return subprocess.run(["zstd", "-qc"], input=archive.getvalue(), capture_output=True, check=True).stdout

        def exits(code, data):
            self.run_it("ledger", self.write(os.path.join(self.folder, "export.tar.zst"), data), {**x, "exit": code})

        good = packed()
        exits(0, good)
        exits(3, good[:-9])
        exits(3, good[:99] + bytes([good[99] ^ 1]) + good[100:])
        exits(3, packed(twice=True))
        exits(3, packed(lambda member: setattr(member, "name", "./" + member.name)))
        exits(3, packed(lambda member: setattr(member, "name", "../" + member.name)))
        exits(3, packed(lambda member: setattr(member, "type", tarfile.FIFOTYPE)))

    def test_usage_is_2(self):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(v.main(["ledger", "/nonexistent", "--vkey", self.vectors["vkeys"][0]["vkey"]]), 2)
            with self.assertRaises(SystemExit) as stop:
                v.main(["ledger", self.folder, "--vkey", "not a vkey"])
            self.assertEqual(stop.exception.code, 2)


if __name__ == "__main__":
    unittest.main()

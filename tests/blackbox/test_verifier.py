"""The independent verifier, against exports that a tiny writer makes here: honest ones pass, each tamper has its exit.

The writer signs with Ed25519 and follows the format page; nothing of the daemon is used. Run alone:
    python3 -m unittest tests/blackbox/test_verifier.py
"""
import base64, contextlib, hashlib, io, json, os, random, shutil, subprocess, sys, tempfile, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_tools as v  # noqa: E402
from keystall import binary  # noqa: E402

HOUR = 3600 * 1000


def entry_hash(line):
    return v.entry_hashes([line])[0]


def times(n, point):
    product = v.ZERO
    while n:
        product, point, n = v.add(product, point) if n & 1 else product, v.add(point, point), n >> 1
    return product


def compressed(point):
    x, y, z, _ = point
    inverse = pow(z, v.P - 2, v.P)
    x, y = x * inverse % v.P, y * inverse % v.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Signer:
    """An Ed25519 key made from a seed (RFC 8032, 5.1.5 and 5.1.6)."""

    def __init__(self, seed, name):
        h = hashlib.sha512(seed).digest()
        self.scalar = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
        self.prefix, self.public, self.name = h[32:], compressed(times(self.scalar, v.BASE)), name
        raw = b"\1" + self.public
        self.id = v.sha(name.encode(), b"\n", raw)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(raw).decode()}"

    def sign(self, message):
        r = int.from_bytes(hashlib.sha512(self.prefix + message).digest(), "little") % v.L
        big_r = compressed(times(r, v.BASE))
        k = int.from_bytes(hashlib.sha512(big_r + self.public + message).digest(), "little") % v.L
        return big_r + ((r + k * self.scalar) % v.L).to_bytes(32, "little")


def tree_root(leaves):
    tree = v.Tree()
    for data in leaves:
        tree.push(data)
    return tree.root()


def tree_path(leaves, index):
    """RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return tree_path(leaves[:k], index) + [tree_root(leaves[k:])]
    return tree_path(leaves[k:], index - k) + [tree_root(leaves[:k])]


class Writer:
    """A ledger in memory, as the format page describes it."""

    def __init__(self, origin="shop.example/0123abcd", seed=b"log"):
        self.random, self.origin, self.lines, self.marks = random.Random(7), origin, [], []
        self.log, self.root, self.t = Signer(seed, origin), Signer(b"root", origin), 1_760_000_000_000
        self.vkey, self.batches, self.private = self.log.vkey, [], {}
        self.entry("open", origin=origin, vkey=self.log.vkey, root_vkey=self.root.vkey, r=self.r())

    def r(self, size=16):
        return self.random.randbytes(size).hex()

    def entry(self, kind, /, **fields):
        self.t += 1000
        prev = entry_hash(self.lines[-1]).hex() if self.lines else "0" * 64
        e = {"prev": prev, "seq": len(self.lines), "t": self.t, "type": kind, "v": 1, **fields}
        self.lines.append(json.dumps(e, sort_keys=True, separators=(",", ":")).encode())
        return e["seq"]

    def stock(self, count, sku="card"):
        keys = [(self.random.randbytes(32), f"KEY-{len(self.batches)}-{i}".encode()) for i in range(count)]
        leaves = [v.derive_key("keystall 2026-11 key commitment v1", salt + key) for salt, key in keys]
        self.batches.append((keys, leaves, len(self.lines)))
        return self.entry("stock", batch=len(self.batches) - 1, count=count, keys=tree_root(leaves).hex(), sku=sku, r=self.r())

    def sale(self, slots, qty, sku="card", amt=999, **more):
        salt = self.random.randbytes(32)
        self.private[len(self.lines)] = salt
        fields = dict(order=f"20261101{len(self.lines):04}", sku=sku, kind="pool", qty=qty, amt=amt, cur="CNY",
                      buyer=v.commitment(salt, "buyer", "买家@example.com".encode()).hex(), pay=self.r(32), slots=slots)
        return self.entry("sale", **{**fields, **more})

    def note(self, size=None, signers=None, root=None):
        size = len(self.lines) if size is None else size
        root = root or tree_root([entry_hash(line) for line in self.lines[:size]])
        body = f"{self.origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        lines = [f"\u2014 {s.name} {base64.b64encode(s.id + s.sign(body.encode())).decode()}\n" for s in signers or [self.log]]
        return body + "\n" + "".join(lines)

    def mark(self, **how):
        note = self.note(**how)
        self.marks.append(json.dumps({"note": note, "size": int(note.split("\n")[1])}, sort_keys=True, separators=(",", ":")).encode())
        return note

    def rotate(self, seed=b"second", by=None):
        new = Signer(seed, self.origin)
        message = f"keystall 2026-11 rotate v1\n{self.origin}\n{len(self.lines)}\n{new.vkey}".encode()
        self.entry("rotate", vkey=new.vkey, sig_root=(by or self.root).sign(message).hex(), sig_old=self.log.sign(message).hex(), r=self.r())
        self.mark()
        old, self.log = self.log, new
        return old

    def proof(self, seq):
        path = tree_path([entry_hash(line) for line in self.lines], seq)
        hashes = "".join(base64.b64encode(h).decode() + "\n" for h in path)
        return f"c2sp.org/tlog-proof@v1\nindex {seq}\n{hashes}\n{self.note()}"

    def receipt(self, sale, slots, opens=True, more=()):
        out = ["keystall-receipt/v1\n", f"entry {self.lines[sale].decode()}\n"]
        if opens:
            out.append(f"open buyer {self.private[sale].hex()} {base64.b64encode('买家@example.com'.encode()).decode()}\n")
        for batch, index in slots:
            keys, leaves, _ = self.batches[batch]
            path = ",".join(h.hex() for h in tree_path(leaves, index))
            salt, key = keys[index]
            out.append(f"key {batch}:{index} {salt.hex()} {base64.b64encode(key).decode()}{' ' + path if path else ''}\n")
        stocks = [self.batches[b][2] for b in sorted({b for b, _ in slots})]
        out += [f"stock {self.lines[s].decode()}\n" for s in stocks] + [f"more {self.lines[s].decode()}\n" for s in more]
        return "".join(out + [self.proof(s) for s in [sale, *stocks, *more]])

    def export(self, folder):
        os.makedirs(os.path.join(folder, "gen-0"))
        for name, lines in (("entries", self.lines), ("marks", self.marks)):
            with open(os.path.join(folder, "gen-0", name + ".ndjson"), "wb") as f:
                f.write(b"".join(line + b"\n" for line in lines))
        return folder


def story(marks=True):
    """24 entries of every type but `rotate`, signed at 12 and at the end."""
    w = Writer()
    w.stock(20)
    w.stock(1, sku="game-7")
    w.entry("mark", r=w.r())
    first = w.sale("0:0-1", 2)
    w.sale("0:2,0:4", 2)
    w.entry("slots", ref=w.sale("0:5", 3), slots="0:6-7", r=w.r())
    w.entry("refund", ref=first, amt=500, cur="CNY", why="goodwill", r=w.r())
    w.entry("refund", ref=first, amt=499, cur="CNY", why="bad", r=w.r())
    w.entry("replace", ref=first, out="0:1", slots="0:8", why="bad", r=w.r())
    w.entry("void", slots="0:3", why="leaked", r=w.r())
    if marks:
        w.mark()
    w.entry("erase", ref=first, r=w.r())
    w.entry("admin", what="payee", who=w.r(32))
    w.entry("audit", nonce="are-you_there7", r=w.r())
    w.entry("clock", skew_ms=-5000, r=w.r())
    w.t += 40 * HOUR
    w.entry("mark", beacon="block 900000", down_ms=30 * HOUR, r=w.r())
    w.sale("1:0", 1, sku="game-7")
    sale = {"order": "SHARED0001", "sku": "course", "kind": "shared", "qty": 2, "amt": 0, "cur": "CNY"}
    w.entry("sale", **sale, buyer=w.r(32), pay=w.r(32))
    while len(w.lines) < 24:
        w.sale(f"0:{len(w.lines) - 10}", 1)
    if marks:
        w.mark()
    return w


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name="x"):
        self.serial = getattr(self, "serial", 0) + 1
        return os.path.join(self.folder.name, f"{self.serial}-{name}")

    def write(self, text, path=None):
        path = path or self.path()
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def run_it(self, what, path, vkey, known=()):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                code = v.main([what, path, "--vkey", vkey] + [a for k in known for a in ("--known", self.write(k))])
            except SystemExit as stop:
                code = stop.code
        return code, out.getvalue()

    def ledger(self, w, expected, known=(), vkey=None):
        code, out = self.run_it("ledger", w.export(self.path()), vkey or w.vkey, known)
        self.assertEqual(code, expected, out)
        return out

    def receipt(self, text, vkey, expected, known=()):
        code, out = self.run_it("receipt", self.write(text), vkey, known)
        self.assertEqual(code, expected, out)


class Primitives(unittest.TestCase):
    def test_blake3_gives_the_official_derive_key_vectors(self):
        expected = {0: "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d",
                    1: "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c",
                    1024: "7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706",
                    1025: "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb",
                    3072: "050df97f8c2ead654d9bb3ab8c9178edcd902a32f8495949feadcc1e0480c46b"}
        for size, digest in expected.items():
            got = v.derive_key("BLAKE3 2019-12-27 16:29:52 test vectors context", bytes(i % 251 for i in range(size)))
            self.assertEqual(got.hex(), digest, size)

    def test_ed25519_gives_the_vectors_of_rfc_8032(self):
        public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
        signature = bytes.fromhex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                                  "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")
        self.assertTrue(v.ed25519_verify(public, b"\xaf\x82", signature))
        self.assertFalse(v.ed25519_verify(public, b"\xaf\x83", signature))
        over = signature[:32] + (int.from_bytes(signature[32:], "little") + v.L).to_bytes(32, "little")
        self.assertFalse(v.ed25519_verify(public, b"\xaf\x82", over), "S above L")

    def test_ed25519_refuses_points_of_small_order(self):
        one = (1).to_bytes(32, "little")
        self.assertFalse(v.ed25519_verify(one, b"anything", one + bytes(32)))
        self.assertFalse(v.ed25519_verify(bytes(32), b"anything", one + bytes(32)))

    def test_paths_of_all_sizes_lead_to_the_root_and_mutated_ones_do_not(self):
        for size in range(1, 34):
            leaves = [bytes([i]) * 32 for i in range(size)]
            root = tree_root(leaves)
            for i in range(size):
                path = tree_path(leaves, i)
                self.assertEqual(v.root_by_path(leaves[i], i, size, path), root)
                self.assertNotEqual(v.root_by_path(leaves[i], i, size, path + [root]), root)
                self.assertNotEqual(v.root_by_path(leaves[i], i, size, path[:-1] if path else [root]), root)


class Ledgers(Case):
    def test_an_honest_ledger_passes_and_its_balance_is_printed(self):
        out = self.ledger(story(), 0)
        self.assertIn("stock card: 20 imported - 12 sold - 1 replaced - 1 void = 6 left", out)

    def test_a_known_note_and_a_known_receipt_are_found_in_an_honest_ledger(self):
        w = story()
        self.ledger(w, 0, known=[w.note(size=9), w.receipt(4, [(0, 0)])])

    def test_a_rotation_hands_over_at_the_size_after_it(self):
        w = Writer()
        w.stock(3)
        old = w.rotate()
        w.sale("0:0", 1)
        w.mark()
        self.ledger(w, 0)
        w.marks.pop()
        w.mark(signers=[old])
        self.ledger(w, 1)

    def test_a_new_key_does_not_sign_the_past(self):
        w = Writer()
        w.stock(3)
        w.rotate()
        w.sale("0:0", 1)
        w.mark()
        w.mark(size=2)
        w.marks.insert(0, w.marks.pop())
        self.ledger(w, 1)
        w.marks.append(w.marks.pop(0))
        self.ledger(w, 3)

    def test_a_rotation_without_the_origin_keys_consent_is_tampering(self):
        w = Writer()
        w.rotate(by=Signer(b"thief", "x"))
        w.entry("mark", r=w.r())
        w.mark()
        self.ledger(w, 1)

    def test_signatures_of_witnesses_are_ignored(self):
        w = story(marks=False)
        w.mark(signers=[Signer(b"w", "witness.example"), w.log])
        self.ledger(w, 0)

    def test_without_a_checkpoint_by_the_pinned_key_it_is_incomplete(self):
        self.ledger(story(marks=False), 4)
        w = story(marks=False)
        w.mark(signers=[Signer(b"w", "witness.example")])
        self.ledger(w, 4)
        self.ledger(story(), 4, vkey=Writer(seed=b"another shop").vkey)

    def test_nothing_checked_is_incomplete(self):
        w = Writer()
        w.lines = []
        self.ledger(w, 4)
        empty = self.path("empty")
        os.makedirs(empty)
        self.assertEqual(self.run_it("ledger", empty, w.vkey)[0], 4)

    def test_an_unsigned_tail_is_incomplete(self):
        w = story()
        w.entry("mark", r=w.r())
        self.ledger(w, 4)

    def test_a_cut_file_is_tampering_and_a_cut_with_its_marks_needs_a_known_note(self):
        w = story()
        known = w.note()
        w.lines.pop()
        self.ledger(w, 1)
        w.marks.pop()
        w.lines = w.lines[:12]
        self.ledger(w, 0)
        self.ledger(w, 1, known=[known])

    def test_a_resealed_history_against_a_known_note_is_a_fork(self):
        w = story()
        known = w.note(size=20)
        other = story(marks=False)
        other.lines = other.lines[:10]
        other.t = json.loads(other.lines[9])["t"]
        while len(other.lines) < 24:
            other.entry("mark", r="00" * 16)
        self.ledger(other, 4)
        other.mark()
        self.ledger(other, 0)
        self.ledger(other, 5, known=[known])

    def test_two_signed_roots_of_one_size_are_a_fork(self):
        w = story()
        w.mark(root=b"\1" * 32)
        self.ledger(w, 5)

    def test_a_fork_counts_before_the_faults_that_are_read_before_it(self):
        w = story(marks=False)
        w.mark(size=12, root=b"\1" * 32)
        w.lines[15] = b"no entry"
        self.ledger(w, 1)
        w.mark()
        self.ledger(w, 5)
        w = story(marks=False)
        w.sale("0:0", 1)
        w.mark()
        self.ledger(w, 1)
        self.ledger(w, 5, known=[w.note(size=9, root=b"\3" * 32)])

    def test_a_known_note_by_a_stranger_is_incomplete(self):
        self.ledger(story(), 4, known=[Writer(origin="other.example/00000000", seed=b"q").note()])

    def test_each_broken_rule_is_tampering(self):
        breaks = {
            "a slot sold twice": lambda w: w.sale("0:0", 1),
            "a slot sold after it was voided": lambda w: w.sale("0:3", 1),
            "a slot above count": lambda w: w.sale("0:20", 1),
            "a batch not imported": lambda w: w.sale("2:0", 1),
            "another product's slot": lambda w: w.sale("0:19", 1, sku="game-7"),
            "too few slots": lambda w: w.sale("0:19", 2),
            "too many slots": lambda w: w.sale("0:18-19", 1),
            "slots far from their sale": lambda w: (w.entry("mark", r=w.r()), w.entry("slots", ref=6, slots="0:19", r=w.r())),
            "a replaced slot replaced again": lambda w: w.entry("replace", ref=4, out="0:1", slots="0:19", why="bad", r=w.r()),
            "out of another sale": lambda w: w.entry("replace", ref=4, out="0:2", slots="0:19", why="bad", r=w.r()),
            "more out than in": lambda w: w.entry("replace", ref=5, out="0:2,0:4", slots="0:19", why="bad", r=w.r()),
            "a refund over the sale": lambda w: w.entry("refund", ref=4, amt=1, cur="CNY", why="bad", r=w.r()),
            "a refund in another currency": lambda w: w.entry("refund", ref=5, amt=1, cur="USD", why="bad", r=w.r()),
            "a refund of no sale": lambda w: w.entry("refund", ref=1, amt=1, cur="CNY", why="bad", r=w.r()),
            "an erasure of no sale": lambda w: w.entry("erase", ref=3, r=w.r()),
            "a batch skipped": lambda w: w.entry("stock", batch=3, count=1, keys=w.r(32), sku="card", r=w.r()),
            "a batch again": lambda w: w.entry("stock", batch=1, count=1, keys=w.r(32), sku="card", r=w.r()),
            "time going back": lambda w: (setattr(w, "t", w.t - 9000), w.entry("mark", r=w.r())),
        }
        for name, tamper in breaks.items():
            with self.subTest(name):
                w = story(marks=False)
                tamper(w)
                w.mark()
                self.ledger(w, 1)

    def test_each_line_outside_the_profile_is_malformed(self):
        good = story().lines[4].decode()
        bad = {"white space": good.replace(",", ", ", 1), "order": '{"v":1,' + good[1:].replace(',"v":1}', "}"), "float": good.replace('"amt":999', '"amt":999.0'),
               "minus": good.replace('"amt":999', '"amt":-1'), "zero": good.replace('"amt":999', '"amt":0999'), "unknown key": good.replace('"v":1', '"v":1,"w":1'),
               "type": good.replace('"sale"', '"gift"'), "version": good.replace('"v":1', '"v":2'), "missing": good.replace('"cur":"CNY",', ""),
               "upper hex": good.replace('"buyer":"', '"buyer":"A'), "slots": good.replace("0:0-1", "0:0,0:1"), "range": good.replace("0:0-1", "0:1-1"),
               "zeros": good.replace("0:0-1", "0:00-1"), "big": good.replace('"amt":999', '"amt":9007199254740992'), "escape": good.replace('"CNY"', '"\\u0043NY"'),
               "long": good.replace('"v":1', '"v":1' + " " * 900), "null": good.replace('"amt":999', '"amt":null'), "true": good.replace('"amt":999', '"amt":true'),
               "nothing": "", "list": "[]", "kind": good.replace('"pool"', '"gold"'), "not ascii": good.replace("card", "卡"), "missing slots": good.replace(',"slots":"0:0-1"', "")}
        for name, line in bad.items():
            with self.subTest(name):
                self.assertNotEqual(line, good)
                w = story()
                w.lines[4] = line.encode()
                self.ledger(w, 3)

    def test_open_stands_first_and_only_there(self):
        w = story(marks=False)
        w.entry("open", origin=w.origin, vkey=w.vkey, root_vkey=w.vkey, r=w.r())
        w.mark()
        self.ledger(w, 3)

    def test_a_gap_in_the_heartbeat_is_incomplete_unless_admitted(self):
        for admitted, expected in ((None, 4), (3 * HOUR, 4), (15 * HOUR, 0)):
            w = Writer()
            w.t += 40 * HOUR
            w.entry("mark", r=w.r(), **({} if admitted is None else {"down_ms": admitted}))
            w.mark()
            self.ledger(w, expected)
        w = Writer()
        w.t += 27 * HOUR
        w.stock(1)
        w.mark()
        self.ledger(w, 4)

    def test_no_flipped_byte_of_an_export_passes(self):
        w, rng = story(), random.Random(3)
        folder = w.export(self.path())
        for name in ("entries", "marks"):
            path = os.path.join(folder, "gen-0", name + ".ndjson")
            data = v.read(path)
            for i in sorted(rng.sample(range(len(data)), 60)) + [len(data) - 1]:
                changed = data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1:]
                self.write(changed, path)
                code, out = self.run_it("ledger", folder, w.vkey)
                self.assertIn(code, (1, 3, 4), f"{name} byte {i}: {out}")
            for cut in rng.sample(range(len(data)), 20):
                self.write(data[:cut], path)
                code, out = self.run_it("ledger", folder, w.vkey)
                self.assertIn(code, (1, 3, 4), f"{name} cut at {cut}: {out}")
            self.write(data, path)
        self.assertEqual(self.run_it("ledger", folder, w.vkey)[0], 0)

    def test_wrong_usage_is_2(self):
        self.assertEqual(self.run_it("ledger", "/nonexistent", Writer().vkey)[0], 2)
        self.assertEqual(self.run_it("ledger", self.folder.name, "not a vkey")[0], 2)
        self.assertEqual(self.run_it("neither", self.folder.name, Writer().vkey)[0], 2)


class Receipts(Case):
    def test_honest_receipts_pass_also_with_lines_removed_by_their_owner(self):
        w = story()
        self.receipt(w.receipt(4, [(0, 0), (0, 1)]), w.vkey, 0)
        self.receipt(w.receipt(4, [(0, 0), (0, 8)], more=[10]), w.vkey, 0)
        self.receipt(w.receipt(6, [(0, 5), (0, 7)], more=[7]), w.vkey, 0)
        self.receipt(w.receipt(17, [(1, 0)]), w.vkey, 0)
        self.receipt(w.receipt(4, [], opens=False), w.vkey, 0)

    def test_tampered_receipts_are_told_apart(self):
        w = story()
        good = w.receipt(4, [(0, 0)])
        key = base64.b64encode(b"KEY-0-0").decode()
        self.receipt(good, w.vkey, 0, known=[w.note()])
        self.receipt(good.replace(key, base64.b64encode(b"KEY-0-9").decode()), w.vkey, 1)
        self.receipt(good.replace("key 0:0 ", "key 0:1 "), w.vkey, 1)
        self.receipt(w.receipt(4, [(0, 2)]), w.vkey, 1)
        self.receipt(w.receipt(4, [(0, 0), (0, 0)]), w.vkey, 1)
        self.receipt(w.receipt(4, [], more=[7]), w.vkey, 1)
        self.receipt(good.replace("open buyer ", "open pay "), w.vkey, 1)
        self.receipt(good.replace("open buyer ", "open buyr "), w.vkey, 3)
        self.receipt(good.replace('"amt":999', '"amt":998'), w.vkey, 1)
        self.receipt(good.replace("index 4", "index 5"), w.vkey, 1)
        self.receipt(good.replace("\n", "\r\n"), w.vkey, 3)
        self.receipt(good[:-1], w.vkey, 3)
        self.receipt(good + "\n", w.vkey, 3)
        self.receipt(good, Writer(seed=b"another shop").vkey, 4)
        self.receipt(good, w.vkey, 5, known=[w.note(root=b"\1" * 32)])
        self.receipt(good, w.vkey, 4, known=[Writer(seed=b"q").note()])

    def test_no_flipped_byte_of_a_receipt_passes(self):
        w, rng = story(), random.Random(5)
        data = w.receipt(4, [(0, 0)]).encode()
        for i in rng.sample(range(len(data)), 150):
            code, out = self.run_it("receipt", self.write(data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1:]), w.vkey)
            self.assertIn(code, (1, 3, 4), f"byte {i}: {out}")


class Agreement(Case):
    """Both verifiers say the same of the same files, also of broken ones. Needs keystall-verify; KEYSTALL_AGREEMENT cases of each kind."""

    CASES = int(os.environ.get("KEYSTALL_AGREEMENT", "30"))

    @classmethod
    def setUpClass(cls):
        try:
            cls.rust = binary("keystall-verify")
            assert os.path.exists(cls.rust), "no keystall-verify"
            folder = tempfile.TemporaryDirectory()
            cls.addClassCleanup(folder.cleanup)
            cls.rust = shutil.copy(cls.rust, folder.name)  # a build that runs meanwhile takes nothing away
        except (AssertionError, OSError) as error:
            raise unittest.SkipTest(str(error)) from None

    def both(self, what, path, w, about):
        ours, out = self.run_it(what, path, w.vkey)
        theirs = subprocess.run([self.rust, what, path, "--vkey", w.vkey], capture_output=True, text=True)
        if what == "receipt" and {ours, theirs.returncode} == {v.TAMPERED, v.INCOMPLETE}:
            return ours  # a proof that names another origin is not by our key (4) and not of this ledger (1): the page leaves it open
        self.assertEqual(ours, theirs.returncode, f"{about}: verify_ledger.py then keystall-verify\n{out}---\n{(theirs.stdout + theirs.stderr)[-1500:]}")
        return ours

    def mutated(self, data, rng):
        """A bit flipped, a byte taken away or put in, a line dropped, doubled or moved, or a digit changed."""
        at, lines = rng.randrange(len(data)), data.split(b"\n")
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        swapped = list(lines)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        digits = [k for k, c in enumerate(data) if 48 <= c < 58]
        d = rng.choice(digits)
        return rng.choice([data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:], data[:at] + data[at + 1:], data[:at] + data[at:at + 1] + data[at:],
                           data[:at], b"\n".join(lines[:i] + lines[i + 1:]), b"\n".join(lines[:i] + [lines[i]] + lines[i:]), b"\n".join(swapped),
                           data[:d] + b"%d" % rng.randrange(10) + data[d + 1:]])

    def test_on_honest_and_on_mutated_exports(self):
        w, rng = story(), random.Random(21 + self.CASES)
        folder = w.export(self.path())
        self.assertEqual(self.both("ledger", folder, w, "whole"), 0)
        for name in ("entries", "marks"):
            path = os.path.join(folder, "gen-0", name + ".ndjson")
            data = v.read(path)
            for i in range(self.CASES):
                self.write(self.mutated(data, rng), path)
                with self.subTest(f"{name} {i}"):
                    self.both("ledger", folder, w, name)
            self.write(data, path)

    def test_on_honest_and_on_mutated_receipts(self):
        w, rng = story(), random.Random(22 + self.CASES)
        for receipt in (w.receipt(4, [(0, 0), (0, 8)], more=[10]), w.receipt(17, [(1, 0)])):
            self.assertEqual(self.both("receipt", self.write(receipt), w, "whole"), 0)
            for i in range(self.CASES):
                with self.subTest(i):
                    self.both("receipt", self.write(self.mutated(receipt.encode(), rng)), w, "receipt")

    def test_on_resealed_exports_with_one_entry_changed(self):
        """Links and marks are made anew after the change, so that only the rules of the entries can tell."""
        rng = random.Random(23 + self.CASES)
        for i in range(self.CASES):
            w = story(marks=False)
            entries = [json.loads(line) for line in w.lines]
            e = rng.choice(entries)
            key = rng.choice([k for k in sorted(e) if k not in ("prev", "vkey")])
            old = e[key]
            others = [x[key] for x in entries if key in x and x["type"] == e["type"]]
            integers = [old - 1, old + 1, 0, -1, 2**53 - 1, 2**53, old + 10**8] if isinstance(old, int) else [old + "0", old[:-1], "", old.upper(), old + ",0:19", "2:0", "0:19", "0:5-9", "0:1,0:0"]
            e[key] = rng.choice(integers + others)
            w.lines = []
            for x in entries:
                if x is not e or key != "prev":
                    x["prev"] = entry_hash(w.lines[-1]).hex() if w.lines else "0" * 64
                w.lines.append(json.dumps(x, sort_keys=True, separators=(",", ":")).encode())
            w.mark(size=12)
            w.mark()
            with self.subTest(f"{i}: {key} of a {e['type']} from {old} to {e[key]}"):
                self.both("ledger", w.export(self.path()), w, "resealed")


if __name__ == "__main__":
    unittest.main()

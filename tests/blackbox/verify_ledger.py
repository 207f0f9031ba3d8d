#!/usr/bin/env python3
"""An independent verifier of a Keystall receipt ledger, format 1, written from its format page alone.

    verify_ledger.py ledger  EXPORT_DIR --vkey VKEY [--known NOTE|RECEIPT]...
    verify_ledger.py receipt FILE       --vkey VKEY [--known NOTE|RECEIPT]...

Python's standard library only: BLAKE3 and Ed25519 are below. Exit codes are those of section 9.
Not read here, and then exit 4 rather than 0: ranges, skeletons, archives, a generation after the first.
"""
import argparse, base64, hashlib, json, os, re, struct, sys
from functools import lru_cache

# --- BLAKE3, derive_key mode (BLAKE3 paper, section 2) ---------------------------------------------------------
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERM = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT, CONTEXT, MATERIAL = 1, 2, 4, 8, 32, 64
LANES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
ROUNDS = [tuple(range(16))]
for _ in range(6):
    ROUNDS.append(tuple(ROUNDS[-1][i] for i in PERM))


def compress(cv, block, counter, length, flags):
    m, M = struct.unpack("<16I", block), 0xFFFFFFFF
    v = [*cv, *IV[:4], counter & M, counter >> 32, length, flags]
    for order in ROUNDS:
        for lane, (a, b, c, d) in enumerate(LANES):
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            va = (va + vb + m[order[2 * lane]]) & M
            vd ^= va; vd = vd >> 16 | (vd << 16) & M
            vc = (vc + vd) & M
            vb ^= vc; vb = vb >> 12 | (vb << 20) & M
            va = (va + vb + m[order[2 * lane + 1]]) & M
            vd ^= va; vd = vd >> 8 | (vd << 24) & M
            vc = (vc + vd) & M
            vb ^= vc; vb = vb >> 7 | (vb << 25) & M
            v[a], v[b], v[c], v[d] = va, vb, vc, vd
    return tuple(v[i] ^ v[i + 8] for i in range(8))


def subtree(key, data, flags, first_chunk, root):
    if len(data) > 1024:
        half = 1024 << (((len(data) - 1) // 1024).bit_length() - 1)  # the largest power of two of chunks below all
        left = subtree(key, data[:half], flags, first_chunk, 0)
        right = subtree(key, data[half:], flags, first_chunk + half // 1024, 0)
        return compress(key, struct.pack("<16I", *left, *right), 0, 64, flags | PARENT | root)
    cv, last = key, max(0, len(data) - 1) // 64
    for i in range(last + 1):
        block = data[64 * i:64 * i + 64]
        f = flags | (CHUNK_START if i == 0 else 0) | (CHUNK_END | root if i == last else 0)
        cv = compress(cv, block.ljust(64, b"\0"), first_chunk, len(block), f)
    return cv


@lru_cache
def context_key(context):
    return subtree(IV, context.encode(), CONTEXT, 0, ROOT)


def derive_key(context, data):
    return struct.pack("<8I", *subtree(context_key(context), data, MATERIAL, 0, ROOT))


# --- Ed25519, strict (RFC 8032, 5.1; and no point of small order, S < L) ---------------------------------------
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
ZERO = (0, 1, 1, 0)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    q = ZERO
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


def decompress(raw):
    y, sign = int.from_bytes(raw, "little") & (1 << 255) - 1, raw[31] >> 7
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT_M1 % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def small_order(p):
    x, y, z, _ = times(8, p)
    return x == 0 and y == z


BASE = decompress(bytes.fromhex("58" + "66" * 31))


def ed25519_verify(public, message, signature):
    a, r, s = decompress(public), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or not a or not r or s >= L or small_order(a) or small_order(r):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- Faults: the first in reading order counts, 5 before all, 4 only when there is nothing else (section 9) ----
TAMPERED, USAGE, MALFORMED, INCOMPLETE, FORK = 1, 2, 3, 4, 5


class Fault(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def need(condition, code, text):
    if not condition:
        raise Fault(code, text)


def verdict(faults):
    """The exit code of a list of (position, code, text), and the text that belongs to it."""
    rank = {FORK: 0, TAMPERED: 1, MALFORMED: 1, INCOMPLETE: 2}
    worst = min(faults, key=lambda f: (rank[f[1]], f[0]), default=(None, 0, "every required check was made and passed"))
    return worst[1], worst[2]


# --- Tree, notes, keys (sections 3 and 6) ----------------------------------------------------------------------
def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf(data):
    return sha(b"\0", data)


class Tree:
    """RFC 6962 from the left: one root for each bit of the size, the largest first."""

    def __init__(self):
        self.size, self.parts = 0, []

    def push(self, data):
        node, n = leaf(data), self.size
        while n & 1:
            node, n = sha(b"\1", self.parts.pop(), node), n >> 1
        self.parts.append(node)
        self.size += 1

    def root(self):
        node = None
        for part in reversed(self.parts):
            node = part if node is None else sha(b"\1", part, node)
        return node or sha()


def root_by_path(data, index, size, path):
    """RFC 9162, 2.1.3.2; None if the path has the wrong length."""
    node, fn, sn, path = leaf(data), index, size - 1, list(path)
    if index >= size:
        return None
    while sn:
        if fn & 1 or fn == sn:
            if not path:
                return None
            node = sha(b"\1", path.pop(0), node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            if not path:
                return None
            node = sha(b"\1", node, path.pop(0))
        fn, sn = fn >> 1, sn >> 1
    return None if path else node


def b64(text, size=None):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Fault(MALFORMED, "base64") from None
    need(base64.b64encode(raw).decode() == text and size in (None, len(raw)), MALFORMED, "base64 is not strict")
    return raw


def parse_vkey(text):
    """(name, 4 bytes of hash, 32 bytes of key) of a C2SP vkey."""
    name, digest, key = (text.split("+", 2) + ["", ""])[:3]
    raw = b64(key, 33)
    need(name and not re.search(r"\s", name) and raw[0] == 1, MALFORMED, "vkey")
    need(sha(name.encode(), b"\n", raw)[:4].hex() == digest, MALFORMED, "the hash in the vkey")
    return name, bytes.fromhex(digest), raw[1:]


class Note:
    def __init__(self, text):
        need(text.endswith("\n"), MALFORMED, "a note ends in a line feed")
        lines = text[:-1].split("\n")
        need(len(lines) >= 5 and lines[3] == "", MALFORMED, "a note has three lines, a blank one and signatures")
        self.origin, size, root = lines[:3]
        need(self.origin and re.fullmatch("0|[1-9][0-9]{0,15}", size), MALFORMED, "origin or size of a note")
        self.size, self.root, self.body = int(size), b64(root, 32), "\n".join(lines[:3]) + "\n"
        self.signatures = []
        for line in lines[4:]:
            found = re.fullmatch("\u2014 ([^ +]+) ([0-9A-Za-z+/=]+)", line)
            need(found, MALFORMED, "a signature line")
            raw = b64(found[2])
            need(len(raw) > 4, MALFORMED, "a signature is too short")
            self.signatures.append((found[1], raw[:4], raw[4:]))

    def signed_by(self, vkey):
        """True, False (a signature by it is wrong) or None (not by it)."""
        name, digest, key = vkey
        mine = [s for n, d, s in self.signatures if (n, d) == (name, digest) and name == self.origin]
        return all(ed25519_verify(key, self.body.encode(), s) for s in mine) if mine else None


def known_notes(text):
    """The notes of a note's or a receipt's file."""
    if text.startswith("keystall-receipt/v1\n"):
        return [note for *_, note in Receipt(text).blocks]
    return [Note(text)]


# --- Entries (section 1) ---------------------------------------------------------------------------------------
def hexes(size):
    return lambda v: re.fullmatch("[0-9a-f]{%d}" % (2 * size), str(v)) and isinstance(v, str)


def text(pattern):
    return lambda v: isinstance(v, str) and re.fullmatch(pattern, v)


def integer(low, high=2**53 - 1):
    return lambda v: type(v) is int and low <= v <= high


def slots_form(v):
    return isinstance(v, str) and parse_slots(v)


def vkey_form(v):
    return isinstance(v, str) and parse_vkey(v)


HASH, NATURAL, RANDOM, SLOTS = hexes(32), integer(0), hexes(16), slots_form
ORIGIN, REF = text("[0-9a-z.-]{1,64}/[0-9a-f]{8}"), integer(0)
WHY = text("bad|leaked|late|surplus|short|goodwill|fraud|withdrawn|restore|other")
SKU, CUR, KIND = text("[0-9a-z-]{1,64}"), text("[A-Z]{3,5}"), text("pool|generated|shared|link|file|supplier|hand")
RESTORED = {"prior": ORIGIN, "prior_head": HASH, "prior_size": NATURAL, "prior_signed": NATURAL, "sig_root": hexes(64)}
TYPES = {
    "open": {"origin": ORIGIN, "vkey": vkey_form, "root_vkey": vkey_form, "r": RANDOM},
    "stock": {"batch": NATURAL, "count": integer(1, 2**24), "keys": HASH, "sku": SKU, "r": RANDOM},
    "sale": {"order": text("[0-9A-Za-z]{6,32}"), "sku": SKU, "kind": KIND, "qty": integer(1), "amt": NATURAL,
             "cur": CUR, "buyer": HASH, "pay": HASH},
    "slots": {"ref": REF, "slots": SLOTS, "r": RANDOM},
    "refund": {"ref": REF, "amt": NATURAL, "cur": CUR, "why": WHY, "r": RANDOM},
    "replace": {"ref": REF, "out": SLOTS, "slots": SLOTS, "why": WHY, "r": RANDOM},
    "void": {"slots": SLOTS, "why": WHY, "r": RANDOM},
    "erase": {"ref": REF, "r": RANDOM},
    "admin": {"what": text("payee|staff|key_export|settings|backup"), "who": HASH},
    "mark": {"r": RANDOM},
    "audit": {"nonce": text("[0-9A-Za-z_-]{1,128}"), "r": RANDOM},
    "rotate": {"vkey": vkey_form, "sig_root": hexes(64), "sig_old": hexes(64), "r": RANDOM},
    "clock": {"skew_ms": integer(-2**53 + 1), "r": RANDOM},
}
COMMON = {"prev": HASH, "seq": NATURAL, "t": NATURAL, "type": text("[a-z]+"), "v": integer(1, 1)}


def parse_slots(v):
    """[(batch, first, last)] in canonical form."""
    out = []
    for part in v.split(","):
        found = re.fullmatch("(0|[1-9][0-9]{0,15}):(0|[1-9][0-9]{0,15})(?:-([1-9][0-9]{0,15}))?", part)
        need(found, MALFORMED, "slots")
        batch, first = int(found[1]), int(found[2])
        last = first if found[3] is None else int(found[3])
        need(found[3] is None or first < last, MALFORMED, "a range of slots")
        need(not out or (batch, first) > (out[-1][0], out[-1][2] + 1), MALFORMED, "slots are not ascending and merged")
        out.append((batch, first, last))
    return out


def parse_entry(line):
    need(len(line) <= 1024, MALFORMED, "a line over 1024 bytes")
    try:
        e = json.loads(line.decode("ascii"))
        same = json.dumps(e, sort_keys=True, separators=(",", ":")).encode() == line
    except ValueError:
        raise Fault(MALFORMED, "not JSON") from None
    need(same and isinstance(e, dict), MALFORMED, "not canonical")
    for v in e.values():
        flat = type(v) is int and abs(v) < 2**53 or type(v) is str and re.fullmatch(r'[ !#-\[\]-~]*', v)
        need(flat, MALFORMED, "a value outside the profile")
    need(e.get("type") in TYPES, MALFORMED, "an unknown type")
    kinds = COMMON | TYPES[e["type"]]
    if e["type"] == "open" and "prior" in e:
        kinds |= RESTORED
    if e["type"] == "sale" and e.get("kind") == "pool":
        kinds["slots"] = SLOTS
    if e["type"] == "mark":
        kinds |= {k: kind for k, kind in (("beacon", text(".*")), ("down_ms", NATURAL)) if k in e}
    need(e.keys() == kinds.keys(), MALFORMED, "keys that its type does not have, or not all of them")
    need((e["type"] == "open") == (e["seq"] == 0), MALFORMED, "`open` is seq 0, and only there")
    for k, kind in kinds.items():
        need(kind(e[k]), MALFORMED, f"value of {k}")
    return e


def entry_hash(line):
    return derive_key("keystall 2026-11 ledger entry v1", line)


def commitment(salt, name, value):
    return derive_key("keystall 2026-11 field commitment v1", salt + bytes([len(name)]) + name.encode() + value)


# --- What entries mean together (sections 1, 5, 6) -------------------------------------------------------------
class State:
    def __init__(self, pinned):
        self.pinned, self.origin, self.keys, self.trusted = pinned, None, [(0, pinned[0])], True  # keys: (above this size, vkey)
        self.time, self.beat, self.sales, self.batches, self.used, self.void = 0, 0, {}, [], set(), 0
        self.open_sale, self.gaps = None, []

    def take(self, e, slots, sku=None):
        taken = set()
        for batch, first, last in parse_slots(slots):
            need(batch < len(self.batches), TAMPERED, "slots of a batch that was not imported before")
            need(last < self.batches[batch]["count"], TAMPERED, "a slot outside its batch")
            need(sku in (None, self.batches[batch]["sku"]), TAMPERED, "a slot of another product")
            taken |= {(batch, i) for i in range(first, last + 1)}
        need(not taken & self.used, TAMPERED, f"a slot was handed out twice: {sorted(taken & self.used)[:1]}")
        self.used |= taken
        for batch, _ in taken:
            field = {"void": "voided", "replace": "replaced"}.get(e["type"], "sold")
            self.batches[batch][field] = self.batches[batch].get(field, 0) + 1
        return taken

    def sale_of(self, e):
        need(e["ref"] in self.sales, TAMPERED, "ref names no sale")
        return self.sales[e["ref"]]

    def close_sale(self):
        s, self.open_sale = self.open_sale, None
        need(not s or s["kind"] != "pool" or len(s["held"]) == s["qty"], TAMPERED, "a sale's slots do not number qty")

    def apply(self, e, seq):
        kind = e["type"]
        need(e["t"] >= self.time, TAMPERED, "time goes back")
        self.time = e["t"]
        if kind != "slots":
            self.close_sale()
        if kind in ("open", "mark"):
            self.heartbeat(seq, e["t"], e.get("down_ms", 0))
        getattr(self, "on_" + kind, lambda *_: None)(e, seq)

    def heartbeat(self, seq, t, down=0):
        if seq and t - self.beat - down > 26 * 3600 * 1000:
            self.gaps.append(f"no heartbeat for {(t - self.beat) // 3600000} h before entry {seq}")
        self.beat = t

    def on_open(self, e, _):
        key = parse_vkey(e["vkey"])
        need("prior" not in e, TAMPERED, "generation 0 has none before it")
        need(key[0] == e["origin"], MALFORMED, "the log key has another name")
        self.origin, self.root_key, self.keys, self.trusted = e["origin"], parse_vkey(e["root_vkey"]), [(0, key)], key in self.pinned

    def on_stock(self, e, _):
        need(e["batch"] == len(self.batches), TAMPERED, "batches do not count up")
        self.batches.append(e)

    def on_sale(self, e, seq):
        self.sales[seq] = self.open_sale = e
        e["left"], e["held"], e["gone"] = e["amt"], set(), set()
        if e["kind"] == "pool":
            e["held"] |= self.take(e, e["slots"], e["sku"])

    def on_slots(self, e, _):
        s = self.sale_of(e)
        need(s is self.open_sale and s["kind"] == "pool", TAMPERED, "`slots` does not follow its sale at once")
        s["held"] |= self.take(e, e["slots"], s["sku"])

    def on_refund(self, e, _):
        s = self.sale_of(e)
        s["left"] -= e["amt"]
        need(e["cur"] == s["cur"] and s["left"] >= 0, TAMPERED, "refunds pass the sale or change its currency")

    def on_replace(self, e, _):
        s = self.sale_of(e)
        out = {(b, i) for b, f, l in parse_slots(e["out"]) if l < 2**24 for i in range(f, l + 1)}
        need(out and out <= s["held"], TAMPERED, "`out` was not handed out by `ref`, or replaced before")
        got = self.take(e, e["slots"], s["sku"])
        need(len(got) == len(out), TAMPERED, "as many slots as `out`")
        s["held"] = s["held"] - out | got

    def on_void(self, e, _):
        self.take(e, e["slots"])

    def on_erase(self, e, _):
        self.sale_of(e)

    def on_rotate(self, e, seq):
        message, key = f"keystall 2026-11 rotate v1\n{self.origin}\n{seq}\n{e['vkey']}".encode(), parse_vkey(e["vkey"])
        need(key[0] == self.origin, TAMPERED, "the new key has another name")
        for signer, field in ((self.root_key, "sig_root"), (self.keys[-1][1], "sig_old")):
            need(ed25519_verify(signer[2], message, bytes.fromhex(e[field])), TAMPERED, f"{field} of a rotation")
        self.keys.append((seq + 1, key))  # size seq + 1 is still the old key's

    def check_note(self, note):
        """A note's signature is by the log key of its size (MUST, section 8)."""
        valid = [k for _, k in self.keys if self.trusted and note.signed_by(k) is not None]
        need(valid, INCOMPLETE, f"checkpoint {note.size} carries no signature by a pinned key")
        now = [key for above, key in self.keys if note.size > above or above == 0][-1]
        need(note.signed_by(now), TAMPERED, f"checkpoint {note.size}: the signature is wrong or by a key outside its range")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def read_lines(path):
    """(lines, whether the file ends as it should)."""
    data = read(path) if os.path.exists(path) else b""
    return data.split(b"\n")[:-1], data == b"" or data.endswith(b"\n")


def read_marks(folder, faults):
    notes, (lines, whole) = [], read_lines(os.path.join(folder, "marks.ndjson"))
    for i, line in enumerate(lines + ([] if whole else [b""])):
        try:
            m = json.loads(line.decode("ascii"))
            same = json.dumps(m, sort_keys=True, separators=(",", ":")).encode() == line
            need(same and isinstance(m, dict) and m.keys() == {"note", "size"}, MALFORMED, f"mark {i} is not canonical")
            need(isinstance(m["note"], str) and type(m["size"]) is int, MALFORMED, f"mark {i}")
            note = Note(m["note"])
            need(note.size == m["size"], MALFORMED, f"mark {i} names another size")
            previous = notes[-1][1].size if notes else 0
            notes.append(((0, i), note))
            need(note.size > previous, MALFORMED, f"mark {i}: the sizes of marks do not ascend from 1")
        except ValueError:
            faults.append(((0, i), MALFORMED, f"mark {i} is not JSON"))
        except Fault as f:
            faults.append(((0, i), f.code, str(f)))
    return notes


def verify_ledger(export, vkeys, known=()):
    """All faults of an export, and lines to print."""
    folder, faults, state, tree = os.path.join(export, "gen-0"), [], State(vkeys), Tree()
    for name in ("prefix.json", "skeleton.bin", "../gen-1"):
        if os.path.exists(os.path.join(folder, name)):
            faults.append(((9, 0), INCOMPLETE, f"{name}: not read by this verifier"))
    marks = read_marks(folder, faults)
    known = [((2, i), note) for i, note in enumerate(known)]
    roots, wanted = {0: tree.root()}, {note.size for _, note in marks + known}
    lines, whole = read_lines(os.path.join(folder, "entries.ndjson"))
    prev, sound = "0" * 64, True
    for seq, line in enumerate(lines + ([] if whole else [b""])):
        try:
            e = parse_entry(line)
            if sound:
                need(e["seq"] == seq and e["prev"] == prev, TAMPERED, "seq or link")
                state.apply(e, seq)
        except Fault as f:
            faults.append(((1, seq), f.code, f"entry {seq}: {f}"))
            sound = False
            if f.code == MALFORMED:
                break
        h = entry_hash(line)
        tree.push(h)
        prev = h.hex()
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    try:
        state.close_sale()
    except Fault as f:
        faults.append(((1, tree.size), f.code, str(f)))
    good = check_notes(state, marks, known, roots, tree.size, faults)
    if tree.size:
        state.heartbeat(tree.size, state.time)
    faults += [((8, 0), INCOMPLETE, gap) for gap in state.gaps]
    signed = max((n.size for n in good), default=0)
    if not good or signed < tree.size or not tree.size:
        faults.append(((9, 1), INCOMPLETE, f"signed up to {signed} of {tree.size} entries"))
    return faults, [f"entries {tree.size}", f"roots {len(good)}/{len(marks)}", f"known {len(known)}", *balance(state.batches),
                    f"not proven: that {signed} is the latest size, that what was written is true"]


def check_notes(state, marks, known, roots, size, faults):
    """The marks that are signed and agree with the entries; two signed roots that cannot both be true are a fork."""
    signed, good = [], []
    for position, note in marks + known:
        try:
            state.check_note(note)
            signed.append((position, note))
            if note.size > size:
                faults.append((position if position[0] == 2 else (1, size), TAMPERED, f"the file ends below the signed size {note.size}"))
            elif note.size in roots and roots[note.size] != note.root:
                where = position if position[0] == 2 else (1, note.size)
                faults.append((where, TAMPERED, f"the root at size {note.size} differs"))
            elif position[0] == 0:
                good.append(note)
        except Fault as f:
            code = INCOMPLETE if position[0] == 2 and note.origin != state.origin else f.code
            faults.append((position, code, str(f)))
    for _, a in signed:
        for _, b in signed:
            agrees = roots.get(b.size) == b.root and b.size <= size  # so b signs the entries, all the way down to a
            if a.size == b.size and a.root != b.root or a.size < b.size and agrees and roots[a.size] != a.root:
                faults.append(((0, 0), FORK, f"two signed roots, of sizes {a.size} and {b.size}, cannot both be true"))
    return good


def balance(batches):
    rows = {}
    for b in batches:
        row = rows.setdefault(b["sku"], [0, 0, 0, 0])
        for i, field in enumerate(("count", "sold", "replaced", "voided")):
            row[i] += b.get(field, 0)
    return [f"stock {sku}: {c} - {s} - {r} - {v} = {c - s - r - v} left" for sku, (c, s, r, v) in sorted(rows.items())]


# --- Receipt (section 7) ---------------------------------------------------------------------------------------
class Receipt:
    """The form of a receipt; `check` is what it must mean."""

    def __init__(self, content):
        need(content.endswith("\n"), MALFORMED, "a receipt ends in a line feed")
        self.lines = content[:-1].split("\n")
        need(self.lines.pop(0) == "keystall-receipt/v1", MALFORMED, "not a receipt")
        self.entry = self.entries("entry")
        need(len(self.entry) == 1 and self.entry[0][1]["type"] == "sale", MALFORMED, "one sale")
        self.opens = [self.split(p, 3) for p in self.some("open")]
        self.keys = [self.split(p, 3, 4) for p in self.some("key")]
        self.stock, self.more = self.entries("stock"), self.entries("more")
        need(all(e["type"] == "stock" for _, e in self.stock), MALFORMED, "`stock` is not a stock entry")
        need(all(e["type"] in ("slots", "replace") for _, e in self.more), MALFORMED, "`more` is another type")
        self.parse_fields()
        self.blocks = []
        while self.lines:
            self.blocks.append(self.block())
        need(len(self.blocks) == 1 + len(self.stock) + len(self.more), MALFORMED, "one proof for each entry")

    def some(self, word):
        found = []
        while self.lines and self.lines[0].startswith(word + " "):
            found.append(self.lines.pop(0)[len(word) + 1:])
        return found

    def entries(self, word):
        return [(p.encode(), parse_entry(p.encode())) for p in self.some(word)]

    @staticmethod
    def split(rest, *counts):
        parts = rest.split(" ")
        need(len(parts) in counts, MALFORMED, "parts of a line")
        return parts

    def parse_fields(self):
        need(len({name for name, *_ in self.opens}) == len(self.opens), MALFORMED, "a field is opened twice")
        for part in self.opens:
            need(part[0] in ("buyer", "pay") and hexes(32)(part[1]), MALFORMED, "`open`")
            part[1:] = bytes.fromhex(part[1]), b64(part[2])
        for part in self.keys:
            slot = parse_slots(part[0])
            need(len(slot) == 1 and slot[0][1] == slot[0][2] and hexes(32)(part[1]), MALFORMED, "`key`")
            path = part[3].split(",") if len(part) == 4 else []
            need(all(hexes(32)(h) for h in path), MALFORMED, "path of a `key`")
            part[:] = slot[0][:2], bytes.fromhex(part[1]), b64(part[2]), [bytes.fromhex(h) for h in path]

    def block(self):
        take = lambda: self.lines.pop(0) if self.lines else ""
        need(take() == "c2sp.org/tlog-proof@v1", MALFORMED, "a proof block, or a line out of order")
        index = re.fullmatch("index (0|[1-9][0-9]{0,15})", take())
        need(index, MALFORMED, "index of a proof")
        path = []
        while self.lines and self.lines[0]:
            path.append(b64(take(), 32))
        take()
        note = [take() for _ in range(4)]
        while self.lines and self.lines[0].startswith("\u2014"):
            note.append(take())
        return int(index[1]), path, Note("\n".join(note) + "\n")

    def check(self, vkeys):
        """Every MUST of section 7, as a list of faults in reading order."""
        sale = self.entry[0][1]
        held = slot_set(sale["slots"]) if sale["kind"] == "pool" else set()
        for _, e in self.more:
            need(e["ref"] == sale["seq"], TAMPERED, "`more` belongs to another sale")
            held |= slot_set(e["slots"])
        for name, salt, value in self.opens:
            need(commitment(salt, name, value).hex() == sale[name], TAMPERED, f"`open` does not open {name}")
        stock = {e["batch"]: e for _, e in self.stock}
        need(len(stock) == len(self.stock) and stock.keys() == {k[0][0] for k in self.keys}, MALFORMED, "one `stock` a batch")
        need(len({tuple(k[0]) for k in self.keys}) == len(self.keys), TAMPERED, "a slot is named twice")
        for (batch, index), salt, key, path in self.keys:
            need(index < stock[batch]["count"] and stock[batch]["sku"] == sale["sku"], TAMPERED, "the batch of a `key`")
            need((batch, index) in held, TAMPERED, f"slot {batch}:{index} is not of this sale")
            k = derive_key("keystall 2026-11 key commitment v1", salt + key)
            root = root_by_path(k, index, stock[batch]["count"], path)
            need(root and root.hex() == stock[batch]["keys"], TAMPERED, f"the key of slot {batch}:{index}")
        for (line, e), (index, path, note) in zip(self.entry + self.stock + self.more, self.blocks):
            by = [note.signed_by(v) for v in vkeys]
            need(False not in by, TAMPERED, "a signature is wrong")
            need(index == e["seq"] and root_by_path(entry_hash(line), index, note.size, path) == note.root, TAMPERED, "a proof")
            need(True in by, INCOMPLETE, "a checkpoint carries no signature by a pinned key")


def slot_set(v):
    need(all(last < 2**24 for *_, last in parse_slots(v)), TAMPERED, "a slot outside any batch")
    return {(b, i) for b, first, last in parse_slots(v) for i in range(first, last + 1)}


def verify_receipt(content, vkeys, known=()):
    faults, receipt = [], None
    try:
        receipt = Receipt(content)
        receipt.check(vkeys)
    except Fault as f:
        faults.append(((1, 0), f.code, str(f)))
    notes = [note for *_, note in receipt.blocks] if receipt else []
    for note in known:
        if not any(note.signed_by(v) for v in vkeys):
            faults.append(((2, 0), INCOMPLETE, "a known note is not signed by a pinned key"))
        elif (note.origin, note.size) not in {(n.origin, n.size) for n in notes}:
            faults.append(((2, 0), INCOMPLETE, "a known note of another size cannot be compared with this receipt"))
    seen = {}
    for note in [n for n in [*notes, *known] if any(n.signed_by(v) for v in vkeys)]:
        if seen.setdefault((note.origin, note.size), note.root) != note.root:
            faults.append(((0, 0), FORK, f"two signed roots of size {note.size}"))
    return faults, []


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["ledger", "receipt"])
    parser.add_argument("path")
    parser.add_argument("--vkey", action="append", required=True)
    parser.add_argument("--known", action="append", default=[])
    options = parser.parse_args(arguments)  # exits 2 by itself
    try:
        vkeys = [parse_vkey(v) for v in options.vkey]
        known_texts = [read(p).decode("utf-8") for p in options.known]
        (os.listdir if options.what == "ledger" else read)(options.path)
    except (Fault, OSError, ValueError) as error:
        print(f"usage: {error}", file=sys.stderr)
        return USAGE
    try:
        known = [note for content in known_texts for note in known_notes(content)]
        if options.what == "ledger":
            faults, lines = verify_ledger(options.path, vkeys, known)
        else:
            faults, lines = verify_receipt(read(options.path).decode("utf-8"), vkeys, known)
    except UnicodeDecodeError:
        faults, lines = [((0, 0), MALFORMED, "not UTF-8")], []
    except Fault as f:
        faults, lines = [((0, 0), f.code, f"known: {f}")], []
    code, reason = verdict(faults)
    print("\n".join([*lines, f"exit {code}: {reason}"]))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""A verifier of Keystall's receipt ledger, format 1, in one file: read it from the top beside src/ledger/format.md.

It makes every check of sections 1 to 10 on a receipt or an export (of an archive through the `zstd` program), with the
standard library alone. Left out: of time stamps all but their imprint (`openssl ts -verify` knows the rest), and fork
proofs. Exits: 0 every check passed, 1 tampering, 2 usage, 3 malformed, 4 incomplete, 5 fork,
70 the verifier itself failed.
"""
import argparse, base64, collections, datetime, email, hashlib, io, json, os, pathlib, re, struct, subprocess, sys, tarfile
from functools import lru_cache, reduce
# --- Faults, and the grammar. What Python itself refuses with a ValueError (UTF-8, JSON) is malformed too.
TAMPERED, USAGE, MALFORMED, INCOMPLETE, FORK, FAILED = 1, 2, 3, 4, 5, 70
class Fault(ValueError):
    """An exit and why."""
def need(good, text, code=TAMPERED):
    if not good: raise Fault(code, text)
def form(good, text): need(good, text, MALFORMED)
def match(pattern, text):
    found = re.fullmatch(pattern, text)
    form(found, "not the form that format.md gives")
    return found
def natural(text):
    form(int(text) in NATURAL, "a number of 2^53 or more")
    return int(text)
def split(data):
    form(data.endswith(b"\n") or not data, "the last line is cut off")
    return data.split(b"\n")[:-1]
b64, unhex, NATURAL, NUMBER = base64.b64decode, bytes.fromhex, range(2**53), "(?:0|[1-9][0-9]{0,15})"
HEX, C, LAST, ANY, NAME = "[0-9a-f]", "[A-Za-z0-9+/]", "[AEIMQUYcgkosw048]=", "(?s:.*)", r"[^\s+\0-\x1f\x7f-\x9f]+"
HASH, SIGNATURE, SLOT = HEX + "{64}", HEX + "{128}", f"({NUMBER}):({NUMBER})"
BASE64, BASE64_32 = f"(?:{C}{{4}})*(?:{C}[AQgw]==|{C}{{2}}{LAST})?", f"{C}{{42}}{LAST}"
NOTE = rf"(({NAME})\n({NUMBER})\n({BASE64_32})\n)\n((?:\u2014 {NAME} {BASE64}\n){{1,64}})"
BLOCK = rf"c2sp\.org/tlog-proof@v1\nindex ({NUMBER})\n((?:{BASE64_32}\n){{0,63}})\n({NOTE})"
KEY = rf"key {SLOT} ({HASH}) ({BASE64})(?: ({HASH}(?:,{HASH})*))?\n"
OPEN = rf"open (buyer|pay) ({HASH}) ({BASE64})\n"
MORE = r"((?:stock .*\n)*)((?:more .*\n)*)"
POINTER = f"remote [!-~]+\ncommit (?:{HEX}{{40}}|{HEX}{{64}})\n"
RECEIPT = rf"keystall-receipt/v1\nentry (.*)\n((?:{OPEN})*)((?:{KEY})*){MORE}((?:{BLOCK})*)"
# --- BLAKE3 in derive_key mode
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8
START, END, PARENT, ROOT, CONTEXT, MATERIAL = 1, 2, 4, 8, 32, 64
MIX = [(i, 4 + (i + s) % 4, 8 + (i + 2 * s) % 4, 12 + (i + 3 * s) % 4) for s in (0, 1) for i in range(4)]
def compress(cv, block, counter, flags):
    v, mask = [*cv, *IV[:4], counter, 0, len(block), flags], 2**32 - 1
    m = struct.unpack("<16I", block.ljust(64, b"\0"))
    for _ in range(7):
        for i, (p, q, r, s) in enumerate(MIX):
            a, b, c, d = v[p], v[q], v[r], v[s]
            for word, right, left in ((m[2 * i], 16, 12), (m[2 * i + 1], 8, 7)):
                a = a + b + word & mask; d ^= a; d = d >> right | d << 32 - right & mask
                c = c + d & mask; b ^= c; b = b >> left | b << 32 - left & mask
            v[p], v[q], v[r], v[s] = a, b, c, d
        m = [m[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]
def blake3(cv, data, flags, counter=0):
    """Eight words: of a chunk of at most 1024 bytes block after block, of more data as the parent of two subtrees."""
    if len(data) > 1024:
        half = 1024 << ((len(data) - 1) // 1024).bit_length() - 1
        halves = (data[:half], counter), (data[half:], counter + half // 1024)
        words = [word for part, at in halves for word in blake3(cv, part, flags & ~ROOT, at)]
        return compress(cv, struct.pack("<16I", *words), 0, flags | PARENT)
    for i in range(0, max(len(data), 1), 64):
        edge = START * (i == 0) | (END | flags & ROOT) * (i + 64 >= len(data))
        cv = compress(cv, data[i:i + 64], counter, flags & ~ROOT | edge)
    return cv
context_key = lru_cache(lambda context: blake3(IV, context.encode(), CONTEXT | ROOT))
def derive_key(context, data): return struct.pack("<8I", *blake3(context_key(context), data, MATERIAL | ROOT))
# --- Ed25519, strict: S < L, points in their one spelling, none of small order
P, L, ZERO = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, (0, 1, 1, 0)
D, SQRT_M1 = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)
def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P
def times(n, p): return reduce(lambda q, bit: add(add(q, q), p) if bit == "1" else add(q, q), f"{n:b}", ZERO)
@lru_cache(4096)
def decompress(raw):
    """The point that 32 bytes spell; None if there is none, or one of small order."""
    y = int.from_bytes(raw, "little") & 2**255 - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if (x * x - x2) % P == 0 else x * SQRT_M1 % P
    x = x if x & 1 == raw[31] >> 7 else P - x
    return None if y >= P or (x * x - x2) % P or times(8, (x, y, 1, x * y % P))[0] == 0 else (x, y, 1, x * y % P)
BASE = decompress(unhex("58" + "66" * 31))
@lru_cache(4096)
def ed25519_verify(public, message, signature):
    if len(signature) != 64: return False
    a, r, s = decompress(public), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if not a or not r or s >= L: return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(k, a))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
# --- Tree (RFC 6962), verifier keys and notes (C2SP)
def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def push(parts, size, data):
    """One more leaf. A tree is one root for each bit of its size, the largest first."""
    node = sha(b"\0", data)
    while size & 1: node, size = sha(b"\1", parts.pop(), node), size >> 1
    parts.append(node)
def root(parts): return reduce(lambda right, left: sha(b"\1", left, right), reversed(parts)) if parts else sha()
def root_by_path(data, index, size, path):
    """The root that an inclusion proof leads to; None if it has another length."""
    if size <= 1 or not path or index >= size:
        return sha(b"\0", data) if (index, size, [*path]) == (0, 1, []) else None
    half = 1 << (size - 1).bit_length() - 1
    below = root_by_path(data, index % half, half if index < half else size - half, path[:-1])
    return below and (sha(b"\1", below, path[-1]) if index < half else sha(b"\1", path[-1], below))
def parse_vkey(text, kind=1):
    """(name, id, key) of a log key or, of kind 4, a witness."""
    name, digest, key = match(rf"({NAME})\+({HEX}{{8}})\+({BASE64})", text).groups()
    same = b64(key)[0:1] == bytes([kind]) and sha(name.encode(), b"\n", b64(key))[:4].hex() == digest
    form(same and len(b64(key)) == 33 and decompress(b64(key)[1:]), "not a verifier key, or one not copied whole")
    return name, unhex(digest), b64(key)[1:]
class Note:
    def __init__(self, text):
        form(len(text.encode()) <= 65536, "a note too long")
        self.body, self.origin, size, root, lines = match(NOTE, text).groups()
        self.size, self.root = natural(size), b64(root)
        self.signatures = [(name, b64(raw)) for name, raw in re.findall(rf"\u2014 ({NAME}) (.+)\n", lines)]
        form(all(len(raw) > 4 for _, raw in self.signatures), "a signature without bytes")
    def signed_by(self, vkey, witness=False):
        """True; False if a line of the key is wrong; None without one. A witness signs a time too (cosignature/v1)."""
        mine = [raw[4:] for name, raw in self.signatures if (name, raw[:4]) == vkey[:2]]
        head = lambda s: f"cosignature/v1\ntime {int.from_bytes(s[:8], 'big')}\n" if witness else ""
        good = all(ed25519_verify(vkey[2], (head(s) + self.body).encode(), s[8 * witness:]) for s in mine)
        return good if mine else None
    def verdicts(self, vkeys): return [self.signed_by(vkey) if vkey[0] == self.origin else None for vkey in vkeys]
    def pinned(self, vkeys): return False if False in self.verdicts(vkeys) else True in self.verdicts(vkeys) or None
    def cosigned(self, witnesses):
        signs = [self.signed_by(witness, True) for witness in witnesses]
        need(False not in signs, "a wrong cosignature")
        return True in signs or not signs
# --- Entries: what a value may be is a range of integers, a pattern of text, or what reads the text; [kind] is a list
def parse_slots(text):
    """[(batch, first, last)] of the one spelling of a set."""
    out = []
    for part in text.split(","):
        batch, first, last = match(f"{SLOT}(?:-({NUMBER}))?", part).groups()
        out.append((natural(batch), natural(first), natural(last or first)))
        form(not last or out[-1][1] < out[-1][2], "a range of one slot or none")
        form(not out[1:] or out[-1][:2] > (out[-2][0], out[-2][2] + 1), "slots that are not ascending and merged")
    return out
def expand(text):
    need(all(last < 2**24 for *_, last in parse_slots(text)), "a slot outside any batch")
    return {(batch, i) for batch, first, last in parse_slots(text) for i in range(first, last + 1)}
SKU, WHY = "[0-9a-z-]{1,64}", "bad|leaked|late|surplus|short|goodwill|fraud|withdrawn|restore|other"
R, LABEL, CUR = {"r": HEX + "{32}"}, "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", "[A-Z]{3,5}"
REF, ORIGIN = {"ref": NATURAL, **R}, rf"(?=[^/]{{1,64}}/){LABEL}(?:\.{LABEL})*/{HEX}{{8}}"
EVERY = {"prev": HASH, "seq": NATURAL, "t": NATURAL, "type": ANY, "v": range(1, 2)}
TYPES = {"open": {"origin": ORIGIN, "vkey": parse_vkey, "root_vkey": parse_vkey, **R},
         "stock": {"batch": NATURAL, "count": range(1, 2**24 + 1), "keys": HASH, "sku": SKU, **R},
         "sale": {"order": "[0-9A-Za-z]{6,32}", "sku": SKU, "kind": "pool|generated|shared|link|file|supplier|hand",
                  "qty": range(1, 2**53), "amt": NATURAL, "cur": CUR, "buyer": HASH, "pay": HASH},
         "slots": {"slots": parse_slots, **REF}, "refund": {"amt": NATURAL, "cur": CUR, "why": WHY, **REF},
         "replace": {"out": parse_slots, "slots": parse_slots, "why": WHY, **REF}, "erase": REF, "mark": R,
         "void": {"slots": parse_slots, "why": WHY, **R}, "audit": {"nonce": "[0-9A-Za-z_-]{1,128}", **R},
         "admin": {"what": "payee|staff|key_export|settings|backup", "who": HASH},
         "clock": {"skew_ms": range(1 - 2**53, 2**53), **R},
         "rotate": {"vkey": parse_vkey, "sig_root": SIGNATURE, "sig_old": SIGNATURE, **R}}
RESTORED = {"prior": ORIGIN, "prior_head": HASH, "prior_size": NATURAL, "prior_signed": NATURAL, "sig_root": SIGNATURE}
OPTIONAL = {"open": RESTORED, "sale": {"slots": parse_slots}, "mark": {"beacon": ANY, "down_ms": NATURAL}}
def fits(x, kind):
    if isinstance(kind, list): return isinstance(x, list) and all(fits(y, kind[0]) for y in x)
    if isinstance(kind, range): return type(x) is int and x in kind
    return isinstance(x, str) and (kind(x) if callable(kind) else re.fullmatch(kind, x))
def record(line, kinds=None):
    """A JSON object in its one spelling, of exactly these keys, or those of its type."""
    e = json.loads(line.decode("ascii"))
    same = isinstance(e, dict) and json.dumps(e, sort_keys=True, separators=(",", ":")).encode() == line
    form(same, "JSON in another spelling")
    kind = str(e.get("type"))
    some = {key: x for key, x in OPTIONAL.get(kind, {}).items() if key in e}
    kinds = kinds or {**EVERY, **TYPES.get(kind, {}), **some}
    form(e.keys() == kinds.keys() and all(fits(x, kinds[key]) for key, x in e.items()), "a wrong key or value")
    return e
def parse_entry(line):
    form(len(line) <= 1024 and re.fullmatch(rb"[ -\[\]-~]*", line), "a line too long, or bytes that it may not hold")
    e = record(line)
    form(e["type"] in TYPES and (e["type"] == "open") == (e["seq"] == 0), "`open` is seq 0, and only there")
    form(e["type"] != "open" or e["vkey"].startswith(e["origin"] + "+"), "the log key has another name")
    form(e["type"] != "open" or len(e.keys() & RESTORED.keys()) in (0, 5), "not all of what a restore says")
    form(e["type"] != "sale" or ("slots" in e) == (e["kind"] == "pool"), "slots of what is not from stock, or none")
    return e
def entry_hash(line): return derive_key("keystall 2026-11 ledger entry v1", line)
# --- Receipts
class Receipt:
    """The form of a receipt; `check` is what it must mean, but for its signatures."""
    def __init__(self, text):
        form(len(text.encode()) <= 2**25, "a receipt too long")
        entry, opens, keys, stocks, more, blocks = match(RECEIPT, text).group(1, 2, 6, 12, 13, 14)
        self.opens = [(name, unhex(salt), b64(value)) for name, salt, value in re.findall(OPEN, opens)]
        self.keys = [((natural(batch), natural(i)), unhex(salt), b64(key), [unhex(h) for h in path.split(",") if h])
                     for batch, i, salt, key, path in re.findall(KEY, keys)]
        self.lines = [line.encode() for line in (entry, *re.findall("(?:stock|more) (.*)\n", stocks + more))]
        self.entries, n = [parse_entry(line) for line in self.lines], 1 + stocks.count("\n")
        self.stock, self.more = {e.get("batch"): e for e in self.entries[1:n]}, self.entries[n:]
        self.blocks = [(natural(b[0]), [b64(h) for h in b[1].split()], Note(b[2])) for b in re.findall(BLOCK, blocks)]
        types = "sale" + " stock" * (n - 1) + "( slots| replace)" * len(self.more)
        form(re.fullmatch(types, " ".join(e["type"] for e in self.entries)), "an entry of another type")
        form({slot[0] for slot, *_ in self.keys} == self.stock.keys(), "not one stock line for each batch")
        form(len(self.stock) == n - 1 and len(self.blocks) == len(self.lines), "a stock line twice, or a proof too few")
        form(len({e["seq"] for e in self.more}) == len(self.more), "a `more` line twice")
        form(len({name for name, *_ in self.opens}) == len(self.opens), "a field opened twice")
    def check(self):
        sale, held = self.entries[0], {slot for e in self.entries if "slots" in e for slot in expand(e["slots"])}
        for name, salt, value in self.opens:
            need(commitment(salt, name, value).hex() == sale[name], f"the value of {name} is not the one committed")
        need(all(e["ref"] == sale["seq"] for e in self.more), "`more` belongs to another sale")
        need(all(e["sku"] == sale["sku"] for e in self.stock.values()), "a batch of another sku")
        for slot, salt, key, path in self.keys:
            k, batch = derive_key("keystall 2026-11 key commitment v1", salt + key), self.stock[slot[0]]
            proven = root_by_path(k, slot[1], batch["count"], path) == unhex(batch["keys"])
            need(proven and slot in held, f"not the key of slot {slot}, or not a slot of this sale, or named twice")
            held.remove(slot)
        for line, e, (index, path, note) in zip(self.lines, self.entries, self.blocks):
            proven = index == e["seq"] and root_by_path(entry_hash(line), index, note.size, path) == note.root
            need(proven, f"entry {e['seq']} is not in the tree that was signed")
            need(e["type"] == "stock" or note.origin == self.blocks[0][2].origin, "the sale's lines are of two logs")
def commitment(salt, name, value):
    return derive_key("keystall 2026-11 field commitment v1", salt + bytes([len(name)]) + name.encode() + value)
def known_notes(text):
    if not text.startswith("keystall-receipt/"): return [Note(text)]
    receipt = Receipt(text)
    receipt.check()
    return [note for *_, note in receipt.blocks]
def verify_receipt(text, o):
    """What is missing. Raises what is wrong."""
    known, receipt, roots = [note for text in o.known for note in known_notes(text)], Receipt(text), {}
    notes = [note for *_, note in receipt.blocks]
    for note in [note for note in notes + known if note.pinned(o.vkey)]:
        need(roots.setdefault((note.origin, note.size), note.root) == note.root, "two signed roots of one size", FORK)
    receipt.check()
    need(all(note.pinned(o.vkey) is not False for note in notes), "a wrong signature of a pinned key")
    missing = {"a checkpoint that no pinned key signed": not all(note.pinned(o.vkey) for note in notes + known),
               "a known size to compare": {(n.origin, n.size) for n in known} - {(n.origin, n.size) for n in notes},
               "a cosignature": not all([n.cosigned(o.witness) for n in notes if n.origin == notes[0].origin])}
    return [text for text, bad in missing.items() if bad]
# --- A ledger, one generation after another
class Ledger:
    """An export: its stock and trust go on over all generations; `generation` begins what each has of its own."""
    def __init__(self, files, o):
        self.files, self.o, self.said, self.missing, self.hits, self.nonces = files, o, [], [], 0, {None}
        self.stock, self.batches, self.partial = collections.defaultdict(lambda: [0] * 4), {}, False
        self.used, self.replaced, self.beyond, self.last, self.root, self.newest = set(), set(), [], None, None, None
        self.origins = set()
        self.known = [note for text in o.known for note in known_notes(text)]
        for number, kind in enumerate(forms(files)):
            self.generation(f"gen-{number}/", kind)
            self.settle(f"gen-{number}/")
        need(not self.beyond, "the entries end below a known size")
        self.lack(self.known, "a known note of a log that is not here")
        self.lack(not self.hits, "no entry, or none in that time")
        self.lack(o.nonce not in self.nonces, "the nonce was not found")
        self.lack(self.last[3], "the last entries are not signed")
        self.lack(self.newest and not self.newest.cosigned(o.witness), "no cosignature by a witness asked for")
    def lack(self, bad, text): self.missing += [text] * bool(bad)
    def generation(self, path, kind):
        self.kind, self.start, self.size, self.parts, self.head = kind, 0, 0, [], bytes(32)
        self.origin, self.keys, self.marks, self.roots, self.sales = "", [], {}, {}, {}
        self.sale = self.before = self.time = self.beat = self.wrong = None
        for line in split(self.files[path + "marks.ndjson"]):
            mark = record(line, {"note": ANY, "size": NATURAL})
            note = Note(mark["note"])
            twin = self.marks.get(note.size, note)
            need(note.pinned(self.o.vkey) is not False, f"checkpoint {note.size}: a wrong signature of a pinned key")
            both = (twin.origin, twin.root == note.root) == (note.origin, False) and twin.pinned(self.o.vkey) and note.pinned(self.o.vkey)
            need(not both, f"two signed roots of size {note.size}", FORK)
            form(note.size == mark["size"] > next(reversed(self.marks), 0), "sizes that do not ascend from 1")
            self.marks[note.size] = self.newest = note
        self.lack(not self.marks, f"{path} holds no checkpoint")
        data = self.files[path + ("skeleton.bin" if kind == "skeleton" else "entries.ndjson")]
        leaves = map(self.entry, data.splitlines(True))
        if kind == "range": self.prefix(self.files[path + "prefix.json"], self.files[path + "carried.ndjson"], not data)
        if kind == "skeleton":
            self.origin = next(iter(self.marks.values())).origin if self.marks else ""
            if self.origin in self.origins: self.wrong = Fault(TAMPERED, "an origin that an earlier generation has")
            form(self.wrong or len(data) % 32 == 0, "a skeleton whose bytes are no hashes")
            self.lack(self.beyond, "a skeleton cannot tell what a restore lost")
            self.beyond = []
            leaves = [data[i:i + 32] for i in range(0, len(data), 32)]
            self.hits += len(leaves) * ((self.o.since, self.o.until) == ALWAYS)
        self.reach()
        for self.head in leaves:
            push(self.parts, self.size, self.head)
            self.size += 1
            self.reach()
        if not self.wrong: self.end_sale()
        self.heartbeat(self.time or 0, 0)
    def prefix(self, prefix, carried, empty):
        (line,), sizes, seq, before = split(prefix), [*self.marks], -1, bytes(32)
        p = record(line, {"hashes": [HASH], "prev": HASH, "size": NATURAL[1:]})
        self.start, self.size, self.head, self.partial = p["size"], p["size"], unhex(p["prev"]), True
        self.parts = [unhex(h) for h in p["hashes"]]
        form(len(self.parts) == self.start.bit_count(), "not the hashes of that many entries")
        last_leaf = self.start % 2 == 0 or self.parts[-1] == sha(b"\0", self.head)
        need(last_leaf, "prev is not the last of the prefix's hashes")
        form(sizes == [self.start] if empty else all(size > self.start for size in sizes), "marks not of this range")
        for line in split(carried):
            c = record(line, {"line": ANY, "path": [HASH]})
            e, h = parse_entry(c["line"].encode()), entry_hash(c["line"].encode())
            in_place = e["type"] in ("open", "stock", "rotate") and seq < e["seq"] < self.start
            form(in_place, "a carried line out of place")
            form(seq >= 0 or e["seq"] == 0, "the `open` is not carried")
            path = [unhex(text) for text in c["path"]]
            proven = not sizes or root_by_path(h, e["seq"], sizes[-1], path) == self.newest.root
            need(proven, f"carried entry {e['seq']} is not in the signed tree")
            need(e["seq"] != seq + 1 or e["prev"] == before.hex(), f"carried entry {e['seq']}: another prev")
            need(e["seq"] + 1 < self.start or h == self.head, "the last entry before the range is another")
            seq, before = e["seq"], h
            self.meaning(e)
        form(seq >= 0, "the `open` is not carried")
    def reach(self):
        """Holds the tree against the checkpoint of its size."""
        note, self.roots[self.size] = self.marks.get(self.size), root(self.parts)
        verdict = self.judge(note) if note else "good"
        if note and note.root != self.roots[self.size]: verdict = "not over the root of the entries"
        if verdict not in ("good", "unsigned"):
            self.wrong = self.wrong or Fault(TAMPERED, f"the checkpoint of size {self.size} is {verdict}")
    def judge(self, note):
        """Good: the log key of its size signed it, which is pinned or vouched for."""
        if self.kind == "skeleton":
            return "good" if note.origin == self.origin and note.pinned(self.o.vkey) else "unsigned"
        due = max((i for i, key in enumerate(self.keys) if key[0] < note.size), default=0)
        signs = note.verdicts([key[1] for key in self.keys])
        if False in signs: return "forged"
        if any(signs[:due] + signs[due + 1:]): return "signed by another log key than that of its size"
        return "good" if any(signs) and self.keys[due][2] else "unsigned"
    def entry(self, line):
        """Its hash. After the first fault, which counts, the tree goes on growing, so that a fork is still seen."""
        try:
            if not self.wrong: self.judge_entry(line)
        except (ValueError, RecursionError) as fault: self.wrong = fault
        return entry_hash(line.removesuffix(b"\n"))
    def judge_entry(self, line):
        form(line.endswith(b"\n"), "the last line is cut off")
        e = parse_entry(line[:-1])
        linked = e["seq"] == self.size and e["prev"] == self.head.hex()
        need(linked, f"entry {self.size} does not continue the one before")
        self.meaning(e)
        need(e["t"] >= (self.time or 0), f"entry {self.size}: time goes back")
        if self.time is None or e["type"] == "mark": self.heartbeat(e["t"], e.get("down_ms", 0))
        self.time, self.hits = e["t"], self.hits + (self.o.since <= e["t"] <= self.o.until)
        self.nonces.add(e.get("nonce"))
    def heartbeat(self, t, down):
        late = self.beat is not None and t - self.beat - down > 26 * 3_600_000
        self.lack(late, f"no heartbeat from {self.beat} to {t}")
        self.beat = t
    def end_sale(self):
        need(not self.sale or len(self.sale["held"]) == self.sale["qty"], "a sale whose slots do not number qty")
        self.sale = None
    def meaning(self, e):
        """What an entry says of keys, stock and money. What it says of a time before a range cannot be judged."""
        kind, sale, slots = e["type"], self.sales.get(e.get("ref")), set()
        if kind != "slots": self.end_sale()
        need(sale or e.get("ref", -1) < self.start, f"entry {e['seq']}: no such sale before it")
        if "slots" in e: slots = self.take(e, sale["sku"] if sale else e.get("sku"))
        if kind in ("open", "rotate"): self.change_key(e)
        elif kind == "stock":
            due = max(self.batches, default=-1) + 1
            need(e["batch"] == due or self.partial and e["batch"] > due, f"batch {e['batch']} where {due} is due")
            self.batches[e["batch"]] = e
            self.stock[e["sku"]][0] += e["count"] * (e["seq"] >= self.start)
        elif kind == "sale":
            e["held"] = slots
            self.sales[e["seq"]], self.sale = e, e if "slots" in e else None
        elif kind == "slots":
            at_once = sale is self.sale and (sale or self.before in (None, "slots"))
            need(at_once, "slots that do not follow their sale at once")
        elif kind == "refund" and sale:
            sale["amt"] -= e["amt"]
            need(sale["amt"] >= 0 and sale["cur"] == e["cur"], "refunds above the sale, or in another currency")
        elif kind == "replace":
            out = expand(e["out"])
            need(not sale or out <= sale["held"], "a replaced slot that is not of this sale")
            need(not out & self.replaced and len(slots) == len(out), "a slot replaced twice, or not by as many")
            self.replaced |= out
        if sale: sale["held"] |= slots
        self.before = kind if e["seq"] >= self.start else None
    def take(self, e, sku):
        """Slots handed out: each of a batch imported before, within it, of this sku, and never before."""
        slots = expand(e["slots"])
        for batch, first, last in parse_slots(e["slots"]):
            stock = self.batches.get(batch)
            need(stock or self.partial, f"batch {batch} was not imported before")
            self.lack(not stock, f"the import of batch {batch} is not in this range")
            good = not stock or last < stock["count"] and sku in (None, stock["sku"])
            need(good, f"a slot outside batch {batch}, or of another sku")
            column = {"replace": 2, "void": 3}.get(e["type"], 1)
            self.stock[stock["sku"] if stock else "?"][column] += last - first + 1
        need(not slots & self.used, f"a slot is handed out twice: {slots & self.used}")
        self.used |= slots
        return slots
    def change_key(self, e):
        key, root, last = parse_vkey(e["vkey"]), parse_vkey(e.get("root_vkey", e["vkey"])), self.last
        signed = lambda by, vkey, m: ed25519_verify(vkey[2], "\n".join(map(str, m)).encode(), unhex(e[by]))
        if e["type"] == "rotate":
            m = "keystall 2026-11 rotate v1", self.origin, e["seq"], e["vkey"]
            both = signed("sig_old", self.keys[-1][1], m) and signed("sig_root", self.root[0], m)
            need(key not in [old[1] for old in self.keys], "a rotation to a log key that was used before")
            need(key[0] == self.origin and both, "a rotation that the old log key or the origin key did not sign")
            return self.keys.append((e["seq"] + 1, key, self.keys[-1][2] or self.root[1]))
        need(e["origin"] not in self.origins, "an origin that an earlier generation has")
        need(bool(last) == ("prior" in e), "an `open` that continues nothing, or not the generation before")
        self.root, trusted = self.root or (root, root in self.o.vkey), key in self.o.vkey or last and self.root[1]
        if last:
            m = "keystall 2026-11 open v1", e["prior"], e["prior_size"], e["prior_head"], e["prior_signed"], e["vkey"]
            good = root == self.root[0] and m[1:4] == last[:3] and signed("sig_root", root, m)
            need(good, "an `open` that does not continue the generation before, or that the origin key did not sign")
        self.origin, self.keys = e["origin"], [(0, key, trusted)]
        for note in self.beyond:
            lost = trusted and e["prior_size"] < note.size <= e["prior_signed"]
            need(lost, f"the known size {note.size} is above what was lost in a restore")
            self.said.append(f"note: the known size {note.size} of {last[0]} was lost in a restore")
        self.lack(last and last[3] and not trusted, "the end of the generation before is not signed")
        self.beyond = []
    def settle(self, path):
        """What only the end of a generation can tell: marks and known notes against each other and the roots."""
        size, marks, known = self.size, [*self.marks.values()], self.known
        ours, self.known = ([note for note in known if (note.origin == self.origin) is here] for here in (True, False))
        valid = [note for note in marks + ours if self.judge(note) == "good"]
        wrong = any(note.size > size for note in marks) or "signed" in [self.judge(note)[:6] for note in marks + ours]
        wrong = wrong or "forged" in [self.judge(note) for note in marks]
        self.lack(len(valid) < len(marks + ours), "a checkpoint that no pinned key signed or vouches for")
        self.lack(not size, f"{path} holds no entry")
        self.lack(any(note.size < self.start for note in ours), "a known size that lies before this range")
        self.beyond += [note for note in valid if note.size > size]
        same = {note.size for note in valid if self.roots.get(note.size) == note.root}
        other = [note for note in valid if self.roots.get(note.size, note.root) != note.root]
        twins = len({(note.size, note.root) for note in valid}) > len({note.size for note in valid})
        fork = twins or any(note.size <= max(same, default=-1) for note in other)
        need(not fork, "two signed roots that cannot both be true", FORK)
        if self.wrong: raise self.wrong
        need(not wrong and not other, "the entries end below a signed size, or a known root is another")
        for name in [name for name in self.files if name.startswith(path + "anchors/") and name[-1] != "/"]:
            note = self.marks.get(int(re.findall("[0-9]+", name)[-1]))
            self.lack(not note, f"{name}: an anchor without its checkpoint")
            if note: self.anchor(name[-3:], self.files[name], note)
        signed = max((note.size for note in marks if note in valid), default=0)
        self.root = self.root and (self.root[0], self.root[1] or signed > 0)
        self.origins.add(self.origin)
        self.last = self.origin, size, self.head.hex(), size - signed
        self.said.append(f"{path} {self.kind} of {self.origin}: entries {self.start} to {size - 1}, signed {signed}")
    def anchor(self, kind, data, note):
        if kind == "git": match(POINTER, data.decode("ascii"))
        if kind == "tsr": need(sha(note.body.encode()) in data, "a time stamp over other bytes")
        if kind != "eml": return
        parts = [p for p in email.message_from_bytes(data).walk() if p.get_filename() == "checkpoint.txt"]
        form(len(parts) == 1, "a mail without the one part checkpoint.txt")
        mailed = Note(parts[0].get_payload(decode=True).decode().replace("\r\n", "\n"))
        need(mailed.body == note.body, "a mail with another checkpoint than the mark")
        good = mailed.pinned(self.o.vkey) is not False and self.judge(mailed) in ("good", "unsigned")
        need(good, "a mailed checkpoint with a wrong line of a log key, or one outside its range of sizes")
# --- Exports and flags
FILES = {"whole": {"marks.ndjson", "entries.ndjson"}, "skeleton": {"marks.ndjson", "skeleton.bin"},
         "range": {"marks.ndjson", "entries.ndjson", "prefix.json", "carried.ndjson"}}
ALWAYS = -1, NATURAL[-1]
def read(path): return pathlib.Path(path).read_bytes()
def load(top):
    """{name: bytes} of a folder, where a folder's name ends in a slash, or of an archive."""
    if os.path.isdir(top):
        paths = [*pathlib.Path(top).rglob("*")]
        form(all((p.is_dir() or p.is_file()) and not p.is_symlink() for p in paths), "not regular files")
        return {p.relative_to(top).as_posix() + "/" * p.is_dir(): b"" if p.is_dir() else read(p) for p in paths}
    done = subprocess.run(["zstd", "-dcq"], input=read(top), capture_output=True)
    form(done.returncode == 0, f"zstd: {done.stderr.decode()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout), mode="r:") as tar:
        members = {m.name: m for m in tar.getmembers()}
        tail = done.stdout[max((m.offset_data + -(-m.size // 512) * 512 for m in members.values()), default=0):]
        zeros = tail == bytes(len(tail)) and len(tail) in range(1024, 11265, 512)
        form(zeros, "not two blocks of zeros and at most 10 KiB of blocks more")
        form(len(members) == len(tar.getmembers()) and all(m.isreg() for m in members.values()), "not files, each once")
        return {name: tar.extractfile(m).read() for name, m in members.items()}
def forms(files):
    """Whole, range or skeleton, of each generation."""
    found, anchor = {}, rf"anchors/(?:({NUMBER})\.(?:tsr|eml|git))?"
    known = rf"(?:marks|entries|carried)\.ndjson|prefix\.json|skeleton\.bin|{anchor}"
    for path in files:
        m = match(rf"README\.txt|gen-({NUMBER})/({known})?", path)
        if m[1]: found.setdefault(int(m[1]), set()).add(m[2] or "anchors/")
        natural(m[3] or 0)
    need(found and sorted(found) == [*range(len(found))], "no gen-0, or a generation left out", INCOMPLETE)
    for number, names in found.items():
        names = {name for name in names if name[:8] != "anchors/"}
        is_range = names & {"prefix.json", "carried.ndjson"}
        kind = "skeleton" if "skeleton.bin" in names else "range" if is_range else "whole"
        form(names <= FILES[kind] and FILES[kind] - names <= FILES["whole"], "neither whole, range nor skeleton")
        need(names == FILES[kind], "a file is missing", INCOMPLETE)
        found[number] = kind
    form(len({kind == "skeleton" for kind in found.values()}) == 1, "skeletons beside other forms")
    return [found[number] for number in sorted(found)]
def moment(text): return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ledger", "receipt"])
    for flag in ("path", "--nonce"): parser.add_argument(flag)
    parser.add_argument("--vkey", action="append", required=True, type=parse_vkey, help="a key that you trust")
    parser.add_argument("--known", action="append", default=[], help="a checkpoint or receipt that somebody kept")
    parser.add_argument("--witness", action="append", default=[], type=lambda text: parse_vkey(text, 4))
    for flag, default in zip(("--since", "--until"), ALWAYS): parser.add_argument(flag, type=moment, default=default)
    o, said = parser.parse_args(arguments), []  # ends with 2 by itself
    try:
        o.known = [read(path).decode() for path in o.known]
        ledger = Ledger(load(o.path), o) if o.what == "ledger" else None
        missing = ledger.missing if ledger else verify_receipt(read(o.path).decode(), o)
        code, why = (INCOMPLETE, "; ".join(missing)) if missing else (0, "every required check was made and passed")
        said = ledger.said if ledger else []
        for sku, (c, s, r, v) in ledger.stock.items() if ledger else ():
            left = "in this range" if ledger.partial else f"= {c - s - r - v} left"
            said.append(f"stock {sku}: {c} imported - {s} sold - {r} replaced - {v} void {left}")
    except (ValueError, RecursionError, OSError, tarfile.TarError) as error:
        code = error.args[0] if isinstance(error, Fault) else USAGE if isinstance(error, OSError) else MALFORMED
        why = error.args[-1]
    except Exception as error:  # a fault of this program is no verdict
        code, why = FAILED, repr(error)
    print(*said, f"exit {code}: {why}", "not proven: that this is the latest, that what was written is true", sep="\n")
    return code
if __name__ == "__main__": sys.exit(main(sys.argv[1:]))

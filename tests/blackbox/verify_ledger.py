#!/usr/bin/env python3
"""An independent verifier of a Keystall receipt ledger, format 1, written from src/ledger/format.md alone.

EXPORT is a folder or a .tar.zst (the `zstd` program unpacks it). Python's standard library only; exits as the format says.
A time stamp's imprint must be that of its checkpoint; its signature is left to `openssl ts -verify`.
"""
import argparse, base64, datetime, email, hashlib, io, json, os, re, struct, subprocess, sys, tarfile
from functools import lru_cache, reduce

# --- BLAKE3, derive_key mode, of many inputs at once: a word is one integer with a lane of 64 bits for each input
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MIX = [(i, 4 + (i + s) % 4, 8 + (i + 2 * s) % 4, 12 + (i + 3 * s) % 4) for s in (0, 1) for i in range(4)]
START, END, PARENT, ROOT, CONTEXT, MATERIAL = 1, 2, 4, 8, 32, 64
def compress(cv, m, counter, length, flags, ones):
    v, mask = [*cv, *(word * ones for word in (*IV[:4], counter, 0)), length, flags * ones], 0xFFFFFFFF * ones
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(MIX):
            for word, right, left in ((m[2 * i], 16, 12), (m[2 * i + 1], 8, 7)):
                v[a] = v[a] + v[b] + word & mask; v[d] ^= v[a]; v[d] = (v[d] >> right | v[d] << 32 - right) & mask
                v[c] = v[c] + v[d] & mask; v[b] ^= v[c]; v[b] = (v[b] >> left | v[b] << 32 - left) & mask
        m = [m[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]
def chunks(key, inputs, flags, counter=0):
    """Eight words for each of the inputs, which have at most 1024 bytes and as many blocks of 64."""
    n, blocks = len(inputs), max(1, -(-len(inputs[0]) // 64))
    words = struct.unpack(f"<{16 * blocks * n}I", b"".join(data.ljust(64 * blocks, b"\0") for data in inputs))
    lanes = lambda numbers: int.from_bytes(struct.pack(f"<{n}Q", *numbers), "little")
    ones, cv = lanes([1] * n), [lanes([word] * n) for word in key]
    for b in range(blocks):
        m, length = [lanes(words[16 * b + j::16 * blocks]) for j in range(16)], [min(64, len(x) - 64 * b) for x in inputs]
        now = flags & ~ROOT | START * (b == 0) | (END | flags & ROOT) * (b == blocks - 1)
        cv = compress(cv, m, counter, lanes(length), now, ones)
    return list(zip(*(struct.unpack(f"<{n}Q", word.to_bytes(8 * n, "little")) for word in cv)))
def subtree(key, data, flags, counter=0):
    if len(data) <= 1024:
        return chunks(key, [data], flags, counter)[0]
    half = 1024 << ((len(data) - 1) // 1024).bit_length() - 1  # the largest power of two of chunks below all
    left, right = ((data[:half], counter), (data[half:], counter + half // 1024))
    return compress(key, [*subtree(key, left[0], flags & ~ROOT, left[1]), *subtree(key, right[0], flags & ~ROOT, right[1])],
                    0, 64, flags | PARENT, 1)
context_key = lru_cache(lambda context: subtree(IV, context.encode(), CONTEXT | ROOT))
def derive_key(context, data):
    return struct.pack("<8I", *subtree(context_key(context), data, MATERIAL | ROOT))
def commitment(salt, name, value):
    return derive_key("keystall 2026-11 field commitment v1", salt + bytes([len(name)]) + name.encode() + value)
def entry_hashes(lines):
    hashes, alike = {}, {}
    for line in lines:
        alike.setdefault(-(-len(line) // 64), []).append(line)
    for same in alike.values():
        found = chunks(context_key("keystall 2026-11 ledger entry v1"), same, MATERIAL | ROOT)
        hashes.update(zip(same, (struct.pack("<8I", *words) for words in found)))
    return [hashes[line] for line in lines]

# --- Ed25519, strict: S < L, points in their one spelling, none of small order
P, L, ZERO = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, (0, 1, 1, 0)
D, SQRT_M1 = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)
def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P
@lru_cache(4096)
def decompress(raw):
    """A point, or None where there is none or one of small order."""
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if (x * x - x2) % P == 0 else x * SQRT_M1 % P
    x = x if x & 1 == raw[31] >> 7 else P - x
    p = eight = x, y, 1, x * y % P
    for _ in range(3):
        eight = add(eight, eight)
    return None if y >= P or (x * x - x2) % P or eight[0] == 0 else p
BASE = decompress(bytes.fromhex("58" + "66" * 31))
@lru_cache(4096)
def ed25519_verify(public, message, signature):
    a, r, s = decompress(public), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or not a or not r or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    minus_a, q = (P - a[0], a[1], 1, P - a[3]), ZERO
    table = ZERO, BASE, minus_a, add(BASE, minus_a)
    for i in reversed(range(253)):  # q becomes s BASE - k A, which must be R
        q = add(add(q, q), table[s >> i & 1 | (k >> i & 1) << 1])
    return (q[0] - r[0] * q[2]) % P == 0 and (q[1] - r[1] * q[2]) % P == 0

# --- Faults and strict readers; ValueError (base64, UTF-8, JSON) is malformed too
TAMPERED, USAGE, MALFORMED, INCOMPLETE, FORK = range(1, 6)
class Fault(ValueError):
    """An exit code and why."""
def need(good, text, code=TAMPERED):
    if not good:
        raise Fault(code, text)
def form(good, text):
    need(good, text, MALFORMED)
def b64(text, size=None):
    raw = base64.b64decode(text.encode(), validate=True)
    form(base64.b64encode(raw).decode() == text and size in (None, len(raw)), "base64 in another spelling or length")
    return raw
def natural(text):
    form(re.fullmatch("0|[1-9][0-9]{0,15}", text) and int(text) < 2**53, "a number in another spelling")
    return int(text)
def unhex(texts):
    form(all(isinstance(h, str) and re.fullmatch("[0-9a-f]{64}", h) for h in texts), "not 64 digits of hex")
    return [bytes.fromhex(h) for h in texts]
def canonical(line, /, **kinds):
    """A JSON object as json.dumps spells it; where kinds are given, of exactly these keys and types."""
    e = json.loads(line.decode("ascii"))
    same = isinstance(e, dict) and json.dumps(e, sort_keys=True, separators=(",", ":")).encode() == line
    form(same and (not kinds or {k: type(x) for k, x in e.items()} == kinds), "JSON in another spelling, or other keys")
    return e
def split(data):
    form(data.endswith(b"\n") or not data, "the last line is cut off")
    return data.split(b"\n")[:-1]

# --- Tree (RFC 6962), notes and keys (C2SP)
def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
class Tree:
    def __init__(self, size=0, parts=()):
        self.size, self.parts = size, list(parts)  # one root for each bit of the size, the largest first
    def push(self, data):
        node, n, self.size = sha(b"\0", data), self.size, self.size + 1
        while n & 1:
            node, n = sha(b"\1", self.parts.pop(), node), n >> 1
        self.parts.append(node)
    def root(self):
        return reduce(lambda right, left: sha(b"\1", left, right), reversed(self.parts)) if self.parts else sha()
def root_by_path(data, index, size, path):
    """The root that an inclusion proof leads to; None if it has another length."""
    if size <= 1 or not path or index >= size:
        return sha(b"\0", data) if (index, size, [*path]) == (0, 1, []) else None
    half = 1 << (size - 1).bit_length() - 1
    side = (index, half) if index < half else (index - half, size - half)
    below = root_by_path(data, *side, path[:-1])
    return below and (sha(b"\1", below, path[-1]) if index < half else sha(b"\1", path[-1], below))
NAME = r"[^\s+\0-\x1f\x7f-\x9f]+"
@lru_cache(4096)
def parse_vkey(text, kind=1):
    """(name, 4 bytes of hash, 32 bytes of key). Kind 1 is a log key, 4 a witness."""
    name, digest, key = (text.split("+", 2) + ["", ""])[:3]
    raw = b64(key, 33)
    same = raw[0] == kind and sha(name.encode(), b"\n", raw)[:4].hex() == digest
    form(same and re.fullmatch(NAME, name) and decompress(raw[1:]), "not a verifier key, or one not copied whole")
    return name, bytes.fromhex(digest), raw[1:]
class Note:
    def __init__(self, text):
        self.origin, size, root, blank, lines = (text.split("\n", 4) + [""] * 4)[:5]
        form(re.fullmatch(NAME, self.origin) and not blank and lines[-1:] == "\n" and len(text.encode()) <= 65536, "a note")
        self.size, self.root, self.body = natural(size), b64(root, 32), f"{self.origin}\n{size}\n{root}\n"
        found = [re.fullmatch(f"\u2014 ({NAME}) (.+)", line) for line in lines[:-1].split("\n")]
        form(all(found) and len(found) <= 64, "a line that is no signature, or too many")
        self.signatures = [(line[1], b64(line[2])) for line in found]
        form(all(len(raw) > 4 for _, raw in self.signatures), "a signature without bytes")
    def signed_by(self, vkey, witness=False):
        """True; False if a line of the key is wrong; None without one. A witness signs a time too (cosignature/v1)."""
        mine = [raw[4:] for name, raw in self.signatures if (name, raw[:4]) == vkey[:2]]
        time = lambda s: f"cosignature/v1\ntime {int.from_bytes(s[:8], 'big')}\n"
        said = [(time(s) + self.body, s[8:]) if witness else (self.body, s) for s in mine]
        return all(ed25519_verify(vkey[2], text.encode(), s) for text, s in said) if mine else None
    def pinned(self, vkeys):
        verdicts = [self.signed_by(vkey) for vkey in vkeys if vkey[0] == self.origin]
        return False if False in verdicts else True in verdicts or None

# --- Entries
MAX, LABEL = 2**53 - 1, "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
FORMS = {key: x for keys, x in {
    "prev keys buyer pay who prior_head": "[0-9a-f]{64}", "r": "[0-9a-f]{32}", "sig_root sig_old": "[0-9a-f]{128}",
    "origin prior": rf"(?=[^/]{{1,64}}/){LABEL}(\.{LABEL})*/[0-9a-f]{{8}}", "order": "[0-9A-Za-z]{6,32}",
    "sku": "[0-9a-z-]{1,64}", "cur": "[A-Z]{3,5}", "kind": "pool|generated|shared|link|file|supplier|hand",
    "why": "bad|leaked|late|surplus|short|goodwill|fraud|withdrawn|restore|other", "nonce": "[0-9A-Za-z_-]{1,128}",
    "what": "payee|staff|key_export|settings|backup", "type beacon vkey root_vkey slots out": ".*", "v": (1, 1),
    "count": (1, 2**24), "qty": (1, MAX), "skew_ms": (-MAX, MAX),
    "seq t batch amt ref down_ms prior_size prior_signed": (0, MAX)}.items() for key in keys.split()}
TYPES = {key: set(words.split()) | {"prev", "seq", "t", "type", "v"} for key, words in {
    "open": "origin vkey root_vkey r", "stock": "batch count keys sku r", "sale": "order sku kind qty amt cur buyer pay",
    "slots": "ref slots r", "refund": "ref amt cur why r", "replace": "ref out slots why r", "void": "slots why r",
    "erase": "ref r", "admin": "what who", "mark": "r", "audit": "nonce r", "rotate": "vkey sig_root sig_old r",
    "clock": "skew_ms r"}.items()}
@lru_cache(4096)
def parse_slots(text):
    """[(batch, first, last)] of the one spelling of a set."""
    out = []
    for part in text.split(","):
        found = re.fullmatch("([0-9]+):([0-9]+)(-([0-9]+))?", part)
        form(found, "slots")
        batch, first, last = natural(found[1]), natural(found[2]), natural(found[4] or found[2])
        merged = not out or (batch, first) > (out[-1][0], out[-1][2] + 1)
        form(merged and (first < last or not found[3]), "slots are not ascending and merged")
        out.append((batch, first, last))
    return out
def expand(text):
    need(all(last < 2**24 for *_, last in parse_slots(text)), "a slot outside any batch")
    return {(batch, i) for batch, first, last in parse_slots(text) for i in range(first, last + 1)}
def parse_entry(line):
    form(len(line) <= 1024 and re.fullmatch(rb"[ -\[\]-~]*", line), "a line too long, or bytes that it may not hold")
    e = canonical(line)
    kind = e.get("type") if isinstance(e.get("type"), str) else ""
    keys = TYPES.get(kind, set()) | ({"slots"} if kind == "sale" and e.get("kind") == "pool" else set())
    keys = keys | ({"beacon", "down_ms"} & e.keys() if kind == "mark" else set())
    keys = keys | ({"prior", "prior_head", "prior_size", "prior_signed", "sig_root"} if kind == "open" and "prior" in e else set())
    form(kind and e.keys() == keys, "an unknown type, or a key that it does not have, or one missing")
    for key, x in e.items():
        like, is_text = FORMS[key], isinstance(FORMS[key], str)
        good = isinstance(x, str) and re.fullmatch(like, x) if is_text else type(x) is int and like[0] <= x <= like[1]
        form(good, f"the value of {key}")
        (parse_slots if key in ("slots", "out") else parse_vkey if "vkey" in key else str)(x)
    form((kind == "open") == (e["seq"] == 0), "`open` is seq 0, and only there")
    form(kind != "open" or e["vkey"].startswith(e["origin"] + "+"), "the log key has another name")
    return e

# --- A ledger, one generation after another
OUT, UNSIGNED = "a key signed a size outside its range", "checkpoints that no pinned key signed or vouches for"
class Ledger:
    def __init__(self, files, o):
        self.files, self.o, self.missing, self.said, self.partial, self.count, self.hits = files, o, [], [], False, 0, 0
        self.batches, self.stock, self.used, self.replaced, self.beyond, self.nonces = {}, {}, set(), set(), [], set()
        self.last = self.root = self.newest = None
        self.known = [note for text in o.known for note in known_notes(text)]
        kinds = forms(files)
        for number, kind in enumerate(kinds):
            self.generation(f"gen-{number}/", kind, number + 1 == len(kinds))
        need(not self.beyond, "the entries end below a known size")
        signs = [self.newest.signed_by(witness, True) for witness in o.witness] if self.newest else []
        need(False not in signs, "a wrong cosignature")
        asked = o.since is not None or o.until is not None
        for bad, text in ((self.known, "a known note of a log that is not here"), (not self.count, "nothing was read"),
                          (self.last and self.last[3], "the last entries are not signed"),
                          (o.nonce and o.nonce not in self.nonces, "the nonce was not found"),
                          (asked and not self.hits, "no entry in that time"),
                          (o.witness and True not in signs, "no cosignature by a witness asked for")):
            self.lack(bad, text)
    def lack(self, bad, text):
        self.missing += [text] * bool(bad)
    def generation(self, path, kind, is_last):
        self.kind, self.origin, self.keys, self.sales, self.sale, self.signed = kind, "", [], {}, None, 0
        self.tree, self.start, self.head, self.roots, self.marks = Tree(), 0, bytes(32), {0: sha()}, {}
        self.time = self.beat = self.before = self.wrong = None
        for line in split(self.files[path + "marks.ndjson"]):
            mark = canonical(line, note=str, size=int)
            note = Note(mark["note"])
            form(note.size == mark["size"], "a mark's size is not its note's")
            need(note.pinned(self.o.vkey) is not False, f"checkpoint {note.size}: a wrong signature of a pinned key")
            twin = self.marks.get(note.size)
            both = twin and twin.root != note.root and twin.pinned(self.o.vkey) and note.pinned(self.o.vkey)
            need(not both, f"two signed roots of size {note.size}", FORK)
            form(note.size > max(self.marks, default=0), "the sizes of marks do not ascend from 1")
            self.marks[note.size] = self.newest = note
        self.lack(not self.marks, f"{path} holds no checkpoint")
        self.wanted = {note.size for note in self.known} | self.marks.keys()
        data = self.files[path + ("skeleton.bin" if kind == "skeleton" else "entries.ndjson")]
        if kind == "skeleton":
            self.origin = self.newest.origin if self.marks else ""
            form(len(data) % 32 == 0, "a skeleton whose bytes are no hashes")
            for i in range(0, len(data), 32):
                self.grow(data[i:i + 32])
        else:
            if kind == "range":
                self.prefix(self.files[path + "prefix.json"], self.files[path + "carried.ndjson"], not data)
            lines = data.split(b"\n")
            for i in range(0, len(lines) - 1, 2048):
                some = lines[i:min(i + 2048, len(lines) - 1)]
                for line, h in zip(some, entry_hashes(some)):
                    self.entry(line)
                    self.grow(h)
            form(not lines[-1], "the last line is cut off")
            self.end_sale()
            self.time is None or self.heartbeat(self.time, 0)
        self.settle(path, is_last)
    def prefix(self, prefix, carried, empty):
        (line,), seq, self.partial, sizes = split(prefix), -1, True, [*self.marks]
        p = canonical(line, hashes=list, prev=str, size=int)
        self.start, self.head, parts = p["size"], *unhex([p["prev"]]), unhex(p["hashes"])
        form(0 < self.start <= MAX and len(parts) == self.start.bit_count(), "these are not the hashes of that many entries")
        form(sizes == [self.start] if empty else all(size > self.start for size in sizes), "marks not of this range")
        self.tree, self.roots = Tree(self.start, parts), {}
        for line in split(carried):
            c = canonical(line, line=str, path=list)
            path, text = unhex(c["path"]), c["line"].encode("ascii")
            e = parse_entry(text)
            form(e["type"] in ("open", "stock", "rotate") and seq < e["seq"] < self.start, "a carried line out of place")
            form((seq < 0) == (e["seq"] == 0), "the `open` is not carried")
            seq = e["seq"]
            root = root_by_path(*entry_hashes([text]), seq, sizes[-1], path) if sizes else None
            need(not sizes or root == self.newest.root, f"carried entry {seq} is not in the signed tree")
            self.rules(e) if e["type"] == "stock" else self.change_key(e)
        form(seq >= 0, "the `open` is not carried")
        self.before = None
        self.reach()
    def grow(self, h):
        self.head = h
        self.tree.push(h)
        self.reach()
    def reach(self):
        """Holds the tree against the checkpoint of its size."""
        size = self.tree.size
        note = self.marks.get(size)
        if size in self.wanted:
            self.roots[size] = self.tree.root()
        if note and note.root != self.roots[size]:
            self.wrong = self.wrong or f"the signed root of size {size} is not that of the entries"
        elif note and self.judge(note):
            need(self.judge(note) == UNSIGNED, f"size {size}: {self.judge(note)}")
            self.lack(True, UNSIGNED)
        elif note:
            self.signed = size
    def judge(self, note):
        """What is wrong with who signed it; None if the log key of its size did, and is pinned or vouched for."""
        if self.kind == "skeleton":
            return None if note.origin == self.origin and note.pinned(self.o.vkey) else UNSIGNED
        wrong, due = UNSIGNED, max([i for i, key in enumerate(self.keys) if key[0] < note.size], default=0)
        for i, (_, vkey, trusted) in enumerate(self.keys):
            signed = note.signed_by(vkey) if vkey[0] == note.origin else None
            if signed is False or signed and i != due:
                return OUT if signed else "a wrong signature of the log key"
            wrong = None if signed and trusted else wrong
        return wrong
    def change_key(self, e):
        key, vkey, signed = parse_vkey(e["vkey"]), e["vkey"], lambda key, by, m: ed25519_verify(key[2], m, bytes.fromhex(e[by]))
        if e["type"] == "rotate":
            message = f"keystall 2026-11 rotate v1\n{self.origin}\n{e['seq']}\n{vkey}".encode()
            both = signed(self.keys[-1][1], "sig_old", message) and signed(self.root[0], "sig_root", message)
            need(key[0] == self.origin and both, "a rotation that the old log key or the origin key did not sign")
            self.keys.append((e["seq"] + 1, key, self.keys[-1][2] or self.root[1]))
            return
        self.origin, root, last, vouched = e["origin"], parse_vkey(e["root_vkey"]), self.last, False
        need(bool(last) == ("prior" in e), "an `open` that continues nothing, or not the generation before")
        if last:
            message = "\n".join(str(e[k]) for k in ("prior", "prior_size", "prior_head", "prior_signed", "vkey"))
            good = root == self.root[0] and signed(root, "sig_root", f"keystall 2026-11 open v1\n{message}".encode())
            need(good and (e["prior"], e["prior_size"], e["prior_head"]) == last[:3], "an `open` that does not continue")
            vouched = self.root[1]
        self.keys, self.root = [(0, key, vouched or key in self.o.vkey)], self.root or (root, root in self.o.vkey)
        for note in self.beyond:
            need(self.keys[0][2] and e["prior_size"] < note.size <= e["prior_signed"], "a known size above what was lost")
            self.said.append(f"note: the known size {note.size} of {last[0]} was lost in a restore")
        self.lack(last and last[3] and not self.keys[0][2], "the end of the generation before is not signed")
        self.beyond, self.last = [], None
    def entry(self, line):
        e = parse_entry(line)
        need(e["seq"] == self.tree.size and e["prev"] == self.head.hex(), f"entry {self.tree.size}: seq, or link to the one before")
        e["type"] in ("open", "rotate") and self.change_key(e)
        self.rules(e)
        need(e["t"] >= (self.time or 0), f"entry {e['seq']}: time goes back")
        if self.time is None or e["type"] == "mark":
            self.heartbeat(e["t"], e.get("down_ms", 0))
        self.time, self.count = e["t"], self.count + 1
        self.nonces.add(e.get("nonce"))
        self.hits += (self.o.since is None or e["t"] >= self.o.since) and (self.o.until is None or e["t"] <= self.o.until)
    def heartbeat(self, t, down):
        late = self.beat is not None and t - self.beat - down > 26 * 3_600_000
        self.lack(late, f"no heartbeat from {self.beat} to {t}")
        self.beat = t
    def end_sale(self):
        need(not self.sale or len(self.sale["held"]) == self.sale["qty"], "a sale whose slots do not number qty")
        self.sale = None
    def take(self, e, sku, column):
        """Slots handed out: each of a batch imported before, within it, of this sku, and never before."""
        slots = expand(e["slots"])
        for batch, first, last in parse_slots(e["slots"]):
            stock = self.batches.get(batch)
            need(stock or self.partial, f"batch {batch} was not imported before")
            self.lack(not stock, f"the import of batch {batch} is not in this range")
            need(not stock or last < stock["count"] and sku in (None, stock["sku"]), "a slot outside its batch, or of another sku")
            self.stock.setdefault(stock["sku"] if stock else "?", [0, 0, 0, 0])[column] += last - first + 1
        need(not slots & self.used, f"a slot is handed out twice: {slots & self.used}")
        self.used |= slots
        return slots
    def rules(self, e):
        kind, ref = e["type"], e.get("ref", MAX)
        kind == "slots" or self.end_sale()
        sale = self.sales.get(ref)  # what lies before a range cannot be judged
        need(kind not in ("refund", "replace", "erase", "slots") or sale or ref < self.start, f"{ref} is no sale before this entry")
        if kind == "stock":
            due = max(self.batches, default=-1) + 1
            need(e["batch"] == due or self.partial and e["batch"] > due, f"batch {e['batch']} where {due} is due")
            self.batches[e["batch"]] = e
            self.stock.setdefault(e["sku"], [0, 0, 0, 0])[0] += e["count"]
        elif kind == "sale":
            pool = e["kind"] == "pool"
            e["left"], e["held"] = e["amt"], self.take(e, e["sku"], 1) if pool else set()
            self.sales[e["seq"]], self.sale = e, e if pool else None
        elif kind == "slots":
            need(sale is self.sale and (sale or self.before in (None, "slots")), "slots that do not follow their sale at once")
            slots = self.take(e, sale and sale["sku"], 1)
            sale and sale["held"].update(slots)
        elif kind == "refund" and sale:
            sale["left"] -= e["amt"]
            need(sale["left"] >= 0 and sale["cur"] == e["cur"], "refunds above the sale, or in another currency")
        elif kind == "replace":
            out = expand(e["out"])
            need(not out & self.replaced and (not sale or out <= sale["held"]), "a slot replaced twice, or not of this sale")
            slots = self.take(e, sale and sale["sku"], 2)
            need(len(slots) == len(out), "not as many slots as were replaced")
            self.replaced |= out
            sale and sale["held"].update(slots)
        elif kind == "void":
            self.take(e, None, 3)
        self.before = kind
    def settle(self, path, is_last):
        size, ours = self.tree.size, [note for note in self.known if note.origin == self.origin]
        self.known = [note for note in self.known if note not in ours]
        self.lack(not size, f"{path} holds no entry")
        for note in self.marks.values():
            self.wrong = self.wrong or (note.size > size and f"the entries end below the signed size {note.size}")
            self.wrong = self.wrong or (self.judge(note) == OUT and OUT)
        for note in ours:
            wrong, root = self.judge(note), self.roots.get(note.size)
            self.lack(wrong and wrong != OUT, "a known note that no pinned key signed or vouches for")
            self.lack(not wrong and not root and note.size <= size, f"the known size {note.size} lies before this range")
            self.wrong = self.wrong or (OUT if wrong == OUT else not wrong and root and root != note.root and "another known root")
            self.beyond += [note] * (not wrong and note.size > size)
        valid = [note for note in [*self.marks.values(), *ours] if not self.judge(note)]
        agreed = max((note.size for note in valid if self.roots.get(note.size) == note.root), default=-1)
        for note in valid:
            twin = any((note.size, note.root) != (other.size, other.root) and note.size == other.size for other in valid)
            other = note.size <= agreed and self.roots.get(note.size, note.root) != note.root
            need(not twin and not other, f"two signed roots cannot both be true: sizes {note.size} and {agreed}", FORK)
        need(not self.wrong, self.wrong)
        self.lack(self.kind == "skeleton" and self.beyond and not is_last, "a skeleton cannot tell what a restore lost")
        self.beyond = self.beyond if self.kind != "skeleton" or is_last else []
        for name, data in [(name, data) for name, data in self.files.items() if name.startswith(path + "anchors/")]:
            self.anchor(name, data)
        self.count += size if self.kind == "skeleton" else 0
        self.root = self.root and (self.root[0], self.root[1] or self.signed > 0)
        self.last = self.origin, size, self.head.hex(), size - self.signed
        self.said.append(f"{path} {self.kind} of {self.origin}: entries {self.start} to {size - 1}, signed {self.signed}")
    def anchor(self, name, data):
        size, kind = re.fullmatch(r"(?:.*/)([0-9]*).*?([a-z]*)", name).groups()
        note, parts = self.marks.get(int(size or -1)), email.message_from_bytes(data).walk()
        self.lack(not note, f"{name}: an anchor without its checkpoint")
        body = note.body.encode() if note else b""
        mailed = kind != "eml" or any(body in (part.get_payload(decode=True) or b"").replace(b"\r\n", b"\n") for part in parts)
        need(not note or mailed and (kind != "tsr" or sha(body) in data), f"{name}: an anchor over other bytes")
def forms(files):
    """Whole, range or skeleton, of each generation."""
    found, extra = {}, {(): "whole", ("carried.ndjson", "prefix.json"): "range", ("skeleton.bin",): "skeleton"}
    for path in files:
        names = r"(?:entries|marks|carried)\.ndjson|prefix\.json|skeleton\.bin|anchors/[^/]*"
        m = re.fullmatch(rf"README\.txt|gen-(0|[1-9][0-9]*)/(|{names})", path)
        form(m, f"{path} is no part of an export")
        m[1] and found.setdefault(int(m[1]), set()).add(m[2])
    need(found and sorted(found) == [*range(len(found))], "no gen-0, or a generation left out", INCOMPLETE)
    for number, names in found.items():
        names = {name for name in names if name and name[:8] != "anchors/"}
        found[number] = kind = extra.get(tuple(sorted(names - {"entries.ndjson", "marks.ndjson"})))
        form(kind and (kind != "skeleton" or "entries.ndjson" not in names), "neither whole, range nor skeleton")
        wanted = {"marks.ndjson", "skeleton.bin" if kind == "skeleton" else "entries.ndjson"}
        need(wanted <= names, "a file is missing", INCOMPLETE)
    form(len({kind == "skeleton" for kind in found.values()}) == 1, "skeletons beside other forms")
    return [found[number] for number in sorted(found)]

# --- Receipts
class Receipt:
    """The form of a receipt; `check` is what it must mean."""
    def __init__(self, text):
        form(text.endswith("\n") and len(text.encode()) <= 32 << 20, "cut off, or too long")
        self.lines = text[:-1].split("\n")[::-1]
        form(self.take("") == "keystall-receipt/v1", "not a receipt")
        lines = [self.take("entry ")], self.all("open "), self.all("key "), self.all("stock "), self.all("more ")
        self.opens = [(name, *unhex([salt]), b64(value)) for name, salt, value in (line.split(" ") for line in lines[1])]
        names = [name for name, *_ in self.opens]
        form(len(set(names)) == len(names) and {"buyer", "pay"} >= {*names}, "an unknown field, or one opened twice")
        self.keys = [self.key(*line.split(" ")) for line in lines[2] if form(line.count(" ") in (2, 3), "a key's parts") is None]
        self.entries = [(line.encode(), parse_entry(line.encode())) for line in lines[0] + lines[3] + lines[4]]
        kinds, self.stocks = [e["type"] for _, e in self.entries], [e for _, e in self.entries[1:1 + len(lines[3])]]
        self.more = [e for _, e in self.entries[1 + len(lines[3]):]]
        form(kinds[0] == "sale" and all(e["type"] == "stock" for e in self.stocks), "an entry of another type")
        form(all(e["type"] in ("slots", "replace") for e in self.more), "an entry of another type")
        self.blocks = [self.block() for _ in self.entries]
        form(not self.lines, "bytes after the last proof")
    def take(self, word):
        form(self.lines and self.lines[-1].startswith(word), f"expected {word or 'a line'}")
        return self.lines.pop()[len(word):]
    def all(self, word):
        found = []
        while self.lines and self.lines[-1].startswith(word):
            found.append(self.take(word))
        return found
    def key(self, slot, salt, key, *path):
        batch, _, index = slot.partition(":")
        return (natural(batch), natural(index)), *unhex([salt]), b64(key), unhex(path[0].split(",")) if path else []
    def block(self):
        form(self.take("") == "c2sp.org/tlog-proof@v1", "not a proof block")
        index, path = natural(self.take("index ")), []
        while self.lines and self.lines[-1]:
            path.append(b64(self.take(""), 32))
        form(self.take("") == "" and len(path) < 64, "a proof too long")
        note = [self.take("") for _ in range(4)] + ["\u2014" + line for line in self.all("\u2014")]
        return index, path, Note("\n".join(note) + "\n")
    def check(self):
        sale, held = self.entries[0][1], set()
        stock = {e["batch"]: e for e in self.stocks}
        for name, salt, value in self.opens:
            need(commitment(salt, name, value).hex() == sale[name], f"the value of {name} is not the one committed")
        for e in self.more:
            need(e["ref"] == sale["seq"], "`more` belongs to another sale")
        for e in [sale] * ("slots" in sale) + self.more:
            held |= expand(e["slots"])
        need(all(e["sku"] == sale["sku"] for e in self.stocks), "a batch of another sku")
        form(len(stock) == len(self.stocks) and stock.keys() >= {key[0][0] for key in self.keys}, "one stock line a batch")
        for slot, salt, key, path in self.keys:
            k, batch = derive_key("keystall 2026-11 key commitment v1", salt + key), stock[slot[0]]
            root = root_by_path(k, slot[1], batch["count"], path)
            need(root and root.hex() == batch["keys"] and slot in held, f"the key is not that of slot {slot}, or not of this sale")
        need(len({key[0] for key in self.keys}) == len(self.keys), "a slot is named twice")
        form(stock.keys() == {key[0][0] for key in self.keys}, "a stock line that no key names")
        for (line, e), (index, path, note) in zip(self.entries, self.blocks):
            proven = index == e["seq"] and root_by_path(*entry_hashes([line]), index, note.size, path) == note.root
            need(proven, f"entry {e['seq']} is not in the tree that was signed")
        origins = {note.origin for *_, note in self.blocks[:1] + self.blocks[1 + len(self.stocks):]}
        need(len(origins) == 1, "the sale's lines are of different logs")
def known_notes(text):
    if not text.startswith("keystall-receipt/"):
        return [Note(text)]
    receipt = Receipt(text)
    receipt.check()
    return [note for *_, note in receipt.blocks]
def verify_receipt(text, o):
    """What is missing. Raises what is wrong."""
    receipt = Receipt(text)
    notes, known = [note for *_, note in receipt.blocks], [Note(text) for text in o.known]
    roots = {}
    for note in notes + known:
        if note.pinned(o.vkey):
            need(roots.setdefault((note.origin, note.size), note.root) == note.root, "two signed roots of one size", FORK)
    receipt.check()
    need(all(note.pinned(o.vkey) is not False for note in notes), "a wrong signature of a pinned key")
    sizes, lacks = {(note.origin, note.size) for note in notes}, [note for note in notes + known if not note.pinned(o.vkey)]
    other = [note for note in known if (note.origin, note.size) not in sizes]
    signs = [notes[0].signed_by(witness, True) for witness in o.witness]
    need(False not in signs, "a wrong cosignature")
    return ["a checkpoint that no pinned key signed"] * bool(lacks) + ["a known size that cannot be compared"] * bool(other) + [
        "no cosignature by a witness asked for"] * bool(o.witness and True not in signs)

# --- Files and flags
def read(path):
    with open(path, "rb") as f:
        return f.read()
def load(path):
    """{name: bytes} of an export; a folder's name ends in a slash."""
    if os.path.isdir(path):
        files = {}
        for folder, names, plain in os.walk(path):
            for name in [name + "/" for name in names] + plain:
                full = os.path.join(folder, name)
                form(not os.path.islink(full.rstrip("/")) and (name[-1] == "/" or os.path.isfile(full)), f"{full} is no regular file")
                files[os.path.relpath(full, path) + "/" * (name[-1] == "/")] = b"" if name[-1] == "/" else read(full)
        return {name: data for name, data in files.items() if name[-9:] != "/anchors/"}
    done = subprocess.run(["zstd", "-dcq", path], capture_output=True)
    form(done.returncode == 0, f"zstd: {done.stderr.decode()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout), mode="r:") as tar:
        members = tar.getmembers()
        form(all(m.isreg() for m in members) and len({m.name for m in members}) == len(members), "not regular files, each once")
        return {m.name: tar.extractfile(m).read() for m in members}
def moment(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ledger", "receipt"])
    parser.add_argument("path")
    parser.add_argument("--vkey", action="append", required=True, type=parse_vkey, help="the key that you trust")
    parser.add_argument("--known", action="append", default=[], help="a checkpoint or receipt that somebody kept")
    parser.add_argument("--witness", action="append", default=[], type=lambda text: parse_vkey(text, 4))
    parser.add_argument("--nonce"); parser.add_argument("--since", type=moment); parser.add_argument("--until", type=moment)
    said = []
    try:
        o = parser.parse_args(arguments)  # ends with 2 by itself
        os.stat(o.path)
        content = load(o.path) if o.what == "ledger" else read(o.path)
        o.known = [read(path).decode() for path in o.known]
        ledger = Ledger(content, o) if o.what == "ledger" else None
        said, missing = (ledger.said, ledger.missing) if ledger else ([], verify_receipt(content.decode(), o))
        code, why = (INCOMPLETE, "; ".join(missing)) if missing else (0, "every required check was made and passed")
        said += [f"stock {sku}: {c} imported - {s} sold - {r} replaced - {v} void = {c - s - r - v} left" for sku, (c, s, r, v) in ledger.stock.items()] if ledger else []
    except (Fault, OSError) as fault:
        code, why = fault.args[:2] if isinstance(fault, Fault) else (USAGE, str(fault))
    except (ValueError, RecursionError, tarfile.TarError) as error:
        code, why = MALFORMED, f"malformed: {error}"
    print(*said, f"exit {code}: {why}", "not proven: that this is the latest, that what was written is true", sep="\n")
    return code
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

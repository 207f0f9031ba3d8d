"""Parts of the receipt ledger as src/ledger/format.md spells them: lines, trees, notes, keys, receipts, files."""
import base64, hashlib, io, json, os, re, struct, subprocess, tarfile
from functools import lru_cache, reduce
from primitives import MATERIAL, ROOT, chunks, context_key, decompress, derive_key, ed25519_verify

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
        whole = not blank and lines[-1:] == "\n" and len(text.encode()) <= 65536
        form(whole and re.fullmatch(NAME, self.origin), "not three lines, a blank one and signatures, or too long")
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
    "open": "origin vkey root_vkey r", "stock": "batch count keys sku r", "slots": "ref slots r",
    "sale": "order sku kind qty amt cur buyer pay", "refund": "ref amt cur why r", "void": "slots why r",
    "replace": "ref out slots why r", "erase": "ref r", "admin": "what who", "mark": "r", "audit": "nonce r", "rotate": "vkey sig_root sig_old r",
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
    restored = {"prior", "prior_head", "prior_size", "prior_signed", "sig_root"}
    keys = keys | (restored if kind == "open" and "prior" in e else set())
    form(kind and e.keys() == keys, "an unknown type, or a key that it does not have, or one missing")
    for key, x in e.items():
        like, is_text = FORMS[key], isinstance(FORMS[key], str)
        good = isinstance(x, str) and re.fullmatch(like, x) if is_text else type(x) is int and like[0] <= x <= like[1]
        form(good, f"the value of {key}")
        (parse_slots if key in ("slots", "out") else parse_vkey if "vkey" in key else str)(x)
    form((kind == "open") == (e["seq"] == 0), "`open` is seq 0, and only there")
    form(kind != "open" or e["vkey"].startswith(e["origin"] + "+"), "the log key has another name")
    return e
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

# --- Receipts
class Receipt:
    """The form of a receipt; `check` is what it must mean."""
    def __init__(self, text):
        form(text.endswith("\n") and len(text.encode()) <= 32 << 20, "cut off, or too long")
        self.lines = text[:-1].split("\n")[::-1]
        form(self.take("") == "keystall-receipt/v1", "not a receipt")
        lines = [self.take("entry ")], self.all("open "), self.all("key "), self.all("stock "), self.all("more ")
        opens = [line.split(" ") for line in lines[1]]
        self.opens = [(name, *unhex([salt]), b64(value)) for name, salt, value in opens]
        names = [name for name, *_ in self.opens]
        form(len(set(names)) == len(names) and {"buyer", "pay"} >= {*names}, "an unknown field, or one opened twice")
        form(all(line.count(" ") in (2, 3) for line in lines[2]), "the parts of a key")
        self.keys = [self.key(*line.split(" ")) for line in lines[2]]
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
        named = {key[0][0] for key in self.keys}
        form(len(stock) == len(self.stocks) and stock.keys() >= named, "one stock line a batch")
        for slot, salt, key, path in self.keys:
            k, batch = derive_key("keystall 2026-11 key commitment v1", salt + key), stock[slot[0]]
            root = root_by_path(k, slot[1], batch["count"], path)
            need(root and root.hex() == batch["keys"], f"the key is not that of slot {slot}")
            need(slot in held, f"slot {slot} is not of this sale")
        need(len({key[0] for key in self.keys}) == len(self.keys), "a slot is named twice")
        form(stock.keys() == named, "a stock line that no key names")
        for (line, e), (index, path, note) in zip(self.entries, self.blocks):
            proven = index == e["seq"] and root_by_path(*entry_hashes([line]), index, note.size, path) == note.root
            need(proven, f"entry {e['seq']} is not in the tree that was signed")
        origins = {note.origin for *_, note in self.blocks[:1] + self.blocks[1 + len(self.stocks):]}
        need(len(origins) == 1, "the sale's lines are of different logs")

# --- Exports
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
                plain_file = name[-1] == "/" or os.path.isfile(full)
                form(plain_file and not os.path.islink(full.rstrip("/")), f"{full} is no regular file")
                files[os.path.relpath(full, path) + "/" * (name[-1] == "/")] = b"" if name[-1] == "/" else read(full)
        return {name: data for name, data in files.items() if name[-9:] != "/anchors/"}
    done = subprocess.run(["zstd", "-dcq", path], capture_output=True)
    form(done.returncode == 0, f"zstd: {done.stderr.decode()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout), mode="r:") as tar:
        members = tar.getmembers()
        once = len({m.name for m in members}) == len(members)
        form(once and all(m.isreg() for m in members), "not regular files, each once")
        return {m.name: tar.extractfile(m).read() for m in members}
def forms(files):
    """Whole, range or skeleton, of each generation."""
    found, extra = {}, {(): "whole", ("carried.ndjson", "prefix.json"): "range", ("skeleton.bin",): "skeleton"}
    for path in files:
        anchor = r"anchors/(?:0|[1-9][0-9]*)\.(?:tsr|eml|git)"
        names = rf"(?:entries|marks|carried)\.ndjson|prefix\.json|skeleton\.bin|{anchor}"
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

#!/usr/bin/env python3
"""An independent verifier of a Keystall receipt ledger, format 1, written from src/ledger/format.md alone.

EXPORT is a folder or a .tar.zst (the `zstd` program unpacks it). Standard library only; exits as the format says.
A time stamp's imprint must be that of its checkpoint; its signature is left to `openssl ts -verify`.
"""
import argparse, datetime, email, re, sys, tarfile
from primitives import *  # noqa: F403  BLAKE3 and Ed25519
from ledger_format import *  # noqa: F403  lines, trees, notes, keys, receipts, files
from ledger_rules import Rules

# --- A ledger, one generation after another
OUT, UNSIGNED = "a key signed a size outside its range", "checkpoints that no pinned key signed or vouches for"
class Ledger(Rules):
    def __init__(self, files, o):
        Rules.__init__(self)
        self.files, self.o, self.said, self.count, self.hits, self.beyond, self.nonces = files, o, [], 0, 0, [], set()
        self.last = self.root = self.newest = None
        self.known = [note for text in o.known for note in known_notes(text)]
        kinds = forms(files)
        for number, kind in enumerate(kinds):
            self.generation(f"gen-{number}/", kind, number + 1 == len(kinds))
        need(not self.beyond, "the entries end below a known size")
        signs = [self.newest.signed_by(witness, True) for witness in o.witness] if self.newest else []
        need(False not in signs, "a wrong cosignature")
        timed = o.since is not None or o.until is not None
        for bad, text in ((self.known, "a known note of a log that is not here"), (not self.count, "nothing was read"),
                          (self.last and self.last[3], "the last entries are not signed"),
                          (o.nonce and o.nonce not in self.nonces, "the nonce was not found"),
                          (timed and not self.hits, "no entry in that time"),
                          (o.witness and True not in signs, "no cosignature by a witness asked for")):
            self.lack(bad, text)
    def generation(self, path, kind, is_last):
        self.kind, self.origin, self.keys, self.signed = kind, "", [], 0
        self.begin(0)
        self.tree, self.head, self.roots, self.marks = Tree(), bytes(32), {0: sha()}, {}
        self.time = self.beat = self.wrong = None
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
        if kind == "range":
            self.prefix(self.files[path + "prefix.json"], self.files[path + "carried.ndjson"], not data)
        if kind == "skeleton":
            self.origin, self.count = self.newest.origin if self.marks else "", self.count + len(data) // 32
            form(len(data) % 32 == 0, "a skeleton whose bytes are no hashes")
            lines, hashes = [], [data[i:i + 32] for i in range(0, len(data), 32)]
        else:
            *lines, rest = data.split(b"\n")
            hashes = (h for i in range(0, len(lines), 2048) for h in entry_hashes(lines[i:i + 2048]))
        for number, h in enumerate(hashes):
            lines and self.entry(lines[number])
            self.head = h
            self.tree.push(h)
            self.reach()
        form(kind == "skeleton" or not rest, "the last line is cut off")
        self.end_sale()
        self.time is None or self.heartbeat(self.time, 0)
        self.settle(path, is_last)
    def prefix(self, prefix, carried, empty):
        (line,), seq, before, sizes = split(prefix), -1, bytes(32), [*self.marks]
        p = canonical(line, hashes=list, prev=str, size=int)
        (self.head,), parts = unhex([p["prev"]]), unhex(p["hashes"])
        self.begin(p["size"])
        form(0 < self.start <= MAX and len(parts) == self.start.bit_count(), "not the hashes of that many entries")
        form(sizes == [self.start] if empty else all(size > self.start for size in sizes), "marks not of this range")
        self.tree, self.roots = Tree(self.start, parts), {}
        for line in split(carried):
            c = canonical(line, line=str, path=list)
            path, text = unhex(c["path"]), c["line"].encode("ascii")
            e, (h,) = parse_entry(text), entry_hashes([text])
            in_place = e["type"] in ("open", "stock", "rotate") and seq < e["seq"] < self.start
            form(in_place, "a carried line out of place")
            form((seq < 0) == (e["seq"] == 0), "the `open` is not carried")
            root = root_by_path(h, e["seq"], sizes[-1], path) if sizes else None
            need(not sizes or root == self.newest.root, f"carried entry {e['seq']} is not in the signed tree")
            linked = e["seq"] != seq + 1 or e["prev"] == before.hex()
            need(linked and (e["seq"] + 1 < self.start or h == self.head), f"carried entry {e['seq']}: a link")
            seq, before = e["seq"], h
            self.rules(e) if e["type"] == "stock" else self.change_key(e)
        form(seq >= 0, "the `open` is not carried")
        self.reach()
    def reach(self):
        """Holds the tree against the checkpoint of its size."""
        size = self.tree.size
        note = self.marks.get(size)
        if size in self.wanted:
            self.roots[size] = self.tree.root()
        if note and note.root != self.roots[size]:
            self.wrong = self.wrong or f"the signed root of size {size} is not that of the entries"
        elif note:
            wrong = self.judge(note)
            need(wrong in (None, UNSIGNED), f"size {size}: {wrong}")
            self.lack(wrong, wrong)
            self.signed = self.signed if wrong else size
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
        key, signed = parse_vkey(e["vkey"]), lambda by, key, m: ed25519_verify(key[2], m.encode(), bytes.fromhex(e[by]))
        if e["type"] == "rotate":
            m = f"keystall 2026-11 rotate v1\n{self.origin}\n{e['seq']}\n{e['vkey']}"
            both = signed("sig_old", self.keys[-1][1], m) and signed("sig_root", self.root[0], m)
            need(key[0] == self.origin and both, "a rotation that the old log key or the origin key did not sign")
            return self.keys.append((e["seq"] + 1, key, self.keys[-1][2] or self.root[1]))
        self.origin, root, last, vouched = e["origin"], parse_vkey(e["root_vkey"]), self.last, False
        need(bool(last) == ("prior" in e), "an `open` that continues nothing, or not the generation before")
        if last:
            m = "\n".join(str(e[k]) for k in ("prior", "prior_size", "prior_head", "prior_signed", "vkey"))
            good = root == self.root[0] and signed("sig_root", root, f"keystall 2026-11 open v1\n{m}")
            good = good and (e["prior"], e["prior_size"], e["prior_head"]) == last[:3]
            need(good, "an `open` that does not continue the generation before, or that the origin key did not sign")
            vouched = self.root[1]
        self.keys, self.root = [(0, key, vouched or key in self.o.vkey)], self.root or (root, root in self.o.vkey)
        for note in self.beyond:
            lost = self.keys[0][2] and e["prior_size"] < note.size <= e["prior_signed"]
            need(lost, f"the known size {note.size} is above what was lost in a restore")
            self.said.append(f"note: the known size {note.size} of {last[0]} was lost in a restore")
        self.lack(last and last[3] and not self.keys[0][2], "the end of the generation before is not signed")
        self.beyond, self.last = [], None
    def entry(self, line):
        e = parse_entry(line)
        linked = e["seq"] == self.tree.size and e["prev"] == self.head.hex()
        need(linked, f"entry {self.tree.size} does not continue the one before")
        e["type"] in ("open", "rotate") and self.change_key(e)
        self.rules(e)
        need(e["t"] >= (self.time or 0), f"entry {e['seq']}: time goes back")
        if self.time is None or e["type"] == "mark":
            self.heartbeat(e["t"], e.get("down_ms", 0))
        self.time, self.count = e["t"], self.count + 1
        self.nonces.add(e.get("nonce"))
        since, until = self.o.since, self.o.until
        self.hits += (since is None or e["t"] >= since) and (until is None or e["t"] <= until)
    def heartbeat(self, t, down):
        late = self.beat is not None and t - self.beat - down > 26 * 3_600_000
        self.lack(late, f"no heartbeat from {self.beat} to {t}")
        self.beat = t
    def settle(self, path, is_last):
        size, ours = self.tree.size, [note for note in self.known if note.origin == self.origin]
        self.known, marks = [note for note in self.known if note not in ours], [*self.marks.values()]
        self.lack(not size, f"{path} holds no entry")
        below = any(note.size > size for note in marks) and "the entries end below a signed size"
        self.wrong = self.wrong or below or any(self.judge(note) == OUT for note in marks + ours) and OUT
        valid = [note for note in marks + ours if not self.judge(note)]
        self.lack(set(ours) - set(valid), "a known note that no pinned key signed or vouches for")
        self.beyond += [note for note in ours if note in valid and note.size > size]
        for note in [note for note in ours if note in valid and note.size <= size]:
            root = self.roots.get(note.size)
            self.lack(not root, f"the known size {note.size} lies before this range")
            other = root not in (None, note.root)
            self.wrong = self.wrong or (other and f"the known root of size {note.size} is another")
        agreed = max((note.size for note in valid if self.roots.get(note.size) == note.root), default=-1)
        for note in valid:
            twin = any(other.size == note.size and other.root != note.root for other in valid)
            other = note.size <= agreed and self.roots.get(note.size, note.root) != note.root
            need(not twin and not other, f"two signed roots cannot both be true: sizes {note.size} and {agreed}", FORK)
        need(not self.wrong, self.wrong)
        if self.kind == "skeleton" and not is_last:
            self.lack(self.beyond, "a skeleton cannot tell what a restore lost")
            self.beyond = []
        for name in [name for name in self.files if name.startswith(path + "anchors/")]:
            self.anchor(name, self.files[name])
        self.root = self.root and (self.root[0], self.root[1] or self.signed > 0)
        self.last = self.origin, size, self.head.hex(), size - self.signed
        entries = f"entries {self.start} to {size - 1}, signed {self.signed}"
        self.said.append(f"{path} {self.kind} of {self.origin}: {entries}")
    def anchor(self, name, data):
        size, kind = name.rsplit("/", 1)[1].split(".")
        note = self.marks.get(int(size))
        self.lack(not note, f"{name}: an anchor without its checkpoint")
        body = note.body.encode() if note else b""
        parts = [part.get_payload(decode=True) or b"" for part in email.message_from_bytes(data).walk()]
        mailed = any(body in part.replace(b"\r\n", b"\n") for part in parts)
        same = {"tsr": sha(body) in data, "eml": mailed, "git": True}
        need(not note or same[kind], f"{name}: an anchor over other bytes")

# --- A receipt, and flags
def known_notes(text):
    if not text.startswith("keystall-receipt/"):
        return [Note(text)]
    receipt = Receipt(text)
    receipt.check()
    return [note for *_, note in receipt.blocks]
def verify_receipt(text, o):
    """What is missing. Raises what is wrong."""
    receipt, known, roots = Receipt(text), [Note(text) for text in o.known], {}
    notes = [note for *_, note in receipt.blocks]
    for note in [note for note in notes + known if note.pinned(o.vkey)]:
        need(roots.setdefault((note.origin, note.size), note.root) == note.root, "two signed roots of one size", FORK)
    receipt.check()
    need(all(note.pinned(o.vkey) is not False for note in notes), "a wrong signature of a pinned key")
    sizes, sale = {(n.origin, n.size) for n in notes}, [n for n in notes if n.origin == notes[0].origin]
    signs = [{note.signed_by(witness, True) for witness in o.witness} for note in sale]
    need(not any(False in sign for sign in signs), "a wrong cosignature")
    missing = {"a checkpoint that no pinned key signed": not all(note.pinned(o.vkey) for note in notes + known),
               "a known size that cannot be compared": any((note.origin, note.size) not in sizes for note in known),
               "no cosignature by a witness asked for": o.witness and not all(True in sign for sign in signs)}
    return [text for text, bad in missing.items() if bad]
def moment(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ledger", "receipt"]); parser.add_argument("path")
    parser.add_argument("--vkey", action="append", required=True, type=parse_vkey, help="the key that you trust")
    parser.add_argument("--known", action="append", default=[], help="a checkpoint or receipt that somebody kept")
    parser.add_argument("--witness", action="append", default=[], type=lambda text: parse_vkey(text, 4))
    parser.add_argument("--nonce")
    parser.add_argument("--since", type=moment)
    parser.add_argument("--until", type=moment)
    said = []
    try:
        o = parser.parse_args(arguments)  # ends with 2 by itself
        os.stat(o.path)
        content = load(o.path) if o.what == "ledger" else read(o.path)
        o.known = [read(path).decode() for path in o.known]
        ledger = Ledger(content, o) if o.what == "ledger" else None
        said, missing = (ledger.said, ledger.missing) if ledger else ([], verify_receipt(content.decode(), o))
        code, why = (INCOMPLETE, "; ".join(missing)) if missing else (0, "every required check was made and passed")
        for sku, (c, s, r, v) in ledger.stock.items() if ledger else ():
            left = "in this range" if ledger.partial else f"= {c - s - r - v} left"
            said.append(f"stock {sku}: {c} imported - {s} sold - {r} replaced - {v} void {left}")
    except (Fault, OSError) as fault:
        code, why = fault.args[:2] if isinstance(fault, Fault) else (USAGE, str(fault))
    except (ValueError, RecursionError, tarfile.TarError) as error:
        code, why = MALFORMED, f"malformed: {error}"
    print(*said, f"exit {code}: {why}", "not proven: that this is the latest, that what was written is true", sep="\n")
    return code
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

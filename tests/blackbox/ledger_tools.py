"""What tests need beside the Python verifier, which they reach through this module: strict base64, hashes of lines, fork proofs."""
import base64, re

from verify_ledger import *  # noqa: F403


def b64(text, size=None):
    raw = base64.b64decode(text.encode(), validate=True)
    form(base64.b64encode(raw).decode() == text and size in (None, len(raw)), "base64 in another spelling or length")
    return raw


def entry_hashes(lines):
    return [entry_hash(line) for line in lines]


class Tree:
    def __init__(self):
        self.size, self.parts = 0, []

    def push(self, data):
        push(self.parts, self.size, data)
        self.size += 1

    def root(self):
        return root(self.parts)


def roots_by_path(old, new, path, node):
    """(old root, new root) of a consistency proof, by RFC 6962, 2.1.2; node is the old root while it is a whole subtree."""
    if old == new:
        return (node or path.pop(0),) * 2
    half, last = 1 << (new - 1).bit_length() - 1, path.pop()
    if old <= half:
        a, b = roots_by_path(old, half, path, node)
        return a, sha(b"\1", b, last)
    a, b = roots_by_path(old - half, new - half, path, None)
    return sha(b"\1", last, a), sha(b"\1", last, b)


def consistent(old, new, path, old_root, new_root):
    if not 0 < old < new:
        return not path and old_root == (new_root if old else sha())
    path = list(path)
    try:
        return roots_by_path(old, new, path, old_root) == (old_root, new_root) and not path
    except IndexError:
        return False


class Fork:
    """A fork proof (section 12): its form when it is made, what it proves by `check`."""

    HEAD = r"keystall-fork/v1\nkind "
    FORMS = {"size": rf"({NOTE})({NOTE})", "prefix": rf"({NOTE})({NOTE})root ({BASE64_32})\n((?:path {BASE64_32}\n)*)",
             "entry": rf"leaf ({HEX}{{64}})\n({BLOCK})leaf ({HEX}{{64}})\n({BLOCK})"}

    def __init__(self, text):
        self.kind = match(rf"{self.HEAD}(size|prefix|entry)\n(?s:.*)", text)[1]
        match(rf"{self.HEAD}{self.kind}\n{self.FORMS[self.kind]}", text)
        if self.kind == "entry":
            self.leaves = [bytes.fromhex(leaf) for leaf in re.findall("\nleaf (.*)", text)]
            self.blocks = [(natural(found[0]), [b64(line, 32) for line in found[1].split()], Note(found[2])) for found in re.findall(BLOCK, text)]
            self.notes = [note for *_, note in self.blocks]
        else:
            self.notes = [Note(found[0]) for found in re.findall(f"({NOTE})", text.split("\n", 2)[2])]
        a, b = self.notes
        if self.kind == "prefix":
            self.root, *self.path = [b64(line, 32) for line in re.findall("\n(?:root|path) (.*)", text)]
        contradict = {"size": lambda: a.size == b.size and a.root != b.root, "prefix": lambda: 0 < a.size < b.size and self.root != a.root,
                      "entry": lambda: self.blocks[0][0] == self.blocks[1][0] and self.leaves[0] != self.leaves[1]}
        form(contradict[self.kind](), "two statements that do not contradict each other")
        form(a.origin == b.origin, "two logs")
        form(len(a.signatures) == len(b.signatures) == 1, "more signatures than the log key's")

    def check(self, vkeys):
        need(all(note.pinned(vkeys) is not False for note in self.notes), "a wrong signature")
        if self.kind == "prefix":
            old, new = self.notes
            need(consistent(old.size, new.size, self.path, self.root, new.root), "the path leads elsewhere")
        if self.kind == "entry":
            for leaf, (index, path, note) in zip(self.leaves, self.blocks):
                need(root_by_path(leaf, index, note.size, path) == note.root, "a path leads elsewhere")
        need(all(note.pinned(vkeys) for note in self.notes), "not signed by a pinned key", INCOMPLETE)
        return need(False, "a fork is proven", FORK)

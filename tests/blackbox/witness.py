"""A witness of transparency logs, made from C2SP's pages tlog-witness and tlog-cosignature: it takes checkpoints over HTTP, checks that
each continues the last, and cosigns (cosignature/v1). One that is told to lie, lies.

    witness = Witness(); witness.know(vkey of a log); setting = witness.setting
"""
import base64, hashlib, http.server, os, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_tools as v  # noqa: E402
from keystall import Story  # noqa: E402


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def times(scalar):
    """That many times the base point, compressed (RFC 8032, 5.1.5)."""
    point, addend = v.ZERO, v.BASE
    while scalar:
        if scalar & 1:
            point = v.add(point, addend)
        addend, scalar = v.add(addend, addend), scalar >> 1
    inverse = pow(point[2], v.P - 2, v.P)
    x, y = point[0] * inverse % v.P, point[1] * inverse % v.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Key:
    """An Ed25519 key (RFC 8032, 5.1.5 and 5.1.6)."""

    def __init__(self, seed):
        digest = hashlib.sha512(seed).digest()
        self.scalar, self.prefix = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254, digest[32:]
        self.public = times(self.scalar)

    def sign(self, message):
        number = lambda *parts: int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")
        r = number(self.prefix, message) % v.L
        big_r = times(r)
        return big_r + ((r + number(big_r, self.public, message) * self.scalar) % v.L).to_bytes(32, "little")


def consistent(old, new, proof, old_root, new_root):
    """RFC 9162, 2.1.4.2."""
    if old == new or old == 0:
        return not proof and (old == 0 or old_root == new_root)
    proof = list(proof) if old & (old - 1) else [old_root, *proof]
    if not proof:
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            first, second = sha(b"\1", sibling, first), sha(b"\1", sibling, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = sha(b"\1", second, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


class Witness:
    """`logs`: origin → its keys. `seen`: origin → (size, root) that was cosigned last. `bodies`: every request. `lie`: what is changed
    in an answer: a function of (status, text)."""

    def __init__(self, name="witness.test/w1", seed=b"witness"):
        self.name, self.key = name, Key(seed)
        raw = b"\4" + self.key.public
        self.id = sha(name.encode(), b"\n", raw)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(raw).decode()}"
        self.logs, self.seen, self.bodies, self.answers, self.lie, self.lock = {}, {}, [], [], None, threading.Lock()
        self.clock, self.hanging, self.gone = time.time, False, threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if outer.hanging:
                    outer.gone.wait(60)
                    return
                status, text = outer.answer(self.path, body.decode()) if self.path == "/prefix/add-checkpoint" else (404, "")
                if outer.lie:
                    status, text = outer.lie(status, text)
                outer.answers.append(status)
                self.send_response(status)
                self.send_header("Content-Type", "text/x.tlog.size" if status == 409 else "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.place = f"127.0.0.1:{self.server.server_port}"
        self.setting = f"{self.vkey} http://{self.place}/prefix"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.gone.set()
        self.server.shutdown()
        self.server.server_close()

    def know(self, vkey):
        parsed = v.parse_vkey(vkey)
        self.logs.setdefault(parsed[0], []).append(parsed)

    def cosign(self, note, key=None):
        """The signature line over a checkpoint's note."""
        at = int(self.clock())
        signature = (key or self.key).sign(f"cosignature/v1\ntime {at}\n{note.body}".encode())
        return f"\u2014 {self.name} {base64.b64encode(self.id + at.to_bytes(8, 'big') + signature).decode()}\n"

    def answer(self, path, body):
        """(status, text), in the order of the page."""
        self.bodies.append(body)
        try:
            head, text = body.split("\n\n", 1)
            first, *lines = head.split("\n")
            note, proof = v.Note(text), [v.b64(line, 32) for line in lines]
            assert first.startswith("old ") and len(proof) <= 63
            old, root = v.natural(first[4:]), v.b64(text.split("\n")[2], 32)
        except (ValueError, AssertionError, IndexError):
            return 400, "malformed\n"
        if note.origin not in self.logs:
            return 404, "unknown log\n"
        if not note.pinned(self.logs[note.origin]):
            return 403, "unknown key\n"
        if old > note.size:
            return 400, "old is larger\n"
        with self.lock:
            size, seen_root = self.seen.get(note.origin, (0, sha()))
            if old != size:
                return 409, f"{size}\n"
            if old == note.size and root != seen_root:
                return 409, f"{size}\n"
            if not consistent(old, note.size, proof, seen_root, root):
                return 422, "inconsistent\n"
            self.seen[note.origin] = note.size, root
        return 200, self.cosign(note)


class WitnessedStory(Story):
    """Stories of shops with a witness."""

    def witnessed_shop(self, start=True, **settings):
        """(shop, gateway, witness that knows it)."""
        witness = Witness()
        self.addCleanup(witness.close)
        gateway = self.open_gateway()
        places = ",".join([gateway.url.split("//")[1].rstrip("/"), witness.place])
        shop, _ = self.open_shop(gateway=gateway, start=False, NET__ALLOW_PRIVATE=places, LEDGER__WITNESS=witness.setting, **settings)
        witness.know(shop.vkey())
        if start:
            shop.start()
        return shop, gateway, witness

    def restart(self, shop):
        shop.stop()
        shop.start()

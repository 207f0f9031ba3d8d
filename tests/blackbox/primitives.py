"""What Python's standard library lacks: BLAKE3 in derive_key mode and strict Ed25519."""
import hashlib, struct
from functools import lru_cache

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
        m = [lanes(words[16 * b + j::16 * blocks]) for j in range(16)]
        length = [min(64, len(data) - 64 * b) for data in inputs]
        now = flags & ~ROOT | START * (b == 0) | (END | flags & ROOT) * (b == blocks - 1)
        cv = compress(cv, m, counter, lanes(length), now, ones)
    return list(zip(*(struct.unpack(f"<{n}Q", word.to_bytes(8 * n, "little")) for word in cv)))
def subtree(key, data, flags, counter=0):
    if len(data) <= 1024:
        return chunks(key, [data], flags, counter)[0]
    half = 1024 << ((len(data) - 1) // 1024).bit_length() - 1  # the largest power of two of chunks below all
    left = subtree(key, data[:half], flags & ~ROOT, counter)
    right = subtree(key, data[half:], flags & ~ROOT, counter + half // 1024)
    return compress(key, [*left, *right], 0, 64, flags | PARENT, 1)
context_key = lru_cache(lambda context: subtree(IV, context.encode(), CONTEXT | ROOT))
def derive_key(context, data):
    return struct.pack("<8I", *subtree(context_key(context), data, MATERIAL | ROOT))

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

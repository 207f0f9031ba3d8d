// Signed checkpoints and verifier keys (section 3): C2SP signed notes, Ed25519 only, read strictly.

import { Point, hashes } from "@noble/ed25519";
import { base64, fromBase64, fromHex, hex, join, natural, same, splitOnce, utf8 } from "./bytes.js";
import { sha256, sha512 } from "./hashes.js";
import { malformed } from "./words.js";

hashes.sha512 = sha512;

/** Longest note in bytes. */
export const NOTE_BYTES_MAX = 64 * 1024;
const SIGNATURES_MAX = 64;
const DASH = "\u2014";
const LOG_KEY = 0x01;
const WITNESS_KEY = 0x04;

/** Whether it may name a key: not empty, no plus sign, no white space, no control character. */
export const isName = (name) => /^[^+\p{White_Space}\p{Cc}]+$/u.test(name);

/** A public key with its name, read from `name+hash+base64`; throws a refusal (3). */
export function parseVkey(spelled, algorithm = LOG_KEY) {
  const parts = /^([^+]*)\+([^+]*)\+(.*)$/su.exec(spelled);
  const id = parts && fromHex(parts[2], 4);
  const data = parts && fromBase64(parts[3]);
  if (!id || !data || !isName(parts[1])) throw malformed("a vkey looks like name+8 hex digits+base64", "公钥应形如：名称+8 位十六进制+Base64");
  if (data[0] !== algorithm || data.length !== 33) throw malformed("the vkey is not an Ed25519 key of this use", "该公钥不是此用途的 Ed25519 公钥");
  if (!same(keyId(parts[1], data), id)) throw malformed("the vkey's hash does not match its name and key: it was not copied whole", "公钥校验码与名称、内容不符：可能没有复制完整");
  const point = usablePoint(data.subarray(1));
  if (!point) throw malformed("the vkey's bytes are not a usable public key", "该公钥的内容不是可用的公钥");
  return { name: parts[1], id, key: data.subarray(1), point, text: spelled };
}

/** A witness's key: cosignature/v1. */
export const parseWitness = (spelled) => parseVkey(spelled, WITNESS_KEY);

/** A key of C2SP's `cosignature/v1` timestamps its notes: Unix seconds, or null where it did not sign, or -1 where forged. */
export function cosigned(note, witness) {
  let time = null;
  for (const line of note.signatures) {
    if (line.name !== witness.name || !same(line.id, witness.id)) continue;
    if (line.bytes.length !== 72) return -1;
    const seconds = new DataView(line.bytes.buffer, line.bytes.byteOffset).getBigUint64(0);
    const message = utf8(`cosignature/v1\ntime ${seconds}\n${body(note)}`);
    if (!verifies(witness, message, line.bytes.subarray(8))) return -1;
    time = Number(seconds);
  }
  return time;
}

/**
 * Whether the signature is this key's. Strict: S below the group's order, neither R nor the key of small order, and the
 * equation R = S·B − k·A itself, without the cofactor, compared byte for byte.
 */
export function verifies(vkey, message, signature) {
  if (signature.length !== 64) return false;
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  const { n } = Point.CURVE();
  if (s >= n || !usablePoint(r)) return false;
  const k = littleEndian(sha512(join(r, vkey.key, message))) % n;
  const reached = Point.BASE.multiply(s, false).subtract(vkey.point.multiply(k, false));
  return same(reached.toBytes(), r);
}

/** A checkpoint as read; nothing in it is proven until `signedBy` says so. Throws a refusal (3). */
export function parseNote(note) {
  if (utf8(note).length > NOTE_BYTES_MAX) throw malformed("a note longer than 64 KiB", "检查点超过 64 KiB");
  const parts = splitOnce(note, "\n\n");
  if (!parts) throw malformed("a note without its blank line", "检查点缺少空行");
  const head = parts[0].split("\n");
  if (head.length !== 3) throw malformed("a note whose body is not origin, size and root", "检查点正文不是来源、数量、根三行");
  const [origin, size, root] = [head[0], natural(head[1]), hash32(head[2])];
  if (!isName(origin)) throw malformed("a note whose origin is not a key's name", "检查点来源不是公钥名称");
  if (size === null) throw malformed("a note whose size is not a number", "检查点数量不是数字");
  if (!root) throw malformed("a note whose root is not 32 bytes in base64", "检查点的根不是 32 字节的 Base64");
  if (!parts[1].endsWith("\n")) throw malformed("a note that is cut off", "检查点被截断");
  const signatures = parts[1].slice(0, -1).split("\n").map(signatureLine);
  if (signatures.includes(null)) throw malformed("a signature line is malformed", "签名行格式不正确");
  if (signatures.length > SIGNATURES_MAX) throw malformed("a note with more than 64 signatures", "检查点签名超过 64 条");
  return { origin, size, root, signatures, verdicts: new Map() };
}

/** "yes", "no" where no line names the key, "forged" where a line does and is wrong. Remembered with the note. */
export function signedBy(note, vkey) {
  if (!note.verdicts.has(vkey.text)) note.verdicts.set(vkey.text, judged(note, vkey));
  return note.verdicts.get(vkey.text);
}

function judged(note, vkey) {
  let verdict = "no";
  for (const line of note.signatures) {
    if (line.name !== vkey.name || !same(line.id, vkey.id)) continue;
    if (!verifies(vkey, utf8(body(note)), line.bytes)) return "forged";
    verdict = "yes";
  }
  return verdict;
}

/** The best verdict over the pinned keys of this origin; a forged line is never made good by another key. */
export function pinnedVerdict(note, pinned) {
  const verdicts = pinned.filter((vkey) => vkey.name === note.origin).map((vkey) => signedBy(note, vkey));
  return verdicts.includes("forged") ? "forged" : verdicts.includes("yes") ? "yes" : "no";
}

/** Exactly 32 bytes in strict Base64, or null. */
export function hash32(data) {
  const bytes = fromBase64(data);
  return bytes?.length === 32 ? bytes : null;
}

const body = (note) => `${note.origin}\n${note.size}\n${base64(note.root)}\n`;

function signatureLine(line) {
  if (!line.startsWith(`${DASH} `)) return null;
  const parts = splitOnce(line.slice(2), " ");
  const data = parts && fromBase64(parts[1]);
  if (!data || data.length < 5 || !isName(parts[0])) return null;
  return { name: parts[0], id: data.subarray(0, 4), bytes: data.subarray(4) };
}

/** First 4 bytes of SHA-256(name ‖ \n ‖ algorithm ‖ key). */
const keyId = (name, data) => sha256(join(utf8(`${name}\n`), data)).subarray(0, 4);

/** The point of these bytes, or null where they are none or of small order. */
function usablePoint(bytes) {
  try {
    const point = Point.fromBytes(bytes);
    return point.isSmallOrder() ? null : point;
  } catch {
    return null;
  }
}

const littleEndian = (bytes) => BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`);

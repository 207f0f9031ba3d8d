// Bytes and text: the one spelling of hexadecimal, Base64, numbers and names that the format allows.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a text. */
export const utf8 = (text) => encoder.encode(text);

/** The text of UTF-8 bytes, or null where they are none. A byte order mark stays a character. */
export function text(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

const single = new TextDecoder("latin1");

/** One character a byte: ASCII stays ASCII, and every other byte becomes some other character. */
export const characters = (bytes) => single.decode(bytes);

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lowercase hex of bytes. */
export function hex(bytes) {
  let out = "";
  for (const byte of bytes) out += HEX[byte];
  return out;
}

/** Exactly `length` bytes from lowercase hex, or null: upper case is another spelling. */
export function fromHex(digits, length) {
  if (digits.length !== 2 * length || /[^0-9a-f]/.test(digits)) return null;
  return Uint8Array.from({ length }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SEXTET = new Int8Array(128).fill(-1);
for (let value = 0; value < 64; value += 1) SEXTET[ALPHABET.charCodeAt(value)] = value;

/** Strict standard Base64 with padding and zero pad bits, or null. */
export function fromBase64(data) {
  if (data.length % 4 !== 0) return null;
  const pad = data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0;
  const digits = data.length - pad;
  const out = new Uint8Array((data.length / 4) * 3 - pad);
  let bits = 0;
  let held = 0;
  let length = 0;
  for (let at = 0; at < digits; at += 1) {
    const code = data.charCodeAt(at);
    const value = code < 128 ? SEXTET[code] : -1;
    if (value < 0) return null;
    bits = ((bits << 6) | value) & 0xffffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[length] = (bits >> held) & 0xff;
      length += 1;
    }
  }
  return (bits & ((1 << held) - 1)) === 0 ? out : null;
}

/** Standard Base64 of bytes. */
export function base64(bytes) {
  let out = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
    out += ALPHABET[a >> 2] + ALPHABET[((a & 3) << 4) | ((b ?? 0) >> 4)];
    out += b === undefined ? "=" : ALPHABET[((b & 15) << 2) | ((c ?? 0) >> 6)];
    out += c === undefined ? "=" : ALPHABET[c & 63];
  }
  return out;
}

/** A number below 2^53 from its one spelling, or null. */
export function natural(digits) {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(digits)) return null;
  const number = Number(digits);
  return number <= Number.MAX_SAFE_INTEGER ? number : null;
}

/** Whether two byte strings are the same. */
export function same(a, b) {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}

/** One byte string after another. */
export function join(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A text split at the first separator, or null where there is none. */
export function splitOnce(whole, separator) {
  const at = whole.indexOf(separator);
  return at < 0 ? null : [whole.slice(0, at), whole.slice(at + separator.length)];
}

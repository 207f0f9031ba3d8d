// Mails (RFC 5322 with MIME, RFC 2045 to 2047): as far as one text part must be found by its file name.

import { fromBase64, splitOnce } from "./bytes.js";

/** Parts lie in parts at most so deep, and are so many in all. */
const DEPTH_MAX = 8;
const PARTS_MAX = 100;

/** The contents, as bytes, of every part of this file name, in any depth; bytes that are no mail have none. */
export function partsNamed(bytes, name) {
  const found = [];
  visit(octets(bytes), 0, { left: PARTS_MAX }, (part) => {
    if (part.name === name) found.push(part.contents());
  });
  return found;
}

/** One character for each byte, of its own number. */
function octets(bytes) {
  let out = "";
  for (let at = 0; at < bytes.length; at += 4096) out += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return out;
}

function visit(text, depth, parts, take) {
  if (depth > DEPTH_MAX || parts.left === 0) return;
  parts.left -= 1;
  const [head, body] = splitHead(text);
  const type = parameters(head.get("content-type") ?? "text/plain");
  const boundary = type.value.startsWith("multipart/") ? type.of("boundary") : null;
  if (boundary) {
    for (const part of between(body, boundary)) visit(part, depth + 1, parts, take);
    return;
  }
  const name = parameters(head.get("content-disposition") ?? "").of("filename") ?? type.of("name");
  take({ name, contents: () => decoded(body, head.get("content-transfer-encoding") ?? "7bit") });
}

/** The fields, by their names in lower case, and what follows the empty line. */
function splitHead(text) {
  const end = /(?:^|\r?\n)\r?\n/.exec(text);
  const [head, body] = end ? [text.slice(0, end.index), text.slice(end.index + end[0].length)] : [text, ""];
  const fields = new Map();
  for (const line of head.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/)) {
    const parts = splitOnce(line, ":");
    const name = parts?.[0].trim().toLowerCase();
    if (parts && !fields.has(name)) fields.set(name, parts[1].trim());
  }
  return [fields, body];
}

/** A field's value in lower case, and `of`: its parameter of that name, or null; one in coded form or in pieces (RFC 2231) as it reads. */
function parameters(field) {
  const all = new Map();
  const pieces = new Map();
  for (const [, key, quoted, plain] of field.matchAll(/;\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))/g)) {
    const [, name, place, coded] = /^([^*]+)(?:\*(\d{1,3}))?(\*)?$/.exec(key.toLowerCase()) ?? [];
    if (name === undefined) continue;
    const given = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    const value = coded ? uncoded(given, Number(place ?? 0) === 0) : given;
    if (place === undefined) {
      if (!all.has(name)) all.set(name, value);
      continue;
    }
    if (!pieces.has(name)) pieces.set(name, new Map());
    if (!pieces.get(name).has(Number(place))) pieces.get(name).set(Number(place), value);
  }
  for (const [name, parts] of pieces) {
    let whole = "";
    for (let place = 0; parts.has(place); place += 1) whole += parts.get(place);
    if (!all.has(name)) all.set(name, whole);
  }
  return { value: field.split(";")[0].trim().toLowerCase(), of: (name) => all.get(name) ?? null };
}

/** The bytes that a coded value (RFC 2231, 4) says; its first piece begins with charset and language. */
function uncoded(value, first) {
  const said = first ? value.replace(/^[^']*'[^']*'/, "") : value;
  return said.replace(/%([0-9A-Fa-f]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
}

/** What lies between the delimiters (RFC 2046, 5.1.1): the line end before one belongs to it. */
function between(body, boundary) {
  const parts = [];
  let part = null;
  for (const line of body.split(/(?<=\n)/)) {
    const bare = line.replace(/[ \t]*\r?\n?$/, "");
    if (bare === `--${boundary}` || bare === `--${boundary}--`) {
      if (part !== null) parts.push(part.replace(/\r?\n$/, ""));
      if (bare.length > boundary.length + 2) return parts;
      part = "";
    } else if (part !== null) part += line;
  }
  return part === null ? parts : [...parts, part];
}

function decoded(body, encoding) {
  // Invariant: every character is one byte's.
  const plain = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  switch (encoding.toLowerCase()) {
    case "base64":
      return fromBase64(body.replace(/[^A-Za-z0-9+/=]/g, "")) ?? new Uint8Array(0);
    case "quoted-printable":
      return plain(body.replace(/[ \t]+(?=\r?\n)/g, "").replace(/=\r?\n/g, "").replace(/=([0-9A-Fa-f]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16))));
    default:
      return plain(body);
  }
}

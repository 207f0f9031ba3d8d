// Entries (section 1): one flat object in its one spelling, with exactly the keys of its type.

import { characters, fromHex } from "./bytes.js";
import { parseVkey } from "./note.js";
import { parseSlots } from "./slots.js";
import { malformed } from "./words.js";

/** Longest line in bytes, without its end. */
export const LINE_BYTES_MAX = 1024;
/** Most slots of one batch. */
export const BATCH_SLOTS_MAX = 2 ** 24;

/** Reads a line's bytes, strictly: `{seq, t, prev, type, …}` with hashes as hex and slots as ranges. Throws a refusal (3). */
export function parseEntry(line) {
  if (line.length > LINE_BYTES_MAX) throw malformed("a line longer than 1024 bytes", "一行超过 1024 字节");
  const pairs = scan(characters(line));
  const type = pairs.get("type");
  const table = typeof type === "string" && Object.hasOwn(TYPES, type) ? TYPES[type] : null;
  if (!table) throw malformed("an unknown type, or none", "没有类型，或类型未知");
  const entry = {};
  for (const [key, value] of pairs) {
    // Own keys alone: every object answers to `constructor` too.
    const of = [table, COMMON].find((keys) => Object.hasOwn(keys, key));
    const read = of?.[key];
    if (!read) throw malformed("the key {0}, which this type does not have", "此类型没有 {0} 这一项", key);
    const taken = read(value);
    if (taken === null) throw malformed("the value of {0} is of the wrong kind or form", "{0} 的值格式不正确", key);
    entry[key] = taken;
  }
  for (const key of required(type, entry)) if (!(key in entry)) throw malformed("the key {0} is missing", "缺少 {0} 这一项", key);
  agree(entry);
  return entry;
}

const PAIR = /"([a-z_]+)":(?:"([ !#-[\]-~]*)"|(-?(?:0|[1-9][0-9]{0,15})))([,}])/y;

/** The pairs of a line in their sorted order. What passes is the canonical spelling of its object. */
function scan(line) {
  const pairs = new Map();
  let before = "";
  let at = 1;
  let more = line.startsWith("{");
  while (more) {
    PAIR.lastIndex = at;
    const found = PAIR.exec(line);
    if (!found) break;
    const [whole, key, word, digits, next] = found;
    if (key <= before) throw malformed("keys are not sorted, or one is there twice", "键未按顺序排列，或有重复");
    pairs.set(key, word ?? integer(digits));
    before = key;
    at += whole.length;
    more = next === ",";
    if (!more && at === line.length) return pairs;
  }
  throw malformed("not canonical JSON at byte {0}", "第 {0} 字节处不是规范的 JSON", at);
}

function integer(digits) {
  const number = Number(digits);
  if (!Number.isSafeInteger(number) || Object.is(number, -0)) throw malformed("an integer outside its range or in another spelling", "整数超出范围，或写法不规范");
  return number;
}

const matching = (pattern) => (value) => (typeof value === "string" && pattern.test(value) ? value : null);
const among = (...words) => (value) => (words.includes(value) ? value : null);
const bounded = (from, to) => (value) => (typeof value === "number" && value >= from && value <= to ? value : null);
const bytes = (length) => (value) => (typeof value === "string" ? fromHex(value, length) : null);

const any = (value) => value;
const count = bounded(0, Number.MAX_SAFE_INTEGER);
const hash = matching(/^[0-9a-f]{64}$/);
const random = matching(/^[0-9a-f]{32}$/);
const sku = matching(/^[0-9a-z-]{1,64}$/);
const currency = matching(/^[A-Z]{3,5}$/);
const why = among("bad", "leaked", "late", "surplus", "short", "goodwill", "fraud", "withdrawn", "restore", "other");
const slots = (value) => (typeof value === "string" ? parseSlots(value) : null);
const origin = matching(/^(?=.{1,64}\/)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\/[0-9a-f]{8}$/);

function vkey(value) {
  if (typeof value !== "string") return null;
  try {
    parseVkey(value);
    return value;
  } catch {
    return null;
  }
}

/** Keys of every entry. */
const COMMON = { prev: hash, seq: count, t: count, type: any, v: bounded(1, 1) };

/** The own keys of each type. */
const TYPES = {
  open: { origin, vkey, root_vkey: vkey, r: random, prior: origin, prior_head: hash, prior_size: count, prior_signed: count, sig_root: bytes(64) },
  stock: { batch: count, count: bounded(1, BATCH_SLOTS_MAX), keys: hash, sku, r: random },
  sale: {
    order: matching(/^[0-9A-Za-z]{6,32}$/), sku, qty: bounded(1, Number.MAX_SAFE_INTEGER), amt: count, cur: currency, buyer: hash, pay: hash, slots,
    kind: among("pool", "generated", "shared", "link", "file", "supplier", "hand"),
  },
  slots: { ref: count, slots, r: random },
  refund: { ref: count, amt: count, cur: currency, why, r: random },
  replace: { ref: count, out: slots, slots, why, r: random },
  void: { slots, why, r: random },
  erase: { ref: count, r: random },
  admin: { what: among("payee", "staff", "key_export", "settings", "backup"), who: hash },
  mark: { r: random, beacon: matching(/^/), down_ms: count },
  audit: { nonce: matching(/^[0-9A-Za-z_-]{1,128}$/), r: random },
  rotate: { vkey, sig_root: bytes(64), sig_old: bytes(64), r: random },
  clock: { skew_ms: bounded(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), r: random },
};

const AFTER_A_RESTORE = ["prior", "prior_head", "prior_size", "prior_signed", "sig_root"];

function* required(type, entry) {
  yield* Object.keys(COMMON);
  for (const key of Object.keys(TYPES[type])) {
    if (type === "mark" && key !== "r") continue;
    if (type === "open" && AFTER_A_RESTORE.includes(key) && !AFTER_A_RESTORE.some((other) => other in entry)) continue;
    if (type === "sale" && key === "slots" && entry.kind !== "pool") continue;
    yield key;
  }
}

/** What two keys say together. */
function agree(entry) {
  if ((entry.seq === 0) !== (entry.type === "open")) throw malformed("seq 0 is an open, and nothing else is", "序号 0 必须且只能是 open");
  if (entry.type === "sale" && entry.kind !== "pool" && "slots" in entry) throw malformed("slots of a sale that is not from a pool", "非卡池销售带有卡位");
  if (entry.type === "open" && !entry.vkey.startsWith(`${entry.origin}+`)) throw malformed("the value of {0} is of the wrong kind or form", "{0} 的值格式不正确", "vkey");
}

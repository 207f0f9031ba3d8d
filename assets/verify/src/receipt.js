// Receipts (section 7): reading one strictly, and every check that does not need a key.

import { fromBase64, fromHex, hex, natural, splitOnce, text, utf8 } from "./bytes.js";
import { fieldCommitment, hashLine, includes, keyCommitment, leafHash } from "./hashes.js";
import { parseEntry } from "./entry.js";
import { hash32, parseNote } from "./note.js";
import { malformed, tampered } from "./words.js";

/** Longest receipt in bytes. */
export const RECEIPT_BYTES_MAX = 32 * 1024 * 1024;
const HEADER = "keystall-receipt/v1";
const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
const HASHES_MAX = 63;

/** Whether the bytes begin as a receipt does. */
export const isReceipt = (bytes) => text(bytes.subarray(0, HEADER.length - 2))?.startsWith("keystall-receipt/") ?? false;

/** The parts of a receipt, in the order of the file. Throws a refusal (3). */
export function parseReceipt(file) {
  const lines = new Lines(file);
  if (lines.next() !== HEADER) throw lines.wrong("expected keystall-receipt/v1", "应为 keystall-receipt/v1");
  const sale = lines.part("entry ");
  if (sale === null) throw lines.wrong("expected entry and the line of a sale", "应为 entry 和销售记录");
  const receipt = { entry: lineOf(lines, sale, ["sale"]), opens: [], keys: [], stocks: [], more: [], proofs: [] };
  for (let rest; (rest = lines.part("open ")) !== null; ) receipt.opens.push(readOpen(lines, receipt, rest));
  for (let rest; (rest = lines.part("key ")) !== null; ) receipt.keys.push(readKey(lines, rest));
  for (let rest; (rest = lines.part("stock ")) !== null; ) receipt.stocks.push(lineOf(lines, rest, ["stock"]));
  for (let rest; (rest = lines.part("more ")) !== null; ) receipt.more.push(lineOf(lines, rest, ["slots", "replace"]));
  if (new Set(receipt.more.map(({ parsed }) => parsed.seq)).size < receipt.more.length) throw lines.wrong("a more line is there twice", "同一附加记录出现两次");
  const count = 1 + receipt.stocks.length + receipt.more.length;
  for (let number = 0; number < count; number += 1) receipt.proofs.push(readProof(lines));
  if (lines.peek() !== null) throw lines.wrong("bytes after the last proof", "最后一个证明之后还有内容");
  return receipt;
}

/** Every check but the signatures. Throws a refusal. */
export function checkUnsigned(receipt) {
  const sale = receipt.entry.parsed;
  for (const open of receipt.opens) {
    if (hex(fieldCommitment(open.salt, open.field, open.value)) !== sale[open.field]) throw tampered("the value of {0} is not the one committed", "{0} 的内容与承诺不符", open.field);
  }
  const sold = soldSlots(receipt);
  const stocks = stocksOf(receipt);
  const named = new Set();
  for (const key of receipt.keys) checkKey(key, stocks, sold, named);
  const batches = new Set(receipt.keys.map((key) => key.batch));
  for (const batch of stocks.keys()) {
    if (!batches.has(batch)) throw malformed("no key names batch {0}, whose stock line is here", "没有卡密属于批次 {0}，却带有它的入库记录", batch);
  }
  checkInclusions(receipt);
}

/**
 * What the slots say: of each `key` line the slot, unless it is among the `out` of a `replace` line here, and those ranges,
 * each as it is spelled, of the first hundred. Call it after the checks.
 */
export function slotsOf({ keys, more }) {
  const out = more.flatMap(({ parsed }) => parsed.out ?? []);
  const isOut = ({ batch, index }) => out.some((range) => range.batch === batch && range.first <= index && index <= range.last);
  return {
    slots: listed(keys, (some) => some.filter((key) => !isOut(key)).map(({ batch, index }) => `${batch}:${index}`)),
    replaced: listed(out, (some) => some.map(({ batch, first, last }) => (first === last ? `${batch}:${first}` : `${batch}:${first}-${last}`))),
  };
}

const LISTED_MAX = 100;
const listed = (all, spelled) => [...spelled(all.slice(0, LISTED_MAX)), ...(all.length > LISTED_MAX ? [`… (${all.length})`] : [])];

function checkKey(key, stocks, sold, named) {
  const slot = `${key.batch}:${key.index}`;
  const stock = stocks.get(key.batch);
  if (!stock) throw malformed("batch {0} has no stock line", "缺少批次 {0} 的入库记录", key.batch);
  const leaf = leafHash(keyCommitment(key.salt, key.key));
  if (!includes(leaf, key.index, stock.count, key.path, fromHex(stock.keys, 32))) throw tampered("the key is not that of slot {0}", "该卡密不属于卡位 {0}", slot);
  const before = sold.get(key.batch)?.findLast((range) => range.first <= key.index);
  if (!before || before.last < key.index) throw tampered("the sale does not name slot {0}", "该笔销售并未包含卡位 {0}", slot);
  if (named.has(slot)) throw tampered("slot {0} is named twice", "卡位 {0} 出现两次", slot);
  named.add(slot);
}

/**
 * The ranges of the sale and of its further entries by batch, ascending. Ranges of one sale never overlap; where they do,
 * the last one that begins at or before a slot decides, so that a slot may be missed and is never made up.
 */
function soldSlots(receipt) {
  const { seq, slots } = receipt.entry.parsed;
  const sold = [...(slots ?? [])];
  for (const { parsed } of receipt.more) {
    if (parsed.ref !== seq) throw tampered("a more line belongs to sale {0}, not {1}", "附加记录属于销售 {0}，而不是 {1}", parsed.ref, seq);
    sold.push(...parsed.slots);
  }
  const batches = new Map();
  // The sort is stable: of two ranges that begin together, the later one comes last.
  for (const range of sold.sort((a, b) => a.first - b.first)) {
    if (!batches.has(range.batch)) batches.set(range.batch, []);
    batches.get(range.batch).push(range);
  }
  return batches;
}

function stocksOf(receipt) {
  const stocks = new Map();
  for (const { parsed } of receipt.stocks) {
    const { batch, sku } = parsed;
    if (sku !== receipt.entry.parsed.sku) throw tampered("batch {0} is of {1}, the sale of {2}", "批次 {0} 属于 {1}，而销售的是 {2}", batch, sku, receipt.entry.parsed.sku);
    if (stocks.has(batch)) throw malformed("batch {0} has two stock lines", "批次 {0} 有两条入库记录", batch);
    stocks.set(batch, parsed);
  }
  return stocks;
}

function checkInclusions(receipt) {
  const lines = [receipt.entry, ...receipt.stocks, ...receipt.more];
  lines.forEach(({ line, parsed }, number) => {
    const { index, hashes, note } = receipt.proofs[number];
    if (parsed.seq !== index) throw tampered("the proof of entry {0} has index {1}", "记录 {0} 的证明序号却是 {1}", parsed.seq, index);
    if (!includes(leafHash(hashLine(line)), index, note.size, hashes, note.root)) {
      throw tampered("entry {0} is not in the tree of {1} entries that was signed", "记录 {0} 不在已签名的 {1} 条记录之中", parsed.seq, note.size);
    }
  });
  // The stock may have come in an earlier generation; what belongs to the sale may not.
  const ofSale = receipt.proofs.slice(1 + receipt.stocks.length);
  if (ofSale.some((proof) => proof.note.origin !== receipt.proofs[0].note.origin)) throw tampered("the proofs of the sale's lines are of different origins", "同一笔销售的证明来自不同的账本");
}

function lineOf(lines, spelled, types) {
  const line = utf8(spelled);
  const parsed = lines.tried(() => parseEntry(line));
  if (!types.includes(parsed.type)) throw lines.wrong("an entry of another type", "记录类型不符");
  return { line, parsed };
}

function readOpen(lines, before, rest) {
  const parts = rest.split(" ");
  if (parts.length !== 3) throw lines.wrong("expected open, a field, its salt and its value", "应为 open、字段、盐和内容");
  const [field, salt, value] = [parts[0], fromHex(parts[1], 32), fromBase64(parts[2])];
  if (field !== "buyer" && field !== "pay") throw lines.wrong("a sale has no such field", "销售没有这个字段");
  if (before.opens.some((other) => other.field === field)) throw lines.wrong("a field is opened twice", "同一字段出现两次");
  if (!salt || !value) throw lines.wrong("the salt is not hex, or the value not Base64", "盐不是十六进制，或内容不是 Base64");
  return { field, salt, value };
}

function readKey(lines, rest) {
  const parts = rest.split(" ");
  if (parts.length < 3 || parts.length > 4) throw lines.wrong("expected key, its slot, its salt, its bytes and its path", "应为 key、卡位、盐、内容和路径");
  const slot = splitOnce(parts[0], ":")?.map(natural);
  if (!slot || slot.includes(null)) throw lines.wrong("the slot is not batch:index", "卡位不是 批次:序号");
  const path = parts.length === 4 ? parts[3].split(",").map((hash) => fromHex(hash, 32)) : [];
  const [salt, key] = [fromHex(parts[1], 32), fromBase64(parts[2])];
  if (!salt || !key || path.includes(null)) throw lines.wrong("the salt or the path is not hex, or the key not Base64", "盐或路径不是十六进制，或卡密不是 Base64");
  return { batch: slot[0], index: slot[1], salt, key, path };
}

/** A proof block: a C2SP tlog-proof. */
export function readProof(lines) {
  if (lines.next() !== PROOF_HEADER) throw lines.wrong("expected c2sp.org/tlog-proof@v1", "应为 c2sp.org/tlog-proof@v1");
  const spelled = lines.part("index ");
  const index = spelled === null ? null : natural(spelled);
  if (index === null) throw lines.wrong("expected index and a number", "应为 index 和数字");
  const hashes = [];
  for (let line; (line = lines.next()) !== ""; ) {
    const hash = hash32(line);
    if (!hash || hashes.length === HASHES_MAX) throw lines.wrong("expected at most 63 hashes of 32 bytes in base64", "应为至多 63 个 32 字节的 Base64 哈希");
    hashes.push(hash);
  }
  return { index, hashes, note: readNote(lines) };
}

/** A note among other lines: it ends with the last of its signature lines, all of which begin with a dash. */
export function readNote(lines) {
  let note = "";
  for (let line = null; line !== ""; ) note += `${(line = lines.next())}\n`;
  while (lines.peek()?.startsWith("\u2014")) note += `${lines.next()}\n`;
  return lines.tried(() => parseNote(note));
}

/** The lines of a file that ends in a line end. */
export class Lines {
  constructor(file) {
    const whole = file.length <= RECEIPT_BYTES_MAX ? text(file) : null;
    if (whole === null) throw malformed("not UTF-8, or longer than 32 MiB", "不是 UTF-8，或超过 32 MiB");
    if (!whole.endsWith("\n")) throw malformed("empty, or cut off: the last line has no end", "文件为空或被截断：最后一行没有结束");
    this.lines = whole.slice(0, -1).split("\n");
    this.taken = 0;
  }

  peek() {
    return this.lines[this.taken] ?? null;
  }

  next() {
    const line = this.peek();
    this.taken += 1;
    if (line === null) throw this.wrong("the file ends too early", "文件过早结束");
    return line;
  }

  /** What follows the word, if the next line begins with it. */
  part(word) {
    return this.peek()?.startsWith(word) ? this.next().slice(word.length) : null;
  }

  wrong(en, zh) {
    return malformed("malformed in line {0}: {1}", "第 {0} 行格式错误：{1}", this.taken, { en, zh });
  }

  /** A refusal within this line, with the line's number. */
  tried(read) {
    try {
      return read();
    } catch (error) {
      throw error.what ? this.wrong(error.what.en, error.what.zh) : error;
    }
  }
}

// The small files of a generation: `marks.ndjson`, `prefix.json`, `carried.ndjson`, each line in its one spelling.

import { fromHex, hex, same, text, utf8 } from "./bytes.js";
import { parseEntry } from "./entry.js";
import { Frontier, hashLine, inclusionRoot, leafHash, ZERO } from "./hashes.js";
import { linesOf } from "./lines.js";
import { NOTE_BYTES_MAX, parseNote, pinnedVerdict } from "./note.js";
import { Exit, fault, malformed, say, tampered } from "./words.js";

/** A note of the largest size with each byte escaped. */
const MARK_BYTES_MAX = 6 * NOTE_BYTES_MAX + 64;
/** Hashes of a prefix and its size. */
const PREFIX_BYTES_MAX = 8 * 1024;
/** A line with its quotes escaped, and at most 63 hashes. */
const CARRIED_BYTES_MAX = 2 * 1024 + 63 * 68 + 64;

/**
 * The checkpoints of a generation up to the first fault, which is given along. A point is
 * `{note, known, file, valid, matches}`: `matches` stays null as long as the entries do not reach its size, and
 * `valid` false until the log key of its size is known.
 */
export async function readMarks(blob, file, pinned) {
  const points = [];
  let forged = null;
  for await (const lines of linesOf(blob, MARK_BYTES_MAX)) {
    for (const line of lines) {
      const place = { byte: line.offset };
      let note;
      try {
        note = parseMark(line);
      } catch (error) {
        if (!error.what) throw error;
        return { points, fault: forged ?? fault(error.exit, file, error.what, place) };
      }
      const signed = pinnedVerdict(note, pinned);
      if (signed === "forged") forged ??= fault(Exit.TAMPERED, file, say("a wrong signature under the pinned key's name", "以所给公钥之名的签名不正确"), { seq: note.size, ...place });
      const ascends = note.size > (points.at(-1)?.note.size ?? 0);
      points.push({ note, known: false, file, valid: false, matches: null });
      if (!ascends) {
        const what = say("the sizes of marks do not ascend from 1", "检查点的数量没有从 1 起递增");
        return { points, fault: forged ?? fault(Exit.MALFORMED, file, what, { seq: note.size, ...place }) };
      }
    }
  }
  return { points, fault: forged };
}

/** `{size, prev, frontier}` of a range; throws a refusal. */
export async function readPrefix(blob) {
  const [first, ...more] = await allLines(blob, PREFIX_BYTES_MAX);
  const prefix = first && more.length === 0 ? json(first) : null;
  const hashes = Array.isArray(prefix?.hashes) ? prefix.hashes.map(hash) : [null];
  const prev = hash(prefix?.prev);
  const natural = Number.isSafeInteger(prefix?.size) && prefix.size >= 1;
  if (!prev || hashes.includes(null) || !natural || !spelled(first, ["hashes", "prev", "size"], prefix)) {
    throw malformed("not a prefix in its canonical spelling", "不是规范写法的前缀");
  }
  const frontier = Frontier.from(prefix.size, hashes);
  if (!frontier) throw malformed("a prefix of {0} entries with {1} hashes", "{0} 条记录的前缀却有 {1} 个哈希", prefix.size, hashes.length);
  // The last leaf of an odd size is a subtree by itself, so `prev` can be held against it.
  if (prefix.size % 2 === 1 && !same(hashes.at(-1), leafHash(prev))) throw tampered("the prefix's prev is not the last of its hashes", "前缀的 prev 与其最后一个哈希不符");
  return { size: prefix.size, prev, frontier };
}

/** The entries that a range carries along from its prefix, each shown to lie in the tree of the note; throws a refusal. */
export async function readCarried(blob, prefix, note) {
  const entries = [];
  let before = { seq: -1, hash: hex(ZERO) };
  for (const line of await allLines(blob, CARRIED_BYTES_MAX)) {
    const carried = json(line);
    const path = Array.isArray(carried?.path) ? carried.path.map(hash) : [null];
    if (typeof carried?.line !== "string" || path.includes(null) || !spelled(line, ["line", "path"], carried)) {
      throw malformed("not a carried line in its canonical spelling", "不是规范写法的附带记录");
    }
    const bytes = utf8(carried.line);
    const entry = parseEntry(bytes);
    const after = entries.length === 0 ? entry.seq === 0 : entry.seq > before.seq && entry.seq < prefix.size;
    if (!after || !["open", "stock", "rotate"].includes(entry.type)) {
      throw malformed("a carried line that does not belong here: entry {0}", "附带记录不应在此：记录 {0}", entry.seq);
    }
    const own = hashLine(bytes);
    const root = note && inclusionRoot(leafHash(own), entry.seq, note.size, path);
    if (note && !(root && same(root, note.root))) throw tampered("entry {0}, carried along, is not in the signed tree", "附带的记录 {0} 不在已签名的树中", entry.seq);
    if (entry.seq === before.seq + 1 && entry.prev !== before.hash) throw tampered("a carried line does not continue the one before", "附带记录与前一条衔接不上");
    if (entry.seq + 1 === prefix.size && !same(own, prefix.prev)) throw tampered("the prefix's prev is not the hash of the line before the range", "前缀的 prev 不是范围之前那条记录的哈希");
    before = { seq: entry.seq, hash: hex(own) };
    entries.push(entry);
  }
  if (entries.length === 0) throw malformed("does not carry the open", "没有附带 open 记录");
  return entries;
}

function parseMark(line) {
  if (line.broken) throw malformed("a line is cut off or too long", "有一行被截断或过长");
  const mark = json(line);
  // Half of a surrogate pair is no text, though JSON can spell it.
  if (typeof mark?.note !== "string" || /\p{Cs}/u.test(mark.note) || !Number.isSafeInteger(mark.size) || !spelled(line, ["note", "size"], mark)) {
    throw malformed("not a mark in its canonical spelling", "不是规范写法的检查点");
  }
  const note = parseNote(mark.note);
  if (note.size !== mark.size) throw malformed("a mark's size is not that of its note", "检查点的数量与签名内容不符");
  return note;
}

async function allLines(blob, bytesMax) {
  const all = [];
  for await (const lines of linesOf(blob, bytesMax)) all.push(...lines);
  if (all.some((line) => line.broken)) throw malformed("a line is cut off or too long", "有一行被截断或过长");
  return all;
}

function json(line) {
  try {
    return JSON.parse(text(line.bytes));
  } catch {
    return null;
  }
}

/** Whether the line is `json.dumps(value, sort_keys=True, separators=(",", ":"))` of exactly these keys. */
function spelled(line, keys, value) {
  const ordered = Object.fromEntries(keys.map((key) => [key, value[key]]));
  const dumped = JSON.stringify(ordered).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return Object.keys(value).length === keys.length && same(utf8(dumped), line.bytes);
}

const hash = (digits) => (typeof digits === "string" ? fromHex(digits, 32) : null);

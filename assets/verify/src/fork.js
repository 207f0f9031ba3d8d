// Fork proofs: two signed checkpoints of one log that cannot both be true, in one file that proves it alone.

import { fromHex, same, text } from "./bytes.js";
import { consistent, includes, leafHash } from "./hashes.js";
import { hash32, pinnedVerdict } from "./note.js";
import { Lines, readNote, readProof } from "./receipt.js";
import { incomplete, malformed, say, tampered } from "./words.js";

const HEADER = "keystall-fork/v1";
const FORK_BYTES_MAX = 32 * 1024;
const HASHES_MAX = 64;

/** Whether the bytes begin as a fork proof does. */
export const isFork = (bytes) => text(bytes.subarray(0, HEADER.length))?.startsWith("keystall-fork/") ?? false;

/** The contradiction in one sentence, and both checkpoints, where the file proves one under the pinned keys; else a refusal. */
export function proveFork(file, vkeys) {
  if (file.length > FORK_BYTES_MAX) throw malformed("a fork proof longer than 32 KiB", "分叉证据超过 32 KiB");
  const proof = parse(new Lines(file));
  const notes = [proof.a.note, proof.b.note];
  if (notes.some((note) => note.signatures.length !== 1)) throw malformed("a note here has one signature, the log key's", "此处的检查点只应有账本公钥的一个签名");
  demandContradiction(proof);
  const verdicts = notes.map((note) => pinnedVerdict(note, vkeys));
  if (verdicts.includes("forged")) throw tampered("a checkpoint has a wrong signature under the pinned key's name", "有检查点以所给公钥之名的签名不正确");
  if (!leads(proof)) throw tampered("a path does not lead to the signed root", "路径没有通向已签名的根");
  if (verdicts.includes("no")) throw incomplete("a checkpoint is not signed by a pinned key", "有检查点不是由所给公钥签名");
  return { what: sentence(proof), notes };
}

function parse(lines) {
  if (lines.next() !== HEADER) throw lines.wrong("expected keystall-fork/v1", "应为 keystall-fork/v1");
  const proof = { kind: lines.part("kind ") };
  if (proof.kind === "size" || proof.kind === "prefix") {
    [proof.a, proof.b] = [{ note: readNote(lines) }, { note: readNote(lines) }];
  } else if (proof.kind === "entry") {
    [proof.a, proof.b] = [readEntry(lines), readEntry(lines)];
  } else {
    throw lines.wrong("expected kind size, prefix or entry", "应为 kind size、prefix 或 entry");
  }
  if (proof.kind === "prefix") {
    [proof.root, proof.path] = [hash32(lines.part("root ") ?? ""), []];
    for (let rest; (rest = lines.part("path ")) !== null; ) proof.path.push(hash32(rest));
    if (!proof.root || proof.path.includes(null) || proof.path.length > HASHES_MAX) throw lines.wrong("expected a root and at most 64 hashes in base64", "应为根和至多 64 个 Base64 哈希");
  }
  if (lines.peek() !== null) throw lines.wrong("bytes after the last part", "最后一部分之后还有内容");
  return proof;
}

function readEntry(lines) {
  const leaf = fromHex(lines.part("leaf ") ?? "", 32);
  if (!leaf) throw lines.wrong("expected leaf and 64 hex digits", "应为 leaf 和 64 位十六进制");
  return { leaf, ...readProof(lines) };
}

/** Whether the two statements contradict each other, once they are proven. */
function demandContradiction({ kind, a, b, root }) {
  const sound = {
    size: () => a.note.size === b.note.size && !same(a.note.root, b.note.root),
    prefix: () => a.note.size > 0 && a.note.size < b.note.size && !same(root, a.note.root),
    entry: () => a.index === b.index && !same(a.leaf, b.leaf),
  }[kind]();
  if (!sound || a.note.origin !== b.note.origin) throw malformed("the two checkpoints do not contradict each other", "两份检查点并不矛盾");
}

function leads({ kind, a, b, root, path }) {
  if (kind === "prefix") return consistent(a.note.size, b.note.size, path, root, b.note.root);
  return kind === "size" || [a, b].every(({ leaf, index, hashes, note }) => includes(leafHash(leaf), index, note.size, hashes, note.root));
}

function sentence({ kind, a, b }) {
  const { origin, size } = a.note;
  if (kind === "size") return say("{0} signed two different histories of {1} entries", "{0} 签名了两份不同的 {1} 条历史", origin, size);
  if (kind === "prefix") return say("{0} signed a history of {1} entries that does not begin with the one of {2} entries that it signed", "{0} 签名的 {1} 条历史，并不以它签名过的 {2} 条历史开头", origin, b.note.size, size);
  return say("{0} signed two histories that differ in entry {1}", "{0} 签名了两份在记录 {1} 处不同的历史", origin, a.index);
}

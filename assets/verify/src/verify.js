// The verifier of the receipt ledger, format 1: the same verdicts as keystall-verify, from bytes alone.
//
// Owns: reading every form strictly, and the verdict. Never: the network, storage, a clock, or the page it runs in.

import { same, text } from "./bytes.js";
import { Audit } from "./audit.js";
import { unpack } from "./archive.js";
import { isFork, proveFork } from "./fork.js";
import { cosigned, parseNote, parseVkey, parseWitness, pinnedVerdict } from "./note.js";
import { checkUnsigned, isReceipt, parseReceipt, slotsOf } from "./receipt.js";
import { Exit, fault, incomplete, Refused, say, tampered } from "./words.js";

export { Exit, isFork, isReceipt, parseVkey, parseWitness };

/**
 * What is asked. `vkeys` are keys as `parseVkey` gives them, `known` files `{name, bytes}` that somebody kept, `nonce` one
 * that an `audit` entry must hold, `since` and `until` Unix milliseconds, `witnesses` keys as `parseWitness` gives them.
 */
const ASKED = { vkeys: [], known: [], nonce: null, since: null, until: null, witnesses: [] };

/** Verifies an export: a Map of paths within it to Blobs. `onProgress(done, total)` is told bytes. Never throws. */
export async function verifyExport(files, request, onProgress = () => {}) {
  const asked = { ...ASKED, ...request };
  return guarded("ledger", () => new Audit(asked, onProgress).run(files));
}

/** Verifies an export packed as `.tar.zst`, a Blob. Never throws. */
export async function verifyArchive(blob, request, onProgress = () => {}) {
  const asked = { ...ASKED, ...request };
  return guarded("ledger", async () => new Audit(asked, onProgress).run(await unpack(blob, onProgress)));
}

/** Verifies one receipt's bytes. Never throws. */
export async function verifyReceipt(bytes, request) {
  const asked = { ...ASKED, ...request };
  return guarded("receipt", () => receiptReport(bytes, asked));
}

/** Verifies one checkpoint note's bytes against the key and against notes that somebody kept. Never throws. */
export async function verifyNote(bytes, request) {
  const asked = { ...ASKED, ...request };
  return guarded("note", () => noteReport(bytes, asked));
}

/** Verifies a fork proof's bytes: exit 5 where it is proven. Never throws. */
export async function verifyFork(bytes, request) {
  const asked = { ...ASKED, ...request };
  return guarded("fork", () => {
    needKey(asked);
    const { what, notes } = proveFork(bytes, asked.vkeys);
    return {
      exit: Exit.FORK,
      fault: fault(Exit.FORK, "", what),
      signed: notes.map(({ origin, size }) => ({ origin, size })),
      checks: [{ name: "signatures", passed: notes.length, total: notes.length }],
      notProven: [say("which of the two histories is the true one", "两份历史中哪一份是真的")],
    };
  });
}

async function guarded(kind, run) {
  const empty = { kind, incomplete: [], notes: [], generations: [], checks: [], stock: [], lastGood: null, notProven: [] };
  try {
    return { ...empty, ...(await run()) };
  } catch (error) {
    if (!(error instanceof Refused)) return { ...empty, exit: Exit.INTERNAL, fault: fault(Exit.INTERNAL, "", say("{0}", "{0}", String(error))) };
    if (error.exit === Exit.INCOMPLETE) return { ...empty, exit: error.exit, fault: null, incomplete: [error.what] };
    return { ...empty, exit: error.exit, fault: fault(error.exit, "", error.what) };
  }
}

function receiptReport(bytes, asked) {
  needKey(asked);
  const receipt = parseReceipt(bytes);
  const notes = receipt.proofs.map((proof) => proof.note);
  const known = knownNotes(asked);
  // Two signatures that cannot both be true outrank whatever else is wrong.
  refuseFork([...notes, ...known], asked.vkeys);
  checkUnsigned(receipt);
  const which = (number) => say("proof block {0}", "第 {0} 个证明", number + 1);
  // A wrong signature anywhere outranks one that is missing.
  const forged = notes.findIndex((note) => pinnedVerdict(note, asked.vkeys) === "forged");
  if (forged >= 0) demandSigned(notes[forged], asked.vkeys, which(forged));
  notes.forEach((note, number) => demandSigned(note, asked.vkeys, which(number)));
  for (const note of known) {
    demandSigned(note, asked.vkeys, say("a known note", "已知检查点"), incomplete);
    if (!notes.some((own) => own.origin === note.origin && own.size === note.size)) {
      throw incomplete("a known note of size {0} cannot be compared with this receipt alone: verify the ledger with both", "仅凭此凭证无法与数量为 {0} 的已知检查点对照：请连同账本一起核验", note.size);
    }
  }
  demandWitness(notes[0], asked.witnesses);
  const { parsed } = receipt.entry;
  const count = (name, passed) => ({ name, passed, total: passed });
  return {
    exit: Exit.PROVEN,
    fault: null,
    sale: parsed,
    opens: receipt.opens.map((open) => ({ field: open.field, value: text(open.value) })),
    ...slotsOf(receipt),
    checks: [count("inclusions", notes.length), count("signatures", notes.length), count("keys", receipt.keys.length), count("fields", receipt.opens.length), count("known", known.length)].filter((check) => check.total > 0),
    signed: notes.map(({ origin, size }) => ({ origin, size })),
    notProven: [
      say("that a key was not replaced or refunded since", "此后没有卡密被更换或退款"),
      say("that the same key was not sold in another slot too: two buyers comparing receipts find that", "同一卡密没有同时卖在别的卡位：两位买家对照凭证才能发现"),
      say("that everybody is shown the same ledger: compare checkpoints, or verify the ledger with this receipt as known", "所有人看到的是同一本账本：请对照检查点，或把此凭证作为已知文件核验账本"),
    ],
  };
}

function noteReport(bytes, asked) {
  needKey(asked);
  const note = parseNote(text(bytes) ?? "");
  const known = knownNotes(asked);
  refuseFork([note, ...known], asked.vkeys);
  demandSigned(note, asked.vkeys, say("this checkpoint", "此检查点"));
  for (const other of known) {
    demandSigned(other, asked.vkeys, say("a known note", "已知检查点"), incomplete);
    if (other.origin !== note.origin || other.size !== note.size) throw incomplete("checkpoints of sizes {0} and {1} cannot be compared without the ledger", "没有账本，无法对照数量为 {0} 和 {1} 的检查点", note.size, other.size);
  }
  demandWitness(note, asked.witnesses);
  const checks = [{ name: "signatures", passed: 1, total: 1 }];
  if (known.length > 0) checks.push({ name: "known", passed: known.length, total: known.length });
  return {
    exit: Exit.PROVEN,
    fault: null,
    signed: [{ origin: note.origin, size: note.size }],
    checks,
    notProven: [say("what the {0} entries say: only that this key signed a root over them", "这 {0} 条记录的内容：只证明此公钥签名了它们的根", note.size)],
  };
}

function needKey({ vkeys }) {
  if (vkeys.length === 0) throw new Refused(Exit.USAGE, say("give the key that you trust", "请给出您信任的公钥"));
}

/** The checkpoints of the known files. */
function knownNotes({ known }) {
  return known.flatMap(({ bytes }) => {
    if (!isReceipt(bytes)) return [parseNote(text(bytes) ?? "")];
    const receipt = parseReceipt(bytes);
    checkUnsigned(receipt);
    return receipt.proofs.map((proof) => proof.note);
  });
}

function refuseFork(notes, vkeys) {
  const roots = new Map();
  for (const note of notes.filter((one) => pinnedVerdict(one, vkeys) === "yes")) {
    const key = `${note.origin}\n${note.size}`;
    if (!roots.has(key)) roots.set(key, note.root);
    if (!same(roots.get(key), note.root)) throw new Refused(Exit.FORK, say("two signed checkpoints of size {0} differ", "两份数量同为 {0} 的已签名检查点互相矛盾", note.size));
  }
}

function demandSigned(note, vkeys, which, forged = tampered) {
  const verdict = pinnedVerdict(note, vkeys);
  if (verdict === "yes") return;
  if (verdict === "forged") throw forged("{0}: a wrong signature of the key", "{0}：该公钥的签名不正确", which);
  const names = vkeys.map((vkey) => vkey.name);
  if (!names.includes(note.origin)) throw incomplete("{0} is of the log {1}; the given key is of {2}", "{0}属于账本 {1}，而所给公钥属于 {2}", which, note.origin, names.join(", "));
  throw incomplete("{0}: not signed by the given key", "{0}：没有所给公钥的签名", which);
}

function demandWitness(note, witnesses) {
  if (witnesses.length === 0) return;
  const times = witnesses.map((witness) => cosigned(note, witness));
  if (times.includes(-1)) throw tampered("a wrong cosignature under a witness's name", "以见证者之名的联署不正确");
  if (times.every((time) => time === null)) throw incomplete("not cosigned by a given witness", "没有所给见证者的联署");
}

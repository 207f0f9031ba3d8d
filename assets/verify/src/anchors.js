// Anchors (section 8): what of them can be judged here, and what cannot.

import { base64, same, text, utf8 } from "./bytes.js";
import { sha256 } from "./hashes.js";
import { partsNamed } from "./mail.js";
import { parseNote, pinnedVerdict } from "./note.js";
import { FORGED, OUT_OF_RANGE } from "./points.js";
import { Exit, fault, malformed, Refused, say, tampered } from "./words.js";

/** DER of an OCTET STRING of 32 bytes, as the imprint of a time stamp holds its SHA-256. */
const IMPRINT = [0x04, 0x20];

const POINTER = /^remote [!-~]+\ncommit (?:[0-9a-f]{40}|[0-9a-f]{64})\n$/;

/**
 * Each anchor must belong to a mark (4), a time stamp must be over that mark's text, and a mail must hold its size and
 * root with no wrong line by a key of the log (1). Who made a time stamp, a mail or a push is not checked here.
 */
export async function readAnchors(generation) {
  const { number, anchors, audit, points } = generation;
  for (const { name, blob } of anchors) {
    const file = `gen-${number}/anchors/${name}`;
    const [digits, kind] = name.split(".");
    const mark = points.list.find((one) => !one.known && one.note.size === Number(digits));
    if (!mark) {
      audit.missing(say("{0}: an anchor without its checkpoint", "{0}：锚点没有对应的检查点", file));
      continue;
    }
    try {
      JUDGES[kind](new Uint8Array(await blob.arrayBuffer()), mark.note, generation);
      audit.anchors += 1;
    } catch (error) {
      if (!error.what) throw error;
      audit.add(fault(error.exit, file, error.what));
    }
  }
}

const JUDGES = {
  tsr(bytes, mark) {
    if (!contains(bytes, [...IMPRINT, ...sha256(bodyOf(mark))])) throw tampered("a time stamp over something else than its checkpoint", "时间戳所盖的不是该检查点");
  },
  git(bytes) {
    if (!POINTER.test(text(bytes) ?? "")) throw malformed("is not a remote and a commit", "不是远端地址和提交");
  },
  eml(bytes, mark, { audit, keys }) {
    const parts = partsNamed(bytes, "checkpoint.txt");
    if (parts.length !== 1) throw malformed("a mail without the one part checkpoint.txt", "邮件中没有唯一的 checkpoint.txt 部分");
    const note = parseNote((text(parts[0]) ?? "").replaceAll("\r\n", "\n"));
    if (!same(bodyOf(note), bodyOf(mark))) throw tampered("the mail holds another checkpoint than the ledger at this size", "邮件中的检查点与账本在此数量的检查点不同");
    const verdict = pinnedVerdict(note, audit.request.vkeys) === "forged" ? "forged" : keys.judge(note);
    if (verdict === "forged") throw new Refused(Exit.TAMPERED, FORGED);
    if (verdict === "out of range") throw new Refused(Exit.TAMPERED, OUT_OF_RANGE);
  },
};

const bodyOf = ({ origin, size, root }) => utf8(`${origin}\n${size}\n${base64(root)}\n`);

function contains(bytes, wanted) {
  for (let at = 0; at + wanted.length <= bytes.length; at += 1) if (wanted.every((byte, number) => bytes[at + number] === byte)) return true;
  return false;
}

// Anchors (section 8): what of them can be judged here, and what cannot.

import { base64, text, utf8 } from "./bytes.js";
import { sha256 } from "./hashes.js";
import { whole } from "./lines.js";
import { Exit, fault, say } from "./words.js";

const ANCHOR_BYTES_MAX = 256 * 1024;
/** DER of an OCTET STRING of 32 bytes, as the imprint of a time stamp holds its SHA-256. */
const IMPRINT = [0x04, 0x20];

const POINTER = /^remote [!-~]+\ncommit (?:[0-9a-f]{40}|[0-9a-f]{64})\n$/;

/**
 * Each anchor must belong to a mark (4), and a time stamp must be over that mark's text (1). Who made a time stamp, a
 * mail or a push is not checked here.
 */
export async function readAnchors({ number, anchors, audit }, points) {
  for (const { name, blob } of anchors) {
    const file = `gen-${number}/anchors/${name}`;
    const size = Number(name.slice(0, name.indexOf(".")));
    const point = points.find((one) => one.note.size === size);
    const bytes = await whole(blob, ANCHOR_BYTES_MAX);
    if (!point) {
      audit.missing(say("{0}: an anchor without its checkpoint", "{0}：锚点没有对应的检查点", file));
    } else if (!bytes) {
      audit.add(fault(Exit.MALFORMED, file, say("is too large", "文件过大")));
    } else if (name.endsWith(".tsr") && !contains(bytes, [...IMPRINT, ...sha256(bodyOf(point.note))])) {
      audit.add(fault(Exit.TAMPERED, file, say("a time stamp over something else than its checkpoint", "时间戳所盖的不是该检查点")));
    } else if (name.endsWith(".git") && !POINTER.test(text(bytes) ?? "")) {
      audit.add(fault(Exit.MALFORMED, file, say("is not a remote and a commit", "不是远端地址和提交")));
    } else {
      audit.anchors += 1;
    }
  }
}

const bodyOf = ({ origin, size, root }) => utf8(`${origin}\n${size}\n${base64(root)}\n`);

function contains(bytes, wanted) {
  for (let at = 0; at + wanted.length <= bytes.length; at += 1) if (wanted.every((byte, number) => bytes[at + number] === byte)) return true;
  return false;
}

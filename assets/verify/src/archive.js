// An export packed as `.tar.zst`: POSIX ustar with regular files only, unpacked in pieces into Blobs.
//
// The checksum of Zstandard is not read: every file but the unsigned README is held against signed hashes anyway.

import { Decompress } from "fzstd";
import { characters, join } from "./bytes.js";
import { Pace } from "./lines.js";
import { incomplete, malformed, Refused } from "./words.js";

const BLOCK = 512;
/** Two blocks of zeros end an archive, and 10 KiB more may fill its last record. */
const ZEROS_MAX = 2 + (10 * 1024) / BLOCK;
const PIECE_BYTES = 1 << 18;
const HELD_BYTES = 8 << 20;
/** Most that is unpacked: a browser keeps it in memory or in its own temporary files. */
const UNPACKED_BYTES_MAX = 2 ** 31;

/** Whether the bytes begin as Zstandard does. */
export const isArchive = (bytes) => bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd;

/** The files of an archive: a Map of paths to Blobs. Throws a refusal. */
export async function unpack(blob, onProgress = () => {}) {
  const tar = new Tar();
  const pace = new Pace();
  const decompress = new Decompress((bytes) => tar.push(bytes));
  for (let from = 0; from < blob.size || from === 0; from += PIECE_BYTES) {
    const piece = new Uint8Array(await blob.slice(from, from + PIECE_BYTES).arrayBuffer());
    try {
      decompress.push(piece, from + PIECE_BYTES >= blob.size);
    } catch (error) {
      if (error instanceof Refused) throw error;
      throw malformed("not a whole Zstandard archive: {0}", "不是完整的 Zstandard 压缩包：{0}", error.message);
    }
    onProgress(Math.min(from + PIECE_BYTES, blob.size), blob.size);
    await pace.breathe();
  }
  return tar.finish();
}

/** A tar archive that comes in pieces. */
class Tar {
  constructor() {
    this.files = new Map();
    this.rest = new Uint8Array(0);
    this.member = null;
    this.total = 0;
    /** Blocks of zeros so far: two end the archive, and only zeros may follow. */
    this.zeros = 0;
  }

  push(bytes) {
    this.total += bytes.length;
    if (this.total > UNPACKED_BYTES_MAX) throw incomplete("larger than this page can unpack: use keystall-verify", "超出此页面可解压的大小：请使用 keystall-verify");
    let data = this.rest.length > 0 ? join(this.rest, bytes) : bytes;
    while (data.length > 0) {
      const used = this.member ? this.body(data) : this.header(data);
      if (used === 0) break;
      data = data.subarray(used);
    }
    this.rest = data.slice();
  }

  finish() {
    if (this.member || this.rest.length > 0 || this.zeros < 2) throw malformed("the archive is cut off", "压缩包被截断");
    return this.files;
  }

  header(data) {
    if (data.length < BLOCK) return 0;
    const block = data.subarray(0, BLOCK);
    if (block.every((byte) => byte === 0)) {
      this.zeros += 1;
      if (this.zeros > ZEROS_MAX) throw malformed("more than 10 KiB of zeros after the archive's end", "压缩包结尾之后的零超过 10 KiB");
      return BLOCK;
    }
    if (this.zeros > 0) throw malformed("something follows the archive's end", "压缩包结尾之后还有内容");
    const { name, size } = parseHeader(block);
    if (this.files.has(name)) throw malformed("{0} is in the archive twice", "压缩包中有两个 {0}", name);
    this.files.set(name, new Blob([]));
    if (size > 0) this.member = { name, left: size, pad: (BLOCK - (size % BLOCK)) % BLOCK, held: [], heldBytes: 0, blobs: [] };
    return BLOCK;
  }

  body(data) {
    const { member } = this;
    const part = data.subarray(0, member.left);
    member.left -= part.length;
    member.held.push(part.slice());
    member.heldBytes += part.length;
    if (member.heldBytes >= HELD_BYTES || member.left === 0) {
      member.blobs.push(new Blob(member.held));
      [member.held, member.heldBytes] = [[], 0];
    }
    if (member.left > 0) return part.length;
    const padding = data.subarray(part.length, part.length + member.pad);
    if (padding.some((byte) => byte !== 0)) throw malformed("a member is followed by something else than zeros", "成员之后不是零填充");
    member.pad -= padding.length;
    if (member.pad === 0) {
      this.files.set(member.name, new Blob(member.blobs));
      this.member = null;
    }
    return part.length + padding.length;
  }
}

function parseHeader(block) {
  const field = (from, to) => characters(block.subarray(from, to)).replace(/\0.*$/s, "");
  const octal = (from, to) => (/^[0-7]+[ \0]?$/.test(characters(block.subarray(from, to)).replace(/\0+$/, "")) ? parseInt(field(from, to), 8) : null);
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (parseInt(field(148, 156), 8) !== sum || !characters(block.subarray(257, 262)).startsWith("ustar")) throw malformed("a member whose header is damaged", "成员头部已损坏");
  const prefix = field(345, 500);
  const name = prefix ? `${prefix}/${field(0, 100)}` : field(0, 100);
  const size = octal(124, 136);
  if (size === null || !["0", "\0"].includes(characters(block.subarray(156, 157)))) throw malformed("{0} is not a regular file", "{0} 不是普通文件", name);
  return { name, size };
}

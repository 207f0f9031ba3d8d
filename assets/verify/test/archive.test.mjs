// Exports packed as .tar.zst: the same verdicts as folders, and nothing that a folder could not hold.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { join, utf8 } from "../src/bytes.js";
import { parseVkey } from "../src/note.js";
import { Exit, verifyArchive } from "../src/verify.js";

const vectors = JSON.parse(readFileSync(new URL("../../../tests/vectors/ledger.json", import.meta.url), "utf8"));
const vector = vectors.exports.find(({ name }) => name === "whole");
const textOf = (path) => vector.files?.[path] ?? vectors.shared[vector.shared[path]];
const request = { vkeys: vector.vkeys.map((vkey) => parseVkey(vkey)) };
const FILES = [["README.txt", "What this is.\n"], ...["gen-0/marks.ndjson", "gen-0/entries.ndjson"].map((path) => [path, textOf(path)])];

const exitOf = async (bytes) => {
  const { exit, fault, incomplete } = await verifyArchive(new Blob([bytes]), request);
  assert.notEqual(exit, Exit.INTERNAL, fault?.what.en);
  return [exit, fault?.what.en ?? incomplete[0]?.en];
};

/** A POSIX ustar header. */
function header(name, size, kind = "0") {
  const block = new Uint8Array(512);
  const put = (at, content) => block.set(utf8(content), at);
  const octal = (number, length) => `${number.toString(8).padStart(length - 1, "0")}\0`;
  put(0, name);
  put(100, octal(0o644, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(0, 12));
  put(148, "        ");
  put(156, kind);
  put(257, "ustar\0" + "00");
  put(148, `${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `);
  return block;
}

const member = ([name, content, kind]) => join(header(name, utf8(content).length, kind), utf8(content), new Uint8Array((512 - (utf8(content).length % 512)) % 512));
const tar = (files, end = new Uint8Array(1024)) => join(...files.map(member), end);

/** A Zstandard frame of raw blocks (RFC 8878): enough for a reader's test. */
function zstd(bytes) {
  const blocks = [];
  for (let at = 0; at < bytes.length; at += 1 << 16) {
    const piece = bytes.subarray(at, at + (1 << 16));
    const last = at + (1 << 16) >= bytes.length ? 1 : 0;
    const head = (piece.length << 3) | last;
    blocks.push(Uint8Array.of(head & 255, (head >> 8) & 255, (head >> 16) & 255), piece);
  }
  return join(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38), ...blocks);
}

test("an archive is verified as its folder is, in any order of members", async () => {
  assert.deepEqual(await exitOf(zstd(tar(FILES))), [Exit.PROVEN, undefined]);
  assert.deepEqual(await exitOf(zstd(tar(FILES.toReversed?.() ?? [...FILES].reverse()))), [Exit.PROVEN, undefined]);
});

const changed = (from, to) => FILES.map(([name, content]) => [name, content.replace(from, to)]);
const REFUSED = {
  "a changed amount": [Exit.TAMPERED, changed('"amt":1999', '"amt":1998')],
  "a member twice": [Exit.MALFORMED, [...FILES, FILES[0]]],
  "a folder": [Exit.MALFORMED, [["gen-0/", "", "5"], ...FILES]],
  "a link": [Exit.MALFORMED, [["gen-0/anchors", "", "2"], ...FILES]],
  "a leading ./": [Exit.MALFORMED, FILES.map(([name, content]) => [`./${name}`, content])],
  "a name that leads out": [Exit.MALFORMED, [["../gen-0/x", ""], ...FILES]],
  "an absolute name": [Exit.MALFORMED, [["/gen-0/marks.ndjson", ""], ...FILES]],
  "a file that is no part": [Exit.MALFORMED, [["gen-0/notes.txt", ""], ...FILES]],
  "nothing but a README": [Exit.INCOMPLETE, FILES.slice(0, 1)],
};

for (const [what, [exit, files]] of Object.entries(REFUSED)) {
  test(`an archive with ${what} ends in ${exit}`, async () => assert.equal((await exitOf(zstd(tar(files))))[0], exit));
}

test("an archive that is cut off, or followed by something, is malformed", async () => {
  const whole = zstd(tar(FILES));
  for (let at = 0; at < whole.length; at += 97) assert.equal((await exitOf(whole.slice(0, at)))[0], Exit.MALFORMED, `cut at ${at}`);
  assert.equal((await exitOf(join(whole, utf8("more"))))[0], Exit.MALFORMED);
  assert.equal((await exitOf(zstd(tar(FILES, new Uint8Array(512)))))[0], Exit.MALFORMED, "one block of zeros at the end");
  const ends = async (zeros) => (await exitOf(zstd(tar(FILES, new Uint8Array(zeros)))))[0];
  assert.equal(await ends(1024 + 10 * 1024), Exit.PROVEN, "10 KiB of zeros after the end");
  assert.equal(await ends(1024 + 10 * 1024 + 512), Exit.MALFORMED, "more zeros after the end");
  assert.equal((await exitOf(zstd(join(tar(FILES), header("late", 0)))))[0], Exit.MALFORMED, "a member after the end");
});

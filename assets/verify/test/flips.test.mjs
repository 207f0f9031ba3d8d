// Whatever is changed in a receipt or an export, the verdict is never "verified", and the verifier never fails itself.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { utf8 } from "../src/bytes.js";
import { parseEntry } from "../src/entry.js";
import { parseVkey } from "../src/note.js";
import { Exit, verifyExport, verifyReceipt } from "../src/verify.js";

const vectors = JSON.parse(readFileSync(new URL("../../../tests/vectors/ledger.json", import.meta.url), "utf8"));
const named = (section, name) => vectors[section].find((vector) => vector.name === name);
const textOf = (vector, path) => vector.files?.[path] ?? vectors.shared[vector.shared[path]];

const flipped = (bytes, at) => bytes.map((byte, place) => (place === at ? byte ^ (1 << (at % 8)) : byte));
const without = (bytes, at) => bytes.filter((_, place) => place !== at);

function noticed({ exit, fault }, what) {
  assert.notEqual(exit, Exit.PROVEN, what);
  assert.notEqual(exit, Exit.INTERNAL, `${what}: ${fault?.what.en}`);
}

test("every flipped, missing and cut byte of a receipt is noticed", async () => {
  const { receipt, vkeys } = named("receipts", "of a batch of one key");
  const file = utf8(receipt);
  const request = { vkeys: vkeys.map((vkey) => parseVkey(vkey)) };
  assert.equal((await verifyReceipt(file, request)).exit, Exit.PROVEN);
  for (let at = 0; at < file.length; at += 1) {
    noticed(await verifyReceipt(flipped(file, at), request), `byte ${at} flipped`);
    noticed(await verifyReceipt(without(file, at), request), `byte ${at} left out`);
    noticed(await verifyReceipt(file.slice(0, at), request), `cut at ${at}`);
  }
});

test("a key that every object of the language answers to is unknown all the same", () => {
  const [{ line }] = vectors.lines.filter(({ type }) => type === "mark");
  assert.equal(parseEntry(utf8(line)).type, "mark");
  for (const key of ["constructor", "__proto__"]) {
    const pairs = Object.entries(JSON.parse(line)).concat([[key, "x"]]);
    const spelled = pairs.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
    assert.throws(() => parseEntry(utf8(`{${spelled.join(",")}}`)), { exit: Exit.MALFORMED });
  }
});

/** Some bytes of every part: hashes, numbers and names come by. */
const STEP = 23;

test("flipped, missing and cut bytes of an export are noticed", async () => {
  const vector = named("exports", "whole");
  const request = { vkeys: vector.vkeys.map((vkey) => parseVkey(vkey)) };
  const paths = ["gen-0/entries.ndjson", "gen-0/marks.ndjson"];
  const files = new Map(paths.map((path) => [path, utf8(textOf(vector, path))]));
  const verdict = (path, bytes) => verifyExport(new Map([...files, [path, bytes]].map(([name, content]) => [name, new Blob([content])])), request);
  assert.equal((await verdict(paths[0], files.get(paths[0]))).exit, Exit.PROVEN);
  for (const path of paths) {
    const bytes = files.get(path);
    for (let at = 0; at < bytes.length; at += STEP) {
      noticed(await verdict(path, flipped(bytes, at)), `${path}: byte ${at} flipped`);
      noticed(await verdict(path, without(bytes, at)), `${path}: byte ${at} left out`);
    }
    for (let at = 0; at < bytes.length; at += 10 * STEP) {

      noticed(await verdict(path, bytes.slice(0, at)), `${path}: cut at ${at}`);
    }
  }
});

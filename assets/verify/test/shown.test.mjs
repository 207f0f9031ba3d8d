// What the page says of a receipt's slots, and how it spells what a hostile file names.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { utf8 } from "../src/bytes.js";
import { parseVkey, verifyArchive, verifyNote, verifyReceipt } from "../src/verify.js";
import { say, shown } from "../src/words.js";

const file = process.env.KEYSTALL_VECTORS ?? new URL("../../../tests/vectors/ledger.json", import.meta.url);
const { receipts } = JSON.parse(readFileSync(file, "utf8"));
const reportOf = ({ receipt, vkeys }) => verifyReceipt(utf8(receipt), { vkeys: vkeys.map((vkey) => parseVkey(vkey)) });
const named = (name) => receipts.find((vector) => vector.name === name);

test("a slot that the receipt's own replacement took back is told as replaced", async () => {
  const { slots, replaced } = await reportOf(named("of a sale with a replacement"));
  assert.deepEqual([slots, replaced], [["0:3"], ["0:0"]]);
});

test("a receipt does not claim that nothing was replaced or refunded later", async () => {
  const { slots, replaced, notProven } = await reportOf(named("whole"));
  assert.deepEqual([slots, replaced], [["0:1", "0:2", "0:4"], []]);
  assert.ok(notProven.some(({ en }) => en === "that a key was not replaced or refunded since"));
});

test("a name cannot break a line, turn its direction or hide", () => {
  assert.equal(shown("a\nb\u202ec\u2028\u200b\u0007买家 é"), "a\\u{a}b\\u{202e}c\\u{2028}\\u{200b}\\u{7}买家 é");
  assert.deepEqual(say("{0}: {1}", "{0}：{1}", "x\u2066", say("a {0}", "一 {0}", "\r")), { en: "x\\u{2066}: a \\u{d}", zh: "x\\u{2066}：一 \\u{d}" });
});

test("an origin that turns the direction of text is spelled in a refusal", async () => {
  const vkeys = [parseVkey(named("whole").vkeys[0])];
  const root = Buffer.alloc(32).toString("base64");
  const { exit, incomplete } = await verifyNote(utf8(`evil\u202e/0123abcd\n1\n${root}\n\n\u2014 x ${Buffer.alloc(9).toString("base64")}\n`), { vkeys });
  assert.equal(exit, 4);
  assert.ok(incomplete[0].en.includes("evil\\u{202e}/0123abcd"), incomplete[0].en);
  assert.ok(!incomplete[0].en.includes("\u202e"));
});

test("a failure of the verifier itself says what it was", async () => {
  const { exit, fault } = await verifyArchive({ size: 1, slice: () => ({ arrayBuffer: () => Promise.reject(new Error("disk")) }) }, {});
  assert.deepEqual([exit, fault.what.en], [70, "Error: disk"]);
});

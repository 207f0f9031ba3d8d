// The vectors that every verifier of the format reads, against the bundle that ships.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { engine } from "./engine.mjs";

const V = await engine();
const vectors = JSON.parse(readFileSync(new URL("../../../tests/vectors/ledger.json", import.meta.url)));
const bytesOf = (text) => new TextEncoder().encode(text);
const known = (vector) => (vector.known ?? []).map((text, number) => ({ name: `known ${number}`, bytes: bytesOf(text) }));
const request = (vector) => ({ vkeys: vector.vkeys.map((vkey) => V.parseVkey(vkey)), known: known(vector) });

for (const vector of vectors.exports) {
  test(`export: ${vector.name}`, async () => {
    const files = new Map(Object.entries(vector.files).map(([path, text]) => [path, new Blob([text])]));
    const report = await V.verifyExport(files, request(vector));
    assert.equal(report.exit, vector.exit, JSON.stringify([report.fault, report.incomplete]));
  });
}

for (const vector of vectors.receipts) {
  test(`receipt: ${vector.name}`, async () => {
    const report = await V.verifyReceipt(bytesOf(vector.receipt), request(vector));
    assert.equal(report.exit, vector.exit, JSON.stringify([report.fault, report.incomplete]));
  });
}

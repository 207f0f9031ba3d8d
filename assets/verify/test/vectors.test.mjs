// The vectors that every verifier of the format reads, against the engine that ships in the page.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, hex, utf8 } from "../src/bytes.js";
import { parseEntry } from "../src/entry.js";
import { consistent, fieldCommitment, Frontier, hashLine, includes, keyCommitment, leafHash } from "../src/hashes.js";
import { cosigned, parseNote, parseVkey, parseWitness, signedBy, verifies } from "../src/note.js";
import { verifyExport, verifyFork, verifyReceipt } from "../src/verify.js";

const file = process.env.KEYSTALL_VECTORS ?? new URL("../../../tests/vectors/ledger.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8"));

const bytes = (digits) => fromHex(digits, digits.length / 2);
const hash = (digits) => fromHex(digits, 32);
const refused = (read) => {
  try {
    read();
    return false;
  } catch (error) {
    assert.ok(error.what, String(error));
    return true;
  }
};

function noteVerdict({ note, vkey }) {
  if (refused(() => parseNote(note))) return "malformed";
  return { yes: "signed", no: "unsigned", forged: "forged" }[signedBy(parseNote(note), parseVkey(vkey))];
}

function cosignatureVerdict({ note, vkey }) {
  if (refused(() => parseNote(note))) return ["malformed", undefined];
  const time = cosigned(parseNote(note), parseWitness(vkey));
  return time === null ? ["unsigned", undefined] : time === -1 ? ["forged", undefined] : ["signed", time];
}

/** What each kind of vector must hold. */
const HOLDS = {
  lines: ({ line, hash: wanted, type }) => hex(hashLine(utf8(line))) === wanted && parseEntry(utf8(line)).type === type,
  bad_lines: ({ line_hex }) => refused(() => parseEntry(bytes(line_hex))),
  field_commitments: (v) => hex(fieldCommitment(hash(v.salt), v.field, bytes(v.value_hex))) === v.commitment,
  key_commitments: (v) => hex(keyCommitment(hash(v.salt), bytes(v.key_hex))) === v.commitment,
  roots: ({ leaves, root }) => hex(grown(leaves.map(hash)).root()) === root,
  inclusion: (v) => includes(leafHash(bytes(v.leaf_data)), v.index, v.size, v.path.map(hash), hash(v.root)) === v.valid,
  consistency: (v) => consistent(v.old_size, v.new_size, v.path.map(hash), hash(v.old_root), hash(v.new_root)) === v.valid,
  trees: ({ sizes, digests }) => rootsDigest(sizes) === digests.roots,
  vkeys: ({ vkey, valid }) => refused(() => parseVkey(vkey)) !== valid,
  notes: (v) => noteVerdict(v) === v.verdict,
  cosignatures: (v) => JSON.stringify(cosignatureVerdict(v)) === JSON.stringify([v.verdict, v.verdict === "signed" ? v.time : undefined]),
  statements: (v) => verifies(parseVkey(v.vkey), utf8(v.message), bytes(v.signature)) === v.valid,
};

function grown(leaves) {
  const tree = new Frontier();
  for (const data of leaves) tree.push(leafHash(data));
  return tree;
}

function rootsDigest(sizes) {
  const digest = createHash("sha256");
  const tree = new Frontier();
  digest.update(tree.root());
  for (let index = 0; index < sizes; index += 1) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(index);
    tree.push(leafHash(createHash("sha256").update(number).digest()));
    digest.update(tree.root());
  }
  return digest.digest("hex");
}

for (const [section, holds] of Object.entries(HOLDS)) {
  test(`${section}: ${vectors[section]?.length ?? 0} vectors`, { skip: !vectors[section] }, () => {
    for (const vector of vectors[section]) assert.ok(holds(vector), vector.name);
  });
}

function request(vector) {
  const known = (vector.known ?? []).map((text, number) => ({ name: `known ${number}`, bytes: utf8(text) }));
  const time = (spelled) => (spelled === undefined ? null : typeof spelled === "number" ? spelled : Date.parse(spelled));
  return {
    vkeys: vector.vkeys.map((vkey) => parseVkey(vkey)),
    known,
    nonce: vector.nonce ?? null,
    since: time(vector.since),
    until: time(vector.until),
    witnesses: (vector.witnesses ?? []).map((vkey) => parseWitness(vkey)),
  };
}

function filesOf(vector) {
  const text = Object.entries(vector.files ?? {}).map(([path, content]) => [path, new Blob([content])]);
  const shared = Object.entries(vector.shared ?? {}).map(([path, name]) => [path, new Blob([vectors.shared[name]])]);
  const binary = Object.entries(vector.binary ?? {}).map(([path, data]) => [path, new Blob([Buffer.from(data, "base64")])]);
  return new Map([...text, ...shared, ...binary]);
}

const because = (report) => JSON.stringify([report.fault, report.incomplete]);

for (const vector of vectors.exports) {
  test(`export: ${vector.name}`, async () => {
    const report = await verifyExport(filesOf(vector), request(vector));
    assert.equal(report.exit, vector.exit, because(report));
    if (!vector.expect) return;
    const generations = report.generations.map(({ first, entries, signed }) => ({ entries, first, signed }));
    assert.deepEqual(generations, vector.expect.generations);
    if (vector.expect.stock) assert.deepEqual(Object.fromEntries(report.stock.map(({ sku, ...balance }) => [sku, balance])), vector.expect.stock);
  });
}

for (const vector of vectors.receipts) {
  test(`receipt: ${vector.name}`, async () => {
    const report = await verifyReceipt(utf8(vector.receipt), request(vector));
    assert.equal(report.exit, vector.exit, because(report));
  });
}

for (const vector of vectors.forks ?? []) {
  test(`fork: ${vector.name}`, async () => {
    const report = await verifyFork(utf8(vector.proof), request(vector));
    assert.equal(report.exit, vector.exit, because(report));
  });
}

// Every hash of the format: the chain (BLAKE3), commitments (BLAKE3), and the RFC 6962 tree (SHA-256).

import { blake3 } from "@noble/hashes/blake3.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { join, same, utf8 } from "./bytes.js";

export { sha256, sha512 };

/** BLAKE3 in key derivation mode. The context is taken in once; each hash begins from a copy of that state. */
function derivation(context) {
  const fresh = blake3.create({ context: utf8(context) });
  return (...parts) => {
    const hasher = fresh.clone();
    for (const part of parts) hasher.update(part);
    return hasher.digest();
  };
}

/** `h_i` of a line's bytes (section 2). */
export const hashLine = derivation("keystall 2026-11 ledger entry v1");
const deriveField = derivation("keystall 2026-11 field commitment v1");
/** `K` of a salt and a key's bytes (section 5). */
export const keyCommitment = derivation("keystall 2026-11 key commitment v1");

/** `C` of a salt, a field's name and its value (section 4). */
export function fieldCommitment(salt, name, value) {
  const bytes = utf8(name);
  return deriveField(salt, Uint8Array.of(bytes.length), bytes, value);
}

export const ZERO = new Uint8Array(32);
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Hash of a leaf by its data. */
export const leafHash = (data) => sha256(join(LEAF, data));
/** Hash of an inner node. */
export const nodeHash = (left, right) => sha256(join(NODE, left, right));
/** Root of the tree without leaves. */
export const emptyRoot = () => sha256(new Uint8Array(0));

/** A tree's complete subtrees, largest first: enough to append a leaf and to know the root. */
export class Frontier {
  /** From the hashes of a prefix; null where there are not as many as the size has one-bits. */
  static from(size, subtrees) {
    if (ones(size) !== subtrees.length) return null;
    const made = new Frontier();
    made.size = size;
    made.subtrees = subtrees.slice();
    return made;
  }

  constructor() {
    this.size = 0;
    this.subtrees = [];
  }

  push(leaf) {
    let node = leaf;
    for (let rest = this.size; rest % 2 === 1; rest = (rest - 1) / 2) node = nodeHash(this.subtrees.pop(), node);
    this.subtrees.push(node);
    this.size += 1;
  }

  root() {
    return this.subtrees.length === 0 ? emptyRoot() : this.subtrees.reduceRight((right, left) => nodeHash(left, right));
  }
}

/** The root that an inclusion proof leads to (RFC 9162, 2.1.3.2), or null where its length does not fit. */
export function inclusionRoot(leaf, index, size, path) {
  if (index >= size) return null;
  let [number, last, node] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return null;
    if (number % 2 === 1 || number === last) {
      node = nodeHash(sibling, node);
      while (number % 2 === 0 && number !== 0) [number, last] = [number / 2, half(last)];
    } else {
      node = nodeHash(node, sibling);
    }
    [number, last] = [half(number), half(last)];
  }
  return last === 0 ? node : null;
}

/** Whether the leaf is number `index` of the tree of `size` leaves with this root. */
export function includes(leaf, index, size, path, root) {
  const reached = inclusionRoot(leaf, index, size, path);
  return reached !== null && same(reached, root);
}

/** Whether the tree (newSize, newRoot) begins with (oldSize, oldRoot) (RFC 9162, 2.1.4.2). */
export function consistent(oldSize, newSize, path, oldRoot, newRoot) {
  if (oldSize > newSize) return false;
  if (oldSize === newSize) return path.length === 0 && same(oldRoot, newRoot);
  if (oldSize === 0) return path.length === 0 && same(oldRoot, emptyRoot());
  const rest = path.slice();
  const first = ones(oldSize) === 1 ? oldRoot : rest.shift();
  if (first === undefined) return false;
  let [number, last] = [oldSize - 1, newSize - 1];
  while (number % 2 === 1) [number, last] = [half(number), half(last)];
  let [older, newer] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (number % 2 === 1 || number === last) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      while (number % 2 === 0 && number !== 0) [number, last] = [number / 2, half(last)];
    } else {
      newer = nodeHash(newer, sibling);
    }
    [number, last] = [half(number), half(last)];
  }
  return last === 0 && same(older, oldRoot) && same(newer, newRoot);
}

/** Number of one-bits. Sizes pass 2^32, so no bit operators. */
function ones(number) {
  let count = 0;
  for (let rest = number; rest > 0; rest = half(rest)) count += rest % 2;
  return count;
}

const half = (number) => Math.floor(number / 2);

// Which key may sign which size of a generation, and how far it is vouched for (section 6).

import { signedBy } from "./note.js";

/** The log keys of one generation, oldest first: `{vkey, above, trusted}`; each signs sizes above its own bound. */
export class LogKeys {
  constructor() {
    this.keys = [];
  }

  add(vkey, above, trusted) {
    this.keys.push({ vkey, above, trusted });
  }

  newest() {
    return this.keys.at(-1) ?? null;
  }

  has(vkey) {
    return this.keys.some((key) => key.vkey.text === vkey.text);
  }

  rotated() {
    return this.keys.length > 1;
  }

  /** "valid", "untrusted" where nothing pinned vouches, "unsigned", "forged", "out of range". */
  judge(note) {
    const ofSize = Math.max(0, this.keys.findLastIndex((key) => key.above < note.size));
    let verdict = "unsigned";
    for (const [number, key] of this.keys.entries()) {
      // A note of another origin is none of this log's, whoever signed it.
      const signed = key.vkey.name === note.origin ? signedBy(note, key.vkey) : "no";
      if (signed === "forged") return "forged";
      if (signed === "no") continue;
      if (number !== ofSize) return "out of range";
      verdict = key.trusted ? "valid" : "untrusted";
    }
    return verdict;
  }
}

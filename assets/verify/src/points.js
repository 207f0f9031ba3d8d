// Marks and known checkpoints held against the entries, and against each other.

import { hex, same } from "./bytes.js";
import { pinnedVerdict } from "./note.js";
import { Exit, fault, say } from "./words.js";

export const FORGED = say("a wrong signature under the log key's name", "以账本公钥之名的签名不正确");
export const OUT_OF_RANGE = say("a checkpoint signed by a key outside its range of sizes", "检查点由不该在此处签名的公钥签名");

/** The checkpoints of one generation, ascending by size. */
export class Points {
  constructor(generation) {
    this.generation = generation;
    this.list = [];
    this.next = 0;
    /** Size of the newest checkpoint that is valid and matches. */
    this.signed = 0;
    /** Marks that no key of ours signed, or none that is vouched for. */
    this.unsigned = 0;
  }

  /** Takes over the known checkpoints of this origin. */
  claimKnown() {
    const { audit, origin } = this.generation;
    const ours = (point) => point.note.origin === origin;
    this.list.push(...audit.known.filter(ours));
    audit.known = audit.known.filter((point) => !ours(point));
    this.list.sort((a, b) => a.note.size - b.note.size);
    // Nothing was signed before the first entry; a known note of size 0 is held against the empty tree.
    if (this.generation.base === 0) this.reach();
  }

  /** A range holds marks above its prefix; if it is empty, the one of its prefix and no other. */
  misplaced(empty) {
    const { base, audit, marksFile } = this.generation;
    const marks = this.list.filter((point) => !point.known);
    if (empty ? marks.length === 1 && marks[0].note.size === base : marks.every((point) => point.note.size > base)) return;
    const what = empty ? say("the marks of an empty range are not the one of its size", "空范围的检查点不是其数量的那一个") : say("a mark within the prefix, which is not here", "检查点位于前缀之内，而前缀不在此处");
    audit.add(fault(Exit.MALFORMED, marksFile, what));
  }

  /** Passes over checkpoints of sizes before a range. */
  skipBelow(size) {
    while (this.list[this.next]?.note.size < size) this.next += 1;
  }

  /** Holds the tree against every checkpoint of its present size. */
  reach() {
    const { size } = this.generation;
    let root = null;
    while (this.next < this.list.length && this.list[this.next].note.size <= size) {
      const point = this.list[this.next];
      this.next += 1;
      if (point.note.size < size) continue; // out of order: the marks are malformed, which was noted
      root ??= this.generation.frontier.root();
      point.matches = same(point.note.root, root);
      if (!point.known) this.judge(point, root); // known ones are judged at the end, when all keys are known
    }
  }

  judge(point, root) {
    const { audit, number, file, offset } = this.generation;
    const { size } = point.note;
    const verdict = this.verdict(point.note);
    point.valid = verdict === "valid";
    audit.tally.add("roots", point.matches);
    audit.tally.add("signatures", point.valid);
    if (verdict === "untrusted" || verdict === "unsigned") this.unsigned += 1;
    if (verdict === "forged") this.fault(size, FORGED);
    if (verdict === "out of range") this.fault(size, OUT_OF_RANGE);
    if (!point.matches) {
      const what = say("the signed root is not that of the entries", "签名的根与记录不符");
      audit.add(fault(Exit.TAMPERED, file, what, { seq: size, byte: offset, expected: hex(point.note.root), actual: hex(root) }));
    } else if (point.valid && !audit.first) {
      this.signed = size;
      audit.lastGood = say("generation {0}, size {1}, root {2}", "第 {0} 代，{1} 条，根 {2}", number, size, hex(root));
    }
  }

  /** Only pinned keys are known of a skeleton; of entries the log key of each size. */
  verdict(note) {
    const { form, keys, audit, origin } = this.generation;
    if (form !== "skeleton") return keys.judge(note);
    if (note.origin !== origin) return "unsigned";
    return { yes: "valid", no: "unsigned", forged: "forged" }[pinnedVerdict(note, audit.request.vkeys)];
  }

  /** Marks above the entries, and marks that a later key signed. */
  judgeUnreached() {
    const { audit, keys, file, size, base } = this.generation;
    for (const point of this.list.filter((one) => !one.known)) {
      const { note, matches } = point;
      if (matches === null) {
        point.valid = this.verdict(note) === "valid";
        audit.tally.add("roots", false);
        audit.tally.add("signatures", false);
        if (note.size < base) continue; // within the prefix, which was noted
        audit.add(fault(Exit.TAMPERED, file, say("the entries end at {0}, below a signed size", "记录只到 {0} 条，少于已签名的数量", size), { seq: note.size }));
      } else if (keys.rotated()) {
        // Of what the size's own key made of it, that is a second word: the first one stands.
        const verdict = keys.judge(note);
        if (verdict === "out of range") this.fault(note.size, OUT_OF_RANGE);
        if (verdict === "forged") this.fault(note.size, FORGED);
      }
    }
  }

  judgeKnown() {
    const { audit, base } = this.generation;
    for (const point of this.list.filter((one) => one.known)) {
      const { note, file, matches } = point;
      const verdict = this.verdict(note);
      point.valid = verdict === "valid";
      if (verdict === "valid" && matches === null && note.size > base) {
        audit.beyond.push(point);
        continue;
      }
      audit.tally.add("known", point.valid && matches === true);
      if (verdict === "out of range") audit.add(fault(Exit.TAMPERED, file, OUT_OF_RANGE, { seq: note.size }));
      else if (verdict !== "valid") audit.missing(say("{0}: a known note that the pinned key did not sign", "{0}：所给公钥并未签名这份已知检查点", file));
      else if (matches === null) audit.missing(say("{0}: a known note of size {1}, before this range", "{0}：已知检查点为 {1} 条，早于此范围", file, note.size));
      else if (!matches) audit.add(fault(Exit.TAMPERED, file, say("a known checkpoint has another root than these entries", "已知检查点的根与这些记录不符"), { seq: note.size }));
    }
  }

  /**
   * Two valid signatures that cannot both be true: one size with two roots, or a root that is not that of the entries
   * although a checkpoint of the same or a larger size is.
   */
  findForks() {
    let larger = null;
    let agreeing = null;
    for (const point of this.list.filter((one) => one.valid).reverse()) {
      const { size, root } = point.note;
      const twin = larger && larger.note.size === size && !same(larger.note.root, root) ? larger : null;
      const other = twin ?? (point.matches === false ? agreeing : null);
      if (other) {
        const what = say("contradicts the checkpoint of size {0}: {1}", "与数量为 {0} 的检查点矛盾：{1}", other.note.size, other.file);
        this.generation.audit.add(fault(Exit.FORK, point.file, what, { seq: size, expected: hex(other.note.root), actual: hex(root) }));
        return;
      }
      larger = point;
      if (point.matches) agreeing ??= point;
    }
  }

  fault(size, what) {
    this.generation.audit.add(fault(Exit.TAMPERED, this.generation.marksFile, what, { seq: size }));
  }
}

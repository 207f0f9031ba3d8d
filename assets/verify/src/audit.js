// A run over all generations: what carries over from one to the next, and the verdict.

import { text } from "./bytes.js";
import { Generation } from "./generation.js";
import { layout } from "./layout.js";
import { Pace } from "./lines.js";
import { cosigned, parseNote, pinnedVerdict } from "./note.js";
import { checkUnsigned, isReceipt, parseReceipt } from "./receipt.js";
import { Rules } from "./rules.js";
import { unsignedTail } from "./succession.js";
import { Exit, fault, rfc3339, say } from "./words.js";

const LISTED_MAX = 100;
const NEEDED = { whole: ["canonical", "chain", "rules", "roots", "signatures"], skeleton: ["roots", "signatures"] };

/** How many of each check passed, and how many there were. */
export class Tally {
  constructor() {
    this.counts = new Map(["canonical", "chain", "rules", "carried", "roots", "signatures", "rotations", "heartbeats", "known", "receipts"].map((name) => [name, { passed: 0, total: 0 }]));
  }

  add(name, passed) {
    const count = this.counts.get(name);
    count.total += 1;
    if (passed) count.passed += 1;
  }

  /** Whether every check passed, and each needed one was made. */
  whole(needed) {
    return needed.every((name) => this.counts.get(name).total > 0) && [...this.counts.values()].every((count) => count.passed === count.total);
  }
}

/** The state of a run over an export. */
export class Audit {
  constructor(request, onProgress) {
    this.request = request;
    this.tally = new Tally();
    this.rules = new Rules();
    /** Known checkpoints that no generation has claimed yet. */
    this.known = [];
    /** Valid known checkpoints above the entries of the last generation. */
    this.beyond = [];
    /** The origin key, as generation 0 names it. */
    this.root = null;
    /** Origins of the generations so far: an origin names one history, and is never used again. */
    this.origins = new Set();
    /** The generation before. */
    this.last = null;
    this.generations = [];
    this.lastGood = null;
    this.anchors = 0;
    this.inRange = 0;
    this.nonceFound = false;
    this.faults = {};
    this.incomplete = [];
    this.notes = [];
    this.pace = new Pace();
    this.onProgress = onProgress;
    this.done = 0;
    this.total = 0;
    this.count = 0;
  }

  async run(files) {
    for (const file of this.request.known) this.loadKnown(file);
    if (this.request.vkeys.length === 0) this.add(fault(Exit.USAGE, "", say("give the key that you trust", "请给出您信任的公钥")));
    const { generations = [], fault: broken } = layout(files);
    if (broken) this.add(broken);
    this.count = generations.length;
    this.form = generations[0]?.form === "skeleton" ? "skeleton" : generations.some(({ form }) => form === "range") ? "range" : "whole";
    const streamed = generations.map(({ files: parts }) => parts["entries.ndjson"] ?? parts["skeleton.bin"]);
    this.total = streamed.reduce((sum, blob) => sum + blob.size, 0);
    if (this.faults.usage) return this.report();
    for (const generation of generations) await new Generation(this, generation).verify();
    return this.report();
  }

  /** The first fault that is worse than incomplete, if there was one. */
  get first() {
    return this.faults.fault ?? null;
  }

  /** Keeps the first fault of each rank. */
  add(found) {
    if (found.exit === Exit.INCOMPLETE) return this.missing(found.file ? say("{0}: {1}", "{0}：{1}", found.file, found.what) : found.what);
    const rank = { [Exit.USAGE]: "usage", [Exit.INTERNAL]: "usage", [Exit.FORK]: "fork" }[found.exit] ?? "fault";
    this.faults[rank] ??= found;
  }

  missing(what) {
    if (this.incomplete.length < LISTED_MAX) this.incomplete.push(what);
  }

  note(what) {
    if (this.notes.length < LISTED_MAX) this.notes.push(what);
  }

  isPinned(vkey) {
    return this.request.vkeys.some((pinned) => pinned.text === vkey.text);
  }

  /** Notes a generation's origin; whether an earlier one has it. */
  isSeen(origin) {
    const seen = this.origins.has(origin);
    this.origins.add(origin);
    return seen;
  }

  hasAfter(number) {
    return number + 1 < this.count;
  }

  progress(bytes) {
    this.done += bytes;
    this.onProgress(this.done, this.total);
  }

  breathe() {
    return this.pace.breathe();
  }

  loadKnown({ name, bytes }) {
    const receipt = isReceipt(bytes);
    try {
      const notes = [];
      if (receipt) {
        const parsed = parseReceipt(bytes);
        checkUnsigned(parsed);
        notes.push(...parsed.proofs.map((proof) => proof.note));
      } else {
        notes.push(parseNote(text(bytes) ?? ""));
      }
      for (const note of notes) this.known.push({ note, known: true, file: name, valid: pinnedVerdict(note, this.request.vkeys) === "yes", matches: null });
    } catch (error) {
      if (!error.what) throw error;
      if (receipt) this.tally.add("receipts", false);
      return this.add(fault(error.exit, name, error.what));
    }
    if (receipt) this.tally.add("receipts", true);
  }

  /** A generation is through. */
  close({ number, form, origin, size, base, head, firstT, lastT, points }) {
    this.last = { origin, size, head, tail: size - points.signed };
    const claims = firstT === null ? null : [rfc3339(firstT), rfc3339(lastT)];
    this.generations.push({ number, form, origin, first: base, entries: size - base, signed: points.signed, claims });
    this.newest = points.list.findLast((point) => !point.known)?.note ?? this.newest;
  }

  /** What only the end of all generations can tell. */
  settle() {
    for (const { file, note } of this.known) {
      this.tally.add("known", false);
      this.missing(say("{0}: a known note of {1}, which is not in this export", "{0}：已知检查点属于 {1}，不在此导出中", file, note.origin));
    }
    for (const { file, note } of this.beyond) {
      this.tally.add("known", false);
      this.add(fault(Exit.TAMPERED, file, say("the file ends below the size of a known note", "导出的记录少于已知检查点的数量"), { seq: note.size }));
    }
    // After a fault no checkpoint counts, which says nothing of what was signed.
    if (this.last?.tail > 0 && !this.first && !this.faults.fork) this.missing(unsignedTail(this.last));
    const { nonce, since, until, witnesses } = this.request;
    if (nonce !== null && !this.nonceFound) this.missing(say("the nonce was not found", "没有找到随机数"));
    if ((since !== null || until !== null) && this.inRange === 0) this.missing(say("no entry in the given range of time", "给定时间段内没有记录"));
    else if (since !== null || until !== null) this.note(say("{0} entries claim a time in the given range", "有 {0} 条记录的时间在给定范围内", this.inRange));
    for (const batch of this.rules.absent) this.missing(say("batch {0}: its batch's import is not in this range", "批次 {0} 的入库记录不在此范围内", batch));
    if (witnesses.length > 0) this.witness(witnesses);
  }

  /** The newest checkpoint must carry a cosignature of one of the witnesses. */
  witness(witnesses) {
    const times = this.newest ? witnesses.map((witness) => cosigned(this.newest, witness)) : [];
    const time = times.find((one) => one !== null && one >= 0);
    if (times.includes(-1)) this.add(fault(Exit.TAMPERED, "marks.ndjson", say("a wrong cosignature under a witness's name", "以见证者之名的联署不正确")));
    else if (time === undefined) this.missing(say("the newest checkpoint is not cosigned by a given witness", "最新检查点没有所给见证者的联署"));
    else this.note(say("a witness saw the newest checkpoint at {0}", "见证者于 {0} 看到最新检查点", rfc3339(time * 1000)));
  }

  report() {
    this.settle();
    const first = this.faults.usage ?? this.faults.fork ?? this.faults.fault ?? null;
    const needed = NEEDED[this.form] ?? NEEDED.whole;
    if (!first && this.incomplete.length === 0 && !this.tally.whole(needed)) this.missing(say("not every check could be made", "并非每项检查都能进行"));
    const slots = { passed: this.rules.slots, total: this.rules.slots };
    const checks = [...this.tally.counts].map(([name, count]) => ({ name, ...count }));
    return {
      kind: "ledger",
      form: this.form,
      exit: first?.exit ?? (this.incomplete.length > 0 ? Exit.INCOMPLETE : Exit.PROVEN),
      fault: first,
      incomplete: this.incomplete,
      notes: this.notes,
      generations: this.generations,
      checks: [...checks, { name: "slots", ...slots }].filter((check) => check.total > 0),
      stock: this.stock(),
      money: [...this.rules.money].map(([cur, sums]) => ({ cur, ...sums })),
      lastGood: this.lastGood,
      notProven: this.notProven(),
    };
  }

  /** The balance of each sku; what is left is known only where all imports are. */
  stock() {
    const { partial, balances } = this.rules;
    const all = [...balances].map(([sku, sums]) => ({ sku, ...sums, left: partial ? null : sums.imported - sums.sold - sums.replaced - sums.void }));
    return all.filter(({ imported, sold, replaced, void: gone }) => !partial || imported + sold + replaced + gone > 0);
  }

  notProven() {
    const signed = this.generations.at(-1)?.signed ?? 0;
    const all = [say("complete up to size {0}; nothing here proves that {0} is the latest", "完整到第 {0} 条为止；这里不能证明 {0} 就是最新", signed)];
    if (this.form === "skeleton") all.push(say("what the entries say: chain, rules, slots, heartbeat and key changes are not in a skeleton", "记录的内容：骨架不含链、规则、卡位、心跳和公钥更换"));
    if (this.form === "range") {
      for (const { number, first, entries } of this.generations) {
        if (entries === 0 && first % 2 === 0) all.push(say("the last hash of generation {0}, where no entry follows", "第 {0} 代最后一个哈希：其后没有记录", number));
      }
      const { first } = this.generations.at(-1) ?? { first: 0 };
      all.push(say("slots handed out before entry {0}, and whether every import and key change before it is carried along", "记录 {0} 之前发放的卡位，以及之前的入库和换钥是否全部附带", first));
      if (this.rules.unjudged > 0) all.push(say("{0} entries that refer to sales before the range", "有 {0} 条记录涉及此范围之前的销售", this.rules.unjudged));
    }
    all.push(say("that what was written is true, or that everything was written", "所写内容属实，或所有事情都已写入"));
    all.push(say("that no key was loaded into two slots: two buyers comparing receipts find that", "没有同一卡密被放进两个卡位：两位买家对照凭证才能发现"));
    if (this.anchors > 0) all.push(say("who made the {0} anchors: keystall-verify checks time stamps", "{0} 个锚点由谁所作：时间戳请用 keystall-verify 核验", this.anchors));
    if (this.request.known.length === 0) all.push(say("that others were shown the same history: add what they kept", "他人看到的是同一份历史：请加入他们留存的文件"));
    return all;
  }
}

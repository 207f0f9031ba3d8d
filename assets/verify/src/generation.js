// One generation: its marks, what a range carries along, then its entries as a stream, held against every checkpoint.

import { characters, hex, natural } from "./bytes.js";
import { LINE_BYTES_MAX, parseEntry } from "./entry.js";
import { Frontier, hashLine, leafHash, ZERO } from "./hashes.js";
import { LogKeys } from "./keys.js";
import { linesOf } from "./lines.js";
import { readAnchors } from "./anchors.js";
import { readCarried, readMarks, readPrefix } from "./marks.js";
import { Points } from "./points.js";
import { mayNameASale, Sales } from "./rules.js";
import { keyChange, SEEN } from "./succession.js";
import { Exit, fault, rfc3339, say, tampered } from "./words.js";

/** Longest silence between heartbeats: 26 hours. */
const SILENCE_MS_MAX = 26 * 3_600_000;

export class Generation {
  constructor(audit, { number, form, files, anchors }) {
    this.audit = audit;
    this.number = number;
    this.form = form;
    this.files = files;
    this.anchors = anchors;
    this.file = `gen-${number}/${form === "skeleton" ? "skeleton.bin" : "entries.ndjson"}`;
    this.marksFile = `gen-${number}/marks.ndjson`;
    this.origin = "";
    this.keys = new LogKeys();
    this.points = new Points(this);
    this.frontier = new Frontier();
    this.head = ZERO;
    /** First seq that is here; what came before is known by its hash only. */
    this.base = 0;
    this.sales = new Sales(0, new Set());
    this.firstT = null;
    this.lastT = 0;
    this.lastBeat = null;
    this.offset = 0;
  }

  /** How many entries precede and make up this generation. */
  get size() {
    return this.frontier.size;
  }

  async verify() {
    const { points, fault: first } = await readMarks(this.files["marks.ndjson"], this.marksFile, this.audit.request.vkeys);
    this.points.list = points;
    if (first) this.audit.add(first);
    if (points.length === 0) this.audit.missing(say("{0}: holds no checkpoint", "{0}：没有检查点", this.marksFile));
    if (this.form === "skeleton") await this.readSkeleton();
    else if (this.form === "whole" || (await this.readPrefix())) await this.readEntries();
    await this.finish();
  }

  /** What a range says of the entries before it; false where nothing can be built on it. */
  async readPrefix() {
    let file = `gen-${this.number}/prefix.json`;
    try {
      const { size, prev, frontier } = await readPrefix(this.files["prefix.json"]);
      [this.base, this.head] = [size, prev];
      this.audit.rules.beginRange();
      this.points.misplaced(this.files["entries.ndjson"].size === 0);
      file = `gen-${this.number}/carried.ndjson`;
      const carried = await readCarried(this.files["carried.ndjson"], { size, prev }, this.points.list.at(-1)?.note);
      for (const entry of carried) {
        this.frontier.size = entry.seq;
        keyChange(this, entry);
        if (entry.type === "stock") this.audit.rules.import(entry, false);
        this.audit.tally.add("carried", true);
      }
      this.frontier = frontier;
      this.points.skipBelow(size);
      this.points.reach();
      return true;
    } catch (error) {
      if (!error.what) throw error;
      this.audit.add(fault(error.exit, file, error.what));
      return false;
    }
  }

  async readEntries() {
    const blob = this.files["entries.ndjson"];
    this.sales = new Sales(this.base, await referenced(blob));
    for await (const lines of linesOf(blob, LINE_BYTES_MAX, (bytes) => this.audit.progress(bytes))) {
      for (const { bytes, offset, broken } of lines) {
        this.offset = offset;
        if (broken) {
          // What the tree would be from here on is not known, so nothing after it can be judged.
          this.audit.tally.add("canonical", false);
          return this.fault(Exit.MALFORMED, broken === "cut" ? say("the last line is cut off", "最后一行被截断") : say("a line is longer than 1024 bytes", "有一行超过 1024 字节"));
        }
        this.line(bytes);
        await this.audit.breathe();
      }
    }
  }

  /** The hashes of the entries alone: only roots and signatures can be held against them. */
  async readSkeleton() {
    const blob = this.files["skeleton.bin"];
    this.origin = this.points.list[0]?.note.origin ?? "";
    if (this.origin !== "" && this.audit.isSeen(this.origin)) this.audit.add(fault(Exit.TAMPERED, this.marksFile, SEEN().what));
    this.points.claimKnown();
    if (blob.size % 32 !== 0) return this.fault(Exit.MALFORMED, say("is not a list of 32-byte hashes", "不是 32 字节哈希的列表"));
    for (let from = 0; from < blob.size; from += SKELETON_PIECE) {
      const piece = new Uint8Array(await blob.slice(from, from + SKELETON_PIECE).arrayBuffer());
      for (let at = 0; at < piece.length; at += 32) {
        this.offset = from + at;
        this.frontier.push(leafHash(piece.subarray(at, at + 32)));
        this.points.reach();
        await this.audit.breathe();
      }
      this.audit.progress(piece.length);
    }
  }

  /** One entry: form, then chain, then meaning. After a fault the tree still grows, to prove a fork further on. */
  line(bytes) {
    const hash = hashLine(bytes);
    try {
      const entry = parseEntry(bytes);
      this.audit.tally.add("canonical", true);
      this.chain(entry);
      this.meaning(entry);
    } catch (error) {
      if (!error.what) throw error;
      this.audit.tally.add("canonical", false);
      this.fault(error.exit, error.what);
    }
    this.head = hash;
    this.frontier.push(leafHash(hash));
    this.points.reach();
  }

  chain(entry) {
    const due = this.size;
    const links = entry.seq === due && entry.prev === hex(this.head);
    this.audit.tally.add("chain", links);
    if (entry.seq !== due) return this.fault(Exit.TAMPERED, say("seq {0} stands where {1} is due", "此处应为序号 {1}，却是 {0}", entry.seq, due));
    if (!links) {
      const what = say("does not continue the entry before: that one, or this link, was changed", "与上一条记录衔接不上：上一条或此处的链接被改动");
      this.fault(Exit.TAMPERED, what, { expected: hex(this.head), actual: entry.prev });
    }
  }

  meaning(entry) {
    const { audit } = this;
    this.tried(() => keyChange(this, entry));
    if (audit.first) return audit.tally.add("rules", false);
    const sound = this.tried(() => {
      audit.rules.step(this.sales, entry);
      this.forward(entry.t);
    });
    audit.tally.add("rules", sound);
    this.heartbeat(entry);
    this.firstT ??= entry.t;
    this.lastT = entry.t;
    if (entry.type === "audit" && entry.nonce === audit.request.nonce) {
      audit.nonceFound = true;
      audit.note(say("the nonce is in entry {0}, which claims {1}", "随机数位于记录 {0}，记录时间为 {1}", entry.seq, rfc3339(entry.t)));
    }
    if (entry.t >= (audit.request.since ?? -Infinity) && entry.t <= (audit.request.until ?? Infinity)) audit.inRange += 1;
  }

  forward(t) {
    const back = this.lastT - t;
    if (this.firstT !== null && back > 0) throw tampered("its time is {0} ms before the last", "其时间比上一条早 {0} 毫秒", back);
  }

  heartbeat(entry) {
    // A range is counted from its first entry on.
    this.lastBeat ??= entry.t;
    if (entry.type === "open") this.lastBeat = entry.t;
    if (entry.type !== "mark") return;
    const down = entry.down_ms ?? 0;
    this.beat(entry.t, down);
    if (down > 0) this.audit.note(say("entry {0} admits an outage of {1} ms before {2}", "记录 {0} 承认在 {2} 之前停机 {1} 毫秒", entry.seq, down, rfc3339(entry.t)));
    this.lastBeat = entry.t;
  }

  /** A silence, less the outage that its end admits, is at most 26 hours long. */
  beat(t, down) {
    const covered = t - this.lastBeat - down <= SILENCE_MS_MAX;
    this.audit.tally.add("heartbeats", covered);
    if (!covered) this.audit.missing(say("{0}: no heartbeat from {1} to {2}", "{0}：从 {1} 到 {2} 没有心跳", this.file, rfc3339(this.lastBeat), rfc3339(t)));
  }

  async finish() {
    const { audit, points } = this;
    this.tried(() => audit.rules.finishSale());
    const here = this.size - this.base;
    if (here > 0 && this.form !== "skeleton") this.beat(this.lastBeat === null ? 0 : this.lastT, 0);
    if (here === 0 && !(this.form === "range" && audit.hasAfter(this.number))) audit.missing(say("{0}: holds no entry", "{0}：没有记录", this.file));
    points.judgeUnreached();
    points.judgeKnown();
    points.findForks();
    await readAnchors(this);
    if (points.unsigned > 0) audit.missing(say("{0} checkpoints of {1} are not by the pinned key", "{1} 有 {0} 个检查点不是由所给公钥签名", points.unsigned, this.origin));
    // A root key named within a history that a pinned key signed is as good as pinned.
    if (points.signed > 0 && audit.root) audit.root.trusted = true;
    audit.close(this);
  }

  /** Runs a check; false where it refuses, which is then on record. */
  tried(check) {
    try {
      check();
      return true;
    } catch (error) {
      if (!error.what) throw error;
      this.fault(error.exit, error.what);
      return false;
    }
  }

  fault(exit, what, more = {}) {
    this.audit.add(fault(exit, this.file, what, { seq: this.size, byte: this.offset, ...more }));
  }
}

const SKELETON_PIECE = 1 << 20;

/** The sales that some refund or replacement names, found by the beginnings of lines. */
async function referenced(blob) {
  const seqs = new Set();
  for await (const lines of linesOf(blob, LINE_BYTES_MAX)) {
    for (const { bytes, broken } of lines) {
      const line = broken || (bytes[2] !== 0x61 && bytes[2] !== 0x6f) ? "" : characters(bytes);
      const named = mayNameASale(line) && /"ref":([0-9]+),/.exec(line);
      const seq = named && natural(named[1]);
      if (seq !== null && seq !== false) seqs.add(seq);
    }
  }
  return seqs;
}

// The rules of section 5: what entries say of stock and money must fit together.

import { BATCH_SLOTS_MAX } from "./entry.js";
import { countSlots, SlotSet } from "./slots.js";
import { tampered } from "./words.js";

/** Stock over all generations. */
export class Rules {
  constructor() {
    this.batches = new Map();
    this.due = 0;
    this.balances = new Map();
    this.money = new Map();
    this.handedOut = new SlotSet();
    this.replaced = new SlotSet();
    this.unfinished = null;
    /** Slots that were checked. */
    this.slots = 0;
    /** What came before is not all here: some things cannot be judged, and are no fault. */
    this.partial = false;
    /** Entries before these are not here, and none but `slots` entries has come since. */
    this.torn = false;
    /** Batches that slots are of and whose import is not here. */
    this.absent = new Set();
    /** Entries that refer to before the range. */
    this.unjudged = 0;
  }

  /** A range begins: entries before it are not here. */
  beginRange() {
    [this.partial, this.torn] = [true, true];
  }

  /** Judges one entry; throws a refusal that says which rule it breaks. `sales` are those of its generation. */
  step(sales, entry) {
    if (entry.type === "slots") return this.moreSlots(sales, entry);
    this.torn = false;
    this.finishSale();
    switch (entry.type) {
      case "stock":
        return this.import(entry, true);
      case "sale":
        return this.sale(sales, entry);
      case "refund":
        return this.refund(sales, entry);
      case "replace":
        return this.replace(sales, entry);
      case "void":
        return this.handOut(entry.slots, null, "void");
      case "erase":
        if (sales.isBefore(entry.ref)) this.skip();
        else sales.demand(entry.ref);
    }
  }

  /** At the end of a sale's entries: a pooled sale hands out exactly `qty` slots. */
  finishSale() {
    const sale = this.unfinished;
    this.unfinished = null;
    if (sale && sale.named !== sale.qty) throw tampered("sale {0} is of {1} slots and names {2}", "销售 {0} 应有 {1} 个卡位，却写了 {2} 个", sale.seq, sale.qty, sale.named);
  }

  /** A batch; `counted` is false for one that a range only carries along. */
  import({ batch, count, sku }, counted) {
    if (batch !== this.due && !(this.partial && batch > this.due)) throw tampered("batch {0} is imported where {1} is due", "此处应入库批次 {1}，却是 {0}", batch, this.due);
    this.due = batch + 1;
    this.batches.set(batch, { count, sku });
    const balance = this.balance(sku);
    if (counted) balance.imported += count;
  }

  moneyIn(cur) {
    if (!this.money.has(cur)) this.money.set(cur, { received: 0, refunded: 0 });
    return this.money.get(cur);
  }

  refund(sales, { ref, amt, cur }) {
    this.moneyIn(cur).refunded += amt;
    if (sales.isBefore(ref)) return this.skip();
    const sale = sales.demand(ref);
    if (sale.cur !== cur) throw tampered("a refund in {0} of sale {1} in {2}", "销售 {1} 以 {2} 收款，退款却是 {0}", cur, ref, sale.cur);
    if (sale.refunded + amt > sale.amt) throw tampered("refunds of sale {0} exceed its {1}", "销售 {0} 的退款超过其金额 {1}", ref, sale.amt);
    sale.refunded += amt;
  }

  balance(sku) {
    if (!this.balances.has(sku)) this.balances.set(sku, { imported: 0, sold: 0, replaced: 0, void: 0 });
    return this.balances.get(sku);
  }

  sale(sales, entry) {
    sales.sold(entry);
    this.moneyIn(entry.cur).received += entry.amt;
    if (entry.kind !== "pool") return;
    this.handOut(entry.slots, entry.sku, "sold");
    sales.owns(entry.seq, entry.slots);
    this.unfinished = { seq: entry.seq, qty: entry.qty, named: countSlots(entry.slots), sku: entry.sku };
  }

  moreSlots(sales, { ref, slots }) {
    if (this.torn && sales.isBefore(ref)) {
      this.skip();
      return this.handOut(slots, null, "sold");
    }
    const sale = this.unfinished;
    this.unfinished = null;
    if (sale?.seq !== ref) throw tampered("does not follow sale {0}, to which it belongs", "没有紧跟所属的销售 {0}", ref);
    this.handOut(slots, sale.sku, "sold");
    sales.owns(ref, slots);
    sale.named += countSlots(slots);
    this.unfinished = sale;
  }

  replace(sales, { ref, out, slots }) {
    const [given, back] = [countSlots(slots), countSlots(out)];
    if (given !== back) throw tampered("{0} slots are handed out instead of {1}", "换出 {1} 个卡位，却补发 {0} 个", given, back);
    if (sales.isBefore(ref)) {
      this.skip();
      for (const range of out) {
        this.within(range);
        this.replaceOnce(range);
      }
      return this.handOut(slots, null, "replaced");
    }
    const sale = sales.demand(ref);
    for (const range of out) {
      const strange = sale.owned.missing(range);
      if (strange !== null) throw tampered("slot {0} was not handed out by sale {1}", "卡位 {0} 并非由销售 {1} 发放", `${range.batch}:${strange}`, ref);
      this.replaceOnce(range);
    }
    this.handOut(slots, sale.sku, "replaced");
    sales.owns(ref, slots);
  }

  /** Each slot is of a batch that came before, within its bounds, of this sku, and never handed out before. */
  handOut(slots, sku, column) {
    for (const range of slots) {
      const batch = this.within(range);
      if (sku !== null && batch && batch.sku !== sku) throw tampered("batch {0} is of {1}, not {2}", "批次 {0} 属于 {1}，而不是 {2}", range.batch, batch.sku, sku);
      const twice = this.handedOut.insert(range);
      if (twice !== null) throw tampered("slot {0} is handed out twice", "卡位 {0} 被发放两次", `${range.batch}:${twice}`);
      const count = range.last - range.first + 1;
      this.slots += count;
      if (batch) this.balance(batch.sku)[column] += count;
      else this.absent.add(range.batch);
    }
  }

  /** The batch that the range lies in, null where a range does not say: always asked before slots are gone through. */
  within({ batch: number, last }) {
    const batch = this.batches.get(number) ?? null;
    if (!batch && !this.partial) throw tampered("batch {0} was not imported before", "批次 {0} 此前并未入库", number);
    const count = batch?.count ?? BATCH_SLOTS_MAX;
    if (last >= count) throw tampered("slot {0} of a batch of {1}", "卡位 {0} 超出批次的 {1} 个", `${number}:${last}`, count);
    return batch;
  }

  replaceOnce(range) {
    const twice = this.replaced.insert(range);
    if (twice !== null) throw tampered("slot {0} is replaced twice", "卡位 {0} 被更换两次", `${range.batch}:${twice}`);
  }

  skip() {
    this.unjudged += 1;
  }
}

/** The sales of one generation: of most that they are there, of those that a later entry names what it needs. */
export class Sales {
  /** `base` is the first seq that is here; `referenced` holds the seqs that a refund or a replacement names. */
  constructor(base, referenced) {
    this.base = base;
    this.referenced = referenced;
    this.seqs = new SlotSet();
    this.kept = new Map();
  }

  isBefore(seq) {
    return seq < this.base;
  }

  sold({ seq, amt, cur, sku }) {
    this.seqs.insert({ batch: 0, first: seq, last: seq });
    if (this.referenced.has(seq)) this.kept.set(seq, { amt, cur, sku, refunded: 0, owned: new SlotSet() });
  }

  owns(seq, slots) {
    const sale = this.kept.get(seq);
    if (sale) for (const range of slots) sale.owned.insert(range);
  }

  /** What is kept of a sale that came before; throws where there is none. */
  demand(seq) {
    if (this.seqs.missing({ batch: 0, first: seq, last: seq }) !== null) throw tampered("entry {0} is no sale before this entry", "记录 {0} 不是此前的销售", seq);
    return this.kept.get(seq);
  }
}

/** The seqs that lines like this one may name, cheaply: refunds begin with `amt`, `cur`, replacements with `out`. */
export const mayNameASale = (line) => line.startsWith('{"out":') || /^\{"amt":[0-9]+,"cur"/.test(line);

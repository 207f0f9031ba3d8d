// Lists of slots (section 1), and sets of slots in a bit each.

import { natural, splitOnce } from "./bytes.js";

/** The ranges of a list in its one spelling, `[{batch, first, last}]`, or null for everything else. */
export function parseSlots(spelled) {
  const ranges = [];
  for (const part of spelled.split(",")) {
    const range = parseRange(part);
    const before = ranges.at(-1);
    // A range that touches the one before should have been merged with it.
    if (!range || (before && !(before.batch < range.batch || (before.batch === range.batch && before.last + 1 < range.first)))) return null;
    ranges.push(range);
  }
  return ranges;
}

/** Number of slots of a list. Never expand a range before its bounds were checked. */
export const countSlots = (ranges) => ranges.reduce((sum, range) => sum + (range.last - range.first + 1), 0);

function parseRange(spelled) {
  const parts = splitOnce(spelled, ":");
  const batch = parts && natural(parts[0]);
  if (batch === null) return null;
  const bounds = splitOnce(parts[1], "-");
  const first = natural(bounds ? bounds[0] : parts[1]);
  const last = bounds ? natural(bounds[1]) : first;
  if (first === null || last === null || (bounds && first >= last)) return null;
  return { batch, first, last };
}

const PAGE_SLOTS = 4096;

/** Slots of any batch; a page of bits is made when first touched. Bounds are checked by the caller. */
export class SlotSet {
  constructor() {
    this.batches = new Map();
  }

  /** Adds a range; gives the first slot that was there before, or null. */
  insert({ batch, first, last }) {
    if (!this.batches.has(batch)) this.batches.set(batch, new Map());
    const pages = this.batches.get(batch);
    let twice = null;
    for (let index = first; index <= last; ) {
      const number = Math.floor(index / PAGE_SLOTS);
      if (!pages.has(number)) pages.set(number, new Uint32Array(PAGE_SLOTS / 32));
      const bits = pages.get(number);
      const end = Math.min(last, number * PAGE_SLOTS + PAGE_SLOTS - 1);
      for (; index <= end; index += 1) {
        const [word, bit] = [(index % PAGE_SLOTS) >>> 5, 1 << (index & 31)];
        if (bits[word] & bit) twice ??= index;
        bits[word] |= bit;
      }
    }
    return twice;
  }

  /** The first slot of the range that is not in the set, or null. */
  missing({ batch, first, last }) {
    const pages = this.batches.get(batch);
    for (let index = first; index <= last; index += 1) {
      const bits = pages?.get(Math.floor(index / PAGE_SLOTS));
      if (!bits || !(bits[(index % PAGE_SLOTS) >>> 5] & (1 << (index & 31)))) return index;
    }
    return null;
  }
}

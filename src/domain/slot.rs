//! Places of keys: batches, slots, and a pool's order of handing them out.

use std::fmt;

use super::Slug;

/// One key's place: the `index`-th of an imported batch. Written `batch:index` in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRef {
    /// Number of the import, 0, 1, 2 … over the shop's life.
    pub batch: u32,
    /// Place in it, from 0.
    pub index: u32,
}

/// The part of a batch that was never reserved: slots `next..count`, less those voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Number of the import.
    pub batch: u32,
    /// First slot never reserved.
    pub next: u32,
    /// Slots in the batch.
    pub count: u32,
}

/// The stock of one product. Keys leave in the order in which they came, returned ones first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The product that it belongs to.
    pub slug: Slug,
    /// Slots that can be ordered now: in spans or returned, not voided.
    pub available: u32,
    /// Slots reserved by unpaid orders.
    pub reserved: u32,
    /// Slots handed out.
    pub sold: u32,
    /// Slots withdrawn unsold.
    pub void: u32,
    /// Batches not yet used up, oldest first.
    pub spans: Vec<Span>,
    /// Slots that may have been sold since the copy that this shop was restored from: not for sale until a person says so.
    pub withheld: u32,
    /// Where those lie; voided ones among them.
    pub withheld_spans: Vec<Span>,
    /// The pool's data key, wrapped by the root key.
    pub wrapped_key: Vec<u8>,
}

impl Pool {
    /// Whether a slot lies among those withheld.
    pub fn is_withheld(&self, slot: SlotRef) -> bool {
        self.withheld_spans
            .iter()
            .any(|span| span.batch == slot.batch && (span.next..span.count).contains(&slot.index))
    }
}

impl fmt::Display for SlotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.batch, self.index)
    }
}

impl fmt::Debug for SlotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

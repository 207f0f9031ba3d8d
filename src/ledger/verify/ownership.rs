//! What must be remembered of sales: of most a bit, of those that a later entry names what that entry needs.

use super::audit::Run;
use super::lines::each_line;
use crate::ledger::entry::{Body, Entry, LINE_BYTES_MAX, SlotList, SlotRange};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

/// The sales of one generation.
#[derive(Default)]
pub(super) struct Ownership {
    /// Seq of the first entry here: what refers to before it cannot be judged.
    pub(super) base: u64,
    /// Ascending; those before `next` have gone by.
    referenced: Vec<u64>,
    next: usize,
    sales: HashMap<u64, Referenced>,
    /// A bit for each seq from `base` on that is a sale.
    is_sale: Vec<u64>,
}

/// A sale that a refund or a replacement names.
pub(super) struct Referenced {
    pub(super) amt: i64,
    pub(super) refunded: i64,
    /// Number of its currency.
    pub(super) cur: usize,
    /// Number of its sku.
    pub(super) sku: usize,
    /// Slots that it handed out: by batch and first, the last. They do not overlap: none is handed out twice.
    owned: BTreeMap<(u64, u64), u64>,
}

impl Referenced {
    /// The first slot of the range that this sale did not hand out.
    pub(super) fn missing(&self, range: &SlotRange) -> Option<u64> {
        let mut index = range.first;
        while index <= range.last {
            let mut before = self.owned.range((range.batch, 0)..=(range.batch, index));
            match before.next_back() {
                Some((_, last)) if *last >= index => index = last + 1,
                _ => return Some(index),
            }
        }
        None
    }
}

impl Ownership {
    /// With the answer of [`referenced`]; entries before `base` are not here.
    pub(super) fn of(mut referenced: Vec<u64>, base: u64) -> Self {
        referenced.retain(|sale| *sale >= base);
        Self {
            base,
            referenced,
            ..Self::default()
        }
    }

    /// A sale, in the order of seqs. True if a later entry names it: then it is to be remembered.
    pub(super) fn sold(&mut self, seq: u64) -> bool {
        // A line takes more than 64 bytes, so a seq that was reached fits the address space as a bit.
        let at = seq.saturating_sub(self.base);
        let word = (at / 64) as usize;
        if self.is_sale.len() <= word {
            self.is_sale.resize(word + 1, 0);
        }
        self.is_sale[word] |= 1 << (at % 64);
        while self
            .referenced
            .get(self.next)
            .is_some_and(|named| *named < seq)
        {
            self.next += 1;
        }
        self.referenced.get(self.next) == Some(&seq)
    }

    /// What a later entry needs of this sale.
    pub(super) fn remember(&mut self, seq: u64, amt: i64, cur: usize, sku: usize) {
        let sale = Referenced {
            amt,
            refunded: 0,
            cur,
            sku,
            owned: BTreeMap::new(),
        };
        self.sales.insert(seq, sale);
    }

    /// Slots of a sale that is remembered.
    pub(super) fn owns(&mut self, seq: u64, slots: &SlotList) {
        if let Some(sale) = self.sales.get_mut(&seq) {
            let ranges = slots.ranges().iter();
            sale.owned
                .extend(ranges.map(|range| ((range.batch, range.first), range.last)));
        }
    }

    pub(super) fn is_sale(&self, seq: u64) -> bool {
        let Some(at) = seq.checked_sub(self.base) else {
            return false;
        };
        let word = usize::try_from(at / 64).unwrap_or(usize::MAX);
        self.is_sale
            .get(word)
            .is_some_and(|bits| (bits >> (at % 64)) & 1 == 1)
    }

    pub(super) fn sale(&mut self, seq: u64) -> Result<&mut Referenced, String> {
        self.sales
            .get_mut(&seq)
            .ok_or_else(|| format!("entry {seq} is no sale before this entry"))
    }
}

/// Reads the entries once ahead to learn which sales are named by a refund or a replacement, so that only those are
/// remembered: ascending. Lines that do not parse are left to the reading that judges.
pub(super) fn referenced(run: &Run<'_>, file: &str) -> io::Result<Vec<u64>> {
    let mut referenced = HashSet::new();
    let take = |line: &[u8]| {
        if may_name_a_sale(line)
            && let Ok(entry) = Entry::parse(line)
            && let Body::Refund { sale, .. } | Body::Replace { sale, .. } = entry.body
        {
            referenced.insert(sale);
        }
    };
    let input = run.source.open(file)?;
    each_line(input, LINE_BYTES_MAX, |bytes| run.progress.add(bytes), take)?;
    let mut referenced: Vec<_> = referenced.into_iter().collect();
    referenced.sort_unstable();
    Ok(referenced)
}

/// Sorted keys make refunds begin with `amt`, `cur` and replacements with `out`; nothing else does.
fn may_name_a_sale(line: &[u8]) -> bool {
    if let Some(rest) = line.strip_prefix(b"{\"amt\":") {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        return rest[digits..].starts_with(b",\"cur\"");
    }
    line.starts_with(b"{\"out\":")
}

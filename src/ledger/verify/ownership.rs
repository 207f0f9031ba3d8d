//! What must be remembered of sales: of most a bit, of those that a later entry names what that entry needs.

use super::audit::Run;
use super::lines::{Block, Blocks};
use super::slot_set::SlotSet;
use crate::ledger::entry::{Body, Entry, LINE_BYTES_MAX, Sale, SlotList};
use std::collections::{HashMap, HashSet};
use std::io;

/// The sales of one generation.
#[derive(Default)]
pub(super) struct Ownership {
    /// Seq of the first entry here: what refers to before it cannot be judged.
    pub(super) base: u64,
    referenced: HashSet<u64>,
    sales: HashMap<u64, Referenced>,
    /// A bit for each seq from `base` on that is a sale.
    is_sale: Vec<u64>,
}

/// A sale that a refund or a replacement names.
pub(super) struct Referenced {
    pub(super) amt: i64,
    pub(super) refunded: i64,
    pub(super) cur: String,
    pub(super) sku: String,
    pub(super) owned: SlotSet,
}

impl Ownership {
    /// Reads the entries once ahead to learn which sales are named by a refund or a replacement, so that only those
    /// are remembered. Lines that do not parse are left to the reading that judges.
    pub(super) fn scan(run: &Run<'_>, file: &str, base: u64) -> io::Result<Self> {
        let mut blocks = Blocks::new(run.source.open(file)?, LINE_BYTES_MAX);
        let (mut block, mut referenced) = (Block::default(), HashSet::new());
        let mut told = 0;
        while blocks.fill(&mut block, LINES_AT_ONCE)? {
            for (_, line) in block.lines().filter(|(_, line)| may_name_a_sale(line)) {
                if let Ok(entry) = Entry::parse(line)
                    && let Body::Refund { sale, .. } | Body::Replace { sale, .. } = entry.body
                    && sale >= base
                {
                    referenced.insert(sale);
                }
            }
            run.progress.add(block.after() - told);
            told = block.after();
        }
        Ok(Self {
            base,
            referenced,
            ..Self::default()
        })
    }

    pub(super) fn sold(&mut self, seq: u64, sale: &Sale<'_>) {
        // A line takes more than 64 bytes, so a seq that was reached fits the address space as a bit.
        let at = seq.saturating_sub(self.base);
        let word = (at / 64) as usize;
        if self.is_sale.len() <= word {
            self.is_sale.resize(word + 1, 0);
        }
        self.is_sale[word] |= 1 << (at % 64);
        if !self.referenced.is_empty() && self.referenced.contains(&seq) {
            let sale = Referenced {
                amt: sale.amt,
                refunded: 0,
                cur: sale.cur.to_owned(),
                sku: sale.sku.to_owned(),
                owned: SlotSet::default(),
            };
            self.sales.insert(seq, sale);
        }
    }

    /// Slots of a sale, already checked to be in bounds and new.
    pub(super) fn owns(&mut self, seq: u64, slots: &SlotList) {
        if self.sales.is_empty() {
            return;
        }
        if let Some(sale) = self.sales.get_mut(&seq) {
            for range in slots.ranges() {
                // Invariant: a slot that was new to all sales is new to this one.
                let _ = sale.owned.insert(range);
            }
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

/// Sorted keys make refunds begin with `amt`, `cur` and replacements with `out`; nothing else does.
fn may_name_a_sale(line: &[u8]) -> bool {
    if let Some(rest) = line.strip_prefix(b"{\"amt\":") {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        return rest[digits..].starts_with(b",\"cur\"");
    }
    line.starts_with(b"{\"out\":")
}

const LINES_AT_ONCE: usize = 1024;

//! The rules of section 5: what entries say of stock and money must fit together.

use super::ownership::Ownership;
use super::report::Balance;
use super::slot_set::SlotSet;
use crate::ledger::entry::{Body, Entry, Kind, Sale, SlotList};
use std::collections::{BTreeMap, HashMap};

/// Stock over all generations.
#[derive(Default)]
pub(super) struct Rules {
    batches: Vec<Batch>,
    skus: Vec<String>,
    sku_numbers: HashMap<String, usize>,
    balances: Vec<Balance>,
    handed_out: SlotSet,
    replaced: SlotSet,
    unfinished: Option<Unfinished>,
    /// Slots that were checked.
    pub(super) slots: u64,
}

struct Batch {
    sku: usize,
    count: u64,
}

/// A pooled sale whose slots may go on in the next entry.
struct Unfinished {
    sale: u64,
    qty: u64,
    handed_out: u64,
    sku: String,
}

/// Which column of the balance slots go to.
#[derive(Clone, Copy)]
enum Column {
    Sold,
    Replaced,
    Void,
}

impl Rules {
    /// Judges one entry; the error says which rule it breaks.
    pub(super) fn step(&mut self, sales: &mut Ownership, entry: &Entry) -> Result<(), String> {
        if let Body::Slots { sale, slots, .. } = &entry.body {
            return self.more_slots(sales, *sale, slots);
        }
        self.finish_sale()?;
        match &entry.body {
            Body::Stock {
                batch, count, sku, ..
            } => self.import(*batch, *count, sku),
            Body::Sale(sale) => self.sale(sales, entry.seq, sale),
            Body::Refund { sale, amt, cur, .. } => refund(sales, *sale, *amt, cur),
            Body::Replace {
                sale, out, slots, ..
            } => self.replace(sales, *sale, out, slots),
            Body::Void { slots, .. } => self.hand_out(slots, None, Column::Void),
            Body::Erase { sale, .. } if !sales.is_sale(*sale) => {
                Err(format!("entry {sale} is no sale before this entry"))
            }
            _ => Ok(()),
        }
    }

    /// At the end of a sale's entries: a pooled sale hands out exactly `qty` slots.
    pub(super) fn finish_sale(&mut self) -> Result<(), String> {
        match self.unfinished.take() {
            Some(sale) if sale.handed_out != sale.qty => Err(format!(
                "sale {} is of {} slots and names {}",
                sale.sale, sale.qty, sale.handed_out
            )),
            _ => Ok(()),
        }
    }

    /// The balance of each sku.
    pub(super) fn balances(&self) -> BTreeMap<String, Balance> {
        let left = |mut b: Balance| {
            let gone = b.sold + b.replaced + b.void;
            b.left = b.imported.saturating_sub(gone);
            b
        };
        let skus = self.skus.iter().cloned();
        skus.zip(self.balances.iter().copied().map(left)).collect()
    }

    fn import(&mut self, batch: u64, count: u64, sku: &str) -> Result<(), String> {
        let due = self.batches.len() as u64;
        if batch != due {
            return Err(format!("batch {batch} is imported where {due} is due"));
        }
        let sku = match self.sku_numbers.get(sku) {
            Some(number) => *number,
            None => {
                self.skus.push(sku.to_owned());
                self.balances.push(Balance::default());
                self.sku_numbers.insert(sku.to_owned(), self.skus.len() - 1);
                self.skus.len() - 1
            }
        };
        self.batches.push(Batch { sku, count });
        self.balances[sku].imported += count;
        Ok(())
    }

    fn sale(&mut self, sales: &mut Ownership, seq: u64, sale: &Sale) -> Result<(), String> {
        sales.sold(seq, sale);
        let (Kind::Pool, Some(slots)) = (sale.kind, &sale.slots) else {
            return Ok(());
        };
        self.hand_out(slots, Some(sale.sku), Column::Sold)?;
        sales.owns(seq, slots);
        self.unfinished = Some(Unfinished {
            sale: seq,
            qty: sale.qty,
            handed_out: slots.count(),
            sku: sale.sku.to_owned(),
        });
        Ok(())
    }

    fn more_slots(
        &mut self,
        sales: &mut Ownership,
        sale: u64,
        slots: &SlotList,
    ) -> Result<(), String> {
        let Some(mut unfinished) = self.unfinished.take().filter(|u| u.sale == sale) else {
            return Err(format!("does not follow sale {sale}, to which it belongs"));
        };
        self.hand_out(slots, Some(&unfinished.sku), Column::Sold)?;
        sales.owns(sale, slots);
        unfinished.handed_out += slots.count();
        self.unfinished = Some(unfinished);
        Ok(())
    }

    fn replace(
        &mut self,
        sales: &mut Ownership,
        sale: u64,
        out: &SlotList,
        slots: &SlotList,
    ) -> Result<(), String> {
        if out.count() != slots.count() {
            let (out, slots) = (out.count(), slots.count());
            return Err(format!("{slots} slots are handed out instead of {out}"));
        }
        let referenced = sales.sale(sale)?;
        for range in out.ranges() {
            if let Some(index) = referenced.owned.missing(range) {
                let slot = format!("{}:{index}", range.batch);
                return Err(format!("slot {slot} was not handed out by sale {sale}"));
            }
            if let Err(index) = self.replaced.insert(range) {
                return Err(format!("slot {}:{index} is replaced twice", range.batch));
            }
        }
        let sku = referenced.sku.clone();
        self.hand_out(slots, Some(&sku), Column::Replaced)?;
        sales.owns(sale, slots);
        Ok(())
    }

    /// Each slot is of a batch that came before, within its bounds, of this sku, and never handed out before.
    fn hand_out(
        &mut self,
        slots: &SlotList,
        sku: Option<&str>,
        column: Column,
    ) -> Result<(), String> {
        for range in slots.ranges() {
            let known = usize::try_from(range.batch).ok();
            let Some(batch) = known.and_then(|number| self.batches.get(number)) else {
                return Err(format!("batch {} was not imported before", range.batch));
            };
            if range.last >= batch.count {
                let (number, last, count) = (range.batch, range.last, batch.count);
                return Err(format!("slot {number}:{last} of a batch of {count}"));
            }
            if let Some(sku) = sku.filter(|sku| self.skus[batch.sku] != *sku) {
                let of = &self.skus[batch.sku];
                return Err(format!("batch {} is of {of}, not {sku}", range.batch));
            }
            if let Err(index) = self.handed_out.insert(range) {
                let slot = format!("{}:{index}", range.batch);
                return Err(format!("slot {slot} is handed out twice"));
            }
            let balance = &mut self.balances[batch.sku];
            match column {
                Column::Sold => balance.sold += range.count(),
                Column::Replaced => balance.replaced += range.count(),
                Column::Void => balance.void += range.count(),
            }
            self.slots += range.count();
        }
        Ok(())
    }
}

fn refund(sales: &mut Ownership, seq: u64, amt: i64, cur: &str) -> Result<(), String> {
    let sale = sales.sale(seq)?;
    if sale.cur != cur {
        return Err(format!("a refund in {cur} of sale {seq} in {}", sale.cur));
    }
    match sale.refunded.checked_add(amt) {
        Some(sum) if sum <= sale.amt => {
            sale.refunded = sum;
            Ok(())
        }
        _ => Err(format!("refunds of sale {seq} exceed its {}", sale.amt)),
    }
}

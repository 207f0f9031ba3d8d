//! The rules of section 5: what entries say of stock and money must fit together.
//!
//! In a range some of that cannot be told: what refers to before it is counted as unjudged, never as a fault.

use super::ownership::Ownership;
use super::report::{Balance, Money};
use super::slot_set::SlotSet;
use crate::ledger::entry::{BATCH_SLOTS_MAX, Body, Entry, Kind, Sale, SlotList, SlotRange};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Stock and money over all generations.
#[derive(Default)]
pub(super) struct Rules {
    /// Ascending by number; without a gap unless a range was among the generations.
    batches: Vec<Batch>,
    skus: Vec<String>,
    sku_numbers: HashMap<String, usize>,
    balances: Vec<Balance>,
    money: Vec<(String, Money)>,
    cur_numbers: HashMap<String, usize>,
    handed_out: SlotSet,
    replaced: SlotSet,
    unfinished: Option<Unfinished>,
    /// Entries of this generation before these are not here, and none but `slots` entries has come since.
    torn: bool,
    /// A range was among the generations: not all of the stock is known.
    pub(super) partial: bool,
    /// Batches whose import is not here although slots of them are handed out.
    pub(super) unknown_batches: BTreeSet<u64>,
    /// Entries that refer to before their range.
    pub(super) unjudged: u64,
    /// Slots that were checked.
    pub(super) slots: u64,
}

struct Batch {
    number: u64,
    sku: usize,
    count: u64,
}

/// A pooled sale whose slots may go on in the next entry.
struct Unfinished {
    sale: u64,
    qty: u64,
    handed_out: u64,
    /// None if nothing is to follow.
    sku: Option<String>,
    named: bool,
}

/// Which column of the balance slots go to.
#[derive(Clone, Copy)]
enum Column {
    Sold,
    Replaced,
    Void,
}

impl Rules {
    /// A range begins: entries before it are not here.
    pub(super) fn begin_range(&mut self) {
        self.partial = true;
        self.torn = true;
    }

    /// A `stock` line that a range takes along from before it.
    pub(super) fn carry(&mut self, batch: u64, count: u64, sku: &str) -> Result<(), String> {
        self.import(batch, count, sku).map(|_| ())
    }

    /// Judges one entry; the error says which rule it breaks.
    pub(super) fn step(&mut self, sales: &mut Ownership, entry: &Entry<'_>) -> Result<(), String> {
        if let Body::Slots { sale, slots, .. } = &entry.body {
            return self.more_slots(sales, *sale, slots);
        }
        self.torn = false;
        self.finish_sale()?;
        match &entry.body {
            Body::Stock {
                batch, count, sku, ..
            } => {
                let sku = self.import(*batch, *count, sku)?;
                self.balances[sku].imported += count;
                Ok(())
            }
            Body::Sale(sale) => self.sale(sales, entry.seq, sale),
            Body::Refund { sale, amt, cur, .. } => self.refund(sales, *sale, *amt, cur),
            Body::Replace {
                sale, out, slots, ..
            } => self.replace(sales, *sale, out, slots),
            Body::Void { slots, .. } => self.hand_out(slots, None, Column::Void),
            Body::Erase { sale, .. } if *sale < sales.base => {
                self.unjudged += 1;
                Ok(())
            }
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

    /// The balance of each sku; what is left is known only where all imports are.
    pub(super) fn balances(&self) -> BTreeMap<String, Balance> {
        let left = |mut b: Balance| {
            let gone = b.sold + b.replaced + b.void;
            b.left = (!self.partial).then(|| b.imported.saturating_sub(gone));
            b
        };
        let skus = self.skus.iter().cloned();
        let all = skus.zip(self.balances.iter().copied().map(left));
        all.filter(|(_, b)| b.imported + b.sold + b.replaced + b.void > 0)
            .collect()
    }

    /// Money received and returned, by currency.
    pub(super) fn money(&self) -> BTreeMap<String, Money> {
        self.money.iter().cloned().collect()
    }

    /// Gives the number of the batch's sku.
    fn import(&mut self, batch: u64, count: u64, sku: &str) -> Result<usize, String> {
        let due = self.batches.last().map_or(0, |last| last.number + 1);
        if batch != due && !(self.partial && batch > due) {
            return Err(format!("batch {batch} is imported where {due} is due"));
        }
        let number = self.sku_number(sku);
        self.batches.push(Batch {
            number: batch,
            sku: number,
            count,
        });
        Ok(number)
    }

    fn sku_number(&mut self, sku: &str) -> usize {
        match self.sku_numbers.get(sku) {
            Some(number) => *number,
            None => {
                self.skus.push(sku.to_owned());
                self.balances.push(Balance::default());
                self.sku_numbers.insert(sku.to_owned(), self.skus.len() - 1);
                self.skus.len() - 1
            }
        }
    }

    fn batch(&self, number: u64) -> Option<&Batch> {
        let dense = usize::try_from(number).ok();
        let dense = dense.and_then(|at| self.batches.get(at));
        dense.filter(|batch| batch.number == number).or_else(|| {
            let found = self
                .batches
                .binary_search_by_key(&number, |batch| batch.number);
            found.ok().map(|at| &self.batches[at])
        })
    }

    /// Number of the currency.
    fn money_in(&mut self, cur: &str) -> usize {
        match self.cur_numbers.get(cur) {
            Some(number) => *number,
            None => {
                let number = self.money.len();
                self.money.push((cur.to_owned(), Money::default()));
                self.cur_numbers.insert(cur.to_owned(), number);
                number
            }
        }
    }

    fn sale(&mut self, sales: &mut Ownership, seq: u64, sale: &Sale) -> Result<(), String> {
        let named = sales.sold(seq);
        let cur = self.money_in(sale.cur);
        let money = &mut self.money[cur].1;
        money.received = money.received.saturating_add(sale.amt);
        if named {
            let sku = self.sku_number(sale.sku);
            sales.remember(seq, sale.amt, cur, sku);
        }
        let (Kind::Pool, Some(slots)) = (sale.kind, &sale.slots) else {
            return Ok(());
        };
        self.hand_out(slots, Some(sale.sku), Column::Sold)?;
        if named {
            sales.owns(seq, slots);
        }
        let handed_out = slots.count();
        self.unfinished = Some(Unfinished {
            sale: seq,
            qty: sale.qty,
            handed_out,
            sku: (handed_out < sale.qty).then(|| sale.sku.to_owned()),
            named,
        });
        Ok(())
    }

    fn more_slots(
        &mut self,
        sales: &mut Ownership,
        sale: u64,
        slots: &SlotList,
    ) -> Result<(), String> {
        if self.torn && sale < sales.base {
            self.unjudged += 1;
            return self.hand_out(slots, None, Column::Sold);
        }
        let Some(mut unfinished) = self.unfinished.take().filter(|u| u.sale == sale) else {
            return Err(format!("does not follow sale {sale}, to which it belongs"));
        };
        self.hand_out(slots, unfinished.sku.as_deref(), Column::Sold)?;
        if unfinished.named {
            sales.owns(sale, slots);
        }
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
        if sale < sales.base {
            self.unjudged += 1;
            for range in out.ranges() {
                self.within(range)?;
                self.replace_once(range)?;
            }
            return self.hand_out(slots, None, Column::Replaced);
        }
        let referenced = sales.sale(sale)?;
        for range in out.ranges() {
            self.within(range)?;
            if let Some(index) = referenced.missing(range) {
                let slot = format!("{}:{index}", range.batch);
                return Err(format!("slot {slot} was not handed out by sale {sale}"));
            }
            self.replace_once(range)?;
        }
        let sku = self.skus[referenced.sku].clone();
        self.hand_out(slots, Some(&sku), Column::Replaced)?;
        sales.owns(sale, slots);
        Ok(())
    }

    fn replace_once(&mut self, range: &SlotRange) -> Result<(), String> {
        let twice = |index| format!("slot {}:{index} is replaced twice", range.batch);
        self.replaced.insert(range).map_err(twice)
    }

    /// Whether the range lies within its batch, as far as that is known: always checked before a range is expanded.
    fn within(&self, range: &SlotRange) -> Result<Option<&Batch>, String> {
        let batch = self.batch(range.batch);
        if batch.is_none() && !self.partial {
            return Err(format!("batch {} was not imported before", range.batch));
        }
        let count = batch.map_or(BATCH_SLOTS_MAX, |batch| batch.count);
        if range.last >= count {
            let (number, last) = (range.batch, range.last);
            return Err(format!("slot {number}:{last} of a batch of {count}"));
        }
        Ok(batch)
    }

    /// Each slot is of a batch that came before, within its bounds, of this sku, and never handed out before.
    fn hand_out(
        &mut self,
        slots: &SlotList,
        sku: Option<&str>,
        column: Column,
    ) -> Result<(), String> {
        for range in slots.ranges() {
            let batch_sku = self.within(range)?.map(|batch| batch.sku);
            if let (Some(found), Some(sku)) = (batch_sku, sku)
                && self.skus[found] != sku
            {
                let of = &self.skus[found];
                return Err(format!("batch {} is of {of}, not {sku}", range.batch));
            }
            if let Err(index) = self.handed_out.insert(range) {
                let slot = format!("{}:{index}", range.batch);
                return Err(format!("slot {slot} is handed out twice"));
            }
            self.slots += range.count();
            let Some(batch_sku) = batch_sku else {
                if self.unknown_batches.len() < UNKNOWN_BATCHES_MAX {
                    self.unknown_batches.insert(range.batch);
                }
                continue;
            };
            let balance = &mut self.balances[batch_sku];
            match column {
                Column::Sold => balance.sold += range.count(),
                Column::Replaced => balance.replaced += range.count(),
                Column::Void => balance.void += range.count(),
            }
        }
        Ok(())
    }

    fn refund(
        &mut self,
        sales: &mut Ownership,
        seq: u64,
        amt: i64,
        cur: &str,
    ) -> Result<(), String> {
        let cur_number = self.money_in(cur);
        let money = &mut self.money[cur_number].1;
        money.refunded = money.refunded.saturating_add(amt);
        if seq < sales.base {
            self.unjudged += 1;
            return Ok(());
        }
        let sale = sales.sale(seq)?;
        if sale.cur != cur_number {
            let of = &self.money[sale.cur].0;
            return Err(format!("a refund in {cur} of sale {seq} in {of}"));
        }
        match sale.refunded.checked_add(amt) {
            Some(sum) if sum <= sale.amt => {
                sale.refunded = sum;
                Ok(())
            }
            _ => Err(format!("refunds of sale {seq} exceed its {}", sale.amt)),
        }
    }
}

/// Longest list of batches whose import is not here.
const UNKNOWN_BATCHES_MAX: usize = 100;

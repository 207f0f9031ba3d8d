//! After an erasure the month's key is replaced: all other orders of the month are wrapped by a new one, then the old one is
//! destroyed, and with it what freed pages and copies of the database still hold of the erased order.
//!
//! May be killed at any point and begun again: the new key is durable before an order is wrapped by it, no order needs the old one
//! when it is destroyed, and what is due stands in the store until that was done.

use std::convert::Infallible;

use super::notices::{NOTICES_LABEL, reseal_refused};
use super::open_shop::{Shop, unwritten};
use crate::domain::{Order, OrderId};
use crate::store::{
    Fault, MonthDue, MonthsDue, Rows, Tx, WriteError, decode_sealed, encode_sealed,
};

/// Orders wrapped again in one write, so that sales between them do not wait.
const AT_A_TIME: usize = 200;
/// Orders looked at in one step.
const PAGE: usize = 500;
const ROW: &str = "months_due";

/// Notes, in the write that erases, that the key of `label` is to be replaced; and that of the refused notices.
pub(super) fn add_due(tx: &mut Tx<'_>, label: &str, now_ms: i64) -> Result<(), Fault> {
    let mut due = read(tx)?;
    for label in [label, NOTICES_LABEL] {
        let of_notices = |known: &str| known.starts_with(NOTICES_LABEL);
        let known = |known: &MonthDue| {
            known.label == label || (label == NOTICES_LABEL && of_notices(&known.label))
        };
        if !due.months.iter().any(known) {
            due.months.push(MonthDue {
                label: label.to_owned(),
                since_ms: now_ms,
            });
        }
    }
    tx.put_meta(ROW, &encode_sealed(&due))
}

fn read(rows: &impl Rows) -> Result<MonthsDue, Fault> {
    let row = rows.meta(ROW)?;
    let due = row.map(|row| decode_sealed(&row)).transpose();
    due.map(Option::unwrap_or_default)
        .map_err(|error| Fault::Record {
            table: "meta",
            error,
        })
}

impl Shop {
    /// Month keys that wait to be replaced, with since when.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn months_due(&self) -> Result<Vec<MonthDue>, Fault> {
        Ok(read(&self.store.read()?)?.months)
    }

    /// Replaces the month keys that are due. Gives how many were destroyed. Blocks; called at start and every hour.
    ///
    /// # Errors
    /// [`Fault`]; then the next call goes on.
    pub fn replace_month_keys(&self) -> Result<usize, Fault> {
        let mut replaced = 0;
        for due in self.months_due()? {
            match due.label == NOTICES_LABEL {
                true => self.replace_notices_key()?,
                false => self.replace_month_key(&due.label)?,
            }
            self.done(due)?;
            replaced += 1;
        }
        Ok(replaced)
    }

    fn replace_month_key(&self, label: &str) -> Result<(), Fault> {
        let kept = |error: crate::vault::MonthError| Fault::Database(error.to_string());
        let next = self.vault.replace_month_key(label).map_err(kept)?;
        self.wait_for_writes()?;
        // Every order from here on is wrapped by the new key.
        while self.rewrap_pass(label, &next)? > 0 {}
        self.vault.forget_month_key(label).map_err(kept)
    }

    /// The refused notices lie in one row; they and the letters that wait are sealed again under a new key.
    fn replace_notices_key(&self) -> Result<(), Fault> {
        let kept = |error: crate::vault::MonthError| Fault::Database(error.to_string());
        let old = self.vault.erasable_labels(NOTICES_LABEL);
        if let Some(newest) = old.last() {
            self.vault.replace_month_key(newest).map_err(kept)?;
        }
        let vault = self.vault.clone();
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                Ok(reseal_refused(tx, &vault)?)
            });
        // Whatever was sealed under an older key was given to the writer before this, and is committed with it.
        write.wait().map_err(unwritten)?;
        while self.reseal_letters()? > 0 {}
        old.iter()
            .try_for_each(|label| self.vault.forget_month_key(label))
            .map_err(kept)
    }

    /// Looks at every order once and wraps those of `label` again. Gives how many.
    fn rewrap_pass(&self, label: &str, next: &str) -> Result<usize, Fault> {
        let (mut before, mut count) = (None, 0);
        loop {
            // A snapshot for each step: none is held for long.
            let page = self.store.read()?.orders_before(before, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(count);
            };
            before = Some(last.id);
            let own = page.iter().filter(|order| order.month == label);
            let ids: Vec<OrderId> = own.map(|order| order.id).collect();
            for ids in ids.chunks(AT_A_TIME) {
                count += self.rewrap(ids.to_vec(), label, next)?;
            }
        }
    }

    pub(super) fn rewrap(
        &self,
        ids: Vec<OrderId>,
        label: &str,
        next: &str,
    ) -> Result<usize, Fault> {
        let (vault, label, next) = (self.vault.clone(), label.to_owned(), next.to_owned());
        let write = self
            .store
            .write(move |tx| -> Result<usize, WriteError<Infallible>> {
                let mut count = 0;
                for id in &ids {
                    let Some(order) = tx.order(*id)?.filter(|order| order.month == label) else {
                        continue;
                    };
                    let owner = id.0.to_be_bytes();
                    let wrapped_key = vault
                        .rewrap_order_key(&label, &next, &owner, &order.wrapped_key)
                        .map_err(|_| Fault::Invariant("an order's key opens"))?;
                    tx.put_order_key(&Order {
                        month: next.clone(),
                        wrapped_key,
                        ..order
                    })?;
                    count += 1;
                }
                Ok(count)
            });
        write.wait().map_err(unwritten)
    }

    /// Returns when every write that was given before is committed.
    fn wait_for_writes(&self) -> Result<(), Fault> {
        let write = self
            .store
            .write(|_| -> Result<(), WriteError<Infallible>> { Ok(()) });
        write.wait().map_err(unwritten)
    }

    fn done(&self, done: MonthDue) -> Result<(), Fault> {
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                let mut due = read(tx)?;
                // What became due again meanwhile stays.
                due.months.retain(|month| *month != done);
                Ok(tx.put_meta(ROW, &encode_sealed(&due))?)
            });
        write.wait().map_err(unwritten)
    }
}

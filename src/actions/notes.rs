//! What staff writes when deciding about an order by hand: sealed with the order's private part, so that it goes when that goes.

use std::convert::Infallible;

use super::deliver::{open_private, seal_private};
use super::open_shop::{Shop, unwritten};
use crate::domain::{Order, OrderId};
use crate::store::{Fault, Rows, WriteError};
use crate::vault::Vault;

/// Orders looked at in one step.
const PAGE: usize = 500;

/// Keeps a note with an order that is not yet written. One whose private part is gone keeps none: nothing would seal it. What was
/// decided stands either way.
pub(super) fn keep(vault: &Vault, order: &mut Order, note: &str) {
    order.clear_note = None;
    if order.is_erased() {
        return;
    }
    match open_private(vault, order) {
        Ok((mut private, key)) => {
            private.note = Some(note.to_owned());
            order.private = seal_private(vault, order.id, &key, &private);
        }
        Err(error) => {
            tracing::error!(order = %order.id, %error, "an order's private part cannot be read: it keeps no note");
        }
    }
}

impl Shop {
    /// Seals the notes that lie in the orders of older data in clear. Repeated after a crash, it goes on.
    pub(super) fn seal_old_notes(&self) -> Result<(), Fault> {
        let mut before = None;
        loop {
            let page = self.store.read()?.orders_before(before, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            before = Some(last.id);
            let noted = page.iter().filter(|order| order.clear_note.is_some());
            let ids: Vec<OrderId> = noted.map(|order| order.id).collect();
            if ids.is_empty() {
                continue;
            }
            let vault = self.vault.clone();
            let write = self
                .store
                .write(move |tx| -> Result<(), WriteError<Infallible>> {
                    for id in &ids {
                        let Some(before) = tx.order(*id)? else {
                            continue;
                        };
                        let mut order = before.clone();
                        if let Some(note) = &before.clear_note {
                            keep(&vault, &mut order, note);
                            tx.put_order(&order, Some(&before))?;
                        }
                    }
                    Ok(())
                });
            write.wait().map_err(unwritten)?;
        }
    }
}

//! What staff writes when deciding about an order by hand: sealed with the order's private part, so that it goes when that goes.

use std::convert::Infallible;

use super::deliver::{open_private, seal_private};
use super::open_shop::{Shop, unwritten};
use crate::domain::{Order, OrderId};
use crate::store::{Fault, Rows, Tx, WriteError};
use crate::vault::Vault;

/// Orders looked at in one step.
const PAGE: usize = 500;
/// The row that stands while orders may have notes in clear.
const UNSEALED: &str = "notes_unsealed";

/// Keeps a note with an order that is not yet written. One whose private part is gone keeps none: nothing would seal it. What was
/// decided stands either way.
pub(super) fn keep(vault: &Vault, order: &mut Order, note: &str) {
    order.clear_note = None;
    seal(vault, order, note);
}

/// Whether the order's private part took the note.
fn seal(vault: &Vault, order: &mut Order, note: &str) -> bool {
    if order.is_erased() {
        return false;
    }
    match open_private(vault, order) {
        Ok((mut private, key)) => {
            private.note = Some(note.to_owned());
            order.private = seal_private(vault, order.id, &key, &private);
            true
        }
        Err(error) => {
            tracing::error!(order = %order.id, %error, "an order's private part cannot be read: it takes no note");
            false
        }
    }
}

/// Says, in the write that brings older data to this schema, that its orders may have notes in clear.
pub(super) fn expect_old(tx: &mut Tx<'_>) -> Result<(), Fault> {
    tx.put_meta(UNSEALED, &[])
}

impl Shop {
    /// Seals the notes that lie in the orders of older data in clear, where [`expect_old`] said so. Repeated after a crash, it goes
    /// on.
    pub(super) fn seal_old_notes(&self) -> Result<(), Fault> {
        if self.store.read()?.meta(UNSEALED)?.is_none() {
            return Ok(());
        }
        let mut before = None;
        loop {
            let page = self.store.read()?.orders_before(before, PAGE)?;
            let Some(last) = page.last() else {
                return self.end_sealing();
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
                            let erased = matches!(tx.erased(*id)?, Some((_, true)));
                            // Where only the key is missing, the note is not anybody's to destroy: it stays as it is.
                            if seal(&vault, &mut order, note) || erased {
                                order.clear_note = None;
                                tx.put_order(&order, Some(&before))?;
                            }
                        }
                    }
                    Ok(())
                });
            write.wait().map_err(unwritten)?;
        }
    }

    fn end_sealing(&self) -> Result<(), Fault> {
        let write = self
            .store
            .write(|tx| -> Result<(), WriteError<Infallible>> { Ok(tx.remove_meta(UNSEALED)?) });
        write.wait().map_err(unwritten)
    }
}

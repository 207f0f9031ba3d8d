//! Time passes: reservations end, and the ledger shows that the shop is alive.

use std::convert::Infallible;

use super::open_shop::{Shop, unwritten};
use super::stock;
use crate::domain::{EffectKind, Order, OrderState, Reason, seams::random};
use crate::ledger::entry::Body;
use crate::store::{Fault, Rows, WriteError};

/// Orders expired in one write at most, so that sales between them do not wait.
const AT_A_TIME: usize = 100;
/// A heartbeat is due after this long: well within the 26 h that auditors allow (ledger.md, section 9).
const HEARTBEAT_MS: i64 = 20 * 3_600_000;
/// A longer silence is an outage that the next heartbeat admits.
const OUTAGE_MS: i64 = 26 * 3_600_000;

impl Shop {
    /// Ends the reservations of orders whose time is over. Gives how many.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn expire_due(&self) -> Result<u32, Fault> {
        let mut expired = 0;
        loop {
            if self
                .store
                .read()?
                .open_orders(self.clock.now_ms(), 1)?
                .is_empty()
            {
                return Ok(expired);
            }
            let tell_merchant = self.policy.tell_merchant;
            let write = self
                .store
                .write(move |tx| -> Result<u32, WriteError<Infallible>> {
                    let due = tx.open_orders(tx.now_ms(), AT_A_TIME)?;
                    for (_, id) in &due {
                        let before = tx
                            .order(*id)?
                            .ok_or(Fault::Invariant("an open order is there"))?;
                        stock::release(tx, before.id, &before.product, &before.slots)?;
                        let short = !before.payments.is_empty();
                        let reason = if short {
                            Some(Reason::Short)
                        } else {
                            before.reason
                        };
                        let order = Order {
                            state: OrderState::Expired,
                            reason,
                            slots: Vec::new(),
                            ..before.clone()
                        };
                        tx.put_order(&order, Some(&before))?;
                        if short && tell_merchant {
                            tx.promise(EffectKind::RefundDue, order.id)?;
                        }
                    }
                    Ok(due.len() as u32)
                });
            match write.answer().await.map_err(unwritten)? {
                0 => return Ok(expired),
                count => expired += count,
            }
        }
    }

    /// Appends a `mark` when one is due, or when an outage just ended (`started`: the daemon starts). Tells whether it did.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn heartbeat(&self, started: bool) -> Result<bool, Fault> {
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self
            .store
            .write(move |tx| -> Result<bool, WriteError<Infallible>> {
                let silent_ms = tx.now_ms() - tx.head().marked_at_ms;
                if silent_ms < HEARTBEAT_MS {
                    return Ok(false);
                }
                let down_ms = (started && silent_ms > OUTAGE_MS).then_some(silent_ms);
                chain.append(
                    tx,
                    &Body::Mark {
                        beacon: None,
                        down_ms,
                        r: random(vault.entropy()),
                    },
                )?;
                Ok(true)
            });
        write.answer().await.map_err(unwritten)
    }
}

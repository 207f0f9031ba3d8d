//! Time passes: reservations end, and the ledger shows that the shop is alive.

use std::convert::Infallible;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, UNIX_EPOCH};

use super::open_shop::{Shop, unwritten};
use super::{outbox, stock};
use crate::domain::{EffectKind, Order, OrderId, OrderState, Reason, seams::random};
use crate::ledger::entry::Body;
use crate::store::{Fault, Rows, WriteError};

/// Orders expired in one write at most, so that sales between them do not wait.
const AT_A_TIME: usize = 100;
/// A heartbeat is due after this long: well within the 26 h that auditors allow (ledger.md, section 9).
const HEARTBEAT_MS: i64 = 20 * 3_600_000;
/// A longer silence is an outage that the next heartbeat admits.
const OUTAGE_MS: i64 = 26 * 3_600_000;
/// At start a shorter one is not worth a word: a new version, a reboot.
const DOWN_MS_MIN: i64 = 3_600_000;
/// An empty file whose time says when the shop served last.
const ALIVE: &str = "alive";

impl Shop {
    /// Ends the reservations of orders whose time is over. Gives how many. An order that does not add up is left to a person and
    /// named in the log; it never keeps the others from ending.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn expire_due(&self) -> Result<u32, Fault> {
        // A clock that was moved ends nobody's order.
        self.watch_clock().await?;
        let until_ms = self.clock_look.wall_ms();
        let mut expired = 0;
        let mut broken = Vec::new();
        loop {
            let looked_at = AT_A_TIME + broken.len();
            let mut due = self.store.read()?.open_orders(until_ms, looked_at)?;
            due.retain(|(_, id)| !broken.contains(id));
            if due.is_empty() {
                return Ok(expired);
            }
            let ids: Vec<_> = due.into_iter().map(|(_, id)| id).collect();
            match self.expire(ids.clone(), until_ms).await {
                Ok(count) => expired += count,
                Err(Fault::Invariant(_) | Fault::Record { .. }) => {
                    for id in ids {
                        match self.expire(vec![id], until_ms).await {
                            Ok(count) => expired += count,
                            Err(error @ (Fault::Invariant(_) | Fault::Record { .. })) => {
                                tracing::error!(order = %id, %error, "an order cannot expire: look at it with `keystall doctor`");
                                broken.push(id);
                            }
                            Err(fault) => return Err(fault),
                        }
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn expire(&self, ids: Vec<OrderId>, until_ms: i64) -> Result<u32, Fault> {
        let tell = self.policy.tell;
        let write = self
            .store
            .write(move |tx| -> Result<u32, WriteError<Infallible>> {
                let mut expired = 0;
                for id in &ids {
                    let before = tx
                        .order(*id)?
                        .ok_or(Fault::Invariant("an open order is there"))?;
                    if before.state != OrderState::Pending || before.expires_at_ms > until_ms {
                        return Err(Fault::Invariant("an order due to expire is pending").into());
                    }
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
                    if short {
                        outbox::tell_both(tx, tell, EffectKind::RefundDue, order.id)?;
                    }
                    expired += 1;
                }
                Ok(expired)
            });
        write.answer().await.map_err(unwritten)
    }

    /// Says that the shop is open now; costs no write of the store. Called every minute while it serves, and at its end.
    ///
    /// # Errors
    /// What the file system says.
    pub fn note_alive(&self) -> io::Result<()> {
        let now =
            UNIX_EPOCH + Duration::from_millis(u64::try_from(self.clock.now_ms()).unwrap_or(0));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.folder.join(ALIVE))?;
        file.set_modified(now)
    }

    /// At start: a shop that did not serve for over an hour admits that in a `mark`. Where nothing tells when it served last, only
    /// a gap in the heartbeat does ([`Shop::heartbeat`]). Gives the outage that was admitted, milliseconds.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn admit_outage(&self) -> Result<Option<i64>, Fault> {
        let down_ms = self
            .last_alive_ms()
            .map(|alive_ms| self.clock.now_ms() - alive_ms)
            .filter(|down_ms| *down_ms > DOWN_MS_MIN);
        let Some(down_ms) = down_ms else {
            return Ok(None);
        };
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                let body = Body::Mark {
                    beacon: None,
                    down_ms: Some(down_ms),
                    r: random(vault.entropy()),
                };
                chain.append(tx, &body)?;
                Ok(())
            });
        write.answer().await.map_err(unwritten)?;
        Ok(Some(down_ms))
    }

    /// When the shop served last, as far as that is known.
    fn last_alive_ms(&self) -> Option<i64> {
        let modified = fs::metadata(self.folder.join(ALIVE))
            .ok()?
            .modified()
            .ok()?;
        let since = modified.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok()
    }

    /// Appends a `mark` when one is due; after a silence that auditors would take for a gap it admits the outage. Tells whether it
    /// did.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn heartbeat(&self) -> Result<bool, Fault> {
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        // After the clock was put back the ledger's time stands for a while; time passes all the same.
        let since_mark_ms = self.clock_look.since_mark_ms(&*self.clock);
        let write = self
            .store
            .write(move |tx| -> Result<bool, WriteError<Infallible>> {
                // In the ledger's time, which never goes back: what an auditor will see.
                let silent_ms = tx.now_ms().max(tx.head().t_ms) - tx.head().marked_at_ms;
                let silent_ms = silent_ms.max(since_mark_ms);
                if silent_ms < HEARTBEAT_MS {
                    return Ok(false);
                }
                let down_ms = (silent_ms > OUTAGE_MS).then_some(silent_ms);
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
        let marked = write.answer().await.map_err(unwritten)?;
        if marked {
            self.clock_look.marked(&*self.clock);
        }
        Ok(marked)
    }
}

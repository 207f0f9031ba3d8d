//! Delivered orders whose page was not opened since: the buyer may not know yet. Told once more after five minutes, then a
//! person's turn.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::deliver::open_private;
use super::open_shop::{Shop, unwritten};
use super::outbox;
use crate::domain::{Contact, EffectKind, Order, OrderId, OrderState, Via};
use crate::store::{Fault, Rows, Tx, WriteError};
use crate::vault::Vault;

/// How far telling the buyer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Told once.
    Told = 0,
    /// Told again.
    Reminded = 1,
    /// On the merchant's list.
    Listed = 2,
}

/// An order on the merchant's list.
#[derive(Clone, Debug)]
pub struct UnreadOrder {
    /// The order.
    pub order: Order,
    /// The buyer's first contact, masked.
    pub contact: String,
}

/// What is known of unread orders besides their rows.
#[derive(Default)]
pub(super) struct Opened {
    /// Orders whose page was opened and whose mark is not written yet. A crash loses them, at the cost of one more mail.
    rows: Mutex<HashSet<(i64, OrderId)>>,
    /// How far all are on the merchant's list.
    listed: Mutex<Listed>,
}

/// Rows of orders that stay on the merchant's list are not looked at in each round: there may be years of them.
#[derive(Clone, Copy, Default)]
struct Listed {
    /// Up to here, in the order of the rows, there is nothing to do.
    until: Option<(i64, OrderId)>,
    /// When that was seen, Unix milliseconds. After a clock that went back new rows come below it, so it holds no more.
    seen_at_ms: i64,
    /// Rounds that went by it. Now and then all rows are looked at, whatever the clock did meanwhile.
    rounds: u32,
}

/// The buyer is told again after this long (product.md, E4).
const REMIND_AFTER_MS: i64 = 5 * 60_000;
/// The merchant is told after this long.
const LIST_AFTER_MS: i64 = 3_600_000;
/// Orders that go a stage on in one round: after an outage of the mail server the rest follows in the next.
const AT_A_TIME: usize = 50;
/// Marks of opened pages that wait to be written: those of two seconds.
const OPENED_MAX: usize = 10_000;
/// Rows read in one step.
const PAGE: usize = 500;
/// Newest rows among which the merchant's list is counted.
const COUNTED_MAX: usize = 10_000;
/// Rounds of half a minute between two looks at all rows: a day.
const ROUNDS: u32 = 2_880;

type Row = ((i64, OrderId), u8);

impl Shop {
    /// The page of `order` was shown to its buyer. Costs no write: [`Shop::flush_opened`] makes one for many.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn order_opened(&self, order: &Order) -> Result<(), Fault> {
        if self.is_unread(order)? {
            // An order that is unread has this time.
            let at_ms = order.delivered_at_ms;
            self.opened.keep(at_ms.map(|at_ms| (at_ms, order.id)));
        }
        Ok(())
    }

    /// Writes down which pages were opened. Gives how many.
    ///
    /// # Errors
    /// [`Fault`]; then they wait for the next call.
    pub async fn flush_opened(&self) -> Result<usize, Fault> {
        let opened = std::mem::take(&mut *self.opened.rows());
        if opened.is_empty() {
            return Ok(0);
        }
        let rows = opened.clone();
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                for (at_ms, order) in &rows {
                    tx.put_unread(*at_ms, *order, None)?;
                }
                Ok(())
            });
        let count = opened.len();
        write.answer().await.map_err(|error| {
            self.opened.keep(opened);
            unwritten(error)
        })?;
        Ok(count)
    }

    /// Tells buyers who have not opened their order once more, and the merchant of those who still have not. Gives how many orders
    /// went a stage on. Called every half minute.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn remind_unread(&self) -> Result<usize, Fault> {
        // Who opened the page just now is not reminded of it.
        self.flush_opened().await?;
        let due = self.unread_due()?;
        if due.is_empty() {
            return Ok(0);
        }
        let (vault, tell) = (self.vault.clone(), self.policy.tell);
        let write = self
            .store
            .write(move |tx| -> Result<usize, WriteError<Infallible>> {
                let mut moved = 0;
                for ((at_ms, id), stage) in &due {
                    if tx.unread(*at_ms, *id)? != Some(*stage) {
                        continue;
                    }
                    let order = tx.order(*id)?;
                    let Some(order) = order.filter(|order| order.state == OrderState::Delivered)
                    else {
                        tx.put_unread(*at_ms, *id, None)?;
                        continue;
                    };
                    // One that is long overdue still gets its second mail first: the merchant is told in the next round.
                    let told = *stage == Stage::Told as u8;
                    if told && waits_for_first_mail(tx, &vault, &order)? {
                        continue;
                    }
                    let next = if told {
                        // One that does not open keeps the others from nothing, and comes to the merchant's list.
                        let private = open_private(&vault, &order);
                        if private.is_err() {
                            tracing::error!(order = %id, "an order's buyer cannot be read");
                        }
                        if tell.buyer_mail
                            && private.is_ok_and(|(private, _)| private.reaches_by_mail())
                        {
                            tx.promise(EffectKind::OrderReminder, Via::BuyerMail, *id)?;
                        }
                        Stage::Reminded
                    } else {
                        outbox::tell_merchant(tx, tell, EffectKind::OrderUnread, *id)?;
                        Stage::Listed
                    };
                    tx.put_unread(*at_ms, *id, Some(next as u8))?;
                    moved += 1;
                }
                Ok(moved)
            });
        write.answer().await.map_err(unwritten)
    }

    /// Delivered orders whose buyers were told twice and have not opened them, newest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn unread_orders(&self, max: usize) -> Result<Vec<UnreadOrder>, Fault> {
        let mut newest = Vec::new();
        self.each_listed(|id| {
            newest.push(id);
            newest.len() < max
        })?;
        let snapshot = self.store.read()?;
        let mut listed = Vec::with_capacity(newest.len());
        for id in newest.into_iter().take(max) {
            let Some(order) = snapshot.order(id)?.filter(|order| !order.is_erased()) else {
                continue;
            };
            let (private, _) = open_private(&self.vault, &order)?;
            let contact = Contact::stored(&private.contact);
            listed.push(UnreadOrder {
                contact: contact.masked(),
                order,
            });
        }
        Ok(listed)
    }

    /// How many there are, counted up to ten thousand: it is asked for often, and the list may have years.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn unread_count(&self) -> Result<usize, Fault> {
        let mut count = 0;
        self.each_listed(|_| {
            count += 1;
            count < COUNTED_MAX
        })?;
        Ok(count)
    }

    /// Whether an order was delivered and its page not opened since.
    pub(super) fn is_unread(&self, order: &Order) -> Result<bool, Fault> {
        let Some(at_ms) = order.delivered_at_ms else {
            return Ok(false);
        };
        let opened = self.opened.rows().contains(&(at_ms, order.id));
        Ok(!opened && self.store.read()?.unread(at_ms, order.id)?.is_some())
    }

    /// Orders whose next stage is due, the longest delivered first, as many as one round takes.
    fn unread_due(&self) -> Result<Vec<Row>, Fault> {
        let now_ms = self.clock.now_ms();
        let from = self.opened.listed_until(now_ms);
        let (mut due, mut until, mut all_listed) = (Vec::new(), from, true);
        self.each_unread(from, now_ms - REMIND_AFTER_MS, |row| {
            let ((at_ms, id), stage) = row;
            let after_ms = match stage {
                stage if stage == Stage::Told as u8 => REMIND_AFTER_MS,
                stage if stage == Stage::Reminded as u8 => LIST_AFTER_MS,
                _ => {
                    if all_listed {
                        until = Some((at_ms, id));
                    }
                    return true;
                }
            };
            all_listed = false;
            if at_ms + after_ms <= now_ms {
                due.push(row);
            }
            due.len() < AT_A_TIME
        })?;
        self.opened.keep_listed(until, now_ms);
        Ok(due)
    }

    /// Looks at the rows of orders delivered after `from` and until `until_ms`, until `look` says that it has enough.
    fn each_unread(
        &self,
        from: Option<(i64, OrderId)>,
        until_ms: i64,
        mut look: impl FnMut(Row) -> bool,
    ) -> Result<(), Fault> {
        let mut after = from;
        loop {
            // A snapshot for each step: none is held for long.
            let rows = self.store.read()?.unread_orders(after, until_ms, PAGE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after = Some(*last);
            if !rows.into_iter().all(&mut look) {
                return Ok(());
            }
        }
    }

    /// Looks at the orders on the merchant's list, newest first, until `look` says that it has enough. Those that are too young for
    /// the list are passed over, and of the others no more than ten thousand are looked at.
    fn each_listed(&self, mut look: impl FnMut(OrderId) -> bool) -> Result<(), Fault> {
        let mut before = (self.clock.now_ms() - LIST_AFTER_MS + 1, OrderId(0));
        for _ in 0..COUNTED_MAX / PAGE {
            let rows = self.store.read()?.unread_before(before, PAGE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            before = *last;
            let mut listed = rows
                .into_iter()
                .filter(|(_, stage)| *stage == Stage::Listed as u8);
            if !listed.all(|((_, id), _)| look(id)) {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Opened {
    fn keep(&self, opened: impl IntoIterator<Item = (i64, OrderId)>) {
        let mut rows = self.rows();
        let room = OPENED_MAX.saturating_sub(rows.len());
        rows.extend(opened.into_iter().take(room));
    }

    fn rows(&self) -> MutexGuard<'_, HashSet<(i64, OrderId)>> {
        // Nothing panics while it is held.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After which row a round begins.
    fn listed_until(&self, now_ms: i64) -> Option<(i64, OrderId)> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms < listed.seen_at_ms || listed.rounds >= ROUNDS {
            *listed = Listed::default();
        }
        listed.rounds += 1;
        listed.until
    }

    fn keep_listed(&self, until: Option<(i64, OrderId)>, now_ms: i64) {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        (listed.until, listed.seen_at_ms) = (until, now_ms);
    }
}

/// Whether the first mail to the buyer has not gone out for long enough: then there is nothing to remind of. After an hour the
/// merchant's list does not wait for it either.
fn waits_for_first_mail(tx: &Tx<'_>, vault: &Vault, order: &Order) -> Result<bool, Fault> {
    const TOLD_MAX: usize = 50;
    let delivered_at_ms = order.delivered_at_ms.unwrap_or_default();
    let by_mail = open_private(vault, order).is_ok_and(|(private, _)| private.reaches_by_mail());
    if !by_mail || tx.now_ms() - delivered_at_ms >= LIST_AFTER_MS {
        return Ok(false);
    }
    let told = tx.told(order.id, TOLD_MAX)?;
    let first = told
        .iter()
        .find(|told| told.kind == EffectKind::OrderDelivered && told.via == Via::BuyerMail);
    Ok(first.is_none_or(|first| tx.now_ms() - first.at_ms < REMIND_AFTER_MS))
}

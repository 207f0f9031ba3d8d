//! Promises to the world outside: taken up when due, kept or put off, given up only by a person.

use std::convert::Infallible;

use super::open_shop::{Shop, unwritten};
use crate::domain::{Effect, EffectKind, Order, OrderId, Tell, Via, seams::random};
use crate::store::{Fault, Rows, Told, Tx, WriteError};

/// A promise that is due, with the order that it is about.
#[derive(Clone, Debug)]
pub struct PendingEffect {
    /// The promise.
    pub effect: Effect,
    /// Its order.
    pub order: Option<Order>,
}

impl Shop {
    /// Promises that go by one of `ways` and are due now, of each way the longest due first. No way stands before another.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn effects_due(&self, ways: &[Via], max: usize) -> Result<Vec<PendingEffect>, Fault> {
        let (snapshot, now_ms) = (self.store.read()?, self.clock.now_ms());
        let mut pending = Vec::new();
        for via in ways {
            let due = snapshot.effects_due(*via, now_ms, max)?;
            for id in due {
                let Some(effect) = snapshot.effect(id)? else {
                    continue;
                };
                let order = match effect.order {
                    Some(order) => snapshot.order(order)?,
                    None => None,
                };
                pending.push(PendingEffect { effect, order });
            }
        }
        pending.sort_by_key(|pending| (pending.effect.due_at_ms, pending.effect.id));
        pending.truncate(max);
        Ok(pending)
    }

    /// All promises not kept yet, dead letters among them.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn effects(&self, max: usize) -> Result<Vec<Effect>, Fault> {
        self.store.read()?.effects_after(None, max)
    }

    /// A promise was kept. What was told about an order by mail stays on record with it.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn effect_kept(&self, id: u64) -> Result<(), Fault> {
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                match tx.effect(id)? {
                    Some(effect) => {
                        if let (Some(order), true) = (effect.order, effect.via != Via::Webhook) {
                            let told = Told {
                                kind: effect.kind,
                                via: effect.via,
                                at_ms: tx.now_ms(),
                            };
                            tx.put_told(order, effect.id, told)?;
                        }
                        Ok(tx.remove_effect(&effect)?)
                    }
                    None => Ok(()),
                }
            });
        write.answer().await.map_err(unwritten)
    }

    /// An attempt failed. Tells whether it was the last one: a dead letter now.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn effect_failed(&self, id: u64, error: &str) -> Result<bool, Fault> {
        let (error, [jitter]) = (error.to_owned(), random::<1>(self.vault.entropy()));
        let write = self
            .store
            .write(move |tx| -> Result<bool, WriteError<Infallible>> {
                let Some(before) = tx.effect(id)? else {
                    return Ok(false);
                };
                let after = before.clone().failed(tx.now_ms(), &error, jitter);
                tx.put_effect(&after, Some(&before))?;
                Ok(after.due_at_ms.is_none())
            });
        write.answer().await.map_err(unwritten)
    }

    /// There was nobody to tell, or nothing any more: the promise goes without a trace.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn effect_needless(&self, id: u64) -> Result<(), Fault> {
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                match tx.effect(id)? {
                    Some(effect) => Ok(tx.remove_effect(&effect)?),
                    None => Ok(()),
                }
            });
        write.answer().await.map_err(unwritten)
    }

    /// The other side will never take it: a dead letter at once.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn effect_given_up(&self, id: u64, error: &str) -> Result<(), Fault> {
        let error = error.to_owned();
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                match tx.effect(id)? {
                    Some(before) => {
                        Ok(tx.put_effect(&before.clone().given_up(&error), Some(&before))?)
                    }
                    None => Ok(()),
                }
            });
        write.answer().await.map_err(unwritten)
    }

    /// Raises the alarm that buyers could not be told.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn raise_not_told(&self, order: OrderId) -> Result<(), Fault> {
        let tell = self.policy.tell;
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                Ok(tell_merchant(tx, tell, EffectKind::BuyersNotTold, order)?)
            });
        write.answer().await.map_err(unwritten)
    }

    /// Makes every promise due now, dead letters from the beginning: what went wrong was put right. Gives how many, in all.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn retry_effects(&self) -> Result<usize, Fault> {
        self.each_effect(|effect, now_ms| {
            let attempts = match effect.due_at_ms {
                Some(due_ms) if due_ms <= now_ms => return None,
                Some(_) => effect.attempts,
                None => 0,
            };
            Some(Effect {
                attempts,
                due_at_ms: Some(now_ms),
                ..effect
            })
        })
    }

    /// Gives up what would go by a way that is not set up any more: a person sees it, and nothing waits unseen. Gives how many.
    /// Called at start.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn give_up_closed_ways(&self) -> Result<usize, Fault> {
        let tell = self.policy.tell;
        self.each_effect(move |effect, _| {
            let open = match effect.via {
                Via::Webhook => tell.webhook,
                Via::MerchantMail => tell.merchant_mail,
                Via::BuyerMail => tell.buyer_mail,
                Via::AuditorMail => tell.auditor_mail,
            };
            let closed = !open && effect.due_at_ms.is_some();
            closed.then(|| effect.given_up("this way is not set up any more"))
        })
    }

    /// Writes what `changed` makes of each promise, some at a time so that sales between them do not wait.
    fn each_effect(
        &self,
        changed: impl Fn(Effect, i64) -> Option<Effect> + Send + Clone + 'static,
    ) -> Result<usize, Fault> {
        const AT_A_TIME: usize = 1_000;
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.store.read()?.effects_after(after, AT_A_TIME)?;
            let Some(last) = page.last() else {
                return Ok(count);
            };
            after = Some(last.id);
            let ids: Vec<_> = page.iter().map(|effect| effect.id).collect();
            let changed = changed.clone();
            let write = self
                .store
                .write(move |tx| -> Result<usize, WriteError<Infallible>> {
                    let mut count = 0;
                    for id in &ids {
                        let Some(before) = tx.effect(*id)? else {
                            continue;
                        };
                        if let Some(effect) = changed(before.clone(), tx.now_ms()) {
                            tx.put_effect(&effect, Some(&before))?;
                            count += 1;
                        }
                    }
                    Ok(count)
                });
            count += write.wait().map_err(unwritten)?;
        }
    }
}

/// Promises to tell the merchant in each way that is set up.
pub(super) fn tell_merchant(
    tx: &mut Tx<'_>,
    tell: Tell,
    kind: EffectKind,
    order: OrderId,
) -> Result<(), Fault> {
    tell.merchant()
        .try_for_each(|via| tx.promise(kind, via, order))
}

/// Promises to tell the merchant, and the buyer by mail; one without a mail address is passed over when it is sent.
pub(super) fn tell_both(
    tx: &mut Tx<'_>,
    tell: Tell,
    kind: EffectKind,
    order: OrderId,
) -> Result<(), Fault> {
    tell_merchant(tx, tell, kind, order)?;
    if tell.buyer_mail {
        tx.promise(kind, Via::BuyerMail, order)?;
    }
    Ok(())
}

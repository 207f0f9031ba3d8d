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
    /// Promises that go by one of `ways` and are due now, the longest due first. Others do not keep them from being found,
    /// unless very many are due.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn effects_due(&self, ways: &[Via], max: usize) -> Result<Vec<PendingEffect>, Fault> {
        const LOOKED_AT_MAX: usize = 10_000;
        let snapshot = self.store.read()?;
        let due = snapshot.effects_due(self.clock.now_ms(), LOOKED_AT_MAX)?;
        let effects = due
            .into_iter()
            .filter_map(|id| snapshot.effect(id).transpose());
        effects
            .filter(|effect| {
                effect
                    .as_ref()
                    .map_or(true, |effect| ways.contains(&effect.via))
            })
            .take(max)
            .map(|effect| {
                effect.and_then(|effect| {
                    Ok(PendingEffect {
                        order: match effect.order {
                            Some(order) => snapshot.order(order)?,
                            None => None,
                        },
                        effect,
                    })
                })
            })
            .collect()
    }

    /// All promises not kept yet, dead letters among them.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn effects(&self, max: usize) -> Result<Vec<Effect>, Fault> {
        self.store.read()?.effects(max)
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

    /// Tries dead letters again from the beginning. Gives how many.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn retry_dead_effects(&self) -> Result<usize, Fault> {
        const AT_A_TIME: usize = 10_000;
        let write = self
            .store
            .write(move |tx| -> Result<usize, WriteError<Infallible>> {
                let dead: Vec<_> = tx
                    .effects(AT_A_TIME)?
                    .into_iter()
                    .filter(|effect| effect.due_at_ms.is_none())
                    .collect();
                for before in &dead {
                    let after = Effect {
                        attempts: 0,
                        due_at_ms: Some(tx.now_ms()),
                        ..before.clone()
                    };
                    tx.put_effect(&after, Some(before))?;
                }
                Ok(dead.len())
            });
        write.wait().map_err(unwritten)
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

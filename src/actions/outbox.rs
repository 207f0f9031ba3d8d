//! Promises to the world outside: taken up when due, kept or put off, given up only by a person.

use std::convert::Infallible;

use super::open_shop::{Shop, unwritten};
use crate::domain::{Effect, Order, seams::random};
use crate::store::{Fault, Rows, WriteError};

/// A promise that is due, with the order that it is about.
#[derive(Clone, Debug)]
pub struct PendingEffect {
    /// The promise.
    pub effect: Effect,
    /// Its order.
    pub order: Option<Order>,
}

impl Shop {
    /// Promises that are due now, the longest due first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn effects_due(&self, max: usize) -> Result<Vec<PendingEffect>, Fault> {
        let snapshot = self.store.read()?;
        let due = snapshot.effects_due(self.clock.now_ms(), max)?;
        let effects = due
            .into_iter()
            .filter_map(|id| snapshot.effect(id).transpose());
        effects
            .map(|effect| {
                effect.and_then(|effect| {
                    Ok(PendingEffect {
                        order: snapshot.order(effect.order)?,
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

    /// A promise was kept.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn effect_kept(&self, id: u64) -> Result<(), Fault> {
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

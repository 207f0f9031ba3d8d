//! What was promised in the transaction that made it due.

use super::Tx;
use crate::domain::{Effect, EffectKind, OrderId, Via};
use crate::store::Fault;
use crate::store::codec::encode;
use crate::store::records::EffectV2;

impl Tx<'_> {
    /// Promises an effect about an order, due at once.
    pub fn promise(&mut self, kind: EffectKind, via: Via, order: OrderId) -> Result<(), Fault> {
        self.promise_with(kind, via, Some(order), 0, |_| Ok(Vec::new()))
    }

    /// Promises an effect, due in `after_ms`; `seal` gives its sealed content for its number.
    pub fn promise_with(
        &mut self,
        kind: EffectKind,
        via: Via,
        order: Option<OrderId>,
        after_ms: i64,
        seal: impl FnOnce(u64) -> Result<Vec<u8>, Fault>,
    ) -> Result<(), Fault> {
        let id = self.head.next_effect;
        let content = seal(id)?;
        self.head_mut().next_effect += 1;
        let now_ms = self.now_ms;
        self.put_effect(
            &Effect {
                id,
                kind,
                via,
                order,
                content,
                promised_at_ms: now_ms,
                attempts: 0,
                due_at_ms: Some(now_ms + after_ms),
                last_error: None,
            },
            None,
        )
    }

    /// Writes an effect after an attempt; `before` is what stood there.
    pub fn put_effect(&mut self, effect: &Effect, before: Option<&Effect>) -> Result<(), Fault> {
        self.wrote = true;
        if let Some(due_ms) = before.and_then(|before| before.due_at_ms) {
            self.tables
                .due
                .write()?
                .remove((effect.via as u8, due_ms, effect.id))?;
        }
        if let Some(due_ms) = effect.due_at_ms {
            self.tables
                .due
                .write()?
                .insert((effect.via as u8, due_ms, effect.id), ())?;
        }
        self.tables
            .outbox
            .write()?
            .insert(effect.id, encode(&EffectV2::from(effect)).as_slice())?;
        Ok(())
    }

    /// Takes a kept promise from the outbox.
    pub fn remove_effect(&mut self, effect: &Effect) -> Result<(), Fault> {
        self.wrote = true;
        if let Some(due_ms) = effect.due_at_ms {
            self.tables
                .due
                .write()?
                .remove((effect.via as u8, due_ms, effect.id))?;
        }
        self.tables.outbox.write()?.remove(effect.id)?;
        Ok(())
    }
}

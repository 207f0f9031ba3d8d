//! Keys of a delivered order are found bad: others take their places, in one transaction with the `replace` entry.

use super::decide_by_hand::HandError;
use super::deliver::{Counter, open_private, remove_keys};
use super::open_shop::Shop;
use super::stock;
use super::view_order::open_delivery;
use crate::domain::{
    EffectKind, Order, OrderId, OrderState, Pool, Replacement, SlotRef, Tell, Via, seams::random,
};
use crate::ledger::entry::{Body, SlotList, Why};
use crate::store::{DeliveredKey, Fault, Held, Rows, Tx, WriteError, encode_sealed};

/// What was replaced.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// The order as it stands now.
    pub order: Order,
    /// The slots found bad; the order's own are those that took their places.
    pub out: Vec<SlotRef>,
}

/// The ledger's words for why keys are replaced.
const WHYS: [Why; 4] = [Why::Bad, Why::Leaked, Why::Goodwill, Why::Other];
const WORDS: &str = "bad, leaked, goodwill, other";
/// Slots in one `replace` line: each takes at most 20 bytes in `out` and in `slots`, so that the line stays below 1024.
const SLOTS_PER_ENTRY: usize = 16;

type Refusal = WriteError<HandError>;

impl Shop {
    /// Hands out another key for each of `out`, which the delivered order holds and which go out of stock for good. All or none.
    ///
    /// # Errors
    /// [`HandError`].
    pub fn replace_keys(
        &self,
        id: OrderId,
        out: &[SlotRef],
        why: &str,
        note: &str,
    ) -> Result<Replaced, HandError> {
        let why = Why::from_word(why)
            .filter(|why| WHYS.contains(why))
            .ok_or(HandError::Why(WORDS))?;
        if list(out).is_none_or(|list| list.is_empty()) {
            return Err(HandError::Slots);
        }
        let (vault, chain, tell) = (self.vault.clone(), self.chain.clone(), self.policy.tell);
        let named = out.to_vec();
        let order = self.decide(id, note, move |tx, order| {
            let counter = Counter {
                vault: &vault,
                chain: &chain,
                tell,
            };
            check(tx, order, &named)?;
            let taken = exchange_slots(tx, order, &named)?;
            exchange_keys(&counter, tx, order, &named, &taken)?;
            append(&counter, tx, order, &named, &taken, why)?;
            promise(tx, tell, order)
        })?;
        Ok(Replaced {
            out: out.to_vec(),
            order,
        })
    }
}

fn check(tx: &Tx<'_>, order: &Order, out: &[SlotRef]) -> Result<(), Refusal> {
    let at = order.sale.ok_or(WriteError::Refused(HandError::NotSold))?;
    // One that money came for since has a key again, and still nothing that was handed out.
    if order.is_erased() || order.delivery.is_empty() {
        return Err(WriteError::Refused(HandError::Erased));
    }
    if order.state != OrderState::Delivered {
        return Err(WriteError::Refused(HandError::NotSold));
    }
    if at.generation() != tx.head().generation {
        return Err(WriteError::Refused(HandError::Ended));
    }
    match out.iter().find(|slot| !order.slots.contains(slot)) {
        Some(slot) => Err(WriteError::Refused(HandError::Slot(*slot))),
        None => Ok(()),
    }
}

/// The slots `out` become void, others are handed out and take their places in the order. Gives those.
fn exchange_slots(
    tx: &mut Tx<'_>,
    order: &mut Order,
    out: &[SlotRef],
) -> Result<Vec<SlotRef>, Refusal> {
    let mut pool: Pool = tx
        .pool(&order.product)?
        .ok_or(Fault::Invariant("a product has its pool"))?;
    let count = out.len() as u32;
    if pool.available < count {
        return Err(WriteError::Refused(HandError::Replacement {
            wanted: count,
            available: pool.available,
        }));
    }
    let holder = Held::Out(order.id.0);
    let taken = stock::take(tx, &mut pool, count, holder)?;
    for (bad, good) in out.iter().zip(&taken) {
        if tx.held(*bad)? != Some(holder) {
            return Err(Fault::Invariant("a slot is replaced in the order that holds it").into());
        }
        tx.put_held(*bad, Some(Held::Void))?;
        for slot in order.slots.iter_mut().filter(|slot| *slot == bad) {
            *slot = *good;
        }
    }
    pool.sold = pool
        .sold
        .checked_sub(count)
        .ok_or(Fault::Invariant("a pool counts its sales"))?;
    pool.void += count;
    tx.put_pool(&pool)?;
    Ok(taken)
}

/// The new keys come into the delivery, the old ones stay in it as replaced: the receipt still opens them.
fn exchange_keys(
    counter: &Counter<'_>,
    tx: &mut Tx<'_>,
    order: &mut Order,
    out: &[SlotRef],
    taken: &[SlotRef],
) -> Result<(), Fault> {
    let keys = counter.open_keys(tx, order, taken)?;
    remove_keys(tx, taken)?;
    let (_, order_key) = open_private(counter.vault, order)?;
    let mut content = open_delivery(counter.vault, order)?
        .ok_or(Fault::Invariant("a delivered order has its keys"))?;
    for (bad, key) in out.iter().zip(keys) {
        let held = |held: &&mut DeliveredKey| held.slot == (bad.batch, bad.index);
        let place = content.keys.iter_mut().find(held);
        let place = place.ok_or(Fault::Invariant("a delivered slot has its key"))?;
        content.replaced.push(std::mem::replace(place, key));
    }
    let plain = zeroize::Zeroizing::new(encode_sealed(&content));
    let id = order.id.0.to_be_bytes();
    order.delivery = order_key.seal(
        counter.vault.entropy(),
        &counter.vault.aad("orders", &id, b"delivery"),
        &plain,
    );
    Ok(())
}

fn append(
    counter: &Counter<'_>,
    tx: &mut Tx<'_>,
    order: &mut Order,
    out: &[SlotRef],
    taken: &[SlotRef],
    why: Why,
) -> Result<(), Fault> {
    let sale = order.sale.ok_or(Fault::Invariant("it was just checked"))?;
    let chunks = out.chunks(SLOTS_PER_ENTRY);
    for (out, slots) in chunks.zip(taken.chunks(SLOTS_PER_ENTRY)) {
        let twice = Fault::Invariant("no slot is named twice");
        let body = match (list(out), list(slots)) {
            (Some(out), Some(slots)) => Body::Replace {
                sale: sale.seq(),
                out,
                slots,
                why,
                r: random(counter.vault.entropy()),
            },
            _ => return Err(twice),
        };
        let entry = counter.chain.append(tx, &body)?;
        order.after.replacements.push(Replacement {
            entry,
            out: out.to_vec(),
            why: why.word().to_owned(),
            at_ms: tx.now_ms(),
        });
    }
    Ok(())
}

fn promise(tx: &mut Tx<'_>, tell: Tell, order: &Order) -> Result<(), Refusal> {
    // The merchant did it: only machines are told.
    if tell.webhook {
        tx.promise(EffectKind::OrderReplaced, Via::Webhook, order.id)?;
    }
    if tell.buyer_mail {
        tx.promise(EffectKind::OrderReplaced, Via::BuyerMail, order.id)?;
    }
    Ok(())
}

fn list(slots: &[SlotRef]) -> Option<SlotList> {
    SlotList::from_pairs(slots.iter().map(|slot| (u64::from(slot.batch), slot.index)))
}

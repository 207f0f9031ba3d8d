//! Slots in and out of a pool, inside a write. Every move keeps the pool's counts and the slots' holders true to each other.

use super::open_shop::Shop;
use crate::domain::{OrderId, Pool, SlotRef, Slug};
use crate::store::{Fault, Held, HoldKind, Rows, Tx};

/// A product's stock as buyers may see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockView {
    /// Can be ordered now.
    pub available: u32,
    /// Held by unpaid orders.
    pub reserved: u32,
    /// When the first of those is free again, if none is available, Unix milliseconds.
    pub free_again_ms: Option<i64>,
}

/// Takes `count` slots for `order`: returned ones first, then in the order of their import. The caller has checked that as many
/// are available.
pub(super) fn take(
    tx: &mut Tx<'_>,
    pool: &mut Pool,
    count: u32,
    held: Held,
) -> Result<Vec<SlotRef>, Fault> {
    let mut taken = Vec::with_capacity(count as usize);
    while taken.len() < count as usize {
        let slot = match tx.first_returned(&pool.slug)? {
            Some(slot) => {
                tx.remove_returned(&pool.slug, slot)?;
                slot
            }
            None => next_of_spans(tx, pool)?,
        };
        if tx.put_held(slot, Some(held))?.is_some() {
            return Err(Fault::Invariant("an available slot has no holder"));
        }
        taken.push(slot);
    }
    pool.available = pool
        .available
        .checked_sub(count)
        .ok_or(Fault::Invariant("a pool counts its slots"))?;
    match held {
        Held::Reserved(_) => pool.reserved += count,
        Held::Out(_) => pool.sold += count,
        Held::Void => pool.void += count,
    }
    Ok(taken)
}

/// Gives the reserved slots of an order back to its pool.
pub(super) fn release(
    tx: &mut Tx<'_>,
    order: OrderId,
    product: &Slug,
    slots: &[SlotRef],
) -> Result<(), Fault> {
    let mut pool = tx
        .pool(product)?
        .ok_or(Fault::Invariant("a product has its pool"))?;
    for slot in slots {
        if tx.put_held(*slot, None)? != Some(Held::Reserved(order.0)) {
            return Err(Fault::Invariant(
                "a slot is released by the order that reserved it",
            ));
        }
        tx.put_returned(product, *slot)?;
    }
    let count = slots.len() as u32;
    pool.available += count;
    pool.reserved = pool
        .reserved
        .checked_sub(count)
        .ok_or(Fault::Invariant("a pool counts its reservations"))?;
    tx.put_pool(&pool)
}

/// The next slot never reserved; voided ones are passed over.
fn next_of_spans(tx: &Tx<'_>, pool: &mut Pool) -> Result<SlotRef, Fault> {
    loop {
        let span = pool.spans.first_mut().ok_or(Fault::Invariant(
            "an available slot is in a span or returned",
        ))?;
        let slot = SlotRef {
            batch: span.batch,
            index: span.next,
        };
        span.next += 1;
        if span.next >= span.count {
            pool.spans.remove(0);
        }
        if tx.held(slot)?.is_none() {
            return Ok(slot);
        }
    }
}

/// Slots of `product` that a network holds unpaid.
pub(super) fn held_by_host(rows: &impl Rows, holder: &[u8]) -> Result<u32, Fault> {
    const ORDERS_MAX: usize = 10_000;
    let holds = rows.holds(HoldKind::Host, holder, ORDERS_MAX)?;
    Ok(holds.iter().map(|(_, slots)| slots).sum())
}

impl Shop {
    /// A product's stock.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn stock(&self, slug: &Slug) -> Result<StockView, Fault> {
        stock_of(&self.store.read()?, slug)
    }
}

/// A product's stock in one state of the store.
///
/// # Errors
/// [`Fault`].
pub fn stock_of(rows: &impl Rows, slug: &Slug) -> Result<StockView, Fault> {
    let Some(pool) = rows.pool(slug)? else {
        return Ok(StockView::default());
    };
    let free_again_ms = if pool.available == 0 && pool.reserved > 0 {
        first_release(rows, slug)?
    } else {
        None
    };
    Ok(StockView {
        available: pool.available,
        reserved: pool.reserved,
        free_again_ms,
    })
}

/// When the first reservation of `slug` ends. Looks at the soonest 200 open orders only: a hint, not a promise.
fn first_release(rows: &impl Rows, slug: &Slug) -> Result<Option<i64>, Fault> {
    for (expires_at_ms, id) in rows.open_orders(i64::MAX, 200)? {
        if rows.order(id)?.is_some_and(|order| order.product == *slug) {
            return Ok(Some(expires_at_ms));
        }
    }
    Ok(None)
}

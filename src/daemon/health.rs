//! Whether the shop can sell, and the numbers that are looked up when somebody asks for them.

use crate::{actions::Shop, daemon::telemetry::Metrics, store::Rows};

/// Outbox rows that are counted at most: more than a shop of this size ever has waiting.
const EFFECTS_COUNTED_MAX: usize = 10_000;

/// Whether the shop can take an order, or why not. Reads the disk: for a thread that may block.
pub(super) fn ready(shop: &Shop) -> Result<(), &'static str> {
    if shop.store().readonly() {
        return Err("the store takes no writes after a disk error");
    }
    if shop.orders_held() {
        return Err("no orders are taken: the disk is full, or the database is damaged");
    }
    let rows = shop
        .store()
        .read()
        .map_err(|_| "the store does not answer")?;
    match rows.meta("schema") {
        Ok(Some(_)) => Ok(()),
        _ => Err("the store cannot be read"),
    }
}

/// Brings the numbers up to date that change without passing by. Reads the disk: for a thread that may block.
pub(super) fn refresh(shop: &Shop, metrics: &Metrics) {
    let store = shop.store();
    let queued = i64::try_from(store.queued()).unwrap_or(i64::MAX);
    metrics.writer_queue.set(queued);
    metrics.readonly.set(i64::from(store.readonly()));
    let held = store.readonly() || shop.orders_held();
    metrics.orders_held.set(i64::from(held));
    metrics.ledger_size.set(shop.chain().latest().size);
    // Where the store does not answer, the last numbers stay, and `readonly` or the watchdog says why.
    super::backups::refresh(shop, metrics);
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    if let Ok(unread) = shop.unread_count() {
        metrics.orders_unread.set(count(unread));
    }
    if let Ok(effects) = shop.effects(EFFECTS_COUNTED_MAX) {
        let dead = effects
            .iter()
            .filter(|effect| effect.due_at_ms.is_none())
            .count();
        metrics.outbox_dead.set(count(dead));
        metrics.outbox_pending.set(count(effects.len() - dead));
    }
}

//! The merchant's lists of orders.

use super::open_shop::Shop;
use crate::domain::{Order, OrderId, OrderState};
use crate::store::{Fault, Rows, Snapshot, WaitKind};

/// Which orders.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderFilter {
    /// Only of this state.
    pub state: Option<OrderState>,
    /// Only made at or after this time, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Only those with money to be returned.
    pub owed: bool,
}

const PAGE: usize = 500;

impl Shop {
    /// Orders, newest first, at most `max`. States in which an order waits are found without looking at the others.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn orders(&self, filter: OrderFilter, max: usize) -> Result<Vec<Order>, Fault> {
        let snapshot = self.store.read()?;
        let indexed = match (filter.owed, filter.state) {
            (true, _) => Some(all_waiting(&snapshot, WaitKind::Refund)?),
            (false, Some(OrderState::Paid)) => Some(all_waiting(&snapshot, WaitKind::Goods)?),
            (false, Some(OrderState::Pending)) => Some(
                snapshot
                    .open_orders(i64::MAX, usize::MAX)?
                    .into_iter()
                    .map(|(_, id)| id)
                    .collect(),
            ),
            _ => None,
        };
        let fits = |order: &Order| {
            filter.state.is_none_or(|state| order.state == state)
                && filter
                    .since_ms
                    .is_none_or(|since_ms| order.created_at_ms() >= since_ms)
                && (!filter.owed || order.owed() > 0)
        };
        match indexed {
            Some(ids) => listed(&snapshot, ids, fits, max),
            None => scanned(&snapshot, filter.since_ms, fits, max),
        }
    }
}

fn all_waiting(snapshot: &Snapshot, kind: WaitKind) -> Result<Vec<OrderId>, Fault> {
    snapshot.waiting(kind, None, usize::MAX)
}

fn listed(
    snapshot: &Snapshot,
    mut ids: Vec<OrderId>,
    fits: impl Fn(&Order) -> bool,
    max: usize,
) -> Result<Vec<Order>, Fault> {
    ids.sort_unstable_by(|left, right| right.cmp(left));
    let mut orders = Vec::new();
    for id in ids {
        if let Some(order) = snapshot.order(id)?.filter(|order| fits(order)) {
            orders.push(order);
        }
        if orders.len() >= max {
            break;
        }
    }
    Ok(orders)
}

fn scanned(
    snapshot: &Snapshot,
    since_ms: Option<i64>,
    fits: impl Fn(&Order) -> bool,
    max: usize,
) -> Result<Vec<Order>, Fault> {
    let mut orders = Vec::new();
    let mut before = None;
    loop {
        // Most lists are short, and most filters let the newest through.
        let page = snapshot.orders_before(before, max.clamp(1, PAGE))?;
        let Some(last) = page.last() else {
            return Ok(orders);
        };
        before = Some(last.id);
        let past = since_ms.is_some_and(|since_ms| last.created_at_ms() < since_ms);
        orders.extend(page.into_iter().filter(|order| fits(order)));
        if past || orders.len() >= max {
            orders.truncate(max);
            return Ok(orders);
        }
    }
}

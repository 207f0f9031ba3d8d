//! How soon goods come, measured from the shop's own last sales.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::open_shop::Shop;
use crate::domain::{Order, Slug};
use crate::store::{Fault, Rows};

/// What a product's last deliveries took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryTime {
    /// Median from the recorded payment to the delivery, milliseconds.
    pub typical_ms: i64,
    /// How many deliveries were measured.
    pub of: u32,
}

/// Delivery times of one shop, kept for a minute: a page that shows them reads nothing more.
#[derive(Default)]
pub struct DeliveryTimes(Mutex<Measured>);

/// By product, as they were measured last; clones share them.
pub type Times = Arc<HashMap<Slug, DeliveryTime>>;

#[derive(Default)]
struct Measured {
    at_ms: Option<i64>,
    times: Times,
}

/// How long a measurement holds.
const HOLDS_MS: i64 = 60_000;
/// Newest orders looked at: some milliseconds of reading.
const ORDERS_MAX: usize = 500;
/// Last deliveries of one product that count.
const DELIVERIES_MAX: usize = 50;
/// Fewer deliveries say nothing.
const DELIVERIES_MIN: usize = 3;

impl DeliveryTimes {
    /// The times of all products that were delivered often enough lately.
    ///
    /// # Errors
    /// [`Fault`]; the next call measures again.
    pub fn of(&self, shop: &Shop) -> Result<Times, Fault> {
        let now_ms = shop.now_ms();
        {
            let mut measured = self.locked();
            let holds = |at_ms: i64| (0..HOLDS_MS).contains(&(now_ms - at_ms));
            if measured.at_ms.is_some_and(holds) {
                return Ok(measured.times.clone());
            }
            // Whoever asks meanwhile is given the times before.
            measured.at_ms = Some(now_ms);
        }
        let times = measure(shop).map(Arc::new).inspect_err(|_| {
            self.locked().at_ms = None;
        })?;
        self.locked().times = times.clone();
        Ok(times)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Measured> {
        // Each statement under the lock leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn measure(shop: &Shop) -> Result<HashMap<Slug, DeliveryTime>, Fault> {
    let orders = shop.store.read()?.orders_before(None, ORDERS_MAX)?;
    let mut took: HashMap<Slug, Vec<i64>> = HashMap::new();
    for order in orders {
        if let Some(took_ms) = took_ms(&order) {
            let of_product = took.entry(order.product).or_default();
            if of_product.len() < DELIVERIES_MAX {
                of_product.push(took_ms);
            }
        }
    }
    let typical = |(slug, mut took): (Slug, Vec<i64>)| {
        took.sort_unstable();
        let time = DeliveryTime {
            // The upper one of the two in the middle: rather a promise too long.
            typical_ms: *took.get(took.len() / 2)?,
            of: u32::try_from(took.len()).unwrap_or(u32::MAX),
        };
        (took.len() >= DELIVERIES_MIN).then_some((slug, time))
    };
    Ok(took.into_iter().filter_map(typical).collect())
}

fn took_ms(order: &Order) -> Option<i64> {
    let took_ms = order.delivered_at_ms?.saturating_sub(order.paid_at_ms?);
    // A clock that was set back measures nothing.
    (took_ms >= 0).then_some(took_ms)
}

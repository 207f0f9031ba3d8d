//! P1: settling a sale, against a bare redb transaction of the same shape and durability, side by side in one run.
//!
//! A settle records the payment, takes the slot, seals key and receipt, chains the `sale`, signs the checkpoint, promises the
//! effect, and is durable when it answers. The baseline does what that does to the file and nothing else: the same tables, keys of
//! the same kind and order, rows as long as those that the shop's own file holds, the same rows replaced and taken away, in batches
//! as large as the number in flight, with two-phase commit and quick repair.
//!
//! `cargo bench --features testing --bench settle [-- IN_FLIGHT…]`
#![allow(clippy::unwrap_used, missing_docs)]

mod bare;
mod report;

use std::sync::Arc;
use std::time::Instant;

use keystall::domain::Order;
use keystall::testing::TestShop;
use report::{Row, median, rate, tell};

/// In flight, sales in each measurement.
const LOADS: [(usize, usize); 3] = [(1, 300), (32, 4_000), (1_000, 12_000)];
/// Measurements of each side, in turn; the medians are compared.
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let wanted: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let loads: Vec<(usize, usize)> = match wanted.is_empty() {
        true => LOADS.into(),
        false => wanted.into_iter().map(load_of).collect(),
    };
    for (in_flight, sales) in loads {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let (rate, rows) = runtime.block_on(settle(in_flight, sales, round));
            ours.push(rate);
            bare.push(bare::transactions(in_flight, sales, &rows));
        }
        let (ours, bare) = (median(ours), median(bare));
        let share = if in_flight == 1 { 0.8 } else { 0.6 };
        let what = format!("settle, {in_flight} in flight");
        tell(&Row::at_least("P1", what, "sales/s", (ours, bare), share));
    }
}

/// One of [`LOADS`], or another with the sales of the next smaller one.
fn load_of(in_flight: usize) -> (usize, usize) {
    let smaller = LOADS.into_iter().rev().find(|load| load.0 <= in_flight);
    (in_flight, smaller.unwrap_or(LOADS[0]).1)
}

/// Sales a second, and how long the shop's rows are.
async fn settle(in_flight: usize, sales: usize, round: usize) -> (f64, bare::Rows) {
    let shop = Arc::new(TestShop::new());
    shop.stock("steam", &format!("BENCH-{round}"), sales);
    let mut orders: Vec<Order> = Vec::with_capacity(sales);
    let mut making = tokio::task::JoinSet::new();
    for buyer in 0..sales as u32 {
        let shop = shop.clone();
        making.spawn(async move {
            shop.shop
                .checkout(shop.request("steam", 1, buyer))
                .await
                .unwrap()
        });
        if making.len() >= 512 {
            orders.push(making.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(order) = making.join_next().await {
        orders.push(order.unwrap());
    }
    let orders = Arc::new(orders);
    let begun = Instant::now();
    let payers = (0..in_flight).map(|lane| {
        let (shop, orders) = (shop.clone(), orders.clone());
        tokio::spawn(async move {
            for number in (lane..orders.len()).step_by(in_flight) {
                let claim = shop.claim(&orders[number], &format!("2026112100{number:08}"));
                assert!(shop.shop.settle(claim).await.unwrap().accepted);
            }
        })
    });
    for payer in payers.collect::<Vec<_>>() {
        payer.await.unwrap();
    }
    let rate = rate(sales, begun.elapsed());
    drop(orders);
    let shop = Arc::into_inner(shop).unwrap();
    let file = shop.dir.path().join("shop/shop.redb");
    Arc::into_inner(shop.shop).unwrap().close();
    (rate, bare::Rows::of(&file))
}

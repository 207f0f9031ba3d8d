//! P6: from the start of the real binary to its first answer that it can sell, after `kill -9` amid orders and after a clean stop, in
//! turn, in a shop with many sold and many more unsold keys.
//!
//! `cargo bench --features testing --bench ready -- --sold 1000000 --unsold 5000000`: that folder has some 5 GB.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

mod daemon;
mod generator;
mod report;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daemon::Folder;
use daemon::client::{self, Connection};
use daemon::process::Daemon;
use generator::{Grown, Opening, PRODUCTS, argument};
use report::{Row, median, tell};
use rustls::ClientConfig;

/// Keys, unless `--sold` and `--unsold` say otherwise.
const SOLD: usize = 100_000;
const UNSOLD: usize = 500_000;
/// Starts of each kind, unless `--rounds` says otherwise.
const ROUNDS: usize = 5;
const GROWING: usize = 3_000;
const SPAN_MS: i64 = 180 * 24 * 3_600_000;
/// Buyers who order at the moment of the kill.
const BUYERS: usize = 16;
/// How long they order before it.
const ORDERING: Duration = Duration::from_millis(700);

fn main() {
    let (sold, unsold) = (argument("--sold", SOLD), argument("--unsold", UNSOLD));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let shop = Grown::found(&dir.path().join("shop"), Opening::BULK);
    shop.stock(sold + unsold);
    let shop = Arc::new(shop);
    runtime.block_on(shop.sell(sold, GROWING, SPAN_MS));
    println!("     the file has {} MB", shop.file_bytes() >> 20);
    let folder = Arc::into_inner(shop).unwrap().close();
    let served = Folder::existing(&folder, &[("SHOP__HOST", "127.0.0.1")]);
    // Once to make what the first start makes.
    runtime.block_on(started(&served)).1.stop();
    let (mut killed, mut stopped) = (Vec::new(), Vec::new());
    for round in 0..argument("--rounds", ROUNDS) {
        let (after_stop, daemon) = runtime.block_on(started(&served));
        stopped.push(after_stop);
        let daemon = runtime.block_on(async {
            let buyers: Vec<_> = (0..BUYERS)
                .map(|buyer| {
                    let client = client::config(&served.tls());
                    tokio::spawn(order(served.address(), client, round * BUYERS + buyer))
                })
                .collect();
            tokio::time::sleep(ORDERING).await;
            let daemon = tokio::task::spawn_blocking(move || daemon.kill());
            daemon.await.unwrap();
            for buyer in buyers {
                buyer.await.unwrap();
            }
            let (after_kill, daemon) = started(&served).await;
            killed.push(after_kill);
            daemon
        });
        daemon.stop();
    }
    let (killed, stopped) = (median(killed), median(stopped));
    let what = format!("ready after kill -9, {sold} sold, {unsold} unsold");
    tell(&Row::at_most(
        "P6",
        what.clone(),
        "ms",
        (killed, stopped),
        2.0,
    ));
    tell(&Row::below("P6", what, "ms", killed, 500.0));
}

/// Milliseconds until it could sell.
async fn started(served: &Folder) -> (f64, Daemon) {
    let begun = Instant::now();
    let daemon = served.ready().await;
    (begun.elapsed().as_secs_f64() * 1e3, daemon)
}

/// Orders again and again, until nobody answers.
async fn order(address: SocketAddr, client: Arc<ClientConfig>, buyer: usize) {
    let mut placed = 0;
    let Ok(mut connection) = Connection::try_open(None, address, client).await else {
        return;
    };
    let fields =
        |placed| format!("quantity=1&contact=b{buyer}x{placed}%40example.com&channel=main");
    // Of all products in turn, so that none runs out.
    let path = |placed| format!("/p/card-{}", (buyer + placed) % PRODUCTS);
    let order = |placed| client::form(&path(placed), fields(placed));
    while let Ok(answer) = connection.try_send(order(placed)).await {
        assert_eq!(
            answer.status,
            http::StatusCode::SEE_OTHER,
            "{}",
            answer.body
        );
        placed += 1;
    }
    assert!(placed > 0, "orders were under way");
}

//! P2: the whole flow over HTTPS with the real binary: order, page, notice, page with the key; 64 buyers, the load generator on the
//! same cores. The baseline of the same run is a bare hyper + rustls server with a page of 6 KiB, its requests a second divided
//! by the four requests of a flow.
//!
//! `cargo bench --features testing --bench flow`
#![allow(clippy::unwrap_used, missing_docs)]

mod daemon;
mod report;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use daemon::client::{self, Connection, get};
use daemon::{Folder, buyer, plain};
use report::{Row, median, tell};

const BUYERS: usize = 64;
const FLOWS: usize = 6_000;
const BARE_REQUESTS: usize = 40_000;
const ROUNDS: usize = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (mut flows, mut bare, mut wrong) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let folder = Folder::new(FLOWS);
        let shop = folder.serve();
        let (rate, bad) = runtime.block_on(sell(&folder));
        drop(shop);
        flows.push(rate);
        wrong += bad;
        bare.push(runtime.block_on(bare_server(&folder.tls())) / 4.0);
    }
    let (flows, bare) = (median(flows), median(bare));
    let what = format!("whole flow over HTTPS, {BUYERS} buyers");
    tell(&Row::at_least("P2", what, "flows/s", (flows, bare), 0.25).wrong(wrong));
}

/// Flows a second, and wrong ones.
async fn sell(folder: &Folder) -> (f64, usize) {
    let (client, address) = (client::config(&folder.tls()), folder.address());
    let (next, keys) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(HashSet::new())),
    );
    let begun = Instant::now();
    let buyers = (0..BUYERS).map(|_| {
        let (client, next, keys) = (client.clone(), next.clone(), keys.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(address, client).await;
            let mut wrong = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= FLOWS {
                    return wrong;
                }
                match buyer::buy(&mut connection, number).await {
                    Some(key) if keys.lock().unwrap().insert(key.clone()) => {}
                    _ => wrong += 1,
                }
            }
        })
    });
    let mut wrong = 0;
    for buyer in buyers.collect::<Vec<_>>() {
        wrong += buyer.await.unwrap();
    }
    (FLOWS as f64 / begun.elapsed().as_secs_f64(), wrong)
}

/// Requests a second of a server that does nothing but answer with a page of 6 KiB.
async fn bare_server(tls: &Path) -> f64 {
    let address = plain::serve(tls, Bytes::from_static(&[b'x'; 6 * 1_024])).await;
    let (client, next) = (client::config(tls), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now();
    let buyers = (0..BUYERS).map(|_| {
        let (client, next) = (client.clone(), next.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(address, client).await;
            while next.fetch_add(1, Ordering::Relaxed) < BARE_REQUESTS {
                connection.send(get("/")).await;
            }
        })
    });
    for buyer in buyers.collect::<Vec<_>>() {
        buyer.await.unwrap();
    }
    BARE_REQUESTS as f64 / begun.elapsed().as_secs_f64()
}

//! P3: from a notice to its `success`, 500 notices a second over HTTPS with the real binary, on orders made before. The baseline of the
//! same run is the middle time of one sale committed by the engine alone, in a file as large. And the same on disks whose syncs
//! take 1 ms and 5 ms longer, emulated at the storage seam under a server of the daemon's parts.
//!
//! The load is open: each notice has its time, whatever became of those before it, and its latency counts from that time. Every
//! answer is checked, and afterwards every order must show a key that no other shows.
//!
//! `cargo bench --features testing --bench notices`
#![allow(clippy::unwrap_used, missing_docs)]

mod bare;
mod daemon;
mod report;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bare::Rows;
use daemon::Folder;
use daemon::buyer::{self, Placed};
use daemon::client::{self, Connection};
use daemon::inside::Inside;
use daemon::line::{self, Line};
use report::{Row, median, quantile, tell};

/// Notices a second.
const RATE: usize = 500;
/// Notices of one measurement, and those before it that are not counted.
const COUNTED: usize = 4_000;
const WARMING: usize = 500;
const NOTICES: usize = WARMING + COUNTED;
/// Measurements of each side, in turn.
const ROUNDS: usize = 3;
/// Connections of the provider. Each has its turn every 128 ms: a notice waits for its connection only if one took that long.
const LINES: usize = 64;
/// Commits of the engine alone in one measurement.
const BARE_COMMITS: usize = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    ordinary(&runtime);
    for (sync_ms, p99_ms) in [(1, 50.0), (5, 100.0)] {
        let folder = Folder::new(NOTICES * ROUNDS);
        let (mut p99s, mut wrong) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            let shop = Inside::serve(&folder, Duration::from_millis(sync_ms));
            let (latencies, bad) = measured(&runtime, shop.address, &folder.tls(), round * NOTICES);
            drop(shop);
            wrong += bad;
            p99s.push(quantile(latencies, 0.99));
        }
        let what = format!("notice to success, {RATE}/s, syncs {sync_ms} ms longer, p99");
        tell(&Row::below("P3", what, "ms", median(p99s) / 1e3, p99_ms).wrong(wrong));
    }
}

/// On the disk that is there.
fn ordinary(runtime: &tokio::runtime::Runtime) {
    let folder = Folder::new(NOTICES * ROUNDS);
    let (mut p50s, mut p99s, mut bares, mut wrong) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let shop = folder.serve();
        let (latencies, bad) = measured(runtime, folder.address(), &folder.tls(), round * NOTICES);
        shop.stop();
        wrong += bad;
        p50s.push(quantile(latencies.clone(), 0.5));
        p99s.push(quantile(latencies, 0.99));
        // What nobody has open can be looked at.
        let rows = Rows::of(&folder.database());
        let singles = bare::single_commits(BARE_COMMITS, folder.database_bytes(), &rows);
        bares.push(median(singles));
    }
    let pair = (median(p50s), median(bares));
    let what = format!("notice to success, {RATE}/s, p50");
    tell(&Row::at_most("P3", what, "µs", pair, 2.0).wrong(wrong));
    let what = format!("notice to success, {RATE}/s, p99");
    tell(&Row::below("P3", what, "ms", median(p99s) / 1e3, 50.0).wrong(wrong));
}

/// Makes orders, sends their notices, looks at their pages. Gives the latencies in microseconds, and the number of wrong answers.
fn measured(
    runtime: &tokio::runtime::Runtime,
    address: SocketAddr,
    tls: &Path,
    first: usize,
) -> (Vec<f64>, usize) {
    let orders = runtime.block_on(place(address, tls, first));
    let numbers: Vec<Vec<u8>> = orders
        .iter()
        .enumerate()
        .map(|(at, order)| line::request(&buyer::notice_path(&order.number, first + at), address))
        .collect();
    let (latencies, refused) = tell_all(address, tls, &numbers);
    let missing = runtime.block_on(without_key_of_its_own(address, tls, orders));
    (latencies, refused + missing)
}

/// Orders that wait for their notice.
async fn place(address: SocketAddr, tls: &Path, first: usize) -> Vec<Placed> {
    let (client, next) = (client::config(tls), Arc::new(AtomicUsize::new(0)));
    let buyers = (0..LINES).map(|_| {
        let (client, next) = (client.clone(), next.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(address, client).await;
            let mut orders = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= NOTICES {
                    return orders;
                }
                orders.push(buyer::order(&mut connection, first + number).await.unwrap());
            }
        })
    });
    let mut orders = Vec::with_capacity(NOTICES);
    for buyer in buyers.collect::<Vec<_>>() {
        orders.extend(buyer.await.unwrap());
    }
    orders
}

/// Sends each notice at its time. Gives the latencies of those that count, from that time to the answer read, and how many were not
/// answered by `success`.
fn tell_all(address: SocketAddr, tls: &Path, notices: &[Vec<u8>]) -> (Vec<f64>, usize) {
    let config = line::config(tls, false);
    // Shaken hands on before the first notice.
    let alive = line::request("/healthz", address);
    let lines: Vec<Line> = (0..LINES)
        .map(|_| {
            let mut line = Line::open(address, &config).unwrap();
            line.send(&alive).unwrap();
            assert_eq!(line.answer().unwrap().status, 200);
            line
        })
        .collect();
    let begun = Instant::now() + Duration::from_millis(50);
    let every = Duration::from_secs(1) / RATE as u32;
    std::thread::scope(|scope| {
        let sending = lines.into_iter().enumerate().map(|(lane, mut line)| {
            scope.spawn(move || {
                let (mut latencies, mut wrong) = (Vec::new(), 0);
                for number in (lane..notices.len()).step_by(LINES) {
                    let due = begun + every * number as u32;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    line.send(&notices[number]).unwrap();
                    let answer = line.answer().unwrap();
                    wrong += usize::from(answer.status != 200 || answer.body != b"success");
                    if number >= WARMING {
                        latencies.push(due.elapsed().as_secs_f64() * 1e6);
                    }
                }
                (latencies, wrong)
            })
        });
        let (mut latencies, mut wrong) = (Vec::with_capacity(notices.len()), 0);
        for lane in sending.collect::<Vec<_>>() {
            let (of_lane, bad) = lane.join().unwrap();
            latencies.extend(of_lane);
            wrong += bad;
        }
        (latencies, wrong)
    })
}

/// How many orders show no key, or one that another shows.
async fn without_key_of_its_own(address: SocketAddr, tls: &Path, orders: Vec<Placed>) -> usize {
    let (client, count, orders) = (client::config(tls), orders.len(), Arc::new(orders));
    let readers = (0..LINES).map(|lane| {
        let (client, orders) = (client.clone(), orders.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(address, client).await;
            let mut keys = Vec::new();
            for order in orders.iter().skip(lane).step_by(LINES) {
                keys.extend(buyer::read_key(&mut connection, order).await);
            }
            keys
        })
    });
    let mut keys = HashSet::new();
    for reader in readers.collect::<Vec<_>>() {
        keys.extend(reader.await.unwrap());
    }
    count - keys.len()
}

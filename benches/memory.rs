//! P5: the daemon's resident memory: idle after its start; with 1,000,000 keys and 64 MiB of cache under load, at its peak; and for
//! each idle TLS connection, over 2,000 of them. Plain bounds, without a baseline.
//!
//! `cargo bench --features testing --bench memory -- [KEYS]`
#![allow(clippy::unwrap_used, missing_docs)]

mod daemon;
mod report;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use daemon::client::{self, Connection, get};
use daemon::line::{self, Line};
use daemon::{Folder, buyer};
use report::{Row, median, tell};
use rustix::process::{Resource, Rlimit};

const BUYERS: usize = 64;
const FLOWS: usize = 10_000;
const CONNECTIONS: usize = 2_000;
/// Until what a start or a load began has ended.
const SETTLES: Duration = Duration::from_secs(2);

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let keys = args.iter().find_map(|arg| arg.parse().ok());
    let keys = keys.unwrap_or(1_000_000);
    allow_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    idle();
    connections(&runtime);
    under_load(&runtime, keys);
}

/// Both ends of each connection are files; the daemon inherits what is allowed here.
fn allow_open_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(Resource::Nofile, all).unwrap();
}

fn idle() {
    let megabytes = (0..3).map(|_| {
        let folder = Folder::new(1_000);
        let shop = folder.serve();
        std::thread::sleep(SETTLES);
        shop.memory("VmRSS") / 1e6
    });
    let what = "resident memory, idle after the start";
    tell(&Row::below(
        "P5",
        what,
        "MB",
        median(megabytes.collect()),
        25.0,
    ));
}

fn connections(runtime: &tokio::runtime::Runtime) {
    for (protocol, what) in [
        (
            None,
            "resident memory for each idle TLS connection, HTTP/1.1",
        ),
        (
            Some(b"h2"),
            "resident memory for each idle TLS connection, HTTP/2",
        ),
    ] {
        let folder = Folder::new(1_000);
        let shop = folder.serve();
        let open = |count: usize| match protocol {
            None => drop_later(http1(&folder, count)),
            Some(_) => drop_later(runtime.block_on(http2(&folder, count))),
        };
        // What the first of them load stays, and is not theirs.
        drop(open(100));
        std::thread::sleep(SETTLES);
        let before = shop.memory("VmRSS");
        let held = open(CONNECTIONS);
        std::thread::sleep(SETTLES);
        let after = shop.memory("VmRSS");
        drop(held);
        let each = (after - before) / CONNECTIONS as f64 / 1e3;
        tell(&Row::below("P5", what, "KB", each, 25.0));
    }
}

fn drop_later<T: 'static>(held: T) -> Box<dyn std::any::Any> {
    Box::new(held)
}

/// Connections on each of which one page was asked for.
fn http1(folder: &Folder, count: usize) -> Vec<Line> {
    let config = line::config(&folder.tls(), false);
    let request = line::request("/p/steam", folder.address());
    let open = |_| {
        let mut line = Line::open(folder.address(), &config).unwrap();
        line.send(&request).unwrap();
        assert_eq!(line.answer().unwrap().status, 200);
        line
    };
    (0..count).map(open).collect()
}

/// The same with HTTP/2.
async fn http2(folder: &Folder, count: usize) -> Vec<client::Http2> {
    let client = client::config(&folder.tls());
    let mut held = Vec::new();
    for _ in 0..count {
        let mut connection = client::Http2::open(folder.address(), client.clone()).await;
        assert_eq!(connection.send("/p/steam").await, 200);
        held.push(connection);
    }
    held
}

fn under_load(runtime: &tokio::runtime::Runtime, keys: usize) {
    let folder = Folder::with(keys, &[("STORE__CACHE_MIB", "64")]);
    let shop = folder.serve();
    // A look at each key of a file finds it by its text: pages all over the database pass through the cache.
    let scattered = folder.path().join("scattered.txt");
    let step = (keys / 20_000).max(1);
    let texts: String = (0..keys)
        .step_by(step)
        .map(|number| buyer::key(number) + "\n")
        .collect();
    std::fs::write(&scattered, texts).unwrap();
    let looked = folder
        .keystall()
        .args(["key", "import", "--product", "steam", "--dry-run"])
        .arg(&scattered)
        .status();
    assert!(looked.unwrap().success());
    let wrong = runtime.block_on(sell(&folder));
    let peak = shop.memory("VmHWM") / 1e6;
    let what = format!("peak resident memory, {keys} keys, cache of 64 MiB, under load");
    tell(&Row::below("P5", what, "MB", peak, 160.0).wrong(wrong));
}

/// Whole flows, and looks at the product's page between them. Gives the number of those that went wrong.
async fn sell(folder: &Folder) -> usize {
    let (client, address) = (client::config(&folder.tls()), folder.address());
    let (next, keys) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(HashSet::new())),
    );
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
                let page = connection.send(get("/p/steam")).await;
                wrong += usize::from(page.status != 200);
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
    wrong
}

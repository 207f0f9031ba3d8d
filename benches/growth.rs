//! P9, P10, P11: what a sale writes and how the file grows by it, searches, and sales beside a long history: in a shop with many
//! orders that the generator makes through the product's own code.
//!
//! `cargo bench --features testing --bench growth -- --orders 1000000`. The shop lies in a temporary folder (`TMPDIR`): 1,000,000
//! orders take some 5 GB with the bare engine's beside them. With `--apart 1` the bare engine's come when the shop's are gone, for
//! 10,000,000 on a disk that has no room for both.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

mod bare;
mod generator;
mod report;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bare::{Bare, Rows as RowBytes};
use generator::{Grown, Opening, PRODUCTS, argument, contact_of, key_text};
use keystall::actions::OrderFilter;
use keystall::domain::{OrderId, OrderState, Secret};
use keystall::store::Rows;
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableHandle};
use report::{Row, median, quantile, rate, tell};
use tokio::runtime::Runtime;

/// Orders, unless `--orders` says otherwise.
const ORDERS: usize = 200_000;
/// Measurements of each side, in turn, unless `--rounds` says otherwise; the medians are compared.
const ROUNDS: usize = 3;
/// The orders lie over half a year.
const SPAN_MS: i64 = 180 * 24 * 3_600_000;
/// At work at a time while the shop grows.
const GROWING: usize = 3_000;
/// In flight, sales in each measurement.
const LOADS: [(usize, usize); 3] = [(1, 300), (32, 4_000), (1_000, 8_000)];
/// Sales of which the bytes are counted, 32 in flight.
const COUNTED: usize = 8_192;
/// Orders that are open at a time, at least: buyers pay soon after they ordered, or not at all.
const OPEN: usize = 512;
/// Sales, and how many of them in a second, of which the latency is measured.
const PACED: (usize, u32) = (5_000, 500);
/// Searches of each kind.
const SEARCHES: usize = 3_000;
/// Orders that a list shows.
const LISTED: usize = 10;
/// Rows that a sale inserts, one into each of these tables.
const ROWS_OF_A_SALE: [&str; 8] = [
    "orders",
    "ledger_entries",
    "notices",
    "payments",
    "contact_orders",
    "held",
    "outbox",
    "outbox_due_by_way",
];
/// Of these, the first so many stay: a promise that was kept is gone.
const ROWS_THAT_STAY: usize = 6;

fn main() {
    let (orders, rounds) = (argument("--orders", ORDERS), argument("--rounds", ROUNDS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let young = young_shop(&runtime, dir.path(), rounds);
    let shop = grown_shop(&runtime, dir.path(), orders, young.stays);
    let of = |what: &str| format!("{what}, {} orders", thousands(orders));
    let wrote = bytes_of_a_sale(&runtime, &shop);
    let what = of("written for a sale, 32 in flight");
    tell(&Row::at_most("P9", what, "B", (wrote, young.inserts), 10.0));
    searches(&shop, orders);
    let apart = argument("--apart", 0) > 0;
    // As large as the shop's: what a commit takes grows with the file.
    let file_bytes = shop.file_bytes();
    let bare = || {
        let (beside, cache_bytes) = (dir.path().join("bare.redb"), Opening::AS_SERVED.cache_bytes);
        let mut bare = Bare::create(&beside, cache_bytes, young.rows.clone(), PRODUCTS);
        let begun = Instant::now();
        let sales = bare.fill(file_bytes);
        told("sales of the bare engine", sales, begun);
        bare
    };
    let (old, ours, commit_ms) = if apart {
        let rates = LOADS.map(|load| median(times(rounds, || rate_of_shop(&runtime, &shop, load))));
        let paced = paced(&runtime, &shop);
        let folder = Arc::into_inner(shop).unwrap().close();
        std::fs::remove_dir_all(folder).unwrap();
        let mut bare = bare();
        let baselines = LOADS.map(|load| median(times(rounds, || rate_of_bare(&mut bare, load))));
        let shares = LOADS.iter().zip(rates.into_iter().zip(baselines));
        let shares = shares.map(|(load, (ours, theirs))| share(load.0, ours, theirs));
        let commit_ms = one_commit_ms(&mut bare);
        paced_bare(&mut bare);
        (shares.collect(), paced, commit_ms)
    } else {
        let mut bare = bare();
        let shares = shares_of_bare(&runtime, &shop, &mut bare, rounds);
        let commit_ms = one_commit_ms(&mut bare);
        paced_bare(&mut bare);
        let paced = paced(&runtime, &shop);
        // Before its folder goes.
        Arc::into_inner(shop).unwrap().close();
        (shares, paced, commit_ms)
    };
    for (number, (in_flight, _)) in LOADS.iter().enumerate() {
        let what = of(&format!("share of the bare engine, {in_flight} in flight"));
        let shares = (old[number] * 100.0, young.shares[number] * 100.0);
        tell(&Row::at_least("P11", what, "%", shares, 0.8));
    }
    latency(ours, commit_ms, orders);
}

fn times(rounds: usize, mut measure: impl FnMut() -> f64) -> Vec<f64> {
    (0..rounds).map(|_| measure()).collect()
}

/// What a shop without history gives to compare with.
struct Young {
    /// Shares of the bare engine's sales, one for each of [`LOADS`].
    shares: Vec<f64>,
    /// Bytes of keys and values that a sale inserts.
    inserts: f64,
    /// Of these, bytes that stay.
    stays: f64,
    /// How long its rows are.
    rows: RowBytes,
}

fn young_shop(runtime: &Runtime, dir: &Path, rounds: usize) -> Young {
    let rows = sample(runtime, &dir.join("sample"));
    let (folder, beside) = (dir.join("young"), dir.join("young.redb"));
    let shop = Grown::found(&folder, Opening::AS_SERVED);
    let sales: usize = LOADS.iter().map(|(_, sales)| sales * rounds).sum();
    shop.stock(sales * 2 + COUNTED + 1_000);
    let shop = Arc::new(shop);
    let wrote = bytes_of_a_sale(runtime, &shop);
    let cache_bytes = Opening::AS_SERVED.cache_bytes;
    let mut bare = Bare::create(&beside, cache_bytes, rows.clone(), PRODUCTS);
    let shares = shares_of_bare(runtime, &shop, &mut bare, rounds);
    drop(bare);
    Arc::into_inner(shop).unwrap().close();
    let bytes = row_bytes(&folder.join("shop.redb"));
    let (inserts, stays) = (bytes.iter().sum(), bytes[..ROWS_THAT_STAY].iter().sum());
    let what = "written for a sale, 32 in flight, new shop";
    tell(&Row::at_most("P9", what, "B", (wrote, inserts), 10.0));
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::remove_file(beside).unwrap();
    Young {
        shares,
        inserts,
        stays,
        rows,
    }
}

/// How long the rows of a shop are in which some orders were sold.
fn sample(runtime: &Runtime, folder: &Path) -> RowBytes {
    const SALES: usize = 1_000;
    let shop = Grown::found(folder, Opening::AS_SERVED);
    shop.stock(SALES);
    let shop = Arc::new(shop);
    runtime.block_on(async {
        let orders = shop.orders(SALES).await;
        settle(&shop, orders, 32).await;
    });
    let folder = Arc::into_inner(shop).unwrap().close();
    let rows = RowBytes::of(&folder.join("shop.redb"));
    std::fs::remove_dir_all(folder).unwrap();
    rows
}

/// A shop with so many orders; tells how its file grew by them.
fn grown_shop(runtime: &Runtime, dir: &Path, orders: usize, stays: f64) -> Arc<Grown> {
    let shop = Grown::found(&dir.join("shop"), Opening::BULK);
    let begun = Instant::now();
    shop.stock(orders);
    told("keys imported", orders, begun);
    let before = shop.file_bytes();
    let shop = Arc::new(shop);
    let begun = Instant::now();
    runtime.block_on(shop.sell(orders, GROWING, SPAN_MS));
    told("orders made", orders, begun);
    let shop = Arc::into_inner(shop).unwrap();
    let (shop, used) = shop.reopened(Opening::AS_SERVED, used_bytes);
    let grown = shop.file_bytes().saturating_sub(before) as f64 / orders as f64;
    println!(
        "     the file has {} MB, {} MB of them pages in use",
        shop.file_bytes() >> 20,
        used >> 20
    );
    let what = format!(
        "growth of the file for a sale, {} orders",
        thousands(orders)
    );
    tell(&Row::at_most("P9", what, "B", (grown, stays), 3.0));
    // For what is measured in it.
    let sales: usize = LOADS.iter().map(|(_, sales)| sales * 6).sum();
    shop.stock(sales + COUNTED + 2 * PACED.0 + 2_000);
    Arc::new(shop)
}

fn told(what: &str, count: usize, begun: Instant) {
    let a_second = rate(count, begun.elapsed());
    println!("     {} {what}, {a_second:.0} a second", thousands(count));
}

/// Bytes that pass through `write` for a settlement, 32 in flight.
fn bytes_of_a_sale(runtime: &Runtime, shop: &Arc<Grown>) -> f64 {
    let written = || shop.disk.written.load(Ordering::Relaxed);
    let group = |_| {
        runtime.block_on(async {
            let orders = shop.orders(OPEN).await;
            let before = written();
            settle(shop, orders, 32).await;
            written() - before
        })
    };
    (0..COUNTED / OPEN).map(group).sum::<u64>() as f64 / COUNTED as f64
}

/// Sales a second as a share of the bare engine's, for each of [`LOADS`], measured in turn.
fn shares_of_bare(
    runtime: &Runtime,
    shop: &Arc<Grown>,
    bare: &mut Bare,
    rounds: usize,
) -> Vec<f64> {
    let one = |load: &(usize, usize)| {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(rate_of_shop(runtime, shop, *load));
            theirs.push(rate_of_bare(bare, *load));
        }
        share(load.0, median(ours), median(theirs))
    };
    LOADS.iter().map(one).collect()
}

fn share(in_flight: usize, ours: f64, theirs: f64) -> f64 {
    println!("     {in_flight} in flight: {ours:.0} sales/s, bare engine {theirs:.0}");
    ours / theirs
}

fn rate_of_shop(runtime: &Runtime, shop: &Arc<Grown>, load: (usize, usize)) -> f64 {
    in_groups(load, |open| {
        runtime.block_on(async {
            let orders = shop.orders(open).await;
            settle(shop, orders, load.0).await
        })
    })
}

fn rate_of_bare(bare: &mut Bare, load: (usize, usize)) -> f64 {
    in_groups(load, |open| {
        bare.order(open);
        bare.settle(open, load.0.min(512))
    })
}

/// Sales a second, settled in groups so that few orders are open at a time.
fn in_groups((in_flight, sales): (usize, usize), settle: impl FnMut(usize) -> Duration) -> f64 {
    let open = OPEN.max(4 * in_flight).min(sales);
    let groups = sales.div_ceil(open);
    let took = std::iter::repeat_n(open, groups).map(settle).sum();
    rate(groups * open, took)
}

/// Milliseconds of the bare engine's commit of one sale.
fn one_commit_ms(bare: &mut Bare) -> f64 {
    const COMMITS: usize = 500;
    bare.order(COMMITS);
    let one = |_| bare.settle(1, 1).as_secs_f64() * 1e3;
    median((0..COMMITS).map(one).collect())
}

/// Settles the orders with so many in flight. Gives how long it took.
async fn settle(
    shop: &Arc<Grown>,
    orders: Arc<Vec<keystall::domain::Order>>,
    in_flight: usize,
) -> Duration {
    let begun = Instant::now();
    let payers = (0..in_flight).map(|lane| {
        let (shop, orders) = (shop.clone(), orders.clone());
        tokio::spawn(async move {
            for order in orders.iter().skip(lane).step_by(in_flight) {
                shop.pay(order).await;
            }
        })
    });
    for payer in payers.collect::<Vec<_>>() {
        payer.await.unwrap();
    }
    begun.elapsed()
}

/// A kind of search: its name, and what is done for the known order of an index.
type Search<'a> = (&'static str, Box<dyn Fn(OrderId, usize) + 'a>);

/// P10: every search against one point read in the same store, of orders all over it.
fn searches(shop: &Arc<Grown>, orders: usize) {
    let known = shop.known.lock().unwrap().clone();
    let (actions, store) = (&shop.shop, shop.shop.store());
    let point = |id: OrderId, _| drop(black_box(store.read().unwrap().order(id).unwrap().unwrap()));
    let times = timed(&known, &point);
    // Cold pages are as cold for the one as for the other: p99 against p99.
    let read = quantile(times.clone(), 0.99);
    println!(
        "     one point read: median {:.1} µs, p99 {read:.1} µs",
        median(times)
    );
    let list = |filter: OrderFilter| {
        black_box(actions.orders(filter, LISTED).unwrap());
    };
    let of_state = |state| OrderFilter {
        state: Some(state),
        ..OrderFilter::default()
    };
    let all: Vec<Search<'_>> = vec![
        (
            "by order number",
            Box::new(|id, _| drop(black_box(actions.view_order(id).unwrap().unwrap()))),
        ),
        (
            "by contact",
            Box::new(|_, number| {
                let contact = contact_of(number);
                let name = contact.canonical();
                let fingerprint = actions.vault().fingerprint("contact", name.as_bytes());
                let secret = actions.vault().inbox_secret(&fingerprint, i64::MAX);
                assert!(!actions.inbox(&secret, None).unwrap().orders.is_empty());
            }),
        ),
        (
            "by key",
            Box::new(|_, number| {
                let key = Secret::from(key_text(number).as_str());
                assert!(actions.find_key(&key).unwrap().is_some());
            }),
        ),
        ("newest 10", Box::new(|_, _| list(OrderFilter::default()))),
        (
            "newest 10 since a time",
            Box::new(|id, _| {
                list(OrderFilter {
                    since_ms: Some(id.made_at_ms()),
                    ..OrderFilter::default()
                });
            }),
        ),
        (
            "delivered",
            Box::new(|_, _| list(of_state(OrderState::Delivered))),
        ),
        (
            "pending",
            Box::new(|_, _| list(of_state(OrderState::Pending))),
        ),
        ("paid", Box::new(|_, _| list(of_state(OrderState::Paid)))),
        (
            "with money owed",
            Box::new(|_, _| {
                list(OrderFilter {
                    owed: true,
                    ..OrderFilter::default()
                });
            }),
        ),
        (
            "unread",
            Box::new(|_, _| drop(black_box(actions.unread_orders(LISTED).unwrap()))),
        ),
    ];
    for (name, search) in &all {
        let times = timed(&known, search);
        let p99 = quantile(times.clone(), 0.99);
        println!("     {name}: median {:.1} µs", median(times));
        let what = format!("search {name}, p99, {} orders", thousands(orders));
        tell(&Row::at_most("P10", what, "µs", (p99, read), 20.0));
    }
}

/// Microseconds that each of many searches took, for orders all over the history.
fn timed(known: &[(OrderId, usize)], search: &dyn Fn(OrderId, usize)) -> Vec<f64> {
    // Neighbours in time are apart here, and no order comes twice.
    let step = known.len() * 2 / 3 + 1;
    let at = |turn: usize| known[(turn * step + turn) % known.len()];
    let one = |turn| {
        let (id, number) = at(turn);
        let begun = Instant::now();
        search(id, number);
        begun.elapsed().as_secs_f64() * 1e6
    };
    (0..SEARCHES).map(one).collect()
}

/// Tells the time to an answer where settlements come at a steady pace, whether or not those before were answered, against the bare
/// engine's commit of one sale.
fn latency(took: Vec<f64>, commit_ms: f64, orders: usize) {
    let what = |which| {
        let (pace, orders) = (PACED.1, thousands(orders));
        format!("settled at {pace}/s, {which}, {orders} orders")
    };
    let half = (median(took.clone()), commit_ms);
    // P3 asks for twice the bare commit, P11 for four fifths of that.
    tell(&Row::at_most("P11", what("p50"), "ms", half, 2.0 / 0.8));
    let most = quantile(took, 0.99);
    tell(&Row::below("P11", what("p99"), "ms", most, 50.0 / 0.8));
}

/// Milliseconds to each answer. The pace is a thread's own: the runtime's clock goes by whole milliseconds.
fn paced(runtime: &Runtime, shop: &Arc<Grown>) -> Vec<f64> {
    let orders = runtime.block_on(shop.orders(PACED.0));
    let syncs = || std::mem::take(&mut *shop.disk.syncs.lock().unwrap());
    let bytes = || shop.disk.written.load(Ordering::Relaxed);
    let written = (syncs(), bytes()).1;
    let begun = Instant::now();
    let settled: Vec<_> = (0..orders.len())
        .map(|number| {
            let due = begun + Duration::from_secs(1) / PACED.1 * number as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (shop, orders) = (shop.clone(), orders.clone());
            runtime.spawn(async move {
                shop.pay(&orders[number]).await;
                // From when it was due: a queue before it counts.
                due.elapsed().as_secs_f64() * 1e3
            })
        })
        .collect();
    let mut took = Vec::with_capacity(settled.len());
    for one in settled {
        took.push(runtime.block_on(one).unwrap());
    }
    let (syncs, took_s) = (syncs(), begun.elapsed().as_secs_f64());
    let mb_a_second = (bytes() - written) as f64 / took_s / 1e6;
    spread("settled at a steady pace", &took);
    // A commit syncs twice.
    let commits = syncs.len() / 2;
    spread(&format!("its {commits} commits' syncs"), &syncs);
    println!("     written meanwhile: {mb_a_second:.0} MB/s");
    took
}

/// The same by the bare engine: what the disk lets anybody have.
fn paced_bare(bare: &mut Bare) {
    let every = Duration::from_secs(1) / PACED.1;
    let waited = bare.settle_paced(PACED.0, every, Opening::AS_SERVED.group_max);
    let waited: Vec<f64> = waited.iter().map(|one| one.as_secs_f64() * 1e3).collect();
    spread("the bare engine at that pace", &waited);
}

/// Says how milliseconds are spread.
fn spread(what: &str, ms: &[f64]) {
    let at = |share| quantile(ms.to_vec(), share);
    let (half, most, longest) = (at(0.5), at(0.99), at(1.0));
    println!("     {what}: median {half:.2} ms, p99 {most:.1}, longest {longest:.1}");
}

/// Bytes of key and value of one row in each of [`ROWS_OF_A_SALE`], on average.
fn row_bytes(path: &Path) -> Vec<f64> {
    let database = Database::open(path).unwrap();
    let txn = database.begin_read().unwrap();
    let mut bytes = vec![0.0; ROWS_OF_A_SALE.len()];
    for handle in txn.list_tables().unwrap() {
        let Some(at) = ROWS_OF_A_SALE
            .iter()
            .position(|name| *name == handle.name())
        else {
            continue;
        };
        let table = txn.open_untyped_table(handle).unwrap();
        let rows = table.len().unwrap();
        if rows > 0 {
            bytes[at] = table.stats().unwrap().stored_bytes() as f64 / rows as f64;
        }
    }
    bytes
}

/// Bytes of the pages that are in use.
fn used_bytes(path: &Path) -> u64 {
    let database = Database::open(path).unwrap();
    let txn = database.begin_write().unwrap();
    let stats = txn.stats().unwrap();
    let used = stats.allocated_pages() * stats.page_size() as u64;
    txn.abort().unwrap();
    used
}

/// 1000000 as 1,000,000.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

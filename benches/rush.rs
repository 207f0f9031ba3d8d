//! The flash sale: 2,000 buyers want 500 keys within a second, over TLS, each from an address and a connection of its own, against the
//! real binary with its limits as they are by default. 500 are to get their key, 1,500 a page that says honestly that there is
//! none; nobody waits for nothing. Once more with one address that hammers meanwhile.
//!
//! `cargo bench --features testing --bench rush`. It runs in a network of its own (`unshare`, `ip`), because addresses of
//! this machine itself are exempt from the limits of one address.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

mod daemon;
mod report;

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use daemon::client::{self, Answer, Connection};
use daemon::process::processor_s;
use daemon::{Folder, buyer};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use report::{Row, leave_out, quantile, tell};
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until, timeout};

const BUYERS: usize = 2_000;
const KEYS: usize = 500;
/// All buyers come within it.
const WITHIN: Duration = Duration::from_secs(1);
/// A buyer who waited so long for a page has gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that one address tries to have, again and again.
const HAMMERS: usize = 200;
/// Most memory of the daemon, in MB.
const MEMORY_MB: f64 = 160.0;
const SHOP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1)), 8443);
const HAMMERER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 255, 1));
/// Says that this process is in the network of its own.
const APART: &str = "KEYSTALL_BENCH_APART";

fn main() {
    if std::env::var_os(APART).is_none() {
        return go_apart();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for hammered in [false, true] {
        let shop = Folder::at(SHOP, KEYS, &[]);
        let rush = runtime.block_on(rush(&shop, hammered));
        let beside = if hammered {
            ", one address hammers"
        } else {
            ""
        };
        let what = |what: &str| format!("{BUYERS} buyers, {KEYS} keys{beside}: {what}");
        let pages = rush.pages_ms.len();
        let p99 = quantile(rush.pages_ms, 0.99);
        let row = Row::below("rush", what("page p99"), "ms", p99, 1_000.0);
        tell(&row.wrong(rush.wrong));
        let delivered = (rush.keys as f64, KEYS as f64);
        tell(&Row::at_least(
            "rush",
            what("delivered"),
            "",
            delivered,
            1.0,
        ));
        let refused = (rush.refused as f64, (BUYERS - KEYS) as f64);
        tell(&Row::at_least(
            "rush",
            what("told that none is left"),
            "",
            refused,
            1.0,
        ));
        let memory = rush.memory / 1e6;
        tell(&Row::below("rush", what("memory"), "MB", memory, MEMORY_MB));
        println!(
            "     {pages} pages; the hammer got {} answers; the shop took {:.1} s of processors, the buyers {:.1} s",
            rush.hammered, rush.processor_s[0], rush.processor_s[1]
        );
    }
}

/// Runs this program again in a network of its own, whose addresses are all this machine's.
fn go_apart() {
    let apart = |then: &str| {
        let network = "ip link set lo up && ip route add local 198.18.0.0/15 dev lo";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "sh", "-c"]);
        command.arg(format!("{network} && {then}")).arg("sh");
        command
    };
    if !apart("true").status().is_ok_and(|status| status.success()) {
        let why = "it needs unshare (util-linux), ip (iproute2) and user namespaces";
        leave_out("rush", "a flash sale in a network of its own", why);
        return;
    }
    let mut again = apart("exec \"$@\"");
    again.arg(std::env::current_exe().unwrap()).env(APART, "1");
    assert!(again.status().unwrap().success(), "the sale did not end");
}

/// What came of it.
#[derive(Default)]
struct Rush {
    pages_ms: Vec<f64>,
    keys: usize,
    refused: usize,
    /// Buyers to whom something else happened, and keys that two got.
    wrong: usize,
    hammered: usize,
    memory: f64,
    /// The shop's and the buyers'.
    processor_s: [f64; 2],
}

/// How one buyer fared, and how long each page took.
struct Fared {
    end: io::Result<End>,
    pages_ms: Vec<f64>,
}

enum End {
    Key(String),
    NoneLeft,
    Other(String),
}

async fn rush(shop: &Folder, hammered: bool) -> Rush {
    let daemon = shop.ready().await;
    let processors = || [daemon.id(), std::process::id()].map(processor_s);
    let before = processors();
    let client = client::config(&shop.tls());
    let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let hammers = if hammered { HAMMERS } else { 0 };
    for _ in 0..hammers {
        tokio::spawn(hammer(client.clone(), over.clone(), Arc::clone(&answers)));
    }
    let begun = Instant::now() + Duration::from_millis(200);
    let buyers = (0..BUYERS).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let due = begun + WITHIN * number as u32 / BUYERS as u32;
            sleep_until(due).await;
            let mut fared = Fared {
                end: Err(io::ErrorKind::TimedOut.into()),
                pages_ms: Vec::new(),
            };
            fared.end = buy(number, due, client, &mut fared.pages_ms).await;
            fared
        })
    });
    let (mut rush, mut keys) = (Rush::default(), HashSet::new());
    for buyer in buyers.collect::<Vec<_>>() {
        let fared = buyer.await.unwrap();
        rush.pages_ms.extend(fared.pages_ms);
        match fared.end {
            Ok(End::Key(key)) if keys.insert(key.clone()) => rush.keys += 1,
            Ok(End::NoneLeft) => rush.refused += 1,
            Ok(End::Key(_)) => rush.count_wrong("a key was shown to two"),
            Ok(End::Other(what)) => rush.count_wrong(&what),
            Err(error) => rush.count_wrong(&error.to_string()),
        }
    }
    over.store(true, Ordering::Relaxed);
    rush.hammered = answers.load(Ordering::Relaxed);
    let after = processors();
    rush.processor_s = [after[0] - before[0], after[1] - before[1]];
    rush.memory = daemon.memory("VmHWM");
    rush
}

impl Rush {
    fn count_wrong(&mut self, what: &str) {
        const TOLD: usize = 5;
        if self.wrong < TOLD {
            eprintln!("     wrong: {what}");
        }
        self.wrong += 1;
    }
}

/// The product's page, the order, its page, the provider's notice, the page with the key.
async fn buy(
    number: usize,
    due: Instant,
    client: Arc<ClientConfig>,
    pages_ms: &mut Vec<f64>,
) -> io::Result<End> {
    let opened = Connection::try_open(Some(address_of(number)), SHOP, client);
    let mut shop = patient(opened).await?;
    let page = sent(&mut shop, client::get(buyer::PRODUCT)).await?;
    // The first page counts from when the buyer came: with its connection, and with any queue before it.
    pages_ms.push(due.elapsed().as_secs_f64() * 1e3);
    if says_none_left(&page.body) {
        return Ok(End::NoneLeft);
    }
    if page.status != StatusCode::OK {
        return Ok(End::Other(format!("the product's page: {}", page.status)));
    }
    let order = client::form(buyer::PRODUCT, buyer::order_form(number));
    let asked = Instant::now();
    let answer = sent(&mut shop, order).await?;
    pages_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    match answer.status {
        StatusCode::SEE_OTHER => {}
        StatusCode::UNPROCESSABLE_ENTITY if says_none_left(&answer.body) => {
            return Ok(End::NoneLeft);
        }
        status => return Ok(End::Other(format!("the order: {status}"))),
    }
    let asked = Instant::now();
    let page = sent(&mut shop, client::get(&answer.location)).await?;
    pages_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    let Some(order) = buyer::order_number(&page.body) else {
        return Ok(End::Other("the order's page names no order".into()));
    };
    let notice = buyer::notice_path(order, number);
    let said = sent(&mut shop, client::get(&notice)).await?;
    if said.body != "success" {
        return Ok(End::Other(format!("the notice: {}", said.status)));
    }
    let asked = Instant::now();
    let page = sent(&mut shop, client::get(&answer.location)).await?;
    pages_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    Ok(match buyer::key_on(&page.body) {
        Some(key) => End::Key(key),
        None => End::Other("paid, and no key on the page".into()),
    })
}

/// Asks in English, in whose words [`says_none_left`] looks.
async fn sent(shop: &mut Connection, mut request: Request<Full<Bytes>>) -> io::Result<Answer> {
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
    patient(shop.try_send(request)).await
}

/// One of the many connections of one address: the product's page, as often as it is given.
async fn hammer(client: Arc<ClientConfig>, over: Arc<AtomicBool>, answers: Arc<AtomicUsize>) {
    while !over.load(Ordering::Relaxed) {
        let opened = Connection::try_open(Some(HAMMERER), SHOP, client.clone());
        if let Ok(Ok(mut shop)) = timeout(PATIENCE, opened).await {
            let mut ask = async || shop.try_send(client::get(buyer::PRODUCT)).await.is_ok();
            while !over.load(Ordering::Relaxed) && ask().await {
                answers.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn patient<T>(answer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Each buyer has an address, four share a network.
fn address_of(number: usize) -> IpAddr {
    let (network, host) = (number % 500, number / 500);
    let [second, third] = [18 + network / 250, 2 + network % 250].map(|part| part as u8);
    Ipv4Addr::new(198, second, third, 1 + host as u8).into()
}

/// The product's page without its form, or the form that came back with the reason.
fn says_none_left(page: &str) -> bool {
    let said = [
        "class=\"closed\"",
        "It has just sold out",
        "Unpaid orders hold the rest of the stock",
    ];
    said.iter().any(|said| page.contains(said))
}

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

mod report;
mod served;

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use md5::{Digest, Md5};
use report::{Row, leave_out, quantile, tell};
use rustls::ClientConfig;
use served::{Line, Served, processor_s};
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
const SECRET: &str = "kq3V8sW0zD5hT1yNfR7uB2mX";
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
        let dir = tempfile::tempdir().unwrap();
        let shop = shop_in(dir.path());
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
        let memory = rush.memory as f64 / 1e6;
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

fn shop_in(dir: &std::path::Path) -> Served {
    let folder = dir.join("shop");
    let shop = Served::new(&folder, SHOP, &[]);
    let mut keys = std::fs::File::create(dir.join("keys.txt")).unwrap();
    (0..KEYS).for_each(|number| writeln!(keys, "RUSH-{number:06}-{:04X}", number * 7).unwrap());
    std::fs::write(dir.join("key"), SECRET).unwrap();
    let (secret, keys) = (
        format!("key=@{}", dir.join("key").display()),
        dir.join("keys.txt").display().to_string(),
    );
    shop.run(&["init", "--host", "198.18.0.1", "--title", "Rush"]);
    shop.run(&[
        "product", "add", "--slug", "card", "--title", "Card", "--price", "19.90",
    ]);
    shop.run(&["key", "import", "--product", "card", &keys]);
    let sets = [
        "gateway=https://pay.example.com/",
        "pid=1001",
        "type=alipay",
    ];
    let mut channel = vec![
        "channel", "add", "main", "--kind", "epay", "--secret", &secret,
    ];
    channel.extend(sets.iter().flat_map(|set| ["--set", *set]));
    shop.run(&channel);
    shop
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
    memory: u64,
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

async fn rush(shop: &Served, hammered: bool) -> Rush {
    let daemon = shop.ready().await;
    let processors = || [daemon.id().to_string(), "self".into()].map(|id| processor_s(&id));
    let before = processors();
    let client = shop.client().unwrap();
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
    let opened = Line::open(Some(address_of(number)), SHOP, client);
    let mut line = patient(opened).await?;
    let page = patient(line.get("/p/card")).await?;
    // The first page counts from when the buyer came: with its connection, and with any queue before it.
    pages_ms.push(due.elapsed().as_secs_f64() * 1e3);
    if says_none_left(&page.body) {
        return Ok(End::NoneLeft);
    }
    if page.status != StatusCode::OK {
        return Ok(End::Other(format!("the product's page: {}", page.status)));
    }
    let form = format!("quantity=1&contact=buyer{number}%40example.com&channel=main");
    let asked = Instant::now();
    let answer = patient(line.post("/p/card", form)).await?;
    pages_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    match answer.status {
        StatusCode::SEE_OTHER => {}
        StatusCode::UNPROCESSABLE_ENTITY if says_none_left(&answer.body) => {
            return Ok(End::NoneLeft);
        }
        status => return Ok(End::Other(format!("the order: {status}"))),
    }
    let asked = Instant::now();
    let page = patient(line.get(&answer.location)).await?;
    pages_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    let Some(order) = order_number(&page.body) else {
        return Ok(End::Other("the order's page names no order".into()));
    };
    let said = patient(line.get(&notice(&order, number))).await?;
    if said.body != "success" {
        return Ok(End::Other(format!("the notice: {}", said.status)));
    }
    let asked = Instant::now();
    let page = patient(line.get(&answer.location)).await?;
    pages_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    let key = page
        .body
        .find("RUSH-")
        .and_then(|at| page.body.get(at..at + 16));
    Ok(match key {
        Some(key) => End::Key(key.to_owned()),
        None => End::Other("paid, and no key on the page".into()),
    })
}

/// One of the many connections of one address: the product's page, as often as it is given.
async fn hammer(client: Arc<ClientConfig>, over: Arc<AtomicBool>, answers: Arc<AtomicUsize>) {
    while !over.load(Ordering::Relaxed) {
        let opened = Line::open(Some(HAMMERER), SHOP, client.clone());
        if let Ok(Ok(mut line)) = timeout(PATIENCE, opened).await {
            while !over.load(Ordering::Relaxed) && line.get("/p/card").await.is_ok() {
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

/// The order number as the page shows it: 13 characters of Crockford's base 32.
fn order_number(page: &str) -> Option<String> {
    let word = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"ILOU".contains(c));
    let begins = |part: &&str| part.starts_with(|c: char| c.is_ascii_digit());
    let mut parts = page.split(|c: char| !c.is_ascii_alphanumeric());
    let number = parts.find(|part| part.len() == 13 && begins(part) && part.chars().all(word));
    number.map(str::to_owned)
}

fn notice(order: &str, number: usize) -> String {
    let fields = format!(
        "money=19.9&name=product&out_trade_no={order}&pid=1001&trade_no=20261121{number:011}&trade_status=TRADE_SUCCESS&type=alipay"
    );
    let sign = hex::encode(Md5::digest(format!("{fields}{SECRET}")));
    format!("/pay/main/notify?{fields}&sign={sign}&sign_type=MD5")
}

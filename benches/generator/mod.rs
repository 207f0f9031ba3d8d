//! Shops with a long history, made through the product's own code: every key by an import, every order by a checkout and a
//! settlement, every promise kept. A clock that is turned lays the orders over months.
//!
//! Never writes a row by itself: what a generated shop holds, a real one could hold.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keystall::actions::import_keys::ImportRequest;
use keystall::actions::import_keys::decode::Options as ReadOptions;
use keystall::actions::{
    ChannelSettings, CheckoutRequest, Claim, Founding, Policy, ProductChange, Shop,
};
use keystall::domain::{
    ChannelName, Clock, Contact, Currency, Money, Order, OrderId, Secret, Slug, Tell, Verdict, Via,
};
use keystall::limits;
use keystall::store::Options;
use keystall::testing::TestClock;
use keystall::vault::SystemEntropy;
use redb::StorageBackend;

/// A shop that grows.
pub struct Grown {
    pub shop: Arc<Shop>,
    pub clock: Arc<TestClock>,
    pub folder: PathBuf,
    /// What passed to its file.
    pub disk: Arc<Disk>,
    /// Numbers and buyers of some of its orders, evenly over its history.
    pub known: Mutex<Vec<(OrderId, usize)>>,
    sold: AtomicUsize,
    keys: AtomicUsize,
}

/// What a file was asked to do.
#[derive(Debug, Default)]
pub struct Disk {
    /// Bytes that passed through `write`.
    pub written: AtomicU64,
    /// Milliseconds of each sync.
    pub syncs: Mutex<Vec<f64>>,
}

/// How a generated shop is opened.
#[derive(Clone, Copy)]
pub struct Opening {
    pub cache_bytes: usize,
    pub group_max: usize,
}

impl Opening {
    /// As the settings' defaults open it.
    pub const AS_SERVED: Self = Self {
        cache_bytes: 64 << 20,
        group_max: 512,
    };
    /// To grow fast.
    pub const BULK: Self = Self {
        cache_bytes: 1 << 30,
        group_max: 4_096,
    };
}

/// 2026-01-01: the oldest orders.
const BEGIN_MS: i64 = 1_767_225_600_000;
/// Products that a generated shop sells.
pub const PRODUCTS: usize = 20;
/// Each buyer comes back so many times on average.
const ORDERS_OF_BUYER: usize = 5;
/// Orders whose numbers are remembered.
const KNOWN_MAX: usize = 20_000;
/// The clock is turned after so many orders.
const ORDERS_AT_A_TIME: usize = 64;

impl Grown {
    /// Founds a shop in `folder`, which must not exist, with its products and a channel.
    pub fn found(folder: &Path, opening: Opening) -> Self {
        let clock = Arc::new(TestClock::at(BEGIN_MS));
        let founding = Founding {
            host: "shop.example".into(),
            currency: Currency::CNY,
        };
        let disk = Arc::<Disk>::default();
        let entropy = Arc::new(SystemEntropy);
        Shop::found(folder, &founding, options(&clock, &disk, opening), entropy).unwrap();
        let this = Self::open(folder, clock, opening);
        (0..PRODUCTS).for_each(|number| this.add_product(number));
        this.add_channel();
        this
    }

    fn open(folder: &Path, clock: Arc<TestClock>, opening: Opening) -> Self {
        let disk = Arc::<Disk>::default();
        let options = options(&clock, &disk, opening);
        let entropy = Arc::new(SystemEntropy);
        let shop = Shop::open(folder, policy(), options, entropy).unwrap();
        Self {
            shop: Arc::new(shop),
            clock,
            folder: folder.to_owned(),
            disk,
            known: Mutex::default(),
            sold: AtomicUsize::new(0),
            keys: AtomicUsize::new(0),
        }
    }

    /// Closes it, looks at its database, and opens it in another way.
    pub fn reopened<T>(self, opening: Opening, look: impl FnOnce(&Path) -> T) -> (Self, T) {
        let Self {
            shop,
            clock,
            folder,
            known,
            sold,
            keys,
            ..
        } = self;
        Arc::into_inner(shop).unwrap().close();
        let seen = look(&folder.join("shop.redb"));
        let this = Self {
            known,
            sold,
            keys,
            ..Self::open(&folder, clock, opening)
        };
        (this, seen)
    }

    /// Closes it.
    pub fn close(self) -> PathBuf {
        Arc::into_inner(self.shop).unwrap().close();
        self.folder
    }

    /// Length of its database.
    pub fn file_bytes(&self) -> u64 {
        self.folder.join("shop.redb").metadata().unwrap().len()
    }

    /// Imports at least so many keys, evenly for all products, in files as large as are taken.
    pub fn stock(&self, keys: usize) {
        (0..PRODUCTS).for_each(|product| self.stock_of(product, keys.div_ceil(PRODUCTS)));
    }

    /// Imports so many keys for one product.
    pub fn stock_of(&self, product: usize, keys: usize) {
        let mut left = keys;
        while left > 0 {
            let now = left.min(limits::IMPORT_LINES_MAX as usize);
            let from = self.keys.fetch_add(now, Ordering::Relaxed);
            import(&self.shop, &slug(product), from..from + now);
            left -= now;
        }
    }

    /// Sells one key each to `orders` buyers, with so many at work at a time and the clock going forward by `span_ms` in all.
    /// What is promised is kept meanwhile.
    pub async fn sell(self: &Arc<Self>, orders: usize, in_flight: usize, span_ms: i64) {
        let begun = Instant::now();
        let done = Arc::new(AtomicBool::new(false));
        let keeper = tokio::spawn(keep_promises(self.shop.clone(), done.clone()));
        let first = self.sold.fetch_add(orders, Ordering::Relaxed);
        let next = Arc::new(AtomicUsize::new(0));
        let step_ms = (span_ms as f64 * ORDERS_AT_A_TIME as f64 / orders as f64) as i64;
        let lanes = (0..in_flight).map(|_| {
            let (this, next) = (self.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= orders {
                        return;
                    }
                    if number % ORDERS_AT_A_TIME == 0 {
                        this.clock.advance_ms(step_ms);
                    }
                    if number > 0 && number % 100_000 == 0 {
                        let rate = number as f64 / begun.elapsed().as_secs_f64();
                        eprintln!("  {number} orders, {rate:.0} a second");
                    }
                    let order = this.order(first + number).await;
                    this.pay(&order).await;
                    if number % (orders / KNOWN_MAX).max(1) == 0 {
                        this.known.lock().unwrap().push((order.id, first + number));
                    }
                }
            })
        });
        for lane in lanes.collect::<Vec<_>>() {
            lane.await.unwrap();
        }
        done.store(true, Ordering::Release);
        keeper.await.unwrap();
    }

    /// An order, not paid yet.
    pub async fn order(&self, number: usize) -> Order {
        let request = CheckoutRequest {
            product: slug(number % PRODUCTS),
            quantity: 1,
            contact: contact_of(number),
            second: None,
            password: None,
            channel: ChannelName::parse("main").unwrap(),
            address: std::net::Ipv4Addr::from_bits(0x0a00_0000 + number as u32 % 0x00ff_ffff)
                .into(),
            language: "zh-CN".into(),
            ticket: None,
        };
        self.shop.checkout(request).await.unwrap()
    }

    /// Orders that nobody paid yet, made with many at a time.
    pub async fn orders(self: &Arc<Self>, count: usize) -> Arc<Vec<Order>> {
        let first = self.sold.fetch_add(count, Ordering::Relaxed);
        let made = (0..count).map(|number| {
            let this = self.clone();
            tokio::spawn(async move { this.order(first + number).await })
        });
        let mut orders = Vec::with_capacity(count);
        for order in made.collect::<Vec<_>>() {
            orders.push(order.await.unwrap());
        }
        Arc::new(orders)
    }

    /// Settles an order.
    pub async fn pay(&self, order: &Order) {
        // As long as a provider's, and like the order's number another one for each.
        let number = order.id.0;
        let claim = Claim {
            channel: order.channel.clone(),
            order: order.id,
            transaction: format!("20261121{number:020}"),
            amount: order.total.amount,
            currency: order.total.currency,
            raw: notice(order),
            disputed: false,
        };
        let settled = self.shop.settle(claim).await.unwrap();
        assert_eq!(settled.verdict, Verdict::Settled, "{}", settled.why);
    }

    fn add_product(&self, number: usize) {
        let change = ProductChange {
            title: Some(format!("充值卡 {number}")),
            price: Some(Money::new(1_990, Currency::CNY)),
            ..ProductChange::default()
        };
        self.shop.add_product(slug(number), change).unwrap();
    }

    fn add_channel(&self) {
        let settings = [
            ("gateway", "https://pay.example/"),
            ("pid", "1001"),
            ("type", "alipay"),
        ];
        let channel = ChannelSettings {
            name: ChannelName::parse("main").unwrap(),
            kind: "epay".into(),
            settings: settings
                .map(|(key, value)| (key.into(), value.into()))
                .into(),
            secrets: [("key".to_owned(), Secret::from("kq3V8sW0zD5hT1yNfR7uB2mX"))].into(),
            enabled: true,
        };
        self.shop.add_channel(&channel).unwrap();
    }
}

/// The number behind a name on the command line.
pub fn argument(name: &str, otherwise: usize) -> usize {
    let mut given = std::env::args().skip_while(|given| given != name);
    given
        .nth(1)
        .map_or(otherwise, |number| number.parse().unwrap())
}

/// The contact of an order's buyer.
pub fn contact_of(number: usize) -> Contact {
    Contact::parse(&format!("buyer{}@example.com", number / ORDERS_OF_BUYER)).unwrap()
}

/// The text of the key with this number.
pub fn key_text(number: usize) -> String {
    format!(
        "K{number:08}-{:08X}",
        number.wrapping_mul(2_654_435_761) as u32
    )
}

/// Imports keys by their numbers into a product of any shop.
pub fn import(shop: &Shop, product: &Slug, numbers: std::ops::Range<usize>) {
    let request = ImportRequest {
        product: product.clone(),
        options: ReadOptions::default(),
        pattern: None,
        dry_run: false,
    };
    let count = numbers.len() as u64;
    let file = Lines {
        numbers,
        line: Vec::new(),
        at: 0,
    };
    let report = shop.import_keys(&request, file, |_, _| ()).unwrap();
    assert_eq!(report.imported, count);
}

/// What a gateway sends.
fn notice(order: &Order) -> Vec<u8> {
    format!(
        "money=19.9&name=product&out_trade_no={}&pid=1001&trade_no=20261121{:020}&trade_status=TRADE_SUCCESS&type=alipay&sign=0123456789abcdef0123456789abcdef&sign_type=MD5",
        order.id, order.id.0
    )
    .into_bytes()
}

fn slug(number: usize) -> Slug {
    Slug::parse(&format!("card-{number}")).unwrap()
}

/// Orders are given a year: the clock is turned by months while they are under way.
fn policy() -> Policy {
    Policy {
        currency: Currency::CNY,
        order_ttl_ms: 365 * 24 * 3_600_000,
        scarce_order_ttl_ms: 365 * 24 * 3_600_000,
        late_delivery_ms: 24 * 3_600_000,
        open_orders_per_address: 0,
        open_orders_per_contact: 0,
        held_share_percent: 0,
        order_quantity_max: 100,
        tell: Tell {
            webhook: true,
            ..Tell::default()
        },
        keys_readable_ms: 0,
    }
}

/// Delivers every message at once, until there is none after the end.
async fn keep_promises(shop: Arc<Shop>, done: Arc<AtomicBool>) {
    const AT_A_TIME: usize = 2_000;
    loop {
        let last = done.load(Ordering::Acquire);
        let due = shop.effects_due(&[Via::Webhook], AT_A_TIME).unwrap();
        if due.is_empty() {
            if last {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        let kept = due.into_iter().map(|pending| {
            let shop = shop.clone();
            tokio::spawn(async move { shop.effect_kept(pending.effect.id).await.unwrap() })
        });
        for one in kept.collect::<Vec<_>>() {
            one.await.unwrap();
        }
    }
}

fn options(
    clock: &Arc<TestClock>,
    disk: &Arc<Disk>,
    opening: Opening,
) -> impl Fn(&Path) -> Options + use<> {
    let (clock, disk): (Arc<dyn Clock>, _) = (clock.clone(), disk.clone());
    move |path| {
        let file = Options::file(path, opening.cache_bytes, clock.clone());
        let (path, disk) = (path.to_owned(), disk.clone());
        Options {
            group_max: opening.group_max,
            storage: Arc::new(move |builder, _| {
                let file = File::options().read(true).write(true).open(&path)?;
                builder.create_with_backend(Counted {
                    file,
                    disk: disk.clone(),
                })
            }),
            ..file
        }
    }
}

/// A file whose written bytes are counted, and whose syncs are timed.
#[derive(Debug)]
struct Counted {
    file: File,
    disk: Arc<Disk>,
}

impl StorageBackend for Counted {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let begun = Instant::now();
        let synced = self.file.sync_data();
        let took_ms = begun.elapsed().as_secs_f64() * 1e3;
        self.disk.syncs.lock().unwrap().push(took_ms);
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let bytes = data.len() as u64;
        self.disk.written.fetch_add(bytes, Ordering::Relaxed);
        self.file.write_all_at(data, offset)
    }
}

/// A file of keys that is made while it is read.
struct Lines {
    numbers: std::ops::Range<usize>,
    line: Vec<u8>,
    at: usize,
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            if self.at == self.line.len() {
                let Some(number) = self.numbers.next() else {
                    break;
                };
                self.line = format!("{}\n", key_text(number)).into_bytes();
                self.at = 0;
            }
            let count = (self.line.len() - self.at).min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&self.line[self.at..self.at + count]);
            (self.at, filled) = (self.at + count, filled + count);
        }
        Ok(filled)
    }
}

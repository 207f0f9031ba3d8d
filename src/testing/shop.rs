use std::path::Path;
use std::sync::Arc;

use crate::actions::import_keys::ImportRequest;
use crate::actions::import_keys::decode::Options as ReadOptions;
use crate::actions::{
    ChannelSettings, CheckoutRequest, Claim, Founding, Policy, ProductChange, RestoreRequest,
    Restored, Shop, ShopError,
};
use crate::domain::{ChannelName, Contact, Currency, Money, Order, Secret, Slug, Tell};
use crate::store::Options;
use crate::testing::{SeededEntropy, TestClock};

/// A real shop in a temporary folder, with a clock to turn.
pub struct TestShop {
    /// The shop.
    pub shop: Arc<Shop>,
    /// Its clock.
    pub clock: Arc<TestClock>,
    /// Its folder.
    pub dir: tempfile::TempDir,
    /// Its recovery secret, which a merchant has on paper.
    pub recovery: Secret,
    seed: u64,
}

/// What a test decides of its shop.
#[derive(Clone, Debug)]
pub struct Till {
    /// Policy to open it with.
    pub policy: Policy,
    /// Seed of its entropy.
    pub seed: u64,
}

impl Default for Till {
    fn default() -> Self {
        let policy = Policy {
            currency: Currency::CNY,
            order_ttl_ms: 30 * 60_000,
            scarce_order_ttl_ms: 10 * 60_000,
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
        };
        Self { policy, seed: 1 }
    }
}

/// 2026-11-21, some time after noon in Shanghai.
const NOON_MS: i64 = 1_795_233_600_000;

impl TestShop {
    /// Founds and opens a shop with one product `steam` at 19.90 and the channel `main`.
    pub fn new() -> Self {
        Self::with(Till::default())
    }

    /// The same with decisions of the test's own.
    pub fn with(till: Till) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::at(NOON_MS));
        let folder = dir.path().join("shop");
        let founding = Founding {
            host: "shop.example".into(),
            currency: till.policy.currency,
        };
        let founded = Shop::found(
            &folder,
            &founding,
            options(&clock),
            Arc::new(SeededEntropy::new(till.seed)),
        )
        .unwrap();
        let shop = open(&folder, &clock, till.policy.clone(), till.seed + 1).unwrap();
        let this = Self {
            shop: Arc::new(shop),
            clock,
            dir,
            seed: till.seed,
            recovery: founded.recovery,
        };
        this.add_product("steam", 1_990);
        this.add_channel("main");
        this
    }

    /// Closes the shop and opens it again from its files.
    pub fn reopen(self) -> Self {
        let Self {
            shop,
            clock,
            dir,
            seed,
            recovery,
        } = self;
        let policy = shop.policy().clone();
        Arc::into_inner(shop).unwrap().close();
        let shop = open(&dir.path().join("shop"), &clock, policy, seed + 1_000).unwrap();
        Self {
            shop: Arc::new(shop),
            clock,
            dir,
            seed: seed + 1_000,
            recovery,
        }
    }

    /// Closes the shop, restores it from a copy of its database, and opens it again. Tells what the restore did.
    pub fn restored_from(self, copy: &Path, known: &[String]) -> (Self, Restored) {
        let Self {
            shop,
            clock,
            dir,
            recovery,
            seed,
        } = self;
        let (policy, folder) = (shop.policy().clone(), dir.path().join("shop"));
        Arc::into_inner(shop).unwrap().close();
        let request = RestoreRequest {
            copy,
            recovery: &recovery,
            known,
            signed_unknown: false,
            dry_run: false,
        };
        let entropy = Arc::new(SeededEntropy::new(seed + 2_000));
        let restored =
            Shop::restore(&folder, &request, options(&clock), entropy, &mut |_| {}).unwrap();
        let shop = open(&folder, &clock, policy, seed + 3_000).unwrap();
        let this = Self {
            shop: Arc::new(shop),
            clock,
            dir,
            recovery,
            seed: seed + 3_000,
        };
        (this, restored)
    }

    /// Makes a product.
    pub fn add_product(&self, slug: &str, amount: i64) {
        let price = Some(Money::new(amount, self.shop.policy().currency));
        let change = ProductChange {
            title: Some(format!("{slug} 充值卡")),
            price,
            ..ProductChange::default()
        };
        self.shop
            .add_product(Slug::parse(slug).unwrap(), change)
            .unwrap();
    }

    /// Sets a channel up.
    pub fn add_channel(&self, name: &str) {
        let settings = [
            ("gateway", "https://pay.example/"),
            ("pid", "1001"),
            ("type", "alipay"),
        ];
        let channel = ChannelSettings {
            name: ChannelName::parse(name).unwrap(),
            kind: "epay".into(),
            settings: settings
                .map(|(key, value)| (key.into(), value.into()))
                .into(),
            secrets: [("key".to_owned(), Secret::from("kq3V8sW0zD5hT1yNfR7uB2mX"))].into(),
            enabled: true,
        };
        self.shop.add_channel(&channel).unwrap();
    }

    /// Imports keys `PREFIX-0 …` of a number.
    pub fn stock(&self, slug: &str, prefix: &str, count: usize) {
        let text: String = (0..count)
            .map(|number| format!("{prefix}-{number:06}\n"))
            .collect();
        let request = ImportRequest {
            product: Slug::parse(slug).unwrap(),
            options: ReadOptions::default(),
            pattern: None,
            dry_run: false,
        };
        self.shop
            .import_keys(&request, text.as_bytes(), |_, _| ())
            .unwrap();
    }

    /// A buyer's request for some of `slug`, each from an address and with a contact of its own.
    pub fn request(&self, slug: &str, quantity: u32, buyer: u32) -> CheckoutRequest {
        CheckoutRequest {
            product: Slug::parse(slug).unwrap(),
            quantity,
            contact: Contact::parse(&format!("buyer{buyer}@example.com")).unwrap(),
            second: None,
            password: None,
            channel: ChannelName::parse("main").unwrap(),
            address: std::net::Ipv4Addr::from_bits(0x0a00_0000 + buyer).into(),
            language: "zh-CN".into(),
            ticket: None,
        }
    }

    /// Orders one of `slug`.
    pub async fn order(&self, slug: &str) -> Order {
        self.shop.checkout(self.request(slug, 1, 1)).await.unwrap()
    }

    /// The claim that `order` was paid in full by a transaction.
    pub fn claim(&self, order: &Order, transaction: &str) -> Claim {
        Claim {
            channel: order.channel.clone(),
            order: order.id,
            transaction: transaction.into(),
            amount: order.total.amount,
            currency: order.total.currency,
            raw: b"trade_status=TRADE_SUCCESS".to_vec(),
            disputed: false,
        }
    }
}

impl Default for TestShop {
    fn default() -> Self {
        Self::new()
    }
}

fn options(clock: &Arc<TestClock>) -> impl Fn(&Path) -> Options + use<> {
    let clock = clock.clone();
    move |path| Options::file(path, 16 << 20, clock.clone())
}

fn open(dir: &Path, clock: &Arc<TestClock>, policy: Policy, seed: u64) -> Result<Shop, ShopError> {
    Shop::open(
        dir,
        policy,
        options(clock),
        Arc::new(SeededEntropy::new(seed)),
    )
}

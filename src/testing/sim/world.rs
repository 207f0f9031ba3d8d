//! A whole shop on a disk whose power can be cut, with a clock, entropy, buyers, a provider and an outbox that follow from a seed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::command::{Command, Fate, How};
use crate::actions::import_keys::decode::Options as ReadOptions;
use crate::actions::import_keys::{ImportError, ImportRequest};
use crate::actions::{
    ChannelSettings, CheckoutError, CheckoutRequest, Claim, EraseError, Founding, HandError,
    KeyError, KeyRotationError, Policy, ProductChange, ProductError, RotateError, SettleError,
    Settled, Shop, ShopError,
};
use crate::domain::{
    ChannelName, Contact, Currency, Money, Order, OrderId, Secret, SlotRef, Slug, Tell, Via,
};
use crate::ledger::entry::What;
use crate::ledger::sign::{Message, RecoverySecret};
use crate::store::{Options, Rows, WriteError};
use crate::testing::{Disk, Event, Image, SeededEntropy, TestClock, Watch};

/// The products of the shop.
pub const PRODUCTS: [&str; 2] = ["steam", "netflix"];
/// Files beside the database that are as durable as it.
pub const FILES: [&str; 5] = [
    "root.key",
    "root.key.next",
    "erase.keys",
    "ledger.highwater",
    "backups/erased",
];
/// 2026-11-21, some time after noon in Shanghai.
const NOON_MS: i64 = 1_795_233_600_000;
const MINUTE_MS: i64 = 60_000;
/// Orders whose notices arrive at once.
const RUSH: usize = 4;

/// A shop and the world around it.
pub struct World {
    shop: Option<Arc<Shop>>,
    seen: Arc<Mutex<Weak<Shop>>>,
    pub disk: Disk,
    pub clock: Arc<TestClock>,
    entropy: Arc<SeededEntropy>,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    pub outside: Outside,
}

/// What the world outside knows: it survives every power cut of the shop.
#[derive(Clone, Default)]
pub struct Outside {
    /// The merchant's sheet.
    recovery: String,
    /// Orders that buyers were told of, in their order.
    pub orders: Vec<OrderId>,
    /// The last notice of each order.
    pub notices: BTreeMap<OrderId, Claim>,
    /// What the provider was answered to it.
    pub answers: BTreeMap<OrderId, Settled>,
    /// Key texts that were used up, by product: no text is ever imported twice as a new one.
    pub keys: [usize; 2],
    transactions: u32,
    buyers: u32,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub enum Answer {
    /// There was nothing that it could be about.
    Idle,
    Done,
    Placed(OrderId),
    Settled(Settled),
    /// To notices that arrived at once.
    Rushed(Vec<(Claim, Settled)>),
    Count(usize),
    /// The shop said no.
    #[allow(dead_code)] // Read by people, where a run fails.
    Refused(String),
    /// The store failed.
    Failed(String),
}

impl World {
    /// Founds a shop; what happens from here on is on its disk's record.
    pub fn found(seed: u64) -> Self {
        let mut world = Self::empty(Disk::default(), seed, NOON_MS);
        let founding = Founding {
            host: "shop.example".into(),
            currency: policy().currency,
        };
        let options = world.options();
        let founded =
            Shop::found(&world.path(), &founding, options, world.entropy.clone()).unwrap();
        world.outside.recovery = String::from_utf8(founded.recovery.expose().to_vec()).unwrap();
        world.open().unwrap();
        world.furnish();
        let record = world.disk.take_record();
        drop(record);
        world.disk.watch(world.watch());
        world.disk.look_beside(true);
        world
    }

    /// A machine whose disk holds `image`. Its shop is not open yet.
    pub fn on(image: &Image, outside: &Outside, now_ms: i64, seed: u64) -> Self {
        let mut world = Self::empty(Disk::holding(image), seed, now_ms);
        world.outside = outside.clone();
        let folder = world.path();
        fs::create_dir_all(folder.join("backups")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(folder.join("shop.redb"), b"").unwrap();
        for (name, bytes) in &image.files {
            use std::io::Write;
            let file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(folder.join(name));
            file.unwrap().write_all(bytes).unwrap();
        }
        world
    }

    fn empty(disk: Disk, seed: u64, now_ms: i64) -> Self {
        // In memory where there is such a place: what is durable is decided here, not by the file system.
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()),
            false => tempfile::tempdir(),
        };
        Self {
            shop: None,
            seen: Arc::default(),
            disk,
            clock: Arc::new(TestClock::at(now_ms)),
            entropy: Arc::new(SeededEntropy::new(seed)),
            folder: folder.unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            outside: Outside::default(),
        }
    }

    /// Opens the shop that lies there.
    pub fn open(&mut self) -> Result<(), ShopError> {
        let shop = Shop::open_driven(&self.path(), policy(), self.options(), self.entropy.clone())?;
        let shop = Arc::new(shop);
        *self.seen.lock().unwrap() = Arc::downgrade(&shop);
        self.shop = Some(shop);
        Ok(())
    }

    /// What the daemon does when it starts.
    pub fn begin_day(&self) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let shop = self.shop();
        shop.reconcile_erasures().map_err(|error| failed(&error))?;
        shop.replace_month_keys().map_err(|error| failed(&error))?;
        let mended = self.runtime.block_on(shop.mend_deadlines());
        mended.map_err(|error| failed(&error))?;
        Ok(())
    }

    pub fn shop(&self) -> &Arc<Shop> {
        self.shop.as_ref().unwrap()
    }

    pub fn shop_is_open(&self) -> bool {
        self.shop.is_some()
    }

    /// What lies beside the database.
    pub fn files(&self) -> BTreeMap<&'static str, Vec<u8>> {
        let read = |name| Some((name, fs::read(self.path().join(name)).ok()?));
        FILES.into_iter().filter_map(read).collect()
    }

    /// Closes the shop, as on a stop.
    pub fn close(&mut self) {
        if let Some(shop) = self.shop.take() {
            // The disk looks at the shop while it syncs, for no longer than that.
            match Arc::try_unwrap(shop) {
                Ok(shop) => shop.close(),
                Err(shop) => self.shop = Some(shop),
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    fn options(&self) -> impl Fn(&Path) -> Options + use<> {
        let (disk, clock) = (self.disk.clone(), self.clock.clone());
        move |path| {
            let disk = disk.clone();
            Options {
                storage: Arc::new(move |builder, _| builder.create_with_backend(disk.clone())),
                group_max: 64,
                queue_max: 64,
                reopen_pause: Duration::ZERO,
                ..Options::file(path, 4 << 20, clock.clone())
            }
        }
    }

    /// Tells the disk's record what lies beside the database, and what anybody could read of the ledger.
    pub fn watch(&self) -> Watch {
        let (folder, seen) = (self.path(), self.seen.clone());
        let (mut files, mut shown) = (BTreeMap::new(), String::new());
        Box::new(move |sync| {
            let mut events = Vec::new();
            for name in FILES {
                let bytes = fs::read(folder.join(name)).ok();
                if files.get(name) != Some(&bytes) {
                    files.insert(name, bytes.clone());
                    events.push(Event::File(name, bytes));
                }
            }
            let shop = seen.lock().unwrap().upgrade();
            if let Some(shop) = shop.filter(|_| sync) {
                let note = shop.chain().latest().note;
                if note != shown {
                    shown.clone_from(&note);
                    events.push(Event::Shown(note));
                }
            }
            events
        })
    }

    fn furnish(&mut self) {
        for slug in PRODUCTS {
            let change = ProductChange {
                title: Some(format!("{slug} 充值卡")),
                price: Some(Money::new(1_990, Currency::CNY)),
                ..ProductChange::default()
            };
            self.shop().add_product(slug_of(slug), change).unwrap();
        }
        let settings = [
            ("gateway", "https://pay.example/"),
            ("pid", "1001"),
            ("type", "alipay"),
        ];
        let channel = ChannelSettings {
            name: channel(),
            kind: "epay".into(),
            settings: settings
                .map(|(key, value)| (key.into(), value.into()))
                .into(),
            secrets: [("key".to_owned(), Secret::from("kq3V8sW0zD5hT1yNfR7uB2mX"))].into(),
            enabled: true,
        };
        self.shop().add_channel(&channel).unwrap();
        self.import(0, 8);
        self.import(1, 3);
    }
}

/// The commands.
impl World {
    /// Does it.
    pub fn run(&mut self, command: Command) -> Answer {
        match command {
            Command::Order { product, quantity } => self.order(product, quantity),
            Command::Pay { order, how } => self.about(order, |this, id| this.pay(id, how)),
            Command::PayAgain { order } => self.about(order, Self::pay_again),
            Command::PayConflict { order, other } => self.about(order, |this, id| {
                this.about(other, |this, other| this.pay_conflict(id, other))
            }),
            Command::Turn { minutes } => {
                self.clock.advance_ms(i64::from(minutes) * MINUTE_MS);
                Answer::Done
            }
            Command::Expire => counted(self.runtime.block_on(self.shop().expire_due())),
            Command::DeliverWaiting => {
                counted(self.runtime.block_on(self.shop().deliver_waiting()))
            }
            Command::Deliver { order } => {
                self.by_hand(order, |shop, id| shop.deliver_by_hand(id, "seen").map(drop))
            }
            Command::Give { order } => {
                self.by_hand(order, |shop, id| shop.give_by_hand(id, "a gift").map(drop))
            }
            Command::Cancel { order } => self.by_hand(order, |shop, id| {
                shop.cancel_by_hand(id, "withdrawn").map(drop)
            }),
            Command::Return { order } => self.by_hand(order, |shop, id| {
                shop.returned_by_hand(id, "sent back").map(drop)
            }),
            Command::Refund { order, tenths } => self.refund(order, tenths),
            Command::Replace { order } => self.replace(order),
            Command::Import { product, keys } => self.import(product, keys),
            Command::ImportAgain { product } => self.import_again(product),
            Command::Void { product, key } => self.void(product, key),
            Command::Erase { order } => {
                self.about(order, |this, id| match this.shop().erase_order(id) {
                    Ok(_) => Answer::Done,
                    Err(error @ (EraseError::Store(_) | EraseError::List { .. })) => failed(error),
                    Err(error) => refused(error),
                })
            }
            Command::ReplaceMonthKeys => counted(self.shop().replace_month_keys()),
            Command::Send { fate } => self.send(fate),
            Command::Retry => counted(self.shop().retry_effects()),
            Command::Audit => self
                .shop()
                .audit("nonce-of-an-auditor")
                .map_or_else(failed, |_| Answer::Done),
            Command::Heartbeat => counted(self.runtime.block_on(self.shop().heartbeat())),
            Command::NoteAdmin => done(
                self.shop()
                    .note_admin(What::Settings, "something was changed"),
            ),
            Command::Price { product, amount } => self.change(
                product,
                ProductChange {
                    price: Some(Money::new(i64::from(amount), Currency::CNY)),
                    ..ProductChange::default()
                },
            ),
            Command::Show { product, visible } => self.change(
                product,
                ProductChange {
                    visible: Some(visible),
                    ..ProductChange::default()
                },
            ),
            Command::PrepareMonth => done(self.shop().prepare_next_month()),
            Command::RotateLogKey => self.rotate_log_key(),
            Command::ReplaceRootKey => self.keys(|shop| shop.replace_root_key().map(drop)),
            Command::ReplacePoolKey { product } => {
                self.keys(|shop| shop.replace_pool_keys(Some(&slug(product))).map(drop))
            }
            Command::GoOnWithKeys => self.keys(|shop| Ok(shop.go_on_with_keys().map(drop)?)),
            Command::Rush { order } => self.rush(order),
            Command::KeepHighwater => done(self.shop().keep_highwater()),
            Command::Restart => self.restart(),
        }
    }

    fn about(&mut self, order: u8, command: impl FnOnce(&mut Self, OrderId) -> Answer) -> Answer {
        let orders = &self.outside.orders;
        match orders
            .get(usize::from(order) % orders.len().max(1))
            .copied()
        {
            Some(id) => command(self, id),
            None => Answer::Idle,
        }
    }

    fn order(&mut self, product: u8, quantity: u8) -> Answer {
        self.outside.buyers += 1;
        let buyer = self.outside.buyers;
        let request = CheckoutRequest {
            product: slug(product),
            quantity: quantity.into(),
            contact: Contact::parse(&format!("buyer{buyer}@example.com")).unwrap(),
            second: None,
            password: None,
            channel: channel(),
            address: std::net::Ipv4Addr::from_bits(0x0a00_0000 + buyer).into(),
            language: "zh-CN".into(),
            ticket: None,
        };
        match self.runtime.block_on(self.shop().checkout(request)) {
            Ok(order) => {
                self.outside.orders.push(order.id);
                Answer::Placed(order.id)
            }
            Err(
                error @ (CheckoutError::Busy | CheckoutError::ReadOnly | CheckoutError::Fault(_)),
            ) => failed(error),
            Err(error) => refused(error),
        }
    }

    /// The order as the shop has it.
    pub fn known(&self, id: OrderId) -> Option<Order> {
        self.shop().store().read().ok()?.order(id).ok()?
    }

    fn pay(&mut self, id: OrderId, how: How) -> Answer {
        match self.notice(id, how) {
            Some(claim) => self.settle(claim),
            None => Answer::Idle,
        }
    }

    /// A notice of a new transaction.
    fn notice(&mut self, id: OrderId, how: How) -> Option<Claim> {
        let order = self.known(id)?;
        self.outside.transactions += 1;
        let total = order.total.amount;
        Some(Claim {
            channel: channel(),
            order: id,
            transaction: format!("T{:06}", self.outside.transactions),
            amount: match how {
                How::Short => total - 1,
                How::Over => total + 10,
                _ => total,
            },
            currency: match how {
                How::WrongCurrency => Currency::parse("USD").unwrap(),
                _ => Currency::CNY,
            },
            raw: b"trade_status=TRADE_SUCCESS".to_vec(),
            disputed: how == How::Disputed,
        })
    }

    fn pay_again(&mut self, id: OrderId) -> Answer {
        match self.outside.notices.get(&id).cloned() {
            Some(claim) => self.settle(claim),
            None => Answer::Idle,
        }
    }

    fn pay_conflict(&mut self, id: OrderId, other: OrderId) -> Answer {
        match self.outside.notices.get(&id).cloned() {
            Some(claim) if id != other => self.claim(&Claim {
                order: other,
                ..claim
            }),
            _ => Answer::Idle,
        }
    }

    fn settle(&mut self, claim: Claim) -> Answer {
        let answer = self.claim(&claim);
        if let Answer::Settled(settled) = &answer {
            self.outside.answers.insert(claim.order, settled.clone());
        }
        self.outside.notices.insert(claim.order, claim);
        answer
    }

    /// Sends a notice.
    pub fn claim(&self, claim: &Claim) -> Answer {
        match self.runtime.block_on(self.shop().settle(claim.clone())) {
            Ok(settled) => Answer::Settled(settled),
            Err(SettleError::UnknownOrder) => refused("unknown order"),
            Err(error) => failed(error),
        }
    }

    fn by_hand(
        &mut self,
        order: u8,
        decision: impl FnOnce(&Shop, OrderId) -> Result<(), HandError>,
    ) -> Answer {
        self.about(order, |this, id| decided(decision(this.shop(), id)))
    }

    fn refund(&mut self, order: u8, tenths: u8) -> Answer {
        self.about(order, |this, id| {
            let Some(order) = this.known(id) else {
                return Answer::Idle;
            };
            let amount = (tenths < 10).then_some(order.total.amount * i64::from(tenths) / 10);
            decided(
                this.shop()
                    .refund_sale(id, amount, "goodwill", "sorry")
                    .map(drop),
            )
        })
    }

    fn replace(&mut self, order: u8) -> Answer {
        self.about(order, |this, id| {
            let slots = this.known(id).map(|order| order.slots).unwrap_or_default();
            match slots.first() {
                Some(slot) => decided(
                    this.shop()
                        .replace_keys(id, &[*slot], "bad", "did not work")
                        .map(drop),
                ),
                None => Answer::Idle,
            }
        })
    }

    fn import(&mut self, product: u8, count: u16) -> Answer {
        let number = place(product);
        let known = self.outside.keys[number];
        // Also where nobody knows whether it was imported: a text is never used twice.
        self.outside.keys[number] += usize::from(count);
        self.import_file(product, known..known + usize::from(count))
    }

    fn import_again(&mut self, product: u8) -> Answer {
        // The first ones came with the shop.
        self.import_file(product, 0..3)
    }

    fn import_file(&self, product: u8, keys: std::ops::Range<usize>) -> Answer {
        let request = ImportRequest {
            product: slug(product),
            options: ReadOptions::default(),
            pattern: None,
            dry_run: false,
        };
        let file: String = keys.map(|key| key_text(product, key) + "\n").collect();
        match self
            .shop()
            .import_keys(&request, file.as_bytes(), |_, _| ())
        {
            Ok(report) => Answer::Count(report.imported as usize),
            Err(error @ ImportError::Store(_)) => failed(error),
            Err(error) => refused(error),
        }
    }

    fn void(&mut self, product: u8, key: u8) -> Answer {
        let from = SlotRef { batch: 0, index: 0 };
        let Ok(keys) = self.shop().list_keys(&slug(product), from, 100) else {
            return Answer::Failed("keys cannot be listed".into());
        };
        match keys.get(usize::from(key) % keys.len().max(1)) {
            Some(listed) => match self.shop().void_keys(&[listed.slot], "leaked") {
                Ok(()) => Answer::Done,
                Err(error @ KeyError::Store(_)) => failed(error),
                Err(error) => refused(error),
            },
            None => Answer::Idle,
        }
    }

    fn send(&self, fate: Fate) -> Answer {
        let shop = self.shop();
        let due = match shop.effects_due(&[Via::Webhook, Via::BuyerMail], 4) {
            Ok(due) => due,
            Err(fault) => return failed(fault),
        };
        let mut count = 0;
        for pending in due {
            let id = pending.effect.id;
            let marked = self.runtime.block_on(async {
                match fate {
                    Fate::Takes => shop.effect_kept(id).await,
                    Fate::Fails => shop.effect_failed(id, "HTTP 503").await.map(drop),
                    Fate::Refuses => shop.effect_given_up(id, "HTTP 410").await,
                }
            });
            match marked {
                Ok(()) => count += 1,
                Err(fault) => return failed(fault),
            }
        }
        Answer::Count(count)
    }

    fn change(&self, product: u8, change: ProductChange) -> Answer {
        match self.shop().change_product(&slug(product), change) {
            Ok(_) => Answer::Done,
            Err(error @ ProductError::Store(_)) => failed(error),
            Err(error) => refused(error),
        }
    }

    fn rotate_log_key(&self) -> Answer {
        let failed = |error: RotateError| match error {
            error @ RotateError::Store(_) => failed(error),
            error => refused(error),
        };
        let prepared = match self.shop().prepare_rotation(2, true) {
            Ok(prepared) => prepared,
            Err(error) => return failed(error),
        };
        let secret = RecoverySecret::parse(&self.outside.recovery).unwrap();
        let message = Message::parse(prepared.message.as_bytes()).unwrap();
        let signature = secret.sign(&message);
        self.shop()
            .rotate(signature)
            .map_or_else(failed, |_| Answer::Done)
    }

    /// Counts the entries that it made.
    fn keys(&self, replace: impl FnOnce(&Shop) -> Result<(), KeyRotationError>) -> Answer {
        let size = |shop: &Shop| shop.chain().latest().size;
        let before = size(self.shop());
        match replace(self.shop()) {
            Err(error @ (KeyRotationError::Fault(_) | KeyRotationError::RootKey(_))) => {
                failed(error)
            }
            // Too often: that is an answer too.
            _ => Answer::Count((size(self.shop()) - before) as usize),
        }
    }

    /// Orders whose notices arrive at once.
    pub fn rushed(&self, order: u8) -> Vec<u8> {
        let count = self.outside.orders.len();
        let first = usize::from(order) % count.max(1);
        (0..count.min(RUSH))
            .map(|next| ((first + next) % count) as u8)
            .collect()
    }

    /// The writer is held up until all of them wait.
    fn rush(&mut self, order: u8) -> Answer {
        let mut claims = Vec::new();
        for order in self.rushed(order) {
            let id = self.outside.orders[usize::from(order)];
            let Some(claim) = self.notice(id, How::Exact) else {
                return Answer::Failed("an order cannot be read".into());
            };
            claims.push(claim);
        }
        claims.extend(claims.first().cloned());
        let shop = self.shop().clone();
        let (begun, begins) = std::sync::mpsc::channel();
        let (go, goes) = std::sync::mpsc::channel::<()>();
        let held = shop.store().write(
            move |_| -> Result<(), WriteError<std::convert::Infallible>> {
                // Neither side minds that the other has gone.
                let _ = (begun.send(()), goes.recv());
                Ok(())
            },
        );
        let holds = begins.recv().is_ok();
        let settled = self.runtime.block_on(async {
            let mut all = Box::pin(futures_util::future::join_all(
                claims.iter().cloned().map(|claim| shop.settle(claim)),
            ));
            let first =
                std::future::poll_fn(|context| std::task::Poll::Ready(all.as_mut().poll(context)))
                    .await;
            drop(go);
            match first {
                std::task::Poll::Ready(settled) => settled,
                std::task::Poll::Pending => all.await,
            }
        });
        let held = held.wait();
        drop(shop);
        let mut answers = Vec::new();
        for (claim, settled) in claims.into_iter().zip(settled) {
            self.outside.notices.insert(claim.order, claim.clone());
            match settled {
                Ok(settled) => answers.push((claim, settled)),
                Err(error) => return failed(error),
            }
        }
        match holds && held.is_ok() {
            true => Answer::Rushed(answers),
            false => Answer::Failed("the writer was not held up".into()),
        }
    }

    fn restart(&mut self) -> Answer {
        self.close();
        match self.open() {
            Ok(()) => self
                .begin_day()
                .map_or_else(Answer::Failed, |()| Answer::Done),
            Err(error) => failed(error),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.close();
    }
}

/// The product that a number names.
pub fn place(product: u8) -> usize {
    usize::from(product) % PRODUCTS.len()
}

pub fn slug(product: u8) -> Slug {
    slug_of(PRODUCTS[place(product)])
}

/// The text of a product's key.
pub fn key_text(product: u8, number: usize) -> String {
    format!("{}-{number:06}", PRODUCTS[place(product)].to_uppercase())
}

fn slug_of(slug: &str) -> Slug {
    Slug::parse(slug).unwrap()
}

fn channel() -> ChannelName {
    ChannelName::parse("main").unwrap()
}

/// How the shop is set up: reservations of half an hour, late deliveries within a day.
pub fn policy() -> Policy {
    Policy {
        currency: Currency::CNY,
        order_ttl_ms: 30 * MINUTE_MS,
        scarce_order_ttl_ms: 10 * MINUTE_MS,
        late_delivery_ms: 24 * 60 * MINUTE_MS,
        open_orders_per_address: 0,
        open_orders_per_contact: 0,
        held_share_percent: 0,
        order_quantity_max: 100,
        tell: Tell {
            webhook: true,
            buyer_mail: true,
            ..Tell::default()
        },
        keys_readable_ms: 0,
    }
}

fn decided(decision: Result<(), HandError>) -> Answer {
    match decision {
        Ok(()) => Answer::Done,
        Err(error @ HandError::Store(_)) => failed(error),
        Err(error) => refused(error),
    }
}

fn done<T, E: std::fmt::Display>(outcome: Result<T, E>) -> Answer {
    outcome.map_or_else(failed, |_| Answer::Done)
}

fn counted<T: TryInto<usize>, E: std::fmt::Display>(outcome: Result<T, E>) -> Answer {
    outcome.map_or_else(failed, |count| {
        Answer::Count(count.try_into().unwrap_or(usize::MAX))
    })
}

fn refused(error: impl std::fmt::Display) -> Answer {
    Answer::Refused(error.to_string())
}

fn failed(error: impl std::fmt::Display) -> Answer {
    Answer::Failed(error.to_string())
}

//! Founding a shop and opening it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Semaphore, broadcast, watch};

use super::backup::{Failed as FailedBackup, RECIPIENT_ROW, identity_of};
use super::chain::{Chain, first_generation};
use super::clock_watch::LastLook;
use super::highwater::{Highwater, HighwaterError};
use super::inbox::InboxAsked;
use super::known_nodes::KnownNodes;
use super::notices::RefusedNotices;
use super::receipt_check::Verified;
use super::rotate_keys::Rotation;
use super::tickets::Tickets;
use super::unread::Opened;
use super::upgrade::{GENERATIONS_SINCE, UpgradeError, schema_of};
use super::wishes::WishRounds;
use crate::domain::{Amount, Clock, Currency, Entropy, OrderId, Secret, Tell, seams::random};
use crate::ledger::sign::RecoverySecret;
use crate::store::{
    Fault, OpenError, Options, Rows, SCHEMA, Snapshot, Store, WriteError, create_file, read_meta,
};
use crate::vault::{MonthError, RootKey, RootKeyError, Vault};

/// What the merchant decided, as far as the use cases need it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Currency of all prices.
    pub currency: Currency,
    /// How long slots stay reserved for an unpaid order.
    pub order_ttl_ms: i64,
    /// The same while the stock is scarce.
    pub scarce_order_ttl_ms: i64,
    /// How long after its expiry a paid order is still delivered without a person.
    pub late_delivery_ms: i64,
    /// Unpaid orders of one line at most; 0 is no limit.
    pub open_orders_per_address: u32,
    /// Unpaid orders of one contact at most; 0 is no limit.
    pub open_orders_per_contact: u32,
    /// Share of a product's stock that one network may hold unpaid, in percent; 0 is no limit.
    pub held_share_percent: u32,
    /// Items in one order at most.
    pub order_quantity_max: u32,
    /// Who can be told: promises are made for them only.
    pub tell: Tell,
    /// How long the keys of a delivered order can be read on its page; 0 is without end.
    pub keys_readable_ms: i64,
}

/// What a new shop begins with.
#[derive(Clone, Debug)]
pub struct Founding {
    /// Host name of the shop, the first part of its ledger's origin.
    pub host: String,
    /// The currency of all its prices, for good.
    pub currency: Currency,
}

/// What is shown once, when a shop is founded.
pub struct Founded {
    /// The recovery secret, 64 hex digits: shown and not kept.
    pub recovery: crate::domain::Secret,
    /// Public key that the ledger's checkpoints are signed with.
    pub vkey: String,
    /// Public half of the key that comes from the recovery secret.
    pub root_vkey: String,
}

/// Why a shop is not founded or opened.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// There is one already.
    #[error("{0} holds a shop already: nothing was changed")]
    Exists(PathBuf),
    /// The root key of another shop.
    #[error(
        "root.key does not belong to this shop.redb: put the right one back; nothing was changed"
    )]
    WrongRootKey,
    /// The root key.
    #[error(transparent)]
    RootKey(RootKeyError),
    /// Older data was not brought up.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// The month keys.
    #[error(transparent)]
    Months(#[from] MonthError),
    /// The database.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The ledger's high-water file.
    #[error(transparent)]
    Highwater(#[from] HighwaterError),
    /// Not a host name that a ledger's origin can be made of.
    #[error("the host must be a lower-case host name of at most 64 bytes, like shop.example.com")]
    Host,
    /// The folder.
    #[error("{path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Settings with another currency than the shop was founded with.
    #[error(
        "this shop's currency is {shop}, and the settings say {settings}: set [shop] currency = \"{shop}\"; prices, orders and receipts are in it, so it never changes, and another one takes another shop; nothing was opened"
    )]
    Currency {
        /// The shop's.
        shop: Currency,
        /// That of the settings.
        settings: Currency,
    },
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An open shop: the use cases are its methods.
pub struct Shop {
    pub(super) store: Store,
    pub(super) vault: Arc<Vault>,
    pub(super) chain: Arc<Chain>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) policy: Policy,
    pub(super) changes: broadcast::Sender<OrderId>,
    /// Raised after each commit, before anybody is answered.
    commits: Arc<AtomicU64>,
    pub(super) verified: Verified,
    pub(super) known_nodes: KnownNodes,
    pub(super) refused: RefusedNotices,
    /// Whether new orders are refused, for the machine's sake.
    pub(super) orders_held: AtomicBool,
    pub(super) hashing: Arc<Semaphore>,
    pub(super) hash_queue: Arc<Semaphore>,
    pub(super) importing: Mutex<()>,
    pub(super) channels_version: watch::Sender<u64>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) opened: Opened,
    pub(super) inbox_asked: InboxAsked,
    pub(super) wish_rounds: WishRounds,
    pub(super) clock_look: LastLook,
    pub(super) rotation: Rotation,
    /// Held while the list of erased orders is written.
    pub(super) listing: Mutex<()>,
    /// A backup that failed where that could not be written down.
    pub(super) unwritten_backup: Mutex<Option<FailedBackup>>,
    /// Where the shop's files lie.
    pub(super) folder: PathBuf,
    highwater: Highwater,
}

/// Changes that a slow listener may lag behind before it has to look the order up again.
const CHANGES_KEPT: usize = 1_024;
/// Argon2id runs at a time; each takes 19 MiB (security.md, section 2).
const HASHES_AT_A_TIME: usize = 2;
/// More that wait for their turn: about a second of work, so that none waits for nothing.
const HASHES_WAITING_MAX: usize = 32;
pub(super) const DATABASE: &str = "shop.redb";
/// The row that holds the shop's currency, as its code.
const CURRENCY_ROW: &str = "currency";

/// What to do with a policy in another currency than the shop's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OtherCurrency {
    Refuse,
    /// The shop is only looked at, maybe on a machine without its settings: its own currency holds.
    Replace,
}

impl Shop {
    /// Makes a shop in `dir`: root key, database, log key, and the ledger's `open` entry.
    ///
    /// # Errors
    /// [`ShopError`]; a folder that holds a shop, or part of one, is never touched.
    pub fn found(
        dir: &Path,
        founding: &Founding,
        options: impl Fn(&Path) -> Options,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Founded, ShopError> {
        let database = dir.join(DATABASE);
        if RootKey::exists(dir) || database.exists() {
            return Err(ShopError::Exists(dir.to_owned()));
        }
        let origin = format!("{}/{}", founding.host, hex::encode(random::<4>(&*entropy)));
        if !crate::ledger::entry::origin_is_valid(&origin) {
            return Err(ShopError::Host);
        }
        make_folder(dir)?;
        let install: [u8; 16] = random(&*entropy);
        let root = RootKey::create(dir, &*entropy)?;
        let check = root.check_value();
        let options = options(&database);
        let month = month_of(options.clock.now_ms());
        let vault = Arc::new(Vault::create(dir, root, install, entropy, &month)?);
        let (chain, founded, seed) = Chain::found(&vault, &origin);
        create_file(&database)?;
        let rows = [
            ("install", install.to_vec()),
            ("check", check.to_vec()),
            ("keyset", vault.keyset_row(&vault.keys())),
            ("origin", origin.clone().into_bytes()),
            (
                "log_key",
                vault.seal_for("log key", origin.as_bytes(), seed.expose()),
            ),
            ("vkey", founded.vkey.clone().into_bytes()),
            (CURRENCY_ROW, founding.currency.as_str().into()),
            (RECIPIENT_ROW, backup_recipient(&founded.recovery)?.to_vec()),
        ];
        let chain = Arc::new(chain);
        let hook_chain = chain.clone();
        let store = Store::create(
            options,
            &rows,
            Box::new(move |committed| {
                hook_chain.sign(committed.head);
            }),
        )?;
        let (writing_chain, root_vkey) = (chain.clone(), founded.root_vkey.clone());
        let opened = store.write(
            move |tx| -> Result<(), WriteError<std::convert::Infallible>> {
                Ok(writing_chain.append_open(tx, &vault, &root_vkey)?)
            },
        );
        opened
            .wait()
            .map_err(|error| ShopError::Fault(unwritten(error)))?;
        store.close();
        Highwater::write_first(dir, &chain.latest().note)?;
        Ok(founded)
    }

    /// Opens the shop in `dir`.
    ///
    /// # Errors
    /// [`ShopError`], each with what to do; nothing is written before the root key and the ledger's head were checked.
    pub fn open(
        dir: &Path,
        policy: Policy,
        options: impl Fn(&Path) -> Options,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ShopError> {
        let other = OtherCurrency::Refuse;
        Self::open_keeping(dir, policy, other, options, entropy, Highwater::start)
    }

    /// The same, in the shop's own currency whatever `policy` says: a copy is looked at where its settings may not be.
    ///
    /// # Errors
    /// [`ShopError`].
    pub(super) fn open_copy(
        dir: &Path,
        policy: Policy,
        options: impl Fn(&Path) -> Options,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ShopError> {
        let other = OtherCurrency::Replace;
        Self::open_keeping(dir, policy, other, options, entropy, Highwater::start)
    }

    /// The same, with a high-water file that is written when the test says so ([`Shop::keep_highwater`]), not when a thread gets to it.
    ///
    /// # Errors
    /// [`ShopError`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_driven(
        dir: &Path,
        policy: Policy,
        options: impl Fn(&Path) -> Options,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ShopError> {
        let keep = |highwater: &Highwater, note| highwater.poke().write(note);
        let other = OtherCurrency::Refuse;
        Self::open_keeping(dir, policy, other, options, entropy, keep)
    }

    /// Writes the newest signed state to the high-water file, where a shop of [`Shop::open_driven`] has one that is not there yet.
    ///
    /// # Errors
    /// What the file system says.
    #[cfg(any(test, feature = "testing"))]
    pub fn keep_highwater(&self) -> std::io::Result<()> {
        self.highwater.keep_now()
    }

    fn open_keeping(
        dir: &Path,
        mut policy: Policy,
        other_currency: OtherCurrency,
        options: impl Fn(&Path) -> Options,
        entropy: Arc<dyn Entropy>,
        keep: impl FnOnce(&Highwater, String),
    ) -> Result<Self, ShopError> {
        let database = dir.join(DATABASE);
        if !database.exists() {
            return Err(OpenError::Missing(database).into());
        }
        let opened = options(&database);
        let clock = opened.clock.clone();
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        let chain = Arc::new(Chain::closed());
        let commits = Arc::new(AtomicU64::new(0));
        let highwater = Highwater::new(dir);
        let hook = {
            let (chain, changes, poke) = (chain.clone(), changes.clone(), highwater.poke());
            let commits = commits.clone();
            Box::new(move |committed: crate::store::Committed<'_>| {
                commits.fetch_add(1, Ordering::Release);
                if chain.sign(committed.head) {
                    poke.write(chain.latest().note);
                }
                for order in committed.orders {
                    // Nobody may be listening.
                    let _ = changes.send(*order);
                }
            })
        };
        let store = Store::open(opened, hook)?;
        let snapshot = store.read()?;
        let schema = schema_of(&snapshot)?;
        let meta = |name| {
            snapshot
                .meta(name)?
                .ok_or(Fault::Invariant("the shop's meta rows are there"))
        };
        let (root, root_at) = RootKey::find(dir, &meta("check")?)?;
        let install = <[u8; 16]>::try_from(meta("install")?)
            .map_err(|_| Fault::Invariant("the install id has 16 bytes"))?;
        let vault = Arc::new(Vault::open(
            dir,
            root,
            install,
            snapshot.meta("keyset")?.as_deref(),
            entropy,
        )?);
        let origin = String::from_utf8(meta("origin")?)
            .map_err(|_| Fault::Invariant("the origin is text"))?;
        let seed = vault
            .open_for("log key", origin.as_bytes(), &meta("log_key")?)
            .map_err(|_| ShopError::WrongRootKey)?;
        let log = match schema < GENERATIONS_SINCE {
            true => first_generation(&snapshot, &origin)?,
            false => snapshot
                .generation(snapshot.head()?.generation)?
                .ok_or(Fault::Invariant(
                    "the generation that is written has its row",
                ))?,
        };
        let currency = currency_of(&snapshot)?;
        if let Some(shop) = currency.filter(|shop| *shop != policy.currency) {
            let settings = std::mem::replace(&mut policy.currency, shop);
            if other_currency == OtherCurrency::Refuse {
                return Err(ShopError::Currency { shop, settings });
            }
        }
        let noted = snapshot.meta(CURRENCY_ROW)?.is_some();
        chain.open(&snapshot, &origin, &seed)?;
        highwater.check(&chain, &snapshot, &log)?;
        keep(&highwater, chain.latest().note);
        vault.prepare_month(&month_of(clock.now_ms()))?;
        drop(snapshot);
        let clock_look = LastLook::new(&*clock);
        let shop = Self {
            store,
            vault,
            chain,
            clock,
            policy,
            changes,
            commits,
            verified: Verified::default(),
            known_nodes: KnownNodes::default(),
            refused: RefusedNotices::default(),
            orders_held: AtomicBool::new(false),
            hashing: Arc::new(Semaphore::new(HASHES_AT_A_TIME)),
            hash_queue: Arc::new(Semaphore::new(HASHES_AT_A_TIME + HASHES_WAITING_MAX)),
            importing: Mutex::new(()),
            channels_version: watch::Sender::new(0),
            tickets: Arc::default(),
            opened: Opened::default(),
            inbox_asked: InboxAsked::default(),
            wish_rounds: WishRounds::default(),
            clock_look,
            rotation: Rotation::new(root_at),
            listing: Mutex::new(()),
            unwritten_backup: Mutex::new(None),
            folder: dir.to_owned(),
            highwater,
        };
        // Not before its keys opened: it destroys the key before.
        shop.put_root_key_in_place();
        if schema < SCHEMA {
            if let Err(error) = shop.copy_before_upgrade(&database, &options) {
                // The file is let go before anybody is told to look at it.
                shop.close();
                return Err(error.into());
            }
            shop.begin_upgrade(schema, log)?;
        }
        if !noted && other_currency == OtherCurrency::Refuse {
            shop.note_currency();
        }
        shop.seal_old_notes()?;
        shop.clear_staging()?;
        Ok(shop)
    }

    /// Notes the currency of a shop that was founded before shops did so.
    fn note_currency(&self) {
        let code = self.policy.currency.as_str().to_owned();
        let noted = self.store.write(
            move |tx| -> Result<(), WriteError<std::convert::Infallible>> {
                Ok(tx.put_meta(CURRENCY_ROW, code.as_bytes())?)
            },
        );
        // A disk that takes nothing now is no reason not to open: the next opening notes it.
        if let Err(error) = noted.wait() {
            let error = unwritten(error);
            tracing::warn!(%error, "the shop's currency was not noted");
        }
    }

    /// The store, for health and reads.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The vault, for links.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The ledger's public side.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Refuses new orders from now on, or takes them again. What is paid is settled either way.
    pub fn hold_orders(&self, held: bool) {
        self.orders_held.store(held, Ordering::Release);
    }

    /// Whether new orders are refused.
    pub fn orders_held(&self) -> bool {
        self.orders_held.load(Ordering::Acquire)
    }

    /// What the merchant decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Unix milliseconds by the shop's clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Orders as they change, each id after its commit.
    pub fn changes(&self) -> broadcast::Receiver<OrderId> {
        self.changes.subscribe()
    }

    /// How many commits there were since the shop was opened. What was read after this number was read is good as long as it is the
    /// same: nobody was answered a write since that it does not show.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Notices that were refused lately.
    pub fn refused_notices(&self) -> &RefusedNotices {
        &self.refused
    }

    /// Ends the writer and leaves the high-water file true.
    pub fn close(self) {
        let Self {
            store,
            chain,
            highwater,
            ..
        } = self;
        store.close();
        highwater.stop(&chain.latest().note);
    }

    /// Makes what the next month needs, off the sale's path. Called daily.
    ///
    /// # Errors
    /// [`MonthError`].
    pub fn prepare_next_month(&self) -> Result<(), MonthError> {
        const WEEK_MS: i64 = 7 * 24 * 3_600_000;
        self.vault
            .prepare_month(&month_of(self.clock.now_ms() + WEEK_MS))
    }
}

/// The month of a time in UTC, as `2026-11`.
pub fn month_of(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::UTC)
        .strftime("%Y-%m")
        .to_string()
}

/// The shop's currency: as it was noted, else that of its products; none where there is neither.
fn currency_of(snapshot: &Snapshot) -> Result<Option<Currency>, Fault> {
    let noted = match snapshot.meta(CURRENCY_ROW)? {
        Some(code) => code,
        None => {
            let products = snapshot.products()?;
            return Ok(products.first().map(|product| product.price.currency));
        }
    };
    let code = std::str::from_utf8(&noted).ok();
    let currency = code.and_then(|code| Currency::parse(code).ok());
    let currency = currency.ok_or(Fault::Invariant("the shop's currency is one"))?;
    Ok(Some(currency))
}

/// Host and currency of the shop in `dir`, as far as its files say them to one who does not open it: for whoever has to write its
/// settings again. Reads only, also beside a daemon.
pub fn what_it_was(dir: &Path) -> (Option<String>, Option<Currency>) {
    let code = read_meta(&dir.join(DATABASE), CURRENCY_ROW).ok().flatten();
    let code = code.and_then(|code| String::from_utf8(code).ok());
    let currency = code.and_then(|code| Currency::parse(&code).ok());
    (super::highwater::host(dir), currency)
}

/// The fault behind a write that cannot refuse.
pub(super) fn unwritten<E>(error: WriteError<E>) -> Fault {
    match error {
        WriteError::Fault(fault) => fault,
        WriteError::Busy => Fault::Database("the queue is full".into()),
        WriteError::ReadOnly => Fault::Database("it is read-only after a disk error".into()),
        WriteError::Refused(_) => Fault::Invariant("this write never refuses"),
    }
}

/// The public half of the key pair that backups are sealed to.
fn backup_recipient(recovery: &Secret) -> Result<[u8; 32], Fault> {
    let recovery = recovery
        .expose_str()
        .and_then(|text| RecoverySecret::parse(text).ok());
    let recovery = recovery.ok_or(Fault::Invariant("a new recovery secret is one"))?;
    Ok(*identity_of(&recovery).recipient().as_bytes())
}

fn make_folder(dir: &Path) -> Result<(), ShopError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|source| ShopError::Folder {
        path: dir.to_owned(),
        source,
    })
}

impl From<RootKeyError> for ShopError {
    fn from(error: RootKeyError) -> Self {
        match error {
            RootKeyError::Stranger => Self::WrongRootKey,
            error => Self::RootKey(error),
        }
    }
}

/// An amount in the shop's currency, for explanations that people read.
pub(super) fn decimal(amount: Amount, currency: Currency) -> String {
    crate::domain::Money::new(amount, currency).decimal()
}

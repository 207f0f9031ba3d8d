//! Going back to a copy of the database: it closes the ledger's generation and opens the next, so that an honest shop never signs
//! two trees at one size (ledger.md, section 10). What may have been sold since the copy is withheld.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::SigningKey;

use super::admin_log::append_admin;
use super::backup::RESTORED_ROW;
use super::chain::Chain;
use super::highwater::{Highwater, signed_by_log};
use super::open_shop::{DATABASE, Shop, ShopError, unwritten};
use super::stock;
use super::upgrade::{GENERATIONS_SINCE, schema_of};
use crate::domain::{Entropy, Order, OrderState, Pool, Secret, SlotRef, Slug, Span, seams::random};
use crate::ledger::Hash;
use crate::ledger::entry::{Body, Prior, SlotList, What, Why};
use crate::ledger::note::{Checkpoint, Vkey};
use crate::ledger::sign::{Message, RecoverySecret};
use crate::store::{Ended, Fault, Generation, Head, Held, Options, Rows, Store, Tx, WriteError};
use crate::vault::{RootKey, Vault, replace_file};

/// What a shop is restored from.
pub struct RestoreRequest<'a> {
    /// A copy of `shop.redb`.
    pub copy: &'a Path,
    /// The recovery secret, words or hex digits: the origin key signs the new generation.
    pub recovery: &'a Secret,
    /// Checkpoints that others kept: they tell how far the ledger was signed.
    pub known: &'a [String],
    /// Go on although nothing tells how far the ledger was signed after the copy was made.
    pub signed_unknown: bool,
    /// Look and say what would be done; nothing is changed.
    pub dry_run: bool,
}

/// What a restore did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Number of the generation that it opened.
    pub generation: u16,
    /// Its origin.
    pub origin: String,
    /// Its log key's public half.
    pub vkey: String,
    /// Origin of the generation that it closed.
    pub prior: String,
    /// Entries that the copy holds.
    pub prior_size: u64,
    /// Highest size known to have been signed: the entries between are lost.
    pub prior_signed: u64,
    /// Unpaid orders that ended.
    pub expired: u32,
    /// Orders whose private fields do not open any more: the key of their month was replaced after the copy was made, because an
    /// order of that month was erased.
    pub closed: u32,
    /// Slots withheld, by product.
    pub withheld: Vec<(Slug, u32)>,
    /// Where the database that stood there lies now.
    pub set_aside: Option<PathBuf>,
}

/// Why a shop is not restored. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The shop's folder, or the copy as a shop.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// The copy.
    #[error("the copy {path} cannot be read: {source}")]
    Copy {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file in the shop's folder.
    #[error("{path}: {source}; run the same restore again")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that says how far the ledger was signed.
    #[error(
        "{path} does not read: {source}; it may say how far this ledger was signed: put another copy of it there, or move it away and give the newest checkpoint with --known"
    )]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon, or another command.
    #[error("the shop is open in another process: stop the daemon first (systemctl stop keystall)")]
    InUse,
    /// Neither words nor digits.
    #[error("the recovery secret is 24 words, or 64 hex digits, as `keystall init` showed them")]
    Recovery,
    /// Another shop's.
    #[error("this recovery secret is not the one of this shop's ledger: look for the right sheet")]
    Stranger,
    /// A note that says nothing about this ledger.
    #[error("a known checkpoint is not one of this ledger: {0}")]
    Known(String),
    /// No file and no note.
    #[error(
        "nothing here says how far this ledger was signed after the copy was made: give the newest checkpoint that was mailed or that somebody kept with --known, or say --signed-unknown"
    )]
    SignedUnknown,
    /// Made before the ledger had generations.
    #[error(
        "this copy is of schema {found}, and a restore begins with schema {GENERATIONS_SINCE}: put it as shop.redb into an empty folder with this shop's root.key and erase.keys, and its ledger.highwater as it was when the copy was made; open it there once with `keystall --dir THAT-FOLDER doctor`, then restore from that shop.redb"
    )]
    TooOld {
        /// The copy's schema.
        found: u32,
    },
    /// Too many restores.
    #[error("a ledger has at most 65535 generations")]
    Generations,
}

const BEING_RESTORED: &str = "shop.redb.restoring";
/// Where a replacement of the root key was cut off, this may be the one that opens the database that is set aside.
const ROOT_KEY_NEXT: &str = "root.key.next";

impl RestoreError {
    /// The same of the files in `dir`, where it was found in copies of them.
    pub(super) fn of(self, dir: &Path) -> Self {
        match self {
            Self::Unreadable { path, source } => Self::Unreadable {
                path: path.file_name().map_or(path.clone(), |name| dir.join(name)),
                source,
            },
            error => error,
        }
    }
}

impl From<Fault> for RestoreError {
    fn from(fault: Fault) -> Self {
        Self::Shop(fault.into())
    }
}

impl Shop {
    /// Restores the shop in `dir`, whose daemon does not run, from a copy of its database; `root.key` and `erase.keys` are there.
    /// `step` hears what is done, in people's words. May be run again after it was cut off: it begins anew.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn restore(
        dir: &Path,
        request: &RestoreRequest<'_>,
        options: impl Fn(&Path) -> Options,
        entropy: Arc<dyn Entropy>,
        step: &mut dyn FnMut(String),
    ) -> Result<Restored, RestoreError> {
        let held = hold(&dir.join(DATABASE))?;
        Self::restore_held(dir, request, options, entropy, step, held)
    }

    /// The same where the database that stands there is held already, as [`hold`] gave it: from before the first change to after the
    /// last nobody opens the shop, neither by the old database nor by the restored one.
    pub(super) fn restore_held(
        dir: &Path,
        request: &RestoreRequest<'_>,
        options: impl Fn(&Path) -> Options,
        entropy: Arc<dyn Entropy>,
        step: &mut dyn FnMut(String),
        held: Option<File>,
    ) -> Result<Restored, RestoreError> {
        let recovery = recovery(request.recovery)?;
        let database = dir.join(DATABASE);
        let root = RootKey::open(dir).map_err(ShopError::from)?;
        let scratch = dir.join(BEING_RESTORED);
        step(format!("copying {}", request.copy.display()));
        if let Err(error) = copy(request.copy, &scratch) {
            // Half a copy is of no use; what cannot be removed, the next restore overwrites.
            let _ = fs::remove_file(&scratch);
            return Err(error);
        }
        let restored = renew(
            dir, &scratch, root, &recovery, request, &options, entropy, step,
        );
        let mut restored = match restored {
            Ok(restored) if !request.dry_run => restored,
            outcome => {
                // Made a moment ago by this command; what it cannot remove, the next one overwrites.
                let _ = fs::remove_file(&scratch);
                return outcome.map(|(restored, _)| restored);
            }
        };
        let (prior, signed) = (&restored.0.prior, restored.0.prior_signed);
        remember_end(dir, prior, signed)?;
        // Made there since it was looked for: not ours to set aside.
        if held.is_none() && database.exists() {
            return Err(RestoreError::InUse);
        }
        // Under its name nobody opens it before the high-water file says where it stands.
        let _renewed = hold(&scratch)?;
        restored.0.set_aside = put_in_place(dir, &scratch, &database)?;
        step("the restored database is in place".to_owned());
        Highwater::write_first(dir, &restored.1).map_err(ShopError::from)?;
        step("ledger.highwater says where the new generation stands".to_owned());
        Ok(restored.0)
    }

    /// Slots withheld after a restore, by product.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn withheld(&self) -> Result<Vec<(Slug, u32)>, Fault> {
        let snapshot = self.store.read()?;
        let mut withheld = Vec::new();
        for product in snapshot.products()? {
            let pool = snapshot.pool(&product.slug)?;
            if let Some(pool) = pool.filter(|pool| pool.withheld > 0) {
                withheld.push((product.slug, pool.withheld));
            }
        }
        Ok(withheld)
    }

    /// Puts a product's withheld slots on sale again: a person has looked that they were not sold after the copy was made. Gives how
    /// many; none for a product without any, or an unknown one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn release_withheld(&self, product: &Slug) -> Result<u32, Fault> {
        let product = product.clone();
        let write = self.store.write(
            move |tx| -> Result<u32, WriteError<std::convert::Infallible>> {
                let Some(mut pool) = tx.pool(&product)?.filter(|pool| pool.withheld > 0) else {
                    return Ok(0);
                };
                let count = std::mem::take(&mut pool.withheld);
                let later = std::mem::take(&mut pool.spans);
                pool.spans = std::mem::take(&mut pool.withheld_spans);
                pool.spans.extend(later);
                pool.available += count;
                tx.put_pool(&pool)?;
                Ok(count)
            },
        );
        write.wait().map_err(unwritten)
    }
}

impl Shop {
    /// Takes a product's withheld slots off sale for good; the ledger says so. Gives how many. In steps: what was cut off goes on
    /// where it stood.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn void_withheld(&self, product: &Slug) -> Result<u32, Fault> {
        let mut voided = 0;
        loop {
            let (vault, chain) = (self.vault.clone(), self.chain.clone());
            let product = product.clone();
            let write = self.store.write(
                move |tx| -> Result<Option<u32>, WriteError<std::convert::Infallible>> {
                    let Some(mut pool) = tx.pool(&product)? else {
                        return Ok(None);
                    };
                    let Some(taken) = take_withheld(&mut pool) else {
                        return Ok(None);
                    };
                    let count = void_span(tx, &vault, &chain, taken)?;
                    pool.void += count;
                    pool.withheld = pool
                        .withheld
                        .checked_sub(count)
                        .ok_or(Fault::Invariant("a pool counts its withheld slots"))?;
                    tx.put_pool(&pool)?;
                    Ok(Some(count))
                },
            );
            match write.wait().map_err(unwritten)? {
                Some(count) => voided += count,
                None => return Ok(voided),
            }
        }
    }
}

/// The next withheld slots, a bounded number.
fn take_withheld(pool: &mut Pool) -> Option<Span> {
    const AT_A_TIME: u32 = 5_000;
    let span = pool.withheld_spans.first_mut()?;
    let end = span.next.saturating_add(AT_A_TIME).min(span.count);
    let taken = Span {
        count: end,
        ..*span
    };
    span.next = end;
    if span.next >= span.count {
        pool.withheld_spans.remove(0);
    }
    Some(taken)
}

/// Voids the slots of a span that are not void already; gives how many.
fn void_span(tx: &mut Tx<'_>, vault: &Vault, chain: &Chain, span: Span) -> Result<u32, Fault> {
    let mut pairs = Vec::new();
    for index in span.next..span.count {
        let slot = SlotRef {
            batch: span.batch,
            index,
        };
        if tx.held(slot)?.is_none() {
            tx.put_held(slot, Some(Held::Void))?;
            pairs.push((u64::from(slot.batch), index));
        }
    }
    let count = pairs.len() as u32;
    let list = SlotList::from_pairs(pairs);
    let mut rest = list.ok_or(Fault::Invariant("a span names each slot once"))?;
    while !rest.is_empty() {
        let void = Body::Void {
            slots: rest.split_front(super::manage_keys::SLOTS_TEXT_BYTES_MAX),
            why: Why::Restore,
            r: random(vault.entropy()),
        };
        chain.append(tx, &void)?;
    }
    Ok(count)
}

/// Opens the copy at `scratch`, closes its generation and opens the next. Gives the first note of the new one along.
#[allow(clippy::too_many_arguments)] // one step of one command
fn renew(
    dir: &Path,
    scratch: &Path,
    root: RootKey,
    recovery: &RecoverySecret,
    request: &RestoreRequest<'_>,
    options: &impl Fn(&Path) -> Options,
    entropy: Arc<dyn Entropy>,
    step: &mut dyn FnMut(String),
) -> Result<(Restored, String), RestoreError> {
    let chain = Arc::new(Chain::closed());
    let hook = chain.clone();
    let store = Store::open(
        options(scratch),
        Box::new(move |committed| {
            hook.sign(committed.head);
        }),
    )
    .map_err(ShopError::from)?;
    let outcome = open_copy(dir, &store, root, &chain, entropy).and_then(|(vault, log)| {
        let (head, signed) = look(dir, &store, &log, recovery, request)?;
        step(format!(
            "the copy holds {} ledger entries of {}; {signed} are known to have been signed",
            head.size, log.origin
        ));
        let next = NextGeneration::new(&log, &head, signed, recovery, &vault)?;
        let mut restored = next.write(&store, &vault, &chain, log, request.dry_run)?;
        restored.withheld.retain(|(_, count)| *count > 0);
        Ok((restored, chain.latest().note))
    });
    store.close();
    outcome
}

/// The vault and the generation of a copy, with its log open. A copy of an older schema is restored as it is: the next opening of
/// the shop brings it up, as it does a shop that was never away.
fn open_copy(
    dir: &Path,
    store: &Store,
    root: RootKey,
    chain: &Chain,
    entropy: Arc<dyn Entropy>,
) -> Result<(Arc<Vault>, Generation), RestoreError> {
    let snapshot = store.read()?;
    let meta = |name| {
        snapshot
            .meta(name)?
            .ok_or(Fault::Invariant("the shop's meta rows are there"))
    };
    if meta("check")? != root.check_value() {
        return Err(ShopError::WrongRootKey.into());
    }
    let keyset = snapshot.meta("keyset")?;
    let install = <[u8; 16]>::try_from(meta("install")?)
        .map_err(|_| Fault::Invariant("the install id has 16 bytes"))?;
    let vault = Arc::new(
        Vault::open(dir, root, install, keyset.as_deref(), entropy).map_err(ShopError::from)?,
    );
    let origin =
        String::from_utf8(meta("origin")?).map_err(|_| Fault::Invariant("the origin is text"))?;
    let seed = vault
        .open_for("log key", origin.as_bytes(), &meta("log_key")?)
        .map_err(|_| ShopError::WrongRootKey)?;
    let schema = schema_of(&snapshot)?;
    if schema < GENERATIONS_SINCE {
        return Err(RestoreError::TooOld { found: schema });
    }
    let log = snapshot
        .generation(snapshot.head()?.generation)?
        .ok_or(Fault::Invariant(
            "the generation that is written has its row",
        ))?;
    chain.open(&snapshot, &origin, &seed)?;
    Ok((vault, log))
}

/// The copy's head, and how far its generation is known to have been signed.
fn look(
    dir: &Path,
    store: &Store,
    log: &Generation,
    recovery: &RecoverySecret,
    request: &RestoreRequest<'_>,
) -> Result<(Head, u64), RestoreError> {
    let head = store.read()?.head()?;
    let root_name = Vkey::parse(&log.root_vkey)
        .map_err(|_| Fault::Invariant("a generation's root key is one"))?;
    if recovery.root_vkey(root_name.name()) != root_name {
        return Err(RestoreError::Stranger);
    }
    // The high-water file may be of a later generation, which an earlier restore opened, or gone with the disk.
    let kept = read_if_there(&dir.join("ledger.highwater"))?;
    let kept = kept.and_then(|note| Checkpoint::parse(&note).ok());
    let kept = kept.filter(|kept| signed_by_log(kept, log));
    let kept = kept
        .map(|kept| kept.size)
        .max(ended_before(dir, &log.origin)?);
    if kept.is_none() && request.known.is_empty() && !request.signed_unknown {
        return Err(RestoreError::SignedUnknown);
    }
    let mut signed = head.size.max(kept.unwrap_or(0));
    for note in request.known {
        let known = Checkpoint::parse(note).map_err(|e| RestoreError::Known(e.to_string()))?;
        if !signed_by_log(&known, log) {
            let what = format!("{} is another log, or another key signed it", known.origin);
            return Err(RestoreError::Known(what));
        }
        signed = signed.max(known.size);
    }
    Ok((head, signed))
}

/// A generation that follows a restored copy.
struct NextGeneration {
    number: u16,
    origin: String,
    key: SigningKey,
    vkey: String,
    size: u64,
    head: Hash,
    signed: u64,
    sig_root: [u8; 64],
}

impl NextGeneration {
    fn new(
        log: &Generation,
        head: &Head,
        signed: u64,
        recovery: &RecoverySecret,
        vault: &Vault,
    ) -> Result<Self, RestoreError> {
        let number = head.generation.checked_add(1);
        let number = number.ok_or(RestoreError::Generations)?;
        let host = log.origin.split_once('/').map_or("", |(host, _)| host);
        let origin = format!("{host}/{}", hex::encode(random::<4>(vault.entropy())));
        let key = SigningKey::from_bytes(&random(vault.entropy()));
        let vkey = Vkey::new(&origin, &key.verifying_key());
        let last = Hash(head.hash);
        let sig_root = recovery.sign(&Message::Open {
            prior: log.origin.clone(),
            size: head.size,
            head: last,
            signed,
            vkey: vkey.clone(),
        });
        Ok(Self {
            number,
            origin,
            key,
            vkey: vkey.to_string(),
            size: head.size,
            head: last,
            signed,
            sig_root,
        })
    }

    /// One transaction: the generation's end, the next one's `open`, unpaid orders and withheld slots.
    fn write(
        self,
        store: &Store,
        vault: &Arc<Vault>,
        chain: &Arc<Chain>,
        log: Generation,
        dry_run: bool,
    ) -> Result<Restored, RestoreError> {
        let (vault, chain) = (vault.clone(), chain.clone());
        let write = store.write(move |tx| -> Result<Restored, WriteError<Box<Restored>>> {
            let expired = expire_all(tx)?;
            let closed = close_unreadable(tx, &vault)?;
            let withheld = withhold_all(tx)?;
            let restored = Restored {
                generation: self.number,
                origin: self.origin.clone(),
                vkey: self.vkey.clone(),
                prior: log.origin.clone(),
                prior_size: self.size,
                prior_signed: self.signed,
                expired,
                closed,
                withheld,
                set_aside: None,
            };
            if dry_run {
                // Refused, so the whole write is taken back.
                return Err(WriteError::Refused(Box::new(restored)));
            }
            self.open(tx, &vault, &chain, &log)?;
            Ok(restored)
        });
        match write.wait() {
            Ok(restored) => Ok(restored),
            Err(WriteError::Refused(restored)) => Ok(*restored),
            Err(error) => Err(unwritten(error).into()),
        }
    }

    fn open(
        &self,
        tx: &mut Tx<'_>,
        vault: &Vault,
        chain: &Chain,
        log: &Generation,
    ) -> Result<(), Fault> {
        chain.keep_present_mark(tx)?;
        let ended = Generation {
            ended: Some(Ended {
                size: self.size,
                hash: self.head.0,
                signed: self.signed,
                at_ms: tx.now_ms(),
            }),
            ..log.clone()
        };
        tx.put_generation(self.number - 1, &ended)?;
        let head = tx.head_mut();
        (head.generation, head.size, head.signs_above) = (self.number, 0, 0);
        (head.hash, head.peaks) = ([0; 32], Vec::new());
        let next = Generation {
            origin: self.origin.clone(),
            root_vkey: log.root_vkey.clone(),
            keys: vec![(0, self.vkey.clone())],
            ended: None,
        };
        tx.put_generation(self.number, &next)?;
        let sealed = vault.seal_for("log key", self.origin.as_bytes(), &self.key.to_bytes());
        for (name, bytes) in [
            ("origin", self.origin.as_bytes()),
            ("log_key", &sealed),
            ("vkey", self.vkey.as_bytes()),
        ] {
            tx.put_meta(name, bytes)?;
        }
        tx.remove_meta("next_log_key")?;
        // The providers are asked about what was open since then.
        let times = [tx.head().t_ms, tx.now_ms()].map(i64::to_be_bytes);
        tx.put_meta(RESTORED_ROW, &times.concat())?;
        chain.begin(self.number, &self.origin, self.key.clone());
        let body = Body::Open {
            origin: &self.origin,
            vkey: &self.vkey,
            root_vkey: &log.root_vkey,
            prior: Some(Prior {
                origin: &log.origin,
                head: self.head,
                size: self.size,
                signed: self.signed,
                sig_root: self.sig_root,
            }),
            r: random(vault.entropy()),
        };
        chain.append(tx, &body)?;
        let text = format!(
            "restored a copy of {} entries of {}; {} were signed",
            self.size, log.origin, self.signed
        );
        append_admin(tx, vault, chain, What::Backup, &text).map(drop)
    }
}

/// Ends every unpaid order: what it held may have been sold to somebody since.
fn expire_all(tx: &mut Tx<'_>) -> Result<u32, Fault> {
    const AT_A_TIME: usize = 1_000;
    let mut expired = 0;
    loop {
        let open = tx.open_orders(i64::MAX, AT_A_TIME)?;
        if open.is_empty() {
            return Ok(expired);
        }
        for (_, id) in open {
            let before = tx
                .order(id)?
                .ok_or(Fault::Invariant("an open order is there"))?;
            stock::release(tx, id, &before.product, &before.slots)?;
            let order = Order {
                state: OrderState::Expired,
                slots: Vec::new(),
                ..before.clone()
            };
            tx.put_order(&order, Some(&before))?;
            expired += 1;
        }
    }
}

/// Orders whose month key is gone stand as erased: their pages say so, and nothing tries to open them.
fn close_unreadable(tx: &mut Tx<'_>, vault: &Vault) -> Result<u32, Fault> {
    const AT_A_TIME: usize = 1_000;
    let (mut closed, mut before) = (0, None);
    loop {
        let page = tx.orders_before(before, AT_A_TIME)?;
        let Some(last) = page.last() else {
            return Ok(closed);
        };
        before = Some(last.id);
        for order in page {
            if order.is_erased() || vault.has_month(&order.month) {
                continue;
            }
            let empty = Order {
                month: String::new(),
                wrapped_key: Vec::new(),
                private: Vec::new(),
                delivery: Vec::new(),
                ..order.clone()
            };
            tx.put_order(&empty, Some(&order))?;
            tx.put_closed(order.id, tx.now_ms())?;
            if let Some(delivered_at_ms) = order.delivered_at_ms {
                tx.put_unread(delivered_at_ms, order.id, None)?;
            }
            closed += 1;
        }
    }
}

/// Takes all that is available off sale, until a person decides.
fn withhold_all(tx: &mut Tx<'_>) -> Result<Vec<(Slug, u32)>, Fault> {
    let mut withheld = Vec::new();
    for product in tx.products()? {
        let mut pool = tx
            .pool(&product.slug)?
            .ok_or(Fault::Invariant("a product has its pool"))?;
        withhold(tx, &mut pool)?;
        tx.put_pool(&pool)?;
        withheld.push((product.slug, pool.withheld));
    }
    Ok(withheld)
}

fn withhold(tx: &mut Tx<'_>, pool: &mut Pool) -> Result<(), Fault> {
    // Returned slots lie before what was never reserved; neighbours become one span.
    while let Some(slot) = tx.first_returned(&pool.slug)? {
        tx.remove_returned(&pool.slug, slot)?;
        match pool.withheld_spans.last_mut() {
            Some(span) if (span.batch, span.count) == (slot.batch, slot.index) => span.count += 1,
            _ => pool.withheld_spans.push(Span {
                batch: slot.batch,
                next: slot.index,
                count: slot.index + 1,
            }),
        }
    }
    pool.withheld_spans.append(&mut pool.spans);
    pool.withheld += std::mem::take(&mut pool.available);
    Ok(())
}

fn recovery(secret: &Secret) -> Result<RecoverySecret, RestoreError> {
    let text = secret.expose_str().ok_or(RestoreError::Recovery)?;
    RecoverySecret::parse(text).map_err(|_| RestoreError::Recovery)
}

/// Beside the database: generations that a restore has ended, a line `ORIGIN SIZE` for each, the highest size that was signed. The
/// same copy may be restored again, when the high-water file is of a later generation already.
const ENDED: &str = "ledger.ended";

/// Highest size of this log that a restore in this folder knew of.
fn ended_before(dir: &Path, origin: &str) -> Result<Option<u64>, RestoreError> {
    let path = dir.join(ENDED);
    let text = read_if_there(&path)?.unwrap_or_default();
    let mut signed = None;
    for line in text.lines() {
        let parsed = line.split_once(' ');
        let parsed = parsed.and_then(|(log, size)| Some((log, size.parse().ok()?)));
        let (log, size) = parsed.ok_or_else(|| RestoreError::Unreadable {
            path: path.clone(),
            source: io::Error::other(format!("{line:?} is no ledger and its size")),
        })?;
        if log == origin {
            signed = signed.max(Some(size));
        }
    }
    Ok(signed)
}

/// None only where there is no such file: one that does not read may say how far the ledger was signed.
fn read_if_there(path: &Path) -> Result<Option<String>, RestoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RestoreError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

fn remember_end(dir: &Path, origin: &str, signed: u64) -> Result<(), RestoreError> {
    let path = dir.join(ENDED);
    let mut text = read_if_there(&path)?.unwrap_or_default();
    text += &format!("{origin} {signed}\n");
    replace_file(&path, &text).map_err(|source| RestoreError::File { path, source })
}

/// Holds the database that stands there, if any, as long as the file lives: nobody else may have it open.
pub(super) fn hold(database: &Path) -> Result<Option<File>, RestoreError> {
    let failed = |source| RestoreError::File {
        path: database.to_owned(),
        source,
    };
    let file = match File::open(database) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Err(RestoreError::InUse),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), RestoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let unread = |source| RestoreError::Copy {
        path: from.to_owned(),
        source,
    };
    let mut input = File::open(from).map_err(unread)?;
    let write = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(to)?;
        io::copy(&mut input, &mut file)?;
        file.sync_all()
    };
    let mut write = write;
    write().map_err(|source| RestoreError::File {
        path: to.to_owned(),
        source,
    })
}

/// Sets the present database aside, and a root key that was to follow beside it, and puts the restored one in its place, durably.
fn put_in_place(
    dir: &Path,
    scratch: &Path,
    database: &Path,
) -> Result<Option<PathBuf>, RestoreError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::File { path, source }
    };
    let mut set_aside = None;
    if database.exists() {
        let mut number = 1;
        let name = |number: u32| dir.join(format!("{DATABASE}.before-restore-{number}"));
        let (next, next_name) = (dir.join(ROOT_KEY_NEXT), |number: u32| {
            dir.join(format!("{ROOT_KEY_NEXT}.before-restore-{number}"))
        });
        let has_next = next.exists();
        while name(number).exists() || has_next && next_name(number).exists() {
            number += 1;
        }
        let to = name(number);
        // First: opening the restored shop removes one that it does not need.
        if has_next {
            fs::rename(&next, next_name(number)).map_err(failed(&next))?;
        }
        fs::rename(database, &to).map_err(failed(&to))?;
        set_aside = Some(to);
    }
    fs::rename(scratch, database).map_err(failed(database))?;
    let folder = File::open(dir).map_err(failed(dir))?;
    folder.sync_all().map_err(failed(dir))?;
    Ok(set_aside)
}

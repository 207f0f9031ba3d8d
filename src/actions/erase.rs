//! Erasure: the private fields of one order are destroyed (ledger.md, section 4).
//!
//! In one write the order's wrapped key goes, and with it contact, password, note, transactions, keys with their salts and the notices;
//! what lay beside it (contact index, messages, marks) goes too. Copies of the database and its freed pages still hold what was
//! wrapped, so within a day the month's key is replaced (`month_keys`). The order's number is listed beside the backups, and a
//! restored copy is erased again.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::admin_log::append_admin;
use super::chain::Chain;
use super::deliver::open_private;
use super::letter::is_inbox_link_to;
use super::month_keys::add_due;
use super::notices::without_order;
use super::open_shop::Shop;
use crate::domain::{Contact, Effect, EntryAt, Order, OrderId, OrderState, seams::random};
use crate::ledger::entry::{Body, What};
use crate::store::{Fault, OrderPrivate, Rows, Snapshot, Tx, WriteError};
use crate::vault::Vault;

/// What was erased.
#[derive(Clone, Debug)]
pub struct Erased {
    /// The order as it stands now.
    pub order: Order,
    /// Its `erase` entry; none for an order that was never sold, and for a sale of a generation that has ended.
    pub entry: Option<EntryAt>,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Whether it was so before.
    pub already: bool,
}

/// Why an order is not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// No such order.
    #[error("there is no order {0}: `keystall order list` shows them")]
    Unknown(OrderId),
    /// It is not over.
    #[error("the order is {}: {}", state.as_str(), hint(*state))]
    Open {
        /// Where it stands.
        state: OrderState,
    },
    /// Money waits.
    #[error(
        "money of this order waits to be returned: return it, and record it with `keystall order refund {0}`, then erase"
    )]
    Owed(OrderId),
    /// The order is erased, and is not listed beside the backups.
    #[error(
        "the order was erased, but {path} was not written ({source}): run the command again, or a restored backup would bring it back"
    )]
    List {
        /// The list.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store did not take it.
    #[error("{0}")]
    Store(String),
}

/// Name of the list within the shop's folder.
const LIST: &str = "backups/erased";
/// Rows looked at in one step.
const PAGE: usize = 500;
/// Notices of an order are at most this much older than its number says: a clock that was set back.
const CLOCK_SLACK_MS: i64 = 48 * 3_600_000;

type Refusal = WriteError<EraseError>;

impl Shop {
    /// Destroys the private fields of an order. Done again, it only makes sure that the order is listed beside the backups.
    ///
    /// # Errors
    /// [`EraseError`].
    pub fn erase_order(&self, id: OrderId) -> Result<Erased, EraseError> {
        self.erase(id, false)
    }

    /// Erases again what a list of erased order numbers names: a restored copy is older than the list. Orders that the copy does
    /// not hold are passed over. Gives how many were erased now.
    ///
    /// # Errors
    /// [`EraseError`].
    pub fn replay_erasures(&self, list: &str) -> Result<usize, EraseError> {
        let (mut erased, mut failed) = (0, None);
        for id in list.lines().filter_map(listed_order) {
            match self.erase(id, true) {
                Ok(done) => erased += usize::from(!done.already),
                Err(EraseError::Unknown(_)) => {}
                // One that resists never keeps the others from being erased.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(erased), Err)
    }

    /// Makes list and store agree: what the list names is erased, and what was erased is listed, also where a crash or a restored
    /// copy came between. Gives how many orders were erased now. Called at start.
    ///
    /// # Errors
    /// [`EraseError`].
    pub fn reconcile_erasures(&self) -> Result<usize, EraseError> {
        let path = self.folder.join(LIST);
        let list = match fs::read_to_string(&path) {
            Ok(list) => list,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(EraseError::List { path, source }),
        };
        // A line that a crash cut short names no order.
        let listed: HashSet<OrderId> = list.lines().filter_map(listed_order).collect();
        let waiting = self.not_erased(&listed)?;
        let erased = self.replay_erasures(&waiting)?;
        let mut after = None;
        loop {
            let snapshot = self.store.read().map_err(stored)?;
            let page = snapshot.erased_orders(after, PAGE).map_err(stored)?;
            let Some((last, _)) = page.last() else {
                return Ok(erased);
            };
            after = Some(*last);
            for (id, at_ms) in page {
                // Adding reads the whole list: not for each that is on it.
                if !listed.contains(&id) {
                    self.list_erased(id, at_ms)?;
                }
            }
        }
    }

    /// Those that somebody wanted erased and that are not, one in each line: mostly none, however long the list has become.
    fn not_erased(&self, listed: &HashSet<OrderId>) -> Result<String, EraseError> {
        let snapshot = self.store.read().map_err(stored)?;
        let mut waiting = String::new();
        for id in listed {
            let row = snapshot.erased(*id).map_err(stored)?;
            if !matches!(row, Some((_, true))) {
                waiting += &format!("{id}\n");
            }
        }
        Ok(waiting)
    }

    fn erase(&self, id: OrderId, again: bool) -> Result<Erased, EraseError> {
        let snapshot = self.store.read().map_err(stored)?;
        let order = snapshot.order(id).map_err(stored)?;
        let order = order.ok_or(EraseError::Unknown(id))?;
        // From the list only what a copy brought back is erased: what an order erased here holds again is the trace of money that came
        // since, and is known until it is returned.
        if (order.is_erased() || again)
            && let Some((at_ms, true)) = snapshot.erased(id).map_err(stored)?
        {
            self.list_erased(id, at_ms)?;
            return Ok(Erased {
                order,
                entry: None,
                at_ms,
                already: true,
            });
        }
        let traces = Traces::of(&snapshot, &order, &self.vault).map_err(stored)?;
        drop(snapshot);
        self.refused.forget(id);
        let eraser = Eraser {
            vault: self.vault.clone(),
            chain: self.chain.clone(),
            traces,
            again,
        };
        let write = self.store.write(move |tx| eraser.erase(tx, id));
        let erased = write.wait().map_err(|error| match error {
            WriteError::Refused(refusal) => refusal,
            error => EraseError::Store(error.to_string()),
        })?;
        self.list_erased(id, erased.at_ms)?;
        Ok(erased)
    }

    /// Durable before it returns.
    fn list_erased(&self, id: OrderId, at_ms: i64) -> Result<(), EraseError> {
        let path = self.folder.join(LIST);
        let _one_at_a_time = self.listing.lock();
        append_line(&path, &id.to_string(), at_ms)
            .map_err(|source| EraseError::List { path, source })
    }
}

/// Rows that are about an order without lying under its number. Those that come between this look and the write are found there.
struct Traces {
    notices: Vec<u64>,
    effects: Vec<u64>,
    next_notice: u64,
    next_effect: u64,
    /// The order's contacts in their canonical form: a letter that waits may be to one of them.
    contacts: Vec<String>,
}

impl Traces {
    fn of(snapshot: &Snapshot, order: &Order, vault: &Vault) -> Result<Self, Fault> {
        let head = snapshot.head()?;
        let contacts = match order.is_erased() {
            true => Vec::new(),
            false => contacts_of(&open_private(vault, order)?.0),
        };
        let (mut notices, mut before) = (Vec::new(), None);
        'all: loop {
            let page = snapshot.notices_before(before, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            before = Some(*last);
            for (number, notice) in page {
                if notice.received_at_ms < order.created_at_ms() - CLOCK_SLACK_MS {
                    break 'all;
                }
                if notice.order == Some(order.id) {
                    notices.push(number);
                }
            }
        }
        let (mut effects, mut after) = (Vec::new(), None);
        loop {
            let page = snapshot.effects_after(after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let own = page
                .iter()
                .filter(|effect| is_about(vault, effect, order.id, &contacts));
            effects.extend(own.map(|effect| effect.id));
        }
        Ok(Self {
            notices,
            effects,
            next_notice: head.next_notice,
            next_effect: head.next_effect,
            contacts,
        })
    }

    fn remove(&self, tx: &mut Tx<'_>, vault: &Vault, order: OrderId) -> Result<(), Fault> {
        for number in &self.notices {
            tx.remove_notice(*number)?;
        }
        let since = usize::try_from(tx.head().next_notice - self.next_notice).unwrap_or(usize::MAX);
        for (number, notice) in tx.notices_before(None, since)? {
            if notice.order == Some(order) {
                tx.remove_notice(number)?;
            }
        }
        let mut effects = Vec::new();
        for id in &self.effects {
            effects.extend(tx.effect(*id)?);
        }
        let since = usize::try_from(tx.head().next_effect - self.next_effect).unwrap_or(usize::MAX);
        effects.extend(tx.effects_after(self.next_effect.checked_sub(1), since)?);
        let own = |effect: &&Effect| is_about(vault, effect, order, &self.contacts);
        for effect in effects.iter().filter(own) {
            tx.remove_effect(effect)?;
        }
        tx.remove_told(order)
    }
}

/// Whether a message is about the order, or is the link to the orders of its buyer.
fn is_about(vault: &Vault, effect: &Effect, order: OrderId, contacts: &[String]) -> bool {
    effect.order == Some(order) || is_inbox_link_to(vault, effect, contacts)
}

fn contacts_of(private: &OrderPrivate) -> Vec<String> {
    let texts = [Some(private.contact.as_str()), private.second.as_deref()];
    let contacts = texts.into_iter().flatten().map(Contact::stored);
    contacts.map(|contact| contact.canonical()).collect()
}

struct Eraser {
    vault: std::sync::Arc<Vault>,
    chain: std::sync::Arc<Chain>,
    traces: Traces,
    again: bool,
}

impl Eraser {
    fn erase(&self, tx: &mut Tx<'_>, id: OrderId) -> Result<Erased, Refusal> {
        let before = tx
            .order(id)?
            .ok_or(WriteError::Refused(EraseError::Unknown(id)))?;
        self.check(&before)?;
        let at_ms = tx.now_ms();
        if !before.is_erased() {
            let (private, _) = open_private(&self.vault, &before)?;
            for canonical in contacts_of(&private) {
                let fingerprint = self.vault.fingerprint("contact", canonical.as_bytes());
                tx.put_contact(&fingerprint, id, false)?;
            }
            add_due(tx, &before.month, at_ms)?;
        }
        if let Some(delivered_at_ms) = before.delivered_at_ms {
            tx.put_unread(delivered_at_ms, id, None)?;
        }
        self.traces.remove(tx, &self.vault, id)?;
        without_order(tx, &self.vault, id)?;
        let first = !matches!(tx.erased(id)?, Some((_, true)));
        let entry = match before.sale.filter(|_| first) {
            Some(at) => self.tell(tx, &before, at)?,
            None => None,
        };
        let order = Order {
            clear_note: None,
            month: String::new(),
            wrapped_key: Vec::new(),
            private: Vec::new(),
            delivery: Vec::new(),
            ..before.clone()
        };
        tx.put_order(&order, Some(&before))?;
        tx.put_erased(id, at_ms)?;
        Ok(Erased {
            order,
            entry,
            at_ms,
            already: false,
        })
    }

    fn check(&self, order: &Order) -> Result<(), Refusal> {
        let open = matches!(order.state, OrderState::Pending | OrderState::Paid);
        // What is erased again was over before the copy's time.
        if open && !(self.again && order.state == OrderState::Paid) {
            let state = order.state;
            return Err(WriteError::Refused(EraseError::Open { state }));
        }
        if order.owed() > 0 && !self.again {
            return Err(WriteError::Refused(EraseError::Owed(order.id)));
        }
        Ok(())
    }

    /// The `erase` entry. A sale of a generation that has ended cannot be named by one: the merchant's own record tells of it.
    fn tell(&self, tx: &mut Tx<'_>, order: &Order, at: EntryAt) -> Result<Option<EntryAt>, Fault> {
        if at.generation() == tx.head().generation {
            let r = random(self.vault.entropy());
            let sale = at.seq();
            return self.chain.append(tx, &Body::Erase { sale, r }).map(Some);
        }
        let text = format!(
            "erased the private fields of order {}, sold in entry {at}",
            order.id
        );
        append_admin(tx, &self.vault, &self.chain, What::Settings, &text)?;
        Ok(None)
    }
}

/// The order that a line of the list names.
fn listed_order(line: &str) -> Option<OrderId> {
    OrderId::parse(line.split(' ').next()?).ok()
}

/// Adds `NUMBER UNIX_MS` to the list, once.
fn append_line(path: &Path, number: &str, at_ms: i64) -> io::Result<()> {
    let known = match fs::read_to_string(path) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    if known
        .lines()
        .any(|line| line.split(' ').next() == Some(number))
    {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        fs::DirBuilder::new().mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    // A line that a crash cut short ends here.
    let torn = !known.is_empty() && !known.ends_with('\n');
    let line = format!("{}{number} {at_ms}\n", if torn { "\n" } else { "" });
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    match folder.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn hint(state: OrderState) -> &'static str {
    match state {
        OrderState::Pending => {
            "wait until it has expired, or withdraw it with `keystall order cancel`"
        }
        _ => "goods are owed: deliver it, or cancel it and return the money first",
    }
}

fn stored(fault: Fault) -> EraseError {
    EraseError::Store(fault.to_string())
}

//! The shop's side of the ledger: appending entries inside a write, and signing what was committed.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ed25519_dalek::SigningKey;

use super::open_shop::{Founded, Shop};
use crate::domain::{EntryAt, Secret, seams::random};
use crate::ledger::entry::{self, Body};
use crate::ledger::note::{Checkpoint, Vkey, sign_checkpoint};
use crate::ledger::sign::RecoverySecret;
use crate::ledger::tree::{Frontier, NodeSource};
use crate::ledger::{Hash, tree};
use crate::store::{EntryRow, Fault, Generation, Head, Rows, Snapshot, Tx};
use crate::vault::Vault;

/// The log: its name, its key, and the newest checkpoint.
pub struct Chain {
    opened: RwLock<Option<Opened>>,
}

struct Opened {
    generation: u16,
    origin: String,
    key: SigningKey,
    /// The key signs sizes above this one.
    above: u64,
    /// The key of a `rotate` whose commit is under way.
    next: Option<NextKey>,
    latest: Latest,
}

/// The log key that a `rotate` brings.
struct NextKey {
    key: SigningKey,
    /// The last checkpoint of the key before: of the size up to the `rotate` itself.
    closing: Latest,
}

/// The newest signed state.
#[derive(Clone, Debug)]
pub struct Latest {
    /// Generation of the ledger.
    pub generation: u16,
    /// Entries that it covers.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// The signed note.
    pub note: String,
}

const HOUR_MS: i64 = 3_600_000;
/// Rounds in which a signed state is looked for while others commit.
const ROUNDS_MAX: usize = 1_000;

impl Chain {
    /// A log that is not opened yet: it signs nothing.
    pub(super) fn closed() -> Self {
        Self {
            opened: RwLock::new(None),
        }
    }

    /// Makes the keys of a new log: the log key, and the origin key from a recovery secret that is only shown.
    pub(super) fn found(vault: &Vault, origin: &str) -> (Self, Founded, Secret) {
        let recovery = RecoverySecret::new(random(vault.entropy()));
        let key = SigningKey::from_bytes(&random(vault.entropy()));
        let seed = Secret::new(key.to_bytes());
        let founded = Founded {
            recovery: Secret::from(recovery.expose_hex().as_str()),
            vkey: Vkey::new(origin, &key.verifying_key()).to_string(),
            root_vkey: recovery.root_vkey(origin).to_string(),
        };
        let chain = Self::closed();
        chain.begin(0, origin, key);
        (chain, founded, seed)
    }

    /// Opens the log whose key was sealed in the store, and makes the checkpoint of its head again: Ed25519 is deterministic.
    pub(super) fn open(&self, rows: &Snapshot, origin: &str, seed: &Secret) -> Result<(), Fault> {
        let seed = <[u8; 32]>::try_from(seed.expose())
            .map_err(|_| Fault::Invariant("the log key has 32 bytes"))?;
        let (key, head) = (SigningKey::from_bytes(&seed), rows.head()?);
        let latest = if head.size == head.signs_above && head.size > 0 {
            // The newest entry is a `rotate`: its size was signed by the key before, which is gone.
            let kept = rows.mark(head.at(head.size))?;
            let note = kept.ok_or(Fault::Invariant("the last checkpoint of a log key is kept"))?;
            read_note(head.generation, note)?
        } else {
            signed(origin, &key, &head)
        };
        *self.write() = Some(Opened {
            generation: head.generation,
            origin: origin.to_owned(),
            key,
            above: head.signs_above,
            next: None,
            latest,
        });
        Ok(())
    }

    /// Begins a generation without entries.
    pub(super) fn begin(&self, generation: u16, origin: &str, key: SigningKey) {
        let head = Head {
            generation,
            ..Head::default()
        };
        let latest = signed(origin, &key, &head);
        *self.write() = Some(Opened {
            generation,
            origin: origin.to_owned(),
            key,
            above: 0,
            next: None,
            latest,
        });
    }

    /// Signs the state of `head` if it is newer than what was signed; called after its commit and before any answer.
    pub(super) fn sign(&self, head: &Head) -> bool {
        let mut opened = self.write();
        let Some(opened) = opened.as_mut() else {
            return false;
        };
        if head.generation != opened.generation || head.size <= opened.latest.size {
            return false;
        }
        if head.signs_above != opened.above {
            match opened.next.take() {
                Some(next) if next.closing.size == head.signs_above => {
                    (opened.key, opened.above) = (next.key, head.signs_above);
                    opened.latest = next.closing;
                }
                // Nothing is signed by a key outside its range of sizes.
                next => {
                    tracing::error!(
                        ledger.size = head.size,
                        "the log key of this size is not at hand: nothing is signed until a restart"
                    );
                    opened.next = next;
                    return false;
                }
            }
        }
        if head.size > opened.latest.size {
            opened.latest = signed(&opened.origin, &opened.key, head);
        }
        true
    }

    /// The newest checkpoint.
    pub fn latest(&self) -> Latest {
        let opened = self.read();
        opened.as_ref().map_or_else(
            || Latest {
                generation: 0,
                size: 0,
                root: tree::empty_root(),
                note: String::new(),
            },
            |opened| opened.latest.clone(),
        )
    }

    /// The log's name.
    pub fn origin(&self) -> String {
        let opened = self.read();
        opened
            .as_ref()
            .map(|opened| opened.origin.clone())
            .unwrap_or_default()
    }

    /// The public key that checkpoints are signed with now.
    pub fn vkey(&self) -> String {
        let opened = self.read();
        opened
            .as_ref()
            .map(|opened| Vkey::new(&opened.origin, &opened.key.verifying_key()).to_string())
            .unwrap_or_default()
    }

    /// Appends an entry to the ledger, inside a write. Gives its place.
    ///
    /// # Errors
    /// [`Fault`], also for an entry that has no line: the caller's values are the shop's own.
    pub(super) fn append(&self, tx: &mut Tx<'_>, body: &Body<'_>) -> Result<EntryAt, Fault> {
        let head = tx.head();
        let t_ms = tx.now_ms().max(head.t_ms);
        let (seq, prev, at) = (head.size, Hash(head.hash), head.at(head.size));
        self.keep_mark_of_past_hour(tx, t_ms)?;
        let line = body.line(seq, t_ms, &prev).map_err(|error| {
            tracing::error!(entry.r#type = body.name(), %error, "an entry has no line");
            Fault::Invariant("an entry of the shop has a line")
        })?;
        let hash = entry::hash_line(line.as_bytes());
        let mut frontier = frontier(tx.head())?;
        let nodes = frontier.append(hash.as_ref());
        let row = EntryRow {
            line: line.into_bytes(),
            nodes: nodes.iter().map(|node| node.0).collect(),
        };
        tx.put_entry(at, &row)?;
        let heartbeat = matches!(body, Body::Mark { .. } | Body::Open { .. });
        let next = tx.head_mut();
        next.size += 1;
        next.hash = hash.0;
        next.t_ms = t_ms;
        next.peaks.clear();
        next.peaks
            .extend(frontier.subtrees().iter().map(|node| node.0));
        if heartbeat {
            next.marked_at_ms = t_ms;
        }
        Ok(at)
    }

    /// Appends the first entry of the shop, and writes its generation.
    pub(super) fn append_open(
        &self,
        tx: &mut Tx<'_>,
        vault: &Vault,
        root_vkey: &str,
    ) -> Result<(), Fault> {
        let (origin, vkey) = (self.origin(), self.vkey());
        let body = Body::Open {
            origin: &origin,
            vkey: &vkey,
            root_vkey,
            prior: None,
            r: random(vault.entropy()),
        };
        self.append(tx, &body)?;
        let generation = Generation {
            root_vkey: root_vkey.to_owned(),
            keys: vec![(0, vkey)],
            ended: None,
            origin,
        };
        tx.put_generation(0, &generation)
    }

    /// Signs by the present key, in a write whose last entry is the `rotate` that retires it, the state that this write leaves, keeps
    /// that checkpoint, and has `key` ready for when it is committed.
    pub(super) fn hand_over(&self, tx: &mut Tx<'_>, key: &SigningKey) -> Result<(), Fault> {
        let head = tx.head().clone();
        let mut opened = self.write();
        let opened = opened
            .as_mut()
            .filter(|opened| opened.above == head.signs_above)
            .ok_or(Fault::Invariant("a log rotates one key at a time"))?;
        // Not released before the commit: it lies in the same write as the entries that it covers.
        let closing = signed(&opened.origin, &opened.key, &head);
        tx.put_mark(head.at(head.size), &closing.note)?;
        tx.head_mut().signs_above = head.size;
        opened.next = Some(NextKey {
            key: key.clone(),
            closing,
        });
        Ok(())
    }

    /// A signature by the present log key.
    pub(super) fn sign_message(&self, message: &[u8]) -> Option<[u8; 64]> {
        use ed25519_dalek::Signer;
        let opened = self.read();
        opened
            .as_ref()
            .map(|opened| opened.key.sign(message).to_bytes())
    }

    /// The note of a state that lies before this write: keeps it for exports.
    pub(super) fn keep_present_mark(&self, tx: &mut Tx<'_>) -> Result<Latest, Fault> {
        let head = tx.head().clone();
        let opened = self.read();
        let opened = opened
            .as_ref()
            .ok_or(Fault::Invariant("the log is open when it is written"))?;
        let latest = match opened.latest.size == head.size {
            true => opened.latest.clone(),
            false => signed(&opened.origin, &opened.key, &head),
        };
        let at = head.at(head.size);
        // One that is kept already may carry cosignatures.
        if tx.mark(at)?.is_none() {
            tx.put_mark(at, &latest.note)?;
        }
        Ok(latest)
    }

    /// The last checkpoint of each hour that has entries is kept for exports. A batch has one time, so the size before the first
    /// entry of a new hour is one that was signed.
    fn keep_mark_of_past_hour(&self, tx: &mut Tx<'_>, t_ms: i64) -> Result<(), Fault> {
        let head = tx.head();
        let same_hour = head.t_ms.div_euclid(HOUR_MS) == t_ms.div_euclid(HOUR_MS);
        if head.size == 0 || same_hour || tx.mark(head.at(head.size))?.is_some() {
            return Ok(());
        }
        self.keep_present_mark(tx).map(drop)
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Opened>> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Opened>> {
        self.opened.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shop {
    /// A signed state that covers the entry at `at`, and a snapshot that holds its whole tree: of the generation that is written the
    /// newest, of one that ended its last.
    pub(super) fn signed_state(&self, at: EntryAt) -> Result<(Snapshot, Latest), Fault> {
        for _ in 0..ROUNDS_MAX {
            let latest = self.chain.latest();
            let snapshot = self.store.read()?;
            if at.generation() != latest.generation {
                let latest = closing(&snapshot, at.generation())?;
                return Ok((snapshot, latest));
            }
            let head = snapshot.head()?;
            if at.seq() < latest.size && latest.size <= head.size {
                return Ok((snapshot, latest));
            }
            // Committed and not yet signed, in the moment between the two.
            self.chain.sign(&head);
        }
        Err(Fault::Invariant("a committed state is signed"))
    }
}

/// The last checkpoint of a generation that ended.
pub(super) fn closing(rows: &impl Rows, generation: u16) -> Result<Latest, Fault> {
    let ended = rows
        .generation(generation)?
        .and_then(|generation| generation.ended)
        .ok_or(Fault::Invariant("an older generation has ended"))?;
    let note = rows
        .mark(EntryAt::new(generation, ended.size))?
        .ok_or(Fault::Invariant(
            "the last checkpoint of a generation is kept",
        ))?;
    read_note(generation, note)
}

/// The generation of a shop whose data are older than the table of generations.
pub(super) fn first_generation(rows: &impl Rows, origin: &str) -> Result<Generation, Fault> {
    let row = rows
        .entry(EntryAt::new(0, 0))?
        .ok_or(Fault::Invariant("a shop's ledger begins with its open"))?;
    match entry::Entry::parse(&row.line).map(|entry| entry.body) {
        Ok(Body::Open {
            vkey, root_vkey, ..
        }) => Ok(Generation {
            origin: origin.to_owned(),
            root_vkey: root_vkey.to_owned(),
            keys: vec![(0, vkey.to_owned())],
            ended: None,
        }),
        _ => Err(Fault::Invariant("a shop's ledger begins with its open")),
    }
}

fn frontier(head: &Head) -> Result<Frontier, Fault> {
    let peaks = head.peaks.iter().copied().map(Hash).collect();
    Frontier::from_parts(head.size, peaks)
        .map_err(|_| Fault::Invariant("the head's subtrees fit its size"))
}

fn signed(origin: &str, key: &SigningKey, head: &Head) -> Latest {
    // A head whose subtrees do not fit is refused where it is appended to; here it only ever signs the empty root.
    let root = frontier(head).map_or_else(|_| tree::empty_root(), |frontier| frontier.root());
    Latest {
        generation: head.generation,
        size: head.size,
        root,
        note: sign_checkpoint(key, origin, head.size, &root),
    }
}

/// A kept checkpoint as the newest state.
fn read_note(generation: u16, note: String) -> Result<Latest, Fault> {
    let checkpoint =
        Checkpoint::parse(&note).map_err(|_| Fault::Invariant("a kept checkpoint is one"))?;
    Ok(Latest {
        generation,
        size: checkpoint.size,
        root: checkpoint.root,
        note,
    })
}

/// Tree nodes of one generation of the ledger, as they lie with its entries.
pub(super) struct LedgerNodes<'a, R> {
    pub rows: &'a R,
    pub generation: u16,
}

impl<R: Rows> NodeSource for LedgerNodes<'_, R> {
    type Error = Fault;

    fn node(&self, level: u8, number: u64) -> Result<Hash, Fault> {
        let last = ((number + 1) << level) - 1;
        let row = self
            .rows
            .entry(EntryAt::new(self.generation, last))?
            .ok_or(Fault::Invariant("every entry below the size is there"))?;
        row.nodes
            .get(usize::from(level))
            .copied()
            .map(Hash)
            .ok_or(Fault::Invariant("an entry has the nodes that end at it"))
    }
}

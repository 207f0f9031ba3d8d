//! The shop's side of the ledger: appending entries inside a write, and signing what was committed.

use std::sync::{PoisonError, RwLock};

use ed25519_dalek::SigningKey;

use super::open_shop::Founded;
use crate::domain::{Secret, seams::random};
use crate::ledger::entry::{self, Body};
use crate::ledger::note::{Vkey, sign_checkpoint};
use crate::ledger::tree::{Frontier, NodeSource};
use crate::ledger::{Hash, tree};
use crate::store::{EntryRow, Fault, Head, Rows, Tx};
use crate::vault::Vault;

/// The log: its name, its key, and the newest checkpoint.
pub struct Chain {
    opened: RwLock<Option<Opened>>,
}

struct Opened {
    origin: String,
    key: SigningKey,
    latest: Latest,
}

/// The newest signed state.
#[derive(Clone, Debug)]
pub struct Latest {
    /// Entries that it covers.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// The signed note.
    pub note: String,
}

const HOUR_MS: i64 = 3_600_000;

impl Chain {
    /// A log that is not opened yet: it signs nothing.
    pub(super) fn closed() -> Self {
        Self {
            opened: RwLock::new(None),
        }
    }

    /// Makes the keys of a new log: the log key, and the origin key from a recovery secret that is only shown.
    pub(super) fn found(vault: &Vault, origin: &str) -> (Self, Founded, Secret) {
        let recovery = random::<32>(vault.entropy());
        let origin_key = SigningKey::from_bytes(&blake3::derive_key(
            "keystall 2026-11 origin key v1",
            &recovery,
        ));
        let key = SigningKey::from_bytes(&random(vault.entropy()));
        let seed = Secret::new(key.to_bytes());
        let founded = Founded {
            recovery: Secret::from(hex::encode(recovery)),
            vkey: Vkey::new(origin, &key.verifying_key()).to_string(),
            root_vkey: Vkey::new(origin, &origin_key.verifying_key()).to_string(),
        };
        let chain = Self::closed();
        chain.set(origin, key, &Head::default());
        (chain, founded, seed)
    }

    /// Opens the log whose key was sealed in the store, and makes the checkpoint of `head` again: Ed25519 is deterministic.
    pub(super) fn open(&self, origin: &str, seed: &Secret, head: &Head) -> Result<(), Fault> {
        let seed = <[u8; 32]>::try_from(seed.expose())
            .map_err(|_| Fault::Invariant("the log key has 32 bytes"))?;
        self.set(origin, SigningKey::from_bytes(&seed), head);
        Ok(())
    }

    fn set(&self, origin: &str, key: SigningKey, head: &Head) {
        let latest = signed(origin, &key, head);
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(Opened {
            origin: origin.to_owned(),
            key,
            latest,
        });
    }

    /// Signs the state of `head` if it is new; called after its commit and before any answer.
    pub(super) fn sign(&self, head: &Head) -> bool {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        match opened.as_mut() {
            Some(opened) if opened.latest.size != head.size => {
                opened.latest = signed(&opened.origin, &opened.key, head);
                true
            }
            _ => false,
        }
    }

    /// The newest checkpoint.
    pub fn latest(&self) -> Latest {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().map_or_else(
            || Latest {
                size: 0,
                root: tree::empty_root(),
                note: String::new(),
            },
            |opened| opened.latest.clone(),
        )
    }

    /// The checkpoint of a committed state, made again: Ed25519 is deterministic.
    pub(super) fn checkpoint_of(&self, head: &Head) -> Latest {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        match opened.as_ref() {
            Some(opened) if opened.latest.size == head.size => opened.latest.clone(),
            Some(opened) => signed(&opened.origin, &opened.key, head),
            None => Latest {
                size: 0,
                root: tree::empty_root(),
                note: String::new(),
            },
        }
    }

    /// The log's name.
    pub fn origin(&self) -> String {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened
            .as_ref()
            .map(|opened| opened.origin.clone())
            .unwrap_or_default()
    }

    /// The public key that checkpoints are signed with, as auditors pin it.
    pub fn vkey(&self) -> String {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened
            .as_ref()
            .map(|opened| Vkey::new(&opened.origin, &opened.key.verifying_key()).to_string())
            .unwrap_or_default()
    }

    /// Appends an entry to the ledger, inside a write. Gives its sequence number.
    ///
    /// # Errors
    /// [`Fault`], also for an entry that has no line: the caller's values are the shop's own.
    pub(super) fn append(&self, tx: &mut Tx<'_>, body: &Body<'_>) -> Result<u64, Fault> {
        let head = tx.head().clone();
        let t_ms = tx.now_ms().max(head.t_ms);
        self.keep_mark_of_past_hour(tx, &head, t_ms)?;
        let line = body
            .line(head.size, t_ms, &Hash(head.hash))
            .map_err(|error| {
                tracing::error!(entry.r#type = body.name(), %error, "an entry has no line");
                Fault::Invariant("an entry of the shop has a line")
            })?;
        let hash = entry::hash_line(line.as_bytes());
        let mut frontier = frontier(&head)?;
        let nodes = frontier.append(hash.as_ref());
        let row = EntryRow {
            line: line.into_bytes(),
            nodes: nodes.iter().map(|node| node.0).collect(),
        };
        tx.put_entry(head.size, &row)?;
        let heartbeat = matches!(body, Body::Mark { .. } | Body::Open { .. });
        let next = tx.head_mut();
        next.size += 1;
        next.hash = hash.0;
        next.t_ms = t_ms;
        next.peaks = frontier.subtrees().iter().map(|node| node.0).collect();
        if heartbeat {
            next.marked_at_ms = t_ms;
        }
        Ok(head.size)
    }

    /// Appends the first entry.
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
        self.append(tx, &body).map(drop)
    }

    /// The last checkpoint of each hour that has entries is kept for exports. A batch has one time, so the size before the first
    /// entry of a new hour is one that was signed.
    fn keep_mark_of_past_hour(&self, tx: &mut Tx<'_>, head: &Head, t_ms: i64) -> Result<(), Fault> {
        if head.size == 0 || head.t_ms.div_euclid(HOUR_MS) == t_ms.div_euclid(HOUR_MS) {
            return Ok(());
        }
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        match opened.as_ref() {
            Some(opened) => tx.put_mark(head.size, &signed(&opened.origin, &opened.key, head).note),
            None => Err(Fault::Invariant("the log is open when it is written")),
        }
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
        size: head.size,
        root,
        note: sign_checkpoint(key, origin, head.size, &root),
    }
}

/// Tree nodes of the ledger, as they lie with its entries.
pub(super) struct LedgerNodes<'a, R>(pub &'a R);

impl<R: Rows> NodeSource for LedgerNodes<'_, R> {
    type Error = Fault;

    fn node(&self, level: u8, number: u64) -> Result<Hash, Fault> {
        let last = ((number + 1) << level) - 1;
        let row = self
            .0
            .entry(last)?
            .ok_or(Fault::Invariant("every entry below the size is there"))?;
        row.nodes
            .get(usize::from(level))
            .copied()
            .map(Hash)
            .ok_or(Fault::Invariant("an entry has the nodes that end at it"))
    }
}

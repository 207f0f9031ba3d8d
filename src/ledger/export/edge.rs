//! Where a generation's chain and tree stand, entry by entry.

use crate::ledger::Hash;
use crate::ledger::entry::{Body, Entry, hash_line};
use crate::ledger::note::Vkey;
use crate::ledger::tree::{Frontier, leaf_hash};
use thiserror::Error;

/// The chain, the tree and the log key after the entries taken so far.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Edge {
    head: Hash,
    frontier: Frontier,
    key: Option<Vkey>,
    /// The key of a `rotate` that was the last entry: it signs from the next size on.
    next_key: Option<Vkey>,
}

/// A stored line is not an entry, or does not continue the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the stored entry {seq} is damaged or missing: run keystall doctor; nothing was exported")]
pub struct EdgeError {
    /// The seq that was due.
    pub seq: u64,
}

impl Edge {
    /// Before the first entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next entry's line, without its `\n`, and gives what it says.
    pub fn take<'a>(&mut self, line: &'a [u8]) -> Result<Entry<'a>, EdgeError> {
        let seq = self.size();
        let entry = Entry::parse(line).map_err(|_| EdgeError { seq })?;
        if entry.seq != seq || entry.prev != self.head {
            return Err(EdgeError { seq });
        }
        if let Some(key) = self.next_key.take() {
            self.key = Some(key);
        }
        let key = |vkey| Vkey::parse(vkey).map_err(|_| EdgeError { seq });
        match entry.body {
            Body::Open { vkey, .. } => self.key = Some(key(vkey)?),
            Body::Rotate { vkey, .. } => self.next_key = Some(key(vkey)?),
            _ => {}
        }
        self.head = hash_line(line);
        self.frontier.push(leaf_hash(self.head.as_ref()));
        Ok(entry)
    }

    /// How many entries were taken.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Chain hash of the last of them; [`Hash::ZERO`] before the first.
    pub const fn head(&self) -> Hash {
        self.head
    }

    /// The log key that signs this size, by what the entries say; none before the first.
    pub const fn key(&self) -> Option<&Vkey> {
        self.key.as_ref()
    }

    /// Root of the tree over them.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The complete subtrees that make up the tree, largest first.
    pub fn subtrees(&self) -> &[Hash] {
        self.frontier.subtrees()
    }
}

//! The one row that every batch rewrites: counters and the ledger's head.

use bincode::{Decode, Encode};

use super::codec::Record;

/// Where the shop's counters stand. Rewritten once for each batch, so no counter costs a page of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// Commits so far; tells after a fault whether a batch reached the disk.
    pub commit: u64,
    /// Ledger entries.
    pub size: u64,
    /// Hash of the last entry, zeros before the first.
    pub hash: [u8; 32],
    /// `t` of the last entry, Unix milliseconds.
    pub t_ms: i64,
    /// Roots of the complete subtrees that make up the tree, largest first.
    pub peaks: Vec<[u8; 32]>,
    /// `t` of the last `open` or `mark`.
    pub marked_at_ms: i64,
    /// Number of the next import.
    pub next_batch: u32,
    /// Number of the next notice.
    pub next_notice: u64,
    /// Number of the next effect.
    pub next_effect: u64,
}

impl Record for Head {
    const VERSION: u8 = 1;
}

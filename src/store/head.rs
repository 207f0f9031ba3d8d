//! The one row that every batch rewrites: counters and the ledger's head.

use bincode::{Decode, Encode};

use super::codec::{CodecError, Record, decode};
use crate::domain::EntryAt;

/// Where the shop's counters stand. Rewritten once for each batch, so no counter costs a page of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// Commits so far; tells after a fault whether a batch reached the disk.
    pub commit: u64,
    /// Generation of the ledger that is written.
    pub generation: u16,
    /// Its entries.
    pub size: u64,
    /// Hash of the last entry, zeros before the first.
    pub hash: [u8; 32],
    /// `t` of the last entry, Unix milliseconds.
    pub t_ms: i64,
    /// Roots of the complete subtrees that make up the tree, largest first.
    pub peaks: Vec<[u8; 32]>,
    /// `t` of the last `open` or `mark`.
    pub marked_at_ms: i64,
    /// Size above which the present log key signs: 0, or what the last `rotate` closed.
    pub signs_above: u64,
    /// Number of the next import.
    pub next_batch: u32,
    /// Number of the next notice.
    pub next_notice: u64,
    /// Number of the next effect.
    pub next_effect: u64,
}

impl Head {
    /// The place of `seq`, or of a size, in the generation that is written.
    pub const fn at(&self, seq: u64) -> EntryAt {
        EntryAt::new(self.generation, seq)
    }
}

#[derive(Encode, Decode)]
pub(super) struct HeadV1 {
    pub commit: u64,
    pub size: u64,
    pub hash: [u8; 32],
    pub t_ms: i64,
    pub peaks: Vec<[u8; 32]>,
    pub marked_at_ms: i64,
    pub next_batch: u32,
    pub next_notice: u64,
    pub next_effect: u64,
}

impl Record for HeadV1 {
    const VERSION: u8 = 1;
}

impl Record for Head {
    const VERSION: u8 = 2;

    fn of_version(version: u8, bytes: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => decode::<HeadV1>(bytes).map(Self::from),
            _ => Err(CodecError::Version(version)),
        }
    }
}

impl From<HeadV1> for Head {
    fn from(old: HeadV1) -> Self {
        Self {
            commit: old.commit,
            generation: 0,
            size: old.size,
            hash: old.hash,
            t_ms: old.t_ms,
            peaks: old.peaks,
            marked_at_ms: old.marked_at_ms,
            signs_above: 0,
            next_batch: old.next_batch,
            next_notice: old.next_notice,
            next_effect: old.next_effect,
        }
    }
}

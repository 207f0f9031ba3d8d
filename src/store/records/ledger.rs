//! Ledger rows beside the entries: the generations.

use bincode::{Decode, Encode};

use crate::store::codec::Record;

/// A generation of the ledger: from its `open` to a restore.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Generation {
    /// The log's name.
    pub origin: String,
    /// Public half of the origin key.
    pub root_vkey: String,
    /// Its log keys, oldest first: the size above which each signs, and its verifier key.
    pub keys: Vec<(u64, String)>,
    /// Where it ended; none for the one that is written.
    pub ended: Option<Ended>,
}

/// Where a generation ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ended {
    /// Entries that the restored copy held.
    pub size: u64,
    /// Hash of the last of them.
    pub hash: [u8; 32],
    /// Highest size known to have been signed: what lies between is lost.
    pub signed: u64,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// How one way of anchoring checkpoints fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Anchoring {
    /// Since when it is set up, Unix milliseconds.
    pub since_ms: i64,
    /// Generation and size of the newest checkpoint that was to be anchored.
    pub asked: Option<(u16, u64)>,
    /// The same of the newest that is.
    pub done: Option<(u16, u64)>,
    /// When that was, Unix milliseconds.
    pub done_at_ms: i64,
    /// Attempts that failed since.
    pub attempts: u32,
    /// When the next one is due, Unix milliseconds.
    pub due_at_ms: i64,
    /// Why the last one failed, without private content.
    pub last_error: Option<String>,
}

impl Record for Anchoring {
    const VERSION: u8 = 1;
}

/// What opens the commitment of an entry that belongs to no order, sealed before it is stored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Opening {
    /// Salt of `who`.
    pub salt: [u8; 32],
    /// Value of `who`: the staff's name.
    pub who: String,
    /// What was done, in a few words.
    pub text: String,
}

/// A month key that is to be replaced: an order that it wraps was erased.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MonthDue {
    /// Its label in `erase.keys`.
    pub label: String,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
}

/// All month keys that are to be replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MonthsDue {
    /// Each label once.
    pub months: Vec<MonthDue>,
}

impl Record for Opening {
    const VERSION: u8 = 1;
}
impl Record for MonthsDue {
    const VERSION: u8 = 1;
}
impl Record for Generation {
    const VERSION: u8 = 1;
}

//! Entries (section 1) and their chain (section 2): what a line may hold, its one spelling, its hash.

mod chain;
mod read;
mod sale;
mod scan;
mod slots;
mod write;

pub(crate) use chain::LineHasher;
pub(crate) use read::is_origin;
pub(crate) use scan::{INT_LIMIT, natural};
pub use slots::{SlotList, SlotRange};
pub use write::{LineError, split_slots};

use super::Hash;
use std::fmt;
use thiserror::Error;

/// Longest line in bytes, its `\n` not counted: BLAKE3 needs a single chunk.
pub const LINE_BYTES_MAX: usize = 1024;
/// Context of [`hash_line`].
pub const LINE_CONTEXT: &str = "keystall 2026-11 ledger entry v1";
/// Most slots of one batch.
pub const BATCH_SLOTS_MAX: u64 = 1 << 24;

/// `h_i`: the chain hash of a line, over its bytes as they stand.
pub fn hash_line(line: &[u8]) -> Hash {
    Hash(blake3::derive_key(LINE_CONTEXT, line))
}

/// Whether it is the origin of a log: lower-case host, `/`, 8 hex digits.
pub fn origin_is_valid(origin: &str) -> bool {
    is_origin(origin)
}

/// One entry, borrowed from its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Number of the entry in its generation, from 0.
    pub seq: u64,
    /// The shop's clock, Unix milliseconds.
    pub t_ms: i64,
    /// Chain hash of the entry before; [`Hash::ZERO`] for the first.
    pub prev: Hash,
    /// What the entry says.
    pub body: Body<'a>,
}

/// What an entry says. The keys of each type are those of the table in section 1; `r` is 16 fresh random bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are the keys of the table, under the same names
pub enum Body<'a> {
    /// Seq 0, and only there.
    Open {
        origin: &'a str,
        vkey: &'a str,
        root_vkey: &'a str,
        prior: Option<Prior<'a>>,
        r: [u8; 16],
    },
    /// An import of `count` slots; `keys` is the root over their key commitments.
    Stock {
        batch: u64,
        count: u64,
        keys: Hash,
        sku: &'a str,
        r: [u8; 16],
    },
    /// One order paid and delivered.
    Sale(Sale<'a>),
    /// More slots of the sale with seq `sale`.
    Slots {
        sale: u64,
        slots: SlotList,
        r: [u8; 16],
    },
    /// Money returned for the sale with seq `sale`.
    Refund {
        sale: u64,
        amt: i64,
        cur: &'a str,
        why: Why,
        r: [u8; 16],
    },
    /// Slots `out` of a sale found bad, `slots` handed out instead.
    Replace {
        sale: u64,
        out: SlotList,
        slots: SlotList,
        why: Why,
        r: [u8; 16],
    },
    /// Slots withdrawn unsold.
    Void {
        slots: SlotList,
        why: Why,
        r: [u8; 16],
    },
    /// The private fields of a sale were destroyed.
    Erase { sale: u64, r: [u8; 16] },
    /// A change that an auditor cares about; `who` commits to the staff's name.
    Admin { what: What, who: Hash },
    /// Heartbeat.
    Mark {
        beacon: Option<&'a str>,
        down_ms: Option<i64>,
        r: [u8; 16],
    },
    /// An auditor's nonce.
    Audit { nonce: &'a str, r: [u8; 16] },
    /// A new log key from the next entry on.
    Rotate {
        vkey: &'a str,
        sig_root: [u8; 64],
        sig_old: [u8; 64],
        r: [u8; 16],
    },
    /// The clock moved against the monotonic clock.
    Clock { skew_ms: i64, r: [u8; 16] },
}

/// The own keys of a `sale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale<'a> {
    /// Order number, `[0-9A-Za-z]{6,32}`.
    pub order: &'a str,
    /// The product's slug, `[0-9a-z-]{1,64}`.
    pub sku: &'a str,
    /// What kind of goods; `slots` is there exactly for [`Kind::Pool`].
    pub kind: Kind,
    /// How many, at least 1.
    pub qty: u64,
    /// Money paid, minor units of `cur`, not negative.
    pub amt: i64,
    /// `[A-Z]{3,5}`.
    pub cur: &'a str,
    /// Commitment to the buyer's contact.
    pub buyer: Hash,
    /// Commitment to channel and transaction.
    pub pay: Hash,
    /// The slots handed out; [`split_slots`] says how many fit.
    pub slots: Option<SlotList>,
}

/// What the `open` of a later generation says of the one before (section 10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prior<'a> {
    /// Its origin.
    pub origin: &'a str,
    /// Chain hash of the last entry that the restored copy holds.
    pub head: Hash,
    /// How many entries the restored copy holds.
    pub size: u64,
    /// Highest signed size known.
    pub signed: u64,
    /// Signature by the origin key.
    pub sig_root: [u8; 64],
}

impl<'a> Entry<'a> {
    /// Reads a line (without its `\n`). Refuses whatever is not the canonical spelling of an entry of the table:
    /// an unknown type, an unknown or missing key, a value of the wrong kind.
    pub fn parse(line: &'a [u8]) -> Result<Self, Malformed> {
        if line.len() > LINE_BYTES_MAX {
            return Err(Malformed::new(LINE_BYTES_MAX, "longer than 1024 bytes"));
        }
        match sale::pooled(line) {
            Some(entry) => Ok(entry),
            None => read::entry(line),
        }
    }
}

impl<'a> Body<'a> {
    /// The canonical line (without `\n`) of this entry at `seq`, after the line whose hash is `prev`.
    pub fn line(&self, seq: u64, t_ms: i64, prev: &Hash) -> Result<String, LineError> {
        write::line(self, seq, t_ms, prev)
    }

    /// The value of `type`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Stock { .. } => "stock",
            Self::Sale(_) => "sale",
            Self::Slots { .. } => "slots",
            Self::Refund { .. } => "refund",
            Self::Replace { .. } => "replace",
            Self::Void { .. } => "void",
            Self::Erase { .. } => "erase",
            Self::Admin { .. } => "admin",
            Self::Mark { .. } => "mark",
            Self::Audit { .. } => "audit",
            Self::Rotate { .. } => "rotate",
            Self::Clock { .. } => "clock",
        }
    }

    /// The message that `sig_root` and `sig_old` of a `rotate` at `seq` sign (section 6).
    pub fn rotate_message(origin: &str, seq: u64, vkey: &str) -> Vec<u8> {
        format!("keystall 2026-11 rotate v1\n{origin}\n{seq}\n{vkey}").into_bytes()
    }

    /// The message that `sig_root` of an `open` after a restore signs (section 10).
    pub fn open_message(prior: &str, size: u64, head: &Hash, signed: u64, vkey: &str) -> Vec<u8> {
        format!("keystall 2026-11 open v1\n{prior}\n{size}\n{head}\n{signed}\n{vkey}").into_bytes()
    }
}

/// Where and why a line is not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed entry at byte {at} of the line: {what}")]
pub struct Malformed {
    /// Offset in the line.
    pub at: usize,
    /// The key whose value is wrong, or what was expected.
    pub what: &'static str,
}

impl Malformed {
    pub(crate) const fn new(at: usize, what: &'static str) -> Self {
        Self { at, what }
    }
}

/// Declares an enum of constant words with its two conversions.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The word in the line.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// From the word in a line.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// What kind of goods a sale delivered.
    Kind {
        /// One key each from a pool, so with slots.
        Pool = "pool",
        /// Made at the sale.
        Generated = "generated",
        /// The same for every buyer.
        Shared = "shared",
        /// A link.
        Link = "link",
        /// A file.
        File = "file",
        /// Bought from a supplier.
        Supplier = "supplier",
        /// Delivered by a person.
        Hand = "hand",
    }
}

words! {
    /// Why money or slots moved.
    Why {
        /// The key does not work.
        Bad = "bad",
        /// The key became known to others.
        Leaked = "leaked",
        /// Paid after the order had lapsed.
        Late = "late",
        /// Paid too much.
        Surplus = "surplus",
        /// Paid too little.
        Short = "short",
        /// As a favour.
        Goodwill = "goodwill",
        /// Fraud.
        Fraud = "fraud",
        /// Taken out of sale.
        Withdrawn = "withdrawn",
        /// Uncertain after a restore.
        Restore = "restore",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// Which change an `admin` entry tells of.
    What {
        /// Where money goes.
        Payee = "payee",
        /// Who may do what.
        Staff = "staff",
        /// Keys left the shop unsold.
        KeyExport = "key_export",
        /// Settings.
        Settings = "settings",
        /// Backups.
        Backup = "backup",
    }
}

#[cfg(test)]
mod tests;

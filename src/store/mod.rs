//! The embedded database: tables, records, and the one writer.
//!
//! Owns `shop.redb`. Everything that must be true together happens in one closure given to [`Store::write`], in one redb
//! transaction; many waiting closures share one commit. Reads are snapshots ([`Store::read`]) with the same row methods
//! ([`Rows`]).
//!
//! Never knows a rule of the shop, a key in clear, or the form of a ledger entry: it keeps what it is given. It is the only module
//! that knows redb and bincode.

mod aside;
mod backup;
mod codec;
mod fault;
mod head;
mod migrate;
mod open;
mod records;
mod rows;
mod snapshot;
mod tables;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod tx;
mod writer;

pub use aside::{read_meta, verify_file};
pub use backup::{DumpPiece, LoadError, NewStore};
pub use codec::{CodecError, decode_sealed, encode_sealed};
pub use fault::{Fault, WriteError};
pub use head::Head;
pub use migrate::{
    CopyError, STEPS, Step, copy_database, copy_name, keep_copy, schema_of, upgraded_at_ms,
};
pub use open::{Observe, OpenError, Options, SCHEMA, Storage, create_file};
pub use records::{
    Anchoring, Batch, Channel, DeliveredKey, DeliveryContent, Ended, EntryRow, Generation, Held,
    LetterContent, MonthDue, MonthsDue, Opening, OrderPrivate, SlotRow, Staging, Template, Told,
    Wish,
};
pub use rows::{HoldKind, Rows, SealedWish, UnreadRow, WaitKind};
pub use snapshot::Snapshot;
pub use tx::Tx;
pub use writer::{Committed, Store, Waiting};

//! What can go wrong, one small enum for each direction.

use super::codec::CodecError;

/// A storage fault: nothing that a caller did, nothing that a retry mends at once.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The database or the disk below it.
    #[error("the database: {0}")]
    Database(String),
    /// The file holds something else than what was written into it.
    #[error(
        "shop.redb is damaged ({0}): keep a copy of the folder as it is, check the disk, and restore the shop from a backup"
    )]
    Damaged(String),
    /// A row that does not decode.
    #[error("table {table}: {error}")]
    Record {
        /// Where it lies.
        table: &'static str,
        /// What is wrong with it.
        error: CodecError,
    },
    /// An invariant of architecture.md does not hold.
    #[error("invariant broken: {0}")]
    Invariant(&'static str),
    /// Too many snapshots are open.
    #[error("too many readers at once")]
    Readers,
}

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The closure refused; it left no trace.
    #[error(transparent)]
    Refused(E),
    /// The queue is full: come again in a moment.
    #[error("the shop is busy")]
    Busy,
    /// The store takes no writes after a disk error, until it could be reopened.
    #[error("the shop is read-only after a disk error")]
    ReadOnly,
    /// The store itself failed; nothing of the closure is on disk.
    #[error(transparent)]
    Fault(Fault),
}

impl<E> From<Fault> for WriteError<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<E> WriteError<E> {
    /// The same error with its refusal translated.
    pub fn map<F>(self, translate: impl FnOnce(E) -> F) -> WriteError<F> {
        match self {
            Self::Refused(error) => WriteError::Refused(translate(error)),
            Self::Busy => WriteError::Busy,
            Self::ReadOnly => WriteError::ReadOnly,
            Self::Fault(fault) => WriteError::Fault(fault),
        }
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Database(error.to_string())
            }
        }
    )*};
}
from_redb!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);

//! Backups: a copy of the shop that nothing on the server opens, and that counts only after it was restored and verified.
//!
//! Owns `backups/` in the shop's folder: sealed files, `index.json` that names those which were read back, and `checking/` while
//! one is restored for its proof. A backup is two files. The data (all tables of one state, `root.key`, the settings, the newest
//! checkpoint) may be kept for years. The month keys, by which orders open, are kept shortly, so that an erasure reaches every
//! copy (ledger.md, section 4). Both are sealed to the public key that comes from the recovery secret.
//!
//! It never keeps the secret half of a key, never counts a file that it has not read back from where it lies, and never removes
//! the newest one that was verified.

mod aftermath;
mod create;
mod failures;
mod find_keys;
mod folder;
mod found;
mod keep;
mod key;
mod place;
mod restore;
mod stream;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod unpack;
mod verify;
mod vouch;

use std::io;
use std::path::{Path, PathBuf};

pub(super) use aftermath::RESTORED_ROW;
pub use aftermath::{Aftermath, AftermathOrder, Restoration};
pub use create::BackupWish;
pub use failures::{BackupAlarm, Failed};
pub use folder::{DATA_ENDING, Doubt, FOLDER, Index, KEYS_ENDING, LOCAL, SealedCopy, hash_file};
pub use found::Strange;
pub use keep::{Pruned, Retention};
pub use key::{BackupKeyError, backup_identity};
pub(super) use key::{RECIPIENT_ROW, identity_of};
pub use place::{Brought, FolderPlace, Place, PlaceError, Placed};
pub use restore::{KeysFrom, SealedRequest, SealedRestored, is_sealed, restore_sealed};
pub use stream::{Half, Manifest, StreamError};
pub use verify::{Verified, verify_sealed};
pub use vouch::Vouched;

use super::restore::RestoreError;
use crate::store::{Fault, OpenError};
use crate::vault::{AgeError, MonthError, RootKeyError};

/// Why there is no backup, or why one is not good.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The shop has no public key to seal to.
    #[error(
        "this shop has no key for backups yet: run `keystall backup key --recovery FILE` once, with the recovery sheet; only its public half is kept"
    )]
    NoKey,
    /// Another run.
    #[error("another backup is under way: wait for its end")]
    Busy,
    /// The disk.
    #[error(
        "{path}: a backup, read back, needs {needed_mib} MiB, and {free_mib} MiB are free: make room"
    )]
    Disk {
        /// Where.
        path: PathBuf,
        /// What it takes.
        needed_mib: u64,
        /// What there is.
        free_mib: u64,
    },
    /// A file or a folder.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The index.
    #[error(
        "{path} does not read ({why}), so nobody knows how old the newest backup is: move it away, and `keystall backup create`"
    )]
    Index {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What was sealed.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The ledger that a backup holds.
    #[error("the backup does not prove itself: {0}")]
    Chain(&'static str),
    /// What was read back is not what was written.
    #[error("{0} does not read back as it was written: look at the disk")]
    ReadBack(PathBuf),
    /// The month keys change all the time.
    #[error("erase.keys was replaced again and again while a backup began: try again")]
    Restless,
    /// The store.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A store that does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A root key.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// Month keys.
    #[error(transparent)]
    Months(#[from] MonthError),
    /// A place outside.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A restore.
    #[error(transparent)]
    Restore(#[from] Box<RestoreError>),
    /// Month keys beside the backup that do not read.
    #[error(
        "{path}: {source}; it may tell which orders were erased: put another copy of it there, or move it away to go on without it"
    )]
    KeysBeside {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<BackupError>,
    },
    /// Month keys beside the backup that nothing vouches for.
    #[error(
        "{0}: no log key that the backup's ledger knows signed the checkpoint in these month keys: a log key, or a generation of the ledger, came after the backup, or somebody else made this file; if it is yours, name it with --keys, else move it away"
    )]
    StrangeKeys(PathBuf),
    /// A backup whose ledger is not the folder's.
    #[error(
        "the database in {0} says that it is this shop, and its ledger begins with another log key than the backup's: somebody who knows the public key of the backups may have made that file; compare it with another copy, or restore it into an empty folder to look at it"
    )]
    OtherLedger(PathBuf),
    /// No month keys, and orders that need them.
    #[error(
        "no month keys are here, and {0} orders would stay closed for good: put the newest file that ends in .keys.zst.age beside the backup or name it with --keys, or say --without-keys"
    )]
    NoMonthKeys(u32),
    /// The folder that is restored into is another shop's.
    #[error(
        "{0} holds the root key of another shop, or one of this shop whose database is not there: restore into an empty folder (--dir), or move root.key away"
    )]
    OtherShop(PathBuf),
    /// The folder that is restored into has a database without a root key, and it is another shop's, or nobody knows whose.
    #[error(
        "{0} is the database of another shop, or does not open, and no root.key lies beside it: restore into an empty folder (--dir), or move that file away"
    )]
    OtherDatabase(PathBuf),
    /// Neither words nor digits.
    #[error("the recovery secret is 24 words, or 64 hex digits, as `keystall init` showed them")]
    Recovery,
    /// Nobody waits for it any more.
    #[error("interrupted: nothing was kept")]
    Stopped,
}

impl BackupError {
    /// A file's error, for `map_err`.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

impl From<AgeError> for BackupError {
    fn from(error: AgeError) -> Self {
        Self::Stream(error.into())
    }
}

/// How far something is: told the rows and entries that are done, of how many where that is known; false ends it.
pub type Tell<'a> = dyn FnMut(u64, Option<u64>) -> bool + 'a;

/// Rows and entries over all steps of one command.
pub(super) struct Progress<'a> {
    tell: &'a mut Tell<'a>,
    before: u64,
    total: Option<u64>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(tell: &'a mut Tell<'a>) -> Self {
        Self {
            tell,
            before: 0,
            total: None,
        }
    }

    /// `done` of the present step.
    pub(super) fn show(&mut self, done: u64) -> Result<(), BackupError> {
        match (self.tell)(self.before + done, self.total) {
            true => Ok(()),
            false => Err(BackupError::Stopped),
        }
    }

    /// The present step ended with `done`; `ahead` are left of the others, where that is known.
    pub(super) fn step(&mut self, done: u64, ahead: Option<u64>) {
        self.before += done;
        self.total = ahead.map(|ahead| self.before + ahead);
    }
}

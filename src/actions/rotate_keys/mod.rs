//! New keys for old: the root key at once, what its sealing keys sealed by and by, and the data key of a pool slot by slot.
//!
//! Each may be killed anywhere. The root key is replaced by one commit (`vault/root.rs` says how its file follows); from then on there
//! are two sealing keys, and the older goes in the commit that sees nothing under it. A pool has two data keys while its slots are
//! sealed again, each in a write of bounded size, and the older goes once every slot opens without it.
//!
//! Never touches identity keys: links in buyers' mails and fingerprints of what was sold stay what they are. Never touches month
//! keys, which an erasure replaces (`month_keys.rs`) and under which orders with their delivered keys lie, nor the ledger's key
//! (`rotate.rs`).

mod pools;
mod reseal;
mod root;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::open_shop::{Shop, unwritten};
use crate::domain::Slug;
use crate::store::{Fault, Rows, Tx, WriteError};
use crate::vault::{Keys, RootKeyAt, RootKeyError, Vault};

pub use pools::PoolProgress;

/// Where the replacement of keys stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// When the root key was replaced last, Unix milliseconds; none where it is the first.
    pub root_since_ms: Option<i64>,
    /// Sealing keys that go once nothing is sealed under them.
    pub older_sealing_keys: usize,
    /// Whether the root key lies in `root.key.next`: the service's credential is still the one before, or the file could not be put
    /// in its place.
    pub is_beside: bool,
    /// Whether it is not known which root key is in force, because the disk failed at the commit of a replacement. The daemon finds
    /// out by itself once the disk takes writes again; if not, a restart does.
    pub is_unknown: bool,
    /// Pools that are sealed again.
    pub pools: Vec<PoolProgress>,
}

/// Why keys stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum KeyRotationError {
    /// No such product.
    #[error("there is no product {0}: `keystall product list` shows all")]
    Product(Slug),
    /// Several before have not come to their end.
    #[error(
        "the root key was replaced so often that what it sealed has not followed yet: `keystall secret status` shows when it has"
    )]
    Often,
    /// The key's file.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// It is not known which root key is in force.
    #[error(
        "the end of the last replacement is not known, because the disk failed: restart the daemon, then look at `keystall secret status`"
    )]
    Unknown,
    /// The key that is in force is not in its place yet.
    #[error(
        "root.key.next is not in its place yet, which `keystall secret status` tells of: replace the root key again when it is"
    )]
    Pending,
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What the replacement of keys holds in memory.
pub(super) struct Rotation {
    /// Held while the row of keys or the list of pools is changed.
    turn: Mutex<()>,
    /// By the clock that only goes forward: when this process began to seal under the newest key. None: since its start.
    newest_since_ms: Mutex<Option<i64>>,
    root_at: Mutex<RootKeyAt>,
    /// Keys of a replacement whose commit failed: whether they are on the disk is not known. While they are here, `root.key.next`
    /// may be the root key, so it is not touched.
    unsure: Mutex<Option<Keys>>,
}

/// Meta row: when the root key was replaced last, Unix milliseconds (8 bytes, little-endian).
const ROOT_SINCE: &str = "root_key_since";

/// The database names another root key than the one in memory.
#[derive(Debug, thiserror::Error)]
#[error("the database names another root key")]
struct Overtaken;

/// Refuses a write that seals under keys which are not in force any more: nothing would open it after a restart.
fn in_force(tx: &Tx<'_>, vault: &Vault) -> Result<(), WriteError<Overtaken>> {
    match tx.meta("check")? == Some(vault.check_value().to_vec()) {
        true => Ok(()),
        false => Err(WriteError::Refused(Overtaken)),
    }
}

fn not_resealed(error: WriteError<Overtaken>) -> Fault {
    match error {
        WriteError::Refused(_) => Fault::Database(
            "it names another root key than this process has, because the disk failed while it was replaced: restart the daemon"
                .into(),
        ),
        error => unwritten(error),
    }
}

impl Rotation {
    pub(super) fn new(root_at: RootKeyAt) -> Self {
        Self {
            turn: Mutex::default(),
            newest_since_ms: Mutex::default(),
            root_at: Mutex::new(root_at),
            unsure: Mutex::default(),
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest_since_ms(&self) -> MutexGuard<'_, Option<i64>> {
        // Nothing panics while it is held; neither below.
        self.newest_since_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn root_at(&self) -> MutexGuard<'_, RootKeyAt> {
        self.root_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsure(&self) -> MutexGuard<'_, Option<Keys>> {
        self.unsure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shop {
    /// Where the replacement of keys stands.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn key_status(&self) -> Result<KeyStatus, Fault> {
        let snapshot = self.store.read()?;
        let since = snapshot.meta(ROOT_SINCE)?;
        let since = since.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        Ok(KeyStatus {
            root_since_ms: since.map(i64::from_le_bytes),
            older_sealing_keys: self.vault.older_sealing_keys(),
            is_unknown: self.rotation.unsure().is_some()
                || snapshot.meta("check")? != Some(self.vault.check_value().to_vec()),
            is_beside: *self.rotation.root_at() == RootKeyAt::Next,
            pools: pools::progress(&snapshot)?,
        })
    }

    /// Does the next piece of what is left to seal again: some hundred slots, or everything under an older sealing key. Gives whether
    /// there may be more to do at once. Blocks; called again and again.
    ///
    /// # Errors
    /// [`Fault`]; then the next call goes on.
    pub fn go_on_with_keys(&self) -> Result<bool, Fault> {
        {
            let _turn = self.rotation.turn();
            self.settle_root()?;
            self.put_root_key_in_place();
        }
        let pools_left = self.reseal_pools()?;
        self.reseal_rows()?;
        Ok(pools_left)
    }

    /// Seals again all that is left, for a shop that nobody else has open.
    ///
    /// # Errors
    /// [`Fault`]; then what is left goes on when the daemon runs.
    pub fn finish_keys_alone(&self) -> Result<(), Fault> {
        while self.reseal_pools()? {}
        // This process seals nothing else, so nothing is under way.
        *self.rotation.newest_since_ms() = None;
        self.reseal_rows()
    }
}

//! `erase.keys`: one key for each month, beside the database and never in a copy of it (ledger.md, section 4).
//!
//! A month's key is replaced after an erasure: `2026-11` is followed by `2026-11.1`, and forgotten once nothing needs it.
//!
//! Text: a first line `keystall-erase-keys/v1`, then `MONTH HEX` lines, each key sealed under the root key. It is replaced as a
//! whole: written beside, fsynced, renamed, folder fsynced.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::replace::replace_file;
use super::seal::{Aad, DataKey};
use crate::domain::{Entropy, seams::random};

/// The month keys of a shop.
pub struct MonthKeys {
    path: PathBuf,
    wrapping: DataKey,
    install: [u8; 16],
    keys: Mutex<BTreeMap<String, MonthKey>>,
}

#[derive(Clone)]
struct MonthKey {
    key: Arc<DataKey>,
    sealed: Vec<u8>,
}

/// Why the month keys are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum MonthError {
    /// The file is not of this form, or of another shop.
    #[error("{0} does not open with this shop's root key: put the file that belongs to it back")]
    Foreign(PathBuf),
    /// The database's row of keys is of another root key, or damaged.
    #[error(
        "the keys in shop.redb do not open with this root key: put the file that belongs to it back"
    )]
    Keyset,
    /// A shop's file is gone; a new one would orphan every order.
    #[error(
        "{0} is missing: the orders of this shop do not open without it; put it back from its own copy"
    )]
    Missing(PathBuf),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// First line of `erase.keys`.
pub const ERASE_KEYS_HEAD: &str = "keystall-erase-keys/v1";
const HEAD: &str = ERASE_KEYS_HEAD;

impl MonthKeys {
    pub(super) fn open(
        path: PathBuf,
        wrapping: DataKey,
        install: [u8; 16],
        new: bool,
    ) -> Result<Self, MonthError> {
        let mut keys = BTreeMap::new();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let foreign = || MonthError::Foreign(path.clone());
                let mut lines = text.lines();
                if lines.next() != Some(HEAD) {
                    return Err(foreign());
                }
                for line in lines {
                    let (month, sealed) = line.split_once(' ').ok_or_else(foreign)?;
                    let sealed = hex::decode(sealed).map_err(|_| foreign())?;
                    let opened = wrapping
                        .open(&place(&install, month), &sealed)
                        .map_err(|_| foreign())?;
                    let key = Arc::new(DataKey::from_secret(&opened).map_err(|_| foreign())?);
                    keys.insert(month.to_owned(), MonthKey { key, sealed });
                }
            }
            // Bytes that are no text.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(MonthError::Foreign(path));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && new => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(MonthError::Missing(path));
            }
            Err(source) => return Err(MonthError::Io { path, source }),
        }
        Ok(Self {
            path,
            wrapping,
            install,
            keys: Mutex::new(keys),
        })
    }

    /// The key of `month`, where there is one.
    pub(super) fn key(&self, month: &str) -> Option<Arc<DataKey>> {
        self.lock().get(month).map(|month| month.key.clone())
    }

    /// The label of the newest key of `month`, where there is one.
    pub(super) fn newest_label(&self, month: &str) -> Option<String> {
        newest(&self.lock(), month)
    }

    /// The newest key of `month` with its label, made and durable before it is given out.
    pub(super) fn ensure(
        &self,
        month: &str,
        entropy: &dyn Entropy,
    ) -> Result<(String, Arc<DataKey>), MonthError> {
        let mut keys = self.lock();
        if let Some(label) = newest(&keys, month)
            && let Some(known) = keys.get(&label)
        {
            return Ok((label, known.key.clone()));
        }
        let key = self.add(&mut keys, month, entropy)?;
        Ok((month.to_owned(), key))
    }

    /// The label that follows `label` in its month, whose key is made and durable: new orders are wrapped by it from now on.
    pub(super) fn replace_label(
        &self,
        label: &str,
        entropy: &dyn Entropy,
    ) -> Result<String, MonthError> {
        let mut keys = self.lock();
        let (month, number) = parts(label);
        if let Some(newest) = newest(&keys, month)
            && parts(&newest).1 > number
        {
            // Made before the end of an earlier attempt.
            return Ok(newest);
        }
        let next = format!("{month}.{}", number + 1);
        self.add(&mut keys, &next, entropy)?;
        Ok(next)
    }

    /// Destroys the key of `label`: what it alone wraps is gone, here and in every copy of the database.
    pub(super) fn forget(&self, label: &str) -> Result<(), MonthError> {
        let mut keys = self.lock();
        let mut next = keys.clone();
        if next.remove(label).is_none() {
            return Ok(());
        }
        self.replace(&next)
            .map_err(|source| self.unwritten(source))?;
        *keys = next;
        Ok(())
    }

    /// Labels of the keys of `month`, the oldest first.
    pub(super) fn labels(&self, month: &str) -> Vec<String> {
        let keys = self.lock();
        let own = keys.keys().filter(|label| parts(label).0 == month);
        let mut own: Vec<String> = own.cloned().collect();
        own.sort_by_key(|label| parts(label).1);
        own
    }

    fn add(
        &self,
        keys: &mut BTreeMap<String, MonthKey>,
        month: &str,
        entropy: &dyn Entropy,
    ) -> Result<Arc<DataKey>, MonthError> {
        let key = Arc::new(DataKey::from_bytes(random(entropy)));
        let sealed = self
            .wrapping
            .seal(entropy, &place(&self.install, month), key.expose());
        let mut next = keys.clone();
        next.insert(
            month.to_owned(),
            MonthKey {
                key: key.clone(),
                sealed,
            },
        );
        self.replace(&next)
            .map_err(|source| self.unwritten(source))?;
        *keys = next;
        Ok(key)
    }

    fn unwritten(&self, source: io::Error) -> MonthError {
        MonthError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn replace(&self, keys: &BTreeMap<String, MonthKey>) -> io::Result<()> {
        let mut text = format!("{HEAD}\n");
        for (month, key) in keys {
            text.push_str(&format!("{month} {}\n", hex::encode(&key.sealed)));
        }
        replace_file(&self.path, &text)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, MonthKey>> {
        // The map is replaced as a whole, so a panic elsewhere never leaves it half written.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Month of a label, and how often its key was replaced.
fn parts(label: &str) -> (&str, u32) {
    let (month, number) = label.split_once('.').unwrap_or((label, "0"));
    (month, number.parse().unwrap_or(0))
}

/// The label of a month's newest key.
fn newest(keys: &BTreeMap<String, MonthKey>, month: &str) -> Option<String> {
    keys.keys()
        .filter(|label| parts(label).0 == month)
        .max_by_key(|label| parts(label).1)
        .cloned()
}

fn place<'a>(install: &'a [u8; 16], month: &'a str) -> Aad<'a> {
    Aad {
        purpose: "wrap",
        install,
        table: "erase.keys",
        owner: b"",
        row: month.as_bytes(),
    }
}

//! What tells that a sealed backup is the shop's own. The seal does not: whoever knows the public key can seal.

use std::fs;
use std::path::Path;

use super::BackupError;
use super::restore::Root;
use super::unpack::Data;
use crate::actions::highwater::{FILE as HIGHWATER, signed_by_log};
use crate::actions::open_shop::DATABASE;
use crate::ledger::note::Checkpoint;
use crate::store::{Generation, Options, Rows, Store};
use crate::vault::RootKey;

/// What vouches for a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The shop that it says it is of: its random installation number, hex.
    pub install: String,
    /// The log key that its ledger begins with: buyers' receipts, mailed checkpoints and witnesses have it.
    pub first_vkey: String,
    /// The log key that signs at its end.
    pub vkey: String,
    /// What lies outside of the file and fits to it; empty where nothing was there to compare it with.
    pub by: Vec<String>,
}

/// The generations of a copy's ledger, oldest first.
pub(super) struct Logs(Vec<Generation>);

impl Logs {
    /// Those in the database at `copy`, which nobody has open.
    pub(super) fn of(copy: &Path, options: &dyn Fn(&Path) -> Options) -> Result<Self, BackupError> {
        let store = Store::open(options(copy), Box::new(|_| {}))?;
        let logs = store.read().and_then(|rows| {
            let last = rows.head()?.generation;
            let mut logs = rows.generations()?;
            logs.truncate(usize::from(last) + 1);
            Ok((logs, last))
        });
        store.close();
        match logs? {
            (logs, last) if logs.len() == usize::from(last) + 1 => Ok(Self(logs)),
            _ => Err(BackupError::Chain("a generation of the ledger is missing")),
        }
    }

    /// The one that is written.
    pub(super) fn last(&self) -> Option<&Generation> {
        self.0.last()
    }

    /// The key that the ledger begins with.
    pub(super) fn first_vkey(&self) -> Option<&str> {
        self.0.first()?.keys.first().map(|(_, vkey)| vkey.as_str())
    }

    /// Whether one of their keys signed this checkpoint.
    pub(super) fn signed(&self, note: &str) -> bool {
        let note = Checkpoint::parse(note);
        note.is_ok_and(|note| self.0.iter().any(|log| signed_by_log(&note, log)))
    }
}

/// What the database in a folder says, which nobody has open.
pub(super) struct Here {
    install: String,
    check: Option<Vec<u8>>,
    logs: Logs,
}

impl Here {
    /// Looks into `dir`; none where there is no database, or one that does not open.
    pub(super) fn look(dir: &Path, options: &dyn Fn(&Path) -> Options) -> Option<Self> {
        let database = dir.join(DATABASE);
        if !database.exists() {
            return None;
        }
        let store = Store::open(options(&database), Box::new(|_| {})).ok()?;
        let here = store.read().and_then(|rows| {
            Ok(Self {
                install: rows.meta("install")?.map(hex::encode).unwrap_or_default(),
                check: rows.meta("check")?,
                logs: Logs(rows.generations()?),
            })
        });
        store.close();
        here.ok()
    }

    /// Whether it says that it is the shop of this installation number.
    pub(super) fn is_of(&self, install: &str) -> bool {
        self.install == install
    }

    /// The key that its ledger begins with; none where no ledger was begun.
    pub(super) fn first_vkey(&self) -> Option<&str> {
        self.logs.first_vkey()
    }

    /// Whether its ledger begins as that of a backup, which may have ended earlier: its log keys are the same shop's then.
    pub(super) fn continues(&self, install: &str, logs: &Logs) -> bool {
        self.is_of(install) && self.first_vkey().is_some() && self.first_vkey() == logs.first_vkey()
    }

    /// Whether one of its log keys signed this checkpoint.
    pub(super) fn signed(&self, note: &str) -> bool {
        self.logs.signed(note)
    }

    fn opens_with(&self, root: &RootKey) -> bool {
        let check = self.check.as_deref();
        check.is_some_and(|check| check == root.check_value())
    }
}

impl Vouched {
    /// Looks at what is in `dir` and was given. `known` are the checkpoints that others kept: a restore refuses one that does not fit.
    pub(super) fn look(
        dir: &Path,
        data: &Data,
        logs: &Logs,
        root: Root,
        here: Option<&Here>,
        known: usize,
    ) -> Self {
        let manifest = &data.manifest;
        let mut by = Vec::new();
        // A key alone may have come out of the same file, with a restore that was cut off.
        if root == Root::Stays && here.is_some_and(|here| here.opens_with(&data.root)) {
            by.push("its root key is the one of this folder".to_owned());
        } else if here.is_some_and(|here| here.continues(&manifest.install, logs)) {
            by.push("its ledger begins with the log key of the database in this folder".to_owned());
        }
        let kept = fs::read_to_string(dir.join(HIGHWATER));
        if kept.is_ok_and(|note| logs.signed(&note)) {
            by.push("its ledger's log key signed the ledger.highwater of this folder".to_owned());
        }
        if known > 0 {
            by.push(format!(
                "its log key signed what was given with --known ({known})"
            ));
        }
        let last = logs.last().and_then(|log| log.keys.last());
        Self {
            install: manifest.install.clone(),
            first_vkey: logs.first_vkey().unwrap_or_default().to_owned(),
            vkey: last.map(|(_, vkey)| vkey.clone()).unwrap_or_default(),
            by,
        }
    }
}

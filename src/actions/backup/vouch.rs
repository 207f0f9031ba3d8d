//! What tells that a sealed backup is the shop's own. The seal does not: whoever knows the public key can seal.

use std::fs;
use std::path::Path;

use super::restore::Root;
use super::{BackupError, Manifest};
use crate::actions::highwater::{FILE as HIGHWATER, signed_by_log};
use crate::ledger::note::Checkpoint;
use crate::store::{Generation, Options, Rows, Store};

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

impl Vouched {
    /// Looks at what is in `dir` and was given. `known` are the checkpoints that others kept: a restore refuses one that does not fit.
    pub(super) fn look(
        dir: &Path,
        manifest: &Manifest,
        logs: &Logs,
        root: Root,
        known: usize,
    ) -> Self {
        let mut by = Vec::new();
        match root {
            Root::Stays => by.push("its root key is the one of this folder".to_owned()),
            Root::Changes => {
                by.push(
                    "its ledger begins with the log key of the database in this folder".to_owned(),
                );
            }
            Root::Comes => {}
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

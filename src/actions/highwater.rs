//! `ledger.highwater`: the highest signed state, beside the database, so that a database put back from an older copy is noticed
//! before it signs a second history (ledger.md, section 10). The file is the signed checkpoint itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::chain::{Chain, LedgerNodes};
use crate::ledger::note::{Checkpoint, SignedBy, Vkey};
use crate::ledger::tree;
use crate::store::{Generation, Snapshot};
use crate::vault::replace_file;

/// Why the ledger must not be signed.
#[derive(Debug, thiserror::Error)]
pub enum HighwaterError {
    /// No file.
    #[error(
        "{0} is missing: it says how far the ledger was signed; put it back, or stop, keep shop.redb, and run `keystall backup restore COPY` with the recovery sheet"
    )]
    Missing(PathBuf),
    /// Not this ledger's checkpoint.
    #[error(
        "{0} is not a checkpoint of this ledger: put the right one back, or restore the shop from a backup"
    )]
    Foreign(PathBuf),
    /// A checkpoint that this shop signed under a later key or name.
    #[error(
        "{0} was signed by a later log key or a later generation of this shop's ledger than shop.redb knows: shop.redb is an older copy; stop, keep this file, and run `keystall backup restore COPY` with the recovery sheet"
    )]
    Later(PathBuf),
    /// The database is older than what was signed.
    #[error(
        "shop.redb holds {held} ledger entries, but {signed} were signed: it is an older copy; stop, keep this file, and run `keystall backup restore COPY` with the recovery sheet"
    )]
    Behind {
        /// Entries in the database.
        held: u64,
        /// Entries signed.
        signed: u64,
    },
    /// The database holds another history.
    #[error(
        "shop.redb holds another history than the one signed at {size} entries: stop, keep this file, and run `keystall backup restore COPY` with the recovery sheet"
    )]
    Fork {
        /// Entries at the signed state.
        size: u64,
    },
    /// The file system, or the store.
    #[error("{0}")]
    Unreadable(String),
}

/// The file, and the thread that keeps it within a second of the newest commit, off the sale's path.
pub(super) struct Highwater {
    path: PathBuf,
    shared: Arc<(Mutex<Pending>, Condvar)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The side that the writer pokes.
pub(super) struct Poke(Arc<(Mutex<Pending>, Condvar)>);

#[derive(Default)]
struct Pending {
    note: Option<String>,
    stop: bool,
}

pub(super) const FILE: &str = "ledger.highwater";
/// Pause between two replacements: one covers all commits since the last.
const PAUSE: Duration = Duration::from_millis(400);

impl Highwater {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            path: dir.join(FILE),
            shared: Arc::default(),
            thread: Mutex::new(None),
        }
    }

    /// Writes the first state of a new shop.
    pub(super) fn write_first(dir: &Path, note: &str) -> Result<(), HighwaterError> {
        replace_file(&dir.join(FILE), note)
            .map_err(|error| HighwaterError::Unreadable(error.to_string()))
    }

    pub(super) fn poke(&self) -> Poke {
        Poke(self.shared.clone())
    }

    /// Holds the database against the file.
    pub(super) fn check(
        &self,
        chain: &Chain,
        snapshot: &Snapshot,
        log: &Generation,
    ) -> Result<(), HighwaterError> {
        let note = match fs::read_to_string(&self.path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(HighwaterError::Missing(self.path.clone()));
            }
            Err(_) => return Err(HighwaterError::Foreign(self.path.clone())),
        };
        let foreign = || HighwaterError::Foreign(self.path.clone());
        let checkpoint = Checkpoint::parse(&note).map_err(|_| foreign())?;
        if !signed_by_log(&checkpoint, log) {
            // A later generation has the same host and another end; whether it is truly this shop's, only a newer copy knows.
            return Err(match host_of(&checkpoint.origin) == host_of(&log.origin) {
                true => HighwaterError::Later(self.path.clone()),
                false => foreign(),
            });
        }
        let (held, generation) = (chain.latest().size, chain.latest().generation);
        if checkpoint.size > held {
            return Err(HighwaterError::Behind {
                held,
                signed: checkpoint.size,
            });
        }
        let root = tree::root_from(
            &LedgerNodes {
                rows: snapshot,
                generation,
            },
            checkpoint.size,
        )
        .map_err(|error| HighwaterError::Unreadable(error.to_string()))?;
        if root == checkpoint.root {
            Ok(())
        } else {
            Err(HighwaterError::Fork {
                size: checkpoint.size,
            })
        }
    }

    /// Starts the thread, with the state that was opened.
    pub(super) fn start(&self, note: String) {
        let (path, shared) = (self.path.clone(), self.shared.clone());
        self.poke().write(note);
        let spawned = std::thread::Builder::new()
            .name("keystall-highwater".into())
            .spawn(move || keep(&path, &shared));
        match spawned {
            Ok(thread) => {
                *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread)
            }
            Err(error) => tracing::error!(%error, "the high-water file is not kept"),
        }
    }

    /// What the thread does once, where none was started.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn keep_now(&self) -> io::Result<()> {
        let mut state = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.note.take() {
            Some(note) => replace_file(&self.path, &note),
            None => Ok(()),
        }
    }

    /// Writes the last state and ends the thread.
    pub(super) fn stop(&self, note: &str) {
        self.shared
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stop = true;
        self.shared.1.notify_all();
        if let Some(thread) = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            // A panic there was reported where it happened.
            let _ = thread.join();
        }
        if let Err(error) = replace_file(&self.path, note) {
            tracing::error!(%error, "ledger.highwater could not be written");
        }
    }
}

/// Whether one of the log's keys signed it: a `rotate` may lie between the file and the database.
pub(super) fn signed_by_log(checkpoint: &Checkpoint, log: &Generation) -> bool {
    let signed = |vkey: &str| {
        Vkey::parse(vkey).is_ok_and(|vkey| checkpoint.signed_by(&vkey) == SignedBy::Yes)
    };
    checkpoint.origin == log.origin && log.keys.iter().any(|(_, vkey)| signed(vkey))
}

/// The host in the name of the ledger that the file in `dir` is of.
pub(super) fn host(dir: &Path) -> Option<String> {
    let note = fs::read_to_string(dir.join(FILE)).ok()?;
    let checkpoint = Checkpoint::parse(&note).ok()?;
    Some(host_of(&checkpoint.origin).to_owned())
}

/// An origin is `HOST/ID`, with another id for each generation.
fn host_of(origin: &str) -> &str {
    origin.split('/').next().unwrap_or(origin)
}

impl Poke {
    /// Says what is signed now.
    pub(super) fn write(&self, note: String) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).note = Some(note);
        self.0.1.notify_all();
    }
}

fn keep(path: &Path, shared: &(Mutex<Pending>, Condvar)) {
    let (pending, changed) = shared;
    loop {
        let mut state = pending.lock().unwrap_or_else(PoisonError::into_inner);
        while state.note.is_none() && !state.stop {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stop {
            return;
        }
        let note = state.note.take().unwrap_or_default();
        drop(state);
        let failed = replace_file(path, &note);
        let mut state = pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = failed {
            tracing::error!(%error, "ledger.highwater could not be written; it is tried again");
            state.note.get_or_insert(note);
        }
        let waited = changed.wait_timeout_while(state, PAUSE, |state| !state.stop);
        drop(waited);
    }
}

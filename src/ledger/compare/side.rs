//! One of two views: what it holds of each log.

use super::leaves::Leaves;
use super::report::{LogReport, SideReport};
use super::{export, is_fork_proof};
use crate::ledger::fork::pinned;
use crate::ledger::note::{Checkpoint, SignedBy};
use crate::ledger::receipt::{Proof, RECEIPT_BYTES_MAX, Receipt};
use crate::ledger::verify::Fault;
use crate::ledger::{Exit, Hash, Vkey};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A view, with the logs in it by their origins.
#[derive(Default)]
pub(super) struct Side {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) logs: BTreeMap<String, Log>,
    /// The first fault, if any.
    pub(super) fault: Option<Fault>,
    /// Signatures that hold, and checkpoints read.
    pub(super) signatures: [u64; 2],
    bytes: u64,
}

/// What a view holds of one log.
#[derive(Default)]
pub(super) struct Log {
    /// Checkpoints that a pinned key signed, each of them once.
    pub(super) notes: BTreeMap<u64, Vec<Checkpoint>>,
    /// Entries that a receipt shows, in checkpoints that a pinned key signed.
    pub(super) openings: Vec<Opening>,
    pub(super) leaves: Option<Leaves>,
    /// Where the leaves end, once they were read.
    pub(super) end: u64,
}

/// One entry of a receipt.
pub(super) struct Opening {
    pub(super) hash: Hash,
    pub(super) proof: Proof,
    pub(super) checkpoint: Checkpoint,
}

impl Side {
    pub(super) fn report(&self) -> SideReport {
        let log = |(origin, log): (&String, &Log)| LogReport {
            origin: origin.clone(),
            signed: log.notes.keys().next_back().copied(),
            entries: log.leaves.as_ref().map(|leaves| (leaves.start(), log.end)),
        };
        SideReport {
            file: self.name.clone(),
            kind: self.kind,
            logs: self.logs.iter().map(log).collect(),
        }
    }

    /// How much there is to read, once.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The entries of a log, in a file of so many bytes.
    pub(super) fn leaves(&mut self, origin: &str, leaves: Leaves, bytes: u64) {
        self.bytes += bytes;
        let log = self.logs.entry(origin.to_owned()).or_default();
        log.end = leaves.start();
        log.leaves = Some(leaves);
    }

    pub(super) fn fail(&mut self, exit: Exit, file: &str, what: impl Into<String>) {
        self.fault
            .get_or_insert_with(|| Fault::new(exit, file, what));
    }

    /// Takes a checkpoint in, if a pinned key signed it.
    pub(super) fn note(&mut self, mut note: Checkpoint, vkeys: &[Vkey], file: &str) -> bool {
        let verdict = pinned(&note, vkeys);
        let log = self.logs.entry(note.origin.clone()).or_default();
        self.signatures[1] += 1;
        match verdict {
            SignedBy::Yes => {
                self.signatures[0] += 1;
                note.forget_others(vkeys);
                let same_size = log.notes.entry(note.size).or_default();
                if same_size.iter().all(|other| other.root != note.root) {
                    same_size.push(note);
                }
                return true;
            }
            SignedBy::Forged => {
                let what = format!(
                    "size {}: a wrong signature under the pinned key's name",
                    note.size
                );
                self.fail(Exit::Tampered, file, what);
            }
            SignedBy::No => {}
        }
        false
    }

    fn receipt(&mut self, file: &[u8], vkeys: &[Vkey]) {
        let name = self.name.clone();
        let receipt = match Receipt::parse(file) {
            Ok(receipt) => receipt,
            Err(malformed) => return self.fail(Exit::Malformed, &name, malformed.to_string()),
        };
        let outcome = receipt.verify_unsigned();
        // A hostile file shows one entry many times.
        let mut seen = BTreeSet::new();
        for (hash, proof) in receipt.entries() {
            let Ok(checkpoint) = Checkpoint::parse(&proof.note) else {
                continue; // malformed, which `verify_unsigned` tells
            };
            if self.note(checkpoint.clone(), vkeys, &name)
                && proof.includes(&hash, &checkpoint)
                && seen.insert((checkpoint.origin.clone(), proof.index, hash.to_string()))
                && let Some(log) = self.logs.get_mut(&checkpoint.origin)
            {
                log.openings.push(Opening {
                    hash,
                    proof: proof.clone(),
                    checkpoint,
                });
            }
        }
        if let Err(fault) = outcome {
            self.fail(fault.exit, &name, fault.what);
        }
    }
}

/// Reads a note, a receipt or an export.
pub(super) fn read(path: &Path, vkeys: &[Vkey]) -> Side {
    let mut side = Side {
        name: path.display().to_string(),
        kind: "export",
        ..Side::default()
    };
    let packed = side.name.ends_with(".tar.zst");
    if packed || path.is_dir() {
        if let Err(fault) = export::read(&mut side, path, vkeys) {
            side.fault.get_or_insert(*fault);
        }
        return side;
    }
    let name = side.name.clone();
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            side.kind = "file";
            side.fail(Exit::Usage, &name, format!("cannot be read: {error}"));
            return side;
        }
    };
    if bytes.starts_with(b"keystall-receipt/") {
        side.kind = "receipt";
        side.receipt(&bytes, vkeys);
        return side;
    }
    side.kind = "note";
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    match Checkpoint::parse(text) {
        Ok(note) => drop(side.note(note, vkeys, &name)),
        Err(_) if is_fork_proof(&bytes) => {
            let what = "is a fork proof: give it alone, and it is verified";
            side.fail(Exit::Usage, &name, what);
        }
        Err(error) => {
            let what = format!("is neither a receipt nor an export, and as a note: {error}");
            side.fail(Exit::Malformed, &name, what);
        }
    }
    side
}

/// At most the size of a receipt; one byte more, so that a longer one is noticed.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = RECEIPT_BYTES_MAX as u64 + 1;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

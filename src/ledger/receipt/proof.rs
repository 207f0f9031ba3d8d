//! A proof block: a C2SP tlog-proof, `c2sp.org/tlog-proof@v1`.

use super::MalformedReceipt;
use super::read::Lines;
use crate::ledger::entry::natural;
use crate::ledger::note::{Checkpoint, hash_from_base64};
use crate::ledger::{Hash, tree};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// That an entry lies in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The entry's seq.
    pub index: u64,
    /// Inclusion proof, from the leaf upwards.
    pub hashes: Vec<Hash>,
    /// The checkpoint, verbatim.
    pub note: String,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

impl Proof {
    /// Reads a block from the lines of a file.
    pub(in crate::ledger) fn read(lines: &mut Lines) -> Result<Self, MalformedReceipt> {
        read(lines)
    }

    /// Whether the entry of this chain hash lies at the index in the checkpoint's tree.
    pub(in crate::ledger) fn includes(&self, hash: &Hash, checkpoint: &Checkpoint) -> bool {
        let leaf = tree::leaf_hash(hash.as_ref());
        let (size, root) = (checkpoint.size, &checkpoint.root);
        tree::verify_inclusion(&leaf, self.index, size, &self.hashes, root)
    }
}

fn read(lines: &mut Lines) -> Result<Proof, MalformedReceipt> {
    if lines.next()? != HEADER {
        return Err(lines.wrong("expected c2sp.org/tlog-proof@v1"));
    }
    let index = lines.next()?.strip_prefix("index ").and_then(natural);
    let index = index.ok_or(lines.wrong("expected index and a number"))?;
    let mut hashes = Vec::new();
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            break;
        }
        if hashes.len() == HASHES_MAX {
            return Err(lines.wrong("a proof has at most 63 hashes"));
        }
        hashes.push(hash_from_base64(line).ok_or(lines.wrong("expected 32 bytes in base64"))?);
    }
    let note = lines.note()?;
    Ok(Proof {
        index,
        hashes,
        note,
    })
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A tree has less than 2^53 leaves.
const HASHES_MAX: usize = 63;

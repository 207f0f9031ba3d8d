//! A proof block: a C2SP tlog-proof, `c2sp.org/tlog-proof@v1`.

use super::MalformedReceipt;
use super::read::Lines;
use crate::ledger::Hash;
use crate::ledger::entry::natural;
use crate::ledger::note::{Checkpoint, hash_from_base64};
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

pub(super) fn read(lines: &mut Lines) -> Result<Proof, MalformedReceipt> {
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
    let note = note(lines)?;
    Ok(Proof {
        index,
        hashes,
        note,
    })
}

/// A note ends with the last of its signature lines, all of which begin with a dash.
fn note(lines: &mut Lines) -> Result<String, MalformedReceipt> {
    let mut note = String::new();
    loop {
        let line = lines.next()?;
        note.push_str(line);
        note.push('\n');
        if line.is_empty() {
            break;
        }
    }
    while lines
        .peek()
        .is_some_and(|line| line.starts_with('\u{2014}'))
    {
        note.push_str(lines.next()?);
        note.push('\n');
    }
    match Checkpoint::parse(&note) {
        Ok(_) => Ok(note),
        Err(error) => Err(lines.wrong(error.0)),
    }
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A tree has less than 2^53 leaves.
const HASHES_MAX: usize = 63;

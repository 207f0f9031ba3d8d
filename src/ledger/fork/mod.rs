//! Fork proofs: two signed checkpoints of one log that cannot both be true, in one file that proves it alone.
//!
//! Three kinds. `size`: two checkpoints of one size with different roots. `prefix`: the tree of the newer checkpoint
//! begins, as a consistency proof shows, with another root than the one signed at the older size. `entry`: two trees
//! hold different entries at one position. Whoever trusts the key needs nothing else: no ledger, no shop, no network.

mod read;

use super::note::{Checkpoint, NoteError, SignedBy, Vkey, line_of};
use super::receipt::Proof;
use super::{Exit, Hash, tree};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use thiserror::Error;

/// Longest fork proof in bytes: two notes of one signature and two paths need far less.
pub const FORK_BYTES_MAX: usize = 32 * 1024;

/// A fork proof. [`fmt::Display`] writes the file; [`ForkProof::parse`] reads it, which proves nothing yet.
///
/// Each note carries exactly one signature line, the log key's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForkProof {
    /// Two notes of one size with different roots.
    Size {
        /// One note.
        a: String,
        /// The other.
        b: String,
    },
    /// The newer tree does not begin with the older one.
    Prefix {
        /// The note of the smaller size, at least 1.
        older: String,
        /// The note of the larger size.
        newer: String,
        /// The root that the newer tree has at the older size; not the one that was signed.
        root: Hash,
        /// RFC 9162, 2.1.4: that the newer tree begins with the tree of that root.
        path: Vec<Hash>,
    },
    /// Two entries at one position.
    Entry {
        /// Chain hash of the entry in the first tree, and where it lies.
        a: (Hash, Proof),
        /// Chain hash of the entry in the second tree, and where it lies.
        b: (Hash, Proof),
    },
}

/// Where and why a file is not a fork proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed fork proof, line {line}: {what}")]
pub struct MalformedFork {
    /// Number of the line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Why a fork proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForkFault {
    /// Another spelling, order or number of parts, or two statements that do not contradict each other.
    #[error(transparent)]
    Malformed(#[from] MalformedFork),
    /// A line under a pinned key with a wrong signature.
    #[error("the {0} checkpoint has a wrong signature under the pinned key's name")]
    Forged(&'static str),
    /// A note that no pinned key signed.
    #[error("the {0} checkpoint is not signed by a pinned key")]
    Unsigned(&'static str),
    /// A path does not lead to the signed root.
    #[error("a path does not lead to the signed root: {0}")]
    Path(&'static str),
}

impl ForkFault {
    /// With which code a verifier ends.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Malformed(_) => Exit::Malformed,
            Self::Forged(_) | Self::Path(_) => Exit::Tampered,
            Self::Unsigned(_) => Exit::Incomplete,
        }
    }
}

/// What a fork proof proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The log.
    pub origin: String,
    /// The two checkpoints that cannot both be true.
    pub checkpoints: [Checkpoint; 2],
    /// The contradiction, in one sentence.
    pub what: String,
}

impl ForkProof {
    /// Reads a file, strictly: one spelling, and statements that contradict each other if they are true.
    pub fn parse(file: &[u8]) -> Result<Self, MalformedFork> {
        read::fork(file)
    }

    /// Makes every check against the pinned keys.
    pub fn verify(&self, vkeys: &[Vkey]) -> Result<Fork, ForkFault> {
        let notes = self.contradiction().map_err(ForkFault::Malformed)?;
        let names = ["first", "second"];
        for (note, name) in notes.iter().zip(names) {
            if pinned(note, vkeys) == SignedBy::Forged {
                return Err(ForkFault::Forged(name));
            }
        }
        self.follow_paths(&notes)?;
        for (note, name) in notes.iter().zip(names) {
            if pinned(note, vkeys) != SignedBy::Yes {
                return Err(ForkFault::Unsigned(name));
            }
        }
        Ok(Fork {
            origin: notes[0].origin.clone(),
            what: self.sentence(&notes),
            checkpoints: notes,
        })
    }

    /// The word of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Size { .. } => "size",
            Self::Prefix { .. } => "prefix",
            Self::Entry { .. } => "entry",
        }
    }

    /// The two checkpoints, if what they say contradicts each other once it is proven.
    fn contradiction(&self) -> Result<[Checkpoint; 2], MalformedFork> {
        let (a, b) = match self {
            Self::Size { a, b } => (a, b),
            Self::Prefix { older, newer, .. } => (older, newer),
            Self::Entry { a, b } => (&a.1.note, &b.1.note),
        };
        let whole = |what| MalformedFork { line: 0, what };
        let read = |note| lone(note).map_err(|error| whole(error.0));
        let (a, b) = (read(a)?, read(b)?);
        if a.origin != b.origin {
            return Err(whole("the checkpoints are of different logs"));
        }
        match self {
            Self::Size { .. } if a.size != b.size => Err(whole("the sizes are not the same")),
            Self::Size { .. } if a.root == b.root => Err(whole("the roots do not differ")),
            Self::Prefix { .. } if a.size == 0 || a.size >= b.size => {
                Err(whole("the first size is not the smaller one, from 1"))
            }
            Self::Prefix { root, .. } if *root == a.root => Err(whole("the roots do not differ")),
            Self::Entry { a, b } if a.1.index != b.1.index => {
                Err(whole("the positions are not the same"))
            }
            Self::Entry { a, b } if a.0 == b.0 => Err(whole("the entries do not differ")),
            _ => Ok([a, b]),
        }
    }

    fn follow_paths(&self, [a, b]: &[Checkpoint; 2]) -> Result<(), ForkFault> {
        match self {
            Self::Size { .. } => Ok(()),
            Self::Prefix { root, path, .. } => {
                let leads = tree::verify_consistency(a.size, b.size, path, root, &b.root);
                leads.then_some(()).ok_or(ForkFault::Path("consistency"))
            }
            Self::Entry { a: of_a, b: of_b } => {
                for ((hash, proof), note) in [(of_a, a), (of_b, b)] {
                    let leaf = tree::leaf_hash(hash.as_ref());
                    let (index, size, path) = (proof.index, note.size, &proof.hashes);
                    if !tree::verify_inclusion(&leaf, index, size, path, &note.root) {
                        return Err(ForkFault::Path("inclusion"));
                    }
                }
                Ok(())
            }
        }
    }

    fn sentence(&self, [a, b]: &[Checkpoint; 2]) -> String {
        match self {
            Self::Size { .. } => format!(
                "{} signed two different histories of {} entries",
                a.origin, a.size
            ),
            Self::Prefix { .. } => format!(
                "{} signed a history of {} entries that does not begin with the one of {} entries that it signed",
                a.origin, b.size, a.size
            ),
            Self::Entry { a: (_, proof), .. } => format!(
                "{} signed two histories that differ in entry {}",
                a.origin, proof.index
            ),
        }
    }
}

impl fmt::Display for ForkProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nkind {}", self.kind())?;
        match self {
            Self::Size { a, b } => write!(f, "{a}{b}"),
            Self::Prefix {
                older,
                newer,
                root,
                path,
            } => {
                writeln!(f, "{older}{newer}root {}", STANDARD.encode(root))?;
                let mut path = path.iter();
                path.try_for_each(|hash| writeln!(f, "path {}", STANDARD.encode(hash)))
            }
            Self::Entry { a, b } => {
                write!(f, "leaf {}\n{}leaf {}\n{}", a.0, a.1, b.0, b.1)
            }
        }
    }
}

/// A note with its body and the signature line of this key alone, as a fork proof carries it; `None` if the key did
/// not sign it.
pub fn lone_signature(note: &Checkpoint, vkey: &Vkey) -> Option<String> {
    if note.signed_by(vkey) != SignedBy::Yes {
        return None;
    }
    let line = note.lines_of(vkey.name(), vkey.id()).next()?;
    let line = line_of(&line.name, line.id, &line.bytes);
    Some(format!("{}\n{line}", note.body()))
}

/// The verdict over the pinned keys of the note's log; a forged line is never made good by another key.
pub(super) fn pinned(note: &Checkpoint, vkeys: &[Vkey]) -> SignedBy {
    let mut best = SignedBy::No;
    for vkey in vkeys.iter().filter(|vkey| vkey.name() == note.origin) {
        match note.signed_by(vkey) {
            SignedBy::Forged => return SignedBy::Forged,
            SignedBy::Yes => best = SignedBy::Yes,
            SignedBy::No => {}
        }
    }
    best
}

/// A note with exactly one signature line.
fn lone(note: &str) -> Result<Checkpoint, NoteError> {
    let checkpoint = Checkpoint::parse(note)?;
    match checkpoint.signatures() {
        1 => Ok(checkpoint),
        _ => Err(NoteError("a note here has one signature, the log key's")),
    }
}

const HEADER: &str = "keystall-fork/v1";

#[cfg(test)]
mod tests;

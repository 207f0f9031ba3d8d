//! One generation's entries and checkpoints.

use super::{Edge, EdgeError, mark_line};
use crate::ledger::entry::Body;
use crate::ledger::note::{Checkpoint, NoteError, SignedBy, Vkey};
use std::io::{self, Write};
use thiserror::Error;

/// Writes one generation. Feed every entry in order and, after the last entry that it covers, every checkpoint kept: all
/// of them are exported. It refuses to leave out one that an export must hold: the last of each UTC hour that has
/// entries, the one right after each `rotate`, and the newest.
pub struct Writer<E, M> {
    entries: E,
    marks: M,
    shows: Shows,
    edge: Edge,
    begin: u64,
    /// Size of the last checkpoint; 0 before the first.
    signed: u64,
    last: Option<Last>,
}

/// What is shown of an entry.
enum Shows {
    Line,
    Hash,
}

/// The entry before.
struct Last {
    hour: i64,
    rotates: bool,
}

/// Why an export stopped. What was written so far is not an export and should be removed.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Writing failed.
    #[error("the export could not be written: {0}")]
    Write(#[from] io::Error),
    /// A stored line is not an entry, or does not continue the chain.
    #[error(transparent)]
    Entry(#[from] EdgeError),
    /// A stored checkpoint is none.
    #[error("a stored checkpoint is damaged: {0}")]
    Note(#[from] NoteError),
    /// A checkpoint of another size than the entries written so far.
    #[error("a checkpoint of size {note_size} came after {written} entries")]
    Order {
        /// Size of the checkpoint.
        note_size: u64,
        /// Entries written so far.
        written: u64,
    },
    /// A checkpoint with another root than that of the entries that it covers.
    #[error("the stored checkpoint of size {size} is not of these entries: run keystall doctor")]
    Root {
        /// Its size.
        size: u64,
    },
    /// A checkpoint without a good signature by the log key of its size.
    #[error("the stored checkpoint of size {size} is not signed by the log: run keystall doctor")]
    Signature {
        /// Its size.
        size: u64,
    },
    /// A checkpoint that an export must hold is not there.
    #[error("the stored checkpoint of size {size} is missing: run keystall doctor")]
    Missing {
        /// Its size.
        size: u64,
    },
    /// The entries ended before or after the size that was to be exported.
    #[error("the export has {written} of {wanted} entries")]
    Count {
        /// Entries up to the last one written.
        written: u64,
        /// Entries that there should be.
        wanted: u64,
    },
    /// The last entries are not covered by a checkpoint.
    #[error("the newest checkpoint covers {signed} of {written} entries: sign it first")]
    Unsigned {
        /// Size of the newest checkpoint.
        signed: u64,
        /// Entries up to the last one written.
        written: u64,
    },
}

const HOUR_MS: i64 = 3_600_000;

impl<E: Write, M: Write> Writer<E, M> {
    /// Begins with the first entry. `entries` and `marks` should be buffered.
    pub fn new(entries: E, marks: M) -> Self {
        Self::with(entries, marks, Edge::new(), Shows::Line)
    }

    /// Begins a range behind the entries that `before` has taken: with the next one and the first checkpoint above them.
    /// Of an empty range the only checkpoint is the one over exactly those entries.
    pub fn range(entries: E, marks: M, before: Edge) -> Self {
        Self::with(entries, marks, before, Shows::Line)
    }

    /// Begins a skeleton: of each entry, `hashes` gets the 32 bytes of its chain hash and nothing else.
    pub fn skeleton(hashes: E, marks: M) -> Self {
        Self::with(hashes, marks, Edge::new(), Shows::Hash)
    }

    fn with(entries: E, marks: M, edge: Edge, shows: Shows) -> Self {
        Self {
            entries,
            marks,
            shows,
            begin: edge.size(),
            edge,
            signed: 0,
            last: None,
        }
    }

    /// The next entry's line, without its `\n`.
    pub fn entry(&mut self, line: &[u8]) -> Result<(), ExportError> {
        let size = self.edge.size();
        let entry = self.edge.take(line)?;
        let hour = entry.t_ms.div_euclid(HOUR_MS);
        if let Some(last) = &self.last
            && (last.rotates || last.hour != hour)
            && self.signed != size
        {
            return Err(ExportError::Missing { size });
        }
        if size == self.begin && self.signed != 0 {
            // Its checkpoints are those above the prefix.
            return Err(ExportError::Order {
                note_size: size,
                written: size,
            });
        }
        self.last = Some(Last {
            hour,
            rotates: matches!(entry.body, Body::Rotate { .. }),
        });
        match self.shows {
            Shows::Line => {
                self.entries.write_all(line)?;
                self.entries.write_all(b"\n")?;
            }
            Shows::Hash => self.entries.write_all(self.edge.head().as_ref())?,
        }
        Ok(())
    }

    /// A checkpoint over exactly the entries so far.
    pub fn checkpoint(&mut self, note: &str) -> Result<(), ExportError> {
        let checkpoint = Checkpoint::parse(note)?;
        if checkpoint.size != self.edge.size() || checkpoint.size <= self.signed {
            return Err(ExportError::Order {
                note_size: checkpoint.size,
                written: self.edge.size(),
            });
        }
        if checkpoint.root != self.edge.root() {
            return Err(ExportError::Root {
                size: checkpoint.size,
            });
        }
        if !self.edge.key().is_some_and(|key| is_by(&checkpoint, key)) {
            return Err(ExportError::Signature {
                size: checkpoint.size,
            });
        }
        self.marks
            .write_all(mark_line(note, checkpoint.size).as_bytes())?;
        self.signed = checkpoint.size;
        Ok(())
    }

    /// What the entries are written to, for what the caller has to say to it between two of them.
    pub const fn entries_mut(&mut self) -> &mut E {
        &mut self.entries
    }

    /// Ends the generation at the size that the caller means to export. Gives both writers back, flushed.
    pub fn finish(mut self, size: u64) -> Result<(E, M), ExportError> {
        let written = self.edge.size();
        if written != size {
            return Err(ExportError::Count {
                written,
                wanted: size,
            });
        }
        if self.signed != size || size == 0 {
            return Err(ExportError::Unsigned {
                signed: self.signed,
                written,
            });
        }
        self.entries.flush()?;
        self.marks.flush()?;
        Ok((self.entries, self.marks))
    }
}

/// Whether this log key signed the checkpoint of its log.
fn is_by(checkpoint: &Checkpoint, key: &Vkey) -> bool {
    key.name() == checkpoint.origin && checkpoint.signed_by(key) == SignedBy::Yes
}

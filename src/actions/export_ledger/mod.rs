//! The auditor's export: entries, checkpoints and anchors as files (ledger.md, section 8).
//!
//! Planned in one snapshot and written page by page, each in a snapshot of its own, so that no reader lives long: what is signed
//! does not change any more. Every entry that is read continues the chain, every checkpoint has the root of its entries and every
//! carried line reaches the last checkpoint, or the export stops.

mod plan;
mod prefix;
mod write;

use std::io::{self, Write};

use super::open_shop::Shop;
use crate::ledger::export::{self, Part};
use crate::store::Fault;

/// What is exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportRequest {
    /// Which entries.
    pub span: ExportSpan,
    /// Only of this generation; of those before it, where they stand.
    pub generation: Option<u16>,
    /// Hashes only.
    pub skeleton: bool,
}

/// Which entries an export holds, at least: it ends at a signed size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportSpan {
    /// All.
    #[default]
    Whole,
    /// From one seq to another, both included, in one generation: the newest one where none is named.
    Seqs {
        /// The first; none for 0.
        from: Option<u64>,
        /// The last; none for the newest.
        to: Option<u64>,
    },
    /// Those of a time, both ends included, over generations. Unix milliseconds.
    Times {
        /// Not before.
        since_ms: Option<i64>,
        /// Not after.
        until_ms: Option<i64>,
    },
}

/// Where an export goes, file by file in the order of an archive. What is written belongs to the file begun last.
pub trait ExportTarget: Write {
    /// Begins a file, named from the export's top with `/`. Its size is given where it is known.
    fn begin(&mut self, path: &str, bytes: Option<u64>) -> io::Result<()>;

    /// Whether the sizes of entries and hashes must be known before they come: it costs one more reading.
    fn needs_sizes(&self) -> bool;

    /// Entries read so far, and how many will be; an error stops the export.
    fn progress(&mut self, done: u64, total: u64) -> io::Result<()>;
}

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its generations, oldest first.
    pub parts: Vec<Part>,
}

/// Why an export was refused, or stopped: what was written then is not an export and should be removed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A stored entry or checkpoint, or writing it.
    #[error(transparent)]
    Export(#[from] export::ExportError),
    /// The first lies behind the last.
    #[error("a range does not begin at {from} and end at {to}")]
    Order {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// No such entry.
    #[error("there is no entry {seq}: generation {generation} of the ledger has {size} entries, 0 to {}", .size - 1)]
    Beyond {
        /// What was asked for.
        seq: u64,
        /// Which generation.
        generation: u16,
        /// How many entries it has.
        size: u64,
    },
    /// No such generation.
    #[error("there is no generation {asked}: the newest is {newest}")]
    Generation {
        /// What was asked for.
        asked: u16,
        /// The newest one.
        newest: u16,
    },
    /// No entry in that time.
    #[error("no entry was made in that time")]
    Empty {
        /// When the first entry there is was made, Unix milliseconds.
        first_ms: i64,
        /// When the last was.
        last_ms: i64,
    },
    /// A skeleton of a part.
    #[error("a skeleton is of the whole ledger: it has no range")]
    Skeleton,
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Export(error.into())
    }
}

impl Shop {
    /// Exports the newest signed state into `target`.
    ///
    /// # Errors
    /// [`ExportError`]: before anything is written where the request is refused, else at the first entry that is damaged or file that
    /// cannot be written.
    pub fn export_ledger(
        &self,
        request: &ExportRequest,
        target: &mut dyn ExportTarget,
    ) -> Result<Exported, ExportError> {
        let plan = self.plan_export(request)?;
        self.write_export(&plan, target)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

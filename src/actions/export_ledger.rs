//! The auditor's export: every entry and the kept checkpoints (ledger.md, section 8).

use std::collections::BTreeMap;
use std::io::Write;

use super::open_shop::Shop;
use crate::domain::EntryAt;
use crate::ledger::export::{self, Writer};
use crate::store::{Fault, Rows};

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The log's name.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Text of `README.txt`.
    pub readme: String,
}

/// Why an export stopped. What was written is not an export and should be removed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A stored entry, or writing it.
    #[error(transparent)]
    Export(#[from] export::ExportError),
}

/// Entries read in one snapshot: none lives long.
const PAGE: u64 = 2_000;

impl Shop {
    /// Writes `entries.ndjson` and `marks.ndjson` of the newest committed state. `progress` is told the entries written and their
    /// number.
    ///
    /// # Errors
    /// [`ExportError`]: the export stops at the first read error.
    pub fn export_ledger<E: Write, M: Write>(
        &self,
        entries: E,
        marks: M,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Exported, ExportError> {
        let generation = self.chain.latest().generation;
        let first = EntryAt::new(generation, 0);
        let (snapshot, newest) = self.signed_state(first)?;
        let mut notes: BTreeMap<u64, String> = snapshot
            .marks(first, usize::MAX)?
            .into_iter()
            .filter(|(size, _)| *size < newest.size)
            .collect();
        notes.insert(newest.size, newest.note);
        drop(snapshot);
        let mut writer = Writer::new(entries, marks);
        let mut seq = 0;
        while seq < newest.size {
            let snapshot = self.store.read()?;
            let end = (seq + PAGE).min(newest.size);
            while seq < end {
                let row = snapshot
                    .entry(first.with_seq(seq))?
                    .ok_or(Fault::Invariant("every entry below the size is there"))?;
                writer.entry(&row.line)?;
                seq += 1;
                if let Some(note) = notes.get(&seq) {
                    writer.checkpoint(note)?;
                }
            }
            progress(seq, newest.size);
        }
        writer.finish(newest.size)?;
        let origin = self.chain.origin();
        let readme = export::readme(&origin, newest.size);
        Ok(Exported {
            origin,
            size: newest.size,
            readme,
        })
    }
}

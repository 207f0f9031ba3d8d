//! Keys come in: read, checked, sealed, committed to. An import is one batch, all or nothing; nothing is stock before its end.
//!
//! Keys are stored in bounded writes under a batch number that is not stock yet, so sales between them do not wait, and the next
//! keys are sealed while one write is under way. Fingerprints come after the last key, in their order: each lies anywhere in its
//! table, and one by one each would cost a page. The last write makes the keys stock, with the ledger's `stock` entry. What an
//! import that did not end left behind is cleared.

pub mod decode;
mod import;

use std::convert::Infallible;
use std::io::Read;
use std::sync::PoisonError;

use self::decode::{KeyReader, Options};
use self::import::Import;
use super::open_shop::{Shop, unwritten};
use crate::domain::{SlotRef, Slug};
use crate::limits;
use crate::store::{Fault, Rows, Staging, WriteError};

/// What to import, and how.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// Into which product's pool.
    pub product: Slug,
    /// How the file is read.
    pub options: Options,
    /// Each key must match it as a whole.
    pub pattern: Option<String>,
    /// Look only.
    pub dry_run: bool,
}

/// What an import found, and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportReport {
    /// Keys in the file.
    pub read: u64,
    /// Keys that were (or would be) imported.
    pub imported: u64,
    /// The first of them, masked.
    pub preview: Vec<String>,
    /// Keys that stood in the file before.
    pub duplicate_in_file: u64,
    /// Keys that this product holds or held.
    pub duplicate_in_pool: u64,
    /// Keys that another product holds or held.
    pub duplicate_elsewhere: u64,
    /// Lines that cannot be imported, with the reason; the first hundred.
    pub bad_lines: Vec<(u64, String)>,
    /// How many there are.
    pub bad: u64,
    /// How the file was encoded.
    pub encoding: Option<String>,
    /// Columns that the keys were taken from, counted from 1; two were joined by `----`. Empty for plain lines.
    pub columns: Vec<usize>,
    /// Number of the batch, once it is stock.
    pub batch: Option<u32>,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No such product.
    #[error("there is no product {0}: make it with `keystall product add`")]
    Product(Slug),
    /// Not a regular expression.
    #[error("--pattern is not a regular expression: {0}")]
    Pattern(String),
    /// The file cannot be read on.
    #[error("{0}; nothing was imported")]
    File(#[from] decode::DecodeError),
    /// Some lines are no keys.
    #[error("{} lines cannot be imported, the first is line {}: {}; nothing was imported", report.bad, first_bad(report).0, first_bad(report).1)]
    BadLines {
        /// What was found.
        report: Box<ImportReport>,
    },
    /// No key that is new.
    #[error(
        "no new key in {} read ({} known here before, {} in another product, {} twice in the file); nothing was imported",
        report.read, report.duplicate_in_pool, report.duplicate_elsewhere, report.duplicate_in_file
    )]
    NothingNew {
        /// What was found.
        report: Box<ImportReport>,
    },
    /// The store did not take it.
    #[error("{0}; nothing was imported")]
    Store(String),
}

/// Keys stored in one write: some milliseconds of the writer's time.
const CHUNK: usize = 2_000;
/// Keys that are looked up in one state of the store.
const LOOKED_UP: usize = 500;
const PREVIEW: usize = 5;
const BAD_LINES_NAMED: usize = 100;
/// Bytes of a pattern's compiled form.
const PATTERN_BYTES_MAX: usize = 1 << 20;

impl Shop {
    /// Imports the keys of a file. `progress` is told the bytes and keys read so far. Follow it with
    /// [`Shop::deliver_waiting`]: paid orders may wait for these keys.
    ///
    /// # Errors
    /// [`ImportError`]; then nothing was imported.
    pub fn import_keys(
        &self,
        request: &ImportRequest,
        file: impl Read,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<ImportReport, ImportError> {
        // One import at a time: its batch number is the next one until it ends.
        let _turn = self
            .importing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What an import that could not clean up after itself left behind must not lie under this one's number.
        self.clear_staging().map_err(stored)?;
        let mut import = Import::begin(self, request)?;
        let mut reader = KeyReader::new(file, request.options.clone());
        let mut outcome = Ok(());
        while outcome.is_ok() {
            let Some(line) = reader.next() else { break };
            outcome = import.take(line);
            if import.report.read % 500 == 0 {
                progress(reader.bytes_read(), import.report.read);
            }
        }
        progress(reader.bytes_read(), import.report.read);
        import.report.encoding = reader.encoding().map(str::to_owned);
        import.report.columns = reader.columns();
        let ended = outcome.and_then(|()| import.end());
        if ended.is_err() {
            // What is still on its way to the disk is to be cleared too.
            let _ = import.stored();
            self.clear_staging()
                .map_err(|fault| ImportError::Store(fault.to_string()))?;
        }
        ended
    }

    /// Clears what an import that did not end left behind.
    pub(super) fn clear_staging(&self) -> Result<(), Fault> {
        while let Some(staging) = self.store.read()?.staging()? {
            let write = self
                .store
                .write(move |tx| -> Result<(), WriteError<Infallible>> {
                    let from = staging.count.saturating_sub(CHUNK as u32);
                    for index in from..staging.count {
                        tx.forget_slot(SlotRef {
                            batch: staging.batch,
                            index,
                        })?;
                    }
                    let left = Staging {
                        count: from,
                        ..staging.clone()
                    };
                    Ok(tx.put_staging(Some(&left).filter(|left| left.count > 0))?)
                });
            write.wait().map_err(unwritten)?;
        }
        Ok(())
    }
}

fn first_bad(report: &ImportReport) -> (u64, &str) {
    report
        .bad_lines
        .first()
        .map_or((0, ""), |(line, why)| (*line, why))
}

fn stored(fault: Fault) -> ImportError {
    ImportError::Store(fault.to_string())
}

// A batch of the ledger holds more than any file may bring.
const _: () = assert!(limits::IMPORT_LINES_MAX <= limits::BATCH_SLOTS_MAX as u64);

//! The verifier (sections 5, 8 and 9): reads an export as a stream and says what it proves.
//!
//! The keys come from the user; nothing in the export is trusted. Ranges, skeletons and packed exports are
//! refused by name (exit 4), never passed over.

mod anchors;
mod audit;
mod checkpoints;
mod folder;
mod generation;
mod keys;
mod lines;
mod marks;
mod ownership;
mod report;
mod rules;
mod slot_set;
mod succession;

pub use report::{Anchor, AnchorKind, Balance, Check, Explained, Fault, GenerationReport, Report};

use super::Vkey;
use std::path::Path;

/// What the user asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The pinned keys: the first log key of generation 0, or `root_vkey`.
    pub vkeys: Vec<Vkey>,
    /// Checkpoints and receipts that somebody kept.
    pub known: Vec<KnownFile>,
    /// A nonce that an `audit` entry must hold.
    pub nonce: Option<String>,
    /// Count the entries from this time on, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Count the entries up to this time, Unix milliseconds.
    pub until_ms: Option<i64>,
    /// An entry to show.
    pub explain: Option<u64>,
    /// PEM files with the certificates of time-stamping authorities to trust.
    pub tsa_certs: Vec<Vec<u8>>,
}

/// A file given with `--known`: a signed note or a receipt.
#[derive(Clone, Debug)]
pub struct KnownFile {
    /// How the report calls it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Verifies the export in this folder. Never fails: what goes wrong is in the report, and so is the exit code.
pub fn ledger(export: &Path, request: &Request) -> Report {
    audit::run(export, request)
}

//! The verifier (sections 5, 8 and 9): reads an export as a stream and says what it proves.
//!
//! Owns the judgement of exports: whole generations, ranges and skeletons, as a folder or as an archive. The keys come
//! from the user; nothing in the export is trusted. Entries are read in blocks by as many threads as the machine has,
//! and memory does not grow with their number beyond a bit for each entry and slot.
//!
//! Never writes, never ends with 0 on nothing, never passes over what it does not check: that is named (exit 4), or
//! listed under what is not proven.

mod anchors;
mod archive;
mod audit;
mod checkpoints;
pub(in crate::ledger) mod contents;
mod explain;
mod findings;
mod generation;
mod in_order;
mod keys;
mod lines;
pub(in crate::ledger) mod marks;
mod ownership;
mod point;
pub(in crate::ledger) mod range;
mod report;
mod rules;
mod skeleton;
mod slot_set;
pub(in crate::ledger) mod source;
mod succession;
mod verdict;
pub mod witnesses;

pub use explain::{Explained, Place, Step};
pub use report::{
    Anchor, AnchorKind, Balance, Check, Fault, Form, GenerationReport, Money, Report,
};

use super::{Vkey, WitnessKey};
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
    /// An entry to explain, with every step of its proof.
    pub explain: Option<Place>,
    /// How many threads to use; 0 for as many as are of use here.
    pub threads: usize,
    /// Witnesses, one of which must have cosigned the newest checkpoint; none given, none is asked for.
    pub witnesses: Vec<WitnessKey>,
    /// PEM files with the certificates of time-stamping authorities that the user trusts.
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

/// Verifies the export in this folder or `.tar.zst` archive. Never fails: what goes wrong is in the report, and so is
/// the exit code.
pub fn ledger(export: &Path, request: &Request) -> Report {
    audit::run(export, request, &|_, _| {})
}

/// [`ledger`], telling `progress` now and then how many bytes were read of how many; of 0 while that is not known. It is
/// called from several threads, some hundred times a second.
pub fn ledger_with_progress(
    export: &Path,
    request: &Request,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Report {
    audit::run(export, request, progress)
}

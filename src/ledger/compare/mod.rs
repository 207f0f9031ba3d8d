//! Holds two views of one log together: notes, receipts and exports, as two people kept them.
//!
//! What can be held together is: two checkpoints of one size; a checkpoint and the root that an export's entries have
//! at its size; the entry of a receipt and the entry at its place in an export or in another receipt. Where two signed
//! statements cannot both be true, a [`ForkProof`] is made that shows it without either of the two. The entries of an
//! export count as far as a signature by a pinned key covers them. Nothing is said of the ledger's rules.

mod export;
mod judge;
mod leaves;
mod proofs;
mod report;
mod side;
mod verdict;
mod words;

pub use report::{Comparison, ForkReport, LogReport, SideReport};

use super::Vkey;
use super::fork::ForkProof;
use std::path::Path;

/// Compares two files or exports against the pinned keys. Never fails: what goes wrong is in the report, and so is the
/// exit code. `progress` is told how many bytes were read of how many there are, as far as that is known.
pub fn compare(
    a: &Path,
    b: &Path,
    vkeys: &[Vkey],
    progress: &mut dyn FnMut(u64, u64),
) -> Comparison {
    judge::run(a, b, vkeys, progress)
}

/// Verifies a fork proof's bytes, given under this name, against the pinned keys.
pub fn verify_fork(name: &str, file: &[u8], vkeys: &[Vkey]) -> Comparison {
    report::of_proof(name, file, vkeys)
}

/// Whether the file begins like a fork proof.
pub fn is_fork_proof(file: &[u8]) -> bool {
    file.starts_with(b"keystall-fork/")
}

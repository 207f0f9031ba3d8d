//! Receipt files (section 7): what a buyer keeps, and what it proves to whoever knows the shop's key.

mod check;
mod proof;
mod read;

pub use check::{Proven, ReceiptFault};
pub use proof::Proof;
pub(in crate::ledger) use read::Lines;

use super::commitment::Field;
use super::entry::hash_line;
use super::note::{Checkpoint, SignedBy};
use super::{Hash, Vkey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use thiserror::Error;

/// Longest receipt file in bytes: some ten thousand keys with their paths.
pub const RECEIPT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A receipt's parts, in the order of the file. [`fmt::Display`] writes the file; [`Receipt::parse`] reads it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Line of the sale, without its `\n`.
    pub entry: String,
    /// Private fields that the owner shows.
    pub opens: Vec<FieldOpening>,
    /// Delivered keys of pooled goods.
    pub keys: Vec<KeyOpening>,
    /// Line of the `stock` entry of each batch that a key names, each once.
    pub stocks: Vec<String>,
    /// Lines of `slots` and `replace` entries of this sale.
    pub more: Vec<String>,
    /// One proof for `entry`, then one for each of `stocks`, then one for each of `more`.
    pub proofs: Vec<Proof>,
}

/// What opens a commitment of the sale to a private field.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldOpening {
    /// [`Field::Buyer`] or [`Field::Pay`].
    pub field: Field,
    /// The commitment's salt.
    pub salt: [u8; 32],
    /// The committed bytes.
    pub value: Vec<u8>,
}

/// What opens the commitment to a key at its slot.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyOpening {
    /// Number of the batch.
    pub batch: u64,
    /// Index in the batch.
    pub index: u64,
    /// The commitment's salt.
    pub salt: [u8; 32],
    /// The key as delivered.
    pub key: Vec<u8>,
    /// Inclusion proof of the commitment in the batch's tree; empty for a batch of one key.
    pub path: Vec<Hash>,
}

/// Where and why a file is not a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed receipt, line {line}: {what}")]
pub struct MalformedReceipt {
    /// Number of the line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Receipt {
    /// Reads a file, strictly: any other spelling, order or number of parts is malformed. Proves nothing yet.
    pub fn parse(file: &[u8]) -> Result<Self, MalformedReceipt> {
        read::receipt(file)
    }

    /// Makes every check of section 7 against the pinned keys, and holds the receipt's checkpoints against those that
    /// somebody else kept. A known one of another size cannot be compared without the ledger: incomplete.
    pub fn verify(&self, vkeys: &[Vkey], known: &[Checkpoint]) -> Result<Proven, ReceiptFault> {
        check::signed(self, vkeys, known, |_, note| note.signed_by_one_of(vkeys))
    }

    /// The same without known checkpoints, for whoever verifies many receipts: `verdict` is given each note and its text, and says
    /// what [`Checkpoint::signed_by_one_of`] says of it, perhaps from memory.
    ///
    /// # Errors
    /// [`ReceiptFault`].
    pub fn verify_by(
        &self,
        vkeys: &[Vkey],
        verdict: impl Fn(&str, &Checkpoint) -> SignedBy,
    ) -> Result<Proven, ReceiptFault> {
        check::signed(self, vkeys, &[], verdict)
    }

    /// The chain hash of each line with its proof, in the order of the proofs.
    pub(in crate::ledger) fn entries(&self) -> impl Iterator<Item = (Hash, &Proof)> {
        let further = self.stocks.iter().chain(&self.more);
        let lines = std::iter::once(&self.entry).chain(further);
        let hashes = lines.map(|line| hash_line(line.as_bytes()));
        hashes.zip(&self.proofs)
    }

    /// Every check but the signatures: for a caller that judges the checkpoints itself.
    pub fn verify_unsigned(&self) -> Result<Proven, ReceiptFault> {
        check::unsigned(self)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nentry {}", self.entry)?;
        for open in &self.opens {
            let (name, salt) = (open.field.name(), hex::encode(open.salt));
            writeln!(f, "open {name} {salt} {}", STANDARD.encode(&open.value))?;
        }
        for key in &self.keys {
            let (salt, text) = (hex::encode(key.salt), STANDARD.encode(&key.key));
            write!(f, "key {}:{} {salt} {text}", key.batch, key.index)?;
            for (number, hash) in key.path.iter().enumerate() {
                let before = if number == 0 { ' ' } else { ',' };
                write!(f, "{before}{hash}")?;
            }
            writeln!(f)?;
        }
        for line in &self.stocks {
            writeln!(f, "stock {line}")?;
        }
        for line in &self.more {
            writeln!(f, "more {line}")?;
        }
        self.proofs
            .iter()
            .try_for_each(|proof| write!(f, "{proof}"))
    }
}

/// Does not show keys or private fields.
impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("entry", &self.entry)
            .field("opens", &self.opens.len())
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

const HEADER: &str = "keystall-receipt/v1";

#[cfg(test)]
mod tests;

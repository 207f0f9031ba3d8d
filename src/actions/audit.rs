//! An auditor's nonce in the ledger: proof that it is written now.

use super::chain::Latest;
use super::open_shop::{Shop, unwritten};
use crate::domain::{EntryAt, seams::random};
use crate::ledger::entry::Body;
use crate::store::{Fault, WriteError};

/// What an auditor gets.
#[derive(Clone, Debug)]
pub struct Audited {
    /// Where the nonce lies.
    pub at: EntryAt,
    /// Its time in the ledger, Unix milliseconds.
    pub t_ms: i64,
    /// A signed checkpoint that covers it.
    pub checkpoint: Latest,
}

/// Why a nonce is not written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Not of the ledger's letters.
    #[error("a nonce has 1 to {NONCE_BYTES_MAX} letters, digits, `-` or `_`")]
    Nonce,
    /// The shop failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Longest nonce (ledger.md, section 1).
const NONCE_BYTES_MAX: usize = 128;

impl Shop {
    /// Writes an auditor's nonce, and gives a checkpoint that covers it.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn audit(&self, nonce: &str) -> Result<Audited, AuditError> {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX || !nonce.bytes().all(letter) {
            return Err(AuditError::Nonce);
        }
        let (nonce, vault, chain) = (nonce.to_owned(), self.vault.clone(), self.chain.clone());
        let write = self.store.write(
            move |tx| -> Result<_, WriteError<std::convert::Infallible>> {
                let body = Body::Audit {
                    nonce: &nonce,
                    r: random(vault.entropy()),
                };
                let at = chain.append(tx, &body)?;
                Ok((at, tx.head().t_ms))
            },
        );
        let (at, t_ms) = write.wait().map_err(unwritten)?;
        let (_, checkpoint) = self.signed_state(at)?;
        Ok(Audited {
            at,
            t_ms,
            checkpoint,
        })
    }
}

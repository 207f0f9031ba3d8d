//! A new log key: prepared here, vouched for by the origin key on another machine, then in force (ledger.md, section 6).
//!
//! A `rotate` binds its sequence number, and sales go on while its message is carried to another machine and back. So it is prepared
//! for a number some entries ahead, and what is missing until there is filled with heartbeats.

use ed25519_dalek::SigningKey;

use super::open_shop::Shop;
use crate::domain::seams::random;
use crate::ledger::entry::Body;
use crate::ledger::note::Vkey;
use crate::store::{Fault, Generation, Rows, WriteError};

/// A rotation that waits for the origin key's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedRotation {
    /// Sequence number that the `rotate` will have: it must be brought back before the ledger has passed it.
    pub seq: u64,
    /// Entries that the ledger has now.
    pub size: u64,
    /// The new log key's public half.
    pub vkey: String,
    /// What the origin key signs, on another machine.
    pub message: String,
}

/// A rotation that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Its sequence number.
    pub seq: u64,
    /// The log key from the next entry on.
    pub vkey: String,
    /// Heartbeats that were written to reach its number.
    pub filled: u64,
}

/// Why the log key stays.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Too near or too far.
    #[error("a rotation is prepared 1 to {AHEAD_MAX} entries ahead")]
    Ahead,
    /// Nothing to sign.
    #[error("no rotation is prepared: `keystall ledger rotate` prepares one")]
    None,
    /// The ledger is beyond it.
    #[error(
        "the ledger has passed entry {seq}, which this rotation was prepared for: prepare it again, further --ahead"
    )]
    Late {
        /// Its number.
        seq: u64,
    },
    /// Not by the origin key, or over another message.
    #[error(
        "this is not the origin key's signature over the message of the prepared rotation: sign exactly that message with the recovery secret of this shop"
    )]
    Signature,
    /// The store did not take it.
    #[error("{0}")]
    Store(String),
}

/// Most entries that a rotation may be ahead: as many heartbeats are written at most.
const AHEAD_MAX: u64 = 10_000;
/// Meta row of the prepared rotation: its sequence number (8 bytes, big-endian) and the new key, sealed.
pub(super) const PREPARED: &str = "next_log_key";

type Refusal = WriteError<RotateError>;

impl Shop {
    /// Prepares a new log key for a `rotate` that is `ahead` entries away. The one that is prepared already is given again, unless
    /// the ledger has passed it or `anew` says to drop it.
    ///
    /// # Errors
    /// [`RotateError`].
    pub fn prepare_rotation(
        &self,
        ahead: u64,
        anew: bool,
    ) -> Result<PreparedRotation, RotateError> {
        if !(1..=AHEAD_MAX).contains(&ahead) {
            return Err(RotateError::Ahead);
        }
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self.store.write(move |tx| -> Result<_, Refusal> {
            let (size, origin) = (tx.head().size, chain.origin());
            let open = |sealed: &[u8]| vault.open_for(PREPARED, origin.as_bytes(), sealed);
            let kept = tx.meta(PREPARED)?.filter(|_| !anew);
            let kept = kept.and_then(|sealed| read_prepared(open(&sealed).ok()?.expose()));
            let (seq, key) = match kept {
                Some((seq, key)) if seq >= size => (seq, key),
                _ => {
                    let (seq, key) = (
                        size + ahead,
                        SigningKey::from_bytes(&random(vault.entropy())),
                    );
                    let row =
                        zeroize::Zeroizing::new([&seq.to_be_bytes()[..], &key.to_bytes()].concat());
                    let sealed = vault.seal_for(PREPARED, origin.as_bytes(), &row);
                    tx.put_meta(PREPARED, &sealed)?;
                    (seq, key)
                }
            };
            let vkey = Vkey::new(&origin, &key.verifying_key()).to_string();
            let message = Body::rotate_message(&origin, seq, &vkey);
            Ok(PreparedRotation {
                seq,
                size,
                message: String::from_utf8_lossy(&message).into_owned(),
                vkey,
            })
        });
        write.wait().map_err(refused)
    }

    /// Puts the prepared log key in force. `signature` is the origin key's over the prepared message. The key before is destroyed
    /// in the same commit, which keeps its last checkpoint.
    ///
    /// # Errors
    /// [`RotateError`].
    pub fn rotate(&self, signature: [u8; 64]) -> Result<Rotated, RotateError> {
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self.store.write(move |tx| -> Result<_, Refusal> {
            let origin = chain.origin();
            let open = |sealed: &[u8]| vault.open_for(PREPARED, origin.as_bytes(), sealed);
            let kept = tx.meta(PREPARED)?;
            let kept = kept.and_then(|sealed| read_prepared(open(&sealed).ok()?.expose()));
            let (seq, key) = kept.ok_or(WriteError::Refused(RotateError::None))?;
            if tx.head().size > seq {
                return Err(WriteError::Refused(RotateError::Late { seq }));
            }
            let number = tx.head().generation;
            let mut log = tx.generation(number)?.ok_or(Fault::Invariant(
                "the generation that is written has its row",
            ))?;
            let vkey = Vkey::new(&origin, &key.verifying_key()).to_string();
            let message = Body::rotate_message(&origin, seq, &vkey);
            if !by_origin_key(&log, &message, &signature) {
                return Err(WriteError::Refused(RotateError::Signature));
            }
            let filled = seq - tx.head().size;
            // What was signed last before the rotation, for exports.
            let before = chain.latest();
            let at = tx.head().at(before.size);
            // One that is kept already may carry cosignatures.
            if before.generation == number && before.size > 0 && tx.mark(at)?.is_none() {
                tx.put_mark(at, &before.note)?;
            }
            while tx.head().size < seq {
                let mark = Body::Mark {
                    beacon: None,
                    down_ms: None,
                    r: random(vault.entropy()),
                };
                chain.append(tx, &mark)?;
            }
            let sig_old = chain
                .sign_message(&message)
                .ok_or(Fault::Invariant("the log is open when it is written"))?;
            let body = Body::Rotate {
                vkey: &vkey,
                sig_root: signature,
                sig_old,
                r: random(vault.entropy()),
            };
            chain.append(tx, &body)?;
            chain.hand_over(tx, &key)?;
            log.keys.push((seq + 1, vkey.clone()));
            tx.put_generation(number, &log)?;
            let sealed = vault.seal_for("log key", origin.as_bytes(), &key.to_bytes());
            tx.put_meta("log_key", &sealed)?;
            tx.remove_meta(PREPARED)?;
            Ok(Rotated { seq, vkey, filled })
        });
        write.wait().map_err(refused)
    }

    /// All log keys of the ledger's generations, oldest first, with origin, generation and the size above which each signs.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn log_keys(&self) -> Result<Vec<(u16, Generation)>, Fault> {
        let generations = self.store.read()?.generations()?;
        Ok((0..).zip(generations).collect())
    }
}

/// Whether the origin key signed it.
pub(super) fn by_origin_key(log: &Generation, message: &[u8], signature: &[u8; 64]) -> bool {
    Vkey::parse(&log.root_vkey).is_ok_and(|root| root.verifies(message, signature))
}

fn read_prepared(row: &[u8]) -> Option<(u64, SigningKey)> {
    let (seq, seed) = row.split_first_chunk::<8>()?;
    let seed = <&[u8; 32]>::try_from(seed).ok()?;
    Some((u64::from_be_bytes(*seq), SigningKey::from_bytes(seed)))
}

fn refused(error: Refusal) -> RotateError {
    match error {
        WriteError::Refused(refusal) => refusal,
        error => RotateError::Store(error.to_string()),
    }
}

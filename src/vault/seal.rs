//! XChaCha20-Poly1305 with a label that binds the bytes to their place.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::domain::{Entropy, Secret, seams::random};

/// A key that seals rows.
pub struct DataKey(Zeroizing<[u8; 32]>);

/// The place of a sealed row (security.md, section 2). Each part is written with a 16-bit length before it, so no two places
/// give the same label.
#[derive(Clone, Copy, Debug)]
pub struct Aad<'a> {
    /// What the key is used for.
    pub purpose: &'a str,
    /// The shop.
    pub install: &'a [u8; 16],
    /// The table; the same over all states of a row.
    pub table: &'a str,
    /// Pool or order.
    pub owner: &'a [u8],
    /// Row within it.
    pub row: &'a [u8],
}

/// Why sealed bytes do not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Changed, moved to another place, or sealed under another key.
    #[error("sealed bytes do not open: changed, moved, or of another shop")]
    Forged,
    /// The key was destroyed.
    #[error("the key of these bytes was destroyed")]
    KeyGone,
}

/// First byte of everything sealed: the version of this form and of the key below it.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

impl DataKey {
    /// Takes a key over.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn from_secret(secret: &Secret) -> Result<Self, SealError> {
        <[u8; 32]>::try_from(secret.expose())
            .map(Self::from_bytes)
            .map_err(|_| SealError::Forged)
    }

    pub(super) fn expose(&self) -> &[u8] {
        &*self.0
    }

    /// Seals `plain`: version, 24 random bytes of nonce, ciphertext with tag.
    pub fn seal(&self, entropy: &dyn Entropy, place: &Aad<'_>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = random(entropy);
        let aad = place.label();
        // Encryption fails only beyond 256 GiB, which no limit of ours lets in.
        #[allow(clippy::expect_used)]
        let sealed = self
            .cipher()
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plain,
                    aad: &aad,
                },
            )
            .expect("below 256 GiB");
        let mut out = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what [`DataKey::seal`] made for the same place.
    ///
    /// # Errors
    /// [`SealError::Forged`].
    pub fn open(&self, place: &Aad<'_>, sealed: &[u8]) -> Result<Secret, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::Forged)?;
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SealError::Forged)?;
        if version != VERSION {
            return Err(SealError::Forged);
        }
        let aad = place.label();
        let opened = self.cipher().decrypt(
            &XNonce::from(*nonce),
            Payload {
                msg: sealed,
                aad: &aad,
            },
        );
        opened.map(Secret::new).map_err(|_| SealError::Forged)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl Aad<'_> {
    fn label(&self) -> Vec<u8> {
        let parts = [
            self.purpose.as_bytes(),
            self.install,
            self.table.as_bytes(),
            self.owner,
            self.row,
            &[VERSION],
        ];
        let mut label = Vec::with_capacity(96);
        for part in parts {
            // Names and ids are short; a longer part would be cut alike on both sides and still be told apart by its length.
            let len = u16::try_from(part.len()).unwrap_or(u16::MAX);
            label.extend_from_slice(&len.to_be_bytes());
            label.extend_from_slice(part);
        }
        label
    }
}

//! The receipt ledger, format 1, as pure functions over bytes.
//!
//! Owns the normative format of the ledger page: entry lines and their hash chain ([`entry`]), commitments to private
//! fields and keys ([`commitment`]), the RFC 6962 tree ([`tree`]), signed checkpoints ([`note`]) and what witnesses
//! add to them ([`cosignature`]), time stamps over checkpoints ([`timestamp`]), receipts ([`receipt`]), exports
//! ([`export`]), the verifier that trusts none of them ([`verify`]), the proof that a shop showed two histories ([`fork`]),
//! the messages that its origin key signs ([`sign`]), and the tree as tiles that monitors follow ([`tiles`]).
//!
//! Never knows the database, the network, a clock or a source of randomness: salts, nonces, times and keys come in as
//! arguments. Never panics on bytes from outside.

pub mod commitment;
pub mod compare;
pub mod cosignature;
pub mod entry;
mod exit;
pub mod export;
pub mod fork;
/// The specification, which stands alone.
#[doc = include_str!("format.md")]
pub mod format {}
pub mod note;
pub mod receipt;
pub mod sign;
pub mod tiles;
pub mod timestamp;
pub mod tree;
pub mod verify;

pub use cosignature::WitnessKey;
pub use exit::Exit;
pub use note::Vkey;

use std::fmt;

/// 32 bytes: an entry's chain hash, a tree node, a root or a commitment. Shown as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// 32 zero bytes, the `prev` of the first entry.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads exactly 64 lowercase hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        lower_hex(text).map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        // Twice as long as the bytes, and nothing but digits.
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads exactly `2 * N` lowercase hex digits. Upper case is refused: binary values have one spelling.
pub(crate) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    // Without a branch or a table, so that it is done for many digits at once.
    let (mut nibbles, mut bad) = ([0; HEX_DIGITS_MAX], false);
    let nibbles = nibbles.get_mut(..2 * N)?;
    for (nibble, digit) in nibbles.iter_mut().zip(digits) {
        let (decimal, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
        *nibble = if decimal < 10 {
            decimal
        } else {
            letter.wrapping_add(10)
        };
        bad |= decimal >= 10 && letter >= 6;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(nibbles.chunks_exact(2)) {
        *byte = (pair[0] << 4) | pair[1];
    }
    (!bad).then_some(out)
}

/// The longest binary value is a signature of 64 bytes.
const HEX_DIGITS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let text = "00ff".repeat(16);
        assert_eq!(
            Hash::from_hex(&text).map(|hash| hash.to_string()),
            Some(text.clone())
        );
        for wrong in [
            text.to_uppercase(),
            text[2..].to_owned(),
            format!("{text}00"),
            format!("g{}", &text[1..]),
        ] {
            assert_eq!(Hash::from_hex(&wrong), None, "{wrong}");
        }
    }
}

//! Commitments to private fields (section 4) and to keys (section 5): BLAKE3 in key derivation mode over a fresh salt.

use super::Hash;

/// Context of [`field`].
pub const FIELD_CONTEXT: &str = "keystall 2026-11 field commitment v1";
/// Context of [`key`].
pub const KEY_CONTEXT: &str = "keystall 2026-11 key commitment v1";

/// Names of the fields that entries commit to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The buyer's contact as typed, trimmed, UTF-8.
    Buyer,
    /// `channel \n provider's transaction id`.
    Pay,
    /// The staff's name.
    Who,
}

impl Field {
    /// The name as it stands in lines and receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Pay => "pay",
            Self::Who => "who",
        }
    }
}

/// `C`: the commitment to a private field. The salt is 32 fresh random bytes for each field of each entry.
pub fn field(salt: &[u8; 32], field: Field, value: &[u8]) -> Hash {
    let name = field.name();
    let mut hasher = blake3::Hasher::new_derive_key(FIELD_CONTEXT);
    hasher.update(salt);
    // Invariant: a field's name is a short constant, so its length fits one byte.
    hasher.update(&[name.len() as u8]);
    hasher.update(name.as_bytes());
    hasher.update(value);
    Hash(*hasher.finalize().as_bytes())
}

/// `K`: the commitment to a key, leaf data of its batch's tree. The salt is 32 fresh random bytes for each key.
pub fn key(salt: &[u8; 32], key: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(KEY_CONTEXT);
    hasher.update(salt);
    hasher.update(key);
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_depends_on_salt_name_and_value() {
        let base = field(&[1; 32], Field::Buyer, b"a@example.org");
        assert_ne!(base, field(&[2; 32], Field::Buyer, b"a@example.org"));
        assert_ne!(base, field(&[1; 32], Field::Pay, b"a@example.org"));
        assert_ne!(base, field(&[1; 32], Field::Buyer, b"b@example.org"));
        assert_ne!(key(&[1; 32], b"K"), key(&[2; 32], b"K"));
        assert_ne!(key(&[1; 32], b"K"), key(&[1; 32], b"L"));
    }
}

//! Verifier keys of C2SP: a public key with its name.

use super::is_name;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use thiserror::Error;

/// A log's public key with its name: `name+hash+base64`, Ed25519 notes only (type 0x01).
#[derive(Clone, PartialEq, Eq)]
pub struct Vkey(NamedKey<0x01>);

/// Why a text is not a verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VkeyError {
    /// Not three parts, or a part in another form.
    #[error("a vkey looks like name+8 hex digits+base64")]
    Form,
    /// Another algorithm, or not 32 bytes of key.
    #[error("the vkey is not an Ed25519 key")]
    Algorithm,
    /// A witness's key where a log's is wanted.
    #[error("this is the key of a witness, not of a log: it goes with --witness")]
    Witness,
    /// A log's key where a witness's is wanted.
    #[error("this is the key of a log, not of a witness: it goes with --vkey")]
    Log,
    /// The hash in the middle is not that of name and key: a typing error.
    #[error("the vkey's hash does not match its name and key: it was not copied whole")]
    Hash,
    /// The bytes are no point of the curve, or one of small order.
    #[error("the vkey's bytes are not a usable public key")]
    Point,
}

impl Vkey {
    /// The verifier key of a signing key under this name.
    pub fn new(name: &str, key: &VerifyingKey) -> Self {
        Self(NamedKey::new(name, key))
    }

    /// Reads the C2SP form, strictly.
    pub fn parse(text: &str) -> Result<Self, VkeyError> {
        NamedKey::parse(text).map(Self)
    }

    /// The key's name; for a log key, its origin.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether the signature over the message is this key's, checked strictly.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verifies(message, signature)
    }

    /// The id under which its signature lines stand.
    pub(in crate::ledger) const fn id(&self) -> [u8; 4] {
        self.0.id
    }
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An Ed25519 key with its name, for one type of signature.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::ledger) struct NamedKey<const TYPE: u8> {
    pub(in crate::ledger) name: String,
    pub(in crate::ledger) id: [u8; 4],
    key: VerifyingKey,
}

impl<const TYPE: u8> NamedKey<TYPE> {
    pub(in crate::ledger) fn new(name: &str, key: &VerifyingKey) -> Self {
        Self {
            name: name.to_owned(),
            id: key_id(name, TYPE, key.as_bytes()),
            key: *key,
        }
    }

    pub(in crate::ledger) fn parse(text: &str) -> Result<Self, VkeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(data)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(VkeyError::Form);
        };
        let id = crate::ledger::lower_hex::<4>(hash).ok_or(VkeyError::Form)?;
        if !is_name(name) {
            return Err(VkeyError::Form);
        }
        let data = STANDARD.decode(data).map_err(|_| VkeyError::Form)?;
        let (kind, bytes) = data.split_first().ok_or(VkeyError::Algorithm)?;
        match *kind {
            kind if kind == TYPE => {}
            LOG => return Err(VkeyError::Log),
            COSIGNATURE | COSIGNATURE_ML_DSA => return Err(VkeyError::Witness),
            _ => return Err(VkeyError::Algorithm),
        }
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| VkeyError::Algorithm)?;
        if key_id(name, TYPE, &bytes) != id {
            return Err(VkeyError::Hash);
        }
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| VkeyError::Point)?;
        if key.is_weak() {
            return Err(VkeyError::Point);
        }
        Ok(Self {
            name: name.to_owned(),
            id,
            key,
        })
    }

    /// Strictly: S below the group's order, no point of small order.
    pub(in crate::ledger) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).is_ok()
    }
}

impl<const TYPE: u8> fmt::Display for NamedKey<TYPE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut data = vec![TYPE];
        data.extend_from_slice(self.key.as_bytes());
        let (name, hash) = (&self.name, hex::encode(self.id));
        write!(f, "{name}+{hash}+{}", STANDARD.encode(data))
    }
}

/// First 4 bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ key)`.
fn key_id(name: &str, kind: u8, key: &[u8; 32]) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', kind]);
    hasher.update(key);
    let digest: [u8; 32] = hasher.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Types of signature in C2SP: Ed25519 notes, Ed25519 cosignatures, ML-DSA-44 cosignatures.
const LOG: u8 = 0x01;
const COSIGNATURE: u8 = 0x04;
const COSIGNATURE_ML_DSA: u8 = 0x06;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn vkey() -> Vkey {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        Vkey::new("shop.example/0123abcd", &key)
    }

    #[test]
    fn a_vkey_has_one_spelling() {
        let text = vkey().to_string();
        assert_eq!(Vkey::parse(&text).unwrap(), vkey());
        for position in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 0x01;
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(Vkey::parse(&text).is_err(), "{text}");
            }
        }
        let weak = VerifyingKey::from_bytes(&[0; 32]).map(|key| Vkey::new("weak", &key));
        if let Ok(weak) = weak {
            assert_eq!(Vkey::parse(&weak.to_string()), Err(VkeyError::Point));
        }
    }
}

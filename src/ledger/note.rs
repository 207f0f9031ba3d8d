//! Signed checkpoints (section 3): C2SP signed notes with the body of a tlog-checkpoint, and verifier keys.

use super::Hash;
use super::entry::natural;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use thiserror::Error;

/// Longest note in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Most signature lines of a note.
pub const SIGNATURES_MAX: usize = 64;

/// The note over (size, root), signed: the three lines of a checkpoint, a blank line, one signature line.
/// Deterministic, so a note that was lost is made again from the same state. `origin` is the key's name.
pub fn sign_checkpoint(key: &SigningKey, origin: &str, size: u64, root: &Hash) -> String {
    let text = checkpoint_text(origin, size, root);
    let id = key_id(origin, key.verifying_key().as_bytes());
    let mut blob = id.to_vec();
    blob.extend_from_slice(&key.sign(text.as_bytes()).to_bytes());
    format!("{text}\n{DASH} {origin} {}\n", STANDARD.encode(blob))
}

/// A public key with its name: `name+hash+base64`, Ed25519 only.
#[derive(Clone, PartialEq, Eq)]
pub struct Vkey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

/// Why a text is not a verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VkeyError {
    /// Not three parts, or a part in another form.
    #[error("a vkey looks like name+8 hex digits+base64")]
    Form,
    /// Not algorithm 0x01 with 32 bytes of key.
    #[error("the vkey is not an Ed25519 key")]
    Algorithm,
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
        Self {
            name: name.to_owned(),
            id: key_id(name, key.as_bytes()),
            key: *key,
        }
    }

    /// Reads the C2SP form, strictly.
    pub fn parse(text: &str) -> Result<Self, VkeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(data)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(VkeyError::Form);
        };
        let id = super::lower_hex::<4>(hash).ok_or(VkeyError::Form)?;
        if !is_name(name) {
            return Err(VkeyError::Form);
        }
        let data = STANDARD.decode(data).map_err(|_| VkeyError::Form)?;
        let Some((&ED25519, bytes)) = data.split_first() else {
            return Err(VkeyError::Algorithm);
        };
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| VkeyError::Algorithm)?;
        if key_id(name, &bytes) != id {
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

    /// The key's name; for a log key, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the signature over the message is this key's, checked strictly.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut data = vec![ED25519];
        data.extend_from_slice(self.key.as_bytes());
        let (name, hash) = (&self.name, hex::encode(self.id));
        write!(f, "{name}+{hash}+{}", STANDARD.encode(data))
    }
}

impl fmt::Debug for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A checkpoint as read: nothing in it is proven until [`Checkpoint::signed_by`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    signatures: Vec<NoteSignature>,
}

/// What a note says about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// The key signed it.
    Yes,
    /// No signature line names the key.
    No,
    /// A line names the key, and its signature is wrong.
    Forged,
}

/// Why a text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed checkpoint: {0}")]
pub struct NoteError(pub &'static str);

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Checkpoint {
    /// Reads a note: three lines of body, no extension lines, a blank line, at least one signature line.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError("longer than 64 KiB"));
        }
        let (text, lines) = note.split_once("\n\n").ok_or(NoteError("no blank line"))?;
        let mut body = text.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (body.next(), body.next(), body.next(), body.next())
        else {
            return Err(NoteError("its body is not origin, size and root"));
        };
        if !is_name(origin) {
            return Err(NoteError("its origin is not a key's name"));
        }
        let size = natural(size).ok_or(NoteError("its size is not a number"))?;
        let root = hash_from_base64(root).ok_or(NoteError("its root is not 32 bytes in base64"))?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError("cut off"))?;
        let signatures = lines
            .split('\n')
            .map(|line| signature_line(line).ok_or(NoteError("a signature line is malformed")))
            .collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError("more than 64 signatures"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
            signatures,
        })
    }

    /// Whether this key signed the note. Lines of other keys are ignored.
    pub fn signed_by(&self, vkey: &Vkey) -> SignedBy {
        let mut verdict = SignedBy::No;
        let message = checkpoint_text(&self.origin, self.size, &self.root);
        for signature in &self.signatures {
            if signature.name != vkey.name || signature.id != vkey.id {
                continue;
            }
            match <&[u8; 64]>::try_from(signature.bytes.as_slice()) {
                Ok(bytes) if vkey.verifies(message.as_bytes(), bytes) => verdict = SignedBy::Yes,
                _ => return SignedBy::Forged,
            }
        }
        verdict
    }

    /// Drops the signatures of witnesses, for whoever keeps many checkpoints.
    pub(crate) fn forget_strangers(&mut self) {
        let origin = &self.origin;
        self.signatures
            .retain(|signature| signature.name == *origin);
        self.signatures.shrink_to_fit();
    }
}

/// Exactly 32 bytes in strict base64.
pub(crate) fn hash_from_base64(text: &str) -> Option<Hash> {
    let bytes = STANDARD.decode(text).ok()?;
    <[u8; 32]>::try_from(bytes).ok().map(Hash)
}

fn checkpoint_text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", STANDARD.encode(root))
}

/// First 4 bytes of `SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key)`.
fn key_id(name: &str, key: &[u8; 32]) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', ED25519]);
    hasher.update(key);
    let digest: [u8; 32] = hasher.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// C2SP: a key's name is not empty and holds no plus sign, no white space and no control character.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c != '+' && !c.is_whitespace() && !c.is_control();
    !name.is_empty() && name.chars().all(allowed)
}

fn signature_line(line: &str) -> Option<NoteSignature> {
    let (name, data) = line
        .strip_prefix(DASH)?
        .strip_prefix(' ')?
        .split_once(' ')?;
    let data = STANDARD.decode(data).ok()?;
    let (id, bytes) = data.split_first_chunk::<4>()?;
    (is_name(name) && !bytes.is_empty()).then(|| NoteSignature {
        name: name.to_owned(),
        id: *id,
        bytes: bytes.to_vec(),
    })
}

const ED25519: u8 = 0x01;
const DASH: &str = "\u{2014}";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ORIGIN: &str = "shop.example/0123abcd";

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn vkey() -> Vkey {
        Vkey::new(ORIGIN, &key().verifying_key())
    }

    #[test]
    fn a_signed_checkpoint_reads_back_and_verifies() {
        let note = sign_checkpoint(&key(), ORIGIN, 24, &Hash([3; 32]));
        let checkpoint = Checkpoint::parse(&note).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (24, Hash([3; 32])));
        assert_eq!(checkpoint.signed_by(&vkey()), SignedBy::Yes);
        let stranger = SigningKey::from_bytes(&[8; 32]).verifying_key();
        assert_eq!(
            checkpoint.signed_by(&Vkey::new(ORIGIN, &stranger)),
            SignedBy::No
        );
    }

    #[test]
    fn a_witness_we_do_not_know_is_ignored() {
        let note = sign_checkpoint(&key(), ORIGIN, 24, &Hash([3; 32]));
        let witness = format!("{DASH} witness.example {}\n", STANDARD.encode([9; 76]));
        let checkpoint = Checkpoint::parse(&format!("{note}{witness}")).unwrap();
        assert_eq!(checkpoint.signed_by(&vkey()), SignedBy::Yes);
    }

    #[test]
    fn every_flipped_byte_of_a_note_is_noticed() {
        let note = sign_checkpoint(&key(), ORIGIN, 24, &Hash([3; 32]));
        for position in 0..note.len() {
            for mask in [0x01, 0x04, 0x20, 0x80] {
                let mut bytes = note.clone().into_bytes();
                bytes[position] ^= mask;
                let Ok(text) = String::from_utf8(bytes) else {
                    continue;
                };
                let passes = Checkpoint::parse(&text)
                    .is_ok_and(|checkpoint| checkpoint.signed_by(&vkey()) == SignedBy::Yes);
                assert!(!passes, "byte {position} mask {mask:#x}");
            }
        }
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

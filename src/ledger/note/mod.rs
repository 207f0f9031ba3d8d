//! Signed checkpoints (section 3): C2SP signed notes with the body of a tlog-checkpoint, and verifier keys.

mod vkey;

pub(in crate::ledger) use vkey::NamedKey;
pub use vkey::{Vkey, VkeyError};

use super::Hash;
use super::entry::natural;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use thiserror::Error;

/// Longest note in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Most signature lines of a note.
pub const SIGNATURES_MAX: usize = 64;

/// The note over (size, root), signed: the three lines of a checkpoint, a blank line, one signature line.
/// Deterministic, so a note that was lost is made again from the same state. `origin` is the key's name.
pub fn sign_checkpoint(key: &SigningKey, origin: &str, size: u64, root: &Hash) -> String {
    let text = checkpoint_text(origin, size, root);
    let id = Vkey::new(origin, &key.verifying_key()).id();
    let line = line_of(origin, id, &key.sign(text.as_bytes()).to_bytes());
    format!("{text}\n{line}")
}

/// The note with these signature lines (each ending in `\n`, as a witness answers) after its own. A line of a key that
/// the note has already takes the older one's place; one under the log's own name is refused, whatever it holds.
/// Verifies nothing: see [`cosignature::countersigned`](super::cosignature::countersigned).
pub fn with_lines(note: &str, lines: &str) -> Result<String, NoteError> {
    let origin = Checkpoint::parse(note)?.origin;
    let mut merged = note.to_owned();
    for line in signature_lines(lines)? {
        if line.name == origin {
            return Err(NoteError("a further line under the log's own name"));
        }
        // Invariant: a note that parsed has a blank line, and nothing but signature lines after it.
        let (body, old) = merged.split_once("\n\n").unwrap_or_default();
        let mut next = format!("{body}\n\n");
        let other = |own: &&NoteSignature| own.name != line.name || own.id != line.id;
        for own in signature_lines(old)?.iter().filter(other) {
            next.push_str(&line_of(&own.name, own.id, &own.bytes));
        }
        next.push_str(&line_of(&line.name, line.id, &line.bytes));
        merged = next;
    }
    Checkpoint::parse(&merged)?;
    Ok(merged)
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

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct NoteSignature {
    pub(in crate::ledger) name: String,
    pub(in crate::ledger) id: [u8; 4],
    pub(in crate::ledger) bytes: Vec<u8>,
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
        let signatures = signature_lines(lines)?;
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
            signatures,
        })
    }

    /// Whether this key signed the note. Lines of other keys are ignored.
    pub fn signed_by(&self, vkey: &Vkey) -> SignedBy {
        let message = self.body();
        let lines = self.lines_of(vkey.name(), vkey.id());
        verdict(lines.map(|line| line.bytes.as_slice()), vkey, &message)
    }

    /// The verdict over those of the keys that are of the note's log; a forged line is never made good by another key.
    pub fn signed_by_one_of(&self, vkeys: &[Vkey]) -> SignedBy {
        super::fork::pinned(self, vkeys)
    }

    /// The three lines that are signed, each with its `\n`: what the log key, witnesses and time stamps cover.
    pub fn body(&self) -> String {
        checkpoint_text(&self.origin, self.size, &self.root)
    }

    /// How many signature lines there are.
    pub(in crate::ledger) const fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// The signature lines of one key.
    pub(in crate::ledger) fn lines_of<'a>(
        &'a self,
        name: &'a str,
        id: [u8; 4],
    ) -> impl Iterator<Item = &'a NoteSignature> {
        let own = move |line: &&NoteSignature| line.name == name && line.id == id;
        self.signatures.iter().filter(own)
    }

    /// Drops the lines of all other keys, for whoever keeps many checkpoints.
    pub(in crate::ledger) fn forget_others(&mut self, vkeys: &[Vkey]) {
        let by = |line: &NoteSignature, vkey: &Vkey| {
            (line.name.as_str(), line.id) == (vkey.name(), vkey.id())
        };
        self.signatures
            .retain(|line| vkeys.iter().any(|vkey| by(line, vkey)));
        self.signatures.shrink_to_fit();
    }

    /// What its log's keys can be judged by, where it is not yet known which keys those are.
    pub(in crate::ledger) fn own_lines(&self) -> OwnLines {
        let own = self
            .signatures
            .iter()
            .filter(|line| line.name == self.origin);
        let own = own.map(|line| (line.id, line.bytes.as_slice().try_into().ok()));
        OwnLines(own.collect())
    }
}

/// The signature lines under the log's own name: of each its key's id, and its signature if that has the length of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct OwnLines(Box<[OwnLine]>);

type OwnLine = ([u8; 4], Option<[u8; 64]>);

impl OwnLines {
    /// How many lines there are.
    pub(in crate::ledger) const fn count(&self) -> usize {
        self.0.len()
    }

    /// What [`Checkpoint::signed_by`] says of the checkpoint of this size and root of the key's own log.
    pub(in crate::ledger) fn signed_by(&self, vkey: &Vkey, size: u64, root: &Hash) -> SignedBy {
        let message = checkpoint_text(vkey.name(), size, root);
        let lines = self.0.iter().filter(|(id, _)| *id == vkey.id());
        // Bytes of another length are no signature, whichever they were.
        let lines = lines.map(|(_, bytes)| bytes.as_ref().map_or(&[][..], |bytes| &bytes[..]));
        verdict(lines, vkey, &message)
    }
}

/// Over the signatures under a key's name and id: one that is wrong is never made good by another.
fn verdict<'a>(lines: impl Iterator<Item = &'a [u8]>, vkey: &Vkey, message: &str) -> SignedBy {
    let mut verdict = SignedBy::No;
    for line in lines {
        match <&[u8; 64]>::try_from(line) {
            Ok(bytes) if vkey.verifies(message.as_bytes(), bytes) => verdict = SignedBy::Yes,
            _ => return SignedBy::Forged,
        }
    }
    verdict
}

/// Exactly 32 bytes in strict base64.
pub(crate) fn hash_from_base64(text: &str) -> Option<Hash> {
    let bytes = STANDARD.decode(text).ok()?;
    <[u8; 32]>::try_from(bytes).ok().map(Hash)
}

pub(in crate::ledger) fn checkpoint_text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", STANDARD.encode(root))
}

/// C2SP: a key's name is not empty and holds no plus sign, no white space and no control character.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c != '+' && !c.is_whitespace() && !c.is_control();
    !name.is_empty() && name.chars().all(allowed)
}

/// One line as it stands in a note.
pub(in crate::ledger) fn line_of(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    let blob = [&id, signature].concat();
    format!("{DASH} {name} {}\n", STANDARD.encode(blob))
}

/// At least one line, each ending in `\n`.
pub(in crate::ledger) fn signature_lines(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    let lines = lines.strip_suffix('\n').ok_or(NoteError("cut off"))?;
    if lines.split('\n').nth(SIGNATURES_MAX).is_some() {
        return Err(NoteError("more than 64 signatures"));
    }
    let malformed = NoteError("a signature line is malformed");
    let read = |line| signature_line(line).ok_or(malformed);
    lines.split('\n').map(read).collect()
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
    fn keys_of_one_name_are_told_apart_by_their_number() {
        let note = sign_checkpoint(&key(), ORIGIN, 24, &Hash([3; 32]));
        let line = |id: u8, byte: u8| line_of("witness.example", [id; 4], &[byte; 72]);
        let both = with_lines(&note, &(line(1, 7) + &line(2, 7))).unwrap();
        assert_eq!(both, format!("{note}{}{}", line(1, 7), line(2, 7)));
        let newer = with_lines(&both, &line(1, 8)).unwrap();
        assert_eq!(newer, format!("{note}{}{}", line(2, 7), line(1, 8)));
    }

    #[test]
    fn a_note_has_64_kib_at_most() {
        let note = sign_checkpoint(&key(), ORIGIN, 24, &Hash([3; 32]));
        let signature = 3 * 16_000;
        let filled = |name: usize| {
            let line = line_of(&"w".repeat(name), [1; 4], &vec![7; signature]);
            format!("{note}{line}")
        };
        let name = NOTE_BYTES_MAX - filled(1).len() + 1;
        assert_eq!(filled(name).len(), NOTE_BYTES_MAX);
        assert!(Checkpoint::parse(&filled(name)).is_ok());
        assert!(Checkpoint::parse(&filled(name + 1)).is_err());
    }
}

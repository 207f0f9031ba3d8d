//! Sealing of backups in the age format, version 1 (<https://c2sp.org/age>), with X25519 recipients alone: Debian's own `age`
//! opens what is made here, without this program.
//!
//! A file has a header, in which a key of 128 bits is wrapped for each recipient, and behind it the payload in chunks of 64 KiB,
//! each with a tag of its own and the last one marked: a chunk that is cut off, moved or taken from elsewhere does not open.

mod header;
mod payload;

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use bech32::{Bech32, Hrp};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::domain::{Entropy, Secret, seams::random};

pub use payload::{OpenReader, SealWriter};

/// First line of every file of this format, with its end.
pub const AGE_MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// The secret half of a key pair that backups are sealed to. Never prints; cleared when it is dropped.
pub struct BackupIdentity(StaticSecret);

/// The public half: with it a backup is sealed, and not opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackupRecipient(PublicKey);

/// Why a sealed file does not open.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    /// Not of this format.
    #[error(
        "this is not a sealed backup: a file in the age format begins with age-encryption.org/v1"
    )]
    Foreign,
    /// The header is of another form.
    #[error("the sealed file's header is damaged: {0}")]
    Header(&'static str),
    /// Nobody we know.
    #[error(
        "it is sealed to another key: look for the recovery sheet of the shop that it was made by"
    )]
    Stranger,
    /// A chunk does not open.
    #[error("the sealed file is damaged in its chunk {0}: take another copy")]
    Damaged(u64),
    /// It ends within.
    #[error("the sealed file ends early: take another copy")]
    Cut,
    /// The file system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// No recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// The text is of another form.
    #[error("a recipient is age1 and 58 letters and digits")]
    Form,
    /// A point of low order, zero among them (RFC 7748, section 6.1): with it anybody would open what is sealed to it.
    #[error(
        "this recipient is a point of low order, which seals nothing: give the key that the recovery sheet gives"
    )]
    LowOrder,
}

const RECIPIENT: Hrp = Hrp::parse_unchecked("age");
const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-");

impl BackupIdentity {
    /// The pair that these 32 bytes give.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(StaticSecret::from(*seed))
    }

    /// A pair for one run.
    pub fn once(entropy: &dyn Entropy) -> Self {
        let seed = Zeroizing::new(random::<32>(entropy));
        Self::from_seed(&seed)
    }

    /// The public half.
    pub fn recipient(&self) -> BackupRecipient {
        BackupRecipient(PublicKey::from(&self.0))
    }

    /// `AGE-SECRET-KEY-1…`, as `age -d -i` reads it: whoever has it opens every backup.
    pub fn expose_text(&self) -> Secret {
        // A key of 32 bytes is far below the longest text of Bech32.
        let text = bech32::encode::<Bech32>(IDENTITY, self.0.as_bytes()).unwrap_or_default();
        let text = Zeroizing::new(text);
        Secret::from(text.to_ascii_uppercase())
    }
}

impl fmt::Debug for BackupIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupIdentity(…)")
    }
}

impl BackupRecipient {
    /// The key of these bytes.
    ///
    /// # Errors
    /// [`RecipientError::LowOrder`].
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, RecipientError> {
        let key = PublicKey::from(bytes);
        // Every secret is a multiple of eight, so any of them shows it.
        let any = StaticSecret::from([1; 32]);
        match any.diffie_hellman(&key).was_contributory() {
            true => Ok(Self(key)),
            false => Err(RecipientError::LowOrder),
        }
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for BackupRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key of 32 bytes is far below the longest text of Bech32.
        f.write_str(&bech32::encode::<Bech32>(RECIPIENT, self.as_bytes()).unwrap_or_default())
    }
}

impl fmt::Debug for BackupRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackupRecipient({self})")
    }
}

impl FromStr for BackupRecipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let (hrp, bytes) = bech32::decode(text).map_err(|_| RecipientError::Form)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| RecipientError::Form)?;
        let recipient = Self::from_bytes(bytes)?;
        // Its other spelling, and the checksum of Bech32m, are none of this format.
        match hrp == RECIPIENT && recipient.to_string() == text {
            true => Ok(recipient),
            false => Err(RecipientError::Form),
        }
    }
}

/// Begins a sealed file in `out` that each of `recipients` opens.
///
/// # Errors
/// What `out` says.
pub fn seal_to<W: Write>(
    recipients: &[BackupRecipient],
    entropy: &dyn Entropy,
    mut out: W,
) -> io::Result<SealWriter<W>> {
    let file_key = Zeroizing::new(random::<16>(entropy));
    out.write_all(&header::write(recipients, &file_key, entropy))?;
    let nonce = random::<16>(entropy);
    out.write_all(&nonce)?;
    Ok(SealWriter::new(header::payload_key(&file_key, &nonce), out))
}

/// Opens a sealed file with any of `identities`: its header now, its payload as it is read.
///
/// # Errors
/// [`AgeError`].
pub fn open_sealed<R: Read>(
    identities: &[&BackupIdentity],
    mut sealed: R,
) -> Result<OpenReader<R>, AgeError> {
    let file_key = header::read(&mut sealed, identities)?;
    let mut nonce = [0; 16];
    sealed.read_exact(&mut nonce).map_err(cut)?;
    let key = header::payload_key(&file_key, &nonce);
    Ok(OpenReader::new(key, sealed))
}

fn cut(error: io::Error) -> AgeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => AgeError::Cut,
        _ => AgeError::Io(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

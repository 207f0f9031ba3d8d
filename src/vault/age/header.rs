//! The header: the file's key, wrapped for each recipient, and a MAC over all of it.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{AGE_MAGIC, AgeError, BackupIdentity, BackupRecipient, cut};
use crate::domain::{Entropy, seams::random};

/// Longest line that is read: one of a stanza has at most some hundred bytes.
const LINE_BYTES_MAX: usize = 1_024;
/// Longest header that is read, with room for stanzas of other kinds.
const HEADER_BYTES_MAX: usize = 16 * 1_024;
/// Key agreements in one header at most: each costs time.
const STANZAS_MAX: usize = 20;
const WRAP: &[u8] = b"age-encryption.org/v1/X25519";
/// Bytes of a wrapped file key: 16 and a tag.
const WRAPPED_BYTES: usize = 32;
/// A wrapped key is used once, so its nonce is zero.
const ZERO: [u8; 12] = [0; 12];

type FileKey = Zeroizing<[u8; 16]>;

/// The header of a file whose key is `file_key`.
pub(super) fn write(
    recipients: &[BackupRecipient],
    file_key: &[u8; 16],
    entropy: &dyn Entropy,
) -> Vec<u8> {
    let mut header = AGE_MAGIC.to_vec();
    for recipient in recipients {
        let ephemeral = StaticSecret::from(random::<32>(entropy));
        let share = PublicKey::from(&ephemeral);
        let shared = ephemeral.diffie_hellman(&recipient.0);
        let key = wrapping_key(shared.as_bytes(), &share, &recipient.0);
        // Encryption fails only beyond 256 GiB.
        #[allow(clippy::expect_used)]
        let body = cipher(&key)
            .encrypt(&Nonce::from(ZERO), file_key.as_slice())
            .expect("below 256 GiB");
        let (share, body) = (encoded(share.as_bytes()), encoded(&body));
        header.extend_from_slice(format!("-> X25519 {share}\n{body}\n").as_bytes());
    }
    header.extend_from_slice(b"---");
    let mac = mac(file_key, &header);
    header.extend_from_slice(format!(" {}\n", encoded(&mac)).as_bytes());
    header
}

/// Reads a header to its end, and gives the file's key.
pub(super) fn read(
    sealed: &mut impl Read,
    identities: &[&BackupIdentity],
) -> Result<FileKey, AgeError> {
    let mut magic = [0; AGE_MAGIC.len()];
    sealed
        .read_exact(&mut magic)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => AgeError::Foreign,
            _ => AgeError::Io(error),
        })?;
    if magic != *AGE_MAGIC {
        return Err(AgeError::Foreign);
    }
    let mut header = magic.to_vec();
    let mut found = None;
    let mut stanzas = 0;
    let mut line = next_line(sealed, &mut header)?;
    loop {
        if let Some(given) = line.strip_prefix("--- ") {
            let given = decoded(given).ok_or(AgeError::Header("its MAC"))?;
            let end = header.len() - line.len() - 1 + "---".len();
            let file_key: FileKey = found.ok_or(AgeError::Stranger)?;
            let is_own = bool::from(mac(&file_key, &header[..end]).ct_eq(&given));
            return match is_own {
                true => Ok(file_key),
                false => Err(AgeError::Header("its MAC does not fit")),
            };
        }
        let arguments = line
            .strip_prefix("-> ")
            .ok_or(AgeError::Header("a line that does not belong there"))?;
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        stanzas += 1;
        if stanzas > STANZAS_MAX {
            return Err(AgeError::Header("too many recipients"));
        }
        let body = read_body(sealed, &mut header)?;
        if arguments[0] == "X25519" && found.is_none() {
            found = unwrap(&arguments[1..], &body, identities)?;
        }
        line = next_line(sealed, &mut header)?;
    }
}

/// The key of the payload behind the header.
pub(super) fn payload_key(file_key: &[u8; 16], nonce: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    derived(file_key, nonce, b"payload")
}

/// A stanza's body: full lines of 64 letters, then a shorter one.
fn read_body(sealed: &mut impl Read, header: &mut Vec<u8>) -> Result<Vec<u8>, AgeError> {
    const COLUMNS: usize = 64;
    let mut body = Vec::new();
    loop {
        let line = next_line(sealed, header)?;
        if line.len() > COLUMNS {
            return Err(AgeError::Header("a line of a recipient is too long"));
        }
        body.extend(decoded(&line).ok_or(AgeError::Header("a recipient's Base64"))?);
        if line.len() < COLUMNS {
            return Ok(body);
        }
    }
}

fn unwrap(
    arguments: &[String],
    body: &[u8],
    identities: &[&BackupIdentity],
) -> Result<Option<FileKey>, AgeError> {
    let wrong = AgeError::Header("an X25519 recipient");
    let [share] = arguments else {
        return Err(wrong);
    };
    let Some(share) = decoded(share).and_then(|share| <[u8; 32]>::try_from(share).ok()) else {
        return Err(wrong);
    };
    if body.len() != WRAPPED_BYTES {
        return Err(wrong);
    }
    let share = PublicKey::from(share);
    for identity in identities {
        let shared = identity.0.diffie_hellman(&share);
        if !shared.was_contributory() {
            return Err(wrong);
        }
        let key = wrapping_key(shared.as_bytes(), &share, &PublicKey::from(&identity.0));
        if let Ok(opened) = cipher(&key).decrypt(&Nonce::from(ZERO), body) {
            let opened = Zeroizing::new(opened);
            let file_key = <[u8; 16]>::try_from(opened.as_slice()).map_err(|_| wrong)?;
            return Ok(Some(Zeroizing::new(file_key)));
        }
    }
    Ok(None)
}

/// The next line without its end; what was read of it is appended to `header`.
fn next_line(sealed: &mut impl Read, header: &mut Vec<u8>) -> Result<String, AgeError> {
    let begin = header.len();
    loop {
        let mut byte = [0];
        sealed.read_exact(&mut byte).map_err(cut)?;
        header.push(byte[0]);
        if byte[0] == b'\n' {
            break;
        }
        if header.len() - begin > LINE_BYTES_MAX || header.len() > HEADER_BYTES_MAX {
            return Err(AgeError::Header("it is too long"));
        }
    }
    let line = &header[begin..header.len() - 1];
    let is_plain = line.iter().all(|byte| (b' '..=b'~').contains(byte));
    match std::str::from_utf8(line) {
        Ok(line) if is_plain => Ok(line.to_owned()),
        _ => Err(AgeError::Header("it is not plain text")),
    }
}

fn wrapping_key(
    shared: &[u8; 32],
    share: &PublicKey,
    recipient: &PublicKey,
) -> Zeroizing<[u8; 32]> {
    let salt = [share.as_bytes().as_slice(), recipient.as_bytes()].concat();
    derived(shared, &salt, WRAP)
}

fn mac(file_key: &[u8; 16], header: &[u8]) -> [u8; 32] {
    let key = derived(file_key, b"", b"header");
    // HMAC takes a key of any length.
    #[allow(clippy::expect_used)]
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*key).expect("any length");
    mac.update(header);
    mac.finalize().into_bytes().into()
}

fn derived(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // Only longer outputs than 255 hashes are refused.
    #[allow(clippy::expect_used)]
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand(info, &mut *out)
        .expect("32 bytes are a short output");
    out
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.into())
}

fn encoded(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

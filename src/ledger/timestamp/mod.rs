//! RFC 3161 time stamps: an authority states that the bytes of a checkpoint existed at a time.
//!
//! Owns the request ([`request`]) and the strict, offline check of a response ([`verify`]). The stamped bytes are the
//! note's body, exactly what the log key signs: origin, size and root, each line with its `\n` ([`imprint`]).
//! Certificates of authorities that the user trusts come in as PEM ([`Authorities`]).
//!
//! A valid stamp proves that this checkpoint existed at the stated time, as far as the authority is honest. It proves
//! neither that no other checkpoint was stamped as well, nor that this one is the latest. Revocation is not looked at:
//! that needs a network, and a stamp is held against the time that it states.
//!
//! Never asks the network, a clock or the machine's own list of authorities, and never panics on bytes from outside.

mod certificate;
mod cms;
mod der;
mod rsa;
mod signature;
mod tst;

pub use certificate::{AUTHORITIES_MAX, Authorities, AuthoritiesError};

use self::cms::SignedData;
use self::tst::TstInfo;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Longest response in bytes: a token with a chain of certificates has some 6 KiB.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a nonce that [`request`] sends.
pub const NONCE_BYTES: usize = 16;

/// SHA-256 over a note's body (origin, size and root: three lines, each with its `\n`).
pub fn imprint(body: &str) -> [u8; 32] {
    Sha256::digest(body.as_bytes()).into()
}

/// A `TimeStampReq` (RFC 3161, 2.4.1): SHA-256 imprint, nonce, `certReq` true. DER, for `application/timestamp-query`.
pub fn request(imprint: &[u8; 32], nonce: &[u8; NONCE_BYTES]) -> Vec<u8> {
    let hash = der::sequence(&[der::oid(&oid::SHA_256), der::NULL.to_vec()]);
    let message_imprint = der::sequence(&[hash, der::tlv(0x04, imprint)]);
    der::sequence(&[
        der::unsigned(&[1]),
        message_imprint,
        der::unsigned(nonce),
        der::TRUE.to_vec(),
    ])
}

/// What a response must be about.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// SHA-256 of the stamped bytes.
    pub imprint: &'a [u8; 32],
    /// The nonce of the request, where it is known: only the asker knows it.
    pub nonce: Option<&'a [u8; NONCE_BYTES]>,
}

/// A time stamp whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The time that the authority states, Unix milliseconds (fractions are cut off).
    pub time_ms: i64,
    /// How far off that may be, milliseconds, if the authority says so.
    pub accuracy_ms: Option<u64>,
    /// The authority's serial number of the stamp, hex.
    pub serial: String,
    /// The authority's policy, as dotted numbers.
    pub policy: String,
    /// SHA-256 of the signer's certificate, hex: what people compare.
    pub signer_sha256: String,
    /// Who vouches for the signer.
    pub trust: Trust,
}

/// Who vouches for the signer's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is, or its chain ends at, a certificate that the user trusts, and was valid at the stated time.
    Given,
    /// Nobody: the signature was checked against the certificate that the token carries, and that is all.
    Nobody(String),
}

/// Why a response is no time stamp over the expected bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StampError {
    /// The bytes are no response, or one in another form than DER.
    #[error("malformed time stamp: {0}")]
    Malformed(&'static str),
    /// The authority did not grant a stamp; its words, if any.
    #[error("the authority refused: status {status}{text}")]
    Refused {
        /// `PKIStatus`.
        status: u8,
        /// Printable ASCII, with a separator in front, or empty.
        text: String,
    },
    /// It is over other bytes.
    #[error("the time stamp is over other bytes than this checkpoint")]
    OtherImprint,
    /// It answers another request.
    #[error("the time stamp answers another request: its nonce is not ours")]
    OtherNonce,
    /// The signature, or what it covers, is wrong.
    #[error("the time stamp's signature is wrong: {0}")]
    Forged(&'static str),
    /// The signer may not sign time stamps.
    #[error("the signer's certificate is not one for time stamps: {0}")]
    NotAuthority(&'static str),
    /// An algorithm that is not known here, or too weak.
    #[error("the time stamp uses an algorithm that is not accepted: {0}")]
    Algorithm(&'static str),
}

/// Checks a `TimeStampResp` against what it must be about. Everything that the token itself can prove is an error if
/// it fails; who vouches for the signer is in [`Stamp::trust`].
pub fn verify(
    response: &[u8],
    expected: &Expected<'_>,
    authorities: &Authorities,
) -> Result<Stamp, StampError> {
    if response.len() > TOKEN_BYTES_MAX {
        return Err(StampError::Malformed("longer than 64 KiB"));
    }
    let token = tst::granted_token(response)?;
    let signed = SignedData::parse(token)?;
    let info = TstInfo::parse(signed.content)?;
    if info.imprint != expected.imprint {
        return Err(StampError::OtherImprint);
    }
    if let Some(nonce) = expected.nonce
        && info.nonce != Some(der::trimmed(nonce))
    {
        return Err(StampError::OtherNonce);
    }
    let signer = signed.signer()?;
    signed.check_signature(&signer)?;
    signer.may_stamp()?;
    let trust = authorities.vouch(&signer, signed.others(&signer), info.time_ms);
    Ok(Stamp {
        time_ms: info.time_ms,
        accuracy_ms: info.accuracy_ms,
        serial: hex::encode(info.serial),
        policy: info.policy,
        signer_sha256: hex::encode(Sha256::digest(signer.der)),
        trust: trust.map_or_else(Trust::Nobody, |()| Trust::Given),
    })
}

/// Object identifiers, as their DER content.
mod oid {
    pub(super) const SHA_256: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    pub(super) const SHA_384: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
    pub(super) const SHA_512: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
    /// 1.2.840.113549.1.7.2
    pub(super) const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    /// 1.2.840.113549.1.9.16.1.4
    pub(super) const TST_INFO: [u8; 11] = [
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04,
    ];
    /// 1.2.840.113549.1.9.3
    pub(super) const CONTENT_TYPE: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
    /// 1.2.840.113549.1.9.4
    pub(super) const MESSAGE_DIGEST: [u8; 9] =
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
    /// 1.2.840.113549.1.9.16.2.12 (RFC 2634)
    pub(super) const SIGNING_CERTIFICATE: [u8; 11] = [
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c,
    ];
    /// 1.2.840.113549.1.9.16.2.47 (RFC 5035)
    pub(super) const SIGNING_CERTIFICATE_V2: [u8; 11] = [
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f,
    ];
    /// 1.3.6.1.5.5.7.3.8, `id-kp-timeStamping`
    pub(super) const TIME_STAMPING: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
    /// 2.5.29.37
    pub(super) const EXTENDED_KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x25];
    /// 2.5.29.15
    pub(super) const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
    /// 2.5.29.14
    pub(super) const SUBJECT_KEY_IDENTIFIER: [u8; 3] = [0x55, 0x1d, 0x0e];
    /// 1.2.840.113549.1.1.1
    pub(super) const RSA_ENCRYPTION: [u8; 9] =
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
}

#[cfg(test)]
mod tests;

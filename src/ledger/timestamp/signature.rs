//! Signatures of authorities: which algorithms are accepted, and how webpki is told to check them.
//!
//! RSA with PKCS#1 v1.5 or PSS, ECDSA over P-256 and P-384, each with SHA-256, SHA-384 or SHA-512. SHA-1, keys of
//! RSA below 2048 bits and other curves are refused.

use super::der::Values;
use super::{StampError, oid, rsa};
use der::Tag;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use webpki::EndEntityCert;

/// A digest that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DigestAlgorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl DigestAlgorithm {
    /// Reads the parts of an `AlgorithmIdentifier`; its parameters are absent or NULL (RFC 5754, 2).
    pub(super) fn parse(mut parts: Values<'_>) -> Result<Self, StampError> {
        let kind = parts.oid()?;
        parts.optional(Tag::Null)?;
        parts.end()?;
        let known = [
            (oid::SHA_256, Self::Sha256),
            (oid::SHA_384, Self::Sha384),
            (oid::SHA_512, Self::Sha512),
        ];
        let found = known.into_iter().find(|(oid, _)| kind == oid);
        let unknown = StampError::Algorithm("a digest other than SHA-256, SHA-384, SHA-512");
        found.map(|(_, digest)| digest).ok_or(unknown)
    }

    pub(super) fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

/// Whether the certificate's key signed the message. `algorithm` is the content of an `AlgorithmIdentifier`: it names
/// key and digest together, or only the key (`rsaEncryption`), and then `digest` completes it.
pub(super) fn signature_holds(
    certificate: &[u8],
    algorithm: &[u8],
    digest: DigestAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), StampError> {
    let certificate = CertificateDer::from(certificate);
    let unreadable = StampError::Malformed("its signer's certificate cannot be read");
    let certificate = EndEntityCert::try_from(&certificate).map_err(|_| unreadable)?;
    let rsa = algorithm == alg_id::RSA_ENCRYPTION.as_ref()
        || algorithm == super::der::oid(&oid::RSA_ENCRYPTION);
    let named = |known: &&&Algorithm| match rsa {
        true => known.scheme == Scheme::RsaPkcs1,
        false => known.signature_id.as_ref() == algorithm,
    };
    let mut fitting = KNOWN.iter().filter(named).peekable();
    if fitting.peek().is_none() {
        let what = "a signature other than RSA or ECDSA over P-256 and P-384";
        return Err(StampError::Algorithm(what));
    }
    let mut fitting = fitting.filter(|known| known.digest == digest);
    // The same name fits both curves: the key decides.
    match fitting.any(|known| {
        certificate
            .verify_signature(*known, message, signature)
            .is_ok()
    }) {
        true => Ok(()),
        false => Err(StampError::Forged("it is not by the signer's key")),
    }
}

/// What webpki may use for the chain.
pub(super) static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &RSA_256, &RSA_384, &RSA_512, &PSS_256, &PSS_384, &PSS_512, &P256_256, &P256_384, &P256_512,
    &P384_256, &P384_384, &P384_512,
];

static KNOWN: &[&Algorithm] = &[
    &RSA_256, &RSA_384, &RSA_512, &PSS_256, &PSS_384, &PSS_512, &P256_256, &P256_384, &P256_512,
    &P384_256, &P384_384, &P384_512,
];

#[derive(Debug)]
struct Algorithm {
    scheme: Scheme,
    digest: DigestAlgorithm,
    signature_id: AlgorithmIdentifier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    RsaPkcs1,
    RsaPss,
    P256,
    P384,
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let hash = self.digest.of(message);
        let holds = match self.scheme {
            Scheme::RsaPkcs1 => rsa::pkcs1_holds(public_key, self.digest, &hash, signature),
            Scheme::RsaPss => rsa::pss_holds(public_key, self.digest, &hash, signature),
            Scheme::P256 => p256_holds(public_key, &hash, signature),
            Scheme::P384 => p384_holds(public_key, &hash, signature),
        };
        holds
            .filter(|holds| *holds)
            .map(|_| ())
            .ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.scheme {
            Scheme::RsaPkcs1 | Scheme::RsaPss => alg_id::RSA_ENCRYPTION,
            Scheme::P256 => alg_id::ECDSA_P256,
            Scheme::P384 => alg_id::ECDSA_P384,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature_id
    }
}

fn p256_holds(public_key: &[u8], hash: &[u8], signature: &[u8]) -> Option<bool> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(public_key).ok()?;
    let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
    Some(key.verify_prehash(hash, &signature).is_ok())
}

fn p384_holds(public_key: &[u8], hash: &[u8], signature: &[u8]) -> Option<bool> {
    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(public_key).ok()?;
    let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
    Some(key.verify_prehash(hash, &signature).is_ok())
}

const fn algorithm(
    scheme: Scheme,
    digest: DigestAlgorithm,
    signature_id: AlgorithmIdentifier,
) -> Algorithm {
    Algorithm {
        scheme,
        digest,
        signature_id,
    }
}

static RSA_256: Algorithm = algorithm(
    Scheme::RsaPkcs1,
    DigestAlgorithm::Sha256,
    alg_id::RSA_PKCS1_SHA256,
);
static RSA_384: Algorithm = algorithm(
    Scheme::RsaPkcs1,
    DigestAlgorithm::Sha384,
    alg_id::RSA_PKCS1_SHA384,
);
static RSA_512: Algorithm = algorithm(
    Scheme::RsaPkcs1,
    DigestAlgorithm::Sha512,
    alg_id::RSA_PKCS1_SHA512,
);
static PSS_256: Algorithm = algorithm(
    Scheme::RsaPss,
    DigestAlgorithm::Sha256,
    alg_id::RSA_PSS_SHA256,
);
static PSS_384: Algorithm = algorithm(
    Scheme::RsaPss,
    DigestAlgorithm::Sha384,
    alg_id::RSA_PSS_SHA384,
);
static PSS_512: Algorithm = algorithm(
    Scheme::RsaPss,
    DigestAlgorithm::Sha512,
    alg_id::RSA_PSS_SHA512,
);
static P256_256: Algorithm = algorithm(Scheme::P256, DigestAlgorithm::Sha256, alg_id::ECDSA_SHA256);
static P256_384: Algorithm = algorithm(Scheme::P256, DigestAlgorithm::Sha384, alg_id::ECDSA_SHA384);
static P256_512: Algorithm = algorithm(Scheme::P256, DigestAlgorithm::Sha512, alg_id::ECDSA_SHA512);
static P384_256: Algorithm = algorithm(Scheme::P384, DigestAlgorithm::Sha256, alg_id::ECDSA_SHA256);
static P384_384: Algorithm = algorithm(Scheme::P384, DigestAlgorithm::Sha384, alg_id::ECDSA_SHA384);
static P384_512: Algorithm = algorithm(Scheme::P384, DigestAlgorithm::Sha512, alg_id::ECDSA_SHA512);

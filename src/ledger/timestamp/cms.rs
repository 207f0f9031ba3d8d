//! CMS `SignedData` (RFC 5652) as a time stamp uses it: one signer, signed attributes, the signer's certificate inside.

use super::certificate::Certificate;
use super::der::{Value, Values, context, context_primitive};
use super::signature::{DigestAlgorithm, signature_holds};
use super::{StampError, oid};
use der::Tag;
use sha1::{Digest, Sha1};

/// The parts that are looked at. Nothing of it is proven until [`SignedData::check_signature`] passes.
pub(super) struct SignedData<'a> {
    /// DER of the `TSTInfo`.
    pub(super) content: &'a [u8],
    certificates: Vec<Certificate<'a>>,
    signer: SignerInfo<'a>,
}

struct SignerInfo<'a> {
    id: SignerId<'a>,
    digest: DigestAlgorithm,
    /// Content of `signedAttrs`.
    attributes: &'a [u8],
    /// Content of the signature's `AlgorithmIdentifier`.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

enum SignerId<'a> {
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    KeyIdentifier(&'a [u8]),
}

impl<'a> SignedData<'a> {
    /// Reads a `ContentInfo`.
    pub(super) fn parse(token: &'a [u8]) -> Result<Self, StampError> {
        let mut outer = Values::new(token, "its token is no CMS SignedData")?;
        let mut info = outer.sequence()?;
        outer.end()?;
        if info.oid()? != oid::SIGNED_DATA {
            return Err(info.fault());
        }
        let wrapped = info.take(context(0))?;
        info.end()?;
        let mut wrapped = Values::new(wrapped.content, "its SignedData has another form")?;
        let mut parts = wrapped.sequence()?;
        wrapped.end()?;
        if parts.small()? != 3 {
            return Err(StampError::Malformed("its SignedData is not of version 3"));
        }
        let mut digests = Values::new(parts.take(Tag::Set)?.content, "its digests")?;
        let mut announced = Vec::new();
        while !digests.is_empty() {
            announced.push(DigestAlgorithm::parse(digests.sequence()?)?);
        }
        let content = content(&mut parts)?;
        let certificates = match parts.optional(context(0))? {
            Some(set) => certificates(&set)?,
            None => Vec::new(),
        };
        parts.optional(context(1))?;
        let mut signers = Values::new(parts.take(Tag::Set)?.content, "its signer")?;
        parts.end()?;
        let signer = SignerInfo::parse(signers.sequence()?)?;
        if !signers.is_empty() {
            return Err(StampError::Malformed("it has more than one signer"));
        }
        if announced != [signer.digest] {
            return Err(StampError::Malformed("its digests are not its signer's"));
        }
        Ok(Self {
            content,
            certificates,
            signer,
        })
    }

    /// The certificate that the signer names; the token must carry it.
    pub(super) fn signer(&self) -> Result<Certificate<'a>, StampError> {
        let named = self
            .certificates
            .iter()
            .find(|certificate| match self.signer.id {
                SignerId::IssuerAndSerial { issuer, serial } => {
                    certificate.issuer == issuer && certificate.serial == serial
                }
                SignerId::KeyIdentifier(id) => certificate.key_identifier == Some(id),
            });
        let missing = StampError::Malformed("it does not carry its signer's certificate");
        named.cloned().ok_or(missing)
    }

    /// The other certificates that the token carries.
    pub(super) fn others(&self, signer: &Certificate<'_>) -> Vec<&'a [u8]> {
        let certificates = self.certificates.iter().map(|certificate| certificate.der);
        certificates.filter(|der| *der != signer.der).collect()
    }

    /// The signed attributes name the content, its digest and the signer's certificate, and the signature covers them.
    pub(super) fn check_signature(&self, signer: &Certificate<'_>) -> Result<(), StampError> {
        let attributes = Attributes::parse(self.signer.attributes)?;
        let mut content_type = single(attributes.content_type)?;
        if content_type.oid()? != oid::TST_INFO {
            return Err(StampError::Forged("it signs another type of content"));
        }
        content_type.end()?;
        let mut digest = single(attributes.message_digest)?;
        let stated = digest.take(Tag::OctetString)?.content;
        digest.end()?;
        if stated != self.signer.digest.of(self.content) {
            return Err(StampError::Forged(
                "its message digest is not that of its content",
            ));
        }
        attributes.names(signer)?;
        // RFC 5652, 5.4: signed is the SET OF, not the [0] that stands in the message.
        let message = super::der::tlv(0x31, self.signer.attributes);
        signature_holds(
            signer.der,
            self.signer.algorithm,
            self.signer.digest,
            &message,
            self.signer.signature,
        )
    }
}

/// `EncapsulatedContentInfo`: the content's bytes.
fn content<'a>(parts: &mut Values<'a>) -> Result<&'a [u8], StampError> {
    let mut info = parts.sequence()?;
    if info.oid()? != oid::TST_INFO {
        return Err(StampError::Malformed("its content is no TSTInfo"));
    }
    let wrapped = info.take(context(0))?;
    info.end()?;
    let mut wrapped = Values::new(wrapped.content, "its content is no octet string")?;
    let content = wrapped.take(Tag::OctetString)?.content;
    wrapped.end()?;
    Ok(content)
}

/// X.509 certificates of the set; attribute certificates and other kinds are passed over.
fn certificates<'a>(set: &Value<'a>) -> Result<Vec<Certificate<'a>>, StampError> {
    let mut values = Values::new(set.content, "its certificates")?;
    let mut list = Vec::new();
    while !values.is_empty() {
        let value = values.any()?;
        if value.tag == Tag::Sequence {
            list.push(Certificate::parse(value.raw)?);
        }
        if list.len() > CERTIFICATES_MAX {
            return Err(StampError::Malformed("it carries too many certificates"));
        }
    }
    Ok(list)
}

impl<'a> SignerInfo<'a> {
    fn parse(mut parts: Values<'a>) -> Result<Self, StampError> {
        let version = parts.small()?;
        let id = match parts.optional(context_primitive(0))? {
            Some(id) => SignerId::KeyIdentifier(id.content),
            None => {
                let mut name = parts.sequence()?;
                let issuer = name.take(Tag::Sequence)?.raw;
                let serial = name.take(Tag::Integer)?.content;
                name.end()?;
                SignerId::IssuerAndSerial { issuer, serial }
            }
        };
        let due = match id {
            SignerId::IssuerAndSerial { .. } => 1,
            SignerId::KeyIdentifier(_) => 3,
        };
        if version != due {
            return Err(parts.fault());
        }
        let digest = DigestAlgorithm::parse(parts.sequence()?)?;
        let attributes = parts.take(context(0))?.content;
        let algorithm = parts.take(Tag::Sequence)?.content;
        let signature = parts.take(Tag::OctetString)?.content;
        parts.optional(context(1))?;
        parts.end()?;
        Ok(Self {
            id,
            digest,
            attributes,
            algorithm,
            signature,
        })
    }
}

/// The signed attributes that matter: contents of their sets of values.
#[derive(Default)]
struct Attributes<'a> {
    content_type: Option<&'a [u8]>,
    message_digest: Option<&'a [u8]>,
    certificate_v1: Option<&'a [u8]>,
    certificate_v2: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn parse(content: &'a [u8]) -> Result<Self, StampError> {
        let mut list = Values::new(content, "its signed attributes")?;
        let mut all = Self::default();
        while !list.is_empty() {
            let mut attribute = list.sequence()?;
            let kind = attribute.oid()?;
            let values = attribute.take(Tag::Set)?.content;
            attribute.end()?;
            let place = if kind == oid::CONTENT_TYPE {
                &mut all.content_type
            } else if kind == oid::MESSAGE_DIGEST {
                &mut all.message_digest
            } else if kind == oid::SIGNING_CERTIFICATE {
                &mut all.certificate_v1
            } else if kind == oid::SIGNING_CERTIFICATE_V2 {
                &mut all.certificate_v2
            } else {
                continue;
            };
            if place.replace(values).is_some() {
                return Err(StampError::Malformed("a signed attribute stands twice"));
            }
        }
        Ok(all)
    }

    /// RFC 3161, 2.4.2: the signature covers which certificate is meant (ESS, RFC 2634 and RFC 5035). The first that
    /// an attribute lists is the signer's.
    fn names(&self, signer: &Certificate<'_>) -> Result<(), StampError> {
        if self.certificate_v1.is_none() && self.certificate_v2.is_none() {
            return Err(StampError::Malformed("it names no signing certificate"));
        }
        let other = StampError::Forged("it names another signing certificate");
        if self.certificate_v1.is_some() {
            let mut id = first_certificate(self.certificate_v1)?;
            let hash = id.take(Tag::OctetString)?.content;
            if Sha1::digest(signer.der).as_slice() != hash {
                return Err(other);
            }
        }
        if self.certificate_v2.is_some() {
            let mut id = first_certificate(self.certificate_v2)?;
            let digest = match id.optional(Tag::Sequence)? {
                Some(algorithm) => {
                    DigestAlgorithm::parse(Values::new(algorithm.content, "its digest")?)?
                }
                None => DigestAlgorithm::Sha256,
            };
            let hash = id.take(Tag::OctetString)?.content;
            if digest.of(signer.der) != hash {
                return Err(other);
            }
        }
        Ok(())
    }
}

/// `SigningCertificate(V2) ::= SEQUENCE { certs SEQUENCE OF ESSCertID, policies OPTIONAL }`: the first of `certs`.
fn first_certificate(attribute: Option<&[u8]>) -> Result<Values<'_>, StampError> {
    let mut value = single(attribute)?;
    let mut parts = value.sequence()?;
    value.end()?;
    parts.sequence()?.sequence()
}

/// The values of an attribute that has to be there.
fn single(attribute: Option<&[u8]>) -> Result<Values<'_>, StampError> {
    let content = attribute.ok_or(StampError::Malformed("a signed attribute is missing"))?;
    Values::new(content, "a signed attribute has another form")
}

/// More than any chain has.
const CERTIFICATES_MAX: usize = 16;

//! The signer's certificate: whether it may stamp, and who vouches for it.

use super::der::{Value, Values, context, context_primitive};
use super::signature::ALGORITHMS;
use super::tst::generalized_time;
use super::{StampError, oid};
use der::Tag;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::time::Duration;
use thiserror::Error;
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

/// Certificates of time-stamping authorities that the user trusts: roots, intermediates or signers.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// Why bytes are no certificates of authorities.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthoritiesError {
    /// No PEM block of a certificate within.
    #[error("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    None,
    /// A block that is cut off, or no certificate.
    #[error("holds a certificate that cannot be read")]
    Malformed,
    /// More than [`AUTHORITIES_MAX`].
    #[error("holds more certificates than any list of authorities")]
    TooMany,
}

impl Authorities {
    /// Trusts nobody: signatures are checked against the certificates that tokens carry, and that is all.
    pub const fn nobody() -> Self {
        Self(Vec::new())
    }

    /// Adds the certificates of a PEM file; text around the blocks is passed over.
    pub fn add_pem(&mut self, file: &[u8]) -> Result<(), AuthoritiesError> {
        let before = self.0.len();
        for certificate in CertificateDer::pem_slice_iter(file) {
            let certificate = certificate.map_err(|_| AuthoritiesError::Malformed)?;
            if anchor_from_trusted_cert(&certificate).is_err()
                || Certificate::parse(&certificate).is_err()
            {
                return Err(AuthoritiesError::Malformed);
            }
            self.0.push(certificate);
            if self.0.len() > AUTHORITIES_MAX {
                return Err(AuthoritiesError::TooMany);
            }
        }
        match self.0.len() > before {
            true => Ok(()),
            false => Err(AuthoritiesError::None),
        }
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a trusted certificate is the signer's or the end of its chain, all valid at this time. Errs with the
    /// reason.
    pub(super) fn vouch(
        &self,
        signer: &Certificate<'_>,
        others: Vec<&[u8]>,
        time_ms: i64,
    ) -> Result<(), String> {
        if self.is_empty() {
            return Err("no certificate of an authority was given".to_owned());
        }
        let seconds = u64::try_from(time_ms.div_euclid(1_000));
        let seconds = seconds.map_err(|_| "its time lies before 1970".to_owned())?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let der = CertificateDer::from(signer.der);
        // A path of no steps is none for webpki, so a signer that is itself trusted is held as its own anchor here.
        if self.0.iter().any(|trusted| trusted.as_ref() == signer.der) {
            return signer.check_time(time_ms);
        }
        // webpki does not look at an anchor's own time.
        let valid = self.0.iter().filter(|trusted| valid_at(trusted, time_ms));
        let anchors: Vec<TrustAnchor<'_>> = valid
            .filter_map(|trusted| anchor_from_trusted_cert(trusted).ok())
            .collect();
        if anchors.is_empty() {
            return Err("the trusted certificate was not valid then".to_owned());
        }
        let intermediates: Vec<_> = others.into_iter().map(CertificateDer::from).collect();
        let end = EndEntityCert::try_from(&der).map_err(|error| reason(&error))?;
        // The signer's own key usage is checked more strictly by `may_stamp`.
        let usage = KeyUsage::required_if_present(&oid::TIME_STAMPING);
        let path = end.verify_for_usage(
            ALGORITHMS,
            &anchors,
            &intermediates,
            time,
            usage,
            None,
            None,
        );
        path.map(|_| ()).map_err(|error| reason(&error))
    }
}

/// What is read of a certificate besides what webpki reads.
#[derive(Clone, Debug)]
pub(super) struct Certificate<'a> {
    pub(super) der: &'a [u8],
    pub(super) issuer: &'a [u8],
    /// Content of the INTEGER.
    pub(super) serial: &'a [u8],
    pub(super) key_identifier: Option<&'a [u8]>,
    extended_key_usage: Option<Extension<'a>>,
    key_usage: Option<Extension<'a>>,
    /// Content of `Validity`.
    validity: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
struct Extension<'a> {
    critical: bool,
    content: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads the fields above (RFC 5280, 4.1); webpki reads the rest.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, StampError> {
        let mut outer = Values::new(der, "a certificate has another form")?;
        let mut parts = outer.sequence()?;
        outer.end()?;
        let mut body = parts.sequence()?;
        parts.take(Tag::Sequence)?;
        parts.take(Tag::BitString)?;
        parts.end()?;
        body.optional(context(0))?;
        let serial = body.take(Tag::Integer)?.content;
        body.take(Tag::Sequence)?;
        let issuer = body.take(Tag::Sequence)?.raw;
        let validity = body.take(Tag::Sequence)?.content;
        body.take(Tag::Sequence)?;
        body.take(Tag::Sequence)?;
        body.optional(context_primitive(1))?;
        body.optional(context_primitive(2))?;
        let extensions = body.optional(context(3))?;
        body.end()?;
        let mut certificate = Self {
            der,
            issuer,
            serial,
            key_identifier: None,
            extended_key_usage: None,
            key_usage: None,
            validity,
        };
        if let Some(extensions) = extensions {
            certificate.read_extensions(extensions.content)?;
        }
        Ok(certificate)
    }

    fn read_extensions(&mut self, content: &'a [u8]) -> Result<(), StampError> {
        let mut outer = Values::new(content, "a certificate's extensions")?;
        let mut list = outer.sequence()?;
        outer.end()?;
        while !list.is_empty() {
            let mut parts = list.sequence()?;
            let kind = parts.oid()?;
            let critical = parts.optional(Tag::Boolean)?;
            let content = parts.take(Tag::OctetString)?.content;
            parts.end()?;
            let extension = Extension {
                critical: critical.is_some_and(|value| value.content == [0xff]),
                content,
            };
            let place = if kind == oid::EXTENDED_KEY_USAGE {
                &mut self.extended_key_usage
            } else if kind == oid::KEY_USAGE {
                &mut self.key_usage
            } else {
                if kind == oid::SUBJECT_KEY_IDENTIFIER {
                    let mut value = Values::new(content, "a certificate's key identifier")?;
                    self.key_identifier = Some(value.take(Tag::OctetString)?.content);
                }
                continue;
            };
            if place.replace(extension).is_some() {
                return Err(StampError::Malformed(
                    "a certificate's extension stands twice",
                ));
            }
        }
        Ok(())
    }

    /// RFC 3161, 2.3: the extended key usage is `timeStamping`, nothing else, and critical. A key usage, where there
    /// is one, is for signatures.
    pub(super) fn may_stamp(&self) -> Result<(), StampError> {
        let missing = StampError::NotAuthority("it has no extended key usage");
        let usage = self.extended_key_usage.ok_or(missing)?;
        let mut outer = Values::new(usage.content, "a certificate's extended key usage")?;
        let mut purposes = outer.sequence()?;
        outer.end()?;
        let stamps = purposes.oid()? == oid::TIME_STAMPING;
        if !stamps || !purposes.is_empty() {
            let what = "its extended key usage is not time stamping alone";
            return Err(StampError::NotAuthority(what));
        }
        if !usage.critical {
            let what = "its extended key usage is not critical";
            return Err(StampError::NotAuthority(what));
        }
        let Some(usage) = self.key_usage else {
            return Ok(());
        };
        let mut value = Values::new(usage.content, "a certificate's key usage")?;
        let bits = value.take(Tag::BitString)?.content;
        // Bit 0 is digitalSignature, bit 1 nonRepudiation; the first byte counts unused bits.
        match bits {
            [_, first, ..] if first & 0xc0 != 0 => Ok(()),
            _ => Err(StampError::NotAuthority("its key is not for signatures")),
        }
    }

    fn check_time(&self, time_ms: i64) -> Result<(), String> {
        match self.validity() {
            Some((from_ms, _)) if time_ms < from_ms => Err(NOT_YET.to_owned()),
            // The last second counts whole.
            Some((_, until_ms)) if time_ms > until_ms + 999 => Err(EXPIRED.to_owned()),
            Some(_) => Ok(()),
            None => Err("its certificate states no time that can be read".to_owned()),
        }
    }

    /// First and last moment, Unix milliseconds.
    fn validity(&self) -> Option<(i64, i64)> {
        let mut parts = Values::new(self.validity, "validity").ok()?;
        let (from, until) = (parts.any().ok()?, parts.any().ok()?);
        parts.end().ok()?;
        Some((moment(&from)?, moment(&until)?))
    }
}

/// RFC 5280, 4.1.2.5: `UTCTime` counts 1950 to 2049.
fn moment(value: &Value<'_>) -> Option<i64> {
    if value.tag == Tag::GeneralizedTime {
        return generalized_time(value.content);
    }
    let century: &[u8] = match (value.tag, value.content.first()?) {
        (Tag::UtcTime, b'0'..=b'4') => b"20",
        (Tag::UtcTime, b'5'..=b'9') => b"19",
        _ => return None,
    };
    generalized_time(&[century, value.content].concat())
}

fn valid_at(trusted: &CertificateDer<'_>, time_ms: i64) -> bool {
    Certificate::parse(trusted).is_ok_and(|certificate| certificate.check_time(time_ms).is_ok())
}

/// In words, as far as people can act on it.
fn reason(error: &Error) -> String {
    match error {
        Error::CertExpired { .. } => EXPIRED.to_owned(),
        Error::CertNotValidYet { .. } => NOT_YET.to_owned(),
        Error::UnknownIssuer => "no trusted certificate issued its signer's".to_owned(),
        Error::InvalidSignatureForPublicKey => "a signature in its chain is wrong".to_owned(),
        Error::RequiredEkuNotFoundContext(_) => {
            "an authority in its chain may not vouch for time stamps".to_owned()
        }
        error => format!("its chain does not hold ({error})"),
    }
}

/// Most trusted certificates: a system's whole list has some 150.
pub const AUTHORITIES_MAX: usize = 1_000;
const EXPIRED: &str = "a certificate of its chain had expired at the stated time";
const NOT_YET: &str = "a certificate of its chain was not valid yet at the stated time";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> CertificateDer<'static> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/timestamps/");
        let pem = std::fs::read(format!("{folder}{name}")).unwrap();
        CertificateDer::from_pem_slice(&pem).unwrap()
    }

    #[test]
    fn a_certificate_is_valid_from_its_first_second_to_the_end_of_its_last() {
        for name in ["p256.pem", "expired.pem", "ca-ec.pem"] {
            let der = certificate(name);
            let certificate = Certificate::parse(&der).unwrap();
            let (from_ms, until_ms) = certificate.validity().unwrap();
            let at = |time_ms| (certificate.check_time(time_ms), valid_at(&der, time_ms));
            assert_eq!(at(from_ms - 1), (Err(NOT_YET.to_owned()), false));
            assert_eq!(at(from_ms), (Ok(()), true));
            assert_eq!(at(until_ms + 999), (Ok(()), true));
            assert_eq!(at(until_ms + 1_000), (Err(EXPIRED.to_owned()), false));
        }
    }

    #[test]
    fn years_of_two_digits_are_of_1950_to_2049() {
        let at = |tag, text: &str| {
            let content = text.as_bytes();
            let raw = content;
            moment(&Value { tag, content, raw })
        };
        let year = |text: &str| at(Tag::GeneralizedTime, text);
        assert_eq!(at(Tag::UtcTime, "491231235959Z"), year("20491231235959Z"));
        assert_eq!(at(Tag::UtcTime, "500101000000Z"), year("19500101000000Z"));
        assert_eq!(at(Tag::UtcTime, "991231235959Z"), year("19991231235959Z"));
        assert!(year("19500101000000Z").is_some());
        assert_eq!(at(Tag::UtcTime, ""), None);
        assert_eq!(at(Tag::UtcTime, "x91231235959Z"), None);
        assert_eq!(at(Tag::Utf8String, "491231235959Z"), None);
    }

    #[test]
    fn a_list_of_authorities_has_an_end() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/timestamps/");
        let pem = std::fs::read(format!("{folder}ca-ec.pem")).unwrap();
        let mut authorities = Authorities::nobody();
        assert_eq!(authorities.add_pem(&pem.repeat(AUTHORITIES_MAX)), Ok(()));
        let one_more = authorities.add_pem(&pem);
        assert_eq!(one_more, Err(AuthoritiesError::TooMany));
    }
}

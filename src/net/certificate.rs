//! What a certificate says of itself: when it is good, for which names, and how its authority knows it.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer, X509Certificate},
};

/// The facts of a chain's first certificate (RFC 5280).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Start of its validity, Unix milliseconds.
    pub not_before_ms: i64,
    /// End of its validity, Unix milliseconds.
    pub not_after_ms: i64,
    /// DNS names and addresses that it is for, as text.
    pub names: Vec<String>,
    /// Its serial number as hex digits.
    pub serial: String,
    /// Who signed it, as a distinguished name.
    pub issuer: String,
    /// Whether nobody but itself did.
    pub is_self_signed: bool,
    /// Its identifier for renewal information (RFC 9773, section 4.1); none without an authority key identifier.
    pub renewal_id: Option<RenewalId>,
}

/// An identifier of RFC 9773, section 4.1: both parts in Base64 for URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalId {
    /// The key identifier of the authority's key.
    pub authority: String,
    /// The content of the serial number in DER.
    pub serial: String,
}

/// Why bytes are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate that can be read")]
pub struct NoCertificate;

impl CertificateFacts {
    /// Reads the first certificate of a chain in PEM.
    ///
    /// # Errors
    /// [`NoCertificate`].
    pub fn of_pem(chain: &[u8]) -> Result<Self, NoCertificate> {
        let first = CertificateDer::from_pem_slice(chain).map_err(|_| NoCertificate)?;
        Self::of_der(&first)
    }

    /// Whether it is for all of `names`, which are host names in small letters and addresses.
    pub fn covers(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.names.contains(name))
    }

    pub(super) fn of_der(bytes: &[u8]) -> Result<Self, NoCertificate> {
        let (_, certificate) = X509Certificate::from_der(bytes).map_err(|_| NoCertificate)?;
        let ms = |seconds: i64| seconds.saturating_mul(1_000);
        let serial = certificate.tbs_certificate.raw_serial();
        let authority = authority(&certificate);
        Ok(Self {
            not_before_ms: ms(certificate.validity().not_before.timestamp()),
            not_after_ms: ms(certificate.validity().not_after.timestamp()),
            names: names(&certificate),
            serial: hex::encode(serial),
            issuer: certificate.issuer().to_string(),
            is_self_signed: certificate.issuer() == certificate.subject(),
            renewal_id: authority.map(|authority| RenewalId {
                authority: URL_SAFE_NO_PAD.encode(authority),
                serial: URL_SAFE_NO_PAD.encode(serial),
            }),
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let listed = alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    listed
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn authority<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate
        .iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(known) => {
                known.key_identifier.as_ref().map(|id| id.0)
            }
            _ => None,
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, IsCa, Issuer, KeyIdMethod, KeyPair, SerialNumber,
    };

    #[test]
    fn a_certificate_tells_its_times_its_names_and_its_identifier() {
        // The key identifier and the serial number of RFC 9773, section 4.1's example.
        let key_id = hex::decode("69885b6b87464041e1b37b847ba0ae2cde01c8d4").unwrap();
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_identifier_method = KeyIdMethod::PreSpecified(key_id);
        let ca = Issuer::new(ca, KeyPair::generate().unwrap());
        let names = ["shop.example", "192.0.2.7", "2001:db8::7"].map(str::to_owned);
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 11, 1);
        params.not_after = rcgen::date_time_ymd(2026, 11, 8);
        // It begins with a byte above 127: DER puts a zero before it.
        params.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&KeyPair::generate().unwrap(), &ca)
            .unwrap();
        let facts = CertificateFacts::of_pem(certificate.pem().as_bytes()).unwrap();
        assert_eq!(facts.names, names);
        assert!(facts.covers(&names[1..]) && !facts.covers(&["other.example".to_owned()]));
        assert_eq!(facts.not_after_ms - facts.not_before_ms, 7 * 86_400_000);
        let id = facts.renewal_id.unwrap();
        assert_eq!(id.serial, "AIdlQyE");
        assert_eq!(id.authority, "aYhba4dGQEHhs3uEe6CuLN4ByNQ");
        assert_eq!(CertificateFacts::of_pem(b"x"), Err(NoCertificate));
    }
}

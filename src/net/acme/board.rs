//! Where answers to challenges hang while an authority looks for them.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;

use crate::net::tls;

/// Answers to challenges, shared by whoever orders certificates and by the listeners that are asked. An answer hangs from its
/// posting until its [`Posted`] is dropped; nothing else is ever found here.
#[derive(Default)]
pub struct Board {
    /// Token → key authorization, of http-01 (RFC 8555, section 8.3).
    answers: RwLock<HashMap<String, String>>,
    /// Name of the handshake → certificate, of tls-alpn-01 (RFC 8737).
    handshakes: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

/// Takes its answer down when it is dropped.
#[must_use]
pub struct Posted {
    board: Arc<Board>,
    place: Place,
}

enum Place {
    Answer(String),
    Handshake(String),
}

impl Board {
    /// The key authorization of exactly this token.
    pub fn answer(&self, token: &str) -> Option<String> {
        read(&self.answers).get(token).cloned()
    }

    /// Whether an authority is awaited with a handshake.
    pub(in crate::net) fn awaits_handshake(&self) -> bool {
        !read(&self.handshakes).is_empty()
    }

    /// The certificate for a handshake that names `name` (SNI), which is not case-sensitive.
    pub(in crate::net) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        read(&self.handshakes)
            .get(&name.to_ascii_lowercase())
            .cloned()
    }

    /// Posts an http-01 answer.
    pub(super) fn post_answer(self: &Arc<Self>, token: &str, authorization: &str) -> Posted {
        put(&self.answers, token.to_owned(), authorization.to_owned());
        Posted {
            board: self.clone(),
            place: Place::Answer(token.to_owned()),
        }
    }

    /// Posts the certificate of a tls-alpn-01 challenge about `identifier`, a host name or an address, with the SHA-256 of its key
    /// authorization.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub(super) fn post_handshake(
        self: &Arc<Self>,
        identifier: &str,
        digest: &[u8],
    ) -> Result<Posted, rcgen::Error> {
        let certified = challenge_certificate(identifier, digest)?;
        let name = handshake_name(identifier);
        put(&self.handshakes, name.clone(), Arc::new(certified));
        Ok(Posted {
            board: self.clone(),
            place: Place::Handshake(name),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
impl Board {
    pub(in crate::net) fn post_for_tests(self: &Arc<Self>, identifier: &str) -> Posted {
        self.post_handshake(identifier, &[7; 32]).unwrap()
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        match &self.place {
            Place::Answer(token) => remove(&self.board.answers, token),
            Place::Handshake(name) => remove(&self.board.handshakes, name),
        }
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Board")
    }
}

/// The name by which an authority asks for `identifier` in its handshake: an address stands reversed, as in DNS (RFC 8738,
/// section 6).
fn handshake_name(identifier: &str) -> String {
    match identifier.parse() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let mut name = String::new();
            for byte in address.octets().into_iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", byte & 15, byte >> 4));
            }
            name + "ip6.arpa"
        }
        Err(_) => identifier.to_ascii_lowercase(),
    }
}

/// Self-signed, for `identifier` alone, with `acmeIdentifier` as its critical extension (RFC 8737, section 3).
fn challenge_certificate(identifier: &str, digest: &[u8]) -> Result<CertifiedKey, rcgen::Error> {
    let mut params = CertificateParams::new(vec![identifier.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let pair = KeyPair::generate()?;
    let certificate = params.self_signed(&pair)?;
    let key = PrivateKeyDer::try_from(pair.serialize_der())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    CertifiedKey::from_der(vec![certificate.der().clone()], key, &tls::provider())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)
}

// A panic between taking and giving back leaves a whole map behind: every change is one call.
fn read<K, V>(map: &RwLock<HashMap<K, V>>) -> std::sync::RwLockReadGuard<'_, HashMap<K, V>> {
    map.read().unwrap_or_else(PoisonError::into_inner)
}

fn put<K: Eq + Hash, V>(map: &RwLock<HashMap<K, V>>, key: K, value: V) {
    let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
    map.insert(key, value);
}

fn remove<V>(map: &RwLock<HashMap<String, V>>, key: &str) {
    let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
    map.remove(key);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_hangs_only_as_long_as_it_is_wanted_and_only_for_its_own_token() {
        let board = Arc::new(Board::default());
        let posted = board.post_answer("token", "token.thumb");
        assert_eq!(board.answer("token").as_deref(), Some("token.thumb"));
        for other in ["Token", "token.", "", "toke", "token.thumb"] {
            assert_eq!(board.answer(other), None, "{other}");
        }
        drop(posted);
        assert_eq!(board.answer("token"), None);

        let posted = board.post_handshake("Shop.example", &[7; 32]).unwrap();
        assert!(board.awaits_handshake());
        assert!(board.certificate("SHOP.example").is_some());
        assert!(board.certificate("example").is_none());
        drop(posted);
        assert!(!board.awaits_handshake());
    }

    #[test]
    fn addresses_are_asked_for_by_their_reversed_names() {
        // RFC 8738, section 6, and RFC 3596, section 2.5.
        assert_eq!(handshake_name("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            handshake_name("2001:db8::567:89ab"),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }
}

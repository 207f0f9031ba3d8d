//! Whose request it is when proxies stand between.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::domain::address::Cidr;

/// The client's address: `peer` itself, unless it is a trusted proxy; then the rightmost address in `X-Forwarded-For` that is
/// no trusted proxy. What an untrusted peer says about itself is ignored (S38).
///
/// A part that is no address ends the search at the proxy that reported it: what stands left of it is anyone's invention.
pub fn client_address(peer: IpAddr, trusted_proxies: &[Cidr], headers: &HeaderMap) -> IpAddr {
    let is_trusted = |address: IpAddr| {
        trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    };
    let mut nearest = peer.to_canonical();
    // Several fields are one list, in their order (RFC 9110, section 5.3).
    let fields: Vec<&[u8]> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(|value| value.as_bytes())
        .collect();
    let hops = fields
        .iter()
        .rev()
        .flat_map(|field| field.rsplit(|byte| *byte == b','));
    for hop in hops {
        if !is_trusted(nearest) {
            break;
        }
        match address_of(hop) {
            Some(address) => nearest = address,
            None => break,
        }
    }
    nearest
}

/// An address, with a port or without, IPv6 in brackets or bare.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn seen(peer: &str, fields: &[&str]) -> String {
        let trusted = [
            Cidr::parse("10.0.0.0/8").unwrap(),
            Cidr::parse("127.0.0.1").unwrap(),
        ];
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        client_address(peer.parse().unwrap(), &trusted, &headers).to_string()
    }

    #[test]
    fn s38_an_untrusted_peer_speaks_only_for_itself() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(seen("::ffff:203.0.113.9", &["127.0.0.1"]), "203.0.113.9");
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_stranger_is_the_client() {
        assert_eq!(seen("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            seen("127.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.5"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen("127.0.0.1", &["1.1.1.1, 198.51.100.1", "10.0.0.5"]),
            "198.51.100.1"
        );
        assert_eq!(seen("127.0.0.1", &["10.0.0.6, 10.0.0.5"]), "10.0.0.6");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(seen("127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn what_is_no_address_ends_the_search_at_the_proxy_that_said_it() {
        assert_eq!(
            seen("127.0.0.1", &["198.51.100.1, unknown, 10.0.0.5"]),
            "10.0.0.5"
        );
        assert_eq!(seen("127.0.0.1", &[""]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1,"]), "127.0.0.1");
    }
}

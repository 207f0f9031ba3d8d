//! The list of addresses from which a channel takes notices.

use std::net::IpAddr;

/// Networks in prefix notation. An empty list is never built: no list means that any source is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources(Vec<Network>);

/// Why a text is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an address or a network: write them with commas, like 203.0.113.7,2001:db8::/48"
)]
pub struct SourcesError(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u32,
}

impl Sources {
    /// Reads addresses and networks separated by commas; nothing between commas is an error.
    ///
    /// # Errors
    /// [`SourcesError`] with the piece that could not be read.
    pub fn parse(text: &str) -> Result<Self, SourcesError> {
        let network = |piece: &str| {
            let piece = piece.trim();
            Network::parse(piece).ok_or_else(|| SourcesError(piece.to_owned()))
        };
        text.split(',')
            .map(network)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether `address` is in one of the networks; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width)?,
            None => width,
        };
        Some(Self { base, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                u32::from(base) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                u128::from(base) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_the_networks_and_no_others_are_sources() {
        let sources = Sources::parse("203.0.113.7, 198.51.100.0/24,2001:db8::/48").unwrap();
        let contains = |text: &str| sources.contains(text.parse().unwrap());
        for inside in [
            "203.0.113.7",
            "::ffff:203.0.113.7",
            "198.51.100.255",
            "2001:db8::1",
        ] {
            assert!(contains(inside), "{inside}");
        }
        for outside in ["203.0.113.8", "198.51.101.0", "2001:db8:1::1", "::1"] {
            assert!(!contains(outside), "{outside}");
        }
        assert!(
            Sources::parse("0.0.0.0/0")
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
    }

    #[test]
    fn a_list_with_a_mistake_is_refused_whole() {
        for text in [
            "",
            "a",
            "203.0.113.7,",
            "203.0.113.0/33",
            "203.0.113.0/-1",
            "2001:db8::/129",
        ] {
            assert!(Sources::parse(text).is_err(), "{text}");
        }
    }
}

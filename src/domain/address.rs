//! Network prefixes: by which buyers are counted, and by which proxies are trusted.

use std::{fmt, net::IpAddr};

/// One buyer's line: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressPrefix(pub [u8; 8]);

/// One network: an IPv4 /24 or an IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostPrefix(pub [u8; 8]);

/// A network: an address and how many of its leading bits count. A single address has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Neither an address nor an address with a length.
    #[error("not an address or network, as 10.0.0.1, 10.0.0.0/8 or fd00::/8")]
    Form,
    /// More bits than the address has.
    #[error("the length after / is at most 32 for IPv4 and 128 for IPv6")]
    Length,
    /// Bits are set outside the network, so it is unclear what was meant.
    #[error("the address has bits outside the network; the network is {0}")]
    HostBits(String),
}

impl Cidr {
    /// Reads an address, or an address and the network's length after a slash.
    ///
    /// # Errors
    /// [`CidrError`].
    pub fn parse(text: &str) -> Result<Self, CidrError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Form)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => all,
            Some(bits) if bits.len() > 3 || !bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(CidrError::Form);
            }
            Some(bits) => bits.parse().map_err(|_| CidrError::Form)?,
        };
        if bits > all {
            return Err(CidrError::Length);
        }
        let network = Self {
            network: masked(address, bits),
            bits,
        };
        if network.network == address {
            Ok(network)
        } else {
            Err(CidrError::HostBits(network.to_string()))
        }
    }

    /// Whether `address` is in the network; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && masked(address, self.bits) == self.network
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == if self.network.is_ipv4() { 32 } else { 128 } {
            write!(f, "{}", self.network)
        } else {
            write!(f, "{}/{}", self.network, self.bits)
        }
    }
}

/// The address with all but its first `bits` bits cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

impl AddressPrefix {
    /// The line that `address` belongs to; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn of(address: IpAddr) -> Self {
        Self(prefix(address, 32, 64))
    }
}

impl HostPrefix {
    /// The network that `address` belongs to.
    pub fn of(address: IpAddr) -> Self {
        Self(prefix(address, 24, 48))
    }
}

/// The leading bits, left-aligned; IPv4 is marked by a first byte that no global IPv6 prefix has (0), IPv6 keeps its own.
fn prefix(address: IpAddr, v4_bits: u32, v6_bits: u32) -> [u8; 8] {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let kept = u32::from(v4) & (u32::MAX << (32 - v4_bits));
            let mut out = [0; 8];
            out[4..].copy_from_slice(&kept.to_be_bytes());
            out
        }
        IpAddr::V6(v6) => {
            let top = (u128::from(v6) >> 64) as u64;
            (top & (u64::MAX << (64 - v6_bits))).to_be_bytes()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_network_but_not_a_line() {
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_ne!(
            AddressPrefix::of(of("203.0.113.4")),
            AddressPrefix::of(of("203.0.113.5"))
        );
        assert_eq!(
            HostPrefix::of(of("203.0.113.4")),
            HostPrefix::of(of("203.0.113.5"))
        );
        assert_eq!(
            AddressPrefix::of(of("2001:db8::1")),
            AddressPrefix::of(of("2001:db8::ffff"))
        );
        assert_eq!(
            AddressPrefix::of(of("::ffff:203.0.113.4")),
            AddressPrefix::of(of("203.0.113.4"))
        );
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("fd00::/8", "fdff::1", true),
            ("::/0", "203.0.113.1", false),
        ];
        for (network, address, expected) in cases {
            assert_eq!(
                Cidr::parse(network).unwrap().contains(of(address)),
                expected,
                "{network} {address}"
            );
            assert_eq!(Cidr::parse(network).unwrap().to_string(), network);
        }
    }

    #[test]
    fn texts_that_are_no_networks_are_refused() {
        for text in [
            "",
            "proxy",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.1/8",
            "10/8",
            "10.0.0.0/0008",
        ] {
            assert!(Cidr::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Cidr::parse("10.1.2.3/8"),
            Err(CidrError::HostBits("10.0.0.0/8".to_owned()))
        );
    }
}

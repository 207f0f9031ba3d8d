//! Network prefixes by which buyers are counted.

use std::net::IpAddr;

/// One buyer's line: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressPrefix(pub [u8; 8]);

/// One network: an IPv4 /24 or an IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostPrefix(pub [u8; 8]);

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
        assert_ne!(AddressPrefix::of(of("203.0.113.4")), AddressPrefix::of(of("203.0.113.5")));
        assert_eq!(HostPrefix::of(of("203.0.113.4")), HostPrefix::of(of("203.0.113.5")));
        assert_eq!(AddressPrefix::of(of("2001:db8::1")), AddressPrefix::of(of("2001:db8::ffff")));
        assert_eq!(AddressPrefix::of(of("::ffff:203.0.113.4")), AddressPrefix::of(of("203.0.113.4")));
    }
}

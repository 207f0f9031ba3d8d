//! Which addresses are on the public Internet: what the outbound client may connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is a public unicast address. Everything else is refused: loopback, private, link-local, shared (CGNAT),
/// documentation, benchmarking, multicast, reserved and broadcast IPv4 (IANA's special-purpose registry, RFC 6890), and of
/// IPv6 all but 2000::/3 without its special parts. Forms that carry an IPv4 address inside (mapped, compatible, NAT64, 6to4,
/// Teredo) are refused whatever is inside.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Whether `host` would be read as an IPv4 address by some, but is not in the one canonical form: `127.1`, `0`, `0x7f.1`,
/// `2130706433`, `0177.0.0.1` (WHATWG URL, "ends in a number").
pub fn is_odd_address(host: &str) -> bool {
    let last = host
        .trim_end_matches('.')
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let is_number = !last.is_empty()
        && (last.bytes().all(|byte| byte.is_ascii_digit())
            || last
                .strip_prefix("0x")
                .or_else(|| last.strip_prefix("0X"))
                .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())));
    is_number && host.parse::<Ipv4Addr>().is_err()
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const NOT: [(u32, u32); 15] = [
        (0x0000_0000, 8),  // 0.0.0.0/8, this network
        (0x0a00_0000, 8),  // 10.0.0.0/8, private
        (0x6440_0000, 10), // 100.64.0.0/10, CGNAT
        (0x7f00_0000, 8),  // 127.0.0.0/8, loopback
        (0xa9fe_0000, 16), // 169.254.0.0/16, link-local and clouds' metadata
        (0xac10_0000, 12), // 172.16.0.0/12, private
        (0xc000_0000, 24), // 192.0.0.0/24, IETF
        (0xc000_0200, 24), // 192.0.2.0/24, documentation
        (0xc058_6300, 24), // 192.88.99.0/24, 6to4 relays
        (0xc0a8_0000, 16), // 192.168.0.0/16, private
        (0xc612_0000, 15), // 198.18.0.0/15, benchmarking
        (0xc633_6400, 24), // 198.51.100.0/24, documentation
        (0xcb00_7100, 24), // 203.0.113.0/24, documentation
        (0xe000_0000, 4),  // 224.0.0.0/4, multicast
        (0xf000_0000, 4),  // 240.0.0.0/4, reserved and broadcast
    ];
    let address = u32::from(address);
    !NOT.iter()
        .any(|(network, bits)| (address ^ network) >> (32 - bits) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    const NOT: [(u128, u32); 4] = [
        (0x2001_0000 << 96, 23), // 2001::/23, IETF: Teredo, benchmarking, ORCHID
        (0x2001_0db8 << 96, 32), // 2001:db8::/32, documentation
        (0x2002_0000 << 96, 16), // 2002::/16, 6to4
        (0x3fff_0000 << 96, 20), // 3fff::/20, documentation
    ];
    let address = u128::from(address);
    address >> 125 == 0b001
        && !NOT
            .iter()
            .any(|(network, bits)| (address ^ network) >> (128 - bits) == 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn s43_addresses_that_are_not_public_are_refused() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2400:3200::1",
            "2a00:1450::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn s43_odd_ways_to_write_an_address_are_known() {
        for host in [
            "127.1",
            "0",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "1.2.3.4.5",
            "a.0x",
        ] {
            assert!(is_odd_address(host), "{host}");
        }
        for host in [
            "127.0.0.1",
            "example.com",
            "example.com.",
            "1.example",
            "0x7f.example",
            "x1",
            "::1",
        ] {
            assert!(!is_odd_address(host), "{host}");
        }
    }
}

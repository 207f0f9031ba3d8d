//! Addresses of `[listen]`, and who reaches them: an IPv6 address takes IPv6 connections alone.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use super::{Problem, settings::Settings};

/// Ports at which all of IPv6 is taken and nobody with an IPv4 address gets in. An IPv4 address of the same port is somebody's
/// decision, whichever it is.
pub(super) fn doubts(settings: &Settings) -> Vec<Problem> {
    let listen = &settings.listen;
    let lists = [
        ("[listen] https", &listen.https),
        ("[listen] http", &listen.http),
    ];
    let doubt = |(key, addresses): (&str, &Vec<SocketAddr>)| -> Vec<Problem> {
        ports_without_ipv4(addresses)
            .into_iter()
            .map(|port| Problem {
                key: key.to_owned(),
                origin: None,
                reason: format!(
                    "[::]:{port} takes IPv6 connections alone, and nothing takes IPv4 at that port, by which most buyers come: add \"0.0.0.0:{port}\""
                ),
            })
            .collect()
    };
    lists.into_iter().flat_map(doubt).collect()
}

fn ports_without_ipv4(addresses: &[SocketAddr]) -> BTreeSet<u16> {
    let all = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let has_ipv4 = |port| addresses.iter().any(|at| at.is_ipv4() && at.port() == port);
    addresses
        .iter()
        .filter(|at| at.ip() == all && !has_ipv4(at.port()))
        .map(SocketAddr::port)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn doubted(https: &[&str], http: &[&str]) -> Vec<String> {
        let parsed = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|at| at.parse().unwrap()).collect()
        };
        let mut settings = Settings::default();
        settings.listen.https = parsed(https);
        settings.listen.http = parsed(http);
        doubts(&settings).iter().map(Problem::to_string).collect()
    }

    #[test]
    fn a_shop_that_listens_to_ipv6_alone_is_told_that_others_do_not_reach_it() {
        let both = doubted(&["[::]:443"], &["[::]:80"]);
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(both[0].starts_with("[listen] https") && both[0].contains("0.0.0.0:443"));
        assert!(both[1].starts_with("[listen] http:") && both[1].contains("0.0.0.0:80"));
        // Another port helps nobody who opens this one.
        assert_eq!(doubted(&["[::]:443", "0.0.0.0:8443"], &[]).len(), 1);
    }

    #[test]
    fn who_names_addresses_of_his_own_is_not_doubted() {
        for https in [
            &["0.0.0.0:443", "[::]:443"][..],
            &["[::]:443", "192.0.2.1:443"],
            &["[2001:db8::1]:443"],
            &["0.0.0.0:443"],
            &[],
        ] {
            assert_eq!(doubted(https, &[]), [""; 0], "{https:?}");
        }
    }
}

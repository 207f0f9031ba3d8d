//! `[tls] mode = "acme"`: what cannot be; and of all settings, what can but will most likely not do.

use std::net::IpAddr;

use super::{
    Problem,
    check::{is_host, is_mail_address, is_reachable},
    settings::Settings,
    values::TlsMode,
};
use crate::limits;

const PROFILE_BYTES_MAX: usize = 64;

/// Adds what is wrong with the settings of `[tls] mode = "acme"`.
pub(super) fn check(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let tls = &settings.tls;
    if settings.listen.https.is_empty() {
        wrong(
            "[tls] mode",
            "\"acme\" needs an address in [listen] https: behind a proxy that has the certificate, leave it \"self-signed\"",
        );
    }
    if tls.cert.is_some() || tls.key.is_some() {
        wrong(
            "[tls] mode",
            "cert and key are set: write mode = \"files\", or remove them",
        );
    }
    let is_uri = |text: &str| {
        text.parse::<http::Uri>()
            .is_ok_and(|uri| uri.host().is_some())
    };
    if !is_uri(&tls.acme_directory) || !is_reachable(settings, &tls.acme_directory) {
        wrong(
            "[tls] acme_directory",
            "an https:// address is needed; http:// only to a place of [net] allow_private",
        );
    }
    if tls
        .acme_contact
        .as_deref()
        .is_some_and(|text| !is_mail_address(text))
    {
        wrong(
            "[tls] acme_contact",
            "a bare mail address is needed, as \"owner@example.com\"",
        );
    }
    let is_word = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=PROFILE_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
    };
    if tls
        .acme_profile
        .as_deref()
        .is_some_and(|text| !is_word(text))
    {
        wrong(
            "[tls] acme_profile",
            "the authority's name for it is needed, as \"shortlived\"",
        );
    }
    if !tls.acme_names.iter().all(|name| is_host(name)) {
        wrong(
            "[tls] acme_names",
            "bare host names in small letters or addresses are needed, as [\"www.example.com\"]: no *, no port",
        );
    }
    if tls.acme_names.len() > limits::CERTIFICATE_NAMES_MAX {
        let most = limits::CERTIFICATE_NAMES_MAX;
        wrong("[tls] acme_names", &format!("at most {most}"));
    }
}

/// What can be used, and will most likely not do what is wanted.
pub(super) fn doubts(settings: &Settings) -> Vec<Problem> {
    let mut doubts = Vec::new();
    let mut doubt = |key: &str, reason: String| {
        let (key, origin) = (key.to_owned(), None);
        doubts.push(Problem {
            key,
            origin,
            reason,
        });
    };
    let (tls, listen) = (&settings.tls, &settings.listen);
    if listen.https.is_empty() && listen.trusted_proxies.is_empty() {
        let reason = "nobody is named in it and [listen] https is empty: the proxy that has the buyers' https:// is not known, so that all of them count as one address, with one limit for all their orders";
        doubt("[listen] trusted_proxies", reason.to_owned());
    }
    if tls.mode != TlsMode::Acme {
        return doubts;
    }
    let is_public_authority = tls.acme_ca_file.is_none();
    for (key, name) in std::iter::once(("[shop] host", &settings.shop.host))
        .chain(tls.acme_names.iter().map(|name| ("[tls] acme_names", name)))
        .filter(|(_, name)| is_public_authority && is_reserved(name))
    {
        let reason = format!(
            "no public authority signs for {name}: take a name or an address that the whole Internet reaches, or [tls] mode = \"self-signed\""
        );
        doubt(key, reason);
    }
    let has = |port: u16| {
        listen
            .https
            .iter()
            .chain(&listen.http)
            .any(|at| at.port() == port)
    };
    if !has(80) && !has(443) && listen.trusted_proxies.is_empty() {
        let reason = "the authority looks at ports 80 and 443, and the shop listens on neither: good only where something forwards them here";
        doubt("[listen] https", reason.to_owned());
    }
    doubts
}

/// Names that lead nowhere on the Internet (RFC 6761, 6762, 8375, 9476, ICANN's `internal`), and addresses alike: no public
/// authority signs for them.
pub fn is_reserved(name: &str) -> bool {
    const ENDS: [&str; 10] = [
        "localhost",
        "local",
        "test",
        "example",
        "invalid",
        "internal",
        "onion",
        "alt",
        "lan",
        "home.arpa",
    ];
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            is_shared
                || a == 0
                || a >= 224
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
        }
        Ok(IpAddr::V6(v6)) => v6.segments()[0] >> 13 != 1 || v6.segments()[..2] == [0x2001, 0xdb8],
        Err(_) => {
            let within = |end: &&str| {
                name.strip_suffix(*end)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            !name.contains('.') || ENDS.iter().any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_signs_only_for_what_the_whole_internet_reaches() {
        for host in [
            "shop.example.com",
            "xn--fiq.cn",
            "8.8.8.8",
            "2606:4700::1111",
        ] {
            assert!(!is_reserved(host), "{host}");
        }
        for host in [
            "localhost",
            "shop",
            "shop.test",
            "192.168.1.2",
            "203.0.113.9",
            "100.64.0.1",
            "::1",
            "2001:db8::1",
            "nas.local",
            "nas.lan",
        ] {
            assert!(is_reserved(host), "{host}");
        }
    }
}

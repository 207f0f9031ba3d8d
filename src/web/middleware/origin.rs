//! Where a form came from. Guests have no session to be ridden on, but a foreign page must not order in a buyer's name and
//! address. What no browser sent carries neither header and passes (security.md, section 3).

use http::{HeaderMap, Uri, header};

use crate::web::visit::Visit;

/// Whether a request that may change something comes from a page of this shop, or from no browser. `host` is the shop's own.
///
/// `Referrer-Policy: no-referrer` makes browsers send `Origin: null` even with the shop's own forms (Fetch, section
/// "append a request `Origin` header"); only `Sec-Fetch-Site`, which no page can set, tells those from foreign ones.
pub(super) fn is_own(headers: &HeaderMap, uri: &Uri, visit: &Visit, host: &str) -> bool {
    let site = match one(headers, "sec-fetch-site") {
        Ok(site) => site,
        Err(Several) => return false,
    };
    let origin = match one(headers, header::ORIGIN.as_str()) {
        Ok(origin) => origin,
        Err(Several) => return false,
    };
    match (site, origin) {
        (None | Some("none"), None) | (Some("same-origin"), None | Some("null")) => true,
        (None | Some("none" | "same-origin"), Some(origin)) => {
            is_here(origin, headers, uri, visit, host)
        }
        _ => false,
    }
}

/// Whether an origin is the host that was asked, or the shop's. Any host is answered, so both are its own.
fn is_here(origin: &str, headers: &HeaderMap, uri: &Uri, visit: &Visit, host: &str) -> bool {
    let authority = match origin.split_once("://") {
        Some(("https", authority)) => without_port(authority, ":443"),
        // A plain page of the same name may be anyone's on the way to an encrypted shop.
        Some(("http", authority)) if !visit.secure => without_port(authority, ":80"),
        _ => return false,
    };
    let asked = uri.authority().map(|authority| authority.as_str());
    let asked = asked.or_else(|| {
        headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
    });
    let same = |known: &str| {
        let known = without_port(without_port(known, ":443"), ":80");
        !known.is_empty() && known.eq_ignore_ascii_case(authority)
    };
    asked.is_some_and(same) || same(host)
}

fn without_port<'a>(authority: &'a str, port: &str) -> &'a str {
    authority.strip_suffix(port).unwrap_or(authority)
}

struct Several;

/// The value of a header that comes at most once; one that is no ASCII is as foreign as several.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Several> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(field), None) => field.to_str().map(Some).map_err(|_| Several),
        _ => Err(Several),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::web::view::Language;

    fn check(origin: &str, site: &str, secure: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "other.example:8443".parse().unwrap());
        for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let language = Language::english();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let visit = Visit {
            request: String::new(),
            address,
            secure,
            bare: false,
            language,
            chosen: None,
            json: false,
        };
        is_own(&headers, &Uri::from_static("/find"), &visit, "shop.example")
    }

    #[test]
    fn s32_a_form_passes_from_here_and_from_no_browser() {
        for (origin, site) in [
            ("", ""),
            ("", "same-origin"),
            ("", "none"),
            ("null", "same-origin"),
            ("https://shop.example", ""),
            ("https://shop.example:443", "same-origin"),
            ("https://SHOP.example", "none"),
            ("https://other.example:8443", ""),
        ] {
            assert!(check(origin, site, true), "{origin:?} {site:?}");
        }
        assert!(
            check("http://shop.example", "", false),
            "behind nothing that encrypts"
        );
    }

    #[test]
    fn s32_a_form_from_elsewhere_is_refused() {
        for (origin, site) in [
            ("https://evil.example", ""),
            ("https://evil.example", "same-origin"),
            ("https://shop.example.evil.example", ""),
            ("https://evil.example/shop.example", ""),
            ("https://user@shop.example", ""),
            ("https://other.example", ""),
            ("https://other.example:444", ""),
            ("http://shop.example", ""),
            ("null", ""),
            ("null", "none"),
            ("null", "cross-site"),
            ("", "cross-site"),
            ("", "same-site"),
            ("", "Same-Origin"),
            ("https://shop.example", "cross-site"),
            ("https://shop.example", "same-site"),
            ("shop.example", ""),
            ("https://", ""),
        ] {
            assert!(!check(origin, site, true), "{origin:?} {site:?}");
        }
    }
}

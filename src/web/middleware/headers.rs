//! The headers of every answer (security.md, section 3).

use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use crate::web::{
    answer::{NO_STORE, set_cookie},
    state::Shared,
    visit::Visit,
};
use crate::words::language;

/// The same on every answer.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
    ),
];
const LANGUAGE_KEPT_S: u32 = 365 * 24 * 3_600;

/// The content security policy. Forms lead here and to `providers`, each an origin; what is none is left out.
pub(in crate::web) fn content_policy(providers: &[String]) -> HeaderValue {
    let mut policy = String::from(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'",
    );
    for provider in providers.iter().filter(|provider| is_origin(provider)) {
        policy.push(' ');
        policy.push_str(provider);
    }
    policy.push_str("; frame-ancestors 'none'; base-uri 'none'");
    // Made of ASCII letters, digits and marks alone: `is_origin` let nothing else in.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Completes an answer: policy, cache rule where the handler named none, request id, and the language's cookie on answers that
/// are this visitor's own, to a request that only `reads`.
pub(super) fn set(web: &Shared, visit: &Visit, reads: bool, response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A handler names a policy of its own only where it is stricter: a file that must never be rendered from here.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| web.policy.clone());
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static(NO_STORE));
    // Of two such fields the first counts (RFC 6797, section 8.1): where a proxy alone has TLS, it is the proxy's to say.
    if visit.secure && web.settings.https_listens {
        let hsts = format!("max-age={}", web.settings.hsts.max_age_s());
        // A number is always a header's value.
        if let Ok(hsts) = HeaderValue::from_str(&hsts) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
        }
    }
    // Hex digits are always a header's value.
    if let Ok(id) = HeaderValue::from_str(&visit.request) {
        headers.insert("x-request-id", id);
    }
    let own = !headers[header::CACHE_CONTROL]
        .as_bytes()
        .starts_with(b"public");
    if let Some(language) = visit.chosen.filter(|_| reads && own) {
        set_cookie(response, language::COOKIE, language.tag(), LANGUAGE_KEPT_S);
    }
}

fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let mark =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(mark))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn policy(provider: &str) -> String {
        content_policy(&[provider.to_owned()])
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn forms_lead_to_the_shop_and_to_providers() {
        assert!(
            policy("https://pay.example:8443")
                .contains("; form-action 'self' https://pay.example:8443; frame-ancestors 'none'")
        );
    }

    #[test]
    fn a_providers_address_cannot_widen_the_policy() {
        for bad in [
            "https://a; script-src *",
            "*",
            "https://",
            "javascript:1",
            "https://a\r\nx: y",
            "https://*",
            "https://支付.example",
        ] {
            assert!(policy(bad).contains("form-action 'self';"), "{bad}");
        }
    }
}

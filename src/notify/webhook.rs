//! The shop's own webhooks in the form of Standard Webhooks (payments.md, section 9).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Uri, header};
use serde::Serialize;
use sha2::Sha256;

use crate::domain::{Effect, EntryAt, Order, Secret};

/// Where calls go, and what they are signed with.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    url: Uri,
    key: Secret,
}

/// Why calls cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookConfigError {
    /// Not an address.
    #[error(
        "the webhook's url is an address like https://example.com/hook without user or fragment"
    )]
    Url,
    /// Not a key of the standard's size.
    #[error("the webhook's secret is whsec_ and the Base64 of 24 to 64 random bytes")]
    Secret,
}

/// The body of a call: what happened, and the order's public facts.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    /// When it happened (RFC 3339, UTC).
    timestamp: String,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    #[serde(flatten)]
    facts: Option<Facts<'a>>,
}

#[derive(Debug, Serialize)]
struct Facts<'a> {
    product: &'a str,
    quantity: u32,
    /// In major units, as text: no receiver reads it as a float.
    amount: String,
    currency: &'a str,
    channel: &'a str,
    state: &'static str,
    reason: Option<&'static str>,
    /// Sequence number of the order's `sale` in the ledger.
    receipt: Option<u64>,
}

/// A call's three header values and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCall {
    id: String,
    timestamp_s: i64,
    signature: String,
    body: String,
}

impl WebhookConfig {
    /// Takes `url` and a `secret` of the form `whsec_…`.
    ///
    /// # Errors
    /// [`WebhookConfigError`].
    pub fn new(url: &str, secret: &Secret) -> Result<Self, WebhookConfigError> {
        let uri: Uri = url.parse().map_err(|_| WebhookConfigError::Url)?;
        let scheme = matches!(uri.scheme_str(), Some("https" | "http"));
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let plain = !authority.is_empty() && !authority.contains('@') && !url.contains('#');
        if !scheme || !plain {
            return Err(WebhookConfigError::Url);
        }
        let key = key_of(secret).ok_or(WebhookConfigError::Secret)?;
        Ok(Self { url: uri, key })
    }

    /// Signs `body` as the call `id`, made at `now_ms` (Unix milliseconds).
    pub fn sign(&self, id: &str, now_ms: i64, body: String) -> SignedCall {
        let timestamp_s = now_ms.div_euclid(1_000);
        let content = format!("{id}.{timestamp_s}.{body}");
        SignedCall {
            id: id.to_owned(),
            timestamp_s,
            signature: format!("v1,{}", STANDARD.encode(mac(&self.key, content.as_bytes()))),
            body,
        }
    }

    /// The call as a request.
    ///
    /// # Errors
    /// Text of the HTTP library; ids of the shop make valid headers.
    pub fn request(&self, call: SignedCall) -> Result<Request<Bytes>, http::Error> {
        Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", call.id)
            .header("webhook-timestamp", call.timestamp_s)
            .header("webhook-signature", call.signature)
            .body(Bytes::from(call.body))
    }
}

impl<'a> Event<'a> {
    /// What `effect` tells; without its order, only the order's number.
    pub fn of(effect: &Effect, order: Option<&'a Order>) -> Self {
        Self {
            kind: effect.kind.as_str(),
            timestamp: time(effect.promised_at_ms),
            data: Data {
                order: effect.order.map(|order| order.to_string()),
                facts: order.map(|order| Facts {
                    product: order.product.as_str(),
                    quantity: order.quantity,
                    amount: order.told().decimal(),
                    currency: order.total.currency.as_str(),
                    channel: order.channel.as_str(),
                    state: order.state.as_str(),
                    reason: order.reason.map(|reason| reason.as_str()),
                    receipt: order.sale.map(EntryAt::seq),
                }),
            },
        }
    }
}

/// The id of an effect's calls: the same in every attempt, and another in every shop.
pub(super) fn call_id(origin: &str, effect: u64) -> String {
    let shop = hex::encode(&blake3::hash(origin.as_bytes()).as_bytes()[..8]);
    format!("msg_{shop}_{effect}")
}

/// The id of an alarm's calls, of another form than those of effects.
pub(super) fn alarm_id(origin: &str, kind: &str, at_ms: i64) -> String {
    let shop = hex::encode(&blake3::hash(origin.as_bytes()).as_bytes()[..8]);
    format!("msg_{shop}_{kind}_{at_ms}")
}

/// A time as calls have it (RFC 3339, UTC).
pub(super) fn timestamp(at_ms: i64) -> String {
    time(at_ms)
}

fn key_of(secret: &Secret) -> Option<Secret> {
    let text = secret.expose_str()?.trim();
    let text = text.strip_prefix("whsec_").unwrap_or(text);
    let key = STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .ok()?;
    (24..=64).contains(&key.len()).then(|| Secret::new(key))
}

fn mac(key: &Secret, content: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length (RFC 2104).
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("any length is a key");
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

fn time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{EffectKind, OrderId};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn config() -> WebhookConfig {
        WebhookConfig::new("https://merchant.example.com/hook?a=1", &SECRET.into()).unwrap()
    }

    #[test]
    fn a_call_is_signed_as_in_the_standards_own_example() {
        let body = r#"{"test": 2432232314}"#.to_owned();
        let call = config().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_999, body);
        assert_eq!(
            call.signature,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let request = config().request(call).unwrap();
        assert_eq!(
            request.headers()["webhook-id"],
            "msg_p5jXN8AQM9LWM0D4loKWxJek"
        );
        assert_eq!(request.headers()["webhook-timestamp"], "1614265330");
        assert_eq!(request.body().as_ref(), br#"{"test": 2432232314}"#);
    }

    #[test]
    fn an_effect_whose_order_is_gone_still_names_it() {
        let effect = Effect {
            id: 1,
            kind: EffectKind::RefundDue,
            via: crate::domain::Via::Webhook,
            order: Some(OrderId(0)),
            content: Vec::new(),
            promised_at_ms: 1_795_000_000_000,
            attempts: 0,
            due_at_ms: Some(0),
            last_error: None,
        };
        assert_eq!(
            serde_json::to_string(&Event::of(&effect, None)).unwrap(),
            r#"{"type":"refund.due","timestamp":"2026-11-18T11:06:40Z","data":{"order":"0000000000000"}}"#
        );
    }

    #[test]
    fn a_url_or_a_secret_of_another_form_is_refused() {
        let refused = |url: &str, secret: &str| WebhookConfig::new(url, &secret.into()).err();
        for url in [
            "",
            "/hook",
            "ftp://a.example/",
            "https://u:p@a.example/",
            "https://a.example/#x",
        ] {
            assert_eq!(refused(url, SECRET), Some(WebhookConfigError::Url), "{url}");
        }
        for secret in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_***"] {
            let error = refused("https://a.example/", secret);
            assert_eq!(error, Some(WebhookConfigError::Secret), "{secret}");
        }
    }

    #[test]
    fn ids_differ_between_shops_and_not_between_attempts() {
        let id = call_id("shop.example.com/0011aabb", 7);
        assert_eq!(id, call_id("shop.example.com/0011aabb", 7));
        assert_ne!(id, call_id("shop.example.com/0011aabc", 7));
        assert!(id.starts_with("msg_") && id.ends_with("_7"));
    }
}

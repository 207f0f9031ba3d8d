//! The gateways' JSON, in every dress that they give it.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A field: a string with some gateways, a number with others.
pub(super) type Field = Option<Box<RawValue>>;

/// Reads a document, with or without a byte order mark, also where it is encoded once more as a JSON string.
pub(super) fn document<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let body = body
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(body)
        .trim_ascii();
    let inner: Option<String> = serde_json::from_slice(body).ok();
    let body = inner.as_deref().map_or(body, str::as_bytes);
    serde_json::from_slice(body).ok()
}

/// The text of a string, or of a number as it was sent; nothing else has one.
pub(super) fn text(value: &Field) -> Option<String> {
    let raw = value.as_ref()?.get();
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'0'..=b'9' | b'-' => Some(raw.to_owned()),
        _ => None,
    }
}

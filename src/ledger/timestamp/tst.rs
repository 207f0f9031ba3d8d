//! The response around a token (RFC 3161, 2.4.2) and `TSTInfo` within it.

use super::der::{Value, Values, context, context_primitive};
use super::{StampError, oid};
use der::Tag;
use der::asn1::ObjectIdentifier;

/// The token of a response that grants one. Nothing may follow it.
pub(super) fn granted_token(response: &[u8]) -> Result<&[u8], StampError> {
    let mut outer = Values::new(response, "not a TimeStampResp")?;
    let mut parts = outer.sequence()?;
    outer.end()?;
    let mut info = parts.sequence()?;
    let status = info.small()?;
    let text = info.optional(Tag::Sequence)?;
    info.optional(Tag::BitString)?;
    info.end()?;
    if status > GRANTED_WITH_MODS {
        let text = text.map_or_else(String::new, |text| words(&text));
        return Err(StampError::Refused { status, text });
    }
    let token = parts.take(Tag::Sequence)?;
    parts.end()?;
    Ok(token.raw)
}

/// What the authority states.
pub(super) struct TstInfo<'a> {
    pub(super) policy: String,
    pub(super) imprint: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) time_ms: i64,
    pub(super) accuracy_ms: Option<u64>,
    /// Without leading zeros.
    pub(super) nonce: Option<&'a [u8]>,
}

impl<'a> TstInfo<'a> {
    pub(super) fn parse(content: &'a [u8]) -> Result<Self, StampError> {
        let mut outer = Values::new(content, "its TSTInfo has another form")?;
        let mut parts = outer.sequence()?;
        outer.end()?;
        if parts.small()? != 1 {
            return Err(StampError::Malformed("its TSTInfo is not of version 1"));
        }
        let policy = ObjectIdentifier::from_bytes(parts.oid()?).map_err(|_| parts.fault())?;
        let mut imprint = parts.sequence()?;
        let mut hash = imprint.sequence()?;
        if hash.oid()? != oid::SHA_256 {
            return Err(StampError::Algorithm("the imprint is not SHA-256"));
        }
        hash.optional(Tag::Null)?;
        hash.end()?;
        let digest = imprint.take(Tag::OctetString)?.content;
        imprint.end()?;
        let serial = parts.unsigned()?;
        let time = parts.take(Tag::GeneralizedTime)?.content;
        let time_ms = generalized_time(time).ok_or(StampError::Malformed("its time"))?;
        let accuracy_ms = match parts.optional(Tag::Sequence)? {
            Some(value) => Some(accuracy(&value)?),
            None => None,
        };
        parts.optional(Tag::Boolean)?;
        let nonce = match parts.optional(Tag::Integer)? {
            Some(value) => {
                Some(super::der::unsigned_content(value.content).ok_or_else(|| parts.fault())?)
            }
            None => None,
        };
        parts.optional(context(0))?;
        // An extension that must be understood (critical) is not; others state nothing that is looked at here.
        if let Some(extensions) = parts.optional(context(1))? {
            refuse_critical(&extensions)?;
        }
        parts.end()?;
        Ok(Self {
            policy: policy.to_string(),
            imprint: digest,
            serial,
            time_ms,
            accuracy_ms,
            nonce,
        })
    }
}

/// `SEQUENCE { seconds INTEGER OPTIONAL, millis [0] OPTIONAL, micros [1] OPTIONAL }`, rounded up to milliseconds.
fn accuracy(value: &Value<'_>) -> Result<u64, StampError> {
    let mut parts = Values::new(value.content, "its accuracy")?;
    let number = |content: &[u8]| -> Option<u64> {
        let digits = super::der::unsigned_content(content)?;
        (digits.len() <= 4).then(|| {
            digits
                .iter()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
        })
    };
    let mut total = 0;
    let fields = [
        (Tag::Integer, 1_000_000),
        (context_primitive(0), 1_000),
        (context_primitive(1), 1),
    ];
    for (tag, micros) in fields {
        if let Some(field) = parts.optional(tag)? {
            total += number(field.content).ok_or_else(|| parts.fault())? * micros;
        }
    }
    parts.end()?;
    Ok(total.div_ceil(1_000))
}

fn refuse_critical(extensions: &Value<'_>) -> Result<(), StampError> {
    let mut list = Values::new(extensions.content, "its extensions")?;
    while !list.is_empty() {
        let mut extension = list.sequence()?;
        extension.oid()?;
        if extension.optional(Tag::Boolean)?.is_some() {
            return Err(StampError::Algorithm("a critical extension of the stamp"));
        }
    }
    Ok(())
}

/// `YYYYMMDDhhmmss[.f…]Z` as Unix milliseconds (RFC 3161: always with seconds, always UTC).
pub(super) fn generalized_time(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (text, "0"),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) || fraction.len() > 12 {
        return None;
    }
    let part = |from: usize, to: usize| whole.get(from..to);
    let (date, time) = (
        format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?),
        format!("{}:{}:{}", part(8, 10)?, part(10, 12)?, part(12, 14)?),
    );
    let instant: jiff::Timestamp = format!("{date}T{time}Z").parse().ok()?;
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(instant.as_millisecond() + millis)
}

/// The words of a `PKIFreeText` that are printable ASCII, at most 200 of its characters.
fn words(text: &Value<'_>) -> String {
    let mut out = String::new();
    let Ok(mut list) = Values::new(text.content, "its status") else {
        return out;
    };
    while let Ok(line) = list.any() {
        let printable = line.content.iter().filter(|b| (0x20..0x7f).contains(*b));
        out.push_str(if out.is_empty() { ": " } else { ", " });
        out.extend(printable.map(|byte| char::from(*byte)));
    }
    out.truncate(200);
    out
}

/// `PKIStatus` 0 is granted, 1 granted with modifications; the rest are refusals.
const GRANTED_WITH_MODS: u8 = 1;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::der::{self, TRUE};
    use super::*;

    #[test]
    fn a_time_is_of_fourteen_digits_in_utc_with_or_without_a_fraction() {
        let time = |text: &str| generalized_time(text.as_bytes());
        let second = 1_767_225_600_000;
        assert_eq!(time("20260101000000Z"), Some(second));
        assert_eq!(time("20260101000000.5Z"), Some(second + 500));
        assert_eq!(time("20260101000000.123456789012Z"), Some(second + 123));
        for wrong in [
            "20260101000000",
            "20260101000000+0000",
            "202601010000Z",
            "2026010100000Z",
            "202601010000000Z",
            "2026-1-1000000Z",
            "+2601010100000Z",
            "2026010100000xZ",
            "20260101000000.Z",
            "20260101000000.5xZ",
            "20260101000000.-5Z",
            "20260101000000.1234567890123Z",
            "20261301000000Z",
            "20260101250000Z",
        ] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_critical_extension_of_a_stamp_is_refused() {
        let oid = der::oid(&oid::KEY_USAGE);
        let value = der::tlv(0x04, b"x");
        let refused = |extensions: &[Vec<u8>]| {
            let content = extensions.concat();
            let value = Value {
                tag: context(1),
                content: &content,
                raw: &content,
            };
            refuse_critical(&value)
        };
        let plain = der::sequence(&[oid.clone(), value.clone()]);
        let critical = der::sequence(&[oid, TRUE.to_vec(), value]);
        assert_eq!(refused(&[]), Ok(()));
        assert_eq!(refused(std::slice::from_ref(&plain)), Ok(()));
        assert!(matches!(
            refused(&[plain, critical]),
            Err(StampError::Algorithm(_))
        ));
    }
}

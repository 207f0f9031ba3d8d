//! What goes wrong with a bucket, and what the merchant can do about it.

use std::{io, path::PathBuf};

use http::{HeaderMap, StatusCode, header};
use jiff::fmt::rfc2822;

use crate::net::{OutboundError, Streamed};

/// Why an object was not put, got, listed or deleted. Never holds a URL, whose query is a signature.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// A setting cannot be used.
    #[error("[backup] {key}: {reason}")]
    Setting {
        /// Which key.
        key: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The storage is not reached.
    #[error("the S3 storage is not reached: {0}")]
    Outbound(#[from] OutboundError),
    /// The bucket's own host name is not known.
    #[error(
        "the S3 storage is not reached: {0}; where it has no host name for each bucket, set [backup] s3_path_style = true"
    )]
    Host(#[source] OutboundError),
    /// The access key's id is not known there.
    #[error(
        "the S3 storage does not know this [backup] s3_access_key: copy it again, or make a new key there"
    )]
    AccessKey,
    /// The secret is not the one of the access key.
    #[error(
        "[backup] s3_secret_key does not belong to s3_access_key: copy both again (s3_secret_key_file: without anything else in the file)"
    )]
    SecretKey,
    /// The bucket is of another region than requests are signed for.
    #[error("the bucket is of another region: set [backup] s3_region{}", of_region(.wanted))]
    Region {
        /// The right one, where the storage said it.
        wanted: Option<String>,
    },
    /// No such bucket.
    #[error("there is no bucket {bucket}: make it there, or correct [backup] s3_bucket")]
    NoBucket {
        /// Its name.
        bucket: String,
    },
    /// No such object.
    #[error("the bucket holds no such object")]
    NoObject,
    /// This machine's clock, or the storage's, is wrong.
    #[error(
        "this machine's clock is {seconds} s away from the storage's, which takes no signature that is older or newer than 15 minutes: set the clock (timedatectl set-ntp true)"
    )]
    Clock {
        /// How far, either way.
        seconds: u64,
    },
    /// The access key may not do this.
    #[error(
        "the S3 storage does not let this access key {doing}: allow it there for this bucket and prefix, and look at s3_bucket and s3_region"
    )]
    Denied {
        /// What.
        doing: &'static str,
    },
    /// It fails or has too much to do.
    #[error(
        "the S3 storage answers {status} for now, at three tries: it is tried again at the next copy; should it last, look at its own state page"
    )]
    Busy {
        /// The status.
        status: u16,
    },
    /// It refuses for another reason.
    #[error("the S3 storage refuses to {doing}: {status} {code}")]
    Refused {
        /// What.
        doing: &'static str,
        /// The status.
        status: u16,
        /// Its word for the reason, or nothing.
        code: String,
    },
    /// The address answers, but not as S3 does.
    #[error("what answers at [backup] s3_endpoint is no S3 storage, or a strange one: {0}")]
    Answer(&'static str),
    /// A file of this machine.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The object, or the file for it, is too large.
    #[error("the object is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// It gives more than the object has.
    #[error(
        "the S3 storage gives more than the {told_bytes} bytes that were put there: what lies there under this name is another object"
    )]
    Longer {
        /// What the object has.
        told_bytes: u64,
    },
    /// Bytes come or go, and too few.
    #[error(
        "the S3 storage was not done with {bytes} bytes after {seconds} s: it is tried again at the next copy; should it last, look at the line to it, and at its own state page"
    )]
    Slow {
        /// How many were to come or to go.
        bytes: u64,
        /// How long was waited.
        seconds: u64,
    },
    /// Too many objects.
    #[error(
        "more than {most} objects have names that begin so: give copies a [backup] s3_prefix of their own, or delete old ones"
    )]
    TooMany {
        /// The limit.
        most: usize,
    },
    /// The name cannot be an object's.
    #[error(
        "an object's name has at most 512 letters, digits, dots, hyphens, and slashes between them"
    )]
    Name,
}

impl BucketError {
    /// Whether the same may go well when it is tried again soon.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::Slow { bytes, .. } => *bytes <= SMALL_BYTES_MAX,
            Self::Outbound(error) | Self::Host(error) => !matches!(
                error,
                OutboundError::Url(_)
                    | OutboundError::Private { .. }
                    | OutboundError::TooLarge { .. }
            ),
            _ => false,
        }
    }

    /// Whether the storage was waited for in vain: what it was asked for may have been done.
    pub(super) fn is_waiting(&self) -> bool {
        match self {
            Self::Slow { .. } => true,
            Self::Outbound(error) => matches!(
                error,
                OutboundError::Idle { .. } | OutboundError::Timeout { .. }
            ),
            _ => false,
        }
    }
}

/// What an answer that is no success means.
pub(super) async fn of(
    answer: Streamed,
    doing: &'static str,
    bucket: &str,
    now_ms: i64,
) -> BucketError {
    let (status, headers) = (answer.status, answer.headers.clone());
    // Without a body the status still says something.
    let text = match answer.whole(ERROR_BYTES_MAX).await {
        Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
        Err(_) => String::new(),
    };
    judged(status, &headers, &text, doing, bucket, now_ms)
}

fn judged(
    status: StatusCode,
    headers: &HeaderMap,
    text: &str,
    doing: &'static str,
    bucket: &str,
    now_ms: i64,
) -> BucketError {
    let code = element(text, "Code").unwrap_or_default();
    let skew_s = skew_s(headers, now_ms).unwrap_or(0);
    // Whatever the storage calls it: no signature is right with such a clock.
    let is_refused = matches!(status.as_u16(), 400 | 401 | 403);
    if code == "RequestTimeTooSkewed" || is_refused && skew_s > SKEW_MAX_S {
        return BucketError::Clock { seconds: skew_s };
    }
    let region = || {
        let header = headers.get("x-amz-bucket-region");
        let header = header.and_then(|value| value.to_str().ok());
        header.and_then(word).or_else(|| element(text, "Region"))
    };
    match (status.as_u16(), code.as_str()) {
        (_, "InvalidAccessKeyId") => BucketError::AccessKey,
        (_, "SignatureDoesNotMatch") => BucketError::SecretKey,
        (
            _,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException"
            | "InvalidRegion",
        )
        | (300..=399, _) => BucketError::Region { wanted: region() },
        (_, "AuthorizationQueryParametersError") if region().is_some() => {
            BucketError::Region { wanted: region() }
        }
        (_, "NoSuchBucket") => BucketError::NoBucket {
            bucket: bucket.to_owned(),
        },
        (_, "NoSuchKey" | "NoSuchUpload") | (404, "") => BucketError::NoObject,
        (_, "SlowDown" | "RequestTimeout") | (429 | 500..=599, _) => BucketError::Busy {
            status: status.as_u16(),
        },
        (_, "AccessDenied" | "AllAccessDisabled" | "AccountProblem") | (401 | 403, _) => {
            BucketError::Denied { doing }
        }
        (status, _) => BucketError::Refused {
            doing,
            status,
            code,
        },
    }
}

/// The text of the first element of this name, where it is one plain word: the storage's words go to a terminal.
pub(super) fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once("</")?;
    word(inside)
}

fn word(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_word = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    is_word.then(|| text.to_owned())
}

/// How far the answer's `Date` is from `now_ms`.
fn skew_s(headers: &HeaderMap, now_ms: i64) -> Option<u64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let there = rfc2822::parse(date).ok()?.timestamp().as_second();
    Some(there.abs_diff(now_ms / 1000))
}

fn of_region(wanted: &Option<String>) -> String {
    match wanted {
        Some(region) => format!(" = \"{region}\""),
        None => " to the one that the storage shows for this bucket".to_owned(),
    }
}

/// More than this, sent too slowly once, is not sent again at once.
const SMALL_BYTES_MAX: u64 = 1024 * 1024;
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// S3 takes signatures that are 15 minutes off; a clock that is two thirds of that off will not stay within.
const SKEW_MAX_S: u64 = 10 * 60;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 784_111_777_000;

    fn said(status: u16, date: &str, text: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, date.parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        judged(status, &headers, text, "put objects", "shop", NOW_MS).to_string()
    }

    fn coded(status: u16, code: &str) -> String {
        let text = format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Region>eu-west-3</Region></Error>"
        );
        said(status, "Sun, 06 Nov 1994 08:49:37 GMT", &text)
    }

    #[test]
    fn each_refusal_says_which_setting_to_look_at() {
        for (status, code, expected) in [
            (403, "InvalidAccessKeyId", "s3_access_key"),
            (403, "SignatureDoesNotMatch", "s3_secret_key does not"),
            (
                400,
                "AuthorizationHeaderMalformed",
                "s3_region = \"eu-west-3\"",
            ),
            (301, "PermanentRedirect", "s3_region = \"eu-west-3\""),
            (307, "", "another region"),
            (404, "NoSuchBucket", "no bucket shop"),
            (404, "NoSuchKey", "no such object"),
            (403, "RequestTimeTooSkewed", "clock"),
            (
                403,
                "AccessDenied",
                "does not let this access key put objects",
            ),
            (403, "", "does not let"),
            (503, "SlowDown", "503 for now"),
            (500, "", "500 for now"),
            (400, "EntityTooLarge", "400 EntityTooLarge"),
        ] {
            let said = coded(status, code);
            assert!(said.contains(expected), "{status} {code}: {said}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_whatever_the_storage_calls_it() {
        for status in [400, 403] {
            let date = "Sun, 06 Nov 1994 09:49:37 GMT";
            let said = said(status, date, "<Code>AccessDenied</Code>");
            assert!(said.contains("3600 s"), "{said}");
        }
    }

    #[test]
    fn only_plain_words_of_the_storage_are_repeated() {
        for text in [
            "<Code>\u{1b}[2J</Code>",
            "<Code></Code>",
            "<Code>a b</Code>",
            "<Code>x",
        ] {
            assert_eq!(element(text, "Code"), None, "{text}");
        }
        let said = coded(418, &"x".repeat(65));
        assert!(said.ends_with("418 "), "{said}");
    }
}

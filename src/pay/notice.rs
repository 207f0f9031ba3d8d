//! What every notice passes before any code of its provider sees it (security.md, section 1): size, method and content
//! type, strict decoding, no parameter twice.

use std::net::IpAddr;

use http::{HeaderMap, Method, header};

use crate::limits;

/// A notice exactly as it was received.
#[derive(Debug, Clone, Copy)]
pub struct RawNotice<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's headers; only those that a protocol names are read.
    pub headers: &'a HeaderMap,
    /// The bytes after `?`, still encoded; empty if there are none.
    pub query: &'a [u8],
    /// The body's bytes, still encoded.
    pub body: &'a [u8],
    /// Who sent it, after trusted proxies.
    pub peer: IpAddr,
}

/// Why a notice is not believed. For our log and console; the sender learns nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeRefusal {
    /// Query or body above [`limits::NOTICE_BYTES_MAX`].
    #[error("larger than {} bytes", limits::NOTICE_BYTES_MAX)]
    TooLarge,
    /// A method that the protocol does not use.
    #[error("method {0} is not used by this protocol")]
    Method(String),
    /// A content type that the protocol does not use.
    #[error("a content type that this protocol does not use")]
    ContentType,
    /// A `Content-Encoding`.
    #[error("an encoded body: providers send theirs plain")]
    ContentEncoding,
    /// Parameters where the method has none: a body with GET, a query with POST.
    #[error("parameters both in the address and in the body")]
    Mixed,
    /// A byte order mark before the parameters.
    #[error("begins with a byte order mark")]
    ByteOrderMark,
    /// A broken `%` escape, a control character, a name that is empty.
    #[error("not properly encoded parameters")]
    Malformed,
    /// More than [`PARAMETERS_MAX`].
    #[error("more than {} parameters", PARAMETERS_MAX)]
    TooMany,
    /// A name that came twice.
    #[error("parameter {0:?} came twice")]
    Repeated(String),
    /// A name like `a[]` or `a[0]`.
    #[error("parameter {0:?} is an array")]
    Array(String),
    /// The channel's own key is empty or well known.
    #[error("this channel's key is empty or a well-known example: set the real one")]
    KeyUnusable,
    /// Not from one of the channel's source addresses.
    #[error("sent from {0}, which is not among this channel's sources")]
    Source(IpAddr),
    /// No signature, or another one.
    #[error("the signature does not match: another key here than at the provider, or a forgery")]
    BadSignature,
    /// Signed, but for another merchant.
    #[error("made for merchant id {0:?}, not for this channel's")]
    WrongMerchant(String),
    /// Signed, but of another way to pay.
    #[error("made for payment type {0:?}, not for this channel's")]
    WrongType(String),
    /// A field that the protocol always sends is absent, empty or of another form.
    #[error("field {0} is missing or not of the protocol's form")]
    Field(&'static str),
    /// The amount is no amount above zero.
    #[error("amount {0:?} is not an amount above zero")]
    Amount(String),
    /// A status outside of the protocol's set.
    #[error("status {0:?} is not one of this protocol's")]
    UnknownStatus(String),
}

/// Decoded parameters of one notice, each name once, sorted by the bytes of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(Vec<u8>, Vec<u8>)>);

impl Parameters {
    /// Reads a notice that comes as a GET with a query or as a POST with a form, as `methods` allows.
    ///
    /// # Errors
    /// [`NoticeRefusal`], the first that applies in the order of security.md, section 1.
    pub fn of_notice(notice: &RawNotice<'_>, methods: &[Method]) -> Result<Self, NoticeRefusal> {
        check_size(notice)?;
        if !methods.contains(notice.method) {
            return Err(NoticeRefusal::Method(printable(
                notice.method.as_str().as_bytes(),
            )));
        }
        if notice.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(NoticeRefusal::ContentEncoding);
        }
        if *notice.method == Method::POST {
            check_form_content_type(notice.headers)?;
            if !notice.query.is_empty() {
                return Err(NoticeRefusal::Mixed);
            }
            Self::decode(notice.body)
        } else {
            if !notice.body.is_empty() {
                return Err(NoticeRefusal::Mixed);
            }
            Self::decode(notice.query)
        }
    }

    /// Decodes `a=1&b=2` strictly (WHATWG `application/x-www-form-urlencoded`, but broken escapes are errors).
    ///
    /// # Errors
    /// [`NoticeRefusal`] for marks, broken escapes, control characters in names, repeated names and arrays.
    pub fn decode(encoded: &[u8]) -> Result<Self, NoticeRefusal> {
        if encoded.starts_with(BYTE_ORDER_MARK) {
            return Err(NoticeRefusal::ByteOrderMark);
        }
        let mut pairs = Vec::new();
        for piece in encoded
            .split(|byte| *byte == b'&')
            .filter(|piece| !piece.is_empty())
        {
            if pairs.len() == PARAMETERS_MAX {
                return Err(NoticeRefusal::TooMany);
            }
            let equals = piece.iter().position(|byte| *byte == b'=');
            let (name, value) = match equals {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (piece, &piece[..0]),
            };
            let (name, value) = (unescape(name)?, unescape(value)?);
            check_name(&name)?;
            pairs.push((name, value));
        }
        pairs.sort();
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(NoticeRefusal::Repeated(printable(&pair[0].0))),
            None => Ok(Self(pairs)),
        }
    }

    /// The value of `name`, where it came and is text; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        let at = self
            .0
            .binary_search_by(|(known, _)| known.as_slice().cmp(name.as_bytes()))
            .ok()?;
        std::str::from_utf8(&self.0[at].1)
            .ok()
            .filter(|text| !text.is_empty())
    }

    /// All names and values, in the byte order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

/// Refuses a query or a body above the limit; for protocols whose body is no form.
///
/// # Errors
/// [`NoticeRefusal::TooLarge`].
pub fn check_size(notice: &RawNotice<'_>) -> Result<(), NoticeRefusal> {
    if notice.query.len().max(notice.body.len()) > limits::NOTICE_BYTES_MAX {
        return Err(NoticeRefusal::TooLarge);
    }
    Ok(())
}

/// At most 128 bytes of a received value, without control characters, for logs.
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    for character in text.chars().map(|c| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    }) {
        if out.len() + character.len_utf8() > LOGGED_BYTES_MAX {
            out.push('…');
            break;
        }
        out.push(character);
    }
    out
}

/// A form and nothing else: exactly one header, whose only parameter may be a UTF-8 charset.
fn check_form_content_type(headers: &HeaderMap) -> Result<(), NoticeRefusal> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(NoticeRefusal::ContentType);
    };
    let text = value
        .to_str()
        .map_err(|_| NoticeRefusal::ContentType)?
        .to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let charset = parameters.trim().replace('"', "");
    let known = matches!(charset.as_str(), "" | "charset=utf-8" | "charset=utf8");
    if essence.trim() == "application/x-www-form-urlencoded" && known {
        Ok(())
    } else {
        Err(NoticeRefusal::ContentType)
    }
}

fn check_name(name: &[u8]) -> Result<(), NoticeRefusal> {
    if name.starts_with(BYTE_ORDER_MARK) {
        return Err(NoticeRefusal::ByteOrderMark);
    }
    if name.contains(&b'[') {
        return Err(NoticeRefusal::Array(printable(name)));
    }
    if name.is_empty()
        || name
            .iter()
            .any(|byte| byte.is_ascii_control() || *byte == b' ')
    {
        return Err(NoticeRefusal::Malformed);
    }
    Ok(())
}

/// `+` is a space, `%XX` a byte; anything else that is no visible character is refused, and NUL in every form.
fn unescape(encoded: &[u8]) -> Result<Vec<u8>, NoticeRefusal> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter().copied();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| (byte as char).to_digit(16));
                match (digit(), digit()) {
                    // Two hexadecimal digits are below 256.
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(NoticeRefusal::Malformed),
                }
            }
            byte if byte <= b' ' || byte == 0x7f => return Err(NoticeRefusal::Malformed),
            byte => byte,
        };
        if decoded == 0 {
            return Err(NoticeRefusal::Malformed);
        }
        out.push(decoded);
    }
    Ok(out)
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Most parameters in one notice; protocols send about fifteen.
pub const PARAMETERS_MAX: usize = 64;
const LOGGED_BYTES_MAX: usize = 128;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn read(
        method: Method,
        query: &[u8],
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<Parameters, NoticeRefusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, value.parse().unwrap());
        }
        let notice = RawNotice {
            method: &method,
            headers: &map,
            query,
            body,
            peer: [203, 0, 113, 9].into(),
        };
        Parameters::of_notice(&notice, &[Method::GET, Method::POST])
    }

    fn get(query: &str) -> Result<Parameters, NoticeRefusal> {
        read(Method::GET, query.as_bytes(), b"", &[])
    }

    fn post(body: &[u8], content_type: &str) -> Result<Parameters, NoticeRefusal> {
        read(Method::POST, b"", body, &[("content-type", content_type)])
    }

    #[test]
    fn escapes_are_decoded_once_and_strictly() {
        let read = get("a=%E4%BC%9A%2B+x&b=%2526&&c").unwrap();
        assert_eq!(read.text("a"), Some("会+ x"));
        assert_eq!(read.text("b"), Some("%26"));
        assert_eq!(read.text("c"), None);
        for broken in [
            "a=%", "a=%4", "a=%zz", "a=%+1", "=1", "a=%00", "a=1 2", "a\t=1", "a%0a=1",
        ] {
            assert_eq!(get(broken), Err(NoticeRefusal::Malformed), "{broken}");
        }
    }

    #[test]
    fn a_parameter_that_came_twice_is_refused_however_it_is_written() {
        for query in ["a=1&a=1", "a=1&b=2&%61=3", "a&a=1"] {
            assert_eq!(
                get(query),
                Err(NoticeRefusal::Repeated("a".into())),
                "{query}"
            );
        }
        for query in ["a[]=1", "a[0]=1&b=2", "a%5B%5D=1", "a%5bx%5d=1"] {
            assert!(
                matches!(get(query), Err(NoticeRefusal::Array(_))),
                "{query}"
            );
        }
    }

    #[test]
    fn parameters_come_by_the_address_or_by_the_body_never_by_both() {
        let form = [("content-type", FORM)];
        assert_eq!(
            read(Method::POST, b"a=1", b"a=1", &form),
            Err(NoticeRefusal::Mixed)
        );
        assert_eq!(
            read(Method::POST, b"a=1", b"b=1", &form),
            Err(NoticeRefusal::Mixed)
        );
        assert_eq!(
            read(Method::GET, b"a=1", b"a=1", &form),
            Err(NoticeRefusal::Mixed)
        );
    }

    #[test]
    fn only_plain_forms_are_read() {
        assert!(post(b"a=1", FORM).is_ok());
        assert!(post(b"a=1", "Application/X-WWW-Form-Urlencoded; Charset=UTF-8").is_ok());
        for other in [
            "",
            "application/json",
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; charset=utf-16",
        ] {
            assert_eq!(
                post(b"a=1", other),
                Err(NoticeRefusal::ContentType),
                "{other}"
            );
        }
        assert_eq!(
            read(Method::POST, b"", b"a=1", &[]),
            Err(NoticeRefusal::ContentType)
        );
        let twice = [("content-type", FORM), ("content-type", FORM)];
        assert_eq!(
            read(Method::POST, b"", b"a=1", &twice),
            Err(NoticeRefusal::ContentType)
        );
        let gzip = [("content-type", FORM), ("content-encoding", "gzip")];
        assert_eq!(
            read(Method::POST, b"", b"a=1", &gzip),
            Err(NoticeRefusal::ContentEncoding)
        );
        assert!(matches!(
            read(Method::PUT, b"", b"", &[]),
            Err(NoticeRefusal::Method(_))
        ));
        assert!(matches!(
            read(Method::HEAD, b"a=1", b"", &[]),
            Err(NoticeRefusal::Method(_))
        ));
    }

    #[test]
    fn a_byte_order_mark_is_refused_plain_and_escaped() {
        assert_eq!(
            post(b"\xEF\xBB\xBFa=1", FORM),
            Err(NoticeRefusal::ByteOrderMark)
        );
        assert_eq!(get("%EF%BB%BFa=1"), Err(NoticeRefusal::ByteOrderMark));
    }

    #[test]
    fn the_limit_is_sixty_four_kibibytes_and_not_one_more() {
        let mut body = b"a=".to_vec();
        body.resize(limits::NOTICE_BYTES_MAX, b'x');
        assert!(post(&body, FORM).is_ok());
        body.push(b'x');
        assert_eq!(post(&body, FORM), Err(NoticeRefusal::TooLarge));
        let many: String = (0..=PARAMETERS_MAX).map(|n| format!("p{n}=1&")).collect();
        assert_eq!(get(&many), Err(NoticeRefusal::TooMany));
    }

    #[test]
    fn what_is_logged_is_short_and_has_no_control_characters() {
        let logged = printable(format!("a\r\n{}", "卡".repeat(100)).as_bytes());
        assert!(logged.starts_with("a\u{fffd}\u{fffd}卡"));
        assert!(logged.len() <= LOGGED_BYTES_MAX + 3);
    }
}

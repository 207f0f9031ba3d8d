//! A mail as the bytes that travel (RFC 5322, MIME).

use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, Message, MultiPart, SinglePart};

use super::written::Written;
use crate::words::format::plain;

/// Who writes.
#[derive(Clone, Debug)]
pub struct Sender {
    address: Address,
    name: String,
    reply_to: Option<Address>,
}

/// A file that goes with a mail.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Its name: letters, digits, dash and dot.
    pub name: String,
    /// Its bytes, which arrive exactly.
    pub bytes: Vec<u8>,
}

/// Everything that a message consists of.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// Who writes.
    pub from: &'a Sender,
    /// To whom.
    pub to: &'a str,
    /// What.
    pub written: &'a Written,
    /// Its id without `<>`; the same in every attempt.
    pub id: &'a str,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// A file with it.
    pub attached: Option<Attached>,
}

/// A message with its envelope.
#[derive(Clone, Debug)]
pub struct Built {
    /// Sender and recipient.
    pub envelope: Envelope,
    /// The message: every line ends in CRLF, and nothing else holds CR or LF.
    pub bytes: Vec<u8>,
}

/// Why there is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// An address that mail cannot be sent to. The text does not repeat it.
    #[error("the mail address cannot be written to: it is not of the form name@host")]
    Address,
    /// The library, or what it made is no message.
    #[error("the mail could not be put together: {0}")]
    Form(String),
}

/// Longest name of a sender, in characters.
const NAME_CHARS_MAX: usize = 80;
/// Longest subject, in characters: a word that cannot be folded must fit into a line.
const SUBJECT_CHARS_MAX: usize = 200;

impl Sender {
    /// A sender; `name` becomes one harmless line, `reply_to` is left out where it is no mail address.
    ///
    /// # Errors
    /// [`MessageError::Address`].
    pub fn new(address: &str, name: &str, reply_to: Option<&str>) -> Result<Self, MessageError> {
        Ok(Self {
            address: self::address(address)?,
            name: header_line(name, NAME_CHARS_MAX),
            reply_to: reply_to.and_then(|text| self::address(text).ok()),
        })
    }

    /// Its address.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Draft<'_> {
    /// Puts the message together: text and HTML as alternatives, the file behind both.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn build(self) -> Result<Built, MessageError> {
        let to = address(self.to)?;
        let envelope = Envelope::new(Some(self.from.address.clone()), vec![to.clone()]);
        let envelope = envelope.map_err(form)?;
        let name = Some(self.from.name.clone()).filter(|name| !name.is_empty());
        let automatic = HeaderName::new_from_ascii("Auto-Submitted".to_owned()).map_err(form)?;
        let mut builder = Message::builder()
            .from(Mailbox::new(name, self.from.address.clone()))
            .to(Mailbox::new(None, to))
            .subject(header_line(&self.written.subject, SUBJECT_CHARS_MAX))
            .date(time(self.at_ms))
            .message_id(Some(format!("<{}>", header_line(self.id, usize::MAX))))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
        if let Some(reply_to) = &self.from.reply_to {
            builder = builder.reply_to(Mailbox::new(None, reply_to.clone()));
        }
        let forms = MultiPart::alternative()
            .singlepart(SinglePart::plain(harmless(&self.written.text)))
            .singlepart(SinglePart::html(harmless(&self.written.html)));
        let whole = match self.attached {
            None => forms,
            Some(file) => MultiPart::mixed()
                .multipart(forms)
                .singlepart(attachment(file)?),
        };
        let bytes = builder.multipart(whole).map_err(form)?.formatted();
        if !is_wire_form(&bytes) {
            return Err(MessageError::Form("a line of it is not whole".to_owned()));
        }
        Ok(Built { envelope, bytes })
    }
}

/// An address in the form of envelopes: the host in its ASCII form (RFC 5890). CR, LF and every other character that has a
/// meaning of its own in headers is refused before the library sees it.
pub(super) fn address(text: &str) -> Result<Address, MessageError> {
    const ADDRESS_BYTES_MAX: usize = 254;
    let strange = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '<' | '>' | '"' | '\\' | ',' | ';' | '(' | ')' | ':')
    };
    let (user, host) = text.rsplit_once('@').ok_or(MessageError::Address)?;
    if text.len() > ADDRESS_BYTES_MAX || text.chars().any(strange) || user.contains('@') {
        return Err(MessageError::Address);
    }
    let host = idna::domain_to_ascii_strict(host).map_err(|_| MessageError::Address)?;
    Address::new(user, host).map_err(|_| MessageError::Address)
}

/// A text whose only control characters are those between lines and words; the library ends lines with CRLF.
fn harmless(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                ' '
            } else {
                c
            }
        })
        .collect()
}

fn attachment(file: Attached) -> Result<SinglePart, MessageError> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let name: String = file.name.chars().filter(|c| known(*c)).collect();
    let kind = ContentType::parse("text/plain; charset=utf-8").map_err(form)?;
    // Base64 keeps every byte: a receipt is checked by its bytes.
    let body = Body::new_with_encoding(file.bytes, ContentTransferEncoding::Base64)
        .map_err(|_| MessageError::Form("the attached file".to_owned()))?;
    Ok(Attachment::new(name).body(body, kind))
}

fn header_line(text: &str, chars_max: usize) -> String {
    plain(text).trim().chars().take(chars_max).collect()
}

fn time(at_ms: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(at_ms).unwrap_or(0));
    SystemTime::UNIX_EPOCH + since
}

/// Whether CR and LF stand only together, no NUL is there, and no line is longer than RFC 5322 allows (998 and CRLF).
fn is_wire_form(bytes: &[u8]) -> bool {
    const LINE_BYTES_MAX: usize = 998;
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let last = lines.next_back();
    let whole = |line: &[u8]| {
        line.strip_suffix(b"\r").is_some_and(|line| {
            line.len() <= LINE_BYTES_MAX && !line.contains(&b'\r') && !line.contains(&0)
        })
    };
    lines.all(whole) && last.is_none_or(|last| last.is_empty())
}

fn form(error: impl std::fmt::Display) -> MessageError {
    MessageError::Form(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(subject: &str, text: &str) -> Written {
        Written {
            subject: subject.to_owned(),
            text: text.to_owned(),
            html: format!("<p>{text}</p>"),
        }
    }

    fn build(name: &str, to: &str, written: &Written) -> Result<String, MessageError> {
        let from = Sender::new("shop@shop.example", name, Some("help@shop.example")).unwrap();
        let draft = Draft {
            from: &from,
            to,
            written,
            id: "e7.0011@shop.example",
            at_ms: 1_795_264_260_000,
            attached: Some(Attached {
                name: "keystall-receipt-X1.txt".into(),
                bytes: b"a\nb\r\n.\r\n\xe9\x92\xa5".to_vec(),
            }),
        };
        draft
            .build()
            .map(|built| String::from_utf8(built.bytes).unwrap())
    }

    /// Names of the headers of the whole message, in order.
    fn headers(message: &str) -> Vec<String> {
        let head = message.split("\r\n\r\n").next().unwrap();
        let fields = head.lines().filter(|line| !line.starts_with([' ', '\t']));
        fields
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect()
    }

    const HEADERS: [&str; 9] = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "Reply-To",
        "MIME-Version",
        "Content-Type",
    ];

    #[test]
    fn a_message_has_its_headers_two_forms_and_the_receipt() {
        let message = build("钥铺", "li@example.com", &written("您的订单", "hello")).unwrap();
        assert_eq!(headers(&message), HEADERS);
        for part in [
            "Message-ID: <e7.0011@shop.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Date: Sat, 21 Nov 2026 12:31:00 +0000\r\n",
            "To: li@example.com\r\n",
            "Subject: =?utf-8?b?",
            "multipart/mixed",
            "multipart/alternative",
            "text/plain; charset=utf-8",
            "text/html; charset=utf-8",
            "filename=\"keystall-receipt-X1.txt\"",
        ] {
            assert!(message.contains(part), "{part} is not in\n{message}");
        }
        use base64::{Engine, engine::general_purpose::STANDARD};
        assert!(message.contains(&STANDARD.encode(b"a\nb\r\n.\r\n\xe9\x92\xa5")));
    }

    #[test]
    fn s41_nothing_in_a_field_makes_a_header_a_recipient_or_a_line() {
        let hostile = [
            "x\r\nBcc: evil@example.com",
            "x\nBcc: evil@example.com",
            "x\rBcc: evil@example.com",
            "x\n.\nMAIL FROM:<evil@example.com>",
            "x\r\n.\r\nMAIL FROM:<evil@example.com>",
            "x\u{0}y",
            "\u{2028}Bcc: evil@example.com",
            "\u{85}Bcc: evil@example.com",
            "=?utf-8?q?x=0ABcc:_evil=40example.com?=",
            "钥\u{202e}铺 🔑",
            "\"<evil@example.com>, \"",
            &"钥".repeat(10_240),
            &"a".repeat(10_240),
            &"a ".repeat(5_120),
        ];
        for text in hostile {
            let message = build(text, "li@example.com", &written(text, text)).unwrap();
            assert_eq!(headers(&message), HEADERS, "{text:?}");
            assert!(is_wire_form(message.as_bytes()), "{text:?}");
            let head = message.split("\r\n\r\n").next().unwrap();
            let unfolded = head.replace("\r\n ", " ");
            let from = unfolded.lines().next().unwrap();
            assert!(from.ends_with("<shop@shop.example>"), "{from}");
            assert_eq!(unfolded.lines().nth(1), Some("To: li@example.com"));
        }
    }

    #[test]
    fn s41_an_address_with_anything_strange_is_refused() {
        for text in [
            "",
            "a",
            "a@",
            "@b.example",
            "a@b.example\r\nBcc: c@d.example",
            "a@b.example\nDATA",
            "a@b.example\u{0}",
            "a@b.example,c@d.example",
            "a b@c.example",
            "a@b@c.example",
            "<a@b.example>",
            "\"a\"@b.example",
            &format!("{}@b.example", "a".repeat(300)),
        ] {
            let refused = build("s", text, &written("s", "t")).unwrap_err();
            assert_eq!(refused, MessageError::Address, "{text:?}");
            assert!(Sender::new(text, "s", None).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_in_another_script_is_written_to_in_its_ascii_form() {
        let message = build("s", "li@例子.中国", &written("s", "t")).unwrap();
        assert!(message.contains("To: li@xn--fsqu00a.xn--fiqs8s\r\n"));
    }

    #[test]
    fn the_wire_form_check_can_fail() {
        assert!(is_wire_form(b"a\r\n\r\nb\r\n"));
        for bytes in [
            &b"a\nb\r\n"[..],
            b"a\rb\r\n",
            b"a\r\nb",
            b"a\0\r\n",
            &[b'a'; 1_200],
        ] {
            assert!(!is_wire_form(bytes));
        }
    }
}

//! What a server's answer means, and what of it is kept: a server may repeat addresses, names, and out of the mail itself the
//! order's link or the goods, and what is kept goes to logs and into the outbox.

use std::error::Error;
use std::io;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::response::Response;

use super::super::message::Built;
use super::{Refusal, SmtpConfig};
use crate::words::format::plain;

/// Where a mail stood when the server said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Sender,
    Recipient,
    Message,
}

/// An enhanced status code (RFC 3463).
type Enhanced = (u16, u16, u16);

/// What to look at where nobody answers.
const NO_ANSWER: &str =
    "check [mail] host and port; many VPS providers block port 25, take 465 or 587";

/// Enhanced codes about the shop's own account or sender, which servers say of a mail: the mail itself is in order.
const ABOUT_SENDER: [Enhanced; 10] = [
    (5, 1, 7),
    (5, 1, 8),
    (5, 1, 90),
    (5, 2, 252),
    (5, 7, 3),
    (5, 7, 26),
    (5, 7, 27),
    (5, 7, 28),
    (5, 7, 57),
    (5, 7, 60),
];
/// Too much was sent, or there is no room now.
const QUOTA: [Enhanced; 3] = [(5, 4, 5), (5, 2, 2), (5, 3, 1)];

/// The server answered before any mail was named.
pub(super) fn unreachable(config: &SmtpConfig, what: &str, error: &SmtpError) -> Refusal {
    let place = format!("{}:{}", config.host, config.port);
    if let Some(code) = error.status().map(u16::from) {
        let said = bounded(&without_names(&causes(error)));
        return Refusal::Unreachable(format!(
            "{what} with {place}: the server says {code} {said}"
        ));
    }
    if let Some(error) = io_error(error).filter(|error| is_of_network(error)) {
        return Refusal::Unreachable(format!(
            "{what} with {place}: {}; {NO_ANSWER}",
            error.kind()
        ));
    }
    if error.is_response() {
        return Refusal::Unreachable(format!(
            "{what} with {place}: what answers does not speak SMTP; {NO_ANSWER}, and the right tls"
        ));
    }
    let why = bounded(&causes(error));
    // A certificate that is not trusted, or is another host's, stays so until somebody changes it.
    if error.is_tls() || why.contains("certificate") {
        return Refusal::Settings(format!(
            "{what} with {place}: {why}; check [mail] host, tls and ca_file"
        ));
    }
    Refusal::Unreachable(format!("{what} with {place}: {why}"))
}

/// Nobody is there.
pub(super) fn no_connection(config: &SmtpConfig, error: &io::Error) -> Refusal {
    let place = format!("{}:{}", config.host, config.port);
    // Other errors are the resolver's, in its own words.
    let why = match is_of_network(error) {
        true => error.kind().to_string(),
        false => bounded(&error.to_string()),
    };
    Refusal::Unreachable(format!("no connection with {place}: {why}; {NO_ANSWER}"))
}

/// The server said no, or nothing more.
pub(super) fn refused(stage: Stage, error: &SmtpError, mail: &Built) -> Refusal {
    let Some(code) = error.status().map(u16::from) else {
        // Without a code there may be anything in the error, also what the server repeated of the mail.
        let why = match io_error(error) {
            Some(error) => error.kind().to_string(),
            None if error.is_timeout() => "timed out".to_owned(),
            None => "the mail server's answer is not SMTP".to_owned(),
        };
        return Refusal::Unreachable(format!("the connection broke: {why}"));
    };
    verdict(stage, code, &causes(error), mail)
}

/// What a refusal means. 5xx is for good (RFC 5321, section 4.2.1), but who is meant depends on the stage; an enhanced code
/// 5.7.x at the recipient is a matter of policy, as relaying without a login (RFC 3463, section 3.8).
pub(super) fn verdict(stage: Stage, code: u16, raw: &str, mail: &Built) -> Refusal {
    let enhanced = enhanced(raw);
    let said = match stage {
        // The server has read the mail: nothing of its words is kept.
        Stage::Message => in_own_words(code, enhanced),
        _ => format!(
            "the mail server says {code} {}",
            bounded(&scrubbed(raw, mail))
        ),
    };
    let is = |codes: &[Enhanced]| enhanced.is_some_and(|code| codes.contains(&code));
    let is_login = matches!(code, 530 | 534 | 535 | 538);
    match (code, stage) {
        (421, _) => Refusal::Unreachable(said),
        (..=499, _) => Refusal::Later(said),
        (_, Stage::Sender) if is(&[(5, 4, 5)]) => Refusal::Later(said),
        (_, Stage::Sender) => Refusal::Settings(format!(
            "{said} (about the sender: check [mail] from and user)"
        )),
        _ if is_login => Refusal::Settings(format!("{said} (check [mail] user and password)")),
        (_, Stage::Recipient) if is(&[(5, 4, 5)]) => Refusal::Later(said),
        (_, Stage::Recipient) if matches!(enhanced, Some((5, 7, _))) => Refusal::Policy(said),
        (_, Stage::Recipient) => Refusal::Never(format!("{said} (about the recipient's address)")),
        (_, Stage::Message) if is(&ABOUT_SENDER) => Refusal::Later(format!(
            "{said} (about the sender: check [mail] from and user)"
        )),
        (_, Stage::Message) if is(&QUOTA) => {
            Refusal::Later(format!("{said} (a limit is reached: it is tried again)"))
        }
        (_, Stage::Message) => Refusal::Never(format!("{said} (about the mail itself)")),
    }
}

/// What the server said yes with, for the merchant's test.
pub(super) fn line(answer: &Response, mail: &Built) -> String {
    let text: Vec<&str> = answer.message().collect();
    let said = scrubbed(&text.join(" "), mail);
    bounded(&format!("{} {said}", u16::from(answer.code())))
}

fn in_own_words(code: u16, enhanced: Option<Enhanced>) -> String {
    let Some((class, subject, detail)) = enhanced else {
        return format!("the mail server says {code} to the mail");
    };
    // RFC 3463, section 3.
    let about = match subject {
        1 => "an address",
        2 => "the mailbox",
        3 => "the server's own state",
        4 => "the way to the recipient, or limits",
        5 => "the protocol",
        6 => "the mail's form or content",
        7 => "policy or spam",
        _ => "something else",
    };
    format!("the mail server says {code} {class}.{subject}.{detail} to the mail: {about}")
}

/// The first enhanced code in a text.
fn enhanced(text: &str) -> Option<Enhanced> {
    let code = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_digit());
        let mut parts = word.split('.').map(|part| {
            let is_number = (1..=3).contains(&part.len());
            part.parse::<u16>().ok().filter(|_| is_number)
        });
        let found = (parts.next()??, parts.next()??, parts.next()??);
        (parts.next().is_none() && matches!(found.0, 2 | 4 | 5)).then_some(found)
    };
    text.split(|c: char| c.is_whitespace() || c == '-')
        .find_map(code)
}

/// An error with everything behind it, in one line.
fn causes(error: &SmtpError) -> String {
    let mut said = String::new();
    let mut cause: Option<&dyn Error> = Error::source(error);
    if cause.is_none() {
        said = error.to_string();
    }
    while let Some(one) = cause {
        let text = one.to_string();
        if !said.contains(&text) {
            if !said.is_empty() {
                said.push_str(": ");
            }
            said.push_str(&text);
        }
        cause = one.source();
    }
    plain(&said)
}

fn io_error(error: &SmtpError) -> Option<&io::Error> {
    let mut cause: Option<&dyn Error> = Error::source(error);
    while let Some(one) = cause {
        if let Some(found) = one.downcast_ref::<io::Error>() {
            return Some(found);
        }
        cause = one.source();
    }
    None
}

/// Whether the network said it, not what speaks over it.
fn is_of_network(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionRefused
            | ConnectionReset
            | ConnectionAborted
            | HostUnreachable
            | NetworkUnreachable
            | TimedOut
            | BrokenPipe
    )
}

fn bounded(text: &str) -> String {
    const SAID_CHARS_MAX: usize = 300;
    plain(text).trim().chars().take(SAID_CHARS_MAX).collect()
}

/// What a server said without what it may have repeated: the recipient's name in any case, addresses, links and paths. To be
/// cut only afterwards, because half of a name is not found any more.
pub(super) fn scrubbed(said: &str, mail: &Built) -> String {
    let mut said = said.to_owned();
    for address in mail.envelope.to() {
        said = without(&said, AsRef::<str>::as_ref(address));
        said = without(&said, address.user());
    }
    without_names(&said)
}

/// Words that may be addresses, links or paths become a mark.
fn without_names(said: &str) -> String {
    let apart =
        |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | '\'' | ',' | ';');
    let mut out = String::with_capacity(said.len());
    for piece in said.split_inclusive(apart) {
        let word = piece.trim_end_matches(apart);
        out.push_str(if word.contains(['@', '/']) {
            "…"
        } else {
            word
        });
        out.push_str(&piece[word.len()..]);
    }
    out
}

/// A text without a name, in small or capital letters; names of one or two letters are parts of words, and are dropped where
/// they stand alone.
fn without(text: &str, name: &str) -> String {
    const NAME_CHARS_MIN: usize = 3;
    let (lower, name) = (text.to_lowercase(), name.to_lowercase());
    // Letters whose small form has another length: the places differ, so that the small form is kept.
    let text = if lower.len() == text.len() {
        text
    } else {
        &lower
    };
    let is_short = name.chars().count() < NAME_CHARS_MIN;
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in lower.match_indices(&name) {
        let end = at + name.len();
        let is_apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let alone =
            is_apart(lower[..at].chars().next_back()) && is_apart(lower[end..].chars().next());
        if name.is_empty() || is_short && !alone {
            continue;
        }
        let (Some(before), true) = (text.get(done..at), text.is_char_boundary(end)) else {
            return "…".to_owned();
        };
        out.push_str(before);
        out.push('…');
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

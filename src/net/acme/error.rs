//! Why there is no certificate, in words that say what to do.

use std::time::Duration;

use instant_acme::{Error, Problem};

use crate::net::OutboundError;

/// Why an authority gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AcmeError {
    /// What kind of reason.
    pub kind: AcmeErrorKind,
    /// What it is and what to do about it; one line, bounded.
    pub message: String,
    /// How long the authority asks to wait: at most a week where it signs no more for now, else at most six hours.
    pub retry_after: Option<Duration>,
}

/// Kinds of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcmeErrorKind {
    /// It signs no more for now.
    RateLimited,
    /// It does not sign for a name, or could not see that the name leads here.
    Identifier,
    /// It cannot be reached, or has a problem of its own.
    Unreachable,
    /// It does not know the account: a new one is to be made.
    Account,
    /// Anything else.
    Other,
}

/// Prefix of the error types (RFC 8555, section 6.7).
const URN: &str = "urn:ietf:params:acme:error:";
/// Longest message.
const MESSAGE_CHARS_MAX: usize = 1_000;
/// Longest wait that is believed of an authority that counts: Let's Encrypt's longest limits are counted over a week.
const LIMITED_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Longest wait that is believed of one that fails otherwise: no word of a proxy before it may cost a certificate.
const WAIT_MAX: Duration = Duration::from_secs(6 * 3_600);
/// Longest words of an authority that are passed on.
const DETAIL_CHARS_MAX: usize = 300;

impl AcmeError {
    pub(super) fn new(kind: AcmeErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            // Foreign words may be anywhere in it.
            message: plain(message.into(), MESSAGE_CHARS_MAX),
            retry_after: None,
        }
    }

    pub(super) fn after(self, retry_after: Option<Duration>) -> Self {
        let most = match self.kind {
            AcmeErrorKind::RateLimited => LIMITED_MAX,
            _ => WAIT_MAX,
        };
        Self {
            retry_after: retry_after.map(|wait| wait.min(most)),
            ..self
        }
    }

    /// What the library says, of an order for `names`.
    pub(super) fn of(error: &Error, names: &str) -> Self {
        match error {
            Error::Api(problem) => Self::of_problem(problem, names),
            Error::Other(inner) if inner.is::<OutboundError>() => Self::new(
                AcmeErrorKind::Unreachable,
                unreachable(&plain(inner, DETAIL_CHARS_MAX)),
            ),
            // A page where a document of the protocol was due: a proxy's, or one about works.
            Error::Json(_) => Self::new(
                AcmeErrorKind::Unreachable,
                unreachable("its answer is none of the protocol (RFC 8555)"),
            ),
            Error::Timeout(_) => Self::new(
                AcmeErrorKind::Unreachable,
                unreachable("it did not come to an end in time"),
            ),
            other => Self::new(
                AcmeErrorKind::Other,
                format!(
                    "the authority's part failed: {}",
                    plain(other, DETAIL_CHARS_MAX)
                ),
            ),
        }
    }

    /// What the library says, of an account or an order that is still to be made: what is not allowed then is the account, as
    /// one that was deactivated (RFC 8555, section 7.3.6).
    pub(super) fn of_account(error: &Error, names: &str) -> Self {
        match error {
            Error::Api(problem) if short_type(problem) == "unauthorized" => Self::new(
                AcmeErrorKind::Account,
                format!(
                    "the authority takes nothing from the shop's account (it says: {})",
                    said(problem)
                ),
            ),
            _ => Self::of(error, names),
        }
    }

    pub(super) fn of_problem(problem: &Problem, names: &str) -> Self {
        let kind = short_type(problem);
        let (kind, advice) = advice(kind, names);
        let said = said(problem);
        let message = match said.is_empty() {
            true => advice,
            false => format!("{advice} (the authority says: {said})"),
        };
        Self::new(kind, message)
    }
}

/// The last part of a problem's type, as `rateLimited`.
pub(super) fn short_type(problem: &Problem) -> &str {
    let full = problem.r#type.as_deref().unwrap_or_default();
    full.strip_prefix(URN).unwrap_or(full)
}

fn advice(problem: &str, names: &str) -> (AcmeErrorKind, String) {
    use AcmeErrorKind::{Account, Identifier, Other, RateLimited, Unreachable};
    match problem {
        "rateLimited" => (
            RateLimited,
            "the authority signs no more for now: the shop tries again when it may".to_owned(),
        ),
        "dns" => (
            Identifier,
            format!(
                "{names} cannot be looked up: set its A (and AAAA) record to this machine's address, and remove one that leads elsewhere"
            ),
        ),
        "connection" => (
            Identifier,
            format!(
                "the authority cannot connect to {names}: let ports 80 and 443 through the firewall, and look whether its DNS record has this machine's address"
            ),
        ),
        "unauthorized" | "incorrectResponse" | "tls" => (
            Identifier,
            format!(
                "another server answers for {names}: point its DNS record (A and AAAA) at this machine, and let nothing else answer on ports 80 and 443"
            ),
        ),
        "caa" => (
            Identifier,
            format!(
                "a CAA record of {names} forbids this authority: allow it there, or remove the record"
            ),
        ),
        "rejectedIdentifier" | "unsupportedIdentifier" => (
            Identifier,
            format!(
                "the authority does not sign for {names}: take another [shop] host, or another [tls] acme_directory"
            ),
        ),
        "accountDoesNotExist" => (
            Account,
            "the authority does not know the shop's account any more".to_owned(),
        ),
        "serverInternal" => (Unreachable, unreachable("it has a problem of its own")),
        // The library tried three times.
        "badNonce" => (Unreachable, unreachable("it forgets what it has just given out")),
        "externalAccountRequired" => (
            Other,
            "the authority wants an account made elsewhere, which the shop cannot use: take another [tls] acme_directory"
                .to_owned(),
        ),
        "invalidContact" | "unsupportedContact" => (
            Other,
            "the authority does not take [tls] acme_contact: write another mail address, or remove it".to_owned(),
        ),
        "userActionRequired" => (
            Other,
            "the authority wants its new terms agreed to: see its page".to_owned(),
        ),
        _ => (Other, format!("the authority refuses {names}")),
    }
}

fn unreachable(why: &str) -> String {
    format!(
        "the authority cannot be used now: {why}; if that lasts, look whether this machine reaches [tls] acme_directory"
    )
}

/// A problem's own words, with those about each name.
fn said(problem: &Problem) -> String {
    let own = problem.detail.iter().cloned();
    let parts = problem.subproblems.iter().map(ToString::to_string);
    let said = own.chain(parts).collect::<Vec<_>>().join("; ");
    plain(said, DETAIL_CHARS_MAX)
}

/// Foreign words in one line of at most `chars_max`, without what a terminal would obey.
fn plain(text: impl ToString, chars_max: usize) -> String {
    let text = text.to_string();
    let safe = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(chars_max);
    safe.collect::<String>().trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(problem: &str, detail: &str) -> AcmeError {
        let problem: Problem = serde_json::from_value(serde_json::json!({
            "type": format!("{URN}{problem}"), "detail": detail, "status": 403,
        }))
        .unwrap();
        AcmeError::of_problem(&problem, "shop.example")
    }

    #[test]
    fn only_a_limit_is_waited_for_longer_than_six_hours() {
        let week = Duration::from_secs(7 * 24 * 3_600);
        let limited = of("rateLimited", "").after(Some(4 * week));
        assert_eq!(limited.retry_after, Some(week));
        for problem in ["serverInternal", "connection", "unauthorized"] {
            assert_eq!(
                of(problem, "").after(Some(week)).retry_after,
                Some(Duration::from_secs(6 * 3_600))
            );
        }
    }

    #[test]
    fn a_deactivated_account_is_another_matter_than_a_name_that_was_not_proved() {
        let problem =
            serde_json::json!({"type": format!("{URN}unauthorized"), "detail": "deactivated"});
        let error = Error::Api(serde_json::from_value(problem).unwrap());
        let refused = AcmeError::of_account(&error, "shop.example");
        assert_eq!(refused.kind, AcmeErrorKind::Account);
        assert!(refused.message.contains("deactivated"));
        let looked = AcmeError::of(&error, "shop.example");
        assert_eq!(looked.kind, AcmeErrorKind::Identifier);
    }

    #[test]
    fn foreign_words_are_short_and_obeyed_by_no_terminal_wherever_they_stand() {
        let said = format!("no profile\n\u{1b}[2J {}", "x".repeat(65_536));
        let error = AcmeError::new(AcmeErrorKind::Other, said);
        assert!(!error.message.contains(char::is_control));
        assert_eq!(error.message.chars().count(), MESSAGE_CHARS_MAX);
    }

    #[test]
    fn every_refusal_says_what_to_do_and_what_the_authority_said() {
        use AcmeErrorKind::*;
        for (problem, kind, advice) in [
            ("rateLimited", RateLimited, "tries again when it may"),
            ("dns", Identifier, "set its A (and AAAA) record"),
            ("connection", Identifier, "let ports 80 and 443 through"),
            ("unauthorized", Identifier, "another server answers"),
            ("caa", Identifier, "CAA record"),
            ("rejectedIdentifier", Identifier, "another [shop] host"),
            ("accountDoesNotExist", Account, "account"),
            ("serverInternal", Unreachable, "acme_directory"),
            ("badNonce", Unreachable, "cannot be used now"),
            ("new", Other, "refuses shop.example"),
        ] {
            let error = of(problem, "because\u{1b}[31m\nof this");
            assert_eq!(error.kind, kind, "{problem}");
            assert!(error.message.contains(advice), "{}", error.message);
            assert!(error.message.contains("because [31m of this"), "{error}");
            assert!(!error.message.contains(char::is_control));
        }
        assert!(of("dns", &"x".repeat(5_000)).message.len() < 700);
    }
}

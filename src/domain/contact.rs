//! How a buyer is reached.

use std::fmt;

use crate::limits;

/// A mail address or a phone number as the buyer typed it, trimmed. It is private: `Debug` shows only its shape.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact(String);

/// Why a text is not a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// Nothing was typed.
    #[error("a mail address or a phone number is needed")]
    Empty,
    /// Neither a mail address nor a phone number.
    #[error("that is neither a mail address nor a phone number")]
    Form,
}

impl Contact {
    /// Takes a mail address (`x@y`, no space or control character) or a phone number (5 to 20 digits, with `+`, spaces, dashes).
    ///
    /// # Errors
    /// [`ContactError`].
    pub fn parse(text: &str) -> Result<Self, ContactError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ContactError::Empty);
        }
        if text.len() > limits::CONTACT_BYTES_MAX || !(is_mail(text) || is_phone(text)) {
            return Err(ContactError::Form);
        }
        Ok(Self(text.to_owned()))
    }

    /// One that was taken before and stored: never refused again, though the rules for new ones may have changed since.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for the buyer's own page and for delivery.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The form under which two contacts are the same person's: ASCII letters in lower case, a phone's digits only. Other letters
    /// stay as they are: Unicode folds some of them into ASCII ones (U+212A KELVIN SIGN into `k`), and then a stranger's address
    /// would be another's.
    pub fn canonical(&self) -> String {
        if self.0.contains('@') {
            self.0.to_ascii_lowercase()
        } else {
            self.0.chars().filter(char::is_ascii_digit).collect()
        }
    }

    /// Whether mail reaches it.
    pub fn is_mail(&self) -> bool {
        self.0.contains('@')
    }

    /// `a…@example.com`, `…4567`: enough for its owner to know it again.
    pub fn masked(&self) -> String {
        match self.0.rsplit_once('@') {
            Some((name, host)) => format!("{}…@{host}", name.chars().next().unwrap_or('…')),
            None => {
                let digits = self.canonical();
                format!("…{}", &digits[digits.len().saturating_sub(4)..])
            }
        }
    }
}

fn is_mail(text: &str) -> bool {
    let forbidden = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '<' | '>' | '"' | '\\' | ',' | ';' | '(' | ')')
    };
    match text.rsplit_once('@') {
        Some((name, host)) => {
            let dotted = |part: &str, labels: usize| {
                part.split('.').count() >= labels && part.split('.').all(|label| !label.is_empty())
            };
            let label = |label: &str| !label.starts_with('-') && !label.ends_with('-');
            name.len() <= 64
                && !name.contains(['@', ':', '[', ']'])
                && dotted(name, 1)
                && dotted(host, 2)
                && host.split('.').all(label)
                && !host.contains(['_', ':', '[', ']', '@'])
                && host.len() >= 3
                && !text.chars().any(forbidden)
        }
        None => false,
    }
}

fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let shape = text.bytes().enumerate().all(|(at, byte)| {
        byte.is_ascii_digit() || matches!(byte, b' ' | b'-') || (at == 0 && byte == b'+')
    });
    (5..=20).contains(&digits) && shape
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(…)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_and_phone_numbers_are_contacts() {
        for text in [
            "li@example.com",
            " 李雷@例子.中国 ",
            "13800138000",
            "+86 138-0013-8000",
        ] {
            assert!(Contact::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_could_break_a_mail_header_is_refused() {
        for text in [
            "",
            "  ",
            "a@b",
            "a@b.c\r\nBcc: d@e.f",
            "<a@b.cd>",
            "1234",
            "a b@c.de",
            "@c.de",
            "a@b@c.de",
            "a..b@c.de",
            ".a@c.de",
            "a.@c.de",
            "a@c..de",
            "a@-c.de",
            "a@b_c.de",
            "a:b@c.de",
            "a@[1.2.3.4]",
        ] {
            assert!(Contact::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_letter_of_another_script_makes_an_address_somebody_elses() {
        let canonical = |text: &str| Contact::parse(text).unwrap().canonical();
        assert_eq!(canonical("Bok@Example.COM"), canonical("bok@example.com"));
        for other in ["bo\u{212a}@example.com", "bok@e\u{445}ample.com"] {
            assert_ne!(canonical(other), canonical("bok@example.com"), "{other}");
        }
    }

    #[test]
    fn a_contact_that_was_taken_under_older_rules_stays_its_owners() {
        let old = Contact::stored("a@b_c.de");
        assert!(Contact::parse("a@b_c.de").is_err());
        assert_eq!((old.expose(), old.is_mail()), ("a@b_c.de", true));
    }

    #[test]
    fn a_masked_contact_keeps_only_what_its_owner_knows_again() {
        assert_eq!(
            Contact::parse("li@example.com").unwrap().masked(),
            "l…@example.com"
        );
        assert_eq!(
            Contact::parse("+86 138-0013-8000").unwrap().masked(),
            "…8000"
        );
    }
}

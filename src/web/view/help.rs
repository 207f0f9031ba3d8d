//! Help with an order: how the merchant is reached, with the order attached.

use super::{
    format::plain,
    frame::Contact,
    language::{Language, id},
};

/// A way to the merchant that carries what support needs to know, and never the order's link.
pub(super) struct Help {
    pub(super) shown: String,
    /// `mailto:` with subject and body, or the merchant's page.
    pub(super) link: Option<String>,
    /// To be pasted where a link cannot carry it.
    pub(super) note: Option<String>,
}

impl Help {
    /// `what` is one line: order number, product and state.
    pub(super) fn of(support: &str, number: &str, what: &str, t: Language) -> Self {
        let Contact { shown, link, mail } = Contact::of(support);
        let note = format!("{what}\n{}", t.text(id("help-mail-body")));
        if let Some(address) = mail {
            let subject = t
                .with(id("help-mail-subject"))
                .str("number", number)
                .to_string();
            let link = format!(
                "mailto:{}?subject={}&body={}",
                encoded(&address),
                encoded(&plain(&subject)),
                encoded(&note.replace('\n', "\r\n")),
            );
            return Self {
                shown,
                link: Some(link),
                note: None,
            };
        }
        Self {
            shown,
            link,
            note: Some(what.to_owned()),
        }
    }
}

/// Percent-encoding of all but unreserved characters (RFC 3986, section 2.3; RFC 6068, section 5)
/// and the `@` of an address.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_to_support_carries_the_order_and_nothing_can_add_a_header() {
        let title = "20261121-7 · Steam & 充值?bcc=x@y.example · Delivered";
        let help = Help::of(
            "help+shop?cc=a@shop.example",
            "20261121-7",
            title,
            Language::english(),
        );
        let link = help.link.unwrap();
        let (address, query) = link.split_once('?').unwrap();
        assert_eq!(address, "mailto:help%2Bshop%3Fcc%3Da@shop.example");
        assert!(query.starts_with("subject=") && query.contains("20261121-7"));
        assert_eq!(
            (query.matches('&').count(), query.matches('?').count()),
            (1, 0)
        );
        assert!(query.contains("%20%26%20%E5%85%85%E5%80%BC%3Fbcc%3Dx@y.example"));
        assert!(help.note.is_none());
    }

    #[test]
    fn a_support_that_is_no_mail_gets_a_text_to_paste() {
        let help = Help::of("QQ 12345", "7", "7 · Steam · Paid", Language::english());
        assert!(help.link.is_none());
        assert_eq!(help.note.unwrap(), "7 · Steam · Paid");
    }
}

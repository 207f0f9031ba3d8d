//! What all pages share: head, banner, language switch, foot.

use jiff::tz::TimeZone;

use super::{
    SafeHtml,
    format::plain,
    help::encoded,
    language::{Language, id},
};
use crate::web::assets;

/// What a handler knows of the shop and the visitor, given to every page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The visitor's language. A handler sets the cookie [`crate::words::language::COOKIE`] on `?lang=TAG`.
    pub language: Language,
    /// The shop's title, in that language.
    pub shop_title: String,
    /// `[shop] host`, with its port where that is not 443: the only source of absolute links.
    pub host: String,
    /// Whether money is real here.
    pub mode: Mode,
    /// How the merchant is reached: a mail address, an `https://` link, a phone number or any words.
    pub support: Option<String>,
    /// Where the terms are: a path here or an `https://` link.
    pub terms: Option<String>,
    /// The merchant's notice, shown once above the window and each product.
    pub notice: Option<SafeHtml>,
    /// The path of the merchant's logo, shown at most 40 px high.
    pub logo: Option<String>,
    /// The path of a second stylesheet with the merchant's colour, made by [`crate::words::theme::css`].
    pub theme: Option<String>,
    /// The number of the site's registration in China (ICP 备案号), as it is to be shown.
    pub icp: Option<String>,
    /// The shop's time zone.
    pub zone: TimeZone,
}

/// Whether money is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real goods for real money.
    Live,
    /// `keystall demo`: sample goods.
    Demo,
    /// A shop in test mode.
    Test,
}

impl Frame {
    /// The absolute link of a root-relative path.
    pub fn link(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }

    /// In which zone the times are.
    fn zone_line(&self) -> String {
        match self.zone.iana_name().unwrap_or("UTC") {
            "Asia/Shanghai" => self.language.text(id("zone-line-china")),
            name => self
                .language
                .with(id("zone-line"))
                .str("zone", plain(name))
                .to_string(),
        }
    }

    /// The parts of the frame, ready for `base.html`.
    pub(super) fn chrome(&self) -> Chrome {
        let languages = Language::all().map(|language| Switch {
            tag: language.tag(),
            name: language.name(),
            current: language == self.language,
        });
        Chrome {
            here: String::new(),
            shop: plain(&self.shop_title),
            languages: languages.collect(),
            banner: match self.mode {
                Mode::Live => None,
                Mode::Demo => Some(self.language.text(id("banner-demo"))),
                Mode::Test => Some(self.language.text(id("banner-test"))),
            },
            support: self.support.as_deref().map(Contact::of),
            terms: self.terms.as_deref().and_then(page_link),
            notice: self.notice.clone().filter(|notice| !notice.is_empty()),
            logo: self.logo.clone(),
            theme: self.theme.clone(),
            icp: self.icp.as_deref().map(plain),
            zone: self.zone_line(),
            css: assets::url("shop.css"),
            script: assets::url("shop.js"),
            live: assets::url("order.js"),
            icon: assets::url("icon.svg"),
        }
    }
}

pub(super) struct Chrome {
    /// The path at which the page can be read again; empty where that is the address it has. An answer to a form
    /// may stand at an address that only takes forms.
    pub(super) here: String,
    pub(super) shop: String,
    pub(super) languages: Vec<Switch>,
    pub(super) banner: Option<String>,
    pub(super) support: Option<Contact>,
    pub(super) terms: Option<String>,
    pub(super) notice: Option<SafeHtml>,
    pub(super) logo: Option<String>,
    pub(super) theme: Option<String>,
    pub(super) icp: Option<String>,
    pub(super) zone: String,
    pub(super) css: &'static str,
    pub(super) script: &'static str,
    pub(super) live: &'static str,
    pub(super) icon: &'static str,
}

pub(super) struct Switch {
    pub(super) tag: &'static str,
    pub(super) name: String,
    pub(super) current: bool,
}

/// A merchant's way to be reached, as a link where its form is one.
pub(super) struct Contact {
    pub(super) shown: String,
    pub(super) link: Option<String>,
    /// The mail address, where it is one.
    pub(super) mail: Option<String>,
}

impl Contact {
    pub(super) fn of(text: &str) -> Self {
        let shown = plain(text.trim());
        let is_mail = crate::domain::contact::Contact::parse(&shown).is_ok() && shown.contains('@');
        let mail = is_mail.then(|| shown.clone());
        let link = match &mail {
            Some(address) => Some(format!("mailto:{}", encoded(address))),
            None => web_link(&shown),
        };
        Self { shown, link, mail }
    }
}

/// A link to a page of this or another site; nothing with another scheme is one.
fn page_link(text: &str) -> Option<String> {
    let is_path = text.starts_with('/') && !text.starts_with("//") && !text.contains('\\');
    if is_path {
        Some(plain(text))
    } else {
        web_link(text)
    }
}

fn web_link(text: &str) -> Option<String> {
    let one_word = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    (text.starts_with("https://") && one_word).then(|| plain(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// A frame whose every text is `text`.
    pub(crate) fn frame(language: Language, text: &str) -> Frame {
        Frame {
            language,
            shop_title: text.to_owned(),
            host: "shop.example".to_owned(),
            mode: Mode::Demo,
            support: Some(text.to_owned()),
            terms: Some(text.to_owned()),
            notice: Some(super::super::safe_html(text)),
            logo: Some("/logo/ab12.png".to_owned()),
            theme: Some("/theme.css?v=1".to_owned()),
            icp: Some(text.to_owned()),
            zone: TimeZone::get("Asia/Shanghai").unwrap(),
        }
    }

    #[test]
    fn a_support_contact_becomes_a_link_only_of_a_harmless_kind() {
        let link = |text| Contact::of(text).link;
        assert_eq!(
            link("help@shop.example").unwrap(),
            "mailto:help@shop.example"
        );
        assert_eq!(link("https://t.me/shop").unwrap(), "https://t.me/shop");
        for text in [
            "javascript:alert(1)",
            "QQ 12345",
            "http://shop.example",
            "https://a b",
            "data:text/html,x",
        ] {
            assert!(link(text).is_none(), "{text}");
        }
        assert!(page_link("//evil.example").is_none());
        assert!(page_link("javascript:alert(1)").is_none());
        assert_eq!(page_link("/terms").unwrap(), "/terms");
    }
}

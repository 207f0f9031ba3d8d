//! A merchant's Markdown as HTML that cannot harm a buyer.
//!
//! Two walls: raw HTML in the text is shown as text, images are dropped and nesting is bounded
//! before the HTML is written; what was written then passes a list of allowed tags (ammonia).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use ammonia::Builder;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::limits;

/// HTML made by [`safe_html`]: the only kind that a template shows unescaped. Clones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SafeHtml(Arc<str>);

/// Texts that were rendered already, by their hash: a page that is asked for again costs no second cleaning.
#[derive(Default)]
pub struct Texts(Mutex<HashMap<blake3::Hash, SafeHtml>>);

impl SafeHtml {
    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }
}

/// Renders CommonMark with tables and strikethrough. Links go to http, https, mailto, tel or a path
/// here, and pass no referrer. Text beyond [`limits::PRODUCT_TEXT_BYTES_MAX`] is cut off.
pub fn safe_html(markdown: &str) -> SafeHtml {
    let mut end = markdown.len().min(limits::PRODUCT_TEXT_BYTES_MAX);
    while !markdown.is_char_boundary(end) {
        end -= 1;
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut depth = 0;
    let events =
        Parser::new_ext(&markdown[..end], options).filter_map(|event| tamed(event, &mut depth));
    let mut unclean = String::with_capacity(end * 2);
    html::push_html(&mut unclean, events);
    SafeHtml(CLEANER.clean(&unclean).to_string().into())
}

impl Texts {
    /// What [`safe_html`] makes of a text, made once.
    pub fn safe_html(&self, markdown: &str) -> SafeHtml {
        let name = blake3::hash(markdown.as_bytes());
        // Nothing panics while it is held, and the map is whole after each statement.
        let made = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made().get(&name) {
            return known.clone();
        }
        let html = safe_html(markdown);
        let mut made = made();
        if made.len() >= TEXTS_MAX {
            made.clear();
        }
        made.insert(name, html.clone());
        html
    }
}

/// Most texts kept: more products than that are rarely looked at together, and texts are mostly short.
const TEXTS_MAX: usize = 256;

/// Nested quotes and lists beyond this lose their frame, not their text: deeper trees cost the
/// cleaner quadratic time.
const NESTING_MAX: u32 = 12;

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from([
            "p",
            "br",
            "hr",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "ul",
            "ol",
            "li",
            "strong",
            "em",
            "del",
            "code",
            "pre",
            "blockquote",
            "a",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        ]))
        .add_tag_attributes("a", ["href", "title"])
        .add_tag_attributes("ol", ["start"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel"]))
        .link_rel(Some("noopener noreferrer nofollow"));
    builder
});

/// One event of the parser as it may be written, or nothing.
fn tamed<'a>(event: Event<'a>, depth: &mut u32) -> Option<Event<'a>> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        // The description of an image stays as text, since its start and end alone are dropped.
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        // The page's own heading is level 1.
        Event::Start(Tag::Heading { level, .. }) => Some(Event::Start(Tag::Heading {
            level: below(level),
            id: None,
            classes: vec![],
            attrs: vec![],
        })),
        Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(below(level)))),
        Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item) => {
            *depth += 1;
            (*depth <= NESTING_MAX).then_some(event)
        }
        Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item) => {
            let kept = *depth <= NESTING_MAX;
            *depth = depth.saturating_sub(1);
            kept.then_some(event)
        }
        other => Some(other),
    }
}

fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOADS: &[&str] = &[
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](javascript&colon;alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:msgbox(1))",
        "[x](file:///etc/passwd)",
        "[x](blob:https://a/b)",
        "<javascript:alert(1)>",
        "![x](javascript:alert(1))",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "![x](https://evil.example/track.gif)",
        "[x](https://a \"onmouseover=alert(1)\")",
        "[x](https://a '\" onmouseover=\"alert(1)')",
        "<div style=\"position:fixed\">x</div>",
        "<style>@import url(//evil)</style>",
        "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
        "<form action=//evil><input name=key></form>",
        "<math><mtext></p><style><img src=x onerror=alert(1)></style>",
        "<base href=//evil>",
        "<meta http-equiv=refresh content=0;url=//evil>",
        "<object data=data:text/html,x></object>",
        "<!-- --!><script>alert(1)</script>",
        "```\" onclick=alert(1)\ncode\n```",
        "# x {#id .class onclick=alert(1)}",
        "| a |\n|:-:|\n| <script>alert(1)</script> |",
        "<details open ontoggle=alert(1)>",
    ];

    /// What the HTML may consist of: the tags allowed, with the attributes allowed, and text.
    fn is_harmless(html: &str) -> bool {
        let tag = regex::Regex::new(
            r#"^</?(p|br|hr|h[2-6]|ul|ol|li|strong|em|del|code|pre|blockquote|table|thead|tbody|tr|th|td|a)( (start="\d+"|title="[^"]*"|rel="noopener noreferrer nofollow"|href="((https?|mailto|tel):[^"]*|/[^"]*)"))*>"#,
        );
        let tag = tag.expect("the pattern is a constant");
        html.match_indices('<')
            .all(|(at, _)| tag.is_match(&html[at..]))
    }

    #[test]
    fn known_payloads_are_text_or_gone() {
        for payload in PAYLOADS {
            let html = safe_html(payload);
            assert!(
                is_harmless(html.as_str()),
                "{payload} became {}",
                html.as_str()
            );
        }
    }

    #[test]
    fn the_check_above_can_fail() {
        for html in [
            "<script>",
            "<a href=\"javascript:x\">",
            "<p onclick=\"x\">",
            "<p style=\"x\">",
            "<img src=\"x\">",
        ] {
            assert!(!is_harmless(html), "{html}");
        }
    }

    #[test]
    fn a_merchants_ordinary_text_keeps_its_form() {
        let html = safe_html(
            "# 使用说明\n\n1. 打开 **官网**\n2. 输入 `卡密`\n\n[帮助](https://help.example)\n\n|a|b|\n|-|-|\n|1|2|",
        );
        let expected = "<h2>使用说明</h2>\n<ol>\n<li>打开 <strong>官网</strong></li>\n<li>输入 <code>卡密</code></li>\n</ol>\n\
             <p><a href=\"https://help.example\" rel=\"noopener noreferrer nofollow\">帮助</a></p>\n";
        assert!(html.as_str().starts_with(expected), "{}", html.as_str());
        assert!(html.as_str().contains("<td>2</td>"));
    }

    #[test]
    fn a_tower_of_quotes_is_flattened_and_a_long_text_is_cut() {
        let tower = safe_html(&">".repeat(limits::PRODUCT_TEXT_BYTES_MAX));
        assert!(tower.as_str().matches("<blockquote>").count() <= NESTING_MAX as usize);
        let long = safe_html(&"钥".repeat(limits::PRODUCT_TEXT_BYTES_MAX));
        assert!(long.as_str().len() <= limits::PRODUCT_TEXT_BYTES_MAX + 16);
    }

    #[test]
    fn a_text_is_rendered_once_and_texts_do_not_gather_without_end() {
        let texts = Texts::default();
        let (first, again) = (texts.safe_html("**a**"), texts.safe_html("**a**"));
        assert_eq!(first, safe_html("**a**"));
        assert!(Arc::ptr_eq(&first.0, &again.0));
        for number in 0..1_000 {
            texts.safe_html(&number.to_string());
        }
        assert!(texts.0.lock().is_ok_and(|made| made.len() <= TEXTS_MAX));
        assert_eq!(texts.safe_html("**a**"), first);
    }
}

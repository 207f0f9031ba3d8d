//! A template filled in, and its two forms: plain text and HTML.

use std::collections::HashMap;

use askama::Template as _;

use super::bare::bare;
use super::kind::Placeholder;
use super::template::{Line, Piece, Template, values};
use crate::words::theme::{Accents, Rgb};
use crate::words::{Language, SafeHtml, format::plain, language::id, safe_html};

/// What the placeholders stand for. What is absent is empty.
#[derive(Clone, Debug, Default)]
pub struct Values {
    texts: HashMap<Placeholder, String>,
}

/// A mail that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// One line.
    pub subject: String,
    /// The plain form.
    pub text: String,
    /// The HTML form: one document, nothing loaded from anywhere, no script.
    pub html: String,
}

/// What stands around every mail.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The shop's name.
    pub shop: &'a str,
    /// In which the mail is.
    pub language: Language,
    /// Whether it goes to a buyer.
    pub to_buyer: bool,
    /// The shop's colour.
    pub accents: Accents,
}

/// Longest subject, in characters: what mail programs show, and far below the line limit of RFC 5322.
const SUBJECT_CHARS_MAX: usize = 150;
/// Longest value in one line, in characters.
const VALUE_CHARS_MAX: usize = 1_000;

impl Values {
    /// Sets a value; control characters and marks that turn the direction of text become harmless, except in keys and
    /// instructions, which keep their lines.
    pub fn set(&mut self, placeholder: Placeholder, value: impl Into<String>) {
        let value = value.into();
        let value = match placeholder {
            Placeholder::Keys | Placeholder::Instructions => value
                .replace("\r\n", "\n")
                .chars()
                .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
                .collect(),
            _ => plain(&value).trim().chars().take(VALUE_CHARS_MAX).collect(),
        };
        self.texts.insert(placeholder, value);
    }

    fn text(&self, placeholder: Placeholder) -> &str {
        self.texts.get(&placeholder).map_or("", String::as_str)
    }

    fn is_empty(&self, placeholder: Placeholder) -> bool {
        self.text(placeholder).is_empty()
    }
}

/// Writes a mail: fills `template` in once, so that a value with braces stays as it is.
pub fn write(template: &Template, values: &Values, frame: &Frame<'_>) -> Written {
    let subject: String = filled(&template.subject, values);
    let mut subject: String = plain(&subject)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if subject.chars().count() > SUBJECT_CHARS_MAX {
        subject = subject.chars().take(SUBJECT_CHARS_MAX - 1).collect();
        subject.push('…');
    }
    let blocks = blocks(template, values, frame.language);
    let foot = frame.language.with(if frame.to_buyer {
        id("mail-foot-buyer")
    } else {
        id("mail-foot-merchant")
    });
    let foot = foot.str("shop", plain(frame.shop)).to_string();
    let text = text(&blocks, &foot);
    let page = HtmlMail {
        language: frame.language.tag(),
        shop: &plain(frame.shop),
        subject: &subject,
        blocks: &blocks,
        foot: &foot,
        light: frame.accents.light,
        dark: frame.accents.dark,
    };
    // Rendering into a String fails only where a value's Display does, and none of these does.
    let html = page.render().unwrap_or_default();
    Written {
        subject,
        text,
        html,
    }
}

/// A part of a mail that was filled in.
#[derive(Debug)]
enum Block {
    Heading(String),
    Paragraph(Vec<Vec<Span>>),
    Button { words: String, link: String },
    Keys(String),
    Instructions { text: String, html: SafeHtml },
}

/// A stretch of a line.
#[derive(Debug)]
enum Span {
    Text(String),
    Link(String),
}

fn filled(pieces: &[Piece], values: &Values) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Value(placeholder) => values.text(*placeholder).to_owned(),
    };
    pieces.iter().map(piece).collect()
}

fn spans(pieces: &[Piece], values: &Values) -> Vec<Span> {
    let span = |piece: &Piece| match piece {
        Piece::Literal(text) => Span::Text(text.clone()),
        Piece::Value(Placeholder::Link) => Span::Link(values.text(Placeholder::Link).to_owned()),
        Piece::Value(placeholder) => Span::Text(values.text(*placeholder).to_owned()),
    };
    pieces.iter().map(span).collect()
}

/// Whether a line names values and has none of them.
fn says_nothing(pieces: &[Piece], filled_in: &Values) -> bool {
    let mut named = values(pieces).peekable();
    named.peek().is_some() && named.all(|placeholder| filled_in.is_empty(placeholder))
}

fn blocks(template: &Template, values: &Values, language: Language) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = Vec::new();
    for line in &template.lines {
        if let Line::Text(pieces) = line {
            if !says_nothing(pieces, values) {
                paragraph.push(spans(pieces, values));
            }
            continue;
        }
        if !paragraph.is_empty() {
            blocks.push(Block::Paragraph(std::mem::take(&mut paragraph)));
        }
        match line {
            Line::Heading(pieces) if !says_nothing(pieces, values) => {
                blocks.push(Block::Heading(filled(pieces, values)));
            }
            Line::Button(words) if !values.is_empty(Placeholder::Link) => {
                let words = words.as_ref().map(|pieces| filled(pieces, values));
                blocks.push(Block::Button {
                    words: words.unwrap_or_else(|| language.text(id("mail-open"))),
                    link: values.text(Placeholder::Link).to_owned(),
                });
            }
            Line::Keys if !values.is_empty(Placeholder::Keys) => {
                blocks.push(Block::Keys(values.text(Placeholder::Keys).to_owned()));
            }
            Line::Instructions if !values.is_empty(Placeholder::Instructions) => {
                let text = values.text(Placeholder::Instructions).to_owned();
                let html = safe_html(&text);
                blocks.push(Block::Instructions { text, html });
            }
            _ => {}
        }
    }
    if !paragraph.is_empty() {
        blocks.push(Block::Paragraph(paragraph));
    }
    blocks
}

fn text(blocks: &[Block], foot: &str) -> String {
    let mut out = String::new();
    for block in blocks {
        match block {
            Block::Heading(text) => out.push_str(text),
            Block::Paragraph(lines) => {
                let line = |spans: &Vec<Span>| -> String {
                    let spans = spans.iter().map(|span| match span {
                        Span::Text(text) | Span::Link(text) => text.as_str(),
                    });
                    spans.collect()
                };
                out.push_str(&lines.iter().map(line).collect::<Vec<_>>().join("\n"));
            }
            Block::Button { words, link } => {
                out.push_str(words);
                out.push('\n');
                out.push_str(link);
            }
            Block::Keys(keys) => out.push_str(keys),
            Block::Instructions { text, .. } => out.push_str(bare(text).trim()),
        }
        out.push_str("\n\n");
    }
    // The mark that mail programs fold what follows at (RFC 3676, section 4.3).
    out.push_str("-- \n");
    out.push_str(foot);
    out.push('\n');
    out
}

/// Inline styles, because many mail programs drop sheets; the sheet only turns the colours in the dark, and tells Outlook
/// nothing new. Tables only for the width, which some programs know from nothing else.
#[derive(askama::Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<title>{{ subject }}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
.md p, .md ul, .md ol { margin: 0 0 10px; }
.md h2, .md h3, .md h4, .md h5, .md h6 { margin: 0 0 6px; font-size: 15px; line-height: 1.4; }
.md table { border-collapse: collapse; } .md td, .md th { padding: 4px 8px; border: 1px solid #d9dfdb; text-align: left; }
.md a, .line a { color: {{ light }}; }
@media (prefers-color-scheme: dark) {
  .ground { background: #121614 !important; color: #e6ebe8 !important; }
  .sheet { background: #1b211e !important; border-color: #2e3732 !important; }
  .strong { color: #f4f7f5 !important; }
  .quiet, .foot { color: #a3b0a9 !important; }
  .button { background: {{ dark }} !important; color: #081712 !important; }
  .block { background: #121614 !important; border-color: #2e3732 !important; color: #f4f7f5 !important; }
  .md a, .line a, .link { color: {{ dark }} !important; }
  .md td, .md th { border-color: #2e3732; }
}
</style>
</head>
<body class="ground" style="margin:0;padding:0;background:#f3f5f4;color:#1d2420;font-family:-apple-system,BlinkMacSystemFont,'Segoe UI','PingFang SC','Hiragino Sans GB','Microsoft YaHei','Noto Sans CJK SC',sans-serif;font-size:16px;line-height:1.6;-webkit-text-size-adjust:100%">
<table role="presentation" class="ground" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f3f5f4"><tr><td align="center" style="padding:24px 12px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:560px;text-align:left">
<tr><td class="quiet" style="padding:0 4px 12px;font-size:15px;font-weight:600;color:#4b5751;overflow-wrap:anywhere">{{ shop }}</td></tr>
<tr><td class="sheet" style="padding:28px 24px 18px;background:#ffffff;border:1px solid #dfe4e1;border-radius:12px;overflow-wrap:anywhere">
{%- for block in blocks %}
{%- match block %}
{%- when Block::Heading with (text) %}
<h1 class="strong" style="margin:0 0 14px;font-size:22px;line-height:1.35;font-weight:650;color:#121814">{{ text }}</h1>
{%- when Block::Paragraph with (lines) %}
<p class="line" style="margin:0 0 14px">{% for line in lines %}{% for span in line %}{% match span %}{% when Span::Text with (text) %}{{ text }}{% when Span::Link with (link) %}<a class="link" href="{{ link }}" style="color:{{ light }}">{{ link }}</a>{% endmatch %}{% endfor %}{% if !loop.last %}<br>
{% endif %}{% endfor %}</p>
{%- when Block::Button { words, link } %}
<p style="margin:6px 0 6px"><a class="button" href="{{ link }}" style="display:inline-block;padding:13px 26px;background:{{ light }};color:#ffffff;border-radius:8px;font-weight:600;text-decoration:none">{{ words }}</a></p>
<p class="quiet" style="margin:0 0 16px;font-size:13px;line-height:1.5;color:#56625c"><a class="link" href="{{ link }}" style="color:{{ light }};word-break:break-all">{{ link }}</a></p>
{%- when Block::Keys with (keys) %}
<pre class="block" style="margin:0 0 14px;padding:12px 14px;background:#f3f5f4;border:1px solid #dfe4e1;border-radius:8px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:16px;line-height:1.6;white-space:pre-wrap;word-break:break-all;color:#121814">{{ keys }}</pre>
{%- when Block::Instructions { text: _, html } %}
<div class="md" style="margin:0 0 14px">{{ html.as_str()|safe }}</div>
{%- endmatch %}
{%- endfor %}
</td></tr>
<tr><td class="foot" style="padding:14px 4px 0;font-size:13px;line-height:1.5;color:#56625c;overflow-wrap:anywhere">{{ foot }}</td></tr>
</table>
</td></tr></table>
</body>
</html>
"#
)]
struct HtmlMail<'a> {
    language: &'a str,
    shop: &'a str,
    subject: &'a str,
    blocks: &'a [Block],
    foot: &'a str,
    light: Rgb,
    dark: Rgb,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::kind::MailKind;
    use super::*;

    fn frame() -> Frame<'static> {
        Frame {
            shop: "A & B <shop>",
            language: Language::english(),
            to_buyer: true,
            accents: Accents::default(),
        }
    }

    fn written(subject: &str, body: &str, set: &[(Placeholder, &str)]) -> Written {
        let template = Template::parse(MailKind::Delivered, subject, body).unwrap();
        let mut values = Values::default();
        for (placeholder, value) in set {
            values.set(*placeholder, *value);
        }
        write(&template, &values, &frame())
    }

    #[test]
    fn s40_a_value_is_never_read_as_a_template_again() {
        let hostile = "{keys} {link} {{7*7}} ${7*7} <% 7*7 %> {% include %}";
        let set = [
            (Placeholder::Product, hostile),
            (Placeholder::Keys, "SECRET-KEY"),
            (Placeholder::Link, "https://shop.example/o/x"),
        ];
        let mail = written("{product}", "{product}", &set);
        assert_eq!(mail.subject, hostile);
        assert!(mail.text.starts_with(hostile));
        for form in [&mail.text, &mail.html, &mail.subject] {
            assert!(!form.contains("SECRET-KEY") && !form.contains("49"));
        }
    }

    #[test]
    fn values_are_escaped_in_html_wherever_they_stand() {
        let hostile = "<script>alert(1)</script>\"' onload=x <img src=//evil>";
        let set = [
            (Placeholder::Product, hostile),
            (Placeholder::Order, hostile),
            (Placeholder::Keys, hostile),
            (Placeholder::Instructions, hostile),
            (Placeholder::Link, "https://shop.example/\"><script>"),
        ];
        let body = "# {product}\n\n{product} {link}\n[{order}]({link})\n{keys}\n{instructions}";
        let html = written("{product}", body, &set).html;
        for forbidden in ["<script", "<img", "\" onload", "evil>", "A & B <"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("A &#38; B &#60;shop&#62;"));
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let set = [(
            Placeholder::Instructions,
            "![x](https://evil.example/a.png) ok",
        )];
        let html = written("s", "{instructions}", &set).html;
        for forbidden in ["<img", "src=", "url(", "@import", "<link", "<script"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn a_line_whose_values_are_all_empty_is_left_out() {
        let set = [(Placeholder::Order, "X1")];
        let body = "Order {order}\nScope: {scope}\nHelp: {support} ({order})\n\n{instructions}\n{keys}\n{link}\nBye";
        let mail = written("s", body, &set);
        assert!(
            mail.text
                .starts_with("Order X1\nHelp:  (X1)\n\nBye\n\n-- \n"),
            "{}",
            mail.text
        );
    }

    #[test]
    fn a_button_has_its_link_in_full_beside_it() {
        let set = [(Placeholder::Link, "https://shop.example/o/abc?a=1&b=2")];
        let mail = written("s", "[Look]({link})\n\n{link}", &set);
        assert!(
            mail.text
                .contains("Look\nhttps://shop.example/o/abc?a=1&b=2\n")
        );
        assert!(
            mail.html
                .contains("href=\"https://shop.example/o/abc?a=1&#38;b=2\"")
        );
        assert_eq!(mail.html.matches("class=\"button\"").count(), 2);
    }

    #[test]
    fn s41_a_subject_is_one_line_of_bounded_length_and_turns_nothing_around() {
        let title = format!("a\r\nBcc: x@y.z\n.\n\u{0}\u{202e}b{}", "钥".repeat(10_000));
        let mail = written("{product}", "x", &[(Placeholder::Product, &title)]);
        assert!(!mail.subject.chars().any(char::is_control));
        assert!(!mail.subject.contains('\u{202e}'));
        assert_eq!(mail.subject.chars().count(), SUBJECT_CHARS_MAX);
    }
}

//! A mail's text with fixed placeholders: `{order}` or `{订单号}`, no expressions, and a value is never read as text again.
//!
//! The form: paragraphs between empty lines; `# ` before a heading; `{link}` or `[words]({link})` alone on a line is the
//! button; `{keys}` and `{instructions}` alone on a line are blocks of their own. A line all of whose placeholders are empty
//! is left out. Everything else is literal.

use super::kind::{MailKind, NAMES, Placeholder};

/// A text that was read: only names that its kind knows stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub(super) subject: Vec<Piece>,
    pub(super) lines: Vec<Line>,
}

/// A line of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Empty,
    Heading(Vec<Piece>),
    Text(Vec<Piece>),
    /// The link, with the words on its button where the text gives some.
    Button(Option<Vec<Piece>>),
    Keys,
    Instructions,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Value(Placeholder),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The first line is another.
    #[error("the first line must be \"subject: …\", with the subject behind it")]
    NoSubject,
    /// Too much.
    #[error("{what} is longer than {max} bytes: shorten it")]
    TooLong {
        /// Subject or body.
        what: &'static str,
        /// Bytes.
        max: usize,
    },
    /// Nothing to say.
    #[error("the body is empty: write what the mail is to say")]
    Empty,
    /// Unreadable signs.
    #[error("line {line} holds a control character: save the file as plain UTF-8 text")]
    Control {
        /// Counted from 1 within the body; 0 is the subject.
        line: usize,
    },
    /// A name that nobody knows.
    #[error("{{{name}}} is no placeholder{} In \"{kind}\" there are {}", near(.nearest), known(.kind))]
    Unknown {
        /// What stands in the braces.
        name: String,
        /// The mail's kind.
        kind: &'static str,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// A name of other mails.
    #[error("{{{name}}} is not known in \"{kind}\"; there are {}", known(.kind))]
    NotHere {
        /// What stands in the braces.
        name: String,
        /// The mail's kind.
        kind: &'static str,
    },
}

/// Most bytes of a subject.
pub const SUBJECT_BYTES_MAX: usize = 512;
/// Most bytes of a body.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// Longest name in braces; what is longer is text.
const NAME_CHARS_MAX: usize = 64;

/// Splits a file into subject and body: `subject: …` on the first line.
///
/// # Errors
/// [`TemplateError::NoSubject`].
pub fn split(file: &str) -> Result<(String, String), TemplateError> {
    let file = file.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let (first, body) = file.split_once('\n').unwrap_or((&file, ""));
    let subject = first
        .split_once(':')
        .filter(|(word, _)| word.trim().eq_ignore_ascii_case("subject"))
        .map(|(_, subject)| subject.trim());
    match subject {
        Some(subject) if !subject.is_empty() => {
            Ok((subject.to_owned(), body.trim_matches('\n').to_owned()))
        }
        _ => Err(TemplateError::NoSubject),
    }
}

impl Template {
    /// Reads the text of a mail of `kind`.
    ///
    /// # Errors
    /// [`TemplateError`], which says what to write instead.
    pub fn parse(kind: MailKind, subject: &str, body: &str) -> Result<Self, TemplateError> {
        for (what, text, max) in [
            ("the subject", subject, SUBJECT_BYTES_MAX),
            ("the body", body, BODY_BYTES_MAX),
        ] {
            if text.len() > max {
                return Err(TemplateError::TooLong { what, max });
            }
        }
        if subject.trim().is_empty() {
            return Err(TemplateError::NoSubject);
        }
        if body.trim().is_empty() {
            return Err(TemplateError::Empty);
        }
        let lines = body.lines().enumerate();
        let lines = lines.map(|(at, line)| self::line(kind, at + 1, line));
        Ok(Self {
            subject: pieces(kind, 0, subject)?,
            lines: lines.collect::<Result<_, _>>()?,
        })
    }

    /// Every placeholder in it.
    pub fn placeholders(&self) -> Vec<Placeholder> {
        let mut found: Vec<Placeholder> = values(&self.subject).collect();
        for line in &self.lines {
            match line {
                Line::Empty => {}
                Line::Heading(pieces) | Line::Text(pieces) => found.extend(values(pieces)),
                Line::Button(words) => {
                    found.push(Placeholder::Link);
                    found.extend(words.iter().flat_map(|pieces| values(pieces)));
                }
                Line::Keys => found.push(Placeholder::Keys),
                Line::Instructions => found.push(Placeholder::Instructions),
            }
        }
        found
    }
}

/// The placeholders among pieces.
pub(super) fn values(pieces: &[Piece]) -> impl Iterator<Item = Placeholder> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Literal(_) => None,
        Piece::Value(placeholder) => Some(*placeholder),
    })
}

fn line(kind: MailKind, at: usize, line: &str) -> Result<Line, TemplateError> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(Line::Empty);
    }
    if let Some(heading) = line.strip_prefix("# ") {
        return Ok(Line::Heading(pieces(kind, at, heading)?));
    }
    if let Some((words, target)) = line
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|rest| rest.rsplit_once("]("))
        && pieces(kind, at, target)? == [Piece::Value(Placeholder::Link)]
    {
        return Ok(Line::Button(Some(pieces(kind, at, words)?)));
    }
    let pieces = pieces(kind, at, line)?;
    Ok(match pieces.as_slice() {
        [Piece::Value(Placeholder::Link)] => Line::Button(None),
        [Piece::Value(Placeholder::Keys)] => Line::Keys,
        [Piece::Value(Placeholder::Instructions)] => Line::Instructions,
        _ => Line::Text(pieces),
    })
}

fn pieces(kind: MailKind, line: usize, text: &str) -> Result<Vec<Piece>, TemplateError> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(TemplateError::Control { line });
    }
    let mut found = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let behind = &rest[at + 1..];
        let name = behind
            .find('}')
            .map(|end| &behind[..end])
            .filter(|name| name.chars().count() <= NAME_CHARS_MAX);
        literal.push_str(&rest[..at]);
        let Some(name) = name else {
            literal.push('{');
            rest = behind;
            continue;
        };
        let placeholder = placeholder(kind, name)?;
        if !literal.is_empty() {
            found.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        found.push(Piece::Value(placeholder));
        rest = &behind[name.len() + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        found.push(Piece::Literal(literal));
    }
    Ok(found)
}

fn placeholder(kind: MailKind, name: &str) -> Result<Placeholder, TemplateError> {
    let Some(placeholder) = Placeholder::parse(name.trim()) else {
        return Err(TemplateError::Unknown {
            name: name.to_owned(),
            kind: kind.as_str(),
            nearest: nearest(kind, name.trim()),
        });
    };
    if !kind.placeholders().contains(&placeholder) {
        return Err(TemplateError::NotHere {
            name: name.to_owned(),
            kind: kind.as_str(),
        });
    }
    Ok(placeholder)
}

/// The name of `kind` that is written most alike, if any is.
fn nearest(kind: MailKind, name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let names = NAMES
        .iter()
        .filter(|(placeholder, _)| kind.placeholders().contains(placeholder))
        .flat_map(|(_, names)| names.iter().copied());
    let likeness = |known: &str| (strsim::jaro_winkler(&name, known) * 1_000.0) as u32;
    let (best, known) = names.map(|known| (likeness(known), known)).max()?;
    (best >= 700).then_some(known)
}

fn near(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(name) => format!(": did you mean {{{name}}}?"),
        None => ": braces stand only around the names of values, as {shop} or {店名}.".to_owned(),
    }
}

fn known(kind: &str) -> String {
    let placeholders = MailKind::parse(kind).map_or(&[][..], MailKind::placeholders);
    let names = placeholders
        .iter()
        .map(|placeholder| format!("{{{}}}", placeholder.names()[0]));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn complaint(body: &str) -> String {
        Template::parse(MailKind::Queued, "s", body)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_file_is_a_subject_and_a_body() {
        let (subject, body) =
            split("\u{feff}Subject: 订单 {订单号}: ok\r\n\r\na\r\n\r\nb\r\n").unwrap();
        assert_eq!(
            (subject.as_str(), body.as_str()),
            ("订单 {订单号}: ok", "a\n\nb")
        );
        for file in ["", "hello\n\nbody", "subject:\n\nbody", "subject: "] {
            assert_eq!(split(file), Err(TemplateError::NoSubject), "{file:?}");
        }
    }

    #[test]
    fn names_in_both_languages_mean_the_same() {
        let english = Template::parse(
            MailKind::Delivered,
            "{order}",
            "{product} x {quantity}\n\n{link}",
        );
        let chinese = Template::parse(MailKind::Delivered, "{订单号}", "{商品} x {数量}\n\n{链接}");
        assert_eq!(english.unwrap(), chinese.unwrap());
    }

    #[test]
    fn a_line_that_is_only_a_link_keys_or_instructions_is_a_block() {
        let body = "# {shop}\n\n[Open {order}]({link})\n{keys}\n{instructions}\nsee {link}";
        let template = Template::parse(MailKind::Delivered, "s", body).unwrap();
        assert!(matches!(
            template.lines.as_slice(),
            [
                Line::Heading(_),
                Line::Empty,
                Line::Button(Some(_)),
                Line::Keys,
                Line::Instructions,
                Line::Text(_)
            ]
        ));
    }

    #[test]
    fn s40_an_unknown_name_is_refused_with_the_nearest_known_one() {
        let said = complaint("{ordr}");
        assert!(
            said.contains(
                "{ordr} is no placeholder: did you mean {order}? In \"queued\" there are {order}"
            ),
            "{said}"
        );
        assert!(complaint("{订单}").contains("did you mean {订单号}?"));
        for text in [
            "{{7*7}}",
            "${}",
            "#{1+1}",
            "{%include x%}",
            "{}",
            "{../link}",
            "{constructor}",
        ] {
            assert!(complaint(text).contains("is no placeholder"), "{text}");
        }
        assert!(complaint("{keys}").contains("is not known in \"queued\"; there are {order}"));
    }

    #[test]
    fn s40_what_is_no_placeholder_is_text() {
        let body = "<%= 7*7 %> ${ 100 % } {".replace("${ 100 % }", "$ 100 %");
        let template = Template::parse(MailKind::Queued, "s", &body).unwrap();
        assert_eq!(template.lines, [Line::Text(vec![Piece::Literal(body)])]);
        let long = format!("{{{}}}", "x".repeat(NAME_CHARS_MAX + 1));
        let template = Template::parse(MailKind::Queued, "s", &long).unwrap();
        assert_eq!(template.lines, [Line::Text(vec![Piece::Literal(long)])]);
    }

    #[test]
    fn s40_a_text_of_no_end_or_with_control_characters_is_refused() {
        assert!(complaint(&"a".repeat(BODY_BYTES_MAX + 1)).contains("longer than"));
        assert!(complaint("a\nb\u{0}").contains("line 2"));
        assert!(complaint(" \n ").contains("empty"));
        let subject = Template::parse(MailKind::Queued, "a\rb", "x").unwrap_err();
        assert_eq!(subject, TemplateError::Control { line: 0 });
    }
}

//! Languages: which one a visitor reads, and the texts in it.
//!
//! Each folder `assets/locales/TAG/` is one language; its message `language-name` names it in the
//! switch. A text that a language lacks is taken from English.

use std::{borrow::Cow, collections::HashMap, fmt, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

/// One of the languages in the binary.
#[derive(Clone, Copy)]
pub struct Language(&'static Locale);

/// Name of the cookie that a handler sets when a request carries `?lang=TAG` of a known language.
pub const COOKIE: &str = "__Host-lang";
/// The parameter of the language switch.
pub const PARAMETER: &str = "lang";

impl Language {
    /// All languages, by tag.
    pub fn all() -> impl Iterator<Item = Language> {
        LOCALES.iter().map(Language)
    }

    /// The language of last resort.
    pub fn english() -> Self {
        Self(&LOCALES[english_at()])
    }

    /// The language of a tag, in any case; `zh` and `zh-Hans-SG` find `zh-CN`.
    pub fn parse(tag: &str) -> Option<Self> {
        let exact = || Self::all().find(|known| known.tag().eq_ignore_ascii_case(tag));
        let related =
            || Self::all().find(|known| primary(known.tag()).eq_ignore_ascii_case(primary(tag)));
        exact().or_else(related)
    }

    /// The language of a visitor: what `?lang` asks for, else the cookie's, else the best of
    /// `Accept-Language` (RFC 9110, section 12.5.4), else the shop's.
    pub fn negotiate(
        query: Option<&str>,
        cookie: Option<&str>,
        accept: Option<&str>,
        shop: Language,
    ) -> Self {
        query
            .and_then(Self::parse)
            .or_else(|| cookie.and_then(Self::parse))
            .or_else(|| accept.and_then(accepted))
            .unwrap_or(shop)
    }

    /// The tag, for the attribute `lang` and for `?lang`: `zh-CN`.
    pub fn tag(&self) -> &'static str {
        &self.0.tag
    }

    /// What its readers call it: `中文`.
    pub fn name(&self) -> String {
        self.text(id("language-name"))
    }

    /// A text without arguments.
    pub fn text(&self, id: &str) -> String {
        match self.0.fixed.get(id) {
            Some(text) => text.clone(),
            None => self.format(id, None).into_owned(),
        }
    }

    /// A text with arguments, to be given with [`Message::str`] and [`Message::num`].
    pub fn with(&self, id: &'static str) -> Message {
        Message {
            language: *self,
            id,
            arguments: FluentArgs::new(),
        }
    }

    /// A whole file of the language's folder, as `mail/delivered.txt`; English's where it has none of its own.
    pub fn file(&self, name: &str) -> Option<String> {
        let read = |tag: &str| {
            let file = Files::get(&format!("{tag}/{name}"))?;
            Some(String::from_utf8_lossy(&file.data).into_owned())
        };
        read(self.tag()).or_else(|| read(ENGLISH))
    }

    fn format(&self, id: &str, arguments: Option<&FluentArgs<'_>>) -> Cow<'static, str> {
        let english = || Language::english().0.format(id, arguments);
        // The id itself is shown rather than nothing; a test keeps every id known.
        self.0
            .format(id, arguments)
            .or_else(english)
            .unwrap_or_else(|| Cow::Owned(id.to_owned()))
    }
}

/// A text whose arguments are still being given; it is shown with `Display`.
pub struct Message {
    language: Language,
    id: &'static str,
    arguments: FluentArgs<'static>,
}

impl Message {
    /// Sets an argument to a text, shown as it is.
    pub fn str(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.arguments
            .set(name, FluentValue::from(value.to_string()));
        self
    }

    /// Sets an argument to a number, which may choose a plural form.
    pub fn num(mut self, name: &'static str, value: impl Into<i64>) -> Self {
        self.arguments.set(name, FluentValue::from(value.into()));
        self
    }
}

/// Marks a text as a message id, for the test that looks for every use of every message.
pub(crate) const fn id(text: &'static str) -> &'static str {
    text
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.language.format(self.id, Some(&self.arguments)))
    }
}

impl PartialEq for Language {
    fn eq(&self, other: &Self) -> bool {
        self.0.tag == other.0.tag
    }
}

impl Eq for Language {}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

struct Locale {
    tag: String,
    bundle: FluentBundle<FluentResource>,
    /// Texts that need no argument, as they are formatted: pages are made of them.
    fixed: HashMap<String, String>,
}

impl Locale {
    /// Formats the messages of these ids once, as far as they need no argument.
    fn fix(&mut self, ids: Vec<String>) {
        for id in ids {
            let Some(pattern) = self.bundle.get_message(&id).and_then(|it| it.value()) else {
                continue;
            };
            let mut faults = Vec::new();
            let text = self.bundle.format_pattern(pattern, None, &mut faults);
            if faults.is_empty() {
                let text = text.into_owned();
                self.fixed.insert(id, text);
            }
        }
    }

    fn format(&self, id: &str, arguments: Option<&FluentArgs<'_>>) -> Option<Cow<'static, str>> {
        let pattern = self.bundle.get_message(id)?.value()?;
        let mut faults = Vec::new();
        Some(Cow::Owned(
            self.bundle
                .format_pattern(pattern, arguments, &mut faults)
                .into_owned(),
        ))
    }
}

#[derive(rust_embed::Embed)]
#[folder = "assets/locales/"]
struct Files;

/// The languages by tag. Never empty: the files are part of the program, and `en` is put in if its
/// folder were gone, so [`english_at`] always points at one.
static LOCALES: LazyLock<Vec<Locale>> = LazyLock::new(|| {
    let mut files: Vec<String> = Files::iter().map(Cow::into_owned).collect();
    files.sort();
    let mut locales = vec![];
    let mut ids: HashMap<usize, Vec<String>> = HashMap::new();
    for file in &files {
        let Some((tag, name)) = file.split_once('/') else {
            continue;
        };
        if !name.ends_with(".ftl") {
            continue;
        }
        let Some(text) =
            Files::get(file).map(|file| String::from_utf8_lossy(&file.data).into_owned())
        else {
            continue;
        };
        let at = locale_at(&mut locales, tag);
        // A file with a fault keeps its good messages; a test refuses the fault.
        let resource = FluentResource::try_new(text).unwrap_or_else(|(kept, _)| kept);
        ids.entry(at).or_default().extend(message_ids(&resource));
        locales[at].bundle.add_resource_overriding(resource);
    }
    locale_at(&mut locales, ENGLISH);
    // Once all files are there: a text may be made of another file's.
    for (at, locale) in locales.iter_mut().enumerate() {
        locale.fix(ids.remove(&at).unwrap_or_default());
    }
    locales
});

const ENGLISH: &str = "en";
/// Browsers send some ten languages; more than this is not read.
const ACCEPT_LANGUAGE_BYTES_MAX: usize = 512;

fn english_at() -> usize {
    LOCALES
        .iter()
        .position(|locale| locale.tag == ENGLISH)
        .unwrap_or(0)
}

fn locale_at(locales: &mut Vec<Locale>, tag: &str) -> usize {
    if let Some(at) = locales.iter().position(|locale| locale.tag == tag) {
        return at;
    }
    let identifier: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
    // Isolation marks would end up in copied numbers and in attributes.
    bundle.set_use_isolating(false);
    locales.push(Locale {
        tag: tag.to_owned(),
        bundle,
        fixed: HashMap::new(),
    });
    locales.len() - 1
}

/// What stands at the start of a line before a `=`: every message, and perhaps a line of a text, which names none.
fn message_ids(resource: &FluentResource) -> impl Iterator<Item = String> + '_ {
    let is_named = |line: &&str| line.starts_with(|c: char| c.is_ascii_alphabetic());
    let lines = resource.source().lines().filter(is_named);
    lines.filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()))
}

fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}

/// The known language of the highest weight; the first of equal ones.
fn accepted(header: &str) -> Option<Language> {
    if header.len() > ACCEPT_LANGUAGE_BYTES_MAX {
        return None;
    }
    let mut best: Option<(u32, Language)> = None;
    for range in header.split(',') {
        let (tag, weight) = range
            .split_once(';')
            .map_or((range, 1000), |(tag, rest)| (tag, weight_millis(rest)));
        let Some(language) = Language::parse(tag.trim()) else {
            continue;
        };
        if weight > best.map_or(0, |(found, _)| found) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// `q=0.8` in thousandths; what is not a weight counts as none.
fn weight_millis(text: &str) -> u32 {
    let Some(value) = text.trim().strip_prefix("q=") else {
        return 0;
    };
    crate::domain::money::parse_decimal(value.trim(), 3)
        .ok()
        .and_then(|millis| u32::try_from(millis).ok())
        .map_or(0, |millis| millis.min(1000))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn negotiated(query: Option<&str>, cookie: Option<&str>, accept: Option<&str>) -> &'static str {
        Language::negotiate(query, cookie, accept, Language::parse("zh-CN").unwrap()).tag()
    }

    #[test]
    fn the_switch_wins_over_the_cookie_and_the_cookie_over_the_browser() {
        assert_eq!(negotiated(Some("en"), Some("zh-CN"), Some("zh-CN")), "en");
        assert_eq!(negotiated(None, Some("en"), Some("zh-CN")), "en");
        assert_eq!(negotiated(None, None, Some("en-US,en;q=0.9")), "en");
        assert_eq!(negotiated(None, None, None), "zh-CN");
    }

    #[test]
    fn a_browser_gets_the_language_it_weighs_most_among_those_there_are() {
        let cases = [
            ("fr-FR,fr;q=0.9,en;q=0.8,zh;q=0.7", "en"),
            ("zh-TW,zh;q=0.9,en;q=0.8", "zh-CN"),
            ("en;q=0.2, ZH-hans-sg;q=0.7", "zh-CN"),
            ("fr", "zh-CN"),
            ("*", "zh-CN"),
            ("en;q=0", "zh-CN"),
            ("en;q=x,", "zh-CN"),
            ("", "zh-CN"),
        ];
        for (header, tag) in cases {
            assert_eq!(negotiated(None, None, Some(header)), tag, "{header}");
        }
        assert_eq!(negotiated(None, None, Some(&"en,".repeat(1000))), "zh-CN");
    }

    #[test]
    fn an_unknown_language_in_address_or_cookie_changes_nothing() {
        for text in ["xx", "", "../en", "<script>", "e"] {
            assert_eq!(
                negotiated(Some(text), Some(text), Some("en")),
                "en",
                "{text}"
            );
        }
    }

    #[test]
    fn plurals_follow_the_language() {
        let english = Language::english();
        assert_eq!(
            english.with("stock-last").num("count", 1).to_string(),
            "Last one"
        );
        assert_eq!(
            english.with("stock-last").num("count", 3).to_string(),
            "Last 3"
        );
    }

    #[test]
    fn texts_that_were_formatted_once_are_those_that_fluent_formats() {
        for language in Language::all() {
            let fixed = &language.0.fixed;
            assert!(fixed.len() > 100, "{language:?}: {}", fixed.len());
            for (id, text) in fixed {
                assert_eq!(*text, language.format(id, None), "{id}");
                assert!(!text.contains("{$"), "{id} takes an argument");
            }
            assert!(!fixed.contains_key("stock-last") && fixed.contains_key("nav-find"));
        }
    }

    #[test]
    fn each_language_names_itself() {
        let names: Vec<String> = Language::all().map(|language| language.name()).collect();
        assert_eq!(names, ["English", "中文"]);
    }

    #[test]
    fn no_file_of_texts_has_a_fault() {
        for file in Files::iter().filter(|file| file.ends_with(".ftl")) {
            let text = String::from_utf8(Files::get(&file).unwrap().data.into_owned()).unwrap();
            assert!(FluentResource::try_new(text).is_ok(), "{file}");
        }
    }
}

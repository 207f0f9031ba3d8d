//! Pages that were rendered already and show what is still so.
//!
//! A sheet is used again while no commit came since it was rendered, and after one as long as the facts that it shows are found to
//! be the same. What changes without a commit, such as the channels, is a fact that is compared each time; a page on which the time
//! goes on is never kept. So no answer shows what a write changed that was answered before the request came.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use http::HeaderValue;

use crate::web::view::Language;

/// A rendered page, in one piece or in two with a form's own number between them. Clones share it.
#[derive(Clone)]
pub(in crate::web) struct Sheet {
    before: Bytes,
    behind: Option<Bytes>,
    /// Of a page in one piece, its hash as an entity tag.
    tag: Option<HeaderValue>,
}

/// Sheets by page and language, each with the facts of type `F` that it shows.
pub(in crate::web) struct Sheets<F>(Mutex<Kept<F>>);

struct Kept<F> {
    sheets: HashMap<Name, Entry<F>>,
    bytes: usize,
}

/// What tells a page from others of its kind, as its route does, and the tag of its language.
type Name = (String, &'static str);

struct Entry<F> {
    /// As [`crate::actions::Shop::commits`] said before the facts were read.
    commits: u64,
    facts: F,
    sheet: Sheet,
}

/// Bytes of all sheets of a kind: those of some hundred products. The map is emptied when it would be more.
const BYTES_MAX: usize = 4 * 1024 * 1024;

impl Sheet {
    /// A page that is the same for all who read its language.
    pub(super) fn whole(html: String) -> Self {
        let hash = blake3::hash(html.as_bytes()).to_hex();
        Self {
            // Hex digits in quotes are always a header's value.
            tag: HeaderValue::from_str(&format!("\"{}\"", &hash[..32])).ok(),
            before: html.into(),
            behind: None,
        }
    }

    /// A page with a form whose number is `ticket`, which every answer gets anew. A page without it is closed and has no form.
    pub(super) fn around(ticket: &str, html: String) -> Self {
        let Some((before, behind)) = html.split_once(ticket) else {
            return Self {
                before: html.into(),
                behind: None,
                tag: None,
            };
        };
        Self {
            before: Bytes::copy_from_slice(before.as_bytes()),
            behind: Some(Bytes::copy_from_slice(behind.as_bytes())),
            tag: None,
        }
    }

    /// The page, with the number that `ticket` makes where it has a form.
    pub(super) fn html(&self, ticket: impl FnOnce() -> String) -> Bytes {
        let Some(behind) = &self.behind else {
            return self.before.clone();
        };
        [&self.before, ticket().as_bytes(), behind].concat().into()
    }

    /// Its entity tag, where every answer is the same.
    pub(super) fn tag(&self) -> Option<&HeaderValue> {
        self.tag.as_ref()
    }

    fn len(&self) -> usize {
        self.before.len() + self.behind.as_ref().map_or(0, Bytes::len)
    }
}

impl<F: PartialEq> Sheets<F> {
    /// The sheet of a page, if no commit came since it was rendered and `holds` says that its other facts are the same.
    pub(super) fn unchanged(
        &self,
        page: &str,
        language: Language,
        commits: u64,
        holds: impl FnOnce(&F) -> bool,
    ) -> Option<Sheet> {
        let kept = self.kept();
        let entry = kept.sheets.get(&(page.to_owned(), language.tag()))?;
        (entry.commits == commits && holds(&entry.facts)).then(|| entry.sheet.clone())
    }

    /// The sheet that shows these facts, which were read after `commits` was.
    pub(super) fn of_facts(
        &self,
        page: &str,
        language: Language,
        commits: u64,
        facts: &F,
    ) -> Option<Sheet> {
        let mut kept = self.kept();
        let name = (page.to_owned(), language.tag());
        let entry = kept.sheets.get_mut(&name)?;
        if entry.facts != *facts {
            return None;
        }
        entry.commits = entry.commits.max(commits);
        Some(entry.sheet.clone())
    }

    /// Keeps a sheet that shows these facts, which were read after `commits` was.
    pub(super) fn keep(
        &self,
        page: &str,
        language: Language,
        commits: u64,
        facts: F,
        sheet: &Sheet,
    ) {
        let mut kept = self.kept();
        let name = (page.to_owned(), language.tag());
        // One that was read later is newer.
        let is_newer = |entry: &Entry<F>| entry.commits > commits;
        if kept.sheets.get(&name).is_some_and(is_newer) {
            return;
        }
        let entry = Entry {
            commits,
            facts,
            sheet: sheet.clone(),
        };
        kept.bytes += sheet.len();
        if let Some(old) = kept.sheets.insert(name, entry) {
            kept.bytes -= old.sheet.len();
        }
        if kept.bytes > BYTES_MAX {
            kept.sheets.clear();
            kept.bytes = 0;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<F>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Default for Sheets<F> {
    fn default() -> Self {
        Self(Mutex::new(Kept {
            sheets: HashMap::new(),
            bytes: 0,
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_used_until_a_commit_and_then_while_its_facts_are_the_same() {
        let (sheets, english) = (Sheets::default(), Language::english());
        let sheet = Sheet::whole("page".to_owned());
        sheets.keep("steam", english, 7, 20, &sheet);
        let unchanged = |commits, holds| {
            let found = sheets.unchanged("steam", english, commits, |_| holds);
            found.is_some()
        };
        assert!(unchanged(7, true));
        assert!(!unchanged(7, false) && !unchanged(8, true));
        assert!(sheets.of_facts("steam", english, 8, &19).is_none());
        assert!(sheets.of_facts("steam", english, 8, &20).is_some());
        assert!(unchanged(8, true), "it was found to be still so");
        sheets.keep("steam", english, 7, 21, &sheet);
        assert!(unchanged(8, true), "an older look does not win");
        let chinese = Language::parse("zh-CN").unwrap();
        assert!(sheets.of_facts("steam", chinese, 8, &20).is_none());
    }

    #[test]
    fn sheets_take_a_bounded_memory() {
        let (sheets, english) = (Sheets::default(), Language::english());
        let sheet = Sheet::whole("x".repeat(BYTES_MAX / 4));
        for page in 0..4 {
            sheets.keep(&page.to_string(), english, 1, (), &sheet);
            sheets.keep(&page.to_string(), english, 2, (), &sheet);
        }
        assert_eq!(sheets.kept().bytes, BYTES_MAX);
        sheets.keep("one more", english, 2, (), &sheet);
        assert!(sheets.kept().sheets.is_empty() && sheets.kept().bytes == 0);
    }

    #[test]
    fn every_answer_gets_its_own_number_and_a_closed_page_none() {
        let sheet = Sheet::around("0a1b", "<input value=\"0a1b\">".to_owned());
        assert_eq!(sheet.html(|| "2c3d".to_owned()), "<input value=\"2c3d\">");
        assert!(sheet.tag().is_none());
        let closed = Sheet::around("0a1b", "sold out".to_owned());
        assert_eq!(closed.html(|| unreachable!("no form")), "sold out");
    }
}

//! The files that dress a shop: terms and logo. A shop opens without them rather than not at all, so what is wrong with them is
//! told, not refused.

use std::{fs::File, io::Read, path::Path};

use super::{Problem, settings::Shop};
use crate::{actions::render_logo, limits};

/// What the files say.
#[derive(Clone, Debug, Default)]
pub struct Branding {
    /// The terms, Markdown.
    pub terms: Option<String>,
    /// The logo made anew, PNG.
    pub logo: Option<Vec<u8>>,
}

/// Reads the files that `[shop]` names. Each one that cannot be used is a problem, and is left out.
pub fn branding(shop: &Shop) -> (Branding, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut told = |key: &str, read: Result<Branding, String>| {
        read.unwrap_or_else(|reason| {
            let (key, origin) = (format!("[shop] {key}"), None);
            problems.push(Problem {
                key,
                origin,
                reason,
            });
            Branding::default()
        })
    };
    let mut all = Branding::default();
    if let Some(path) = terms_file(shop) {
        all.terms = told("terms", terms(Path::new(path))).terms;
    }
    if let Some(path) = &shop.logo {
        all.logo = told("logo", logo(path)).logo;
    }
    (all, problems)
}

/// `[shop] terms` where it is a file.
pub(super) fn terms_file(shop: &Shop) -> Option<&str> {
    let terms = shop.terms.as_deref()?;
    (!terms.contains("://")).then_some(terms)
}

fn terms(path: &Path) -> Result<Branding, String> {
    let bytes = read(path, limits::PRODUCT_TEXT_BYTES_MAX)?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| format!("{} is not UTF-8: save it as UTF-8", path.display()))?;
    Ok(Branding {
        terms: Some(text),
        ..Branding::default()
    })
}

fn logo(path: &Path) -> Result<Branding, String> {
    let bytes = read(path, limits::PICTURE_BYTES_MAX)?;
    let png = render_logo(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Branding {
        logo: Some(png),
        ..Branding::default()
    })
}

fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, String> {
    let unreadable = |error| {
        format!(
            "cannot read {}: {error}: put the file there, or remove the setting",
            path.display()
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > bytes_max {
        return Err(format!(
            "{} is larger than {bytes_max} bytes: make it smaller",
            path.display()
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_told_and_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("terms.md"), "# 条款").unwrap();
        fs::write(at("logo.svg"), "<svg/>").unwrap();
        fs::write(
            at("large.md"),
            vec![b'a'; limits::PRODUCT_TEXT_BYTES_MAX + 1],
        )
        .unwrap();
        let shop = |terms: Option<&str>, logo: Option<&str>| Shop {
            terms: terms.map(|name| match name.contains("://") {
                true => name.to_owned(),
                false => at(name).display().to_string(),
            }),
            logo: logo.map(at),
            ..Shop::default()
        };
        let (good, problems) = branding(&shop(Some("terms.md"), None));
        assert_eq!((good.terms.as_deref(), problems), (Some("# 条款"), vec![]));
        let (link, problems) = branding(&shop(Some("https://shop.example/terms"), None));
        assert_eq!((link.terms, problems), (None, vec![]));
        let cases = [
            (shop(Some("none.md"), None), "[shop] terms", "cannot read"),
            (shop(Some("large.md"), None), "[shop] terms", "larger"),
            (shop(None, Some("logo.svg")), "[shop] logo", "PNG"),
            (shop(None, Some("terms.md")), "[shop] logo", "known format"),
        ];
        for (shop, key, says) in cases {
            let (read, problems) = branding(&shop);
            assert!(read.terms.is_none() && read.logo.is_none());
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].key, key);
            assert!(problems[0].reason.contains(says), "{}", problems[0]);
        }
    }
}

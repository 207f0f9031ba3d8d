//! The recovery sheet as a page for printing: a file for those who rather print than write. It is to be deleted after that.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{Setting, found::Report, sheet};
use crate::{
    cli::{Failure, print},
    words::{language::id, qr},
};

/// Where the page is to go.
pub(super) struct Paper(PathBuf);

impl Paper {
    /// Looks at the place before anything is asked or made.
    ///
    /// # Errors
    /// Where something is there already, or the place is the shop's own folder.
    pub(super) fn at(file: &Path, dir: &Path) -> Result<Self, Failure> {
        let file = std::path::absolute(file).map_err(|error| Failure::new("file", error))?;
        let shown = file.display();
        if file.starts_with(dir) {
            let message = format!(
                "--sheet: {shown} is in the shop's folder: whoever has that must not have the recovery secret too; name another place"
            );
            return Err(Failure::usage(message));
        }
        if fs::symlink_metadata(&file).is_ok() {
            let message = format!("--sheet: {shown} is there already: name a new file");
            return Err(Failure::new("exists", message));
        }
        if !file.parent().is_some_and(Path::is_dir) {
            let message = format!("--sheet: there is no folder for {shown}: make it first");
            return Err(Failure::new("file", message));
        }
        Ok(Self(file))
    }

    /// Writes it, for its owner alone.
    ///
    /// # Errors
    /// Where that cannot be done; nothing is left of it.
    pub(super) fn write(
        &self,
        at: &Setting<'_>,
        host: &str,
        report: &Report,
    ) -> Result<(), Failure> {
        let page = page(at, host, report)?;
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let failed = |error: io::Error| {
            let shown = self.0.display();
            let message = format!("{shown} could not be written ({error}): nothing was made");
            Failure::new("file", message)
        };
        let mut file = options.open(&self.0).map_err(failed)?;
        let written = file
            .write_all(page.as_bytes())
            .and_then(|()| file.sync_all());
        written.map_err(|error| {
            self.remove();
            failed(error)
        })
    }

    /// Removes it again: the shop whose it is was not made.
    pub(super) fn remove(&self) {
        // What is left belongs to no shop.
        let _ = fs::remove_file(&self.0);
    }

    /// What is to be done with it.
    pub(super) fn tell(&self, at: &Setting<'_>) {
        let text = at.words.with(id("init-sheet-file"));
        at.say(&text.str("file", print::safe(&self.shown())).to_string());
    }

    /// For people and in JSON.
    pub(super) fn shown(&self) -> String {
        self.0.display().to_string()
    }
}

fn page(at: &Setting<'_>, host: &str, report: &Report) -> Result<String, Failure> {
    let secret = sheet::secret(report)?;
    let cells: Vec<String> = (1..)
        .zip(secret.words())
        .map(|(number, word)| format!("<td><small>{number}.</small> {word}</td>"))
        .collect();
    let rows: String = cells
        .chunks(4)
        .map(|row| format!("<tr>{}</tr>\n", row.concat()))
        .collect();
    let code = qr::svg(&secret.expose_qr_text()).unwrap_or_default();
    let title = at.words.with(id("init-paper-title"));
    let title = escaped(&title.str("host", host).to_string());
    let text = |name| escaped(&at.words.text(name));
    Ok(format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <h1>{title}</h1>\n<p>{what}</p>\n<table>\n{rows}</table>\n<figure>{code}<figcaption>{scan}</figcaption></figure>\n\
         <dl><dt>Root key</dt><dd>{root}</dd><dt>Log key</dt><dd>{log}</dd></dl>\n<p>{how}</p>\n<p>{date}: ______________</p>\n</html>\n",
        tag = at.words.tag(),
        what = text(id("init-paper-what")),
        scan = text(id("init-paper-code")),
        how = text(id("init-paper-how")),
        date = text(id("init-paper-date")),
        root = escaped(&report.root_vkey),
        log = escaped(&report.vkey),
    ))
}

/// Text within an element.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

const STYLE: &str = "@page{size:A4;margin:2cm}body{font:12pt/1.5 sans-serif;color:#000;background:#fff;max-width:17cm;margin:auto}\
table{border-collapse:collapse;width:100%;font:14pt monospace}td{border:1px solid #888;padding:.3em .6em}small{color:#555}\
figure{margin:1cm 0;width:5cm}svg{width:5cm;height:5cm}figcaption{font-size:9pt}dd{font:9pt monospace;overflow-wrap:anywhere;margin:0 0 .5em}";

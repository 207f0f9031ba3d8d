//! The recovery sheet: shown once, and asked back in part, so that it is on paper before anything is sold.

use std::io::{self, Write};

use rustix::termios::tcgetwinsize;

use super::{
    Setting,
    checks::{doubt, good},
    found::Report,
};
use crate::{
    cli::{Failure, terminal},
    domain::Entropy,
    ledger::sign::RecoverySecret,
    vault::SystemEntropy,
    words::{language::id, qr},
};

const WORDS_OF_LINE: usize = 4;
/// Words that are asked back.
const ASKED: usize = 2;

/// The secret of a shop that was just made.
pub(super) fn secret(report: &Report) -> Result<RecoverySecret, Failure> {
    let secret = RecoverySecret::parse(&report.recovery);
    secret.map_err(|error| Failure::new("internal", error))
}

/// Shows it; with a QR code where somebody looks on.
pub(super) fn show(at: &Setting<'_>, host: &str, report: &Report) -> Result<(), Failure> {
    let secret = secret(report)?;
    let rows: Vec<String> = rows(&secret.words());
    let sheet = at.words.with(id("init-sheet"));
    let sheet = sheet
        .str("host", host)
        .str("secret", rows.join("\n"))
        .str("root", &report.root_vkey)
        .str("log", &report.vkey);
    let code = code(at, &secret);
    let shown = writeln!(io::stderr().lock(), "\n{sheet}\n{code}");
    shown.map_err(|error| {
        let message = format!("the recovery secret could not be shown ({error}): nothing was made");
        Failure::new("terminal", message)
    })
}

/// Asks a person for some words of it. An empty answer passes, with a warning, and so does one that cannot be read, or the
/// input's end: the shop is made either way.
pub(super) fn ask_back(at: &Setting<'_>, report: &Report) {
    if !at.person || at.yes {
        return;
    }
    let Ok(secret) = secret(report) else {
        return;
    };
    let words = secret.words();
    at.say(&at.words.text(id("init-sheet-ask")));
    for position in some_of(words.len()) {
        let question = at.words.with(id("init-sheet-word"));
        let question = question.num("word", position as i64 + 1).to_string();
        loop {
            let answer = terminal::prompt(&question, None).unwrap_or_default();
            if answer.is_empty() {
                at.tell(vec![doubt(at.words.text(id("init-sheet-passed")))]);
                return;
            }
            let is_right = |word: &&str| RecoverySecret::is_word(word, &answer);
            if words.get(position).is_some_and(is_right) {
                break;
            }
            at.tell(vec![doubt(at.words.text(id("init-sheet-wrong")))]);
        }
    }
    at.tell(vec![good(at.words.text(id("init-sheet-right")))]);
}

/// The words with their numbers, line by line: `parse` of the secret reads them so.
fn rows(words: &[&str]) -> Vec<String> {
    let numbered: Vec<String> = (1..)
        .zip(words)
        .map(|(number, word)| format!("{number:>2}. {word:<10}"))
        .collect();
    let rows = numbered.chunks(WORDS_OF_LINE);
    rows.map(|row| format!("    {}", row.concat().trim_end()))
        .collect()
}

/// The QR code with a line about it; empty where the terminal cannot show it.
fn code(at: &Setting<'_>, secret: &RecoverySecret) -> String {
    let is_plain = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let lines = match at.person && !is_plain {
        true => qr::blocks(&secret.expose_qr_text()),
        false => None,
    };
    let Some(lines) = lines else {
        return String::new();
    };
    let indent = "    ";
    // A broken line is no code. Nothing is known of a width of 0.
    let width = tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
    let needed = indent.len() + 2 * lines.len();
    if (1..needed).contains(&width) {
        return String::new();
    }
    let lines = lines.iter().map(|line| format!("{indent}{line}\n"));
    format!(
        "\n{}\n{}",
        at.words.text(id("init-sheet-code")),
        lines.collect::<String>()
    )
}

/// Positions that differ, in their order.
fn some_of(count: usize) -> Vec<usize> {
    let mut random = [0; ASKED];
    SystemEntropy.fill(&mut random);
    chosen(count, random)
}

fn chosen(count: usize, random: [u8; ASKED]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..count).collect();
    let mut chosen = Vec::new();
    for byte in random {
        if !left.is_empty() {
            chosen.push(left.remove(usize::from(byte) % left.len()));
        }
    }
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_different_words_are_asked_for() {
        for random in [[0, 0], [23, 22], [255, 255], [3, 200]] {
            let chosen = chosen(24, random);
            assert!(chosen.len() == 2 && chosen[0] < chosen[1] && chosen[1] < 24);
        }
    }

    #[test]
    fn what_the_sheet_shows_is_read_back() {
        let secret = RecoverySecret::new([0x5a; 32]);
        let rows = rows(&secret.words());
        assert_eq!(rows.len(), 6);
        assert!(rows[0].starts_with("     1. "), "{rows:?}");
        let read = RecoverySecret::parse(&rows.join("\n")).unwrap();
        assert_eq!(*read.expose_hex(), *secret.expose_hex());
    }
}

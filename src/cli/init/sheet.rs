//! The recovery sheet: shown once, and asked back in part, so that it is on paper before anything is sold.

use std::io::{self, Write};

use super::{
    Setting,
    checks::{doubt, good},
    found::Report,
};
use crate::{
    cli::{Failure, terminal},
    domain::Entropy,
    vault::SystemEntropy,
    words::language::id,
};

/// Hex digits of a group.
const GROUP: usize = 8;
const GROUPS_OF_LINE: usize = 4;
/// Groups that are asked back.
const ASKED: usize = 2;

/// Shows it.
pub(super) fn show(at: &Setting<'_>, host: &str, report: &Report) -> Result<(), Failure> {
    let groups: Vec<&str> = groups(&report.recovery);
    let lines: Vec<String> = groups
        .chunks(GROUPS_OF_LINE)
        .map(|line| format!("    {}", line.join(" ")))
        .collect();
    let sheet = at.words.with(id("init-sheet"));
    let sheet = sheet
        .str("host", host)
        .str("secret", lines.join("\n"))
        .str("root", &report.root_vkey)
        .str("log", &report.vkey);
    let shown = writeln!(io::stderr().lock(), "\n{sheet}\n");
    shown.map_err(|error| {
        let message = format!("the recovery secret could not be shown ({error}): nothing was made");
        Failure::new("terminal", message)
    })
}

/// Asks a person for some groups of it. An empty answer passes, with a warning, and so does one that cannot be read, or the
/// input's end: the shop is made either way.
pub(super) fn ask_back(at: &Setting<'_>, report: &Report) {
    if !at.person || at.yes {
        return;
    }
    let groups = groups(&report.recovery);
    at.say(&at.words.text(id("init-sheet-ask")));
    for position in some_of(groups.len()) {
        let question = at.words.with(id("init-sheet-group"));
        let question = question.num("group", position as i64 + 1).to_string();
        loop {
            let answer = terminal::prompt(&question, None).unwrap_or_default();
            if answer.is_empty() {
                at.tell(vec![doubt(at.words.text(id("init-sheet-passed")))]);
                return;
            }
            let typed: String = answer.split_whitespace().collect();
            if groups
                .get(position)
                .is_some_and(|group| typed.eq_ignore_ascii_case(group))
            {
                break;
            }
            at.tell(vec![doubt(at.words.text(id("init-sheet-wrong")))]);
        }
    }
    at.tell(vec![good(at.words.text(id("init-sheet-right")))]);
}

fn groups(secret: &str) -> Vec<&str> {
    let bounds = (0..secret.len()).step_by(GROUP);
    // Hex digits: every position is a character's.
    bounds
        .filter_map(|from| secret.get(from..(from + GROUP).min(secret.len())))
        .collect()
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
mod tests {
    use super::*;

    #[test]
    fn two_different_groups_are_asked_for() {
        for random in [[0, 0], [7, 6], [255, 255], [3, 200]] {
            let chosen = chosen(8, random);
            assert!(chosen.len() == 2 && chosen[0] < chosen[1] && chosen[1] < 8);
        }
        assert_eq!(groups(&"0123456789abcdef".repeat(4)).len(), 8);
        assert_eq!(groups("0123456789ab"), ["01234567", "89ab"]);
    }
}

//! Whole exports, asked for more than their own soundness, and files in a form that no honest writer gives them.

use super::cases::{ExportCase, case};
use super::parts::{Witness, mark_line};
use super::*;

pub fn exports() -> Vec<ExportCase> {
    let mut all = nonces_and_times();
    all.extend(known());
    all.extend(forms_of_entries());
    all.extend(forms_of_marks());
    all.extend(keys());
    all
}

fn asked(name: &'static str, exit: u8, change: impl Fn(&mut ExportCase)) -> ExportCase {
    let mut case = case(name, exit, shop_of_24().files(0));
    change(&mut case);
    case
}

fn nonces_and_times() -> Vec<ExportCase> {
    let (first, last) = (1_795_000_300_000, shop_of_24().t_ms);
    let times = |name, exit, since_ms: Option<i64>, until_ms: Option<i64>| {
        asked(name, exit, |case| {
            (case.since_ms, case.until_ms) = (since_ms, until_ms)
        })
    };
    vec![
        asked("a nonce found", 0, |case| {
            case.nonce = Some("auditor-2026_11")
        }),
        asked("a nonce not found", 4, |case| {
            case.nonce = Some("auditor-2026_12")
        }),
        asked("a beacon is no nonce", 4, |case| {
            case.nonce = Some("drand 4242")
        }),
        times("since the time of the last entry", 0, Some(last), None),
        times(
            "since a second after the last entry",
            4,
            Some(last + 1000),
            None,
        ),
        times("until the time of the first entry", 0, None, Some(first)),
        times(
            "until a second before the first entry",
            4,
            None,
            Some(first - 1000),
        ),
        times("since and until the same time", 0, Some(first), Some(first)),
        times("since a time after until", 4, Some(last), Some(first)),
    ]
}

fn known() -> Vec<ExportCase> {
    let whole = shop_of_24();
    let (newest, receipt) = (whole.newest_note(), receipt_of_three().to_string());
    let blob = newest.rsplit_once(' ').unwrap().1;
    let forged = newest.replacen(&blob[40..44], "AAAA", 1);
    assert_ne!(forged, newest);
    let case = |name, exit, text: &str| case(name, exit, whole.files(0)).known(text);
    vec![
        case("a known note with a wrong signature", 4, &forged),
        case(
            "a known note that is malformed",
            3,
            &newest.replacen('\n', "\r\n", 1),
        ),
        case("a known file that is neither", 3, "hello\n"),
        case(
            "a known receipt that was changed",
            1,
            &receipt.replacen("index 4", "index 5", 1),
        ),
        case(
            "a known receipt that is malformed",
            3,
            &receipt.replacen("index 4", "index 04", 1),
        ),
        case(
            "a known note of the size before the newest",
            0,
            &whole.notes[&23],
        ),
    ]
}

/// The file after a change of its text.
fn changed(file: &str, change: impl Fn(&str) -> String) -> Files {
    let mut files = shop_of_24().files(0);
    let path = format!("gen-0/{file}.ndjson");
    let before = String::from_utf8(files[&path].clone()).unwrap();
    let after = change(&before);
    assert_ne!(before, after);
    files.insert(path, after.into_bytes());
    files
}

fn forms_of_entries() -> Vec<ExportCase> {
    let entries =
        |name, exit, change: &dyn Fn(&str) -> String| case(name, exit, changed("entries", change));
    let with = |path: &str, text: &str| {
        let mut files = shop_of_24().files(0);
        files.insert(path.to_owned(), text.as_bytes().to_vec());
        files
    };
    let without = |path: &str| {
        let mut files = shop_of_24().files(0);
        files.remove(path);
        files
    };
    vec![
        entries("an amount changed and nothing resealed", 1, &|text| {
            text.replacen("\"amt\":1999", "\"amt\":1998", 1)
        }),
        entries("two lines exchanged", 1, &|text| {
            let mut lines: Vec<_> = text.lines().collect();
            lines.swap(5, 6);
            lines.join("\n") + "\n"
        }),
        entries("a line twice", 1, &|text| {
            let line = text.lines().next_back().unwrap();
            format!("{text}{line}\n")
        }),
        entries("the first line left out", 1, &|text| {
            text.split_once('\n').unwrap().1.to_owned()
        }),
        entries("an empty line between", 3, &|text| {
            text.replacen('\n', "\n\n", 1)
        }),
        entries("an empty line at the end", 3, &|text| format!("{text}\n")),
        entries("no end of the last line", 3, &|text| {
            text.trim_end().to_owned()
        }),
        entries("the last line cut in its middle", 3, &|text| {
            text[..text.len() - 100].to_owned()
        }),
        entries("carriage returns", 3, &|text| text.replace('\n', "\r\n")),
        entries("a byte order mark", 3, &|text| format!("\u{feff}{text}")),
        case("an empty folder", 4, Files::new()),
        case("with a README", 0, with("README.txt", "anything\n")),
        case(
            "a file that is no part of an export",
            3,
            with("gen-0/notes.txt", "x\n"),
        ),
        case("a file beside the generations", 3, with("notes.txt", "x\n")),
        case("no entries file", 4, without("gen-0/entries.ndjson")),
        case("no marks file", 4, without("gen-0/marks.ndjson")),
    ]
}

fn forms_of_marks() -> Vec<ExportCase> {
    let marks =
        |name, exit, change: &dyn Fn(&str) -> String| case(name, exit, changed("marks", change));
    let reversed = |text: &str| text.lines().rev().map(|line| format!("{line}\n")).collect();
    let newest = |text: &str| text.lines().next_back().unwrap().to_owned();
    let zero = || {
        let root = Frontier::new().root();
        mark_line(&sign_checkpoint(&log_key(), ORIGIN, 0, &root), 0)
    };
    vec![
        marks("no mark", 4, &|_| String::new()),
        marks("only the newest mark", 0, &|text| newest(text) + "\n"),
        marks("marks not ascending", 3, &reversed),
        marks("a mark twice", 3, &|text| {
            format!("{text}{}\n", newest(text))
        }),
        marks("a mark of size 0", 3, &|text| format!("{}{text}", zero())),
        marks(
            "two marks of one size with different roots, both signed",
            5,
            &|text| {
                let note = sign_checkpoint(&log_key(), ORIGIN, 24, &Hash([9; 32]));
                format!("{text}{}", mark_line(&note, 24))
            },
        ),
        marks("white space in a mark", 3, &|text| {
            text.replacen("\"size\":", "\"size\": ", 1)
        }),
        marks("a mark's keys exchanged", 3, &|text| {
            let line = newest(text);
            let (note, size) = line[1..line.len() - 1].rsplit_once(',').unwrap();
            text.replacen(&line, &format!("{{{size},{note}}}"), 1)
        }),
        marks("an unknown key in a mark", 3, &|text| {
            text.replacen("{\"note\"", "{\"a\":1,\"note\"", 1)
        }),
        marks("a dash that is not escaped in a mark", 3, &|text| {
            text.replacen("\\u2014", "\u{2014}", 1)
        }),
        marks("a mark's size is not its note's", 3, &|text| {
            text.replacen("\"size\":24", "\"size\":23", 1)
        }),
        marks("no end of the last mark", 3, &|text| {
            text.trim_end().to_owned()
        }),
        marks("a wrong signature of the pinned key", 1, &|text| {
            let line = newest(text);
            let at = line.rfind("\\n\"").unwrap() - 20;
            let digit = if &line[at..=at] == "A" { "B" } else { "A" };
            text.replacen(
                &line,
                &format!("{}{digit}{}", &line[..at], &line[at + 1..]),
                1,
            )
        }),
        marks("a mark of another origin by the same key", 4, &|text| {
            let shop = shop_of_24();
            let note = sign_checkpoint(
                &log_key(),
                "other.example/89abcdef",
                24,
                &shop.frontier.root(),
            );
            text.replacen(newest(text).as_str(), mark_line(&note, 24).trim_end(), 1)
        }),
    ]
}

fn keys() -> Vec<ExportCase> {
    let mut rotated = shop_of_24();
    rotated.rotate(SigningKey::from_bytes(&[4; 32]));
    rotated.beat();
    let (new, root) = (vkey_of(&rotated.key, ORIGIN), vkey_of(&root_key(), ORIGIN));
    let stranger = vkey_of(&SigningKey::from_bytes(&[9; 32]), ORIGIN);
    let mut twice = rotated.clone();
    twice.rotate(SigningKey::from_bytes(&[5; 32]));
    twice.beat();
    let mut at_once = shop_of_24();
    at_once.rotate(SigningKey::from_bytes(&[4; 32]));
    at_once.rotate(SigningKey::from_bytes(&[5; 32]));
    at_once.beat();
    let mut tail = shop_of_24();
    tail.add(Body::Mark {
        beacon: None,
        down_ms: None,
        r: R,
    });
    let mut later = tail.restored("shop.example/89abcdef", 26);
    later.beat();
    let mut vouched = tail.files_as_they_are(0);
    vouched.extend(later.files(1));
    let generations = |change: &dyn Fn(&mut Shop)| {
        let first = shop_of_24();
        let mut second = first.restored("shop.example/89abcdef", 26);
        change(&mut second);
        let mut files = first.files(0);
        files.extend(second.files_as_they_are(1));
        files
    };
    let first = shop_of_24();
    let mut third = {
        let second = first.restored("shop.example/89abcdef", 24);
        let mut files = first.files(0);
        files.extend(second.files(1));
        files.extend(second.restored("shop.example/fedcba98", 1).files(2));
        files
    };
    let three = third.clone();
    third.retain(|path, _| !path.starts_with("gen-1/"));
    vec![
        case("rotated twice", 0, twice.files(0)),
        case("rotated twice in a row", 0, at_once.files(0)),
        case(
            "rotated, the root key pinned beside the first",
            0,
            rotated.files(0),
        )
        .pinned([pinned(), root.clone()]),
        case(
            "rotated, only the root key pinned: nothing vouches for the first key",
            4,
            rotated.files(0),
        )
        .pinned([root]),
        case("rotated, only the new key pinned", 4, rotated.files(0)).pinned([new]),
        case("a stranger's key pinned beside ours", 0, rotated.files(0))
            .pinned([stranger.clone(), pinned()]),
        case("a stranger's key pinned", 4, rotated.files(0)).pinned([stranger]),
        case(
            "a restored copy with an unsigned tail, for which the origin key vouches",
            0,
            vouched,
        ),
        case(
            "two generations, the second with an unsigned tail",
            4,
            generations(&|shop| {
                shop.add(Body::Mark {
                    beacon: None,
                    down_ms: None,
                    r: R,
                });
            }),
        ),
        case(
            "two generations, silence in the second",
            4,
            generations(&|shop| {
                shop.t_ms += 27 * HOUR_MS;
                shop.beat();
            }),
        ),
        case(
            "two generations, a batch number of the first again",
            1,
            generations(&|shop| {
                shop.batches.pop();
                shop.import("game-key", 1);
            }),
        ),
        case(
            "two generations, a refund of a sale of the first",
            1,
            generations(&|shop| {
                shop.commit(Body::Refund {
                    sale: 3,
                    amt: 1,
                    cur: "CNY",
                    why: Why::Other,
                    r: R,
                });
            }),
        ),
        case("three generations", 0, three),
        case("three generations without the second", 4, third),
    ]
}

/// Exports whose newest checkpoint a witness has seen.
pub fn cosigned() -> Vec<ExportCase> {
    let witness = Witness::new("witness.example/w1", 7);
    let other = Witness::new("witness.example/w2", 8);
    let make = |name, exit, note: &dyn Fn(&str) -> String, asked: &[&Witness]| {
        let mut shop = shop_of_24();
        let note = note(shop.newest_note());
        shop.notes.insert(24, note);
        let witnesses = asked.iter().map(|witness| witness.vkey()).collect();
        ExportCase {
            kind: "cosigned",
            witnesses,
            ..case(name, exit, shop.files(0))
        }
    };
    let seen = |note: &str| witness.cosign(note, 1_795_007_300);
    let older = {
        let mut shop = shop_of_24();
        let (size, note) = shop.marked().into_iter().next().unwrap();
        assert_ne!(size, 24);
        shop.notes
            .insert(size, witness.cosign(&note, 1_795_007_300));
        ExportCase {
            kind: "cosigned",
            witnesses: vec![witness.vkey()],
            ..case("cosigned below the newest size only", 4, shop.files(0))
        }
    };
    vec![
        make("cosigned, no witness asked for", 0, &seen, &[]),
        make("cosigned by the witness asked for", 0, &seen, &[&witness]),
        make(
            "cosigned by one of the witnesses asked for",
            0,
            &seen,
            &[&other, &witness],
        ),
        make("cosigned by another witness", 4, &seen, &[&other]),
        make("not cosigned", 4, &|note| note.to_owned(), &[&witness]),
        make(
            "a cosignature of another note",
            1,
            &|note| {
                let line = witness.cosign(&shop_of_24().notes[&23], 1_795_007_300);
                let line = line.lines().next_back().unwrap().to_owned();
                format!("{note}{line}\n")
            },
            &[&witness],
        ),
        older,
    ]
}

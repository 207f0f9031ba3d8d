//! Cases that differ from a sound export, or from another fault, by one condition alone.

use super::cases::{ExportCase, case};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub fn exports() -> Vec<ExportCase> {
    let mut all = known_of_nothing();
    all.extend(misplaced_marks());
    all.extend(lengths());
    all.push(nothing_signed_and_broken());
    all.push(nobody_signed_and_a_wrong_root());
    all.push(another_log_with_our_id());
    all
}

/// Notes of the empty tree, which are held against it and against no entry.
fn known_of_nothing() -> Vec<ExportCase> {
    let shop = shop_of_24();
    let of = |root: &Hash| sign_checkpoint(&log_key(), ORIGIN, 0, root);
    let empty = Frontier::new().root();
    let ranged = shop.range(9, 24).files(0);
    vec![
        case("a known note of no entries", 0, shop.files(0)).known(of(&empty)),
        case(
            "a known note of no entries with a root of some",
            5,
            shop.files(0),
        )
        .known(of(&Hash([7; 32]))),
        ranges(case("a range, a known note of no entries", 4, ranged).known(of(&empty))),
    ]
}

fn ranges(case: ExportCase) -> ExportCase {
    let kind = "range";
    ExportCase { kind, ..case }
}

fn misplaced_marks() -> Vec<ExportCase> {
    let mut shop = shop_of_24();
    shop.beat();
    let marked = |name, from: u64, sizes: &[u64]| {
        let end = *sizes.last().unwrap();
        let mut range = shop.range(from, end.max(from));
        range.marks = sizes
            .iter()
            .map(|size| (*size, shop.notes[size].clone()))
            .collect();
        if sizes.len() == 1 || from == 24 {
            range.lines.clear();
        }
        ranges(case(name, 3, range.files(0)))
    };
    vec![
        marked("a range with a mark of its prefix", 9, &[9, 24]),
        marked("a range with a mark before its prefix", 9, &[8, 24]),
        marked("an empty range with a mark above it too", 24, &[24, 25]),
        marked("an empty range with a mark above it only", 24, &[25]),
        marked("an empty range with a mark before it too", 24, &[23, 24]),
    ]
}

/// The longest line that there is, and one byte more.
fn lengths() -> Vec<ExportCase> {
    let of = |name, exit, bytes: usize| {
        let mut shop = shop_of_24();
        let line = |beacon: &str, shop: &Shop| {
            let (down_ms, r) = (None, R);
            let beacon = Some(beacon);
            let body = Body::Mark { beacon, down_ms, r };
            body.line(24, shop.t_ms + 5 * MINUTE_MS, &shop.head)
                .unwrap()
        };
        let short = line("x", &shop).len();
        let beacon = "x".repeat(1024 + 1 - short);
        let (down_ms, r) = (None, R);
        let beacon = Some(beacon.as_str());
        shop.commit(Body::Mark { beacon, down_ms, r });
        assert_eq!(shop.lines[24].len(), 1024);
        let mut files = shop.files(0);
        let entries = files.get_mut("gen-0/entries.ndjson").unwrap();
        let more = format!("\"beacon\":\"{}", "x".repeat(bytes - 1024));
        let last = shop.lines[24].replacen("\"beacon\":\"", &more, 1);
        entries.truncate(entries.len() - 1025);
        entries.extend_from_slice(format!("{last}\n").as_bytes());
        case(name, exit, files)
    };
    vec![
        of("a line of 1024 bytes", 0, 1024),
        of("a line of 1025 bytes", 3, 1025),
    ]
}

/// What is missing never stands before what is wrong.
fn nothing_signed_and_broken() -> ExportCase {
    let shop = shop_of_24();
    let mut files = shop.files(0);
    files.insert("gen-0/marks.ndjson".to_owned(), Vec::new());
    let broken = shop.lines[9].replacen("\"prev\":\"", "\"prev\":\"0", 1);
    let prev = broken.find("\"prev\":\"").unwrap() + 8;
    let mut broken = broken;
    broken.remove(prev + 64);
    let entries = String::from_utf8(files["gen-0/entries.ndjson"].clone()).unwrap();
    let entries = entries.replacen(&shop.lines[9], &broken, 1);
    files.insert("gen-0/entries.ndjson".to_owned(), entries.into_bytes());
    case("no checkpoint at all, and a broken link", 1, files)
}

/// An origin key that no pinned key stands behind vouches for nothing: what later generations sign proves no fork.
fn nobody_signed_and_a_wrong_root() -> ExportCase {
    let first = shop_of_24();
    let mut second = first.restored("shop.example/89abcdef", 24);
    second.beat();
    let wrong = sign_checkpoint(&second.key, &second.origin, 1, &Hash([7; 32]));
    let mut files = first.files(0);
    files.extend(second.files(1));
    let marks: String = [(1, &wrong), (2, &second.notes[&2])]
        .map(|(size, note)| parts::mark_line(note, size))
        .concat();
    files.insert("gen-1/marks.ndjson".to_owned(), marks.into_bytes());
    let stranger = vkey_of(&SigningKey::from_bytes(&[9; 32]), ORIGIN);
    case(
        "two generations that nobody pinned, a wrong root in the second",
        1,
        files,
    )
    .pinned([stranger])
}

fn another_log_with_our_id() -> ExportCase {
    let shop = shop_of_24();
    let blob = shop.newest_note().trim_end().rsplit_once(' ').unwrap().1;
    let id = STANDARD.decode(blob).unwrap()[..4].to_vec();
    let other = "other.example/0123abcd";
    let body = shop
        .newest_note()
        .split_once("\n\n")
        .unwrap()
        .0
        .replacen(ORIGIN, other, 1);
    let forged = STANDARD.encode([&id[..], &[7; 64]].concat());
    let mut marks = shop.marked();
    marks.insert(24, format!("{body}\n\n\u{2014} {other} {forged}\n"));
    let mut files = shop.files(0);
    let spelled: String = marks
        .iter()
        .map(|(size, note)| parts::mark_line(note, *size))
        .collect();
    files.insert("gen-0/marks.ndjson".to_owned(), spelled.into_bytes());
    case(
        "the newest mark is of another log, under the id of this one's key",
        4,
        files,
    )
}

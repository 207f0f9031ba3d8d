//! Cases that differ from a sound export, or from another fault, by one condition alone.

use super::cases::{ExportCase, case};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub fn exports() -> Vec<ExportCase> {
    let mut all = known_of_nothing();
    all.extend(misplaced_marks());
    all.extend(at_the_edge_of_a_range());
    all.extend(lengths());
    all.push(nothing_signed_and_broken());
    all.push(nobody_signed_and_a_wrong_root());
    all.push(another_log_with_our_id());
    all.extend(lost_in_a_restore());
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

/// What an entry refers to lies before the range, or is its first entry, or is not there.
fn at_the_edge_of_a_range() -> Vec<ExportCase> {
    let parse = |text: &str| SlotList::parse(text).unwrap();
    let more = |sale, slots: &str| {
        let (slots, r) = (parse(slots), R);
        Body::Slots { sale, slots, r }
    };
    // Entry 1 imports, 2 is a mark, from 3 on it is the story's.
    let from_3 = |name, exit, story: &dyn Fn(&mut Shop)| {
        let mut shop = Shop::opened();
        shop.import("game-key", 8);
        shop.beat();
        story(&mut shop);
        shop.sign();
        let end = shop.lines.len() as u64;
        ranges(case(name, exit, shop.range(3, end).files(0)))
    };
    let sold_first = |shop: &mut Shop| shop.sell("A00001", "game-key", 1, "0:0", &[]);
    let (why, r) = (Why::Bad, R);
    let of_two_skus = {
        let mut shop = Shop::opened();
        shop.import("game-key", 8);
        shop.import("gift-card", 1);
        shop.sell("C00001", "game-key", 2, "0:0", &["1:0"]);
        shop.sign();
        case("slots of another sku after a sale", 1, shop.files(0))
    };
    let mut carried = shop_of_24().range(1, 24);
    carried
        .carried
        .push((shop_of_24().lines[1].clone(), shop_of_24().proof(1).hashes));
    let mut two = Shop::opened();
    two.import("game-key", 8);
    let mut other_prev = two.empty_range();
    other_prev.prev = Hash([7; 32]);
    vec![
        of_two_skus,
        from_3(
            "a range that begins with slots of a sale before it",
            0,
            &|shop| {
                shop.add(more(2, "0:0"));
            },
        ),
        from_3("a range that begins with slots of themselves", 1, &|shop| {
            shop.add(more(3, "0:0"));
        }),
        from_3(
            "a range with slots of a sale before it after another entry",
            1,
            &|shop| {
                shop.beat();
                shop.add(more(2, "0:0"));
            },
        ),
        from_3(
            "a range whose first sale replaces a slot that it never had",
            1,
            &|shop| {
                let sale = sold_first(shop);
                let (out, slots) = (parse("0:1"), parse("0:2"));
                shop.add(Body::Replace {
                    sale,
                    out,
                    slots,
                    why,
                    r,
                });
            },
        ),
        from_3(
            "a range whose first entry is erased and no sale",
            1,
            &|shop| {
                let sale = shop.beat();
                shop.add(Body::Erase { sale, r });
            },
        ),
        ranges(case(
            "a carried line that is the range's first entry",
            3,
            carried.files(0),
        )),
        ranges(case(
            "an empty range whose prev is not that of its carried last line",
            1,
            other_prev.files(0),
        )),
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

/// What was lost is what the `open` admits, and only where somebody trusted stands behind it.
fn lost_in_a_restore() -> Vec<ExportCase> {
    let first = shop_of_24();
    let mut more = first.clone();
    more.beat();
    let of = |signed: u64| {
        let mut files = first.files(0);
        files.extend(first.restored("shop.example/89abcdef", signed).files(1));
        files
    };
    let mut unsigned = of(30);
    unsigned.insert("gen-0/marks.ndjson".to_owned(), Vec::new());
    vec![
        case(
            "the last size that a restore admits to have lost is known",
            0,
            of(25),
        )
        .known(more.newest_note()),
        case(
            "a lost size is known, and nobody trusted admits it",
            1,
            unsigned,
        )
        .known(more.newest_note()),
    ]
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

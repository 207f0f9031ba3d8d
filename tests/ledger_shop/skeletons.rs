//! Skeletons: the hashes alone, for publication.

use super::cases::{ExportCase, case};
use super::*;

pub fn exports() -> Vec<ExportCase> {
    let mut all = one_generation();
    all.extend(keys_and_generations());
    for case in &mut all {
        case.kind = "skeleton";
    }
    all
}

const FILE: &str = "gen-0/skeleton.bin";

fn one_generation() -> Vec<ExportCase> {
    let shop = shop_of_24();
    let changed = |name, exit, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = shop.skeleton(0);
        change(files.get_mut(FILE).unwrap());
        case(name, exit, files)
    };
    let with = |path: &str, bytes: &[u8]| {
        let mut files = shop.skeleton(0);
        files.insert(path.to_owned(), bytes.to_vec());
        files
    };
    let mut other = Shop::opened();
    while other.lines.len() < 24 {
        other.beat();
    }
    let mut later = shop.clone();
    later.beat();
    let known = |name, exit, note: &str| case(name, exit, shop.skeleton(0)).known(note);
    let mut asked = case("a skeleton, a nonce asked for", 4, shop.skeleton(0));
    asked.nonce = Some("auditor-2026_11");
    let mut since = case("a skeleton, a time asked for", 4, shop.skeleton(0));
    since.since_ms = Some(0);
    vec![
        case("a skeleton", 0, shop.skeleton(0)),
        changed("a skeleton with a bit flipped", 1, &|bytes| bytes[100] ^= 1),
        changed("a skeleton with a byte more", 3, &|bytes| bytes.push(0)),
        changed("a skeleton with a byte less", 3, &|bytes| {
            bytes.pop();
        }),
        changed("a skeleton without its last hash", 1, &|bytes| {
            bytes.truncate(23 * 32)
        }),
        changed("a skeleton with an unsigned tail", 4, &|bytes| {
            bytes.extend([7; 32])
        }),
        changed("the hashes of a skeleton moved by one", 1, &|bytes| {
            bytes.rotate_left(32)
        }),
        case("an empty skeleton", 4, {
            let mut files = with(FILE, b"");
            files.insert("gen-0/marks.ndjson".to_owned(), Vec::new());
            files
        }),
        changed("an empty skeleton with marks", 1, &|bytes| bytes.clear()),
        case(
            "a skeleton without a mark",
            4,
            with("gen-0/marks.ndjson", b""),
        ),
        case(
            "a skeleton with entries beside it",
            3,
            with(
                "gen-0/entries.ndjson",
                &shop.files(0)["gen-0/entries.ndjson"],
            ),
        ),
        case("a skeleton of another key", 4, shop.skeleton(0))
            .pinned([vkey_of(&SigningKey::from_bytes(&[9; 32]), ORIGIN)]),
        known("a skeleton, its newest note known", 0, shop.newest_note()),
        known("a skeleton, an older note known", 0, &shop.notes[&9]),
        known(
            "a skeleton, another note of its size known",
            5,
            other.newest_note(),
        ),
        known(
            "a skeleton that ends below a known note",
            1,
            later.newest_note(),
        ),
        asked,
        since,
    ]
}

fn keys_and_generations() -> Vec<ExportCase> {
    let mut rotated = shop_of_24();
    rotated.rotate(SigningKey::from_bytes(&[4; 32]));
    rotated.beat();
    let new = vkey_of(&rotated.key, ORIGIN);
    let first = shop_of_24();
    let second = first.restored("shop.example/89abcdef", 26);
    let key = vkey_of(&second.key, &second.origin);
    let same = first.restored(ORIGIN, 24);
    let join = |parts: &[Files]| {
        parts
            .iter()
            .flatten()
            .map(|(path, bytes)| (path.clone(), bytes.clone()))
            .collect::<Files>()
    };
    let both = || join(&[first.skeleton(0), second.skeleton(1)]);
    vec![
        case(
            "a rotated skeleton, both keys pinned",
            0,
            rotated.skeleton(0),
        )
        .pinned([pinned(), new]),
        case(
            "a rotated skeleton, only the first key pinned",
            4,
            rotated.skeleton(0),
        ),
        case("two skeletons, both keys pinned", 0, both()).pinned([pinned(), key]),
        case("two skeletons, only the first key pinned", 4, both()),
        case(
            "two skeletons of one origin",
            1,
            join(&[first.skeleton(0), same.skeleton(1)]),
        )
        .pinned([pinned(), vkey_of(&same.key, ORIGIN)]),
        case(
            "a skeleton, then a whole generation",
            3,
            join(&[first.skeleton(0), second.files(1)]),
        ),
    ]
}

//! Exports that end early, or whose history was made anew.

use super::*;

pub fn cut_and_resealed() -> Vec<ExportCase> {
    let whole = shop_of_24();
    let mut unlinked = whole.clone();
    unlinked.head = Hash([9; 32]);
    unlinked.beat();
    let mut leap = whole.clone();
    leap.add_at(
        30,
        Body::Mark {
            beacon: None,
            down_ms: None,
            r: R,
        },
    );
    leap.sign();
    let mut short = Shop::opened();
    short.import("game-key", 8);
    let mut other_history = Shop::opened();
    other_history.import("game-key", 4);
    while other_history.lines.len() < 24 {
        other_history.beat();
    }
    let resealed = |key: u8| {
        let key = SigningKey::from_bytes(&[key; 32]);
        let mut shop = Shop::opened_with(key, root_key(), ORIGIN);
        shop.import("game-key", 8);
        shop.files(0)
    };
    let elsewhere = Shop::opened_with(log_key(), root_key(), "other.example/89abcdef");
    let mut tail = whole.clone();
    tail.beat();
    let mut unsigned_tail = whole.files(0);
    unsigned_tail.insert(
        "gen-0/entries.ndjson".into(),
        tail.files(0)["gen-0/entries.ndjson"].clone(),
    );
    let mut below = whole.files(0);
    let entries = whole.lines[..20]
        .iter()
        .flat_map(|line| [line.as_bytes(), b"\n"].concat());
    below.insert("gen-0/entries.ndjson".into(), entries.collect());
    let empty = |marks: Vec<u8>| {
        Files::from([
            ("gen-0/entries.ndjson".to_owned(), Vec::new()),
            ("gen-0/marks.ndjson".to_owned(), marks),
        ])
    };
    let mut two_roots = other_history.files(0);
    let mut marks = two_roots["gen-0/marks.ndjson"].clone();
    let (size, note) = whole.notes.range(..24).next_back().unwrap();
    let at = marks
        .iter()
        .rev()
        .skip(1)
        .position(|b| *b == b'\n')
        .map_or(0, |n| marks.len() - 1 - n);
    marks.splice(at..at, mark_line(note, *size).into_bytes());
    two_roots.insert("gen-0/marks.ndjson".into(), marks);
    vec![
        case("whole", 0, whole.files(0)),
        case("whole, with the newest note known", 0, whole.files(0)).known(whole.newest_note()),
        case("whole, with an older note known", 0, whole.files(0)).known(&whole.notes[&9]),
        case("whole, with a receipt known", 0, whole.files(0))
            .known(receipt_of_three().to_string()),
        case(
            "entries and marks cut together, nothing known",
            0,
            short.files(0),
        ),
        case(
            "entries and marks cut together, a later note known",
            1,
            short.files(0),
        )
        .known(whole.newest_note()),
        case(
            "resealed with the current key, nothing known",
            0,
            other_history.files(0),
        ),
        case(
            "resealed with the current key, the old note known",
            5,
            other_history.files(0),
        )
        .known(whole.newest_note()),
        case("two signed roots that cannot both be true", 5, two_roots),
        case("resealed with another key", 4, resealed(9)),
        case("a ledger of another shop", 4, elsewhere.files(0)),
        case("a known note of another shop", 4, whole.files(0)).known(elsewhere.newest_note()),
        case("a known note by a stranger's key", 4, whole.files(0)).known(sign_checkpoint(
            &SigningKey::from_bytes(&[9; 32]),
            ORIGIN,
            24,
            &whole.frontier.root(),
        )),
        case(
            "a link that does not fit, signed",
            1,
            unlinked.files_as_they_are(0),
        ),
        case("a seq left out, signed", 1, leap.files_as_they_are(0)),
        case("an unsigned tail", 4, unsigned_tail),
        case("entries end below a signed size", 1, below),
        case("empty", 4, empty(Vec::new())),
        case(
            "no entries, but marks",
            1,
            empty(whole.files(0)["gen-0/marks.ndjson"].clone()),
        ),
    ]
}

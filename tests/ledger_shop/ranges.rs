//! Ranges: parts of a ledger that still reach the signed root.

use super::cases::{ExportCase, case};
use super::parts::Range;
use super::*;

pub fn exports() -> Vec<ExportCase> {
    let mut all = sound();
    all.extend(spoiled());
    all.extend(rules());
    all.extend(keys_and_generations());
    for case in &mut all {
        case.kind = "range";
    }
    all
}

/// Entries 9 to 23 of the 24.
fn nine() -> Range {
    shop_of_24().range(9, 24)
}

fn sound() -> Vec<ExportCase> {
    let shop = shop_of_24();
    let range = |name, size, end| case(name, 0, shop.range(size, end).files(0));
    let asked = |name, exit, change: &dyn Fn(&mut ExportCase)| {
        let mut case = case(name, exit, nine().files(0));
        change(&mut case);
        case
    };
    let other = {
        let mut other = Shop::opened();
        while other.lines.len() < 24 {
            other.beat();
        }
        other
    };
    vec![
        range("entries 1 to 23", 1, 24),
        range("entries 7 to 23", 7, 24),
        range("entries 8 to 23", 8, 24),
        range("entries 9 to 23", 9, 24),
        range("entries 9 to 13, up to a signed size", 9, 14),
        range("the last entry", 23, 24),
        case("nothing but an empty range", 4, shop.empty_range().files(0)),
        asked("a range, its newest note known", 0, &|case| {
            case.known.push(shop.newest_note().to_owned())
        }),
        asked("a range, a note within it known", 0, &|case| {
            case.known.push(shop.notes[&13].clone())
        }),
        asked("a range, the note of its prefix known", 0, &|case| {
            case.known.push(shop.notes[&9].clone())
        }),
        asked(
            "a range, a note within its prefix known, which cannot be compared",
            4,
            &|case| {
                case.known.push(shop.notes[&7].clone());
            },
        ),
        asked(
            "a range, another note of a size within it known",
            5,
            &|case| case.known.push(other.notes[&13].clone()),
        ),
        asked("a range, another note of its prefix known", 5, &|case| {
            case.known.push(other.notes[&9].clone())
        }),
        asked("a range, a nonce within it", 0, &|case| {
            case.nonce = Some("auditor-2026_11")
        }),
        case(
            "a range that ends below a known note",
            1,
            shop.range(9, 14).files(0),
        )
        .known(shop.newest_note()),
    ]
}

fn spoiled() -> Vec<ExportCase> {
    let changed = |name, exit, change: &dyn Fn(&mut Range)| {
        let mut range = nine();
        change(&mut range);
        case(name, exit, range.files(0))
    };
    let file = |name, exit, file: &str, change: &dyn Fn(&str) -> String| {
        let mut files = nine().files(0);
        let path = format!("gen-0/{file}");
        let before = String::from_utf8(files[&path].clone()).unwrap();
        let after = change(&before);
        assert_ne!(before, after);
        files.insert(path, after.into_bytes());
        case(name, exit, files)
    };
    let sale = shop_of_24().lines[3].clone();
    let path_of_sale = tree::inclusion_proof(&shop_of_24().rows, 3, 24).unwrap();
    vec![
        changed("a bit flipped in a prefix hash", 1, &|range| {
            range.hashes[0].0[31] ^= 1
        }),
        changed("prefix hashes exchanged", 1, &|range| {
            range.hashes.swap(0, 1)
        }),
        changed("a prefix hash too few", 3, &|range| {
            range.hashes.pop();
        }),
        changed("a prefix hash too many", 3, &|range| {
            range.hashes.push(Hash::ZERO)
        }),
        changed("a prefix of size 0", 3, &|range| {
            (range.size, range.hashes) = (0, Vec::new())
        }),
        changed(
            "a prefix of another size with as many hashes",
            1,
            &|range| range.size = 5,
        ),
        changed("another prev", 1, &|range| range.prev.0[0] ^= 1),
        changed("the first entry of a range left out", 1, &|range| {
            range.lines.remove(0);
        }),
        changed("the last entry of a range left out", 1, &|range| {
            range.lines.pop();
        }),
        changed("an entry of a range changed", 1, &|range| {
            range.lines[4] = range.lines[4].replacen("auditor-2026_11", "auditor-2026_12", 1);
        }),
        changed("a carried line changed", 1, &|range| {
            range.carried[1].0 = range.carried[1].0.replacen("\"count\":8", "\"count\":9", 1);
        }),
        changed("a bit flipped in a carried path", 1, &|range| {
            range.carried[0].1[2].0[0] ^= 1
        }),
        changed("a carried path too short", 1, &|range| {
            range.carried[0].1.pop();
        }),
        changed("a carried path too long", 1, &|range| {
            range.carried[0].1.push(Hash::ZERO)
        }),
        changed("carried lines exchanged", 3, &|range| {
            range.carried.swap(1, 2)
        }),
        changed("a carried line twice", 3, &|range| {
            let line = range.carried[2].clone();
            range.carried.push(line);
        }),
        changed("a sale carried", 3, &|range| {
            range.carried.push((sale.clone(), path_of_sale.clone()))
        }),
        changed("the open not carried", 3, &|range| {
            range.carried.remove(0);
        }),
        changed("nothing carried", 3, &|range| range.carried.clear()),
        file("white space in the prefix", 3, "prefix.json", &|text| {
            text.replacen(',', ", ", 1)
        }),
        file("no end of the prefix's line", 3, "prefix.json", &|text| {
            text.trim_end().to_owned()
        }),
        file("a second line in the prefix", 3, "prefix.json", &|text| {
            format!("{text}\n")
        }),
        file("an unknown key in the prefix", 3, "prefix.json", &|text| {
            text.replacen('{', "{\"a\":1,", 1)
        }),
        file("upper-case hex in the prefix", 3, "prefix.json", &|text| {
            // Behind `{"hashes":["`, so within the first hash.
            let at = 12 + text[12..].find(|c: char| ('a'..='f').contains(&c)).unwrap();
            format!(
                "{}{}{}",
                &text[..at],
                text[at..=at].to_uppercase(),
                &text[at + 1..]
            )
        }),
        file(
            "an unknown key in a carried line",
            3,
            "carried.ndjson",
            &|text| text.replacen("{\"line\"", "{\"a\":1,\"line\"", 1),
        ),
        file(
            "a carried line that is not canonical",
            3,
            "carried.ndjson",
            &|text| text.replacen("\\\"batch\\\":0", "\\\"batch\\\":00", 1),
        ),
        file(
            "no end of the last carried line",
            3,
            "carried.ndjson",
            &|text| text.trim_end().to_owned(),
        ),
    ]
}

/// A range from 20 on, after a change of the ledger's last entries.
fn after(name: &'static str, exit: u8, change: &dyn Fn(&mut Shop)) -> ExportCase {
    let mut shop = shop_of_24();
    change(&mut shop);
    let size = shop.lines.len() as u64;
    case(name, exit, shop.range(20, size).files(0))
}

fn rules() -> Vec<ExportCase> {
    let r = R;
    let refund = |sale, amt| Body::Refund {
        sale,
        amt,
        cur: "CNY",
        why: Why::Other,
        r,
    };
    let one = |text: &str| SlotList::parse(text).unwrap();
    vec![
        after("a slot sold twice within a range", 1, &|shop| {
            shop.sell("C00001", "game-key", 1, "2:0", &[]);
            shop.sell("C00002", "game-key", 1, "2:0", &[]);
        }),
        after(
            "a slot sold before the range and in it, which a range cannot show",
            0,
            &|shop| {
                shop.sell("C00001", "game-key", 1, "0:1", &[]);
            },
        ),
        after("a slot above the count of a carried batch", 1, &|shop| {
            shop.sell("C00001", "game-key", 1, "0:8", &[]);
        }),
        after("a slot of a carried batch of another sku", 1, &|shop| {
            shop.sell("C00001", "gift-card", 1, "0:6", &[]);
        }),
        after("a refund of a sale before the range", 0, &|shop| {
            shop.commit(refund(3, 1));
        }),
        after("a refund of what is no sale within the range", 1, &|shop| {
            shop.commit(refund(20, 1));
        }),
        after("refunds above a sale within the range", 1, &|shop| {
            let sale = shop.sell("C00001", "game-key", 1, "2:0", &[]);
            shop.commit(refund(sale, 1999));
            shop.commit(refund(sale, 1));
        }),
        after("a replacement for a sale before the range", 0, &|shop| {
            let (out, slots) = (one("0:1"), one("2:0"));
            shop.commit(Body::Replace {
                sale: 4,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after("an erasure of a sale before the range", 0, &|shop| {
            shop.commit(Body::Erase { sale: 4, r });
        }),
        after("time going back within a range", 1, &|shop| {
            shop.t_ms -= 10 * MINUTE_MS;
            shop.beat();
        }),
        after("a missing heartbeat within a range", 4, &|shop| {
            shop.t_ms += 27 * HOUR_MS;
            shop.beat();
        }),
        {
            let mut range = shop_of_24().range(3, 24);
            range.carried.remove(1);
            case(
                "a stock line not carried, whose slots are sold in the range",
                4,
                range.files(0),
            )
        },
        {
            let mut range = shop_of_24().range(16, 24);
            range.carried.remove(2);
            case(
                "a stock line not carried, of which the range sells nothing",
                0,
                range.files(0),
            )
        },
        case(
            "a range that begins between a sale and its slots",
            0,
            shop_of_24().range(5, 24).files(0),
        ),
        {
            let mut shop = shop_of_24();
            shop.add(Body::Mark {
                beacon: None,
                down_ms: None,
                r,
            });
            let mut range = shop.range(9, 24);
            range.lines.push(shop.lines[24].clone());
            case("a range with an unsigned tail", 4, range.files(0))
        },
    ]
}

fn keys_and_generations() -> Vec<ExportCase> {
    let mut rotated = shop_of_24();
    rotated.rotate(SigningKey::from_bytes(&[4; 32]));
    rotated.beat();
    rotated.beat();
    let (new, root) = (vkey_of(&rotated.key, ORIGIN), vkey_of(&root_key(), ORIGIN));
    let mut without_rotate = rotated.range(25, 27);
    without_rotate.carried.pop();
    let mut retired = rotated.clone();
    retired.key = log_key();
    retired.beat();
    let first = shop_of_24();
    let mut second = first.restored("shop.example/89abcdef", 26);
    second.beat();
    second.sell("C00001", "game-key", 1, "2:0", &[]);
    let mut lost = first.clone();
    lost.beat();
    let lost_note = lost.newest_note().to_owned();
    let join = |parts: &[Files]| {
        parts
            .iter()
            .flatten()
            .map(|(path, bytes)| (path.clone(), bytes.clone()))
            .collect::<Files>()
    };
    let mut other_first = Shop::opened();
    other_first.beat();
    let mut two_marks = first.empty_range();
    two_marks.marks.insert(23, first.notes[&23].clone());
    let mut odd = first.clone();
    odd.beat();
    let mut invented = odd.empty_range();
    invented.prev = Hash([9; 32]);
    odd.head = invented.prev;
    vec![
        case(
            "a range with a rotation in it",
            0,
            rotated.range(20, 27).files(0),
        ),
        case(
            "a range after a rotation",
            0,
            rotated.range(25, 27).files(0),
        ),
        case(
            "a range after a rotation, only the root key pinned",
            0,
            rotated.range(25, 27).files(0),
        )
        .pinned([root]),
        case(
            "a range after a rotation, only the new key pinned",
            4,
            rotated.range(25, 27).files(0),
        )
        .pinned([new]),
        case(
            "a range whose rotation is not carried",
            4,
            without_rotate.files(0),
        ),
        case(
            "a range with a checkpoint by a retired key",
            1,
            retired.range(25, 28).files(0),
        ),
        case(
            "an empty range, then a whole generation",
            0,
            join(&[first.empty_range().files(0), second.files(1)]),
        ),
        case(
            "an empty range, then a range",
            0,
            join(&[first.empty_range().files(0), second.range(1, 3).files(1)]),
        ),
        case(
            "a whole generation, then a range",
            0,
            join(&[first.files(0), second.range(1, 3).files(1)]),
        ),
        case(
            "a range, then a whole generation",
            0,
            join(&[nine().files(0), second.files(1)]),
        ),
        case(
            "an empty range, then a whole generation, a lost note known",
            0,
            join(&[first.empty_range().files(0), second.files(1)]),
        )
        .known(lost_note),
        case(
            "an empty range of another size than the open names",
            1,
            join(&[first.range(20, 20).files(0), second.files(1)]),
        ),
        case(
            "an empty range of another ledger",
            1,
            join(&[other_first.empty_range().files(0), second.files(1)]),
        ),
        case(
            "an empty range with two marks",
            3,
            join(&[two_marks.files(0), second.files(1)]),
        ),
        case(
            "an empty range with an invented prev, which the next open repeats",
            1,
            join(&[
                invented.files(0),
                odd.restored("shop.example/89abcdef", 25).files(1),
            ]),
        ),
        case(
            "an empty range, then a whole generation of its origin",
            1,
            join(&[
                first.empty_range().files(0),
                first.restored(ORIGIN, 24).files(1),
            ]),
        ),
    ]
}

//! Whole exports and receipts, good and tampered with, each with the exit code that a verifier must give.

use super::parts::mark_line;
use super::*;
use keystall::ledger::WitnessKey;

pub struct ExportCase {
    pub name: &'static str,
    /// `whole`, `range`, `skeleton` or `cosigned`: what a verifier must be able to read.
    pub kind: &'static str,
    pub files: Files,
    pub vkeys: Vec<Vkey>,
    pub known: Vec<String>,
    pub nonce: Option<&'static str>,
    pub since_ms: Option<i64>,
    pub until_ms: Option<i64>,
    pub witnesses: Vec<String>,
    pub exit: u8,
}

pub struct ReceiptCase {
    pub name: &'static str,
    pub receipt: Vec<u8>,
    pub vkeys: Vec<Vkey>,
    pub known: Vec<String>,
    pub exit: u8,
}

pub fn case(name: &'static str, exit: u8, files: Files) -> ExportCase {
    ExportCase {
        name,
        kind: "whole",
        files,
        vkeys: vec![pinned()],
        known: Vec::new(),
        nonce: None,
        since_ms: None,
        until_ms: None,
        witnesses: Vec::new(),
        exit,
    }
}

impl ExportCase {
    pub fn pinned(mut self, vkeys: impl IntoIterator<Item = Vkey>) -> Self {
        self.vkeys = vkeys.into_iter().collect();
        self
    }

    pub fn known(mut self, text: impl Into<String>) -> Self {
        self.known.push(text.into());
        self
    }

    /// What the verifier says when it is asked so.
    pub fn report(&self) -> Report {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &self.files);
        let known = self
            .known
            .iter()
            .enumerate()
            .map(|(number, text)| KnownFile {
                name: format!("known-{number}"),
                bytes: text.clone().into_bytes(),
            });
        let request = Request {
            vkeys: self.vkeys.clone(),
            known: known.collect(),
            nonce: self.nonce.map(str::to_owned),
            since_ms: self.since_ms,
            until_ms: self.until_ms,
            witnesses: self
                .witnesses
                .iter()
                .map(|vkey| WitnessKey::parse(vkey).unwrap())
                .collect(),
            ..Request::default()
        };
        verify::ledger(folder.path(), &request)
    }
}

/// Whether a report says what a vector expects of one that passes: each generation's first seq, entries and newest signed
/// size.
pub fn is_expected(report: &Report, expected: &serde_json::Value) -> bool {
    let Some(generations) = expected["generations"].as_array() else {
        return true;
    };
    let said = report.generations.iter().map(
        |g| serde_json::json!({"first": g.first_seq, "entries": g.entries, "signed": g.signed}),
    );
    said.eq(generations.iter().cloned())
}

/// The shop after a change of its making, with honest signatures over it.
fn after(exit: u8, name: &'static str, change: impl Fn(&mut Shop)) -> ExportCase {
    let mut shop = shop_of_24();
    change(&mut shop);
    case(name, exit, shop.files(0))
}

fn slots(text: &str) -> SlotList {
    SlotList::parse(text).unwrap()
}

pub fn exports() -> Vec<ExportCase> {
    let mut all = cut_and_resealed();
    all.extend(rules());
    all.extend(silences());
    all.extend(keys_and_generations());
    all
}

fn cut_and_resealed() -> Vec<ExportCase> {
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

fn rules() -> Vec<ExportCase> {
    let r = R;
    vec![
        after(1, "a slot sold twice", |shop| {
            shop.sell("C00001", "game-key", 1, "0:1", &[]);
        }),
        after(1, "a void slot sold", |shop| {
            shop.sell("C00001", "game-key", 1, "0:7", &[]);
        }),
        after(1, "a slot of a batch never imported", |shop| {
            shop.sell("C00001", "game-key", 1, "3:0", &[]);
        }),
        after(1, "a slot above its batch's count", |shop| {
            shop.sell("C00001", "game-key", 1, "2:2", &[]);
        }),
        after(1, "a range of slots far above its batch's count", |shop| {
            shop.sell("C00001", "game-key", 1, "2:0-9007199254740991", &[]);
        }),
        after(1, "a slot of another sku", |shop| {
            shop.sell("C00001", "gift-card", 1, "2:0", &[]);
        }),
        after(1, "fewer slots than qty", |shop| {
            shop.sell("C00001", "game-key", 2, "2:0", &[]);
        }),
        after(1, "more slots than qty", |shop| {
            shop.sell("C00001", "game-key", 1, "2:0", &["2:1"]);
        }),
        after(1, "slots that do not follow their sale", |shop| {
            shop.commit(Body::Slots {
                sale: 4,
                slots: slots("2:0"),
                r,
            });
        }),
        after(1, "a batch number left out", |shop| {
            let keys = Hash([1; 32]);
            shop.commit(Body::Stock {
                batch: 4,
                count: 1,
                keys,
                sku: "game-key",
                r,
            });
        }),
        after(1, "refunds above the sale", |shop| {
            shop.commit(Body::Refund {
                sale: 3,
                amt: 1,
                cur: "CNY",
                why: Why::Other,
                r,
            });
        }),
        after(1, "a refund in another currency", |shop| {
            shop.commit(Body::Refund {
                sale: 4,
                amt: 1,
                cur: "USD",
                why: Why::Other,
                r,
            });
        }),
        after(1, "a refund of what is no sale", |shop| {
            shop.commit(Body::Refund {
                sale: 1,
                amt: 1,
                cur: "CNY",
                why: Why::Other,
                r,
            });
        }),
        after(1, "a refund of a sale to come", |shop| {
            shop.commit(Body::Refund {
                sale: 25,
                amt: 1,
                cur: "CNY",
                why: Why::Other,
                r,
            });
            shop.sell("C00001", "game-key", 1, "2:0", &[]);
        }),
        after(0, "a replaced slot replaced in its turn", |shop| {
            let (out, slots) = (slots("0:3"), slots("2:0"));
            shop.commit(Body::Replace {
                sale: 3,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after(1, "a slot replaced twice", |shop| {
            let (out, slots) = (slots("0:0"), slots("2:0"));
            shop.commit(Body::Replace {
                sale: 3,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after(1, "a replaced slot of another sale", |shop| {
            let (out, slots) = (slots("0:1"), slots("2:0"));
            shop.commit(Body::Replace {
                sale: 3,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after(1, "more slots handed out than replaced", |shop| {
            let (out, slots) = (slots("0:1"), slots("2:0-1"));
            shop.commit(Body::Replace {
                sale: 4,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after(1, "an erasure of what is no sale", |shop| {
            shop.commit(Body::Erase { sale: 1, r });
        }),
        after(1, "a time before the last", |shop| {
            shop.t_ms -= 10 * MINUTE_MS;
            shop.beat();
        }),
        after(0, "a time equal to the last", |shop| {
            shop.t_ms -= 5 * MINUTE_MS;
            shop.beat();
        }),
    ]
}

fn silences() -> Vec<ExportCase> {
    let silent = |exit, name, hours: i64, down_ms| {
        after(exit, name, |shop| {
            shop.t_ms += hours * HOUR_MS - 5 * MINUTE_MS;
            shop.commit(Body::Mark {
                beacon: None,
                down_ms,
                r: R,
            });
        })
    };
    vec![
        silent(0, "a heartbeat after exactly 26 hours", 26, None),
        silent(4, "a missing heartbeat", 27, None),
        silent(
            0,
            "a missing heartbeat that the next one admits",
            72,
            Some(72 * HOUR_MS),
        ),
        silent(4, "an outage admitted only in part", 72, Some(HOUR_MS)),
        after(4, "no heartbeat up to the last entry", |shop| {
            shop.t_ms += 27 * HOUR_MS;
            shop.sell("C00001", "game-key", 1, "2:0", &[]);
        }),
    ]
}

fn keys_and_generations() -> Vec<ExportCase> {
    let new = || SigningKey::from_bytes(&[4; 32]);
    let rotated = {
        let mut shop = shop_of_24();
        shop.rotate(new());
        shop.t_ms += HOUR_MS;
        shop.beat();
        shop
    };
    let mut retired = rotated.clone();
    retired.key = log_key();
    retired.beat();
    let mut too_early = rotated.clone();
    let note = sign_checkpoint(
        &new(),
        ORIGIN,
        25,
        &Frontier::from_source(&rotated.rows, 25).unwrap().root(),
    );
    too_early.notes.insert(25, note);
    let mut unvouched = shop_of_24();
    unvouched.root = SigningKey::from_bytes(&[9; 32]);
    unvouched.rotate(new());
    unvouched.beat();
    let mut usurped = shop_of_24();
    usurped.rotate_by(&SigningKey::from_bytes(&[9; 32]), new());
    usurped.beat();
    let later = "shop.example/89abcdef";
    let generations = |first: &Shop, second: &Shop| {
        let mut files = first.files(0);
        files.extend(second.files(1));
        files
    };
    let first = shop_of_24();
    let mut second = first.restored(later, 26);
    second.sell("C00001", "game-key", 1, "2:0", &[]);
    let mut sold_again = first.restored(later, 26);
    sold_again.sell("C00001", "game-key", 1, "0:1", &[]);
    let mut lost = first.clone();
    lost.beat();
    let note_25 = lost.newest_note().to_owned();
    lost.beat();
    lost.beat();
    let note_27 = lost.newest_note().to_owned();
    let mut shorter = Shop::opened();
    shorter.import("game-key", 8);
    let mut wrong_root = first.clone();
    wrong_root.root = SigningKey::from_bytes(&[9; 32]);
    let root = vkey_of(&root_key(), ORIGIN);
    vec![
        case("a rotated key", 0, rotated.files(0)),
        case("a rotated key, a note by it known", 0, rotated.files(0)).known(rotated.newest_note()),
        case("a checkpoint by a retired key", 1, retired.files(0)),
        case("a checkpoint by a key too early", 1, too_early.files(0)),
        case(
            "a rotation that the origin key did not sign",
            1,
            unvouched.files(0),
        ),
        case(
            "only the root key pinned, which did not sign the first key",
            4,
            shop_of_24().files(0),
        )
        .pinned([root]),
        case("two generations", 0, generations(&first, &second)),
        case(
            "two generations, a lost note known",
            0,
            generations(&first, &second),
        )
        .known(note_25),
        case(
            "two generations, a note above what was admitted known",
            1,
            generations(&first, &second),
        )
        .known(note_27),
        case(
            "two generations, a slot sold in both",
            1,
            generations(&first, &sold_again),
        ),
        case(
            "two generations, the first one cut",
            1,
            generations(&shorter, &second),
        ),
        case(
            "a rotation that the old key did not sign",
            1,
            usurped.files(0),
        ),
        case(
            "two generations, the second not signed by the origin key",
            1,
            {
                let second = first.restored_by(&SigningKey::from_bytes(&[9; 32]), later, 26);
                generations(&first, &second)
            },
        ),
        case("two generations, opened by a stranger", 1, {
            let second = wrong_root.restored(later, 26);
            generations(&first, &second)
        }),
        case("the second generation alone", 4, second.files(1)),
        case(
            "two generations of one origin",
            1,
            generations(&first, &first.restored(ORIGIN, 24)),
        ),
        case("a third generation of the first one's origin", 1, {
            let mut files = generations(&first, &second);
            files.extend(second.restored(ORIGIN, 2).files(2));
            files
        }),
        case("a rotation back to a key that was used before", 1, {
            let mut back = rotated.clone();
            back.rotate(log_key());
            back.files(0)
        }),
        cut_with_a_mark_of_another_log(),
    ]
}

/// The last note of a cut generation is known, and a mark of the same size of the next generation stands among its marks:
/// both are genuine and differ, but they are of two logs.
fn cut_with_a_mark_of_another_log() -> ExportCase {
    let first = shop_of_24();
    let mut second = first.restored("shop.example/89abcdef", 24);
    while second.lines.len() < 24 {
        second.beat();
    }
    let mut marks = first.marked();
    marks.retain(|size, _| *size <= 20);
    marks.insert(20, first.notes[&20].clone());
    marks.insert(24, second.newest_note().to_owned());
    case(
        "entries cut, a mark of another generation appended, the cut one's newest note known",
        1,
        parts::whole(0, &first.lines[..20], &marks),
    )
    .pinned([pinned(), vkey_of(&second.key, &second.origin)])
    .known(first.newest_note())
}

pub fn receipts() -> Vec<ReceiptCase> {
    let mut all = meanings();
    all.extend(forms());
    all.extend(receipts_and_keys());
    all
}

/// A receipt in another spelling.
fn forms() -> Vec<ReceiptCase> {
    let good = receipt_of_three().to_string();
    let changed = |name, exit, change: &dyn Fn(&str) -> String| {
        let receipt = change(&good);
        assert_ne!(receipt, good, "{name}");
        ReceiptCase {
            name,
            receipt: receipt.into_bytes(),
            vkeys: vec![pinned()],
            known: Vec::new(),
            exit,
        }
    };
    let replaced = |name, exit, from: &'static str, to: &'static str| {
        assert!(good.contains(from), "{from}");
        changed(name, exit, &|text| text.replacen(from, to, 1))
    };
    let line = |word: &str| {
        let found = good.lines().find(|line| line.starts_with(word)).unwrap();
        format!("{found}\n")
    };
    let note = shop_of_24().newest_note().to_owned();
    let cosigned = parts::Witness::new("witness.example/w1", 7).cosign(&note, 1_795_007_300);
    vec![
        changed("empty", 3, &|_| String::new()),
        changed("no end of the last line", 3, &|text| {
            text.trim_end().to_owned()
        }),
        changed("an empty line at the end", 3, &|text| format!("{text}\n")),
        changed("an empty line before the proofs", 3, &|text| {
            text.replacen("c2sp", "\nc2sp", 1)
        }),
        changed("carriage returns", 3, &|text| text.replace('\n', "\r\n")),
        changed("a byte order mark", 3, &|text| format!("\u{feff}{text}")),
        replaced(
            "another version",
            3,
            "keystall-receipt/v1",
            "keystall-receipt/v2",
        ),
        replaced(
            "another version of a proof",
            3,
            "tlog-proof@v1",
            "tlog-proof@v2",
        ),
        replaced("an index with a leading zero", 3, "index 4", "index 04"),
        replaced("another index", 1, "index 4\n", "index 3\n"),
        replaced("two spaces", 3, "key 0:1 ", "key 0:1  "),
        replaced("a slot that is a range", 3, "key 0:1 ", "key 0:1-2 "),
        replaced("a slot with a leading zero", 3, "key 0:1 ", "key 0:01 "),
        replaced("an unknown field", 3, "open buyer", "open name"),
        replaced("a field of staff", 3, "open buyer", "open who"),
        replaced("an unknown word", 3, "key 0:1 ", "cle 0:1 "),
        replaced("an amount changed", 1, "\"amt\":1999", "\"amt\":1998"),
        changed("keys before fields", 3, &|text| {
            let (open, key) = (line("open buyer"), line("key 0:1"));
            text.replacen(&open, &format!("{key}{open}"), 1).replacen(
                &format!("{open}{key}"),
                &open,
                1,
            )
        }),
        changed("no entry", 3, &|text| text.replacen(&line("entry "), "", 1)),
        changed("two entries", 3, &|text| {
            text.replacen(&line("entry "), &line("entry ").repeat(2), 1)
        }),
        changed("an entry that is no sale", 3, &|text| {
            text.replacen(
                &line("entry "),
                &format!("entry {}\n", shop_of_24().lines[6]),
                1,
            )
        }),
        changed("a stock line that is no import", 3, &|text| {
            let stock = format!("stock {}\n", shop_of_24().lines[6]);
            text.replacen(&line("stock "), &stock, 1)
        }),
        changed("a more line that belongs to no sale", 3, &|text| {
            let more = format!("more {}\n", shop_of_24().lines[6]);
            text.replacen(&line("more "), &more, 1)
        }),
        changed("a salt in upper case", 3, &|text| {
            let open = line("open buyer");
            text.replacen(&open, &open.replacen("0505", "0A05", 1), 1)
        }),
        changed("base64 without padding", 3, &|text| {
            let key = line("key 0:1");
            text.replacen(&key, &key.replacen("=", "", 2), 1)
        }),
        changed("a path with an empty hash", 3, &|text| {
            let key = line("key 0:1");
            text.replacen(&key, &format!("{},\n", key.trim_end()), 1)
        }),
        changed("a path that is too long", 1, &|text| {
            let key = line("key 0:1");
            text.replacen(&key, &format!("{},{}\n", key.trim_end(), "0".repeat(64)), 1)
        }),
        changed("a proof too short", 1, &|text| {
            let at = text.find("index 4\n").unwrap() + 8;
            let (before, after) = text.split_at(at);
            format!("{before}{}", after.split_once('\n').unwrap().1)
        }),
        changed("a wrong signature", 1, &|text| {
            let at = text.trim_end().len() - 20;
            let digit = if &text[at..=at] == "A" { "B" } else { "A" };
            format!("{}{digit}{}", &text[..at], &text[at + 1..])
        }),
        changed("cosigned by a witness", 0, &|text| {
            text.replace(&note, &cosigned)
        }),
    ]
}

/// Receipts over the turns of a ledger: several batches, a rotation, a generation.
fn receipts_and_keys() -> Vec<ReceiptCase> {
    let case = |name, exit, receipt: Receipt, vkeys: &[&Vkey]| ReceiptCase {
        name,
        receipt: receipt.to_string().into_bytes(),
        vkeys: vkeys.iter().map(|vkey| (*vkey).clone()).collect(),
        known: Vec::new(),
        exit,
    };
    let ours = pinned();
    let mut several = shop_of_24();
    several.import("game-key", 3);
    let sale = several.sell("C00001", "game-key", 3, "2:0-1,3:2", &[]);
    let several = several.receipt(sale, &[(2, 0), (2, 1), (3, 2)], &[]);
    let mut one_batch = several.clone();
    one_batch.keys.retain(|key| key.batch == 3);
    let mut without_stock = one_batch.clone();
    without_stock.stocks.remove(0);
    without_stock.proofs.remove(1);
    let mut stocks_turned = several.clone();
    stocks_turned.stocks.swap(0, 1);
    stocks_turned.proofs.swap(1, 2);
    let mut rotated = shop_of_24();
    rotated.rotate(SigningKey::from_bytes(&[4; 32]));
    rotated.beat();
    let new = vkey_of(&rotated.key, ORIGIN);
    let after = || rotated.receipt(4, &[(0, 1)], &[5]);
    let first = shop_of_24();
    let mut second = first.restored("shop.example/89abcdef", 24);
    let later = second.sell("C00001", "game-key", 1, "2:1", &[]);
    let second_key = vkey_of(&second.key, &second.origin);
    let mut across = second.receipt(later, &[], &[]);
    let of_first = first.receipt(17, &[(2, 1)], &[]);
    across.keys = of_first.keys;
    across.stocks = of_first.stocks;
    across.proofs.push(of_first.proofs[1].clone());
    let sized = |name, exit, known: u64| ReceiptCase {
        known: vec![shop_of_24().notes[&known].clone()],
        ..case(name, exit, shop_of_24().receipt(4, &[], &[]), &[&ours])
    };
    vec![
        case("of two batches", 0, several, &[&ours]),
        case(
            "of two batches, the keys of one taken out",
            3,
            one_batch,
            &[&ours],
        ),
        case(
            "of two batches, the keys of one taken out with their stock line and proof",
            0,
            without_stock,
            &[&ours],
        ),
        case(
            "of two batches, the stock lines in another order",
            0,
            stocks_turned,
            &[&ours],
        ),
        case("after a rotation, the new key pinned", 0, after(), &[&new]),
        case(
            "after a rotation, both keys pinned",
            0,
            after(),
            &[&ours, &new],
        ),
        case(
            "after a rotation, only the first key pinned",
            4,
            after(),
            &[&ours],
        ),
        case(
            "a sale of the second generation, its stock of the first",
            0,
            across.clone(),
            &[&ours, &second_key],
        ),
        case(
            "a sale of the second generation, the first one's key not pinned",
            4,
            across,
            &[&second_key],
        ),
        sized("without its keys", 0, 24),
    ]
}

fn meanings() -> Vec<ReceiptCase> {
    let good = receipt_of_three;
    let shop = shop_of_24();
    let case = |name, exit, receipt: Receipt| ReceiptCase {
        name,
        receipt: receipt.to_string().into_bytes(),
        vkeys: vec![pinned()],
        known: Vec::new(),
        exit,
    };
    let changed = |name, exit, change: &dyn Fn(&mut Receipt)| {
        let mut receipt = good();
        change(&mut receipt);
        case(name, exit, receipt)
    };
    let mut mixed = shop_of_24();
    mixed.sell("C00001", "gift-card", 1, "2:0", &[]);
    let stranger = vkey_of(&SigningKey::from_bytes(&[9; 32]), ORIGIN);
    let mut other = Shop::opened();
    while other.lines.len() < 24 {
        other.beat();
    }
    vec![
        case("whole", 0, good()),
        case("of a batch of one key", 0, shop.receipt(7, &[(1, 0)], &[])),
        case(
            "of a sale with a replacement",
            0,
            shop.receipt(3, &[(0, 0), (0, 3)], &[11]),
        ),
        case("of a sale by hand", 0, shop.receipt(8, &[], &[])),
        changed("without its private fields", 0, &|receipt| {
            receipt.opens.clear()
        }),
        case(
            "a key in a slot that the sale does not name",
            1,
            shop.receipt(4, &[(0, 1), (0, 5)], &[]),
        ),
        case(
            "a key in a slot of the sale's slots entry, which is left out",
            1,
            shop.receipt(4, &[(0, 4)], &[]),
        ),
        case(
            "a key from a batch of another sku",
            1,
            mixed.receipt(24, &[(2, 0)], &[]),
        ),
        case(
            "a slots entry of another sale",
            1,
            shop.receipt(3, &[(0, 0)], &[5]),
        ),
        changed("a slot twice", 1, &|receipt| {
            receipt.keys.push(KeyOpening {
                salt: receipt.keys[0].salt,
                key: receipt.keys[0].key.clone(),
                path: receipt.keys[0].path.clone(),
                ..receipt.keys[0]
            })
        }),
        changed("another key in the slot", 1, &|receipt| {
            receipt.keys[0].key.push(b'X')
        }),
        changed("another contact", 1, &|receipt| {
            receipt.opens[0].value.push(b'X')
        }),
        changed("a field opened twice", 3, &|receipt| {
            receipt.opens.push(receipt.opens[0].clone())
        }),
        changed("without its stock line", 3, &|receipt| {
            receipt.stocks.clear();
            receipt.proofs.remove(1);
        }),
        changed("a stock line that no key names", 3, &|receipt| {
            receipt.keys.clear()
        }),
        changed("a proof too few", 3, &|receipt| {
            receipt.proofs.pop();
        }),
        changed("a proof too many", 3, &|receipt| {
            receipt.proofs.push(receipt.proofs[0].clone())
        }),
        changed("proofs exchanged", 1, &|receipt| receipt.proofs.swap(0, 1)),
        ReceiptCase {
            vkeys: vec![stranger],
            ..case("pinned to another key", 4, good())
        },
        ReceiptCase {
            known: vec![shop.newest_note().to_owned()],
            ..case("with the same note known", 0, good())
        },
        ReceiptCase {
            known: vec![other.newest_note().to_owned()],
            ..case("with another note of that size known", 5, good())
        },
        ReceiptCase {
            known: vec![shop.notes[&9].clone()],
            ..case(
                "with a note of another size known, which cannot be compared",
                4,
                good(),
            )
        },
    ]
}

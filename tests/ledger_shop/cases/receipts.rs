//! Receipts.

use super::*;

/// A receipt in another spelling.
pub fn forms() -> Vec<ReceiptCase> {
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
pub fn receipts_and_keys() -> Vec<ReceiptCase> {
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

pub fn meanings() -> Vec<ReceiptCase> {
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

#![allow(clippy::unwrap_used)]

use super::*;
use crate::ledger::note::Vkey;
use ed25519_dalek::SigningKey;

const R: [u8; 16] = [0xab; 16];

fn vkey(name: &str) -> String {
    let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
    Vkey::new(name, &key).to_string()
}

fn sale<'a>() -> Sale<'a> {
    Sale {
        order: "A1B2C3",
        sku: "game-key",
        kind: Kind::Pool,
        qty: 2,
        amt: 1999,
        cur: "CNY",
        buyer: Hash([1; 32]),
        pay: Hash([2; 32]),
        slots: SlotList::parse("0:1-2"),
    }
}

fn one_of_each<'a>(vkey: &'a str, slots: &SlotList) -> Vec<Body<'a>> {
    let (slots, why, r) = (slots.clone(), Why::Bad, R);
    vec![
        Body::Stock {
            batch: 0,
            count: 1 << 24,
            keys: Hash([5; 32]),
            sku: "a-1",
            r,
        },
        Body::Sale(sale()),
        Body::Sale(Sale {
            kind: Kind::Hand,
            slots: None,
            ..sale()
        }),
        Body::Slots {
            sale: 3,
            slots: slots.clone(),
            r,
        },
        Body::Refund {
            sale: 3,
            amt: 5,
            cur: "USDT",
            why,
            r,
        },
        Body::Replace {
            sale: 3,
            out: slots.clone(),
            slots: slots.clone(),
            why,
            r,
        },
        Body::Void {
            slots,
            why: Why::Restore,
            r,
        },
        Body::Erase { sale: 3, r },
        Body::Admin {
            what: What::KeyExport,
            who: Hash([6; 32]),
        },
        Body::Mark {
            beacon: None,
            down_ms: None,
            r,
        },
        Body::Mark {
            beacon: Some("block 5 #~"),
            down_ms: Some(60_000),
            r,
        },
        Body::Audit { nonce: "n-_0", r },
        Body::Rotate {
            vkey,
            sig_root: [1; 64],
            sig_old: [2; 64],
            r,
        },
        Body::Clock { skew_ms: -2_500, r },
    ]
}

/// Lines of every type, `open` in both forms.
fn lines() -> Vec<String> {
    let vkey = vkey("shop.example/0123abcd");
    let slots = SlotList::parse("0:7,1:0-3").unwrap();
    let mut lines: Vec<_> = one_of_each(&vkey, &slots)
        .iter()
        .map(|body| body.line(7, 1_795_000_000_000, &Hash([9; 32])).unwrap())
        .collect();
    let prior = Prior {
        origin: "shop.example/89abcdef",
        head: Hash([4; 32]),
        size: 10,
        signed: 12,
        sig_root: [3; 64],
    };
    for prior in [None, Some(prior)] {
        let origin = "shop.example/0123abcd";
        let open = Body::Open {
            origin,
            vkey: &vkey,
            root_vkey: &vkey,
            prior,
            r: R,
        };
        lines.push(open.line(0, 0, &Hash::ZERO).unwrap());
    }
    lines
}

#[test]
fn every_type_writes_a_line_that_reads_back() {
    for line in lines() {
        let entry = Entry::parse(line.as_bytes()).unwrap();
        let again = entry.body.line(entry.seq, entry.t_ms, &entry.prev).unwrap();
        assert_eq!(again, line);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value.to_string(), line, "sorted keys, no white space");
    }
}

#[test]
fn no_changed_byte_leaves_a_line_with_another_spelling() {
    for line in lines() {
        for position in 0..line.len() {
            for mask in 1..=255_u8 {
                let mut bytes = line.clone().into_bytes();
                bytes[position] ^= mask;
                if let Ok(entry) = Entry::parse(&bytes) {
                    let again = entry.body.line(entry.seq, entry.t_ms, &entry.prev).unwrap();
                    assert_eq!(again.as_bytes(), bytes);
                }
            }
            assert!(Entry::parse(&line.as_bytes()[..position]).is_err());
        }
    }
}

/// `from` in the sale's line replaced by `to` must be refused.
fn refused(from: &str, to: &str) {
    let line = Body::Sale(sale())
        .line(7, 1_795_000_000_000, &Hash([9; 32]))
        .unwrap();
    assert!(line.contains(from), "{from} in {line}");
    let wrong = line.replacen(from, to, 1);
    assert!(Entry::parse(wrong.as_bytes()).is_err(), "{wrong}");
}

#[test]
fn a_line_in_another_spelling_is_malformed() {
    refused("{", "{ ");
    refused(",\"buyer\"", ", \"buyer\"");
    refused("\"amt\":1999", "\"amt\":01999");
    refused("\"amt\":1999", "\"amt\":-0");
    refused("\"amt\":1999", "\"amt\":-1");
    refused("\"amt\":1999", "\"amt\":1999.0");
    refused("\"amt\":1999", "\"amt\":1e3");
    refused("\"amt\":1999", "\"amt\":9007199254740992");
    refused("\"amt\":1999", "\"amt\":\"1999\"");
    refused("\"amt\":1999", "\"amt\":null");
    refused("\"amt\":1999", "\"amt\":1999,\"amt\":1999");
    refused("\"amt\":1999,", "");
    refused("\"amt\":1999", "\"abc\":1,\"amt\":1999");
    refused("game-key", "game\\u002dkey");
    refused("game-key", "gäme-key");
    refused("game-key", "Game-key");
    refused("game-key", "");
    refused("0101", "010A");
    refused("\"CNY\"", "\"cny\"");
    refused("\"CNY\"", "\"CN\"");
    refused("A1B2C3", "A1B2");
    refused("A1B2C3", "A1-B2C3");
    refused("\"qty\":2", "\"qty\":0");
    refused("\"pool\"", "\"hand\"");
    refused("\"pool\"", "\"pond\"");
    refused("\"v\":1", "\"v\":2");
    refused("\"v\":1", "\"v\":1,\"w\":1");
    refused("\"seq\":7", "\"seq\":0");
    refused("\"type\":\"sale\"", "\"type\":\"gift\"");
    refused("0:1-2", "0:1,0:2");
    refused("}", "}\n");
    refused("}", "}}");
}

#[test]
fn an_entry_with_a_value_outside_the_table_has_no_line() {
    let wrong = [
        Sale {
            order: "A\"B2C3",
            ..sale()
        },
        Sale {
            cur: "yuan",
            ..sale()
        },
        Sale { qty: 0, ..sale() },
        Sale { amt: -1, ..sale() },
        Sale {
            slots: None,
            ..sale()
        },
        Sale {
            slots: Some(SlotList::default()),
            ..sale()
        },
        Sale {
            kind: Kind::Link,
            ..sale()
        },
    ];
    for sale in wrong {
        let line = Body::Sale(sale).line(1, 1, &Hash::ZERO);
        assert!(matches!(line, Err(LineError::Value(_))), "{line:?}");
    }
}

#[test]
fn a_large_sale_continues_in_slots_entries_that_fit() {
    let all = SlotList::from_pairs((0..1000).map(|i| (9, i * 3))).unwrap();
    let (seq, t_ms) = ((1 << 53) - 1, (1 << 53) - 1);
    let lists = split_slots(&sale(), all.clone());
    assert!(lists.len() > 2);
    let mut ranges = Vec::new();
    for (number, slots) in lists.into_iter().enumerate() {
        ranges.extend_from_slice(slots.ranges());
        let body = match number {
            0 => Body::Sale(Sale {
                slots: Some(slots),
                ..sale()
            }),
            _ => Body::Slots {
                sale: seq,
                slots,
                r: R,
            },
        };
        let line = body.line(seq, t_ms, &Hash::ZERO).unwrap();
        assert!(line.len() > LINE_BYTES_MAX - 32 || ranges.len() == 1000);
    }
    assert_eq!(ranges, all.ranges());
    let whole = Body::Sale(Sale {
        slots: Some(all),
        ..sale()
    });
    let too_long = whole.line(1, 1, &Hash::ZERO);
    assert!(matches!(too_long, Err(LineError::TooLong { .. })));
}

#[test]
fn a_sale_of_few_ranges_is_never_divided_and_fits_whatever_it_names() {
    let long = "A".repeat(256 - "CNY".len() - 64);
    let sku = "s".repeat(64);
    let widest = (0..4).map(|range| ((1 << 53) - 10 + range, u32::MAX));
    let slots = SlotList::from_pairs(widest).unwrap();
    let sale = Sale {
        order: &long,
        sku: &sku,
        qty: (1 << 53) - 1,
        amt: (1 << 53) - 1,
        ..sale()
    };
    assert_eq!(
        split_slots(&sale, slots.clone()),
        std::slice::from_ref(&slots)
    );
    let body = Body::Sale(Sale {
        slots: Some(slots),
        ..sale
    });
    let longest = super::write::spell(&body, (1 << 53) - 1, (1 << 53) - 1, &Hash::ZERO);
    // A range of the first to the last index is 17 bytes longer than one of a single slot.
    assert!(
        longest.len() + 4 * 17 <= LINE_BYTES_MAX,
        "{}",
        longest.len()
    );
}

#[test]
fn an_origin_is_a_lower_case_host_and_a_run() {
    assert!(origin_is_valid("shop.example/0123abcd"));
    assert!(origin_is_valid("xn--fiq228c.example/00000000"));
    for wrong in [
        "shop.example",
        "Shop.example/0123abcd",
        "shop.example:80/0123abcd",
        "/0123abcd",
        "a..b/0123abcd",
        "shop.example/0123ABCD",
        "shop.example/0123abc",
        "-a/0123abcd",
        "a/0123abcd/",
    ] {
        assert!(!origin_is_valid(wrong), "{wrong}");
    }
}

#[test]
fn the_quick_reading_of_a_sale_agrees_with_the_general_one() {
    agrees_around(sale());
    let slots = SlotList::parse("10:305");
    agrees_around(Sale { slots, ..sale() });
    let (amt, slots) = ((1 << 53) - 1, SlotList::parse("0:9007199254740991"));
    agrees_around(Sale {
        amt,
        slots,
        ..sale()
    });
}

fn agrees_around(sale: Sale<'_>) {
    let whole = Body::Sale(sale)
        .line(7, 1_700_000_000_000, &Hash([9; 32]))
        .unwrap();
    let quick = |line: &[u8]| super::sale::pooled(line).map(|entry| format!("{entry:?}"));
    let general = |line: &[u8]| {
        super::read::entry(line)
            .map(|entry| format!("{entry:?}"))
            .ok()
    };
    assert!(quick(whole.as_bytes()).is_some());
    for at in 0..whole.len() {
        let mut without = whole.clone().into_bytes();
        without.remove(at);
        let mut doubled = whole.clone().into_bytes();
        doubled.insert(at, doubled[at]);
        let cut = whole.as_bytes()[..at].to_vec();
        let flipped = (0..=255).map(|byte| {
            let mut line = whole.clone().into_bytes();
            line[at] = byte;
            line
        });
        for line in flipped.chain([without, doubled, cut]) {
            let quick = quick(&line);
            assert!(
                quick.is_none() || quick == general(&line),
                "{}",
                line.escape_ascii()
            );
            if general(&line).is_some() && line.ends_with(b"\"type\":\"sale\",\"v\":1}") {
                assert!(quick.is_some(), "{}", line.escape_ascii());
            }
        }
    }
}

//! Ledgers of several blocks of lines: what is read ahead, side by side and in pieces gives the verdict of one pass.
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use keystall::ledger::entry::{Body, Kind, Sale, Why};
use keystall::ledger::verify::{self, Report, Request};
use ledger_shop::{Files, R, Shop, pinned, sale, write};

/// 300 entries; each sale by hand is refunded 150 entries later, in two parts.
fn long() -> Shop {
    let mut shop = Shop::opened();
    for number in 0..50 {
        let order = format!("H{number:05}");
        let kind = Kind::Hand;
        shop.add(Body::Sale(Sale {
            kind,
            ..sale(&order)
        }));
        shop.beat();
    }
    while shop.lines.len() < 170 {
        shop.beat();
    }
    for number in 0..50 {
        for amt in [999, 1000] {
            let (cur, why, r) = ("CNY", Why::Bad, R);
            let sale = 1 + 2 * number;
            shop.add(Body::Refund {
                sale,
                amt,
                cur,
                why,
                r,
            });
        }
    }
    while shop.lines.len() < 300 {
        shop.beat();
    }
    shop.sign();
    shop
}

fn report(files: &Files, threads: usize) -> Report {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    let request = Request {
        vkeys: vec![pinned()],
        threads,
        ..Request::default()
    };
    verify::ledger(folder.path(), &request)
}

fn exit(files: &Files) -> u8 {
    let exits = [1, 3].map(|threads| report(files, threads).exit.code());
    assert_eq!(exits[0], exits[1]);
    exits[0]
}

/// The entries with one text of one line put in another's place.
fn changed(shop: &Shop, seq: usize, from: &str, to: &str) -> Files {
    let mut files = shop.files(0);
    let mut lines = shop.lines.clone();
    assert!(lines[seq].contains(from));
    lines[seq] = lines[seq].replacen(from, to, 1);
    let entries: String = lines.iter().map(|line| format!("{line}\n")).collect();
    files.insert("gen-0/entries.ndjson".to_owned(), entries.into_bytes());
    files
}

#[test]
fn many_blocks_pass_in_every_form_by_one_thread_and_by_three() {
    let shop = long();
    assert_eq!(exit(&shop.files(0)), 0);
    assert_eq!(exit(&shop.skeleton(0)), 0);
    let sizes: Vec<u64> = shop
        .notes
        .keys()
        .copied()
        .filter(|size| *size < 300)
        .collect();
    for size in sizes.into_iter().filter(|size| size % 7 < 2) {
        let report = report(&shop.range(size, 300).files(0), 1 + (size % 3) as usize);
        assert_eq!(report.exit.code(), 0, "from {size}\n{report}");
        let generation = &report.generations[0];
        assert_eq!(
            (generation.first_seq, generation.entries),
            (size, 300 - size)
        );
        assert_eq!(generation.signed, 300);
    }
}

#[test]
fn a_fault_in_any_block_is_found_at_its_place() {
    let shop = long();
    for seq in [1, 63, 64, 65, 127, 128, 199, 200, 299] {
        let files = changed(&shop, seq, "\"prev\":\"", "\"prev\": \"");
        let report = report(&files, 1 + seq % 3);
        let fault = report.fault.as_ref().unwrap();
        let at: usize = shop.lines[..seq].iter().map(|line| line.len() + 1).sum();
        assert_eq!(
            (fault.exit.code(), fault.seq, fault.byte),
            (3, Some(seq as u64), Some(at as u64))
        );
    }
    for seq in [5, 64, 170, 269] {
        let (from, to) = match seq % 2 {
            0 => ("\"r\":\"5a", "\"r\":\"5b"),
            _ => ("\"t\":1", "\"t\":2"),
        };
        let files = changed(&shop, seq, from, to);
        assert_eq!(exit(&files), 1, "{seq}");
    }
}

#[test]
fn a_refund_far_from_its_sale_is_held_against_it() {
    let mut shop = long();
    let (cur, why, r) = ("CNY", Why::Bad, R);
    shop.commit(Body::Refund {
        sale: 99,
        amt: 1,
        cur,
        why,
        r,
    });
    assert_eq!(exit(&shop.files(0)), 1, "more than was paid");
    let mut shop = long();
    shop.commit(Body::Refund {
        sale: 100,
        amt: 0,
        cur,
        why,
        r,
    });
    assert_eq!(exit(&shop.files(0)), 1, "not a sale");
}

#[test]
fn an_end_within_any_block_is_noticed() {
    let shop = long();
    let whole = shop.files(0)["gen-0/entries.ndjson"].clone();
    for lines in [1, 64, 128, 200, 299] {
        let mut files = shop.files(0);
        let bytes: usize = shop.lines[..lines].iter().map(|line| line.len() + 1).sum();
        files.insert("gen-0/entries.ndjson".to_owned(), whole[..bytes].to_vec());
        assert_eq!(exit(&files), 1, "{lines}");
        files.insert(
            "gen-0/entries.ndjson".to_owned(),
            whole[..bytes - 1].to_vec(),
        );
        assert_eq!(exit(&files), 3, "{lines}");
    }
}

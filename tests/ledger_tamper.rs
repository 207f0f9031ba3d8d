//! Nobody changes a byte of an export or of a receipt unnoticed (section 11 of the ledger page).
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use keystall::ledger::Exit;
use keystall::ledger::receipt::Receipt;
use keystall::ledger::verify::{self, Request};
use ledger_shop::{Files, cases, pinned, receipt_of_three, shop_of_24, verified, write};
use std::path::Path;

#[test]
fn every_tampered_export_ends_as_the_page_says() {
    for case in cases::exports() {
        let report = verified(&case.files, &case.vkeys, &case.known);
        assert_eq!(report.exit.code(), case.exit, "{}:\n{report}", case.name);
    }
}

#[test]
fn every_tampered_receipt_ends_as_the_page_says() {
    for case in cases::receipts() {
        assert_eq!(receipt_exit(&case), case.exit, "{}", case.name);
    }
}

fn receipt_exit(case: &cases::ReceiptCase) -> u8 {
    let known = |text: &String| keystall::ledger::note::Checkpoint::parse(text).unwrap();
    let known: Vec<_> = case.known.iter().map(known).collect();
    let outcome = Receipt::parse(&case.receipt)
        .map_err(Into::into)
        .and_then(|receipt| receipt.verify(&case.vkeys, &known));
    outcome
        .map_or_else(|fault| fault.exit, |_| Exit::Proven)
        .code()
}

#[test]
fn a_whole_export_is_told_in_full() {
    let report = verified(&shop_of_24().files(0), &[pinned()], &[]);
    let text = report.to_string();
    for part in [
        "chain       24/24",
        "entries     24, seq 0 to 23",
        "game-key: 10 imported - 6 sold - 1 replaced - 1 void = 2 left",
        "complete up to size 24; nothing here proves that 24 is the latest",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["exit"], 0);
}

#[test]
fn a_nonce_and_a_range_of_time_are_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let shop = shop_of_24();
    write(folder.path(), &shop.files(0));
    let ask = |change: &dyn Fn(&mut Request)| {
        let mut request = Request {
            vkeys: vec![pinned()],
            ..Request::default()
        };
        change(&mut request);
        verify::ledger(folder.path(), &request)
    };
    assert_eq!(
        ask(&|r| r.nonce = Some("auditor-2026_11".into())).exit,
        Exit::Proven
    );
    assert_eq!(
        ask(&|r| r.nonce = Some("auditor-2026_12".into())).exit,
        Exit::Incomplete
    );
    assert_eq!(ask(&|r| r.since_ms = Some(shop.t_ms)).exit, Exit::Proven);
    assert_eq!(
        ask(&|r| r.since_ms = Some(shop.t_ms + 1)).exit,
        Exit::Incomplete
    );
    assert_eq!(ask(&|r| r.until_ms = Some(1)).exit, Exit::Incomplete);
    assert_eq!(ask(&|r| r.explain = Some(24.into())).exit, Exit::Incomplete);
    let explained = ask(&|r| r.explain = Some(4.into())).explained;
    assert_eq!(explained[0].line.as_deref(), Some(shop.lines[4].as_str()));
    assert!(explained[0].covered_by.is_some());
}

#[test]
fn every_changed_byte_of_the_entries_is_noticed() {
    every_change_is_noticed(&shop_of_24().files(0), "gen-0/entries.ndjson");
}

#[test]
fn every_changed_byte_of_the_marks_is_noticed() {
    every_change_is_noticed(&shop_of_24().files(0), "gen-0/marks.ndjson");
}

/// Every batch that this range takes along is sold from in it, so that a line left out is noticed too.
fn range_from_3() -> Files {
    shop_of_24().range(3, 24).files(0)
}

#[test]
fn every_changed_byte_of_a_ranges_entries_is_noticed() {
    every_change_is_noticed(&range_from_3(), "gen-0/entries.ndjson");
}

#[test]
fn every_changed_byte_of_a_ranges_marks_is_noticed() {
    every_change_is_noticed(&range_from_3(), "gen-0/marks.ndjson");
}

#[test]
fn every_changed_byte_of_a_ranges_prefix_and_carried_lines_is_noticed() {
    every_change_is_noticed(&range_from_3(), "gen-0/prefix.json");
    every_change_is_noticed(&range_from_3(), "gen-0/carried.ndjson");
}

#[test]
fn every_changed_byte_of_a_skeleton_is_noticed() {
    every_change_is_noticed(&shop_of_24().skeleton(0), "gen-0/skeleton.bin");
}

fn every_change_is_noticed(files: &Files, file: &str) {
    let bytes = &files[file];
    assert_eq!(verified(files, &[pinned()], &[]).exit, Exit::Proven);
    let request = Request {
        vkeys: vec![pinned()],
        threads: 1,
        ..Request::default()
    };
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let request = &request;
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                write(folder.path(), files);
                let path = folder.path().join(file);
                for position in (lane..bytes.len()).step_by(LANES) {
                    for changed in changes(bytes, position) {
                        std::fs::write(&path, &changed).unwrap();
                        notice(folder.path(), request, position);
                    }
                }
            });
        }
    });
}

fn notice(folder: &Path, request: &Request, position: usize) {
    let report = verify::ledger(folder, request);
    let noticed = matches!(
        report.exit,
        Exit::Tampered | Exit::Malformed | Exit::Incomplete
    );
    assert!(noticed, "byte {position}: {report}");
}

#[test]
fn every_changed_byte_of_a_receipt_is_noticed() {
    let receipt = receipt_of_three().to_string().into_bytes();
    let (vkeys, known) = (vec![pinned()], Vec::new());
    let exit = |receipt: Vec<u8>| {
        receipt_exit(&cases::ReceiptCase {
            name: "",
            receipt,
            vkeys: vkeys.clone(),
            known: known.clone(),
            exit: 0,
        })
    };
    assert_eq!(exit(receipt.clone()), 0);
    for position in 0..receipt.len() {
        for changed in changes(&receipt, position) {
            assert_ne!(exit(changed), 0, "byte {position}");
        }
    }
}

/// The file with one byte flipped, without it, and cut off before it.
fn changes(bytes: &[u8], position: usize) -> Vec<Vec<u8>> {
    let flipped = |mask: u8| {
        let mut changed = bytes.to_vec();
        changed[position] ^= mask;
        changed
    };
    let mut without = bytes.to_vec();
    without.remove(position);
    vec![
        flipped(1 << (position % 8)),
        without,
        bytes[..position].to_vec(),
    ]
}

const LANES: usize = 2;

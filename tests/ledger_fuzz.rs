//! No bytes make a reader of the ledger panic, and none that are changed pass.
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use keystall::ledger::Exit;
use keystall::ledger::entry::{Entry, SlotList};
use keystall::ledger::note::{Checkpoint, Vkey};
use keystall::ledger::receipt::Receipt;
use ledger_shop::{Files, pinned, receipt_of_three, shop_of_24, verified};
use proptest::prelude::*;

/// A text with some parts cut out, doubled or replaced.
fn spliced(text: &[u8], splices: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for (at, length, put) in splices {
        let at = at % (bytes.len() + 1);
        let end = bytes.len().min(at + length);
        bytes.splice(at..end, put.iter().copied());
    }
    bytes
}

fn splices() -> impl Strategy<Value = Vec<(usize, usize, Vec<u8>)>> {
    let put = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        "[0-9]{0,20}".prop_map(String::into_bytes),
        "[{}\",:\n -]{0,4}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec((any::<usize>(), 0..24_usize, put), 1..4)
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), text in ".{0,200}") {
        let _ = Entry::parse(&bytes);
        let _ = Receipt::parse(&bytes);
        let _ = (Checkpoint::parse(&text), Vkey::parse(&text), SlotList::parse(&text));
    }

    #[test]
    fn a_list_of_slots_that_reads_writes_itself(text in "[0-9:,-]{0,24}") {
        if let Some(list) = SlotList::parse(&text) {
            prop_assert_eq!(list.to_string(), text);
        }
    }

    #[test]
    fn a_spliced_line_never_has_a_second_spelling(number in 0..24_usize, splices in splices()) {
        let shop = shop_of_24();
        let line = spliced(shop.lines[number].as_bytes(), &splices);
        if let Ok(entry) = Entry::parse(&line) {
            let again = entry.body.line(entry.seq, entry.t_ms, &entry.prev).unwrap();
            prop_assert_eq!(again.as_bytes(), line);
        }
    }

    #[test]
    fn a_spliced_export_or_receipt_never_passes(which in 0..3_usize, splices in splices()) {
        let mut files = shop_of_24().files(0);
        if which == 2 {
            let whole = receipt_of_three().to_string().into_bytes();
            let receipt = spliced(&whole, &splices);
            let passes = Receipt::parse(&receipt).is_ok_and(|receipt| receipt.verify(&[pinned()], &[]).is_ok());
            prop_assert!(!passes || receipt == whole);
            return Ok(());
        }
        let file = ["gen-0/entries.ndjson", "gen-0/marks.ndjson"][which];
        let changed = spliced(&files[file], &splices);
        let same = changed == files[file];
        files.insert(file.to_owned(), changed);
        let report = verified(&files, &[pinned()], &[]);
        prop_assert!(same || report.exit != Exit::Proven, "{}", report);
    }

    #[test]
    fn an_export_of_any_bytes_is_refused(entries in any::<Vec<u8>>(), marks in any::<Vec<u8>>()) {
        let files = Files::from([
            ("gen-0/entries.ndjson".to_owned(), entries),
            ("gen-0/marks.ndjson".to_owned(), marks),
        ]);
        prop_assert_ne!(verified(&files, &[pinned()], &[]).exit, Exit::Proven);
    }
}

//! A receipt: what reads has one spelling, and what passes is the sale, with the openings, that the log signed.
#![no_main]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use keystall::ledger::Vkey;
use keystall::ledger::receipt::Receipt;
use keystall_fuzz::{pinned, sound};
use libfuzzer_sys::fuzz_target;

struct Known {
    keys: Vec<Vkey>,
    entries: BTreeSet<String>,
}

fuzz_target!(|bytes: &[u8]| {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let receipts = || sound("receipts").filter_map(|vector| vector["receipt"].as_str());
        let entry = |text: &str| Receipt::parse(text.as_bytes()).ok().map(|receipt| receipt.entry);
        Known {
            keys: sound("receipts").flat_map(pinned).collect(),
            entries: receipts().filter_map(entry).collect(),
        }
    });
    if let Ok(receipt) = Receipt::parse(bytes) {
        assert_eq!(receipt.to_string().as_bytes(), bytes);
        if receipt.verify(&known.keys, &[]).is_ok() {
            assert!(known.entries.contains(&receipt.entry), "forged: {}", receipt.entry);
        }
    }
});

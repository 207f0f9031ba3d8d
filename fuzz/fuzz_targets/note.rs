//! A signed note, by the log key and by witnesses: nothing but the vectors' own statement passes for signed.
#![no_main]

use std::sync::OnceLock;

use keystall::ledger::Vkey;
use keystall::ledger::note::{Checkpoint, SignedBy};
use keystall_fuzz::vectors;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static KEYS: OnceLock<Vec<Vkey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let notes = vectors()["notes"].as_array().expect("notes");
        let keys = notes.iter().filter_map(|note| note["vkey"].as_str());
        keys.filter_map(|text| Vkey::parse(text).ok()).collect()
    });
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = Vkey::parse(text);
    if let Ok(checkpoint) = Checkpoint::parse(text)
        && keys.iter().any(|key| checkpoint.signed_by(key) == SignedBy::Yes)
    {
        let (said, _) = text.split_once("\n\n").expect("a note has a blank line");
        let known = |note: &serde_json::Value| note["note"].as_str().is_some_and(|note| note.starts_with(said));
        assert!(vectors()["notes"].as_array().expect("notes").iter().any(known), "forged: {text}");
    }
});

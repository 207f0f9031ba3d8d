//! An entry line: what reads has one spelling.
#![no_main]

use keystall::ledger::entry::Entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    if let Ok(entry) = Entry::parse(line) {
        let again = entry.body.line(entry.seq, entry.t_ms, &entry.prev);
        assert_eq!(again.expect("what was read can be written").as_bytes(), line);
    }
});

//! An export: entries, marks, or a packed archive of any bytes; what passes holds the entries that the log signed.
#![no_main]

use std::cell::RefCell;
use std::fs;

use keystall::ledger::{Exit, verify};
use keystall_fuzz::{Sound, scratch};
use libfuzzer_sys::fuzz_target;

const ENTRIES: &str = "gen-0/entries.ndjson";
const MARKS: &str = "gen-0/marks.ndjson";

thread_local! {
    static SOUND: RefCell<Option<Sound>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    SOUND.with_borrow_mut(|sound| {
        let sound = sound.get_or_insert_with(|| Sound::of_kind("whole", ENTRIES));
        match which % 3 {
            0 => {
                sound.put(ENTRIES, Some(bytes));
                let report = verify::ledger(sound.folder(), &sound.request);
                assert!(report.exit != Exit::Proven || bytes == sound.original(ENTRIES), "{report}");
                sound.put(ENTRIES, Some(sound.original(ENTRIES)));
            }
            1 => {
                sound.put(MARKS, Some(bytes));
                let report = verify::ledger(sound.folder(), &sound.request);
                assert!(report.exit != Exit::Internal, "{report}");
                sound.put(MARKS, Some(sound.original(MARKS)));
            }
            _ => {
                let path = scratch().join("export.tar.zst");
                fs::write(&path, bytes).expect("a file of this process");
                let report = verify::ledger(&path, &sound.request);
                assert!(report.exit != Exit::Internal, "{report}");
            }
        }
    });
});

//! What a range says of the entries before it: no other `prefix.json` passes, and no `carried.ndjson` breaks the verifier.
#![no_main]

use std::cell::RefCell;

use keystall::ledger::{Exit, verify};
use keystall_fuzz::Sound;
use libfuzzer_sys::fuzz_target;

const PREFIX: &str = "gen-0/prefix.json";
const CARRIED: &str = "gen-0/carried.ndjson";

thread_local! {
    static SOUND: RefCell<Option<Sound>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    SOUND.with_borrow_mut(|sound| {
        let sound = sound.get_or_insert_with(|| Sound::of_kind("range", PREFIX));
        let name = if which % 2 == 0 { PREFIX } else { CARRIED };
        sound.put(name, Some(bytes));
        let report = verify::ledger(sound.folder(), &sound.request);
        let passes = report.exit == Exit::Proven && name == PREFIX;
        assert!(!passes || bytes == sound.original(name), "{report}");
        assert!(report.exit != Exit::Internal, "{report}");
        sound.put(name, Some(sound.original(name)));
    });
});

//! Sentences of a comparison.

use crate::ledger::Vkey;

/// Why nothing of a log counts on one side.
pub(super) fn unsigned(name: &str, origin: &str, vkeys: &[Vkey]) -> String {
    match vkeys.iter().find(|vkey| vkey.name() != origin) {
        Some(vkey) if vkeys.iter().all(|vkey| vkey.name() != origin) => {
            format!(
                "{name}: the pinned key is of another log: {}; this is {origin}",
                vkey.name()
            )
        }
        _ => format!("{name}: no checkpoint of {origin} is signed by a pinned key"),
    }
}

/// Entries that agree; at least one.
pub(super) fn entries(indexes: &[String]) -> String {
    match indexes {
        [one] => format!("entry {one} is the same"),
        many => format!("entries {} are the same", many.join(", ")),
    }
}

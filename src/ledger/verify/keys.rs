//! Which key may sign which size, and how far it is vouched for (section 6).

use crate::ledger::note::{Checkpoint, SignedBy, Vkey};

/// The log keys of one generation, oldest first.
#[derive(Default)]
pub(super) struct LogKeys(Vec<LogKey>);

struct LogKey {
    vkey: Vkey,
    /// It signs sizes above this one, up to where the next key begins.
    above: u64,
    /// Pinned by the user, or vouched for by a key that is.
    trusted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Signed by the trusted log key of its size.
    Valid,
    /// Signed by the log key of its size, for which nothing pinned vouches.
    Untrusted,
    /// Not signed by a key of ours.
    Unsigned,
    /// A line under a key of ours with a wrong signature.
    Forged,
    /// Signed by a key of ours outside its range of sizes.
    OutOfRange,
}

impl LogKeys {
    /// The key of the generation's `open`.
    pub(super) fn first(vkey: Vkey, trusted: bool) -> Self {
        let above = 0;
        Self(vec![LogKey {
            vkey,
            above,
            trusted,
        }])
    }

    /// The newest key and whether it is trusted.
    pub(super) fn newest(&self) -> Option<(&Vkey, bool)> {
        self.0.last().map(|key| (&key.vkey, key.trusted))
    }

    /// A new key for the sizes above `above`.
    pub(super) fn rotate(&mut self, vkey: Vkey, above: u64, trusted: bool) {
        self.0.push(LogKey {
            vkey,
            above,
            trusted,
        });
    }

    pub(super) fn rotated(&self) -> bool {
        self.0.len() > 1
    }

    pub(super) fn judge(&self, note: &Checkpoint) -> Verdict {
        let later = |key: &LogKey| key.above >= note.size;
        let of_size = self.0.iter().rposition(|key| !later(key)).unwrap_or(0);
        let mut verdict = Verdict::Unsigned;
        for (number, key) in self.0.iter().enumerate() {
            match note.signed_by(&key.vkey) {
                SignedBy::Yes if number != of_size => return Verdict::OutOfRange,
                SignedBy::Yes if key.trusted => verdict = Verdict::Valid,
                SignedBy::Yes => verdict = Verdict::Untrusted,
                SignedBy::Forged => return Verdict::Forged,
                SignedBy::No => {}
            }
        }
        verdict
    }
}

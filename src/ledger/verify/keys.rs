//! Which key may sign which size, and how far it is vouched for (section 6).

use super::point::Point;
use crate::ledger::note::{SignedBy, Vkey};

/// The log keys of one generation, oldest first.
#[derive(Default)]
pub(super) struct LogKeys(Vec<LogKey>);

struct LogKey {
    vkey: Vkey,
    /// It signs sizes above this one, up to where the next key begins.
    above: u64,
    trust: Trust,
}

/// What vouches for a log key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Given with `--vkey`.
    Pinned,
    /// The origin key signed the `open` that names it, and is vouched for itself.
    OriginKey,
    /// The `rotate` of this seq, signed by the key before it and by the origin key, one of which is vouched for.
    Rotation(u64),
    /// Nothing.
    No,
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
    pub(super) fn first(vkey: Vkey, trust: Trust) -> Self {
        let above = 0;
        Self(vec![LogKey { vkey, above, trust }])
    }

    /// The newest key and whether it is trusted.
    pub(super) fn newest(&self) -> Option<(&Vkey, bool)> {
        let newest = self.0.last();
        newest.map(|key| (&key.vkey, key.trust != Trust::No))
    }

    /// A new key for the sizes above `above`.
    pub(super) fn rotate(&mut self, vkey: Vkey, above: u64, trust: Trust) {
        self.0.push(LogKey { vkey, above, trust });
    }

    /// Whether a key signed in this generation already.
    pub(super) fn had(&self, vkey: &Vkey) -> bool {
        self.0.iter().any(|key| key.vkey == *vkey)
    }

    pub(super) fn rotated(&self) -> bool {
        self.0.len() > 1
    }

    /// The key that signs this size, and why it is trusted.
    pub(super) fn of_size(&self, size: u64) -> Option<(&Vkey, &Trust)> {
        let key = self.0.get(self.number_of(size));
        key.map(|key| (&key.vkey, &key.trust))
    }

    pub(super) fn judge(&self, point: &Point, pinned: &[Vkey]) -> Verdict {
        let of_size = self.number_of(point.size);
        let mut verdict = Verdict::Unsigned;
        for (number, key) in self.0.iter().enumerate() {
            match point.signed_by(&key.vkey, pinned) {
                SignedBy::Yes if number != of_size => return Verdict::OutOfRange,
                SignedBy::Yes if key.trust != Trust::No => verdict = Verdict::Valid,
                SignedBy::Yes => verdict = Verdict::Untrusted,
                SignedBy::Forged => return Verdict::Forged,
                SignedBy::No => {}
            }
        }
        verdict
    }

    fn number_of(&self, size: u64) -> usize {
        let later = |key: &LogKey| key.above >= size;
        self.0.iter().rposition(|key| !later(key)).unwrap_or(0)
    }
}

impl Trust {
    /// In words, for whoever asks why a signature counts.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Pinned => "it was given with --vkey".to_owned(),
            Self::OriginKey => {
                "the origin key (made from the recovery secret) signed the entry that opens this generation".to_owned()
            }
            Self::Rotation(seq) => format!(
                "entry {seq} rotates to it, signed by the log key before it and by the origin key (made from the recovery secret)"
            ),
            Self::No => "nothing that you pinned vouches for it".to_owned(),
        }
    }
}

//! A checkpoint that the entries are held against: of many, only what the judgement needs is kept.

use crate::ledger::Hash;
use crate::ledger::note::{Checkpoint, SignedBy, Vkey};

#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) size: u64,
    pub(super) root: Hash,
    /// Which of the pinned keys signed it.
    pub(super) pinned: Option<usize>,
    /// The note, unless the pinned key's line is the only one under its origin's name.
    pub(super) note: Option<Box<Checkpoint>>,
    /// How the report calls a note given with `--known`; `None` of a mark of the export.
    pub(super) known: Option<String>,
    /// The size's key signed it, as far as known.
    pub(super) valid: bool,
    /// Whether its root is that of the entries; `None` as long as they do not reach it.
    pub(super) matches: Option<bool>,
}

impl Point {
    /// A mark; `alone` says that no second line stands under its origin's name.
    pub(super) fn mark(checkpoint: &Checkpoint, pinned: Option<usize>, alone: bool) -> Self {
        let note = (pinned.is_none() || !alone).then(|| {
            let mut note = checkpoint.clone();
            note.forget_strangers();
            Box::new(note)
        });
        Self {
            size: checkpoint.size,
            root: checkpoint.root,
            pinned,
            note,
            known: None,
            // Judged when the keys of its generation are known; until then it counts for nothing.
            valid: false,
            matches: None,
        }
    }

    /// A note that somebody kept.
    pub(super) fn known(checkpoint: Checkpoint, name: &str, pinned: &[Vkey]) -> Self {
        let (verdict, signer) = pinned_verdict(&checkpoint, pinned);
        Self {
            size: checkpoint.size,
            root: checkpoint.root,
            pinned: signer,
            valid: verdict == SignedBy::Yes,
            note: Some(Box::new(checkpoint)),
            known: Some(name.to_owned()),
            matches: None,
        }
    }

    /// The log that a known note is of.
    pub(super) fn origin(&self) -> &str {
        self.note.as_ref().map_or("", |note| &note.origin)
    }

    /// Whether this key signed it; a key of another log never did.
    pub(super) fn signed_by(&self, vkey: &Vkey, pinned: &[Vkey]) -> SignedBy {
        match (&self.note, self.pinned) {
            (Some(note), _) if note.origin == vkey.name() => note.signed_by(vkey),
            (None, Some(signer)) if pinned.get(signer) == Some(vkey) => SignedBy::Yes,
            _ => SignedBy::No,
        }
    }
}

/// The best verdict over the pinned keys of this origin, and which key it is by; a forged line is never made good by
/// another key.
pub(super) fn pinned_verdict(
    checkpoint: &Checkpoint,
    pinned: &[Vkey],
) -> (SignedBy, Option<usize>) {
    let mut best = (SignedBy::No, None);
    for (number, vkey) in pinned.iter().enumerate() {
        if vkey.name() != checkpoint.origin {
            continue;
        }
        match checkpoint.signed_by(vkey) {
            SignedBy::Forged => return (SignedBy::Forged, None),
            SignedBy::Yes => best = (SignedBy::Yes, Some(number)),
            SignedBy::No => {}
        }
    }
    best
}

//! A checkpoint that the entries are held against: of many, only what the judgement needs is kept.

use crate::ledger::Hash;
use crate::ledger::note::{Checkpoint, OwnLines, SignedBy, Vkey};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) size: u64,
    pub(super) root: Hash,
    /// Which of the pinned keys signed it.
    pub(super) pinned: Option<usize>,
    /// Its log, shared by the marks of one file.
    origin: Arc<str>,
    /// The lines under its origin's name, unless the pinned key's is the only one.
    lines: Option<OwnLines>,
    /// How the report calls a note given with `--known`; `None` of a mark of the export.
    pub(super) known: Option<String>,
    /// The size's key signed it, as far as known.
    pub(super) valid: bool,
    /// Whether its root is that of the entries; `None` as long as they do not reach it.
    pub(super) matches: Option<bool>,
}

impl Point {
    /// A mark of this log, which is the checkpoint's.
    pub(super) fn mark(checkpoint: &Checkpoint, pinned: Option<usize>, origin: Arc<str>) -> Self {
        let lines = checkpoint.own_lines();
        Self {
            size: checkpoint.size,
            root: checkpoint.root,
            pinned,
            origin,
            lines: (pinned.is_none() || lines.count() != 1).then_some(lines),
            known: None,
            // Judged when the keys of its generation are known; until then it counts for nothing.
            valid: false,
            matches: None,
        }
    }

    /// A note that somebody kept.
    pub(super) fn known(checkpoint: &Checkpoint, name: &str, pinned: &[Vkey]) -> Self {
        let (_, signer) = pinned_verdict(checkpoint, pinned);
        Self {
            known: Some(name.to_owned()),
            ..Self::mark(checkpoint, signer, checkpoint.origin.as_str().into())
        }
    }

    /// The log that it is of.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The same, for a further checkpoint of that log.
    pub(super) fn log(&self) -> Arc<str> {
        Arc::clone(&self.origin)
    }

    /// Whether this key signed it; a key of another log never did.
    pub(super) fn signed_by(&self, vkey: &Vkey, pinned: &[Vkey]) -> SignedBy {
        if *self.origin != *vkey.name() {
            return SignedBy::No;
        }
        match (&self.lines, self.pinned) {
            (Some(lines), _) => lines.signed_by(vkey, self.size, &self.root),
            (None, Some(signer)) if pinned.get(signer) == Some(vkey) => SignedBy::Yes,
            (None, _) => SignedBy::No,
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

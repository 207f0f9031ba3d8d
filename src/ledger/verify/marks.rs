//! `marks.ndjson`: the checkpoints of a generation.

use super::lines::{Line, Lines};
use super::report::Fault;
use crate::ledger::Exit;
use crate::ledger::export::mark_line;
use crate::ledger::note::{Checkpoint, NOTE_BYTES_MAX, SignedBy, Vkey};
use serde::Deserialize;
use std::path::Path;

/// A checkpoint that the entries are held against.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) checkpoint: Checkpoint,
    /// Given with `--known`, not part of the export.
    pub(super) known: bool,
    /// Where it comes from, for the report.
    pub(super) file: String,
    /// The size's key signed it, as far as known.
    pub(super) valid: bool,
    /// Whether its root is that of the entries; `None` as long as they do not reach it.
    pub(super) matches: Option<bool>,
}

/// Reads the marks up to the first fault, which is given along.
pub(super) fn read(path: &Path, file: &str, pinned: &[Vkey]) -> (Vec<Point>, Option<Fault>) {
    let mut points = Vec::<Point>::new();
    let mut lines = match Lines::open(path, MARK_BYTES_MAX) {
        Ok(lines) => lines,
        Err(error) => {
            let what = format!("cannot be read: {error}");
            return (points, Some(Fault::new(Exit::Internal, file, what)));
        }
    };
    let mut forged = None;
    loop {
        let line = match lines.next() {
            Ok(Line::End) => return (points, forged),
            Ok(line) => line,
            Err(error) => {
                let what = format!("cannot be read: {error}");
                return (points, Some(Fault::new(Exit::Internal, file, what)));
            }
        };
        let before = points.last().map_or(0, |point| point.checkpoint.size);
        match mark(line, &lines.bytes) {
            Ok(mut checkpoint) => {
                checkpoint.forget_strangers();
                let signed = pinned_verdict(&checkpoint, pinned);
                if signed == SignedBy::Forged && forged.is_none() {
                    let what = "a wrong signature under the pinned key's name";
                    let fault = Fault::new(Exit::Tampered, file, what);
                    forged = Some(fault.at(checkpoint.size, Some(lines.offset)));
                }
                let ascends = checkpoint.size > before;
                let size = checkpoint.size;
                points.push(Point {
                    checkpoint,
                    known: false,
                    file: file.to_owned(),
                    valid: signed == SignedBy::Yes,
                    matches: None,
                });
                if !ascends {
                    let what = "the sizes of marks do not ascend from 1";
                    let fault = Fault::new(Exit::Malformed, file, what);
                    let fault = fault.at(size, Some(lines.offset));
                    return (points, forged.or(Some(fault)));
                }
            }
            Err(what) => {
                let mut fault = Fault::new(Exit::Malformed, file, what);
                fault.byte = Some(lines.offset);
                return (points, forged.or(Some(fault)));
            }
        }
    }
}

/// The best verdict over the pinned keys of this origin; a forged line is never made good by another key.
pub(super) fn pinned_verdict(checkpoint: &Checkpoint, pinned: &[Vkey]) -> SignedBy {
    let mut best = SignedBy::No;
    for vkey in pinned.iter().filter(|v| v.name() == checkpoint.origin) {
        match checkpoint.signed_by(vkey) {
            SignedBy::Forged => return SignedBy::Forged,
            SignedBy::Yes => best = SignedBy::Yes,
            SignedBy::No => {}
        }
    }
    best
}

fn mark(line: Line, bytes: &[u8]) -> Result<Checkpoint, String> {
    match line {
        Line::Cut => return Err("the last line is cut off".to_owned()),
        Line::Long => return Err("a line is too long".to_owned()),
        Line::Whole | Line::End => {}
    }
    let mark: Mark = serde_json::from_slice(bytes).map_err(|e| format!("not a mark: {e}"))?;
    if mark_line(&mark.note, mark.size)
        .trim_end_matches('\n')
        .as_bytes()
        != bytes
    {
        return Err("a mark in another spelling than the canonical one".to_owned());
    }
    let checkpoint = Checkpoint::parse(&mark.note).map_err(|error| error.to_string())?;
    if checkpoint.size != mark.size {
        return Err("a mark's size is not that of its note".to_owned());
    }
    Ok(checkpoint)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    note: String,
    size: u64,
}

/// A note of the largest size with each byte escaped.
const MARK_BYTES_MAX: usize = 6 * NOTE_BYTES_MAX + 64;

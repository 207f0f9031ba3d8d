//! `marks.ndjson`: the checkpoints of a generation.

use super::audit::Run;
use super::in_order::{Turn, in_order};
use super::lines::{Block, Blocks};
use super::point::{Point, pinned_verdict};
use super::report::Fault;
use super::source::unreadable;
use crate::ledger::Exit;
use crate::ledger::export::mark_line;
use crate::ledger::note::{Checkpoint, NOTE_BYTES_MAX, SignedBy, Vkey};
use serde::Deserialize;

/// The marks up to the first fault.
#[derive(Default)]
pub(super) struct Marks {
    /// Ascending by size, unless the fault says otherwise.
    pub(super) points: Vec<Point>,
    /// The last mark with all its signature lines, those of witnesses too.
    pub(super) newest: Option<Checkpoint>,
    pub(super) fault: Option<Box<Fault>>,
}

/// Reads the marks, their signatures by the pinned keys checked.
pub(super) fn read(run: &Run<'_>, file: &str) -> Marks {
    let mut marks = Marks::default();
    let mut blocks = match run.source.open(file) {
        Ok(input) => Blocks::new(input, MARK_BYTES_MAX),
        Err(error) => {
            marks.fault = Some(unreadable(file, &error));
            return marks;
        }
    };
    let mut failed = None;
    let next = |block: &mut Block| match blocks.fill(block, MARKS_AT_ONCE) {
        Ok(filled) => filled,
        Err(error) => {
            failed = Some(error);
            false
        }
    };
    let pinned = &run.request.vkeys;
    in_order(
        run.threads,
        &mut marks,
        next,
        |block: &Block, turn: Turn<'_, '_, Marks>| {
            let read: Vec<_> = block
                .lines()
                .map(|(at, line)| (at, mark(line, pinned)))
                .collect();
            turn.take(|marks| {
                let sound = read.into_iter().all(|(at, mark)| marks.add(file, at, mark));
                match block.end.fault() {
                    Some(what) if sound => marks.malformed(file, block.after(), what),
                    _ => sound,
                }
            })
        },
    );
    if let Some(error) = failed {
        marks.fault = Some(unreadable(file, &error));
    }
    marks
}

/// The note of this size, as it stands in the marks.
pub(super) fn note_of(run: &Run<'_>, file: &str, size: u64) -> Option<String> {
    let mut blocks = Blocks::new(run.source.open(file).ok()?, MARK_BYTES_MAX);
    let mut block = Block::default();
    while blocks.fill(&mut block, MARKS_AT_ONCE).ok()? {
        for (_, line) in block.lines() {
            let mark: Mark = serde_json::from_slice(line).ok()?;
            if mark.size == size {
                return Some(mark.note);
            }
        }
    }
    None
}

impl Marks {
    /// Adds a mark; false at a fault of form, after which none is read. A wrong signature is kept as the first fault,
    /// and the reading goes on.
    fn add(&mut self, file: &str, at: u64, mark: Result<Read, String>) -> bool {
        let mark = match mark {
            Ok(mark) => mark,
            Err(what) => return self.malformed(file, at, what),
        };
        let size = mark.checkpoint.size;
        if mark.forged {
            let what = "a wrong signature under the pinned key's name";
            let fault = Fault::new(Exit::Tampered, file, what).at(size, Some(at));
            self.fault.get_or_insert(Box::new(fault));
        }
        let before = self.points.last().map_or(0, |point| point.size);
        let log = self.points.last().map(Point::log);
        let log = log.filter(|log| **log == *mark.checkpoint.origin);
        let log = log.unwrap_or_else(|| mark.checkpoint.origin.as_str().into());
        let point = Point::mark(&mark.checkpoint, mark.pinned, log);
        self.points.push(point);
        self.newest = Some(mark.checkpoint);
        if size > before {
            return true;
        }
        let what = "the sizes of marks do not ascend from 1";
        let fault = Fault::new(Exit::Malformed, file, what).at(size, Some(at));
        self.fault.get_or_insert(Box::new(fault));
        false
    }

    fn malformed(&mut self, file: &str, at: u64, what: impl Into<String>) -> bool {
        let mut fault = Fault::new(Exit::Malformed, file, what);
        fault.byte = Some(at);
        self.fault.get_or_insert(Box::new(fault));
        false
    }
}

/// A mark and what the pinned keys say of it.
struct Read {
    checkpoint: Checkpoint,
    pinned: Option<usize>,
    forged: bool,
}

fn mark(line: &[u8], pinned: &[Vkey]) -> Result<Read, String> {
    let (checkpoint, _) = checkpoint(line)?;
    let (verdict, signer) = pinned_verdict(&checkpoint, pinned);
    Ok(Read {
        pinned: signer,
        forged: verdict == SignedBy::Forged,
        checkpoint,
    })
}

/// A line of marks, without its `\n`: the checkpoint and its note. Proves nothing.
pub(in crate::ledger) fn checkpoint(line: &[u8]) -> Result<(Checkpoint, String), String> {
    let mark: Mark = serde_json::from_slice(line).map_err(|e| format!("not a mark: {e}"))?;
    if mark_line(&mark.note, mark.size)
        .trim_end_matches('\n')
        .as_bytes()
        != line
    {
        return Err("a mark in another spelling than the canonical one".to_owned());
    }
    let checkpoint = Checkpoint::parse(&mark.note).map_err(|error| error.to_string())?;
    if checkpoint.size != mark.size {
        return Err("a mark's size is not that of its note".to_owned());
    }
    Ok((checkpoint, mark.note))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    note: String,
    size: u64,
}

/// A note of the largest size with each byte escaped.
pub(in crate::ledger) const MARK_BYTES_MAX: usize = 6 * NOTE_BYTES_MAX + 64;
const MARKS_AT_ONCE: usize = 32;

//! An export as one of two views: its checkpoints, and its entries as leaves.

use super::leaves::Leaves;
use super::side::Side;
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE, generation_folder, mark_line};
use crate::ledger::note::{Checkpoint, NOTE_BYTES_MAX};
use crate::ledger::{Exit, Vkey};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub(super) fn read(side: &mut Side, path: &Path, vkeys: &[Vkey]) {
    let name = side.name.clone();
    let source = Rc::new(path.to_owned());
    for number in 0.. {
        let folder = generation_folder(number);
        if !source.join(&folder).is_dir() {
            break;
        }
        let marks = format!("{folder}/{MARKS_FILE}");
        let outcome = notes(side, &source, &marks, vkeys);
        let origin = match outcome {
            Ok(Some(origin)) => origin,
            Ok(None) => continue,
            Err((exit, what)) => return side.fail(exit, &format!("{name}/{marks}"), what),
        };
        let file = format!("{folder}/{ENTRIES_FILE}");
        let source = Rc::clone(&source);
        let leaves = Leaves {
            start: 0,
            subtrees: Vec::new(),
            skeleton: false,
            open: Box::new(move || open(&source, &file)),
        };
        side.leaves(&origin, leaves, 0);
    }
    if side.logs.is_empty() && side.fault.is_none() {
        side.fail(Exit::Incomplete, &name, "is no export, or an empty one");
    }
}

/// Takes the checkpoints in; gives the log's origin, if there is a checkpoint at all.
fn notes(
    side: &mut Side,
    source: &Rc<PathBuf>,
    file: &str,
    vkeys: &[Vkey],
) -> Result<Option<String>, (Exit, String)> {
    let failed = |error: io::Error| (Exit::Internal, format!("cannot be read: {error}"));
    let malformed = |what: String| (Exit::Malformed, what);
    let mut lines = BufReader::new(open(source, file).map_err(failed)?);
    let (mut origin, mut line) = (None::<String>, Vec::new());
    loop {
        line.clear();
        let part = (&mut lines).take(MARK_BYTES_MAX);
        if { part }.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(origin);
        }
        let note = mark(&line).map_err(malformed)?;
        let of_log = origin.get_or_insert_with(|| note.origin.clone());
        if *of_log != note.origin {
            return Err(malformed("checkpoints of two logs in one file".to_owned()));
        }
        side.note(note, vkeys, file);
    }
}

fn mark(line: &[u8]) -> Result<Checkpoint, String> {
    let mark: Mark = serde_json::from_slice(line).map_err(|e| format!("not a mark: {e}"))?;
    if mark_line(&mark.note, mark.size).as_bytes() != line {
        return Err("a mark in another spelling than the canonical one".to_owned());
    }
    let note = Checkpoint::parse(&mark.note).map_err(|error| error.to_string())?;
    match note.size == mark.size {
        true => Ok(note),
        false => Err("a mark's size is not that of its note".to_owned()),
    }
}

fn open(source: &Path, file: &str) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(File::open(source.join(file))?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    note: String,
    size: u64,
}

/// A note of the largest size with each byte escaped.
const MARK_BYTES_MAX: u64 = 6 * NOTE_BYTES_MAX as u64 + 64;

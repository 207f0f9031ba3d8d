//! An export as one of two views: its checkpoints, and its entries as leaves.

use super::leaves::Leaves;
use super::side::Side;
use crate::ledger::Exit;
use crate::ledger::Vkey;
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE};
use crate::ledger::tree::Frontier;
use crate::ledger::verify::contents::{
    self, GenerationFiles, PREFIX_BYTES_MAX, PREFIX_FILE, SKELETON_FILE,
};
use crate::ledger::verify::marks::{self, MARK_BYTES_MAX};
use crate::ledger::verify::source::{Source, unreadable};
use crate::ledger::verify::{Fault, Form, range};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// Takes in what a folder or an archive holds, up to the first fault.
pub(super) fn read(side: &mut Side, path: &Path, vkeys: &[Vkey]) -> Result<(), Box<Fault>> {
    let source = Rc::new(Source::find(path)?);
    let contents = contents::read(&source, &side.name, &|_| {})?;
    for files in &contents.generations {
        generation(side, &source, files, vkeys)?;
    }
    Ok(())
}

fn generation(
    side: &mut Side,
    source: &Rc<Source>,
    files: &GenerationFiles,
    vkeys: &[Vkey],
) -> Result<(), Box<Fault>> {
    let Some(origin) = notes(side, source, &files.path(MARKS_FILE), vkeys)? else {
        return Ok(());
    };
    let prefix = match files.form {
        Form::Range => prefix(source, &files.path(PREFIX_FILE))?,
        Form::Whole | Form::Skeleton => Frontier::new(),
    };
    let skeleton = files.form == Form::Skeleton;
    let file = files.path(if skeleton {
        SKELETON_FILE
    } else {
        ENTRIES_FILE
    });
    let source = Rc::clone(source);
    let leaves = Leaves {
        prefix,
        skeleton,
        open: Box::new(move || source.open(&file)),
    };
    side.leaves(&origin, leaves, files.bytes);
    Ok(())
}

/// Takes the checkpoints in; gives the log's origin, if there is a checkpoint at all.
fn notes(
    side: &mut Side,
    source: &Source,
    file: &str,
    vkeys: &[Vkey],
) -> Result<Option<String>, Box<Fault>> {
    let malformed = |what: String| Box::new(Fault::new(Exit::Malformed, file, what));
    let input = source
        .open(file)
        .map_err(|error| unreadable(file, &error))?;
    let mut input = BufReader::new(input);
    let (mut origin, mut line) = (None::<String>, Vec::new());
    loop {
        line.clear();
        let part = (&mut input).take(MARK_BYTES_MAX as u64 + 1);
        let read = { part }.read_until(b'\n', &mut line);
        if read.map_err(|error| unreadable(file, &error))? == 0 {
            return Ok(origin);
        }
        let cut = || malformed("a line is too long, or the last one is cut off".to_owned());
        let line = line.strip_suffix(b"\n").ok_or_else(cut)?;
        let (note, _) = marks::checkpoint(line).map_err(malformed)?;
        let of_log = origin.get_or_insert_with(|| note.origin.clone());
        if *of_log != note.origin {
            return Err(malformed("checkpoints of two logs in one file".to_owned()));
        }
        side.note(note, vkeys, file);
    }
}

fn prefix(source: &Source, file: &str) -> Result<Frontier, Box<Fault>> {
    let bytes = source.read(file, PREFIX_BYTES_MAX)?;
    let prefix = range::prefix(&bytes);
    let (tree, _) = prefix.map_err(|what| Box::new(Fault::new(Exit::Malformed, file, what)))?;
    Ok(tree)
}

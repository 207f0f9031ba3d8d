//! What lies in an export's folder. Whatever this version does not check is refused by name.

use super::anchors::ANCHORS_FOLDER;
use super::report::Fault;
use crate::ledger::Exit;
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE, README_FILE, generation_folder};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The generations' folders in order.
pub(super) struct Export {
    pub(super) generations: Vec<PathBuf>,
}

pub(super) fn read(export: &Path) -> Result<Export, Box<Fault>> {
    let at = export.display().to_string();
    match fs::metadata(export) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            let what = "this version reads folders only: unpack the export first (tar --zstd -xf)";
            return Err(fault(Exit::Incomplete, at, what));
        }
        Err(error) => {
            let what = format!("cannot be read: {error}");
            return Err(fault(Exit::Usage, at, what));
        }
    }
    let mut found = BTreeSet::new();
    for (name, is_dir) in listing(export)? {
        let number = generation_number(&name);
        match (name.as_str(), is_dir, number) {
            (README_FILE, false, _) => {}
            (_, true, Some(number)) => {
                found.insert(number);
            }
            ("skeleton.bin", ..) => return Err(refused(&name)),
            _ => return Err(unknown(&name)),
        }
    }
    if found.is_empty() {
        let what = "no gen-0 folder: this is no export, or an empty one";
        return Err(fault(Exit::Incomplete, at, what));
    }
    if found.iter().copied().ne(0..found.len()) {
        let what = "the folders of the generations are not gen-0, gen-1 … without a gap";
        return Err(fault(Exit::Incomplete, at, what));
    }
    let mut generations = Vec::new();
    for number in found {
        let folder = export.join(generation_folder(number));
        generation(&folder, number)?;
        generations.push(folder);
    }
    Ok(Export { generations })
}

fn generation(folder: &Path, number: usize) -> Result<(), Box<Fault>> {
    let mut names = BTreeSet::new();
    for (name, is_dir) in listing(folder)? {
        let path = format!("{}/{name}", generation_folder(number));
        match (name.as_str(), is_dir) {
            (ENTRIES_FILE | MARKS_FILE, false) => {}
            ("prefix.json" | "carried.ndjson" | "skeleton.bin", _) => return Err(refused(&path)),
            (ANCHORS_FOLDER, true) => {}
            _ => return Err(unknown(&path)),
        }
        names.insert(name);
    }
    for name in [MARKS_FILE, ENTRIES_FILE] {
        if !names.contains(name) {
            let path = format!("{}/{name}", generation_folder(number));
            return Err(fault(Exit::Incomplete, path, "is missing"));
        }
    }
    Ok(())
}

/// Names with whether they are folders. Links and devices are neither file nor folder, so malformed.
fn listing(folder: &Path) -> Result<Vec<(String, bool)>, Box<Fault>> {
    let at = folder.display().to_string();
    let failed = |error: std::io::Error| {
        let what = format!("cannot be read: {error}");
        fault(Exit::Internal, at.clone(), what)
    };
    let mut names = Vec::new();
    for item in fs::read_dir(folder).map_err(failed)? {
        let item = item.map_err(failed)?;
        let kind = item.file_type().map_err(failed)?;
        let name = item.file_name().to_string_lossy().into_owned();
        if !kind.is_dir() && !kind.is_file() {
            return Err(unknown(&name));
        }
        names.push((name, kind.is_dir()));
    }
    names.sort_unstable();
    Ok(names)
}

fn generation_number(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("gen-")?;
    let number = digits.parse().ok()?;
    (generation_folder(number) == name).then_some(number)
}

fn refused(name: &str) -> Box<Fault> {
    let what = "ranges and skeletons are not checked by this version: ask for a whole export";
    fault(Exit::Incomplete, name, what)
}

fn unknown(name: &str) -> Box<Fault> {
    fault(Exit::Malformed, name, "is not a part of an export")
}

fn fault(exit: Exit, file: impl Into<String>, what: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(exit, file, what))
}

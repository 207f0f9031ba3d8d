//! What lies in an export: which generations, each in which form. Whatever an export does not hold is malformed.

use super::report::{Fault, Form};
use super::source::{Part, Source};
use crate::ledger::Exit;
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE, README_FILE, generation_folder};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the file with a range's prefix, in a generation's folder.
pub(in crate::ledger) const PREFIX_FILE: &str = "prefix.json";
/// Name of the file with the lines that a range takes along, in a generation's folder.
pub(super) const CARRIED_FILE: &str = "carried.ndjson";
/// Name of the file with the hashes alone, in a generation's folder.
pub(in crate::ledger) const SKELETON_FILE: &str = "skeleton.bin";
/// Name of the folder with the anchors, in a generation's folder.
pub(super) const ANCHORS_FOLDER: &str = "anchors";

/// The generations in order.
pub(in crate::ledger) struct Contents {
    pub(in crate::ledger) generations: Vec<GenerationFiles>,
}

/// The files of one generation. Its form says which there are: of a skeleton `marks` and `skeleton`, else `marks` and
/// `entries`, of a range `prefix` and `carried` besides.
pub(in crate::ledger) struct GenerationFiles {
    pub(in crate::ledger) number: usize,
    pub(in crate::ledger) form: Form,
    /// Length of the entries, or of the skeleton.
    pub(in crate::ledger) bytes: u64,
    /// Names of the files in `anchors/`, without the folder; `None` if there is no such folder.
    pub(in crate::ledger) anchors: Option<Vec<String>>,
}

impl GenerationFiles {
    /// The path of one of its files within the export.
    pub(in crate::ledger) fn path(&self, file: &str) -> String {
        format!("{}/{file}", generation_folder(self.number))
    }
}

/// Lists the export and refuses what it may not hold. `seen` is told how many bytes were read to list it.
pub(in crate::ledger) fn read(
    source: &Source,
    at: &str,
    seen: &dyn Fn(u64),
) -> Result<Contents, Box<Fault>> {
    let parts = source.list(seen)?;
    let mut strange = None::<&str>;
    let mut found = BTreeMap::<usize, Vec<(&str, &Part)>>::new();
    for part in &parts {
        let (folder, file) = match part.name.split_once('/') {
            Some((folder, file)) => (folder, Some(file)),
            None => (part.name.as_str(), None),
        };
        match (generation_number(folder), file) {
            (Some(number), Some(file)) => found.entry(number).or_default().push((file, part)),
            (Some(number), None) if part.is_folder => {
                found.entry(number).or_default();
            }
            (None, None) if folder == README_FILE && !part.is_folder => {
                small(part, README_BYTES_MAX)?;
            }
            _ => strange = strange.or(Some(&part.name)),
        }
    }
    if found.is_empty() {
        let what = format!(
            "there is no gen-0 folder in it, so it is no export: expected is the folder that holds \
             gen-0/{ENTRIES_FILE} and gen-0/{MARKS_FILE}, or its .tar.zst archive"
        );
        let exit = strange.map_or(Exit::Incomplete, |_| Exit::Malformed);
        return Err(fault(exit, at, what));
    }
    if let Some(name) = strange {
        return Err(unknown(name));
    }
    if found.keys().copied().ne(0..found.len()) {
        let what = "the folders of the generations are not gen-0, gen-1 … without a gap";
        return Err(fault(Exit::Incomplete, at, what));
    }
    if found.len() > GENERATIONS_MAX {
        let what =
            format!("more than {GENERATIONS_MAX} generations: no shop was restored so often");
        return Err(fault(Exit::Malformed, at, what));
    }
    let generations = found
        .into_iter()
        .map(|(number, files)| generation(number, &files));
    let generations = generations.collect::<Result<Vec<_>, _>>()?;
    let skeletons = generations
        .iter()
        .filter(|g| g.form == Form::Skeleton)
        .count();
    if skeletons != 0 && skeletons != generations.len() {
        let what = "a skeleton beside generations that are none";
        return Err(fault(Exit::Malformed, at, what));
    }
    Ok(Contents { generations })
}

fn generation(number: usize, files: &[(&str, &Part)]) -> Result<GenerationFiles, Box<Fault>> {
    let mut here = BTreeSet::new();
    let (mut anchors, mut bytes) = (None::<Vec<String>>, 0);
    for (file, part) in files {
        match (*file, part.is_folder) {
            (ENTRIES_FILE | SKELETON_FILE, false) => bytes = part.bytes,
            (MARKS_FILE | CARRIED_FILE, false) => {}
            (PREFIX_FILE, false) => small(part, PREFIX_BYTES_MAX)?,
            (ANCHORS_FOLDER, true) => {
                anchors.get_or_insert_default();
            }
            (file, false) => {
                let below = file.strip_prefix(ANCHORS_FOLDER);
                match below.and_then(|name| name.strip_prefix('/')) {
                    Some(name) if !name.contains('/') => {
                        small(part, ANCHOR_BYTES_MAX)?;
                        anchors.get_or_insert_default().push(name.to_owned());
                    }
                    _ => return Err(unknown(&part.name)),
                }
            }
            _ => return Err(unknown(&part.name)),
        }
        here.insert(*file);
    }
    let form = match [PREFIX_FILE, CARRIED_FILE, SKELETON_FILE].map(|f| here.contains(f)) {
        [false, false, false] => Form::Whole,
        [true, true, false] => Form::Range,
        [false, false, true] if !here.contains(ENTRIES_FILE) => Form::Skeleton,
        _ => {
            let what = "its files are of no one form: whole, range or skeleton";
            return Err(fault(Exit::Malformed, generation_folder(number), what));
        }
    };
    let needed = match form {
        Form::Skeleton => [MARKS_FILE, SKELETON_FILE],
        Form::Whole | Form::Range => [MARKS_FILE, ENTRIES_FILE],
    };
    if let Some(name) = needed.into_iter().find(|name| !here.contains(name)) {
        let path = format!("{}/{name}", generation_folder(number));
        return Err(fault(Exit::Incomplete, path, "is missing"));
    }
    Ok(GenerationFiles {
        number,
        form,
        bytes,
        anchors,
    })
}

fn generation_number(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("gen-")?;
    let number = digits.parse().ok()?;
    (generation_folder(number) == name).then_some(number)
}

fn small(part: &Part, bytes_max: u64) -> Result<(), Box<Fault>> {
    if part.bytes <= bytes_max {
        return Ok(());
    }
    let what = format!("is longer than {bytes_max} bytes");
    Err(fault(Exit::Malformed, &part.name, what))
}

fn unknown(name: &str) -> Box<Fault> {
    fault(Exit::Malformed, name, "is not a part of an export")
}

fn fault(exit: Exit, file: impl Into<String>, what: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(exit, file, what))
}

/// Nothing that is checked depends on it.
const README_BYTES_MAX: u64 = 1 << 20;
/// 64 hashes and two numbers are below 5 KiB.
pub(in crate::ledger) const PREFIX_BYTES_MAX: u64 = 8 * 1024;
/// A mail with a checkpoint in it is some KiB, a time stamp with its certificates less than 64.
const ANCHOR_BYTES_MAX: u64 = 1 << 20;

/// Generations of one export at most: each is read by itself, and a shop has a handful.
const GENERATIONS_MAX: usize = 200;

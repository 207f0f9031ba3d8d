//! What lies in an export: which generations, each in which form. Whatever an export does not hold is malformed, and told
//! by its name and length alone, so that nothing of it is read.

use super::anchors;
use super::report::{Fault, Form};
use super::source::{Part, Source};
use crate::ledger::Exit;
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE, README_FILE, generation_folder};
use std::collections::BTreeMap;

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
    /// Whether there is a folder `anchors/`.
    pub(in crate::ledger) anchors: bool,
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
    let parts = source.list(&|part| place(part).map(drop), seen)?;
    let mut found = BTreeMap::<usize, Vec<(Kind<'_>, u64)>>::new();
    for part in &parts {
        if let Some((number, kind)) = place(part)? {
            found.entry(number).or_default().push((kind, part.bytes));
        }
    }
    if found.is_empty() {
        let what = format!(
            "there is no gen-0 folder in it, so it is no export: expected is the folder that holds \
             gen-0/{ENTRIES_FILE} and gen-0/{MARKS_FILE}, or its .tar.zst archive"
        );
        return Err(fault(Exit::Incomplete, at, what));
    }
    if found.keys().copied().ne(0..found.len()) {
        let what = "the folders of the generations are not gen-0, gen-1 … without a gap";
        return Err(fault(Exit::Incomplete, at, what));
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

/// What a part of a generation is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind<'a> {
    /// Its own folder.
    Folder,
    Entries,
    Marks,
    Prefix,
    Carried,
    Skeleton,
    AnchorsFolder,
    /// By its name in the folder.
    Anchor(&'a str),
}

/// Where a part of an export belongs, judged by its name and length alone: `None` of what no generation has.
fn place(part: &Part) -> Result<Option<(usize, Kind<'_>)>, Box<Fault>> {
    let (folder, file) = match part.name.split_once('/') {
        Some((folder, file)) => (folder, Some(file)),
        None => (part.name.as_str(), None),
    };
    if (folder, file, part.is_folder) == (README_FILE, None, false) {
        small(part, README_BYTES_MAX)?;
        return Ok(None);
    }
    let number = generation_number(folder).ok_or_else(|| unknown(&part.name))?;
    if number >= GENERATIONS_MAX {
        let what =
            format!("more than {GENERATIONS_MAX} generations: no shop was restored so often");
        return Err(fault(Exit::Malformed, &part.name, what));
    }
    let kind = match (file, part.is_folder) {
        (None, true) => Kind::Folder,
        (Some(ANCHORS_FOLDER), true) => Kind::AnchorsFolder,
        (Some(ENTRIES_FILE), false) => Kind::Entries,
        (Some(MARKS_FILE), false) => Kind::Marks,
        (Some(CARRIED_FILE), false) => Kind::Carried,
        (Some(SKELETON_FILE), false) => Kind::Skeleton,
        (Some(PREFIX_FILE), false) => {
            small(part, PREFIX_BYTES_MAX)?;
            Kind::Prefix
        }
        (Some(file), false) => {
            let below = file.strip_prefix(ANCHORS_FOLDER);
            let name = below.and_then(|name| name.strip_prefix('/'));
            let limit = name.and_then(anchors::bytes_max);
            let (name, limit) = name.zip(limit).ok_or_else(|| unknown(&part.name))?;
            small(part, limit)?;
            Kind::Anchor(name)
        }
        _ => return Err(unknown(&part.name)),
    };
    Ok(Some((number, kind)))
}

fn generation(number: usize, files: &[(Kind<'_>, u64)]) -> Result<GenerationFiles, Box<Fault>> {
    let bytes_of = |wanted| {
        let mut files = files.iter().filter(|(kind, _)| *kind == wanted);
        files.next().map(|(_, bytes)| *bytes)
    };
    let (entries, skeleton) = (bytes_of(Kind::Entries), bytes_of(Kind::Skeleton));
    let has = |kind| bytes_of(kind).is_some();
    let form = match (has(Kind::Prefix), has(Kind::Carried), skeleton.is_some()) {
        (false, false, false) => Form::Whole,
        (true, true, false) => Form::Range,
        (false, false, true) if entries.is_none() => Form::Skeleton,
        _ => {
            let what = "its files are of no one form: whole, range or skeleton";
            return Err(fault(Exit::Malformed, generation_folder(number), what));
        }
    };
    let missing = |file: &str| {
        let path = format!("{}/{file}", generation_folder(number));
        fault(Exit::Incomplete, path, "is missing")
    };
    if !has(Kind::Marks) {
        return Err(missing(MARKS_FILE));
    }
    let anchors = files
        .iter()
        .any(|(kind, _)| matches!(kind, Kind::AnchorsFolder | Kind::Anchor(_)));
    Ok(GenerationFiles {
        number,
        form,
        bytes: entries.or(skeleton).ok_or_else(|| missing(ENTRIES_FILE))?,
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
    let what = format!(
        "is not a part of an export, which is {README_FILE} and gen-0, gen-1 …, in each {MARKS_FILE} and {ENTRIES_FILE}"
    );
    fault(Exit::Malformed, name, what)
}

fn fault(exit: Exit, file: impl Into<String>, what: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(exit, file, what))
}

/// Nothing that is checked depends on it.
const README_BYTES_MAX: u64 = 1 << 20;
/// 64 hashes and two numbers are below 5 KiB.
pub(in crate::ledger) const PREFIX_BYTES_MAX: u64 = 8 * 1024;
/// Generations of one export at most: each is read by itself, and a shop has a handful.
const GENERATIONS_MAX: usize = 200;

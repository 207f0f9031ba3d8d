//! What a range brings along of the entries before it: the tree over them, and the lines that later ones need.

use super::audit::{Audit, Run};
use super::contents::{CARRIED_FILE, GenerationFiles, PREFIX_BYTES_MAX, PREFIX_FILE};
use super::explain::Shown;
use super::generation::Generation;
use super::lines::{Block, Blocks};
use super::report::Fault;
use super::source::unreadable;
use crate::ledger::entry::{Body, Entry, INT_LIMIT, LINE_BYTES_MAX, hash_line};
use crate::ledger::tree::{Frontier, leaf_hash, verify_inclusion};
use crate::ledger::{Exit, Hash};
use serde::{Deserialize, Serialize};

/// Reads prefix and carried lines, so that the generation goes on from there. False if it cannot: the fault is noted.
pub(super) fn begin(
    generation: &mut Generation,
    audit: &mut Audit<'_>,
    run: &Run<'_>,
    files: &GenerationFiles,
) -> bool {
    let file = files.path(PREFIX_FILE);
    let read = run.source.read(&file, PREFIX_BYTES_MAX);
    let prefix = read.and_then(|bytes| {
        prefix(&bytes).map_err(|what| Box::new(Fault::new(Exit::Malformed, &file, what)))
    });
    let (frontier, head) = match prefix {
        Ok(prefix) => prefix,
        Err(fault) => {
            audit.findings.add(*fault);
            return false;
        }
    };
    audit.rules.begin_range();
    let last = frontier.subtrees().last().copied();
    if frontier.size() % 2 == 1 && last != Some(leaf_hash(head.as_ref())) {
        let what = "the last of the prefix's hashes is not the leaf of its prev";
        let fault = Fault::new(Exit::Tampered, files.path(PREFIX_FILE), what);
        audit.findings.add(fault.at(frontier.size() - 1, None));
    }
    generation.begin_at(frontier, head);
    if let Some(fault) = generation.misplaced_mark(files.bytes == 0) {
        audit.findings.add(fault);
    }
    let file = files.path(CARRIED_FILE);
    if let Err(fault) = generation.carry(audit, run, &file) {
        audit.findings.add(*fault);
    }
    generation.reach(audit, None);
    true
}

impl Generation {
    fn begin_at(&mut self, frontier: Frontier, head: Hash) {
        self.base = frontier.size();
        self.size = frontier.size();
        self.head = head;
        if let Some(tracker) = &mut self.tracker {
            frontier
                .nodes()
                .for_each(|(level, number, hash)| tracker.see(level, number, &hash));
        }
        self.frontier = frontier;
    }

    /// A range holds marks above its prefix; if it is empty, the one of its prefix and no other.
    fn misplaced_mark(&self, empty: bool) -> Option<Fault> {
        let what = match empty {
            true if self.points.len() == 1 && self.points[0].size == self.base => return None,
            true => "the marks of an empty range are not the one of its size",
            false => "a mark within the prefix, which is not here",
        };
        let misplaced = self
            .points
            .iter()
            .find(|mark| empty || mark.size <= self.base);
        if misplaced.is_none() && !empty {
            return None;
        }
        let mut fault = Fault::new(Exit::Malformed, &self.marks_file, what);
        fault.seq = misplaced.map(|mark| mark.size);
        Some(fault)
    }

    /// Reads the carried lines: each in its form, then under the last mark's root, then what it means.
    fn carry(
        &mut self,
        audit: &mut Audit<'_>,
        run: &Run<'_>,
        file: &str,
    ) -> Result<(), Box<Fault>> {
        let input = run
            .source
            .open(file)
            .map_err(|error| unreadable(file, &error))?;
        let mut blocks = Blocks::new(input, CARRIED_BYTES_MAX);
        let mut block = Block::default();
        let mut before = None;
        while blocks
            .fill(&mut block, LINES_AT_ONCE)
            .map_err(|error| unreadable(file, &error))?
        {
            for (at, line) in block.lines() {
                let due = Due { file, at, before };
                before = Some(self.carried(audit, &due, line)?);
            }
            if let Some(what) = block.end.fault() {
                return Err(malformed(file, block.after(), what));
            }
        }
        match before {
            Some(_) => Ok(()),
            None => Err(malformed(file, 0, "the open is not carried")),
        }
    }

    fn carried(
        &mut self,
        audit: &mut Audit<'_>,
        due: &Due<'_>,
        text: &[u8],
    ) -> Result<(u64, Hash), Box<Fault>> {
        let wrong = |what: &str| malformed(due.file, due.at, what);
        let carried = Carried::parse(text).map_err(|what| wrong(&what))?;
        let line = carried.line.as_bytes();
        let entry = Entry::parse(line).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(
            entry.body,
            Body::Open { .. } | Body::Stock { .. } | Body::Rotate { .. }
        ) {
            return Err(wrong("a carried line that is no open, stock or rotate"));
        }
        match due.before {
            None if entry.seq != 0 => return Err(wrong("the open is not carried first")),
            Some((seq, _)) if entry.seq <= seq => {
                return Err(wrong("carried lines do not ascend"));
            }
            _ if entry.seq >= self.base => return Err(wrong("a carried line of the range itself")),
            _ => {}
        }
        let hash = hash_line(line);
        let leaf = leaf_hash(hash.as_ref());
        let mut marks = self.points.iter().filter(|point| point.known.is_none());
        let last = marks.next_back().map(|mark| (mark.size, mark.root));
        let path = carried.path.as_slice();
        let proven =
            last.is_some_and(|(size, root)| verify_inclusion(&leaf, entry.seq, size, path, &root));
        audit.tally.carried.add(proven);
        let tampered = |what: &str| {
            let fault = Fault::new(Exit::Tampered, due.file, what);
            Err(Box::new(fault.at(entry.seq, Some(due.at))))
        };
        if last.is_some() && !proven {
            return tampered("a carried line's path does not lead to the last mark's root");
        }
        let expected = match due.before {
            _ if entry.seq == 0 => Some(Hash::ZERO),
            Some((seq, hash)) if seq + 1 == entry.seq => Some(hash),
            _ => None,
        };
        if expected.is_some_and(|expected| expected != entry.prev) {
            return tampered("a carried line does not continue the one before");
        }
        if entry.seq + 1 == self.base && hash != self.head {
            return tampered("the prefix's prev is not the hash of the line before the range");
        }
        self.explain_carried(due, &carried, &entry, hash, expected, last);
        let outcome = self
            .key_change(audit, &entry)
            .and_then(|()| match entry.body {
                Body::Stock {
                    batch, count, sku, ..
                } => audit.rules.carry(batch, count, sku),
                _ => Ok(()),
            });
        match outcome {
            Ok(()) => Ok((entry.seq, hash)),
            Err(what) => tampered(&what),
        }
    }

    fn explain_carried(
        &mut self,
        due: &Due<'_>,
        carried: &Carried,
        entry: &Entry<'_>,
        hash: Hash,
        prev_expected: Option<Hash>,
        last: Option<(u64, Hash)>,
    ) {
        let (Some(tracker), Some((size, _))) = (&mut self.tracker, last) else {
            return;
        };
        if tracker.seq != entry.seq {
            return;
        }
        tracker.show(&Shown {
            generation: self.number,
            file: due.file,
            byte: due.at,
            line: Some(carried.line.as_bytes()),
            hash,
            t_ms: Some(entry.t_ms),
            prev: Some(entry.prev),
            prev_expected,
        });
        tracker.give(size, carried.path.clone());
    }
}

/// Where a carried line lies, and the one before it.
struct Due<'a> {
    file: &'a str,
    at: u64,
    before: Option<(u64, Hash)>,
}

/// One line of `carried.ndjson`.
struct Carried {
    line: String,
    path: Vec<Hash>,
}

impl Carried {
    fn parse(text: &[u8]) -> Result<Self, String> {
        let spelled: SpelledCarried =
            serde_json::from_slice(text).map_err(|error| format!("not a carried line: {error}"))?;
        if serde_json::to_vec(&spelled).ok().as_deref() != Some(text) {
            return Err("a carried line in another spelling than the canonical one".to_owned());
        }
        let path = hashes(&spelled.path).ok_or("a path that is not of hashes")?;
        Ok(Self {
            line: spelled.line,
            path,
        })
    }
}

/// The tree before a range and the hash of its last entry, from the bytes of `prefix.json`.
pub(in crate::ledger) fn prefix(bytes: &[u8]) -> Result<(Frontier, Hash), String> {
    let line = bytes.strip_suffix(b"\n").ok_or("its line is cut off")?;
    let prefix: SpelledPrefix =
        serde_json::from_slice(line).map_err(|error| format!("not a prefix: {error}"))?;
    if serde_json::to_vec(&prefix).ok().as_deref() != Some(line) {
        return Err("in another spelling than the canonical one".to_owned());
    }
    if !(1..INT_LIMIT).contains(&prefix.size) {
        return Err("its size is not a number of entries".to_owned());
    }
    let subtrees = hashes(&prefix.hashes).ok_or("its hashes are not 64 lowercase hex digits")?;
    let prev = Hash::from_hex(&prefix.prev).ok_or("its prev is not 64 lowercase hex digits")?;
    let frontier =
        Frontier::from_parts(prefix.size, subtrees).map_err(|error| error.to_string())?;
    Ok((frontier, prev))
}

fn hashes(spelled: &[String]) -> Option<Vec<Hash>> {
    spelled.iter().map(|text| Hash::from_hex(text)).collect()
}

/// Fields in sorted order and without white space: what serde writes is the canonical spelling, because entries and hex
/// hold no character that needs another escape than `\"`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledPrefix {
    hashes: Vec<String>,
    prev: String,
    size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledCarried {
    line: String,
    path: Vec<String>,
}

fn malformed(file: &str, at: u64, what: &str) -> Box<Fault> {
    let mut fault = Fault::new(Exit::Malformed, file, what);
    fault.byte = Some(at);
    Box::new(fault)
}

/// A line with its quotes escaped, and a path of 64 hashes.
const CARRIED_BYTES_MAX: usize = 2 * LINE_BYTES_MAX + 64 * 67 + 64;
const LINES_AT_ONCE: usize = 64;

//! One generation: its marks, then its entries as a stream, held against every checkpoint that is known of it.

use super::anchors::ANCHORS_FOLDER;
use super::audit::Audit;
use super::keys::LogKeys;
use super::lines::{Line, Lines};
use super::marks::{self, Point};
use super::ownership::Ownership;
use super::report::{Explained, Fault, GenerationReport, rfc3339};
use crate::ledger::entry::{Body, Entry, LINE_BYTES_MAX, hash_line};
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE, generation_folder};
use crate::ledger::tree::{Frontier, leaf_hash};
use crate::ledger::{Exit, Hash};
use std::io;
use std::path::Path;

pub(super) fn verify(audit: &mut Audit, number: usize, folder: &Path) {
    let marks_file = format!("{}/{MARKS_FILE}", generation_folder(number));
    let pinned = &audit.request.vkeys;
    let (points, fault) = marks::read(&folder.join(MARKS_FILE), &marks_file, pinned);
    if let Some(fault) = fault {
        audit.findings.add(fault);
    }
    let file = format!("{}/{ENTRIES_FILE}", generation_folder(number));
    if points.is_empty() {
        let what = "holds no checkpoint";
        let fault = Fault::new(Exit::Incomplete, marks_file, what);
        audit.findings.add(fault);
    }
    let mut generation = Generation::new(number, file, points);
    if let Err(error) = generation.read(audit, &folder.join(ENTRIES_FILE)) {
        let what = format!("cannot be read: {error}");
        let fault = Fault::new(Exit::Internal, &generation.file, what);
        audit.findings.add(fault);
    }
    generation.finish(audit, folder);
}

/// What is known of a generation so far. `succession` and `checkpoints` hold the rest of its steps.
pub(super) struct Generation {
    pub(super) number: usize,
    pub(super) file: String,
    pub(super) origin: String,
    pub(super) keys: LogKeys,
    /// Marks and known checkpoints of this origin, ascending by size.
    pub(super) points: Vec<Point>,
    pub(super) next_point: usize,
    pub(super) sales: Ownership,
    pub(super) frontier: Frontier,
    pub(super) head: Hash,
    pub(super) first_t: Option<i64>,
    pub(super) last_t: i64,
    pub(super) last_beat: i64,
    /// Size of the newest checkpoint that is valid and matches.
    pub(super) signed: u64,
    /// Marks that no key of ours signed, or none that is vouched for.
    pub(super) unsigned: u64,
    pub(super) offset: u64,
}

impl Generation {
    fn new(number: usize, file: String, points: Vec<Point>) -> Self {
        Self {
            number,
            file,
            origin: String::new(),
            keys: LogKeys::default(),
            points,
            next_point: 0,
            sales: Ownership::default(),
            frontier: Frontier::new(),
            head: Hash::ZERO,
            first_t: None,
            last_t: 0,
            last_beat: 0,
            signed: 0,
            unsigned: 0,
            offset: 0,
        }
    }

    /// Chain hash of the last entry.
    pub(super) const fn head(&self) -> Hash {
        self.head
    }

    fn read(&mut self, audit: &mut Audit, path: &Path) -> io::Result<()> {
        self.sales = Ownership::scan(path)?;
        let mut lines = Lines::open(path, LINE_BYTES_MAX)?;
        loop {
            let line = lines.next()?;
            self.offset = lines.offset;
            let broken = match line {
                Line::End => return Ok(()),
                Line::Whole => {
                    self.line(audit, &lines.bytes);
                    continue;
                }
                Line::Cut => "the last line is cut off",
                Line::Long => "a line is longer than 1024 bytes",
            };
            // What the tree would be from here on is not known, so nothing after it can be judged.
            audit.tally.lines.add(false);
            self.fault(audit, Exit::Malformed, broken);
            return Ok(());
        }
    }

    /// One entry: form, then chain, then meaning. After the first fault the tree still grows, so that a checkpoint
    /// further on can prove a fork.
    fn line(&mut self, audit: &mut Audit, line: &[u8]) {
        let hash = hash_line(line);
        let parsed = Entry::parse(line);
        audit.tally.lines.add(parsed.is_ok());
        match &parsed {
            Ok(entry) => {
                self.chain(audit, entry);
                self.meaning(audit, entry);
            }
            Err(malformed) => self.fault(audit, Exit::Malformed, malformed.to_string()),
        }
        if audit.request.explain == Some(self.frontier.size()) {
            let t_ms = parsed.as_ref().map_or(0, |entry| entry.t_ms);
            self.explain(audit, line, &hash, t_ms);
        }
        self.head = hash;
        self.frontier.push(leaf_hash(hash.as_ref()));
        self.reach(audit);
    }

    fn chain(&mut self, audit: &mut Audit, entry: &Entry) {
        let due = self.frontier.size();
        let links = entry.seq == due && entry.prev == self.head;
        audit.tally.chain.add(links);
        if entry.seq != due {
            let what = format!("seq {} stands where {due} is due", entry.seq);
            self.fault(audit, Exit::Tampered, what);
        } else if !links {
            let what = "does not continue the entry before: that one, or this link, was changed";
            let fault = Fault::new(Exit::Tampered, &self.file, what).at(due, Some(self.offset));
            audit.findings.add(fault.hashes(self.head, entry.prev));
        }
    }

    fn meaning(&mut self, audit: &mut Audit, entry: &Entry) {
        let keys = self.key_change(audit, entry);
        if let Err(what) = keys {
            self.fault(audit, Exit::Tampered, what);
        }
        if audit.findings.fault.is_some() {
            audit.tally.rules.add(false);
            return;
        }
        let mut outcome = audit.rules.step(&mut self.sales, entry);
        if self.first_t.is_some() && entry.t_ms < self.last_t {
            let back = self.last_t - entry.t_ms;
            outcome = outcome.and(Err(format!("its time is {back} ms before the last")));
        }
        audit.tally.rules.add(outcome.is_ok());
        if let Err(what) = outcome {
            self.fault(audit, Exit::Tampered, what);
        }
        self.heartbeat(audit, entry);
        self.first_t.get_or_insert(entry.t_ms);
        self.last_t = entry.t_ms;
        if let Body::Audit { nonce, .. } = entry.body
            && audit.request.nonce.as_deref() == Some(nonce)
        {
            audit.nonce_found = true;
            let (seq, t) = (entry.seq, rfc3339(entry.t_ms));
            let what = format!("the nonce is in entry {seq}, which claims {t}");
            audit.findings.note(what);
        }
        let since = audit.request.since_ms.unwrap_or(i64::MIN);
        let until = audit.request.until_ms.unwrap_or(i64::MAX);
        audit.in_range += u64::from((since..=until).contains(&entry.t_ms));
    }

    fn heartbeat(&mut self, audit: &mut Audit, entry: &Entry) {
        match entry.body {
            Body::Open { .. } => self.last_beat = entry.t_ms,
            Body::Mark { down_ms, .. } => {
                let down_ms = down_ms.unwrap_or(0);
                self.beat(audit, entry.t_ms, down_ms);
                if down_ms > 0 {
                    let (seq, t) = (entry.seq, rfc3339(entry.t_ms));
                    let what = format!("entry {seq} admits an outage of {down_ms} ms before {t}");
                    audit.findings.note(what);
                }
                self.last_beat = entry.t_ms;
            }
            _ => {}
        }
    }

    /// A silence, less the outage that its end admits, is at most 26 hours long.
    fn beat(&self, audit: &mut Audit, t_ms: i64, down_ms: i64) {
        let silence_ms = t_ms.saturating_sub(self.last_beat);
        let covered = silence_ms.saturating_sub(down_ms) <= SILENCE_MS_MAX;
        audit.tally.heartbeats.add(covered);
        if !covered {
            let (from, to) = (rfc3339(self.last_beat), rfc3339(t_ms));
            let what = format!("{}: no heartbeat from {from} to {to}", self.file);
            audit.findings.missing(what);
        }
    }

    fn finish(mut self, audit: &mut Audit, folder: &Path) {
        let entries = self.frontier.size();
        if let Err(what) = audit.rules.finish_sale() {
            self.fault(audit, Exit::Tampered, what);
        }
        if entries == 0 {
            let what = format!("{}: holds no entry", self.file);
            audit.findings.missing(what);
        } else {
            self.beat(audit, self.last_t, 0);
        }
        self.judge_unreached(audit);
        self.judge_known(audit);
        self.find_forks(audit);
        self.read_anchors(audit, &folder.join(ANCHORS_FOLDER));
        if self.unsigned > 0 {
            let (unsigned, origin) = (self.unsigned, &self.origin);
            let what = format!("{unsigned} checkpoints of {origin} are not by the pinned key");
            audit.findings.missing(what);
        }
        // A root key named within a history that a pinned key signed is as good as pinned.
        if self.signed > 0
            && let Some(root) = &mut audit.root
        {
            root.trusted = true;
        }
        for explained in &mut audit.explained {
            if explained.generation == self.number {
                let covers = |p: &&Point| {
                    p.valid && p.matches == Some(true) && p.checkpoint.size > explained.seq
                };
                let first = self.points.iter().find(covers);
                explained.covered_by = first.map(|point| point.checkpoint.size);
            }
        }
        let report = GenerationReport {
            number: self.number,
            origin: self.origin.clone(),
            entries,
            signed: self.signed,
            first_t: self.first_t.map(rfc3339),
            last_t: self.first_t.map(|_| rfc3339(self.last_t)),
        };
        audit.close(&self, report);
    }

    fn explain(&self, audit: &mut Audit, line: &[u8], hash: &Hash, t_ms: i64) {
        audit.explained.push(Explained {
            generation: self.number,
            seq: self.frontier.size(),
            byte: self.offset,
            t: rfc3339(t_ms),
            line: line.escape_ascii().to_string().replace("\\\"", "\""),
            hash: hash.to_string(),
            covered_by: None,
        });
    }

    fn fault(&self, audit: &mut Audit, exit: Exit, what: impl Into<String>) {
        let fault = Fault::new(exit, &self.file, what);
        let seq = self.frontier.size();
        audit.findings.add(fault.at(seq, Some(self.offset)));
    }
}

/// Longest silence between heartbeats: 26 hours.
const SILENCE_MS_MAX: i64 = 26 * 3_600_000;

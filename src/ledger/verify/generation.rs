//! One generation: its marks, then its entries as a stream, held against every checkpoint that is known of it.

use super::audit::{Audit, Closed, RootKey};
use super::keys::{LogKeys, Verdict};
use super::lines::{Line, Lines};
use super::marks::{self, Point};
use super::ownership::Ownership;
use super::report::{Explained, Fault, GenerationReport, rfc3339};
use crate::ledger::entry::{Body, Entry, LINE_BYTES_MAX, Prior, hash_line};
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE, generation_folder};
use crate::ledger::note::Vkey;
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
    generation.finish(audit);
}

pub(super) struct Generation {
    number: usize,
    file: String,
    origin: String,
    keys: LogKeys,
    /// Marks and known checkpoints of this origin, ascending by size.
    points: Vec<Point>,
    next_point: usize,
    sales: Ownership,
    frontier: Frontier,
    head: Hash,
    first_t: Option<i64>,
    last_t: i64,
    last_beat: i64,
    /// Size of the newest checkpoint that is valid and matches.
    signed: u64,
    /// Marks that no key of ours signed, or none that is vouched for.
    unsigned: u64,
    offset: u64,
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

    fn key_change(&mut self, audit: &mut Audit, entry: &Entry) -> Result<(), String> {
        match &entry.body {
            Body::Open {
                origin,
                vkey,
                root_vkey,
                prior,
                ..
            } if self.frontier.size() == 0 => {
                self.origin = (*origin).to_owned();
                self.claim_known(audit);
                self.open(audit, vkey, root_vkey, prior.as_ref())
            }
            Body::Rotate {
                vkey,
                sig_root,
                sig_old,
                ..
            } => {
                let outcome = self.rotate(audit, vkey, sig_root, sig_old);
                audit.tally.rotations.add(outcome.is_ok());
                outcome
            }
            _ => Ok(()),
        }
    }

    /// Takes over the known checkpoints of this origin.
    fn claim_known(&mut self, audit: &mut Audit) {
        let known = std::mem::take(&mut audit.known);
        let (ours, others): (Vec<_>, Vec<_>) = known
            .into_iter()
            .partition(|point| point.checkpoint.origin == self.origin);
        audit.known = others;
        self.points.extend(ours);
        self.points.sort_by_key(|point| point.checkpoint.size);
        // Nothing was signed before the first entry; a known note of size 0 is held against the empty tree.
        self.reach(audit);
    }

    fn open(
        &mut self,
        audit: &mut Audit,
        vkey: &str,
        root_vkey: &str,
        prior: Option<&Prior>,
    ) -> Result<(), String> {
        let unreadable = |_| "a vkey is unreadable".to_owned();
        let log_key = Vkey::parse(vkey).map_err(unreadable)?;
        let root_key = Vkey::parse(root_vkey).map_err(unreadable)?;
        let mut trusted = audit.is_pinned(&log_key);
        let last = audit.last.take();
        let outcome = match (last, prior) {
            (None, None) => {
                audit.root = Some(RootKey {
                    text: root_vkey.to_owned(),
                    trusted: audit.is_pinned(&root_key),
                    vkey: root_key,
                });
                Ok(())
            }
            (None, Some(_)) => Err("continues a generation that is not in this export".to_owned()),
            (Some(_), None) => Err("does not say which generation it continues".to_owned()),
            (Some(last), Some(prior)) => {
                let root = audit.root.as_ref();
                let outcome = continues(root, &last, prior, vkey, root_vkey);
                trusted |= outcome.is_ok() && root.is_some_and(|root| root.trusted);
                settle_lost(audit, &last, prior, trusted && outcome.is_ok());
                outcome
            }
        };
        self.keys = LogKeys::first(log_key, trusted);
        outcome
    }

    fn rotate(
        &mut self,
        audit: &Audit,
        vkey: &str,
        sig_root: &[u8; 64],
        sig_old: &[u8; 64],
    ) -> Result<(), String> {
        let new = Vkey::parse(vkey).map_err(|_| "the new vkey is unreadable".to_owned())?;
        if new.name() != self.origin {
            return Err("the new vkey's name is not the origin".to_owned());
        }
        let seq = self.frontier.size();
        let message = Body::rotate_message(&self.origin, seq, vkey);
        let (Some((old, old_trusted)), Some(root)) = (self.keys.newest(), &audit.root) else {
            return Err("a rotation before any key".to_owned());
        };
        if !old.verifies(&message, sig_old) {
            return Err("the old log key did not sign this rotation".to_owned());
        }
        if !root.vkey.verifies(&message, sig_root) {
            return Err("the origin key did not sign this rotation".to_owned());
        }
        let trusted = old_trusted || root.trusted;
        self.keys.rotate(new, seq + 1, trusted);
        Ok(())
    }

    /// Holds the tree against every checkpoint of its present size.
    fn reach(&mut self, audit: &mut Audit) {
        let size = self.frontier.size();
        let mut computed = None;
        while let Some(point) = self.points.get_mut(self.next_point) {
            if point.checkpoint.size > size {
                break;
            }
            self.next_point += 1;
            if point.checkpoint.size < size {
                continue; // out of order: the marks are malformed, which was noted
            }
            let root = *computed.get_or_insert_with(|| self.frontier.root());
            let matches = point.checkpoint.root == root;
            point.matches = Some(matches);
            if point.known {
                continue; // judged at the end, when all keys are known
            }
            let verdict = self.keys.judge(&point.checkpoint);
            point.valid = verdict == Verdict::Valid;
            audit.tally.roots.add(matches);
            audit.tally.signatures.add(point.valid);
            let signed_root = point.checkpoint.root;
            match verdict {
                Verdict::Valid => {}
                Verdict::Untrusted | Verdict::Unsigned => self.unsigned += 1,
                Verdict::Forged => audit.findings.add(mark_fault(self.number, size, FORGED)),
                Verdict::OutOfRange => {
                    audit
                        .findings
                        .add(mark_fault(self.number, size, OUT_OF_RANGE));
                }
            }
            if !matches {
                let what = "the signed root is not that of the entries";
                let fault = Fault::new(Exit::Tampered, &self.file, what);
                let fault = fault.at(size, Some(self.offset));
                audit.findings.add(fault.hashes(signed_root, root));
            } else if verdict == Verdict::Valid && audit.findings.fault.is_none() {
                self.signed = size;
                let number = self.number;
                audit.last_good = Some(format!("generation {number}, size {size}, root {root}"));
            }
        }
    }

    fn finish(mut self, audit: &mut Audit) {
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

    /// Marks above the entries, and marks that a later key signed.
    fn judge_unreached(&self, audit: &mut Audit) {
        let entries = self.frontier.size();
        for point in self.points.iter().filter(|point| !point.known) {
            let size = point.checkpoint.size;
            if point.matches.is_none() {
                audit.tally.roots.add(false);
                audit.tally.signatures.add(false);
                let what = format!("the entries end at {entries}, below a signed size");
                let fault = Fault::new(Exit::Tampered, &self.file, what);
                audit.findings.add(fault.at(size, None));
            } else if self.keys.rotated()
                && self.keys.judge(&point.checkpoint) == Verdict::OutOfRange
            {
                audit
                    .findings
                    .add(mark_fault(self.number, size, OUT_OF_RANGE));
            }
        }
    }

    fn judge_known(&mut self, audit: &mut Audit) {
        for point in self.points.iter_mut().filter(|point| point.known) {
            let verdict = self.keys.judge(&point.checkpoint);
            let size = point.checkpoint.size;
            point.valid = verdict == Verdict::Valid;
            match (verdict, point.matches) {
                (Verdict::Valid, None) => {
                    audit.beyond.push(point.clone());
                    continue;
                }
                (Verdict::Valid, Some(true)) => {}
                (Verdict::Valid, Some(false)) => {
                    let what = "a known checkpoint has another root than these entries";
                    let fault = Fault::new(Exit::Tampered, &point.file, what);
                    audit.findings.add(fault.at(size, None));
                }
                (Verdict::OutOfRange, _) => {
                    let fault = Fault::new(Exit::Tampered, &point.file, OUT_OF_RANGE);
                    audit.findings.add(fault.at(size, None));
                }
                (Verdict::Untrusted | Verdict::Unsigned | Verdict::Forged, _) => {
                    let what = "a known note that the pinned key did not sign";
                    audit.findings.missing(format!("{}: {what}", point.file));
                }
            }
            let passed = verdict == Verdict::Valid && point.matches == Some(true);
            audit.tally.known.add(passed);
        }
    }

    /// Two valid signatures that cannot both be true: one size with two roots, or a root that is not that of the
    /// entries although a checkpoint of the same or a larger size is.
    fn find_forks(&self, audit: &mut Audit) {
        let mut larger: Option<&Point> = None;
        let mut agreeing: Option<&Point> = None;
        for point in self.points.iter().rev().filter(|point| point.valid) {
            let (size, root) = (point.checkpoint.size, point.checkpoint.root);
            let twin = larger.filter(|p| p.checkpoint.size == size && p.checkpoint.root != root);
            let agreed = agreeing.filter(|_| point.matches == Some(false));
            if let Some(other) = twin.or(agreed) {
                let (other_file, other_size) = (&other.file, other.checkpoint.size);
                let what = format!("contradicts the checkpoint of size {other_size}: {other_file}");
                let fault = Fault::new(Exit::Fork, &point.file, what).at(size, None);
                audit
                    .findings
                    .add(fault.hashes(other.checkpoint.root, root));
                return;
            }
            larger = Some(point);
            if point.matches == Some(true) {
                agreeing = Some(agreeing.unwrap_or(point));
            }
        }
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

/// Whether an `open` continues the generation before it (section 10).
fn continues(
    root: Option<&RootKey>,
    last: &Closed,
    prior: &Prior,
    vkey: &str,
    root_vkey: &str,
) -> Result<(), String> {
    let Some(root) = root.filter(|root| root.text == root_vkey) else {
        return Err("names another root_vkey than generation 0".to_owned());
    };
    let message = Body::open_message(prior.origin, prior.size, &prior.head, prior.signed, vkey);
    if !root.vkey.verifies(&message, &prior.sig_root) {
        return Err("the origin key did not sign this open".to_owned());
    }
    if (prior.origin, prior.size, prior.head) != (last.origin.as_str(), last.size, last.head) {
        return Err(format!(
            "continues {} at size {}, but the generation before is {} with {} entries and head {}",
            prior.origin, prior.size, last.origin, last.size, last.head
        ));
    }
    Ok(())
}

/// Known notes above the restored copy are lost up to `prior_signed`; above it they prove that entries were removed,
/// and so does an unsigned tail unless the origin key vouches for the copy's head.
fn settle_lost(audit: &mut Audit, last: &Closed, prior: &Prior, vouched: bool) {
    for point in std::mem::take(&mut audit.beyond) {
        let size = point.checkpoint.size;
        let lost = vouched && size > prior.size && size <= prior.signed;
        audit.tally.known.add(lost);
        if lost {
            let origin = &last.origin;
            let what = format!(
                "{}: size {size} of {origin} was lost in a restore",
                point.file
            );
            audit.findings.note(what);
        } else {
            let what = "a known size above what the restore admits to have lost";
            let fault = Fault::new(Exit::Tampered, &point.file, what);
            audit.findings.add(fault.at(size, None));
        }
    }
    if last.tail > 0 && !vouched {
        let what = format!(
            "the last {} entries of {} are not signed",
            last.tail, last.origin
        );
        audit.findings.missing(what);
    }
}

fn mark_fault(generation: usize, size: u64, what: &str) -> Fault {
    let file = format!("{}/{MARKS_FILE}", generation_folder(generation));
    Fault::new(Exit::Tampered, file, what).at(size, None)
}

/// Longest silence between heartbeats: 26 hours.
const SILENCE_MS_MAX: i64 = 26 * 3_600_000;
const FORGED: &str = "a wrong signature under the log key's name";
const OUT_OF_RANGE: &str = "a checkpoint signed by a key outside its range of sizes";

//! Marks and known checkpoints held against the entries, and against each other.

use super::audit::Audit;
use super::generation::Generation;
use super::keys::Verdict;
use super::marks::Point;
use super::report::Fault;
use crate::ledger::Exit;
use crate::ledger::export::{MARKS_FILE, generation_folder};

impl Generation {
    /// Holds the tree against every checkpoint of its present size.
    pub(super) fn reach(&mut self, audit: &mut Audit) {
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

    /// Marks above the entries, and marks that a later key signed.
    pub(super) fn judge_unreached(&self, audit: &mut Audit) {
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

    pub(super) fn judge_known(&mut self, audit: &mut Audit) {
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
    pub(super) fn find_forks(&self, audit: &mut Audit) {
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
}

fn mark_fault(generation: usize, size: u64, what: &str) -> Fault {
    let file = format!("{}/{MARKS_FILE}", generation_folder(generation));
    Fault::new(Exit::Tampered, file, what).at(size, None)
}

const FORGED: &str = "a wrong signature under the log key's name";
const OUT_OF_RANGE: &str = "a checkpoint signed by a key outside its range of sizes";

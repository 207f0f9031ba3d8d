//! Marks and known checkpoints held against the entries, and against each other.

use super::audit::Audit;
use super::generation::Generation;
use super::keys::Verdict;
use super::point::Point;
use super::report::{Fault, Form};
use crate::ledger::tree::{Subtrees, empty_root};
use crate::ledger::{Exit, Hash};

impl Generation {
    /// Holds the tree against every checkpoint of its present size. `block` holds the leaves that the tree does not
    /// have yet.
    pub(super) fn reach(&mut self, audit: &mut Audit<'_>, block: Option<&Subtrees>) {
        let size = self.size;
        let mut computed = None;
        while let Some(point) = self.points.get(self.next_point) {
            if point.size > size {
                break;
            }
            self.next_point += 1;
            if point.size < size {
                continue; // before a range, or out of order: the marks are malformed, which was noted
            }
            let root = *computed.get_or_insert_with(|| {
                block.inspect(|block| self.grow(block));
                self.frontier.root()
            });
            self.hold(audit, self.next_point - 1, root);
        }
    }

    /// Lets the tree grow up to the present size.
    pub(super) fn grow(&mut self, block: &Subtrees) {
        let tracker = &mut self.tracker;
        block.extend(&mut self.frontier, self.size, |level, number, hash| {
            if let Some(tracker) = tracker {
                tracker.see(level, number, hash);
            }
        });
    }

    /// Holds one point against the root of its size.
    fn hold(&mut self, audit: &mut Audit<'_>, number: usize, root: Hash) {
        let verdict = self.judge(audit, &self.points[number]);
        let point = &mut self.points[number];
        let (size, matches) = (point.size, point.root == root);
        point.matches = Some(matches);
        if point.known.is_some() {
            return; // judged at the end, when all keys are known
        }
        point.valid = verdict == Verdict::Valid;
        audit.tally.roots.add(matches);
        audit.tally.signatures.add(point.valid);
        let signed_root = point.root;
        match verdict {
            Verdict::Valid => {}
            Verdict::Untrusted | Verdict::Unsigned => self.unsigned += 1,
            Verdict::Forged => audit.findings.add(self.mark_fault(size, FORGED)),
            Verdict::OutOfRange => audit.findings.add(self.mark_fault(size, OUT_OF_RANGE)),
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
            if let Some(tracker) = &mut self.tracker {
                tracker.cover(&self.frontier, &root);
            }
        }
    }

    /// Marks above the entries, and marks that a later key signed.
    pub(super) fn judge_unreached(&mut self, audit: &mut Audit<'_>) {
        for number in 0..self.points.len() {
            if self.points[number].known.is_some() {
                continue;
            }
            let verdict = self.judge(audit, &self.points[number]);
            let point = &mut self.points[number];
            let size = point.size;
            if point.matches.is_none() {
                // A fork may lie above the entries; a checkpoint of another log is none of this one's.
                point.valid = verdict == Verdict::Valid;
                audit.tally.roots.add(false);
                audit.tally.signatures.add(false);
                let what = format!("the entries end at {}, below a signed size", self.size);
                let fault = Fault::new(Exit::Tampered, &self.file, what);
                audit.findings.add(fault.at(size, None));
            } else if self.keys.rotated() {
                // Of what the size's own key made of it, that is a second word: the first one stands.
                match verdict {
                    Verdict::OutOfRange => audit.findings.add(self.mark_fault(size, OUT_OF_RANGE)),
                    Verdict::Forged => audit.findings.add(self.mark_fault(size, FORGED)),
                    Verdict::Valid | Verdict::Untrusted | Verdict::Unsigned => {}
                }
            }
        }
    }

    pub(super) fn judge_known(&mut self, audit: &mut Audit<'_>) {
        for number in 0..self.points.len() {
            let Some(file) = self.points[number].known.clone() else {
                continue;
            };
            let verdict = self.judge(audit, &self.points[number]);
            let point = &mut self.points[number];
            let size = point.size;
            point.valid = verdict == Verdict::Valid;
            if (size, self.base) == (0, 0) {
                point.matches = Some(point.root == empty_root());
            }
            match (verdict, point.matches) {
                (Verdict::Valid, None) if size < self.base => {
                    let base = self.base;
                    let what = format!(
                        "a known note of size {size}, before this range: export from {base} on reaches back no further"
                    );
                    audit.findings.missing(format!("{file}: {what}"));
                }
                (Verdict::Valid, None) => {
                    audit.beyond.push(point.clone());
                    continue;
                }
                (Verdict::Valid, Some(true)) => {}
                (Verdict::Valid, Some(false)) => {
                    let what = "a known checkpoint has another root than these entries";
                    let fault = Fault::new(Exit::Tampered, &file, what);
                    audit.findings.add(fault.at(size, None));
                }
                (Verdict::OutOfRange, _) => {
                    let fault = Fault::new(Exit::Tampered, &file, OUT_OF_RANGE);
                    audit.findings.add(fault.at(size, None));
                }
                (Verdict::Untrusted | Verdict::Unsigned | Verdict::Forged, _) => {
                    let what = "a known note that the pinned key did not sign";
                    audit.findings.missing(format!("{file}: {what}"));
                }
            }
            let passed = verdict == Verdict::Valid && point.matches == Some(true);
            audit.tally.known.add(passed);
        }
    }

    /// Two valid signatures that cannot both be true: one size with two roots, or a root that is not that of the
    /// entries although a checkpoint of the same or a larger size is.
    pub(super) fn find_forks(&self, audit: &mut Audit<'_>) {
        let mut larger: Option<&Point> = None;
        let mut agreeing: Option<&Point> = None;
        for point in self.points.iter().rev().filter(|point| point.valid) {
            let twin = larger.filter(|p| p.size == point.size && p.root != point.root);
            let agreed = agreeing.filter(|_| point.matches == Some(false));
            if let Some(other) = twin.or(agreed) {
                let (other_file, other_size) = (self.file_of(other), other.size);
                let what = format!("contradicts the checkpoint of size {other_size}: {other_file}");
                let fault = Fault::new(Exit::Fork, self.file_of(point), what).at(point.size, None);
                audit.findings.add(fault.hashes(other.root, point.root));
                return;
            }
            larger = Some(point);
            if point.matches == Some(true) {
                agreeing = Some(agreeing.unwrap_or(point));
            }
        }
    }

    /// Who signed a point, as far as the keys known by now tell. A skeleton names no keys: there each mark must be by
    /// a pinned one.
    pub(super) fn judge(&self, audit: &Audit<'_>, point: &Point) -> Verdict {
        let pinned = &audit.request.vkeys;
        if self.form != Form::Skeleton {
            return self.keys.judge(point, pinned);
        }
        let signer = point.pinned.and_then(|number| pinned.get(number));
        match signer.is_some_and(|vkey| vkey.name() == self.origin) {
            true => Verdict::Valid,
            false => Verdict::Unsigned,
        }
    }

    fn file_of<'a>(&'a self, point: &'a Point) -> &'a str {
        point.known.as_deref().unwrap_or(&self.marks_file)
    }

    fn mark_fault(&self, size: u64, what: &str) -> Fault {
        Fault::new(Exit::Tampered, &self.marks_file, what).at(size, None)
    }
}

pub(super) const FORGED: &str = "a wrong signature under the log key's name";
pub(super) const OUT_OF_RANGE: &str = "a checkpoint signed by a key outside its range of sizes";

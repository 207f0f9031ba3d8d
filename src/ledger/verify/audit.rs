//! A run over all generations: what carries over from one to the next, and the verdict.

use super::generation::{self, Generation};
use super::marks::{Point, pinned_verdict};
use super::report::{Anchor, Check, Explained, Fault, GenerationReport, Report};
use super::rules::Rules;
use super::{KnownFile, Request, folder};
use crate::ledger::note::{Checkpoint, SignedBy, Vkey};
use crate::ledger::receipt::Receipt;
use crate::ledger::timestamp::Authorities;
use crate::ledger::{Exit, Hash};
use std::path::Path;

pub(super) fn run(export: &Path, request: &Request) -> Report {
    let mut audit = Audit::new(request);
    audit.load_authorities();
    for file in &request.known {
        audit.load_known(file);
    }
    if request.vkeys.is_empty() {
        let fault = Fault::new(Exit::Usage, "--vkey", "give the key that you trust");
        audit.findings.add(fault);
        return audit.report();
    }
    match folder::read(export) {
        Ok(export) => {
            for (number, folder) in export.generations.iter().enumerate() {
                generation::verify(&mut audit, number, folder);
            }
        }
        Err(fault) => audit.findings.add(*fault),
    }
    audit.report()
}

/// The state of a run.
pub(super) struct Audit<'a> {
    pub(super) request: &'a Request,
    pub(super) findings: Findings,
    pub(super) tally: Tally,
    pub(super) rules: Rules,
    /// Known checkpoints that no generation has claimed yet.
    pub(super) known: Vec<Point>,
    /// Valid known checkpoints above the entries of the last generation.
    pub(super) beyond: Vec<Point>,
    pub(super) root: Option<RootKey>,
    pub(super) last: Option<Closed>,
    generations: Vec<GenerationReport>,
    pub(super) explained: Vec<Explained>,
    pub(super) last_good: Option<String>,
    pub(super) in_range: u64,
    pub(super) nonce_found: bool,
    /// Who is trusted to stamp the time.
    pub(super) authorities: Authorities,
    pub(super) anchors: Vec<Anchor>,
    pub(super) unlisted_anchors: u64,
    pub(super) time_stamps: u64,
}

/// The origin key, as generation 0 names it.
pub(super) struct RootKey {
    pub(super) text: String,
    pub(super) vkey: Vkey,
    /// Pinned by the user, or within a history that a pinned key signed.
    pub(super) trusted: bool,
}

/// The generation before.
pub(super) struct Closed {
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) head: Hash,
    /// Entries after its newest checkpoint.
    pub(super) tail: u64,
}

/// The first fault in reading order, and what outranks it or lies below it.
#[derive(Default)]
pub(super) struct Findings {
    internal: Option<Fault>,
    fork: Option<Fault>,
    pub(super) fault: Option<Fault>,
    pub(super) incomplete: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Findings {
    pub(super) fn add(&mut self, fault: Fault) {
        let place = match fault.exit {
            Exit::Incomplete => {
                self.missing(format!("{}: {}", fault.file, fault.what));
                return;
            }
            Exit::Internal | Exit::Usage => &mut self.internal,
            Exit::Fork => &mut self.fork,
            _ => &mut self.fault,
        };
        place.get_or_insert(fault);
    }

    pub(super) fn missing(&mut self, what: impl Into<String>) {
        if self.incomplete.len() < LISTED_MAX {
            self.incomplete.push(what.into());
        }
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        if self.notes.len() < LISTED_MAX {
            self.notes.push(what.into());
        }
    }
}

/// How many of each check passed, and how many there were.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) lines: Count,
    pub(super) chain: Count,
    pub(super) rules: Count,
    pub(super) roots: Count,
    pub(super) signatures: Count,
    pub(super) rotations: Count,
    pub(super) heartbeats: Count,
    pub(super) known: Count,
    pub(super) receipts: Count,
    /// Not needed for a verdict of 0: what was asked for and is not there is said apart.
    pub(super) anchors: Count,
}

#[derive(Default, Clone, Copy)]
pub(super) struct Count {
    passed: u64,
    total: u64,
}

impl Count {
    pub(super) fn add(&mut self, passed: bool) {
        self.total += 1;
        self.passed += u64::from(passed);
    }
}

impl<'a> Audit<'a> {
    fn new(request: &'a Request) -> Self {
        Self {
            request,
            findings: Findings::default(),
            tally: Tally::default(),
            rules: Rules::default(),
            known: Vec::new(),
            beyond: Vec::new(),
            root: None,
            last: None,
            generations: Vec::new(),
            explained: Vec::new(),
            last_good: None,
            in_range: 0,
            nonce_found: false,
            authorities: Authorities::nobody(),
            anchors: Vec::new(),
            unlisted_anchors: 0,
            time_stamps: 0,
        }
    }

    pub(super) fn is_pinned(&self, vkey: &Vkey) -> bool {
        self.request.vkeys.contains(vkey)
    }

    /// A generation is through.
    pub(super) fn close(&mut self, generation: &Generation, report: GenerationReport) {
        self.last = Some(Closed {
            origin: report.origin.clone(),
            size: report.entries,
            head: generation.head(),
            tail: report.entries - report.signed,
        });
        self.generations.push(report);
    }

    fn load_known(&mut self, file: &KnownFile) {
        if file.bytes.starts_with(b"keystall-receipt/") {
            return self.load_receipt(file);
        }
        let text = std::str::from_utf8(&file.bytes).unwrap_or_default();
        match Checkpoint::parse(text) {
            Ok(checkpoint) => self.add_known(checkpoint, &file.name),
            Err(error) => {
                let fault = Fault::new(Exit::Malformed, &file.name, error.to_string());
                self.findings.add(fault);
            }
        }
    }

    fn load_receipt(&mut self, file: &KnownFile) {
        let receipt = Receipt::parse(&file.bytes).map_err(Into::into);
        let proven = receipt.and_then(|receipt| receipt.verify_unsigned());
        self.tally.receipts.add(proven.is_ok());
        match proven {
            Ok(proven) => {
                for checkpoint in proven.checkpoints {
                    self.add_known(checkpoint, &file.name);
                }
            }
            Err(error) => {
                let fault = Fault::new(error.exit, &file.name, error.what);
                self.findings.add(fault);
            }
        }
    }

    fn add_known(&mut self, checkpoint: Checkpoint, name: &str) {
        let valid = pinned_verdict(&checkpoint, &self.request.vkeys) == SignedBy::Yes;
        self.known.push(Point {
            checkpoint,
            known: true,
            file: name.to_owned(),
            valid,
            matches: None,
        });
    }

    /// What only the end of all generations can tell.
    fn settle(&mut self) {
        for point in std::mem::take(&mut self.known) {
            self.tally.known.add(false);
            let origin = &point.checkpoint.origin;
            let what = format!("a known note of {origin}, which is not in this export");
            self.findings.missing(format!("{}: {what}", point.file));
        }
        for point in std::mem::take(&mut self.beyond) {
            self.tally.known.add(false);
            let what = "the file ends below the size of a known note";
            let fault = Fault::new(Exit::Tampered, &point.file, what);
            self.findings.add(fault.at(point.checkpoint.size, None));
        }
        // After a fault no checkpoint counts, which says nothing of what was signed.
        let sound = self.findings.fault.is_none() && self.findings.fork.is_none();
        if let Some(last) = self.last.as_ref().filter(|last| sound && last.tail > 0) {
            let what = format!("the last {} entries are not signed", last.tail);
            self.findings.missing(what);
        }
        self.settle_anchors();
        if self.request.nonce.is_some() && !self.nonce_found {
            self.findings.missing("the nonce was not found");
        }
        let bounded = self.request.since_ms.is_some() || self.request.until_ms.is_some();
        match (bounded, self.in_range) {
            (true, 0) => self.findings.missing("no entry in the given range of time"),
            (true, count) => {
                let what = format!("{count} entries claim a time in the given range");
                self.findings.note(what);
            }
            (false, _) => {}
        }
        if let Some(seq) = self.request.explain.filter(|_| self.explained.is_empty()) {
            self.findings.missing(format!("there is no entry {seq}"));
        }
    }

    fn verdict(&mut self) -> (Exit, Option<Fault>) {
        let findings = &mut self.findings;
        let first = findings.internal.take();
        let first = first.or(findings.fork.take()).or(findings.fault.take());
        if let Some(fault) = first {
            return (fault.exit, Some(fault));
        }
        // Zero only if there was something to check and every check of it passed.
        let tally = &self.tally;
        let needed = [
            tally.lines,
            tally.chain,
            tally.rules,
            tally.roots,
            tally.signatures,
        ];
        let rest = [
            tally.rotations,
            tally.heartbeats,
            tally.known,
            tally.receipts,
        ];
        let whole = needed.iter().all(|count| count.total > 0)
            && needed.iter().chain(&rest).all(|c| c.passed == c.total);
        if !whole && findings.incomplete.is_empty() {
            findings.missing("not every check could be made");
        }
        match findings.incomplete.is_empty() {
            true => (Exit::Proven, None),
            false => (Exit::Incomplete, None),
        }
    }

    fn report(mut self) -> Report {
        self.settle();
        let (exit, fault) = self.verdict();
        let slots = Count {
            passed: self.rules.slots,
            total: self.rules.slots,
        };
        let tally = &self.tally;
        let checks = [
            ("canonical", tally.lines),
            ("chain", tally.chain),
            ("rules", tally.rules),
            ("slots", slots),
            ("roots", tally.roots),
            ("signatures", tally.signatures),
            ("rotations", tally.rotations),
            ("heartbeats", tally.heartbeats),
            ("known", tally.known),
            ("receipts", tally.receipts),
            ("anchors", tally.anchors),
        ];
        let check = |(name, count): (&'static str, Count)| Check {
            name,
            passed: count.passed,
            total: count.total,
        };
        let mut not_proven = not_proven(&self.generations, self.request.known.is_empty());
        let unproven = self.anchors.iter().filter(|anchor| !anchor.passed);
        let unproven = unproven.map(|anchor| format!("{anchor}: {}", anchor.not_proven));
        not_proven.extend(unproven.take(LISTED_MAX));
        Report {
            exit,
            pinned: self.request.vkeys.iter().map(Vkey::to_string).collect(),
            not_proven,
            anchors: self.anchors,
            generations: self.generations,
            checks: checks.into_iter().map(check).collect(),
            stock: self.rules.balances(),
            fault,
            incomplete: self.findings.incomplete,
            notes: self.findings.notes,
            explained: self.explained,
            last_good: self.last_good,
        }
    }
}

fn not_proven(generations: &[GenerationReport], nothing_known: bool) -> Vec<String> {
    let signed = generations.last().map_or(0, |last| last.signed);
    let mut all = vec![
        format!("complete up to size {signed}; nothing here proves that {signed} is the latest"),
        "that what was written is true, or that everything was written".to_owned(),
        "that no key was loaded into two slots: two buyers comparing receipts find that".to_owned(),
    ];
    if nothing_known {
        let what = "that others were shown the same history: give what they kept with --known";
        all.push(what.to_owned());
    }
    all
}

/// Longest list of like findings.
const LISTED_MAX: usize = 100;

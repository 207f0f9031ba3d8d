//! A run over all generations: what carries over from one to the next, and the verdict.

use super::contents;
use super::explain::Explained;
use super::point::Point;
use super::report::{Anchor, Check, Fault, Form, GenerationReport, Report, one_line};
use super::rules::Rules;
use super::source::Source;
use super::{KnownFile, Request, generation, in_order};
use crate::ledger::entry::Entry;
use crate::ledger::note::{Checkpoint, Vkey};
use crate::ledger::receipt::Receipt;
use crate::ledger::timestamp::Authorities;
use crate::ledger::{Exit, Hash};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn run(export: &Path, request: &Request, tell: &Tell<'_>) -> Report {
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
    if let Err(fault) = audit.generations(export, tell) {
        audit.findings.add(*fault);
    }
    audit.report()
}

/// Who is told how far a run is.
pub(super) type Tell<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// What a run reads and with what means.
pub(super) struct Run<'a> {
    pub(super) source: &'a Source,
    pub(super) request: &'a Request,
    pub(super) threads: usize,
    pub(super) progress: Progress<'a>,
}

/// Bytes read of all that are to be read.
pub(super) struct Progress<'a> {
    tell: &'a Tell<'a>,
    done: AtomicU64,
    total: u64,
}

impl Progress<'_> {
    /// So many more.
    pub(super) fn add(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        (self.tell)((before + bytes).min(self.total), self.total);
    }
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
    pub(super) explained: Option<Explained>,
    pub(super) last_good: Option<String>,
    /// The last mark of the newest generation so far, with all its signature lines.
    pub(super) newest_mark: Option<Checkpoint>,
    /// What was lost in restores.
    pub(super) lost: Vec<String>,
    counted: Counted,
    pub(super) nonce_found: bool,
    /// Who is trusted to stamp the time.
    pub(super) authorities: Authorities,
    pub(super) anchors: Vec<Anchor>,
    pub(super) unlisted_anchors: u64,
    pub(super) time_stamps: u64,
}

/// Entries that claim a time in the range that was asked for.
#[derive(Default)]
struct Counted {
    entries: u64,
    first: Option<(usize, u64)>,
    last: (usize, u64),
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
    pub(super) outages: Outages,
}

/// Outages that the ledger admits. However many small ones there are, none hides a large one.
#[derive(Default)]
pub(super) struct Outages {
    count: u64,
    sum_ms: i64,
    longest_ms: i64,
    longest: String,
}

impl Outages {
    /// `what` says which entry admits it.
    pub(super) fn add(&mut self, down_ms: i64, what: &str) {
        self.count += 1;
        self.sum_ms = self.sum_ms.saturating_add(down_ms);
        if down_ms > self.longest_ms {
            self.longest_ms = down_ms;
            what.clone_into(&mut self.longest);
        }
    }
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
            self.incomplete.push(one_line(what.into()));
        }
    }

    /// What must be said: there is one of it for each generation, or for each file that the user gave.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.notes.push(one_line(what.into()));
    }

    /// What a ledger may hold any number of.
    pub(super) fn note_outage(&mut self, what: String) {
        if self.outages.count <= OUTAGES_LISTED_MAX {
            self.note(what);
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
    pub(super) carried: Count,
    pub(super) rotations: Count,
    pub(super) heartbeats: Count,
    pub(super) known: Count,
    pub(super) receipts: Count,
    pub(super) witnesses: Count,
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
            explained: None,
            last_good: None,
            newest_mark: None,
            lost: Vec::new(),
            counted: Counted::default(),
            nonce_found: false,
            authorities: Authorities::nobody(),
            anchors: Vec::new(),
            unlisted_anchors: 0,
            time_stamps: 0,
        }
    }

    fn generations(&mut self, export: &Path, tell: &Tell<'_>) -> Result<(), Box<Fault>> {
        let source = Source::find(export)?;
        let listed = AtomicU64::new(0);
        let seen = |bytes| tell(listed.fetch_add(bytes, Ordering::Relaxed) + bytes, 0);
        let at = export.display().to_string();
        let contents = contents::read(&source, &at, &seen)?;
        // Entries are read twice, hashes once.
        let passes = |form| if form == Form::Skeleton { 1 } else { 2 };
        let bytes = contents.generations.iter();
        let bytes = bytes.map(|files| files.bytes.saturating_mul(passes(files.form)));
        let run = Run {
            source: &source,
            request: self.request,
            threads: match self.request.threads {
                0 => in_order::threads(),
                asked => asked,
            },
            progress: Progress {
                tell,
                done: AtomicU64::new(0),
                total: bytes.fold(0, u64::saturating_add),
            },
        };
        for files in &contents.generations {
            generation::verify(self, &run, files);
        }
        Ok(())
    }

    /// Whether a generation before has this origin.
    pub(super) fn had_origin(&self, origin: &str) -> bool {
        self.generations
            .iter()
            .any(|before| before.origin == origin)
    }

    pub(super) fn is_pinned(&self, vkey: &Vkey) -> bool {
        self.request.vkeys.contains(vkey)
    }

    /// Counts an entry if its time lies in the range that was asked for.
    pub(super) fn count(&mut self, generation: usize, entry: &Entry<'_>) {
        let since = self.request.since_ms.unwrap_or(i64::MIN);
        let until = self.request.until_ms.unwrap_or(i64::MAX);
        if (since..=until).contains(&entry.t_ms) {
            let place = (generation, entry.seq);
            self.counted.entries += 1;
            self.counted.first.get_or_insert(place);
            self.counted.last = place;
        }
    }

    /// A generation is through.
    pub(super) fn close(&mut self, report: GenerationReport) {
        self.generations.push(report);
    }

    /// What the generation after it may continue.
    pub(super) fn closed(&mut self, origin: &str, size: u64, head: Hash, signed: u64) {
        self.last = Some(Closed {
            origin: origin.to_owned(),
            size,
            head,
            tail: size - signed,
        });
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
        let point = Point::known(checkpoint, name, &self.request.vkeys);
        self.known.push(point);
    }

    /// What only the end of all generations can tell.
    fn settle(&mut self) {
        for point in std::mem::take(&mut self.known) {
            self.tally.known.add(false);
            let (name, origin) = (point.known.as_deref().unwrap_or_default(), point.origin());
            let what = format!("a known note of {origin}, which is not in this export");
            self.findings.missing(format!("{name}: {what}"));
        }
        for point in std::mem::take(&mut self.beyond) {
            self.tally.known.add(false);
            let end = self.last.as_ref().map_or(0, |last| last.size);
            let name = point.known.as_deref().unwrap_or_default();
            let what = format!(
                "this export ends at size {end}; {name} was signed at size {}. If the export was made before that note, \
                 ask for a newer one; if after, entries were taken away.",
                point.size
            );
            let fault = Fault::new(Exit::Tampered, name, what);
            self.findings.add(fault.at(point.size, None));
        }
        // After a fault no checkpoint counts, which says nothing of what was signed.
        let sound = self.findings.fault.is_none() && self.findings.fork.is_none();
        if let Some(last) = self.last.as_ref().filter(|last| sound && last.tail > 0) {
            let what = format!("the last {} entries are not signed", last.tail);
            self.findings.missing(what);
        }
        if let Some(last) = self.generations.last()
            && (last.entries, last.form) == (0, Form::Range)
        {
            let what = "an empty range: none of its entries is here";
            self.findings
                .missing(format!("generation {}: {what}", last.number));
        }
        for batch in &self.rules.unknown_batches {
            let what = "its batch's import is not in this range";
            self.findings
                .missing(format!("slots of batch {batch} are handed out: {what}"));
        }
        let outages = std::mem::take(&mut self.findings.outages);
        if outages.count > 1 {
            let (count, sum_ms, longest) = (outages.count, outages.sum_ms, outages.longest);
            let what =
                format!("{count} outages are admitted, {sum_ms} ms in all; the longest: {longest}");
            self.findings.notes.push(what);
        }
        self.judge_witnesses();
        self.settle_anchors();
        self.settle_strangers();
        if self.request.nonce.is_some() && !self.nonce_found {
            self.findings.missing("the nonce was not found");
        }
        let bounded = self.request.since_ms.is_some() || self.request.until_ms.is_some();
        match (bounded, self.counted.first) {
            (true, None) => self.findings.missing("no entry in the given range of time"),
            (true, Some((from, first))) => {
                let (count, (to, last)) = (self.counted.entries, self.counted.last);
                self.findings.note(format!(
                    "{count} entries claim a time in the given range, from {from}:{first} to {to}:{last}"
                ));
            }
            (false, _) => {}
        }
        if let Some(place) = self.request.explain.filter(|_| self.explained.is_none()) {
            let what = format!("entry {} of generation {}", place.seq, place.generation);
            self.findings.missing(format!("there is no {what} here"));
        }
    }

    /// Where no signature counts, that is said before all else.
    fn settle_strangers(&mut self) {
        let Some(newest) = self.generations.last() else {
            return; // it could not be opened, which was noted
        };
        // After a fault no checkpoint may have been reached, which says nothing of who signed.
        let faulty = [
            &self.findings.internal,
            &self.findings.fork,
            &self.findings.fault,
        ];
        if self.tally.signatures.passed > 0 || faulty.iter().any(|fault| fault.is_some()) {
            return;
        }
        let mut what =
            "no checkpoint here is signed by a key that you gave: this proves nothing".to_owned();
        let of_here = |vkey: &Vkey| self.generations.iter().any(|g| g.origin == vkey.name());
        let pinned = &self.request.vkeys;
        if let Some(vkey) = pinned.first().filter(|_| !pinned.iter().any(of_here))
            && !newest.origin.is_empty()
        {
            let (name, origin) = (vkey.name(), &newest.origin);
            what += &format!("; the pinned key is of another log: {name}; this is {origin}");
        }
        self.findings.incomplete.insert(0, what);
    }

    fn not_proven(&self) -> Vec<String> {
        let Some(newest) = self.generations.last() else {
            return vec!["anything: nothing of an export was read".to_owned()];
        };
        let signed = newest.signed;
        let complete = match self.tally.signatures.passed {
            0 => "anything: no checkpoint here counts".to_owned(),
            _ => format!(
                "complete up to size {signed}; nothing here proves that {signed} is the latest"
            ),
        };
        let mut all = vec![
            complete,
            "that what was written is true, or that everything was written".to_owned(),
        ];
        for generation in &self.generations {
            unproven_of_form(generation, &mut all);
        }
        if self.rules.unjudged > 0 {
            let count = self.rules.unjudged;
            all.push(format!(
                "that {count} entries fit the sales before the range that they refer to"
            ));
        }
        all.extend(self.lost.iter().cloned());
        let unproven = self.anchors.iter().filter(|anchor| !anchor.passed);
        let unproven = unproven.map(|anchor| format!("{anchor}: {}", anchor.not_proven));
        all.extend(unproven.take(LISTED_MAX));
        all.push(
            "that no key was loaded into two slots: two buyers comparing receipts find that"
                .to_owned(),
        );
        if self.request.known.is_empty() {
            let what = "that others were shown the same history: give what they kept with --known";
            all.push(what.to_owned());
        }
        all
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
        let of_lines = [tally.lines, tally.chain, tally.rules];
        let skeleton = self.generations.iter().all(|g| g.form == Form::Skeleton);
        let mut needed = vec![tally.roots, tally.signatures];
        needed.extend(of_lines.into_iter().filter(|_| !skeleton));
        let rest = [
            tally.carried,
            tally.rotations,
            tally.heartbeats,
            tally.known,
            tally.receipts,
            tally.witnesses,
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
            ("carried", tally.carried),
            ("roots", tally.roots),
            ("signatures", tally.signatures),
            ("rotations", tally.rotations),
            ("heartbeats", tally.heartbeats),
            ("known", tally.known),
            ("receipts", tally.receipts),
            ("witnesses", tally.witnesses),
            ("anchors", tally.anchors),
        ];
        let check = |(name, count): (&'static str, Count)| Check {
            name,
            passed: count.passed,
            total: count.total,
        };
        Report {
            exit,
            pinned: self.request.vkeys.iter().map(Vkey::to_string).collect(),
            not_proven: self.not_proven(),
            anchors: self.anchors,
            generations: self.generations,
            checks: checks.into_iter().map(check).collect(),
            in_range: self.rules.partial,
            money: self.rules.money(),
            stock: self.rules.balances(),
            fault,
            incomplete: self.findings.incomplete,
            notes: self.findings.notes,
            explained: self.explained.into_iter().collect(),
            last_good: self.last_good,
        }
    }
}

/// What the form of a generation leaves open.
fn unproven_of_form(generation: &GenerationReport, all: &mut Vec<String>) {
    let (number, first) = (generation.number, generation.first_seq);
    match generation.form {
        Form::Whole => {}
        Form::Range if generation.entries == 0 => all.push(format!(
            "anything that the {first} entries of generation {number} say: only their tree was held against its checkpoint"
        )),
        Form::Range => {
            all.push(format!(
                "anything that the entries of generation {number} before {first} say: slots handed out before {first} not checked"
            ));
            all.push(format!(
                "that carried.ndjson of generation {number} leaves out no stock or rotate line"
            ));
        }
        Form::Skeleton => all.push(format!(
            "chain, entries, slots, rotations and heartbeat of generation {number}: a skeleton holds hashes alone"
        )),
    }
}

/// Outages that are listed one by one; all are counted, and the longest is named.
const OUTAGES_LISTED_MAX: u64 = 50;
/// Longest list of like findings.
const LISTED_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_short_outages_never_hide_a_long_one() {
        let mut findings = Findings::default();
        for number in 0..100 {
            let (ms, what) = match number {
                90 => (7_776_000_000, "entry 90 admits 90 days".to_owned()),
                _ => (1, format!("entry {number} admits a moment")),
            };
            findings.outages.add(ms, &what);
            findings.note_outage(what);
        }
        assert_eq!(findings.notes.len(), OUTAGES_LISTED_MAX as usize);
        let outages = &findings.outages;
        assert_eq!((outages.count, outages.sum_ms), (100, 7_776_000_099));
        assert_eq!(outages.longest, "entry 90 admits 90 days");
        // What a restore lost is told after any number of outages.
        findings.note("a restore lost entries 3 to 5");
        assert!(findings.notes.iter().any(|note| note.contains("restore")));
    }
}

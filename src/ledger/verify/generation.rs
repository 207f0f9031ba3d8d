//! One generation: its marks, then its entries as a stream, held against every checkpoint that is known of it.

use super::audit::{Audit, Run};
use super::contents::GenerationFiles;
use super::explain::{Shown, Tracker};
use super::in_order::{Turn, in_order};
use super::keys::LogKeys;
use super::lines::{Block, Blocks, End};
use super::marks::{self, Marks};
use super::ownership::{self, Ownership};
use super::point::Point;
use super::report::{Fault, Form, GenerationReport, rfc3339};
use super::source::unreadable;
use super::{range, skeleton};
use crate::ledger::entry::{Body, Entry, LINE_BYTES_MAX, LineHasher, Malformed};
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE};
use crate::ledger::note::Checkpoint;
use crate::ledger::tree::{Frontier, Subtrees, leaf_hash};
use crate::ledger::{Exit, Hash};
use std::io;
use std::panic::resume_unwind;
use std::thread;

pub(super) fn verify(audit: &mut Audit<'_>, run: &Run<'_>, files: &GenerationFiles) {
    let marks_file = files.path(MARKS_FILE);
    let (marks, referenced) = marks_and_referenced(run, files, &marks_file);
    if let Some(fault) = marks.fault {
        audit.findings.add(*fault);
    }
    if marks.points.is_empty() {
        let what = "holds no checkpoint";
        let fault = Fault::new(Exit::Incomplete, &marks_file, what);
        audit.findings.add(fault);
    }
    let mut generation = Generation::new(files, marks_file, marks.points, marks.newest);
    let explain = audit.request.explain;
    let explain = explain.filter(|place| place.generation == files.number);
    generation.tracker = explain.map(|place| Tracker::new(place.seq));
    let read = match files.form {
        Form::Whole => generation.read(audit, run, referenced),
        Form::Range => match range::begin(&mut generation, audit, run, files) {
            true => generation.read(audit, run, referenced),
            false => Ok(()),
        },
        Form::Skeleton => skeleton::read(&mut generation, audit, run, files),
    };
    if let Err(error) = read {
        audit.findings.add(*unreadable(&generation.file, &error));
    }
    audit.newest_mark = generation.newest_mark.clone();
    generation.finish(audit, run, files.anchors);
}

/// Reads the marks, and the entries ahead; side by side if there are threads for it, because the first is arithmetic and
/// the second is the passing of bytes.
fn marks_and_referenced(
    run: &Run<'_>,
    files: &GenerationFiles,
    marks_file: &str,
) -> (Marks, io::Result<Vec<u64>>) {
    let ahead = || match files.form {
        Form::Skeleton => Ok(Vec::new()),
        Form::Whole | Form::Range => ownership::referenced(run, &files.path(ENTRIES_FILE)),
    };
    if run.threads <= 1 {
        return (marks::read(run, marks_file), ahead());
    }
    thread::scope(|scope| {
        let ahead = scope.spawn(ahead);
        let marks = marks::read(run, marks_file);
        let referenced = ahead.join().unwrap_or_else(|panic| resume_unwind(panic));
        (marks, referenced)
    })
}

/// What is known of a generation so far. `succession` and `checkpoints` hold the rest of its steps.
pub(super) struct Generation {
    pub(super) number: usize,
    pub(super) form: Form,
    /// The entries, or the skeleton.
    pub(super) file: String,
    pub(super) marks_file: String,
    pub(super) origin: String,
    pub(super) keys: LogKeys,
    /// Marks and known checkpoints of this origin, ascending by size.
    pub(super) points: Vec<Point>,
    pub(super) next_point: usize,
    /// The last mark with all its signature lines, for a policy on witnesses.
    pub(super) newest_mark: Option<Checkpoint>,
    pub(super) sales: Ownership,
    /// Seq of the first entry here: 0, or the size of a range's prefix.
    pub(super) base: u64,
    /// Number of entries so far, those before a range too.
    pub(super) size: u64,
    /// The tree over the entries of all blocks before this one, and up to the last checkpoint within it.
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
    pub(super) tracker: Option<Tracker>,
}

/// What a line is on its own, before it is known what came before it.
struct LineRead<'b> {
    at: u64,
    line: &'b [u8],
    hash: Hash,
    entry: Result<Entry<'b>, Malformed>,
}

impl Generation {
    fn new(
        files: &GenerationFiles,
        marks_file: String,
        points: Vec<Point>,
        newest_mark: Option<Checkpoint>,
    ) -> Self {
        let file = match files.form {
            Form::Skeleton => files.path(super::contents::SKELETON_FILE),
            Form::Whole | Form::Range => files.path(ENTRIES_FILE),
        };
        Self {
            number: files.number,
            form: files.form,
            file,
            marks_file,
            origin: String::new(),
            keys: LogKeys::default(),
            points,
            next_point: 0,
            newest_mark,
            sales: Ownership::default(),
            base: 0,
            size: 0,
            frontier: Frontier::new(),
            head: Hash::ZERO,
            first_t: None,
            last_t: 0,
            last_beat: 0,
            signed: 0,
            unsigned: 0,
            offset: 0,
            tracker: None,
        }
    }

    fn read(
        &mut self,
        audit: &mut Audit<'_>,
        run: &Run<'_>,
        referenced: io::Result<Vec<u64>>,
    ) -> io::Result<()> {
        self.sales = Ownership::of(referenced?, self.base);
        let mut blocks = Blocks::new(run.source.open(&self.file)?, LINE_BYTES_MAX);
        let base = self.base;
        let (mut at, mut told, mut failed) = (base, 0, None);
        // Blocks end where complete subtrees do.
        let next = |block: &mut Block| match blocks.fill(block, (LINES - at % LINES) as usize) {
            Ok(filled) => {
                at += block.len() as u64;
                run.progress.add(block.after() - told);
                told = block.after();
                filled
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        };
        let mut state = (self, audit);
        type State<'s, 'a> = (&'s mut Generation, &'s mut Audit<'a>);
        in_order(
            run.threads,
            &mut state,
            next,
            |block: &Block, turn: Turn<'_, '_, State<'_, '_>>| {
                let hashes = LineHasher::new().hash(&block.texts());
                let read = |((at, line), hash)| LineRead {
                    at,
                    line,
                    hash,
                    entry: Entry::parse(line),
                };
                let read: Vec<_> = block.lines().zip(hashes).map(read).collect();
                let leaves = read.iter().map(|line| leaf_hash(line.hash.as_ref()));
                let tree = Subtrees::new(base + block.first, leaves.collect());
                turn.take(|(generation, audit)| generation.block(audit, block, &read, &tree))
            },
        );
        failed.map_or(Ok(()), Err)
    }

    /// A block in its turn. What the tree would be after a broken line is not known, so nothing behind one is judged.
    fn block(
        &mut self,
        audit: &mut Audit<'_>,
        block: &Block,
        read: &[LineRead<'_>],
        tree: &Subtrees,
    ) -> bool {
        if let Some(tracker) = &mut self.tracker {
            tracker.see_all(tree);
        }
        for line in read {
            self.line(audit, line);
            self.reach(audit, Some(tree));
        }
        self.grow(tree);
        if let Some(broken) = block.end.fault() {
            self.offset = block.after();
            audit.tally.lines.add(false);
            self.fault(audit, Exit::Malformed, broken);
        }
        block.end == End::More
    }

    /// One entry: form, then chain, then meaning. After the first fault the tree still grows, so that a checkpoint
    /// further on can prove a fork.
    fn line(&mut self, audit: &mut Audit<'_>, read: &LineRead<'_>) {
        self.offset = read.at;
        audit.tally.lines.add(read.entry.is_ok());
        match &read.entry {
            Ok(entry) => {
                self.chain(audit, entry);
                self.meaning(audit, entry);
            }
            Err(malformed) => self.fault(audit, Exit::Malformed, malformed.to_string()),
        }
        if let Some(tracker) = self.tracker.as_mut().filter(|t| t.seq == self.size) {
            let entry = read.entry.as_ref().ok();
            tracker.show(&Shown {
                generation: self.number,
                file: &self.file,
                byte: read.at,
                line: Some(read.line),
                hash: read.hash,
                t_ms: entry.map(|entry| entry.t_ms),
                prev: entry.map(|entry| entry.prev),
                prev_expected: Some(self.head),
            });
        }
        self.head = read.hash;
        self.size += 1;
    }

    fn chain(&mut self, audit: &mut Audit<'_>, entry: &Entry<'_>) {
        let due = self.size;
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

    fn meaning(&mut self, audit: &mut Audit<'_>, entry: &Entry<'_>) {
        if let Err(what) = self.key_change(audit, entry) {
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
        if self.first_t.is_none() {
            // In a range, silence is counted from its first entry on.
            self.last_beat = entry.t_ms;
        }
        self.heartbeat(audit, entry);
        self.first_t.get_or_insert(entry.t_ms);
        self.last_t = entry.t_ms;
        if let Body::Audit { nonce, .. } = entry.body
            && audit.request.nonce.as_deref() == Some(nonce)
            && !std::mem::replace(&mut audit.nonce_found, true)
        {
            let (seq, t) = (entry.seq, rfc3339(entry.t_ms));
            let what = format!("the nonce is in entry {seq}, which claims {t}");
            audit.findings.note(what);
        }
        audit.count(self.number, entry);
    }

    fn heartbeat(&mut self, audit: &mut Audit<'_>, entry: &Entry<'_>) {
        match entry.body {
            Body::Open { .. } => self.last_beat = entry.t_ms,
            Body::Mark { down_ms, .. } => {
                let down_ms = down_ms.unwrap_or(0);
                self.beat(audit, entry.t_ms, down_ms);
                if down_ms > 0 {
                    let (seq, t) = (entry.seq, rfc3339(entry.t_ms));
                    let what = format!("entry {seq} admits an outage of {down_ms} ms before {t}");
                    audit.findings.outages.add(down_ms, &what);
                    audit.findings.note_outage(what);
                }
                self.last_beat = entry.t_ms;
            }
            _ => {}
        }
    }

    /// A silence, less the outage that its end admits, is at most 26 hours long.
    fn beat(&self, audit: &mut Audit<'_>, t_ms: i64, down_ms: i64) {
        let silence_ms = t_ms.saturating_sub(self.last_beat);
        let covered = silence_ms.saturating_sub(down_ms) <= SILENCE_MS_MAX;
        audit.tally.heartbeats.add(covered);
        if !covered {
            let (from, to) = (rfc3339(self.last_beat), rfc3339(t_ms));
            let what = format!("{}: no heartbeat from {from} to {to}", self.file);
            audit.findings.missing(what);
        }
    }

    fn finish(mut self, audit: &mut Audit<'_>, run: &Run<'_>, anchored: bool) {
        let entries = self.size - self.base;
        if let Err(what) = audit.rules.finish_sale() {
            self.fault(audit, Exit::Tampered, what);
        }
        if self.size == 0 {
            let what = format!("{}: holds no entry", self.file);
            audit.findings.missing(what);
        } else if entries > 0 && self.form != Form::Skeleton {
            self.beat(audit, self.last_t, 0);
        }
        self.judge_unreached(audit);
        self.judge_known(audit);
        self.find_forks(audit);
        if anchored {
            self.judge_anchors(audit, run);
        }
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
        if let Some(tracker) = self.tracker.take() {
            let signer = |size| self.signer(audit, size);
            audit.explained = tracker.finish(run, &self.marks_file, signer);
        }
        audit.close(GenerationReport {
            number: self.number,
            form: self.form,
            origin: self.origin.clone(),
            first_seq: self.base,
            entries,
            signed: self.signed,
            first_t: self.first_t.map(rfc3339),
            last_t: self.first_t.map(|_| rfc3339(self.last_t)),
        });
        audit.closed(&self.origin, self.size, self.head, self.signed);
    }

    pub(super) fn fault(&self, audit: &mut Audit<'_>, exit: Exit, what: impl Into<String>) {
        let fault = Fault::new(exit, &self.file, what);
        audit.findings.add(fault.at(self.size, Some(self.offset)));
    }
}

/// Longest silence between heartbeats: 26 hours.
const SILENCE_MS_MAX: i64 = 26 * 3_600_000;
/// Lines of a block: what is made of them stays within a core's cache.
const LINES: u64 = 64;

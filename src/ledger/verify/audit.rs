//! A run over all generations: what carries over from one to the next.

use super::contents;
use super::explain::Explained;
use super::findings::{Findings, Tally};
use super::point::Point;
use super::report::{Anchor, Fault, Form, GenerationReport, Report};
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
    pub(super) generations: Vec<GenerationReport>,
    pub(super) explained: Option<Explained>,
    pub(super) last_good: Option<String>,
    /// The last mark of the newest generation so far, with all its signature lines.
    pub(super) newest_mark: Option<Checkpoint>,
    /// What was lost in restores.
    pub(super) lost: Vec<String>,
    pub(super) counted: Counted,
    pub(super) nonce_found: bool,
    /// Who is trusted to stamp the time.
    pub(super) authorities: Authorities,
    pub(super) anchors: Vec<Anchor>,
    pub(super) unlisted_anchors: u64,
    pub(super) time_stamps: u64,
}

/// Entries that claim a time in the range that was asked for.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) entries: u64,
    pub(super) first: Option<(usize, u64)>,
    pub(super) last: (usize, u64),
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

impl<'a> Audit<'a> {
    pub(super) fn new(request: &'a Request) -> Self {
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
        let point = Point::known(&checkpoint, name, &self.request.vkeys);
        self.known.push(point);
    }
}

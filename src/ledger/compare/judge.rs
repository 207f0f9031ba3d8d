//! What two views say of one log, held together.

use super::ForkProof;
use super::leaves::{Leaves, LeavesError, Scan};
use super::report::{Comparison, check};
use super::side::{self, Log, Side};
use super::words::{entries, unsigned};
use crate::ledger::note::Checkpoint;
use crate::ledger::verify::source::unreadable;
use crate::ledger::{Exit, Vkey};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) fn run(
    a: &Path,
    b: &Path,
    vkeys: &[Vkey],
    progress: &mut dyn FnMut(u64, u64),
) -> Comparison {
    let sides = [side::read(a, vkeys), side::read(b, vkeys)];
    let total = sides.iter().map(Side::bytes).sum();
    let mut read = 0;
    let mut seen = |bytes| {
        read += bytes;
        progress(read.min(total), total);
    };
    let mut judge = Judge {
        vkeys,
        sides,
        seen: &mut seen,
        scans: Vec::new(),
        fork: None,
        unproven: false,
        roots: [0; 2],
        entries: [0; 2],
        compared: Vec::new(),
        apart: Vec::new(),
    };
    for origin in judge.origins() {
        judge.log(&origin);
    }
    judge.report()
}

pub(super) struct Judge<'a> {
    pub(super) vkeys: &'a [Vkey],
    pub(super) sides: [Side; 2],
    pub(super) seen: &'a mut dyn FnMut(u64),
    /// Of the present log: what each side's entries gave, and the checkpoint that vouches for them.
    pub(super) scans: Vec<Option<Vouched>>,
    fork: Option<ForkProof>,
    /// Two statements differ, and no proof of it could be made.
    unproven: bool,
    /// Pairs that agree, and pairs held together.
    roots: [u64; 2],
    entries: [u64; 2],
    compared: Vec<String>,
    /// What could not be held together, and why.
    apart: Vec<String>,
}

/// Entries as far as a signature covers them.
pub(super) struct Vouched {
    pub(super) scan: Scan,
    anchor: Checkpoint,
}

impl Judge<'_> {
    /// The logs of which both sides hold something.
    fn origins(&mut self) -> Vec<String> {
        let [a, b] = &self.sides;
        let both = a.logs.keys().filter(|origin| b.logs.contains_key(*origin));
        let both: Vec<_> = both.cloned().collect();
        let names = |side: &Side| side.logs.keys().cloned().collect::<Vec<_>>().join(", ");
        if both.is_empty() && self.sides.iter().all(|side| side.fault.is_none()) {
            let what = format!("they are of different logs: {} and {}", names(a), names(b));
            self.apart.push(what);
        }
        both
    }

    fn log(&mut self, origin: &str) {
        let before = self.held();
        for side in 0..2 {
            if self.of(side, origin).notes.is_empty() {
                let what = unsigned(&self.sides[side].name, origin, self.vkeys);
                self.apart.push(what);
            }
        }
        self.equal_sizes(origin);
        self.scans = (0..2).map(|side| self.scan(side, origin)).collect();
        for side in 0..2 {
            self.notes_against_leaves(side, origin);
            self.openings_against_leaves(side, origin);
        }
        self.openings(origin);
        if self.held() == before {
            self.too_far_apart(origin);
        }
    }

    /// How many pairs were held together so far.
    const fn held(&self) -> u64 {
        self.roots[1] + self.entries[1]
    }

    /// Two checkpoints of different sizes say nothing of each other.
    fn too_far_apart(&mut self, origin: &str) {
        let [a, b] = [0, 1].map(|side| self.of(side, origin));
        if a.leaves.is_some() || b.leaves.is_some() {
            return;
        }
        let newest = |log: &Log| log.notes.keys().next_back().copied();
        if let (Some(a), Some(b)) = (newest(a), newest(b)) {
            let [first, second] = &self.sides;
            let what = format!(
                "sizes {a} and {b} of {origin} cannot be held together without the entries between them; with an \
                 export this decides: keystall-verify compare {} EXPORT, and keystall-verify compare {} EXPORT",
                first.name, second.name
            );
            self.apart.push(what);
        }
    }

    /// What a side holds of the log.
    pub(super) fn of(&self, side: usize, origin: &str) -> &Log {
        // Invariant: only logs that both sides hold are judged.
        &self.sides[side].logs[origin]
    }

    /// Two statements differ, and this proves it.
    fn found(&mut self, fork: Option<ForkProof>) {
        self.unproven |= fork.is_none();
        self.fork = self.fork.take().or(fork);
    }

    /// Checkpoints of one size, on both sides or on one.
    fn equal_sizes(&mut self, origin: &str) {
        let (mut pairs, mut newest, mut forks) = ([0; 2], None, Vec::new());
        let [a, b] = [0, 1].map(|side| &self.of(side, origin).notes);
        for (size, of_a) in a {
            for (one, other) in of_a.iter().flat_map(|one| {
                let others = b.get(size).into_iter().flatten();
                others.map(move |other| (one, other))
            }) {
                pairs[1] += 1;
                pairs[0] += u64::from(one.root == other.root);
                newest = Some(*size);
            }
        }
        for notes in [a, b] {
            for (size, same) in notes {
                let others = a.get(size).into_iter().chain(b.get(size)).flatten();
                for other in others.filter(|other| other.root != same[0].root) {
                    forks.push(self.fork_of_size(&same[0], other));
                }
            }
        }
        if let (Some(size), true) = (newest, forks.is_empty()) {
            let what = match pairs[1] {
                1 => format!("both hold the same checkpoint of size {size}"),
                count => format!(
                    "{count} checkpoints that both hold, the newest of size {size}, are the same"
                ),
            };
            self.compared.push(what);
        }
        self.roots = [0, 1].map(|n| self.roots[n] + pairs[n]);
        forks.into_iter().for_each(|fork| self.found(fork));
    }

    /// Reads the entries of a side once, for all that either side says of them.
    fn scan(&mut self, side: usize, origin: &str) -> Option<Vouched> {
        let sides = &self.sides;
        let logs = [0, 1].map(|side: usize| &sides[side].logs[origin]);
        let leaves = logs[side].leaves.as_ref()?;
        let sizes: BTreeSet<_> = logs
            .iter()
            .flat_map(|log| log.notes.keys().copied())
            .collect();
        let shown = logs.iter().flat_map(|log| &log.openings);
        let entries = shown.map(|opening| opening.proof.index).collect();
        let outcome = leaves.scan(&sizes, &entries, &mut *self.seen);
        let name = self.sides[side].name.clone();
        let scan = match outcome {
            Ok(scan) => scan,
            Err(error) => {
                self.fail(side, error);
                return None;
            }
        };
        if let Some(log) = self.sides[side].logs.get_mut(origin) {
            log.end = scan.end;
        }
        let own = &self.of(side, origin).notes;
        let matches = |note: &&Checkpoint| scan.roots.get(&note.size) == Some(&note.root);
        let anchor = own.values().rev().flatten().find(matches).cloned();
        let wrong = own.values().flatten().find(|note| !matches(note)).cloned();
        let Some(anchor) = anchor else {
            let what = match wrong {
                Some(note) => format!(
                    "the root signed at size {} is not that of the entries",
                    note.size
                ),
                None => String::new(),
            };
            match what.is_empty() {
                true => self.apart.push(format!(
                    "{name}: no signature covers its entries of {origin}"
                )),
                false => self.sides[side].fail(Exit::Tampered, &name, what),
            }
            return None;
        };
        if let Some(note) = wrong.filter(|note| note.size > anchor.size) {
            let what = match note.size > scan.end {
                true => format!(
                    "the entries end at {}, below the signed size {}",
                    scan.end, note.size
                ),
                false => format!(
                    "the root signed at size {} is not that of the entries",
                    note.size
                ),
            };
            self.sides[side].fail(Exit::Tampered, &name, what);
        }
        Some(Vouched { scan, anchor })
    }

    pub(super) fn fail(&mut self, side: usize, error: LeavesError) {
        let side = &mut self.sides[side];
        let name = side.name.clone();
        match error {
            LeavesError::Io(error) => {
                side.fault.get_or_insert(*unreadable(name, &error));
            }
            LeavesError::Malformed(number, what) => {
                side.fail(Exit::Malformed, &name, format!("entry {number}: {what}"));
            }
        }
    }

    /// Every signed size, of both sides, against the entries of one.
    fn notes_against_leaves(&mut self, side: usize, origin: &str) {
        let Some(Vouched { scan, anchor }) = &self.scans[side] else {
            return;
        };
        let start = self
            .of(side, origin)
            .leaves
            .as_ref()
            .map_or(0, Leaves::start);
        let within = start.max(1)..=anchor.size;
        let (mut wrong, mut held, mut apart) = (None, Vec::new(), Vec::new());
        for whose in 0..2 {
            for note in self.of(whose, origin).notes.values().flatten() {
                let other = whose != side;
                if !within.contains(&note.size) {
                    apart.extend(other.then_some(note.size));
                    continue;
                }
                let agrees = scan.roots.get(&note.size) == Some(&note.root);
                if other {
                    held.push((note.size, agrees));
                }
                if !agrees && note.size < anchor.size {
                    wrong = wrong.or(Some(note.clone()));
                }
            }
        }
        let anchor = anchor.clone();
        let name = self.sides[side].name.clone();
        let agreed = held.iter().filter(|(_, agrees)| *agrees).count();
        self.roots = [
            self.roots[0] + agreed as u64,
            self.roots[1] + held.len() as u64,
        ];
        if let (Some((size, _)), true) = (held.last(), agreed == held.len()) {
            let what = match held.len() {
                1 => format!("the root signed at size {size} is that of the entries of {name}"),
                count => format!(
                    "{count} roots, signed at sizes up to {size}, are those of the entries of {name}"
                ),
            };
            self.compared.push(what);
        }
        if let Some(size) = apart.last() {
            let end = anchor.size;
            let what = match *size > end {
                true => format!(
                    "size {size} of {origin} lies above the signed entries of {name}, which end at {end}"
                ),
                false => format!(
                    "size {size} of {origin} lies before the entries of {name}, which begin at {start}"
                ),
            };
            self.apart.push(what);
        }
        if let Some(note) = wrong {
            let fork = self.fork_of_prefix(side, origin, &note, &anchor);
            self.found(fork);
        }
    }

    /// Entries that the other side's receipt shows, against the entries of this one.
    fn openings_against_leaves(&mut self, side: usize, origin: &str) {
        let Some(Vouched { scan, anchor }) = &self.scans[side] else {
            return;
        };
        let (mut wrong, mut held, mut agreed) = (None, 0, Vec::new());
        for (number, opening) in self.of(1 - side, origin).openings.iter().enumerate() {
            let index = opening.proof.index;
            let Some(hash) = scan.hashes.get(&index).filter(|_| index < anchor.size) else {
                continue;
            };
            held += 1;
            match *hash == opening.hash {
                true => agreed.push(index.to_string()),
                false => wrong = wrong.or(Some((number, *hash))),
            }
        }
        let anchor = anchor.clone();
        let name = self.sides[side].name.clone();
        self.entries = [
            self.entries[0] + agreed.len() as u64,
            self.entries[1] + held,
        ];
        if !agreed.is_empty() && wrong.is_none() {
            let what = format!("{} as in {name}", entries(&agreed));
            self.compared.push(what);
        }
        if let Some((number, hash)) = wrong {
            let fork = self.fork_of_entry(side, origin, number, hash, &anchor);
            self.found(fork);
        }
    }

    /// Entries that receipts on both sides show.
    fn openings(&mut self, origin: &str) {
        let [a, b] = [0, 1].map(|side| &self.of(side, origin).openings);
        let (mut forks, mut held, mut agreed) = (Vec::new(), 0, Vec::new());
        let mut of_b = BTreeMap::<_, Vec<_>>::new();
        for other in b {
            of_b.entry(other.proof.index).or_default().push(other);
        }
        for one in a {
            for &other in of_b.get(&one.proof.index).into_iter().flatten() {
                held += 1;
                match one.hash == other.hash {
                    true => agreed.push(one.proof.index.to_string()),
                    false => forks.push(self.fork_of_openings(one, other)),
                }
            }
        }
        self.entries = [
            self.entries[0] + agreed.len() as u64,
            self.entries[1] + held,
        ];
        if !agreed.is_empty() && forks.is_empty() {
            let what = format!("{} in both receipts", entries(&agreed));
            self.compared.push(what);
        }
        forks.into_iter().for_each(|fork| self.found(fork));
    }

    fn report(self) -> Comparison {
        let disagree =
            self.unproven || self.roots[0] < self.roots[1] || self.entries[0] < self.entries[1];
        let held = self.held();
        let [a, b] = &self.sides;
        let pinned: Vec<_> = self.vkeys.iter().map(Vkey::to_string).collect();
        let checks = vec![
            check(
                "signatures",
                a.signatures[0] + b.signatures[0],
                a.signatures[1] + b.signatures[1],
            ),
            check("roots", self.roots[0], self.roots[1]),
            check("entries", self.entries[0], self.entries[1]),
        ];
        let reports = [a.report(), b.report()];
        let fault = self.sides.into_iter().find_map(|side| side.fault);
        let [a, b] = reports;
        let mut report = Comparison {
            exit: Exit::Internal,
            pinned,
            a,
            b: Some(b),
            checks,
            compared: self.compared,
            fork: None,
            fault,
            incomplete: Vec::new(),
            not_proven: Vec::new(),
            proof: None,
        };
        report.judge(self.fork, self.apart, held, disagree, self.vkeys);
        report
    }
}

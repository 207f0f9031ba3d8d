//! The verdict: what only the end of all generations can tell, what is not proven, and the report.

use super::audit::Audit;
use super::findings::{Count, LISTED_MAX};
use super::report::{Check, Fault, Form, GenerationReport, Report};
use crate::ledger::Exit;
use crate::ledger::note::Vkey;

impl Audit<'_> {
    /// The end of a run.
    pub(super) fn report(mut self) -> Report {
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

    /// What only the end of all generations can tell.
    fn settle(&mut self) {
        self.settle_known();
        self.settle_entries();
        self.settle_outages();
        self.judge_witnesses();
        self.settle_anchors();
        self.settle_strangers();
        self.settle_asked();
    }

    /// Known notes that no generation took over, or whose size none reached.
    fn settle_known(&mut self) {
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
    }

    /// Entries that are not signed, not here, or of batches that are not.
    fn settle_entries(&mut self) {
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
    }

    fn settle_outages(&mut self) {
        let outages = std::mem::take(&mut self.findings.outages);
        if outages.count > 1 {
            let (count, sum_ms, longest) = (outages.count, outages.sum_ms, outages.longest);
            let what =
                format!("{count} outages are admitted, {sum_ms} ms in all; the longest: {longest}");
            self.findings.notes.push(what);
        }
    }

    /// What the user asked for: a nonce, a time, an entry.
    fn settle_asked(&mut self) {
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

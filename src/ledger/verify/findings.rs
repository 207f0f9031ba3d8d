//! What a run finds: faults by their rank, what is missing, and how many of each check passed.

use super::report::{Fault, one_line};
use crate::ledger::Exit;

/// The first fault in reading order, and what outranks it or lies below it.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) internal: Option<Fault>,
    pub(super) fork: Option<Fault>,
    pub(super) fault: Option<Fault>,
    pub(super) incomplete: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) outages: Outages,
}

/// Outages that the ledger admits. However many small ones there are, none hides a large one.
#[derive(Default)]
pub(super) struct Outages {
    pub(super) count: u64,
    pub(super) sum_ms: i64,
    pub(super) longest_ms: i64,
    pub(super) longest: String,
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
    pub(super) passed: u64,
    pub(super) total: u64,
}

impl Count {
    pub(super) fn add(&mut self, passed: bool) {
        self.total += 1;
        self.passed += u64::from(passed);
    }
}

/// Outages that are listed one by one; all are counted, and the longest is named.
const OUTAGES_LISTED_MAX: u64 = 50;
/// Longest list of like findings.
pub(super) const LISTED_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_kept_by_its_rank_and_of_each_rank_the_first() {
        let mut findings = Findings::default();
        let exits = [
            Exit::Incomplete,
            Exit::Tampered,
            Exit::Malformed,
            Exit::Fork,
            Exit::Usage,
            Exit::Internal,
        ];
        for exit in exits {
            findings.add(Fault::new(exit, "file", "what"));
        }
        let exit = |fault: &Option<Fault>| fault.as_ref().map(|fault| fault.exit);
        assert_eq!(findings.incomplete, ["file: what"]);
        assert_eq!(exit(&findings.fault), Some(Exit::Tampered));
        assert_eq!(exit(&findings.fork), Some(Exit::Fork));
        assert_eq!(exit(&findings.internal), Some(Exit::Usage));
    }

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

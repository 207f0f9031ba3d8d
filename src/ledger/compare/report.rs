//! What a comparison found, for people and as JSON.

use super::ForkProof;
use crate::ledger::fork::{Fork, ForkFault};
use crate::ledger::verify::{Check, Fault};
use crate::ledger::{Exit, Vkey};
use serde::{Serialize, Serializer};
use std::fmt;

/// The outcome of a comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// With which code to end.
    #[serde(serialize_with = "code")]
    pub exit: Exit,
    /// The pinned keys, as the user gave them.
    pub pinned: Vec<String>,
    /// What was given first.
    pub a: SideReport,
    /// What was given second; nothing for a fork proof.
    pub b: Option<SideReport>,
    /// Every check with its count; `roots` and `entries` are the pairs that were held together.
    pub checks: Vec<Check>,
    /// What was held together, and agreed.
    pub compared: Vec<String>,
    /// The contradiction, if one is proven.
    pub fork: Option<ForkReport>,
    /// The fault that decided, unless all is well.
    pub fault: Option<Fault>,
    /// Why nothing could be compared, where nothing worse was found.
    pub incomplete: Vec<String>,
    /// What nothing here proves, and what could not be held together.
    pub not_proven: Vec<String>,
    /// The proof, to be kept; verified from its own bytes.
    #[serde(skip)]
    pub proof: Option<ForkProof>,
}

/// One of the two.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SideReport {
    /// The file's name, as the user gave it.
    pub file: String,
    /// `note`, `receipt`, `export` or `fork`.
    pub kind: &'static str,
    /// The logs in it.
    pub logs: Vec<LogReport>,
}

/// What one side holds of one log.
#[derive(Clone, Debug, Serialize)]
pub struct LogReport {
    /// The log.
    pub origin: String,
    /// The largest size that a pinned key signed.
    pub signed: Option<u64>,
    /// Entries of an export: the first that it holds, and the one after its last.
    pub entries: Option<(u64, u64)>,
}

/// Two signed statements that cannot both be true.
#[derive(Clone, Debug, Serialize)]
pub struct ForkReport {
    /// `size`, `prefix` or `entry`.
    pub kind: &'static str,
    /// The log.
    pub origin: String,
    /// The sizes of the two checkpoints.
    pub sizes: [u64; 2],
    /// The contradiction in one sentence.
    pub what: String,
    /// Where the proof was written, if it was.
    pub written: Option<String>,
}

impl ForkReport {
    pub(super) fn new(proof: &ForkProof, fork: &Fork) -> Self {
        Self {
            kind: proof.kind(),
            origin: fork.origin.clone(),
            sizes: [fork.checkpoints[0].size, fork.checkpoints[1].size],
            what: fork.what.clone(),
            written: None,
        }
    }
}

/// The report of a fork proof.
pub(super) fn of_proof(name: &str, file: &[u8], vkeys: &[Vkey]) -> Comparison {
    let mut report = Comparison {
        exit: Exit::Fork,
        pinned: vkeys.iter().map(Vkey::to_string).collect(),
        a: SideReport {
            file: name.to_owned(),
            kind: "fork",
            logs: Vec::new(),
        },
        b: None,
        checks: Vec::new(),
        compared: Vec::new(),
        fork: None,
        fault: None,
        incomplete: Vec::new(),
        not_proven: Vec::new(),
        proof: None,
    };
    let parsed = ForkProof::parse(file).map_err(ForkFault::from);
    match parsed.and_then(|proof| Ok((proof.verify(vkeys)?, proof))) {
        Ok((fork, proof)) => {
            report.checks = vec![check("signatures", 2, 2), check("contradictions", 1, 1)];
            report.fork = Some(ForkReport::new(&proof, &fork));
            report.not_proven = vec![WHICH_IS_TRUE.to_owned()];
            report.proof = Some(proof);
        }
        Err(fault) => {
            report.exit = fault.exit();
            report.not_proven =
                vec!["that there is a fork: this file does not show one".to_owned()];
            match fault.exit() {
                Exit::Incomplete => report.incomplete.push(fault.to_string()),
                exit => report.fault = Some(Fault::new(exit, name, fault.to_string())),
            }
        }
    }
    report
}

pub(super) fn check(name: &'static str, passed: u64, total: u64) -> Check {
    Check {
        name,
        passed,
        total,
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit {
            Exit::Proven => writeln!(f, "verified: the two agree")?,
            exit => writeln!(f, "{exit}")?,
        }
        for vkey in &self.pinned {
            writeln!(f, "pinned      {vkey}")?;
        }
        fmt::Display::fmt(&self.a, f)?;
        self.b.iter().try_for_each(|b| fmt::Display::fmt(b, f))?;
        for check in self.checks.iter().filter(|check| check.total > 0) {
            writeln!(f, "{:<11} {}/{}", check.name, check.passed, check.total)?;
        }
        for what in &self.compared {
            writeln!(f, "compared    {what}")?;
        }
        if let Some(fork) = &self.fork {
            writeln!(f, "fork        {}", fork.what)?;
            if let Some(file) = &fork.written {
                writeln!(f, "proof       {file}")?;
            }
        }
        if let Some(fault) = &self.fault {
            fmt::Display::fmt(fault, f)?;
        }
        for what in &self.incomplete {
            writeln!(f, "incomplete  {what}")?;
        }
        for what in &self.not_proven {
            writeln!(f, "not proven  {what}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SideReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<11} {}", self.kind, self.file)?;
        for log in &self.logs {
            write!(f, "  log       {}", log.origin)?;
            match log.signed {
                Some(size) => write!(f, ", signed up to size {size}")?,
                None => write!(f, ", nothing signed by a pinned key")?,
            }
            match log.entries {
                Some((0, end)) => writeln!(f, ", {end} entries")?,
                Some((start, end)) => writeln!(f, ", entries {start} up to {end}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

fn code<S: Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.code())
}

pub(super) const WHICH_IS_TRUE: &str =
    "which of the two is the true history, or who made the other: the key signed both";

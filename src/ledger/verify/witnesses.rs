//! The policy of witnesses: a checkpoint must carry a cosignature of one of those that the user names.

use super::audit::Audit;
use super::report::{Fault, rfc3339};
use crate::ledger::Exit;
use crate::ledger::cosignature::{Cosigned, WitnessKey};
use crate::ledger::export::MARKS_FILE;
use crate::ledger::note::Checkpoint;
use thiserror::Error;

impl Audit<'_> {
    /// Whether the newest mark passes. A mark that our key did not sign is no better for a witness.
    pub(super) fn judge_witnesses(&mut self) {
        if self.request.witnesses.is_empty() {
            return;
        }
        let Some(mark) = self.newest_mark.take() else {
            self.tally.witnesses.add(false);
            return; // no checkpoint at all, which was noted
        };
        let outcome = required(&mark, &self.request.witnesses);
        self.tally.witnesses.add(outcome.is_ok());
        match outcome {
            Ok(by) => {
                for Witnessed { name, time_s } in by {
                    let time = i64::try_from(time_s).unwrap_or(i64::MAX);
                    let time = rfc3339(time.saturating_mul(1000));
                    let size = mark.size;
                    let what =
                        format!("{name} saw the checkpoint of size {size} as the newest at {time}");
                    self.findings.note(what);
                }
            }
            Err(missing) => {
                let fault = Fault::new(missing.exit(), MARKS_FILE, missing.to_string());
                self.findings.add(fault.at(mark.size, None));
            }
        }
    }
}

/// A cosignature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness.
    pub name: String,
    /// When it saw the checkpoint as the newest, by its own clock, Unix seconds.
    pub time_s: u64,
}

/// Why a checkpoint does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotWitnessed {
    /// No witness that was named has cosigned it.
    #[error("the checkpoint of size {size} carries no cosignature of a given witness")]
    Missing {
        /// Its size.
        size: u64,
    },
    /// A line under a witness's key is no cosignature of it.
    #[error("the checkpoint of size {size} has a wrong cosignature under the name of {name}")]
    Forged {
        /// Its size.
        size: u64,
        /// The witness.
        name: String,
    },
}

impl NotWitnessed {
    /// With which code a verifier ends.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } => Exit::Incomplete,
            Self::Forged { .. } => Exit::Tampered,
        }
    }
}

/// The cosignatures of these witnesses on the checkpoint; at least one, unless no witness is named. A forged line is
/// never made good by another witness.
pub fn required(
    checkpoint: &Checkpoint,
    witnesses: &[WitnessKey],
) -> Result<Vec<Witnessed>, NotWitnessed> {
    let size = checkpoint.size;
    let mut by = Vec::new();
    for witness in witnesses {
        let name = witness.name().to_owned();
        match checkpoint.cosigned_by(witness) {
            Cosigned::At(time_s) => by.push(Witnessed { name, time_s }),
            Cosigned::Forged => return Err(NotWitnessed::Forged { size, name }),
            Cosigned::No => {}
        }
    }
    match by.is_empty() && !witnesses.is_empty() {
        true => Err(NotWitnessed::Missing { size }),
        false => Ok(by),
    }
}

//! The policy of witnesses: a checkpoint must carry a cosignature of one of those that the user names.

use crate::ledger::Exit;
use crate::ledger::cosignature::{Cosigned, WitnessKey};
use crate::ledger::note::Checkpoint;
use thiserror::Error;

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

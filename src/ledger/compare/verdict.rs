//! How a comparison ends.

use super::ForkProof;
use super::report::{Comparison, ForkReport, WHICH_IS_TRUE};
use crate::ledger::fork::ForkFault;
use crate::ledger::verify::Fault;
use crate::ledger::{Exit, Vkey};

impl Comparison {
    /// 70 and 2 first, then a fork, then the first fault, then nothing compared.
    pub(super) fn judge(
        &mut self,
        fork: Option<ForkProof>,
        apart: Vec<String>,
        held: u64,
        disagree: bool,
        vkeys: &[Vkey],
    ) {
        let failed = self.fault.as_ref().map(|fault| fault.exit);
        if let Some(exit @ (Exit::Internal | Exit::Usage)) = failed {
            self.exit = exit;
            return;
        }
        if let Some(proof) = fork {
            return self.forked(&proof, vkeys);
        }
        self.not_proven = vec![RULES.to_owned()];
        if let Some(exit) = failed {
            self.exit = exit;
            return;
        }
        self.exit = match (disagree, held) {
            (true, _) => {
                let what = "the two differ, but no proof of it could be made";
                self.fault = Some(Fault::new(Exit::Internal, &self.a.file, what));
                Exit::Internal
            }
            (false, 0) => Exit::Incomplete,
            (false, _) => Exit::Proven,
        };
        match held {
            0 if apart.is_empty() => {
                self.incomplete = vec!["there is nothing that can be held together".to_owned()];
            }
            0 => self.incomplete = apart,
            _ => self.not_proven.splice(0..0, apart).for_each(drop),
        }
    }

    /// A proof counts only as its bytes prove it.
    fn forked(&mut self, proof: &ForkProof, vkeys: &[Vkey]) {
        let read = ForkProof::parse(proof.to_string().as_bytes());
        match read
            .map_err(ForkFault::from)
            .and_then(|read| Ok((read.verify(vkeys)?, read)))
        {
            Ok((fork, read)) => {
                self.exit = Exit::Fork;
                self.fault = None;
                self.fork = Some(ForkReport::new(&read, &fork));
                self.not_proven = vec![WHICH_IS_TRUE.to_owned()];
                self.proof = Some(read);
            }
            Err(fault) => {
                let what = format!("the proof that was made does not prove: {fault}");
                self.exit = Exit::Internal;
                self.fault = Some(Fault::new(Exit::Internal, &self.a.file, what));
            }
        }
    }
}

const RULES: &str = "that the ledger keeps its rules: keystall-verify ledger checks an export";

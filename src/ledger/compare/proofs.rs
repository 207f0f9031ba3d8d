//! Fork proofs made of two statements that differ.

use super::ForkProof;
use super::judge::Judge;
use super::leaves::Path;
use super::side::Opening;
use crate::ledger::Hash;
use crate::ledger::fork::lone_signature;
use crate::ledger::note::Checkpoint;
use crate::ledger::receipt::Proof;

impl Judge<'_> {
    pub(super) fn fork_of_size(&self, a: &Checkpoint, b: &Checkpoint) -> Option<ForkProof> {
        let (a, b) = (self.lone(a)?, self.lone(b)?);
        Some(ForkProof::Size { a, b })
    }

    pub(super) fn fork_of_prefix(
        &mut self,
        side: usize,
        origin: &str,
        older: &Checkpoint,
        newer: &Checkpoint,
    ) -> Option<ForkProof> {
        let path = Path::Consistency {
            old: older.size,
            new: newer.size,
        };
        let root = *self.scans[side].as_ref()?.scan.roots.get(&older.size)?;
        let path = self.path(side, origin, path)?;
        Some(ForkProof::Prefix {
            older: self.lone(older)?,
            newer: self.lone(newer)?,
            root,
            path,
        })
    }

    pub(super) fn fork_of_entry(
        &mut self,
        side: usize,
        origin: &str,
        opening: usize,
        hash: Hash,
        anchor: &Checkpoint,
    ) -> Option<ForkProof> {
        let opening = &self.of(1 - side, origin).openings[opening];
        let index = opening.proof.index;
        let a = self.of_opening(opening)?;
        let size = anchor.size;
        let hashes = self.path(side, origin, Path::Inclusion { index, size })?;
        let note = self.lone(anchor)?;
        let proof = Proof {
            index,
            hashes,
            note,
        };
        Some(ForkProof::Entry {
            a,
            b: (hash, proof),
        })
    }

    pub(super) fn fork_of_openings(&self, a: &Opening, b: &Opening) -> Option<ForkProof> {
        let (a, b) = (self.of_opening(a)?, self.of_opening(b)?);
        Some(ForkProof::Entry { a, b })
    }

    fn of_opening(&self, opening: &Opening) -> Option<(Hash, Proof)> {
        let proof = Proof {
            note: self.lone(&opening.checkpoint)?,
            ..opening.proof.clone()
        };
        Some((opening.hash, proof))
    }

    /// The note with the pinned key's signature alone.
    fn lone(&self, note: &Checkpoint) -> Option<String> {
        let own = self.vkeys.iter().filter(|vkey| vkey.name() == note.origin);
        own.filter_map(|vkey| lone_signature(note, vkey)).next()
    }

    fn path(&mut self, side: usize, origin: &str, path: Path) -> Option<Vec<Hash>> {
        let leaves = self.sides[side].logs.get(origin)?.leaves.as_ref()?;
        match leaves.proof(path, &mut *self.seen) {
            Ok(path) => path,
            Err(error) => {
                self.fail(side, error);
                None
            }
        }
    }
}

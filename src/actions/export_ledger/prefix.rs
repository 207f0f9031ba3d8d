//! What lies before a range: where chain and tree stand there, and which lines its entries refer to.

use super::plan::{Piece, line_at};
use super::write::{Pages, pages_of};
use super::{ExportError, ExportTarget};
use crate::actions::chain::LedgerNodes;
use crate::actions::open_shop::Shop;
use crate::domain::EntryAt;
use crate::ledger::entry::{Body, hash_line};
use crate::ledger::export::{self, Edge};
use crate::ledger::note::Checkpoint;
use crate::ledger::tree::{ProofError, inclusion_proof, leaf_hash, verify_inclusion};
use crate::store::{Fault, Snapshot};

/// The entries before a range.
pub(super) struct Before {
    pub(super) edge: Edge,
    /// Seqs of those that say which keys sign and which stock there is.
    carried: Vec<u64>,
}

/// Carried lines proven in one snapshot.
const LINES: usize = 200;

impl Shop {
    /// Reads the entries before a piece.
    pub(super) fn read_before(
        &self,
        piece: &Piece,
        pages: &mut Pages<'_>,
    ) -> Result<Before, ExportError> {
        let (mut edge, mut carried) = (Edge::new(), Vec::new());
        for page in pages_of(0..piece.first()) {
            for line in self.page(piece, page.clone())? {
                let entry = edge.take(&line).map_err(export::ExportError::from)?;
                if let Body::Open { .. } | Body::Stock { .. } | Body::Rotate { .. } = entry.body {
                    carried.push(entry.seq);
                }
            }
            pages.read(page.end - page.start)?;
        }
        Ok(Before { edge, carried })
    }

    /// Writes the carried lines, each with its path to the piece's last checkpoint.
    pub(super) fn write_carried(
        &self,
        piece: &Piece,
        before: &Before,
        target: &mut dyn ExportTarget,
    ) -> Result<(), ExportError> {
        for seqs in before.carried.chunks(LINES) {
            let rows = self.store.read()?;
            let last = Checkpoint::parse(&piece.note(&rows, piece.end)?)
                .map_err(export::ExportError::from)?;
            let lines = seqs
                .iter()
                .map(|seq| carried_line(&rows, EntryAt::new(piece.generation, *seq), &last))
                .collect::<Result<String, _>>()?;
            drop(rows);
            target.write_all(lines.as_bytes())?;
        }
        Ok(())
    }
}

fn carried_line(rows: &Snapshot, at: EntryAt, last: &Checkpoint) -> Result<String, Fault> {
    let line = line_at(rows, at)?;
    let generation = at.generation();
    let nodes = LedgerNodes { rows, generation };
    let path = inclusion_proof(&nodes, at.seq(), last.size).map_err(|error| match error {
        ProofError::Source(fault) => fault,
        ProofError::OutOfRange { .. } => Fault::Invariant("a prefix lies below its checkpoint"),
    })?;
    let leaf = leaf_hash(hash_line(&line).as_ref());
    if !verify_inclusion(&leaf, at.seq(), last.size, &path, &last.root) {
        return Err(Fault::Invariant(
            "stored tree nodes are those of the entries",
        ));
    }
    let text = std::str::from_utf8(&line).map_err(|_| Fault::Invariant("a stored line is text"))?;
    Ok(export::carried_line(text, &path))
}

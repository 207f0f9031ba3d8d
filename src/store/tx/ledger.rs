//! The ledger: lines, signed checkpoints, generations, anchors, and what opens a line's commitments.

use super::Tx;
use crate::domain::{AnchorKind, EntryAt, OrderId};
use crate::store::codec::encode;
use crate::store::records::{Anchoring, EntryRow, Generation};
use crate::store::rows::anchoring_row;
use crate::store::{Fault, Rows};

impl Tx<'_> {
    /// Writes the ledger entry at `at`, which is the next one.
    pub fn put_entry(&mut self, at: EntryAt, row: &EntryRow) -> Result<(), Fault> {
        self.wrote = true;
        let replaced = self
            .tables
            .entries
            .write()?
            .insert(at.key(), encode(row).as_slice())?
            .is_some();
        if replaced {
            Err(Fault::Invariant("a ledger entry is never written twice"))
        } else {
            Ok(())
        }
    }

    /// Keeps a checkpoint for exports.
    pub fn put_mark(&mut self, at: EntryAt, note: &str) -> Result<(), Fault> {
        self.wrote = true;
        self.tables
            .marks
            .write()?
            .insert(at.key(), note.as_bytes())?;
        Ok(())
    }

    /// Writes a generation of the ledger.
    pub fn put_generation(&mut self, number: u16, generation: &Generation) -> Result<(), Fault> {
        self.wrote = true;
        self.tables
            .generations
            .write()?
            .insert(number, encode(generation).as_slice())?;
        Ok(())
    }

    /// Keeps what anchors the checkpoint of a size outside. The caller has kept the checkpoint itself.
    pub fn put_anchor(&mut self, at: EntryAt, kind: AnchorKind, bytes: &[u8]) -> Result<(), Fault> {
        self.wrote = true;
        if self.mark(at)?.is_none() {
            return Err(Fault::Invariant("an anchored checkpoint is kept"));
        }
        self.tables
            .anchors
            .write()?
            .insert((at.key(), kind as u8), bytes)?;
        Ok(())
    }

    /// Writes how a way of anchoring fares.
    pub fn put_anchoring(&mut self, kind: AnchorKind, state: &Anchoring) -> Result<(), Fault> {
        self.put_meta(anchoring_row(kind), &encode(state))
    }

    /// Keeps what opens the commitment of an entry that belongs to no order, sealed.
    pub fn put_opening(&mut self, at: EntryAt, sealed: &[u8]) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.openings.write()?.insert(at.key(), sealed)?;
        Ok(())
    }

    /// Writes that the private fields of an order turned out to be closed for good, at that time, Unix milliseconds: the key of
    /// their month is gone.
    pub fn put_closed(&mut self, order: OrderId, at_ms: i64) -> Result<(), Fault> {
        self.put_erased(order, -at_ms)
    }

    /// Writes that the private fields of an order were destroyed at that time, Unix milliseconds.
    pub fn put_erased(&mut self, order: OrderId, at_ms: i64) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.erased.write()?.insert(order.0, at_ms)?;
        Ok(())
    }
}

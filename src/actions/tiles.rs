//! The ledger as monitors follow it: its published checkpoint, and the tiles of the tree under it.

use super::chain::{Latest, LedgerNodes, closing};
use super::open_shop::Shop;
use super::witness::with_cosignatures;
use crate::domain::EntryAt;
use crate::ledger::entry::hash_line;
use crate::ledger::tiles::Tile;
use crate::store::{Fault, Rows, Snapshot};

impl Shop {
    /// The checkpoint that is shown to anybody, with what witnesses added to it: of the generation that is written the newest,
    /// of one that ended its last. None for a generation that there never was; without a number, the one that is written.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn published(&self, generation: Option<u16>) -> Result<Option<Latest>, Fault> {
        let Some((snapshot, latest)) = self.published_state(generation)? else {
            return Ok(None);
        };
        with_cosignatures(&snapshot, latest).map(Some)
    }

    /// The bytes of a tile of the published tree; none where that tree has no such tile. Reads at most 256 rows.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn tile(&self, generation: Option<u16>, tile: Tile) -> Result<Option<Vec<u8>>, Fault> {
        let Some((snapshot, latest)) = self.published_state(generation)? else {
            return Ok(None);
        };
        if !tile.lies_within(latest.size) {
            return Ok(None);
        }
        let (rows, generation) = (&snapshot, latest.generation);
        let entry = |seq| {
            let row = rows.entry(EntryAt::new(generation, seq))?;
            row.map(|row| hash_line(&row.line))
                .ok_or(Fault::Invariant("every entry below the size is there"))
        };
        tile.bytes(&LedgerNodes { rows, generation }, entry)
            .map(Some)
    }

    /// A published state, and a snapshot that holds its whole tree.
    pub(super) fn published_state(
        &self,
        generation: Option<u16>,
    ) -> Result<Option<(Snapshot, Latest)>, Fault> {
        // Before the snapshot: what is signed was committed before.
        let latest = self.chain.latest();
        let snapshot = self.store.read()?;
        match generation {
            Some(number) if number != latest.generation => {
                let ended = snapshot
                    .generation(number)?
                    .is_some_and(|generation| generation.ended.is_some());
                match ended {
                    true => closing(&snapshot, number).map(|latest| Some((snapshot, latest))),
                    false => Ok(None),
                }
            }
            _ if latest.note.is_empty() => Ok(None),
            _ => Ok(Some((snapshot, latest))),
        }
    }
}

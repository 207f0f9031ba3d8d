//! A consistent state to read from. Bounded in number; hold it shortly, since it pins pages and the file grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redb::ReadTransaction;

use super::records::OrderV2;
use super::{Fault, Head, rows, tables};
use crate::domain::{Order, OrderId, Pool, Slug};

/// Snapshots open at a time: more than any number of handlers that run at once on a small machine.
const READERS_MAX: usize = 1_024;

/// One consistent state of the store.
pub struct Snapshot {
    pub(super) txn: ReadTransaction,
    _place: Place,
}

/// The count of open snapshots.
#[derive(Clone, Default)]
pub(super) struct Readers(Arc<AtomicUsize>);

struct Place(Arc<AtomicUsize>);

impl Snapshot {
    /// Counters and the ledger's head in this state.
    pub fn head(&self) -> Result<Head, Fault> {
        rows::head(self)
    }

    /// An order, and its row as it lies there.
    pub fn order_with_row(&self, id: OrderId) -> Result<Option<(Order, Vec<u8>)>, Fault> {
        let table = self.txn.open_table(tables::ORDERS)?;
        let Some(row) = table.get(id.0)? else {
            return Ok(None);
        };
        let order = rows::converted::<OrderV2, _>("orders", row.value())?;
        Ok(Some((order, row.value().to_vec())))
    }

    /// Nobody changes a state that is only read.
    pub(super) fn changed_pool(&self, _: &Slug) -> Option<Pool> {
        None
    }
}

impl Readers {
    /// Counters and the ledger's head of a database that nobody else reads yet.
    pub(super) fn head_of(&self, database: &redb::Database) -> Result<Head, Fault> {
        self.begin(database)?.head()
    }

    pub(super) fn begin(&self, database: &redb::Database) -> Result<Snapshot, Fault> {
        use redb::ReadableDatabase;
        let place = Place(self.0.clone());
        if self.0.fetch_add(1, Ordering::AcqRel) >= READERS_MAX {
            return Err(Fault::Readers);
        }
        Ok(Snapshot {
            txn: database.begin_read()?,
            _place: place,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

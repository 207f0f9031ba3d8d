//! Writing rows, inside the one transaction of a batch.

mod catalogue;
mod ledger;
mod orders;
mod outbox;
mod stock;
mod tables;

use std::collections::BTreeMap;

pub(super) use tables::Tables;

use super::codec::encode;
use super::records::PoolV2;
use super::{Fault, Head};
use crate::domain::{OrderId, Pool, Slug};

/// The write side of a batch. A closure validates first and writes after; when it refuses after a write, the writer takes the
/// whole batch back and runs the others again.
pub struct Tx<'t> {
    pub(super) tables: Tables<'t>,
    pub(super) head: Head,
    pub(super) wrote: bool,
    pub(super) touched: Vec<OrderId>,
    /// Pools that this batch changed, until its end.
    pools: BTreeMap<Slug, Pool>,
    now_ms: i64,
}

impl<'t> Tx<'t> {
    pub(super) fn new(tables: Tables<'t>, head: Head, now_ms: i64) -> Self {
        Self {
            tables,
            head,
            wrote: false,
            touched: Vec::new(),
            pools: BTreeMap::new(),
            now_ms,
        }
    }

    /// The time of this batch, Unix milliseconds: one for all that is written in it.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Counters and the ledger's head, as of the writes before.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The same, to be advanced.
    pub fn head_mut(&mut self) -> &mut Head {
        self.wrote = true;
        &mut self.head
    }

    /// Writes a row of the meta table.
    pub fn put_meta(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.meta.write()?.insert(name, bytes)?;
        Ok(())
    }

    /// Takes a row of the meta table away.
    pub fn remove_meta(&mut self, name: &str) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.meta.write()?.remove(name)?;
        Ok(())
    }

    /// Writes what waited for the end of the batch.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        for (slug, pool) in std::mem::take(&mut self.pools) {
            let row = encode(&PoolV2::from(&pool));
            self.tables
                .pools
                .write()?
                .insert(slug.as_str(), row.as_slice())?;
        }
        let head = encode(&self.head);
        self.tables.meta.write()?.insert("head", head.as_slice())?;
        Ok(())
    }
}

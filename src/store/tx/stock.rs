//! What is on sale: products, pools, imports, keys and who holds them.

use super::Tx;
use crate::domain::{Pool, Product, SlotRef, Slug};
use crate::store::codec::encode;
use crate::store::records::{Batch, Held, ProductV2, SlotRow, Staging};
use crate::store::rows::record;
use crate::store::{Fault, Rows};

impl Tx<'_> {
    /// Writes a product.
    pub fn put_product(&mut self, product: &Product) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.products.write()?.insert(
            product.slug.as_str(),
            encode(&ProductV2::from(product)).as_slice(),
        )?;
        Ok(())
    }

    /// Writes a pool, at the end of the batch: every sale of a product changes its pool.
    pub fn put_pool(&mut self, pool: &Pool) -> Result<(), Fault> {
        self.wrote = true;
        self.pools.insert(pool.slug.clone(), pool.clone());
        Ok(())
    }

    /// A pool as this batch left it, where it changed it.
    pub(in crate::store) fn changed_pool(&self, slug: &Slug) -> Option<Pool> {
        self.pools.get(slug).cloned()
    }

    /// Writes an import.
    pub fn put_batch(&mut self, number: u32, batch: &Batch) -> Result<(), Fault> {
        self.wrote = true;
        self.tables
            .batches
            .write()?
            .insert(number, encode(batch).as_slice())?;
        Ok(())
    }

    /// Stores a key and the tree nodes that end at it. By its text it is found once its fingerprint is there too.
    pub fn put_slot(
        &mut self,
        slot: SlotRef,
        row: &SlotRow,
        nodes: &[[u8; 32]],
    ) -> Result<(), Fault> {
        self.wrote = true;
        let place = (slot.batch, slot.index);
        self.tables
            .slots
            .write()?
            .insert(place, encode(row).as_slice())?;
        self.tables
            .nodes
            .write()?
            .insert(place, nodes.as_flattened())?;
        Ok(())
    }

    /// Lets a stored key be found by its fingerprint.
    pub fn put_fingerprint(&mut self, fingerprint: &[u8; 16], slot: SlotRef) -> Result<(), Fault> {
        self.wrote = true;
        let place = (slot.batch, slot.index);
        self.tables
            .fingerprints
            .write()?
            .insert(fingerprint, place)?;
        Ok(())
    }

    /// Writes a stored key sealed anew; nothing else of it changes.
    pub fn put_resealed(&mut self, slot: SlotRef, row: &SlotRow) -> Result<(), Fault> {
        self.wrote = true;
        let place = (slot.batch, slot.index);
        self.tables
            .slots
            .write()?
            .insert(place, encode(row).as_slice())?;
        Ok(())
    }

    /// Takes a stored key away: it was handed out and lies sealed with its order. Tells whether it was there.
    pub fn remove_slot(&mut self, slot: SlotRef) -> Result<bool, Fault> {
        self.wrote = true;
        let removed = self
            .tables
            .slots
            .write()?
            .remove((slot.batch, slot.index))?;
        Ok(removed.is_some())
    }

    /// Takes everything of a key away, as if it had never been stored: for imports that did not end.
    pub fn forget_slot(&mut self, slot: SlotRef) -> Result<(), Fault> {
        self.wrote = true;
        let place = (slot.batch, slot.index);
        if let Some(row) = self.slot(slot)? {
            self.tables.fingerprints.write()?.remove(&row.fingerprint)?;
        }
        self.tables.slots.write()?.remove(place)?;
        self.tables.nodes.write()?.remove(place)?;
        Ok(())
    }

    /// Writes who holds a slot; none makes it available again. Gives who held it.
    pub fn put_held(&mut self, slot: SlotRef, held: Option<Held>) -> Result<Option<Held>, Fault> {
        self.wrote = true;
        let place = (slot.batch, slot.index);
        let table = self.tables.held.write()?;
        let before = match held {
            Some(held) => table.insert(place, encode(&held).as_slice())?,
            None => table.remove(place)?,
        };
        before.map(|row| record("held", row.value())).transpose()
    }

    /// Puts a slot back among those that can be ordered.
    pub fn put_returned(&mut self, slug: &Slug, slot: SlotRef) -> Result<(), Fault> {
        self.wrote = true;
        self.tables
            .returned
            .write()?
            .insert((slug.as_str(), slot.batch, slot.index), ())?;
        Ok(())
    }

    /// Takes a slot from the returned ones; tells whether it was there.
    pub fn remove_returned(&mut self, slug: &Slug, slot: SlotRef) -> Result<bool, Fault> {
        self.wrote = true;
        Ok(self
            .tables
            .returned
            .write()?
            .remove((slug.as_str(), slot.batch, slot.index))?
            .is_some())
    }

    /// Writes what the import under way has stored, or that there is none.
    pub fn put_staging(&mut self, staging: Option<&Staging>) -> Result<(), Fault> {
        self.wrote = true;
        match staging {
            Some(staging) => self
                .tables
                .meta
                .write()?
                .insert("staging", encode(staging).as_slice())?,
            None => self.tables.meta.write()?.remove("staging")?,
        };
        Ok(())
    }
}

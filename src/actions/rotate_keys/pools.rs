//! The data keys of pools.

use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::{KeyRotationError, Overtaken, Shop, in_force, not_resealed};
use crate::actions::admin_log::append_admin;
use crate::actions::deliver::slot_row;
use crate::actions::open_shop::unwritten;
use crate::domain::{SlotRef, Slug};
use crate::ledger::entry::What;
use crate::store::{Batch, Fault, Rows, Tx, WriteError};
use crate::vault::Vault;

/// A pool that is sealed again under a new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolProgress {
    /// Its product.
    pub product: Slug,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// Slots looked at.
    pub done: u64,
    /// All its slots, sold ones among them.
    pub slots: u64,
}

/// Meta row: pools that are sealed again, in their turn (JSON).
const ROW: &str = "pool_keys_replaced";
/// Slots sealed again in one write: some milliseconds of the writer's time.
const AT_A_TIME: usize = 500;
/// Slots looked at in one step, most of which may be sold.
const LOOKED_AT_MAX: u32 = 20_000;

/// One pool, and the slot that comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Replacing {
    product: String,
    since_ms: i64,
    batch: u32,
    index: u32,
}

/// The slots of one step.
struct Page {
    slots: Vec<SlotRef>,
    /// Where the next step begins; none at the end.
    next: Option<SlotRef>,
}

impl Shop {
    /// Begins to replace the data key of a product's pool, or of all; those under way go on. Gives the products. New keys are sealed
    /// under the new one from the commit on, so it waits for an import that is at work.
    ///
    /// # Errors
    /// [`KeyRotationError`].
    pub fn replace_pool_keys(&self, product: Option<&Slug>) -> Result<Vec<Slug>, KeyRotationError> {
        // An import seals under the key that it found at its start.
        let _import = self
            .importing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let _turn = self.rotation.turn();
        self.clear_staging()?;
        let products = match product {
            Some(slug) => vec![slug.clone()],
            None => self.products()?.into_iter().map(|of| of.slug).collect(),
        };
        let vault = self.vault.clone();
        let write = self.store.write(move |tx| {
            let mut list = read(tx)?;
            for slug in &products {
                let Some(mut pool) = tx.pool(slug)? else {
                    let unknown = KeyRotationError::Product(slug.clone());
                    return Err(WriteError::Refused(unknown));
                };
                if list.iter().any(|of| of.product == slug.as_str()) {
                    continue;
                }
                let owner = slug.as_str().as_bytes();
                pool.wrapped_key = vault
                    .replaced_pool_key(owner, &pool.wrapped_key)
                    .map_err(|_| Fault::Invariant("a pool's key opens"))?;
                tx.put_pool(&pool)?;
                list.push(Replacing {
                    product: slug.to_string(),
                    since_ms: tx.now_ms(),
                    batch: 0,
                    index: 0,
                });
            }
            put(tx, &list)?;
            Ok(products.clone())
        });
        write.wait().map_err(|error| match error {
            WriteError::Refused(refusal) => refusal,
            error => KeyRotationError::Fault(unwritten(error)),
        })
    }

    /// Seals the next slots of the first pool in turn again, or ends it. Gives whether more is left.
    pub(super) fn reseal_pools(&self) -> Result<bool, Fault> {
        let snapshot = self.store.read()?;
        let Some(replacing) = read(&snapshot)?.into_iter().next() else {
            return Ok(false);
        };
        let batches = batches_of(&snapshot, &replacing.product)?;
        let from = SlotRef {
            batch: replacing.batch,
            index: replacing.index,
        };
        let page = page(&snapshot, &batches, from)?;
        drop(snapshot);
        match page.next {
            Some(next) => self.reseal_slots(replacing, page.slots, next)?,
            None => self.end_pool(replacing, page.slots)?,
        }
        Ok(!read(&self.store.read()?)?.is_empty())
    }

    fn reseal_slots(
        &self,
        replacing: Replacing,
        slots: Vec<SlotRef>,
        next: SlotRef,
    ) -> Result<(), Fault> {
        self.pool_write(move |tx, vault| {
            reseal(tx, vault, &replacing.product, &slots)?;
            let mut list = read(tx)?;
            let own = list.iter_mut().find(|of| of.product == replacing.product);
            if let Some(own) = own {
                (own.batch, own.index) = (next.batch, next.index);
            }
            put(tx, &list)
        })
    }

    /// Seals the last slots again, looks whether every slot opens under the new key, and destroys the one before.
    fn end_pool(&self, replacing: Replacing, slots: Vec<SlotRef>) -> Result<(), Fault> {
        let product = replacing.product.clone();
        self.pool_write(move |tx, vault| reseal(tx, vault, &product, &slots))?;
        let mut left = self.under_older_key(&replacing.product)?;
        if !left.is_empty() {
            // Not met before: the pool is gone through once more.
            let from = SlotRef { batch: 0, index: 0 };
            tracing::warn!(product = %replacing.product, slots = left.len(), "slots are left under the pool's older key");
            left.truncate(AT_A_TIME);
            return self.reseal_slots(replacing, left, from);
        }
        let chain = self.chain.clone();
        self.pool_write(move |tx, vault| {
            let slug = slug_of(&replacing.product)?;
            let mut pool = tx
                .pool(&slug)?
                .ok_or(Fault::Invariant("a product has its pool"))?;
            pool.wrapped_key = Vault::newest_pool_key(&pool.wrapped_key);
            tx.put_pool(&pool)?;
            let mut list = read(tx)?;
            list.retain(|of| of.product != replacing.product);
            put(tx, &list)?;
            let text = format!("key of the pool {slug} replaced");
            append_admin(tx, vault, &chain, What::Settings, &text)?;
            Ok(())
        })
    }

    /// Slots that a pool's newest key does not open and an older one does.
    fn under_older_key(&self, product: &str) -> Result<Vec<SlotRef>, Fault> {
        let (slug, mut left) = (slug_of(product)?, Vec::new());
        let batches = batches_of(&self.store.read()?, product)?;
        let mut from = Some(SlotRef { batch: 0, index: 0 });
        while let Some(at) = from {
            // A snapshot for each step: none is held for long.
            let snapshot = self.store.read()?;
            let page = page(&snapshot, &batches, at)?;
            from = page.next;
            let pool = snapshot.pool(&slug)?;
            let pool = pool.ok_or(Fault::Invariant("a product has its pool"))?;
            let owner = product.as_bytes();
            let key = self
                .vault
                .pool_key(owner, &pool.wrapped_key)
                .map_err(|_| Fault::Invariant("a pool's key opens"))?;
            for slot in page.slots {
                let row = snapshot.slot(slot)?;
                let place = slot_row(slot);
                let place = self.vault.aad("slots", owner, &place);
                let older = row.is_some_and(|row| {
                    let resealed = key.reseal(self.vault.entropy(), &place, &row.sealed);
                    matches!(resealed, Ok(Some(_)))
                });
                if older {
                    left.push(slot);
                }
            }
        }
        Ok(left)
    }

    fn pool_write(
        &self,
        change: impl Fn(&mut Tx<'_>, &Vault) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), Fault> {
        let vault = self.vault.clone();
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Overtaken>> {
                in_force(tx, &vault)?;
                Ok(change(tx, &vault)?)
            });
        write.wait().map_err(not_resealed)
    }
}

/// How far each pool is.
pub(super) fn progress(rows: &impl Rows) -> Result<Vec<PoolProgress>, Fault> {
    let mut pools = Vec::new();
    for replacing in read(rows)? {
        let batches = batches_of(rows, &replacing.product)?;
        let slots = batches.iter().map(|(_, batch)| u64::from(batch.count));
        let before = batches.iter().map(|(number, batch)| match number {
            number if *number < replacing.batch => u64::from(batch.count),
            number if *number == replacing.batch => u64::from(replacing.index),
            _ => 0,
        });
        pools.push(PoolProgress {
            product: slug_of(&replacing.product)?,
            since_ms: replacing.since_ms,
            done: before.sum(),
            slots: slots.sum(),
        });
    }
    Ok(pools)
}

fn read(rows: &impl Rows) -> Result<Vec<Replacing>, Fault> {
    let Some(row) = rows.meta(ROW)? else {
        return Ok(Vec::new());
    };
    serde_json::from_slice(&row).map_err(|_| Fault::Invariant("the list of replaced keys is JSON"))
}

fn put(tx: &mut Tx<'_>, list: &[Replacing]) -> Result<(), Fault> {
    if list.is_empty() {
        return tx.remove_meta(ROW);
    }
    let row = serde_json::to_vec(list)
        .map_err(|_| Fault::Invariant("the list of replaced keys is JSON"))?;
    tx.put_meta(ROW, &row)
}

fn slug_of(product: &str) -> Result<Slug, Fault> {
    Slug::parse(product).map_err(|_| Fault::Invariant("a replaced key names its product"))
}

fn batches_of(rows: &impl Rows, product: &str) -> Result<Vec<(u32, Batch)>, Fault> {
    let mut batches = rows.batches()?;
    batches.retain(|(_, batch)| batch.slug == product);
    Ok(batches)
}

/// The slots from `from` on that still hold their keys, a bounded number.
fn page(rows: &impl Rows, batches: &[(u32, Batch)], from: SlotRef) -> Result<Page, Fault> {
    let (mut slots, mut looked_at) = (Vec::new(), 0);
    for (number, batch) in batches.iter().filter(|(number, _)| *number >= from.batch) {
        let first = match *number == from.batch {
            true => from.index,
            false => 0,
        };
        for index in first..batch.count {
            let slot = SlotRef {
                batch: *number,
                index,
            };
            if slots.len() == AT_A_TIME || looked_at == LOOKED_AT_MAX {
                let next = Some(slot);
                return Ok(Page { slots, next });
            }
            looked_at += 1;
            if rows.slot(slot)?.is_some() {
                slots.push(slot);
            }
        }
    }
    Ok(Page { slots, next: None })
}

fn reseal(tx: &mut Tx<'_>, vault: &Vault, product: &str, slots: &[SlotRef]) -> Result<(), Fault> {
    let owner = product.as_bytes();
    let pool = tx
        .pool(&slug_of(product)?)?
        .ok_or(Fault::Invariant("a product has its pool"))?;
    let key = vault
        .pool_key(owner, &pool.wrapped_key)
        .map_err(|_| Fault::Invariant("a pool's key opens"))?;
    for slot in slots {
        // Sold meanwhile: it lies with its order now.
        let Some(mut row) = tx.slot(*slot)? else {
            continue;
        };
        let place = slot_row(*slot);
        let place = vault.aad("slots", owner, &place);
        match key.reseal(vault.entropy(), &place, &row.sealed) {
            Ok(Some(sealed)) => {
                row.sealed = sealed;
                tx.put_resealed(*slot, &row)?;
            }
            Ok(None) => {}
            // Damaged: no key that is kept mends it, and it keeps none from going.
            Err(error) => {
                tracing::error!(%slot, %error, "a stored key does not open: it stays as it is");
            }
        }
    }
    Ok(())
}

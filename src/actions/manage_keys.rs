//! Keys in stock: listed without being shown, found by their text, withdrawn.

use std::collections::BTreeMap;

use super::deliver::{SALT_BYTES, slot_row};
use super::import_keys::decode::mask;
use super::open_shop::Shop;
use crate::domain::{OrderId, Pool, Secret, SlotRef, Slug, seams::random};
use crate::ledger::entry::{Body, SlotList, Why};
use crate::store::{Fault, Held, Rows, Tx, WriteError};

/// A key in a list. Its text is masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its place.
    pub slot: SlotRef,
    /// Its product.
    pub product: Slug,
    /// Its text masked; none once it was handed out.
    pub masked: Option<String>,
    /// `available`, `withheld`, `reserved`, `sold` or `void`.
    pub state: &'static str,
    /// The order that holds it.
    pub order: Option<OrderId>,
}

/// Why keys are not found or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No such product.
    #[error("there is no product {0}: `keystall product list` shows all")]
    Product(Slug),
    /// No such slot.
    #[error("there is no key {0}: `keystall key list` shows their places")]
    Slot(SlotRef),
    /// Not to be withdrawn any more.
    #[error("key {0} is not available any more ({1}): only unsold keys can be withdrawn")]
    Taken(SlotRef, &'static str),
    /// Nothing named, or a slot twice.
    #[error("name at least one key, each once")]
    Slots,
    /// Not a reason of the ledger.
    #[error("the reason is one of bad, leaked, withdrawn, other")]
    Why,
    /// The store did not take it.
    #[error("{0}")]
    Store(String),
}

/// Bytes of a `slots` value that fit a `void` line with room to spare.
pub(super) const SLOTS_TEXT_BYTES_MAX: usize = 700;

impl Shop {
    /// Keys of a product from slot `from` on, at most `max`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn list_keys(
        &self,
        product: &Slug,
        from: SlotRef,
        max: usize,
    ) -> Result<Vec<ListedKey>, KeyError> {
        let snapshot = self.store.read().map_err(stored)?;
        snapshot
            .product(product)
            .map_err(stored)?
            .ok_or_else(|| KeyError::Product(product.clone()))?;
        let mut listed = Vec::new();
        for (number, batch) in snapshot.batches().map_err(stored)? {
            if batch.slug != product.as_str() || number < from.batch {
                continue;
            }
            let first = if number == from.batch { from.index } else { 0 };
            for index in first..batch.count {
                if listed.len() >= max {
                    return Ok(listed);
                }
                let slot = SlotRef {
                    batch: number,
                    index,
                };
                listed.push(self.listed(&snapshot, product, slot).map_err(stored)?);
            }
        }
        Ok(listed)
    }

    /// The place of a key, by its text, without opening any other.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn find_key(&self, text: &Secret) -> Result<Option<ListedKey>, KeyError> {
        let snapshot = self.store.read().map_err(stored)?;
        let fingerprint = self.vault.fingerprint("key", text.expose());
        let Some(slot) = snapshot.fingerprint(&fingerprint).map_err(stored)? else {
            return Ok(None);
        };
        let Some(batch) = snapshot.batch(slot.batch).map_err(stored)? else {
            // Of an import that has not ended.
            return Ok(None);
        };
        let product = Slug::parse(&batch.slug)
            .map_err(|_| stored(Fault::Invariant("a batch names its product")))?;
        self.listed(&snapshot, &product, slot)
            .map(Some)
            .map_err(stored)
    }

    /// Withdraws unsold keys; the ledger says so. All or none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn void_keys(&self, slots: &[SlotRef], why: &str) -> Result<(), KeyError> {
        let why = Why::from_word(why)
            .filter(|why| matches!(why, Why::Bad | Why::Leaked | Why::Withdrawn | Why::Other))
            .ok_or(KeyError::Why)?;
        let list =
            SlotList::from_pairs(slots.iter().map(|slot| (u64::from(slot.batch), slot.index)));
        let list = list
            .filter(|list| !list.is_empty())
            .ok_or(KeyError::Slots)?;
        let (slots, vault, chain) = (slots.to_vec(), self.vault.clone(), self.chain.clone());
        let write = self.store.write(move |tx| {
            let mut pools: BTreeMap<Slug, Pool> = BTreeMap::new();
            for slot in &slots {
                let slug = voidable(tx, *slot)?;
                if !pools.contains_key(&slug) {
                    let pool = tx
                        .pool(&slug)?
                        .ok_or(Fault::Invariant("a product has its pool"))?;
                    pools.insert(slug.clone(), pool);
                }
                let pool = pools
                    .get_mut(&slug)
                    .ok_or(Fault::Invariant("it was just put there"))?;
                let counted = match pool.is_withheld(*slot) {
                    true => &mut pool.withheld,
                    false => &mut pool.available,
                };
                *counted = counted
                    .checked_sub(1)
                    .ok_or(Fault::Invariant("a pool counts its slots"))?;
                pool.void += 1;
            }
            for slot in &slots {
                for slug in pools.keys() {
                    tx.remove_returned(slug, *slot)?;
                }
                tx.put_held(*slot, Some(Held::Void))?;
            }
            for pool in pools.values() {
                tx.put_pool(pool)?;
            }
            let mut rest = list.clone();
            while !rest.is_empty() {
                let slots = rest.split_front(SLOTS_TEXT_BYTES_MAX);
                chain.append(
                    tx,
                    &Body::Void {
                        slots,
                        why,
                        r: random(vault.entropy()),
                    },
                )?;
            }
            Ok(())
        });
        write.wait().map_err(|error| match error {
            WriteError::Refused(refusal) => refusal,
            error => KeyError::Store(error.to_string()),
        })
    }

    fn listed(&self, rows: &impl Rows, product: &Slug, slot: SlotRef) -> Result<ListedKey, Fault> {
        let held = rows.held(slot)?;
        let pool = rows
            .pool(product)?
            .ok_or(Fault::Invariant("a product has its pool"))?;
        let masked = match rows.slot(slot)? {
            Some(row) => {
                let slug = product.as_str().as_bytes();
                let key = self
                    .vault
                    .pool_key(slug, &pool.wrapped_key)
                    .map_err(|_| Fault::Invariant("a pool's key opens"))?;
                let opened = key.open(&self.vault.aad("slots", slug, &slot_row(slot)), &row.sealed);
                let opened =
                    opened.map_err(|_| Fault::Invariant("a stored key opens at its place"))?;
                opened
                    .expose()
                    .get(SALT_BYTES..)
                    .map(|key| mask(&Secret::new(key)))
            }
            None => None,
        };
        Ok(ListedKey {
            slot,
            product: product.clone(),
            masked,
            state: match held {
                None if pool.is_withheld(slot) => "withheld",
                held => state(held),
            },
            order: held.and_then(Held::order),
        })
    }
}

/// The product of a slot that is there and available.
fn voidable(tx: &Tx<'_>, slot: SlotRef) -> Result<Slug, WriteError<KeyError>> {
    let batch = tx
        .batch(slot.batch)?
        .filter(|batch| slot.index < batch.count);
    let batch = batch.ok_or(WriteError::Refused(KeyError::Slot(slot)))?;
    if let Some(held) = tx.held(slot)? {
        return Err(WriteError::Refused(KeyError::Taken(
            slot,
            state(Some(held)),
        )));
    }
    Ok(Slug::parse(&batch.slug).map_err(|_| Fault::Invariant("a batch names its product"))?)
}

fn state(held: Option<Held>) -> &'static str {
    match held {
        None => "available",
        Some(Held::Reserved(_)) => "reserved",
        Some(Held::Out(_)) => "sold",
        Some(Held::Void) => "void",
    }
}

fn stored(fault: Fault) -> KeyError {
    KeyError::Store(fault.to_string())
}

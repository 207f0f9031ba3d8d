//! Writing rows, inside the one transaction of a batch.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use redb::{Key, ReadableTable, Table, TableDefinition, Value, WriteTransaction};

use super::codec::encode;
use super::records::{
    Anchoring, Batch, CategoryV1, Channel, EffectV2, EntryRow, Generation, Held, NoticeV1, OrderV2,
    PoolV2, ProductV2, SlotRow, Staging, Template, Told, ToldV1,
};
use super::rows::{HoldKind, Rows, WaitKind, anchoring_row, record};
use super::{Fault, Head, tables};
use crate::domain::{
    AnchorKind, Category, ChannelName, Effect, EffectKind, EntryAt, Notice, Order, OrderId,
    OrderState, Pool, Product, SlotRef, Slug, Via,
};

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

type Rowed<'t, K> = Lazy<'t, K, &'static [u8]>;

/// The tables of a batch, each opened when it is first asked for.
pub(super) struct Tables<'t> {
    pub meta: Rowed<'t, &'static str>,
    pub products: Rowed<'t, &'static str>,
    pub pools: Rowed<'t, &'static str>,
    pub batches: Rowed<'t, u32>,
    pub slots: Rowed<'t, (u32, u32)>,
    pub nodes: Rowed<'t, (u32, u32)>,
    pub held: Rowed<'t, (u32, u32)>,
    pub returned: Lazy<'t, (&'static str, u32, u32), ()>,
    pub fingerprints: Lazy<'t, &'static [u8; 16], (u32, u32)>,
    pub orders: Rowed<'t, u64>,
    pub open: Lazy<'t, (i64, u64), ()>,
    pub waiting: Lazy<'t, (u8, u64), ()>,
    pub holds: Lazy<'t, (u8, &'static [u8], u64), u32>,
    pub payments: Lazy<'t, &'static [u8; 16], u64>,
    pub notices: Rowed<'t, u64>,
    pub entries: Rowed<'t, u64>,
    pub marks: Rowed<'t, u64>,
    pub generations: Rowed<'t, u16>,
    pub anchors: Rowed<'t, (u64, u8)>,
    pub openings: Rowed<'t, u64>,
    pub erased: Lazy<'t, u64, i64>,
    pub outbox: Rowed<'t, u64>,
    pub due: Lazy<'t, (u8, i64, u64), ()>,
    pub contacts: Lazy<'t, (&'static [u8; 16], u64), ()>,
    pub unread: Lazy<'t, (i64, u64), u8>,
    pub told: Rowed<'t, (u64, u64)>,
    pub wishes: Rowed<'t, (&'static str, &'static [u8; 16])>,
    pub categories: Rowed<'t, &'static str>,
    pub pictures: Rowed<'t, (&'static [u8; 16], u32)>,
    pub templates: Rowed<'t, (&'static str, &'static str)>,
    pub channels: Rowed<'t, &'static str>,
}

impl<'t> Tables<'t> {
    pub fn of(txn: &'t WriteTransaction) -> Self {
        Self {
            meta: Lazy::new(txn, tables::META),
            products: Lazy::new(txn, tables::PRODUCTS),
            pools: Lazy::new(txn, tables::POOLS),
            batches: Lazy::new(txn, tables::BATCHES),
            slots: Lazy::new(txn, tables::SLOTS),
            nodes: Lazy::new(txn, tables::NODES),
            held: Lazy::new(txn, tables::HELD),
            returned: Lazy::new(txn, tables::RETURNED),
            fingerprints: Lazy::new(txn, tables::FINGERPRINTS),
            orders: Lazy::new(txn, tables::ORDERS),
            open: Lazy::new(txn, tables::OPEN),
            waiting: Lazy::new(txn, tables::WAITING),
            holds: Lazy::new(txn, tables::HOLDS),
            payments: Lazy::new(txn, tables::PAYMENTS),
            notices: Lazy::new(txn, tables::NOTICES),
            entries: Lazy::new(txn, tables::ENTRIES),
            marks: Lazy::new(txn, tables::MARKS),
            generations: Lazy::new(txn, tables::GENERATIONS),
            anchors: Lazy::new(txn, tables::ANCHORS),
            openings: Lazy::new(txn, tables::OPENINGS),
            erased: Lazy::new(txn, tables::ERASED),
            outbox: Lazy::new(txn, tables::OUTBOX),
            due: Lazy::new(txn, tables::DUE),
            contacts: Lazy::new(txn, tables::CONTACTS),
            unread: Lazy::new(txn, tables::UNREAD),
            told: Lazy::new(txn, tables::TOLD),
            wishes: Lazy::new(txn, tables::WISHES),
            categories: Lazy::new(txn, tables::CATEGORIES),
            pictures: Lazy::new(txn, tables::PICTURES),
            templates: Lazy::new(txn, tables::TEMPLATES),
            channels: Lazy::new(txn, tables::CHANNELS),
        }
    }

    /// Opens all of them, which makes those that are not there: a reader expects to find each.
    pub fn make(&self) -> Result<(), Fault> {
        self.meta.read()?;
        self.products.read()?;
        self.pools.read()?;
        self.batches.read()?;
        self.slots.read()?;
        self.nodes.read()?;
        self.held.read()?;
        self.returned.read()?;
        self.fingerprints.read()?;
        self.orders.read()?;
        self.open.read()?;
        self.waiting.read()?;
        self.holds.read()?;
        self.payments.read()?;
        self.notices.read()?;
        self.entries.read()?;
        self.marks.read()?;
        self.generations.read()?;
        self.anchors.read()?;
        self.openings.read()?;
        self.erased.read()?;
        self.outbox.read()?;
        self.due.read()?;
        self.contacts.read()?;
        self.unread.read()?;
        self.told.read()?;
        self.wishes.read()?;
        self.categories.read()?;
        self.pictures.read()?;
        self.templates.read()?;
        self.channels.read()?;
        Ok(())
    }
}

/// A table that is opened when it is first asked for: a batch needs some of them, and each costs a look into the catalogue twice.
pub(super) struct Lazy<'t, K: Key + 'static, V: Value + 'static> {
    txn: &'t WriteTransaction,
    definition: TableDefinition<'static, K, V>,
    opened: OnceCell<Table<'t, K, V>>,
}

impl<'t, K: Key + 'static, V: Value + 'static> Lazy<'t, K, V> {
    fn new(txn: &'t WriteTransaction, definition: TableDefinition<'static, K, V>) -> Self {
        Self {
            txn,
            definition,
            opened: OnceCell::new(),
        }
    }

    pub fn read(&self) -> Result<&Table<'t, K, V>, Fault> {
        match self.opened.get() {
            Some(table) => Ok(table),
            None => {
                let table = self.txn.open_table(self.definition)?;
                Ok(self.opened.get_or_init(|| table))
            }
        }
    }

    pub fn write(&mut self) -> Result<&mut Table<'t, K, V>, Fault> {
        self.read()?;
        self.opened
            .get_mut()
            .ok_or(Fault::Invariant("a table that was opened is at hand"))
    }
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

    /// A pool as this batch left it, where it changed it.
    pub(super) fn changed_pool(&self, slug: &Slug) -> Option<Pool> {
        self.pools.get(slug).cloned()
    }

    /// Whether an order's row is still these bytes.
    pub fn is_order_row(&self, order: OrderId, row: &[u8]) -> Result<bool, Fault> {
        let found = self.tables.orders.read()?.get(order.0)?;
        Ok(found.is_some_and(|found| found.value() == row))
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

    /// Writes an order and keeps the indices of open and waiting orders and of holds true to it.
    pub fn put_order(&mut self, order: &Order, before: Option<&Order>) -> Result<(), Fault> {
        self.wrote = true;
        self.touched.push(order.id);
        let mut stored = OrderV2::from(order);
        if order.state != OrderState::Pending {
            // Who held a reservation is nobody's business once it ended.
            stored.forget_holder();
        }
        self.tables
            .orders
            .write()?
            .insert(order.id.0, encode(&stored).as_slice())?;
        let was_open = before.filter(|before| before.state == OrderState::Pending);
        let is_open = Some(order).filter(|order| order.state == OrderState::Pending);
        match (was_open, is_open) {
            (None, Some(order)) => self.open_order(order)?,
            (Some(before), None) => self.close_order(before)?,
            _ => {}
        }
        self.index_waiting(order, before, WaitKind::Goods, |order| {
            order.state == OrderState::Paid
        })?;
        self.index_waiting(order, before, WaitKind::Refund, |order| order.owed() > 0)
    }

    /// Gives a pending order another deadline.
    pub fn move_deadline(&mut self, before: &Order, expires_at_ms: i64) -> Result<(), Fault> {
        if before.state != OrderState::Pending {
            return Err(Fault::Invariant("an open order is pending"));
        }
        let order = Order {
            expires_at_ms,
            ..before.clone()
        };
        self.wrote = true;
        self.touched.push(order.id);
        self.close_order(before)?;
        self.tables
            .orders
            .write()?
            .insert(order.id.0, encode(&OrderV2::from(&order)).as_slice())?;
        self.open_order(&order)
    }

    /// Writes an order whose wrapped key alone changed: nobody waits for that.
    pub fn put_order_key(&mut self, order: &Order) -> Result<(), Fault> {
        self.wrote = true;
        self.tables
            .orders
            .write()?
            .insert(order.id.0, encode(&OrderV2::from(order)).as_slice())?;
        Ok(())
    }

    /// Records a payment's fingerprint. Gives the order that it was recorded for before.
    pub fn put_payment(
        &mut self,
        fingerprint: &[u8; 16],
        order: OrderId,
    ) -> Result<Option<OrderId>, Fault> {
        self.wrote = true;
        let payments = self.tables.payments.write()?;
        let before = payments.insert(fingerprint, order.0)?;
        Ok(before.map(|row| OrderId(row.value())))
    }

    /// Keeps a notice.
    pub fn append_notice(&mut self, notice: &Notice) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.notices.write()?.insert(
            self.head.next_notice,
            encode(&NoticeV1::from(notice)).as_slice(),
        )?;
        self.head.next_notice += 1;
        Ok(())
    }

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

    /// Takes away what people were told about an order.
    pub fn remove_told(&mut self, order: OrderId) -> Result<(), Fault> {
        self.wrote = true;
        let of_order = (order.0, 0)..=(order.0, u64::MAX);
        self.tables
            .told
            .write()?
            .retain_in(of_order, |_, _| false)?;
        Ok(())
    }

    /// Takes a kept notice away.
    pub fn remove_notice(&mut self, number: u64) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.notices.write()?.remove(number)?;
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

    /// Promises an effect about an order, due at once.
    pub fn promise(&mut self, kind: EffectKind, via: Via, order: OrderId) -> Result<(), Fault> {
        self.promise_with(kind, via, Some(order), 0, |_| Ok(Vec::new()))
    }

    /// Promises an effect, due in `after_ms`; `seal` gives its sealed content for its number.
    pub fn promise_with(
        &mut self,
        kind: EffectKind,
        via: Via,
        order: Option<OrderId>,
        after_ms: i64,
        seal: impl FnOnce(u64) -> Result<Vec<u8>, Fault>,
    ) -> Result<(), Fault> {
        let id = self.head.next_effect;
        let content = seal(id)?;
        self.head_mut().next_effect += 1;
        let now_ms = self.now_ms;
        self.put_effect(
            &Effect {
                id,
                kind,
                via,
                order,
                content,
                promised_at_ms: now_ms,
                attempts: 0,
                due_at_ms: Some(now_ms + after_ms),
                last_error: None,
            },
            None,
        )
    }

    /// Writes an effect after an attempt; `before` is what stood there.
    pub fn put_effect(&mut self, effect: &Effect, before: Option<&Effect>) -> Result<(), Fault> {
        self.wrote = true;
        if let Some(due_ms) = before.and_then(|before| before.due_at_ms) {
            self.tables
                .due
                .write()?
                .remove((effect.via as u8, due_ms, effect.id))?;
        }
        if let Some(due_ms) = effect.due_at_ms {
            self.tables
                .due
                .write()?
                .insert((effect.via as u8, due_ms, effect.id), ())?;
        }
        self.tables
            .outbox
            .write()?
            .insert(effect.id, encode(&EffectV2::from(effect)).as_slice())?;
        Ok(())
    }

    /// Takes a kept promise from the outbox.
    pub fn remove_effect(&mut self, effect: &Effect) -> Result<(), Fault> {
        self.wrote = true;
        if let Some(due_ms) = effect.due_at_ms {
            self.tables
                .due
                .write()?
                .remove((effect.via as u8, due_ms, effect.id))?;
        }
        self.tables.outbox.write()?.remove(effect.id)?;
        Ok(())
    }

    /// Writes a channel, or takes it away.
    pub fn put_channel(
        &mut self,
        name: &ChannelName,
        channel: Option<&Channel>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        match channel {
            Some(channel) => self
                .tables
                .channels
                .write()?
                .insert(name.as_str(), encode(channel).as_slice())?,
            None => self.tables.channels.write()?.remove(name.as_str())?,
        };
        Ok(())
    }

    /// Writes that an order belongs to a contact, or that it does no more.
    pub fn put_contact(
        &mut self,
        contact: &[u8; 16],
        order: OrderId,
        belongs: bool,
    ) -> Result<(), Fault> {
        self.wrote = true;
        let key = (contact, order.0);
        match belongs {
            true => self.tables.contacts.write()?.insert(key, ())?,
            false => self.tables.contacts.write()?.remove(key)?,
        };
        Ok(())
    }

    /// Writes how far telling the buyer of a delivered order went; none once its page was opened.
    pub fn put_unread(
        &mut self,
        delivered_at_ms: i64,
        order: OrderId,
        stage: Option<u8>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        let key = (delivered_at_ms, order.0);
        match stage {
            Some(stage) => self.tables.unread.write()?.insert(key, stage)?,
            None => self.tables.unread.write()?.remove(key)?,
        };
        Ok(())
    }

    /// Keeps that a message about an order was delivered.
    pub fn put_told(&mut self, order: OrderId, effect: u64, told: Told) -> Result<(), Fault> {
        self.wrote = true;
        self.tables
            .told
            .write()?
            .insert((order.0, effect), encode(&ToldV1::from(told)).as_slice())?;
        Ok(())
    }

    /// Writes a sealed wish, or takes it away.
    pub fn put_wish(
        &mut self,
        product: &Slug,
        contact: &[u8; 16],
        sealed: Option<&[u8]>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        let key = (product.as_str(), contact);
        match sealed {
            Some(sealed) => self.tables.wishes.write()?.insert(key, sealed)?,
            None => self.tables.wishes.write()?.remove(key)?,
        };
        Ok(())
    }

    /// Writes a category, or takes it away.
    pub fn put_category(&mut self, slug: &Slug, category: Option<&Category>) -> Result<(), Fault> {
        self.wrote = true;
        match category {
            Some(category) => self.tables.categories.write()?.insert(
                slug.as_str(),
                encode(&CategoryV1::from(category)).as_slice(),
            )?,
            None => self.tables.categories.write()?.remove(slug.as_str())?,
        };
        Ok(())
    }

    /// Writes one width of a picture, or takes it away.
    pub fn put_picture(
        &mut self,
        id: &[u8; 16],
        width: u32,
        jpeg: Option<&[u8]>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        match jpeg {
            Some(jpeg) => self.tables.pictures.write()?.insert((id, width), jpeg)?,
            None => self.tables.pictures.write()?.remove((id, width))?,
        };
        Ok(())
    }

    /// Writes the merchant's own text of a message, or takes it away.
    pub fn put_template(
        &mut self,
        kind: &str,
        language: &str,
        template: Option<&Template>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        match template {
            Some(template) => self
                .tables
                .templates
                .write()?
                .insert((kind, language), encode(template).as_slice())?,
            None => self.tables.templates.write()?.remove((kind, language))?,
        };
        Ok(())
    }

    fn open_order(&mut self, order: &Order) -> Result<(), Fault> {
        self.tables
            .open
            .write()?
            .insert((order.expires_at_ms, order.id.0), ())?;
        for (kind, holder) in holders(order) {
            self.tables
                .holds
                .write()?
                .insert((kind as u8, holder.as_slice(), order.id.0), order.quantity)?;
        }
        Ok(())
    }

    fn close_order(&mut self, order: &Order) -> Result<(), Fault> {
        self.tables
            .open
            .write()?
            .remove((order.expires_at_ms, order.id.0))?;
        for (kind, holder) in holders(order) {
            self.tables
                .holds
                .write()?
                .remove((kind as u8, holder.as_slice(), order.id.0))?;
        }
        Ok(())
    }

    fn index_waiting(
        &mut self,
        order: &Order,
        before: Option<&Order>,
        kind: WaitKind,
        waits: impl Fn(&Order) -> bool,
    ) -> Result<(), Fault> {
        match (before.is_some_and(&waits), waits(order)) {
            (false, true) => drop(
                self.tables
                    .waiting
                    .write()?
                    .insert((kind as u8, order.id.0), ())?,
            ),
            (true, false) => drop(
                self.tables
                    .waiting
                    .write()?
                    .remove((kind as u8, order.id.0))?,
            ),
            _ => {}
        }
        Ok(())
    }
}

/// The three ways in which a pending order is counted.
fn holders(order: &Order) -> [(HoldKind, Vec<u8>); 3] {
    [
        (HoldKind::Contact, order.holder.contact.to_vec()),
        (HoldKind::Address, order.holder.address.0.to_vec()),
        (
            HoldKind::Host,
            Tx::host_key(order.holder.host.0, &order.product),
        ),
    ]
}

impl Tx<'_> {
    /// The holder under which a network's slots of one product are counted.
    pub fn host_key(host: [u8; 8], product: &Slug) -> Vec<u8> {
        [host.as_slice(), product.as_str().as_bytes()].concat()
    }
}

//! The tables of a batch, each opened when it is first asked for.

use std::cell::OnceCell;

use redb::{Key, Table, TableDefinition, Value, WriteTransaction};

use crate::store::{Fault, tables};

type Rowed<'t, K> = Lazy<'t, K, &'static [u8]>;

/// The tables of a batch, each opened when it is first asked for.
pub struct Tables<'t> {
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
pub struct Lazy<'t, K: Key + 'static, V: Value + 'static> {
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

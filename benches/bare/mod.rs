//! What a sale does to the file, by redb alone: the same tables, keys of the same kind and order, rows of the same length.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{
    Database, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableHandle,
    WriteTransaction,
};

use super::report::rate;

/// Bytes of an average row of each table.
#[derive(Clone)]
pub struct Rows(HashMap<String, usize>);

type Table<K> = TableDefinition<'static, K, &'static [u8]>;

const META: Table<&str> = Table::new("meta");
const POOLS: Table<&str> = Table::new("pools");
const SLOTS: Table<(u32, u32)> = Table::new("slots");
const HELD: Table<(u32, u32)> = Table::new("held");
const ORDERS: Table<u64> = Table::new("orders");
const NOTICES: Table<u64> = Table::new("notices");
const ENTRIES: Table<u64> = Table::new("ledger_entries");
const OUTBOX: Table<u64> = Table::new("outbox");
const OPEN: TableDefinition<'static, (i64, u64), ()> = TableDefinition::new("open_orders");
const DUE: TableDefinition<'static, (u8, i64, u64), ()> = TableDefinition::new("outbox_due_by_way");
const HOLDS: TableDefinition<'static, (u8, &[u8], u64), u32> = TableDefinition::new("holds");
const PAYMENTS: TableDefinition<'static, &[u8; 16], u64> = TableDefinition::new("payments");
const CONTACTS: TableDefinition<'static, (&[u8; 16], u64), ()> =
    TableDefinition::new("contact_orders");

impl Rows {
    /// As they lie in a shop's file that nobody has open.
    pub fn of(file: &Path) -> Self {
        let database = Database::open(file).unwrap();
        let txn = database.begin_read().unwrap();
        let tables = txn.list_tables().unwrap().map(|handle| {
            let name = handle.name().to_owned();
            let table = txn.open_untyped_table(handle).unwrap();
            let rows = table.len().unwrap().max(1);
            (
                name,
                (table.stats().unwrap().stored_bytes() / rows) as usize,
            )
        });
        Self(tables.collect())
    }

    fn of_table(&self, table: &impl TableHandle, key_bytes: usize) -> Vec<u8> {
        let bytes = self.0[table.name()].saturating_sub(key_bytes);
        vec![7; bytes]
    }
}

/// A database with the tables that a sale touches, and nothing else.
pub struct Bare {
    database: Database,
    file: PathBuf,
    rows: Rows,
    /// Products whose keys are sold in turn.
    products: usize,
    /// Orders made, and how many of them are sold.
    made: usize,
    sold: usize,
}

/// Orders in one transaction while they are made.
const MADE_AT_ONCE: usize = 512;
/// Sales in one transaction while a history is made.
const FILLED_AT_ONCE: usize = 5_000;

impl Bare {
    /// Creates it.
    pub fn create(path: &Path, cache_bytes: usize, rows: Rows, products: usize) -> Self {
        let mut builder = Database::builder();
        let database = builder.set_cache_size(cache_bytes).create(path).unwrap();
        Self {
            database,
            file: path.to_owned(),
            rows,
            products,
            made: 0,
            sold: 0,
        }
    }

    /// Orders that wait for their payment.
    pub fn order(&mut self, count: usize) {
        let until = self.made + count;
        while self.made < until {
            let next = self.made..until.min(self.made + MADE_AT_ONCE);
            self.durably(|txn| self.write_orders(txn, next.clone()));
            self.made = next.end;
        }
    }

    /// Settles the oldest of them in such batches. Gives how long it took.
    pub fn settle(&mut self, count: usize, batch: usize) -> Duration {
        let begun = Instant::now();
        let until = self.sold + count;
        while self.sold < until {
            let next = self.sold..until.min(self.sold + batch);
            self.durably(|txn| self.write_sales(txn, next.clone(), true));
            self.sold = next.end;
        }
        begun.elapsed()
    }

    /// Settles so many that come one `every` so often, whether or not those before were answered: whoever waits shares the next
    /// commit. Gives how long each waited since it was due.
    pub fn settle_paced(
        &mut self,
        count: usize,
        every: Duration,
        batch_max: usize,
    ) -> Vec<Duration> {
        self.order(count);
        let begun = Instant::now();
        let due = |number: usize| begun + every * number as u32;
        let mut waited = Vec::with_capacity(count);
        while waited.len() < count {
            let first = waited.len();
            std::thread::sleep(due(first).saturating_duration_since(Instant::now()));
            let now = Instant::now();
            let here =
                (first..count.min(first + batch_max)).take_while(|number| due(*number) <= now);
            let here = here.count();
            self.settle(here, here);
            waited.extend((first..first + here).map(|number| due(number).elapsed()));
        }
        waited
    }

    /// Length of its file.
    pub fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.file).unwrap().len()
    }

    /// A history of sales until its file is so long, as fast as it goes. What they promised was kept. Gives how many.
    pub fn fill(&mut self, file_bytes: u64) -> usize {
        let before = self.sold;
        while self.file_bytes() < file_bytes {
            let next = self.sold..self.sold + FILLED_AT_ONCE;
            let mut txn = self.database.begin_write().unwrap();
            txn.set_durability(redb::Durability::None).unwrap();
            self.write_orders(&txn, next.clone());
            self.write_sales(&txn, next.clone(), false);
            txn.commit().unwrap();
            (self.made, self.sold) = (next.end, next.end);
        }
        self.durably(|_| ());
        self.sold - before
    }

    /// Durable as a shop's commits are.
    fn durably(&self, write: impl FnOnce(&WriteTransaction)) {
        let mut txn = self.database.begin_write().unwrap();
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        write(&txn);
        txn.commit().unwrap();
    }

    /// What stands there when orders wait for their payment.
    fn write_orders(&self, txn: &WriteTransaction, sales: Range<usize>) {
        let mut orders = txn.open_table(ORDERS).unwrap();
        let mut slots = txn.open_table(SLOTS).unwrap();
        let mut held = txn.open_table(HELD).unwrap();
        let mut open = txn.open_table(OPEN).unwrap();
        let mut holds = txn.open_table(HOLDS).unwrap();
        let order = self.rows.of_table(&ORDERS, 8);
        let hold = self.rows.of_table(&HELD, 8);
        for sale in sales {
            // Half as long before it is sold: without its delivery.
            orders.insert(id(sale), &order[..order.len() / 2]).unwrap();
            slots.insert(self.slot(sale), &[7; 130][..]).unwrap();
            held.insert(self.slot(sale), hold.as_slice()).unwrap();
            open.insert((TIME_MS, id(sale)), ()).unwrap();
            for (kind, holder) in holders(sale) {
                holds
                    .insert((kind, holder.as_slice(), id(sale)), 1)
                    .unwrap();
            }
        }
    }

    /// What a settle writes, replaces and takes away.
    fn write_sales(&self, txn: &WriteTransaction, sales: Range<usize>, promised: bool) {
        let mut orders = txn.open_table(ORDERS).unwrap();
        let mut slots = txn.open_table(SLOTS).unwrap();
        let mut held = txn.open_table(HELD).unwrap();
        let mut open = txn.open_table(OPEN).unwrap();
        let mut holds = txn.open_table(HOLDS).unwrap();
        let mut payments = txn.open_table(PAYMENTS).unwrap();
        let mut contacts = txn.open_table(CONTACTS).unwrap();
        let mut notices = txn.open_table(NOTICES).unwrap();
        let mut entries = txn.open_table(ENTRIES).unwrap();
        let mut outbox = txn.open_table(OUTBOX).unwrap();
        let mut due = txn.open_table(DUE).unwrap();
        let row = |table: &Table<u64>| self.rows.of_table(table, 8);
        let (order, notice, entry, effect) =
            (row(&ORDERS), row(&NOTICES), row(&ENTRIES), row(&OUTBOX));
        let hold = self.rows.of_table(&HELD, 8);
        for sale in sales {
            let (id, number) = (id(sale), sale as u64);
            held.insert(self.slot(sale), hold.as_slice()).unwrap();
            slots.remove(self.slot(sale)).unwrap();
            orders.insert(id, order.as_slice()).unwrap();
            open.remove((TIME_MS, id)).unwrap();
            for (kind, holder) in holders(sale) {
                holds.remove((kind, holder.as_slice(), id)).unwrap();
            }
            payments.insert(&scattered(sale, 1), id).unwrap();
            contacts.insert((&scattered(sale, 2), id), ()).unwrap();
            notices.insert(number, notice.as_slice()).unwrap();
            entries.insert(number, entry.as_slice()).unwrap();
            if promised {
                outbox.insert(number, effect.as_slice()).unwrap();
                due.insert((1, TIME_MS, number), ()).unwrap();
            }
        }
        let (pool, head) = (self.rows.of_table(&POOLS, 5), self.rows.of_table(&META, 5));
        let mut pools = txn.open_table(POOLS).unwrap();
        pools.insert("steam", pool.as_slice()).unwrap();
        let mut meta = txn.open_table(META).unwrap();
        meta.insert("head", head.as_slice()).unwrap();
    }

    /// The key that a sale hands out.
    fn slot(&self, sale: usize) -> (u32, u32) {
        let (product, number) = (sale % self.products, sale / self.products);
        (product as u32, number as u32)
    }
}

/// Sales a second in a new database.
pub fn transactions(in_flight: usize, sales: usize, rows: &Rows) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut bare = Bare::create(&dir.path().join("bare.redb"), 16 << 20, rows.clone(), 1);
    bare.order(sales);
    rate(sales, bare.settle(sales, in_flight.min(512)))
}

/// Microseconds of each of so many sales, committed one by one, in a file that is at least as large before.
pub fn single_commits(count: usize, file_bytes: u64, rows: &Rows) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let mut bare = Bare::create(&dir.path().join("bare.redb"), 64 << 20, rows.clone(), 1);
    while bare.file_bytes() < file_bytes {
        bare.order(MADE_AT_ONCE);
        bare.settle(MADE_AT_ONCE, MADE_AT_ONCE);
    }
    bare.order(count);
    let one = |_| bare.settle(1, 1).as_secs_f64() * 1e6;
    (0..count).map(one).collect()
}

const TIME_MS: i64 = 1_795_233_600_000;

fn id(sale: usize) -> u64 {
    (TIME_MS as u64) << 20 | sale as u64
}

fn scattered(sale: usize, kind: u8) -> [u8; 16] {
    let hash = blake3::hash(&[&sale.to_le_bytes()[..], &[kind]].concat());
    *hash.as_bytes().first_chunk().unwrap()
}

/// By contact, address, and network with product.
fn holders(sale: usize) -> [(u8, Vec<u8>); 3] {
    let scattered = scattered(sale, 3);
    [
        (1, scattered.to_vec()),
        (2, scattered[..8].to_vec()),
        (3, [&scattered[..8], b"steam"].concat()),
    ]
}

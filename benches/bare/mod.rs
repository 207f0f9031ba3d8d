//! What a settle does to the file, by redb alone.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use redb::{
    Database, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableHandle,
    WriteTransaction,
};

use super::report::rate;

/// Bytes of an average row of each table.
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

/// Sales a second.
pub fn transactions(in_flight: usize, sales: usize, rows: &Rows) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::builder()
        .set_cache_size(16 << 20)
        .create(dir.path().join("bare.redb"))
        .unwrap();
    in_batches(&database, sales, 512, |txn, sales| order(txn, sales, rows));
    let begun = Instant::now();
    in_batches(&database, sales, in_flight.min(512), |txn, sales| {
        settle(txn, sales, rows);
    });
    rate(sales, begun.elapsed())
}

/// Microseconds of each of so many sales, committed one by one, in a file that is at least as large before.
pub fn single_commits(count: usize, file_bytes: u64, rows: &Rows) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bare.redb");
    let database = Database::builder()
        .set_cache_size(64 << 20)
        .create(&file)
        .unwrap();
    let mut done = 0;
    while std::fs::metadata(&file).unwrap().len() < file_bytes {
        commit(&database, done..done + 512, |txn, sales| {
            order(txn, sales, rows);
        });
        commit(&database, done..done + 512, |txn, sales| {
            settle(txn, sales, rows);
        });
        done += 512;
    }
    commit(&database, done..done + count, |txn, sales| {
        order(txn, sales, rows);
    });
    let one = |sale| {
        let begun = Instant::now();
        commit(&database, sale..sale + 1, |txn, sales| {
            settle(txn, sales, rows);
        });
        begun.elapsed().as_secs_f64() * 1e6
    };
    (done..done + count).map(one).collect()
}

fn in_batches(
    database: &Database,
    sales: usize,
    batch: usize,
    write: impl Fn(&WriteTransaction, Range<usize>),
) {
    for from in (0..sales).step_by(batch) {
        commit(database, from..(from + batch).min(sales), &write);
    }
}

/// Durable as a shop's commits are.
fn commit(
    database: &Database,
    sales: Range<usize>,
    write: impl Fn(&WriteTransaction, Range<usize>),
) {
    let mut txn = database.begin_write().unwrap();
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    write(&txn, sales);
    txn.commit().unwrap();
}

/// What stands there when orders wait for their payment.
fn order(txn: &WriteTransaction, sales: Range<usize>, rows: &Rows) {
    let mut orders = txn.open_table(ORDERS).unwrap();
    let mut slots = txn.open_table(SLOTS).unwrap();
    let mut held = txn.open_table(HELD).unwrap();
    let mut open = txn.open_table(OPEN).unwrap();
    let mut holds = txn.open_table(HOLDS).unwrap();
    let order = rows.of_table(&ORDERS, 8);
    let hold = rows.of_table(&HELD, 8);
    for sale in sales {
        // Half as long before it is sold: without its delivery.
        orders.insert(id(sale), &order[..order.len() / 2]).unwrap();
        slots.insert(slot(sale), &[7; 130][..]).unwrap();
        held.insert(slot(sale), hold.as_slice()).unwrap();
        open.insert((TIME_MS, id(sale)), ()).unwrap();
        for (kind, holder) in holders(sale) {
            holds
                .insert((kind, holder.as_slice(), id(sale)), 1)
                .unwrap();
        }
    }
}

fn settle(txn: &WriteTransaction, sales: Range<usize>, rows: &Rows) {
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
    let row = |table: &Table<u64>| rows.of_table(table, 8);
    let (order, notice, entry, effect) = (row(&ORDERS), row(&NOTICES), row(&ENTRIES), row(&OUTBOX));
    let hold = rows.of_table(&HELD, 8);
    for sale in sales {
        let (id, number) = (id(sale), sale as u64);
        held.insert(slot(sale), hold.as_slice()).unwrap();
        slots.remove(slot(sale)).unwrap();
        orders.insert(id, order.as_slice()).unwrap();
        open.remove((TIME_MS, id)).unwrap();
        for (kind, holder) in holders(sale) {
            holds.remove((kind, holder.as_slice(), id)).unwrap();
        }
        payments.insert(&scattered(sale, 1), id).unwrap();
        contacts.insert((&scattered(sale, 2), id), ()).unwrap();
        notices.insert(number, notice.as_slice()).unwrap();
        entries.insert(number, entry.as_slice()).unwrap();
        outbox.insert(number, effect.as_slice()).unwrap();
        due.insert((1, TIME_MS, number), ()).unwrap();
    }
    let (pool, head) = (rows.of_table(&POOLS, 5), rows.of_table(&META, 5));
    let mut pools = txn.open_table(POOLS).unwrap();
    pools.insert("steam", pool.as_slice()).unwrap();
    let mut meta = txn.open_table(META).unwrap();
    meta.insert("head", head.as_slice()).unwrap();
}

const TIME_MS: i64 = 1_795_233_600_000;

fn id(sale: usize) -> u64 {
    (TIME_MS as u64) << 20 | sale as u64
}

fn slot(sale: usize) -> (u32, u32) {
    (1, sale as u32)
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

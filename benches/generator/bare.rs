//! A bare redb database of the same shape as a shop's, without any of our code: rows of the same sizes under keys of the same kind,
//! in as many tables, made durable in the same way.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::{Duration, Instant};

use redb::{Database, TableDefinition, WriteTransaction};

/// The database, and how many sales it holds.
pub struct Bare {
    database: Database,
    sold: usize,
}

type Rows = TableDefinition<'static, u64, &'static [u8]>;

/// Tables that a settle writes, with the bytes of a row in each.
const TABLES: [(&str, usize); 7] = [
    ("orders", 720),
    ("entries", 470),
    ("notices", 130),
    ("outbox", 24),
    ("held", 10),
    ("due", 0),
    ("head", 150),
];
const PROMISES: [&str; 2] = ["outbox", "due"];
const PAYMENTS: TableDefinition<'static, &[u8; 16], u64> = TableDefinition::new("payments");
const POOL: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("pools");
/// Sales in one transaction while it is filled.
const FILL: usize = 5_000;

impl Bare {
    pub fn create(path: &Path, cache_bytes: usize) -> Self {
        let mut builder = Database::builder();
        let database = builder.set_cache_size(cache_bytes).create(path).unwrap();
        Self { database, sold: 0 }
    }

    /// Fills it with so many sales, as fast as it goes.
    pub fn fill(&mut self, sales: usize) {
        let until = self.sold + sales;
        while self.sold < until {
            let count = FILL.min(until - self.sold);
            let mut txn = self.database.begin_write().unwrap();
            txn.set_durability(redb::Durability::None).unwrap();
            self.write(&txn, count, false);
            txn.commit().unwrap();
        }
        self.durable(0);
    }

    /// Writes `sales` in batches. Gives how long it took.
    pub fn sell(&mut self, sales: usize, batch: usize) -> Duration {
        let begun = Instant::now();
        let until = self.sold + sales;
        while self.sold < until {
            self.durable(batch.min(until - self.sold));
        }
        begun.elapsed()
    }

    fn durable(&mut self, count: usize) {
        let mut txn = self.database.begin_write().unwrap();
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        self.write(&txn, count, true);
        txn.commit().unwrap();
    }

    /// `promised`: with what a sale promises; what was kept is gone again.
    fn write(&mut self, txn: &WriteTransaction, count: usize, promised: bool) {
        let bytes = [7_u8; 1_024];
        let sales = self.sold..self.sold + count;
        for (name, len) in TABLES {
            if !promised && PROMISES.contains(&name) {
                continue;
            }
            let mut table = txn.open_table(Rows::new(name)).unwrap();
            for sale in sales.clone() {
                table.insert(sale as u64, &bytes[..len]).unwrap();
            }
        }
        let mut payments = txn.open_table(PAYMENTS).unwrap();
        let mut pool = txn.open_table(POOL).unwrap();
        for sale in sales {
            let hash = blake3::hash(&sale.to_le_bytes());
            let known_as = hash.as_bytes().first_chunk::<16>().unwrap();
            payments.insert(known_as, sale as u64).unwrap();
            pool.insert("steam", &bytes[..130]).unwrap();
        }
        self.sold += count;
    }
}

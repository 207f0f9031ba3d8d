//! What a sale costs the engine alone: rows of the same sizes under keys of the same kind into the same number of tables, with
//! two-phase commit and quick repair, and nothing else.
#![allow(dead_code, clippy::unwrap_used)]

use std::ops::Range;

use redb::{Database, TableDefinition};

/// A database of such rows in a temporary folder.
pub struct Bare {
    dir: tempfile::TempDir,
    database: Database,
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
const PAYMENTS: TableDefinition<'static, &[u8; 16], u64> = TableDefinition::new("payments");
const POOL: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("pools");

impl Bare {
    /// An empty one, with that page cache.
    pub fn new(cache_bytes: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create(dir.path().join("bare.redb"))
            .unwrap();
        Self { dir, database }
    }

    /// The same, filled until its file is as large, in commits of 512 sales. Gives it with the number of its sales.
    pub fn filled(cache_bytes: usize, file_bytes: u64) -> (Self, usize) {
        let this = Self::new(cache_bytes);
        let mut sales = 0;
        while this.file_bytes() < file_bytes {
            this.commit(sales..sales + 512);
            sales += 512;
        }
        (this, sales)
    }

    /// Writes the rows of these sales, durably.
    pub fn commit(&self, sales: Range<usize>) {
        let mut txn = self.database.begin_write().unwrap();
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        write_rows(&txn, sales);
        txn.commit().unwrap();
    }

    fn file_bytes(&self) -> u64 {
        let file = std::fs::metadata(self.dir.path().join("bare.redb"));
        file.unwrap().len()
    }
}

fn write_rows(txn: &redb::WriteTransaction, sales: Range<usize>) {
    let bytes = vec![7_u8; 1_024];
    for (name, len) in TABLES {
        let mut table = txn.open_table(Rows::new(name)).unwrap();
        for sale in sales.clone() {
            table.insert(sale as u64, &bytes[..len]).unwrap();
        }
    }
    let mut payments = txn.open_table(PAYMENTS).unwrap();
    let mut pool = txn.open_table(POOL).unwrap();
    for sale in sales {
        let hash = blake3::hash(&sale.to_le_bytes());
        payments
            .insert(hash.as_bytes().first_chunk::<16>().unwrap(), sale as u64)
            .unwrap();
        pool.insert("steam", &bytes[..130]).unwrap();
    }
}

//! P7: an import of many keys through the product, against a bare redb bulk insert of as many rows of those sizes into as many
//! tables. Each side runs in a process of its own, so that its memory is its own.
//!
//! `cargo bench --features testing --bench import -- --keys 1000000`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

mod daemon;
mod generator;
mod report;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use generator::{Grown, Opening, argument};
use keystall::limits;
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableHandle};
use report::{Row, median, tell};

/// Keys, unless `--keys` says otherwise.
const KEYS: usize = 1_000_000;
/// Measurements of each side, in turn, unless `--rounds` says otherwise.
const ROUNDS: usize = 3;
/// Tables into which each key puts a row.
const TABLES: [&str; 3] = ["slots", "stock_nodes", "fingerprints"];

fn main() {
    let keys = argument("--keys", KEYS);
    if let Some(dir) = std::env::var_os("KEYSTALL_BENCH_IMPORT") {
        return import(Path::new(&dir), keys);
    }
    if let Some(dir) = std::env::var_os("KEYSTALL_BENCH_INSERT") {
        return insert(Path::new(&dir), keys);
    }
    let (mut ours, mut bare, mut memory) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..argument("--rounds", ROUNDS) {
        let dir = tempfile::tempdir().unwrap();
        let (rate, resident) = child("KEYSTALL_BENCH_IMPORT", dir.path(), keys);
        ours.push(rate);
        memory = memory.max(resident);
        bare.push(child("KEYSTALL_BENCH_INSERT", dir.path(), keys).0);
    }
    let what = format!("import of {keys} keys");
    let rates = (median(ours), median(bare));
    tell(&Row::at_least("P7", what.clone(), "keys/s", rates, 0.4));
    let what = format!("{what}, resident");
    tell(&Row::below("P7", what, "MB", memory / 1e6, 200.0));
}

/// Runs this program again for one side. Gives keys a second and the most memory it had, in bytes.
fn child(side: &str, dir: &Path, keys: usize) -> (f64, f64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let command = command.args(["--keys", &keys.to_string()]).env(side, dir);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let mut figures = said.split_whitespace().map(|word| word.parse().unwrap());
    (figures.next().unwrap(), figures.next().unwrap())
}

fn say(keys: usize, begun: Instant) {
    let rate = report::rate(keys, begun.elapsed());
    println!(
        "{rate} {}",
        daemon::process::memory(std::process::id(), "VmHWM")
    );
}

/// The product's side.
fn import(dir: &Path, keys: usize) {
    let shop = Grown::found(&dir.join("shop"), Opening::AS_SERVED);
    let begun = Instant::now();
    shop.stock_of(0, keys);
    say(keys, begun);
    shop.close();
}

/// The engine's side: rows as long as those that the product left in `dir`, one transaction for each file that the product took.
fn insert(dir: &Path, keys: usize) {
    let sizes = row_bytes(&dir.join("shop").join("shop.redb"));
    let slots: TableDefinition<'_, (u32, u32), &[u8]> = TableDefinition::new("slots");
    let nodes: TableDefinition<'_, (u32, u32), &[u8]> = TableDefinition::new("nodes");
    let names: TableDefinition<'_, &[u8; 16], (u32, u32)> = TableDefinition::new("names");
    let database = Database::builder()
        .set_cache_size(Opening::AS_SERVED.cache_bytes)
        .create(dir.join("bare.redb"))
        .unwrap();
    let bytes = vec![7_u8; 1_024];
    let in_a_file = limits::IMPORT_LINES_MAX as usize;
    let begun = Instant::now();
    for from in (0..keys).step_by(in_a_file) {
        let mut txn = database.begin_write().unwrap();
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        {
            let mut slots = txn.open_table(slots).unwrap();
            let mut nodes = txn.open_table(nodes).unwrap();
            let mut names = txn.open_table(names).unwrap();
            for number in from..keys.min(from + in_a_file) {
                let place = ((number / in_a_file) as u32, (number % in_a_file) as u32);
                slots.insert(place, &bytes[..sizes[0]]).unwrap();
                nodes.insert(place, &bytes[..sizes[1]]).unwrap();
                let hash = blake3::hash(&number.to_le_bytes());
                let name = hash.as_bytes().first_chunk::<16>().unwrap();
                names.insert(name, place).unwrap();
            }
        }
        txn.commit().unwrap();
    }
    say(keys, begun);
}

/// Bytes of a value in each of [`TABLES`], on average.
fn row_bytes(path: &Path) -> [usize; 3] {
    let database = Database::open(path).unwrap();
    let txn = database.begin_read().unwrap();
    let mut bytes = [0; 3];
    for handle in txn.list_tables().unwrap() {
        if let Some(at) = TABLES.iter().position(|name| *name == handle.name()) {
            let table = txn.open_untyped_table(handle).unwrap();
            let stored = table.stats().unwrap().stored_bytes();
            // Of these the first eight are the key.
            bytes[at] = (stored / table.len().unwrap()).saturating_sub(8) as usize;
        }
    }
    bytes
}

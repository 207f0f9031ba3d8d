//! All tables of one state as a stream of rows, and a new store from such a stream.
//!
//! A row's key and value are written field by field, numbers big-endian, texts and bytes behind their length in 32 bits: a stream
//! is read without trusting it.

use std::path::Path;

use redb::{
    Builder, Database, Key, ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition,
    TableError, TableHandle, Value, WriteTransaction,
};

use super::snapshot::Snapshot;
use super::tx::Tables;
use super::{Fault, OpenError, create_file, tables};

/// One piece of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpPiece<'a> {
    /// A table begins; its name.
    Table(&'a str),
    /// A row of it.
    Row {
        /// Its key.
        key: &'a [u8],
        /// What lies under it.
        value: &'a [u8],
    },
}

/// Why a stream of rows does not become a store.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The new file.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A table of a newer version, or of none.
    #[error("it holds a table that this version does not know: install the version that made it")]
    Table,
    /// Not a row of its table.
    #[error("a row of its table {0} is of another form")]
    Row(&'static str),
    /// A key that stands there twice.
    #[error("its table {0} holds a row twice")]
    Twice(&'static str),
}

/// A store in the making. It is no store before [`NewStore::finish`].
pub struct NewStore {
    database: Database,
    table: Option<&'static str>,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    waiting_bytes: usize,
    written: u64,
}

/// Bytes of rows that are written in one transaction.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Every table, in the order in which they are copied.
macro_rules! for_each_table {
    ($act:ident) => {
        $act!(
            META,
            PRODUCTS,
            POOLS,
            BATCHES,
            SLOTS,
            NODES,
            HELD,
            RETURNED,
            FINGERPRINTS,
            ORDERS,
            OPEN,
            WAITING,
            HOLDS,
            PAYMENTS,
            NOTICES,
            ENTRIES,
            MARKS,
            GENERATIONS,
            ANCHORS,
            OPENINGS,
            ERASED,
            OUTBOX,
            DUE,
            CONTACTS,
            UNREAD,
            TOLD,
            WISHES,
            CATEGORIES,
            PICTURES,
            TEMPLATES,
            CHANNELS
        )
    };
}

macro_rules! names {
    ($($table:ident),*) => { [$(tables::$table.name()),*] };
}

/// An index of schema 1, which nothing reads any more.
const LEFT_BEHIND: &str = "outbox_due";

impl Snapshot {
    /// Gives every row of every table to `take`, table by table. Gives how many.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read, and what `take` says.
    pub fn dump<E: From<Fault>>(
        &self,
        take: &mut dyn FnMut(DumpPiece<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let known = for_each_table!(names);
        let listed = self.txn.list_tables().map_err(Fault::from)?;
        for table in listed {
            if table.name() != LEFT_BEHIND && !known.contains(&table.name()) {
                return Err(Fault::Invariant("every table is copied").into());
            }
        }
        let mut rows = 0;
        macro_rules! dump {
            ($($table:ident),*) => { $( rows += dump_table(&self.txn, tables::$table, take)?; )* };
        }
        for_each_table!(dump);
        Ok(rows)
    }
}

impl NewStore {
    /// Begins a store in a new file at `path`.
    ///
    /// # Errors
    /// [`LoadError::Open`].
    pub fn create(path: &Path) -> Result<Self, LoadError> {
        create_file(path)?;
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create(path).map_err(Fault::from)?;
        let txn = database.begin_write().map_err(Fault::from)?;
        Tables::of(&txn).make()?;
        txn.commit().map_err(Fault::from)?;
        Ok(Self {
            database,
            table: None,
            rows: Vec::new(),
            waiting_bytes: 0,
            written: 0,
        })
    }

    /// The rows that follow are of the table `name`.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn begin_table(&mut self, name: &str) -> Result<(), LoadError> {
        self.put()?;
        let known = for_each_table!(names);
        let known = known.into_iter().find(|known| *known == name);
        self.table = Some(known.ok_or(LoadError::Table)?);
        Ok(())
    }

    /// Takes a row.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        self.rows.push((key.to_vec(), value.to_vec()));
        self.waiting_bytes += key.len() + value.len() + 64;
        match self.waiting_bytes > BATCH_BYTES {
            true => self.put(),
            false => Ok(()),
        }
    }

    /// Writes what is left, durably. Gives how many rows the store has.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn finish(mut self) -> Result<u64, LoadError> {
        self.put()?;
        let mut txn = self.database.begin_write().map_err(Fault::from)?;
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        txn.commit().map_err(Fault::from)?;
        Ok(self.written)
    }

    fn put(&mut self) -> Result<(), LoadError> {
        let rows = std::mem::take(&mut self.rows);
        self.waiting_bytes = 0;
        if rows.is_empty() {
            return Ok(());
        }
        let name = self.table.ok_or(LoadError::Table)?;
        let txn = self.database.begin_write().map_err(Fault::from)?;
        macro_rules! load {
            ($($table:ident),*) => {
                $( if name == tables::$table.name() { load_rows(&txn, tables::$table, name, &rows)?; } )*
            };
        }
        for_each_table!(load);
        txn.commit().map_err(Fault::from)?;
        self.written += rows.len() as u64;
        Ok(())
    }
}

fn dump_table<K, V, E>(
    txn: &ReadTransaction,
    definition: TableDefinition<'static, K, V>,
    take: &mut dyn FnMut(DumpPiece<'_>) -> Result<(), E>,
) -> Result<u64, E>
where
    K: Key + 'static,
    V: Value + 'static,
    E: From<Fault>,
    for<'a> K::SelfType<'a>: Field<'a>,
    for<'a> V::SelfType<'a>: Field<'a>,
{
    let table: ReadOnlyTable<K, V> = match txn.open_table(definition) {
        Ok(table) => table,
        // Data of an older schema: it is not there yet.
        Err(TableError::TableDoesNotExist(_)) => return Ok(0),
        Err(error) => return Err(Fault::from(error).into()),
    };
    take(DumpPiece::Table(definition.name()))?;
    let (mut key, mut value, mut rows) = (Vec::new(), Vec::new(), 0);
    for row in table.iter().map_err(Fault::from)? {
        let (its_key, its_value) = row.map_err(Fault::from)?;
        key.clear();
        value.clear();
        its_key.value().write(&mut key);
        its_value.value().write(&mut value);
        take(DumpPiece::Row {
            key: &key,
            value: &value,
        })?;
        rows += 1;
    }
    Ok(rows)
}

fn load_rows<K, V>(
    txn: &WriteTransaction,
    definition: TableDefinition<'static, K, V>,
    name: &'static str,
    rows: &[(Vec<u8>, Vec<u8>)],
) -> Result<(), LoadError>
where
    K: Key + 'static,
    V: Value + 'static,
    for<'a> K::SelfType<'a>: Field<'a>,
    for<'a> V::SelfType<'a>: Field<'a>,
{
    let mut table = txn.open_table(definition).map_err(Fault::from)?;
    for (key, value) in rows {
        let key = whole::<K::SelfType<'_>>(key).ok_or(LoadError::Row(name))?;
        let value = whole::<V::SelfType<'_>>(value).ok_or(LoadError::Row(name))?;
        let before = table.insert(&key, &value).map_err(Fault::from)?;
        if before.is_some() {
            return Err(LoadError::Twice(name));
        }
    }
    Ok(())
}

fn whole<'a, F: Field<'a>>(mut bytes: &'a [u8]) -> Option<F> {
    let field = F::read(&mut bytes)?;
    bytes.is_empty().then_some(field)
}

/// Part of a key or a value.
trait Field<'a>: Sized {
    fn write(&self, out: &mut Vec<u8>);
    /// Takes it from the front; none where it is not there.
    fn read(bytes: &mut &'a [u8]) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Field<'_> for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let (number, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_be_bytes(*number))
            }
        }
    )* };
}

numbers!(u8, u16, u32, u64, i64);

impl Field<'_> for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl<'a> Field<'a> for &'a [u8; 16] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(*self);
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        let (field, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(field)
    }
}

impl<'a> Field<'a> for &'a [u8] {
    fn write(&self, out: &mut Vec<u8>) {
        // redb holds no value of 4 GiB.
        (self.len() as u32).write(out);
        out.extend_from_slice(self);
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        let len = usize::try_from(u32::read(bytes)?).ok()?;
        let (field, rest) = bytes.split_at_checked(len)?;
        *bytes = rest;
        Some(field)
    }
}

impl<'a> Field<'a> for &'a str {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_bytes().write(out);
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        std::str::from_utf8(<&[u8]>::read(bytes)?).ok()
    }
}

macro_rules! tuples {
    ($(($($part:ident),*)),*) => { $(
        impl<'a, $($part: Field<'a>),*> Field<'a> for ($($part,)*) {
            #[allow(non_snake_case)] // the parts' types name them
            fn write(&self, out: &mut Vec<u8>) {
                let ($($part,)*) = self;
                $( $part.write(out); )*
            }

            fn read(bytes: &mut &'a [u8]) -> Option<Self> {
                Some(($($part::read(bytes)?,)*))
            }
        }
    )* };
}

tuples!((A, B), (A, B, C));

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_a_store_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let store = NewStore::create(&dir.path().join("shop.redb")).unwrap();
        let txn = store.database.begin_write().unwrap();
        let mut made: Vec<String> = txn
            .list_tables()
            .unwrap()
            .map(|t| t.name().to_owned())
            .collect();
        made.sort();
        let mut copied = for_each_table!(names).to_vec();
        copied.sort_unstable();
        assert_eq!(made, copied);
    }

    #[test]
    fn a_row_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.redb");
        let mut store = NewStore::create(&path).unwrap();
        assert!(matches!(
            store.begin_table("colours"),
            Err(LoadError::Table)
        ));
        store.begin_table("held").unwrap();
        // Half a key; a length far beyond the bytes; bytes behind the value; and the same row twice.
        let key = [0, 0, 0, 1, 0, 0, 0, 2];
        let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
        for wrong in [
            row(&key[..5], &[0, 0, 0, 0]),
            row(&key, &[255, 255, 255, 255, 1]),
            row(&key, &[0, 0, 0, 1, 7, 7]),
            row(&key, &[]),
        ] {
            store.row(&wrong.0, &wrong.1).unwrap();
            assert!(matches!(store.put(), Err(LoadError::Row("held"))));
        }
        store.row(&key, &[0, 0, 0, 1, 7]).unwrap();
        store.row(&key, &[0, 0, 0, 1, 8]).unwrap();
        assert!(matches!(store.put(), Err(LoadError::Twice("held"))));
        assert!(matches!(
            NewStore::create(&path),
            Err(LoadError::Open(OpenError::Exists(_)))
        ));
    }
}

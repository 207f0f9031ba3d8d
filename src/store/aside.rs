//! The database's file, read aside: whatever would be written to it stays in memory. It takes no lock and changes nothing, so a file
//! can be looked at that cannot be written, or that is not to be.
//!
//! Two uses. While the disk refuses writes, buyers read the last state that was acknowledged ([`view`]). And every page's checksum
//! is held against its content ([`verify`]): redb stores them, and does not look at them when it reads.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Builder, Database, DatabaseError, StorageBackend};

use super::snapshot::Readers;
use super::{Fault, Head, Rows};

/// A state that was opened aside. Closing it ends every read from the file, also those of snapshots that are still held: the
/// file's pages are about to be written again.
pub(super) struct View {
    pub(super) database: Database,
    closed: Arc<AtomicBool>,
}

/// Closes a [`View`] whose database was given away.
pub(super) struct Closer(Arc<AtomicBool>);

/// Why a file is not as it was written.
#[derive(Debug, Clone)]
pub(super) enum Unsound {
    /// Its content is not what was written.
    Damaged(String),
    /// It could not be read.
    Unreadable(String),
}

/// Page cache of a database that is read aside.
const CACHE_BYTES: usize = 8 * 1024 * 1024;
const BLOCK: u64 = 4_096;
/// Where redb's header holds the bit that says which of its two commit slots counts (its docs/design.md, "god byte").
const PRIMARY_AT: u64 = 9;
const PRIMARY_BIT: u8 = 1;

/// Opens the state `known`: the last that was told to anybody. A commit of which nobody knows whether it is on the disk is passed
/// over by looking at the slot before it, whose pages no commit after it has touched.
pub(super) fn view(file: &Arc<File>, known: &Head) -> Result<View, Fault> {
    let mut fault = Fault::Database("its last acknowledged state is not in the file".into());
    for before in [false, true] {
        let aside = Aside::new(file.clone(), before);
        let aside = aside.map_err(|error| Fault::Database(error.to_string()))?;
        let closed = aside.closed.clone();
        match opened(aside, false).map(|database| (Readers::default().head_of(&database), database))
        {
            Ok((Ok(head), database)) if head == *known => return Ok(View { database, closed }),
            Ok(_) => {}
            Err(Unsound::Damaged(why) | Unsound::Unreadable(why)) => fault = Fault::Database(why),
        }
    }
    Err(fault)
}

/// Reads the whole file and holds every page against its checksum. Whoever writes to the file meanwhile holds a snapshot, which
/// keeps the pages of the state that is read from being used again.
pub(super) fn verify(file: File) -> Result<(), Unsound> {
    let aside = Aside::new(Arc::new(file), false);
    let aside = aside.map_err(|error| Unsound::Unreadable(error.to_string()))?;
    opened(aside, true).map(|_| ())
}

/// Holds every page of a database that nobody has open against its checksum. Gives its size in bytes; reads the whole file, changes
/// nothing.
///
/// # Errors
/// [`Fault::Damaged`] where the file holds something else than what was written; others where it could not be read.
pub fn verify_file(path: &Path) -> Result<u64, Fault> {
    let unreadable = |error: io::Error| Fault::Database(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    match verify(file) {
        Ok(()) => Ok(bytes),
        Err(Unsound::Damaged(why)) => Err(Fault::Damaged(why)),
        Err(Unsound::Unreadable(why)) => Err(Fault::Database(why)),
    }
}

/// A meta row of the database at `path`, read aside: nothing is locked or changed. While a daemon writes it may not be readable.
///
/// # Errors
/// [`Fault`].
pub fn read_meta(path: &Path, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    let unreadable = |error: io::Error| Fault::Database(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let aside = Aside::new(Arc::new(file), false).map_err(unreadable)?;
    match opened(aside, false) {
        Ok(database) => Readers::default().begin(&database)?.meta(name),
        Err(Unsound::Damaged(why)) => Err(Fault::Damaged(why)),
        Err(Unsound::Unreadable(why)) => Err(Fault::Database(why)),
    }
}

/// Opens a database over `aside`. redb may panic over a file that is not its own work; that is damage like any other.
fn opened(aside: Aside, whole: bool) -> Result<Database, Unsound> {
    if aside.over().len == 0 {
        // redb would begin a new database.
        return Err(Unsound::Damaged("it is empty".into()));
    }
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder.set_check_integrity_on_open(whole);
    let opened = catch_unwind(AssertUnwindSafe(|| builder.create_with_backend(aside)));
    match opened {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(error)) if is_damage(&error) => Err(Unsound::Damaged(error.to_string())),
        Ok(Err(error)) => Err(Unsound::Unreadable(error.to_string())),
        Err(_) => Err(Unsound::Damaged("its pages make no sense".into())),
    }
}

/// Whether the content is at fault, and not the disk.
pub(super) fn is_damage(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Storage(redb::StorageError::Corrupted(_))
        | DatabaseError::UpgradeRequired(_)
        | DatabaseError::RepairAborted => true,
        DatabaseError::Storage(redb::StorageError::Io(error)) => matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        ),
        _ => false,
    }
}

impl View {
    pub(super) fn into_parts(self) -> (Database, Closer) {
        (self.database, Closer(self.closed))
    }
}

impl Closer {
    /// Nothing is read from the file through the view after this returns: a read under way notices at its end.
    pub(super) fn close(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The storage: a file below, which is only read, and blocks of memory above.
struct Aside {
    file: Arc<File>,
    closed: Arc<AtomicBool>,
    over: RwLock<Over>,
}

struct Over {
    len: u64,
    /// Bytes of the file that still count: it was cut there, and grew again perhaps.
    kept: u64,
    blocks: BTreeMap<u64, Box<[u8; BLOCK as usize]>>,
}

impl Aside {
    /// `before`: with the commit slot that counted before the present one.
    fn new(file: Arc<File>, before: bool) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let aside = Self {
            file,
            closed: Arc::default(),
            over: RwLock::new(Over {
                len,
                kept: len,
                blocks: BTreeMap::new(),
            }),
        };
        if before && len > PRIMARY_AT {
            let mut byte = [0];
            aside.read(PRIMARY_AT, &mut byte)?;
            aside.write(PRIMARY_AT, &[byte[0] ^ PRIMARY_BIT])?;
        }
        Ok(aside)
    }

    fn over(&self) -> std::sync::RwLockReadGuard<'_, Over> {
        self.over.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn over_mut(&self) -> std::sync::RwLockWriteGuard<'_, Over> {
        self.over.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file's own bytes at `offset`, zeros where it has none that count.
    fn below(&self, kept: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = kept.saturating_sub(offset).min(out.len() as u64);
        // No longer than `out`, so it fits.
        let there = there as usize;
        self.file.read_exact_at(&mut out[..there], offset)?;
        out[there..].fill(0);
        Ok(())
    }
}

impl StorageBackend for Aside {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over();
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > over.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.below(over.kept, offset, out)?;
        // Looked at after the bytes were had: they are those of before the closing.
        if self.closed.load(Ordering::SeqCst) {
            return Err(io::Error::other("this view is closed"));
        }
        for (at, piece) in pieces(offset, out.len()) {
            if let Some(block) = over.blocks.get(&(at / BLOCK)) {
                let begin = (at % BLOCK) as usize;
                let from = (at - offset) as usize;
                out[from..from + piece].copy_from_slice(&block[begin..begin + piece]);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over_mut();
        if len < over.len {
            over.kept = over.kept.min(len);
            over.blocks.split_off(&len.div_ceil(BLOCK));
            if let Some(block) = over.blocks.get_mut(&(len / BLOCK)) {
                block[(len % BLOCK) as usize..].fill(0);
            }
        }
        over.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over_mut();
        for (at, piece) in pieces(offset, data.len()) {
            let number = at / BLOCK;
            if !over.blocks.contains_key(&number) {
                let mut block = Box::new([0; BLOCK as usize]);
                self.below(over.kept, number * BLOCK, &mut block[..])?;
                over.blocks.insert(number, block);
            }
            let begin = (at % BLOCK) as usize;
            let from = (at - offset) as usize;
            if let Some(block) = over.blocks.get_mut(&number) {
                block[begin..begin + piece].copy_from_slice(&data[from..from + piece]);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aside")
    }
}

/// The stretches of a range that lie in one block each: where they begin, and their bytes.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize)> {
    let end = offset + len as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let left = end.checked_sub(at).filter(|left| *left > 0)?;
        let piece = left.min(BLOCK - at % BLOCK);
        let begin = at;
        at += piece;
        // At most a block.
        Some((begin, piece as usize))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    fn aside(bytes: &[u8]) -> Aside {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Aside::new(Arc::new(file), false).unwrap()
    }

    fn all(aside: &Aside) -> Vec<u8> {
        let mut out = vec![0; aside.len().unwrap() as usize];
        aside.read(0, &mut out).unwrap();
        out
    }

    #[test]
    fn what_is_written_aside_is_read_again_and_never_reaches_the_file() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|i| i as u8).collect();
        let aside = aside(&bytes);
        let mut expected = bytes.clone();
        for (at, len) in [(0, 1), (4_090, 20), (8_192, 4_096), (5_000, 9_000)] {
            expected[at..at + len].fill(7);
            aside.write(at as u64, &vec![7; len]).unwrap();
            assert_eq!(all(&aside), expected);
        }
        let mut below = vec![0; bytes.len()];
        aside.file.read_exact_at(&mut below, 0).unwrap();
        assert_eq!(below, bytes);
    }

    #[test]
    fn what_was_cut_off_is_zero_when_it_grows_again() {
        let aside = aside(&[9; 10_000]);
        aside.write(4_096, &[8; 4_096]).unwrap();
        aside.set_len(5_000).unwrap();
        aside.set_len(10_000).unwrap();
        let mut expected = vec![9; 4_096];
        expected.extend([8; 904]);
        expected.extend([0; 5_000]);
        assert_eq!(all(&aside), expected);
        assert!(aside.read(9_999, &mut [0; 2]).is_err());
    }

    #[test]
    fn nothing_is_read_after_it_was_closed() {
        let aside = aside(&[9; 100]);
        Closer(aside.closed.clone()).close();
        assert!(aside.read(0, &mut [0; 2]).is_err());
    }
}

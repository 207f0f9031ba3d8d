//! Creating and opening the database file.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::{Builder, Database};

use super::aside::{Unsound, is_damage, verify};
use super::head::Head;
use super::snapshot::Readers;
use super::tx::Tables;
use super::{Fault, migrate};
use crate::domain::Clock;

/// Files up to this size are verified before they are opened: in less than a second.
const VERIFIED_AT_OPEN_BYTES: u64 = 128 * 1024 * 1024;
/// Number of the stored form. Newer data is refused by name; older data is migrated.
pub const SCHEMA: u32 = 5;

/// Opens the database over its storage, each time anew: a file, or a test's backend. Only where the flag says so it may make one.
pub type Storage =
    Arc<dyn Fn(&mut Builder, bool) -> Result<Database, redb::DatabaseError> + Send + Sync>;

/// Hears of commits, on the writer's thread: it must be quick.
pub type Observe = Arc<dyn Fn(usize, Duration) + Send + Sync>;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Where the bytes lie.
    pub storage: Storage,
    /// The file that they lie in, where it is one: it is verified when it is opened, and read aside while it cannot be written.
    pub file: Option<PathBuf>,
    /// Page cache in bytes.
    pub cache_bytes: usize,
    /// Closures in one commit at most.
    pub group_max: usize,
    /// Closures waiting at most; beyond it a write is refused as busy.
    pub queue_max: usize,
    /// Pause between attempts to reopen the database after a disk error.
    pub reopen_pause: Duration,
    /// Told of each commit: the closures that it carried, and how long it took from the first of them to the disk.
    pub observe: Option<Observe>,
    /// The time of each batch.
    pub clock: Arc<dyn Clock>,
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No file there.
    #[error("{0} does not exist: `keystall init` makes a shop")]
    Missing(PathBuf),
    /// A file where none was expected.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// Another process has it open.
    #[error("the shop is open in another process: its daemon, or a command that is still at work")]
    InUse,
    /// Data of a newer version.
    #[error(
        "this shop was written by a newer keystall (schema {found}, this one knows {SCHEMA}): install {}", wanted(.by)
    )]
    Newer {
        /// Its schema number.
        found: u32,
        /// The version that wrote it, where it said so.
        by: Option<String>,
    },
    /// The file holds something else than what was written into it.
    #[error(
        "shop.redb is damaged ({0}): nothing was changed; keep a copy of the folder as it is, check the disk, and run `keystall backup restore COPY` with the recovery sheet"
    )]
    Damaged(String),
    /// Not a shop's database.
    #[error("not a keystall database: {0}")]
    Foreign(String),
    /// The store itself.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Options {
    /// A store in the file at `path`.
    pub fn file(path: &Path, cache_bytes: usize, clock: Arc<dyn Clock>) -> Self {
        let path = path.to_owned();
        let file = Some(path.clone());
        let storage: Storage = Arc::new(move |builder, new| {
            if new {
                builder.create(&path)
            } else {
                builder.open(&path)
            }
        });
        Self {
            storage,
            file,
            cache_bytes,
            group_max: 512,
            queue_max: 8_192,
            reopen_pause: Duration::from_millis(100),
            observe: None,
            clock,
        }
    }
}

/// Makes an empty file for a new store, readable by its owner alone.
///
/// # Errors
/// [`OpenError::Exists`], or the file system's refusal.
pub fn create_file(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(OpenError::Exists(path.to_owned()))
        }
        Err(error) => Err(OpenError::Fault(Fault::Database(error.to_string()))),
    }
}

/// Opens the database and checks its schema; a new one gets its tables and the rows of `first`.
pub(super) fn open(
    options: &Options,
    first: Option<&[(&str, Vec<u8>)]>,
) -> Result<Database, OpenError> {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    let database = (options.storage)(&mut builder, first.is_some()).map_err(refused)?;
    match first {
        Some(rows) => create(&database, rows)?,
        None => check_schema(&database)?,
    }
    Ok(database)
}

/// Holds a file's pages against their checksums before it is opened and written to; a large one is left to [`Store::verify`], in
/// the background, for the shop's sake that waits.
///
/// [`Store::verify`]: super::Store::verify
pub(super) fn verify_small(options: &Options) -> Result<(), OpenError> {
    let Some(path) = &options.file else {
        return Ok(());
    };
    let unreadable = |error: std::io::Error| Fault::Database(error.to_string());
    let file = File::options().read(true).write(true).open(path);
    let file = file.map_err(unreadable)?;
    // Of an empty file redb says what it is.
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes == 0 || bytes > VERIFIED_AT_OPEN_BYTES {
        return Ok(());
    }
    match file.try_lock() {
        // Until the end of this look; redb takes it for itself then.
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
        Err(TryLockError::Error(error)) => return Err(unreadable(error).into()),
    }
    match verify(file) {
        Ok(()) => Ok(()),
        Err(Unsound::Damaged(why)) => Err(OpenError::Damaged(why)),
        Err(Unsound::Unreadable(why)) => Err(Fault::Database(why).into()),
    }
}

fn create(database: &Database, rows: &[(&str, Vec<u8>)]) -> Result<(), Fault> {
    let mut txn = database.begin_write()?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    {
        let mut tables = Tables::of(&txn);
        tables.make()?;
        for (name, bytes) in migrate::first_rows() {
            tables.meta.write()?.insert(name, bytes.as_slice())?;
        }
        tables
            .meta
            .write()?
            .insert("head", super::codec::encode(&Head::default()).as_slice())?;
        for (name, bytes) in rows {
            tables.meta.write()?.insert(*name, bytes.as_slice())?;
        }
    }
    Ok(txn.commit()?)
}

/// Older data is let in: it is brought up by the first write, once the shop was proven to be the right one.
fn check_schema(database: &Database) -> Result<(), OpenError> {
    let snapshot = Readers::default().begin(database)?;
    let found =
        migrate::stamped(&snapshot).map_err(|fault| OpenError::Foreign(fault.to_string()))?;
    match found {
        Some(1..=SCHEMA) => Ok(()),
        Some(found) => Err(OpenError::Newer {
            found,
            by: migrate::written_by(&snapshot)?,
        }),
        None => Err(OpenError::Foreign("it has no schema number".into())),
    }
}

/// What to install for data that is newer.
fn wanted(by: &Option<String>) -> String {
    // Nothing that a damaged row may hold is repeated.
    let version = |text: &&String| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-+".contains(letter);
        text.len() <= 40 && text.chars().all(plain)
    };
    match by.as_ref().filter(version) {
        Some(by) => format!("keystall {by} or newer"),
        None => "that version again".to_owned(),
    }
}

fn refused(error: redb::DatabaseError) -> OpenError {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
        error if is_damage(&error) => OpenError::Damaged(error.to_string()),
        error => OpenError::Fault(error.into()),
    }
}

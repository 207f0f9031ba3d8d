//! Bringing older data up to this version: which steps there are, how far they went, and the copy that is made before the first.
//!
//! The schema's number is written first, so an older version refuses what a kill leaves half done; how far the steps went stands
//! beside it until the last is done, so this version goes on from there. What a step does is the caller's: it may need keys.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::rows::Rows;
use super::{Fault, SCHEMA, Tx};

/// One step from a schema to the next. Each may be cut off anywhere and begun again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The schema that it begins with.
    pub from: u32,
    /// What it does, for the log.
    pub what: &'static str,
}

/// All steps, in their order: the one at place `n` leads from schema `n + 1` to `n + 2`.
pub const STEPS: [Step; SCHEMA as usize - 1] = [
    Step {
        from: 1,
        what: "orders are found by their contacts, messages by their way",
    },
    Step {
        from: 2,
        what: "the ledger's generation gets a row",
    },
    Step {
        from: 3,
        what: "notes of staff are sealed with their orders",
    },
    Step {
        from: 4,
        what: "the shop's keys get a row of their own below the root key",
    },
];

/// Meta row: the schema that the next step begins with, while steps are left.
const UPGRADING: &str = "upgrading";
/// Meta row: the version of this program that wrote the schema's number.
const WRITTEN_BY: &str = "written_by";
/// Meta row: when the last step was done, Unix milliseconds.
const UPGRADED_AT: &str = "upgraded_at";
/// This program's version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Room beside the copy itself that an upgrade needs.
const SPARE_BYTES: u64 = 64 << 20;

/// Why no copy was made before an upgrade.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The disk is too full.
    #[error(
        "no room for the copy that is made before this data is upgraded: {needed_mib} MiB are needed at {path}, {free_mib} are free: make room, then start again; nothing was changed"
    )]
    Room {
        /// Where.
        path: PathBuf,
        /// What it takes.
        needed_mib: u64,
        /// What is there.
        free_mib: u64,
    },
    /// The file system refused.
    #[error(
        "the copy that is made before this data is upgraded was not made: {path}: {source}; nothing was changed"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// The rows that a new store begins with.
pub(super) fn first_rows() -> [(&'static str, Vec<u8>); 2] {
    [
        ("schema", SCHEMA.to_le_bytes().to_vec()),
        (WRITTEN_BY, VERSION.as_bytes().to_vec()),
    ]
}

/// The schema that the data is of, steps that are left counted; none where there is no number.
///
/// # Errors
/// [`Fault`].
pub fn schema_of(rows: &impl Rows) -> Result<Option<u32>, Fault> {
    match number(rows.meta(UPGRADING)?) {
        Some(from) => Ok(Some(from)),
        None => stamped(rows),
    }
}

/// The schema's number as it was written.
pub(super) fn stamped(rows: &impl Rows) -> Result<Option<u32>, Fault> {
    Ok(number(rows.meta("schema")?))
}

/// The version of this program that wrote the schema's number, where it said so.
pub(super) fn written_by(rows: &impl Rows) -> Result<Option<String>, Fault> {
    let text = rows.meta(WRITTEN_BY)?;
    Ok(text.and_then(|text| String::from_utf8(text).ok()))
}

/// When the data was brought up to this schema, Unix milliseconds; none for a shop that was founded in it.
///
/// # Errors
/// [`Fault`].
pub fn upgraded_at_ms(rows: &impl Rows) -> Result<Option<i64>, Fault> {
    let row = rows.meta(UPGRADED_AT)?;
    Ok(row
        .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
        .map(i64::from_le_bytes))
}

impl Tx<'_> {
    /// Says that the data is of this version's schema, and that all steps after `from` are left.
    pub fn begin_upgrade(&mut self, from: u32) -> Result<(), Fault> {
        self.tables.make()?;
        for (name, bytes) in first_rows() {
            self.put_meta(name, &bytes)?;
        }
        self.put_meta(UPGRADING, &from.to_le_bytes())
    }

    /// Says, in the write that ends it, that the step from this schema is done.
    pub fn end_step(&mut self, from: u32) -> Result<(), Fault> {
        if from + 1 < SCHEMA {
            return self.put_meta(UPGRADING, &(from + 1).to_le_bytes());
        }
        let now_ms = self.now_ms();
        self.remove_meta(UPGRADING)?;
        self.put_meta(UPGRADED_AT, &now_ms.to_le_bytes())
    }

    /// Indexes anew which messages are due: schema 1 did not know their ways.
    pub fn index_due(&mut self) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let effects = self.effects_after(after, 1_000)?;
            let Some(last) = effects.last() else {
                return Ok(());
            };
            after = Some(last.id);
            for effect in &effects {
                self.put_effect(effect, None)?;
            }
        }
    }
}

/// The name of the copy of data of a schema, in the folder of backups.
pub fn copy_name(schema: u32) -> String {
    format!("before-schema-{schema}.redb")
}

/// Copies the database, to which nobody writes meanwhile, into a file that must not be taken for a copy before it was looked at.
/// Durable before this returns.
///
/// # Errors
/// [`CopyError`], before anything is written where there is too little room.
pub fn copy_database(database: &Path, to: &Path) -> Result<(), CopyError> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CopyError::Io { path, source }
    };
    let bytes = fs::metadata(database).map_err(failed(database))?.len();
    make_private(folder).map_err(failed(folder))?;
    // Of an attempt before: its room counts as free.
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(to)(error)),
        _ => {}
    }
    enough(folder, bytes, free_bytes(folder))?;
    let copy = || -> io::Result<()> {
        let (mut from, mut into) = (File::open(database)?, create(to)?);
        io::copy(&mut from, &mut into)?;
        into.sync_all()
    };
    copy().map_err(failed(to))
}

/// Gives the copy that was looked at its name; durable before this returns.
///
/// # Errors
/// [`CopyError::Io`].
pub fn keep_copy(looked_at: &Path, name: &Path) -> Result<(), CopyError> {
    let folder = name.parent().unwrap_or(Path::new("."));
    let kept = fs::rename(looked_at, name).and_then(|()| File::open(folder)?.sync_all());
    kept.map_err(|source| CopyError::Io {
        path: name.to_owned(),
        source,
    })
}

fn enough(folder: &Path, bytes: u64, free: Option<u64>) -> Result<(), CopyError> {
    const MIB: u64 = 1 << 20;
    let needed = bytes.saturating_add(SPARE_BYTES);
    match free {
        Some(free) if free < needed => Err(CopyError::Room {
            path: folder.to_owned(),
            needed_mib: needed.div_ceil(MIB),
            free_mib: free / MIB,
        }),
        // Where nobody tells, the copy itself does.
        _ => Ok(()),
    }
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn number(row: Option<Vec<u8>>) -> Option<u32> {
    row.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
        .map(u32::from_le_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_before_this_one_has_its_step() {
        for (at, step) in STEPS.iter().enumerate() {
            assert_eq!(step.from as usize, at + 1);
        }
        assert_eq!(STEPS.len() + 1, SCHEMA as usize);
    }

    #[test]
    fn too_little_room_is_said_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let refused = enough(dir.path(), 10 << 20, Some(70 << 20)).unwrap_err();
        let said = refused.to_string();
        assert!(
            said.contains("74 MiB are needed") && said.contains("70 are free"),
            "{said}"
        );
        assert!(enough(dir.path(), 10 << 20, Some(74 << 20)).is_ok());
        assert!(enough(dir.path(), 10 << 20, None).is_ok());
    }

    #[test]
    fn what_an_attempt_before_left_behind_is_copied_over() {
        let dir = tempfile::tempdir().unwrap();
        let (database, to) = (
            dir.path().join("shop.redb"),
            dir.path().join("backups/copy"),
        );
        fs::write(&database, b"whole").unwrap();
        fs::create_dir(dir.path().join("backups")).unwrap();
        fs::write(&to, b"half a copy of long ago").unwrap();
        copy_database(&database, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"whole");
    }
}

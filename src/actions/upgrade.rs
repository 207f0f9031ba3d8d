//! Bringing a shop's older data up to this version's schema: a copy first, then step by step.
//!
//! May be killed anywhere: before the first step there is nothing but a copy; after it the data is of this schema, and the steps that
//! are left go on at the next opening (`store/migrate.rs`).

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use super::open_shop::{Shop, unwritten};
use crate::ledger::entry::hash_line;
use crate::ledger::tree::Frontier;
use crate::store::{
    CopyError, Fault, Generation, Options, Rows, SCHEMA, STEPS, Snapshot, Store, Tx, WriteError,
    copy_database, copy_name, keep_copy, upgraded_at_ms,
};

/// The first schema that has a row for each generation of the ledger.
pub(super) const GENERATIONS_SINCE: u32 = 3;
/// How long the copy made before an upgrade is kept after it.
const COPY_KEPT_MS: i64 = 24 * 3_600_000;
const BACKUPS: &str = "backups";

/// Why older data was not brought up. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// No copy was made.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The copy is not what was copied.
    #[error(
        "the copy that was made before this data is upgraded does not hold what shop.redb does ({0}): look at the disk; nothing was changed"
    )]
    Differs(String),
}

/// The schema that the data is of, steps that are left counted.
pub(super) fn schema_of(snapshot: &Snapshot) -> Result<u32, Fault> {
    crate::store::schema_of(snapshot)?
        .ok_or(Fault::Invariant("an open store has its schema number"))
}

impl Shop {
    /// Copies the database into the folder of backups before its first step, and looks whether the copy opens and holds the same
    /// ledger. Steps that go on have their copy. Nobody writes meanwhile: the shop is being opened.
    pub(super) fn copy_before_upgrade(
        &self,
        database: &Path,
        options: &impl Fn(&Path) -> Options,
    ) -> Result<(), UpgradeError> {
        let differs = |fault: Fault| UpgradeError::Differs(fault.to_string());
        let snapshot = self.store.read().map_err(differs)?;
        let schema = schema_of(&snapshot).map_err(differs)?;
        if snapshot.meta("schema").map_err(differs)? == Some(SCHEMA.to_le_bytes().to_vec()) {
            return Ok(());
        }
        let folder = self.folder.join(BACKUPS);
        let copied = folder.join("being-copied.redb");
        copy_database(database, &copied)?;
        let looked_at = look_at_copy(&copied, &snapshot, options);
        if let Err(error) = looked_at {
            // What cannot be removed, the next attempt overwrites.
            let _ = fs::remove_file(&copied);
            return Err(error);
        }
        let kept = folder.join(copy_name(schema));
        keep_copy(&copied, &kept)?;
        tracing::info!(copy = %kept.display(), "shop.redb was copied before its data is upgraded");
        Ok(())
    }

    /// Takes the steps that are left. `log` is the ledger's generation, for data that has no row of it.
    pub(super) fn begin_upgrade(&self, schema: u32, log: Generation) -> Result<(), Fault> {
        self.upgrade_write(move |tx| tx.begin_upgrade(schema))?;
        for step in STEPS.iter().filter(|step| step.from >= schema) {
            tracing::info!(schema = step.from + 1, what = step.what, "data is upgraded");
            let log = log.clone();
            match step.from {
                1 => {
                    self.index_old_contacts()?;
                    self.end_step(1, |tx| tx.index_due())?;
                }
                2 => self.end_step(2, move |tx| tx.put_generation(tx.head().generation, &log))?,
                3 => self.end_step(3, super::notes::expect_old)?,
                4 => self.free_keys_of_root()?,
                _ => return Err(Fault::Invariant("every step is known")),
            }
        }
        Ok(())
    }

    /// Removes the copies made before upgrades that were a day ago. Called at start and every hour.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn drop_upgrade_copies(&self) -> Result<usize, Fault> {
        let upgraded = upgraded_at_ms(&self.store.read()?)?;
        if upgraded.is_none_or(|at_ms| self.now_ms() - at_ms < COPY_KEPT_MS) {
            return Ok(0);
        }
        let copies = STEPS.map(|step| self.folder.join(BACKUPS).join(copy_name(step.from)));
        let removed = copies.iter().filter(|copy| fs::remove_file(copy).is_ok());
        Ok(removed.count())
    }

    fn free_keys_of_root(&self) -> Result<(), Fault> {
        let keys = self.vault.freed_of_root();
        let row = self.vault.keyset_row(&keys);
        let known = self.store.read()?.meta("keyset")?.is_some();
        self.end_step(4, move |tx| match known {
            true => Ok(()),
            false => tx.put_meta("keyset", &row),
        })?;
        if !known {
            self.vault.adopt(keys);
        }
        Ok(())
    }

    fn end_step(
        &self,
        from: u32,
        step: impl Fn(&mut Tx<'_>) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), Fault> {
        self.upgrade_write(move |tx| {
            step(tx)?;
            tx.end_step(from)
        })
    }

    fn upgrade_write(
        &self,
        change: impl Fn(&mut Tx<'_>) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), Fault> {
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> { Ok(change(tx)?) });
        write.wait().map_err(unwritten)
    }
}

/// Opens the copy as a shop's database is, and holds its ledger against itself and against the original's head.
fn look_at_copy(
    copied: &Path,
    original: &Snapshot,
    options: &impl Fn(&Path) -> Options,
) -> Result<(), UpgradeError> {
    let differs = |error: &dyn std::fmt::Display| UpgradeError::Differs(error.to_string());
    let store = Store::open(options(copied), Box::new(|_| ())).map_err(|error| differs(&error))?;
    let same = || -> Result<bool, Fault> {
        let copy = store.read()?;
        let head = copy.head()?;
        let (mut tree, mut last) = (Frontier::new(), [0; 32]);
        for seq in 0..head.size {
            let Some(row) = copy.entry(head.at(seq))? else {
                return Ok(false);
            };
            let hash = hash_line(&row.line);
            tree.append(hash.as_ref());
            last = hash.0;
        }
        let peaks: Vec<[u8; 32]> = tree.subtrees().iter().map(|peak| peak.0).collect();
        Ok(head == original.head()? && peaks == head.peaks && last == head.hash)
    };
    let same = same();
    store.close();
    match same {
        Ok(true) => Ok(()),
        Ok(false) => Err(differs(&"its ledger is another")),
        Err(fault) => Err(differs(&fault)),
    }
}

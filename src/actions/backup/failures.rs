//! What fails with the backups: the making of them, and each place by itself. What works again at one place says nothing of another.

use super::folder::Folder;
use super::{BackupError, Index, PlaceError};
use crate::actions::open_shop::{Shop, unwritten};
use crate::domain::EffectKind;
use crate::store::{Fault, WriteError};

use std::sync::{MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// A backup that was not made, or not brought to a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The first since it last went well, Unix milliseconds.
    pub since_ms: i64,
    /// The last.
    pub at_ms: i64,
    /// Why.
    pub why: String,
    /// Whether the merchant was told.
    pub told: bool,
}

/// What the merchant is told of backups that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupAlarm {
    /// When the newest good one was, Unix milliseconds; none where there is none, or nobody knows.
    pub newest_ms: Option<i64>,
    /// Why the last attempt failed, here and at each place.
    pub reason: String,
}

impl Index {
    /// All that fails now: the making first, then each place.
    pub fn failures(&self) -> impl Iterator<Item = &Failed> {
        self.failed.iter().chain(self.failing.values())
    }
}

impl Shop {
    /// Writes down that a backup was not made, and has the merchant told of it once it is the second time in a row. A success takes
    /// it back.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn note_backup(&self, why: Option<&str>) -> Result<(), BackupError> {
        let written = self.write_backup_failure(why);
        match (&written, why) {
            (Ok(()), _) => *self.unwritten() = None,
            (Err(BackupError::Busy), _) | (Err(_), None) => {}
            (Err(error), Some(why)) => self.keep_unwritten(why, error),
        }
        written
    }

    /// The last failure that could not be written down, as on a full disk: it is known until something is written again, or the
    /// daemon ends.
    pub fn unwritten_backup_failure(&self) -> Option<Failed> {
        self.unwritten().clone()
    }

    fn unwritten(&self) -> MutexGuard<'_, Option<Failed>> {
        // Whoever panicked while holding it had written nothing half.
        self.unwritten_backup
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_unwritten(&self, why: &str, error: &BackupError) {
        let now_ms = self.now_ms();
        let mut unwritten = self.unwritten();
        let since_ms = unwritten.as_ref().map_or(now_ms, |before| before.since_ms);
        let error = error.to_string();
        *unwritten = Some(Failed {
            since_ms,
            at_ms: now_ms,
            why: match why == error {
                true => error,
                false => format!("{why}; nor is that written down: {error}"),
            },
            told: false,
        });
    }

    fn write_backup_failure(&self, why: Option<&str>) -> Result<(), BackupError> {
        let folder = Folder::hold(&self.folder)?;
        let mut index = Index::read(&self.folder)?;
        let before = index.failed.take();
        match why {
            None if before.is_none() => return Ok(()),
            None => {}
            Some(why) => index.failed = Some(self.failed_again(before, why)?),
        }
        folder.write_index(&index)
    }

    /// The same of the places with these `names`, which are all that are set up: those that `worked`, and those that `failed`. One
    /// that was not asked stands as it stood.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn note_places(
        &self,
        names: &[String],
        worked: &[String],
        failed: &[PlaceError],
    ) -> Result<(), BackupError> {
        let folder = Folder::hold(&self.folder)?;
        let mut index = Index::read(&self.folder)?;
        let before = index.failing.clone();
        index.failing.retain(|name, _| names.contains(name));
        for name in names {
            if let Some(error) = failed.iter().find(|error| error.place == *name) {
                let failed = self.failed_again(index.failing.remove(name), &error.to_string())?;
                index.failing.insert(name.clone(), failed);
            } else if worked.contains(name) {
                index.failing.remove(name);
            }
        }
        match index.failing == before {
            true => Ok(()),
            false => folder.write_index(&index),
        }
    }

    fn failed_again(&self, before: Option<Failed>, why: &str) -> Result<Failed, Fault> {
        let now_ms = self.now_ms();
        // Promised first: told twice is better than never.
        if before.as_ref().is_some_and(|before| !before.told) {
            self.promise_backup_alarm()?;
        }
        Ok(Failed {
            since_ms: before.as_ref().map_or(now_ms, |before| before.since_ms),
            at_ms: now_ms,
            why: why.to_owned(),
            told: before.is_some(),
        })
    }

    /// Has the merchant told at once, where nothing can be written down: [`Shop::backup_alarm`] says what it is.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn promise_backup_alarm(&self) -> Result<(), Fault> {
        let tell = self.policy.tell;
        let write = self.store.write(
            move |tx| -> Result<(), WriteError<std::convert::Infallible>> {
                let mut ways = tell.merchant();
                Ok(ways.try_for_each(|via| {
                    tx.promise_with(EffectKind::BackupFailed, via, None, 0, |_| Ok(Vec::new()))
                })?)
            },
        );
        write.wait().map_err(unwritten)
    }

    /// What is wrong with the backups now, for the merchant; none once there is a good one again. An index that does not read is wrong
    /// by itself: nobody knows then how old the newest backup is.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn backup_alarm(&self) -> Result<Option<BackupAlarm>, Fault> {
        let index = match Index::read(&self.folder) {
            Ok(index) => index,
            Err(error) => {
                return Ok(Some(BackupAlarm {
                    newest_ms: None,
                    reason: error.to_string(),
                }));
            }
        };
        let newest_ms = index.newest().map(|newest| newest.at_ms);
        let unwritten = self.unwritten_backup_failure();
        let failures = unwritten.iter().chain(index.failures());
        let reasons: Vec<&str> = failures.map(|failed| failed.why.as_str()).collect();
        Ok((!reasons.is_empty()).then(|| BackupAlarm {
            newest_ms,
            reason: reasons.join("; "),
        }))
    }
}

//! Which month keys go with a backup: those that are named, else those that lie beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::BackupError;
use super::folder::KEYS_ENDING;
use super::stream::StreamError;
use super::unpack::{Keys, manifest_of, unpack_keys};
use crate::vault::{AgeError, BackupIdentity};

/// Sealed files of month keys that are looked at.
const KEYS_LOOKED_AT: usize = 256;

/// Month keys that were found.
pub(super) struct Found {
    /// Those that are taken, and where they are from.
    pub(super) taken: Option<(PathBuf, Keys)>,
    /// The lists of erased orders of those that count, one after the other.
    pub(super) erased: String,
    /// Those beside the backup that nothing vouches for: they are left out, unless one was named.
    pub(super) strange: Vec<PathBuf>,
}

/// The month keys at `given`, else the newest of those that lie beside `file`, are of the same shop, and hold a checkpoint that is
/// `signed` by one of its log keys; one that is not is taken by its name alone. What any of these tells of erased orders counts: an
/// order that was erased stays so, whichever keys are given.
pub(super) fn find_keys(
    file: &Path,
    given: Option<&Path>,
    identity: &BackupIdentity,
    install: &str,
    signed: &dyn Fn(&str) -> bool,
) -> Result<Found, BackupError> {
    let all = keys_beside(file, identity, install)?;
    let (mut own, strange): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(_, keys)| signed(&keys.manifest.note));
    let mut erased: String = own.iter().map(|(_, keys)| keys.erased.as_str()).collect();
    let taken = match given {
        Some(path) => {
            let keys = unpack_keys(path, &[identity])?;
            if keys.manifest.install != install {
                return Err(BackupError::Chain("these month keys are of another shop"));
            }
            erased.push_str(&keys.erased);
            Some((path.to_owned(), keys))
        }
        None => {
            // The ledger only grows; clocks may be wrong.
            own.sort_by_key(|(_, keys)| {
                let manifest = &keys.manifest;
                (manifest.generation, manifest.size, manifest.at_ms)
            });
            own.pop()
        }
    };
    // Where a path does not resolve, the file that was just read went away: it is only named too often.
    let named = given.and_then(|path| fs::canonicalize(path).ok());
    let is_named = |path: &Path| named.is_some() && fs::canonicalize(path).ok() == named;
    let strange = strange.into_iter().map(|(path, _)| path);
    let strange = strange.filter(|path| !is_named(path)).collect();
    Ok(Found {
        taken,
        erased,
        strange,
    })
}

/// All month keys beside `file` that are of the same shop. One that does not read is not passed over: nobody knows what it tells.
fn keys_beside(
    file: &Path,
    identity: &BackupIdentity,
    install: &str,
) -> Result<Vec<(PathBuf, Keys)>, BackupError> {
    let beside = file.parent().filter(|folder| *folder != Path::new(""));
    let beside = beside.unwrap_or(Path::new("."));
    let entries = fs::read_dir(beside).map_err(BackupError::file(beside))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(BackupError::file(beside))?.path();
        if path.to_string_lossy().ends_with(KEYS_ENDING) {
            paths.push(path);
        }
    }
    // Their names begin with their times.
    paths.sort();
    let mut found = Vec::new();
    for path in paths.into_iter().rev().take(KEYS_LOOKED_AT) {
        let read = match manifest_of(&path, &[identity]) {
            Ok(manifest) if manifest.install != install => continue,
            Err(BackupError::Stream(StreamError::Age(AgeError::Stranger))) => continue,
            Ok(_) => unpack_keys(&path, &[identity]),
            Err(error) => Err(error),
        };
        match read {
            Ok(keys) => found.push((path, keys)),
            Err(error) => {
                let source = Box::new(error);
                return Err(BackupError::KeysBeside { path, source });
            }
        }
    }
    Ok(found)
}

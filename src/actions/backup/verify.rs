//! Opening a sealed backup with the recovery secret, to see that it restores.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::find_keys::find_keys;
use super::folder::{Folder, create_private, has_room_for, make};
use super::key::identity_of_text;
use super::stream::Manifest;
use super::unpack::{ERASE_KEYS, HIGHWATER, manifest_of, unpack_data, verify};
use super::vouch::Logs;
use super::{BackupError, Progress, Tell};
use crate::actions::check_books::Books;
use crate::actions::open_shop::{DATABASE, Policy, Shop, ShopError};
use crate::actions::restore::RestoreError;
use crate::domain::{Entropy, Secret, seams::random};
use crate::store::Options;

/// What was proven of a backup.
#[derive(Debug)]
pub struct Verified {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of it, hex.
    pub blake3: String,
    /// Rows of all tables.
    pub rows: u64,
    /// Ledger entries whose chain was proven.
    pub entries: u64,
    /// The log key that its ledger begins with. The seal names nobody: that this is the shop's own key tells who made the backup.
    pub first_vkey: String,
    /// The books of the restored shop, where its month keys lie beside it.
    pub books: Option<Books>,
    /// Month keys beside it that no log key of its ledger signed, which were left out.
    pub strange: Vec<PathBuf>,
}

/// Restores the sealed data at `file` into a folder that is removed afterwards, and checks everything that can be. Month keys are
/// taken from `keys`, else from beside it. The folder lies in the shop's `dir` where that holds a shop, else among the system's
/// temporary ones.
///
/// # Errors
/// [`BackupError`].
#[allow(clippy::too_many_arguments)] // one command
pub fn verify_sealed(
    dir: &Path,
    file: &Path,
    keys: Option<&Path>,
    recovery: &Secret,
    policy: Policy,
    options: &dyn Fn(&Path) -> Options,
    entropy: Arc<dyn Entropy>,
    tell: &mut Tell<'_>,
) -> Result<Verified, BackupError> {
    let identity = identity_of_text(recovery).ok_or(BackupError::Recovery)?;
    let manifest = manifest_of(file, &[&identity])?;
    let room = Room::make(dir, &*entropy)?;
    has_room_for(&room.path, manifest.store_bytes)?;
    let mut tell = |done, total| tell(done, total);
    let progress = &mut Progress::new(&mut tell);
    let database = room.path.join(DATABASE);
    let data = unpack_data(file, &[&identity], &database, progress)?;
    progress.step(data.rows, Some(data.manifest.size));
    let entries = verify(&database, &data, options, progress)?;
    let logs = Logs::of(&database, options)?;
    let signed = |note: &str| logs.signed(note);
    let keys = find_keys(file, keys, &identity, &data.manifest.install, &signed)?;
    let books = match keys.taken {
        Some((_, keys)) => {
            let put = |name: &str, bytes: &[u8]| {
                let path = room.path.join(name);
                let written = create_private(&path)
                    .and_then(|mut file| std::io::Write::write_all(&mut file, bytes));
                written.map_err(BackupError::file(&path))
            };
            put(ERASE_KEYS, &keys.erase_keys)?;
            put(HIGHWATER, data.manifest.note.as_bytes())?;
            data.root.put(&room.path)?;
            Some(books_of(&room.path, policy, options, entropy)?)
        }
        None => None,
    };
    let (bytes, blake3) = data.sealed;
    Ok(Verified {
        manifest: data.manifest,
        bytes,
        blake3,
        rows: data.rows,
        entries,
        first_vkey: logs.first_vkey().unwrap_or_default().to_owned(),
        books,
        strange: keys.strange,
    })
}

fn books_of(
    dir: &Path,
    policy: Policy,
    options: &dyn Fn(&Path) -> Options,
    entropy: Arc<dyn Entropy>,
) -> Result<Books, BackupError> {
    let opened = |error: ShopError| BackupError::from(Box::new(RestoreError::Shop(error)));
    let shop = Shop::open_copy(dir, policy, options, entropy).map_err(opened)?;
    let books = shop.check_books();
    shop.close();
    Ok(books?)
}

/// A folder for a while: within a shop its own for such work, which its next run empties, else one among the system's temporary
/// ones, which the next verification removes where a kill left it.
struct Room {
    path: PathBuf,
    held: Option<Folder>,
    _lock: Option<File>,
}

/// What the names of rooms among the system's temporary folders begin with.
pub(super) const ROOM_BEGIN: &str = "keystall-verify-";
const ROOM_LOCK: &str = "lock";
/// A room without a lock that nothing was put in for so long is nobody's.
const UNLOCKED_FOR: Duration = Duration::from_secs(24 * 3_600);

impl Room {
    fn make(dir: &Path, entropy: &dyn Entropy) -> Result<Self, BackupError> {
        if dir.join(DATABASE).exists() {
            let held = Folder::hold(dir)?;
            return Ok(Self {
                path: held.checking()?,
                held: Some(held),
                _lock: None,
            });
        }
        let among = std::env::temp_dir();
        sweep(&among);
        let name = hex::encode(random::<8>(entropy));
        let path = among.join(format!("{ROOM_BEGIN}{name}"));
        // It has its name once it is held: nobody sweeps it away between.
        let early = among.join(format!(".{ROOM_BEGIN}{name}"));
        make(&early)?;
        let hold = || -> io::Result<File> {
            let lock = create_private(&early.join(ROOM_LOCK))?;
            lock.try_lock()?;
            fs::rename(&early, &path)?;
            Ok(lock)
        };
        let lock = hold().map_err(BackupError::file(&path))?;
        Ok(Self {
            path,
            held: None,
            _lock: Some(lock),
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What cannot be removed in the shop's folder, the next run removes.
        let _ = match &self.held {
            Some(held) => held.clean().map_err(drop),
            None => remove_room(&self.path).map_err(drop),
        };
    }
}

/// Removes the rooms in `among` that this user's verifications were killed in: a shop was unpacked there, its root key with it.
pub(super) fn sweep(among: &Path) {
    let user = rustix::process::geteuid().as_raw();
    let Ok(entries) = fs::read_dir(among) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_room = name.to_string_lossy().starts_with(ROOM_BEGIN);
        // Of the entry itself: a link is followed nowhere.
        let about = entry.metadata().ok().filter(|about| about.is_dir());
        if !is_room || about.as_ref().is_none_or(|about| about.uid() != user) {
            continue;
        }
        let about = about.and_then(|about| about.modified().ok());
        let age = about.and_then(|modified| modified.elapsed().ok());
        // Held by whoever is in it. One without its lock was being removed, or made, when its verification was killed.
        let is_dead = match File::open(entry.path().join(ROOM_LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                age.is_some_and(|age| age > UNLOCKED_FOR)
            }
            Err(_) => false,
        };
        if is_dead {
            // What cannot be removed, the next one tries again.
            let _ = remove_room(&entry.path());
        }
    }
}

/// Removes a room, its lock last: what is left of it after a kill is still known for dead.
fn remove_room(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != ROOM_LOCK {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(path)
}

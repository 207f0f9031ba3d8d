//! `backups/` in the shop's folder: the sealed files, the index of those that were verified, and nothing else for long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BackupError, Failed, Half, Strange};
use crate::actions::open_shop::Shop;
use crate::vault::replace_file;

/// Ending of a file of data.
pub const DATA_ENDING: &str = ".data.zst.age";
/// Ending of a file of month keys.
pub const KEYS_ENDING: &str = ".keys.zst.age";
/// What the names of all copies begin with.
pub(super) const NAME_BEGIN: &str = "keystall-";
/// Name of the shop's own folder among the places.
pub const LOCAL: &str = "local";
/// Name of the folder within the shop's.
pub const FOLDER: &str = "backups";

/// What is known of the verified backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Form of this file.
    pub v: u32,
    /// Backups of data, the oldest first.
    pub data: Vec<SealedCopy>,
    /// Backups of month keys, the oldest first.
    pub keys: Vec<SealedCopy>,
    /// What failed since the last good one was made.
    #[serde(default)]
    pub failed: Option<Failed>,
    /// Places that fail, by name, until each works again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failing: BTreeMap<String, Failed>,
    /// What is left alone at a place, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub strange: BTreeMap<String, Strange>,
}

/// One sealed file that was read back and verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCopy {
    /// Its name in the folder, and in every place.
    pub name: String,
    /// When its state was, Unix milliseconds.
    pub at_ms: i64,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of it, hex.
    pub blake3: String,
    /// Generation of the ledger.
    pub generation: u16,
    /// Ledger entries that it holds.
    pub size: u64,
    /// When it was verified, Unix milliseconds.
    pub verified_at_ms: i64,
    /// Places outside the folder where it was read back, with when, Unix milliseconds.
    #[serde(default)]
    pub places: BTreeMap<String, i64>,
    /// Places where it was sent and not read back yet: it counts as no backup there, and is removed in its time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unproven: BTreeSet<String>,
    /// Places, the shop's own folder among them, whose list does not show it as it was read back there: it counts as no backup
    /// there until a list does again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub doubted: BTreeMap<String, Doubt>,
    /// Not wanted any more: it goes where it can be reached.
    #[serde(default)]
    pub dropped: bool,
    /// Of month keys: BLAKE3 of `erase.keys`, hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub erase_keys: String,
    /// Of month keys: the labels of those in it. Of data: those that were there when it was made. None where a version made it
    /// that did not write them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Since when it is known from the list of a place alone, Unix milliseconds: nobody verified it here, so it counts as no backup,
    /// has no hash, and is only kept, and removed in its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_ms: Option<i64>,
    /// Of one that was found: whether it lies in the shop's own folder.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub here: bool,
    /// Of month keys: since when there is a newer copy, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_ms: Option<i64>,
}

/// What a place's list shows in place of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// The length of what lies there by its name; none where nothing does.
    pub bytes: Option<u64>,
    /// When it was last brought there again, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_ms: Option<i64>,
}

impl SealedCopy {
    /// Whether these month keys open all of `data` that opened when it was made.
    pub(super) fn opens(&self, data: &Self) -> bool {
        data.labels.iter().all(|label| self.labels.contains(label))
    }

    /// Whether it was verified here, and is to be kept.
    pub(super) fn is_own(&self) -> bool {
        !self.dropped && self.found_ms.is_none()
    }

    /// Whether it was read back from `place` as it was last sent there, or was made in the shop's own folder, and the last list of
    /// it showed it still.
    pub fn is_at(&self, place: &str) -> bool {
        let was_there = match place {
            LOCAL => self.is_own(),
            _ => self.places.contains_key(place) && !self.unproven.contains(place),
        };
        was_there && !self.doubted.contains_key(place)
    }

    /// Whether it says that it was made later than now, by more than clocks differ: a clock was wrong.
    pub fn is_ahead(&self, now_ms: i64) -> bool {
        const CLOCKS_DIFFER_MS: i64 = 10 * 60_000;
        self.at_ms > now_ms.saturating_add(CLOCKS_DIFFER_MS)
    }
}

/// The folder, held: one run at a time.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    _held: File,
}

const INDEX: &str = "index.json";
const INDEX_BYTES_MAX: u64 = 16 * 1024 * 1024;
const LOCK: &str = "lock";
const PART: &str = ".part";
const CHECKING: &str = "checking";
const VERSION: u32 = 1;
/// How often another run is waited for, before it is told that there is one.
const TRIES_MAX: u32 = if cfg!(test) { 1 } else { 100 };
const TRY_PAUSE: Duration = Duration::from_millis(50);

impl Index {
    /// Reads the index of the shop in `dir`; empty where there is none.
    ///
    /// # Errors
    /// [`BackupError::Index`].
    pub fn read(dir: &Path) -> Result<Self, BackupError> {
        let path = dir.join(FOLDER).join(INDEX);
        let unread = |why: String| BackupError::Index {
            path: path.clone(),
            why,
        };
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => file.take(INDEX_BYTES_MAX).read_to_string(&mut text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => Err(error),
        }
        .map_err(|error| unread(error.to_string()))?;
        match serde_json::from_str::<Self>(&text) {
            Ok(index) if index.v > VERSION => Err(unread("a newer version wrote it".to_owned())),
            Ok(index) if index.has_names() => Ok(index),
            _ => Err(unread("it is no index of backups".to_owned())),
        }
    }

    /// The newest backup of data in the shop's own folder that is to be kept, and whose month keys are there. The index is written
    /// under a lock and only grows at its end: the last is the newest, whatever the clock said.
    pub fn newest(&self) -> Option<&SealedCopy> {
        let is_here = |copy: &SealedCopy| copy.is_at(LOCAL);
        let mut copies = self.data.iter().rev();
        copies.find(|copy| is_here(copy) && self.opens(copy, is_here))
    }

    /// The newest month keys in the shop's own folder that open `data`.
    pub fn keys_of(&self, data: &SealedCopy) -> Option<&SealedCopy> {
        let mut keys = self.keys.iter().rev();
        keys.find(|keys| keys.is_at(LOCAL) && keys.opens(data))
    }

    /// The newest backup of data that was verified in a place, with its month keys.
    pub fn newest_at(&self, place: &str) -> Option<&SealedCopy> {
        let is_there = |copy: &SealedCopy| copy.found_ms.is_none() && copy.is_at(place);
        let mut copies = self.data.iter().rev();
        copies.find(|copy| is_there(copy) && self.opens(copy, is_there))
    }

    /// The last backup of data that is to be kept, its month keys being there or not.
    pub(super) fn last_data(&self) -> Option<&SealedCopy> {
        self.data.iter().rev().find(|copy| copy.is_own())
    }

    fn opens(&self, data: &SealedCopy, is_there: impl Fn(&SealedCopy) -> bool) -> bool {
        let mut keys = self.keys.iter().filter(|keys| is_there(keys));
        data.labels.is_empty() || keys.any(|keys| keys.opens(data))
    }

    /// Whether the newest copy of each half was read back from `place` and is there.
    pub(super) fn has_newest_at(&self, place: &str) -> bool {
        [&self.data, &self.keys].iter().all(|copies| {
            let newest = copies.iter().rev().find(|copy| copy.is_own());
            newest.is_none_or(|newest| newest.is_at(place))
        })
    }

    /// The copies of one half.
    pub(super) fn half(&mut self, half: Half) -> &mut Vec<SealedCopy> {
        match half {
            Half::Data => &mut self.data,
            Half::Keys => &mut self.keys,
        }
    }

    /// Whether it names files of backups and nothing else: names become paths, of files that are removed, too.
    fn has_names(&self) -> bool {
        let data = self.data.iter().map(|copy| (&copy.name, DATA_ENDING));
        let mut all = data.chain(self.keys.iter().map(|copy| (&copy.name, KEYS_ENDING)));
        all.all(|(name, ending)| is_name(name, ending))
    }
}

/// `keystall-`, letters, digits and hyphens, and the ending.
pub(super) fn is_name(name: &str, ending: &str) -> bool {
    const MIDDLE_BYTES_MAX: usize = 64;
    let middle = name.strip_prefix(NAME_BEGIN);
    let middle = middle.and_then(|name| name.strip_suffix(ending));
    middle.is_some_and(|middle| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=MIDDLE_BYTES_MAX).contains(&middle.len()) && middle.bytes().all(is_plain)
    })
}

impl Shop {
    /// What is known of this shop's backups.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn backups(&self) -> Result<Index, BackupError> {
        Index::read(&self.folder)
    }

    /// Removes what a run that was killed left in `backups/`: half a copy, or a shop that was unpacked for its proof. Nothing where
    /// there is no such folder.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn clean_backups(&self) -> Result<(), BackupError> {
        match self.folder.join(FOLDER).is_dir() {
            true => Folder::hold(&self.folder).map(drop),
            false => Ok(()),
        }
    }
}

impl Folder {
    /// Makes the folder where it is missing, holds it, and removes what a run that was cut off left.
    pub(super) fn hold(dir: &Path) -> Result<Self, BackupError> {
        let path = dir.join(FOLDER);
        make(&path)?;
        let lock = path.join(LOCK);
        let held = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(BackupError::file(&lock))?;
        let mut tries = 0;
        while let Err(error) = held.try_lock() {
            match error {
                // The daemon's short looks pass.
                fs::TryLockError::WouldBlock if tries < TRIES_MAX => tries += 1,
                fs::TryLockError::WouldBlock => return Err(BackupError::Busy),
                fs::TryLockError::Error(error) => return Err(BackupError::file(&lock)(error)),
            }
            std::thread::sleep(TRY_PAUSE);
        }
        let this = Self { path, _held: held };
        this.clean()?;
        Ok(this)
    }

    /// Removes what is not finished, and gives what the index names already its name.
    pub(super) fn clean(&self) -> Result<(), BackupError> {
        let checking = self.path.join(CHECKING);
        if checking.exists() {
            fs::remove_dir_all(&checking).map_err(BackupError::file(&checking))?;
        }
        // One that does not read names nothing; whoever writes the next one refuses then.
        let index = self.path.parent().map(Index::read);
        let index = index.and_then(Result::ok).unwrap_or_default();
        let is_kept = |name: &str| {
            let mut copies = index.data.iter().chain(&index.keys);
            copies.any(|copy| copy.name == name && !copy.dropped)
        };
        for entry in fs::read_dir(&self.path).map_err(BackupError::file(&self.path))? {
            let entry = entry.map_err(BackupError::file(&self.path))?;
            let name = entry.file_name();
            let Some(name) = name.to_string_lossy().strip_suffix(PART).map(str::to_owned) else {
                continue;
            };
            if is_kept(&name) {
                self.keep(&name)?;
            } else {
                fs::remove_file(entry.path()).map_err(BackupError::file(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// An empty folder to restore into; removed with [`Folder::clean`].
    pub(super) fn checking(&self) -> Result<PathBuf, BackupError> {
        let checking = self.path.join(CHECKING);
        make(&checking)?;
        Ok(checking)
    }

    /// A file that is not finished; `.part` behind its name.
    pub(super) fn begin(&self, name: &str) -> Result<(PathBuf, Hashed<File>), BackupError> {
        let path = self.path.join(format!("{name}{PART}"));
        let file = create_private(&path).map_err(BackupError::file(&path))?;
        Ok((path, Hashed::new(file)))
    }

    /// Gives a finished file its name.
    pub(super) fn keep(&self, name: &str) -> Result<(), BackupError> {
        let (part, path) = (
            self.path.join(format!("{name}{PART}")),
            self.path.join(name),
        );
        fs::rename(&part, &path).map_err(BackupError::file(&path))?;
        let folder = File::open(&self.path).and_then(|folder| folder.sync_all());
        folder.map_err(BackupError::file(&self.path))
    }

    /// Removes a file; it may be gone.
    pub(super) fn remove(&self, name: &str) -> Result<(), BackupError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BackupError::file(&path)(error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write_index(&self, index: &Index) -> Result<(), BackupError> {
        let path = self.path.join(INDEX);
        let index = Index {
            v: VERSION,
            ..index.clone()
        };
        let text = serde_json::to_string_pretty(&index).map_err(io::Error::other);
        text.and_then(|text| replace_file(&path, &(text + "\n")))
            .map_err(BackupError::file(&path))
    }

    /// Refuses where the disk has less than `bytes` left, and a margin.
    pub(super) fn has_room_for(&self, bytes: u64) -> Result<(), BackupError> {
        has_room_for(&self.path, bytes)
    }
}

/// Refuses where the disk of `path` has less than `bytes` left, and a margin for the shop itself.
pub(super) fn has_room_for(path: &Path, bytes: u64) -> Result<(), BackupError> {
    const MARGIN_BYTES: u64 = 64 * 1024 * 1024;
    let space = rustix::fs::statvfs(path).map_err(|error| BackupError::file(path)(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = bytes.saturating_add(MARGIN_BYTES);
    match free >= needed {
        true => Ok(()),
        false => Err(BackupError::Disk {
            path: path.to_owned(),
            needed_mib: needed / (1024 * 1024) + 1,
            free_mib: free / (1024 * 1024),
        }),
    }
}

/// A new file that its owner alone reads.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Has the system forget what it holds in memory of a file that was synced: who reads it then reads what the disk gives back. It is
/// a hint. A disk's own memory may still answer, and so may a file system that takes none (tmpfs): read so, a copy is shown not to be
/// damaged on its way to the disk and back, and not that it outlasts a power cut, which the sync before is for.
pub(super) fn forget(file: &File) {
    // Without it the file is read all the same.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// Makes a folder that its owner alone enters, and those above it that are missing. Each lies in the one above when it is made: what
/// is put there later is not lost with it.
pub(super) fn make(path: &Path) -> Result<(), BackupError> {
    let missing: Vec<&Path> = path
        .ancestors()
        .filter(|one| !one.as_os_str().is_empty())
        .take_while(|one| !one.is_dir())
        .collect();
    for one in missing.into_iter().rev() {
        match fs::DirBuilder::new().mode(0o700).create(one) {
            // Another run made it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && one.is_dir() => {}
            made => made.map_err(BackupError::file(one))?,
        }
        let above = one.parent().filter(|above| !above.as_os_str().is_empty());
        let above = above.unwrap_or(Path::new("."));
        let synced = File::open(above).and_then(|above| above.sync_all());
        synced.map_err(BackupError::file(above))?;
    }
    Ok(())
}

/// Hashes what passes through.
pub(super) struct Hashed<T> {
    inner: T,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<T> Hashed<T> {
    pub(super) fn new(inner: T) -> Self {
        Self {
            inner,
            hasher: blake3::Hasher::new(),
            bytes: 0,
        }
    }

    /// What passed: its length, its hash in hex, and where it went or came from.
    pub(super) fn finish(self) -> (u64, String, T) {
        let hash = self.hasher.finalize().to_hex().to_string();
        (self.bytes, hash, self.inner)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.hasher.update(&out[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// Length and BLAKE3 of a file.
///
/// # Errors
/// [`BackupError::File`].
pub fn hash_file(path: &Path) -> Result<(u64, String), BackupError> {
    let file = File::open(path).map_err(BackupError::file(path))?;
    let mut hashed = Hashed::new(file);
    io::copy(&mut hashed, &mut io::sink()).map_err(BackupError::file(path))?;
    let (bytes, hash, _) = hashed.finish();
    Ok((bytes, hash))
}

//! Places outside the shop's folder where backups are kept too: a mounted disk, an object store.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::folder::{Folder, LOCAL, NAME_BEGIN, create_private, forget};
use super::found::Looked;
use super::{BackupError, Doubt, Half, Index, SealedCopy, Strange, hash_file};
use crate::actions::open_shop::Shop;

/// Where files of a backup are put, and read back from.
pub trait Place: Send + Sync {
    /// Its name in the index, in `backup list` and in metrics: short, and the same for the same place.
    fn name(&self) -> String;
    /// Puts the file at `path` there as `name`; whole or not at all.
    ///
    /// # Errors
    /// [`PlaceError`].
    fn put_file(&self, name: &str, path: &Path) -> Result<(), PlaceError>;
    /// Gets `name`, which has `bytes`, into a new file at `path`. Never writes more than that, whatever the place gives.
    ///
    /// # Errors
    /// [`PlaceError`], also where it is longer.
    fn get_file(&self, name: &str, path: &Path, bytes: u64) -> Result<(), PlaceError>;
    /// Names there that begin with `prefix`.
    ///
    /// # Errors
    /// [`PlaceError`].
    fn list(&self, prefix: &str) -> Result<Vec<Placed>, PlaceError>;
    /// Deletes `name`; it may be gone.
    ///
    /// # Errors
    /// [`PlaceError`].
    fn delete(&self, name: &str) -> Result<(), PlaceError>;
}

/// A file in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// Why a place does not take or give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct PlaceError {
    /// Which place.
    pub place: String,
    /// What it said.
    pub why: String,
}

/// What became of the places in one round; one that was not asked for anything is in neither.
#[derive(Debug, Default)]
pub struct Brought {
    /// Their names: they took what there was to bring, or had it and gave their list.
    pub worked: Vec<String>,
    /// What the others said.
    pub failed: Vec<PlaceError>,
}

/// A folder, as of a mounted disk. It must be there: one that is not mounted is no place.
#[derive(Clone, Debug)]
pub struct FolderPlace(pub PathBuf);

impl FolderPlace {
    fn failed<T>(&self, outcome: io::Result<T>) -> Result<T, PlaceError> {
        outcome.map_err(|error| PlaceError {
            place: self.name(),
            why: error.to_string(),
        })
    }
}

impl Place for FolderPlace {
    fn name(&self) -> String {
        format!("folder {}", self.0.display())
    }

    fn put_file(&self, name: &str, path: &Path) -> Result<(), PlaceError> {
        let early = self.0.join(format!("{name}.part"));
        let put = || -> io::Result<()> {
            match fs::remove_file(&early) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut to = create_private(&early)?;
            io::copy(&mut File::open(path)?, &mut to)?;
            to.sync_all()?;
            forget(&to);
            fs::rename(&early, self.0.join(name))?;
            File::open(&self.0)?.sync_all()
        };
        let outcome = put();
        if outcome.is_err() {
            // Half a file is of no use; what cannot be removed, the next attempt overwrites.
            let _ = fs::remove_file(&early);
        }
        self.failed(outcome)
    }

    fn get_file(&self, name: &str, path: &Path, bytes: u64) -> Result<(), PlaceError> {
        let get = || -> io::Result<()> {
            let from = File::open(self.0.join(name))?;
            if from.metadata()?.len() > bytes {
                let what = format!("{name} is longer than the {bytes} bytes that were put there");
                return Err(io::Error::other(what));
            }
            let mut to = create_private(path)?;
            io::copy(&mut from.take(bytes), &mut to).map(drop)
        };
        self.failed(get())
    }

    fn list(&self, prefix: &str) -> Result<Vec<Placed>, PlaceError> {
        let list = || -> io::Result<Vec<Placed>> {
            let mut placed = Vec::new();
            for entry in fs::read_dir(&self.0)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if !name.starts_with(prefix) {
                    continue;
                }
                let about = entry.metadata()?;
                if about.is_file() {
                    let bytes = about.len();
                    placed.push(Placed { name, bytes });
                }
            }
            placed.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(placed)
        };
        self.failed(list())
    }

    fn delete(&self, name: &str) -> Result<(), PlaceError> {
        let delete = || match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        // A folder that is not there has not lost the file.
        let is_there = fs::metadata(&self.0).map(drop);
        self.failed(is_there.and_then(|()| delete()))
    }
}

impl Shop {
    /// Holds the list of each place against the index: what is gone from there counts no longer, and what lies there of this shop's
    /// and is not in the index is taken over, as in the shop's own folder. Brings the newest copies of data and of month keys to
    /// each place that has not got them, and reads them back from there. One place that fails keeps none of the others from
    /// getting theirs. Blocks.
    ///
    /// # Errors
    /// [`BackupError`], of what concerns all places.
    pub fn bring_backups(&self, places: &[&dyn Place]) -> Result<Brought, BackupError> {
        let folder = Folder::hold(&self.folder)?;
        let mut index = Index::read(&self.folder)?;
        let mut brought = Brought::default();
        let names: Vec<String> = places.iter().map(|place| place.name()).collect();
        let before = index.clone();
        index.strange.retain(|name, _| names.contains(name));
        for copy in index.data.iter_mut().chain(&mut index.keys) {
            // Nobody looks at the others any more.
            let is_looked_at = |name: &String| name == LOCAL || names.contains(name);
            copy.doubted.retain(|name, _| is_looked_at(name));
        }
        // Another is made where the newest is gone; of the places outside it says nothing.
        match self.look_here(&mut index, &folder) {
            Ok(None) => {}
            Ok(Some(lost)) => tracing::error!(lost, "copies in backups/ are not as they were"),
            Err(error) => tracing::error!(%error, "backups/ was not held against its index"),
        }
        if index != before {
            folder.write_index(&index)?;
        }
        for (place, name) in places.iter().zip(names) {
            let listed = place.list(NAME_BEGIN);
            let is_reached = listed.is_ok();
            let Looked { strange, lost } = self.look_at(&mut index, &name, listed)?;
            match strange == Strange::default() {
                true => drop(index.strange.remove(&name)),
                false => drop(index.strange.insert(name.clone(), strange)),
            }
            let outcome = self.bring_to(&folder, &mut index, *place);
            folder.write_index(&index)?;
            let failed = match outcome {
                Ok(has_brought) => {
                    // Whoever is tried again later neither works nor fails now.
                    let has_worked = has_brought || is_reached;
                    if lost.is_none() && has_worked && index.has_newest_at(&name) {
                        brought.worked.push(name.clone());
                    }
                    None
                }
                Err(BackupError::Place(error)) => Some(error.why),
                Err(error) => Some(error.to_string()),
            };
            let why: Vec<String> = failed.into_iter().chain(lost).collect();
            if why.is_empty() {
                continue;
            }
            let why = why.join("; ");
            brought.failed.push(PlaceError { place: name, why });
        }
        Ok(brought)
    }

    /// Gives whether there was anything to bring.
    fn bring_to(
        &self,
        folder: &Folder,
        index: &mut Index,
        place: &dyn Place,
    ) -> Result<bool, BackupError> {
        let (name, now_ms) = (place.name(), self.now_ms());
        let mut has_brought = false;
        // Keys first: data of which the orders never open is worth less than keys without data.
        for half in [Half::Keys, Half::Data] {
            let copies = index.half(half);
            let newest = copies.iter().rposition(SealedCopy::is_own);
            if let Some(at) = newest.filter(|at| is_wanted(&copies[*at], &name, now_ms)) {
                has_brought = true;
                self.bring(folder, index, (half, at), place)?;
            }
        }
        Ok(has_brought)
    }

    fn bring(
        &self,
        folder: &Folder,
        index: &mut Index,
        (half, at): (Half, usize),
        place: &dyn Place,
    ) -> Result<(), BackupError> {
        let (name, now_ms) = (place.name(), self.now_ms());
        let copy = index.half(half)[at].clone();
        let local = folder.path.join(&copy.name);
        // What lies at the place may be the last whole one.
        if hash_file(&local)? != (copy.bytes, copy.blake3.clone()) {
            return Err(BackupError::ReadBack(local));
        }
        let this = &mut index.half(half)[at];
        this.unproven.insert(name.clone());
        // Known to lie there before it does: what a kill leaves there goes in its time.
        folder.write_index(index)?;
        place.put_file(&copy.name, &local)?;
        read_back(folder, &copy, place)?;
        let this = &mut index.half(half)[at];
        this.places.insert(name.clone(), now_ms);
        this.unproven.remove(&name);
        if let Some(doubt) = this.doubted.get_mut(&name) {
            doubt.again_ms = Some(now_ms);
            is_listed(&copy, place)?;
            this.doubted.remove(&name);
        }
        Ok(())
    }
}

/// Whether a place is to get a copy: one that was not read back there since it was sent, or of which its list shows something else
/// since. The latter is tried once a day, should the list never agree.
fn is_wanted(copy: &SealedCopy, place: &str, now_ms: i64) -> bool {
    const AGAIN_MS: i64 = 20 * 3_600_000;
    let is_lately = |again_ms: i64| (0..AGAIN_MS).contains(&(now_ms - again_ms));
    let is_tried_later = |doubt: &Doubt| doubt.again_ms.is_some_and(is_lately);
    if !copy.places.contains_key(place) || copy.unproven.contains(place) {
        return true;
    }
    let doubt = copy.doubted.get(place);
    doubt.is_some_and(|doubt| !is_tried_later(doubt))
}

/// Holds what a place gives against what was put there.
fn read_back(folder: &Folder, copy: &SealedCopy, place: &dyn Place) -> Result<(), BackupError> {
    let back = folder.path.join(format!("{}.back.part", copy.name));
    let _ = fs::remove_file(&back);
    folder.has_room_for(copy.bytes)?;
    let read = place.get_file(&copy.name, &back, copy.bytes);
    let read = read.map_err(BackupError::from);
    let read = read.and_then(|()| hash_file(&back));
    // A copy of a copy; what cannot be removed now, the next run removes.
    let _ = fs::remove_file(&back);
    // The file in the folder was restored and proven: the same bytes are proven with it.
    if read? != (copy.bytes, copy.blake3.clone()) {
        let why = format!("{} does not read back as it was put there", copy.name);
        let place = place.name();
        return Err(PlaceError { place, why }.into());
    }
    Ok(())
}

/// Of a copy that reads back and that the list did not show: if it does not show it now, the list is wrong.
fn is_listed(copy: &SealedCopy, place: &dyn Place) -> Result<(), PlaceError> {
    let listed = place.list(&copy.name)?;
    let there = listed.iter().find(|one| one.name == copy.name);
    match there.map(|one| one.bytes) {
        Some(bytes) if bytes == copy.bytes => Ok(()),
        shown => {
            let shown = shown.map_or("nothing".to_owned(), |bytes| format!("{bytes} bytes"));
            let why = format!(
                "{} reads back as it was put there, {} bytes, and the list shows {shown}",
                copy.name, copy.bytes
            );
            let place = place.name();
            Err(PlaceError { place, why })
        }
    }
}

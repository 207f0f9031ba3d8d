//! A packed export as a file that is there whole or not at all.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{
    Failure,
    files::{early_name, sync_folder_of, unwritable},
};
use crate::ledger::export::{Archive, ArchiveError};

/// An archive that is written beside its place, and moved there at the end.
pub(super) struct NewArchive {
    place: PathBuf,
    /// The unfinished file; removed where it stays behind.
    early: Early,
    archive: Archive<BufWriter<File>>,
    /// A file whose size is not known before its end waits here.
    waiting: File,
    /// Its name; none while a file of known size is packed as it comes.
    name: Option<String>,
}

struct Early {
    path: PathBuf,
    is_kept: bool,
}

impl NewArchive {
    /// Begins the archive `place`, which must not be there.
    pub(super) fn begin(place: &Path) -> Result<Self, Failure> {
        if fs::symlink_metadata(place).is_ok() {
            let message = format!("{} is there already: nothing was written", place.display());
            return Err(Failure::new("exists", message));
        }
        let failed = |error: io::Error| unwritable(place, error);
        let path = early_name(place, "part")?;
        let file = File::create_new(&path).map_err(failed)?;
        let early = Early {
            path,
            is_kept: false,
        };
        let waiting = nameless(&early_name(place, "wait")?).map_err(failed)?;
        Ok(Self {
            place: place.to_owned(),
            early,
            archive: Archive::new(BufWriter::new(file)).map_err(failed)?,
            waiting,
            name: None,
        })
    }

    /// Begins the file `path`; the one before is whole.
    pub(super) fn begin_file(&mut self, path: &str, bytes: Option<u64>) -> io::Result<()> {
        self.pack_waiting()?;
        match bytes {
            Some(bytes) => self.archive.begin(path, bytes).map_err(as_io),
            None => {
                self.name = Some(path.to_owned());
                Ok(())
            }
        }
    }

    /// Appends to the file begun last.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.name {
            Some(_) => self.waiting.write_all(bytes),
            None => self.archive.write(bytes).map_err(as_io),
        }
    }

    /// Moves it to its place, after everything in it lies on the disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.pack_waiting()?;
        let file = self.archive.finish().map_err(as_io)?;
        file.get_ref().sync_all()?;
        fs::rename(&self.early.path, &self.place)?;
        self.early.is_kept = true;
        sync_folder_of(&self.place)
    }

    fn pack_waiting(&mut self) -> io::Result<()> {
        let Some(name) = self.name.take() else {
            return Ok(());
        };
        let bytes = self.waiting.stream_position()?;
        self.waiting.seek(SeekFrom::Start(0))?;
        self.archive.begin(&name, bytes).map_err(as_io)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.waiting.read(&mut buffer)? {
                0 => break,
                count => self.archive.write(&buffer[..count]).map_err(as_io)?,
            }
        }
        self.waiting.set_len(0)?;
        self.waiting.seek(SeekFrom::Start(0)).map(drop)
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        if !self.is_kept {
            // Half an archive is none; where it cannot be removed its name says what it is.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file that goes with this process, however that ends.
fn nameless(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn as_io(error: ArchiveError) -> io::Error {
    match error {
        ArchiveError::Write(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap();
        names
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn an_archive_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("export.tar.zst");
        let mut archive = NewArchive::begin(&place).ok().unwrap();
        archive.begin_file("README.txt", None).unwrap();
        archive.write(b"hel").unwrap();
        archive.write(b"lo").unwrap();
        archive.begin_file("gen-0/marks.ndjson", None).unwrap();
        archive.begin_file("gen-0/entries.ndjson", Some(2)).unwrap();
        archive.write(b"ab").unwrap();
        assert!(!place.exists());
        archive.finish().unwrap();
        assert_eq!(names(dir.path()), ["export.tar.zst"]);
        let packed = fs::read(&place).unwrap();
        assert!(packed.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
        assert!(NewArchive::begin(&place).is_err(), "never over a file");
        assert_eq!(fs::read(&place).unwrap(), packed);

        let other = dir.path().join("other.tar.zst");
        let mut archive = NewArchive::begin(&other).ok().unwrap();
        assert!(archive.begin_file("../out", Some(0)).is_err());
        archive.begin_file("a", Some(2)).unwrap();
        assert!(archive.finish().is_err(), "a file is cut off");
        drop(NewArchive::begin(&other).ok().unwrap());
        assert_eq!(names(dir.path()), ["export.tar.zst"]);
    }
}

//! Files that commands read and write.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use super::{Failure, handed, owner};

/// A file, or standard input for `-`, with its size where that is known.
pub(super) fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let unreadable = |error: io::Error| {
        let mut message = format!("cannot read {}: {error}", path.display());
        if error.kind() == io::ErrorKind::PermissionDenied {
            message += &owner::how_to_reach();
        }
        Failure::new("file", message)
    };
    let file = handed::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.is_dir() {
        let message = format!("{} is a folder, not a file", path.display());
        return Err(Failure::new("file", message));
    }
    let size = about.is_file().then_some(about.len());
    Ok((Box::new(file), size))
}

/// Refuses a file that cannot be read, before anything is asked or done for it.
pub(super) fn look(path: &Path) -> Result<(), Failure> {
    match path == Path::new("-") {
        true => Ok(()),
        false => open(path).map(drop),
    }
}

/// A whole small text file, or standard input for `-`.
pub(super) fn text(path: &Path, bytes_max: usize) -> Result<String, Failure> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| {
        Failure::new("file", format!("cannot read {}: {error}", path.display()))
    })?;
    if bytes.len() > bytes_max {
        let message = format!("{} is larger than {bytes_max} bytes", path.display());
        return Err(Failure::new("file", message));
    }
    let message = format!("{} is not UTF-8: save it as UTF-8", path.display());
    String::from_utf8(bytes).map_err(|_| Failure::new("file", message))
}

/// A folder that is there whole or not at all: it is written beside its place, and moved there at the end.
pub(super) struct NewFolder {
    place: PathBuf,
    early: PathBuf,
    current: Option<File>,
    folders: BTreeSet<PathBuf>,
    is_kept: bool,
}

impl NewFolder {
    /// Begins the folder `place`, which must not be there, or be empty.
    pub(super) fn begin(place: &Path) -> Result<Self, Failure> {
        match fs::read_dir(place).map(|mut inside| inside.next().is_none()) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("{} is not empty: nothing was written", place.display());
                return Err(Failure::new("exists", message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unwritable(place, error)),
        }
        let early = early_name(place, "part")?;
        fs::create_dir(&early).map_err(|error| unwritable(place, error))?;
        Ok(Self {
            place: place.to_owned(),
            folders: [early.clone()].into(),
            early,
            current: None,
            is_kept: false,
        })
    }

    /// Begins the file `path` within the folder, with `/` between folders; the one before is whole.
    pub(super) fn begin_file(&mut self, path: &str) -> io::Result<()> {
        self.end_file()?;
        // Names come over a socket: none may lead out of the folder.
        let path = Path::new(path);
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside || path.file_name().is_none() {
            return Err(io::Error::other("a file's name leads out of the folder"));
        }
        let path = self.early.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
            self.folders.insert(folder.to_owned());
        }
        self.current = Some(File::create_new(path)?);
        Ok(())
    }

    /// Appends to the file begun last.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.current {
            Some(file) => file.write_all(bytes),
            None => Err(io::Error::other("bytes of no file")),
        }
    }

    /// Moves it to its place, after everything in it lies on the disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end_file()?;
        // Inner folders first.
        for folder in self.folders.iter().rev() {
            File::open(folder)?.sync_all()?;
        }
        fs::rename(&self.early, &self.place)?;
        self.is_kept = true;
        sync_folder_of(&self.place)
    }

    fn end_file(&mut self) -> io::Result<()> {
        self.current.take().map_or(Ok(()), |file| file.sync_all())
    }
}

/// A name beside `place` for what is not finished; it says what it is where it cannot be removed.
pub(super) fn early_name(place: &Path, what: &str) -> Result<PathBuf, Failure> {
    let name = place.file_name().ok_or_else(|| {
        Failure::usage(format!("{} is no name of something new", place.display()))
    })?;
    let mut early = name.to_owned();
    early.push(format!(".{}.{what}", std::process::id()));
    Ok(place.with_file_name(early))
}

/// Has the name of `place` lie on the disk.
pub(super) fn sync_folder_of(place: &Path) -> io::Result<()> {
    let folder = match place.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

pub(super) fn unwritable(place: &Path, error: impl std::fmt::Display) -> Failure {
    let mut message = format!("cannot write {}: {error}", place.display());
    if is_denied(&message) {
        message += &owner::how_to_reach();
    }
    Failure::new("file", message)
}

/// Whether an error, told as a text, is the system's EACCES.
pub(super) fn is_denied(message: &str) -> bool {
    message.contains("Permission denied")
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.is_kept {
            // Half an export is none; where it cannot be removed its name says what it is.
            let _ = fs::remove_dir_all(&self.early);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("export");
        let mut folder = NewFolder::begin(&place).ok().unwrap();
        assert!(folder.write(b"of no file").is_err());
        folder.begin_file("gen-0/entries.ndjson").unwrap();
        folder.write(b"a").unwrap();
        folder.write(b"b").unwrap();
        folder.begin_file("gen-0/marks.ndjson").unwrap();
        for outside in ["../out", "/etc/out", "a/../../out", "", "."] {
            assert!(folder.begin_file(outside).is_err(), "{outside}");
        }
        assert!(folder.begin_file("gen-0/marks.ndjson").is_err(), "twice");
        assert!(!place.exists());
        folder.finish().unwrap();
        assert_eq!(fs::read(place.join("gen-0/entries.ndjson")).unwrap(), b"ab");
        assert_eq!(fs::read(place.join("gen-0/marks.ndjson")).unwrap(), b"");
        assert!(NewFolder::begin(&place).is_err());

        let other = dir.path().join("other");
        drop(NewFolder::begin(&other).ok().unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

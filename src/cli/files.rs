//! Files that commands read and write.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use super::Failure;

/// A file, or standard input for `-`, with its size where that is known.
pub(super) fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let unreadable = |error: io::Error| {
        let message = format!("cannot read {}: {error}", path.display());
        Failure::new("file", message)
    };
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.is_dir() {
        let message = format!("{} is a folder, not a file", path.display());
        return Err(Failure::new("file", message));
    }
    let size = about.is_file().then_some(about.len());
    Ok((Box::new(file), size))
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
    current: Option<(String, File)>,
    is_kept: bool,
}

impl NewFolder {
    /// Begins the folder `place`, which must not be there, or be empty.
    pub(super) fn begin(place: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new("file", format!("cannot write {}: {error}", place.display()))
        };
        match fs::read_dir(place).map(|mut inside| inside.next().is_none()) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("{} is not empty: nothing was written", place.display());
                return Err(Failure::new("exists", message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let name = place.file_name().ok_or_else(|| {
            Failure::usage(format!("{} is no name of a new folder", place.display()))
        })?;
        let mut early = name.to_owned();
        early.push(format!(".{}.part", std::process::id()));
        let early = place.with_file_name(early);
        fs::create_dir(&early).map_err(failed)?;
        Ok(Self {
            place: place.to_owned(),
            early,
            current: None,
            is_kept: false,
        })
    }

    /// Appends to the file `path` within the folder, with `/` between folders.
    pub(super) fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if self.current.as_ref().is_none_or(|(open, _)| open != path) {
            let file = self.open(path)?;
            self.current = Some((path.to_owned(), file));
        }
        match &mut self.current {
            Some((_, file)) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    /// Moves it to its place.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.current = None;
        fs::rename(&self.early, &self.place).map_err(|error| {
            let message = format!("cannot write {}: {error}", self.place.display());
            Failure::new("file", message)
        })?;
        self.is_kept = true;
        Ok(())
    }

    fn open(&self, path: &str) -> io::Result<File> {
        // Names come over a socket: none may lead out of the folder.
        let path = Path::new(path);
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(io::Error::other("a file's name leads out of the folder"));
        }
        let path = self.early.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::OpenOptions::new().create(true).append(true).open(path)
    }
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
        folder.write("gen-0/entries.ndjson", b"a").unwrap();
        folder.write("gen-0/marks.ndjson", b"").unwrap();
        folder.write("gen-0/entries.ndjson", b"b").unwrap();
        assert!(folder.write("../out", b"x").is_err());
        assert!(folder.write("/etc/out", b"x").is_err());
        assert!(!place.exists());
        folder.finish().ok().unwrap();
        assert_eq!(fs::read(place.join("gen-0/entries.ndjson")).unwrap(), b"ab");
        assert_eq!(fs::read(place.join("gen-0/marks.ndjson")).unwrap(), b"");
        assert!(NewFolder::begin(&place).is_err());

        let other = dir.path().join("other");
        drop(NewFolder::begin(&other).ok().unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

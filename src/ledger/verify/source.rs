//! Where an export's files are read: a folder, or an archive that is listed before any of its files is opened.

use super::archive::{self, Archive};
use super::report::Fault;
use crate::ledger::Exit;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// An export as a set of named files. Holds nothing of their contents.
pub(in crate::ledger) struct Source {
    path: PathBuf,
    packed: Option<Archive>,
}

/// A file of an export, or a folder of one, as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Part {
    /// Path within the export, parts joined by `/`.
    pub(in crate::ledger) name: String,
    pub(in crate::ledger) is_folder: bool,
    /// Length in bytes; 0 of a folder.
    pub(in crate::ledger) bytes: u64,
}

impl Source {
    /// A folder, or a file whose name ends in `.tar.zst`.
    pub(in crate::ledger) fn find(export: &Path) -> Result<Self, Box<Fault>> {
        let at = export.display().to_string();
        let metadata = fs::metadata(export).map_err(|error| {
            let what = match error.kind() {
                io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
                _ => format!("cannot be read: {error}"),
            };
            Box::new(Fault::new(Exit::Usage, &at, what))
        })?;
        let named = export.file_name().map(|name| name.to_string_lossy());
        let packed = metadata.is_file() && named.is_some_and(|name| name.ends_with(".tar.zst"));
        if !packed && !metadata.is_dir() {
            let what = "is neither the folder of an export nor its .tar.zst archive";
            return Err(Box::new(Fault::new(Exit::Incomplete, at, what)));
        }
        Ok(Self {
            path: export.to_owned(),
            packed: packed.then(|| Archive::at(export.to_owned())),
        })
    }

    /// Every file, and in a folder the folders too, each as `accept` took it. Reads an archive to its very end, so that
    /// damage anywhere in it is found here; but a member that `accept` refuses ends it before that one is read. `seen` is
    /// told how many bytes were read.
    pub(in crate::ledger) fn list(
        &self,
        accept: &dyn Fn(&Part) -> Result<(), Box<Fault>>,
        seen: &dyn Fn(u64),
    ) -> Result<Vec<Part>, Box<Fault>> {
        if let Some(archive) = &self.packed {
            return archive.list(accept, seen);
        }
        let listed = folder(&self.path);
        let parts = listed.map_err(|error| unreadable(self.path.display().to_string(), &error))?;
        parts.iter().try_for_each(accept)?;
        Ok(parts)
    }

    /// The bytes of one file. An archive's checksum is checked by [`Source::list`] alone: what is read here is judged
    /// by its hashes.
    pub(in crate::ledger) fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        match &self.packed {
            Some(archive) => archive.open(name),
            None => Ok(Box::new(File::open(self.path.join(name))?)),
        }
    }

    /// Every file in a folder of the export, by its name there. Listing it bounded their length.
    pub(in crate::ledger) fn each_in(
        &self,
        folder: &str,
        take: &mut dyn FnMut(&str, &[u8]),
    ) -> io::Result<()> {
        if let Some(archive) = &self.packed {
            return archive.each_in(folder, take);
        }
        let place = self.path.join(folder);
        if !place.is_dir() {
            return Ok(());
        }
        let mut names = Vec::new();
        for item in fs::read_dir(&place)? {
            names.push(item?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        for name in names {
            let mut bytes = Vec::new();
            let file = File::open(place.join(&name))?;
            file.take(archive::SMALL_BYTES_MAX)
                .read_to_end(&mut bytes)?;
            take(&name, &bytes);
        }
        Ok(())
    }

    /// The whole of a file that may not be longer than `bytes_max`.
    pub(in crate::ledger) fn read(
        &self,
        name: &str,
        bytes_max: u64,
    ) -> Result<Vec<u8>, Box<Fault>> {
        let mut bytes = Vec::new();
        self.open(name)
            .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
            .map_err(|error| unreadable(name, &error))?;
        if bytes.len() as u64 > bytes_max {
            let what = format!("is longer than {bytes_max} bytes");
            return Err(Box::new(Fault::new(Exit::Malformed, name, what)));
        }
        Ok(bytes)
    }
}

/// The fault of a file that cannot be read: damaged is malformed, all else is this machine's failure.
pub(in crate::ledger) fn unreadable(file: impl Into<String>, error: &io::Error) -> Box<Fault> {
    let exit = match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Exit::Malformed,
        _ => Exit::Internal,
    };
    Box::new(Fault::new(exit, file, format!("cannot be read: {error}")))
}

fn folder(export: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    walk(export, "", 0, &mut parts)?;
    parts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(parts)
}

/// Links and devices are neither file nor folder, so malformed.
fn walk(folder: &Path, above: &str, depth: u8, parts: &mut Vec<Part>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name().into_string().map_err(|name| {
            let name = name.to_string_lossy();
            archive::damaged(format!("{above}{name} is not a part of an export"))
        })?;
        let name = format!("{above}{name}");
        let metadata = item.metadata()?;
        if parts.len() >= archive::MEMBERS_MAX {
            return Err(archive::damaged("it holds too many files"));
        }
        if metadata.is_dir() && depth < DEPTH_MAX {
            walk(&item.path(), &format!("{name}/"), depth + 1, parts)?;
        } else if !metadata.is_dir() && !metadata.is_file() {
            return Err(archive::damaged(format!(
                "{name} is not a part of an export"
            )));
        }
        parts.push(Part {
            name,
            is_folder: metadata.is_dir(),
            bytes: if metadata.is_file() {
                metadata.len()
            } else {
                0
            },
        });
    }
    Ok(())
}

/// Folders of an export lie two deep at most; what is deeper is refused by its folder's name.
const DEPTH_MAX: u8 = 2;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_up_to_its_limit_and_not_beyond() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("prefix.json"), [b'x'; 10]).unwrap();
        let source = Source::find(folder.path()).unwrap();
        let read = |bytes_max| source.read("prefix.json", bytes_max);
        assert_eq!(read(11).unwrap().len(), 10);
        assert_eq!(read(10).unwrap().len(), 10);
        assert_eq!(read(9).unwrap_err().exit, Exit::Malformed);
        assert_eq!(read(1).unwrap_err().exit, Exit::Malformed);
    }

    #[test]
    fn a_link_or_a_device_in_a_folder_is_malformed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("marks.ndjson"), "x").unwrap();
        let sound = super::folder(folder.path()).unwrap();
        assert_eq!(sound.len(), 1);
        std::os::unix::fs::symlink("marks.ndjson", folder.path().join("link")).unwrap();
        let error = super::folder(folder.path()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn folders_are_entered_as_deep_as_exports_go() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("1/2/3/4/5/6");
        fs::create_dir_all(deep).unwrap();
        let parts = super::folder(folder.path()).unwrap();
        assert_eq!(parts.len(), usize::from(DEPTH_MAX) + 1);
    }
}

//! Exports as `.tar.zst`: POSIX ustar in one Zstandard frame, read strictly and as a stream.
//!
//! The `tar` crate knows the headers; walking from one to the next is done in `walk`, because padding, the end of the
//! archive and what comes after it must be checked, and because a member must be readable on its own.
//!
//! A frame is read from its beginning only. So that many generations do not mean as many beginnings, a walk that was
//! read as far as somebody needed is laid aside, and taken up by whoever wants a member further on: an archive in the
//! order in which exports are written is read a handful of times, however many generations it has.

mod walk;

use super::report::Fault;
use super::source::{Part, unreadable};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use walk::Walk;

/// Most files of an export: three anchors a day for eighty years.
pub(super) const MEMBERS_MAX: usize = 100_000;
/// What is read of a small file: more than any may have.
pub(super) const SMALL_BYTES_MAX: u64 = 1 << 20;

/// An archive, by its path. Holds nothing of its members' contents.
pub(super) struct Archive {
    path: PathBuf,
    /// Number of each member, once listed.
    numbers: OnceLock<BTreeMap<String, usize>>,
    aside: Arc<Aside>,
}

impl Archive {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            numbers: OnceLock::new(),
            aside: Arc::default(),
        }
    }

    /// The members. `accept` judges each by name and length before its bytes are read. The archive is read to its end:
    /// through the frame's checksum and to the last byte of the file; `seen` is told how many bytes were read.
    pub(super) fn list(
        &self,
        accept: &dyn Fn(&Part) -> Result<(), Box<Fault>>,
        seen: &dyn Fn(u64),
    ) -> Result<Vec<Part>, Box<Fault>> {
        let at = || self.path.display().to_string();
        let failed = |error: io::Error| unreadable(at(), &error);
        let mut walk = self.aside.fresh(&self.path).map_err(failed)?;
        let (mut parts, mut numbers) = (Vec::new(), BTreeMap::new());
        while let Some((name, bytes)) = walk.next().map_err(failed)? {
            if parts.len() >= MEMBERS_MAX {
                return Err(failed(damaged("it holds too many files")));
            }
            if numbers.insert(name.clone(), parts.len()).is_some() {
                return Err(failed(damaged(format!("{name} is in it twice"))));
            }
            let part = Part {
                name,
                is_folder: false,
                bytes,
            };
            accept(&part)?;
            walk.skip(seen).map_err(failed)?;
            parts.push(part);
        }
        walk.finish().map_err(failed)?;
        // Listed again, it is the same file or one that was changed meanwhile, which is found by the names.
        self.numbers.get_or_init(|| numbers);
        Ok(parts)
    }

    /// The bytes of one member of those listed.
    pub(super) fn open(&self, wanted: &str) -> io::Result<Box<dyn Read + Send>> {
        let number = self.numbers.get().and_then(|all| all.get(wanted));
        let number = *number.ok_or_else(|| damaged(format!("{wanted} is not in it")))?;
        let mut walk = self.aside.take(number, &self.path)?;
        walk_to(&mut walk, number, wanted)?;
        Ok(Box::new(Member {
            walk: Some(walk),
            aside: Arc::clone(&self.aside),
        }))
    }

    /// Every member below a folder, by its name there, in the order in which they lie.
    pub(super) fn each_in(
        &self,
        folder: &str,
        take: &mut dyn FnMut(&str, &[u8]),
    ) -> io::Result<()> {
        let folder = format!("{folder}/");
        let all = self.numbers.get().into_iter();
        let below = all.flat_map(|all| all.range(folder.clone()..));
        let below = below.take_while(|(name, _)| name.starts_with(&folder));
        let mut below: Vec<_> = below.map(|(name, number)| (*number, name)).collect();
        below.sort_unstable();
        let Some((first, _)) = below.first() else {
            return Ok(());
        };
        let mut walk = self.aside.take(*first, &self.path)?;
        let mut bytes = Vec::new();
        for (number, name) in below {
            walk_to(&mut walk, number, name)?;
            bytes.clear();
            (&mut walk).take(SMALL_BYTES_MAX).read_to_end(&mut bytes)?;
            take(&name[folder.len()..], &bytes);
        }
        self.aside.lay(walk);
        Ok(())
    }
}

/// A damaged archive, as opposed to one that this machine fails to read.
pub(super) fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Goes on to the member of this number, which must have the name that it had when it was listed.
fn walk_to(walk: &mut Walk, number: usize, wanted: &str) -> io::Result<()> {
    let changed = || damaged(format!("{wanted} is no longer in it"));
    while walk.number() < number {
        walk.next()?.ok_or_else(changed)?;
    }
    match walk.next()? {
        Some((name, _)) if name == wanted => Ok(()),
        _ => Err(changed()),
    }
}

/// A member being read. Its walk is laid aside afterwards, unless it failed.
struct Member {
    walk: Option<Walk>,
    aside: Arc<Aside>,
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(walk) = &mut self.walk else {
            return Err(damaged("the archive is damaged"));
        };
        let read = walk.read(buffer);
        if matches!(&read, Err(error) if error.kind() != io::ErrorKind::Interrupted) {
            self.walk = None;
        }
        read
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(walk) = self.walk.take() {
            self.aside.lay(walk);
        }
    }
}

/// Walks that were left where they are, the one laid last at the end.
#[derive(Default)]
struct Aside {
    walks: Mutex<Vec<Walk>>,
    /// How often a walk began at the first member.
    #[cfg(test)]
    begun: std::sync::atomic::AtomicUsize,
}

impl Aside {
    /// The walk that lies nearest before the member of this number.
    fn take(&self, number: usize, path: &std::path::Path) -> io::Result<Walk> {
        // Invariant of the lock: nothing panics while it is held.
        let mut walks = self.walks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = walks.iter().enumerate();
        let before = before.filter(|(_, walk)| walk.number() <= number);
        let nearest = before.max_by_key(|(_, walk)| walk.number());
        if let Some((place, _)) = nearest {
            return Ok(walks.remove(place));
        }
        drop(walks);
        self.fresh(path)
    }

    fn fresh(&self, path: &std::path::Path) -> io::Result<Walk> {
        #[cfg(test)]
        self.begun
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Walk::open(path)
    }

    fn lay(&self, walk: Walk) {
        let kept = usize::try_from(WINDOWS_BYTES_MAX / walk.window_bytes().max(1));
        let kept = kept.unwrap_or(usize::MAX).min(WALKS_MAX);
        let mut walks = self.walks.lock().unwrap_or_else(PoisonError::into_inner);
        walks.push(walk);
        while walks.len() > kept {
            walks.remove(0);
        }
    }
}

/// Walks laid aside at most: a generation is read by so many, of its marks, prefix and carried lines, of its entries
/// twice, and of its anchors.
const WALKS_MAX: usize = 6;
/// Memory of the walks laid aside, at most.
const WINDOWS_BYTES_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests;

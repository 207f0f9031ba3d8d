//! Exports packed into one file: a POSIX ustar archive in Zstandard.

use std::io::{self, Write};
use tar::{EntryType, Header};
use thiserror::Error;
use zstd::stream::write::Encoder;

/// Packs files as they come: regular ones only, without leading folder, times, or names of owners. The order is the
/// caller's: the small files of each generation before the large one, so that whoever reads once has what it needs.
pub struct Archive<W: Write> {
    packed: Encoder<'static, W>,
    /// Bytes of the present file that are still to come.
    due: u64,
    /// Bytes after the present file up to the next block.
    padding: usize,
}

/// Why packing stopped. What was written so far is no archive and should be removed.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// A file's size was promised, and fewer or more bytes came.
    #[error("a file of the archive has {left} bytes less than it should, or more")]
    Size {
        /// Bytes that did not come.
        left: u64,
    },
    /// A file's name does not fit.
    #[error("{name:?} cannot be a file's name in an archive")]
    Name {
        /// The name.
        name: String,
    },
    /// ustar has eleven octal digits for a size.
    #[error("{name} has more than 8 GiB, which an archive cannot hold: export ranges, or a folder")]
    Large {
        /// Its name.
        name: String,
    },
}

const BLOCK: usize = 512;
const FILE_BYTES_MAX: u64 = 0o77_777_777_777;
const LEVEL: i32 = 3;

impl<W: Write> Archive<W> {
    /// Begins an archive.
    pub fn new(out: W) -> io::Result<Self> {
        let mut packed = Encoder::new(out, LEVEL)?;
        packed.include_checksum(true)?;
        Ok(Self {
            packed,
            due: 0,
            padding: 0,
        })
    }

    /// Begins a file of exactly `size` bytes, which are then written. `name` has `/` between folders.
    pub fn begin(&mut self, name: &str, size: u64) -> Result<(), ArchiveError> {
        self.end_file()?;
        let named = || name.to_owned();
        if size > FILE_BYTES_MAX {
            return Err(ArchiveError::Large { name: named() });
        }
        let mut header = Header::new_ustar();
        let is_plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_plain || header.set_path(name).is_err() {
            return Err(ArchiveError::Name { name: named() });
        }
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.packed.write_all(header.as_bytes())?;
        self.due = size;
        // Below a block.
        self.padding = (size.next_multiple_of(BLOCK as u64) - size) as usize;
        Ok(())
    }

    /// The next bytes of the file begun last.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let left = self.due.checked_sub(bytes.len() as u64);
        self.due = left.ok_or(ArchiveError::Size { left: 0 })?;
        Ok(self.packed.write_all(bytes)?)
    }

    /// A file that is there as a whole.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.begin(name, bytes.len() as u64)?;
        self.write(bytes)
    }

    /// Ends the archive. Gives the writer back, flushed.
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        self.end_file()?;
        self.packed.write_all(&[0; 2 * BLOCK])?;
        let mut out = self.packed.finish()?;
        out.flush()?;
        Ok(out)
    }

    fn end_file(&mut self) -> Result<(), ArchiveError> {
        if self.due != 0 {
            return Err(ArchiveError::Size { left: self.due });
        }
        self.packed.write_all(&[0; BLOCK][..self.padding])?;
        self.padding = 0;
        Ok(())
    }
}

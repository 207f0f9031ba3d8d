//! Exports as `.tar.zst`: POSIX ustar in one Zstandard frame, read strictly and as a stream.
//!
//! The `tar` crate knows the headers; walking from one to the next is done here, because padding, the end of the archive
//! and what comes after it must be checked, and because a member must be readable on its own.

use super::source::Part;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use tar::Header;

/// Most files of an export: three anchors a day for eighty years.
pub(super) const MEMBERS_MAX: usize = 100_000;

/// The members of an archive. It is read to its end: through the frame's checksum and to the last byte of the file.
pub(super) fn list(path: &Path, seen: &dyn Fn(u64)) -> io::Result<Vec<Part>> {
    let mut walk = Walk::open(path)?;
    let (mut parts, mut names) = (Vec::new(), HashSet::new());
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Some((name, bytes)) = walk.next()? {
        if !names.insert(name.clone()) {
            return Err(damaged(format!("{name} is in it twice")));
        }
        if parts.len() >= MEMBERS_MAX {
            return Err(damaged("it holds too many files"));
        }
        loop {
            let read = walk.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            seen(read as u64);
        }
        let is_folder = false;
        parts.push(Part {
            name,
            is_folder,
            bytes,
        });
    }
    walk.finish()?;
    Ok(parts)
}

/// The bytes of one member.
pub(super) fn open(path: &Path, wanted: &str) -> io::Result<Box<dyn Read + Send>> {
    let mut walk = Walk::open(path)?;
    while let Some((name, _)) = walk.next()? {
        if name == wanted {
            return Ok(Box::new(walk));
        }
    }
    Err(damaged(format!("{wanted} is no longer in it")))
}

/// Every member below a folder, by its name there.
pub(super) fn each_in(
    path: &Path,
    folder: &str,
    take: &mut dyn FnMut(&str, &[u8]),
) -> io::Result<()> {
    let mut walk = Walk::open(path)?;
    let mut bytes = Vec::new();
    while let Some((name, _)) = walk.next()? {
        let below = name.strip_prefix(folder);
        if let Some(name) = below.and_then(|name| name.strip_prefix('/')) {
            bytes.clear();
            (&mut walk).take(SMALL_BYTES_MAX).read_to_end(&mut bytes)?;
            take(name, &bytes);
        }
    }
    Ok(())
}

/// A damaged archive, as opposed to one that this machine fails to read.
pub(super) fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// A walk over the members. Reading gives the bytes of the member that `next` named last.
struct Walk {
    tar: zstd::Decoder<'static, BufReader<File>>,
    /// Bytes of the present member not yet read, and zeros after them up to a whole block.
    left: u64,
    padding: usize,
}

impl Walk {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
        checksummed(io::BufRead::fill_buf(&mut file)?)?;
        let mut tar = zstd::Decoder::with_buffer(file)?.single_frame();
        tar.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self {
            tar,
            left: 0,
            padding: 0,
        })
    }

    /// Name and length of the next member; `None` at the end of the archive.
    fn next(&mut self) -> io::Result<Option<(String, u64)>> {
        let mut buffer = vec![0; BUFFER_BYTES];
        while self.read(&mut buffer)? > 0 {}
        let mut padding = [0; BLOCK];
        let padding = &mut padding[..std::mem::take(&mut self.padding)];
        exactly(&mut self.tar, padding)?;
        let mut header = Header::new_old();
        exactly(&mut self.tar, header.as_mut_bytes())?;
        let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        if !zero(padding) {
            return Err(damaged("bytes between two files"));
        }
        if zero(header.as_bytes()) {
            exactly(&mut self.tar, header.as_mut_bytes())?;
            return match zero(header.as_bytes()) {
                true => Ok(None),
                false => Err(damaged("a file after the end of the archive")),
            };
        }
        let (name, bytes) = member(&header)?;
        self.left = bytes;
        // Invariant: the remainder is below 512.
        self.padding = ((BLOCK as u64 - bytes % BLOCK as u64) % BLOCK as u64) as usize;
        Ok(Some((name, bytes)))
    }

    /// After the end there are zeros only, and nothing after the frame.
    fn finish(mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self.tar.read(&mut buffer).map_err(decoded)? {
                0 => break,
                read if buffer[..read].iter().all(|byte| *byte == 0) => {}
                _ => return Err(damaged("bytes after the end of the archive")),
            }
        }
        let mut file = self.tar.finish();
        match file.read(&mut buffer)? {
            0 => Ok(()),
            _ => Err(damaged("bytes after the compressed archive")),
        }
    }
}

impl Read for Walk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.tar.read(&mut buffer[..wanted]).map_err(decoded)?;
        if read == 0 {
            return Err(damaged("the archive is cut off"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// A regular file with a plain relative name. Everything else that tar knows has no place in an export.
fn member(header: &Header) -> io::Result<(String, u64)> {
    let bytes = header.as_bytes();
    let sum = |sum: u32, (at, byte): (usize, &u8)| {
        let in_checksum = (148..156).contains(&at);
        sum + u32::from(if in_checksum { b' ' } else { *byte })
    };
    let computed = bytes.iter().enumerate().fold(0, sum);
    if header.cksum().ok() != Some(computed) {
        return Err(damaged("a file's header is damaged"));
    }
    let name = header.path_bytes();
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'\\';
    let name = match std::str::from_utf8(&name) {
        Ok(name) if name.len() <= NAME_BYTES_MAX && name.bytes().all(|b| plain(&b)) => name,
        _ => return Err(damaged("a file's name is not one of an export")),
    };
    let step = |part: &str| part.is_empty() || part == "." || part == "..";
    if name.split('/').any(step) {
        return Err(damaged(format!("{name} is not a plain relative name")));
    }
    if !header.entry_type().is_file() {
        return Err(damaged(format!("{name} is not a regular file")));
    }
    let size = header
        .size()
        .map_err(|_| damaged(format!("{name} has no size")))?;
    Ok((name.to_owned(), size))
}

/// RFC 8878, 3.1.1.1: magic number, then a descriptor whose bit 2 says that a checksum follows the content; bits 3 and
/// 4 mean nothing and are zero.
fn checksummed(start: &[u8]) -> io::Result<()> {
    match start {
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, ..] if descriptor & 0b1_1100 == 0b0_0100 => Ok(()),
        [0x28, 0xb5, 0x2f, 0xfd, _, ..] => Err(damaged("the archive has no checksum")),
        _ => Err(damaged("is not a Zstandard archive")),
    }
}

fn exactly(tar: &mut impl Read, bytes: &mut [u8]) -> io::Result<()> {
    let cut = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("the archive is cut off"),
        _ => decoded(error),
    };
    tar.read_exact(bytes).map_err(cut)
}

/// Errors of the system carry its number; all others are the decoder's.
fn decoded(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => damaged(format!("the archive is damaged: {error}")),
    }
}

/// What is read of a small file: more than any may have.
pub(super) const SMALL_BYTES_MAX: u64 = 1 << 20;
const BLOCK: usize = 512;
const BUFFER_BYTES: usize = 64 * 1024;
/// A ustar name without its prefix: no name of an export is longer.
const NAME_BYTES_MAX: usize = 100;
/// The decoder's memory is bounded by this: 2^27 bytes, what `zstd` itself allows.
const WINDOW_LOG_MAX: u32 = 27;

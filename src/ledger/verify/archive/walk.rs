//! One walk over the members of an archive, from each header to the next.

use super::damaged;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use tar::Header;

/// Reading gives the bytes of the member that `next` named last.
pub(super) struct Walk {
    tar: zstd::Decoder<'static, BufReader<File>>,
    /// What `next` skips is read into this.
    skipped: Box<[u8]>,
    /// Members named so far: the number of the one that `next` names.
    number: usize,
    /// Bytes of the present member not yet read, and zeros after them up to a whole block.
    left: u64,
    padding: usize,
    window_bytes: u64,
}

impl Walk {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
        let window_bytes = frame(file.fill_buf()?)?;
        let mut tar = zstd::Decoder::with_buffer(file)?.single_frame();
        tar.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self {
            tar,
            skipped: vec![0; BUFFER_BYTES].into_boxed_slice(),
            number: 0,
            left: 0,
            padding: 0,
            window_bytes,
        })
    }

    /// The number of the member that [`Walk::next`] will name, counted from 0.
    pub(super) const fn number(&self) -> usize {
        self.number
    }

    /// How much memory the decoder may take, at most.
    pub(super) const fn window_bytes(&self) -> u64 {
        self.window_bytes
    }

    /// Name and length of the next member, which is not yet read; `None` at the end of the archive.
    pub(super) fn next(&mut self) -> io::Result<Option<(String, u64)>> {
        self.skip(&|_| {})?;
        let mut padding = [0; BLOCK];
        let padding = &mut padding[..std::mem::take(&mut self.padding)];
        exactly(&mut self.tar, padding)?;
        let mut header = Header::new_old();
        exactly(&mut self.tar, header.as_mut_bytes())?;
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
        self.number += 1;
        self.left = bytes;
        // Invariant: the remainder is below 512.
        self.padding = ((BLOCK as u64 - bytes % BLOCK as u64) % BLOCK as u64) as usize;
        Ok(Some((name, bytes)))
    }

    /// Reads over what is left of the present member; `seen` is told how many bytes that was.
    pub(super) fn skip(&mut self, seen: &dyn Fn(u64)) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.skipped);
        let skipped = loop {
            match self.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(read) => seen(read as u64),
                Err(error) => break Err(error),
            }
        };
        self.skipped = buffer;
        skipped
    }

    /// After the end there are zeros only, which fill a record at most, and nothing after the frame.
    pub(super) fn finish(mut self) -> io::Result<()> {
        // One byte more than there may be.
        let mut after = Vec::new();
        let tail = self.tar.by_ref().take(ZEROS_MAX + 1);
        { tail }.read_to_end(&mut after).map_err(decoded)?;
        if !zero(&after) {
            return Err(damaged("bytes after the end of the archive"));
        }
        if after.len() as u64 > ZEROS_MAX {
            return Err(damaged("more than 10 KiB of zeros after the archive's end"));
        }
        if !after.len().is_multiple_of(BLOCK) {
            return Err(damaged(
                "the zeros after the archive's end are no whole blocks",
            ));
        }
        match self.tar.finish().read(&mut [0])? {
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
/// 4 mean nothing and are zero. Gives the bytes that a decoder has to keep: unless bit 5 is set, which makes that the
/// length of the content, the next byte says it.
fn frame(start: &[u8]) -> io::Result<u64> {
    match start {
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, window, ..] if descriptor & 0b1_1100 == 0b0_0100 => {
            let whole = 1_u64 << (10 + (window >> 3));
            let size = whole + whole / 8 * u64::from(window & 0b111);
            Ok(match descriptor & 0b10_0000 {
                0 => size,
                _ => WINDOW_BYTES_MAX,
            })
        }
        [0x28, 0xb5, 0x2f, 0xfd, _, _, ..] => Err(damaged("the archive has no checksum")),
        _ => Err(damaged("is not a Zstandard archive")),
    }
}

fn zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
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

const BLOCK: usize = 512;
const BUFFER_BYTES: usize = 64 * 1024;
/// Zeros after the two blocks that end an archive: what may fill its last record.
const ZEROS_MAX: u64 = 10 * 1024;
/// A ustar name without its prefix: no name of an export is longer.
const NAME_BYTES_MAX: usize = 100;
/// The decoder's memory is bounded by this: 2^27 bytes, what `zstd` itself allows.
const WINDOW_LOG_MAX: u32 = 27;
const WINDOW_BYTES_MAX: u64 = 1 << WINDOW_LOG_MAX;

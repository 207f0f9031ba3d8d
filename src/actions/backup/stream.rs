//! What a sealed backup holds: a stream of frames, compressed by zstd, sealed in the age format.
//!
//! `keystall-backup/v1\n`, then frames: a letter, the length of what follows in 32 bits, big-endian, and that many bytes.
//! `m` is the manifest (JSON), and first; `f` a file: the length of its name in one byte, its name, its bytes; `t` begins a table
//! by its name; `r` is a row of it: the length of its key in 32 bits, key, value; `e` is the end: the number of rows in 64 bits.

use std::io::{self, BufReader, Read, Write};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::domain::Entropy;
use crate::store::LoadError;
use crate::vault::{
    AgeError, BackupIdentity, BackupRecipient, OpenReader, SealWriter, open_sealed, seal_to,
};

/// Which half of a backup a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Half {
    /// The database, the root key and the settings.
    Data,
    /// The month keys, by which orders open, and the list of erased orders.
    Keys,
}

/// What a sealed file says of itself, first of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Which half it is.
    pub half: Half,
    /// When it was made, Unix milliseconds.
    pub at_ms: i64,
    /// The shop: its random installation number, hex.
    pub install: String,
    /// Its ledger's name.
    pub origin: String,
    /// Generation of the ledger.
    pub generation: u16,
    /// Entries that were signed.
    pub size: u64,
    /// The checkpoint of that size.
    pub note: String,
    /// Schema of the tables.
    pub schema: u32,
    /// Bytes of the database's file: what a restore needs room for.
    pub store_bytes: u64,
    /// The version that made it.
    pub version: String,
}

/// Why a stream does not read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The seal.
    #[error(transparent)]
    Age(#[from] AgeError),
    /// What is within.
    #[error("what was sealed is no backup of keystall: {0}")]
    Form(&'static str),
    /// What is within, of another version.
    #[error("it was made by a newer version of keystall: install that version")]
    Newer,
    /// Rows.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The system.
    #[error("{0}")]
    Io(io::Error),
}

/// A piece of what was sealed.
#[derive(Debug)]
pub(super) enum Frame<'a> {
    File { name: &'a str, bytes: &'a [u8] },
    Table(&'a str),
    Row { key: &'a [u8], value: &'a [u8] },
    End { rows: u64 },
}

/// Writes a sealed stream.
pub(super) struct PartWriter<W: Write> {
    out: zstd::stream::write::Encoder<'static, SealWriter<W>>,
}

/// Reads one.
pub(super) struct PartReader<R: Read> {
    from: zstd::stream::read::Decoder<'static, BufReader<OpenReader<R>>>,
    buffer: Zeroizing<Vec<u8>>,
}

const MAGIC: &[u8] = b"keystall-backup/v1\n";
/// What all versions of the form begin with.
const MAGIC_OF_ALL: &[u8] = b"keystall-backup/v";
const LEVEL: i32 = 3;
/// At most 8 MiB of memory for what was compressed; our own level takes 2 MiB.
const WINDOW_LOG_MAX: u32 = 23;
const MANIFEST_BYTES_MAX: usize = 64 * 1024;
const NAME_BYTES_MAX: usize = 64;
/// Longest file, and longest row: a picture, or a month's list of erased orders, has far less.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

impl<W: Write> PartWriter<W> {
    pub(super) fn begin(
        manifest: &Manifest,
        recipients: &[BackupRecipient],
        entropy: &dyn Entropy,
        out: W,
    ) -> io::Result<Self> {
        let sealed = seal_to(recipients, entropy, out)?;
        let mut this = Self {
            out: zstd::stream::write::Encoder::new(sealed, LEVEL)?,
        };
        this.out.write_all(MAGIC)?;
        this.frame(b'm', &[&serde_json::to_vec(manifest)?])?;
        Ok(this)
    }

    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Our own names, all short.
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        self.frame(b'f', &[&[length], name.as_bytes(), bytes])
    }

    pub(super) fn table(&mut self, name: &str) -> io::Result<()> {
        self.frame(b't', &[name.as_bytes()])
    }

    pub(super) fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let length = u32::try_from(key.len()).map_err(io::Error::other)?;
        self.frame(b'r', &[&length.to_be_bytes(), key, value])
    }

    pub(super) fn finish(mut self, rows: u64) -> io::Result<W> {
        self.frame(b'e', &[&rows.to_be_bytes()])?;
        self.out.finish()?.finish()
    }

    fn frame(&mut self, letter: u8, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > FRAME_BYTES_MAX {
            return Err(io::Error::other("a row is too long for a backup"));
        }
        self.out.write_all(&[letter])?;
        self.out.write_all(&(length as u32).to_be_bytes())?;
        parts.iter().try_for_each(|part| self.out.write_all(part))
    }
}

impl<R: Read> PartReader<R> {
    /// Opens the seal and reads the manifest.
    pub(super) fn begin(
        identities: &[&BackupIdentity],
        from: R,
    ) -> Result<(Self, Manifest), StreamError> {
        let opened = BufReader::new(open_sealed(identities, from)?);
        let mut from = zstd::stream::read::Decoder::with_buffer(opened).map_err(unread)?;
        from.window_log_max(WINDOW_LOG_MAX).map_err(unread)?;
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic).map_err(unread)?;
        if magic != *MAGIC {
            return Err(match magic.starts_with(MAGIC_OF_ALL) {
                true => StreamError::Newer,
                false => StreamError::Form("it begins otherwise"),
            });
        }
        let mut this = Self {
            from,
            buffer: Zeroizing::default(),
        };
        let letter = this.read_frame(MANIFEST_BYTES_MAX)?;
        if letter != b'm' {
            return Err(StreamError::Form("it has no manifest"));
        }
        let manifest = serde_json::from_slice(&this.buffer);
        let manifest =
            manifest.map_err(|_| StreamError::Form("its manifest is of another form"))?;
        Ok((this, manifest))
    }

    pub(super) fn next(&mut self) -> Result<Frame<'_>, StreamError> {
        let form = StreamError::Form;
        let letter = self.read_frame(FRAME_BYTES_MAX)?;
        if letter == b'e' {
            let rows = <[u8; 8]>::try_from(self.buffer.as_slice());
            let rows = u64::from_be_bytes(rows.map_err(|_| form("its end is of another form"))?);
            // Nothing follows, and the last chunk of the seal is there.
            return match self.from.read(&mut [0]).map_err(unread)? {
                0 => Ok(Frame::End { rows }),
                _ => Err(form("something follows its end")),
            };
        }
        let bytes = self.buffer.as_slice();
        match letter {
            b'f' => {
                let (length, rest) = bytes.split_first().ok_or(form("a file without a name"))?;
                let cut = rest.split_at_checked(usize::from(*length));
                let (name, bytes) = cut.ok_or(form("a file without a name"))?;
                Ok(Frame::File {
                    name: named(name)?,
                    bytes,
                })
            }
            b't' => Ok(Frame::Table(named(bytes)?)),
            b'r' => {
                let cut = bytes.split_first_chunk();
                let (length, rest) = cut.ok_or(form("a row without a key"))?;
                let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                let cut = rest.split_at_checked(length);
                let (key, value) = cut.ok_or(form("a row without a key"))?;
                Ok(Frame::Row { key, value })
            }
            _ => Err(form("a frame that this version does not know")),
        }
    }

    /// What it reads from.
    pub(super) fn into_inner(self) -> R {
        self.from.finish().into_inner().into_inner()
    }

    /// The next frame into the buffer, which grows only as bytes come.
    fn read_frame(&mut self, bytes_max: usize) -> Result<u8, StreamError> {
        let mut head = [0; 5];
        self.from.read_exact(&mut head).map_err(unread)?;
        let [letter, length @ ..] = head;
        let length = u64::from(u32::from_be_bytes(length));
        if length > bytes_max as u64 {
            return Err(StreamError::Form("a frame is too long"));
        }
        self.buffer.zeroize();
        let read = Read::by_ref(&mut self.from)
            .take(length)
            .read_to_end(&mut self.buffer)
            .map_err(unread)?;
        match read as u64 == length {
            true => Ok(letter),
            false => Err(StreamError::Form("it ends early")),
        }
    }
}

fn named(bytes: &[u8]) -> Result<&str, StreamError> {
    let is_name = bytes.len() <= NAME_BYTES_MAX;
    let name = std::str::from_utf8(bytes).ok().filter(|_| is_name);
    name.ok_or(StreamError::Form("a name is of another form"))
}

/// The cause behind what a reader of readers says.
fn unread(error: io::Error) -> StreamError {
    if error.raw_os_error().is_some() {
        return StreamError::Io(error);
    }
    let kind = error.kind();
    match error.into_inner().map(|cause| cause.downcast::<AgeError>()) {
        Some(Ok(age)) => StreamError::Age(*age),
        _ if kind == io::ErrorKind::UnexpectedEof => StreamError::Form("it ends early"),
        _ => StreamError::Form("it does not decompress"),
    }
}

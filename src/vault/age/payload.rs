//! The payload: chunks of 64 KiB, each sealed for its place.

use std::io::{self, Read, Write};

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::{Zeroize, Zeroizing};

use super::AgeError;

const CHUNK_BYTES: usize = 64 * 1_024;
const TAG_BYTES: usize = 16;
const SEALED_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

/// Seals what is written to it. Without [`SealWriter::finish`] the file has no end, and does not open.
pub struct SealWriter<W> {
    cipher: ChaCha20Poly1305,
    chunk: u64,
    waiting: Vec<u8>,
    out: W,
}

/// Opens as it is read. An error of the file's own is an [`AgeError`] within one of the kind `InvalidData`.
pub struct OpenReader<R> {
    cipher: ChaCha20Poly1305,
    chunk: u64,
    opened: Zeroizing<Vec<u8>>,
    given: usize,
    sealed: Vec<u8>,
    is_at_end: bool,
    from: R,
}

impl<W: Write> SealWriter<W> {
    pub(super) fn new(key: Zeroizing<[u8; 32]>, out: W) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new((&*key).into()),
            chunk: 0,
            waiting: Vec::with_capacity(CHUNK_BYTES),
            out,
        }
    }

    /// Writes the last chunk; gives what it wrote to, not flushed.
    ///
    /// # Errors
    /// What it writes to says.
    pub fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        Ok(self.out)
    }

    fn put(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = nonce(self.chunk, is_last);
        // Encryption fails only beyond 256 GiB.
        #[allow(clippy::expect_used)]
        let sealed = self
            .cipher
            .encrypt(&nonce, self.waiting.as_slice())
            .expect("below 256 GiB");
        self.waiting.zeroize();
        self.chunk += 1;
        self.out.write_all(&sealed)
    }
}

impl<W: Write> Write for SealWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits until more comes: it may be the last.
        if self.waiting.len() == CHUNK_BYTES && !bytes.is_empty() {
            self.put(false)?;
        }
        let count = bytes.len().min(CHUNK_BYTES - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<R: Read> OpenReader<R> {
    pub(super) fn new(key: Zeroizing<[u8; 32]>, from: R) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new((&*key).into()),
            chunk: 0,
            opened: Zeroizing::default(),
            given: 0,
            sealed: Vec::with_capacity(SEALED_BYTES + 1),
            is_at_end: false,
            from,
        }
    }

    /// What it reads from.
    pub fn into_inner(self) -> R {
        self.from
    }

    /// Opens the next chunk. One byte more than it has is read, which tells whether it is the last.
    fn next(&mut self) -> Result<(), AgeError> {
        let missing = (SEALED_BYTES + 1 - self.sealed.len()) as u64;
        Read::by_ref(&mut self.from)
            .take(missing)
            .read_to_end(&mut self.sealed)?;
        let is_last = self.sealed.len() <= SEALED_BYTES;
        let chunk = &self.sealed[..self.sealed.len().min(SEALED_BYTES)];
        if chunk.len() < TAG_BYTES {
            return Err(AgeError::Cut);
        }
        let opened = self.cipher.decrypt(&nonce(self.chunk, is_last), chunk);
        let Ok(opened) = opened else {
            // A chunk in the middle that opens as one: the file was cut behind it.
            let in_the_middle = self.cipher.decrypt(&nonce(self.chunk, false), chunk);
            return match is_last && in_the_middle.is_ok() {
                true => Err(AgeError::Cut),
                false => Err(AgeError::Damaged(self.chunk)),
            };
        };
        if is_last && opened.is_empty() && self.chunk > 0 {
            return Err(AgeError::Damaged(self.chunk));
        }
        (self.opened, self.given, self.is_at_end) = (Zeroizing::new(opened), 0, is_last);
        self.sealed.drain(..self.sealed.len().min(SEALED_BYTES));
        self.chunk += 1;
        Ok(())
    }
}

impl<R: Read> Read for OpenReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.opened.len() && !self.is_at_end {
            self.next().map_err(|error| match error {
                AgeError::Io(error) => error,
                error => io::Error::new(io::ErrorKind::InvalidData, error),
            })?;
        }
        let count = out.len().min(self.opened.len() - self.given);
        out[..count].copy_from_slice(&self.opened[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// Eleven bytes of the chunk's number, then whether it is the last.
fn nonce(chunk: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&chunk.to_be_bytes());
    nonce[11] = u8::from(is_last);
    Nonce::from(nonce)
}

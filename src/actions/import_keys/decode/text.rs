//! A file's bytes as characters, its line ends as LF.
//!
//! The encoding is decided where it first matters: by a byte order mark, by NULs at every other byte (UTF-16), or at the
//! first byte that is not ASCII, by whether the window that begins there is UTF-8. Otherwise it is GB18030, which Excel and
//! Notepad write on Chinese systems.

use std::io::{ErrorKind, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use zeroize::Zeroize;

use crate::limits;

/// Why no more characters come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextError {
    Read(String),
    TooLarge,
    NotText,
    /// Bytes that are not of this encoding.
    Malformed(&'static str),
}

pub(super) struct Text<R> {
    source: R,
    /// Bytes read and not yet decoded, at most [`WINDOW_BYTES`].
    raw: Vec<u8>,
    bytes_read: u64,
    source_ended: bool,
    started: bool,
    decoder: Option<Decoder>,
    decoder_ended: bool,
    /// Decoded characters; those before `at` have been given out.
    chunk: String,
    at: usize,
    /// Comes after the characters of `chunk`.
    failed: Option<TextError>,
    after_cr: bool,
}

impl<R: Read> Text<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            raw: Vec::with_capacity(WINDOW_BYTES),
            bytes_read: 0,
            source_ended: false,
            started: false,
            decoder: None,
            decoder_ended: false,
            chunk: String::with_capacity(WINDOW_BYTES),
            at: 0,
            failed: None,
            after_cr: false,
        }
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    pub fn encoding(&self) -> Option<&'static str> {
        self.decoder
            .as_ref()
            .map(|decoder| decoder.encoding().name())
    }

    /// The next character, CR and CRLF as LF.
    pub fn next_char(&mut self) -> Result<Option<char>, TextError> {
        loop {
            let Some(character) = self.chunk[self.at..].chars().next() else {
                if self.next_chunk()? {
                    continue;
                }
                return Ok(None);
            };
            self.at += character.len_utf8();
            let ends_crlf = self.after_cr && character == '\n';
            self.after_cr = character == '\r';
            if !ends_crlf {
                return Ok(Some(if self.after_cr { '\n' } else { character }));
            }
        }
    }

    /// Fills `chunk` again; false at the end.
    fn next_chunk(&mut self) -> Result<bool, TextError> {
        self.chunk.clear();
        self.at = 0;
        if let Some(error) = self.failed.clone() {
            return Err(error);
        }
        self.fill()?;
        if !self.started {
            self.started = true;
            self.start()?;
        }
        if self.decoder.is_none() {
            let ascii = self
                .raw
                .iter()
                .position(|byte| !byte.is_ascii())
                .unwrap_or(self.raw.len());
            if ascii > 0 {
                self.chunk.extend(self.raw.drain(..ascii).map(char::from));
                return Ok(true);
            }
            if self.raw.is_empty() {
                return Ok(false);
            }
            self.decoder = Some(self.utf8_or_gb18030().new_decoder_without_bom_handling());
        }
        self.decode();
        Ok(!self.chunk.is_empty() || self.failed.is_some() || !self.decoder_ended)
    }

    fn decode(&mut self) {
        let Some(decoder) = self.decoder.as_mut().filter(|_| !self.decoder_ended) else {
            return;
        };
        let (result, read) = decoder.decode_to_string_without_replacement(
            &self.raw,
            &mut self.chunk,
            self.source_ended,
        );
        self.raw.drain(..read);
        match result {
            DecoderResult::InputEmpty => self.decoder_ended = self.source_ended,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                self.failed = Some(TextError::Malformed(decoder.encoding().name()));
            }
        }
    }

    /// Reads until the window is full or the file ends.
    fn fill(&mut self) -> Result<(), TextError> {
        while !self.source_ended && self.raw.len() < WINDOW_BYTES {
            let start = self.raw.len();
            self.raw.resize(WINDOW_BYTES, 0);
            let result = self.source.read(&mut self.raw[start..]);
            let count = *result.as_ref().unwrap_or(&0);
            self.raw.truncate(start + count);
            match result {
                Ok(0) => self.source_ended = true,
                Ok(count) => self.bytes_read += count as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(TextError::Read(error.to_string())),
            }
            if self.bytes_read > limits::IMPORT_BYTES_MAX {
                return Err(TextError::TooLarge);
            }
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), TextError> {
        if NOT_TEXT.iter().any(|magic| self.raw.starts_with(magic)) {
            return Err(TextError::NotText);
        }
        let found = match Encoding::for_bom(&self.raw) {
            Some((encoding, mark_bytes)) => {
                self.raw.drain(..mark_bytes);
                Some(encoding)
            }
            None => utf16_without_mark(&self.raw),
        };
        self.decoder = found.map(Encoding::new_decoder_without_bom_handling);
        Ok(())
    }

    /// The window begins with the first byte that is not ASCII; a character cut by its end is no mistake.
    fn utf8_or_gb18030(&self) -> &'static Encoding {
        match std::str::from_utf8(&self.raw) {
            Ok(_) => UTF_8,
            Err(error) if error.error_len().is_none() && !self.source_ended => UTF_8,
            Err(_) => GB18030,
        }
    }
}

impl<R> Drop for Text<R> {
    fn drop(&mut self) {
        self.raw.zeroize();
        self.chunk.zeroize();
    }
}

/// UTF-16 of mostly ASCII keys: more than half of one half of the bytes is NUL, none of the other. A stray NUL in another
/// file is not enough, so that it is refused with its line.
fn utf16_without_mark(window: &[u8]) -> Option<&'static Encoding> {
    let pairs = window.len() / 2;
    let nuls = |offset: usize| {
        window
            .iter()
            .skip(offset)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let most = |count: usize| count >= 2 && count * 2 > pairs;
    match (nuls(0), nuls(1)) {
        (0, odd) if most(odd) => Some(UTF_16LE),
        (even, 0) if most(even) => Some(UTF_16BE),
        _ => None,
    }
}

const WINDOW_BYTES: usize = 64 * 1024;
/// Beginnings of ZIP and XLSX, old Excel files, gzip, 7z, RAR and PDF.
const NOT_TEXT: [&[u8]; 6] = [
    b"PK\x03\x04",
    b"\xD0\xCF\x11\xE0",
    b"\x1F\x8B",
    b"7z\xBC\xAF\x27\x1C",
    b"Rar!\x1A\x07",
    b"%PDF-",
];

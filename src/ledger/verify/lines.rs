//! Lines of a file, each with a limit.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole line; its `\n` is not in the buffer.
    Whole,
    /// The file ends without `\n`.
    Cut,
    /// Longer than the limit.
    Long,
    /// No more lines.
    End,
}

pub(super) struct Lines<R> {
    input: R,
    bytes_max: usize,
    /// The line just read.
    pub(super) bytes: Vec<u8>,
    /// Where in the file it begins.
    pub(super) offset: u64,
    after: u64,
}

impl Lines<BufReader<File>> {
    pub(super) fn open(path: &Path, bytes_max: usize) -> io::Result<Self> {
        Ok(Self::new(
            BufReader::with_capacity(BUFFER_BYTES, File::open(path)?),
            bytes_max,
        ))
    }
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, bytes_max: usize) -> Self {
        Self {
            input,
            bytes_max,
            bytes: Vec::with_capacity(bytes_max.min(BUFFER_BYTES) + 1),
            offset: 0,
            after: 0,
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Line> {
        self.bytes.clear();
        self.offset = self.after;
        let limit = self.bytes_max as u64 + 1;
        let read = (&mut self.input)
            .take(limit)
            .read_until(b'\n', &mut self.bytes)?;
        self.after += read as u64;
        Ok(match self.bytes.last() {
            None => Line::End,
            Some(b'\n') => {
                self.bytes.pop();
                Line::Whole
            }
            Some(_) if self.bytes.len() > self.bytes_max => Line::Long,
            Some(_) => Line::Cut,
        })
    }
}

const BUFFER_BYTES: usize = 256 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_limit_and_an_end() {
        let mut lines = Lines::new(&b"abcd\n\nabcde\nx"[..], 4);
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push((lines.next().unwrap(), lines.offset, lines.bytes.clone()));
        }
        assert_eq!(seen[0], (Line::Whole, 0, b"abcd".to_vec()));
        assert_eq!(seen[1], (Line::Whole, 5, Vec::new()));
        assert_eq!(seen[2].0, Line::Long);
        let mut lines = Lines::new(&b"x"[..], 4);
        assert_eq!(lines.next().unwrap(), Line::Cut);
        assert_eq!(lines.next().unwrap(), Line::End);
    }
}

//! Lines of a file in blocks of so many, each line with a limit.

use std::io::{self, Read};

/// How a block ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// More lines follow.
    #[default]
    More,
    /// The file ends after its last `\n`.
    File,
    /// The file ends without `\n`.
    Cut,
    /// The next line is longer than the limit.
    Long,
}

impl End {
    /// What is wrong with the file's form here, if anything is.
    pub(super) const fn fault(self) -> Option<&'static str> {
        match self {
            Self::More | Self::File => None,
            Self::Cut => Some("the last line is cut off"),
            Self::Long => Some("a line is longer than its limit allows"),
        }
    }
}

/// Some whole lines that follow each other. Its buffers are used again for the next block.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where each line's `\n` lies.
    ends: Vec<usize>,
    offset: u64,
    /// Number of its first line, from 0.
    pub(super) first: u64,
    pub(super) end: End,
}

impl Block {
    /// How many lines.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each line without its `\n`, and where in the file it begins.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        let ranges = starts.zip(&self.ends);
        ranges.map(|(start, end)| (self.offset + start as u64, &self.bytes[start..*end]))
    }

    /// Each line without its `\n`.
    pub(super) fn texts(&self) -> Vec<&[u8]> {
        self.lines().map(|(_, line)| line).collect()
    }

    /// Where in the file the line after the last one begins.
    pub(super) fn after(&self) -> u64 {
        self.offset + self.ends.last().map_or(0, |end| end + 1) as u64
    }
}

/// Reads blocks.
pub(super) struct Blocks<R> {
    input: R,
    bytes_max: usize,
    /// What was read beyond the last block.
    rest: Vec<u8>,
    first: u64,
    offset: u64,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(input: R, bytes_max: usize) -> Self {
        Self {
            input,
            bytes_max,
            rest: Vec::new(),
            first: 0,
            offset: 0,
            ended: false,
        }
    }

    /// Fills the block with the next `lines_max` lines, or with fewer if the file ends or breaks before; gives false
    /// once nothing is left, not even a fault to tell.
    pub(super) fn fill(&mut self, block: &mut Block, lines_max: usize) -> io::Result<bool> {
        block.bytes.clear();
        block.bytes.append(&mut self.rest);
        block.ends.clear();
        (block.first, block.offset) = (self.first, self.offset);
        block.end = End::More;
        if self.ended {
            return Ok(false);
        }
        let (mut start, mut searched) = (0, 0);
        while block.ends.len() < lines_max {
            if let Some(at) = memchr::memchr(b'\n', &block.bytes[searched..]) {
                let end = searched + at;
                if end - start > self.bytes_max {
                    block.end = End::Long;
                    break;
                }
                block.ends.push(end);
                (start, searched) = (end + 1, end + 1);
                continue;
            }
            searched = block.bytes.len();
            if searched - start > self.bytes_max {
                block.end = End::Long;
                break;
            }
            block.bytes.resize(searched + READ_BYTES, 0);
            let got = read(&mut self.input, &mut block.bytes[searched..])?;
            block.bytes.truncate(searched + got);
            if got == 0 {
                block.end = match start == searched {
                    true => End::File,
                    false => End::Cut,
                };
                break;
            }
        }
        self.ended = block.end != End::More;
        self.rest.extend_from_slice(&block.bytes[start..]);
        block.bytes.truncate(start);
        self.first += block.ends.len() as u64;
        self.offset = block.after();
        Ok(!block.ends.is_empty() || block.end != End::More)
    }
}

/// Gives `take` each whole line without its `\n`, up to the first that is longer than `bytes_max`, and tells `seen` how
/// many bytes were read. What ends otherwise than with `\n` is left out.
pub(super) fn each_line(
    mut input: impl Read,
    bytes_max: usize,
    seen: impl Fn(u64),
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    // Invariant: what is kept of a line that goes on is at most `bytes_max` long, so there is always room to read.
    let mut bytes = vec![0; bytes_max + SCAN_BYTES];
    let mut kept = 0;
    loop {
        let got = read(&mut input, &mut bytes[kept..])?;
        let (mut start, end) = (0, kept + got);
        for at in memchr::memchr_iter(b'\n', &bytes[kept..end]) {
            let line = &bytes[start..kept + at];
            if line.len() > bytes_max {
                return Ok(());
            }
            take(line);
            start = kept + at + 1;
        }
        if got == 0 || end - start > bytes_max {
            return Ok(());
        }
        bytes.copy_within(start..end, 0);
        kept = end - start;
        seen(got as u64);
    }
}

fn read(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Little is read beyond a block, because that is copied.
const READ_BYTES: usize = 16 * 1024;
/// Stays within a core's cache.
const SCAN_BYTES: usize = 128 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Read = (Vec<(u64, Vec<u8>)>, End);

    fn blocks(text: &[u8], lines_max: usize) -> Vec<Read> {
        let mut blocks = Blocks::new(text, 4);
        let (mut block, mut all) = (Block::default(), Vec::new());
        while blocks.fill(&mut block, lines_max).unwrap() {
            let lines = block.lines().map(|(at, line)| (at, line.to_vec()));
            all.push((lines.collect(), block.end));
        }
        all
    }

    #[test]
    fn lines_have_a_limit_and_an_end() {
        let all = blocks(b"abcd\n\nabcde\nx", 9);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].0, [(0, b"abcd".to_vec()), (5, Vec::new())]);
        assert_eq!(all[0].1, End::Long);
        assert_eq!(blocks(b"x", 9), [(Vec::new(), End::Cut)]);
        assert_eq!(blocks(b"abcde", 9), [(Vec::new(), End::Long)]);
        assert_eq!(blocks(b"", 9), [(Vec::new(), End::File)]);
    }

    #[test]
    fn blocks_go_on_where_the_one_before_ended() {
        let all = blocks(b"a\nbb\nccc\n", 2);
        assert_eq!(all[0].0, [(0, b"a".to_vec()), (2, b"bb".to_vec())]);
        assert_eq!(all[0].1, End::More);
        assert_eq!(all[1], (vec![(5, b"ccc".to_vec())], End::File));
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn lines_are_given_up_to_one_that_is_too_long() {
        let long = vec![b'x'; SCAN_BYTES];
        let text = [b"a\n\n".as_slice(), &long, b"\nbb\n", &long, b"x\nc\n"].concat();
        let mut given = Vec::new();
        each_line(
            text.as_slice(),
            SCAN_BYTES,
            |_| {},
            |line| given.push(line.len()),
        )
        .unwrap();
        assert_eq!(given, [1, 0, SCAN_BYTES, 2]);
        given.clear();
        each_line(&b"ab\ncd"[..], 2, |_| {}, |line| given.push(line.len())).unwrap();
        assert_eq!(given, [2]);
    }

    #[test]
    fn a_line_longer_than_one_reading_is_whole() {
        let text = [vec![b'x'; 200_000], b"\ny\n".to_vec()].concat();
        let mut blocks = Blocks::new(text.as_slice(), 200_000);
        let mut block = Block::default();
        assert!(blocks.fill(&mut block, 1).unwrap());
        assert_eq!(block.lines().next().unwrap().1.len(), 200_000);
        assert!(blocks.fill(&mut block, 1).unwrap());
        assert_eq!(block.lines().next().unwrap(), (200_001, &b"y"[..]));
    }
}

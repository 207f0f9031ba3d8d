//! Chain hashes of many lines at once.
//!
//! BLAKE3's blocks within a chunk follow each other, so one line keeps a processor waiting; lines of the same number of
//! blocks are hashed side by side in its wide registers instead. `blake3` offers that only in its module `platform`,
//! which it calls unstable: its version is pinned in Cargo.toml, and a test holds every length against `derive_key`.

use super::{LINE_BYTES_MAX, LINE_CONTEXT, hash_line};
use crate::ledger::Hash;
use blake3::hazmat::hash_derive_key_context;
use blake3::platform::{
    Platform, le_bytes_from_words_32, words_from_le_bytes_32 as words_of_bytes,
};
use blake3::{BLOCK_LEN, IncrementCounter};

/// [`hash_line`] for many lines, in their order.
pub(crate) struct LineHasher {
    platform: Platform,
    key: [u32; 8],
    /// Of the lines at hand: how many whole blocks lie before the last, and the line's number.
    order: Vec<(usize, usize)>,
    states: Vec<u8>,
}

impl LineHasher {
    pub(crate) fn new() -> Self {
        Self {
            platform: Platform::detect(),
            key: words_of_bytes(&hash_derive_key_context(LINE_CONTEXT)),
            order: Vec::new(),
            states: Vec::new(),
        }
    }

    /// The chain hash of each line.
    pub(crate) fn hash(&mut self, lines: &[&[u8]]) -> Vec<Hash> {
        let mut hashes = vec![Hash::ZERO; lines.len()];
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(lines.iter().map(|line| before_last(line)).zip(0..));
        order.sort_unstable();
        for alike in order.chunk_by(|a, b| a.0 == b.0) {
            self.alike(lines, alike, &mut hashes);
        }
        self.order = order;
        hashes
    }

    /// Hashes lines of one number of blocks.
    fn alike(&mut self, lines: &[&[u8]], alike: &[(usize, usize)], hashes: &mut [Hash]) {
        macro_rules! wide {
            ($($blocks:literal)*) => {
                match alike[0].0 {
                    0 => {}
                    $($blocks => self.whole_blocks::<{ $blocks * BLOCK_LEN }>(lines, alike),)*
                    // A line that is too long is no entry; its hash is told all the same.
                    _ => return alike.iter().for_each(|&(_, n)| hashes[n] = hash_line(lines[n])),
                }
            };
        }
        wide!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        let (whole, first) = match alike[0].0 {
            0 => (0, CHUNK_START),
            blocks => (blocks * BLOCK_LEN, 0),
        };
        for (at, &(_, number)) in alike.iter().enumerate() {
            let mut state = match self.states.get(at * STATE_BYTES..).filter(|_| whole > 0) {
                Some(rest) => rest.first_chunk().map_or(self.key, words_of_bytes),
                None => self.key,
            };
            let last = &lines[number][whole..];
            let mut block = [0; BLOCK_LEN];
            block[..last.len()].copy_from_slice(last);
            let flags = DERIVE_KEY_MATERIAL | first | CHUNK_END | ROOT;
            // Invariant: the last block holds at most 64 bytes.
            let length = last.len() as u8;
            self.platform
                .compress_in_place(&mut state, &block, length, 0, flags);
            hashes[number] = Hash(le_bytes_from_words_32(&state));
        }
    }

    /// Leaves in `states` what the first `BYTES` bytes of each line make of the key.
    fn whole_blocks<const BYTES: usize>(&mut self, lines: &[&[u8]], alike: &[(usize, usize)]) {
        let starts: Vec<&[u8; BYTES]> = alike
            .iter()
            .filter_map(|&(_, number)| lines[number].first_chunk())
            .collect();
        // Invariant: `before_last` counted the blocks, so no line is shorter.
        debug_assert_eq!(starts.len(), alike.len());
        self.states.resize(starts.len() * STATE_BYTES, 0);
        self.platform.hash_many(
            &starts,
            &self.key,
            0,
            IncrementCounter::No,
            DERIVE_KEY_MATERIAL,
            CHUNK_START,
            0,
            &mut self.states,
        );
    }
}

/// Blocks before the last one, which holds at least a byte unless the line is empty; of a line of more than one chunk
/// more than there are in one.
fn before_last(line: &[u8]) -> usize {
    line.len().saturating_sub(1) / BLOCK_LEN
}

// One chunk: more needs a tree.
const _: () = assert!(LINE_BYTES_MAX == 16 * BLOCK_LEN && blake3::CHUNK_LEN == LINE_BYTES_MAX);
const STATE_BYTES: usize = 32;
// Flags of BLAKE3's compression function (its paper, table 3).
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
const DERIVE_KEY_MATERIAL: u8 = 1 << 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_by_side_every_length_has_the_hash_that_it_has_alone() {
        let text: Vec<u8> = (0..2100_u32).map(|n| (n * n % 251) as u8).collect();
        let mut lines = Vec::new();
        for length in (0..1100).chain([2048, 2049, 0, 64]) {
            lines.push(&text[..length]);
            lines.push(&text[length % 41..length % 41 + length % 449]);
        }
        let alone: Vec<_> = lines.iter().map(|line| hash_line(line)).collect();
        let mut hasher = LineHasher::new();
        assert_eq!(hasher.hash(&lines), alone);
        for count in [64, 17, 16, 3, 1, 0] {
            for (lines, alone) in lines.chunks(count.max(1)).zip(alone.chunks(count.max(1))) {
                let count = count.min(lines.len());
                assert_eq!(hasher.hash(&lines[..count]), alone[..count]);
            }
        }
    }
}

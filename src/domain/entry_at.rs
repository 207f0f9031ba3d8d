//! Where a row of the ledger lies.

use std::fmt;

/// A generation of the ledger, and a sequence number or a size in it. One number in the store: the generation in the upper 16
/// bits, so that rows of a generation lie together and the first generation's keys are plain sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryAt(u64);

const SEQ_BITS: u32 = 48;
const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;

impl EntryAt {
    /// `seq` in `generation`.
    ///
    /// # Panics
    /// When `seq` needs more than 48 bits: at a thousand sales a second that is after nine thousand years.
    pub const fn new(generation: u16, seq: u64) -> Self {
        assert!(seq <= SEQ_MAX, "a ledger's seq has at most 48 bits");
        Self(((generation as u64) << SEQ_BITS) | seq)
    }

    /// From the number in the store.
    pub const fn from_key(key: u64) -> Self {
        Self(key)
    }

    /// The number in the store.
    pub const fn key(self) -> u64 {
        self.0
    }

    /// The generation, from 0.
    pub const fn generation(self) -> u16 {
        (self.0 >> SEQ_BITS) as u16
    }

    /// The sequence number or size in its generation.
    pub const fn seq(self) -> u64 {
        self.0 & SEQ_MAX
    }

    /// The same generation, another place.
    pub const fn with_seq(self, seq: u64) -> Self {
        Self::new(self.generation(), seq)
    }
}

/// `7` in the first generation, `1:7` in the second.
impl fmt::Display for EntryAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation() {
            0 => write!(f, "{}", self.seq()),
            generation => write!(f, "{generation}:{}", self.seq()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_generations_keys_are_plain_numbers() {
        assert_eq!(EntryAt::new(0, 42).key(), 42);
        let at = EntryAt::new(3, 42);
        assert_eq!((at.generation(), at.seq()), (3, 42));
        assert_eq!(EntryAt::from_key(at.key()), at);
        assert!(EntryAt::new(0, SEQ_MAX) < EntryAt::new(1, 0));
        assert_eq!(at.to_string(), "3:42");
    }
}

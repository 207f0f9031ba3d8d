//! The right edge of a tree: what is needed to append a leaf and to know the root.

use super::{NodeSource, ProofError, empty_root, leaf_hash, node_hash};
use crate::ledger::Hash;
use thiserror::Error;

/// A tree's complete subtrees, largest first: one for each bit set in its size ("compact range").
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

/// Why [`Frontier::from_parts`] refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a tree of {size} leaves has {wanted} complete subtrees, not {found}")]
pub struct FrontierError {
    /// Number of leaves.
    pub size: u64,
    /// How many hashes that size needs.
    pub wanted: usize,
    /// How many were given.
    pub found: usize,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// From stored parts: the complete subtrees of the first `size` leaves, largest first.
    pub fn from_parts(size: u64, subtrees: Vec<Hash>) -> Result<Self, FrontierError> {
        let wanted = size.count_ones() as usize;
        if subtrees.len() != wanted {
            return Err(FrontierError {
                size,
                wanted,
                found: subtrees.len(),
            });
        }
        Ok(Self { size, subtrees })
    }

    /// From stored nodes: reads one node for each bit set in `size`.
    pub fn from_source<S: NodeSource>(source: &S, size: u64) -> Result<Self, ProofError<S::Error>> {
        let mut subtrees = Vec::with_capacity(size.count_ones() as usize);
        let mut start = 0_u64;
        for level in (0..64_u8).rev() {
            if (size >> level) & 1 == 1 {
                let node = source.node(level, start >> level);
                subtrees.push(node.map_err(ProofError::Source)?);
                start += 1 << level;
            }
        }
        Ok(Self { size, subtrees })
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The complete subtrees, largest first.
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// Appends a leaf by its data. Gives the hashes of all complete subtrees that end at this leaf, smallest first:
    /// element `l` covers the last `2^l` leaves, element 0 is the leaf hash. A store that keeps this vector beside
    /// row `i` can read node (level, number) at row `((number + 1) << level) - 1`, position `level`.
    pub fn append(&mut self, data: &[u8]) -> Vec<Hash> {
        let mut ended = vec![leaf_hash(data)];
        let mut node = ended[0];
        for _ in 0..self.size.trailing_ones() {
            // Invariant: a size with n trailing ones keeps n complete subtrees to merge.
            let Some(left) = self.subtrees.pop() else {
                break;
            };
            node = node_hash(&left, &node);
            ended.push(node);
        }
        self.subtrees.push(node);
        self.size += 1;
        ended
    }

    /// Appends a leaf by its hash; [`Frontier::append`] without the list of nodes.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.subtrees.pop() else {
                break;
            };
            node = node_hash(&left, &node);
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// Appends a complete subtree of `2^level` leaves by its hash. `seen` is told every complete subtree that this
    /// ends, smallest first, with its level and number. The size must be a multiple of `2^level`.
    pub(crate) fn push_subtree(
        &mut self,
        level: u8,
        hash: Hash,
        mut seen: impl FnMut(u8, u64, &Hash),
    ) {
        debug_assert_eq!(self.size & ((1 << level) - 1), 0);
        let (mut node, mut number, mut height) = (hash, self.size >> level, level);
        seen(height, number, &node);
        while number & 1 == 1 {
            let Some(left) = self.subtrees.pop() else {
                break;
            };
            node = node_hash(&left, &node);
            (number, height) = (number >> 1, height + 1);
            seen(height, number, &node);
        }
        self.subtrees.push(node);
        self.size += 1 << level;
    }

    /// The complete subtrees with their levels and numbers, largest first.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (u8, u64, Hash)> {
        let levels = (0..64_u8)
            .rev()
            .filter(|level| (self.size >> level) & 1 == 1);
        // The leaves above a subtree's level lie before it.
        let at = levels.map(|level| (level, (self.size >> level) - 1));
        at.zip(&self.subtrees)
            .map(|((level, number), hash)| (level, number, *hash))
    }

    /// Root of the tree; SHA-256 of nothing for the empty tree.
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.subtrees.iter().rev();
        match from_the_right.next() {
            None => empty_root(),
            Some(last) => from_the_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

//! A whole tree in memory, for trees that are small: the key commitments of one batch.

use super::{Frontier, NodeSource};
use crate::ledger::Hash;
use thiserror::Error;

/// Every complete subtree of a tree, 64 bytes a leaf.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    frontier: Frontier,
    rows: Vec<Vec<Hash>>,
}

/// The tree has no such node yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the tree has no node {number} at level {level}")]
pub struct MissingNode {
    /// Level, 0 for leaves.
    pub level: u8,
    /// Number within the level.
    pub number: u64,
}

impl MemoryTree {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf by its data.
    pub fn append(&mut self, data: &[u8]) {
        self.rows.push(self.frontier.append(data));
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Root over all leaves.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }
}

impl NodeSource for MemoryTree {
    type Error = MissingNode;

    fn node(&self, level: u8, number: u64) -> Result<Hash, MissingNode> {
        let missing = MissingNode { level, number };
        let width = 1_u64.checked_shl(u32::from(level)).ok_or(missing)?;
        let end = number.checked_add(1).and_then(|n| n.checked_mul(width));
        let row = end.and_then(|end| usize::try_from(end - 1).ok());
        let row = row.and_then(|row| self.rows.get(row)).ok_or(missing)?;
        row.get(usize::from(level)).copied().ok_or(missing)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{inclusion_proof, leaf_hash, verify_inclusion};
    use super::*;

    #[test]
    fn a_small_tree_proves_its_leaves_and_knows_its_bounds() {
        let mut tree = MemoryTree::new();
        for data in 0..5_u8 {
            tree.append(&[data]);
        }
        let proof = inclusion_proof(&tree, 3, 5).unwrap();
        assert!(verify_inclusion(
            &leaf_hash(&[3]),
            3,
            5,
            &proof,
            &tree.root()
        ));
        assert!(inclusion_proof(&tree, 3, 6).is_err());
        assert!(tree.node(64, 0).is_err() && tree.node(0, u64::MAX).is_err());
    }
}

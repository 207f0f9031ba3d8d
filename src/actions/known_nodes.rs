//! Nodes of the trees in which receipts prove their place, remembered: a complete subtree never changes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ledger::Hash;
use crate::ledger::tree::NodeSource;

/// A tree of this shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tree {
    /// Entries of a generation of the ledger.
    Ledger(u16),
    /// Keys of an import that ended.
    Stock(u32),
}

/// What was read lately of all trees.
#[derive(Default)]
pub(super) struct KnownNodes(Mutex<HashMap<(Tree, u8, u64), Hash>>);

/// Smaller subtrees are not remembered: few receipts ask for each.
const LEVEL_MIN: u8 = 3;
/// Nodes remembered, some half a megabyte; the map is emptied when it is full.
const NODES_MAX: usize = 7_000;

/// A tree that is read through what is known of it.
pub(super) struct Known<'a, S> {
    nodes: &'a KnownNodes,
    tree: Tree,
    source: S,
}

impl KnownNodes {
    /// `source` must read `tree`, and only what is committed of it.
    pub(super) fn of<S>(&self, tree: Tree, source: S) -> Known<'_, S> {
        Known {
            nodes: self,
            tree,
            source,
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<(Tree, u8, u64), Hash>> {
        // Each statement under the lock leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: NodeSource> NodeSource for Known<'_, S> {
    type Error = S::Error;

    fn node(&self, level: u8, number: u64) -> Result<Hash, S::Error> {
        if level < LEVEL_MIN {
            return self.source.node(level, number);
        }
        let name = (self.tree, level, number);
        if let Some(node) = self.nodes.locked().get(&name) {
            return Ok(*node);
        }
        // Not under the lock: others read meanwhile.
        let node = self.source.node(level, number)?;
        let mut known = self.nodes.locked();
        if known.len() >= NODES_MAX {
            known.clear();
        }
        known.insert(name, node);
        Ok(node)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Gives nodes that tell where they stand, and counts how often it is asked.
    struct Counting<'a>(&'a Cell<usize>);

    impl NodeSource for Counting<'_> {
        type Error = std::convert::Infallible;

        fn node(&self, level: u8, number: u64) -> Result<Hash, Self::Error> {
            self.0.set(self.0.get() + 1);
            let mut node = [level; 32];
            node[..8].copy_from_slice(&number.to_le_bytes());
            Ok(Hash(node))
        }
    }

    #[test]
    fn a_large_subtree_is_read_once_and_is_nobody_elses() {
        let (known, asked) = (KnownNodes::default(), Cell::new(0));
        let ledger = known.of(Tree::Ledger(0), Counting(&asked));
        for _ in 0..3 {
            assert_eq!(ledger.node(4, 9).unwrap().0[8], 4);
            assert_eq!(ledger.node(5, 9).unwrap().0[8], 5);
        }
        assert_eq!(asked.get(), 2);
        for other in [Tree::Ledger(1), Tree::Stock(0)] {
            known.of(other, Counting(&asked)).node(4, 9).unwrap();
        }
        assert_eq!(asked.get(), 4);
        ledger.node(0, 9).unwrap();
        ledger.node(0, 9).unwrap();
        assert_eq!(asked.get(), 6, "a leaf is not remembered");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (known, asked) = (KnownNodes::default(), Cell::new(0));
        let ledger = known.of(Tree::Ledger(0), Counting(&asked));
        for number in 0..=NODES_MAX as u64 {
            ledger.node(3, number).unwrap();
        }
        assert_eq!(known.locked().len(), 1);
    }
}

//! The complete subtrees over some leaves that follow each other, made apart from what lies before them.

use super::{Frontier, node_hash};
use crate::ledger::Hash;

/// All complete subtrees within the leaves `first …`, by level. Bounded by the caller: 64 bytes a leaf.
pub(crate) struct Subtrees {
    /// Of each level the number of its first node, and its nodes.
    levels: Vec<(u64, Vec<Hash>)>,
    first: u64,
    end: u64,
}

impl Subtrees {
    /// Over these leaf hashes, the first of which is leaf number `first`.
    pub(crate) fn new(first: u64, leaves: Vec<Hash>) -> Self {
        let end = first + leaves.len() as u64;
        let mut levels = vec![(first, leaves)];
        loop {
            let (start, below) = &levels[levels.len() - 1];
            // A pair begins at an even number.
            let skipped = start & 1;
            let pairs = below.get(usize::from(skipped == 1)..).unwrap_or_default();
            let nodes: Vec<_> = pairs
                .chunks_exact(2)
                .map(|pair| node_hash(&pair[0], &pair[1]))
                .collect();
            if nodes.is_empty() {
                break;
            }
            let start = (start + skipped) >> 1;
            levels.push((start, nodes));
        }
        Self { levels, first, end }
    }

    /// The node of this level and number, if it is within.
    pub(crate) fn node(&self, level: u8, number: u64) -> Option<Hash> {
        let (start, nodes) = self.levels.get(usize::from(level))?;
        let at = usize::try_from(number.checked_sub(*start)?).ok()?;
        nodes.get(at).copied()
    }

    /// Appends to the frontier from its size, which must be within these leaves, up to `size`, by the largest steps
    /// that there are. `seen` is that of [`Frontier::push_subtree`].
    pub(crate) fn extend(
        &self,
        frontier: &mut Frontier,
        size: u64,
        mut seen: impl FnMut(u8, u64, &Hash),
    ) {
        debug_assert!(frontier.size() >= self.first && size <= self.end);
        while frontier.size() < size {
            let from = frontier.size();
            let aligned = from.trailing_zeros().min(63);
            let fits = 63 - (size - from).leading_zeros();
            // Invariant: both are below 64.
            let level = aligned.min(fits) as u8;
            let Some((level, node)) = (0..=level)
                .rev()
                .find_map(|level| Some((level, self.node(level, from >> level)?)))
            else {
                return;
            };
            frontier.push_subtree(level, node, &mut seen);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::leaf_hash;
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn blocks_of_leaves_make_the_tree_that_single_leaves_make() {
        let leaves: Vec<_> = (0..90_u64).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        for first in 0..40_usize {
            for stop in [first, first + 1, first + 17, 90] {
                let mut one_by_one = Frontier::new();
                leaves[..first]
                    .iter()
                    .for_each(|leaf| one_by_one.push(*leaf));
                let mut by_blocks = one_by_one.clone();
                let subtrees = Subtrees::new(first as u64, leaves[first..].to_vec());
                let mut seen = HashMap::new();
                for size in [stop as u64, 90] {
                    subtrees.extend(&mut by_blocks, size, |level, number, hash| {
                        seen.insert((level, number), *hash);
                    });
                    let here = usize::try_from(one_by_one.size()).unwrap();
                    let size = usize::try_from(size).unwrap();
                    leaves[here..size]
                        .iter()
                        .for_each(|leaf| one_by_one.push(*leaf));
                    assert_eq!(by_blocks, one_by_one, "{first} {size}");
                }
                for (level, number, hash) in by_blocks.nodes() {
                    let end = (number + 1) << level;
                    assert!(end <= first as u64 || seen[&(level, number)] == hash);
                }
            }
        }
    }
}

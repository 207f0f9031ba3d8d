//! Proofs and roots made from stored nodes.

use super::{empty_root, node_hash};
use crate::ledger::Hash;
use thiserror::Error;

/// Where complete subtrees are read back. Node (level `l`, number `k`) covers the leaves `k·2^l … (k+1)·2^l − 1`.
pub trait NodeSource {
    /// What reading can fail with.
    type Error;
    /// Reads one node; asked only for nodes that are complete at the size of the proof.
    fn node(&self, level: u8, number: u64) -> Result<Hash, Self::Error>;
}

/// Why no proof was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError<E> {
    /// The leaf or the older tree does not lie within the tree.
    #[error("{position} is not within a tree of {size} leaves")]
    OutOfRange {
        /// Index of the leaf, or size of the older tree.
        position: u64,
        /// Size of the tree.
        size: u64,
    },
    /// A node could not be read.
    #[error("a node of the tree could not be read")]
    Source(E),
}

/// Root over the first `size` leaves.
pub fn root_from<S: NodeSource>(source: &S, size: u64) -> Result<Hash, ProofError<S::Error>> {
    if size == 0 {
        return Ok(empty_root());
    }
    range_root(source, 0, size)
}

/// RFC 6962 2.1.1: the audit path of leaf `index` in the tree of `size` leaves, from the leaf upwards.
pub fn inclusion_proof<S: NodeSource>(
    source: &S,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if index >= size {
        return Err(ProofError::OutOfRange {
            position: index,
            size,
        });
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// RFC 6962 2.1.2: proof that the tree of `new_size` leaves begins with the tree of `old_size` leaves. Empty when the
/// sizes are equal or the older tree is empty.
pub fn consistency_proof<S: NodeSource>(
    source: &S,
    old_size: u64,
    new_size: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if old_size > new_size {
        return Err(ProofError::OutOfRange {
            position: old_size,
            size: new_size,
        });
    }
    if old_size == 0 || old_size == new_size {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new_size);
    let mut path = Vec::new();
    while end != old_size {
        let middle = start + split(end - start);
        if old_size <= middle {
            path.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    // The older tree itself is known to the verifier when it is one complete subtree from the left edge.
    if start != 0 {
        path.push(range_root(source, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Root of the leaves `start..end`, where `start` is a multiple of the smallest power of two that holds the range.
fn range_root<S: NodeSource>(
    source: &S,
    start: u64,
    end: u64,
) -> Result<Hash, ProofError<S::Error>> {
    let length = end - start;
    if length.is_power_of_two() {
        // Invariant: the exponent of a u64 is below 64.
        let level = length.trailing_zeros() as u8;
        return source
            .node(level, start >> level)
            .map_err(ProofError::Source);
    }
    let middle = start + split(length);
    let left = range_root(source, start, middle)?;
    let right = range_root(source, middle, end)?;
    Ok(node_hash(&left, &right))
}

/// The largest power of two below `length`, which is at least 2.
fn split(length: u64) -> u64 {
    1 << (63 - (length - 1).leading_zeros())
}

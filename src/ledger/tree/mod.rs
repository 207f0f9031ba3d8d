//! RFC 6962 Merkle trees with SHA-256 (section 3): hashes, the growing edge of a tree, proofs and their checks.

mod frontier;
mod memory;
mod proof;
mod source;
mod subtrees;

pub use frontier::{Frontier, FrontierError};
pub use memory::{MemoryTree, MissingNode};
pub use proof::{verify_consistency, verify_inclusion};
pub use source::{NodeSource, ProofError, consistency_proof, inclusion_proof, root_from};
pub(crate) use subtrees::Subtrees;

use super::Hash;
use sha2::{Digest, Sha256};

/// Hash of a leaf: `SHA-256(0x00 ‖ data)`.
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(data);
    Hash(hasher.finalize().into())
}

/// Hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left.0);
    hasher.update(right.0);
    Hash(hasher.finalize().into())
}

/// Root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest(b"").into())
}

/// Root over all of `leaves` (each leaf's data), in memory proportional to the tree's height.
pub fn root_of<D: AsRef<[u8]>>(leaves: impl IntoIterator<Item = D>) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(leaf_hash(leaf.as_ref()));
    }
    frontier.root()
}

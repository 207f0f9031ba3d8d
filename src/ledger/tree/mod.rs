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
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// Hash of a leaf: `SHA-256(0x00 ‖ data)`.
pub fn leaf_hash(data: &[u8]) -> Hash {
    if data.len() > LEAF_BYTES_MAX {
        let mut hasher = Sha256::new();
        hasher.update([0x00]);
        hasher.update(data);
        return Hash(hasher.finalize().into());
    }
    // The usual leaf fits one block with its padding, so no buffer is needed.
    let mut block = [0; 64];
    block[1..=data.len()].copy_from_slice(data);
    block[data.len() + 1] = PAD;
    // Invariant: at most 55 bytes.
    block[62..].copy_from_slice(&((data.len() as u16 + 1) * 8).to_be_bytes());
    sha256_of(&[block])
}

/// Hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut blocks = [[0; 64]; 2];
    blocks[0][0] = 0x01;
    blocks[0][1..33].copy_from_slice(&left.0);
    blocks[0][33..].copy_from_slice(&right.0[..31]);
    blocks[1][0] = right.0[31];
    blocks[1][1] = PAD;
    blocks[1][62..].copy_from_slice(&(65_u16 * 8).to_be_bytes());
    sha256_of(&blocks)
}

/// SHA-256 of a message that is padded already (FIPS 180-4, 5.1.1).
fn sha256_of(blocks: &[[u8; 64]]) -> Hash {
    let mut state = SHA256_START;
    compress256(&mut state, blocks);
    let mut hash = Hash::ZERO;
    for (bytes, word) in hash.0.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
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

/// Longest leaf data that fits one block beside its tag, the padding's bit and the length.
const LEAF_BYTES_MAX: usize = 54;
/// The padding's first byte.
const PAD: u8 = 0x80;
/// FIPS 180-4, 5.3.3.
const SHA256_START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_by_hand_gives_the_hash_that_the_library_gives() {
        let data: Vec<u8> = (0..=99).collect();
        for length in 0..data.len() {
            let data = &data[..length];
            let whole = [&[0x00], data].concat();
            assert_eq!(leaf_hash(data).0, <[u8; 32]>::from(Sha256::digest(whole)));
        }
        let (left, right) = (Hash([3; 32]), leaf_hash(b"x"));
        let whole = [&[0x01], left.as_ref(), right.as_ref()].concat();
        assert_eq!(
            node_hash(&left, &right).0,
            <[u8; 32]>::from(Sha256::digest(whole))
        );
    }
}

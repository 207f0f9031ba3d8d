//! Checks of proofs, by the algorithms of RFC 9162, 2.1.3.2 and 2.1.4.2.

use super::{empty_root, node_hash};
use crate::ledger::Hash;

/// Whether `proof` shows that `leaf` (a leaf hash) is number `index` of the tree of `size` leaves with this root.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut number, mut last) = (index, size - 1);
    let mut computed = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if number & 1 == 1 || number == last {
            computed = node_hash(sibling, &computed);
            while number & 1 == 0 && number != 0 {
                number >>= 1;
                last >>= 1;
            }
        } else {
            computed = node_hash(&computed, sibling);
        }
        number >>= 1;
        last >>= 1;
    }
    last == 0 && computed == *root
}

/// Whether `proof` shows that the tree (`new_size`, `new_root`) begins with the tree (`old_size`, `old_root`).
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> bool {
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    let (first, rest) = if old_size.is_power_of_two() {
        (*old_root, proof)
    } else {
        match proof.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return false,
        }
    };
    let (mut number, mut last) = (old_size - 1, new_size - 1);
    while number & 1 == 1 {
        number >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if number & 1 == 1 || number == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while number & 1 == 0 && number != 0 {
                number >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        number >>= 1;
        last >>= 1;
    }
    last == 0 && old == *old_root && new == *new_root
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{
        Frontier, NodeSource, consistency_proof, inclusion_proof, leaf_hash, root_from, root_of,
    };
    use super::*;
    use std::convert::Infallible;

    /// Rows as a store keeps them: beside leaf `i` the vector that `append` gave.
    struct Rows(Vec<Vec<Hash>>);

    impl NodeSource for Rows {
        type Error = Infallible;
        fn node(&self, level: u8, number: u64) -> Result<Hash, Infallible> {
            let row = ((number + 1) << level) - 1;
            Ok(self.0[usize::try_from(row).unwrap()][usize::from(level)])
        }
    }

    fn grow(count: u64) -> (Rows, Vec<Hash>) {
        let mut frontier = Frontier::new();
        let mut roots = vec![frontier.root()];
        let mut rows = Vec::new();
        for index in 0..count {
            rows.push(frontier.append(&index.to_be_bytes()));
            roots.push(frontier.root());
        }
        (Rows(rows), roots)
    }

    /// RFC 6962 2.1, word for word, as an oracle.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            many => {
                let middle = many.len().next_power_of_two() / 2;
                node_hash(&naive(&many[..middle]), &naive(&many[middle..]))
            }
        }
    }

    /// Each way to spoil a proof by one step.
    fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = Vec::new();
        for position in 0..proof.len() {
            let mut flipped = proof.to_vec();
            flipped[position].0[position % 32] ^= 1;
            all.push(flipped);
            let mut shorter = proof.to_vec();
            shorter.remove(position);
            all.push(shorter);
        }
        let mut longer = proof.to_vec();
        longer.push(Hash([7; 32]));
        all.push(longer);
        let mut before = proof.to_vec();
        before.insert(0, Hash([7; 32]));
        all.push(before);
        all
    }

    #[test]
    fn roots_and_frontiers_agree_with_the_rfc_at_every_size() {
        let (rows, roots) = grow(300);
        let leaves: Vec<_> = (0..300_u64).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut pushed = Frontier::new();
        for size in 0..=300_u64 {
            let here = &leaves[..usize::try_from(size).unwrap()];
            let root = roots[here.len()];
            assert_eq!(root, naive(here));
            assert_eq!(root_from(&rows, size).unwrap(), root);
            let frontier = Frontier::from_source(&rows, size).unwrap();
            assert_eq!(frontier, pushed);
            let parts = frontier.subtrees().to_vec();
            assert_eq!(Frontier::from_parts(size, parts).unwrap().root(), root);
            assert!(Frontier::from_parts(size, vec![Hash::ZERO; 65]).is_err());
            if let Some(leaf) = leaves.get(here.len()) {
                pushed.push(*leaf);
            }
        }
        assert_eq!(root_of((0..300_u64).map(u64::to_be_bytes)), roots[300]);
    }

    #[test]
    fn every_inclusion_proof_up_to_300_holds_and_no_other_root_passes() {
        let (rows, roots) = grow(300);
        for size in 0..=300_u64 {
            let root = roots[usize::try_from(size).unwrap()];
            assert!(inclusion_proof(&rows, size, size).is_err());
            for index in 0..size {
                let leaf = leaf_hash(&index.to_be_bytes());
                let proof = inclusion_proof(&rows, index, size).unwrap();
                assert!(verify_inclusion(&leaf, index, size, &proof, &root));
                assert!(!verify_inclusion(
                    &root,
                    index,
                    size + 1,
                    &proof,
                    &Hash::ZERO
                ));
                assert!(!verify_inclusion(&leaf, size, size, &proof, &root));
                if size > 64 && index % 17 != 0 {
                    continue; // mutated in full up to 64, sampled above
                }
                for wrong in mutations(&proof) {
                    assert!(!verify_inclusion(&leaf, index, size, &wrong, &root));
                }
            }
        }
    }

    #[test]
    fn every_consistency_proof_up_to_300_holds_and_no_mutation_does() {
        let (rows, roots) = grow(300);
        for new in 0..=300_u64 {
            let new_root = roots[usize::try_from(new).unwrap()];
            assert!(consistency_proof(&rows, new + 1, new).is_err());
            for old in 0..=new {
                let old_root = roots[usize::try_from(old).unwrap()];
                let proof = consistency_proof(&rows, old, new).unwrap();
                assert!(verify_consistency(old, new, &proof, &old_root, &new_root));
                assert!(!verify_consistency(
                    old,
                    new,
                    &proof,
                    &Hash([9; 32]),
                    &new_root
                ));
                if old != 0 {
                    assert!(!verify_consistency(
                        old,
                        new,
                        &proof,
                        &old_root,
                        &Hash([9; 32])
                    ));
                }
                if new > 64 && old % 17 != 0 {
                    continue;
                }
                for wrong in mutations(&proof) {
                    assert!(!verify_consistency(old, new, &wrong, &old_root, &new_root));
                }
            }
        }
    }
}

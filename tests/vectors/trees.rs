//! Roots and proofs of the tree.

use super::*;

/// The data of leaf `index` of the trees in the vectors.
pub fn leaf(index: u64) -> Hash {
    Hash([index as u8; 32])
}

pub fn grown(size: u64) -> (Rows, Frontier) {
    let (mut rows, mut frontier) = (Rows::default(), Frontier::new());
    for index in 0..size {
        rows.0.push(frontier.append(leaf(index).as_ref()));
    }
    (rows, frontier)
}

pub fn root(size: u64) -> Value {
    let leaves: Vec<_> = (0..size).map(|index| leaf(index).to_string()).collect();
    let root = grown(size).1.root().to_string();
    json!({"name": format!("size {size}"), "leaves": leaves, "root": root})
}

pub fn inclusion() -> Vec<Value> {
    let mut all = Vec::new();
    for size in [1, 2, 3, 7, 8, 13] {
        let (rows, frontier) = grown(size);
        let root = frontier.root();
        for index in 0..size {
            let path = tree::inclusion_proof(&rows, index, size).unwrap();
            let mut add = |name: &str, path: &[Hash], index: u64, valid: bool| {
                all.push(json!({
                    "name": format!("leaf {index} of {size}, {name}"), "leaf_data": leaf(index).to_string(),
                    "index": index, "size": size, "path": spelled(path), "root": root.to_string(), "valid": valid,
                }));
            };
            add("whole", &path, index, true);
            add(
                "one hash more",
                &[&path[..], &[Hash::ZERO]].concat(),
                index,
                false,
            );
            if let Some((_, rest)) = path.split_first() {
                add("one hash less", rest, index, false);
                let mut flipped = path.clone();
                flipped[0].0[31] ^= 1;
                add("a bit flipped", &flipped, index, false);
                add("another index", &path, (index + 1) % size, false);
            }
        }
    }
    all
}

pub fn consistency() -> Vec<Value> {
    let mut all = Vec::new();
    for (old, new) in [
        (0, 5),
        (1, 1),
        (1, 2),
        (2, 5),
        (3, 7),
        (4, 8),
        (6, 8),
        (7, 8),
        (8, 13),
        (13, 13),
    ] {
        let rows = grown(new).0;
        let path = tree::consistency_proof(&rows, old, new).unwrap();
        let (old_root, new_root) = (grown(old).1.root(), grown(new).1.root());
        let mut add = |name: &str, path: &[Hash], old_root: Hash, valid: bool| {
            all.push(json!({
                "name": format!("{old} to {new}, {name}"), "old_size": old, "new_size": new, "path": spelled(path),
                "old_root": old_root.to_string(), "new_root": new_root.to_string(), "valid": valid,
            }));
        };
        add("whole", &path, old_root, true);
        add("another old root", &path, Hash([9; 32]), false);
        add(
            "one hash more",
            &[&path[..], &[Hash::ZERO]].concat(),
            old_root,
            false,
        );
        if let Some((_, rest)) = path.split_first() {
            add("one hash less", rest, old_root, false);
        }
    }
    all
}

/// SHA-256 over all roots, all inclusion proofs and all consistency proofs of the trees of up to this many leaves.
pub fn digests(sizes: u64) -> Value {
    let leaf = |index: u64| Sha256::digest(u32::try_from(index).unwrap().to_be_bytes());
    let (mut rows, mut frontier) = (Rows::default(), Frontier::new());
    let (mut roots, mut inclusion, mut consistency) = (Sha256::new(), Sha256::new(), Sha256::new());
    roots.update(frontier.root());
    for size in 1..=sizes {
        rows.0.push(frontier.append(&leaf(size - 1)));
        roots.update(frontier.root());
        for index in 0..size {
            for hash in tree::inclusion_proof(&rows, index, size).unwrap() {
                inclusion.update(hash);
            }
        }
        for old in 1..=size {
            for hash in tree::consistency_proof(&rows, old, size).unwrap() {
                consistency.update(hash);
            }
        }
    }
    let hex = |hasher: Sha256| hex::encode(hasher.finalize());
    json!({"roots": hex(roots), "inclusion": hex(inclusion), "consistency": hex(consistency)})
}

#![allow(clippy::unwrap_used)]

use super::*;
use crate::ledger::entry::hash_line;
use crate::ledger::note::sign_checkpoint;
use crate::ledger::tree::MemoryTree;
use ed25519_dalek::SigningKey;

const ORIGIN: &str = "shop.example/0123abcd";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn vkeys() -> Vec<Vkey> {
    vec![Vkey::new(ORIGIN, &key().verifying_key())]
}

/// Entry `index` of a history that differs from others from entry `from` on.
fn leaf(index: u64, from: u64, history: u8) -> Hash {
    let history = if index < from { 0 } else { history };
    hash_line(format!("{index} {history}").as_bytes())
}

fn tree_of(size: u64, from: u64, history: u8) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for index in 0..size {
        tree.append(leaf(index, from, history).as_ref());
    }
    tree
}

fn note(tree: &MemoryTree) -> String {
    sign_checkpoint(&key(), ORIGIN, tree.size(), &tree.root())
}

fn of_size() -> ForkProof {
    ForkProof::Size {
        a: note(&tree_of(9, 4, 1)),
        b: note(&tree_of(9, 4, 2)),
    }
}

fn of_prefix(older: u64, newer: u64) -> ForkProof {
    let tree = tree_of(newer, 0, 2);
    ForkProof::Prefix {
        older: note(&tree_of(older, 0, 1)),
        newer: note(&tree),
        root: tree_of(older, 0, 2).root(),
        path: tree::consistency_proof(&tree, older, newer).unwrap(),
    }
}

fn of_entry(index: u64, sizes: [u64; 2]) -> ForkProof {
    let entry = |size, history| {
        let tree = tree_of(size, 2, history);
        let hashes = tree::inclusion_proof(&tree, index, size).unwrap();
        let note = note(&tree);
        let proof = Proof {
            index,
            hashes,
            note,
        };
        (leaf(index, 2, history), proof)
    };
    ForkProof::Entry {
        a: entry(sizes[0], 1),
        b: entry(sizes[1], 2),
    }
}

#[test]
fn each_kind_of_fork_is_proven_by_its_own_bytes() {
    let prefixes = [(1, 2), (3, 9), (4, 9), (8, 16), (5, 6)];
    let prefixes = prefixes.map(|(older, newer)| of_prefix(older, newer));
    let entries = [(2, [3, 9]), (8, [9, 9]), (4, [16, 5])].map(|(i, sizes)| of_entry(i, sizes));
    for proof in prefixes.into_iter().chain(entries).chain([of_size()]) {
        let file = proof.to_string();
        let read = ForkProof::parse(file.as_bytes()).unwrap();
        assert_eq!(read, proof);
        let fork = read.verify(&vkeys()).unwrap();
        assert_eq!(fork.origin, ORIGIN, "{file}");
    }
}

#[test]
fn whoever_did_not_pin_the_key_has_no_proof() {
    let stranger = SigningKey::from_bytes(&[8; 32]).verifying_key();
    for vkey in [
        Vkey::new(ORIGIN, &stranger),
        Vkey::new("other.example/0123abcd", &key().verifying_key()),
    ] {
        let fault = of_size().verify(&[vkey]).unwrap_err();
        assert_eq!(fault.exit(), Exit::Incomplete);
    }
    assert!(of_size().verify(&[]).is_err());
}

#[test]
fn what_does_not_contradict_itself_is_no_fork_proof() {
    let (one, two, long) = (tree_of(9, 4, 1), tree_of(9, 4, 2), tree_of(12, 4, 1));
    let other_log = sign_checkpoint(&key(), "other.example/0123abcd", 9, &two.root());
    let path = tree::consistency_proof(&long, 9, 12).unwrap();
    let prefix = |older: &str, newer: &str, root| ForkProof::Prefix {
        older: older.to_owned(),
        newer: newer.to_owned(),
        root,
        path: path.clone(),
    };
    let empty = sign_checkpoint(&key(), ORIGIN, 0, &Hash([1; 32]));
    let size = |a: &str, b: &str| ForkProof::Size {
        a: a.to_owned(),
        b: b.to_owned(),
    };
    let twice = format!("{}{}", note(&two), note(&two).split_once("\n\n").unwrap().1);
    let same_entry = {
        let ForkProof::Entry { a, .. } = of_entry(3, [9, 9]) else {
            unreachable!()
        };
        let b = a.clone();
        ForkProof::Entry { a, b }
    };
    for proof in [
        size(&note(&one), &note(&one)),
        size(&note(&one), &note(&long)),
        size(&note(&one), &other_log),
        size(&note(&one), &twice),
        prefix(&note(&one), &note(&long), one.root()),
        prefix(&note(&long), &note(&one), two.root()),
        prefix(&empty, &note(&long), one.root()),
        same_entry,
    ] {
        assert!(
            ForkProof::parse(proof.to_string().as_bytes()).is_err(),
            "{proof}"
        );
        let fault = proof.verify(&vkeys()).unwrap_err();
        assert_eq!(fault.exit(), Exit::Malformed, "{proof}");
    }
    // An honest history with a made up root: the path does not lead from it.
    let fault = prefix(&note(&one), &note(&long), two.root()).verify(&vkeys());
    assert_eq!(fault.unwrap_err(), ForkFault::Path("consistency"));
}

#[test]
fn every_flip_deletion_and_truncation_of_a_fork_proof_proves_nothing() {
    let proves = |file: &[u8]| {
        let proof = ForkProof::parse(file);
        proof.is_ok_and(|proof| proof.verify(&vkeys()).is_ok())
    };
    for proof in [of_size(), of_prefix(3, 9), of_entry(4, [5, 9])] {
        let file = proof.to_string().into_bytes();
        assert!(proves(&file));
        for position in 0..file.len() {
            for bit in 0..8 {
                let mut changed = file.clone();
                changed[position] ^= 1 << bit;
                assert!(
                    !proves(&changed),
                    "{} byte {position} bit {bit}",
                    proof.kind()
                );
            }
            let mut shorter = file.clone();
            shorter.remove(position);
            assert!(
                !proves(&shorter),
                "{} without byte {position}",
                proof.kind()
            );
            assert!(
                !proves(&file[..position]),
                "{} cut at {position}",
                proof.kind()
            );
        }
    }
}

//! The entries of an export as leaves of its tree: roots at asked sizes, and the nodes that a proof needs, each in one
//! pass over the file and in memory for what was asked alone.

use crate::ledger::Hash;
use crate::ledger::entry::{LINE_BYTES_MAX, hash_line};
use crate::ledger::tree::{self, Frontier, NodeSource, ProofError};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};

/// Opens the file from its beginning.
pub(super) type Open = Box<dyn Fn() -> io::Result<Box<dyn Read + Send>>>;

/// The leaves after a prefix, of which only the complete subtrees are known.
pub(super) struct Leaves {
    pub(super) prefix: Frontier,
    /// The file holds hashes of 32 bytes, not lines.
    pub(super) skeleton: bool,
    pub(super) open: Open,
}

/// What one pass found.
#[derive(Default)]
pub(super) struct Scan {
    /// Entries up to the end of the file, those of the prefix counted.
    pub(super) end: u64,
    /// The root of each asked size that the leaves reach.
    pub(super) roots: BTreeMap<u64, Hash>,
    /// The chain hash of each asked entry that is among the leaves.
    pub(super) hashes: BTreeMap<u64, Hash>,
}

/// Why a pass failed.
#[derive(Debug)]
pub(super) enum LeavesError {
    Io(io::Error),
    /// What is wrong with the file's form, and at which entry.
    Malformed(u64, &'static str),
}

impl Leaves {
    /// Number of the first leaf.
    pub(super) const fn start(&self) -> u64 {
        self.prefix.size()
    }

    /// One pass: the roots of these sizes, and the hashes of these entries. `seen` is told how many bytes were read.
    pub(super) fn scan(
        &self,
        sizes: &BTreeSet<u64>,
        entries: &BTreeSet<u64>,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Scan, LeavesError> {
        let mut found = Scan::default();
        let mut tree = self.prefix.clone();
        let root = |found: &mut Scan, tree: &Frontier| {
            if sizes.contains(&tree.size()) {
                found.roots.insert(tree.size(), tree.root());
            }
        };
        root(&mut found, &tree);
        self.each(seen, &mut |hash| {
            if entries.contains(&tree.size()) {
                found.hashes.insert(tree.size(), hash);
            }
            tree.append(hash.as_ref());
            root(&mut found, &tree);
        })?;
        found.end = tree.size();
        Ok(found)
    }

    /// The nodes that `proof` reads, collected in one pass, and then the proof made of them. `None` if the leaves do
    /// not hold them all.
    pub(super) fn proof(
        &self,
        proof: Path,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Option<Vec<Hash>>, LeavesError> {
        let asked = Recorder::default();
        // The proof of a recorder is of no use, but for which nodes it asked for.
        let _ = proof.made_of(&asked);
        let wanted = asked.0.into_inner();
        let mut nodes = Nodes::default();
        let mut tree = self.prefix.clone();
        for (level, number, hash) in self.prefix.nodes() {
            nodes.0.insert((level, number), hash);
        }
        self.each(seen, &mut |hash| {
            let index = tree.size();
            for (level, node) in (0_u8..).zip(tree.append(hash.as_ref())) {
                let place = (level, index >> level);
                if wanted.contains(&place) {
                    nodes.0.insert(place, node);
                }
            }
        })?;
        Ok(proof.made_of(&nodes).ok())
    }

    fn each(
        &self,
        seen: &mut dyn FnMut(u64),
        leaf: &mut dyn FnMut(Hash),
    ) -> Result<(), LeavesError> {
        let file = (self.open)().map_err(LeavesError::Io)?;
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let (mut bytes, mut number) = (Vec::with_capacity(LINE_BYTES_MAX + 1), self.start());
        loop {
            bytes.clear();
            let limit = if self.skeleton {
                32
            } else {
                LINE_BYTES_MAX + 1
            } as u64;
            let part = (&mut file).take(limit);
            let read = match self.skeleton {
                true => { part }.read_to_end(&mut bytes),
                false => { part }.read_until(b'\n', &mut bytes),
            };
            let read = read.map_err(LeavesError::Io)?;
            if read == 0 {
                return Ok(());
            }
            seen(read as u64);
            let hash = self.hash(&bytes);
            leaf(hash.map_err(|what| LeavesError::Malformed(number, what))?);
            number += 1;
        }
    }

    fn hash(&self, bytes: &[u8]) -> Result<Hash, &'static str> {
        if self.skeleton {
            let whole = <[u8; 32]>::try_from(bytes).map(Hash);
            return whole.map_err(|_| "the last hash is cut off");
        }
        match bytes.split_last() {
            Some((b'\n', line)) => Ok(hash_line(line)),
            _ if bytes.len() > LINE_BYTES_MAX => Err("a line is longer than 1024 bytes"),
            _ => Err("the last line is cut off"),
        }
    }
}

/// What is to be proven of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path {
    /// That entry `index` lies in the tree of `size`.
    Inclusion { index: u64, size: u64 },
    /// That the tree of `new` begins with the tree of `old`.
    Consistency { old: u64, new: u64 },
}

impl Path {
    fn made_of<S: NodeSource>(self, nodes: &S) -> Result<Vec<Hash>, ProofError<S::Error>> {
        match self {
            Self::Inclusion { index, size } => tree::inclusion_proof(nodes, index, size),
            Self::Consistency { old, new } => tree::consistency_proof(nodes, old, new),
        }
    }
}

/// A node is not there.
#[derive(Debug)]
struct Absent;

/// Notes what it is asked for.
#[derive(Default)]
struct Recorder(RefCell<BTreeSet<(u8, u64)>>);

impl NodeSource for Recorder {
    type Error = Absent;
    fn node(&self, level: u8, number: u64) -> Result<Hash, Absent> {
        self.0.borrow_mut().insert((level, number));
        Ok(Hash::ZERO)
    }
}

#[derive(Default)]
struct Nodes(BTreeMap<(u8, u64), Hash>);

impl NodeSource for Nodes {
    type Error = Absent;
    fn node(&self, level: u8, number: u64) -> Result<Hash, Absent> {
        self.0.get(&(level, number)).copied().ok_or(Absent)
    }
}

const BUFFER_BYTES: usize = 256 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ledger::tree::MemoryTree;

    fn leaf(index: u64) -> Hash {
        hash_line(format!("line {index}").as_bytes())
    }

    fn leaves(start: u64, end: u64, skeleton: bool) -> Leaves {
        let mut before = Frontier::new();
        (0..start).for_each(|index| drop(before.append(leaf(index).as_ref())));
        let file: Vec<u8> = (start..end)
            .flat_map(|index| match skeleton {
                true => leaf(index).0.to_vec(),
                false => format!("line {index}\n").into_bytes(),
            })
            .collect();
        Leaves {
            prefix: before,
            skeleton,
            open: Box::new(move || Ok(Box::new(io::Cursor::new(file.clone())))),
        }
    }

    #[test]
    fn roots_hashes_and_proofs_are_those_of_the_tree_in_memory() {
        let mut whole = MemoryTree::new();
        (0..21).for_each(|index| whole.append(leaf(index).as_ref()));
        for (start, skeleton) in [
            (0, false),
            (0, true),
            (1, false),
            (5, false),
            (8, true),
            (20, false),
        ] {
            let leaves = leaves(start, 21, skeleton);
            let all = (0..=30).collect();
            let scan = leaves.scan(&all, &all, &mut |_| {}).unwrap();
            assert_eq!(scan.end, 21);
            assert_eq!(scan.roots.len() as u64, 22 - start);
            for (size, root) in &scan.roots {
                assert_eq!(Ok(*root), tree::root_from(&whole, *size), "{size}");
            }
            assert!(
                scan.hashes
                    .iter()
                    .all(|(index, hash)| *hash == leaf(*index))
            );
            assert_eq!(scan.hashes.len() as u64, 21 - start);
            for old in start.max(1)..21 {
                let path = Path::Consistency { old, new: 21 };
                let wanted = tree::consistency_proof(&whole, old, 21).unwrap();
                let made = leaves.proof(path, &mut |_| {}).unwrap();
                assert_eq!(made, Some(wanted), "{old} from {start}");
                let path = Path::Inclusion {
                    index: old,
                    size: 21,
                };
                let wanted = tree::inclusion_proof(&whole, old, 21).unwrap();
                let made = leaves.proof(path, &mut |_| {}).unwrap();
                assert_eq!(made, Some(wanted), "{old} from {start}");
            }
        }
    }

    #[test]
    fn a_file_that_is_cut_or_too_long_is_malformed() {
        let none = BTreeSet::new();
        for (skeleton, file) in [
            (false, b"x".to_vec()),
            (false, vec![b'x'; 2000]),
            (true, vec![0; 33]),
        ] {
            let mut leaves = leaves(0, 0, skeleton);
            leaves.open = Box::new(move || Ok(Box::new(io::Cursor::new(file.clone()))));
            let error = leaves.scan(&none, &none, &mut |_| {}).map(|scan| scan.end);
            assert!(matches!(error, Err(LeavesError::Malformed(..))));
        }
    }
}

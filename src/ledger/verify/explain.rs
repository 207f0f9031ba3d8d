//! Every step from one entry to a signed root, for `--explain`.

use super::audit::Run;
use super::marks;
use super::report::rfc3339;
use crate::ledger::Hash;
use crate::ledger::entry::LINE_CONTEXT;
use crate::ledger::note::Vkey;
use crate::ledger::tree::{
    Frontier, MissingNode, NodeSource, Subtrees, inclusion_proof, leaf_hash, node_hash,
};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// An entry to explain: `SEQ` of generation 0, or `GENERATION:SEQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the generation.
    pub generation: usize,
    /// Number of the entry in it.
    pub seq: u64,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (generation, seq) = text.split_once(':').unwrap_or(("0", text));
        match (generation.parse(), seq.parse()) {
            (Ok(generation), Ok(seq)) => Ok(Self { generation, seq }),
            _ => Err("expected a number of an entry, or GENERATION:SEQ"),
        }
    }
}

impl From<u64> for Place {
    fn from(seq: u64) -> Self {
        let generation = 0;
        Self { generation, seq }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, seq } = self;
        write!(f, "{generation}:{seq}")
    }
}

/// One entry and its proof.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// Generation.
    pub generation: usize,
    /// Seq.
    pub seq: u64,
    /// File within the export that holds it.
    pub file: String,
    /// Byte offset of its line, or of its hash in a skeleton.
    pub byte: u64,
    /// The time it claims.
    pub t: Option<String>,
    /// The line as it stands; a skeleton does not hold it.
    pub line: Option<String>,
    /// The context under which BLAKE3 hashes a line.
    pub hash_context: &'static str,
    /// Its chain hash.
    pub hash: String,
    /// The hash that its `prev` names.
    pub prev: Option<String>,
    /// The hash that `prev` must name: of the line before, or 64 zeros for the first entry.
    pub prev_expected: Option<String>,
    /// Its leaf in the tree.
    pub leaf: String,
    /// From the leaf up to the root.
    pub path: Vec<Step>,
    /// Root that the path ends in.
    pub root: Option<String>,
    /// Size of the first checkpoint that covers it, if one does.
    pub covered_by: Option<u64>,
    /// That checkpoint's note.
    pub note: Option<String>,
    /// The key that signed it.
    pub signed_by: Option<String>,
    /// Why that key is trusted.
    pub trusted_because: Option<String>,
}

/// One node on the way up.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// On which side the sibling lies: `left` or `right`.
    pub side: &'static str,
    /// The sibling's hash.
    pub sibling: String,
    /// `SHA-256(0x01 ‖ left ‖ right)` of both.
    pub result: String,
}

/// What is collected for the proof of one entry while the tree grows over it.
pub(super) struct Tracker {
    pub(super) seq: u64,
    nodes: Nodes,
    leaf: Hash,
    explained: Option<Explained>,
    /// The path that came with the line, and to which size it leads.
    given: Option<(u64, Vec<Hash>)>,
}

/// Where the line lies and what the chain says of it.
pub(super) struct Shown<'a> {
    pub(super) generation: usize,
    pub(super) file: &'a str,
    pub(super) byte: u64,
    pub(super) line: Option<&'a [u8]>,
    pub(super) hash: Hash,
    pub(super) t_ms: Option<i64>,
    pub(super) prev: Option<Hash>,
    pub(super) prev_expected: Option<Hash>,
}

impl Tracker {
    pub(super) fn new(seq: u64) -> Self {
        Self {
            seq,
            nodes: Nodes::default(),
            leaf: Hash::ZERO,
            explained: None,
            given: None,
        }
    }

    /// The entry itself has come by.
    pub(super) fn show(&mut self, shown: &Shown<'_>) {
        self.leaf = leaf_hash(shown.hash.as_ref());
        let text = |line: &[u8]| line.escape_ascii().to_string().replace("\\\"", "\"");
        self.explained = Some(Explained {
            generation: shown.generation,
            seq: self.seq,
            file: shown.file.to_owned(),
            byte: shown.byte,
            t: shown.t_ms.map(rfc3339),
            line: shown.line.map(text),
            hash_context: LINE_CONTEXT,
            hash: shown.hash.to_string(),
            prev: shown.prev.map(|hash| hash.to_string()),
            prev_expected: shown.prev_expected.map(|hash| hash.to_string()),
            leaf: self.leaf.to_string(),
            path: Vec::new(),
            root: None,
            covered_by: None,
            note: None,
            signed_by: None,
            trusted_because: None,
        });
    }

    /// The entry came with its own path to the checkpoint of this size.
    pub(super) fn give(&mut self, size: u64, path: Vec<Hash>) {
        self.given = Some((size, path));
    }

    /// A complete subtree of the tree; kept if it is on the way.
    pub(super) fn see(&mut self, level: u8, number: u64, hash: &Hash) {
        if level < 64 && number == (self.seq >> level) ^ 1 {
            self.nodes.0.insert((level, number), *hash);
        }
    }

    /// All complete subtrees within a block.
    pub(super) fn see_all(&mut self, subtrees: &Subtrees) {
        for level in 0..64 {
            let number = (self.seq >> level) ^ 1;
            if let Some(hash) = subtrees.node(level, number) {
                self.see(level, number, &hash);
            }
        }
    }

    /// A valid checkpoint with this root covers the tree so far.
    pub(super) fn cover(&mut self, frontier: &Frontier, root: &Hash) {
        let (size, seq) = (frontier.size(), self.seq);
        let Some(explained) = &mut self.explained else {
            return;
        };
        if explained.covered_by.is_some() || size <= seq {
            return;
        }
        let path = match &self.given {
            Some((given, path)) if *given == size => path.clone(),
            Some(_) => return,
            None => {
                self.nodes
                    .0
                    .extend(frontier.nodes().map(|(l, n, hash)| ((l, n), hash)));
                match inclusion_proof(&self.nodes, seq, size) {
                    Ok(path) => path,
                    Err(_) => return,
                }
            }
        };
        explained.path = steps(self.leaf, seq, size, &path);
        explained.root = Some(root.to_string());
        explained.covered_by = Some(size);
    }

    /// What was found, with the checkpoint's note and why its signature counts.
    pub(super) fn finish(
        self,
        run: &Run<'_>,
        marks: &str,
        signer: impl Fn(u64) -> Option<(Vkey, String)>,
    ) -> Option<Explained> {
        let mut explained = self.explained?;
        if let Some(size) = explained.covered_by {
            explained.note = marks::note_of(run, marks, size);
            if let Some((vkey, why)) = signer(size) {
                explained.signed_by = Some(vkey.to_string());
                explained.trusted_because = Some(why);
            }
        }
        Some(explained)
    }
}

#[derive(Default)]
struct Nodes(HashMap<(u8, u64), Hash>);

impl NodeSource for Nodes {
    type Error = MissingNode;

    fn node(&self, level: u8, number: u64) -> Result<Hash, MissingNode> {
        let found = self.0.get(&(level, number)).copied();
        found.ok_or(MissingNode { level, number })
    }
}

/// The way up by the algorithm of RFC 9162, 2.1.3.2, each result written down.
fn steps(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Vec<Step> {
    let (mut number, mut last) = (index, size.saturating_sub(1));
    let (mut node, mut steps) = (leaf, Vec::new());
    for sibling in path {
        let left = number & 1 == 1 || number == last;
        node = match left {
            true => node_hash(sibling, &node),
            false => node_hash(&node, sibling),
        };
        while left && number & 1 == 0 && number != 0 {
            (number, last) = (number >> 1, last >> 1);
        }
        (number, last) = (number >> 1, last >> 1);
        steps.push(Step {
            side: if left { "left" } else { "right" },
            sibling: sibling.to_string(),
            result: node.to_string(),
        });
    }
    steps
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (generation, seq) = (self.generation, self.seq);
        writeln!(
            f,
            "entry       {seq} of generation {generation}: {}, byte {}",
            self.file, self.byte
        )?;
        match &self.line {
            Some(line) => writeln!(f, "  line      {line}")?,
            None => writeln!(
                f,
                "  line      not in a skeleton, which holds its hash alone"
            )?,
        }
        if let Some(t) = &self.t {
            writeln!(f, "  claims    {t}")?;
        }
        writeln!(
            f,
            "  hash      BLAKE3.derive_key(\"{}\", line)",
            self.hash_context
        )?;
        writeln!(f, "            = {}", self.hash)?;
        self.link(f)?;
        writeln!(f, "  leaf      SHA-256(00, hash)")?;
        writeln!(f, "            = {}", self.leaf)?;
        let Some(size) = self.covered_by else {
            return writeln!(f, "  covered by no valid checkpoint here");
        };
        for (number, step) in self.path.iter().enumerate() {
            let (number, side) = (number + 1, step.side);
            let pair = if side == "left" {
                "it, node below"
            } else {
                "node below, it"
            };
            writeln!(
                f,
                "  node {number:<4} with {} to its {side}: SHA-256(01, {pair})",
                step.sibling
            )?;
            writeln!(f, "            = {}", step.result)?;
        }
        if let Some(root) = &self.root {
            writeln!(f, "  root      {root}")?;
            writeln!(
                f,
                "            is what the first checkpoint that covers it signs, at size {size}:"
            )?;
        }
        for line in self.note.iter().flat_map(|note| note.lines()) {
            writeln!(f, "            | {line}")?;
        }
        if let (Some(vkey), Some(why)) = (&self.signed_by, &self.trusted_because) {
            writeln!(f, "  signed by {vkey}")?;
            writeln!(f, "  trusted   because {why}")?;
        }
        Ok(())
    }
}

impl Explained {
    fn link(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(prev) = &self.prev else {
            return Ok(());
        };
        writeln!(f, "  link      its prev is {prev}")?;
        match (self.seq, &self.prev_expected) {
            (0, Some(expected)) if expected == prev => {
                writeln!(f, "            64 zeros, as the first entry has")
            }
            (seq, Some(expected)) if expected == prev => {
                writeln!(
                    f,
                    "            the hash of entry {}, the one before",
                    seq.saturating_sub(1)
                )
            }
            (_, Some(expected)) => {
                writeln!(f, "            NOT {expected}, the hash of the one before")
            }
            (_, None) => writeln!(f, "            the entry before is not in this export"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_seq_or_a_generation_and_a_seq() {
        assert_eq!("7".parse(), Ok(Place::from(7)));
        let (generation, seq) = (2, 7);
        assert_eq!("2:7".parse(), Ok(Place { generation, seq }));
        for wrong in ["", "x", "1:", ":1", "1:2:3", "-1"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_collected_on_the_way_proves_every_entry_at_every_size() {
        let leaves: Vec<_> = (0..70_u64).map(|i| Hash([i as u8; 32])).collect();
        for seq in 0..70 {
            for size in seq + 1..=70 {
                let (mut frontier, mut tracker) = (Frontier::new(), Tracker::new(seq));
                for first in (0..size).step_by(16) {
                    let end = size.min(first + 16);
                    let block = leaves[first as usize..end as usize].iter();
                    let block =
                        Subtrees::new(first, block.map(|h| leaf_hash(h.as_ref())).collect());
                    tracker.see_all(&block);
                    block.extend(&mut frontier, end, |l, n, hash| tracker.see(l, n, hash));
                }
                tracker.show(&Shown {
                    generation: 0,
                    file: "",
                    byte: 0,
                    line: None,
                    hash: leaves[seq as usize],
                    t_ms: None,
                    prev: None,
                    prev_expected: None,
                });
                let root = frontier.root();
                tracker.cover(&frontier, &root);
                let explained = tracker.explained.unwrap();
                let ends_in = explained
                    .path
                    .last()
                    .map_or(explained.leaf, |step| step.result.clone());
                assert_eq!(ends_in, root.to_string(), "{seq} of {size}");
            }
        }
    }
}

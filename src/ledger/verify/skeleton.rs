//! A skeleton: the chain hashes alone. Its tree is held against the marks; nothing else can be.

use super::audit::{Audit, Run};
use super::contents::GenerationFiles;
use super::explain::Shown;
use super::generation::Generation;
use super::in_order::{Turn, in_order};
use crate::ledger::tree::{Subtrees, leaf_hash};
use crate::ledger::{Exit, Hash};
use std::io::{self, Read};

/// Some hashes that follow each other.
#[derive(Default)]
struct Hashes {
    bytes: Vec<u8>,
    first: u64,
}

/// Reads the hashes. No keys come with them: each mark must be by a pinned key of the marks' origin.
pub(super) fn read(
    generation: &mut Generation,
    audit: &mut Audit<'_>,
    run: &Run<'_>,
    files: &GenerationFiles,
) -> io::Result<()> {
    if let Some(mark) = generation.points.first() {
        generation.origin = mark.origin().to_owned();
    }
    if let Err(what) = generation.is_new(audit) {
        generation.fault(audit, Exit::Tampered, what);
    }
    for point in std::mem::take(&mut audit.beyond) {
        // Whether a restore lost it, only the `open` of this generation could say.
        let name = point.known.as_deref().unwrap_or_default();
        let what = "a known size above a skeleton that a later one follows: it may have been lost in a restore";
        audit.tally.known.add(false);
        audit.findings.missing(format!("{name}: {what}"));
    }
    generation.claim_known(audit);
    generation.reach(audit, None);
    let mut input = run.source.open(&generation.file)?;
    let (mut first, mut failed) = (0, None);
    let next = |block: &mut Hashes| {
        block.bytes.clear();
        block.first = first;
        let read = (&mut input).take(BLOCK_BYTES).read_to_end(&mut block.bytes);
        match read {
            Ok(read) => {
                first += (read / HASH_BYTES) as u64;
                run.progress.add(read as u64);
                read > 0
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    };
    let mut state = (generation, audit);
    type State<'s, 'a> = (&'s mut Generation, &'s mut Audit<'a>);
    in_order(
        run.threads,
        &mut state,
        next,
        |block: &Hashes, turn: Turn<'_, '_, State<'_, '_>>| {
            let (hashes, rest) = block.bytes.as_chunks::<HASH_BYTES>();
            let leaves = hashes.iter().map(|hash| leaf_hash(hash)).collect();
            let tree = Subtrees::new(block.first, leaves);
            turn.take(|(generation, audit)| {
                generation.hashes(audit, hashes, &tree);
                if !rest.is_empty() {
                    generation.offset = generation.size * HASH_BYTES as u64;
                    generation.fault(audit, Exit::Malformed, "the last hash is cut off");
                }
                rest.is_empty()
            })
        },
    );
    let (generation, _) = state;
    debug_assert!(failed.is_some() || generation.size * HASH_BYTES as u64 <= files.bytes);
    failed.map_or(Ok(()), Err)
}

impl Generation {
    fn hashes(&mut self, audit: &mut Audit<'_>, hashes: &[[u8; HASH_BYTES]], tree: &Subtrees) {
        if let Some(tracker) = &mut self.tracker {
            tracker.see_all(tree);
        }
        for hash in hashes {
            let hash = Hash(*hash);
            self.offset = self.size * HASH_BYTES as u64;
            if let Some(tracker) = self.tracker.as_mut().filter(|t| t.seq == self.size) {
                tracker.show(&Shown {
                    generation: self.number,
                    file: &self.file,
                    byte: self.offset,
                    line: None,
                    hash,
                    t_ms: None,
                    prev: None,
                    prev_expected: None,
                });
            }
            self.head = hash;
            self.size += 1;
            self.reach(audit, Some(tree));
        }
        self.grow(tree);
    }
}

const HASH_BYTES: usize = 32;
/// 1024 hashes: a whole subtree.
const BLOCK_BYTES: u64 = 1024 * HASH_BYTES as u64;

//! From a file to a fork proof.

use super::{FORK_BYTES_MAX, ForkProof, HEADER, MalformedFork};
use crate::ledger::Hash;
use crate::ledger::note::hash_from_base64;
use crate::ledger::receipt::{Lines, MalformedReceipt, Proof};

pub(super) fn fork(file: &[u8]) -> Result<ForkProof, MalformedFork> {
    if file.len() > FORK_BYTES_MAX {
        let what = "longer than 32 KiB";
        return Err(MalformedFork { line: 0, what });
    }
    let fork =
        parts(file).map_err(|MalformedReceipt { line, what }| MalformedFork { line, what })?;
    fork.contradiction()?;
    Ok(fork)
}

fn parts(file: &[u8]) -> Result<ForkProof, MalformedReceipt> {
    let mut lines = Lines::new(file)?;
    if lines.next()? != HEADER {
        return Err(lines.wrong("expected keystall-fork/v1"));
    }
    let fork = match lines.next()? {
        "kind size" => ForkProof::Size {
            a: lines.note()?,
            b: lines.note()?,
        },
        "kind prefix" => ForkProof::Prefix {
            older: lines.note()?,
            newer: lines.note()?,
            root: root(&mut lines)?,
            path: path(&mut lines)?,
        },
        "kind entry" => ForkProof::Entry {
            a: entry(&mut lines)?,
            b: entry(&mut lines)?,
        },
        _ => return Err(lines.wrong("expected kind size, prefix or entry")),
    };
    match lines.peek() {
        None => Ok(fork),
        Some(_) => Err(lines.wrong("bytes after the last part")),
    }
}

fn root(lines: &mut Lines) -> Result<Hash, MalformedReceipt> {
    let root = lines.next()?.strip_prefix("root ");
    let root = root.and_then(hash_from_base64);
    root.ok_or(lines.wrong("expected root and 32 bytes in base64"))
}

fn path(lines: &mut Lines) -> Result<Vec<Hash>, MalformedReceipt> {
    let mut path = Vec::new();
    while let Some(hash) = lines.part("path ")? {
        if path.len() == HASHES_MAX {
            return Err(lines.wrong("a proof has at most 64 hashes"));
        }
        let hash = hash_from_base64(hash).ok_or(lines.wrong("expected 32 bytes in base64"))?;
        path.push(hash);
    }
    Ok(path)
}

fn entry(lines: &mut Lines) -> Result<(Hash, Proof), MalformedReceipt> {
    let leaf = lines.next()?.strip_prefix("leaf ");
    let leaf = leaf.and_then(Hash::from_hex);
    let leaf = leaf.ok_or(lines.wrong("expected leaf and 64 hex digits"))?;
    Ok((leaf, Proof::read(lines)?))
}

/// A consistency proof has one hash more than a path at most; a tree has less than 2^53 leaves.
const HASHES_MAX: usize = 64;

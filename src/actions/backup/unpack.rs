//! From a sealed file to a database in a folder, and the proof that it is the ledger's.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zeroize::Zeroizing;

use super::folder::Hashed;
use super::stream::{Frame, Half, Manifest, PartReader, StreamError};
use super::{BackupError, Progress};
use crate::actions::chain::{LedgerNodes, closing};
use crate::actions::highwater::signed_by_log;
use crate::actions::upgrade::{GENERATIONS_SINCE, schema_of};
use crate::domain::EntryAt;
use crate::ledger::Hash;
use crate::ledger::entry::{Entry, hash_line};
use crate::ledger::note::Checkpoint;
use crate::ledger::tree::{self, Frontier};
use crate::store::{Fault, NewStore, Options, Rows, SCHEMA, Snapshot, Store};
use crate::vault::{BackupIdentity, RootKey};

/// Name of the root key in a backup.
pub(super) const ROOT_KEY: &str = "root.key";
/// Name of the settings.
pub(super) const SETTINGS: &str = "keystall.toml";
/// Name of the newest checkpoint.
pub(super) const HIGHWATER: &str = "ledger.highwater";
/// Name of the month keys.
pub(super) const ERASE_KEYS: &str = "erase.keys";
/// Name of the list of erased orders.
pub(super) const ERASED: &str = "erased";

/// The half of a backup that holds the data, unpacked.
pub(super) struct Data {
    pub(super) manifest: Manifest,
    pub(super) root: RootKey,
    pub(super) settings: Option<Vec<u8>>,
    pub(super) rows: u64,
    /// Length and BLAKE3 of the sealed file.
    pub(super) sealed: (u64, String),
}

/// The half that holds the month keys.
pub(super) struct Keys {
    pub(super) manifest: Manifest,
    pub(super) erase_keys: Zeroizing<Vec<u8>>,
    pub(super) erased: String,
    pub(super) sealed: (u64, String),
}

/// Rows between two looks at the progress.
const ROWS_BETWEEN: u64 = 2_000;
/// Rows may take so much more than the file that they are of: within the margin of what was looked at of the disk.
const SLACK_BYTES: u64 = 32 * 1024 * 1024;

/// Unpacks the data in the file at `path` into a new database at `database`. Its rows take no more than the manifest says that
/// there must be room for, whatever was compressed.
pub(super) fn unpack_data(
    path: &Path,
    identities: &[&BackupIdentity],
    database: &Path,
    progress: &mut Progress<'_>,
) -> Result<Data, BackupError> {
    let (mut part, manifest) = open(path, identities, Half::Data)?;
    if manifest.schema > SCHEMA {
        return Err(StreamError::Newer.into());
    }
    let (mut root, mut settings, mut note) = (None, None, None);
    let mut store = None;
    let (mut taken, mut taken_bytes) = (0, 0_u64);
    let bytes_max = manifest.store_bytes.saturating_add(SLACK_BYTES);
    let rows = loop {
        match part.next()? {
            Frame::File { name, bytes } if store.is_none() => {
                let place = match name {
                    ROOT_KEY => &mut root,
                    SETTINGS => &mut settings,
                    HIGHWATER => &mut note,
                    _ => return Err(form("a file that does not belong into it")),
                };
                if place.replace(Zeroizing::new(bytes.to_vec())).is_some() {
                    return Err(form("a file stands there twice"));
                }
            }
            Frame::File { .. } => return Err(form("a file among the tables")),
            Frame::Table(name) => {
                let store = match &mut store {
                    Some(store) => store,
                    None => store.insert(NewStore::create(database).map_err(StreamError::Load)?),
                };
                store.begin_table(name).map_err(StreamError::Load)?;
            }
            Frame::Row { key, value } => {
                let store = store.as_mut().ok_or(form("a row without its table"))?;
                taken_bytes = taken_bytes.saturating_add((key.len() + value.len()) as u64);
                if taken_bytes > bytes_max {
                    return Err(form("its rows take more than the database that it names"));
                }
                store.row(key, value).map_err(StreamError::Load)?;
                taken += 1;
                if taken % ROWS_BETWEEN == 0 {
                    progress.show(taken)?;
                }
            }
            Frame::End { rows } => break rows,
        }
    };
    let store = store.ok_or(form("it has no tables"))?;
    let written = store.finish().map_err(StreamError::Load)?;
    if written != rows {
        return Err(form("it says that it has another number of rows"));
    }
    let root = root.and_then(|root| RootKey::from_bytes(&root));
    if note.as_deref().map(Vec::as_slice) != Some(manifest.note.as_bytes()) {
        return Err(form("its checkpoint is not the one that it names"));
    }
    Ok(Data {
        manifest,
        root: root.ok_or(form("it has no root key"))?,
        settings: settings.map(|settings| settings.to_vec()),
        rows,
        sealed: sealed(part, path)?,
    })
}

/// Reads the month keys in the file at `path`.
pub(super) fn unpack_keys(
    path: &Path,
    identities: &[&BackupIdentity],
) -> Result<Keys, BackupError> {
    let (mut part, manifest) = open(path, identities, Half::Keys)?;
    let (mut erase_keys, mut erased) = (None, None);
    loop {
        match part.next()? {
            Frame::File { name, bytes } => {
                let place = match name {
                    ERASE_KEYS => &mut erase_keys,
                    ERASED => &mut erased,
                    _ => return Err(form("a file that does not belong into it")),
                };
                if place.replace(Zeroizing::new(bytes.to_vec())).is_some() {
                    return Err(form("a file stands there twice"));
                }
            }
            Frame::End { rows: 0 } => break,
            _ => return Err(form("a table among the keys")),
        }
    }
    let erased = erased.map(|erased| erased.to_vec()).unwrap_or_default();
    Ok(Keys {
        manifest,
        erase_keys: erase_keys.ok_or(form("it has no month keys"))?,
        erased: String::from_utf8(erased).map_err(|_| form("its list of erased orders"))?,
        sealed: sealed(part, path)?,
    })
}

/// What the file says of itself, without reading on.
pub(super) fn manifest_of(
    path: &Path,
    identities: &[&BackupIdentity],
) -> Result<Manifest, BackupError> {
    let file = File::open(path).map_err(BackupError::file(path))?;
    let (_, manifest) = PartReader::begin(identities, BufReader::new(file))?;
    Ok(manifest)
}

type Part = PartReader<BufReader<Hashed<File>>>;

fn open(
    path: &Path,
    identities: &[&BackupIdentity],
    half: Half,
) -> Result<(Part, Manifest), BackupError> {
    let file = File::open(path).map_err(BackupError::file(path))?;
    let (part, manifest) = PartReader::begin(identities, BufReader::new(Hashed::new(file)))?;
    match (manifest.half == half, half) {
        (true, _) => Ok((part, manifest)),
        (false, Half::Data) => Err(form(
            "it holds month keys: give the file whose name ends in .data.zst.age",
        )),
        (false, Half::Keys) => Err(form(
            "it holds data: the month keys are in the file whose name ends in .keys.zst.age",
        )),
    }
}

/// Length and hash of the sealed file that was read to its end.
fn sealed(part: Part, path: &Path) -> Result<(u64, String), BackupError> {
    let (bytes, hash, file) = part.into_inner().into_inner().finish();
    let length = file.metadata().map_err(BackupError::file(path))?.len();
    match length == bytes {
        true => Ok((bytes, hash)),
        false => Err(form("the file changed while it was read")),
    }
}

/// Proves that the database at `database` is what `data` says: the right root key, and the chain of every generation from its
/// first entry to its last, under the checkpoint that was signed. Gives the number of entries.
pub(super) fn verify(
    database: &Path,
    data: &Data,
    options: &dyn Fn(&Path) -> Options,
    progress: &mut Progress<'_>,
) -> Result<u64, BackupError> {
    const CACHE_BYTES: usize = 16 * 1024 * 1024;
    let options = Options {
        cache_bytes: CACHE_BYTES,
        ..options(database)
    };
    let store = Store::open(options, Box::new(|_| {}))?;
    let outcome = store
        .read()
        .map_err(BackupError::from)
        .and_then(|snapshot| verify_snapshot(&snapshot, data, progress));
    store.close();
    outcome
}

fn verify_snapshot(
    snapshot: &Snapshot,
    data: &Data,
    progress: &mut Progress<'_>,
) -> Result<u64, BackupError> {
    let manifest = &data.manifest;
    let is_row = |name, bytes: &[u8]| -> Result<bool, Fault> {
        Ok(snapshot.meta(name)?.as_deref() == Some(bytes))
    };
    if !is_row("check", &data.root.check_value())? {
        return Err(BackupError::Chain("its root key is not the database's"));
    }
    let install = hex::decode(&manifest.install).unwrap_or_default();
    let schema = schema_of(snapshot)?;
    if !is_row("install", &install)? || schema != manifest.schema {
        return Err(BackupError::Chain("it is of another shop than it says"));
    }
    if schema < GENERATIONS_SINCE {
        return Err(BackupError::Chain("its schema is older than backups are"));
    }
    let head = snapshot.head()?;
    let checkpoint = Checkpoint::parse(&manifest.note)
        .map_err(|_| BackupError::Chain("its checkpoint is none"))?;
    let log = snapshot.generation(head.generation)?;
    let log = log.ok_or(BackupError::Chain("a generation of the ledger is missing"))?;
    let fits = head.generation == manifest.generation
        && checkpoint.size == manifest.size
        && checkpoint.size <= head.size
        && log.origin == manifest.origin
        && signed_by_log(&checkpoint, &log);
    if !fits {
        return Err(BackupError::Chain("its checkpoint is not of its ledger"));
    }
    let mut entries = 0;
    for number in 0..=head.generation {
        let (size, hash) = match number == head.generation {
            true => (head.size, head.hash),
            false => ended(snapshot, number)?,
        };
        let tree = verify_generation(snapshot, number, size, Hash(hash), entries, progress)?;
        let is_head = number == head.generation;
        let root = match is_head {
            true => {
                let peaks = tree.subtrees().iter().map(|node| node.0);
                if peaks.ne(head.peaks.iter().copied()) {
                    return Err(BackupError::Chain(
                        "the ledger's head is not that of its entries",
                    ));
                }
                checkpoint.root
            }
            false => closing(snapshot, number)?.root,
        };
        let nodes = LedgerNodes {
            rows: snapshot,
            generation: number,
        };
        let signed = if is_head { checkpoint.size } else { size };
        let signed = tree::root_from(&nodes, signed);
        let signed = signed.map_err(|_| BackupError::Chain("a node of the tree is missing"))?;
        if signed != root {
            return Err(BackupError::Chain(
                "the tree is not the one that was signed",
            ));
        }
        entries += size;
    }
    Ok(entries)
}

fn ended(snapshot: &Snapshot, number: u16) -> Result<(u64, [u8; 32]), BackupError> {
    let log = snapshot.generation(number)?;
    let ended = log.and_then(|log| log.ended);
    ended
        .map(|ended| (ended.size, ended.hash))
        .ok_or(BackupError::Chain("a generation of the ledger is missing"))
}

/// Every entry: its line's hash, its link, and the nodes of the tree that lie with it.
fn verify_generation(
    snapshot: &Snapshot,
    generation: u16,
    size: u64,
    last: Hash,
    before: u64,
    progress: &mut Progress<'_>,
) -> Result<Frontier, BackupError> {
    let (mut prev, mut tree) = (Hash([0; 32]), Frontier::new());
    for seq in 0..size {
        let row = snapshot.entry(EntryAt::new(generation, seq))?;
        let row = row.ok_or(BackupError::Chain("an entry of the ledger is missing"))?;
        let entry = Entry::parse(&row.line)
            .map_err(|_| BackupError::Chain("an entry of the ledger is malformed"))?;
        if entry.seq != seq || entry.prev != prev {
            return Err(BackupError::Chain(
                "an entry does not follow the one before",
            ));
        }
        prev = hash_line(&row.line);
        let nodes = tree.append(prev.as_ref());
        if nodes
            .iter()
            .map(|node| node.0)
            .ne(row.nodes.iter().copied())
        {
            return Err(BackupError::Chain(
                "an entry's nodes are not those of the tree",
            ));
        }
        if seq % ROWS_BETWEEN == 0 {
            progress.show(before + seq)?;
        }
    }
    let beyond = snapshot.entry(EntryAt::new(generation, size))?;
    match prev == last && beyond.is_none() {
        true => Ok(tree),
        false => Err(BackupError::Chain(
            "the ledger's head is not that of its entries",
        )),
    }
}

fn form(what: &'static str) -> BackupError {
    StreamError::Form(what).into()
}

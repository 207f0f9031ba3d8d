//! Making a backup of an open shop, and proving it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::folder::{Folder, Hashed, KEYS_ENDING, LOCAL, NAME_BEGIN, forget};
use super::stream::{Half, Manifest, PartWriter};
use super::unpack::{
    ERASE_KEYS, ERASED, HIGHWATER, ROOT_KEY, SETTINGS, unpack_data, unpack_keys, verify,
};
use super::{BackupError, DATA_ENDING, Index, Progress, SealedCopy, Tell};
use crate::actions::chain::Latest;
use crate::actions::open_shop::{DATABASE, Shop};
use crate::actions::upgrade::schema_of;
use crate::domain::{EntryAt, seams::random};
use crate::store::{DumpPiece, Fault, Options, Rows, Snapshot};
use crate::vault::{BackupIdentity, RootKey, Vault};

/// What goes into a backup beside the shop's own files.
pub struct BackupWish<'a> {
    /// The text of the settings, where there is a file.
    pub settings: Option<&'a [u8]>,
    /// How a database in a folder is opened, to prove that the backup restores.
    pub options: &'a dyn Fn(&Path) -> Options,
}

/// Rounds in which a state is looked for in which no month key is being replaced.
const ROUNDS_MAX: usize = 100;
const ERASE_KEYS_BYTES_MAX: u64 = 32 * 1024 * 1024;
const ROWS_BETWEEN: u64 = 2_000;

/// One state of everything that belongs together.
struct State {
    snapshot: Snapshot,
    latest: Latest,
    root: RootKey,
    erase_keys: Vec<u8>,
}

impl Shop {
    /// Makes a backup in `backups/` while the shop sells, reads it back, restores it there and proves its ledger; only then it is
    /// in the index. Gives the copies of data and of month keys. Blocks.
    ///
    /// # Errors
    /// [`BackupError`]; then nothing of it is left.
    pub fn create_backup(
        &self,
        wish: &BackupWish<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<(SealedCopy, SealedCopy), BackupError> {
        let folder = Folder::hold(&self.folder)?;
        let made = self.create_in(
            &folder,
            wish,
            &mut Progress::new(&mut |done, total| tell(done, total)),
        );
        // What cannot be removed now, the next run removes.
        let _ = folder.clean();
        made
    }

    /// Makes a copy of the month keys alone where the newest is of another state of them. Gives it where one was made. Called
    /// every hour: so an erasure reaches the copies of keys soon, whenever the next backup is.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn refresh_key_copies(&self) -> Result<Option<SealedCopy>, BackupError> {
        let index = Index::read(&self.folder)?;
        let newest = index.keys.iter().rev().find(|copy| copy.is_own());
        if newest.is_none() || self.backup_recipient()?.is_none() {
            // The first backup brings the first one.
            return Ok(None);
        }
        let erase_keys = read_file(&self.folder.join(ERASE_KEYS))?;
        let hash = blake3::hash(&erase_keys).to_hex().to_string();
        if newest.is_some_and(|newest| newest.erase_keys == hash && newest.is_at(LOCAL)) {
            return Ok(None);
        }
        let folder = Folder::hold(&self.folder)?;
        let state = self.state()?;
        let made = self.create_keys(&folder, &state).and_then(|copy| {
            let mut index = Index::read(&self.folder)?;
            index.keys.push(copy.clone());
            folder.write_index(&index)?;
            folder.keep(&copy.name)?;
            Ok(Some(copy))
        });
        // As above.
        let _ = folder.clean();
        made
    }

    /// Whether a month key that the newest backup of data needs was replaced since: its orders of that month open only while the
    /// older copy of keys is kept, which is not for long. Another backup is due then.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn is_backup_outdated(&self) -> Result<bool, BackupError> {
        let index = Index::read(&self.folder)?;
        let Some(newest) = index.last_data().filter(|copy| !copy.labels.is_empty()) else {
            return Ok(false);
        };
        let present = labels_of(&read_file(&self.folder.join(ERASE_KEYS))?);
        Ok(newest.labels.iter().any(|label| !present.contains(label)))
    }

    fn create_in(
        &self,
        folder: &Folder,
        wish: &BackupWish<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<(SealedCopy, SealedCopy), BackupError> {
        // A new index is never put in the place of one that does not read.
        Index::read(&self.folder)?;
        let recipient = self.backup_recipient()?.ok_or(BackupError::NoKey)?;
        // The sealed file, and the restored store that proves it.
        folder.has_room_for(self.store_bytes()?.saturating_mul(2))?;
        let state = self.state()?;
        // Of the file that holds the state, which the one before may not have been yet.
        let store_bytes = self.store_bytes()?;
        let keys = self.create_keys(folder, &state)?;
        let run = BackupIdentity::once(self.vault.entropy());
        let manifest = self.manifest(Half::Data, &state, store_bytes)?;
        let name = self.name(DATA_ENDING)?;
        let (path, file) = folder.begin(&name)?;
        let seal = || -> io::Result<_> {
            let to = [recipient, run.recipient()];
            let out = BufWriter::new(file);
            let mut part = PartWriter::begin(&manifest, &to, self.vault.entropy(), out)?;
            part.file(ROOT_KEY, state.root.expose())?;
            if let Some(settings) = wish.settings {
                part.file(SETTINGS, settings)?;
            }
            part.file(HIGHWATER, manifest.note.as_bytes())?;
            Ok(part)
        };
        let mut part = seal().map_err(BackupError::file(&path))?;
        let rows = write_rows(&state.snapshot, &mut part, &path, progress)?;
        let entries = state.snapshot.head()?.size;
        // Held no longer than it must be: a snapshot keeps freed pages from being used again.
        drop(state);
        let file = part.finish(rows).map_err(BackupError::file(&path))?;
        let (bytes, blake3) = synced(file).map_err(BackupError::file(&path))?;
        progress.step(rows, Some(rows + entries));

        let checking = folder.checking()?;
        let restored = checking.join(DATABASE);
        let data = unpack_data(&path, &[&run], &restored, progress)?;
        progress.step(rows, Some(entries));
        if data.sealed != (bytes, blake3.clone()) || data.rows != rows || data.manifest != manifest
        {
            return Err(BackupError::ReadBack(path));
        }
        verify(&restored, &data, wish.options, progress)?;
        let data = SealedCopy {
            name,
            bytes,
            blake3,
            labels: keys.labels.clone(),
            ..self.copy_of(&manifest)
        };
        let mut index = Index::read(&self.folder)?;
        index.data.push(data.clone());
        index.keys.push(keys.clone());
        index.failed = None;
        // From here on they count: after a kill the next run gives them their names.
        folder.write_index(&index)?;
        folder.keep(&keys.name)?;
        folder.keep(&data.name)?;
        Ok((data, keys))
    }

    fn store_bytes(&self) -> Result<u64, BackupError> {
        let database = self.folder.join(DATABASE);
        let about = fs::metadata(&database).map_err(BackupError::file(&database))?;
        Ok(about.len())
    }

    /// Seals the month keys of `state`, and reads them back. They have no name yet.
    fn create_keys(&self, folder: &Folder, state: &State) -> Result<SealedCopy, BackupError> {
        let recipient = self.backup_recipient()?.ok_or(BackupError::NoKey)?;
        let run = BackupIdentity::once(self.vault.entropy());
        let manifest = self.manifest(Half::Keys, state, 0)?;
        let name = self.name(KEYS_ENDING)?;
        let (path, file) = folder.begin(&name)?;
        let erased = erased_list(&state.snapshot)?;
        let seal = || -> io::Result<_> {
            let to = [recipient, run.recipient()];
            let out = BufWriter::new(file);
            let mut part = PartWriter::begin(&manifest, &to, self.vault.entropy(), out)?;
            part.file(ERASE_KEYS, &state.erase_keys)?;
            part.file(ERASED, erased.as_bytes())?;
            synced(part.finish(0)?)
        };
        let (bytes, blake3) = seal().map_err(BackupError::file(&path))?;
        let keys = unpack_keys(&path, &[&run])?;
        let is_same = keys.sealed == (bytes, blake3.clone())
            && *keys.erase_keys == state.erase_keys
            && keys.erased == erased
            && keys.manifest == manifest;
        if !is_same {
            return Err(BackupError::ReadBack(path));
        }
        self.open_month_keys(folder, state)?;
        Ok(SealedCopy {
            name,
            bytes,
            blake3,
            erase_keys: blake3::hash(&state.erase_keys).to_hex().to_string(),
            labels: labels_of(&state.erase_keys),
            ..self.copy_of(&manifest)
        })
    }

    /// Opens every month key of `erase_keys` by the root key, in a folder of its own.
    fn open_month_keys(&self, folder: &Folder, state: &State) -> Result<(), BackupError> {
        let checking = folder.checking()?;
        let path = checking.join(ERASE_KEYS);
        let written = super::folder::create_private(&path)
            .and_then(|mut file| file.write_all(&state.erase_keys));
        written.map_err(BackupError::file(&path))?;
        let (root, install) = (state.root.clone(), self.install()?);
        let keyset = state.snapshot.meta("keyset")?;
        let entropy = self.vault.shared_entropy();
        Vault::open(&checking, root, install, keyset.as_deref(), entropy)?;
        fs::remove_file(&path).map_err(BackupError::file(&path))
    }

    /// A snapshot, the checkpoint that it is under, and the root key and the month keys of the same moment: none is being replaced
    /// then.
    fn state(&self) -> Result<State, BackupError> {
        let path = self.folder.join(ERASE_KEYS);
        for _ in 0..ROUNDS_MAX {
            let before = read_file(&path)?;
            let latest = self.chain.latest();
            let at = EntryAt::new(latest.generation, latest.size.saturating_sub(1));
            let (snapshot, latest) = self.signed_state(at)?;
            let root = self.vault.root_key();
            let check = snapshot.meta("check")?;
            if read_file(&path)? == before && check.is_some_and(|check| check == root.check_value())
            {
                return Ok(State {
                    snapshot,
                    latest,
                    root,
                    erase_keys: before,
                });
            }
        }
        Err(BackupError::Restless)
    }

    fn manifest(
        &self,
        half: Half,
        state: &State,
        store_bytes: u64,
    ) -> Result<Manifest, BackupError> {
        Ok(Manifest {
            half,
            at_ms: self.now_ms(),
            install: hex::encode(self.install()?),
            origin: self.chain.origin(),
            generation: state.latest.generation,
            size: state.latest.size,
            note: state.latest.note.clone(),
            schema: schema_of(&state.snapshot)?,
            store_bytes,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    pub(super) fn install(&self) -> Result<[u8; 16], Fault> {
        let row = self.store.read()?.meta("install")?;
        let install = row.and_then(|row| <[u8; 16]>::try_from(row).ok());
        install.ok_or(Fault::Invariant("the install id has 16 bytes"))
    }

    fn copy_of(&self, manifest: &Manifest) -> SealedCopy {
        SealedCopy {
            at_ms: manifest.at_ms,
            generation: manifest.generation,
            size: manifest.size,
            verified_at_ms: self.now_ms(),
            ..SealedCopy::default()
        }
    }

    /// `keystall-20261122T093000Z-1a2b3c4d-5e6f7081` and an ending: names sort by time, tell whose they are, and no two are the same.
    fn name(&self, ending: &str) -> Result<String, Fault> {
        let at = jiff::Timestamp::from_millisecond(self.now_ms()).unwrap_or_default();
        let at = at
            .to_zoned(jiff::tz::TimeZone::UTC)
            .strftime("%Y%m%dT%H%M%SZ");
        let random = hex::encode(random::<4>(self.vault.entropy()));
        Ok(format!(
            "{NAME_BEGIN}{at}-{}-{random}{ending}",
            self.mark()?
        ))
    }
}

fn write_rows<W: Write>(
    snapshot: &Snapshot,
    part: &mut PartWriter<W>,
    path: &Path,
    progress: &mut Progress<'_>,
) -> Result<u64, BackupError> {
    let mut done = 0;
    snapshot.dump(&mut |piece| -> Result<(), BackupError> {
        let written = match piece {
            DumpPiece::Table(name) => part.table(name),
            DumpPiece::Row { key, value } => {
                done += 1;
                if done % ROWS_BETWEEN == 0 {
                    progress.show(done)?;
                }
                part.row(key, value)
            }
        };
        written.map_err(BackupError::file(path))
    })
}

/// The numbers of erased orders, a line each.
fn erased_list(snapshot: &Snapshot) -> Result<String, BackupError> {
    const PAGE: usize = 1_000;
    let (mut list, mut after) = (String::new(), None);
    loop {
        let page = snapshot.erased_orders(after, PAGE)?;
        let Some((last, _)) = page.last() else {
            return Ok(list);
        };
        after = Some(*last);
        for (order, at_ms) in page {
            list.push_str(&format!("{order} {at_ms}\n"));
        }
    }
}

/// Has everything lie on the disk, and nothing of it in memory; gives length and hash.
fn synced(out: BufWriter<Hashed<File>>) -> io::Result<(u64, String)> {
    let hashed = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let (bytes, hash, file) = hashed.finish();
    file.sync_all()?;
    forget(&file);
    Ok((bytes, hash))
}

/// The labels of the month keys in `erase_keys`: a line each, after its first.
fn labels_of(erase_keys: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(erase_keys);
    let labels = text.lines().skip(1).filter_map(|line| line.split_once(' '));
    labels.map(|(label, _)| label.to_owned()).collect()
}

fn read_file(path: &Path) -> Result<Vec<u8>, BackupError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(ERASE_KEYS_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(BackupError::file(path))?;
    Ok(bytes)
}

//! Going back to a sealed backup, on an empty machine too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::find_keys::find_keys;
use super::folder::{FOLDER, Folder, create_private, make};
use super::key::identity_of_text;
use super::unpack::{Data, ERASE_KEYS, ERASED, Keys, ROOT_KEY, manifest_of, unpack_data, verify};
use super::vouch::{Here, Logs, Vouched};
use super::{BackupError, Manifest, Progress};
use crate::actions::highwater::signed_by_log;
use crate::actions::open_shop::{DATABASE, Policy, Shop, ShopError};
use crate::actions::restore::{RestoreError, RestoreRequest, Restored, hold};
use crate::domain::{Entropy, Secret};
use crate::ledger::note::Checkpoint;
use crate::store::Options;
use crate::vault::{
    AGE_MAGIC, BackupIdentity, ERASE_KEYS_HEAD, RootKey, replace_bytes, replace_file,
};

/// What a shop is restored from, and where to.
pub struct SealedRequest<'a> {
    /// The sealed data.
    pub file: &'a Path,
    /// The sealed month keys; the newest that lie beside `file` without it.
    pub keys: Option<&'a Path>,
    /// The recovery secret, words or hex digits.
    pub recovery: &'a Secret,
    /// Checkpoints that others kept.
    pub known: &'a [String],
    /// Go on although nothing tells how far the ledger was signed after the backup was made.
    pub signed_unknown: bool,
    /// Go on without month keys although there are orders: they stay closed.
    pub without_keys: bool,
    /// Look and say what would be done.
    pub dry_run: bool,
    /// Where the settings go if no file is there.
    pub settings_to: &'a Path,
    /// What the merchant decided, for opening the restored shop.
    pub policy: Policy,
}

/// What a restore of a sealed backup did, or would do.
#[derive(Debug)]
pub struct SealedRestored {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// As of a restore from a plain copy.
    pub restored: Restored,
    /// Whether `root.key` came out of the backup.
    pub root_key: bool,
    /// Where the settings were put.
    pub settings: Option<PathBuf>,
    /// Where the month keys are from.
    pub keys: KeysFrom,
    /// Orders that were erased again.
    pub erased: usize,
    /// What tells that the backup is this shop's own: its seal does not.
    pub vouched: Vouched,
}

/// Where the month keys of a restored shop are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFrom {
    /// They were in the folder.
    Folder,
    /// This sealed file.
    File(PathBuf),
    /// Nowhere: the orders' private fields stay closed.
    Nowhere,
}

const LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Whether the file at `path` is a sealed one.
pub fn is_sealed(path: &Path) -> bool {
    let mut magic = [0; AGE_MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *AGE_MAGIC
}

/// Restores the shop in `dir`, which may be empty or missing, from a sealed backup. `step` hears what is done. May be run again
/// after it was cut off at any point: it begins anew.
///
/// # Errors
/// [`BackupError`].
pub fn restore_sealed(
    dir: &Path,
    request: &SealedRequest<'_>,
    options: &dyn Fn(&Path) -> Options,
    entropy: Arc<dyn Entropy>,
    step: &mut dyn FnMut(String),
) -> Result<SealedRestored, BackupError> {
    let identity = identity_of_text(request.recovery).ok_or(BackupError::Recovery)?;
    let manifest = manifest_of(request.file, &[&identity])?;
    step(format!(
        "opened {}: {}, {} ledger entries",
        request.file.display(),
        manifest.origin,
        manifest.size
    ));
    let was_empty = fs::read_dir(dir).is_err();
    make(dir)?;
    let folder = Folder::hold(dir)?;
    let outcome = restore_in(&folder, dir, &identity, request, options, entropy, step);
    // What cannot be removed now, the next run removes.
    let _ = folder.clean();
    if was_empty && (request.dry_run || outcome.is_err()) {
        remove_empty(dir);
    }
    outcome
}

/// Removes what was made in a folder that was not there, unless something is in it.
fn remove_empty(dir: &Path) {
    // Each is refused where something is left, which then stays.
    let _ = fs::remove_file(dir.join(FOLDER).join("lock"));
    let _ = fs::remove_dir(dir.join(FOLDER));
    let _ = fs::remove_dir(dir);
}

fn restore_in(
    folder: &Folder,
    dir: &Path,
    identity: &BackupIdentity,
    request: &SealedRequest<'_>,
    options: &dyn Fn(&Path) -> Options,
    entropy: Arc<dyn Entropy>,
    step: &mut dyn FnMut(String),
) -> Result<SealedRestored, BackupError> {
    // Said before the work, not after it.
    drop(hold(&dir.join(DATABASE)).map_err(Box::new)?);
    let checking = folder.checking()?;
    let copy = checking.join(DATABASE);
    let manifest = manifest_of(request.file, &[identity])?;
    // Unpacked, and copied once more by the restore itself.
    folder.has_room_for(manifest.store_bytes.saturating_mul(2))?;
    let mut silent = |_: u64, _: Option<u64>| true;
    let progress = &mut Progress::new(&mut silent);
    let data = unpack_data(request.file, &[identity], &copy, progress)?;
    step(format!("unpacked {} rows", data.rows));
    let entries = verify(&copy, &data, options, progress)?;
    step(format!(
        "the ledger's {entries} entries follow from one another up to their signed checkpoint"
    ));
    let logs = Logs::of(&copy, options)?;
    let install = &data.manifest.install;
    let here = Here::look(dir, options);
    // What was signed after the backup was made, by a log key or in a generation that came later, the folder's own ledger knows.
    let later = here.as_ref().filter(|here| here.continues(install, &logs));
    let signed = |note: &str| logs.signed(note) || later.is_some_and(|here| here.signed(note));
    let found = find_keys(request.file, request.keys, identity, install, &signed)?;
    let (keys, listed) = (found.taken, found.erased);
    for path in found.strange {
        if request.keys.is_none() {
            return Err(BackupError::StrangeKeys(path));
        }
        step(format!(
            "{} is left out, and what it tells of erased orders: no log key that is known here signed it",
            path.display()
        ));
    }
    let known = known(request, &data, keys.as_ref(), &logs, step);
    let plain = RestoreRequest {
        copy: &copy,
        recovery: request.recovery,
        known: &known,
        signed_unknown: request.signed_unknown,
        dry_run: true,
    };
    // The same restore first, in a folder that goes away: what refuses it refuses it before anything is changed.
    let seen = key_of(dir)?;
    let here = here.as_ref();
    let root = root_of(dir, seen, here, &data, &logs)?;
    let vouched = Vouched::look(dir, &data, &logs, root, here, request.known.len());
    // To the end: a daemon that starts in the midst would find one shop's key and another's database.
    let held = hold(&dir.join(DATABASE)).map_err(Box::new)?;
    if key_of(dir)? != seen {
        return Err(Box::new(RestoreError::InUse).into());
    }
    let mirrored = mirror(dir, &checking)?;
    data.root.put(&mirrored)?;
    let keys_from = put_keys(&mirrored, keys.as_ref(), request.keys.is_some())?;
    let silent: &mut dyn FnMut(String) = &mut |_| {};
    let tried = Shop::restore(&mirrored, &plain, options, entropy.clone(), silent);
    let mut restored = tried.map_err(|error| Box::new(error.of(dir)))?;
    if keys_from == KeysFrom::Nowhere && restored.closed > 0 && !request.without_keys {
        return Err(BackupError::NoMonthKeys(restored.closed));
    }
    let settings = settings_to(request, &data);
    let mut erased = 0;
    if !request.dry_run {
        put_root_key(dir, root, &data)?;
        match root {
            Root::Stays => {}
            Root::Comes => step("root.key came out of the backup".to_owned()),
            Root::Changes => step("root.key is again the one of the backup; the newer one is set aside as root.key.before-restore-…: once the shop stands, `keystall secret rotate-root` makes another".to_owned()),
        }
        put_keys(dir, keys.as_ref(), request.keys.is_some())?;
        step(match &keys_from {
            KeysFrom::Folder => "erase.keys was there and stays".to_owned(),
            KeysFrom::File(path) => format!("erase.keys came out of {}", path.display()),
            KeysFrom::Nowhere => "no month keys were found: contacts and keys of all orders stay closed; with the file ….keys.zst.age (--keys FILE) they open".to_owned(),
        });
        if let (Some(path), Some(bytes)) = (&settings, &data.settings) {
            replace_bytes(path, bytes, 0o600).map_err(BackupError::file(path))?;
            step(format!("the settings are in {}", path.display()));
        }
        put_erased(dir, request.file, &listed)?;
        let plain = RestoreRequest {
            dry_run: false,
            ..plain
        };
        restored = Shop::restore_held(dir, &plain, options, entropy.clone(), step, held)
            .map_err(Box::new)?;
        erased = replay_erasures(dir, &request.policy, options, entropy)?;
        if erased > 0 {
            step(format!("{erased} orders were erased again"));
        }
    }
    Ok(SealedRestored {
        manifest: data.manifest,
        restored,
        root_key: root != Root::Stays,
        settings,
        keys: keys_from,
        erased,
        vouched,
    })
}

/// The checkpoints that are known, and that of the month keys, which may be newer than the data's. Alone it says nothing of what was
/// signed after it: that remains a person's word. Nor does one that a log key signed which the data do not know: it was rotated in
/// since.
fn known(
    request: &SealedRequest<'_>,
    data: &Data,
    keys: Option<&(PathBuf, Keys)>,
    logs: &Logs,
    step: &mut dyn FnMut(String),
) -> Vec<String> {
    let mut known = request.known.to_vec();
    if (request.signed_unknown || !known.is_empty())
        && let Some((_, keys)) = keys
        && keys.manifest.origin == data.manifest.origin
    {
        let note = &keys.manifest.note;
        let checkpoint = Checkpoint::parse(note).ok();
        let fits = checkpoint.zip(logs.last());
        match fits.is_some_and(|(note, log)| signed_by_log(&note, log)) {
            true => known.push(note.clone()),
            false => step("the month keys' own checkpoint is left out: a log key signed it that came after the backup".to_owned()),
        }
    }
    known
}

/// A folder that looks like `dir` to a restore that changes nothing.
fn mirror(dir: &Path, checking: &Path) -> Result<PathBuf, BackupError> {
    let place = checking.join("dry-run");
    make(&place)?;
    for name in [ERASE_KEYS, "ledger.highwater", "ledger.ended"] {
        match fs::copy(dir.join(name), place.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::file(&dir.join(name))(error));
            }
            _ => {}
        }
    }
    Ok(place)
}

/// What becomes of the folder's root key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// It is the backup's.
    Stays,
    /// There is none.
    Comes,
    /// The same shop has another since: it is set aside, beside the database that it opens.
    Changes,
}

/// What the root key of `dir` is known by, if there is one.
fn key_of(dir: &Path) -> Result<Option<[u8; 16]>, BackupError> {
    match RootKey::exists(dir) {
        true => Ok(Some(RootKey::open(dir)?.check_value())),
        false => Ok(None),
    }
}

/// Looks at the root key of `dir`, which was `seen`, and at what its database says, whose rows of this are plain: where there is one,
/// it is the same shop's, whether a key lies there or not.
fn root_of(
    dir: &Path,
    seen: Option<[u8; 16]>,
    here: Option<&Here>,
    data: &Data,
    logs: &Logs,
) -> Result<Root, BackupError> {
    let (root, other) = match seen {
        Some(seen) if seen == data.root.check_value() => return Ok(Root::Stays),
        None if !dir.join(DATABASE).exists() => return Ok(Root::Comes),
        None => (Root::Comes, BackupError::OtherDatabase(dir.join(DATABASE))),
        Some(_) => (Root::Changes, BackupError::OtherShop(dir.to_owned())),
    };
    let Some(here) = here.filter(|here| here.is_of(&data.manifest.install)) else {
        return Err(other);
    };
    let first = here.first_vkey();
    match first.is_none() || first == logs.first_vkey() {
        true => Ok(root),
        false => Err(BackupError::OtherLedger(dir.to_owned())),
    }
}

fn put_root_key(dir: &Path, root: Root, data: &Data) -> Result<(), BackupError> {
    if root == Root::Stays {
        return Ok(());
    }
    if root == Root::Changes {
        let path = dir.join(ROOT_KEY);
        fs::rename(&path, aside(dir, ROOT_KEY)).map_err(BackupError::file(&path))?;
    }
    Ok(data.root.put(dir)?)
}

/// Month keys that are there stay: what was destroyed since the copy stays destroyed. Only keys that were asked for by name are
/// added to them.
fn put_keys(
    dir: &Path,
    keys: Option<&(PathBuf, Keys)>,
    asked_for: bool,
) -> Result<KeysFrom, BackupError> {
    let path = dir.join(ERASE_KEYS);
    let there = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(BackupError::file(&path)(error)),
    };
    // A restore without keys leaves a file without any.
    let there = months_of(&there);
    let (mut months, from) = match keys {
        None if there.is_empty() => (BTreeMap::new(), KeysFrom::Nowhere),
        Some((file, keys)) if there.is_empty() || asked_for => {
            let text = std::str::from_utf8(&keys.erase_keys);
            let text = text.map_err(|_| BackupError::Chain("its month keys are no text"))?;
            (months_of(text), KeysFrom::File(file.clone()))
        }
        _ => return Ok(KeysFrom::Folder),
    };
    // A shop that stood without its keys has made others of the same months: the database that is set aside needs those.
    let differs =
        |(month, key): (&&str, &&str)| months.get(month).is_some_and(|other| other != key);
    if there.iter().any(differs) {
        let aside = aside(dir, ERASE_KEYS);
        keep_copy(&path, &aside).map_err(BackupError::file(&aside))?;
    }
    for (month, key) in &there {
        months.entry(month).or_insert(key);
    }
    let mut text = format!("{ERASE_KEYS_HEAD}\n");
    for (month, key) in &months {
        text.push_str(&format!("{month} {key}\n"));
    }
    replace_file(&path, &text).map_err(BackupError::file(&path))?;
    Ok(from)
}

/// The first name for `name` set aside that nothing has yet: what an earlier restore set aside stays.
fn aside(dir: &Path, name: &str) -> PathBuf {
    let numbered = |number: u32| dir.join(format!("{name}.before-restore-{number}"));
    let mut number = 1;
    while fs::symlink_metadata(numbered(number)).is_ok() {
        number += 1;
    }
    numbered(number)
}

/// A copy under a new name, durable before what it was copied from is replaced.
fn keep_copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = create_private(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()
}

fn months_of(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().skip(1);
    lines.filter_map(|line| line.split_once(' ')).collect()
}

/// Where the settings go; nowhere where a file is there.
fn settings_to(request: &SealedRequest<'_>, data: &Data) -> Option<PathBuf> {
    let wanted = data.settings.is_some() && !request.settings_to.exists();
    wanted.then(|| request.settings_to.to_owned())
}

/// Adds what is known of erased orders to the folder's list: from all sealed keys, and from a list beside the backup.
fn put_erased(dir: &Path, file: &Path, sealed: &str) -> Result<(), BackupError> {
    let backups = dir.join(FOLDER);
    let path = backups.join(ERASED);
    let read = |path: &Path| -> String {
        let mut text = String::new();
        let read = File::open(path).map(|file| file.take(LIST_BYTES_MAX).read_to_string(&mut text));
        // No list there.
        if !matches!(read, Ok(Ok(_))) {
            text.clear();
        }
        text
    };
    let there = read(&path);
    let beside = read(&file.with_file_name(ERASED));
    let lines = there.lines().chain(beside.lines()).chain(sealed.lines());
    let mut erased = BTreeMap::new();
    for line in lines {
        if let Some((number, at)) = line.split_once(' ') {
            erased.entry(number).or_insert(at);
        }
    }
    if erased.is_empty() {
        return Ok(());
    }
    make(&backups)?;
    let text: String = erased
        .iter()
        .map(|(number, at)| format!("{number} {at}\n"))
        .collect();
    replace_file(&path, &text).map_err(BackupError::file(&path))
}

/// Opens the restored shop, and erases again what its list names.
fn replay_erasures(
    dir: &Path,
    policy: &Policy,
    options: &dyn Fn(&Path) -> Options,
    entropy: Arc<dyn Entropy>,
) -> Result<usize, BackupError> {
    let failed = |error: ShopError| BackupError::from(Box::new(RestoreError::Shop(error)));
    let shop = Shop::open_copy(dir, policy.clone(), options, entropy).map_err(failed)?;
    let erased = shop.reconcile_erasures();
    shop.close();
    erased.map_err(|error| {
        let path = dir.join(FOLDER).join(ERASED);
        BackupError::file(&path)(io::Error::other(error))
    })
}

//! The root key: one file of 32 bytes, readable by its owner alone.
//!
//! It is replaced through `root.key.next`: written beside and made durable, then named by the database in one commit, then put in the
//! place of `root.key`. Which of the two files is the key says the check value in the database, so a kill between any two steps
//! leaves a shop that opens. Where systemd gives the key, this program cannot put it in place: `root.key.next` stays until the
//! credential is the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::keyset::{derive, mac};
use super::seal::DataKey;
use crate::domain::{Entropy, seams::random};

/// The root key. Everything sealed in the shop hangs on it.
#[derive(Clone)]
pub struct RootKey(Zeroizing<[u8; 32]>);

/// Where the root key of an open shop lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKeyAt {
    /// In `root.key`, or in the service's credential.
    Place,
    /// In a file of the folder, `root.key.next` as a rule: the service's credential is still the one before.
    Next,
}

/// Why the root key is not there.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The folder has none.
    #[error(
        "{0} is missing: without it nothing in this shop opens; put it back from your recovery copy"
    )]
    Missing(PathBuf),
    /// It is not 32 bytes.
    #[error("{0} is not a root key (32 bytes): put it back from your recovery copy")]
    Malformed(PathBuf),
    /// Others than its owner can read it.
    #[error("{path} can be read by others (mode {mode:o}): chmod 0400 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A link to somewhere else cannot be replaced as a whole.
    #[error("{0} is a symbolic link: put the file itself there first, then replace the root key")]
    Linked(PathBuf),
    /// It belongs to another shop.
    #[error(
        "root.key does not belong to this shop.redb: put the right one back; nothing was changed"
    )]
    Stranger,
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

const FILE: &str = "root.key";
const NEXT: &str = "root.key.next";

impl RootKey {
    /// Makes the key in `dir`, mode 0400, durable before this returns. An existing file is never touched.
    ///
    /// # Errors
    /// [`RootKeyError::Io`], also when the file exists.
    pub fn create(dir: &Path, entropy: &dyn Entropy) -> Result<Self, RootKeyError> {
        let key = Self::random(entropy);
        key.write_new(dir, FILE)?;
        Ok(key)
    }

    /// A key that is nowhere yet.
    pub(super) fn random(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(random::<32>(entropy)))
    }

    /// Whether the key in `dir` can be replaced. True where it is the service's credential, which this program cannot write.
    ///
    /// # Errors
    /// [`RootKeyError::Linked`].
    pub fn is_given_to_replace(dir: &Path) -> Result<bool, RootKeyError> {
        if credential().is_some() {
            return Ok(true);
        }
        let path = dir.join(FILE);
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_symlink() => Err(RootKeyError::Linked(path)),
            _ => Ok(false),
        }
    }

    /// Writes this key, which is to follow, beside the one in force; durable before this returns. The caller knows that no file
    /// there is needed.
    ///
    /// # Errors
    /// [`RootKeyError::Io`].
    pub fn write_next(&self, dir: &Path) -> Result<(), RootKeyError> {
        Self::drop_next(dir)?;
        self.write_new(dir, NEXT)
    }

    /// Puts `root.key.next` in the place of `root.key`, whose bytes are overwritten as far as the disk lets one. Only the key with
    /// this check value is put there, which the caller knows to open the shop. Done already, it makes that durable.
    ///
    /// # Errors
    /// [`RootKeyError::Io`]; then the shop opens with `root.key.next`. [`RootKeyError::Stranger`] where neither file is that key:
    /// nothing was changed.
    pub fn put_next_in_place(dir: &Path, check: &[u8; 16]) -> Result<(), RootKeyError> {
        let (path, next) = (dir.join(FILE), dir.join(NEXT));
        let failed = |source| RootKeyError::Io {
            path: next.clone(),
            source,
        };
        match Self::read(next.clone(), 0o077) {
            Ok(key) if key.check_value() == *check => {}
            // The disk failed after the rename of an earlier try.
            Err(RootKeyError::Missing(_))
                if Self::read(path.clone(), 0o077).is_ok_and(|key| key.check_value() == *check) =>
            {
                return sync_folder(dir).map_err(failed);
            }
            Ok(_) => return Err(RootKeyError::Stranger),
            Err(error) => return Err(error),
        }
        // Opened before it loses its name; where it is gone already there is nothing to overwrite.
        let before = fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .and_then(|()| OpenOptions::new().write(true).open(&path));
        fs::rename(&next, &path).map_err(failed)?;
        sync_folder(dir).map_err(failed)?;
        if let Ok(mut before) = before
            && before.metadata().is_ok_and(|about| about.nlink() == 0)
        {
            // A disk may keep the bytes elsewhere in any case; what was sealed under them is sealed anew.
            let _ = before.write_all(&[0; 32]).and_then(|()| before.sync_all());
        }
        Ok(())
    }

    /// Removes what a replacement that did not come to its commit left behind.
    ///
    /// # Errors
    /// [`RootKeyError::Io`].
    pub fn drop_next(dir: &Path) -> Result<(), RootKeyError> {
        let path = dir.join(NEXT);
        match fs::remove_file(&path).and_then(|()| sync_folder(dir)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(RootKeyError::Io { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Finds the key with this check value: the one of [`RootKey::open`], or `root.key.next` where a replacement was committed and
    /// not put in place. That is for the caller to do once the shop's keys opened under it ([`RootKey::put_next_in_place`]), for it
    /// destroys the key before. Only for who holds the shop's database.
    ///
    /// # Errors
    /// [`RootKeyError`]; [`RootKeyError::Stranger`] where neither is it.
    pub fn find(dir: &Path, check: &[u8]) -> Result<(Self, RootKeyAt), RootKeyError> {
        Self::find_among(credential().as_deref(), dir, check)
    }

    fn find_among(
        credential: Option<&Path>,
        dir: &Path,
        check: &[u8],
    ) -> Result<(Self, RootKeyAt), RootKeyError> {
        let given = Self::open_among(credential, dir);
        if let Ok(key) = given.as_ref()
            && key.check_value() == check
        {
            // Of a replacement that was cut off, or that the credential has caught up with. It does no harm if it cannot go.
            let _ = Self::drop_next(dir);
            return Ok((key.clone(), RootKeyAt::Place));
        }
        if let Ok(next) = Self::read(dir.join(NEXT), 0o077)
            && next.check_value() == check
        {
            return Ok((next, RootKeyAt::Next));
        }
        // A command without the credential put it in place, and the service still has the one before.
        if credential.is_some()
            && let Ok(beside) = Self::read(dir.join(FILE), 0o077)
            && beside.check_value() == check
        {
            return Ok((beside, RootKeyAt::Next));
        }
        given.and(Err(RootKeyError::Stranger))
    }

    fn write_new(&self, dir: &Path, name: &str) -> Result<(), RootKeyError> {
        let path = dir.join(name);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o400)
                .open(&path)?;
            file.write_all(&*self.0)?;
            file.sync_all()?;
            sync_folder(dir)
        };
        write().map_err(|source| RootKeyError::Io {
            path: path.clone(),
            source,
        })
    }

    /// Reads the key of `dir`: the service's credential of its name where systemd gave one (`LoadCredential=root.key:…`,
    /// systemd.exec(5)), else the file.
    ///
    /// # Errors
    /// [`RootKeyError`], each with what to do.
    pub fn open(dir: &Path) -> Result<Self, RootKeyError> {
        Self::open_among(credential().as_deref(), dir)
    }

    fn open_among(credential: Option<&Path>, dir: &Path) -> Result<Self, RootKeyError> {
        match credential {
            // The service's user is let in by an access list there, which shows as the group's bits.
            Some(path) => Self::read(path.to_owned(), 0o007),
            None => Self::read(dir.join(FILE), 0o077),
        }
    }

    /// Reads a file that has none of the permission bits `forbidden`.
    fn read(path: PathBuf, forbidden: u32) -> Result<Self, RootKeyError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => RootKeyError::Missing(path.clone()),
            _ => RootKeyError::Io {
                path: path.clone(),
                source,
            },
        };
        let mut file = File::open(&path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & forbidden != 0 {
            return Err(RootKeyError::Exposed { path, mode });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(33));
        Read::by_ref(&mut file)
            .take(33)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match <[u8; 32]>::try_from(&bytes[..]) {
            Ok(key) => Ok(Self(Zeroizing::new(key))),
            Err(_) => Err(RootKeyError::Malformed(path)),
        }
    }

    /// The key of these bytes, out of a backup.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; 32]>::try_from(bytes).ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    /// Puts the key into `dir`, mode 0400, durable before this returns.
    ///
    /// # Errors
    /// [`RootKeyError::Io`].
    pub fn put(&self, dir: &Path) -> Result<(), RootKeyError> {
        let path = dir.join(FILE);
        super::replace_bytes(&path, &*self.0, 0o400)
            .map_err(|source| RootKeyError::Io { path, source })
    }

    /// Whether `dir` has a root key.
    pub fn exists(dir: &Path) -> bool {
        fs::symlink_metadata(dir.join(FILE)).is_ok()
    }

    /// The key's bytes, for a backup that is sealed.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key that seals the row of the shop's other keys.
    pub(super) fn wrapping(&self) -> DataKey {
        DataKey::from_bytes(derive(&self.0, "keyset"))
    }

    /// Tells this key from others without telling it.
    pub fn check_value(&self) -> [u8; 16] {
        mac(&derive(&self.0, "check value"), b"keystall")
    }
}

/// The service's credential of this name, where systemd gave one.
fn credential() -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    credential_in(Path::new(&folder))
}

fn credential_in(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(FILE)).filter(|path| path.exists())
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::vault::SystemEntropy;

    #[test]
    fn a_root_key_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let made = RootKey::create(dir.path(), &SystemEntropy).unwrap();
        assert!(
            RootKey::create(dir.path(), &SystemEntropy).is_err(),
            "a second one would orphan the shop"
        );
        assert_eq!(
            RootKey::open(dir.path()).unwrap().check_value(),
            made.check_value()
        );
        let path = dir.path().join(FILE);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o400
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            RootKey::open(dir.path()),
            Err(RootKeyError::Exposed { .. })
        ));
    }

    #[test]
    fn a_credential_of_the_service_takes_the_place_of_the_file() {
        let (dir, given) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = RootKey::create(dir.path(), &SystemEntropy).unwrap();
        let open = || RootKey::open_among(credential_in(given.path()).as_deref(), dir.path());
        // Credentials of other things are there, this one is not.
        assert_eq!(open().unwrap().check_value(), made.check_value());
        let sealed = given.path().join(FILE);
        fs::rename(dir.path().join(FILE), &sealed).unwrap();
        fs::set_permissions(&sealed, fs::Permissions::from_mode(0o440)).unwrap();
        assert_eq!(open().unwrap().check_value(), made.check_value());
        fs::set_permissions(&sealed, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(matches!(open(), Err(RootKeyError::Exposed { .. })));
    }

    #[test]
    fn a_damaged_root_key_is_named_not_used() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            RootKey::open(dir.path()),
            Err(RootKeyError::Missing(_))
        ));
        fs::write(dir.path().join(FILE), [0; 31]).unwrap();
        fs::set_permissions(dir.path().join(FILE), fs::Permissions::from_mode(0o400)).unwrap();
        assert!(matches!(
            RootKey::open(dir.path()),
            Err(RootKeyError::Malformed(_))
        ));
    }

    #[test]
    fn a_replaced_key_is_found_by_its_check_value_wherever_a_kill_left_it() {
        let dir = tempfile::tempdir().unwrap();
        let old = RootKey::create(dir.path(), &SystemEntropy).unwrap();
        let new = RootKey::random(&SystemEntropy);
        let next = dir.path().join(NEXT);
        let find = |check: [u8; 16]| RootKey::find_among(None, dir.path(), &check);
        // Torn, and before the commit: the old one is in force, and what was begun is removed.
        fs::write(&next, [1; 31]).unwrap();
        assert_eq!(find(old.check_value()).unwrap().0.0, old.0);
        new.write_next(dir.path()).unwrap();
        assert_eq!(find(old.check_value()).unwrap().0.0, old.0);
        assert!(!next.exists());
        // After the commit: the new one is, and takes its place.
        new.write_next(dir.path()).unwrap();
        let (found, at) = find(new.check_value()).unwrap();
        assert_eq!((found.0, at), (new.0.clone(), RootKeyAt::Next));
        assert_eq!(
            RootKey::open(dir.path()).unwrap().0,
            old.0,
            "found is not opened yet: the one before is kept"
        );
        RootKey::put_next_in_place(dir.path(), &new.check_value()).unwrap();
        assert_eq!(find(new.check_value()).unwrap().1, RootKeyAt::Place);
        assert!(!next.exists());
        assert_eq!(RootKey::open(dir.path()).unwrap().0, new.0);
        assert!(matches!(
            find(old.check_value()),
            Err(RootKeyError::Stranger)
        ));
        // And where the old file was lost meanwhile.
        new.write_next(dir.path()).unwrap();
        fs::remove_file(dir.path().join(FILE)).unwrap();
        assert_eq!(find(new.check_value()).unwrap().0.0, new.0);
    }

    #[test]
    fn a_new_key_waits_beside_until_the_services_credential_is_it() {
        let (dir, given) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = RootKey::create(given.path(), &SystemEntropy).unwrap();
        let new = RootKey::random(&SystemEntropy);
        new.write_next(dir.path()).unwrap();
        let find = || {
            let credential = credential_in(given.path());
            RootKey::find_among(credential.as_deref(), dir.path(), &new.check_value())
        };
        assert_eq!(find().unwrap().1, RootKeyAt::Next);
        assert_eq!(find().unwrap().1, RootKeyAt::Next, "as often as it starts");
        assert_ne!(old.0, new.0);
        // A command that has no credential puts it in place; the service finds it there.
        let check = new.check_value();
        RootKey::put_next_in_place(dir.path(), &check).unwrap();
        let found = RootKey::find_among(None, dir.path(), &check).unwrap();
        assert_eq!(found.1, RootKeyAt::Place);
        assert_eq!(find().unwrap().1, RootKeyAt::Next);
        fs::remove_file(given.path().join(FILE)).unwrap();
        new.write_new(given.path(), FILE).unwrap();
        assert_eq!(find().unwrap().1, RootKeyAt::Place);
        assert!(!dir.path().join(NEXT).exists());
    }

    #[test]
    fn the_bytes_of_a_replaced_key_are_overwritten_unless_they_have_another_name() {
        let dir = tempfile::tempdir().unwrap();
        RootKey::create(dir.path(), &SystemEntropy).unwrap();
        let mut before = File::open(dir.path().join(FILE)).unwrap();
        let replace = || {
            let next = RootKey::random(&SystemEntropy);
            next.write_next(dir.path()).unwrap();
            RootKey::put_next_in_place(dir.path(), &next.check_value()).unwrap();
        };
        replace();
        let mut bytes = Vec::new();
        before.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [0; 32]);
        let copy = dir.path().join("somebody's copy");
        fs::hard_link(dir.path().join(FILE), &copy).unwrap();
        replace();
        assert_ne!(fs::read(&copy).unwrap(), [0; 32]);
    }

    #[test]
    fn a_key_that_is_in_its_place_already_is_put_there_again_and_a_strange_one_never() {
        let dir = tempfile::tempdir().unwrap();
        let old = RootKey::create(dir.path(), &SystemEntropy).unwrap();
        let new = RootKey::random(&SystemEntropy);
        let put = || RootKey::put_next_in_place(dir.path(), &new.check_value());
        assert!(matches!(put(), Err(RootKeyError::Missing(_))));
        RootKey::random(&SystemEntropy)
            .write_next(dir.path())
            .unwrap();
        assert!(matches!(put(), Err(RootKeyError::Stranger)));
        assert_eq!(RootKey::open(dir.path()).unwrap().0, old.0);
        new.write_next(dir.path()).unwrap();
        put().unwrap();
        // As after a disk that failed between the rename and its end.
        put().unwrap();
        assert_eq!(RootKey::open(dir.path()).unwrap().0, new.0);
    }
}

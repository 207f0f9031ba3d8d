//! The root key: one file of 32 bytes, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::domain::{Entropy, Secret, seams::random};

/// The root key. Everything sealed in the shop hangs on it.
pub struct RootKey(Zeroizing<[u8; 32]>);

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

impl RootKey {
    /// Makes the key in `dir`, mode 0400, durable before this returns. An existing file is never touched.
    ///
    /// # Errors
    /// [`RootKeyError::Io`], also when the file exists.
    pub fn create(dir: &Path, entropy: &dyn Entropy) -> Result<Self, RootKeyError> {
        let path = dir.join(FILE);
        let key = Zeroizing::new(random::<32>(entropy));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o400)
                .open(&path)?;
            file.write_all(&*key)?;
            file.sync_all()?;
            File::open(dir)?.sync_all()
        };
        write().map_err(|source| RootKeyError::Io {
            path: path.clone(),
            source,
        })?;
        Ok(Self(key))
    }

    /// Reads the key of `dir`: the service's credential of its name where systemd gave one (`LoadCredential=root.key:…`,
    /// systemd.exec(5)), else the file.
    ///
    /// # Errors
    /// [`RootKeyError`], each with what to do.
    pub fn open(dir: &Path) -> Result<Self, RootKeyError> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self::open_among(credentials.as_deref(), dir)
    }

    fn open_among(credentials: Option<&Path>, dir: &Path) -> Result<Self, RootKeyError> {
        let credential = credentials.map(|folder| folder.join(FILE));
        match credential.filter(|path| path.exists()) {
            // The service's user is let in by an access list there, which shows as the group's bits.
            Some(path) => Self::read(path, 0o007),
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

    pub(super) fn expose(&self) -> Secret {
        Secret::new(self.0.as_slice())
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

    /// A key for one purpose.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("keystall 2026-11 vault purpose v1");
        hasher.update(&*self.0);
        hasher.update(purpose.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// 128 bits of a MAC over `bytes`, for one purpose.
    pub(super) fn mac(&self, purpose: &str, bytes: &[u8]) -> [u8; 16] {
        let mut out = [0; 16];
        blake3::Hasher::new_keyed(&self.derive(purpose))
            .update(bytes)
            .finalize_xof()
            .fill(&mut out);
        out
    }

    /// 160 bits of a MAC over `bytes`, for one purpose.
    pub(super) fn mac_wide(&self, purpose: &str, bytes: &[u8]) -> [u8; 20] {
        let mut out = [0; 20];
        blake3::Hasher::new_keyed(&self.derive(purpose))
            .update(bytes)
            .finalize_xof()
            .fill(&mut out);
        out
    }

    /// Tells this key from others without telling it.
    pub fn check_value(&self) -> [u8; 16] {
        self.mac("check value", b"keystall")
    }
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
        let open = || RootKey::open_among(Some(given.path()), dir.path());
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
}

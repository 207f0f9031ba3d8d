//! Secrets: the root key, what is derived from it, sealed bytes, order links and query passwords.
//!
//! Owns `root.key` and `erase.keys` in the shop's folder, and every use of XChaCha20-Poly1305, Argon2id and the age format. The tree of keys
//! (security.md, section 2): root key → one row of identity and sealing keys → derivation by purpose → one wrapped data key for each
//! pool; month keys in `erase.keys` → one wrapped key for each order, so that destroying a month key makes erasure real (ledger.md,
//! section 4). The root key is replaced by wrapping that row again; what sealing keys sealed follows by and by.
//!
//! Never knows an order, a product or a table: it sees bytes, and labels that bind them to their place. Never prints a secret.

mod age;
mod entropy;
mod keyset;
mod months;
mod password;
mod pool;
mod replace;
mod root;
mod seal;
mod token;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

pub use age::{
    AGE_MAGIC, AgeError, BackupIdentity, BackupRecipient, OpenReader, RecipientError, SealWriter,
    open_sealed, seal_to,
};
pub use entropy::SystemEntropy;
pub use months::{ERASE_KEYS_HEAD, MonthError, MonthKeys};
pub use password::{PasswordHash, hash_password, verify_password};
pub use pool::PoolKey;
pub use replace::{replace_bytes, replace_file};
pub use root::{RootKey, RootKeyAt, RootKeyError};
pub use seal::{Aad, DataKey, SealError};
pub use token::LINK_TEXT_LEN;

use crate::domain::{Entropy, Secret, seams::random};
use keyset::{Keyset, mac};

/// Name of the shop's random installation number, bound into every sealed row.
pub type InstallId = [u8; 16];

/// The opened vault of one shop.
pub struct Vault {
    keys: RwLock<Arc<Keys>>,
    install: InstallId,
    months: MonthKeys,
    entropy: Arc<dyn Entropy>,
}

/// The root key with what it wraps: in force, or to be once the database says so.
pub struct Keys {
    root: RootKey,
    keyset: Keyset,
}

/// Bytes of one wrapped data key: version, nonce, key, tag.
const WRAPPED_BYTES: usize = 1 + 24 + 32 + 16;
/// Purpose of the keys that wrap pools' data keys.
const POOL_KEYS: &str = "pool keys";

impl Vault {
    /// Makes the vault of a new shop, with its first month's key. [`Vault::keyset_row`] is to be stored.
    ///
    /// # Errors
    /// [`MonthError`] when `erase.keys` cannot be written.
    pub fn create(
        dir: &Path,
        root: RootKey,
        install: InstallId,
        entropy: Arc<dyn Entropy>,
        month: &str,
    ) -> Result<Self, MonthError> {
        let keyset = Keyset::new(&*entropy);
        let vault = Self::with(dir, Keys { root, keyset }, install, entropy, true)?;
        vault.prepare_month(month)?;
        Ok(vault)
    }

    /// Opens the vault of the shop `install` whose files lie in `dir` and whose database holds `keyset`; data from before schema 5
    /// has no such row.
    ///
    /// # Errors
    /// [`MonthError`] when `erase.keys` is missing, cannot be read, or belongs to another root key, and when the row does.
    pub fn open(
        dir: &Path,
        root: RootKey,
        install: InstallId,
        keyset: Option<&[u8]>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, MonthError> {
        let keyset = match keyset {
            Some(row) => root
                .wrapping()
                .open(&keyset_place(&install), row)
                .and_then(|opened| Keyset::from_bytes(opened.expose()))
                .map_err(|_| MonthError::Keyset)?,
            None => Keyset::of_root(root.expose()),
        };
        Self::with(dir, Keys { root, keyset }, install, entropy, false)
    }

    fn with(
        dir: &Path,
        keys: Keys,
        install: InstallId,
        entropy: Arc<dyn Entropy>,
        new: bool,
    ) -> Result<Self, MonthError> {
        let wrapping = DataKey::from_bytes(keys.keyset.identity("erase.keys"));
        let months = MonthKeys::open(dir.join("erase.keys"), wrapping, install, new)?;
        Ok(Self {
            keys: RwLock::new(Arc::new(keys)),
            install,
            months,
            entropy,
        })
    }

    /// The root key in force, for a backup that is sealed.
    pub fn root_key(&self) -> RootKey {
        self.keys().root.clone()
    }

    /// A value that tells the right root key from a wrong one, without telling the key.
    pub fn check_value(&self) -> [u8; 16] {
        self.keys().root.check_value()
    }

    /// The keys for data from before schema 5: links and fingerprints stay as they are, sealing keys of their own begin.
    pub fn freed_of_root(&self) -> Keys {
        let root = self.keys().root.clone();
        let keyset = Keyset::freed_of_root(root.expose(), &*self.entropy);
        Keys { root, keyset }
    }

    /// A new root key and a new sealing key; none while as many sealing keys as are kept wait for their end.
    pub fn replaced_root(&self) -> Option<(RootKey, Keys)> {
        let keys = self.keys();
        if keys.keyset.older() + 1 >= keyset::SEALING_MAX {
            return None;
        }
        let root = RootKey::random(&*self.entropy);
        let keyset = keys.keyset.with_new_sealing(&*self.entropy);
        Some((root.clone(), Keys { root, keyset }))
    }

    /// The keys without the older sealing keys: what those sealed opens no more.
    pub fn newest_alone(&self) -> Keys {
        let keys = self.keys();
        Keys {
            root: keys.root.clone(),
            keyset: keys.keyset.newest_alone(),
        }
    }

    /// The database's row of `keys`.
    pub fn keyset_row(&self, keys: &Keys) -> Vec<u8> {
        let place = keyset_place(&self.install);
        let plain = keys.keyset.to_bytes();
        keys.root.wrapping().seal(&*self.entropy, &place, &plain)
    }

    /// The keys in force.
    pub fn keys(&self) -> Arc<Keys> {
        // Nothing panics while it is held.
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// Puts `keys` in force, whose row is committed.
    pub fn adopt(&self, keys: Keys) {
        let mut held = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(keys);
    }

    /// Sealing keys that wait until nothing is sealed under them.
    pub fn older_sealing_keys(&self) -> usize {
        self.keys().keyset.older()
    }

    /// Makes a data key's wrapped form, bound to `owner`.
    pub fn new_pool_key(&self, owner: &[u8]) -> Vec<u8> {
        self.wrap_pool_key(owner, &DataKey::from_bytes(random(&*self.entropy)))
    }

    /// The same wrapped keys with a new one in front, which seals from then on.
    ///
    /// # Errors
    /// [`SealError`] as for [`Vault::pool_key`].
    pub fn replaced_pool_key(&self, owner: &[u8], wrapped: &[u8]) -> Result<Vec<u8>, SealError> {
        self.pool_key(owner, wrapped)?;
        Ok([&self.new_pool_key(owner), wrapped].concat())
    }

    /// The newest of a pool's wrapped keys alone: nothing is sealed under the others.
    pub fn newest_pool_key(wrapped: &[u8]) -> Vec<u8> {
        wrapped[..wrapped.len().min(WRAPPED_BYTES)].to_vec()
    }

    /// Unwraps a pool's data keys.
    ///
    /// # Errors
    /// [`SealError`] when the bytes were changed, moved, or wrapped elsewhere.
    pub fn pool_key(&self, owner: &[u8], wrapped: &[u8]) -> Result<PoolKey, SealError> {
        let (keys, place) = (self.keys(), self.wrap_aad("pools", owner));
        let unwrap = |wrapped: &[u8]| {
            let (_, opened) = pool::open_with(keys.keyset.sealing(POOL_KEYS), &place, wrapped)?;
            DataKey::from_secret(&opened)
        };
        let keys = wrapped.chunks(WRAPPED_BYTES).map(unwrap);
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        match keys.is_empty() {
            true => Err(SealError::Forged),
            false => Ok(PoolKey { keys }),
        }
    }

    /// A pool's keys wrapped by the newest sealing key; none where they are that already.
    ///
    /// # Errors
    /// [`SealError`] as for [`Vault::pool_key`].
    pub fn rewrap_pool_key(
        &self,
        owner: &[u8],
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, SealError> {
        let place = self.wrap_aad("pools", owner);
        let newest = self.keys().keyset.newest(POOL_KEYS);
        let mut chunks = wrapped.chunks(WRAPPED_BYTES);
        if chunks.all(|wrapped| newest.open(&place, wrapped).is_ok()) {
            return Ok(None);
        }
        let keys = self.pool_key(owner, wrapped)?.keys;
        let wrapped = keys.iter().map(|key| self.wrap_pool_key(owner, key));
        Ok(Some(wrapped.collect::<Vec<_>>().concat()))
    }

    /// Makes an order's key and its form wrapped by the newest key of `month` (`2026-11`), which is made durable first if it is
    /// new. Gives the label of that key, under which [`Vault::order_key`] finds it.
    ///
    /// # Errors
    /// [`MonthError`] when a new month key cannot be stored.
    pub fn new_order_key(
        &self,
        month: &str,
        owner: &[u8],
    ) -> Result<(String, DataKey, Vec<u8>), MonthError> {
        let (label, month_key) = self.months.ensure(month, &*self.entropy)?;
        let key = DataKey::from_bytes(random(&*self.entropy));
        let wrapped = month_key.seal(
            &*self.entropy,
            &self.wrap_aad("orders", owner),
            key.expose(),
        );
        Ok((label, key, wrapped))
    }

    /// Whether new orders of `month` are wrapped by the key of that label. A write that brings an order sealed before it asks this:
    /// who replaces the key waits for the writes before, and counts on the later ones.
    pub fn is_newest_month_key(&self, month: &str, label: &str) -> bool {
        self.months.newest_label(month).as_deref() == Some(label)
    }

    /// Makes the key that follows `label` in its month, durable, and gives its label: new orders are wrapped by it at once.
    ///
    /// # Errors
    /// [`MonthError`] when it cannot be stored.
    pub fn replace_month_key(&self, label: &str) -> Result<String, MonthError> {
        self.months.replace_label(label, &*self.entropy)
    }

    /// An order's key, wrapped by the key of `to` instead of that of `from`.
    ///
    /// # Errors
    /// [`SealError`] as for [`Vault::order_key`].
    pub fn rewrap_order_key(
        &self,
        from: &str,
        to: &str,
        owner: &[u8],
        wrapped: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let key = self.order_key(from, owner, wrapped)?;
        let month_key = self.months.key(to).ok_or(SealError::KeyGone)?;
        Ok(month_key.seal(
            &*self.entropy,
            &self.wrap_aad("orders", owner),
            key.expose(),
        ))
    }

    /// Destroys a month key for good. The caller has seen that no order needs it.
    ///
    /// # Errors
    /// [`MonthError`] when `erase.keys` cannot be written; then the key is still there.
    pub fn forget_month_key(&self, label: &str) -> Result<(), MonthError> {
        self.months.forget(label)
    }

    /// Unwraps an order's key.
    ///
    /// # Errors
    /// [`SealError`] when the month's key is gone or the bytes were changed or moved.
    pub fn order_key(
        &self,
        month: &str,
        owner: &[u8],
        wrapped: &[u8],
    ) -> Result<DataKey, SealError> {
        let month_key = self.months.key(month).ok_or(SealError::KeyGone)?;
        DataKey::from_secret(&month_key.open(&self.wrap_aad("orders", owner), wrapped)?)
    }

    /// Whether the month key of that label is there: orders wrapped by one that is not are closed for good.
    pub fn has_month(&self, label: &str) -> bool {
        self.months.key(label).is_some()
    }

    /// Stores the key of `month` ahead of its first order, off the sale's path.
    ///
    /// # Errors
    /// [`MonthError`] when it cannot be stored.
    pub fn prepare_month(&self, month: &str) -> Result<(), MonthError> {
        self.months.ensure(month, &*self.entropy).map(drop)
    }

    /// Seals `plain` under a key derived for `purpose`: channel secrets, the log key.
    pub fn seal_for(&self, purpose: &str, row: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = self.keys().keyset.newest(purpose);
        key.seal(&*self.entropy, &self.aad(purpose, b"", row), plain)
    }

    /// Opens what [`Vault::seal_for`] sealed.
    ///
    /// # Errors
    /// [`SealError`] when the bytes were changed or moved.
    pub fn open_for(&self, purpose: &str, row: &[u8], sealed: &[u8]) -> Result<Secret, SealError> {
        self.opened_for(purpose, row, sealed)
            .map(|(_, opened)| opened)
    }

    /// What [`Vault::seal_for`] sealed, under the newest sealing key; none where it is that already.
    ///
    /// # Errors
    /// [`SealError`] when the bytes were changed or moved.
    pub fn reseal_for(
        &self,
        purpose: &str,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, SealError> {
        let (at, opened) = self.opened_for(purpose, row, sealed)?;
        Ok((at > 0).then(|| self.seal_for(purpose, row, opened.expose())))
    }

    fn opened_for(
        &self,
        purpose: &str,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<(usize, Secret), SealError> {
        let keys = self.keys();
        pool::open_with(
            keys.keyset.sealing(purpose),
            &self.aad(purpose, b"", row),
            sealed,
        )
    }

    /// Labels of the keys that [`Vault::seal_erasable`] made for `name`, the newest last.
    pub fn erasable_labels(&self, name: &str) -> Vec<String> {
        self.months.labels(name)
    }

    /// Seals `plain`, which lies in `row`, under a key of `erase.keys` named `name`, which can be replaced and destroyed as a
    /// month's can. It tells its label, a line of its own, before the sealed bytes.
    ///
    /// # Errors
    /// [`MonthError`] when a new key cannot be stored.
    pub fn seal_erasable(
        &self,
        name: &str,
        row: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, MonthError> {
        let (label, key) = self.months.ensure(name, &*self.entropy)?;
        let sealed = key.seal(&*self.entropy, &self.aad(name, b"", row), plain);
        Ok([label.as_bytes(), b"\n", &sealed].concat())
    }

    /// Opens what [`Vault::seal_erasable`] sealed.
    ///
    /// # Errors
    /// [`SealError`] when its key is gone, or the bytes were changed or moved.
    pub fn open_erasable(
        &self,
        name: &str,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<Secret, SealError> {
        let at = sealed.iter().position(|byte| *byte == b'\n');
        let (label, sealed) = sealed.split_at(at.ok_or(SealError::Forged)?);
        let label = std::str::from_utf8(label).map_err(|_| SealError::Forged)?;
        if label.split('.').next() != Some(name) {
            return Err(SealError::Forged);
        }
        let key = self.months.key(label).ok_or(SealError::KeyGone)?;
        key.open(&self.aad(name, b"", row), &sealed[1..])
    }

    /// The label that binds a sealed row of `table` to its place in this shop.
    pub fn aad<'a>(&'a self, table: &'a str, owner: &'a [u8], row: &'a [u8]) -> Aad<'a> {
        Aad {
            purpose: "row",
            install: &self.install,
            table,
            owner,
            row,
        }
    }

    /// A keyed BLAKE3 fingerprint: equal for equal bytes of one purpose, whatever becomes of the root key, and nothing to those
    /// without it.
    pub fn fingerprint(&self, purpose: &str, bytes: &[u8]) -> [u8; 16] {
        self.identity_mac(purpose, bytes)
    }

    /// The secret of an order's link: its id, and a 160-bit MAC over it, as 38 characters that fit a URL.
    pub fn link_secret(&self, order: u64) -> String {
        token::encode(
            order,
            &self.identity_mac("order link", &order.to_be_bytes()),
        )
    }

    /// The order of a link's secret. Unknown and wrong secrets fail alike, before any look into the store.
    pub fn order_of_link(&self, text: &str) -> Option<u64> {
        let (order, claimed) = token::decode(text)?;
        let expected = self.identity_mac("order link", &order.to_be_bytes());
        token::same(&claimed, &expected).then_some(order)
    }

    /// The secret of the link to a contact's inbox: the contact's fingerprint, until when it is good (Unix milliseconds), and a
    /// 160-bit MAC over both, as text that fits a URL.
    pub fn inbox_secret(&self, contact: &[u8; 16], until_ms: i64) -> String {
        let claim = token::inbox_claim(contact, until_ms);
        token::encode_inbox(&claim, &self.identity_mac("inbox link", &claim))
    }

    /// The contact's fingerprint and the end of an inbox link's secret. The caller holds the end against its clock.
    pub fn inbox_of_link(&self, text: &str) -> Option<([u8; 16], i64)> {
        let (claim, claimed) = token::decode_inbox(text)?;
        let expected = self.identity_mac("inbox link", &claim);
        token::same(&claimed, &expected).then(|| token::read_claim(&claim))
    }

    /// The source of randomness that this vault was opened with.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// The same, to be shared.
    pub fn shared_entropy(&self) -> Arc<dyn Entropy> {
        self.entropy.clone()
    }

    fn identity_mac<const N: usize>(&self, purpose: &str, bytes: &[u8]) -> [u8; N] {
        mac(&self.keys().keyset.identity(purpose), bytes)
    }

    fn wrap_pool_key(&self, owner: &[u8], key: &DataKey) -> Vec<u8> {
        let wrapping = self.keys().keyset.newest(POOL_KEYS);
        wrapping.seal(&*self.entropy, &self.wrap_aad("pools", owner), key.expose())
    }

    fn wrap_aad<'a>(&'a self, table: &'a str, owner: &'a [u8]) -> Aad<'a> {
        Aad {
            purpose: "wrap",
            install: &self.install,
            table,
            owner,
            row: b"",
        }
    }
}

impl Keys {
    /// Tells their root key from others.
    pub fn check_value(&self) -> [u8; 16] {
        self.root.check_value()
    }
}

fn keyset_place(install: &InstallId) -> Aad<'_> {
    Aad {
        purpose: "wrap",
        install,
        table: "keyset",
        owner: b"",
        row: b"",
    }
}

#[cfg(test)]
mod tests;

//! Secrets: the root key, what is derived from it, sealed bytes, order links and query passwords.
//!
//! Owns `root.key` and `erase.keys` in the shop's folder, and every use of XChaCha20-Poly1305, Argon2id and the age format. The tree of keys
//! (security.md, section 2): root key → derivation by purpose → one wrapped data key for each pool; month keys in `erase.keys` →
//! one wrapped key for each order, so that destroying a month key makes erasure real (ledger.md, section 4).
//!
//! Never knows an order, a product or a table: it sees bytes, and labels that bind them to their place. Never prints a secret.

mod age;
mod entropy;
mod months;
mod password;
mod replace;
mod root;
mod seal;
mod token;

use std::path::Path;
use std::sync::Arc;

pub use age::{
    AGE_MAGIC, AgeError, BackupIdentity, BackupRecipient, OpenReader, RecipientError, SealWriter,
    open_sealed, seal_to,
};
pub use entropy::SystemEntropy;
pub use months::{ERASE_KEYS_HEAD, MonthError, MonthKeys};
pub use password::{PasswordHash, hash_password, verify_password};
pub use replace::{replace_bytes, replace_file};
pub use root::{RootKey, RootKeyError};
pub use seal::{Aad, DataKey, SealError};
pub use token::LINK_TEXT_LEN;

use crate::domain::{Entropy, Secret, seams::random};

/// Name of the shop's random installation number, bound into every sealed row.
pub type InstallId = [u8; 16];

/// The opened vault of one shop.
pub struct Vault {
    root: RootKey,
    install: InstallId,
    months: MonthKeys,
    entropy: Arc<dyn Entropy>,
}

impl Vault {
    /// Makes the vault of a new shop, with its first month's key.
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
        let vault = Self::with(dir, root, install, entropy, true)?;
        vault.prepare_month(month)?;
        Ok(vault)
    }

    /// Opens the vault of the shop `install` whose files lie in `dir`.
    ///
    /// # Errors
    /// [`MonthError`] when `erase.keys` is missing, cannot be read, or belongs to another root key.
    pub fn open(
        dir: &Path,
        root: RootKey,
        install: InstallId,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, MonthError> {
        Self::with(dir, root, install, entropy, false)
    }

    fn with(
        dir: &Path,
        root: RootKey,
        install: InstallId,
        entropy: Arc<dyn Entropy>,
        new: bool,
    ) -> Result<Self, MonthError> {
        let wrapping = DataKey::from_bytes(root.derive("erase.keys"));
        let months = MonthKeys::open(dir.join("erase.keys"), wrapping, install, new)?;
        Ok(Self {
            root,
            install,
            months,
            entropy,
        })
    }

    /// The root key's bytes, for a backup that is sealed.
    pub fn root_key(&self) -> Secret {
        self.root.expose()
    }

    /// A value that tells the right root key from a wrong one, without telling the key.
    pub fn check_value(&self) -> [u8; 16] {
        self.root.check_value()
    }

    /// Makes a data key and its wrapped form, bound to `table` and `owner`, under the root key.
    pub fn new_pool_key(&self, owner: &[u8]) -> (DataKey, Vec<u8>) {
        let key = DataKey::from_bytes(random(&*self.entropy));
        let wrapped =
            self.pool_wrapping()
                .seal(&*self.entropy, &self.wrap_aad("pools", owner), key.expose());
        (key, wrapped)
    }

    /// Unwraps a pool's data key.
    ///
    /// # Errors
    /// [`SealError`] when the bytes were changed, moved, or wrapped elsewhere.
    pub fn pool_key(&self, owner: &[u8], wrapped: &[u8]) -> Result<DataKey, SealError> {
        let opened = self
            .pool_wrapping()
            .open(&self.wrap_aad("pools", owner), wrapped)?;
        DataKey::from_secret(&opened)
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
        let key = DataKey::from_bytes(self.root.derive(purpose));
        key.seal(&*self.entropy, &self.aad(purpose, b"", row), plain)
    }

    /// Opens what [`Vault::seal_for`] sealed.
    ///
    /// # Errors
    /// [`SealError`] when the bytes were changed or moved.
    pub fn open_for(&self, purpose: &str, row: &[u8], sealed: &[u8]) -> Result<Secret, SealError> {
        DataKey::from_bytes(self.root.derive(purpose)).open(&self.aad(purpose, b"", row), sealed)
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

    /// A keyed BLAKE3 fingerprint: equal for equal bytes of one purpose, and nothing to those without the root key.
    pub fn fingerprint(&self, purpose: &str, bytes: &[u8]) -> [u8; 16] {
        self.root.mac(purpose, bytes)
    }

    /// The secret of an order's link: its id, and a 160-bit MAC over it, as 38 characters that fit a URL.
    pub fn link_secret(&self, order: u64) -> String {
        token::encode(
            order,
            &self.root.mac_wide("order link", &order.to_be_bytes()),
        )
    }

    /// The order of a link's secret. Unknown and wrong secrets fail alike, before any look into the store.
    pub fn order_of_link(&self, text: &str) -> Option<u64> {
        let (order, claimed) = token::decode(text)?;
        let expected = self.root.mac_wide("order link", &order.to_be_bytes());
        token::same(&claimed, &expected).then_some(order)
    }

    /// The secret of the link to a contact's inbox: the contact's fingerprint, until when it is good (Unix milliseconds), and a
    /// 160-bit MAC over both, as text that fits a URL.
    pub fn inbox_secret(&self, contact: &[u8; 16], until_ms: i64) -> String {
        let claim = token::inbox_claim(contact, until_ms);
        token::encode_inbox(&claim, &self.root.mac_wide("inbox link", &claim))
    }

    /// The contact's fingerprint and the end of an inbox link's secret. The caller holds the end against its clock.
    pub fn inbox_of_link(&self, text: &str) -> Option<([u8; 16], i64)> {
        let (claim, claimed) = token::decode_inbox(text)?;
        let expected = self.root.mac_wide("inbox link", &claim);
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

    fn pool_wrapping(&self) -> DataKey {
        DataKey::from_bytes(self.root.derive("pool keys"))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn vault(dir: &Path, install: InstallId) -> Vault {
        if !RootKey::exists(dir) {
            let root = RootKey::create(dir, &SystemEntropy).unwrap();
            Vault::create(dir, root, install, Arc::new(SystemEntropy), "2026-10").unwrap();
        }
        let root = RootKey::open(dir).unwrap();
        Vault::open(dir, root, install, Arc::new(SystemEntropy)).unwrap()
    }

    #[test]
    fn a_sealed_row_opens_only_at_its_own_place_in_its_own_shop() {
        let dir = tempfile::tempdir().unwrap();
        let here = vault(dir.path(), [1; 16]);
        let (key, wrapped) = here.new_pool_key(b"steam");
        let sealed = key.seal(
            here.entropy(),
            &here.aad("slots", b"steam", b"0:1"),
            b"KEY-1",
        );
        let again = here.pool_key(b"steam", &wrapped).unwrap();
        assert_eq!(
            again
                .open(&here.aad("slots", b"steam", b"0:1"), &sealed)
                .unwrap()
                .expose(),
            b"KEY-1"
        );
        assert!(
            again
                .open(&here.aad("slots", b"steam", b"0:2"), &sealed)
                .is_err(),
            "another row"
        );
        assert!(
            again
                .open(&here.aad("slots", b"epic", b"0:1"), &sealed)
                .is_err(),
            "another pool"
        );
        assert!(
            again
                .open(&here.aad("orders", b"steam", b"0:1"), &sealed)
                .is_err(),
            "another table"
        );
        assert!(
            here.pool_key(b"epic", &wrapped).is_err(),
            "another pool's key"
        );
        let elsewhere = Vault {
            install: [2; 16],
            ..vault(dir.path(), [1; 16])
        };
        assert!(
            again
                .open(&elsewhere.aad("slots", b"steam", b"0:1"), &sealed)
                .is_err(),
            "another shop"
        );
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(
                again
                    .open(&here.aad("slots", b"steam", b"0:1"), &flipped)
                    .is_err(),
                "bit at {at}"
            );
        }
    }

    #[test]
    fn an_orders_key_is_gone_with_its_month() {
        let dir = tempfile::tempdir().unwrap();
        let here = vault(dir.path(), [1; 16]);
        let (label, key, wrapped) = here.new_order_key("2026-11", b"o").unwrap();
        assert_eq!(label, "2026-11");
        let reopened = vault(dir.path(), [1; 16]);
        assert_eq!(
            reopened
                .order_key("2026-11", b"o", &wrapped)
                .unwrap()
                .expose(),
            key.expose()
        );
        assert!(matches!(
            reopened.order_key("2026-12", b"o", &wrapped),
            Err(SealError::KeyGone)
        ));
    }

    #[test]
    fn a_replaced_month_key_opens_what_was_wrapped_again_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let here = vault(dir.path(), [1; 16]);
        let (_, kept_key, kept) = here.new_order_key("2026-11", b"kept").unwrap();
        let (_, _, erased) = here.new_order_key("2026-11", b"erased").unwrap();
        let next = here.replace_month_key("2026-11").unwrap();
        assert_eq!(next, "2026-11.1");
        assert_eq!(here.replace_month_key("2026-11").unwrap(), next, "once");
        let (label, _, _) = here.new_order_key("2026-11", b"new").unwrap();
        assert_eq!(label, next, "new orders take the new key at once");
        let again = here
            .rewrap_order_key("2026-11", &next, b"kept", &kept)
            .unwrap();
        here.forget_month_key("2026-11").unwrap();
        here.forget_month_key("2026-11").unwrap();
        let reopened = vault(dir.path(), [1; 16]);
        let opened = reopened.order_key(&next, b"kept", &again).unwrap();
        assert_eq!(opened.expose(), kept_key.expose());
        for (label, wrapped) in [("2026-11", &erased), (next.as_str(), &erased)] {
            assert!(reopened.order_key(label, b"erased", wrapped).is_err());
        }
        assert_eq!(reopened.replace_month_key(&next).unwrap(), "2026-11.2");
        assert_eq!(
            reopened.new_order_key("2026-11", b"x").unwrap().0,
            "2026-11.2"
        );
    }

    #[test]
    fn missing_month_keys_are_asked_for_and_never_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        drop(vault(dir.path(), [1; 16]));
        std::fs::remove_file(dir.path().join("erase.keys")).unwrap();
        let root = RootKey::open(dir.path()).unwrap();
        let opened = Vault::open(dir.path(), root, [1; 16], Arc::new(SystemEntropy));
        assert!(matches!(opened, Err(MonthError::Missing(_))));
        assert!(!dir.path().join("erase.keys").exists());
    }

    #[test]
    fn an_inbox_link_names_its_contact_and_end_and_no_changed_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let here = vault(dir.path(), [1; 16]);
        let secret = here.inbox_secret(&[7; 16], 1_795_000_000_000);
        assert_eq!(
            here.inbox_of_link(&secret),
            Some(([7; 16], 1_795_000_000_000))
        );
        for at in 0..secret.len() {
            let mut text = secret.clone().into_bytes();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let text = std::str::from_utf8(&text).unwrap();
            assert_eq!(here.inbox_of_link(text), None, "character {at}");
        }
        assert_eq!(here.inbox_of_link(&here.link_secret(7)), None);
    }

    #[test]
    fn an_order_link_opens_its_order_and_no_changed_one_opens_any() {
        let dir = tempfile::tempdir().unwrap();
        let here = vault(dir.path(), [1; 16]);
        let secret = here.link_secret(42);
        assert_eq!(secret.len(), LINK_TEXT_LEN);
        assert_eq!(here.order_of_link(&secret), Some(42));
        for at in 0..secret.len() {
            let mut text = secret.clone().into_bytes();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                here.order_of_link(std::str::from_utf8(&text).unwrap()),
                None,
                "character {at}"
            );
        }
        assert_eq!(here.order_of_link(""), None);
    }
}

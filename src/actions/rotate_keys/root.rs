//! The root key.

use super::super::admin_log::append_admin;
use super::{KeyRotationError, ROOT_SINCE, Shop};
use crate::actions::open_shop::unwritten;
use crate::ledger::entry::What;
use crate::store::{Rows, WriteError};
use crate::vault::{RootKey, RootKeyAt};

/// Points at which a test looks at the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::actions) enum Reached {
    /// `root.key.next` is durable.
    Written,
    /// The database names the new key.
    Committed,
    /// The new key is in its place.
    InPlace,
}

impl Shop {
    /// Replaces the root key: the row of the shop's keys is wrapped by a new one, in one commit with its `admin` entry. What was
    /// sealed before is sealed again by and by. Tells where the new key lies. Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`KeyRotationError`]; then the key before is in force, unless it says that this is not known.
    pub fn replace_root_key(&self) -> Result<RootKeyAt, KeyRotationError> {
        self.replace_root_key_by(&mut |_| ())
    }

    /// The same; `reached` is told after each step.
    pub(in crate::actions) fn replace_root_key_by(
        &self,
        reached: &mut dyn FnMut(Reached),
    ) -> Result<RootKeyAt, KeyRotationError> {
        let _turn = self.rotation.turn();
        let given = RootKey::is_given_to_replace(&self.folder)?;
        if *self.rotation.root_at() == RootKeyAt::Next {
            // A second one would take the file that the credential is still to be made of.
            return Err(KeyRotationError::Pending);
        }
        let stored = self.store.read()?.meta("check")?;
        if stored != Some(self.vault.check_value().to_vec()) {
            return Err(KeyRotationError::Unknown);
        }
        let (root, keys) = self.vault.replaced_root().ok_or(KeyRotationError::Often)?;
        root.write_next(&self.folder)?;
        reached(Reached::Written);
        let (check, row) = (keys.check_value(), self.vault.keyset_row(&keys));
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self.store.write(
            move |tx| -> Result<(), WriteError<std::convert::Infallible>> {
                let now_ms = tx.now_ms();
                tx.put_meta("check", &check)?;
                tx.put_meta("keyset", &row)?;
                tx.put_meta(ROOT_SINCE, &now_ms.to_le_bytes())?;
                // Sealed under a key that is older from here on, and still opens.
                append_admin(tx, &vault, &chain, What::Settings, "root key replaced")?;
                Ok(())
            },
        );
        // After a fault nobody knows whether it is on the disk: both files stay, and the next opening looks.
        write.wait().map_err(unwritten)?;
        self.vault.adopt(keys);
        *self.rotation.newest_since_ms() = Some(self.clock.monotonic_ms());
        reached(Reached::Committed);
        let at = match given {
            true => RootKeyAt::Next,
            false => match RootKey::put_next_in_place(&self.folder) {
                Ok(()) => RootKeyAt::Place,
                Err(error) => {
                    tracing::warn!(%error, "root.key.next is the root key: the next start puts it in place");
                    RootKeyAt::Next
                }
            },
        };
        *self.rotation.root_at() = at;
        reached(Reached::InPlace);
        Ok(at)
    }
}

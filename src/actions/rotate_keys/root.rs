//! The root key.

use std::convert::Infallible;

use super::super::admin_log::append_admin;
use super::{KeyRotationError, ROOT_SINCE, Shop};
use crate::actions::open_shop::unwritten;
use crate::ledger::entry::What;
use crate::store::{Fault, Rows, WriteError};
use crate::vault::{Keys, RootKey, RootKeyAt};

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
        if self.settle_root().is_err() {
            // root.key.next may be the root key: a second replacement would overwrite it.
            return Err(KeyRotationError::Unknown);
        }
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
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                let now_ms = tx.now_ms();
                tx.put_meta("check", &check)?;
                tx.put_meta("keyset", &row)?;
                tx.put_meta(ROOT_SINCE, &now_ms.to_le_bytes())?;
                // Sealed under a key that is older from here on, and still opens.
                append_admin(tx, &vault, &chain, What::Settings, "root key replaced")?;
                Ok(())
            });
        if let Err(error) = write.wait() {
            // Nobody knows whether it is on the disk: both files stay until somebody does, at the latest the next opening.
            *self.rotation.unsure() = Some(keys);
            if self.settle_root().is_err() || self.vault.check_value() != check {
                return Err(unwritten(error).into());
            }
        } else {
            self.adopt_root(keys);
        }
        reached(Reached::Committed);
        if !given {
            self.put_root_key_in_place();
        }
        reached(Reached::InPlace);
        Ok(*self.rotation.root_at())
    }

    /// Finds out how a replacement ended whose commit failed, and puts its keys in force where it is on the disk. Who calls has the
    /// turn.
    ///
    /// # Errors
    /// [`Fault`] while the disk does not tell; then the next call looks.
    pub(super) fn settle_root(&self) -> Result<(), Fault> {
        let mut unsure = self.rotation.unsure();
        if unsure.is_none() {
            return Ok(());
        }
        // Looked at in the writer's turn: it begins after the database was opened again, while a snapshot may be of before.
        let look = self
            .store
            .write(|tx| -> Result<Option<Vec<u8>>, WriteError<Infallible>> {
                Ok(tx.meta("check")?)
            });
        let stored = look.wait().map_err(unwritten)?;
        if let Some(keys) = unsure.take()
            && stored == Some(keys.check_value().to_vec())
        {
            tracing::warn!("the root key was replaced, though the disk failed at its commit");
            self.adopt_root(keys);
        }
        Ok(())
    }

    /// Puts keys in force that are committed and whose root key lies in `root.key.next`.
    fn adopt_root(&self, keys: Keys) {
        self.vault.adopt(keys);
        *self.rotation.newest_since_ms() = Some(self.clock.monotonic_ms());
        *self.rotation.root_at() = RootKeyAt::Next;
    }

    /// Puts `root.key.next` in its place, where it is the root key and no credential stands for it. What fails is tried again, and at
    /// the latest by the next opening.
    pub(in crate::actions) fn put_root_key_in_place(&self) {
        let mut at = self.rotation.root_at();
        if *at == RootKeyAt::Place || RootKey::is_given_to_replace(&self.folder).unwrap_or(true) {
            return;
        }
        match RootKey::put_next_in_place(&self.folder, &self.vault.check_value()) {
            Ok(()) => *at = RootKeyAt::Place,
            Err(error) => {
                tracing::warn!(%error, "root.key.next is the root key and is not in its place yet");
            }
        }
    }
}

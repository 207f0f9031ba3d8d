//! The public half of the key pair that backups are sealed to.

use crate::actions::admin_log::append_admin;
use crate::actions::open_shop::{Shop, unwritten};
use crate::domain::Secret;
use crate::ledger::entry::What;
use crate::ledger::note::Vkey;
use crate::ledger::sign::RecoverySecret;
use crate::store::{Fault, Rows, WriteError};
use crate::vault::{BackupIdentity, BackupRecipient};

/// Meta row of the public half: 32 bytes.
pub(in crate::actions) const RECIPIENT_ROW: &str = "backup_recipient";

/// Why the shop does not get this key.
#[derive(Debug, thiserror::Error)]
pub enum BackupKeyError {
    /// Neither words nor digits.
    #[error("the recovery secret is 24 words, or 64 hex digits, as `keystall init` showed them")]
    Recovery,
    /// Another shop's.
    #[error("this recovery secret is not the one of this shop's ledger: look for the right sheet")]
    Stranger,
}

/// The key pair that a recovery secret gives for the backups of the shop whose `root_vkey` is that; without one it is not
/// compared.
///
/// # Errors
/// [`BackupKeyError`].
pub fn backup_identity(
    recovery: &Secret,
    root_vkey: Option<&str>,
) -> Result<BackupIdentity, BackupKeyError> {
    let text = recovery.expose_str().ok_or(BackupKeyError::Recovery)?;
    let secret = RecoverySecret::parse(text).map_err(|_| BackupKeyError::Recovery)?;
    let Some(root) = root_vkey else {
        return Ok(identity_of(&secret));
    };
    let root = Vkey::parse(root).map_err(|_| BackupKeyError::Stranger)?;
    match secret.root_vkey(root.name()) == root {
        true => Ok(identity_of(&secret)),
        false => Err(BackupKeyError::Stranger),
    }
}

/// The key pair of a recovery secret.
pub(in crate::actions) fn identity_of(secret: &RecoverySecret) -> BackupIdentity {
    BackupIdentity::from_seed(&secret.backup_seed())
}

/// The same of its text.
pub(super) fn identity_of_text(secret: &Secret) -> Option<BackupIdentity> {
    let secret = RecoverySecret::parse(secret.expose_str()?).ok()?;
    Some(identity_of(&secret))
}

impl Shop {
    /// The key that backups are sealed to; none in a shop that was founded before there were backups.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn backup_recipient(&self) -> Result<Option<BackupRecipient>, Fault> {
        let row = self.store.read()?.meta(RECIPIENT_ROW)?;
        let bytes = row.map(<[u8; 32]>::try_from).transpose();
        let bytes = bytes.map_err(|_| Fault::Invariant("the backups' key has 32 bytes"))?;
        let recipient = bytes.map(BackupRecipient::from_bytes).transpose();
        recipient.map_err(|_| {
            Fault::Invariant(
                "the key that backups are sealed to is a point that seals something: `keystall backup key --recovery FILE` puts the right one in its place",
            )
        })
    }

    /// Keeps the key that backups are sealed to from now on; the ledger says so. Gives whether it is another than before.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn put_backup_key(&self, recipient: BackupRecipient) -> Result<bool, Fault> {
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self.store.write(
            move |tx| -> Result<bool, WriteError<std::convert::Infallible>> {
                if tx.meta(RECIPIENT_ROW)?.as_deref() == Some(recipient.as_bytes().as_slice()) {
                    return Ok(false);
                }
                tx.put_meta(RECIPIENT_ROW, recipient.as_bytes())?;
                let text = format!("backups are sealed to {recipient}");
                append_admin(tx, &vault, &chain, What::Backup, &text)?;
                Ok(true)
            },
        );
        write.wait().map_err(unwritten)
    }
}

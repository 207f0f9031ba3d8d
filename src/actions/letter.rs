//! What a mail needs, opened for the moment of its sending.

use std::convert::Infallible;

use super::anchors::KeptCheckpoint;
use super::backup::BackupAlarm;
use super::certificates::CertificateAlarm;
use super::deliver::open_private;
use super::notices::NOTICES_LABEL;
use super::open_shop::{Shop, unwritten};
use crate::domain::{Contact, Effect, EffectKind, Order, OrderState, Product, Secret, Slug, Via};
use crate::store::{
    Fault, LetterContent, Rows, Template, Tx, WriteError, decode_sealed, encode_sealed,
};
use crate::vault::{SealError, Vault};

/// Purpose of the key that sealed the content of messages that belong to no order, in older data.
pub(super) const PURPOSE: &str = "outbox";
/// Messages looked at, or sealed anew, in one step.
const PAGE: usize = 200;
/// How long the link to a contact's inbox is good for.
pub const INBOX_LINK_MS: i64 = 7 * 24 * 3_600_000;

/// Everything that one mail says, opened. It lives no longer than its sending.
pub struct Letter {
    /// The buyer's address; none for the merchant, and where the buyer has none.
    pub to: Option<Contact>,
    /// Language tag that the buyer reads; none for the merchant.
    pub language: Option<String>,
    /// The order that it is about.
    pub order: Option<Order>,
    /// The path of the link that it carries.
    pub path: Option<String>,
    /// Keys that were handed out.
    pub keys: Vec<Secret>,
    /// The receipt file.
    pub receipt: Option<String>,
    /// The product that it is about, as it is now.
    pub product: Option<Product>,
    /// The signed state of the ledger that it carries.
    pub checkpoint: Option<KeptCheckpoint>,
    /// What is wrong with the certificate.
    pub certificate: Option<CertificateAlarm>,
    /// What is wrong with the backups.
    pub backup: Option<BackupAlarm>,
}

impl Shop {
    /// Opens what an effect's mail needs. None where nothing is to be told any more.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn letter(&self, effect: &Effect) -> Result<Option<Letter>, Fault> {
        match effect.order {
            Some(id) => {
                let Some(order) = self.store.read()?.order(id)? else {
                    return Ok(None);
                };
                let about_unread = matches!(
                    effect.kind,
                    EffectKind::OrderReminder | EffectKind::OrderUnread
                );
                // Opened since it was promised: there is nothing to remind of.
                if about_unread && !self.is_unread(&order)? {
                    return Ok(None);
                }
                // Nobody is left to be told.
                if order.is_erased() && effect.via == Via::BuyerMail {
                    return Ok(None);
                }
                self.letter_of_order(effect, order).map(Some)
            }
            None if effect.kind == EffectKind::Checkpoint => self.letter_of_checkpoint(effect),
            None if effect.kind == EffectKind::CertificateOverdue => {
                // Renewed since it was promised: there is nothing to tell.
                Ok(self.certificate_alarm()?.map(|alarm| Letter {
                    certificate: Some(alarm),
                    ..Letter::bare()
                }))
            }
            None if effect.kind == EffectKind::BackupFailed => {
                // Made since it was promised: there is nothing to tell.
                Ok(self.backup_alarm()?.map(|alarm| Letter {
                    backup: Some(alarm),
                    ..Letter::bare()
                }))
            }
            None if effect.content.is_empty() => Ok(Some(Letter::bare())),
            None => self.letter_of_content(effect),
        }
    }

    fn letter_of_checkpoint(&self, effect: &Effect) -> Result<Option<Letter>, Fault> {
        let checkpoint = self.promised_checkpoint(effect)?;
        Ok(checkpoint.map(|checkpoint| Letter {
            checkpoint: Some(checkpoint),
            ..Letter::bare()
        }))
    }

    fn letter_of_order(&self, effect: &Effect, order: Order) -> Result<Letter, Fault> {
        let product = self.store.read()?.product(&order.product)?;
        let bare = Letter {
            product,
            ..Letter::bare()
        };
        if effect.via != Via::BuyerMail {
            return Ok(Letter {
                order: Some(order),
                ..bare
            });
        }
        let (private, _) = open_private(&self.vault, &order)?;
        let content = self.open_delivery(&order)?;
        let keys = content.into_iter().flat_map(|content| content.keys);
        let receipt = match order.state {
            OrderState::Delivered => match self.receipt(order.id) {
                Ok(receipt) => Some(receipt),
                Err(super::ReceiptError::Fault(fault)) => return Err(fault),
                Err(_) => None,
            },
            _ => None,
        };
        Ok(Letter {
            to: private.mail().map(Contact::stored),
            language: Some(private.language.clone()),
            path: Some(format!("/o/{}", self.vault.link_secret(order.id.0))),
            keys: keys.map(|key| Secret::new(key.key.clone())).collect(),
            receipt,
            order: Some(order),
            ..bare
        })
    }

    fn letter_of_content(&self, effect: &Effect) -> Result<Option<Letter>, Fault> {
        let Some(content) = open_content(&self.vault, effect)? else {
            // In a copy of the database older than an erasure: whom it was for was destroyed with the key.
            tracing::warn!(
                effect = effect.id,
                "the key of a message is gone: it is not sent"
            );
            return Ok(None);
        };
        let product = match content.product.as_deref().map(Slug::parse) {
            Some(Ok(slug)) => self.store.read()?.product(&slug)?,
            _ => None,
        };
        let contact = Contact::stored(&content.contact);
        let path = match (effect.kind, &product) {
            (EffectKind::InboxLink, _) => {
                let fingerprint = self
                    .vault
                    .fingerprint("contact", contact.canonical().as_bytes());
                let until_ms = effect.promised_at_ms + INBOX_LINK_MS;
                let secret = self.vault.inbox_secret(&fingerprint, until_ms);
                Some(format!("/inbox/{secret}"))
            }
            (_, Some(product)) => Some(format!("/p/{}", product.slug)),
            _ => None,
        };
        Ok(Some(Letter {
            to: Some(contact),
            language: Some(content.language),
            path,
            product,
            ..Letter::bare()
        }))
    }

    /// Seals the content of the message number `effect`, under the key that is replaced after each erasure: what freed pages and
    /// copies keep of a message that was sent is gone with it.
    pub(super) fn seal_letter(
        vault: &Vault,
        effect: u64,
        content: &LetterContent,
    ) -> Result<Vec<u8>, Fault> {
        let plain = zeroize::Zeroizing::new(encode_sealed(content));
        vault
            .seal_erasable(NOTICES_LABEL, &row(effect), &plain)
            .map_err(|error| {
                // Not the database's: sales of the same batch have no part in it.
                tracing::error!(%error, "a message's key is not stored: the message is not kept");
                Fault::Invariant("the key of messages is stored in erase.keys")
            })
    }

    /// Seals the messages that wait anew, those that are not under the newest key, in one pass. Gives how many.
    pub(super) fn reseal_letters(&self) -> Result<usize, Fault> {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.store.read()?.effects_after(after, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(count);
            };
            after = Some(last.id);
            let old = page
                .iter()
                .filter(|effect| is_under_older(&self.vault, effect));
            let ids: Vec<u64> = old.map(|effect| effect.id).collect();
            if ids.is_empty() {
                continue;
            }
            let vault = self.vault.clone();
            let write = self
                .store
                .write(move |tx| -> Result<usize, WriteError<Infallible>> {
                    let mut count = 0;
                    for id in &ids {
                        count += usize::from(reseal(tx, &vault, *id)?);
                    }
                    Ok(count)
                });
            count += write.wait().map_err(unwritten)?;
        }
    }

    /// The merchant's own text of a message, where there is one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn template(&self, kind: &str, language: &str) -> Result<Option<Template>, Fault> {
        self.store.read()?.template(kind, language)
    }

    /// All of the merchant's own texts, with kind and language.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn templates(&self) -> Result<Vec<(String, String, Template)>, Fault> {
        self.store.read()?.templates()
    }

    /// Writes the merchant's own text of a message, or takes it away. The caller has checked its placeholders.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn set_template(
        &self,
        kind: &str,
        language: &str,
        template: Option<Template>,
    ) -> Result<(), Fault> {
        let (kind, language) = (kind.to_owned(), language.to_owned());
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                Ok(tx.put_template(&kind, &language, template.as_ref())?)
            });
        write.wait().map_err(unwritten)
    }
}

impl Letter {
    fn bare() -> Self {
        Self {
            to: None,
            language: None,
            order: None,
            path: None,
            keys: Vec::new(),
            receipt: None,
            product: None,
            checkpoint: None,
            certificate: None,
            backup: None,
        }
    }
}

/// Whether `effect` carries the link to the orders of one of `contacts`, which are in their canonical form.
pub(super) fn is_inbox_link_to(vault: &Vault, effect: &Effect, contacts: &[String]) -> bool {
    effect.kind == EffectKind::InboxLink
        && matches!(open_content(vault, effect), Ok(Some(content))
            if contacts.contains(&Contact::stored(&content.contact).canonical()))
}

/// None where its key was destroyed after an erasure.
fn open_content(vault: &Vault, effect: &Effect) -> Result<Option<LetterContent>, Fault> {
    let opened = match vault.open_erasable(NOTICES_LABEL, &row(effect.id), &effect.content) {
        Err(SealError::KeyGone) => return Ok(None),
        Err(SealError::Forged) => {
            vault.open_for(PURPOSE, &effect.id.to_be_bytes(), &effect.content)
        }
        opened => opened,
    };
    let opened = opened.map_err(|_| Fault::Invariant("a message's content opens"))?;
    let content = decode_sealed(opened.expose()).map_err(|error| Fault::Record {
        table: "outbox",
        error,
    });
    content.map(Some)
}

/// Seals one message anew. One that does not open is left as it is: it keeps no key from being replaced.
fn reseal(tx: &mut Tx<'_>, vault: &Vault, id: u64) -> Result<bool, Fault> {
    let Some(before) = tx
        .effect(id)?
        .filter(|effect| is_under_older(vault, effect))
    else {
        return Ok(false);
    };
    let content = match open_content(vault, &before) {
        Ok(Some(content)) => content,
        // Its sending finds it needless.
        Ok(None) => return Ok(false),
        Err(_) => {
            tracing::error!(effect = id, "a message that waits does not open");
            return Ok(false);
        }
    };
    let after = Effect {
        content: Shop::seal_letter(vault, id, &content)?,
        ..before.clone()
    };
    tx.put_effect(&after, Some(&before))?;
    Ok(true)
}

/// Whether a message has content of its own, and that is sealed under another key than the newest.
fn is_under_older(vault: &Vault, effect: &Effect) -> bool {
    let sealed = matches!(effect.kind, EffectKind::InboxLink | EffectKind::BackInStock);
    let newest = vault.erasable_labels(NOTICES_LABEL).pop();
    let newest = newest.map(|label| format!("{label}\n").into_bytes());
    sealed
        && !effect.content.is_empty()
        && newest.is_none_or(|label| !effect.content.starts_with(&label))
}

/// The place that a message's content is bound to.
fn row(effect: u64) -> [u8; 14] {
    let mut row = *b"outbox\0\0\0\0\0\0\0\0";
    row[6..].copy_from_slice(&effect.to_be_bytes());
    row
}

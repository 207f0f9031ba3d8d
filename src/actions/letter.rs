//! What a mail needs, opened for the moment of its sending.

use super::anchors::KeptCheckpoint;
use super::certificates::CertificateAlarm;
use super::deliver::open_private;
use super::open_shop::Shop;
use crate::domain::{Contact, Effect, EffectKind, Order, OrderState, Product, Secret, Slug, Via};
use crate::store::{Fault, LetterContent, Rows, Template, decode_sealed, encode_sealed};

/// Purpose of the key that seals the content of messages that belong to no order.
const PURPOSE: &str = "outbox";
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
            None if effect.content.is_empty() => Ok(Some(Letter::bare())),
            None => self.letter_of_content(effect).map(Some),
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
            keys: keys.map(|key| Secret::new(key.key)).collect(),
            receipt,
            order: Some(order),
            ..bare
        })
    }

    fn letter_of_content(&self, effect: &Effect) -> Result<Letter, Fault> {
        let opened = self
            .vault
            .open_for(PURPOSE, &effect.id.to_be_bytes(), &effect.content)
            .map_err(|_| Fault::Invariant("a message's content opens"))?;
        let content: LetterContent =
            decode_sealed(opened.expose()).map_err(|error| Fault::Record {
                table: "outbox",
                error,
            })?;
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
        Ok(Letter {
            to: Some(contact),
            language: Some(content.language),
            path,
            product,
            ..Letter::bare()
        })
    }

    /// Seals the content of the message number `effect`.
    pub(super) fn seal_letter(
        vault: &crate::vault::Vault,
        effect: u64,
        content: &LetterContent,
    ) -> Vec<u8> {
        let plain = zeroize::Zeroizing::new(encode_sealed(content));
        vault.seal_for(PURPOSE, &effect.to_be_bytes(), &plain)
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
        let write = self.store.write(
            move |tx| -> Result<(), crate::store::WriteError<std::convert::Infallible>> {
                Ok(tx.put_template(&kind, &language, template.as_ref())?)
            },
        );
        write.wait().map_err(super::open_shop::unwritten)
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
        }
    }
}

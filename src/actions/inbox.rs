//! All orders of a contact, behind a link that goes to that contact's own mailbox and nowhere else.
//!
//! Asking for the link tells nothing: the asker's answer is made before anybody looks whether there is such a contact, and what
//! follows happens by the schedule, together for all who asked.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::deliver::{contacts_of, index_contacts, open_private};
use super::open_shop::{Shop, unwritten};
use crate::domain::{Contact, EffectKind, Order, OrderId, Via};
use crate::store::{Fault, LetterContent, OrderPrivate, Rows, Snapshot, Told, WriteError};

/// A contact's orders, one page.
pub struct Inbox {
    /// The contact as it stands with the newest of them.
    pub contact: Contact,
    /// The orders, newest first.
    pub orders: Vec<InboxOrder>,
    /// Behind which order the next page begins, if there is one.
    pub more: Option<OrderId>,
    /// Until when the link is good, Unix milliseconds.
    pub until_ms: i64,
}

/// One order of an inbox.
pub struct InboxOrder {
    /// The order.
    pub order: Order,
    /// Whether it was delivered and its page not opened since.
    pub unread: bool,
    /// What was told about it, oldest first.
    pub told: Vec<Told>,
}

/// Why no inbox is shown.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// Not a link of this shop, or nothing behind it.
    #[error("there is no such inbox")]
    Unknown,
    /// Its time is over.
    #[error("this link is over")]
    Over,
    /// The shop failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Fingerprints of contacts that somebody asked a link for.
#[derive(Default)]
pub(super) struct InboxAsked(Mutex<HashSet<[u8; 16]>>);

/// Contacts that wait for the next round, which is seconds away. More at once is a flood, and those beyond it ask again.
const ASKED_MAX: usize = 1_000;
/// Orders on one page.
const PAGE: usize = 20;
/// Messages shown of one order.
const TOLD_MAX: usize = 50;
/// Orders of a contact that are looked at for its address.
const LOOKED_AT_MAX: usize = 20;

impl Shop {
    /// Somebody asks for the link to a contact's inbox. It takes the same time for a known and an unknown contact, and for one that
    /// was asked for before: nothing is looked up here.
    pub fn ask_for_inbox(&self, contact: &Contact) {
        let fingerprint = self.contact_fingerprint(contact);
        let mut asked = self.inbox_asked.contacts();
        if asked.len() < ASKED_MAX {
            asked.insert(fingerprint);
        }
    }

    /// Promises the links that were asked for to those contacts that have orders: to the address that stands with the order, never
    /// to one that was typed. Gives how many. Called every two seconds.
    ///
    /// # Errors
    /// [`Fault`]; those who asked are kept for the next time.
    pub async fn send_inbox_links(&self) -> Result<usize, Fault> {
        let asked = std::mem::take(&mut *self.inbox_asked.contacts());
        if asked.is_empty() || !self.policy.tell.buyer_mail {
            return Ok(0);
        }
        let mut letters = Vec::new();
        for fingerprint in &asked {
            // One that cannot be read keeps the others from nothing.
            match self.inbox_letter(fingerprint) {
                Ok(letter) => letters.extend(letter),
                Err(error) => tracing::error!(%error, "a contact's orders cannot be read"),
            }
        }
        if letters.is_empty() {
            return Ok(0);
        }
        let (count, vault) = (letters.len(), self.vault.clone());
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                for letter in &letters {
                    tx.promise_with(EffectKind::InboxLink, Via::BuyerMail, None, 0, |effect| {
                        Self::seal_letter(&vault, effect, letter)
                    })?;
                }
                Ok(())
            });
        write.answer().await.map_err(|error| {
            // They were told that a mail is on its way.
            self.inbox_asked.contacts().extend(asked);
            unwritten(error)
        })?;
        Ok(count)
    }

    /// One page of the inbox that a link's secret opens, of orders older than `before`.
    ///
    /// # Errors
    /// [`InboxError`].
    pub fn inbox(&self, secret: &str, before: Option<OrderId>) -> Result<Inbox, InboxError> {
        let link = self.vault.inbox_of_link(secret);
        let (fingerprint, until_ms) = link.ok_or(InboxError::Unknown)?;
        if self.clock.now_ms() >= until_ms {
            return Err(InboxError::Over);
        }
        let snapshot = self.store.read()?;
        let contact = self.known_contact(&snapshot, &fingerprint)?;
        let (contact, _) = contact.ok_or(InboxError::Unknown)?;
        // One more than is shown tells whether there are more.
        let mut ids = snapshot.orders_of_contact(&fingerprint, before, PAGE + 1)?;
        let more = ids.len() > PAGE;
        ids.truncate(PAGE);
        let mut orders = Vec::with_capacity(ids.len());
        for id in ids {
            orders.extend(inbox_order(&snapshot, id)?);
        }
        let last = orders.last().map(|shown: &InboxOrder| shown.order.id);
        Ok(Inbox {
            contact,
            more: last.filter(|_| more),
            orders,
            until_ms,
        })
    }

    /// Lets orders of older data be found by their contacts: those with money or goods. Repeated after a crash, it writes the same.
    pub(super) fn index_old_contacts(&self) -> Result<(), Fault> {
        const AT_A_TIME: usize = 500;
        let mut before = None;
        loop {
            let orders = self.store.read()?.orders_before(before, AT_A_TIME)?;
            let Some(last) = orders.last() else {
                return Ok(());
            };
            before = Some(last.id);
            let vault = self.vault.clone();
            let write = self
                .store
                .write(move |tx| -> Result<(), WriteError<Infallible>> {
                    let known = |order: &&Order| {
                        let sold = !order.payments.is_empty() || order.sale.is_some();
                        sold && !order.is_erased()
                    };
                    for order in orders.iter().filter(known) {
                        match open_private(&vault, order) {
                            Ok((private, _)) => {
                                index_contacts(tx, &contacts_of(&vault, &private), order.id)?;
                            }
                            Err(error) => {
                                tracing::error!(order = %order.id, %error, "an order's buyer cannot be read");
                            }
                        }
                    }
                    Ok(())
                });
            write.wait().map_err(unwritten)?;
        }
    }

    /// The name under which a contact's orders are found.
    pub(super) fn contact_fingerprint(&self, contact: &Contact) -> [u8; 16] {
        self.vault
            .fingerprint("contact", contact.canonical().as_bytes())
    }

    fn inbox_letter(&self, fingerprint: &[u8; 16]) -> Result<Option<LetterContent>, Fault> {
        let snapshot = self.store.read()?;
        let known = self.known_contact(&snapshot, fingerprint)?;
        let mail = known.filter(|(contact, _)| contact.is_mail());
        Ok(mail.map(|(contact, private)| LetterContent {
            contact: contact.expose().to_owned(),
            language: private.language.clone(),
            product: None,
        }))
    }

    /// The contact of a fingerprint, as it stands with the newest order that still has it.
    fn known_contact(
        &self,
        snapshot: &Snapshot,
        fingerprint: &[u8; 16],
    ) -> Result<Option<(Contact, OrderPrivate)>, Fault> {
        for id in snapshot.orders_of_contact(fingerprint, None, LOOKED_AT_MAX)? {
            let Some(order) = snapshot.order(id)?.filter(|order| !order.is_erased()) else {
                continue;
            };
            let (private, _) = open_private(&self.vault, &order)?;
            let typed = [Some(private.contact.as_str()), private.second.as_deref()];
            let found = typed
                .into_iter()
                .flatten()
                .map(Contact::stored)
                .find(|contact| self.contact_fingerprint(contact) == *fingerprint);
            if let Some(contact) = found {
                return Ok(Some((contact, private)));
            }
        }
        Ok(None)
    }
}

fn inbox_order(snapshot: &Snapshot, id: OrderId) -> Result<Option<InboxOrder>, Fault> {
    let Some(order) = snapshot.order(id)? else {
        return Ok(None);
    };
    let unread = match order.delivered_at_ms {
        Some(at_ms) => snapshot.unread(at_ms, id)?.is_some(),
        None => false,
    };
    Ok(Some(InboxOrder {
        order,
        unread,
        told: snapshot.told(id, TOLD_MAX)?,
    }))
}

impl InboxAsked {
    fn contacts(&self) -> MutexGuard<'_, HashSet<[u8; 16]>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

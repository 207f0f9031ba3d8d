//! Handing out: the keys of an order's slots, its `sale` in the ledger, and what the merchant is told, in the caller's write.

use super::chain::Chain;
use super::open_shop::Shop;
use super::unread::Stage;
use super::{outbox, stock};
use crate::domain::{
    Contact, EffectKind, Order, OrderId, OrderState, Pool, Reason, SlotRef, Tell, Via,
    seams::random,
};
use crate::ledger::Hash;
use crate::ledger::commitment::{self, Field};
use crate::ledger::entry::{Body, Kind, Sale, SlotList, split_slots};
use crate::store::{
    DeliveredKey, DeliveryContent, Fault, Held, OrderPrivate, Rows, Tx, WaitKind, WriteError,
    decode_sealed, encode_sealed,
};
use crate::vault::{DataKey, Vault};

/// What handing out needs besides the order.
pub(super) struct Counter<'a> {
    pub vault: &'a Vault,
    pub chain: &'a Chain,
    pub tell: Tell,
}

/// What an order gets, ready to be written.
pub(super) struct Goods {
    slots: Vec<SlotRef>,
    content: DeliveryContent,
    /// `content` under the order's key.
    sealed: Vec<u8>,
    /// Commitments of the sale.
    buyer: Hash,
    pay: Hash,
}

/// Bytes of the salt before a stored key.
pub(super) const SALT_BYTES: usize = 32;

impl Counter<'_> {
    /// Whether `order` can be handed out now: its own slots are reserved, or enough others are available.
    pub(super) fn has_stock(&self, tx: &Tx<'_>, order: &Order) -> Result<bool, Fault> {
        if !order.slots.is_empty() {
            return Ok(true);
        }
        let pool = tx.pool(&order.product)?;
        Ok(pool.is_some_and(|pool| pool.available >= order.quantity))
    }

    /// Opens and seals what an order will get, of slots that are its own: what can be done before the write that hands it out.
    pub(super) fn pack(
        &self,
        rows: &impl Rows,
        order: &Order,
        (paid, contact): ((&str, &str), &str),
        key: &DataKey,
        slots: &[SlotRef],
    ) -> Result<Goods, Fault> {
        let content = DeliveryContent {
            keys: self.open_keys(rows, order, slots)?,
            buyer_salt: random(self.vault.entropy()),
            pay_salt: random(self.vault.entropy()),
            pay: format!("{}\n{}", paid.0, paid.1),
            more: 0,
            replaced: Vec::new(),
        };
        Ok(Goods {
            slots: slots.to_vec(),
            buyer: commitment::field(&content.buyer_salt, Field::Buyer, contact.as_bytes()),
            pay: commitment::field(&content.pay_salt, Field::Pay, content.pay.as_bytes()),
            sealed: self.seal_delivery(order, key, &content),
            content,
        })
    }

    fn seal_delivery(&self, order: &Order, key: &DataKey, content: &DeliveryContent) -> Vec<u8> {
        let (id, plain) = (
            order.id.0.to_be_bytes(),
            zeroize::Zeroizing::new(encode_sealed(content)),
        );
        let place = self.vault.aad("orders", &id, b"delivery");
        key.seal(self.vault.entropy(), &place, &plain)
    }

    /// Hands `order` out. It is paid by the last transaction in `private`; there is stock. `packed` is what was packed for it, where
    /// that was done before. The order is changed, not yet written.
    pub(super) fn hand_out(
        &self,
        tx: &mut Tx<'_>,
        order: &mut Order,
        private: &OrderPrivate,
        key: &DataKey,
        packed: Option<&Goods>,
    ) -> Result<(), Fault> {
        let slots = self.take_slots(tx, order)?;
        let made;
        let goods = match packed.filter(|packed| packed.slots == slots) {
            Some(packed) => packed,
            None => {
                let paid = paying_transaction(order, private)?;
                made = self.pack(tx, order, (paid, &private.contact), key, &slots)?;
                &made
            }
        };
        remove_keys(tx, &slots)?;
        let more = self.append_sale(tx, order, goods)?;
        order.delivery = match more {
            0 => goods.sealed.clone(),
            more => {
                let content = DeliveryContent {
                    more,
                    ..goods.content.clone()
                };
                self.seal_delivery(order, key, &content)
            }
        };
        order.slots = slots;
        order.state = OrderState::Delivered;
        order.delivered_at_ms = Some(tx.now_ms());
        outbox::tell_merchant(tx, self.tell, EffectKind::OrderDelivered, order.id)?;
        if self.tell.buyer_mail {
            if private.reaches_by_mail() {
                tx.promise(EffectKind::OrderDelivered, Via::BuyerMail, order.id)?;
            }
            tx.put_unread(tx.now_ms(), order.id, Some(Stage::Told as u8))?;
        }
        Ok(())
    }

    fn take_slots(&self, tx: &mut Tx<'_>, order: &Order) -> Result<Vec<SlotRef>, Fault> {
        let mut pool = tx
            .pool(&order.product)?
            .ok_or(Fault::Invariant("a product has its pool"))?;
        let out = Held::Out(order.id.0);
        let slots = if order.slots.is_empty() {
            stock::take(tx, &mut pool, order.quantity, out)?
        } else {
            self.keep_reserved(tx, &mut pool, order, out)?
        };
        if slots.len() != order.quantity as usize {
            return Err(Fault::Invariant("an order is handed out whole"));
        }
        tx.put_pool(&pool)?;
        Ok(slots)
    }

    fn keep_reserved(
        &self,
        tx: &mut Tx<'_>,
        pool: &mut Pool,
        order: &Order,
        out: Held,
    ) -> Result<Vec<SlotRef>, Fault> {
        for slot in &order.slots {
            if tx.put_held(*slot, Some(out))? != Some(Held::Reserved(order.id.0)) {
                return Err(Fault::Invariant(
                    "a slot is handed out by the order that reserved it",
                ));
            }
        }
        let count = order.slots.len() as u32;
        pool.reserved = pool
            .reserved
            .checked_sub(count)
            .ok_or(Fault::Invariant("a pool counts its reservations"))?;
        pool.sold += count;
        Ok(order.slots.clone())
    }

    /// Opens the keys of slots that are not handed out.
    pub(super) fn open_keys(
        &self,
        rows: &impl Rows,
        order: &Order,
        slots: &[SlotRef],
    ) -> Result<Vec<DeliveredKey>, Fault> {
        let slug = order.product.as_str().as_bytes();
        let pool = rows
            .pool(&order.product)?
            .ok_or(Fault::Invariant("a product has its pool"))?;
        let pool_key = self
            .vault
            .pool_key(slug, &pool.wrapped_key)
            .map_err(|_| Fault::Invariant("a pool's key opens"))?;
        let mut keys = Vec::with_capacity(slots.len());
        for slot in slots {
            let row = rows
                .slot(*slot)?
                .ok_or(Fault::Invariant("a slot not handed out holds its key"))?;
            let opened = pool_key.open(
                &self.vault.aad("slots", slug, &slot_row(*slot)),
                &row.sealed,
            );
            let opened = opened.map_err(|_| Fault::Invariant("a stored key opens at its place"))?;
            let (salt, key) = opened
                .expose()
                .split_first_chunk::<SALT_BYTES>()
                .ok_or(Fault::Invariant("a stored key has its salt"))?;
            keys.push(DeliveredKey {
                slot: (slot.batch, slot.index),
                salt: *salt,
                key: key.to_vec(),
            });
        }
        Ok(keys)
    }

    /// Gives the number of `slots` entries that follow the sale.
    fn append_sale(&self, tx: &mut Tx<'_>, order: &mut Order, goods: &Goods) -> Result<u32, Fault> {
        let number = order.id.to_string();
        let pairs = goods.slots.iter();
        let list = SlotList::from_pairs(pairs.map(|slot| (u64::from(slot.batch), slot.index)));
        let list = list.ok_or(Fault::Invariant("no slot is handed out twice"))?;
        let sale = Sale {
            order: &number,
            sku: order.product.as_str(),
            kind: Kind::Pool,
            qty: u64::from(order.quantity),
            amt: order.accepted(),
            cur: order.total.currency.as_str(),
            buyer: goods.buyer,
            pay: goods.pay,
            slots: None,
        };
        let mut lists = split_slots(&sale, list).into_iter();
        let at = self.chain.append(
            tx,
            &Body::Sale(Sale {
                slots: lists.next(),
                ..sale.clone()
            }),
        )?;
        let mut more = 0;
        for slots in lists {
            self.chain.append(
                tx,
                &Body::Slots {
                    sale: at.seq(),
                    slots,
                    r: random(self.vault.entropy()),
                },
            )?;
            more += 1;
        }
        order.sale = Some(at);
        Ok(more)
    }
}

/// Takes keys out of the pool: from here on they lie with the order alone.
pub(super) fn remove_keys(tx: &mut Tx<'_>, slots: &[SlotRef]) -> Result<(), Fault> {
    for slot in slots {
        if !tx.remove_slot(*slot)? {
            return Err(Fault::Invariant("a slot not handed out holds its key"));
        }
    }
    Ok(())
}

/// Lets an order be found by its contacts, now that there is money or goods. A bare order is not: anybody can make one in
/// another's name.
pub(super) fn index_contacts(
    tx: &mut Tx<'_>,
    contacts: &[[u8; 16]],
    order: OrderId,
) -> Result<(), Fault> {
    let mut contacts = contacts.iter();
    contacts.try_for_each(|contact| tx.put_contact(contact, order, true))
}

/// The fingerprints of an order's contacts.
pub(super) fn contacts_of(vault: &Vault, private: &OrderPrivate) -> Vec<[u8; 16]> {
    let texts = [Some(private.contact.as_str()), private.second.as_deref()];
    let contacts = texts.into_iter().flatten().map(Contact::stored);
    contacts
        .map(|contact| vault.fingerprint("contact", contact.canonical().as_bytes()))
        .collect()
}

/// Row label of a slot within its pool.
pub(super) fn slot_row(slot: SlotRef) -> [u8; 8] {
    let mut row = [0; 8];
    row[..4].copy_from_slice(&slot.batch.to_be_bytes());
    row[4..].copy_from_slice(&slot.index.to_be_bytes());
    row
}

/// Channel and transaction id of the payment that settles or queued the order.
fn paying_transaction<'a>(
    order: &Order,
    private: &'a OrderPrivate,
) -> Result<(&'a str, &'a str), Fault> {
    use crate::domain::PaymentOutcome::{Queued, Settled};
    let paying = order
        .payments
        .iter()
        .find(|payment| matches!(payment.outcome, Settled { .. } | Queued { .. }));
    let fingerprint = paying.map(|payment| payment.fingerprint);
    let found = private
        .transactions
        .iter()
        .find(|(known, _, _)| Some(*known) == fingerprint);
    match found {
        Some((_, channel, transaction)) => Ok((channel, transaction)),
        // Delivered by hand without a payment: the ledger says so.
        None if fingerprint.is_none() => Ok(("hand", "")),
        None => Err(Fault::Invariant(
            "a payment's transaction lies with its order",
        )),
    }
}

impl Shop {
    /// Hands out paid orders that waited for stock, oldest first. Called after an import and after reservations ended. Gives how
    /// many.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn deliver_waiting(&self) -> Result<u32, Fault> {
        const AT_A_TIME: usize = 200;
        let mut delivered = 0;
        let mut after = None;
        loop {
            let waiting = self
                .store
                .read()?
                .waiting(WaitKind::Goods, after, AT_A_TIME)?;
            let Some(last) = waiting.last().copied() else {
                return Ok(delivered);
            };
            for id in waiting {
                match self.deliver_if_stocked(id).await {
                    Ok(done) => delivered += u32::from(done),
                    // One order that does not add up never keeps the others from their goods.
                    Err(error @ (Fault::Invariant(_) | Fault::Record { .. })) => {
                        tracing::error!(order = %id, %error, "a paid order cannot be delivered: look at it with `keystall doctor`");
                    }
                    Err(fault) => return Err(fault),
                }
            }
            after = Some(last);
        }
    }

    async fn deliver_if_stocked(&self, id: OrderId) -> Result<bool, Fault> {
        let (vault, chain, tell) = (self.vault.clone(), self.chain.clone(), self.policy.tell);
        let write = self.store.write(
            move |tx| -> Result<bool, WriteError<std::convert::Infallible>> {
                let counter = Counter {
                    vault: &vault,
                    chain: &chain,
                    tell,
                };
                let Some(before) = tx.order(id)? else {
                    return Ok(false);
                };
                let waits = before.state == OrderState::Paid
                    && before.reason == Some(Reason::NoStock)
                    && !before.is_erased();
                if !waits || !counter.has_stock(tx, &before)? {
                    return Ok(false);
                }
                let mut order = before.clone();
                let (private, key) = open_private(&vault, &order)?;
                index_contacts(tx, &contacts_of(&vault, &private), id)?;
                counter.hand_out(tx, &mut order, &private, &key, None)?;
                order.reason = None;
                tx.put_order(&order, Some(&before))?;
                Ok(true)
            },
        );
        write.answer().await.map_err(super::open_shop::unwritten)
    }
}

/// Opens what only the buyer and the shop know of an order, and the order's key.
pub(super) fn open_private(vault: &Vault, order: &Order) -> Result<(OrderPrivate, DataKey), Fault> {
    let id = order.id.0.to_be_bytes();
    let key = vault
        .order_key(&order.month, &id, &order.wrapped_key)
        .map_err(|_| Fault::Invariant("an order's key opens"))?;
    let opened = key
        .open(&vault.aad("orders", &id, b"private"), &order.private)
        .map_err(|_| Fault::Invariant("an order opens"))?;
    let private = decode_sealed(opened.expose()).map_err(|error| Fault::Record {
        table: "orders",
        error,
    })?;
    Ok((private, key))
}

/// Seals it again, after a change.
pub(super) fn seal_private(
    vault: &Vault,
    order: OrderId,
    key: &DataKey,
    private: &OrderPrivate,
) -> Vec<u8> {
    let plain = zeroize::Zeroizing::new(encode_sealed(private));
    key.seal(
        vault.entropy(),
        &vault.aad("orders", &order.0.to_be_bytes(), b"private"),
        &plain,
    )
}

//! What the holder of an order's link sees.

use super::deliver::open_private;
use super::open_shop::Shop;
use crate::domain::{Contact, Order, OrderId, OrderState, Product, Secret};
use crate::ledger::entry::hash_line;
use crate::store::{
    DeliveryContent, Fault, OrderPrivate, Rows, Snapshot, Told, WaitKind, decode_sealed,
};
use crate::vault::{DataKey, Vault};

/// An order, opened for its buyer.
pub struct OrderView {
    /// The order.
    pub order: Order,
    /// As the buyer typed it.
    pub contact: Contact,
    /// A second one.
    pub second: Option<Contact>,
    /// What staff wrote when deciding by hand.
    pub note: Option<String>,
    /// Language of the buyer's pages when ordering.
    pub language: String,
    /// What was handed out, while it can be read.
    pub keys: Vec<Secret>,
    /// When keys of it were replaced last (Unix milliseconds), and how many in all.
    pub replaced: Option<(i64, usize)>,
    /// When its private fields were destroyed, Unix milliseconds: then contacts, keys and messages are empty.
    pub erased_at_ms: Option<i64>,
    /// Until when it can be read, Unix milliseconds; none before the delivery, and where it can be read without end.
    pub keys_until_ms: Option<i64>,
    /// Hash of its `sale` entry in hex, and its sequence number.
    pub receipt: Option<(String, u64)>,
    /// Place among those who wait for the same product, from 1.
    pub queue_place: Option<u32>,
    /// What was told about it, oldest first.
    pub told: Vec<Told>,
    /// The product as it is now.
    pub product: Option<Product>,
    /// What was handed out with what opens its commitments, for the receipt.
    pub(super) content: Option<DeliveryContent>,
    /// The commit whose state it shows.
    pub(super) commit: u64,
}

/// Messages shown of one order.
const TOLD_MAX: usize = 100;

impl Shop {
    /// Opens an order for its buyer.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn view_order(&self, id: OrderId) -> Result<Option<OrderView>, Fault> {
        let snapshot = self.store.read()?;
        let Some(order) = snapshot.order(id)? else {
            return Ok(None);
        };
        let (private, key) = match order.is_erased() {
            true => (OrderPrivate::erased(), None),
            false => {
                let (private, key) = open_private(&self.vault, &order)?;
                (private, Some(key))
            }
        };
        let replacements = &order.after.replacements;
        let replaced = replacements.last().map(|last| {
            let count = replacements.iter().map(|each| each.out.len()).sum();
            (last.at_ms, count)
        });
        let keys_until_ms = self.keys_until_ms(&order);
        let over = keys_until_ms.is_some_and(|until_ms| self.clock.now_ms() > until_ms);
        let delivery = match &key {
            Some(key) => open_delivery_with(&self.vault, key, &order)?,
            None => self.open_delivery(&order)?,
        };
        let keys = match &delivery {
            Some(content) if !over => {
                let keys = content.keys.iter();
                keys.map(|key| Secret::new(key.key.clone())).collect()
            }
            _ => Vec::new(),
        };
        let receipt = match order.sale {
            Some(at) => snapshot
                .entry(at)?
                .map(|row| (hash_line(&row.line).to_string(), at.seq())),
            None => None,
        };
        let queue_place = if order.state == OrderState::Paid {
            queue_place(&snapshot, &order)?
        } else {
            None
        };
        Ok(Some(OrderView {
            contact: Contact::stored(&private.contact),
            second: private.second.as_deref().map(Contact::stored),
            told: snapshot.told(id, TOLD_MAX)?,
            product: snapshot.product(&order.product)?,
            language: private.language.clone(),
            note: private.note.or_else(|| order.clear_note.clone()),
            order,
            keys,
            replaced,
            erased_at_ms: snapshot.erased(id)?.map(|(at_ms, _)| at_ms),
            keys_until_ms,
            receipt,
            queue_place,
            content: delivery,
            commit: snapshot.head()?.commit,
        }))
    }

    /// Where an order stands, without opening anything: for those who only wait for a change.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, Fault> {
        self.store.read()?.order(id)
    }

    /// Until when the keys of an order can be read on its page. What was mailed stays where it is.
    fn keys_until_ms(&self, order: &Order) -> Option<i64> {
        let readable_ms = self.policy.keys_readable_ms;
        let delivered_at_ms = order.delivered_at_ms.filter(|_| readable_ms > 0)?;
        Some(delivered_at_ms.saturating_add(readable_ms))
    }

    /// What was handed out, opened.
    pub(super) fn open_delivery(&self, order: &Order) -> Result<Option<DeliveryContent>, Fault> {
        open_delivery(&self.vault, order)
    }
}

/// What was handed out, opened.
pub(super) fn open_delivery(
    vault: &Vault,
    order: &Order,
) -> Result<Option<DeliveryContent>, Fault> {
    if order.delivery.is_empty() {
        return Ok(None);
    }
    let id = order.id.0.to_be_bytes();
    let key = vault
        .order_key(&order.month, &id, &order.wrapped_key)
        .map_err(|_| Fault::Invariant("an order's key opens"))?;
    open_delivery_with(vault, &key, order)
}

/// The same, with the order's key.
pub(super) fn open_delivery_with(
    vault: &Vault,
    key: &DataKey,
    order: &Order,
) -> Result<Option<DeliveryContent>, Fault> {
    if order.delivery.is_empty() {
        return Ok(None);
    }
    let id = order.id.0.to_be_bytes();
    let opened = key.open(&vault.aad("orders", &id, b"delivery"), &order.delivery);
    let opened = opened.map_err(|_| Fault::Invariant("a delivery opens"))?;
    decode_sealed(opened.expose())
        .map(Some)
        .map_err(|error| Fault::Record {
            table: "orders",
            error,
        })
}

fn queue_place(snapshot: &Snapshot, order: &Order) -> Result<Option<u32>, Fault> {
    const LOOKED_AT_MAX: usize = 500;
    let mut place = 0;
    for id in snapshot.waiting(WaitKind::Goods, None, LOOKED_AT_MAX)? {
        if snapshot
            .order(id)?
            .is_some_and(|other| other.product == order.product)
        {
            place += 1;
        }
        if id == order.id {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

//! What the holder of an order's link sees.

use super::deliver::open_private;
use super::open_shop::Shop;
use crate::domain::{Contact, Order, OrderId, OrderState, Secret};
use crate::ledger::entry::hash_line;
use crate::store::{DeliveryContent, Fault, Rows, Snapshot, WaitKind, decode_sealed};

/// An order, opened for its buyer.
pub struct OrderView {
    /// The order.
    pub order: Order,
    /// As the buyer typed it.
    pub contact: Contact,
    /// Language of the buyer's pages when ordering.
    pub language: String,
    /// What was handed out.
    pub keys: Vec<Secret>,
    /// Hash of its `sale` entry in hex, and its sequence number.
    pub receipt: Option<(String, u64)>,
    /// Place among those who wait for the same product, from 1.
    pub queue_place: Option<u32>,
    /// The product's Markdown.
    pub text: String,
}

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
        let (private, _) = open_private(&self.vault, &order)?;
        let keys = match self.open_delivery(&order)? {
            Some(content) => content
                .keys
                .into_iter()
                .map(|key| Secret::new(key.key))
                .collect(),
            None => Vec::new(),
        };
        let receipt = match order.sale_seq {
            Some(seq) => snapshot
                .entry(seq)?
                .map(|row| (hash_line(&row.line).to_string(), seq)),
            None => None,
        };
        let queue_place = if order.state == OrderState::Paid {
            queue_place(&snapshot, &order)?
        } else {
            None
        };
        let text = snapshot
            .product(&order.product)?
            .map(|product| product.text)
            .unwrap_or_default();
        let contact = Contact::parse(&private.contact)
            .map_err(|_| Fault::Invariant("a stored contact was parsed before"))?;
        Ok(Some(OrderView {
            order,
            contact,
            language: private.language.clone(),
            keys,
            receipt,
            queue_place,
            text,
        }))
    }

    /// Where an order stands, without opening anything: for those who only wait for a change.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, Fault> {
        self.store.read()?.order(id)
    }

    /// What was handed out, opened.
    pub(super) fn open_delivery(&self, order: &Order) -> Result<Option<DeliveryContent>, Fault> {
        if order.delivery.is_empty() {
            return Ok(None);
        }
        let id = order.id.0.to_be_bytes();
        let key = self
            .vault
            .order_key(&order.month, &id, &order.wrapped_key)
            .map_err(|_| Fault::Invariant("an order's key opens"))?;
        let opened = key.open(&self.vault.aad("orders", &id, b"delivery"), &order.delivery);
        let opened = opened.map_err(|_| Fault::Invariant("a delivery opens"))?;
        decode_sealed(opened.expose())
            .map(Some)
            .map_err(|error| Fault::Record {
                table: "orders",
                error,
            })
    }
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

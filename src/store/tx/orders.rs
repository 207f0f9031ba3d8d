//! Orders with what is counted and found by them: deadlines, holders, payments, notices, contacts, who waits.

use redb::ReadableTable;

use super::Tx;
use crate::domain::{Notice, Order, OrderId, OrderState, Slug};
use crate::store::Fault;
use crate::store::codec::encode;
use crate::store::records::{NoticeV1, OrderV2, Told, ToldV1};
use crate::store::rows::{HoldKind, WaitKind};

impl Tx<'_> {
    /// Whether an order's row is still these bytes.
    pub fn is_order_row(&self, order: OrderId, row: &[u8]) -> Result<bool, Fault> {
        let found = self.tables.orders.read()?.get(order.0)?;
        Ok(found.is_some_and(|found| found.value() == row))
    }

    /// Writes an order and keeps the indices of open and waiting orders and of holds true to it.
    pub fn put_order(&mut self, order: &Order, before: Option<&Order>) -> Result<(), Fault> {
        self.wrote = true;
        self.touched.push(order.id);
        let mut stored = OrderV2::from(order);
        if order.state != OrderState::Pending {
            // Who held a reservation is nobody's business once it ended.
            stored.forget_holder();
        }
        self.tables
            .orders
            .write()?
            .insert(order.id.0, encode(&stored).as_slice())?;
        let was_open = before.filter(|before| before.state == OrderState::Pending);
        let is_open = Some(order).filter(|order| order.state == OrderState::Pending);
        match (was_open, is_open) {
            (None, Some(order)) => self.open_order(order)?,
            (Some(before), None) => self.close_order(before)?,
            _ => {}
        }
        self.index_waiting(order, before, WaitKind::Goods, |order| {
            order.state == OrderState::Paid
        })?;
        self.index_waiting(order, before, WaitKind::Refund, |order| order.owed() > 0)
    }

    /// Gives a pending order another deadline.
    pub fn move_deadline(&mut self, before: &Order, expires_at_ms: i64) -> Result<(), Fault> {
        if before.state != OrderState::Pending {
            return Err(Fault::Invariant("an open order is pending"));
        }
        let order = Order {
            expires_at_ms,
            ..before.clone()
        };
        self.wrote = true;
        self.touched.push(order.id);
        self.close_order(before)?;
        self.tables
            .orders
            .write()?
            .insert(order.id.0, encode(&OrderV2::from(&order)).as_slice())?;
        self.open_order(&order)
    }

    /// Writes an order whose wrapped key alone changed: nobody waits for that.
    pub fn put_order_key(&mut self, order: &Order) -> Result<(), Fault> {
        self.wrote = true;
        self.tables
            .orders
            .write()?
            .insert(order.id.0, encode(&OrderV2::from(order)).as_slice())?;
        Ok(())
    }

    /// Records a payment's fingerprint. Gives the order that it was recorded for before.
    pub fn put_payment(
        &mut self,
        fingerprint: &[u8; 16],
        order: OrderId,
    ) -> Result<Option<OrderId>, Fault> {
        self.wrote = true;
        let payments = self.tables.payments.write()?;
        let before = payments.insert(fingerprint, order.0)?;
        Ok(before.map(|row| OrderId(row.value())))
    }

    /// Keeps a notice.
    pub fn append_notice(&mut self, notice: &Notice) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.notices.write()?.insert(
            self.head.next_notice,
            encode(&NoticeV1::from(notice)).as_slice(),
        )?;
        self.head.next_notice += 1;
        Ok(())
    }

    /// Takes a kept notice away.
    pub fn remove_notice(&mut self, number: u64) -> Result<(), Fault> {
        self.wrote = true;
        self.tables.notices.write()?.remove(number)?;
        Ok(())
    }

    /// Writes that an order belongs to a contact, or that it does no more.
    pub fn put_contact(
        &mut self,
        contact: &[u8; 16],
        order: OrderId,
        belongs: bool,
    ) -> Result<(), Fault> {
        self.wrote = true;
        let key = (contact, order.0);
        match belongs {
            true => self.tables.contacts.write()?.insert(key, ())?,
            false => self.tables.contacts.write()?.remove(key)?,
        };
        Ok(())
    }

    /// Writes how far telling the buyer of a delivered order went; none once its page was opened.
    pub fn put_unread(
        &mut self,
        delivered_at_ms: i64,
        order: OrderId,
        stage: Option<u8>,
    ) -> Result<(), Fault> {
        self.wrote = true;
        let key = (delivered_at_ms, order.0);
        match stage {
            Some(stage) => self.tables.unread.write()?.insert(key, stage)?,
            None => self.tables.unread.write()?.remove(key)?,
        };
        Ok(())
    }

    /// Keeps that a message about an order was delivered.
    pub fn put_told(&mut self, order: OrderId, effect: u64, told: Told) -> Result<(), Fault> {
        self.wrote = true;
        self.tables
            .told
            .write()?
            .insert((order.0, effect), encode(&ToldV1::from(told)).as_slice())?;
        Ok(())
    }

    /// Takes away what people were told about an order.
    pub fn remove_told(&mut self, order: OrderId) -> Result<(), Fault> {
        self.wrote = true;
        let of_order = (order.0, 0)..=(order.0, u64::MAX);
        self.tables
            .told
            .write()?
            .retain_in(of_order, |_, _| false)?;
        Ok(())
    }

    fn open_order(&mut self, order: &Order) -> Result<(), Fault> {
        self.tables
            .open
            .write()?
            .insert((order.expires_at_ms, order.id.0), ())?;
        for (kind, holder) in holders(order) {
            self.tables
                .holds
                .write()?
                .insert((kind as u8, holder.as_slice(), order.id.0), order.quantity)?;
        }
        Ok(())
    }

    fn close_order(&mut self, order: &Order) -> Result<(), Fault> {
        self.tables
            .open
            .write()?
            .remove((order.expires_at_ms, order.id.0))?;
        for (kind, holder) in holders(order) {
            self.tables
                .holds
                .write()?
                .remove((kind as u8, holder.as_slice(), order.id.0))?;
        }
        Ok(())
    }

    fn index_waiting(
        &mut self,
        order: &Order,
        before: Option<&Order>,
        kind: WaitKind,
        waits: impl Fn(&Order) -> bool,
    ) -> Result<(), Fault> {
        match (before.is_some_and(&waits), waits(order)) {
            (false, true) => drop(
                self.tables
                    .waiting
                    .write()?
                    .insert((kind as u8, order.id.0), ())?,
            ),
            (true, false) => drop(
                self.tables
                    .waiting
                    .write()?
                    .remove((kind as u8, order.id.0))?,
            ),
            _ => {}
        }
        Ok(())
    }
}

/// The three ways in which a pending order is counted.
fn holders(order: &Order) -> [(HoldKind, Vec<u8>); 3] {
    [
        (HoldKind::Contact, order.holder.contact.to_vec()),
        (HoldKind::Address, order.holder.address.0.to_vec()),
        (
            HoldKind::Host,
            Tx::host_key(order.holder.host.0, &order.product),
        ),
    ]
}

impl Tx<'_> {
    /// The holder under which a network's slots of one product are counted.
    pub fn host_key(host: [u8; 8], product: &Slug) -> Vec<u8> {
        [host.as_slice(), product.as_str().as_bytes()].concat()
    }
}

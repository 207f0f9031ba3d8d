//! What a merchant decides by hand: deliver, cancel, or say that money was returned. Each through the same path as the machine's
//! own decisions, with a reason that is kept.

use super::deliver::{Counter, contacts_of, index_contacts, open_private};
use super::open_shop::{Shop, decimal};
use super::{notes, outbox, stock};
use crate::domain::{
    Amount, EffectKind, Money, Order, OrderId, OrderState, Payment, PaymentOutcome, Reason, SlotRef,
};
use crate::limits;
use crate::store::{Rows, Tx, WriteError};

/// Why a decision does not stand.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    /// No such order.
    #[error("there is no order {0}")]
    Unknown(OrderId),
    /// Its state does not allow it.
    #[error("the order is {}: {hint}", state.as_str())]
    State {
        /// Where it stands.
        state: OrderState,
        /// What can be done instead.
        hint: &'static str,
    },
    /// No stock.
    #[error("not enough keys in stock: import some, then deliver again")]
    Stock,
    /// Said to be paid whole, and recorded as paid in part.
    #[error(
        "{paid} of {price} is on record as a short payment: deliver without --paid, and the sale says that much; where the price was paid otherwise, return that payment and record it (`keystall order refund {order} --note …`, once the order has expired), then deliver with --paid"
    )]
    PaidShort {
        /// Which.
        order: OrderId,
        /// What the short payments brought and still hold.
        paid: String,
        /// Its price.
        price: Money,
    },
    /// Nothing to return.
    #[error("nothing waits to be returned for this order")]
    NothingOwed,
    /// Named as money that waits, which no entry tells of.
    #[error("that money is recorded by `keystall order refund {0} --note …` without --why")]
    Waits(OrderId),
    /// Never sold.
    #[error("the order was not sold: nothing of a sale can be returned or replaced")]
    NotSold,
    /// Everything was returned before.
    #[error("all that was paid for this order was returned before")]
    AllRefunded,
    /// More than is left, or nothing.
    #[error("of this sale at most {0} can be returned")]
    Amount(String),
    /// Not a word of the ledger for this.
    #[error("the reason (--why) is one of {0}")]
    Why(&'static str),
    /// Not a key of this order.
    #[error("key {0} is not one that this order holds")]
    Slot(SlotRef),
    /// Nothing named, or a key twice.
    #[error("name at least one key of the order, each once")]
    Slots,
    /// As many others are not there.
    #[error("{wanted} keys are needed and {available} are in stock: nothing was changed")]
    Replacement {
        /// Keys to be replaced.
        wanted: u32,
        /// Keys that can be handed out.
        available: u32,
    },
    /// The sale lies where no entry can name it.
    #[error(
        "this order was sold before a restore, in a generation of the ledger that has ended, and no entry can replace its keys: return the money, or let the buyer order again and deliver that by hand"
    )]
    Ended,
    /// Its private fields were destroyed.
    #[error("the private part of this order was erased: there is nobody to give a key to")]
    Erased,
    /// No reason given, or too long.
    #[error(
        "a reason of 1 to {} bytes is kept with the decision",
        limits::NOTE_BYTES_MAX
    )]
    Note,
    /// The store did not take it.
    #[error("{0}")]
    Store(String),
}

type Refusal = WriteError<HandError>;

impl Shop {
    /// Hands an order out as a gift, or for the short payments on record: its `sale` says what they brought, and nothing else was
    /// paid. Money for it that comes later waits to be returned.
    ///
    /// # Errors
    /// [`HandError`].
    pub fn give_by_hand(&self, id: OrderId, note: &str) -> Result<Order, HandError> {
        self.hand_over(id, note, Reason::Given)
    }

    /// Hands an order out although no notice settled it: a person saw the money, outside the channels or at the provider. Its `sale`
    /// says that the price was paid, and a notice of it that comes later is that payment's. Refused while a short payment is on
    /// record that was not sent back: the sale would name that one, and its amount.
    ///
    /// # Errors
    /// [`HandError`].
    pub fn deliver_by_hand(&self, id: OrderId, note: &str) -> Result<Order, HandError> {
        self.hand_over(id, note, Reason::ByHand)
    }

    fn hand_over(&self, id: OrderId, note: &str, reason: Reason) -> Result<Order, HandError> {
        let (vault, chain, tell) = (self.vault.clone(), self.chain.clone(), self.policy.tell);
        self.decide(id, note, move |tx, order| {
            let counter = Counter {
                vault: &vault,
                chain: &chain,
                tell,
            };
            let open = matches!(
                order.state,
                OrderState::Pending | OrderState::Paid | OrderState::Expired
            );
            if !open {
                return Err(state(
                    order,
                    "only an unpaid, paid or expired order can be delivered",
                ));
            }
            if order.is_erased() {
                return Err(WriteError::Refused(HandError::Erased));
            }
            if reason == Reason::ByHand {
                refuse_paid_short(order)?;
            }
            if !counter.has_stock(tx, order)? {
                return Err(WriteError::Refused(HandError::Stock));
            }
            let (private, key) = open_private(&vault, order)?;
            settle_short_payments(order);
            // What was paid follows from it.
            order.reason = Some(reason);
            index_contacts(tx, &contacts_of(&vault, &private), order.id)?;
            counter.hand_out(tx, order, &private, &key, None)?;
            Ok(())
        })
    }

    /// Withdraws an order. Money that arrived waits to be returned.
    ///
    /// # Errors
    /// [`HandError`].
    pub fn cancel_by_hand(&self, id: OrderId, note: &str) -> Result<Order, HandError> {
        self.decide(id, note, |tx, order| {
            match order.state {
                OrderState::Pending => stock::release(tx, order.id, &order.product, &order.slots)?,
                OrderState::Paid | OrderState::Expired => {}
                _ => {
                    return Err(state(
                        order,
                        "only an unpaid, paid or expired order can be cancelled",
                    ));
                }
            }
            order.slots.clear();
            order.reason = Some(Reason::ByHand);
            order.state = if order.payments.is_empty() {
                OrderState::Cancelled
            } else {
                OrderState::Refunding
            };
            if order.state == OrderState::Refunding && order.owed() == 0 {
                order.state = OrderState::Refunded;
            }
            Ok(())
        })
    }

    /// Records that all money that waited was returned, outside the shop.
    ///
    /// # Errors
    /// [`HandError`].
    pub fn returned_by_hand(&self, id: OrderId, note: &str) -> Result<Order, HandError> {
        self.decide(id, note, |_, order| {
            if order.owed() == 0 {
                return Err(WriteError::Refused(HandError::NothingOwed));
            }
            let state = order.state;
            for payment in &mut order.payments {
                payment.returned += payment.owed(state);
            }
            if order.state == OrderState::Refunding {
                order.state = OrderState::Refunded;
            }
            Ok(())
        })
    }

    /// One decision about an order, kept with its note. What it leaves to be returned is told, whatever was decided.
    pub(super) fn decide<F>(&self, id: OrderId, note: &str, decision: F) -> Result<Order, HandError>
    where
        F: Fn(&mut Tx<'_>, &mut Order) -> Result<(), Refusal> + Send + 'static,
    {
        let note = note.trim().to_owned();
        if note.is_empty() || note.len() > limits::NOTE_BYTES_MAX {
            return Err(HandError::Note);
        }
        let (vault, tell) = (self.vault.clone(), self.policy.tell);
        let write = self.store.write(move |tx| {
            let before = tx
                .order(id)?
                .ok_or(WriteError::Refused(HandError::Unknown(id)))?;
            let mut order = before.clone();
            decision(tx, &mut order)?;
            notes::keep(&vault, &mut order, &note);
            tx.put_order(&order, Some(&before))?;
            if order.owed() > before.owed() {
                outbox::tell_both(tx, tell, EffectKind::RefundDue, order.id)?;
            }
            Ok(order)
        });
        write.wait().map_err(|error| match error {
            WriteError::Refused(refusal) => refusal,
            error => HandError::Store(error.to_string()),
        })
    }
}

/// Short payments of an order that is given out anyway are accepted as they are, up to its price. The first becomes the one that
/// pays, which the `sale` names.
fn settle_short_payments(order: &mut Order) {
    use crate::domain::PaymentOutcome::{Settled, Short};
    if has_paid(order) {
        return;
    }
    let mut missing = order.total.amount;
    for payment in order
        .payments
        .iter_mut()
        .filter(|payment| payment.outcome == Short && payment.returned < payment.amount)
    {
        // What was sent back does not pay any more.
        let accepted = (payment.amount - payment.returned).min(missing);
        missing -= accepted;
        payment.outcome = Settled {
            surplus: payment.amount - accepted,
        };
    }
}

/// A price that was paid beside a short payment has no place in the books: the later notice of the rest would wait to be returned.
fn refuse_paid_short(order: &Order) -> Result<(), Refusal> {
    let short = order.payments.iter();
    let short = short.filter(|payment| payment.outcome == PaymentOutcome::Short);
    let paid: Amount = short.map(|payment| payment.amount - payment.returned).sum();
    if paid <= 0 || has_paid(order) {
        return Ok(());
    }
    Err(WriteError::Refused(HandError::PaidShort {
        order: order.id,
        paid: decimal(paid, order.total.currency),
        price: order.total,
    }))
}

/// Whether a payment of its price is on record.
fn has_paid(order: &Order) -> bool {
    use crate::domain::PaymentOutcome::{Queued, Settled};
    let pays = |payment: &Payment| matches!(payment.outcome, Settled { .. } | Queued { .. });
    order.payments.iter().any(pays)
}

fn state(order: &Order, hint: &'static str) -> Refusal {
    WriteError::Refused(HandError::State {
        state: order.state,
        hint,
    })
}

//! Money of a sale is returned, whole or in part: recorded with its payments and in the ledger. The money itself moves at the
//! provider.
//!
//! Money that never paid for goods (late, short, surplus) is no part of a sale, and has no entry: `returned_by_hand` records it.

use super::admin_log::append_admin;
use super::decide_by_hand::HandError;
use super::open_shop::Shop;
use crate::domain::{Amount, EntryAt, Order, OrderId, PaymentOutcome, Refund, seams::random};
use crate::ledger::entry::{Body, Entry, What, Why};
use crate::store::{Fault, Rows, WriteError};

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Refunded {
    /// The order as it stands now.
    pub order: Order,
    /// Minor units that were returned.
    pub amount: Amount,
    /// Its `refund` entry; none for a sale of a generation that has ended, which no entry of this one can name.
    pub entry: Option<EntryAt>,
}

/// The ledger's words for why money of a sale is returned.
const WHYS: [Why; 8] = [
    Why::Bad,
    Why::Leaked,
    Why::Late,
    Why::Surplus,
    Why::Short,
    Why::Goodwill,
    Why::Fraud,
    Why::Other,
];

const WORDS: &str = "bad, leaked, late, surplus, short, goodwill, fraud, other";

impl Shop {
    /// Records that `amount` (minor units; all that is left without one) of an order's sale was returned, and writes the `refund`.
    ///
    /// # Errors
    /// [`HandError`]; all refunds of a sale together never pass what was paid for it.
    pub fn refund_sale(
        &self,
        id: OrderId,
        amount: Option<Amount>,
        why: &str,
        note: &str,
    ) -> Result<Refunded, HandError> {
        let why = Why::from_word(why)
            .filter(|why| WHYS.contains(why))
            .ok_or(HandError::Why(WORDS))?;
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let unsold = matches!(why, Why::Surplus | Why::Late | Why::Short);
        let order = self.decide(id, note, move |tx, order| {
            if unsold && order.owed() > 0 {
                return Err(WriteError::Refused(HandError::Waits(order.id)));
            }
            let at = order.sale.ok_or(WriteError::Refused(HandError::NotSold))?;
            let left = sale_amount(tx, at)? - order.refunded();
            let amount = amount.unwrap_or(left);
            if left <= 0 {
                return Err(WriteError::Refused(HandError::AllRefunded));
            }
            if amount <= 0 || amount > left {
                let left = super::open_shop::decimal(left, order.total.currency);
                return Err(WriteError::Refused(HandError::Amount(left)));
            }
            let named = at.generation() == tx.head().generation;
            let entry = if named {
                let body = Body::Refund {
                    sale: at.seq(),
                    amt: amount,
                    cur: order.total.currency.as_str(),
                    why,
                    r: random(vault.entropy()),
                };
                Some(chain.append(tx, &body)?)
            } else {
                let amount = super::open_shop::decimal(amount, order.total.currency);
                let text = format!(
                    "refund ({why}) of {amount} {} for order {}, sold in entry {at}",
                    order.total.currency, order.id
                );
                append_admin(tx, &vault, &chain, What::Settings, &text)?;
                None
            };
            take_back(order, amount);
            order.after.refunds.push(Refund {
                amount,
                why: why.word().to_owned(),
                at_ms: tx.now_ms(),
                entry,
            });
            Ok(())
        })?;
        let refund = order.after.refunds.last();
        Ok(Refunded {
            amount: refund.map_or(0, |refund| refund.amount),
            entry: refund.and_then(|refund| refund.entry),
            order,
        })
    }
}

/// What a sale says that was paid for it, minor units.
pub(super) fn sale_amount(rows: &impl Rows, at: EntryAt) -> Result<Amount, Fault> {
    let row = rows.entry(at)?;
    let row = row.ok_or(Fault::Invariant("a sold order's entry is there"))?;
    match Entry::parse(&row.line).map(|entry| entry.body) {
        Ok(Body::Sale(sale)) => Ok(sale.amt),
        _ => Err(Fault::Invariant("a sold order's entry is a sale")),
    }
}

/// Takes `amount` from what the payments paid for the goods, oldest first. What no payment brought was paid outside the channels.
fn take_back(order: &mut Order, mut amount: Amount) {
    for payment in &mut order.payments {
        let paid = match payment.outcome {
            PaymentOutcome::Settled { surplus } | PaymentOutcome::Queued { surplus } => {
                payment.amount - surplus - payment.refunded
            }
            PaymentOutcome::Surplus | PaymentOutcome::Short => 0,
        };
        let part = paid.clamp(0, amount);
        payment.refunded += part;
        amount -= part;
    }
}

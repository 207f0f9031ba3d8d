//! Orders and the payments that reached them.

use super::{
    AddressPrefix, Amount, ChannelName, EntryAt, HostPrefix, Money, OrderId, SlotRef, Slug,
};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Waiting for its payment; its slots are reserved.
    Pending,
    /// Money is here, the goods are not yet.
    Paid,
    /// Handed out, with a `sale` in the ledger.
    Delivered,
    /// Not paid in time; its slots are free again.
    Expired,
    /// Money waits to be returned.
    Refunding,
    /// Money was returned.
    Refunded,
    /// Withdrawn by the merchant, nothing to return.
    Cancelled,
}

/// Why an order stands where it does, or what is special about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Paid after it expired.
    Late,
    /// Less than the price arrived.
    Short,
    /// More than the price arrived.
    Over,
    /// Paid, and no key was left.
    NoStock,
    /// Waits for a person.
    Review,
    /// The notice says paid, the provider asked says no.
    ProviderDisagrees,
    /// A second payment arrived.
    Surplus,
    /// Decided by the merchant by hand; where that handed it out unpaid, the price came in outside the channels.
    ByHand,
    /// Handed out by the merchant as a gift: what no payment brought was not paid.
    Given,
}

/// What a payment came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// It paid the order; `surplus` of it waits to be returned.
    Settled {
        /// Minor units above the price.
        surplus: Amount,
    },
    /// It paid the order, whose goods are still missing.
    Queued {
        /// Minor units above the price.
        surplus: Amount,
    },
    /// The order needed no payment any more: all of it waits to be returned.
    Surplus,
    /// Below the price: all of it waits, and is returned when the order expires.
    Short,
}

/// An authentic payment, recorded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Channel that it came through.
    pub channel: ChannelName,
    /// Keyed fingerprint of the provider's transaction id; the id itself is sealed in the order.
    pub fingerprint: [u8; 16],
    /// What arrived, minor units of the order's currency.
    pub amount: Amount,
    /// When its notice or query answer was taken.
    pub at_ms: i64,
    /// What it came to.
    pub outcome: PaymentOutcome,
    /// Returned since of what waited to be returned, minor units.
    pub returned: Amount,
    /// Returned since of what it paid for the goods, minor units.
    pub refunded: Amount,
}

/// Money of a sale that was returned, whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Minor units of the order's currency.
    pub amount: Amount,
    /// The ledger's word for why.
    pub why: String,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// Its `refund` entry; none for a sale of a generation that has ended, which no entry can name.
    pub entry: Option<EntryAt>,
}

/// Slots of a sale that were found bad; as many others took their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Its `replace` entry.
    pub entry: EntryAt,
    /// The slots found bad.
    pub out: Vec<SlotRef>,
    /// The ledger's word for why.
    pub why: String,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// What happened to a sale after it was made, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AfterSale {
    /// Money of it that was returned.
    pub refunds: Vec<Refund>,
    /// Keys of it that were replaced.
    pub replacements: Vec<Replacement>,
}

/// Who holds a reservation, as prefixes and keyed fingerprints: what limits are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Keyed fingerprint of the contact's canonical form.
    pub contact: [u8; 16],
    /// The buyer's line.
    pub address: AddressPrefix,
    /// The buyer's network.
    pub host: HostPrefix,
}

/// An order. What is private lies in `private` and `delivery`, sealed under a key of this order alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its key in the store; its text is the order number.
    pub id: OrderId,
    /// What was ordered.
    pub product: Slug,
    /// Title when it was ordered.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// What is to be paid: price at the time of the order times quantity.
    pub total: Money,
    /// Where it is to be paid.
    pub channel: ChannelName,
    /// Where it stands.
    pub state: OrderState,
    /// Why.
    pub reason: Option<Reason>,
    /// What staff wrote when deciding by hand, in clear: in an order of older data alone, until its shop is opened, and where
    /// the key of `private` was missing then. Else it lies in `private`.
    pub clear_note: Option<String>,
    /// When its reservation ends, Unix milliseconds.
    pub expires_at_ms: i64,
    /// When its payment was recorded.
    pub paid_at_ms: Option<i64>,
    /// When it was handed out.
    pub delivered_at_ms: Option<i64>,
    /// Slots reserved (pending) or handed out (delivered); empty otherwise.
    pub slots: Vec<SlotRef>,
    /// Who holds the reservation.
    pub holder: Holder,
    /// All payments, in the order of their arrival.
    pub payments: Vec<Payment>,
    /// Ledger entry of its `sale`.
    pub sale: Option<EntryAt>,
    /// What became of the sale.
    pub after: AfterSale,
    /// Month whose key wraps `wrapped_key`, as `2026-11`.
    pub month: String,
    /// The order's own key, wrapped; empty once it was destroyed, and with it all that is sealed under it.
    pub wrapped_key: Vec<u8>,
    /// Contact, password hash, language, note: sealed.
    pub private: Vec<u8>,
    /// Keys, salts and transaction id: sealed; empty before delivery.
    pub delivery: Vec<u8>,
}

impl OrderState {
    /// All states, in the order of an order's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Paid,
        Self::Delivered,
        Self::Expired,
        Self::Refunding,
        Self::Refunded,
        Self::Cancelled,
    ];

    /// Its word in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Late,
        Self::Short,
        Self::Over,
        Self::NoStock,
        Self::Review,
        Self::ProviderDisagrees,
        Self::Surplus,
        Self::ByHand,
        Self::Given,
    ];

    /// Its word in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Short => "short",
            Self::Over => "over",
            Self::NoStock => "no_stock",
            Self::Review => "review",
            Self::ProviderDisagrees => "provider_disagrees",
            Self::Surplus => "surplus",
            Self::ByHand => "by_hand",
            Self::Given => "given",
        }
    }
}

impl Payment {
    /// Minor units of it that still wait to be returned, given where its order stands.
    pub fn owed(&self, state: OrderState) -> Amount {
        let due = match self.outcome {
            PaymentOutcome::Settled { surplus } => surplus,
            PaymentOutcome::Queued { surplus } => match state {
                OrderState::Refunding | OrderState::Refunded => self.amount,
                _ => surplus,
            },
            PaymentOutcome::Surplus => self.amount,
            // A short payment may still be followed by the rest while the order waits.
            PaymentOutcome::Short => match state {
                OrderState::Pending => 0,
                _ => self.amount,
            },
        };
        (due - self.returned).max(0)
    }
}

impl Order {
    /// Minor units that wait to be returned to the buyer.
    pub fn owed(&self) -> Amount {
        self.payments
            .iter()
            .map(|payment| payment.owed(self.state))
            .sum()
    }

    /// Minor units that count as paid for the goods: all of the price, unless a person accepted less or gave them.
    pub fn accepted(&self) -> Amount {
        let part = |payment: &Payment| match payment.outcome {
            PaymentOutcome::Settled { surplus } | PaymentOutcome::Queued { surplus } => {
                payment.amount - surplus
            }
            PaymentOutcome::Surplus | PaymentOutcome::Short => 0,
        };
        let paying = |payment: &&Payment| {
            matches!(
                payment.outcome,
                PaymentOutcome::Settled { .. } | PaymentOutcome::Queued { .. }
            )
        };
        if self.payments.iter().any(|payment| paying(&payment)) {
            self.payments.iter().map(part).sum()
        } else if self.reason == Some(Reason::Given) {
            0
        } else {
            self.total.amount
        }
    }

    /// What messages tell of it: its price, and once it was handed out what counts as paid for it.
    pub fn told(&self) -> Money {
        match self.sale {
            Some(_) => Money::new(self.accepted(), self.total.currency),
            None => self.total,
        }
    }

    /// Minor units that arrived.
    pub fn received(&self) -> Amount {
        self.payments.iter().map(|payment| payment.amount).sum()
    }

    /// Minor units that went back to the buyer: what waited to be returned, and of the sale.
    pub fn returned(&self) -> Amount {
        let waited: Amount = self.payments.iter().map(|payment| payment.returned).sum();
        waited + self.refunded()
    }

    /// Minor units of the sale that were returned.
    pub fn refunded(&self) -> Amount {
        self.after.refunds.iter().map(|refund| refund.amount).sum()
    }

    /// Whether its private fields were destroyed.
    pub fn is_erased(&self) -> bool {
        self.wrapped_key.is_empty()
    }

    /// When it was made, Unix milliseconds.
    pub fn created_at_ms(&self) -> i64 {
        self.id.made_at_ms()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::Currency;

    /// An order of 19.90 yuan that expires at a round time.
    pub(crate) fn order(state: OrderState, total: Amount) -> Order {
        Order {
            id: OrderId::at(1_795_000_000_000, 7),
            product: Slug::parse("steam-20").unwrap(),
            title: "Steam 20".into(),
            quantity: 1,
            total: Money::new(total, Currency::CNY),
            channel: ChannelName::parse("main").unwrap(),
            state,
            reason: None,
            clear_note: None,
            expires_at_ms: 1_795_001_800_000,
            paid_at_ms: None,
            delivered_at_ms: None,
            slots: vec![SlotRef { batch: 0, index: 3 }],
            holder: Holder {
                contact: [1; 16],
                address: AddressPrefix([2; 8]),
                host: HostPrefix([3; 8]),
            },
            payments: Vec::new(),
            sale: None,
            after: AfterSale::default(),
            month: "2026-11".into(),
            wrapped_key: vec![4; 72],
            private: vec![5; 60],
            delivery: Vec::new(),
        }
    }

    #[test]
    fn a_short_payment_is_owed_only_once_its_order_waits_no_longer() {
        let payment = Payment {
            channel: ChannelName::parse("main").unwrap(),
            fingerprint: [0; 16],
            amount: 5,
            at_ms: 0,
            outcome: PaymentOutcome::Short,
            returned: 0,
            refunded: 0,
        };
        assert_eq!(payment.owed(OrderState::Pending), 0);
        assert_eq!(payment.owed(OrderState::Expired), 5);
        assert_eq!(
            Payment {
                returned: 5,
                ..payment
            }
            .owed(OrderState::Expired),
            0
        );
    }
}

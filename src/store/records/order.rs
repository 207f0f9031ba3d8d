//! Orders, and the two contents that are sealed under an order's own key.

use bincode::{Decode, Encode};
use zeroize::Zeroize;

use super::goods::{pairs, slots};
use super::{channel, money, slug};
use crate::domain::{
    AddressPrefix, AfterSale, EntryAt, Holder, HostPrefix, Order, OrderId, OrderState, Payment,
    PaymentOutcome, Reason, Refund, Replacement,
};
use crate::store::codec::{CodecError, Record, decode};

#[derive(Encode, Decode)]
pub struct OrderV1 {
    id: u64,
    product: String,
    title: String,
    quantity: u32,
    amount: i64,
    currency: String,
    channel: String,
    state: u8,
    reason: Option<u8>,
    note: Option<String>,
    expires_at_ms: i64,
    paid_at_ms: Option<i64>,
    delivered_at_ms: Option<i64>,
    slots: Vec<(u32, u32)>,
    contact: [u8; 16],
    address: [u8; 8],
    host: [u8; 8],
    payments: Vec<PaymentV1>,
    sale_seq: Option<u64>,
    month: String,
    wrapped_key: Vec<u8>,
    private: Vec<u8>,
    delivery: Vec<u8>,
}

#[derive(Encode, Decode)]
struct PaymentV1 {
    channel: String,
    fingerprint: [u8; 16],
    amount: i64,
    at_ms: i64,
    outcome: OutcomeV1,
    returned: i64,
}

#[derive(Encode, Decode)]
pub struct OrderV2 {
    order: OrderV1,
    /// Minor units returned of what each payment paid for the goods, in their order.
    refunded: Vec<i64>,
    refunds: Vec<RefundV2>,
    replacements: Vec<ReplacementV2>,
}

#[derive(Encode, Decode)]
struct RefundV2 {
    amount: i64,
    why: String,
    at_ms: i64,
    entry: Option<u64>,
}

#[derive(Encode, Decode)]
struct ReplacementV2 {
    entry: u64,
    out: Vec<(u32, u32)>,
    why: String,
    at_ms: i64,
}

#[derive(Encode, Decode)]
enum OutcomeV1 {
    Settled(i64),
    Queued(i64),
    Surplus,
    Short,
}

/// What only the buyer and the shop may know of an order.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct OrderPrivate {
    /// As typed, trimmed.
    pub contact: String,
    /// A second contact, as typed.
    pub second: Option<String>,
    /// Salt and hash of the query password.
    pub password: Option<([u8; 16], [u8; 32])>,
    /// Language of the buyer's pages.
    pub language: String,
    /// Fingerprint, channel and transaction id of each recorded payment.
    pub transactions: Vec<([u8; 16], String, String)>,
    /// What staff wrote when deciding by hand.
    pub note: Option<String>,
}

#[derive(Encode, Decode)]
pub struct OrderPrivateV2 {
    contact: String,
    second: Option<String>,
    password: Option<([u8; 16], [u8; 32])>,
    language: String,
    transactions: Vec<([u8; 16], String, String)>,
}

#[derive(Encode, Decode)]
pub struct OrderPrivateV1 {
    pub(super) contact: String,
    pub(super) password: Option<([u8; 16], [u8; 32])>,
    pub(super) language: String,
    pub(super) transactions: Vec<([u8; 16], String, String)>,
}

/// What was handed out, and what opens the commitments of its `sale` entry.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeliveryContent {
    /// The keys, in the order of their slots.
    pub keys: Vec<DeliveredKey>,
    /// Salt of `buyer`.
    pub buyer_salt: [u8; 32],
    /// Salt of `pay`.
    pub pay_salt: [u8; 32],
    /// Value of `pay`: channel, newline, transaction id.
    pub pay: String,
    /// `slots` entries that follow the sale.
    pub more: u32,
    /// Keys that were found bad and replaced, oldest first.
    pub replaced: Vec<DeliveredKey>,
}

#[derive(Encode, Decode)]
pub struct DeliveryContentV1 {
    keys: Vec<DeliveredKey>,
    buyer_salt: [u8; 32],
    pay_salt: [u8; 32],
    pay: String,
    more: u32,
}

/// One key with what opens its commitment.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeliveredKey {
    /// Its slot.
    pub slot: (u32, u32),
    /// Salt of its commitment.
    pub salt: [u8; 32],
    /// The key.
    pub key: Vec<u8>,
}

impl Drop for DeliveredKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Record for OrderV1 {
    const VERSION: u8 = 1;
}
impl Record for OrderV2 {
    const VERSION: u8 = 2;

    fn of_version(version: u8, bytes: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => decode::<OrderV1>(bytes).map(Self::from),
            _ => Err(CodecError::Version(version)),
        }
    }
}
impl From<OrderV1> for OrderV2 {
    fn from(order: OrderV1) -> Self {
        Self {
            refunded: vec![0; order.payments.len()],
            refunds: Vec::new(),
            replacements: Vec::new(),
            order,
        }
    }
}
impl OrderPrivate {
    /// Of an order whose private fields were destroyed.
    pub fn erased() -> Self {
        Self {
            contact: String::new(),
            second: None,
            password: None,
            language: String::new(),
            transactions: Vec::new(),
            note: None,
        }
    }

    /// Whether one of the contacts is a mail address.
    pub fn reaches_by_mail(&self) -> bool {
        self.mail().is_some()
    }

    /// The mail address among the contacts, the first before the second.
    pub fn mail(&self) -> Option<&str> {
        let mut contacts = [Some(self.contact.as_str()), self.second.as_deref()].into_iter();
        contacts.find_map(|contact| contact.filter(|text| text.contains('@')))
    }
}

impl Record for OrderPrivateV1 {
    const VERSION: u8 = 1;
}
impl Record for OrderPrivateV2 {
    const VERSION: u8 = 2;
}
impl Record for OrderPrivate {
    const VERSION: u8 = 3;

    fn of_version(version: u8, bytes: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => decode::<OrderPrivateV1>(bytes).map(|old| OrderPrivateV2::from(old).into()),
            2 => decode::<OrderPrivateV2>(bytes).map(Self::from),
            _ => Err(CodecError::Version(version)),
        }
    }
}
impl From<OrderPrivateV1> for OrderPrivateV2 {
    fn from(old: OrderPrivateV1) -> Self {
        Self {
            contact: old.contact,
            second: None,
            password: old.password,
            language: old.language,
            transactions: old.transactions,
        }
    }
}
impl From<OrderPrivateV2> for OrderPrivate {
    fn from(old: OrderPrivateV2) -> Self {
        Self {
            contact: old.contact,
            second: old.second,
            password: old.password,
            language: old.language,
            transactions: old.transactions,
            note: None,
        }
    }
}
impl Record for DeliveryContentV1 {
    const VERSION: u8 = 1;
}
impl Record for DeliveryContent {
    const VERSION: u8 = 2;

    fn of_version(version: u8, bytes: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => decode::<DeliveryContentV1>(bytes).map(Self::from),
            _ => Err(CodecError::Version(version)),
        }
    }
}
impl From<DeliveryContentV1> for DeliveryContent {
    fn from(old: DeliveryContentV1) -> Self {
        Self {
            keys: old.keys,
            buyer_salt: old.buyer_salt,
            pay_salt: old.pay_salt,
            pay: old.pay,
            more: old.more,
            replaced: Vec::new(),
        }
    }
}

const STATES: [OrderState; 7] = OrderState::ALL;
const REASONS: [Reason; 9] = Reason::ALL;

fn number<T: PartialEq>(known: &[T], value: T) -> u8 {
    // Every value is in its list; a missing one would decode as an error, never as another.
    known
        .iter()
        .position(|each| *each == value)
        .map_or(u8::MAX, |at| at as u8)
}

impl From<&Order> for OrderV2 {
    fn from(order: &Order) -> Self {
        let refund = |refund: &Refund| RefundV2 {
            amount: refund.amount,
            why: refund.why.clone(),
            at_ms: refund.at_ms,
            entry: refund.entry.map(EntryAt::key),
        };
        let replacement = |replacement: &Replacement| ReplacementV2 {
            entry: replacement.entry.key(),
            out: pairs(&replacement.out),
            why: replacement.why.clone(),
            at_ms: replacement.at_ms,
        };
        Self {
            refunded: order
                .payments
                .iter()
                .map(|payment| payment.refunded)
                .collect(),
            refunds: order.after.refunds.iter().map(refund).collect(),
            replacements: order.after.replacements.iter().map(replacement).collect(),
            order: OrderV1::from(order),
        }
    }
}

impl OrderV2 {
    /// Leaves no trace of who held the reservation.
    pub fn forget_holder(&mut self) {
        (self.order.contact, self.order.address, self.order.host) = ([0; 16], [0; 8], [0; 8]);
    }
}

impl TryFrom<OrderV2> for Order {
    type Error = CodecError;

    fn try_from(stored: OrderV2) -> Result<Self, CodecError> {
        let mut order = Self::try_from(stored.order)?;
        if order.payments.len() != stored.refunded.len() {
            return Err(CodecError::Damaged);
        }
        for (payment, refunded) in order.payments.iter_mut().zip(stored.refunded) {
            payment.refunded = refunded;
        }
        let refund = |refund: RefundV2| Refund {
            amount: refund.amount,
            why: refund.why,
            at_ms: refund.at_ms,
            entry: refund.entry.map(EntryAt::from_key),
        };
        let replacement = |replacement: ReplacementV2| Replacement {
            entry: EntryAt::from_key(replacement.entry),
            out: slots(replacement.out),
            why: replacement.why,
            at_ms: replacement.at_ms,
        };
        order.after = AfterSale {
            refunds: stored.refunds.into_iter().map(refund).collect(),
            replacements: stored.replacements.into_iter().map(replacement).collect(),
        };
        Ok(order)
    }
}

impl From<&Order> for OrderV1 {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.0,
            product: order.product.to_string(),
            title: order.title.clone(),
            quantity: order.quantity,
            amount: order.total.amount,
            currency: order.total.currency.to_string(),
            channel: order.channel.to_string(),
            state: number(&STATES, order.state),
            reason: order.reason.map(|reason| number(&REASONS, reason)),
            note: order.clear_note.clone(),
            expires_at_ms: order.expires_at_ms,
            paid_at_ms: order.paid_at_ms,
            delivered_at_ms: order.delivered_at_ms,
            slots: pairs(&order.slots),
            contact: order.holder.contact,
            address: order.holder.address.0,
            host: order.holder.host.0,
            payments: order.payments.iter().map(PaymentV1::from).collect(),
            sale_seq: order.sale.map(EntryAt::key),
            month: order.month.clone(),
            wrapped_key: order.wrapped_key.clone(),
            private: order.private.clone(),
            delivery: order.delivery.clone(),
        }
    }
}

impl TryFrom<OrderV1> for Order {
    type Error = CodecError;

    fn try_from(stored: OrderV1) -> Result<Self, CodecError> {
        let state = *STATES
            .get(usize::from(stored.state))
            .ok_or(CodecError::Damaged)?;
        let reason = match stored.reason {
            Some(number) => Some(
                *REASONS
                    .get(usize::from(number))
                    .ok_or(CodecError::Damaged)?,
            ),
            None => None,
        };
        Ok(Self {
            id: OrderId(stored.id),
            product: slug(&stored.product)?,
            title: stored.title,
            quantity: stored.quantity,
            total: money(stored.amount, &stored.currency)?,
            channel: channel(&stored.channel)?,
            state,
            reason,
            clear_note: stored.note,
            expires_at_ms: stored.expires_at_ms,
            paid_at_ms: stored.paid_at_ms,
            delivered_at_ms: stored.delivered_at_ms,
            slots: slots(stored.slots),
            holder: Holder {
                contact: stored.contact,
                address: AddressPrefix(stored.address),
                host: HostPrefix(stored.host),
            },
            payments: stored
                .payments
                .into_iter()
                .map(Payment::try_from)
                .collect::<Result<_, _>>()?,
            sale: stored.sale_seq.map(EntryAt::from_key),
            after: AfterSale::default(),
            month: stored.month,
            wrapped_key: stored.wrapped_key,
            private: stored.private,
            delivery: stored.delivery,
        })
    }
}

impl From<&Payment> for PaymentV1 {
    fn from(payment: &Payment) -> Self {
        Self {
            channel: payment.channel.to_string(),
            fingerprint: payment.fingerprint,
            amount: payment.amount,
            at_ms: payment.at_ms,
            outcome: match payment.outcome {
                PaymentOutcome::Settled { surplus } => OutcomeV1::Settled(surplus),
                PaymentOutcome::Queued { surplus } => OutcomeV1::Queued(surplus),
                PaymentOutcome::Surplus => OutcomeV1::Surplus,
                PaymentOutcome::Short => OutcomeV1::Short,
            },
            returned: payment.returned,
        }
    }
}

impl TryFrom<PaymentV1> for Payment {
    type Error = CodecError;

    fn try_from(stored: PaymentV1) -> Result<Self, CodecError> {
        Ok(Self {
            channel: channel(&stored.channel)?,
            fingerprint: stored.fingerprint,
            amount: stored.amount,
            at_ms: stored.at_ms,
            outcome: match stored.outcome {
                OutcomeV1::Settled(surplus) => PaymentOutcome::Settled { surplus },
                OutcomeV1::Queued(surplus) => PaymentOutcome::Queued { surplus },
                OutcomeV1::Surplus => PaymentOutcome::Surplus,
                OutcomeV1::Short => PaymentOutcome::Short,
            },
            returned: stored.returned,
            refunded: 0,
        })
    }
}

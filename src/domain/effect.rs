//! What was promised to the world outside, in the transaction that made it true: one promise for each way that it goes.

use super::OrderId;

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EffectKind {
    /// An order was paid and handed out.
    OrderDelivered,
    /// An order was paid and has no goods yet.
    OrderQueued,
    /// Money waits to be returned.
    RefundDue,
    /// A known transaction came with other content.
    PaymentConflict,
    /// A notice says paid, and the provider, asked, does not.
    PaymentDisputed,
    /// The buyer was told, and did not open the order's page since.
    OrderReminder,
    /// The buyer still did not: a person's turn.
    OrderUnread,
    /// Many orders in a row whose buyers could not be told.
    BuyersNotTold,
    /// A buyer asked for the way to all orders of a contact.
    InboxLink,
    /// A product that a visitor waited for can be bought again.
    BackInStock,
    /// Keys of an order were found bad, and others handed out instead.
    OrderReplaced,
    /// A signed state of the ledger, for whoever keeps it.
    Checkpoint,
    /// The certificate was not renewed in time, or there is none.
    CertificateOverdue,
    /// Backups fail.
    BackupFailed,
}

/// The way a message goes. The numbers are stored in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Via {
    /// The merchant's webhook.
    Webhook = 0,
    /// Mail to the merchant.
    MerchantMail = 1,
    /// Mail to the buyer.
    BuyerMail = 2,
    /// Mail to the auditor.
    AuditorMail = 3,
}

/// Which ways there are, as the merchant set the shop up: promises are made for these only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tell {
    /// A webhook is set up.
    pub webhook: bool,
    /// Mail to the merchant is set up.
    pub merchant_mail: bool,
    /// Mail is set up.
    pub buyer_mail: bool,
    /// Mail to an auditor is set up.
    pub auditor_mail: bool,
}

/// A promise: it exists until it was kept, or given up by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Number in the outbox; the same in every attempt, so receivers can drop repetitions.
    pub id: u64,
    /// What is to be told.
    pub kind: EffectKind,
    /// How.
    pub via: Via,
    /// About which order; none for what belongs to no order.
    pub order: Option<OrderId>,
    /// Sealed: whom it goes to and what it needs, where no order tells that. Of a checkpoint its place. Else empty.
    pub content: Vec<u8>,
    /// When it was promised, Unix milliseconds.
    pub promised_at_ms: i64,
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next attempt is due, Unix milliseconds; none for a dead letter.
    pub due_at_ms: Option<i64>,
    /// Why the last attempt failed, without private content.
    pub last_error: Option<String>,
}

/// Attempts before an effect becomes a dead letter (reliability.md, R14).
pub const ATTEMPTS_MAX: u32 = 10;

/// Waits between attempts in seconds: 75 h 35 min in all (Standard Webhooks' schedule, stretched to R14's length).
const WAITS_S: [i64; 9] = [5, 295, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

impl EffectKind {
    /// Its event type in webhooks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderDelivered => "order.delivered",
            Self::OrderQueued => "order.queued",
            Self::RefundDue => "refund.due",
            Self::PaymentConflict => "payment.conflict",
            Self::PaymentDisputed => "payment.disputed",
            Self::OrderReminder => "order.reminder",
            Self::OrderUnread => "order.unread",
            Self::BuyersNotTold => "buyers.not_told",
            Self::InboxLink => "inbox.link",
            Self::BackInStock => "product.back_in_stock",
            Self::OrderReplaced => "order.replaced",
            Self::Checkpoint => "ledger.checkpoint",
            Self::CertificateOverdue => "certificate.overdue",
            Self::BackupFailed => "backup.failed",
        }
    }
}

impl Via {
    /// Its word on the command line and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::MerchantMail => "merchant_mail",
            Self::BuyerMail => "buyer_mail",
            Self::AuditorMail => "auditor_mail",
        }
    }
}

impl Tell {
    /// The ways to the merchant.
    pub fn merchant(self) -> impl Iterator<Item = Via> {
        let ways = [
            (self.webhook, Via::Webhook),
            (self.merchant_mail, Via::MerchantMail),
        ];
        ways.into_iter()
            .filter(|(open, _)| *open)
            .map(|(_, via)| via)
    }
}

impl Effect {
    /// The same effect, given up: a person decides what becomes of it.
    pub fn given_up(mut self, error: &str) -> Self {
        self.attempts += 1;
        self.last_error = Some(error.chars().take(200).collect());
        self.due_at_ms = None;
        self
    }

    /// The same effect after an attempt that failed at `now_ms`; `jitter` of 0 … 255 spreads retries over a tenth of the wait.
    pub fn failed(mut self, now_ms: i64, error: &str, jitter: u8) -> Self {
        let wait_s = WAITS_S.get(self.attempts as usize).copied();
        self.attempts += 1;
        self.last_error = Some(error.chars().take(200).collect());
        self.due_at_ms =
            wait_s.map(|wait_s| now_ms + wait_s * 1_000 + wait_s * 100 * i64::from(jitter) / 256);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_tried_ten_times_over_75_hours_and_then_waits_for_a_person() {
        let mut effect = Effect {
            id: 1,
            kind: EffectKind::OrderDelivered,
            via: Via::Webhook,
            order: Some(OrderId(1)),
            content: Vec::new(),
            promised_at_ms: 0,
            attempts: 0,
            due_at_ms: Some(0),
            last_error: None,
        };
        let mut attempts = 0;
        let mut now_ms = 0;
        while let Some(due_ms) = effect.due_at_ms {
            now_ms = due_ms;
            attempts += 1;
            effect = effect.failed(now_ms, "refused", 0);
        }
        assert_eq!(attempts, ATTEMPTS_MAX);
        assert_eq!(now_ms, (75 * 60 + 35) * 60_000);
    }
}

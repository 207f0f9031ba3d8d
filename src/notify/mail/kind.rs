//! The mails that there are, and what each may name.

use crate::domain::{EffectKind, Via};

/// One mail of the shop, with a text of its own in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// To the buyer: here are the goods.
    Delivered,
    /// To the buyer: paid, the goods follow.
    Queued,
    /// To the buyer: other keys were handed out instead of bad ones.
    Replaced,
    /// To the buyer: money is being returned.
    RefundDue,
    /// To the buyer: the order's page was not opened yet.
    Reminder,
    /// To the buyer: the way to all orders of this address.
    InboxLink,
    /// To someone who waited: it can be bought again.
    BackInStock,
    /// To the merchant: sold.
    Sale,
    /// To the merchant: paid, and there are no goods.
    MerchantQueued,
    /// To the merchant: money is to be returned.
    MerchantRefundDue,
    /// To the merchant: a known transaction came with other content.
    Conflict,
    /// To the merchant: the notice says paid, the provider says no.
    Disputed,
    /// To the merchant: a buyer has not looked at what was bought.
    Unread,
    /// To the merchant: many buyers in a row could not be told.
    NotTold,
    /// To the merchant and the auditor: a signed state of the ledger, to be kept.
    Checkpoint,
    /// To the merchant: the certificate was not renewed in time.
    Certificate,
    /// To the merchant: something is wrong with the machine, or right again.
    Machine,
    /// To the merchant: backups fail.
    Backup,
    /// To whom the merchant says: does mail work.
    Test,
}

/// A name in braces that a text may hold, filled in when the mail is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are in NAMES
pub enum Placeholder {
    Order,
    Product,
    Quantity,
    Amount,
    Link,
    Shop,
    Keys,
    Instructions,
    Scope,
    Support,
    Time,
    Reason,
    Refund,
    Channel,
    Count,
    Entries,
    Until,
}

impl MailKind {
    /// All kinds.
    pub const ALL: [Self; 19] = [
        Self::Delivered,
        Self::Replaced,
        Self::Queued,
        Self::RefundDue,
        Self::Reminder,
        Self::InboxLink,
        Self::BackInStock,
        Self::Sale,
        Self::MerchantQueued,
        Self::MerchantRefundDue,
        Self::Conflict,
        Self::Disputed,
        Self::Unread,
        Self::NotTold,
        Self::Checkpoint,
        Self::Certificate,
        Self::Machine,
        Self::Backup,
        Self::Test,
    ];

    /// Its word on the command line, and the name of its file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Replaced => "replaced",
            Self::Queued => "queued",
            Self::RefundDue => "refund-due",
            Self::Reminder => "reminder",
            Self::InboxLink => "inbox-link",
            Self::BackInStock => "back-in-stock",
            Self::Sale => "sale",
            Self::MerchantQueued => "merchant-queued",
            Self::MerchantRefundDue => "merchant-refund-due",
            Self::Conflict => "conflict",
            Self::Disputed => "disputed",
            Self::Unread => "unread",
            Self::NotTold => "not-told",
            Self::Checkpoint => "checkpoint",
            Self::Certificate => "certificate",
            Self::Machine => "machine",
            Self::Backup => "backup",
            Self::Test => "test",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The mail that tells an effect; none where there is nothing to write.
    pub fn of(kind: EffectKind, via: Via) -> Option<Self> {
        match (via, kind) {
            (Via::BuyerMail, EffectKind::OrderDelivered) => Some(Self::Delivered),
            (Via::BuyerMail, EffectKind::OrderReplaced) => Some(Self::Replaced),
            (Via::BuyerMail, EffectKind::OrderQueued) => Some(Self::Queued),
            (Via::BuyerMail, EffectKind::RefundDue) => Some(Self::RefundDue),
            (Via::BuyerMail, EffectKind::OrderReminder) => Some(Self::Reminder),
            (Via::BuyerMail, EffectKind::InboxLink) => Some(Self::InboxLink),
            (Via::BuyerMail, EffectKind::BackInStock) => Some(Self::BackInStock),
            (Via::MerchantMail, EffectKind::OrderDelivered) => Some(Self::Sale),
            (Via::MerchantMail, EffectKind::OrderQueued) => Some(Self::MerchantQueued),
            (Via::MerchantMail, EffectKind::RefundDue) => Some(Self::MerchantRefundDue),
            (Via::MerchantMail, EffectKind::PaymentConflict) => Some(Self::Conflict),
            (Via::MerchantMail, EffectKind::PaymentDisputed) => Some(Self::Disputed),
            (Via::MerchantMail, EffectKind::OrderUnread) => Some(Self::Unread),
            (Via::MerchantMail, EffectKind::BuyersNotTold) => Some(Self::NotTold),
            (Via::MerchantMail, EffectKind::CertificateOverdue) => Some(Self::Certificate),
            (Via::MerchantMail, EffectKind::BackupFailed) => Some(Self::Backup),
            (Via::MerchantMail | Via::AuditorMail, EffectKind::Checkpoint) => {
                Some(Self::Checkpoint)
            }
            _ => None,
        }
    }

    /// Whether it goes to a buyer.
    pub fn is_to_buyer(self) -> bool {
        matches!(
            self,
            Self::Delivered
                | Self::Replaced
                | Self::Queued
                | Self::RefundDue
                | Self::Reminder
                | Self::InboxLink
                | Self::BackInStock
        )
    }

    /// What its text may name.
    pub fn placeholders(self) -> &'static [Placeholder] {
        use Placeholder::*;
        match self {
            Self::Delivered | Self::Replaced | Self::Reminder => &[
                Order,
                Product,
                Quantity,
                Amount,
                Link,
                Shop,
                Keys,
                Instructions,
                Scope,
                Support,
                Time,
                Channel,
            ],
            Self::Queued => &[
                Order, Product, Quantity, Amount, Link, Shop, Scope, Support, Time, Channel, Reason,
            ],
            Self::RefundDue => &[
                Order, Product, Quantity, Amount, Link, Shop, Support, Time, Channel, Reason,
                Refund,
            ],
            Self::InboxLink => &[Link, Shop, Support, Time],
            Self::BackInStock => &[Product, Amount, Link, Shop, Scope, Support, Time],
            // Neither keys nor the buyer's link: staff does not see goods.
            Self::Sale
            | Self::MerchantQueued
            | Self::MerchantRefundDue
            | Self::Conflict
            | Self::Disputed
            | Self::Unread => &[
                Order, Product, Quantity, Amount, Shop, Time, Channel, Reason, Refund,
            ],
            Self::NotTold => &[Shop, Time, Count],
            Self::Checkpoint => &[Shop, Time, Entries],
            Self::Certificate => &[Shop, Time, Until, Reason],
            Self::Machine => &[Shop, Time, Reason],
            Self::Backup => &[Shop, Time, Reason],
            Self::Test => &[Shop, Time, Link],
        }
    }
}

impl Placeholder {
    /// Its names: English, then Chinese.
    pub fn names(self) -> [&'static str; 2] {
        NAMES
            .iter()
            .find(|(known, _)| *known == self)
            .map_or(["", ""], |(_, names)| *names)
    }

    /// The placeholder of a name, in small or capital letters.
    pub fn parse(name: &str) -> Option<Self> {
        let named = |names: &[&str; 2]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        NAMES
            .iter()
            .find(|(_, names)| named(names))
            .map(|(known, _)| *known)
    }
}

/// Every placeholder with its names.
pub const NAMES: [(Placeholder, [&str; 2]); 17] = [
    (Placeholder::Order, ["order", "订单号"]),
    (Placeholder::Product, ["product", "商品"]),
    (Placeholder::Quantity, ["quantity", "数量"]),
    (Placeholder::Amount, ["amount", "金额"]),
    (Placeholder::Link, ["link", "链接"]),
    (Placeholder::Shop, ["shop", "店名"]),
    (Placeholder::Keys, ["keys", "卡密"]),
    (Placeholder::Instructions, ["instructions", "使用说明"]),
    (Placeholder::Scope, ["scope", "适用范围"]),
    (Placeholder::Support, ["support", "客服"]),
    (Placeholder::Time, ["time", "时间"]),
    (Placeholder::Reason, ["reason", "原因"]),
    (Placeholder::Refund, ["refund", "退款金额"]),
    (Placeholder::Channel, ["channel", "支付渠道"]),
    (Placeholder::Count, ["count", "次数"]),
    (Placeholder::Entries, ["entries", "条目数"]),
    (Placeholder::Until, ["until", "有效期至"]),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_every_placeholder_reads_back_by_each_of_its_names() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::parse(kind.as_str()), Some(kind));
        }
        for (placeholder, names) in NAMES {
            assert_eq!(placeholder.names(), names);
            assert!(
                names
                    .iter()
                    .all(|name| Placeholder::parse(name) == Some(placeholder))
            );
        }
        assert_eq!(Placeholder::parse("7*7"), None);
    }

    #[test]
    fn no_mail_to_the_merchant_can_name_keys_or_the_buyers_link() {
        for kind in MailKind::ALL {
            let names = kind.placeholders();
            if !kind.is_to_buyer() && kind != MailKind::Test {
                assert!(!names.contains(&Placeholder::Keys) && !names.contains(&Placeholder::Link));
            }
        }
    }
}

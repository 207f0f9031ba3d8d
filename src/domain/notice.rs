//! A provider's notice, kept with what was decided and why.

use super::{ChannelName, OrderId};

/// What was decided on a notice: the outcomes of security.md, section 1, and the ways to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Paid, and handed out in the same commit.
    Settled,
    /// Paid; no goods yet.
    Queued,
    /// Known already; answered as the first time.
    Repeat,
    /// A payment that the order did not need.
    Surplus,
    /// Below the price.
    Short,
    /// A known transaction with other content.
    Conflict,
    /// A status that delivers nothing.
    Ignored,
    /// Authentic, but not about this merchant, channel, currency, or a known status.
    Mismatch,
    /// The provider, asked, does not confirm.
    Unconfirmed,
    /// Not authentic, or about no order of this channel: one answer for both.
    Refused,
    /// The shop could not decide now (busy, read-only): the provider will come again.
    Deferred,
}

/// A notice as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Channel that received it.
    pub channel: ChannelName,
    /// Order that it is about, where one was found.
    pub order: Option<OrderId>,
    /// Unix milliseconds.
    pub received_at_ms: i64,
    /// What was decided.
    pub verdict: Verdict,
    /// Why, with amounts: "0.01 paid, 19.90 expected". Holds nothing private.
    pub why: String,
    /// What was received, sealed under the order's key; empty for notices without an order.
    pub raw: Vec<u8>,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Self; 11] = [
        Self::Settled,
        Self::Queued,
        Self::Repeat,
        Self::Surplus,
        Self::Short,
        Self::Conflict,
        Self::Ignored,
        Self::Mismatch,
        Self::Unconfirmed,
        Self::Refused,
        Self::Deferred,
    ];

    /// Its word in logs, metrics and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Queued => "queued",
            Self::Repeat => "repeat",
            Self::Surplus => "surplus",
            Self::Short => "short",
            Self::Conflict => "conflict",
            Self::Ignored => "ignored",
            Self::Mismatch => "mismatch",
            Self::Unconfirmed => "unconfirmed",
            Self::Refused => "refused",
            Self::Deferred => "deferred",
        }
    }
}

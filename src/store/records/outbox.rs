//! Notices received and effects promised.

use bincode::{Decode, Encode};

use super::channel;
use crate::domain::{Effect, EffectKind, Notice, OrderId, Verdict, Via};
use crate::store::codec::{CodecError, Record, decode};

#[derive(Encode, Decode)]
pub struct EffectV1 {
    id: u64,
    kind: u8,
    order: u64,
    promised_at_ms: i64,
    attempts: u32,
    due_at_ms: Option<i64>,
    last_error: Option<String>,
}

#[derive(Encode, Decode)]
pub struct EffectV2 {
    id: u64,
    kind: u8,
    via: u8,
    order: Option<u64>,
    content: Vec<u8>,
    promised_at_ms: i64,
    attempts: u32,
    due_at_ms: Option<i64>,
    last_error: Option<String>,
}

/// What a message that belongs to no order needs, sealed before it is stored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct LetterContent {
    /// Mail address that it goes to.
    pub contact: String,
    /// Language that it is written in.
    pub language: String,
    /// The product that it is about.
    pub product: Option<String>,
}

/// A message that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ToldV1 {
    pub(super) kind: u8,
    pub(super) via: u8,
    pub(super) at_ms: i64,
}

#[derive(Encode, Decode)]
pub struct NoticeV1 {
    channel: String,
    order: Option<u64>,
    received_at_ms: i64,
    verdict: u8,
    why: String,
    raw: Vec<u8>,
}

impl Record for EffectV1 {
    const VERSION: u8 = 1;
}
impl Record for EffectV2 {
    const VERSION: u8 = 2;

    fn of_version(version: u8, bytes: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => decode::<EffectV1>(bytes).map(Self::from),
            _ => Err(CodecError::Version(version)),
        }
    }
}
impl Record for LetterContent {
    const VERSION: u8 = 1;
}
impl Record for ToldV1 {
    const VERSION: u8 = 1;
}
impl Record for NoticeV1 {
    const VERSION: u8 = 1;
}

const KINDS: [EffectKind; 14] = [
    EffectKind::OrderDelivered,
    EffectKind::OrderQueued,
    EffectKind::RefundDue,
    EffectKind::PaymentConflict,
    EffectKind::PaymentDisputed,
    EffectKind::OrderReminder,
    EffectKind::OrderUnread,
    EffectKind::BuyersNotTold,
    EffectKind::InboxLink,
    EffectKind::BackInStock,
    EffectKind::OrderReplaced,
    EffectKind::Checkpoint,
    EffectKind::CertificateOverdue,
    EffectKind::BackupFailed,
];
const VIAS: [Via; 4] = [
    Via::Webhook,
    Via::MerchantMail,
    Via::BuyerMail,
    Via::AuditorMail,
];

/// Every value is in its list; a missing one would decode as an error, never as another.
fn number<T: PartialEq>(known: &[T], value: T) -> u8 {
    known
        .iter()
        .position(|each| *each == value)
        .map_or(u8::MAX, |at| at as u8)
}

fn value<T: Copy>(known: &[T], number: u8) -> Result<T, CodecError> {
    known
        .get(usize::from(number))
        .copied()
        .ok_or(CodecError::Damaged)
}

/// A message that was delivered: what, how, and when (Unix milliseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What was told.
    pub kind: EffectKind,
    /// How.
    pub via: Via,
    /// When it was accepted by the other side.
    pub at_ms: i64,
}

impl From<Told> for ToldV1 {
    fn from(told: Told) -> Self {
        Self {
            kind: number(&KINDS, told.kind),
            via: number(&VIAS, told.via),
            at_ms: told.at_ms,
        }
    }
}

impl TryFrom<ToldV1> for Told {
    type Error = CodecError;

    fn try_from(stored: ToldV1) -> Result<Self, CodecError> {
        Ok(Self {
            kind: value(&KINDS, stored.kind)?,
            via: value(&VIAS, stored.via)?,
            at_ms: stored.at_ms,
        })
    }
}

impl From<EffectV1> for EffectV2 {
    fn from(old: EffectV1) -> Self {
        Self {
            id: old.id,
            kind: old.kind,
            via: number(&VIAS, Via::Webhook),
            order: Some(old.order),
            content: Vec::new(),
            promised_at_ms: old.promised_at_ms,
            attempts: old.attempts,
            due_at_ms: old.due_at_ms,
            last_error: old.last_error,
        }
    }
}

impl From<&Effect> for EffectV2 {
    fn from(effect: &Effect) -> Self {
        Self {
            id: effect.id,
            kind: number(&KINDS, effect.kind),
            via: number(&VIAS, effect.via),
            order: effect.order.map(|order| order.0),
            content: effect.content.clone(),
            promised_at_ms: effect.promised_at_ms,
            attempts: effect.attempts,
            due_at_ms: effect.due_at_ms,
            last_error: effect.last_error.clone(),
        }
    }
}

impl TryFrom<EffectV2> for Effect {
    type Error = CodecError;

    fn try_from(stored: EffectV2) -> Result<Self, CodecError> {
        Ok(Self {
            id: stored.id,
            kind: value(&KINDS, stored.kind)?,
            via: value(&VIAS, stored.via)?,
            order: stored.order.map(OrderId),
            content: stored.content,
            promised_at_ms: stored.promised_at_ms,
            attempts: stored.attempts,
            due_at_ms: stored.due_at_ms,
            last_error: stored.last_error,
        })
    }
}

impl From<&Notice> for NoticeV1 {
    fn from(notice: &Notice) -> Self {
        Self {
            channel: notice.channel.to_string(),
            order: notice.order.map(|order| order.0),
            received_at_ms: notice.received_at_ms,
            verdict: Verdict::ALL
                .iter()
                .position(|verdict| *verdict == notice.verdict)
                .map_or(u8::MAX, |at| at as u8),
            why: notice.why.clone(),
            raw: notice.raw.clone(),
        }
    }
}

impl TryFrom<NoticeV1> for Notice {
    type Error = CodecError;

    fn try_from(stored: NoticeV1) -> Result<Self, CodecError> {
        Ok(Self {
            channel: channel(&stored.channel)?,
            order: stored.order.map(OrderId),
            received_at_ms: stored.received_at_ms,
            verdict: *Verdict::ALL
                .get(usize::from(stored.verdict))
                .ok_or(CodecError::Damaged)?,
            why: stored.why,
            raw: stored.raw,
        })
    }
}

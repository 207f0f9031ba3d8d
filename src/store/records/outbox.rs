//! Notices received and effects promised.

use bincode::{Decode, Encode};

use super::channel;
use crate::domain::{Effect, EffectKind, Notice, OrderId, Verdict};
use crate::store::codec::{CodecError, Record};

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
impl Record for NoticeV1 {
    const VERSION: u8 = 1;
}

const KINDS: [EffectKind; 5] = [
    EffectKind::OrderDelivered,
    EffectKind::OrderQueued,
    EffectKind::RefundDue,
    EffectKind::PaymentConflict,
    EffectKind::PaymentDisputed,
];

impl From<&Effect> for EffectV1 {
    fn from(effect: &Effect) -> Self {
        Self {
            id: effect.id,
            kind: KINDS
                .iter()
                .position(|kind| *kind == effect.kind)
                .map_or(u8::MAX, |at| at as u8),
            order: effect.order.0,
            promised_at_ms: effect.promised_at_ms,
            attempts: effect.attempts,
            due_at_ms: effect.due_at_ms,
            last_error: effect.last_error.clone(),
        }
    }
}

impl TryFrom<EffectV1> for Effect {
    type Error = CodecError;

    fn try_from(stored: EffectV1) -> Result<Self, CodecError> {
        Ok(Self {
            id: stored.id,
            kind: *KINDS
                .get(usize::from(stored.kind))
                .ok_or(CodecError::Damaged)?,
            order: OrderId(stored.order),
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

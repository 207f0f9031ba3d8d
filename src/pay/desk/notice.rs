//! The callback rule (security.md, section 1), the same for every channel and in the same order.
//!
//! Threats: a forged notice, one of another merchant, channel, order or currency, an unpaid one, a gateway whose key leaked.
//! Every way to fail answers so that the provider comes again, and none of them tells the sender which check refused it.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

use super::Desk;
use super::booths::Booth;
use crate::actions::{Claim, RefusedNotice, SettleError};
use crate::domain::{ChannelName, Money, Order, OrderId, Payment, Verdict};
use crate::limits;
use crate::pay::notice::{NoticeRefusal, RawNotice, check_size, printable};
use crate::pay::{
    Acknowledgement, LogFields, NoticeStatus, QUERY_TIMEOUT_MS, QueryAnswer, VerifiedNotice,
};

impl Desk {
    /// Decides on a notice that came to `channel`, and gives the answer for its sender. A payment is durable before this
    /// answers with success.
    pub async fn notice(&self, channel: &str, raw: &RawNotice<'_>) -> Acknowledgement {
        let received_at_ms = self.shop.now_ms();
        let name = ChannelName::parse(channel).ok();
        let booth = name.as_ref().and_then(|name| self.booth(name));
        let (name, answer, decision) = match (name, booth) {
            (Some(name), Some(booth)) => {
                let decision = match check_size(raw) {
                    Ok(()) => self.decide(&name, &booth, raw).await,
                    Err(refusal) => Decision::refused(&refusal, LogFields::new()),
                };
                let answer = booth.gateway.acknowledgement(decision.accepted);
                (name.to_string(), answer, decision)
            }
            (name, _) => {
                let (name, decision) = self.no_booth(channel, name);
                (name, REFUSED, decision)
            }
        };
        log(&name, raw, &decision);
        if decision.is_of_a_stranger() {
            self.refusals().count(&name, &decision.why);
        }
        if let Some(counter) = &self.counter {
            counter.count(
                if name.is_empty() { "unknown" } else { &name },
                decision.verdict,
            );
        }
        if !decision.kept {
            self.shop.refused_notices().push(RefusedNotice {
                channel: name,
                received_at_ms,
                verdict: decision.verdict,
                why: decision.why,
                authentic: decision.authentic,
                order: decision.order,
                fields: decision.fields,
                raw: as_received(raw, limits::BAD_NOTICE_BYTES_MAX),
            });
        }
        answer
    }

    /// Writes one line for each channel to which notices came without its signature since the last call. To be called once a
    /// minute: strangers must not fill the log line by line.
    pub fn log_refusals(&self) {
        for (channel, refusals) in std::mem::take(&mut self.refusals().0) {
            let (count, newest) = (refusals.count, refusals.newest);
            tracing::info!(channel, count, newest, "notices were refused");
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A notice for a closed channel, or for none of the shop's: all names that strangers invent are one, the empty one.
    fn no_booth(&self, channel: &str, name: Option<ChannelName>) -> (String, Decision) {
        let booths = self.booths();
        let closed = name.and_then(|name| booths.closed.get_key_value(&name));
        let (name, why) = match closed {
            Some((name, why)) => (name.to_string(), format!("the channel is closed: {why}")),
            None => {
                let channel = printable(channel.as_bytes());
                (String::new(), format!("there is no channel {channel:?}"))
            }
        };
        (name, Decision::of(Verdict::Refused, why, LogFields::new()))
    }

    async fn decide(&self, name: &ChannelName, booth: &Booth, raw: &RawNotice<'_>) -> Decision {
        // Method, content type, parameters, key, source, signature, time, merchant: all in the gateway, in this order.
        let notice = match booth.gateway.verify_notice(raw) {
            Ok(notice) => notice,
            Err(refusal) => return Decision::refused(&refusal, booth.gateway.loggable(raw)),
        };
        let fields = notice.fields.clone();
        let order = match self.order_of(name, &notice.order) {
            Ok(Some(order)) => order,
            Ok(None) => return Decision::unknown_order(&notice.order, fields).authentic(),
            Err(fault) => {
                tracing::error!(channel = %name, error = %fault, "a notice cannot be decided");
                let why = "the shop could not read its orders";
                return Decision::of(Verdict::Deferred, why, fields).authentic();
            }
        };
        let decision = self.decide_on(booth, &order, &notice, raw).await;
        Decision {
            order: Some(order.id),
            fields,
            ..decision.authentic()
        }
    }

    async fn decide_on(
        &self,
        booth: &Booth,
        order: &Order,
        notice: &VerifiedNotice,
        raw: &RawNotice<'_>,
    ) -> Decision {
        let paid = Money::new(notice.amount, notice.currency);
        if notice.currency != order.total.currency || notice.amount <= 0 {
            let why = format!("{} paid, {} expected", shown(paid), shown(order.total));
            return Decision::of(Verdict::Mismatch, why, LogFields::new());
        }
        match notice.status {
            NoticeStatus::Paid => {}
            status => return Decision::ignored(status),
        }
        let mut disputed = false;
        if !self.is_recorded(order, notice) && booth.gateway.asks_before_settling(notice.amount) {
            match ask(booth, order.id).await {
                Ok(answer) => disputed = !confirms(&answer, notice),
                Err(why) => return Decision::of(Verdict::Deferred, why, LogFields::new()),
            }
        }
        let claim = Claim {
            channel: order.channel.clone(),
            order: order.id,
            transaction: notice.transaction.clone(),
            amount: notice.amount,
            currency: notice.currency,
            raw: as_received(raw, limits::NOTICE_BYTES_MAX),
            disputed,
        };
        match self.shop.settle(claim).await {
            Ok(settled) => Decision {
                verdict: settled.verdict,
                why: settled.why,
                accepted: settled.accepted,
                kept: true,
                authentic: true,
                order: None,
                fields: LogFields::new(),
            },
            Err(SettleError::UnknownOrder) => {
                Decision::unknown_order(&notice.order, LogFields::new())
            }
            Err(error) => {
                let why = format!("{} paid, not recorded: {error}", shown(paid));
                Decision::of(Verdict::Deferred, why, LogFields::new())
            }
        }
    }

    /// Whether this very payment is recorded already: then nothing can follow from it, and it gets the same answer again
    /// whether or not the provider can be asked now.
    fn is_recorded(&self, order: &Order, notice: &VerifiedNotice) -> bool {
        let known_as = format!("{}\n{}", order.channel, notice.transaction);
        let fingerprint = self
            .shop
            .vault()
            .fingerprint("payment", known_as.as_bytes());
        let same = |payment: &Payment| {
            payment.fingerprint == fingerprint && payment.amount == notice.amount
        };
        order.payments.iter().any(same)
    }
}

/// Notices without a signature since they were last logged, by channel; empty is all names that are not the shop's.
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<String, Refused>);

#[derive(Default)]
struct Refused {
    count: u64,
    /// Why the newest was refused.
    newest: String,
}

impl Refusals {
    fn count(&mut self, channel: &str, why: &str) {
        let refused = self.0.entry(channel.to_owned()).or_default();
        refused.count += 1;
        why.clone_into(&mut refused.newest);
    }

    #[cfg(test)]
    pub fn counts(&self) -> Vec<(&str, u64)> {
        let counts = self.0.iter();
        counts
            .map(|(channel, refused)| (channel.as_str(), refused.count))
            .collect()
    }
}

/// What became of one notice.
struct Decision {
    verdict: Verdict,
    why: String,
    accepted: bool,
    /// Whether the shop's own transaction keeps the notice already, or nothing needs to.
    kept: bool,
    /// Whether the notice bore the channel's signature.
    authentic: bool,
    order: Option<OrderId>,
    fields: LogFields,
}

impl Decision {
    /// A notice that changes nothing and is not answered with success.
    fn of(verdict: Verdict, why: impl Into<String>, fields: LogFields) -> Self {
        Self {
            verdict,
            why: why.into(),
            accepted: false,
            kept: false,
            authentic: false,
            order: None,
            fields,
        }
    }

    fn refused(refusal: &NoticeRefusal, fields: LogFields) -> Self {
        let verdict = verdict_of(refusal);
        Self {
            authentic: verdict == Verdict::Mismatch,
            ..Self::of(verdict, refusal.to_string(), fields)
        }
    }

    fn is_of_a_stranger(&self) -> bool {
        self.verdict == Verdict::Refused && !self.authentic
    }

    fn authentic(self) -> Self {
        Self {
            authentic: true,
            ..self
        }
    }

    /// Never stored as seen, so that a payment which follows is taken.
    fn ignored(status: NoticeStatus) -> Self {
        let why = match status {
            NoticeStatus::Paid | NoticeStatus::NotYet => "the provider waits for the payment",
            NoticeStatus::Closed => "the provider gave the payment up",
            NoticeStatus::Refunded => "the provider gave the money back",
        };
        Self {
            accepted: true,
            // Some gateways say "not yet" every minute: that is for the log alone.
            kept: status == NoticeStatus::NotYet,
            ..Self::of(Verdict::Ignored, why, LogFields::new())
        }
    }

    fn unknown_order(number: &str, fields: LogFields) -> Self {
        let number = printable(number.as_bytes());
        let why = format!("order {number:?} was not made on this channel");
        Self::of(Verdict::Refused, why, fields)
    }
}

/// Everything after the signature is authentic, and about something else than this channel expects.
fn verdict_of(refusal: &NoticeRefusal) -> Verdict {
    match refusal {
        NoticeRefusal::WrongMerchant(_)
        | NoticeRefusal::WrongType(_)
        | NoticeRefusal::Field(_)
        | NoticeRefusal::Amount(_)
        | NoticeRefusal::UnknownStatus(_) => Verdict::Mismatch,
        _ => Verdict::Refused,
    }
}

async fn ask(booth: &Booth, order: OrderId) -> Result<QueryAnswer, String> {
    let limit = Duration::from_millis(QUERY_TIMEOUT_MS);
    match tokio::time::timeout(limit, booth.gateway.query(order)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("the provider was asked and did not say: {error}")),
        Err(_) => Err("the provider was asked and did not answer in time".to_owned()),
    }
}

/// The provider names the same payment; anything else is a disagreement.
fn confirms(answer: &QueryAnswer, notice: &VerifiedNotice) -> bool {
    answer.paid.as_ref().is_some_and(|paid| {
        paid.transaction == notice.transaction
            && paid.money == Money::new(notice.amount, notice.currency)
    })
}

fn shown(money: Money) -> String {
    format!("{} {}", money.decimal(), money.currency.as_str())
}

/// The notice in one piece, for the merchant's eyes and for a replay: `GET ?query`, or `POST ?query`, a newline, the body.
/// At most `bytes_max` of it.
fn as_received(raw: &RawNotice<'_>, bytes_max: usize) -> Vec<u8> {
    let pieces = [
        raw.method.as_str().as_bytes(),
        b" ?",
        raw.query,
        b"\n",
        raw.body,
    ];
    let bytes = pieces.into_iter().flatten().copied();
    bytes.take(bytes_max).collect()
}

fn log(channel: &str, raw: &RawNotice<'_>, decision: &Decision) {
    let fields: Vec<String> = decision
        .fields
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    let (fields, verdict, why) = (fields.join(" "), decision.verdict.as_str(), &decision.why);
    let order = decision.order.map(|order| order.to_string());
    let peer = raw.peer;
    if decision.is_of_a_stranger() {
        tracing::debug!(channel, order, verdict, why, fields, %peer, "notice");
    } else if matches!(
        decision.verdict,
        Verdict::Refused
            | Verdict::Conflict
            | Verdict::Unconfirmed
            | Verdict::Mismatch
            | Verdict::Deferred
    ) {
        tracing::warn!(channel, order, verdict, why, fields, %peer, "notice");
    } else {
        tracing::info!(channel, order, verdict, why, fields, %peer, "notice");
    }
}

/// For names of no open channel: the bytes with which channels refuse.
const REFUSED: Acknowledgement = Acknowledgement {
    status: StatusCode::BAD_REQUEST,
    content_type: "text/plain; charset=utf-8",
    body: "fail",
};

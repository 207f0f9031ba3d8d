//! Orders and the notices that were about them. Keys are never shown here: they are the buyer's.

use serde_json::{Value, json};

use super::{CommandError, Context, command::Decision, times};
use crate::{
    actions::{OrderFilter, RefusedNotice},
    domain::{Money, Notice, Order, OrderId, OrderState, PaymentOutcome},
    store::Told,
};

/// Longest list that is given at once.
const LIST_MAX: usize = 10_000;

pub(super) fn list(
    context: &Context,
    state: Option<&str>,
    since: Option<&str>,
    owed: bool,
    max: usize,
) -> Result<Value, CommandError> {
    let state = state.map(state_of).transpose()?;
    let since_ms = since.map(|text| times::parse(context, text)).transpose()?;
    let filter = OrderFilter {
        state,
        since_ms,
        owed,
    };
    let max = max.min(LIST_MAX);
    // One more than is shown tells whether there are more.
    let mut orders = context.shop.orders(filter, max.saturating_add(1))?;
    let more = orders.len() > max;
    orders.truncate(max);
    let listed: Vec<Value> = orders.iter().map(|order| short(context, order)).collect();
    Ok(json!({"orders": listed, "more": more}))
}

pub(super) fn unread(context: &Context, max: usize) -> Result<Value, CommandError> {
    let max = max.min(LIST_MAX);
    let mut unread = context.shop.unread_orders(max.saturating_add(1))?;
    let more = unread.len() > max;
    unread.truncate(max);
    let listed = unread.iter().map(|unread| {
        let mut listed = short(context, &unread.order);
        listed["contact"] = json!(unread.contact);
        let delivered_at_ms = unread.order.delivered_at_ms;
        listed["delivered_at"] = json!(delivered_at_ms.map(|at| times::shown(context, at)));
        listed
    });
    Ok(json!({"orders": listed.collect::<Vec<_>>(), "more": more}))
}

pub(super) fn show(context: &Context, number: &str) -> Result<Value, CommandError> {
    let id = order_id(number)?;
    let view = context.shop.view_order(id)?;
    let view = view.ok_or_else(|| {
        CommandError::unknown(format!(
            "there is no order {id}: `keystall order list` shows them"
        ))
    })?;
    let mut shown = short(context, &view.order);
    let fields = json!({
        "note": view.note,
        "contact": view.erased_at_ms.is_none().then(|| view.contact.expose()),
        "second_contact": view.second.as_ref().map(|second| second.expose()),
        "language": view.language,
        "expires_at": times::shown(context, view.order.expires_at_ms),
        "expires_at_ms": view.order.expires_at_ms,
        "paid_at": view.order.paid_at_ms.map(|at| times::shown(context, at)),
        "delivered_at": view.order.delivered_at_ms.map(|at| times::shown(context, at)),
        "slots": view.order.slots.iter().map(|slot| format!("{}:{}", slot.batch, slot.index)).collect::<Vec<_>>(),
        "payments": payments(context, &view.order),
        "refunds": refunds(context, &view.order),
        "replaced": view.order.after.replacements.iter().flat_map(|each| &each.out).map(|slot| slot.to_string()).collect::<Vec<_>>(),
        "erased_at": view.erased_at_ms.map(|at| times::shown(context, at)),
        "entry": view.receipt.as_ref().map(|(hash, seq)| json!({"seq": seq, "hash": hash})),
        "queue_place": view.queue_place,
        "told": told(context, &view.told),
    });
    if let (Some(shown), Value::Object(fields)) = (shown.as_object_mut(), fields) {
        shown.extend(fields);
    }
    Ok(shown)
}

pub(super) fn decide(
    context: &Context,
    number: &str,
    decision: Decision,
    reason: &str,
) -> Result<Value, CommandError> {
    let id = order_id(number)?;
    let shop = &context.shop;
    let order = match decision {
        Decision::Deliver => shop.give_by_hand(id, reason)?,
        Decision::DeliverPaid => shop.deliver_by_hand(id, reason)?,
        Decision::Refund => shop.returned_by_hand(id, reason)?,
        Decision::Cancel => shop.cancel_by_hand(id, reason)?,
    };
    let mut shown = short(context, &order);
    // The private part of an erased order takes none; the decision stands.
    let view = shop.view_order(id).ok().flatten();
    shown["note_kept"] = json!(view.is_some_and(|view| view.note.is_some()));
    Ok(shown)
}

pub(super) fn notices(context: &Context, max: usize) -> Result<Value, CommandError> {
    let max = max.min(LIST_MAX);
    let kept = context.shop.notices(None, max)?;
    let kept: Vec<Value> = kept
        .iter()
        .map(|(number, notice)| kept_notice(context, *number, notice))
        .collect();
    // The ring is the daemon's memory; without it, what it wrote down last.
    let refused: Vec<Value> = if context.in_daemon {
        let latest = context.shop.refused_notices().latest(max);
        latest
            .iter()
            .map(|notice| refused_notice(context, notice))
            .collect()
    } else {
        let mut stored = context.shop.stored_refused()?;
        stored.truncate(max);
        for notice in &mut stored {
            let at_ms = notice["received_at_ms"].as_i64().unwrap_or(0);
            notice["received_at"] = json!(times::shown(context, at_ms));
        }
        stored
    };
    Ok(json!({"kept": kept, "refused": refused}))
}

pub(super) fn order_id(number: &str) -> Result<OrderId, CommandError> {
    OrderId::parse(number).map_err(|error| {
        CommandError::invalid(format!(
            "{number:?}: {error}; `keystall order list` shows them"
        ))
    })
}

fn state_of(word: &str) -> Result<OrderState, CommandError> {
    OrderState::parse(word).ok_or_else(|| {
        let known: Vec<&str> = OrderState::ALL.iter().map(|state| state.as_str()).collect();
        CommandError::invalid(format!("{word:?} is no state: {}", known.join(", ")))
    })
}

pub(super) fn short(context: &Context, order: &Order) -> Value {
    let owed = Money::new(order.owed(), order.total.currency);
    json!({
        "order": order.id.to_string(),
        "state": order.state.as_str(),
        "reason": order.reason.map(|reason| reason.as_str()),
        "product": order.product.as_str(),
        "title": order.title,
        "quantity": order.quantity,
        "amount": order.total.amount,
        "total": order.total.decimal(),
        "currency": order.total.currency.as_str(),
        "channel": order.channel.as_str(),
        "created_at": times::shown(context, order.created_at_ms()),
        "created_at_ms": order.created_at_ms(),
        "owed_amount": owed.amount,
        "owed": owed.decimal(),
    })
}

fn told(context: &Context, told: &[Told]) -> Vec<Value> {
    let shown = |told: &Told| {
        json!({
            "at": times::shown(context, told.at_ms),
            "event": told.kind.as_str(),
            "by": told.via.as_str(),
        })
    };
    told.iter().map(shown).collect()
}

fn refunds(context: &Context, order: &Order) -> Vec<Value> {
    let shown = |refund: &crate::domain::Refund| {
        json!({
            "at": times::shown(context, refund.at_ms),
            "amount": refund.amount,
            "returned": Money::new(refund.amount, order.total.currency).decimal(),
            "why": refund.why,
            "entry": refund.entry.map(|at| at.seq()),
        })
    };
    order.after.refunds.iter().map(shown).collect()
}

fn payments(context: &Context, order: &Order) -> Vec<Value> {
    let shown = |payment: &crate::domain::Payment| {
        let outcome = match payment.outcome {
            PaymentOutcome::Settled { .. } => "settled",
            PaymentOutcome::Queued { .. } => "queued",
            PaymentOutcome::Surplus => "surplus",
            PaymentOutcome::Short => "short",
        };
        let decimal = |amount| Money::new(amount, order.total.currency).decimal();
        json!({
            "channel": payment.channel.as_str(),
            "at": times::shown(context, payment.at_ms),
            "amount": payment.amount,
            "paid": decimal(payment.amount),
            "outcome": outcome,
            "returned": decimal(payment.returned + payment.refunded),
            "owed": decimal(payment.owed(order.state)),
        })
    };
    order.payments.iter().map(shown).collect()
}

fn kept_notice(context: &Context, number: u64, notice: &Notice) -> Value {
    json!({
        "notice": number,
        "channel": notice.channel.as_str(),
        "order": notice.order.map(|order| order.to_string()),
        "received_at": times::shown(context, notice.received_at_ms),
        "received_at_ms": notice.received_at_ms,
        "verdict": notice.verdict.as_str(),
        "why": notice.why,
    })
}

fn refused_notice(context: &Context, notice: &RefusedNotice) -> Value {
    json!({
        "channel": notice.channel,
        "received_at": times::shown(context, notice.received_at_ms),
        "received_at_ms": notice.received_at_ms,
        "verdict": notice.verdict.as_str(),
        "why": notice.why,
        "authentic": notice.authentic,
        "order": notice.order.map(|order| order.to_string()),
    })
}

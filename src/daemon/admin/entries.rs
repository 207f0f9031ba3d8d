//! What a merchant does after a sale, and for an auditor: each leaves an entry in the ledger.

use serde_json::{Value, json};

use super::{CommandError, Context, keys::slot, orders, times};
use crate::{
    actions::{AdminEntry, AuditError, EraseError},
    domain::{EntryAt, Money, SlotRef},
};

/// Entries in one list at most.
const LIST_MAX: usize = 10_000;

/// Money that waited was returned; with `amount` or `why`, money of the sale.
pub(super) fn refund(
    context: &Context,
    number: &str,
    amount: Option<&str>,
    why: Option<&str>,
    note: &str,
) -> Result<Value, CommandError> {
    let id = orders::order_id(number)?;
    if amount.is_none() && why.is_none() {
        let order = context.shop.returned_by_hand(id, note)?;
        return Ok(orders::short(context, &order));
    }
    let amount = match amount {
        Some(text) => {
            let currency = context.shop.order(id)?.map(|order| order.total.currency);
            let currency = currency.unwrap_or(context.shop.policy().currency);
            let money = Money::parse(text, currency)
                .map_err(|error| CommandError::invalid(format!("--amount {text:?}: {error}")))?;
            Some(money.amount)
        }
        None => None,
    };
    let refunded = context
        .shop
        .refund_sale(id, amount, why.unwrap_or("other"), note)?;
    let mut shown = orders::short(context, &refunded.order);
    let money = Money::new(refunded.amount, refunded.order.total.currency);
    shown["refunded_amount"] = json!(money.amount);
    shown["refunded"] = json!(money.decimal());
    shown["entry"] = entry(refunded.entry);
    if refunded.entry.is_none() {
        shown["remark"] = json!(
            "the order was sold before a restore, in a generation of the ledger that has ended: no refund entry can name it; the refund stands in the shop's books, and an admin entry tells that it was made (`keystall ledger admin`)"
        );
    }
    Ok(shown)
}

pub(super) fn replace(
    context: &Context,
    number: &str,
    slots: &[String],
    why: &str,
    note: &str,
) -> Result<Value, CommandError> {
    let id = orders::order_id(number)?;
    let slots: Vec<SlotRef> = slots
        .iter()
        .map(|text| slot(text))
        .collect::<Result<_, _>>()?;
    let replaced = context.shop.replace_keys(id, &slots, why, note)?;
    let mut shown = orders::short(context, &replaced.order);
    let texts = |slots: &[SlotRef]| slots.iter().map(SlotRef::to_string).collect::<Vec<_>>();
    shown["replaced"] = json!(texts(&replaced.out));
    shown["slots"] = json!(texts(&replaced.order.slots));
    let last = replaced.order.after.replacements.last();
    shown["entry"] = entry(last.map(|last| last.entry));
    Ok(shown)
}

pub(super) fn erase(context: &Context, number: &str) -> Result<Value, CommandError> {
    let id = orders::order_id(number)?;
    let erased = context.shop.erase_order(id)?;
    let mut shown = orders::short(context, &erased.order);
    shown["erased_at"] = json!(times::shown(context, erased.at_ms));
    shown["already"] = json!(erased.already);
    shown["entry"] = entry(erased.entry);
    if erased.order.sale.is_some() && erased.entry.is_none() && !erased.already {
        shown["remark"] = json!(
            "no erase entry names this order: its sale has one already, or lies in a generation of the ledger that has ended, and an admin entry tells of it"
        );
    }
    let due = context.shop.months_due()?;
    shown["keys_due"] = json!(due.iter().map(|due| &due.label).collect::<Vec<_>>());
    Ok(shown)
}

pub(super) fn audit(context: &Context, nonce: &str) -> Result<Value, CommandError> {
    let audited = context.shop.audit(nonce)?;
    Ok(json!({
        "nonce": nonce,
        "seq": audited.at.seq(),
        "generation": audited.at.generation(),
        "t_ms": audited.t_ms,
        "t": times::shown(context, audited.t_ms),
        "size": audited.checkpoint.size,
        "note": audited.checkpoint.note,
    }))
}

/// The newest `max` entries.
pub(super) fn admin(context: &Context, max: usize) -> Result<Value, CommandError> {
    const PAGE: usize = 500;
    let max = max.clamp(1, LIST_MAX);
    let (mut newest, mut after, mut more) = (Vec::new(), None, false);
    loop {
        let page = context.shop.admin_log(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.at);
        newest.extend(page);
        if newest.len() > max {
            more = true;
            newest.drain(..newest.len() - max);
        }
    }
    let shown = |entry: &AdminEntry| {
        json!({
            "seq": entry.at.seq(),
            "generation": entry.at.generation(),
            "t": times::shown(context, entry.t_ms),
            "t_ms": entry.t_ms,
            "what": entry.what,
            "who": entry.who,
            "text": entry.text,
            "salt": entry.salt,
        })
    };
    let shown: Vec<Value> = newest.iter().map(shown).collect();
    Ok(json!({"entries": shown, "more": more}))
}

fn entry(at: Option<EntryAt>) -> Value {
    match at {
        Some(at) => json!({"seq": at.seq(), "generation": at.generation()}),
        None => Value::Null,
    }
}

impl From<EraseError> for CommandError {
    fn from(error: EraseError) -> Self {
        let code = match &error {
            EraseError::Unknown(_) => "unknown",
            EraseError::Open { .. } => "state",
            EraseError::Owed(_) => "owed",
            EraseError::List { .. } => "file",
            EraseError::Store(_) => "store",
        };
        Self::new(code, error)
    }
}

impl From<AuditError> for CommandError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Nonce => Self::invalid(error),
            AuditError::Fault(fault) => fault.into(),
        }
    }
}

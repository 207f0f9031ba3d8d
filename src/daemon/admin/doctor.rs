//! What is wrong in the shop, each with what to do. The command line adds what it sees from outside.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CommandError, Context, witnesses};
use crate::{
    actions::OrderFilter,
    domain::{Effect, OrderId, OrderState, Product, Via},
    notify::mail::NOT_TOLD_AT,
    pay::epay::EpayConfig,
    store::{Head, Rows},
};

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Sells, but somebody should look.
    Warn,
    /// Does not sell, or loses something.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, one or two words.
    pub check: String,
    /// How it is.
    pub level: Level,
    /// What was found and, where something is to be done, what.
    pub message: String,
}

/// Fewer keys than this are few.
const STOCK_LOW: u32 = 5;
/// A clock this far behind the ledger is wrong.
const CLOCK_BEHIND_MS: i64 = 60_000;
/// 2026-01-01: no clock is right before this version existed.
const CLOCK_EARLIEST_MS: i64 = 1_767_225_600_000;
const ORDERS_COUNTED_MAX: usize = 1_000;
/// Messages that are named one by one.
const DEAD_NAMED_MAX: usize = 5;
/// Faults of the books that are named one by one.
const WRONG_NAMED_MAX: usize = 5;
/// Latest orders, and messages of each, that are asked whether mail ever worked.
const ORDERS_ASKED_MAX: usize = 100;
const TOLD_ASKED_MAX: usize = 20;
const EFFECTS_COUNTED_MAX: usize = 10_000;

impl Finding {
    /// A finding.
    pub fn new(check: &str, level: Level, message: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            level,
            message: message.into(),
        }
    }
}

/// Everything is looked at, whatever else is wrong.
pub(super) fn examine(context: &Context) -> Result<Value, CommandError> {
    let mut all = Vec::new();
    let mut look = |check: &str, look: &dyn Fn() -> Result<Vec<Finding>, CommandError>| {
        // A page that is not as it was written may make the database's own code panic.
        let found = catch_unwind(AssertUnwindSafe(look));
        all.extend(match found {
            Ok(Ok(findings)) => findings,
            Ok(Err(error)) => vec![Finding::new(check, Level::Fail, error.message)],
            Err(_) => vec![Finding::new(check, Level::Fail, "could not be looked at")],
        });
    };
    let one = |finding: Finding| Ok(vec![finding]);
    let rows = || context.shop.store().read();
    look("store", &|| one(store(context)));
    look("pages", &|| one(pages(context)));
    look("ledger", &|| one(ledger(context, &rows()?.head()?)));
    look("anchors", &|| one(super::anchors::examine(context)?));
    look("clock", &|| one(clock(context, &rows()?.head()?)));
    look("channels", &|| one(channels(context)?));
    look("stock", &|| {
        one(stock(&context.shop.products()?, &rows()?)?)
    });
    look("withheld", &|| one(withheld(context)?));
    look("waiting orders", &|| one(waiting(context)?));
    look("refunds", &|| one(owed(context)?));
    look("unread orders", &|| one(unread(context)?));
    look("outbox", &|| one(outbox(context)?));
    look("alarms", &|| one(told(context, &rows()?)?));
    look("buyers", &|| one(buyers(context, &rows()?)?));
    look("erasures", &|| one(erasures(context)?));
    look("secrets", &|| one(super::secrets::examine(context)?));
    look("backups", &|| one(super::backups::examine(context)?));
    look("books", &|| one(books(context)?));
    look("certificate", &|| {
        Ok(super::certificates::examine(context)?.into_iter().collect())
    });
    look("witnesses", &|| witnesses::findings(context));
    Ok(json!({"findings": all}))
}

/// Erasures reach freed pages and copies once the month's key was replaced, which the daemon does every hour.
fn erasures(context: &Context) -> Result<Finding, CommandError> {
    const LATE_MS: i64 = 24 * 3_600_000;
    let due = context.shop.months_due()?;
    let Some(since_ms) = due.iter().map(|due| due.since_ms).min() else {
        return Ok(Finding::new(
            "erasures",
            Level::Ok,
            "no key waits to be replaced",
        ));
    };
    let labels: Vec<&str> = due.iter().map(|due| due.label.as_str()).collect();
    let since = super::times::shown(context, since_ms);
    let message = format!(
        "keys in erase.keys wait to be replaced since {since} ({}): the daemon does it at start and every hour",
        labels.join(", ")
    );
    let level = match context.shop.now_ms() - since_ms > LATE_MS {
        true => Level::Fail,
        false => Level::Ok,
    };
    Ok(Finding::new("erasures", level, message))
}

fn store(context: &Context) -> Finding {
    let shop = &context.shop;
    if shop.store().readonly() {
        let message = "the disk refuses writes, so no orders are taken: look at `dmesg` and the disk; the shop tries again by itself, every few seconds";
        return Finding::new("store", Level::Fail, message);
    }
    if shop.orders_held() {
        let message =
            "no orders are taken: the disk is full, or the database is damaged (see there)";
        return Finding::new("store", Level::Fail, message);
    }
    match shop.store().faults() {
        0 => Finding::new("store", Level::Ok, "readable and writable"),
        faults => {
            let message = format!(
                "readable and writable, but the disk failed {faults} times since the start: look at `dmesg` and the disk"
            );
            Finding::new("store", Level::Warn, message)
        }
    }
}

/// Every page of the database held against its checksum.
fn pages(context: &Context) -> Finding {
    match context.shop.store().verify() {
        Ok(Some(bytes)) => {
            let message = format!("{} MiB, as they were written", bytes / (1024 * 1024));
            Finding::new("pages", Level::Ok, message)
        }
        Ok(None) => Finding::new("pages", Level::Ok, "in memory"),
        Err(fault) => Finding::new("pages", Level::Fail, fault.to_string()),
    }
}

/// Every order, key and entry held against the others.
fn books(context: &Context) -> Result<Finding, CommandError> {
    let books = context.shop.check_books()?;
    let looked_at = format!(
        "{}, {} and {}",
        counted(books.orders, "order"),
        counted(books.slots, "key"),
        entries(books.entries)
    );
    if books.wrong.is_empty() {
        let message = format!("{looked_at} agree: no key twice, no money without its order");
        return Ok(Finding::new("books", Level::Ok, message));
    }
    let named = books.wrong.iter().take(WRONG_NAMED_MAX);
    let named: Vec<&str> = named.map(String::as_str).collect();
    let more = books.wrong.len().saturating_sub(named.len());
    let more = match more {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let message = format!(
        "{looked_at} do not agree: {}{more}: stop selling, keep a copy of the folder as it is, and ask for help with this text",
        named.join("; ")
    );
    Ok(Finding::new("books", Level::Fail, message))
}

fn entries(count: u64) -> String {
    match count {
        1 => "1 ledger entry".to_owned(),
        count => format!("{count} ledger entries"),
    }
}

fn withheld(context: &Context) -> Result<Finding, CommandError> {
    let withheld = context.shop.withheld()?;
    let Some((product, count)) = withheld.first() else {
        return Ok(Finding::new("withheld", Level::Ok, "no keys are withheld"));
    };
    let more = match withheld.len() {
        1 => String::new(),
        products => format!(" and of {} more products", products - 1),
    };
    let message = format!(
        "{count} keys of {product}{more} may have been sold since the copy that this shop was restored from: look at what was sold then, and `keystall key release --product {product}`, or `keystall key void --withheld --product {product}`"
    );
    Ok(Finding::new("withheld", Level::Warn, message))
}

/// The shop does not open when its high-water mark is wrong, so that it is open says that it is right.
fn ledger(context: &Context, head: &Head) -> Finding {
    let signed = context.shop.chain().latest().size;
    if signed != head.size {
        let message = format!(
            "{signed} of {} entries are signed: restart the daemon",
            head.size
        );
        return Finding::new("ledger", Level::Fail, message);
    }
    let message = format!("{signed} entries, signed, not behind ledger.highwater");
    Finding::new("ledger", Level::Ok, message)
}

fn clock(context: &Context, head: &Head) -> Finding {
    let now_ms = context.shop.now_ms();
    let behind = "the clock is behind: set it, and let NTP keep it (timedatectl set-ntp true)";
    if now_ms < CLOCK_EARLIEST_MS {
        return Finding::new("clock", Level::Fail, behind);
    }
    if now_ms + CLOCK_BEHIND_MS < head.t_ms {
        let until = super::times::shown(context, head.t_ms);
        let message = format!(
            "{behind}; if it is right now, it was ahead before: entries of the ledger bear the time {until} until then, and its `clock` entries say why"
        );
        return Finding::new("clock", Level::Fail, message);
    }
    Finding::new("clock", Level::Ok, "not before the ledger's last entry")
}

fn channels(context: &Context) -> Result<Finding, CommandError> {
    let channels = context.shop.channels()?;
    if channels.is_empty() {
        let message = "no way to pay: `keystall channel add` makes one";
        return Ok(Finding::new("channels", Level::Warn, message));
    }
    for channel in &channels {
        if let Err(error) = EpayConfig::from_settings(&channel.settings, &channel.secrets) {
            let message = format!("{} cannot be used: {error}", channel.name);
            return Ok(Finding::new("channels", Level::Fail, message));
        }
    }
    let names: Vec<&str> = channels
        .iter()
        .map(|channel| channel.name.as_str())
        .collect();
    Ok(Finding::new("channels", Level::Ok, names.join(", ")))
}

fn stock(products: &[Product], rows: &impl Rows) -> Result<Finding, CommandError> {
    let visible: Vec<_> = products.iter().filter(|product| product.visible).collect();
    if visible.is_empty() {
        let message = "nothing is for sale: `keystall product add`, then `keystall key import`";
        return Ok(Finding::new("stock", Level::Warn, message));
    }
    let mut few = Vec::new();
    for product in &visible {
        let available = rows.pool(&product.slug)?.map_or(0, |pool| pool.available);
        if available < STOCK_LOW {
            few.push(format!("{} ({available})", product.slug));
        }
    }
    if few.is_empty() {
        let message = format!("{} products, none below {STOCK_LOW} keys", visible.len());
        return Ok(Finding::new("stock", Level::Ok, message));
    }
    let message = format!(
        "few or none left of {}: `keystall key import`",
        few.join(", ")
    );
    Ok(Finding::new("stock", Level::Warn, message))
}

fn waiting(context: &Context) -> Result<Finding, CommandError> {
    let filter = OrderFilter {
        state: Some(OrderState::Paid),
        ..OrderFilter::default()
    };
    let count = context.shop.orders(filter, ORDERS_COUNTED_MAX)?.len();
    Ok(match count {
        0 => Finding::new(
            "waiting orders",
            Level::Ok,
            "none is paid without its goods",
        ),
        count => {
            let message = format!(
                "{count} paid without goods: import keys, or `keystall order list --state paid`"
            );
            Finding::new("waiting orders", Level::Warn, message)
        }
    })
}

fn owed(context: &Context) -> Result<Finding, CommandError> {
    let filter = OrderFilter {
        owed: true,
        ..OrderFilter::default()
    };
    let count = context.shop.orders(filter, ORDERS_COUNTED_MAX)?.len();
    Ok(match count {
        0 => Finding::new("refunds", Level::Ok, "no money waits to be returned"),
        count => {
            let message = format!(
                "{} with money to be returned: `keystall order list --owed`, return it at the provider, then `keystall order refund`",
                counted(count, "order")
            );
            Finding::new("refunds", Level::Warn, message)
        }
    })
}

fn unread(context: &Context) -> Result<Finding, CommandError> {
    Ok(match context.shop.unread_count()? {
        0 => Finding::new(
            "unread orders",
            Level::Ok,
            "no delivered order waits for its buyer",
        ),
        count => {
            let message = format!(
                "{} not opened although the buyer was told twice: `keystall order list --unread`, then reach them another way",
                counted(count, "delivered order")
            );
            Finding::new("unread orders", Level::Warn, message)
        }
    })
}

fn outbox(context: &Context) -> Result<Finding, CommandError> {
    let effects = context.shop.effects(EFFECTS_COUNTED_MAX)?;
    let dead: Vec<&Effect> = effects
        .iter()
        .filter(|effect| effect.due_at_ms.is_none())
        .collect();
    if dead.is_empty() {
        let message = format!("{} waiting, none given up", effects.len());
        return Ok(Finding::new("outbox", Level::Ok, message));
    }
    let mut named: Vec<String> = dead
        .iter()
        .take(DEAD_NAMED_MAX)
        .map(|one| given_up(one))
        .collect();
    if dead.len() > named.len() {
        named.push("…".to_owned());
    }
    let message = format!(
        "{} given up ({}): `keystall outbox list` says why, `keystall outbox retry` sends again",
        counted(dead.len(), "message"),
        named.join("; ")
    );
    Ok(Finding::new("outbox", Level::Warn, message))
}

/// One message in a few words; what the server said of it is in `outbox list`.
fn given_up(effect: &Effect) -> String {
    let about = effect.order.map(|order| format!(" of {order}"));
    format!(
        "{} by {}{}",
        effect.kind.as_str(),
        effect.via.as_str(),
        about.unwrap_or_default()
    )
}

/// Whether the merchant is told: whether a way is set up, whether it was ever gone, and what fails on it at present.
fn told(context: &Context, rows: &impl Rows) -> Result<Finding, CommandError> {
    let settings = &context.settings;
    let by_mail = settings.mail.host.is_some() && settings.mail.merchant.is_some();
    if settings.webhook.url.is_none() && !by_mail {
        let message = "you are not told of orders that wait or refunds that are due: set [mail] host, from and merchant, or [webhook] url";
        return Ok(Finding::new("alarms", Level::Warn, message));
    }
    let failing = context
        .shop
        .effects(EFFECTS_COUNTED_MAX)?
        .iter()
        .filter(|effect| effect.via != Via::BuyerMail && is_failing(effect))
        .count();
    if failing > 0 {
        let message = format!(
            "{} to you could not be sent yet: `keystall outbox list` says why, `keystall notify test` tries the mail",
            counted(failing, "message")
        );
        let level = match failing {
            count if count >= NOT_TOLD_AT => Level::Fail,
            _ => Level::Warn,
        };
        return Ok(Finding::new("alarms", level, message));
    }
    let message = match by_mail && !was_mailed(context, rows)? {
        true => "set up, no mail about an order sent yet: `keystall notify test`",
        false => "you are told",
    };
    Ok(Finding::new("alarms", Level::Ok, message))
}

/// Tried, not delivered, and to be tried again: what was given up is the outbox's finding.
fn is_failing(effect: &Effect) -> bool {
    effect.attempts > 0 && effect.due_at_ms.is_some()
}

/// Whether a mail server took a mail about one of the latest orders.
fn was_mailed(context: &Context, rows: &impl Rows) -> Result<bool, CommandError> {
    let orders = context
        .shop
        .orders(OrderFilter::default(), ORDERS_ASKED_MAX)?;
    for order in orders {
        let told = rows.told(order.id, TOLD_ASKED_MAX)?;
        if told.iter().any(|told| told.via != Via::Webhook) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    // More than this is never counted.
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Newest orders whose buyers could not be told, up to the first one that was.
fn untold_in_a_row(rows: &impl Rows, untold: &BTreeSet<OrderId>) -> Result<usize, CommandError> {
    const LOOKED_AT_MAX: usize = 100;
    const TOLD_MAX: usize = 20;
    let mut count = 0;
    for order in rows.orders_before(None, LOOKED_AT_MAX)? {
        if untold.contains(&order.id) {
            count += 1;
        } else if rows
            .told(order.id, TOLD_MAX)?
            .iter()
            .any(|told| told.via == Via::BuyerMail)
        {
            break;
        }
    }
    Ok(count)
}

/// Whether buyers are told: whether mail is set up, and how many orders' mails fail at present.
fn buyers(context: &Context, rows: &impl Rows) -> Result<Finding, CommandError> {
    if context.settings.mail.host.is_none() {
        let message = "nobody is told: buyers see their keys only on the order's page; set [mail] host and from, then `keystall notify test`";
        return Ok(Finding::new("buyers", Level::Warn, message));
    }
    let untold: Vec<_> = context
        .shop
        .effects(EFFECTS_COUNTED_MAX)?
        .into_iter()
        .filter(|effect| effect.via == Via::BuyerMail && effect.attempts > 0)
        .collect();
    let of = |effect: &Effect| effect.order;
    // One that was given up long ago says nothing of today; many in a row, and nobody told since, say that mail does not work.
    let in_a_row = untold_in_a_row(rows, &untold.iter().filter_map(of).collect())?;
    if in_a_row >= NOT_TOLD_AT {
        let message = format!(
            "the buyers of the last {in_a_row} orders could not be told: mail does not work: `keystall notify test`"
        );
        return Ok(Finding::new("buyers", Level::Fail, message));
    }
    let failing: BTreeSet<_> = untold
        .iter()
        .filter(|effect| is_failing(effect))
        .filter_map(of)
        .collect();
    let (level, advice) = match failing.len() {
        0 => {
            let message = match was_mailed(context, rows)? {
                true => "told by mail",
                false => "set up, no mail about an order sent yet: `keystall notify test`",
            };
            return Ok(Finding::new("buyers", Level::Ok, message));
        }
        count if count >= NOT_TOLD_AT => {
            (Level::Fail, "mail does not work: `keystall notify test`")
        }
        _ => (Level::Warn, "`keystall outbox list` says why"),
    };
    let message = format!(
        "the buyers of {} could not be told yet: {advice}",
        counted(failing.len(), "order")
    );
    Ok(Finding::new("buyers", level, message))
}

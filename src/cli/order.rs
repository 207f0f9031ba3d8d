//! `keystall order`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Done, Failure, print, session::Session, terminal};
use crate::daemon::admin::{Command, Decision};

#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// List orders, newest first
    #[command(
        after_help = "Examples:\n  keystall order list --state paid\n  keystall order list --since 2026-11-21 --json\n  keystall order list --owed\n  keystall order list --unread"
    )]
    List {
        /// pending, paid, delivered, expired, refunding, refunded or cancelled
        #[arg(long)]
        state: Option<String>,
        /// Made at or after this time: 2026-11-21 or 2026-11-21T08:00:00Z
        #[arg(long, value_name = "T")]
        since: Option<String>,
        /// Only those with money to be returned
        #[arg(long)]
        owed: bool,
        /// Only delivered ones that their buyers, told twice, have not opened
        #[arg(long, conflicts_with_all = ["state", "since", "owed"])]
        unread: bool,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        max: usize,
    },
    /// Show one order; its keys are the buyer's and stay hidden
    #[command(after_help = "Example:\n  keystall order show 0D3Q5P7XK2M9A")]
    Show {
        /// Its number
        order: String,
    },
    /// Hand the goods out by hand: the money was seen (--paid), or they are a gift
    #[command(
        after_help = "Examples:\n  keystall order deliver 0D3Q5P7XK2M9A --paid --reason \"paid by bank transfer\"\n  keystall order deliver 0D3Q5P7XK2M9A --reason \"a gift\""
    )]
    Deliver(Deliver),
    /// Record that money was returned at the provider: what waited (late, short, too much), or with --why money of the sale
    #[command(
        after_help = "Examples:\n  keystall order refund 0D3Q5P7XK2M9A --note \"returned through the gateway\"\n  keystall order refund 0D3Q5P7XK2M9A --why bad --amount 9.90 --note \"one of two keys was used\""
    )]
    Refund(Refund),
    /// Hand out other keys for bad ones of a delivered order; its page and receipt show it, and its buyer is told
    #[command(
        after_help = "Example:\n  keystall order replace 0D3Q5P7XK2M9A --slot 0:17 --why bad --note \"already redeemed\""
    )]
    Replace(Replace),
    /// Withdraw an order; money that arrived waits to be returned
    #[command(
        after_help = "Example:\n  keystall order cancel 0D3Q5P7XK2M9A --reason \"buyer asked\""
    )]
    Cancel(Decide),
}

#[derive(Debug, Args)]
pub(super) struct Refund {
    /// The order's number
    order: String,
    /// How much of the sale was returned; without it all that is left of it
    #[arg(long, value_name = "A")]
    amount: Option<String>,
    /// Money of a delivered order: bad, leaked, late, surplus, short, goodwill, fraud or other; stands in the ledger
    #[arg(long, value_name = "W")]
    why: Option<String>,
    /// What happened; kept with the order and shown to its buyer
    #[arg(long, visible_alias = "reason")]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Replace {
    /// The order's number
    order: String,
    /// A bad key's place, as `order show` tells it; may be given more than once
    #[arg(long = "slot", value_name = "BATCH:INDEX", required = true)]
    slots: Vec<String>,
    /// bad, leaked, goodwill or other; stands in the ledger
    #[arg(long, value_name = "W")]
    why: String,
    /// What happened; kept with the order and shown to its buyer
    #[arg(long, visible_alias = "reason")]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// The order's number
    order: String,
    /// Why; kept with the order and shown to its buyer
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Deliver {
    #[command(flatten)]
    decide: Decide,
    /// The price was paid, as you saw outside the shop or at the provider. Without it the ledger says that nothing was paid but
    /// what the shop recorded. Refused where a short payment is on record that you did not send back
    #[arg(long)]
    paid: bool,
}

impl Order {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::List {
                unread: true, max, ..
            } => {
                let value = session.ask(Command::OrderUnread { max })?;
                let text = unread(&value);
                Ok(Done::new(value, text))
            }
            Self::List {
                state,
                since,
                owed,
                max,
                unread: _,
            } => {
                let value = session.ask(Command::OrderList {
                    state,
                    since,
                    owed,
                    max,
                })?;
                let text = listed(&value);
                Ok(Done::new(value, text))
            }
            Self::Show { order } => {
                let value = session.ask(Command::OrderShow { order })?;
                let text = shown(&value);
                Ok(Done::new(value, text))
            }
            Self::Deliver(deliver) => {
                let decision = match deliver.paid {
                    true => Decision::DeliverPaid,
                    false => Decision::Deliver,
                };
                deliver.decide.run(session, decision)
            }
            Self::Refund(refund) => refund.run(session),
            Self::Replace(replace) => replace.run(session),
            Self::Cancel(decide) => decide.run(session, Decision::Cancel),
        }
    }
}

impl Decide {
    fn run(self, session: &Session, decision: Decision) -> Result<Done, Failure> {
        let reason = reason(self.reason)?;
        let command = Command::OrderDecide {
            order: self.order,
            decision,
            reason,
        };
        let value = session.ask(command)?;
        let field = |name| print::text(&value, name);
        let mut text = format!("order {} is {}\n", field("order"), field("state"));
        if value["note_kept"] == false {
            text.push_str(
                "its private part is gone or does not open: the reason was not kept with it\n",
            );
        }
        Ok(Done::new(value, text))
    }
}

impl Refund {
    fn run(self, session: &Session) -> Result<Done, Failure> {
        let value = session.ask(Command::OrderRefund {
            order: self.order,
            amount: self.amount,
            why: self.why,
            note: reason(self.note)?,
        })?;
        let field = |name| print::text(&value, name);
        let mut text = format!("order {} is {}\n", field("order"), field("state"));
        if value["refunded"].is_string() {
            let (amount, currency) = (field("refunded"), field("currency"));
            text.push_str(&format!(
                "{amount} {currency} of its sale is recorded as returned"
            ));
            match value["entry"].is_null() {
                true => text.push_str(&format!("\n{}\n", field("remark"))),
                false => {
                    let seq = print::text(&value["entry"], "seq");
                    text.push_str(&format!(", ledger entry {seq}\n"));
                }
            }
            if value["owed_amount"].as_i64().unwrap_or(0) > 0 {
                text.push_str(&format!(
                    "{} {currency} of other payments still waits to be returned\n",
                    field("owed")
                ));
            }
        }
        Ok(Done::new(value, text))
    }
}

impl Replace {
    fn run(self, session: &Session) -> Result<Done, Failure> {
        let value = session.ask(Command::OrderReplace {
            order: self.order,
            slots: self.slots,
            why: self.why,
            note: reason(self.note)?,
        })?;
        let texts = |name| {
            let texts = print::list(&value, name).iter().filter_map(Value::as_str);
            texts.collect::<Vec<_>>().join(" ")
        };
        let text = format!(
            "replaced {}; order {} now holds {}, ledger entry {}\n",
            texts("replaced"),
            print::text(&value, "order"),
            texts("slots"),
            print::text(&value["entry"], "seq"),
        );
        Ok(Done::new(value, text))
    }
}

fn reason(given: Option<String>) -> Result<String, Failure> {
    match given {
        Some(reason) => Ok(reason),
        None if terminal::is_there() => terminal::ask("Reason", None),
        // Scripts may leave it out; that it was nobody's word is kept then.
        None => Ok("by the command line, no reason given".to_owned()),
    }
}

fn listed(value: &Value) -> String {
    let names = [
        "order",
        "state",
        "reason",
        "total",
        "currency",
        "channel",
        "created_at",
        "quantity",
        "title",
    ];
    let rows = print::rows(value, "orders", &names);
    let headings = [
        "ORDER", "STATE", "REASON", "TOTAL", "", "CHANNEL", "MADE", "QTY", "TITLE",
    ];
    let mut out = print::table(&headings, &rows, "no orders");
    if value["more"] == true {
        out.push_str("more: raise --max, or narrow with --state and --since\n");
    }
    out
}

fn unread(value: &Value) -> String {
    let names = [
        "order",
        "delivered_at",
        "contact",
        "total",
        "currency",
        "quantity",
        "title",
    ];
    let rows = print::rows(value, "orders", &names);
    let headings = ["ORDER", "DELIVERED", "CONTACT", "TOTAL", "", "QTY", "TITLE"];
    let mut out = print::table(&headings, &rows, "no delivered order waits for its buyer");
    if value["more"] == true {
        out.push_str("more: raise --max\n");
    }
    out
}

fn shown(value: &Value) -> String {
    let field = |name| print::text(value, name);
    let slots: Vec<&str> = print::list(value, "slots")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let replaced: Vec<&str> = print::list(value, "replaced")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let owed = match value["owed_amount"].as_i64() {
        Some(0) | None => String::new(),
        Some(_) => format!("{} {}", field("owed"), field("currency")),
    };
    let fields = [
        ("order", field("order")),
        ("state", field("state")),
        ("reason", field("reason")),
        ("note", field("note")),
        (
            "product",
            format!(
                "{} × {} ({})",
                field("quantity"),
                field("title"),
                field("product")
            ),
        ),
        ("total", format!("{} {}", field("total"), field("currency"))),
        ("channel", field("channel")),
        ("contact", field("contact")),
        ("second contact", field("second_contact")),
        ("made", field("created_at")),
        ("expires", field("expires_at")),
        ("paid", field("paid_at")),
        ("delivered", field("delivered_at")),
        ("queue place", field("queue_place")),
        ("to be returned", owed),
        ("keys at", slots.join(" ")),
        ("replaced", replaced.join(" ")),
        ("erased", field("erased_at")),
        ("ledger entry", print::text(&value["entry"], "seq")),
        ("entry hash", print::text(&value["entry"], "hash")),
    ];
    let mut out = print::fields(&fields);
    let names = ["at", "channel", "paid", "outcome", "returned", "owed"];
    let payments = print::rows(value, "payments", &names);
    if !payments.is_empty() {
        let headings = [
            "PAYMENT AT",
            "CHANNEL",
            "AMOUNT",
            "OUTCOME",
            "RETURNED",
            "OWED",
        ];
        out.push('\n');
        out.push_str(&print::table(&headings, &payments, ""));
    }
    let refunds = print::rows(value, "refunds", &["at", "returned", "why", "entry"]);
    if !refunds.is_empty() {
        out.push('\n');
        let headings = ["REFUND AT", "AMOUNT", "WHY", "ENTRY"];
        out.push_str(&print::table(&headings, &refunds, ""));
    }
    let told = print::rows(value, "told", &["at", "event", "by"]);
    if !told.is_empty() {
        out.push('\n');
        out.push_str(&print::table(&["TOLD AT", "EVENT", "BY"], &told, ""));
    }
    out
}

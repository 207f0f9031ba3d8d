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
    /// Hand the goods out by hand: the money was seen, or they are a gift
    #[command(
        after_help = "Example:\n  keystall order deliver 0D3Q5P7XK2M9A --reason \"paid by bank transfer\""
    )]
    Deliver(Decide),
    /// Record that the money was returned at the provider
    #[command(
        after_help = "Example:\n  keystall order refund 0D3Q5P7XK2M9A --reason \"returned through the gateway\""
    )]
    Refund(Decide),
    /// Withdraw an order; money that arrived waits to be returned
    #[command(
        after_help = "Example:\n  keystall order cancel 0D3Q5P7XK2M9A --reason \"buyer asked\""
    )]
    Cancel(Decide),
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// The order's number
    order: String,
    /// Why; kept with the order and shown to its buyer
    #[arg(long)]
    reason: Option<String>,
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
            Self::Deliver(decide) => decide.run(session, Decision::Deliver),
            Self::Refund(decide) => decide.run(session, Decision::Refund),
            Self::Cancel(decide) => decide.run(session, Decision::Cancel),
        }
    }
}

impl Decide {
    fn run(self, session: &Session, decision: Decision) -> Result<Done, Failure> {
        let reason = match self.reason {
            Some(reason) => reason,
            None if terminal::is_there() => terminal::ask("Reason", None)?,
            // Scripts may leave it out; that it was nobody's word is kept then.
            None => "by the command line, no reason given".to_owned(),
        };
        let command = Command::OrderDecide {
            order: self.order,
            decision,
            reason,
        };
        let value = session.ask(command)?;
        let field = |name| print::text(&value, name);
        let text = format!("order {} is {}\n", field("order"), field("state"));
        Ok(Done::new(value, text))
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
    let told = print::rows(value, "told", &["at", "event", "by"]);
    if !told.is_empty() {
        out.push('\n');
        out.push_str(&print::table(&["TOLD AT", "EVENT", "BY"], &told, ""));
    }
    out
}

//! `keystall outbox`.

use clap::Subcommand;
use serde_json::Value;

use super::{Done, Failure, print, session::Session};
use crate::daemon::admin::Command;

#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// List messages that are not delivered yet, given-up ones among them
    #[command(after_help = "Example:\n  keystall outbox list")]
    List,
    /// Send again what was given up
    #[command(after_help = "Example:\n  keystall outbox retry")]
    Retry,
}

impl Outbox {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::List => {
                let value = session.ask(Command::OutboxList)?;
                let text = listed(&value);
                Ok(Done::new(value, text))
            }
            Self::Retry => {
                let value = session.ask(Command::OutboxRetry)?;
                let text = format!(
                    "{} messages are sent again\n",
                    print::text(&value, "retried")
                );
                Ok(Done::new(value, text))
            }
        }
    }
}

fn listed(value: &Value) -> String {
    let names = [
        "id",
        "event",
        "via",
        "order",
        "attempts",
        "due_at",
        "last_error",
    ];
    let mut rows = print::rows(value, "effects", &names);
    for row in &mut rows {
        if row[5].is_empty() {
            row[5] = "given up".to_owned();
        }
    }
    let headings = [
        "ID",
        "EVENT",
        "VIA",
        "ORDER",
        "ATTEMPTS",
        "NEXT",
        "LAST ERROR",
    ];
    print::table(&headings, &rows, "everything was delivered")
}

//! `keystall notice`.

use clap::Subcommand;
use serde_json::Value;

use super::{Done, Failure, print, session::Session};
use crate::daemon::admin::Command;

#[derive(Debug, Subcommand)]
pub(super) enum Notice {
    /// List providers' notices, newest first, with what became of each and why
    #[command(after_help = "Example:\n  keystall notice list --max 20")]
    List {
        /// How many at most
        #[arg(long, default_value_t = 50)]
        max: usize,
    },
}

impl Notice {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        let Self::List { max } = self;
        let value = session.ask(Command::NoticeList { max })?;
        let text = listed(&value);
        Ok(Done::new(value, text))
    }
}

fn listed(value: &Value) -> String {
    let names = ["received_at", "channel", "order", "verdict", "why"];
    let headings = ["RECEIVED", "CHANNEL", "ORDER", "VERDICT", "WHY"];
    let kept = print::rows(value, "kept", &names);
    let mut out = print::table(&headings, &kept, "no notice was kept yet");
    let names = ["received_at", "channel", "order", "verdict", "why"];
    let refused = print::rows(value, "refused", &names);
    if !refused.is_empty() {
        out.push_str("\nrefused before they could be held against an order:\n");
        out.push_str(&print::table(&headings, &refused, ""));
    }
    out
}

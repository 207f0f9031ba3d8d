//! `keystall certificate`.

use clap::Subcommand;
use serde_json::Value;

use super::{Done, Failure, print, session::Session};
use crate::daemon::admin::Command;

#[derive(Debug, Subcommand)]
pub(super) enum Certificate {
    /// Show the certificate that is served, when the next one is fetched, and what went wrong last
    #[command(after_help = "Example:\n  keystall certificate show")]
    Show,
    /// Fetch a new certificate now, whatever the old one says
    #[command(
        after_help = "Example:\n  keystall certificate renew\n\nAuthorities count attempts: see what `keystall certificate show` says first."
    )]
    Renew,
}

impl Certificate {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Show => {
                let value = session.ask(Command::CertificateShow)?;
                let text = shown(&value);
                Ok(Done::new(value, text))
            }
            Self::Renew => {
                let value = session.ask(Command::CertificateRenew)?;
                let text = match value["daemon"].as_bool() {
                    Some(true) => "asked for: `keystall certificate show` says what comes of it\n",
                    _ => "asked for: `keystall serve` fetches it once it runs\n",
                };
                Ok(Done::new(value, text))
            }
        }
    }
}

fn shown(value: &Value) -> String {
    let text = |key: &str| match &value[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => {
            let texts: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
            Some(texts.join(", "))
        }
        other => Some(other.to_string()),
    };
    let rows = [
        ("mode", "mode"),
        ("names", "names"),
        ("wanted names", "wanted_names"),
        ("as wanted", "is_as_wanted"),
        ("authority", "authority"),
        ("serial", "serial"),
        ("good from", "good_from"),
        ("good until", "good_until"),
        ("next attempt", "next_attempt"),
        ("under way", "under_way"),
        ("failures", "failures"),
        ("last error", "last_error"),
        ("overdue", "overdue"),
        ("good renewals", "good_renewals"),
        ("HSTS seconds", "hsts_max_age_s"),
    ];
    let rows: Vec<(&str, String)> = rows
        .into_iter()
        .filter_map(|(name, key)| Some((name, text(key)?)))
        .collect();
    print::fields(&rows)
}

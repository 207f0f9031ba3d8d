//! `keystall secret`.

use clap::Subcommand;
use serde_json::Value;

use super::{Done, Failure, print, session::Session};
use crate::daemon::admin::Command;

#[derive(Debug, Subcommand)]
pub(super) enum Secrets {
    /// Say how far the replacement of keys is
    #[command(after_help = "Example:\n  keystall secret status --json")]
    Status,
    /// Replace root.key: links and receipts that are out stay good; copies of the folder made before need the key before
    #[command(
        after_help = "Takes some milliseconds; sales go on. The key before is destroyed.\n\nExamples:\n  keystall secret rotate-root\n  keystall secret rotate-root && keystall backup create      a backup that opens with the new key"
    )]
    RotateRoot,
    /// Replace the key that a product's stock is sealed under; sales go on
    #[command(
        after_help = "After a copy of the whole folder fell into wrong hands, replace both, the root key last.\n\nExamples:\n  keystall secret rotate-pool --product steam-50\n  keystall secret rotate-pool --all && keystall secret rotate-root"
    )]
    RotatePool {
        /// Whose stock
        #[arg(long, value_name = "SLUG", required_unless_present = "all")]
        product: Option<String>,
        /// Of all products
        #[arg(long, conflicts_with = "product")]
        all: bool,
    },
}

impl Secrets {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Status => {
                let value = session.ask(Command::SecretStatus)?;
                let text = status(&value);
                Ok(Done::new(value, text))
            }
            Self::RotateRoot => {
                let value = session.ask(Command::SecretRotateRoot)?;
                let mut text =
                    "the root key is a new one; the one before opens nothing from here on\n"
                        .to_owned();
                if let Some(to_do) = value["to_do"].as_str() {
                    text += &format!("{to_do}\n");
                }
                text += &status(&value);
                Ok(Done::new(value, text))
            }
            Self::RotatePool { product, .. } => {
                let value = session.ask(Command::SecretRotatePool { product })?;
                let count = print::list(&value, "products").len();
                let mut text = match count {
                    1 => "1 pool has a new key\n".to_owned(),
                    count => format!("{count} pools have new keys\n"),
                };
                text += &status(&value);
                Ok(Done::new(value, text))
            }
        }
    }
}

fn status(value: &Value) -> String {
    let root = match value["root_key_since"].is_null() {
        true => "the shop's first".to_owned(),
        false => format!("since {}", print::text(value, "root_key_since")),
    };
    let root = match value["credential_is_older"] == true {
        true => format!("{root}, in root.key.next: not the service's credential yet"),
        false => root,
    };
    let rows = match value["rows_done"] == true {
        true => "all under the newest key",
        false => "sealed again within two minutes, then the key before is gone",
    };
    let mut fields = vec![("root key", root), ("rows", rows.to_owned())];
    let pools = print::list(value, "pools");
    for pool in pools {
        let field = |name| print::text(pool, name);
        let text = format!(
            "{}: {} of {} slots, since {}",
            field("product"),
            field("done"),
            field("slots"),
            field("since")
        );
        fields.push(("pool", text));
    }
    if pools.is_empty() {
        fields.push(("pools", "each under one key".to_owned()));
    }
    print::fields(&fields)
}

//! `keystall channel`.

use std::{io::Write, path::Path};

use clap::Subcommand;
use serde_json::Value;

use super::{Done, Failure, print, secret, session::Session};
use crate::daemon::admin::{ChannelAdd, Command};

/// Types of payment that gateways of this protocol commonly know.
const KNOWN_TYPES: [&str; 8] = [
    "alipay", "wxpay", "qqpay", "bank", "jdpay", "paypal", "usdt", "tron",
];

#[derive(Debug, Subcommand)]
pub(super) enum Channel {
    /// Add a way to pay
    #[command(
        after_help = "Example:\n  keystall channel add alipay --kind epay --set gateway=https://pay.example.com/ --set pid=1001 --set type=alipay --secret key=@epay.key\n\nSettings of an epay channel, from the gateway's merchant pages:\n  gateway=URL: the gateway's address; submit.php is below it\n  pid=ID: the merchant's id there\n  type=TYPE: the way to pay: alipay, wxpay, qqpay, bank, jdpay, paypal, usdt or tron, or another that the gateway has; without it the gateway's page lets buyers choose\n  code=api|link: what buyers scan: the gateway's own QR code (mapi.php, which is told the buyer's address), or a link to its page where it gives none; link: always that link [default: api]\n  weak=true|false: true asks the gateway about every payment before anything is delivered, for one whose owner you do not know [default: false]\n  query_above=AMOUNT: asks it about payments above this many yuan, as 100.00 [default: none]\n  sources=LIST: takes notices from these addresses and networks alone, as 203.0.113.7,2001:db8::/48 [default: any; the signature decides]\n\nIts secret:\n  key=@FILE: the merchant's signing key, alone in a file, or from standard input with @-\n\nAfterwards, `keystall channel test NAME` asks the gateway whether it takes pid and key."
    )]
    Add {
        /// Its name in addresses: 0-9, a-z and -
        name: String,
        /// Its protocol: epay
        #[arg(long)]
        kind: String,
        /// A setting
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// A secret from a file, or from standard input with @-
        #[arg(long = "secret", value_name = "NAME=@FILE")]
        secret: Vec<String>,
    },
    /// List the ways to pay, secrets left out
    #[command(after_help = "Example:\n  keystall channel list")]
    List,
    /// Ask the provider whether it answers with these settings
    #[command(
        after_help = "Example:\n  keystall channel test alipay\n\nExit status 1 where it does not answer, or says that pid, key or signature are wrong."
    )]
    Test {
        /// Which
        name: String,
    },
    /// Remove a way to pay
    #[command(after_help = "Example:\n  keystall channel remove alipay")]
    Remove {
        /// Which
        name: String,
    },
}

impl Channel {
    pub(super) fn named(&self) -> Vec<&Path> {
        match self {
            Self::Add { secret, .. } => secret::files(secret).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Add {
                name,
                kind,
                set,
                secret: given,
            } => {
                let command = Command::ChannelAdd(ChannelAdd {
                    name,
                    kind,
                    settings: secret::settings(&set)?,
                    secrets: secret::secrets(&given)?,
                });
                let value = session.ask(command)?;
                if let Some(kind) = unknown_type(&value) {
                    let shown = print::safe(kind);
                    // A note only; the channel is there.
                    let _ = writeln!(
                        std::io::stderr(),
                        "keystall: warning: type={shown} is none of {}: the gateway must know it, or no buyer can pay",
                        KNOWN_TYPES.join(", ")
                    );
                }
                let text = format!(
                    "channel {name} is open; where the provider asks for a notify URL: {}\nnext: keystall channel test {name}\n",
                    print::text(&value, "notify_url"),
                    name = print::text(&value, "name"),
                );
                Ok(Done::new(value, text))
            }
            Self::List => {
                let value = session.ask(Command::ChannelList)?;
                let text = listed(&value);
                Ok(Done::new(value, text))
            }
            Self::Test { name } => {
                let value = session.ask(Command::ChannelTest { name })?;
                Ok(tested(value))
            }
            Self::Remove { name } => {
                let value = session.ask(Command::ChannelRemove { name })?;
                let text = format!("channel {} is gone\n", print::text(&value, "removed"));
                Ok(Done::new(value, text))
            }
        }
    }
}

/// What the provider said, and whether that is well.
fn tested(value: Value) -> Done {
    let said = print::safe(&print::text(&value, "said"));
    let refuses = value["refuses_merchant"].as_bool().unwrap_or_default();
    let means = match refuses {
        true => {
            "pid or key are wrong: compare both with the gateway's merchant pages, `keystall channel remove`, and add it again"
        }
        false => {
            "if that speaks of the merchant, the key or a signature, pid or key are wrong; a real order of 0.01 is the proof"
        }
    };
    let text =
        format!("the provider answers; of an order that does not exist it says: {said}\n{means}\n");
    Done {
        exit: refuses.into(),
        ..Done::new(value, text)
    }
}

/// The type of payment of a new channel, if it is none that gateways commonly know.
fn unknown_type(added: &Value) -> Option<&str> {
    let kind = added["settings"]["type"].as_str()?;
    // Coins are named with their network, as usdt.trc20.
    let family = kind.split('.').next().unwrap_or_default();
    (!KNOWN_TYPES.contains(&family)).then_some(kind)
}

fn listed(value: &Value) -> String {
    let rows: Vec<Vec<String>> = print::list(value, "channels")
        .iter()
        .map(|channel| {
            let settings = channel["settings"].as_object().into_iter().flatten();
            let settings: Vec<String> = settings
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
                .collect();
            let secrets = channel["secrets"].as_object().into_iter().flatten();
            let secrets: Vec<String> = secrets
                .map(|(name, _)| format!("{name}=[redacted]"))
                .collect();
            vec![
                print::text(channel, "name"),
                print::text(channel, "kind"),
                settings
                    .into_iter()
                    .chain(secrets)
                    .collect::<Vec<_>>()
                    .join(" "),
            ]
        })
        .collect();
    print::table(
        &["NAME", "KIND", "SETTINGS"],
        &rows,
        "no channels: `keystall channel add --help` shows how to make one",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{tested, unknown_type};

    #[test]
    fn a_type_that_gateways_may_not_know_is_noticed() {
        let of = |kind: &str| unknown_type(&json!({"settings": {"type": kind}})).is_some();
        assert!(of("alipy") && of("wechat"));
        assert!(!of("alipay") && !of("usdt.trc20"));
        assert_eq!(unknown_type(&json!({"settings": {}})), None);
    }

    #[test]
    fn a_provider_that_refuses_the_key_is_no_success() {
        let exit = |refuses: bool| {
            tested(json!({"said": "商户密钥错误", "refuses_merchant": refuses})).exit
        };
        assert_eq!((exit(true), exit(false)), (1, 0));
    }
}

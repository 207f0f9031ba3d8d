//! `keystall ledger`.

use std::io::Write;

use clap::Subcommand;

use super::{Done, Failure, export::Export, print, session::Session};
use crate::daemon::admin::Command;

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Write the ledger, or a part of it, for auditors
    #[command(
        after_help = "Examples:\n  keystall ledger export --out ledger-2026-11.tar.zst\n  keystall ledger export --out november --since 2026-11-01 --until 2026-11-30\n  keystall ledger export --out hashes --skeleton\n  keystall-verify ledger november --vkey \"$(keystall ledger vkey)\"\n\nA range ends at the first checkpoint that covers it, so it may hold more entries than were asked for."
    )]
    Export(Export),
    /// Fix the newest checkpoint outside now, in every way that [ledger] sets up
    #[command(after_help = "Example:\n  keystall ledger anchor")]
    Anchor,
    /// Print the public key that auditors pin, and only it: the first log key, which vouches for all later ones
    #[command(
        after_help = "A receipt made after the log key was changed is checked with the key of then: --all lists them.\n\nExamples:\n  keystall ledger vkey\n  keystall ledger vkey --all"
    )]
    Vkey {
        /// Every log key there was, and above which size of which generation it signs
        #[arg(long)]
        all: bool,
    },
    /// Change the log key: prints what the recovery secret signs on another machine, then takes its signature
    #[command(
        after_help = "Examples:\n  keystall ledger rotate > message.txt\n  keystall-verify sign message.txt                         on the machine that has the recovery secret\n  keystall ledger rotate --signature 5f0c…"
    )]
    Rotate {
        /// The signature that `keystall-verify sign` printed
        #[arg(long, value_name = "HEX", conflicts_with_all = ["ahead", "anew"])]
        signature: Option<String>,
        /// How many entries from now the change is: it must be signed and brought back before the ledger is there
        #[arg(long, value_name = "N", default_value_t = 100)]
        ahead: u64,
        /// Drop the change that is prepared, and prepare another
        #[arg(long)]
        anew: bool,
    },
    /// Destroy the private part of an order: contact, payment reference, password and keys are gone for good
    #[command(after_help = "Example:\n  keystall ledger erase 0D3Q5P7XK2M9A --yes")]
    Erase {
        /// The order's number
        order: String,
        /// That this cannot be undone is understood
        #[arg(long)]
        yes: bool,
    },
    /// Write an auditor's nonce, and print where it lies with a checkpoint that covers it
    #[command(after_help = "Example:\n  keystall ledger audit --nonce 2026-11-21-a1b2c3")]
    Audit {
        /// 1 to 128 letters, digits, - or _
        #[arg(long, value_name = "N")]
        nonce: String,
    },
    /// List changes that an auditor cares about, with who made them
    #[command(after_help = "Example:\n  keystall ledger admin --json")]
    Admin {
        /// How many at most, the newest
        #[arg(long, default_value_t = 100)]
        max: usize,
    },
    /// Print the newest signed checkpoint
    #[command(after_help = "Example:\n  keystall ledger checkpoint > checkpoint.txt")]
    Checkpoint,
}

impl Ledger {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Export(export) => export.run(session),
            Self::Anchor => anchor(session),
            Self::Vkey { all: true } => {
                let value = session.ask(Command::LedgerVkey)?;
                let rows = print::rows(&value, "keys", &["generation", "signs_above", "vkey"]);
                let headings = ["GENERATION", "SIGNS ABOVE", "KEY"];
                let text = print::table(&headings, &rows, "no log key");
                Ok(Done::new(value, text))
            }
            Self::Vkey { all: false } => {
                let value = session.ask(Command::LedgerVkey)?;
                let text = format!("{}\n", print::text(&value, "vkey"));
                Ok(Done::new(value, text))
            }
            Self::Rotate {
                signature: Some(signature),
                ..
            } => {
                let value = session.ask(Command::LedgerRotate { signature })?;
                let text = format!(
                    "entry {} puts the new log key in force; auditors who pinned the first key need nothing, witnesses and buyers with receipts from now on need this one:\n{}\n",
                    print::text(&value, "seq"),
                    print::text(&value, "vkey")
                );
                Ok(Done::new(value, text))
            }
            Self::Rotate { ahead, anew, .. } => {
                let value = session.ask(Command::LedgerPrepareRotation { ahead, anew })?;
                if !session.json {
                    // Beside the message, which alone goes to standard output.
                    let _ = writeln!(
                        std::io::stderr(),
                        "Sign this message with `keystall-verify sign` and the recovery secret, on another machine, and bring the\nsignature back before the ledger has {} entries (it has {}): keystall ledger rotate --signature HEX",
                        print::text(&value, "seq"),
                        print::text(&value, "size")
                    );
                }
                let text = format!("{}\n", print::text(&value, "message"));
                Ok(Done::new(value, text))
            }
            Self::Erase { order, yes } => erase(session, order, yes),
            Self::Audit { nonce } => {
                let value = session.ask(Command::LedgerAudit { nonce })?;
                let field = |name| print::text(&value, name);
                let text = format!(
                    "entry {} at {}, covered by this checkpoint:\n\n{}",
                    field("seq"),
                    field("t"),
                    field("note")
                );
                Ok(Done::new(value, text))
            }
            Self::Admin { max } => {
                let value = session.ask(Command::LedgerAdmin { max })?;
                let names = ["generation", "seq", "t", "what", "who", "text"];
                let rows = print::rows(&value, "entries", &names);
                let headings = ["GEN", "ENTRY", "TIME", "WHAT", "WHO", "TEXT"];
                let mut text = print::table(&headings, &rows, "no such changes yet");
                if value["more"] == true {
                    text.push_str("more: raise --max\n");
                }
                Ok(Done::new(value, text))
            }
            Self::Checkpoint => {
                let value = session.ask(Command::LedgerCheckpoint)?;
                let text = print::text(&value, "note");
                Ok(Done::new(value, text))
            }
        }
    }
}

/// One line for each way. Ends as a failure if one failed.
fn anchor(session: &Session) -> Result<Done, Failure> {
    let value = session.ask(Command::LedgerAnchor)?;
    let ways = value["anchors"].as_array().cloned().unwrap_or_default();
    let line = |way: &serde_json::Value| {
        let (kind, outcome) = (print::text(way, "kind"), print::text(way, "message"));
        format!("{kind:<11} {outcome}\n")
    };
    let text: String = ways.iter().map(line).collect();
    if ways.iter().all(|way| way["outcome"] == "off") {
        return Err(Failure::new(
            "anchor",
            "no anchor is set up: set [ledger] tsa, auditor or anchor_git",
        ));
    }
    match ways.iter().any(|way| way["outcome"] == "failed") {
        true => Err(Failure::new("anchor", text.trim_end())),
        false => Ok(Done::new(value, text)),
    }
}

fn erase(session: &Session, order: String, yes: bool) -> Result<Done, Failure> {
    if !yes {
        return Err(Failure::usage(format!(
            "erasing cannot be undone: contact, payment reference and keys of {order} would be gone for its buyer too; say --yes"
        )));
    }
    let value = session.ask(Command::LedgerErase { order })?;
    let field = |name| print::text(&value, name);
    let mut text = match value["already"] == true {
        true => format!(
            "order {} was erased at {}\n",
            field("order"),
            field("erased_at")
        ),
        false => format!("order {} is erased\n", field("order")),
    };
    if value["entry"].is_object() {
        let seq = print::text(&value["entry"], "seq");
        text.push_str(&format!("ledger entry {seq}\n"));
    }
    if value["remark"].is_string() {
        text.push_str(&format!("{}\n", field("remark")));
    }
    if !print::list(&value, "keys_due").is_empty() {
        text.push_str(
            "its key is gone; what copies of the database still hold of it goes with the month's key, within the hour while the daemon runs\n",
        );
    }
    Ok(Done::new(value, text))
}

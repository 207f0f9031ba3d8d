//! `keystall ledger`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Done, Failure, files::NewFolder, print, session::Session, terminal::Bar};
use crate::daemon::admin::{Command, Frame, Gone};

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Write the ledger into a new folder, for auditors
    #[command(
        after_help = "Example:\n  keystall ledger export --out ledger-2026-11\n  keystall-verify ledger ledger-2026-11 --vkey \"$(keystall ledger vkey)\""
    )]
    Export {
        /// The folder: a new or an empty one
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
    },
    /// Fix the newest checkpoint outside now, in every way that [ledger] sets up
    #[command(after_help = "Example:\n  keystall ledger anchor")]
    Anchor,
    /// Print the public key that auditors pin, and only it
    #[command(after_help = "Example:\n  keystall ledger vkey")]
    Vkey,
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
    /// Print the newest signed checkpoint
    #[command(after_help = "Example:\n  keystall ledger checkpoint > checkpoint.txt")]
    Checkpoint,
}

impl Ledger {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Export { out } => export(session, &out),
            Self::Anchor => anchor(session),
            Self::Vkey => {
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
                    "entry {} puts the new log key in force; auditors who pinned the first key or the root key need nothing:\n{}\n",
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
    match ways.iter().any(|way| way["outcome"] == "failed") {
        true => Err(Failure::new("anchor", text.trim_end())),
        false => Ok(Done::new(value, text)),
    }
}

fn export(session: &Session, path: &Path) -> Result<Done, Failure> {
    if path.extension().is_some_and(|extension| extension == "zst") {
        return Err(Failure::usage(
            "archives are not in this version yet: give a folder, and pack it with tar and zstd",
        ));
    }
    let mut folder = NewFolder::begin(path)?;
    let bar = Bar::new(session.json, "{bar:40} {pos} of {len} entries");
    let mut unwritten = None;
    let mut take = |frame: Frame| match frame {
        Frame::Progress(progress) => {
            bar.show(progress);
            Ok(())
        }
        Frame::File { path, bytes } => folder.write(&path, &bytes).map_err(|error| {
            unwritten = Some(error);
            Gone
        }),
        Frame::Done(_) | Frame::Error(_) => Ok(()),
    };
    let outcome = session.execute(Command::LedgerExport, Box::new(std::io::empty()), &mut take);
    drop(bar);
    if let Some(error) = unwritten {
        let message = format!(
            "cannot write {}: {error}; nothing is left of it",
            path.display()
        );
        return Err(Failure::new("file", message));
    }
    let mut value = outcome?;
    folder.finish()?;
    value["out"] = path.display().to_string().into();
    let text = format!(
        "{} entries in {}\n",
        print::text(&value, "size"),
        path.display()
    );
    Ok(Done::new(value, text))
}

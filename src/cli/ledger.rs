//! `keystall ledger`.

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
    /// Print the public key that auditors pin, and only it
    #[command(after_help = "Example:\n  keystall ledger vkey")]
    Vkey,
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
            Self::Export { out } => export(session, &out),
            Self::Vkey => {
                let value = session.ask(Command::LedgerVkey)?;
                let text = format!("{}\n", print::text(&value, "vkey"));
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

fn erase(session: &Session, order: String, yes: bool) -> Result<Done, Failure> {
    if !yes {
        return Err(Failure::usage(format!(
            "erasing cannot be undone: contact, payment reference and keys of {order} would be gone for its buyer too; say --yes"
        )));
    }
    let value = session.ask(Command::LedgerErase { order })?;
    let field = |name| print::text(&value, name);
    let mut text = match value["already"] == true {
        true => format!("order {} was erased at {}\n", field("order"), field("erased_at")),
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

//! `keystall ledger`.

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
    /// Print the public key that auditors pin, and only it
    #[command(after_help = "Example:\n  keystall ledger vkey")]
    Vkey,
    /// Print the newest signed checkpoint
    #[command(after_help = "Example:\n  keystall ledger checkpoint > checkpoint.txt")]
    Checkpoint,
}

impl Ledger {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Export(export) => export.run(session),
            Self::Vkey => {
                let value = session.ask(Command::LedgerVkey)?;
                let text = format!("{}\n", print::text(&value, "vkey"));
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

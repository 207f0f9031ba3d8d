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
            Self::Checkpoint => {
                let value = session.ask(Command::LedgerCheckpoint)?;
                let text = print::text(&value, "note");
                Ok(Done::new(value, text))
            }
        }
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

//! `keystall backup`: going back to a copy.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Done, Failure, files, session::Session, terminal};
use crate::actions::{RestoreError, RestoreRequest, Restored, Shop};
use crate::daemon;
use crate::domain::Secret;
use crate::ledger::{note::NOTE_BYTES_MAX, sign::RecoverySecret};
use crate::vault::SystemEntropy;

#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Go back to a copy of shop.redb, with the daemon stopped: the ledger goes on in a new generation that says so
    #[command(
        after_help = "root.key and erase.keys of the shop are in its folder, and ledger.highwater if it was not lost.\n\nExamples:\n  keystall backup restore /mnt/copy/shop.redb --dry-run --recovery sheet.txt\n  keystall backup restore /mnt/copy/shop.redb --known checkpoint-of-last-week.txt"
    )]
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The copy
    copy: PathBuf,
    /// File with the recovery secret (words, hex digits, or the text of the sheet's QR code), or - for standard input; it is asked for on a terminal
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
    /// A checkpoint that was mailed or that somebody kept: it tells how far the ledger was signed
    #[arg(long, value_name = "NOTE")]
    known: Vec<PathBuf>,
    /// Go on although nothing tells how far the ledger was signed after the copy: who kept a later checkpoint will see a gap
    #[arg(long)]
    signed_unknown: bool,
    /// Look, and say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// A sheet that was saved whole, its QR code included.
const SECRET_BYTES_MAX: usize = 16 * 1024;

impl Backup {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Restore(restore) => restore.run(session),
        }
    }
}

impl Restore {
    fn run(self, session: &Session) -> Result<Done, Failure> {
        let known = self
            .known
            .iter()
            .map(|path| files::text(path, NOTE_BYTES_MAX));
        let known = known.collect::<Result<Vec<_>, _>>()?;
        let recovery = self.secret()?;
        let request = RestoreRequest {
            copy: &self.copy,
            recovery: &recovery,
            known: &known,
            signed_unknown: self.signed_unknown,
            dry_run: self.dry_run,
        };
        let mut step = |what: String| {
            if !session.json {
                // Progress; nowhere else to complain at.
                let _ = writeln!(std::io::stderr(), "{what}");
            }
        };
        let options = daemon::options(&session.settings);
        let entropy = Arc::new(SystemEntropy);
        let restored = Shop::restore(&session.dir, &request, options, entropy, &mut step)?;
        let value = value(&restored, self.dry_run);
        Ok(Done::new(value, text(&restored, self.dry_run)))
    }

    fn secret(&self) -> Result<Secret, Failure> {
        let text = match &self.recovery {
            Some(path) => files::text(path, SECRET_BYTES_MAX)?,
            None if terminal::is_there() => asked()?,
            None => files::text(Path::new("-"), SECRET_BYTES_MAX)?,
        };
        // Here, where it can be said which word is wrong.
        let secret = RecoverySecret::parse(&text);
        secret.map_err(|error| Failure::new("recovery", error))?;
        Ok(Secret::from(text.trim()))
    }
}

/// The recovery secret, typed; words may go over several lines.
fn asked() -> Result<String, Failure> {
    let mut text = terminal::ask_hidden("Recovery secret (24 words or 64 hex digits)")?;
    while RecoverySecret::parse(&text).is_err_and(|error| error.is_unfinished()) {
        let line = terminal::ask_hidden("  go on (an empty line ends it)")?;
        if line.trim().is_empty() || text.len() > SECRET_BYTES_MAX {
            break;
        }
        text.push(' ');
        text.push_str(&line);
    }
    Ok(text)
}

fn value(restored: &Restored, dry_run: bool) -> Value {
    let withheld = restored.withheld.iter();
    let withheld = withheld.map(|(slug, count)| json!({"product": slug.as_str(), "keys": count}));
    json!({
        "dry_run": dry_run,
        "generation": restored.generation,
        "origin": restored.origin,
        "vkey": restored.vkey,
        "prior": restored.prior,
        "prior_size": restored.prior_size,
        "prior_signed": restored.prior_signed,
        "lost": restored.prior_signed - restored.prior_size,
        "expired": restored.expired,
        "closed": restored.closed,
        "withheld": withheld.collect::<Vec<_>>(),
        "set_aside": restored.set_aside.as_ref().map(|path| path.display().to_string()),
    })
}

fn text(restored: &Restored, dry_run: bool) -> String {
    let lost = restored.prior_signed - restored.prior_size;
    let mut text = match dry_run {
        true => "nothing was changed; a restore would do this:\n".to_owned(),
        false => String::new(),
    };
    text += &match dry_run {
        // Its name is drawn when it is made.
        true => format!(
            "ledger      generation {}, under a new name\n",
            restored.generation
        ),
        false => format!(
            "ledger      generation {}, {}\n",
            restored.generation, restored.origin
        ),
    };
    text += &match lost {
        0 => "lost        no entry that is known of\n".to_owned(),
        1 => format!("lost        entry {}\n", restored.prior_size),
        _ => format!(
            "lost        {lost} entries, {} to {}\n",
            restored.prior_size,
            restored.prior_signed - 1
        ),
    };
    text += &format!("ended       {} unpaid orders\n", restored.expired);
    if restored.closed > 0 {
        text += &format!(
            "closed      {} orders: contact and keys do not open, since erase.keys no longer holds the key of their month (an order\n            of it was erased after this copy was made); with a copy of erase.keys from then they would\n",
            restored.closed
        );
    }
    for (product, count) in &restored.withheld {
        text += &format!("withheld    {count} keys of {product}: they may have been sold since\n");
    }
    if let Some(path) = &restored.set_aside {
        text += &format!("set aside   {}\n", path.display());
    }
    if !dry_run {
        text += "next        keystall serve; then ask each provider for payments since the copy, and release or void what\n            is withheld: keystall key release --product SLUG, keystall key void --withheld --product SLUG;\n            tell witnesses the ledger's new name and key (keystall ledger vkey --all): auditors need no new key\n";
    }
    text
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let code = match &error {
            RestoreError::Shop(_) => "shop",
            RestoreError::Copy { .. } | RestoreError::File { .. } => "file",
            RestoreError::InUse => "in_use",
            RestoreError::Recovery | RestoreError::Stranger => "recovery",
            RestoreError::Known(_) | RestoreError::SignedUnknown => "known",
            RestoreError::TooOld { .. } => "schema",
            RestoreError::Generations => "limit",
        };
        Self::new(code, error)
    }
}

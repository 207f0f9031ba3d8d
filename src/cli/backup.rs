//! `keystall backup`: sealed backups, and going back to one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Done, Failure,
    files::{self, NewFolder, unwritable},
    interrupt::Interrupt,
    print, service,
    session::{Place, Session},
    terminal::{self, Bar},
};
use crate::actions::{
    BackupError, BackupIndex, BackupKeyError, KeysFrom, RestoreError, RestoreRequest, Restored,
    SealedRequest, SealedRestored, Shop, Vouched, backup_identity, hash_file, is_sealed,
    restore_sealed, verify_sealed,
};
use crate::config;
use crate::daemon::{self, admin::Command, admin::Frame, admin::Gone, admin::Progress};
use crate::domain::Secret;
use crate::ledger::{note::NOTE_BYTES_MAX, sign::RecoverySecret};
use crate::vault::SystemEntropy;

#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Make a sealed backup now, restore it for its proof, and list it
    #[command(
        after_help = "It lies in backups/ in the shop's folder: two files, data and month keys. The shop goes on selling.\n\nExamples:\n  keystall backup create\n  keystall backup create --out /mnt/usb/keystall-today"
    )]
    Create {
        /// A new or an empty folder that gets a copy of both files
        #[arg(long, value_name = "PATH")]
        out: Option<PathBuf>,
    },
    /// The backups that were verified, the newest last
    #[command(after_help = "Example:\n  keystall backup list --json")]
    List,
    /// Look whether a backup is good
    #[command(
        after_help = "With the recovery secret it is opened, restored into a folder that is removed again, and every entry, order and key is checked. Without it only its hash is compared with the index.\n\nExamples:\n  keystall backup verify backups/keystall-20261122T093000Z-1a2b3c4d-5e6f7081.data.zst.age\n  keystall backup verify FILE --recovery sheet.txt"
    )]
    Verify {
        /// The sealed data
        file: PathBuf,
        /// The sealed month keys [default: the newest that lie beside FILE]
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
        /// File with the recovery secret, or - for standard input
        #[arg(long, value_name = "FILE")]
        recovery: Option<PathBuf>,
    },
    /// Go back to a backup, with the daemon stopped: the ledger goes on in a new generation that says so
    #[command(
        after_help = "FILE is a sealed backup (….data.zst.age), for which the folder may be empty, or a copy of shop.redb, for which root.key and erase.keys are in the folder. A seal names nobody: read what the report says of what vouches for the copy.\n\nExamples:\n  keystall backup restore /mnt/usb/keystall-20261122T093000Z-1a2b3c4d-5e6f7081.data.zst.age --dry-run --recovery sheet.txt\n  keystall --dir /srv/shop backup restore FILE --recovery sheet.txt --signed-unknown\n  keystall backup restore /mnt/copy/shop.redb --known checkpoint-of-last-week.txt"
    )]
    Restore(Restore),
    /// Give a shop that has none the public key that its backups are sealed to
    #[command(after_help = "Example:\n  keystall backup key --recovery sheet.txt")]
    Key {
        /// File with the recovery secret, or - for standard input; it is asked for on a terminal
        #[arg(long, value_name = "FILE")]
        recovery: Option<PathBuf>,
    },
    /// Print the secret key that opens every backup, for the program age
    #[command(
        after_help = "Whoever has it reads everything in every backup: keep it off the server.\n\nExample, on another machine:\n  keystall backup identity --recovery sheet.txt > identity.txt\n  age -d -i identity.txt FILE.data.zst.age | zstd -d > stream"
    )]
    Identity {
        /// File with the recovery secret, or - for standard input; it is asked for on a terminal
        #[arg(long, value_name = "FILE")]
        recovery: Option<PathBuf>,
    },
    /// After a restore: payments that the providers told of since, and what is to be returned
    #[command(after_help = "Example:\n  keystall backup aftermath")]
    Aftermath,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    copy: PathBuf,
    /// The sealed month keys [default: the newest that lie beside FILE]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// File with the recovery secret (words, hex digits, or the text of the sheet's QR code), or - for standard input; it is asked for on a terminal
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
    /// A checkpoint that was mailed or that somebody kept: it tells how far the ledger was signed
    #[arg(long, value_name = "NOTE")]
    known: Vec<PathBuf>,
    /// Go on although nothing tells how far the ledger was signed after the copy: who kept a later checkpoint will see a gap
    #[arg(long)]
    signed_unknown: bool,
    /// Go on without month keys although there are orders: contacts and keys of all of them stay closed
    #[arg(long)]
    without_keys: bool,
    /// Look, and say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// A sheet that was saved whole, its QR code included.
const SECRET_BYTES_MAX: usize = 16 * 1024;

impl Backup {
    pub(super) fn named(&self) -> Vec<&Path> {
        let (recovery, known): (_, &[PathBuf]) = match self {
            Self::Verify { recovery, .. }
            | Self::Key { recovery }
            | Self::Identity { recovery } => (recovery, &[]),
            Self::Restore(restore) => (&restore.recovery, &restore.known),
            Self::Create { .. } | Self::List | Self::Aftermath => (&None, &[]),
        };
        recovery.iter().chain(known).map(PathBuf::as_path).collect()
    }

    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
        match self {
            Self::Create { out } => create(&place.session()?, out.as_deref()),
            Self::List => list(&place.session()?),
            Self::Verify {
                file,
                keys,
                recovery,
            } => match recovery {
                Some(recovery) => {
                    files::look(&file)?;
                    let recovery = secret(Some(&recovery))?;
                    verify_by_restore(
                        &place.session_for_a_backup()?,
                        &file,
                        keys.as_deref(),
                        &recovery,
                    )
                }
                None => verify_by_hash(&place.dir, &file),
            },
            Self::Restore(restore) => restore.run(&place.session_for_a_backup()?),
            Self::Key { recovery } => key(&place.session()?, recovery.as_deref()),
            Self::Identity { recovery } => identity(place, recovery.as_deref()),
            Self::Aftermath => aftermath(&place.session()?),
        }
    }
}

fn create(session: &Session, out: Option<&Path>) -> Result<Done, Failure> {
    // First: what is begun is removed.
    let interrupt = Interrupt::watch();
    let mut folder = out.map(NewFolder::begin).transpose()?;
    let bar = Bar::new(session.json, "{bar:40} {pos} of {len} rows and entries");
    let mut unwritten = None;
    let mut take = |frame: Frame| {
        if interrupt.came() {
            return Err(Gone);
        }
        let taken = match (frame, &mut folder) {
            (Frame::Progress(progress), _) => {
                bar.show(progress);
                Ok(())
            }
            (Frame::FileBegins { path, .. }, Some(folder)) => folder.begin_file(&path),
            (Frame::File { bytes, .. }, Some(folder)) => folder.write(&bytes),
            _ => Ok(()),
        };
        taken.map_err(|error| {
            unwritten = Some(error);
            Gone
        })
    };
    let export = out.is_some();
    let command = Command::BackupCreate { export };
    let outcome = session.execute(command, Box::new(io::empty()), &mut take);
    drop(bar);
    if let (Some(error), Some(out)) = (unwritten, out) {
        return Err(unwritable(out, error));
    }
    if interrupt.came() {
        let message = "interrupted: what is in backups/ and listed stays, nothing else";
        return Err(Failure::new("interrupted", message));
    }
    let mut value = outcome?;
    if let (Some(folder), Some(out)) = (folder, out) {
        folder.finish().map_err(|error| unwritable(out, error))?;
        value["out"] = out.display().to_string().into();
    }
    let (data, keys) = (&value["data"], &value["keys"]);
    let mut text = format!(
        "data        {} ({} bytes)\nmonth keys  {} ({} bytes)\nverified    restored, and its {} ledger entries proven\n",
        print::text(data, "name"),
        data["bytes"],
        print::text(keys, "name"),
        keys["bytes"],
        data["size"],
    );
    match &value["not_everywhere"] {
        Value::String(why) => text += &format!("not brought everywhere: {}\n", print::safe(why)),
        _ => {
            let places = data["places"].as_array().map_or(0, Vec::len);
            if places > 0 {
                text += &format!("brought to  {places} other places, and read back from there\n");
            }
        }
    }
    let exit = u8::from(value["not_everywhere"].is_string());
    Ok(Done {
        exit,
        ..Done::new(value, text)
    })
}

fn list(session: &Session) -> Result<Done, Failure> {
    let value = session.ask(Command::BackupList)?;
    let headings = ["MADE", "BYTES", "ENTRIES", "VERIFIED", "NAME"];
    let names = ["at", "bytes", "size", "verified_at", "name"];
    let empty = "no backup yet: `keystall backup create`";
    let mut text = print::table(&headings, &print::rows(&value, "data", &names), empty);
    let keys = print::rows(&value, "keys", &names);
    if !keys.is_empty() {
        text += &format!("\nMonth keys:\n{}", print::table(&headings, &keys, ""));
    }
    text += &format!("\nin {}\n", print::text(&value, "folder"));
    if value["recipient"].is_null() {
        text += &format!("{}\n", BackupError::NoKey);
    }
    let failing = value["failing"].as_array().into_iter().flatten();
    for failed in std::iter::once(&value["failed"]).chain(failing) {
        if let Some(why) = failed["why"].as_str() {
            let since = print::text(failed, "since");
            text += &format!("failing since {since}: {}\n", print::safe(why));
        }
    }
    for strange in value["strange"].as_array().into_iter().flatten() {
        let place = print::safe(&print::text(strange, "place")).to_string();
        text += &match strange["why"].as_str() {
            Some(why) => format!("{place} gives no list: {}\n", print::safe(why)),
            None => format!(
                "in {place} lie {} more files that this shop did not make, or not here, and that nobody removes: {} …\n",
                strange["files"],
                print::safe(&print::text(strange, "first")),
            ),
        };
    }
    Ok(Done::new(value, text))
}

fn verify_by_hash(dir: &Path, file: &Path) -> Result<Done, Failure> {
    let (bytes, blake3) = hash_file(file)?;
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let index = BackupIndex::read(dir)?;
    let mut copies = index.data.iter().chain(&index.keys);
    let known = copies.find(|copy| copy.found_ms.is_none() && name.as_ref() == Some(&copy.name));
    let Some(known) = known else {
        let message = format!(
            "{} is not in the index of {}: with --recovery it is opened and proven",
            file.display(),
            dir.display()
        );
        return Err(Failure::new("unknown", message));
    };
    if (known.bytes, &known.blake3) != (bytes, &blake3) {
        let message = format!(
            "{} is not what was verified: {bytes} bytes, {} were; take another copy",
            file.display(),
            known.bytes
        );
        return Err(Failure::new("backup", message));
    }
    let value = json!({"bytes": bytes, "blake3": blake3, "restored": false});
    let text = format!(
        "as it was verified: {bytes} bytes, {} ledger entries, BLAKE3 {blake3}\nnot opened: that takes --recovery\n",
        known.size
    );
    Ok(Done::new(value, text))
}

fn verify_by_restore(
    session: &Session,
    file: &Path,
    keys: Option<&Path>,
    recovery: &Secret,
) -> Result<Done, Failure> {
    // First: the folder that is made is removed.
    let interrupt = Interrupt::watch();
    let bar = Bar::new(session.json, "{bar:40} {pos} of {len} rows and entries");
    let mut tell = |done, total| {
        bar.show(Progress { done, total });
        !interrupt.came()
    };
    let options = daemon::options(&session.settings);
    let verified = verify_sealed(
        &session.dir,
        file,
        keys,
        recovery,
        daemon::policy(&session.settings),
        &options,
        Arc::new(SystemEntropy),
        &mut tell,
    )?;
    drop(bar);
    let manifest = &verified.manifest;
    let age_s =
        crate::domain::Clock::now_ms(&daemon::SystemClock).saturating_sub(manifest.at_ms) / 1_000;
    let wrong = verified.books.as_ref().map(|books| books.wrong.clone());
    let wrong = wrong.unwrap_or_default();
    let mut text = format!(
        "{}, {} old, made by keystall {}\nopened and restored: {} rows; {} ledger entries follow from one another up to the signed checkpoint\nits first log key is {}: the shop's own, as a receipt or a witness has it?\n",
        manifest.origin,
        age(age_s),
        print::safe(&manifest.version),
        verified.rows,
        verified.entries,
        print::safe(&verified.first_vkey),
    );
    text += &match (&verified.books, wrong.first()) {
        (None, _) => "orders were not opened: no month keys (….keys.zst.age) beside it; --keys FILE names them\n".to_owned(),
        (Some(books), None) => format!(
            "books agree: {} orders, {} keys\n",
            books.orders, books.slots
        ),
        (Some(_), Some(first)) => format!("books do not agree: {}\n", print::safe(first)),
    };
    for path in &verified.strange {
        text += &format!(
            "left out: {}, whose checkpoint no log key of this backup's ledger signed: a log key or a generation came after the backup, or somebody else made this file\n",
            print::safe(&path.display().to_string())
        );
    }
    let strange = verified.strange.iter();
    let strange: Vec<String> = strange.map(|path| path.display().to_string()).collect();
    let value = json!({
        "restored": true,
        "left_out": strange,
        "bytes": verified.bytes,
        "blake3": verified.blake3,
        "origin": manifest.origin,
        "first_vkey": verified.first_vkey,
        "at_ms": manifest.at_ms,
        "age_s": age_s,
        "size": manifest.size,
        "entries": verified.entries,
        "rows": verified.rows,
        "books": verified.books.as_ref().map(|books| json!({"orders": books.orders, "keys": books.slots})),
        "wrong": wrong,
    });
    let exit = u8::from(!wrong.is_empty());
    Ok(Done {
        exit,
        ..Done::new(value, text)
    })
}

fn age(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn key(session: &Session, recovery: Option<&Path>) -> Result<Done, Failure> {
    let recovery = secret(recovery)?;
    let root = session.ask(Command::LedgerVkey)?;
    let identity = backup_identity(&recovery, root["root_vkey"].as_str())?;
    let recipient = identity.recipient().to_string();
    let value = session.ask(Command::BackupKey { recipient })?;
    let text = match value["changed"] == true {
        true => format!(
            "backups are sealed to {} from now on\n",
            print::text(&value, "recipient")
        ),
        false => format!(
            "backups are sealed to {} already\n",
            print::text(&value, "recipient")
        ),
    };
    Ok(Done::new(value, text))
}

fn identity(place: &Place, recovery: Option<&Path>) -> Result<Done, Failure> {
    let recovery = secret(recovery)?;
    // On another machine there is no shop to compare with.
    let root = place
        .session()
        .and_then(|session| session.ask(Command::LedgerVkey));
    let root = root.ok();
    let root = root.as_ref().and_then(|root| root["root_vkey"].as_str());
    let identity = backup_identity(&recovery, root)?;
    let text = identity.expose_text();
    let text = text.expose_str().unwrap_or_default();
    // Beside what may go into a file.
    let warning = "keystall: whoever has this key reads everything in every backup of the shop: keep it off the server, and remove it when it is not needed";
    let _ = writeln!(io::stderr(), "{warning}");
    let value = json!({"identity": text, "recipient": identity.recipient().to_string()});
    let text = format!("# public key: {}\n{text}\n", identity.recipient());
    Ok(Done::new(value, text))
}

fn aftermath(session: &Session) -> Result<Done, Failure> {
    let value = session.ask(Command::BackupAftermath)?;
    if value["restored_at"].is_null() {
        return Ok(Done::new(value, "this shop was never restored\n"));
    }
    let names = ["order", "state", "found", "owed"];
    let headings = ["ORDER", "STATE", "FOUND", "TO RETURN"];
    let empty = "the providers told of no payment yet";
    let mut text = format!(
        "restored {} from a copy whose last entry is of {}\n\n",
        print::text(&value, "restored_at"),
        print::text(&value, "copy_at"),
    );
    text += &print::table(&headings, &print::rows(&value, "orders", &names), empty);
    text += &format!(
        "\n{} more orders of that time are unpaid as far as the providers tell; the daemon asks about them at each start for 14 days.\nOrders that were made after the copy are not known here: a provider cannot be asked about an order whose number nobody has.\nTheir payments stand in the provider's own list, and their notices in `keystall notice list` as unknown.\nMoney to be returned: `keystall order list --owed`.\n",
        value["unpaid"]
    );
    Ok(Done::new(value, text))
}

/// From a file, standard input, or asked for on a terminal.
fn secret(file: Option<&Path>) -> Result<Secret, Failure> {
    let text = match file {
        Some(path) => files::text(path, SECRET_BYTES_MAX)?,
        None if terminal::is_there() => asked()?,
        None => files::text(Path::new("-"), SECRET_BYTES_MAX)?,
    };
    if file.is_none() && text.trim().is_empty() {
        return Err(Failure::usage(
            "the recovery secret is needed: name the file that holds it with --recovery FILE, or give it on standard input with --recovery -",
        ));
    }
    // Here, where it can be said which word is wrong.
    let secret = RecoverySecret::parse(&text);
    secret.map_err(|error| Failure::new("recovery", error))?;
    Ok(Secret::from(text.trim()))
}

impl Restore {
    fn run(self, session: &Session) -> Result<Done, Failure> {
        // Before a secret is asked for. What is opened here is opened again by those who read it, at their time.
        files::look(&self.copy)?;
        let known = self
            .known
            .iter()
            .map(|path| files::text(path, NOTE_BYTES_MAX));
        let known = known.collect::<Result<Vec<_>, _>>()?;
        let recovery = secret(self.recovery.as_deref())?;
        let mut step = |what: String| {
            if !session.json {
                // Progress; nowhere else to complain at.
                let _ = writeln!(io::stderr(), "{}", print::safe(&what));
            }
        };
        // What is not there is neither sealed nor a copy.
        files::open(&self.copy)?;
        let options = daemon::options(&session.settings);
        let entropy = Arc::new(SystemEntropy);
        if is_sealed(&self.copy) {
            let settings_to = config::file(&session.dir);
            let request = SealedRequest {
                file: &self.copy,
                keys: self.keys.as_deref(),
                recovery: &recovery,
                known: &known,
                signed_unknown: self.signed_unknown,
                without_keys: self.without_keys,
                dry_run: self.dry_run,
                settings_to: &settings_to,
                policy: daemon::policy(&session.settings),
            };
            let done = restore_sealed(&session.dir, &request, &options, entropy, &mut step)?;
            return Ok(sealed_done(&done, self.dry_run, &session.dir));
        }
        if self.keys.is_some() {
            return Err(Failure::usage(
                "--keys goes with a sealed backup; for a copy of shop.redb put erase.keys into the folder",
            ));
        }
        let request = RestoreRequest {
            copy: &self.copy,
            recovery: &recovery,
            known: &known,
            signed_unknown: self.signed_unknown,
            dry_run: self.dry_run,
        };
        let restored = Shop::restore(&session.dir, &request, options, entropy, &mut step)?;
        let value = value(&restored, self.dry_run);
        let text = text(&restored, self.dry_run, &session.dir, "");
        Ok(Done::new(value, text))
    }
}

fn sealed_done(done: &SealedRestored, dry_run: bool, dir: &Path) -> Done {
    let mut value = value(&done.restored, dry_run);
    value["root_key"] = done.root_key.into();
    value["settings"] = done
        .settings
        .as_ref()
        .map(|path| path.display().to_string())
        .into();
    value["month_keys"] = match &done.keys {
        KeysFrom::Folder => "folder".into(),
        KeysFrom::File(path) => path.display().to_string().into(),
        KeysFrom::Nowhere => Value::Null,
    };
    value["erased"] = done.erased.into();
    let vouched = &done.vouched;
    value["vouched"] = json!({
        "install": vouched.install,
        "first_vkey": vouched.first_vkey,
        "vkey": vouched.vkey,
        "by": vouched.by,
    });
    let mut text = text(&done.restored, dry_run, dir, &vouched_text(vouched));
    if done.keys == KeysFrom::Nowhere {
        text += "month keys  none: contacts and keys of all orders stay closed; restore again with --keys FILE to open them\n";
    }
    Done::new(value, text)
}

/// A seal names nobody: anyone who knows the public key makes one.
fn vouched_text(vouched: &Vouched) -> String {
    let mut text = format!(
        "from        shop {}, ledger since {}\n",
        print::safe(&vouched.install),
        print::safe(&vouched.first_vkey),
    );
    for by in &vouched.by {
        text += &format!("vouched     {by}\n");
    }
    if vouched.by.is_empty() {
        text += "vouched     by nothing outside of the file, and who knows the public key of the backups can make one that opens: compare\n            the key after \"ledger since\" with a receipt's, a witness's or `keystall ledger vkey --all` of before\n";
    }
    text
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

/// `vouched` are lines about the copy, where it was sealed.
fn text(restored: &Restored, dry_run: bool, dir: &Path, vouched: &str) -> String {
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
    text += vouched;
    if !dry_run {
        text += &format!(
            "next        {}: the daemon asks the providers about the orders since the copy; then keystall backup aftermath,\n            and release or void what is withheld: keystall key release --product SLUG, keystall key void --withheld --product SLUG;\n            tell witnesses the ledger's new name and key (keystall ledger vkey --all): auditors need no new key\n",
            service::command(dir)
        );
    }
    text
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let code = match &error {
            RestoreError::Shop(_) => "shop",
            RestoreError::Copy { .. }
            | RestoreError::File { .. }
            | RestoreError::Unreadable { .. } => "file",
            RestoreError::InUse => "in_use",
            RestoreError::Recovery | RestoreError::Stranger => "recovery",
            RestoreError::Known(_) | RestoreError::SignedUnknown => "known",
            RestoreError::TooOld { .. } => "schema",
            RestoreError::Generations => "limit",
        };
        Self::new(code, error)
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Restore(error) => (*error).into(),
            BackupError::Recovery => Self::new("recovery", error),
            BackupError::OtherShop(_) => Self::new("shop", error),
            error => crate::daemon::admin::CommandError::from(error).into(),
        }
    }
}

impl From<BackupKeyError> for Failure {
    fn from(error: BackupKeyError) -> Self {
        Self::new("recovery", error)
    }
}

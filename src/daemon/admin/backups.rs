//! Sealed backups.

use std::{fs::File, io, os::unix::fs::MetadataExt, path::Path};

use serde_json::{Value, json};

use super::{
    CommandError, Context, Frame, Out, Progress,
    doctor::{Finding, Level},
    ledger::FileFrames,
    times,
};
use crate::{
    actions::{
        BACKUPS_FOLDER, BackupError, ExportTarget, FailedBackup, SealedCopy, StrangeBackups,
    },
    daemon::backups,
    vault::BackupRecipient,
};

pub(super) fn create(context: &Context, export: bool, out: Out<'_>) -> Result<Value, CommandError> {
    let mut tell = |done, total| out(Frame::Progress(Progress { done, total })).is_ok();
    let ran = backups::run(
        &context.shop,
        &context.dir,
        &context.settings,
        &context.runtime,
        &mut tell,
    )?;
    if export {
        let mut frames = FileFrames::new(out, false);
        for copy in [&ran.data, &ran.keys] {
            let path = context.dir.join(BACKUPS_FOLDER).join(&copy.name);
            send(&path, &copy.name, &mut frames)
                .map_err(|error| CommandError::new("file", error))?;
        }
    }
    Ok(json!({
        "data": shown(context, &ran.data),
        "keys": shown(context, &ran.keys),
        "not_everywhere": ran.not_everywhere.map(|error| error.to_string()),
    }))
}

fn send(path: &Path, name: &str, frames: &mut FileFrames<'_>) -> io::Result<()> {
    frames.begin(name, None)?;
    io::copy(&mut File::open(path)?, frames)?;
    io::Write::flush(frames)
}

pub(super) fn list(context: &Context) -> Result<Value, CommandError> {
    let index = context.shop.backups()?;
    let recipient = context.shop.backup_recipient()?;
    let all = |copies: &[SealedCopy]| -> Vec<Value> {
        let kept = copies.iter().filter(|copy| !copy.dropped);
        kept.map(|copy| shown(context, copy)).collect()
    };
    Ok(json!({
        "folder": context.dir.join(BACKUPS_FOLDER).display().to_string(),
        "recipient": recipient.map(|recipient| recipient.to_string()),
        "data": all(&index.data),
        "keys": all(&index.keys),
        "failed": index.failed.as_ref().map(|failed| failure(context, failed)),
        "failing": index.failing.iter().map(|(place, failed)| {
            let mut failure = failure(context, failed);
            failure["place"] = place.as_str().into();
            failure
        }).collect::<Vec<_>>(),
        "strange": index.strange.iter().map(|(place, strange)| json!({
            "place": place,
            "files": strange.files,
            "first": strange.first,
            "why": strange.why,
        })).collect::<Vec<_>>(),
    }))
}

fn failure(context: &Context, failed: &FailedBackup) -> Value {
    json!({
        "since": times::shown(context, failed.since_ms),
        "at": times::shown(context, failed.at_ms),
        "why": failed.why,
    })
}

pub(super) fn put_key(context: &Context, recipient: &str) -> Result<Value, CommandError> {
    let recipient: BackupRecipient = recipient.parse().map_err(CommandError::invalid)?;
    let changed = context.shop.put_backup_key(recipient)?;
    Ok(json!({"recipient": recipient.to_string(), "changed": changed}))
}

pub(super) fn aftermath(context: &Context) -> Result<Value, CommandError> {
    let aftermath = context.shop.aftermath()?;
    let currency = context.shop.policy().currency;
    let money = |amount| crate::domain::Money::new(amount, currency).decimal();
    let orders: Vec<Value> = aftermath
        .orders
        .iter()
        .map(|order| {
            json!({
                "order": order.id.to_string(),
                "state": order.state.as_str(),
                "found": money(order.found),
                "owed": money(order.owed),
            })
        })
        .collect();
    Ok(json!({
        "copy_at": aftermath.restored.map(|one| times::shown(context, one.copy_at_ms)),
        "restored_at": aftermath.restored.map(|one| times::shown(context, one.at_ms)),
        "currency": currency.as_str(),
        "orders": orders,
        "unpaid": aftermath.unpaid,
    }))
}

/// What doctor says of the backups.
pub(super) fn examine(context: &Context) -> Result<Finding, CommandError> {
    let finding = |level, message| Ok(Finding::new("backups", level, message));
    if context.shop.backup_recipient()?.is_none() {
        return finding(Level::Warn, BackupError::NoKey.to_string());
    }
    let index = match context.shop.backups() {
        Ok(index) => index,
        Err(error) => return finding(Level::Fail, error.to_string()),
    };
    let every_ms = context.settings.backup.every.ms();
    let failed = index.failures();
    let failed = failed.map(|failed| format!("; the last attempt failed: {}", failed.why));
    let failed: String = failed.collect();
    let Some(newest) = index.newest() else {
        if !index.data.is_empty() {
            let message = format!(
                "of none are both halves in backups/, or its month keys were replaced since orders were erased{failed}: `keystall backup create`"
            );
            return finding(Level::Fail, message);
        }
        let message = match (every_ms, failed.as_str()) {
            (0, _) => "none, and [backup] every = \"0s\" makes none: `keystall backup create`",
            (_, "") => "none yet: the daemon makes the first, or `keystall backup create`",
            _ => "none",
        };
        return finding(Level::Warn, format!("{message}{failed}"));
    };
    let message = format!(
        "the newest verified one is of {} ({} ledger entries){failed}",
        times::shown(context, newest.at_ms),
        newest.size,
    );
    for copy in std::iter::once(newest).chain(index.keys_of(newest)) {
        let path = context.dir.join(BACKUPS_FOLDER).join(&copy.name);
        if std::fs::metadata(&path).map_or(0, |about| about.len()) != copy.bytes {
            let message = format!(
                "{message}; {} is not there any more, or was cut short: `keystall backup create`",
                path.display()
            );
            return finding(Level::Fail, message);
        }
    }
    let age_ms = |copy: &SealedCopy| context.shop.now_ms() - copy.at_ms;
    let old_ms = every_ms.saturating_mul(2).max(every_ms + 3_600_000);
    let is_old = |copy: &SealedCopy| every_ms > 0 && age_ms(copy) > old_ms;
    // What lies in the shop's folder alone goes with the machine.
    let missing = backups::place_names(&context.settings).into_iter();
    let missing = missing.filter(|name| index.newest_at(name).is_none_or(is_old));
    let missing: Vec<String> = missing.collect();
    let message = match missing.as_slice() {
        [] => message,
        names => format!("{message}; none of late in {}", names.join(", ")),
    };
    let same_disk = on_the_same_disk(context);
    let message = match same_disk {
        true => format!(
            "{message}; [backup] folder lies on the same disk as the shop and goes with it: name one on another"
        ),
        false => message,
    };
    // Why one that fails gives no list was said already.
    let strange = index.strange.iter();
    let strange =
        strange.filter(|(place, one)| one.why.is_none() || !index.failing.contains_key(*place));
    let strange: String = strange.map(left_alone).collect();
    let message = format!("{message}{strange}");
    let is_ahead = newest.is_ahead(context.shop.now_ms());
    let message = match is_ahead {
        true => format!("{message}; that is later than now: a clock was wrong"),
        false => message,
    };
    let is_stale = is_old(newest) || is_ahead || !missing.is_empty();
    let is_fine = failed.is_empty() && strange.is_empty() && !same_disk;
    let level = match (is_stale, is_fine) {
        (true, _) => Level::Fail,
        (false, false) => Level::Warn,
        (false, true) => Level::Ok,
    };
    let advice = match is_stale || !failed.is_empty() {
        true => ": `keystall backup create` tries at once",
        false => "",
    };
    finding(level, format!("{message}{advice}"))
}

/// What lies at a place and is nobody's to remove.
fn left_alone((place, strange): (&String, &StrangeBackups)) -> String {
    match &strange.why {
        Some(why) => format!(
            "; nobody knows which copies lie in {place}, for it gave no list ({why}): should that last, allow it to, else those of a lost index stay there for ever"
        ),
        None => format!(
            "; {} files in {place} that this shop did not make, or not here, stay there until a person removes them ({} and others)",
            strange.files, strange.first
        ),
    }
}

/// Whether `[backup] folder` is on the disk that the shop is on.
fn on_the_same_disk(context: &Context) -> bool {
    let device = |path: &Path| Some(std::fs::metadata(path).ok()?.dev());
    let folder = context.settings.backup.folder.as_deref();
    let folder = folder.and_then(device);
    folder.is_some() && folder == device(&context.dir)
}

fn shown(context: &Context, copy: &SealedCopy) -> Value {
    let places = copy.places.keys().filter(|place| copy.is_at(place));
    let places: Vec<&String> = places.collect();
    json!({
        "name": copy.name,
        "at": times::shown(context, copy.at_ms),
        "bytes": copy.bytes,
        "blake3": copy.blake3,
        "generation": copy.generation,
        "size": copy.found_ms.is_none().then_some(copy.size),
        "verified_at": match copy.found_ms {
            None => times::shown(context, copy.verified_at_ms).into(),
            Some(_) => Value::Null,
        },
        "found_at": copy.found_ms.map(|found_ms| times::shown(context, found_ms)),
        "places": places,
        "unproven": copy.unproven,
        "doubted": copy.doubted.keys().collect::<Vec<_>>(),
    })
}

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        let code = match &error {
            BackupError::NoKey => "no_key",
            BackupError::Busy => "busy",
            BackupError::Disk { .. } => "disk",
            BackupError::File { .. } => "file",
            BackupError::Place(_) => "place",
            BackupError::Stopped => "interrupted",
            _ => "backup",
        };
        Self::new(code, error)
    }
}

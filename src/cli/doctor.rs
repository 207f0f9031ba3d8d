//! `keystall doctor`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use clap::Args;
use serde_json::{Value, json};

use super::{Done, Failure, print, session::Place};
use crate::{
    config::{Settings, TlsMode},
    daemon::admin::{
        Command,
        doctor::{Finding, Level},
    },
    net::TlsServer,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keystall doctor --json\n\nExits with 1 if anything fails.")]
pub(super) struct Doctor {}

/// Free space below this share of the disk is little, and below the second hardly any (reliability.md, R06).
const FREE_PERCENT_WARN: u64 = 10;
const FREE_PERCENT_FAIL: u64 = 5;

impl Doctor {
    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
        let mut findings = Vec::new();
        folder(&place.dir, &mut findings);
        match place.session() {
            Ok(session) => {
                findings.push(settings(session.not_in_force()));
                certificate(&session.settings, &mut findings);
                match session.ask(Command::Doctor) {
                    Ok(value) => findings.extend(within(&value)),
                    Err(failure) => {
                        findings.push(Finding::new("shop", Level::Fail, failure.message))
                    }
                }
            }
            Err(failure) => findings.push(Finding::new("settings", Level::Fail, failure.message)),
        }
        Ok(told(&findings))
    }
}

/// Settings that can be read, as far as the daemon serves them.
fn settings(not_in_force: Result<Vec<String>, Failure>) -> Finding {
    match not_in_force {
        Ok(keys) if keys.is_empty() => Finding::new("settings", Level::Ok, "good"),
        Ok(keys) => Finding::new("settings", Level::Warn, restart_for(&keys)),
        Err(failure) => {
            let message = format!(
                "good, but not compared with what the daemon serves: {}",
                failure.message
            );
            Finding::new("settings", Level::Warn, message)
        }
    }
}

/// What to do for settings that the daemon does not serve yet.
pub(super) fn restart_for(keys: &[String]) -> String {
    format!(
        "restart `keystall serve` for: {}; until then it goes on with what it read at its start",
        keys.join(", ")
    )
}

fn within(value: &Value) -> Vec<Finding> {
    let unreadable = |_| {
        let message = "the daemon is of another version: restart it";
        vec![Finding::new("daemon", Level::Fail, message)]
    };
    serde_json::from_value(value["findings"].clone()).unwrap_or_else(unreadable)
}

fn folder(dir: &Path, findings: &mut Vec<Finding>) {
    let mut say = |check: &str, level, message: String| {
        findings.push(Finding::new(check, level, message));
    };
    let about = match fs::metadata(dir) {
        Ok(about) if about.is_dir() => about,
        _ => {
            let message = format!(
                "{} is not there: `keystall init` makes a shop",
                dir.display()
            );
            return say("folder", Level::Fail, message);
        }
    };
    let mode = about.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => say(
            "folder",
            Level::Ok,
            format!("{}, only for its owner", dir.display()),
        ),
        _ => say(
            "folder",
            Level::Warn,
            format!(
                "others can look into {0} (mode {mode:o}): chmod 0700 {0}",
                dir.display()
            ),
        ),
    }
    let key = dir.join("root.key");
    match fs::metadata(&key) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            say(
                "root key",
                Level::Fail,
                format!("others can read {0}: chmod 0400 {0}", key.display()),
            );
        }
        Ok(found) if found.uid() != about.uid() => {
            say(
                "root key",
                Level::Fail,
                format!(
                    "{} does not belong to the folder's owner: chown it",
                    key.display()
                ),
            );
        }
        Ok(_) => say("root key", Level::Ok, "only for its owner".to_owned()),
        Err(error) => say(
            "root key",
            Level::Fail,
            format!("{}: {error}", key.display()),
        ),
    }
    disk(dir, findings);
}

fn disk(dir: &Path, findings: &mut Vec<Finding>) {
    let Ok(space) = rustix::fs::statvfs(dir) else {
        findings.push(Finding::new("disk", Level::Warn, "free space is not known"));
        return;
    };
    let percent = space.f_bavail.saturating_mul(100) / space.f_blocks.max(1);
    let free_mib = space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024);
    let message = format!("{percent} % free ({free_mib} MiB)");
    let (level, advice) = match percent {
        percent if percent < FREE_PERCENT_FAIL => {
            (Level::Fail, ": make room, orders will be refused soon")
        }
        percent if percent < FREE_PERCENT_WARN => (Level::Warn, ": make room"),
        _ => (Level::Ok, ""),
    };
    findings.push(Finding::new("disk", level, message + advice));
}

fn certificate(settings: &Settings, findings: &mut Vec<Finding>) {
    let finding = match (settings.tls.mode, &settings.tls.cert, &settings.tls.key) {
        (TlsMode::SelfSigned, ..) => Finding::new(
            "certificate",
            Level::Warn,
            "self-signed: browsers warn of it; set [tls] mode = \"acme\", and the shop fetches one of an authority",
        ),
        (TlsMode::Files, Some(cert), Some(key)) => match TlsServer::from_files(cert, key) {
            Ok(_) => Finding::new("certificate", Level::Ok, "fits its key"),
            Err(error) => Finding::new("certificate", Level::Fail, error.to_string()),
        },
        // The shop knows. Without both files the settings were refused.
        (TlsMode::Files | TlsMode::Acme, ..) => return,
    };
    findings.push(finding);
}

fn told(findings: &[Finding]) -> Done {
    let word = |level| match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Fail => "fail",
    };
    let rows: Vec<(&str, String)> = findings
        .iter()
        .map(|finding| {
            (
                word(finding.level),
                format!("{}: {}", finding.check, finding.message),
            )
        })
        .collect();
    let worst = findings.iter().map(|finding| finding.level).max();
    let fails = worst == Some(Level::Fail);
    Done {
        value: json!({"ok": !fails, "findings": findings}),
        text: print::fields(&rows),
        exit: u8::from(fails),
    }
}

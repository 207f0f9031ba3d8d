//! `keystall doctor`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Done, Failure, print, service,
    session::{Place, Session},
};
use crate::{
    actions::what_it_was,
    config::{Settings, TlsMode},
    daemon::{
        Space,
        admin::{
            Command,
            doctor::{Finding, Level},
        },
        admin_socket, reach_mail,
    },
    net::{CertificateFacts, TlsServer},
    store::verify_file,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keystall doctor --json\n\nExits with 1 if anything fails.")]
pub(super) struct Doctor {}

/// A certificate that ends so soon should have been renewed.
const CERTIFICATE_SOON_MS: i64 = 14 * 24 * 3_600_000;

impl Doctor {
    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
        let mut findings = Vec::new();
        if let Some(finding) = no_shop_yet(&place.dir) {
            return Ok(told(&[finding]));
        }
        folder(&place.dir, &mut findings);
        match place.session() {
            Ok(session) => {
                let doubts = doubts(&place.dir, &session.settings);
                findings.push(settings(session.not_in_force(), &doubts));
                certificate(&session.settings, &mut findings);
                findings.extend(mail_server(&session.settings));
                findings.push(daemon(&session));
                match session.ask(Command::Doctor) {
                    Ok(value) => findings.extend(within(&value)),
                    Err(failure) => {
                        findings.push(Finding::new("shop", Level::Fail, failure.message));
                        from_outside(&place.dir, &mut findings);
                    }
                }
            }
            Err(failure) => {
                findings.push(Finding::new("settings", Level::Fail, failure.message));
                from_outside(&place.dir, &mut findings);
            }
        }
        Ok(told(&findings))
    }
}

/// Said instead of all else where no shop was made: what a folder lacks then is nothing to put back.
fn no_shop_yet(dir: &Path) -> Option<Finding> {
    let made = ["root.key", "erase.keys", "shop.redb", "ledger.highwater"];
    // What cannot be looked at is there, as far as anybody knows.
    let missing = |name: &str| {
        let looked = fs::symlink_metadata(dir.join(name));
        looked.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    };
    made.iter().all(|name| missing(name)).then(|| {
        let message = format!(
            "no shop in {} yet: `keystall init` makes one",
            dir.display()
        );
        Finding::new("shop", Level::Fail, message)
    })
}

/// Whether the shop is served at present.
fn daemon(session: &Session) -> Finding {
    match session.is_served() {
        Ok(true) => {
            // It made its socket when it started.
            let socket = admin_socket(&session.dir, &session.settings);
            let made = fs::metadata(socket).and_then(|socket| socket.modified());
            let since = made.ok().and_then(|at| Timestamp::try_from(at).ok());
            let message = match since.and_then(|at| at.round(jiff::Unit::Second).ok()) {
                Some(since) => format!("answers, since {since}"),
                None => "answers".to_owned(),
            };
            Finding::new("daemon", Level::Ok, message)
        }
        Ok(false) => {
            let mut message = format!(
                "not running, so nothing is sold: `{}`",
                service::command(&session.dir)
            );
            if service::is_for(&session.dir) {
                message += "; `journalctl -u keystall -n 20` says why it ended";
            }
            Finding::new("daemon", Level::Warn, message)
        }
        Err(failure) => Finding::new("daemon", Level::Fail, failure.message),
    }
}

/// Settings that can be used and may not be what is meant, as `config check` says them, and another host than the shop began with.
pub(super) fn doubts(dir: &Path, settings: &Settings) -> Vec<String> {
    let mut doubts: Vec<String> = settings.doubts().iter().map(ToString::to_string).collect();
    let host = &settings.shop.host;
    if let (Some(first), _) = what_it_was(dir)
        && first != *host
    {
        doubts.push(format!(
            "[shop] host: it is {host}, and the shop was made for {first}; its ledger keeps that name. Where the shop did not move, put {first} back"
        ));
    }
    doubts
}

/// What can be seen of a shop that does not open.
fn from_outside(dir: &Path, findings: &mut Vec<Finding>) {
    let database = dir.join("shop.redb");
    if database.exists() {
        findings.push(match verify_file(&database) {
            Ok(bytes) => {
                let message = format!("{} MiB, as they were written", bytes / (1024 * 1024));
                Finding::new("pages", Level::Ok, message)
            }
            Err(fault) => Finding::new("pages", Level::Fail, fault.to_string()),
        });
    }
    for name in ["shop.redb", "erase.keys", "ledger.highwater"] {
        let path = dir.join(name);
        let problem = match fs::metadata(&path) {
            Ok(file) if file.len() > 0 => continue,
            Ok(_) => "is empty".to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is not there".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = format!(
            "{}: {problem}; put it back, or run `keystall backup restore COPY` with the recovery sheet",
            path.display()
        );
        findings.push(Finding::new(name, Level::Fail, message));
    }
}

/// Whether the mail server lets the shop in. Nothing is sent.
fn mail_server(settings: &Settings) -> Option<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let reached = match runtime {
        Ok(runtime) => runtime.block_on(reach_mail(settings))?,
        Err(error) => Err(error.to_string()),
    };
    Some(match reached {
        Ok(()) => Finding::new("mail server", Level::Ok, "answers"),
        Err(error) => {
            let message = format!(
                "{error}: mails wait until it answers; look at [mail] and at the server, then `keystall notify test`"
            );
            Finding::new("mail server", Level::Fail, message)
        }
    })
}

/// Settings that can be read, as far as the daemon serves them.
fn settings(not_in_force: Result<Vec<String>, Failure>, doubts: &[String]) -> Finding {
    match not_in_force {
        Ok(keys) if keys.is_empty() && doubts.is_empty() => {
            Finding::new("settings", Level::Ok, "good")
        }
        Ok(keys) if !doubts.is_empty() => {
            let mut message = format!("look again: {}", doubts.join("; "));
            if !keys.is_empty() {
                message = format!("{message}; {}", restart_for(&keys));
            }
            Finding::new("settings", Level::Warn, message)
        }
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
        // Whether it is there at all is said by the shop, which opens or does not.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => say(
            "root key",
            Level::Warn,
            format!(
                "{} is not there: the service needs it as its systemd credential root.key",
                key.display()
            ),
        ),
        Err(error) => say(
            "root key",
            Level::Fail,
            format!("{}: {error}", key.display()),
        ),
    }
    disk(dir, findings);
}

fn disk(dir: &Path, findings: &mut Vec<Finding>) {
    let Some(space) = Space::of(dir) else {
        findings.push(Finding::new("disk", Level::Warn, "free space is not known"));
        return;
    };
    let percent = space.percent();
    let message = format!("{percent} % free ({} MiB)", space.free_mib());
    let (level, advice) = match space.lows_passed() {
        _ if space.is_full() => (
            Level::Fail,
            ": make room; no orders are taken, what is left is for those that are paid",
        ),
        0 => (Level::Ok, ""),
        1 => (Level::Warn, ": make room"),
        2 => (Level::Warn, ": make room now"),
        _ => (Level::Fail, ": make room, orders will be refused soon"),
    };
    findings.push(Finding::new("disk", level, message + advice));
}

fn certificate(settings: &Settings, findings: &mut Vec<Finding>) {
    if settings.listen.https.is_empty() {
        let message = "the proxy's: the shop itself listens without TLS";
        findings.push(Finding::new("certificate", Level::Ok, message));
        return;
    }
    let finding = match (settings.tls.mode, &settings.tls.cert, &settings.tls.key) {
        (TlsMode::SelfSigned, ..) => Finding::new(
            "certificate",
            Level::Warn,
            "self-signed: browsers warn of it; set [tls] mode = \"acme\", and the shop fetches one of an authority",
        ),
        (TlsMode::Files, Some(cert), Some(key)) => match TlsServer::from_files(cert, key) {
            Ok(_) => in_time(cert),
            Err(error) => Finding::new("certificate", Level::Fail, error.to_string()),
        },
        // The shop knows. Without both files the settings were refused.
        (TlsMode::Files | TlsMode::Acme, ..) => return,
    };
    findings.push(finding);
}

/// A certificate that fits its key, by the clock.
fn in_time(cert: &Path) -> Finding {
    let facts = fs::read(cert)
        .ok()
        .and_then(|pem| CertificateFacts::of_pem(&pem).ok());
    let Some(facts) = facts else {
        let message = format!("{} cannot be read", cert.display());
        return Finding::new("certificate", Level::Fail, message);
    };
    let until = Timestamp::from_millisecond(facts.not_after_ms).unwrap_or_default();
    let left_ms = facts.not_after_ms - Timestamp::now().as_millisecond();
    let renew = format!("renew {}, then `systemctl reload keystall`", cert.display());
    match left_ms {
        ..=0 => {
            let message = format!("ran out at {until}, browsers refuse the shop: {renew}");
            Finding::new("certificate", Level::Fail, message)
        }
        1..CERTIFICATE_SOON_MS => {
            let message = format!("fits its key, ends at {until}: {renew}");
            Finding::new("certificate", Level::Warn, message)
        }
        _ => {
            let message = format!("fits its key, good until {until}");
            Finding::new("certificate", Level::Ok, message)
        }
    }
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

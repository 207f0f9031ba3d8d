//! Making the shop, as the user to whom it belongs. What a failed try made is removed again.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Setting, checks};
use crate::{
    actions::{Founding, Shop},
    cli::{Done, Failure, owner::Owner, session::environment},
    config::{self, Draft, TlsMode},
    daemon,
    vault::SystemEntropy,
};

/// What is to be made in the folder.
#[derive(Serialize, Deserialize)]
struct Job {
    host: String,
    /// The settings, where they lie in the folder.
    settings: Option<(PathBuf, String)>,
    /// Files with a secret each, by their name.
    secrets: Vec<(String, String)>,
}

/// What is shown once.
#[derive(Serialize, Deserialize)]
pub(super) struct Report {
    /// 64 hex digits.
    pub(super) recovery: String,
    pub(super) vkey: String,
    pub(super) root_vkey: String,
}

/// The outcome as the process that made the shop tells it to the one that asked.
#[derive(Serialize, Deserialize)]
enum Told {
    Made(Report),
    Failed { code: String, message: String },
}

/// Makes the settings, the folder and the shop.
pub(super) fn found(at: &Setting<'_>, mut draft: Draft) -> Result<Report, Failure> {
    let secrets = draft.take_secrets().into_iter();
    let secrets = secrets
        .map(|(name, secret)| (name, secret.expose_str().unwrap_or_default().to_owned()))
        .collect();
    let text = format!(
        "# Keystall's settings. `keystall config example` shows all with their defaults.\n\n{}",
        draft.toml()
    );
    let (outside, inside) = match at.file.exists() {
        true => (None, None),
        false if at.file.starts_with(at.dir) => (None, Some((at.file.clone(), text))),
        false => (Some(text), None),
    };
    let job = Job {
        host: draft.text("shop", "host").unwrap_or_default().to_owned(),
        settings: inside,
        secrets,
    };
    let mut made = Made::default();
    if let Some(text) = outside {
        made.settings(&at.file, &text)?;
    }
    let report = match &at.owner {
        None => here(at.dir, job),
        Some(owner) => made
            .folder(at.dir, owner)
            .and_then(|()| through(owner, at.dir, &job)),
    };
    report.map_err(|failure| made.undone(failure))
}

/// The other end of `through`: does what standard input says, and tells standard output.
pub(super) fn as_told(dir: &Path) -> Result<Done, Failure> {
    const JOB_BYTES_MAX: u64 = 1024 * 1024;
    let mut text = String::new();
    let read = io::stdin().take(JOB_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::new("system", error))?;
    let job = serde_json::from_str(&text).map_err(|error| Failure::new("system", error))?;
    let told = match here(dir, job) {
        Ok(report) => Told::Made(report),
        Err(failure) => Told::Failed {
            code: failure.code,
            message: failure.message,
        },
    };
    let value = serde_json::json!(told);
    let text = format!("{value}\n");
    Ok(Done::new(value, text))
}

/// What this process made outside of the shop's own making.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    /// The settings of a packaged shop: everybody may read them, they hold no secret.
    fn settings(&mut self, file: &Path, text: &str) -> Result<(), Failure> {
        if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
            let made = fs::DirBuilder::new().create(folder);
            made.map_err(|error| at_path(folder, error))?;
            self.folders.push(folder.to_owned());
            // Whatever the umask took away: the service must find its settings, or it would go on with the defaults.
            let opened = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
            if let Err(error) = opened {
                let failure = at_path(folder, error);
                return Err(self.take().undone(failure));
            }
        }
        let written = new_file(file, text, 0o644);
        if let Err(error) = written {
            let failure = at_path(file, error);
            return Err(self.take().undone(failure));
        }
        self.files.push(file.to_owned());
        Ok(())
    }

    /// The folder, as its owner's. One that root made is given away only while nothing is in it.
    fn folder(&mut self, dir: &Path, owner: &Owner) -> Result<(), Failure> {
        match fs::metadata(dir) {
            Ok(there) if there.uid() == owner.user => return Ok(()),
            Ok(_) => {
                let empty = fs::read_dir(dir).map(|mut entries| entries.next().is_none());
                if !empty.map_err(|error| at_path(dir, error))? {
                    let message = format!(
                        "{0} is not empty and does not belong to {1}: chown -R {1}: {0}",
                        dir.display(),
                        owner.name
                    );
                    return Err(Failure::new("folder", message));
                }
                let kept = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
                kept.map_err(|error| at_path(dir, error))?;
            }
            Err(_) => {
                let made = fs::DirBuilder::new().mode(0o700).create(dir);
                made.map_err(|error| at_path(dir, error))?;
                self.folders.push(dir.to_owned());
            }
        }
        let given = std::os::unix::fs::chown(dir, Some(owner.user), Some(owner.group));
        given.map_err(|error| at_path(dir, error))
    }

    fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Removes it all; says what could not be.
    fn undone(self, mut failure: Failure) -> Failure {
        let files = self.files.iter().map(|file| (file, fs::remove_file(file)));
        let files: Vec<_> = files.collect();
        let folders = self.folders.iter().map(|one| (one, fs::remove_dir(one)));
        let left = files
            .into_iter()
            .chain(folders)
            .filter(|(path, removed)| removed.is_err() && path.exists());
        for (path, _) in left {
            let line = format!("\ndelete {} before you try again", path.display());
            failure.message.push_str(&line);
        }
        failure
    }
}

/// Has `job` done by this program as `owner`.
fn through(owner: &Owner, dir: &Path, job: &Job) -> Result<Report, Failure> {
    let system = |error: io::Error| {
        let message = format!(
            "cannot run this program as {}: {error}: every user must be able to run it",
            owner.name
        );
        Failure::new("system", message)
    };
    let mut command = owner.command()?;
    command.arg("--dir").arg(dir).args(["init", "--found-here"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // A Ctrl-C of the terminal does not reach it: what it began it ends, so that the sheet is shown.
    command.process_group(0).current_dir("/");
    let mut child = command.spawn().map_err(system)?;
    let text = serde_json::to_vec(job).map_err(|error| Failure::new("internal", error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that is gone already says why on standard error.
        let _ = stdin.write_all(&text);
    }
    let output = child.wait_with_output().map_err(system)?;
    match serde_json::from_slice(&output.stdout) {
        Ok(Told::Made(report)) => Ok(report),
        Ok(Told::Failed { code, message }) => Err(Failure::new(&code, message)),
        Err(_) => {
            let message = format!("the shop was not made: {}", output.status);
            Err(Failure::new("system", message))
        }
    }
}

/// Makes the shop as this process's user.
fn here(dir: &Path, job: Job) -> Result<Report, Failure> {
    let was_there = dir.exists();
    let before = names(dir);
    let made = in_folder(dir, job);
    made.map_err(|mut failure| {
        let new = names(dir).difference(&before).cloned().collect::<Vec<_>>();
        let mut left: Vec<PathBuf> = Vec::new();
        for name in new {
            let path = dir.join(name);
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            if removed.is_err() {
                left.push(path);
            }
        }
        if !was_there && left.is_empty() && fs::remove_dir(dir).is_err() && dir.exists() {
            left.push(dir.to_owned());
        }
        for path in left {
            let line = format!("\ndelete {} before you try again", path.display());
            failure.message.push_str(&line);
        }
        failure
    })
}

fn in_folder(dir: &Path, job: Job) -> Result<Report, Failure> {
    if !dir.exists() {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(dir);
        made.map_err(|error| at_path(dir, error))?;
    }
    for (name, secret) in &job.secrets {
        let path = dir.join(name);
        new_file(&path, secret, 0o600).map_err(|error| at_path(&path, error))?;
    }
    if let Some((file, text)) = &job.settings {
        new_file(file, text, 0o600).map_err(|error| at_path(file, error))?;
    }
    let settings = config::load(dir, environment());
    let settings = settings.map_err(|error| Failure::new("config", error))?;
    if let (TlsMode::Files, Some(cert), Some(key)) =
        (settings.tls.mode, &settings.tls.cert, &settings.tls.key)
    {
        let usable = checks::certificate(cert, key);
        usable.map_err(|why| {
            let message = format!("{why}; the shop's own user must be able to read both files");
            Failure::new("tls", message)
        })?;
    }
    let founding = Founding { host: job.host };
    let options = daemon::options(&settings);
    let founded = Shop::found(dir, &founding, options, Arc::new(SystemEntropy));
    let founded = founded.map_err(|error| Failure::new("shop", error))?;
    Ok(Report {
        // The secret is hex digits.
        recovery: founded.recovery.expose_str().unwrap_or_default().to_owned(),
        vkey: founded.vkey,
        root_vkey: founded.root_vkey,
    })
}

fn names(dir: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

/// A file that was not there, on disk before this returns.
fn new_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    // Whatever the umask took away: the service must read what it is given.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn at_path(path: &Path, error: io::Error) -> Failure {
    Failure::new("file", format!("{}: {error}", path.display()))
}

//! Making the shop, as the user to whom it belongs. What a failed try made is removed again.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Setting, answers::Answers, checks};
use crate::{
    actions::{Founding, Shop},
    cli::{
        Done, Failure,
        interrupt::Interrupt,
        owner::{self, Owner},
        print,
        session::environment,
    },
    config::{self, TlsMode},
    daemon,
    vault::SystemEntropy,
    words::language::id,
};

/// What the folder's owner is to do in it.
#[derive(Serialize, Deserialize)]
enum Task {
    /// Make the shop.
    Found(Job),
    /// Read a certificate and its key.
    Look { cert: PathBuf, key: PathBuf },
    /// Remove everything but what lay there before.
    Undo { kept: BTreeSet<String> },
}

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

/// The outcome as the process that did a task tells it to the one that asked.
#[derive(Serialize, Deserialize)]
enum Told {
    Made(Report),
    Usable,
    Undone { left: Vec<PathBuf> },
    Failed { code: String, message: String },
}

/// Makes the settings, the folder and the shop; gives what undoes all of it, for as long as nobody saw the sheet.
pub(super) fn found(at: &Setting<'_>, answers: &Answers) -> Result<(Report, Made), Failure> {
    let secrets = answers.secrets.iter();
    let secrets = secrets
        .map(|(name, secret)| {
            (
                name.clone(),
                secret.expose_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let (outside, inside) = match &answers.written {
        None => (None, None),
        Some(text) if at.file.starts_with(at.dir) => (None, Some((at.file.clone(), text.clone()))),
        Some(text) => (Some(text), None),
    };
    let job = Job {
        host: answers.settings.shop.host.clone(),
        settings: inside,
        secrets,
    };
    let mut made = Made::nothing(at)?;
    match made.everything(at, outside.map(String::as_str), job) {
        Ok(report) => Ok((report, made)),
        Err(failure) => Err(made.undone(failure)),
    }
}

/// Whether the shop's user can use a certificate and its key; both paths are whole. A failure of the code `tls` is about the files.
pub(super) fn certificate(at: &Setting<'_>, cert: &Path, key: &Path) -> Result<(), Failure> {
    let tls = |why: String| Failure::new("tls", why);
    checks::certificate(cert, key).map_err(tls)?;
    // What this user can read the shop's may not.
    let Some(owner) = &at.owner else {
        return Ok(());
    };
    let (cert, key) = (cert.to_owned(), key.to_owned());
    match through(owner, at.dir, &Task::Look { cert, key })? {
        Told::Failed { code, message } if code == "tls" => {
            let text = at.words.with(id("init-cert-denied"));
            Err(tls(text
                .str("why", print::safe(&message))
                .str("owner", &owner.name)
                .to_string()))
        }
        Told::Failed { code, message } => Err(Failure::new(&code, message)),
        _ => Ok(()),
    }
}

/// The other end of `through`: does what standard input says, and tells standard output.
pub(super) fn as_told(dir: &Path) -> Result<Done, Failure> {
    const TASK_BYTES_MAX: u64 = 1024 * 1024;
    // A signal is only noted: the process that asked decides what stays.
    let _noted = Interrupt::watch();
    let mut text = String::new();
    let read = io::stdin().take(TASK_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::new("system", error))?;
    let task = serde_json::from_str(&text).map_err(|error| Failure::new("system", error))?;
    if let Task::Look { cert, key } = &task {
        // The folder may be another's yet: it is not touched.
        return told(&match checks::certificate(cert, key) {
            Ok(()) => Told::Usable,
            Err(message) => Told::Failed {
                code: "tls".to_owned(),
                message,
            },
        });
    }
    let before = names(dir)?;
    let outcome = match task {
        Task::Look { .. } => Told::Usable,
        Task::Found(job) => match in_folder(dir, job) {
            Ok(report) => Told::Made(report),
            Err(failure) => {
                let Failure { code, message, .. } = with_left(failure, emptied(dir, &before));
                Told::Failed { code, message }
            }
        },
        Task::Undo { kept } => Told::Undone {
            left: emptied(dir, &kept),
        },
    };
    // Nobody is left who could show the sheet.
    told(&outcome).map_err(|failure| with_left(failure, emptied(dir, &before)))
}

/// Tells the process that asked.
fn told(outcome: &Told) -> Result<Done, Failure> {
    let mut out = io::stdout().lock();
    let told = writeln!(out, "{}", serde_json::json!(outcome)).and_then(|()| out.flush());
    told.map_err(|error| Failure::new("system", error))?;
    Ok(Done::new(serde_json::Value::Null, ""))
}

/// What was made, and how to undo it.
pub(super) struct Made {
    dir: PathBuf,
    owner: Option<Owner>,
    /// Names that lay in the folder before.
    kept: BTreeSet<String>,
    /// Outside of what the folder's owner makes.
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    /// As it is before anything is made.
    fn nothing(at: &Setting<'_>) -> Result<Self, Failure> {
        Ok(Self {
            dir: at.dir.to_owned(),
            owner: at.owner.clone(),
            kept: names(at.dir)?,
            files: Vec::new(),
            folders: Vec::new(),
        })
    }

    /// Removes it all; the failure says besides what could not be.
    pub(super) fn undone(self, failure: Failure) -> Failure {
        let mut left = self.emptied();
        let files = self.files.iter().map(|file| (file, fs::remove_file(file)));
        let files: Vec<_> = files.collect();
        let folders = self.folders.iter().map(|one| (one, fs::remove_dir(one)));
        let others = files
            .into_iter()
            .chain(folders)
            .filter(|(path, removed)| removed.is_err() && path.exists());
        left.extend(others.map(|(path, _)| path.clone()));
        with_left(failure, left)
    }

    fn everything(
        &mut self,
        at: &Setting<'_>,
        outside: Option<&str>,
        job: Job,
    ) -> Result<Report, Failure> {
        if let Some(text) = outside {
            self.settings(&at.file, text)?;
        }
        let Some(owner) = &at.owner else {
            if !at.dir.exists() {
                self.folders.push(at.dir.to_owned());
            }
            return in_folder(at.dir, job);
        };
        self.folder(at.dir, owner)?;
        match through(owner, at.dir, &Task::Found(job))? {
            Told::Made(report) => Ok(report),
            Told::Failed { code, message } => Err(Failure::new(&code, message)),
            Told::Undone { .. } | Told::Usable => {
                Err(Failure::new("internal", "the shop was not made"))
            }
        }
    }

    /// Removes what is new in the folder; what is left of that.
    fn emptied(&self) -> Vec<PathBuf> {
        let new = new_names(&self.dir, &self.kept);
        match &self.owner {
            _ if new.is_empty() => new,
            None => emptied(&self.dir, &self.kept),
            // Never root itself: the owner could put a link in the folder's place meanwhile.
            Some(owner) => {
                let kept = self.kept.clone();
                match through(owner, &self.dir, &Task::Undo { kept }) {
                    Ok(Told::Undone { left }) => left,
                    _ => new_names(&self.dir, &self.kept),
                }
            }
        }
    }

    /// The settings of a packaged shop: everybody may read them, they hold no secret.
    fn settings(&mut self, file: &Path, text: &str) -> Result<(), Failure> {
        if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
            let made = fs::DirBuilder::new().create(folder);
            made.map_err(|error| at_path(folder, error))?;
            self.folders.push(folder.to_owned());
            // Whatever the umask took away: the service must find its settings, or it would go on with the defaults.
            let opened = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
            opened.map_err(|error| at_path(folder, error))?;
        }
        whole_file(file, text, 0o644).map_err(|error| at_path(file, error))?;
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
}

/// Has `task` done by this program as `owner`. `dir` is absolute: the other process is elsewhere.
fn through(owner: &Owner, dir: &Path, task: &Task) -> Result<Told, Failure> {
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
    let text = serde_json::to_vec(task).map_err(|error| Failure::new("internal", error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that is gone already says why on standard error.
        let _ = stdin.write_all(&text);
    }
    let output = child.wait_with_output().map_err(system)?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let message = format!("the shop was not made: {}", output.status);
        Failure::new("system", message)
    })
}

/// Makes the shop as this process's user.
fn in_folder(dir: &Path, job: Job) -> Result<Report, Failure> {
    if !dir.exists() {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(dir);
        made.map_err(|error| at_path(dir, error))?;
    }
    for (name, secret) in &job.secrets {
        let path = dir.join(name);
        // Without a shop in the folder, a file of that name is an unfinished try's.
        let written = absent(&path).and_then(|()| new_file(&path, secret, 0o600));
        written.map_err(|error| at_path(&path, error))?;
    }
    if let Some((file, text)) = &job.settings {
        whole_file(file, text, 0o600).map_err(|error| at_path(file, error))?;
    }
    let settings = config::load(dir, environment());
    let settings = settings.map_err(|error| Failure::new("config", error))?;
    if let (TlsMode::Files, Some(cert), Some(key)) =
        (settings.tls.mode, &settings.tls.cert, &settings.tls.key)
    {
        let usable = checks::certificate(cert, key);
        usable.map_err(|why| {
            let message = format!(
                "{why}; the shop's own user must be able to read both files: install -D -o {} -m 0400 -t /etc/keystall/tls CERT KEY, and name the copies",
                owner::this_user()
            );
            Failure::new("tls", message)
        })?;
    }
    let founding = Founding {
        host: job.host,
        currency: settings.shop.currency,
    };
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

/// Removes what is new in a folder; what is left of that.
fn emptied(dir: &Path, kept: &BTreeSet<String>) -> Vec<PathBuf> {
    let mut new = new_names(dir, kept);
    new.retain(|path| {
        let removed = match fs::symlink_metadata(path).is_ok_and(|about| about.is_dir()) {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
        removed.is_err()
    });
    new
}

/// Nothing where the folder cannot be read.
fn new_names(dir: &Path, kept: &BTreeSet<String>) -> Vec<PathBuf> {
    let new = names(dir).unwrap_or_default();
    new.difference(kept).map(|name| dir.join(name)).collect()
}

/// All that lies in a folder, if there is one. An error must not look like an empty folder: what is new is removed.
fn names(dir: &Path) -> Result<BTreeSet<String>, Failure> {
    let name = |entry: io::Result<fs::DirEntry>| -> io::Result<String> {
        Ok(entry?.file_name().to_string_lossy().into_owned())
    };
    match fs::read_dir(dir).and_then(|entries| entries.map(name).collect()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        names => names.map_err(|error| at_path(dir, error)),
    }
}

fn with_left(mut failure: Failure, left: Vec<PathBuf>) -> Failure {
    for path in left {
        let line = format!("\ndelete {} before you try again", path.display());
        failure.message.push_str(&line);
    }
    failure
}

/// A file that was not there, with all of its text or not at all, whenever the process ends.
fn whole_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    absent(&unfinished)?;
    let written = new_file(&unfinished, text, mode).and_then(|()| fs::rename(&unfinished, path));
    written.inspect_err(|_| {
        // What is left of it is replaced by the next try.
        let _ = fs::remove_file(&unfinished);
    })
}

fn absent(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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

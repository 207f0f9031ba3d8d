//! A checkpoint in a git repository, by the `git` program: one commit on `main` of the remote, on top of what is there.
//!
//! A bare copy of our own, written with git's plumbing: no file of the remote is ever checked out, so nothing that lies there
//! (links, attributes, hooks) has a say here.

mod run;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use run::run;
pub(super) use run::{Stop, StopAtEnd};

use crate::actions::KeptCheckpoint;
use crate::domain::GitRemote;
use crate::ledger::note::Checkpoint;

/// Git's copy, within the shop's folder.
pub(super) const FOLDER: &str = "anchor.git";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Our copy and its remote.
pub(super) struct Repository {
    pub(super) folder: PathBuf,
    pub(super) remote: String,
    /// Ends the git that runs, and what would follow it.
    pub(super) stop: Stop,
}

impl Repository {
    /// Pushes the checkpoint as `ORIGIN/SIZE.txt` and `ORIGIN/checkpoint.txt`; gives the commit's name in hex. Blocks.
    pub(super) fn push(&self, checkpoint: &KeptCheckpoint, now_ms: i64) -> Result<String, String> {
        // A round and the command may meet; git's index is one.
        let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = Checkpoint::parse(&checkpoint.note)
            .map_err(|error| error.to_string())?
            .origin;
        // Settings are checked when they are read; what git is given is checked here.
        GitRemote::parse(&self.remote).map_err(|error| error.to_string())?;
        make_folder(&self.folder).map_err(|error| error.to_string())?;
        if !self.folder.join("HEAD").exists() {
            self.git(&["init", "--quiet", "--bare"], &[])?;
        }
        // Nobody else works in this folder: what lies locked was left by a git that was killed.
        remove_locks(&self.folder).map_err(|error| error.to_string())?;
        let parent = self.fetch()?;
        match &parent {
            Some(commit) => self.git(&["read-tree", commit], &[])?,
            None => self.git(&["read-tree", "--empty"], &[])?,
        };
        let note = checkpoint.note.as_bytes();
        let blob = self.git(&["hash-object", "-w", "--no-filters", "--stdin"], note)?;
        for file in [
            format!("{}.txt", checkpoint.size),
            "checkpoint.txt".to_owned(),
        ] {
            let entry = format!("100644,{blob},{origin}/{file}");
            self.git(&["update-index", "--add", "--cacheinfo", &entry], &[])?;
        }
        let tree = self.git(&["write-tree"], &[])?;
        let message = format!("{origin}: {} entries\n", checkpoint.size);
        let mut arguments = vec!["commit-tree", tree.as_str()];
        if let Some(parent) = &parent {
            arguments.extend(["-p", parent]);
        }
        let commit = self.git_at(&arguments, message.as_bytes(), now_ms)?;
        let place = format!("{commit}:refs/heads/{BRANCH}");
        self.git(&["push", "--quiet", "--", &self.remote, &place], &[])?;
        Ok(commit)
    }

    /// The newest commit of the remote, fetched; none where the branch is not there yet.
    fn fetch(&self) -> Result<Option<String>, String> {
        let branch = format!("refs/heads/{BRANCH}");
        let listed = self.git(&["ls-remote", "--", &self.remote, &branch], &[])?;
        if listed.is_empty() {
            return Ok(None);
        }
        let kept = format!("+{branch}:refs/keystall/remote");
        let remote = self.remote.as_str();
        self.git(
            &[
                "fetch",
                "--quiet",
                "--no-tags",
                "--depth=1",
                "--",
                remote,
                &kept,
            ],
            &[],
        )?;
        self.git(
            &["rev-parse", "--verify", "refs/keystall/remote^{commit}"],
            &[],
        )
        .map(Some)
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> Result<String, String> {
        self.git_at(arguments, input, 0)
    }

    /// Runs git with these arguments; gives what it wrote, without the line's end.
    fn git_at(&self, arguments: &[&str], input: &[u8], now_ms: i64) -> Result<String, String> {
        let verb = arguments.first().copied().unwrap_or_default();
        let command = command(&self.folder, arguments, now_ms);
        let ran = run(command, input, TIMEOUT, &self.stop)
            .map_err(|error| format!("git {verb}: {error}"))?;
        if ran.status.success() {
            return Ok(ran.out.trim_end().to_owned());
        }
        let said = || ran.err.lines().filter(|line| !line.trim().is_empty());
        let why = said().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
        let why = why.or_else(|| said().next_back());
        Err(format!(
            "git {verb}: {}",
            why.unwrap_or("failed without a word")
        ))
    }
}

/// Makes the folder for our copy, or closes one that was open to others.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    const OURS_ALONE: u32 = 0o700;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(OURS_ALONE)
        .create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(OURS_ALONE))
}

/// Takes away the `*.lock` files of a bare repository, its refs' too.
fn remove_locks(folder: &Path) -> std::io::Result<()> {
    for item in fs::read_dir(folder)? {
        let (path, kind) = item.and_then(|item| Ok((item.path(), item.file_type()?)))?;
        if kind.is_dir() && !path.ends_with("objects") {
            remove_locks(&path)?;
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "lock") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Git without a terminal, prompts, hooks, protocols other than these, or anything that the environment would tell it.
fn command(folder: &Path, arguments: &[&str], now_ms: i64) -> Command {
    let mut command = Command::new("git");
    forget(&mut command, std::env::vars_os().map(|(name, _)| name));
    command
        .arg("--git-dir")
        .arg(folder)
        .args(["-c", "protocol.allow=never"])
        .args(["-c", "protocol.https.allow=always"])
        .args(["-c", "protocol.ssh.allow=always"])
        .args(["-c", "protocol.file.allow=always"])
        .args(["-c", "http.followRedirects=false"])
        .args(["-c", "core.hooksPath=/dev/null"])
        .args(["-c", "gc.auto=0"])
        .args(["-c", "commit.gpgSign=false"])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env("SSH_ASKPASS", "true")
        .env(
            "GIT_SSH_COMMAND",
            "ssh -o BatchMode=yes -o ConnectTimeout=20",
        )
        .env("LC_ALL", "C");
    let date = format!("@{} +0000", now_ms.div_euclid(1_000));
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Keystall")
            .env(format!("GIT_{role}_EMAIL"), "ledger@localhost")
            .env(format!("GIT_{role}_DATE"), &date);
    }
    command
}

/// Keeps from git what the environment around would tell it: those of these names that are git's.
fn forget(command: &mut Command, names: impl Iterator<Item = OsString>) {
    for name in names.filter(|name| name.as_encoded_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
}

const BRANCH: &str = "main";
const TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! A checkpoint in a git repository, by the `git` program: one commit on `main` of the remote, on top of what is there.
//!
//! A bare copy of our own, written with git's plumbing: no file of the remote is ever checked out, so nothing that lies there
//! (links, attributes, hooks) has a say here.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::actions::KeptCheckpoint;
use crate::ledger::note::Checkpoint;

/// Git's copy, within the shop's folder.
pub(super) const FOLDER: &str = "anchor.git";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Our copy and its remote.
pub(super) struct Repository {
    pub(super) folder: PathBuf,
    pub(super) remote: String,
}

impl Repository {
    /// Pushes the checkpoint as `ORIGIN/SIZE.txt` and `ORIGIN/checkpoint.txt`; gives the commit's name in hex. Blocks.
    pub(super) fn push(&self, checkpoint: &KeptCheckpoint, now_ms: i64) -> Result<String, String> {
        // A round and the command may meet; git's index is one.
        let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = Checkpoint::parse(&checkpoint.note)
            .map_err(|error| error.to_string())?
            .origin;
        if !self.folder.join("HEAD").exists() {
            fs::create_dir_all(&self.folder).map_err(|error| error.to_string())?;
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
        let mut child = command(&self.folder, arguments, now_ms)
            .spawn()
            .map_err(|error| format!("git cannot be run: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Git says itself what it misses.
            let _ = stdin.write_all(input);
        }
        let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let until = Instant::now() + TIMEOUT;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < until => thread::sleep(LOOK_EVERY),
                Ok(None) => {
                    // Killed, it writes no more; what it started loses its pipes.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!(
                        "git {verb} took longer than {} s",
                        TIMEOUT.as_secs()
                    ));
                }
                Err(error) => return Err(format!("git {verb}: {error}")),
            }
        };
        if !status.success() {
            let said = err.join().unwrap_or_default();
            let why = said
                .lines()
                .find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
            let last = || said.lines().rev().find(|line| !line.trim().is_empty());
            return Err(format!(
                "git {verb}: {}",
                why.or_else(last).unwrap_or("failed without a word")
            ));
        }
        Ok(out.join().unwrap_or_default().trim_end().to_owned())
    }
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

/// Git without a terminal, prompts, hooks, or protocols other than these.
fn command(folder: &Path, arguments: &[&str], now_ms: i64) -> Command {
    let mut command = Command::new("git");
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
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
    ] {
        command.env_remove(name);
    }
    let date = format!("@{} +0000", now_ms.div_euclid(1_000));
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Keystall")
            .env(format!("GIT_{role}_EMAIL"), "ledger@localhost")
            .env(format!("GIT_{role}_DATE"), &date);
    }
    command
}

/// Reads in a thread of its own, so that a full pipe holds nobody up.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What could be read is what there is to say.
            let _ = pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

const BRANCH: &str = "main";
const TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const OUTPUT_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

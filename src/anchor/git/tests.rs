use std::ffi::OsStr;

use super::*;
use crate::ledger::Hash;
use crate::ledger::note::sign_checkpoint;
use ed25519_dalek::SigningKey;

const ORIGIN: &str = "shop.example/0123abcd";

fn checkpoint(size: u64) -> KeptCheckpoint {
    let key = SigningKey::from_bytes(&[7; 32]);
    KeptCheckpoint {
        generation: 0,
        size,
        note: sign_checkpoint(&key, ORIGIN, size, &Hash([3; 32])),
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let run = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{arguments:?} {}",
        String::from_utf8_lossy(&run.stderr)
    );
    String::from_utf8(run.stdout).unwrap()
}

/// A bare repository, and our copy beside it.
fn repositories() -> (tempfile::TempDir, PathBuf, Repository) {
    let folder = tempfile::tempdir().unwrap();
    let remote = folder.path().join("remote.git");
    fs::create_dir(&remote).unwrap();
    git(
        &remote,
        &["init", "--quiet", "--bare", "--initial-branch=main"],
    );
    let ours = Repository {
        folder: folder.path().join(FOLDER),
        remote: format!("file://{}", remote.display()),
        stop: Stop::default(),
    };
    (folder, remote, ours)
}

#[test]
fn a_lock_that_a_killed_git_left_ends_nothing() {
    let (_folder, remote, ours) = repositories();
    ours.push(&checkpoint(5), 1_795_233_600_000).unwrap();
    for lock in ["index.lock", "shallow.lock", "refs/keystall/remote.lock"] {
        let lock = ours.folder.join(lock);
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        fs::write(lock, "").unwrap();
    }
    let commit = ours.push(&checkpoint(9), 1_795_320_000_000).unwrap();
    assert_eq!(git(&remote, &["rev-parse", "main"]).trim(), commit);
}

#[test]
fn each_checkpoint_is_a_commit_on_top_of_the_one_before() {
    let (_folder, remote, ours) = repositories();
    let first = ours.push(&checkpoint(5), 1_795_233_600_000).unwrap();
    let second = ours.push(&checkpoint(9), 1_795_320_000_000).unwrap();
    assert_eq!(git(&remote, &["rev-parse", "main"]).trim(), second);
    assert_eq!(git(&remote, &["rev-parse", "main^"]).trim(), first);
    for (file, size) in [("5.txt", 5), ("9.txt", 9), ("checkpoint.txt", 9)] {
        let kept = git(&remote, &["show", &format!("main:{ORIGIN}/{file}")]);
        assert_eq!(kept, checkpoint(size).note, "{file}");
    }
    let date = git(&remote, &["log", "-1", "--format=%ct", "main"]);
    assert_eq!(date.trim(), "1795320000");
}

#[test]
fn what_others_keep_there_stays() {
    let (folder, remote, ours) = repositories();
    let clone = folder.path().join("clone");
    git(
        folder.path(),
        &["clone", "--quiet", remote.to_str().unwrap(), "clone"],
    );
    fs::write(clone.join("README"), "kept by the auditor").unwrap();
    // A link where our file goes: nothing is written through it.
    let aim = folder.path().join("aim");
    fs::create_dir_all(clone.join("shop.example")).unwrap();
    std::os::unix::fs::symlink(&aim, clone.join(ORIGIN)).unwrap();
    git(&clone, &["add", "."]);
    let who = ["-c", "user.name=a", "-c", "user.email=a@b.example"];
    git(
        &clone,
        &[&who[..], &["commit", "--quiet", "-m", "first"]].concat(),
    );
    git(&clone, &["push", "--quiet", "origin", "HEAD:main"]);
    assert!(!aim.exists());
    // The link is in the way of a folder of that name: git refuses or replaces it, and follows it never.
    let pushed = ours.push(&checkpoint(5), 0);
    assert!(!aim.exists(), "{pushed:?}");
    assert_eq!(
        git(&remote, &["show", "main:README"]),
        "kept by the auditor"
    );
}

#[test]
fn a_remote_that_is_not_there_is_told_and_comes_back() {
    let (_folder, remote, ours) = repositories();
    let away = remote.with_extension("away");
    fs::rename(&remote, &away).unwrap();
    let error = ours.push(&checkpoint(5), 0).unwrap_err();
    assert!(error.starts_with("git ls-remote: "), "{error}");
    fs::rename(&away, &remote).unwrap();
    assert!(ours.push(&checkpoint(5), 0).is_ok());
}

#[test]
fn a_remote_cannot_name_a_helper_to_run() {
    let (folder, _remote, mut ours) = repositories();
    let proof = folder.path().join("ran");
    let remotes = [
        "ext::touch ",
        "--upload-pack=touch ",
        "u@-oProxyCommand=touch ",
    ];
    for remote in remotes.map(|remote| format!("{remote}{}", proof.display())) {
        ours.remote = remote.clone();
        let error = ours.push(&checkpoint(5), 0).unwrap_err();
        assert!(error.contains("is needed"), "{error}");
        // Neither would git by itself.
        assert!(ours.fetch().is_err(), "{remote}");
    }
    assert!(!proof.exists());
}

#[test]
fn a_host_that_would_be_an_option_to_ssh_is_not_given_to_git() {
    let (_folder, _remote, mut ours) = repositories();
    for remote in ["ssh://u@-oProxyCommand=x/y", "-x:y", "u@-oProxyCommand=x:y"] {
        ours.remote = remote.to_owned();
        let error = ours.push(&checkpoint(5), 0).unwrap_err();
        assert!(error.contains("a remote like"), "{error}");
        assert!(!ours.folder.exists(), "git was run for {remote}");
    }
}

#[test]
fn our_copy_is_closed_to_others_also_one_that_was_open() {
    let (_folder, _remote, ours) = repositories();
    let mode = |folder: &Path| fs::metadata(folder).unwrap().permissions().mode() & 0o777;
    ours.push(&checkpoint(5), 0).unwrap();
    assert_eq!(mode(&ours.folder), 0o700);
    fs::set_permissions(&ours.folder, fs::Permissions::from_mode(0o755)).unwrap();
    ours.push(&checkpoint(9), 0).unwrap();
    assert_eq!(mode(&ours.folder), 0o700);
}

#[test]
fn git_and_ssh_ask_nobody_and_hear_nothing_of_the_environment() {
    let command = command(Path::new("/nowhere"), &["push"], 0);
    let told = |name: &str| {
        let mut told = command.get_envs().filter(|(known, _)| *known == name);
        told.next().and_then(|(_, value)| value?.to_str())
    };
    assert_eq!(told("GIT_TERMINAL_PROMPT"), Some("0"));
    assert_eq!(told("GIT_ASKPASS"), Some("true"));
    assert!(told("GIT_SSH_COMMAND").unwrap().contains("BatchMode=yes"));
    let mut command = Command::new("git");
    let around = ["PATH", "GIT_CONFIG_COUNT", "GIT_DIR", "GIT_SSH"].map(OsString::from);
    forget(&mut command, around.into_iter());
    let told: Vec<_> = command.get_envs().collect();
    let gone = ["GIT_CONFIG_COUNT", "GIT_DIR", "GIT_SSH"].map(|name| (OsStr::new(name), None));
    assert_eq!(told, gone);
}

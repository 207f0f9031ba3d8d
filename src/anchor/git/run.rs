//! A program run with a limit on its time, and nothing of it left behind: it has a process group of its own, and all of the group
//! ends with it.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// What a program that came to its end left.
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    /// What it wrote, the beginning of it.
    pub(super) out: String,
    /// What it complained of, the beginning of it.
    pub(super) err: String,
}

/// Why there is nothing of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    /// It did not begin.
    #[error("cannot be run: {0}")]
    Start(io::Error),
    /// Killed, with what it started.
    #[error("took longer than {} s", .0.as_secs())]
    Time(Duration),
    /// Killed, or not begun: nobody waits for it any more.
    #[error("was cut off")]
    Stopped,
    /// The system does not tell how it stands; killed.
    #[error("{0}")]
    Wait(io::Error),
}

/// Whether programs are to end before their time.
#[derive(Clone, Debug, Default)]
pub(in crate::anchor) struct Stop(Arc<AtomicBool>);

/// Stops when it is dropped: the task that waited was cancelled, or is through.
#[derive(Debug, Default)]
pub(in crate::anchor) struct StopAtEnd(Stop);

impl StopAtEnd {
    pub(in crate::anchor) fn stop(&self) -> Stop {
        self.0.clone()
    }
}

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

impl Stop {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Runs `command` for at most `limit`, and not after `stop`, with `input` to read, which is shorter than a pipe holds. Blocks.
pub(super) fn run(
    mut command: Command,
    input: &[u8],
    limit: Duration,
    stop: &Stop,
) -> Result<Ran, RunError> {
    if stop.is_set() {
        return Err(RunError::Stopped);
    }
    let until = Instant::now() + limit;
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(RunError::Start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It says itself what it misses.
        let _ = stdin.write_all(input);
    }
    let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let ended = wait_until(&child, until, stop);
    // Also of one that ended by itself: what it left running would hold its pipes.
    kill_group(&child);
    let status = child.wait();
    let status = match ended.and_then(|ended| status.map(|status| ended.then_some(status))) {
        Ok(Some(status)) => status,
        Ok(None) if stop.is_set() => return Err(RunError::Stopped),
        Ok(None) => return Err(RunError::Time(limit)),
        Err(error) => return Err(RunError::Wait(error)),
    };
    Ok(Ran {
        status,
        out: out.join().unwrap_or_default(),
        err: err.join().unwrap_or_default(),
    })
}

/// Whether it ended in time. It is not reaped, so its number, which is its group's, stays its own.
fn wait_until(child: &Child, until: Instant, stop: &Stop) -> io::Result<bool> {
    let Some(pid) = pid(child) else {
        return Ok(false);
    };
    let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::Pid(pid), how) {
            Ok(Some(_)) => return Ok(true),
            Ok(None) if stop.is_set() || Instant::now() >= until => return Ok(false),
            Ok(None) | Err(rustix::io::Errno::INTR) => thread::sleep(LOOK_EVERY),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends the child, which was not reaped yet, and all that it started and that did not leave its group.
fn kill_group(child: &Child) {
    if let Some(pid) = pid(child) {
        // A group that is no more needs no end.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
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

const LOOK_EVERY: Duration = Duration::from_millis(20);
const OUTPUT_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A pipe with a name, and what tells when nobody holds it open any more.
    fn held() -> (tempfile::TempDir, String, mpsc::Receiver<()>) {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("held").display().to_string();
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let (tell, told) = mpsc::channel();
        let path = fifo.clone();
        thread::spawn(move || {
            let mut pipe = std::fs::File::open(path).unwrap();
            pipe.read_to_end(&mut Vec::new()).unwrap();
            let _ = tell.send(());
        });
        (folder, fifo, told)
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn what_a_program_started_ends_with_it_when_its_time_is_over() {
        let (_folder, fifo, told) = held();
        let slow = shell(&format!("exec 3>{fifo}; sleep 300 & wait"));
        let error = run(slow, b"", Duration::from_secs(2), &Stop::default())
            .err()
            .unwrap();
        assert!(matches!(error, RunError::Time(_)), "{error}");
        told.recv_timeout(SOON).unwrap();
    }

    #[test]
    fn a_program_that_nobody_waits_for_ends_at_once_with_what_it_started_and_none_follows() {
        let (folder, fifo, told) = held();
        let begun = folder.path().join("begun");
        let slow = shell(&format!(
            "exec 3>{fifo}; sleep 300 & echo > {}; wait",
            begun.display()
        ));
        let task = StopAtEnd::default();
        let stop = task.stop();
        let running = thread::spawn(move || run(slow, b"", SOON * 30, &stop).err());
        while !begun.exists() {
            thread::yield_now();
        }
        let stop = task.stop();
        drop(task);
        assert!(matches!(running.join().unwrap(), Some(RunError::Stopped)));
        told.recv_timeout(SOON).unwrap();
        let next = run(shell("exit 0"), b"", SOON, &stop).err();
        assert!(matches!(next, Some(RunError::Stopped)));
    }

    #[test]
    fn what_a_program_leaves_running_holds_nobody_up() {
        let (_folder, fifo, told) = held();
        let quick = shell(&format!("exec 3>{fifo}; sleep 300 & echo done"));
        let ran = run(quick, b"", SOON, &Stop::default()).unwrap();
        assert!(ran.status.success());
        assert_eq!(ran.out, "done\n");
        told.recv_timeout(SOON).unwrap();
    }

    #[test]
    fn a_program_reads_its_input_and_says_what_is_wrong() {
        let stop = Stop::default();
        let ran = run(shell("cat; echo no >&2; exit 3"), b"note", SOON, &stop).unwrap();
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("note", "no\n"));
        assert_eq!(ran.status.code(), Some(3));
        let missing = run(Command::new("no-such-program"), b"", SOON, &stop).err();
        assert!(matches!(missing, Some(RunError::Start(_))));
    }
}

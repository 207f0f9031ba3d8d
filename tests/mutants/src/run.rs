//! Runs, for each mutant, the tests that come to its place, the quick ones first.

use crate::Mutant;
use crate::reach::{Reach, Test};
use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The built tests, the auditor's tool that they start, and the folder that they run in.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    pub file: &'a Path,
    pub tool: &'a Path,
    pub project: &'a Path,
}

/// How one run of tests ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Caught,
    Missed,
    Timeout,
}

/// Runs all, two at a time, and writes the lists.
pub fn all(
    program: Program<'_>,
    mutants: &[Mutant],
    unviable: &BTreeSet<usize>,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let file = |name: &str| File::create(out.join(name)).map(Mutex::new);
    let lists = [
        file("caught.txt")?,
        file("missed.txt")?,
        file("timeout.txt")?,
    ];
    let mut left_out = File::create(out.join("unviable.txt"))?;
    for number in unviable {
        writeln!(left_out, "{}", mutants[*number].name)?;
    }
    let reach = Reach::of(program, &out.join("reached"))?;
    println!(
        "{} tests, {:?} in all, come to {} places",
        reach.tests.len(),
        reach.took(),
        reach.places()
    );
    let done = AtomicUsize::new(0);
    two_at_a_time(mutants.len(), |number| {
        if unviable.contains(&number) {
            return Ok(());
        }
        let list = match outcome(program, number, reach.tests_of(number))? {
            Outcome::Caught => 0,
            Outcome::Missed => 1,
            Outcome::Timeout => 2,
        };
        if let Ok(mut list) = lists[list].lock() {
            writeln!(list, "{}", mutants[number].name)?;
        }
        let count = done.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(100) {
            println!("{count} of {} run", mutants.len() - unviable.len());
        }
        Ok(())
    })
}

/// Does the work of each number, on two threads.
pub fn two_at_a_time(
    count: usize,
    work: impl Fn(usize) -> io::Result<()> + Sync,
) -> Result<(), Box<dyn Error>> {
    let next = AtomicUsize::new(0);
    let each = || -> io::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            work(number)?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(each)).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

/// Tests that take longer than this are run one by one, the quickest first.
const QUICK: Duration = Duration::from_millis(200);

fn outcome(program: Program<'_>, number: usize, tests: Vec<&Test>) -> io::Result<Outcome> {
    let (quick, slow): (Vec<_>, Vec<_>) = tests.into_iter().partition(|test| test.took < QUICK);
    let runs = [quick]
        .into_iter()
        .chain(slow.into_iter().map(|test| vec![test]));
    for tests in runs.filter(|tests| !tests.is_empty()) {
        let took: Duration = tests.iter().map(|test| test.took).sum();
        let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        let mutant = [("KEYSTALL_MUTANT", number.to_string())];
        let found = run(program, &names, &mutant, took * 4 + Duration::from_secs(20))?;
        if found != Outcome::Missed {
            return Ok(found);
        }
    }
    Ok(Outcome::Missed)
}

/// Runs the tests of these names in one process.
pub fn run(
    program: Program<'_>,
    names: &[&str],
    environment: &[(&str, String)],
    limit: Duration,
) -> io::Result<Outcome> {
    let mut child = Command::new(program.file)
        .current_dir(program.project)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("KEYSTALL_VERIFY", program.tool)
        .process_group(0)
        .args(["-q", "--test-threads=1", "--exact"])
        .args(names)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match status.success() {
                true => Outcome::Missed,
                false => Outcome::Caught,
            });
        }
        if started.elapsed() > limit || memory_kib(&child) > MEMORY_KIB_MAX {
            // With what it started.
            Command::new("kill")
                .args(["-9", "--", &format!("-{}", child.id())])
                .status()?;
            child.wait()?;
            return Ok(Outcome::Timeout);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What the process holds; 0 where the system does not say.
fn memory_kib(child: &Child) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    held.and_then(|held| held.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// A loop without end that also collects would take the machine.
const MEMORY_KIB_MAX: u64 = 4 << 20;

//! Runs the test program once for each mutant.

use crate::Mutant;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
enum Outcome {
    Caught,
    Missed,
    Timeout,
}

/// Runs all, two at a time, and writes the lists.
pub fn all(
    program: &Path,
    project: &Path,
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
    let usual = Instant::now();
    if !matches!(outcome(program, project, None, LONGEST)?, Outcome::Missed) {
        return Err("the tests fail without any mutant".into());
    }
    let limit = usual.elapsed() * 4 + Duration::from_secs(10);
    println!("the tests take {:?} without a mutant", usual.elapsed());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> std::io::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = mutants.get(number) else {
                return Ok(());
            };
            if unviable.contains(&number) {
                continue;
            }
            let list = match outcome(program, project, Some(number), limit)? {
                Outcome::Caught => 0,
                Outcome::Missed => 1,
                Outcome::Timeout => 2,
            };
            if let Ok(mut list) = lists[list].lock() {
                writeln!(list, "{}", mutant.name)?;
            }
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            if count % 100 == 0 {
                println!("{count} run");
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

/// The quick tests first: most mutants do not get beyond them.
fn outcome(
    program: &Path,
    project: &Path,
    number: Option<usize>,
    limit: Duration,
) -> std::io::Result<Outcome> {
    for tests in STAGES {
        match tested(program, project, tests, number, limit)? {
            Outcome::Missed => {}
            found => return Ok(found),
        }
    }
    Ok(Outcome::Missed)
}

fn tested(
    program: &Path,
    project: &Path,
    tests: &[&str],
    number: Option<usize>,
    limit: Duration,
) -> std::io::Result<Outcome> {
    let number = number.map_or(String::new(), |number| number.to_string());
    let mut child = Command::new(program)
        .current_dir(project)
        .env("KEYSTALL_MUTANT", number)
        .args(["-q", "--test-threads=1"])
        .args(tests)
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
            child.kill()?;
            child.wait()?;
            return Ok(Outcome::Timeout);
        }
        thread::sleep(Duration::from_millis(10));
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

/// Filters of the test program. What takes longest, changing every byte of whole exports, is left to people who look at survivors.
const STAGES: [&[&str]; 2] = [
    &[
        "ledger_vectors",
        "ledger::verify",
        "ledger::note",
        "ledger::receipt",
    ],
    &[
        "--skip",
        "ledger_vectors",
        "--skip",
        "ledger_tamper",
        "--skip",
        "ledger_archive",
    ],
];
const LONGEST: Duration = Duration::from_secs(600);
/// A loop without end that also collects would take the machine.
const MEMORY_KIB_MAX: u64 = 4 << 20;

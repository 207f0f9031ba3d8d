//! Which test comes to which mutant's place: learnt by running each test once, alone, while the switches note that they were asked.

use crate::run::{Outcome, Program, run, two_at_a_time};
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub struct Test {
    pub name: String,
    /// Without a mutant, the start of its process in it.
    pub took: Duration,
    /// Numbers of the mutants whose place it comes to.
    places: BTreeSet<usize>,
}

pub struct Reach {
    /// The quickest first.
    pub tests: Vec<Test>,
}

impl Reach {
    /// Runs every test alone; what each came to lies in files in `folder` for that time.
    pub fn of(program: Program<'_>, folder: &Path) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let listed = Command::new(program.file)
            .current_dir(program.project)
            .args(["--list", "--format=terse"])
            .output()?;
        let listed = String::from_utf8(listed.stdout)?;
        let names = listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"));
        let left_out = |name: &&str| !TOO_LONG.iter().any(|part| name.contains(part));
        let names: Vec<&str> = names.filter(left_out).collect();
        let tests = Mutex::new(Vec::new());
        let broken = Mutex::new(Vec::new());
        two_at_a_time(names.len(), |number| {
            let (name, seen) = (names[number], folder.join(number.to_string()));
            fs::write(&seen, "")?;
            let noting = [("KEYSTALL_MUTANTS_SEEN", seen.display().to_string())];
            let noted = run(program, &[name], &noting, LONGEST)?;
            let begun = Instant::now();
            let plain = run(program, &[name], &[], LONGEST)?;
            let took = begun.elapsed();
            let text = fs::read_to_string(&seen)?;
            let places = text.lines().filter_map(|line| line.parse().ok()).collect();
            if let (Ok(mut tests), Ok(mut broken)) = (tests.lock(), broken.lock()) {
                if noted != Outcome::Missed || plain != Outcome::Missed {
                    broken.push(name);
                }
                let name = name.to_owned();
                tests.push(Test { name, took, places });
            }
            Ok(())
        })?;
        fs::remove_dir_all(folder)?;
        let broken = broken.into_inner().map_err(|_| "a thread panicked")?;
        if !broken.is_empty() {
            return Err(format!("these tests fail without any mutant: {broken:?}").into());
        }
        let mut tests = tests.into_inner().map_err(|_| "a thread panicked")?;
        tests.retain(|test| !test.places.is_empty());
        tests.sort_by_key(|test| test.took);
        Ok(Self { tests })
    }

    /// The tests that can tell this mutant, the quickest first.
    pub fn tests_of(&self, mutant: usize) -> Vec<&Test> {
        let comes = |test: &&Test| test.places.contains(&mutant);
        self.tests.iter().filter(comes).collect()
    }

    pub fn took(&self) -> Duration {
        self.tests.iter().map(|test| test.took).sum()
    }

    pub fn places(&self) -> usize {
        let places: BTreeSet<usize> = self
            .tests
            .iter()
            .flat_map(|test| &test.places)
            .copied()
            .collect();
        places.len()
    }
}

/// What takes longest, changing every byte of whole exports, is left to people who look at survivors.
const TOO_LONG: [&str; 2] = ["ledger_tamper", "every_damaged_byte"];
const LONGEST: Duration = Duration::from_secs(600);

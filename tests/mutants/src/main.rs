//! Tests every mutant of the ledger from one build: `tests/mutants/run`.
//!
//! `cargo mutants` builds the crate anew for each mutant, which takes hours on two cores. Here the mutants that it lists
//! are all written into the sources at once, each behind a switch; one build makes one test program, which is then run
//! for each mutant with that mutant's number in its environment: those of its tests that come to the switch at all, the quick
//! ones first.
//!
//! Called with a folder that holds a copy of the project (changed in place), and with files beside each other: `list.json`
//! of `cargo mutants --list --json`, and what comes out, `caught.txt`, `missed.txt`, `timeout.txt`, `unviable.txt`.
//! A mutant that does not compile behind its switch is taken out again and told as unviable.

mod build;
mod reach;
mod run;
mod switch;

use serde::Deserialize;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// A mutant as `cargo mutants --list --json` describes it.
#[derive(Clone, Debug, Deserialize)]
struct Mutant {
    file: String,
    name: String,
    genre: String,
    replacement: String,
    span: Span,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Span {
    start: Place,
}

/// Line and column, both from 1, columns in characters.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    column: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(project), Some(out), None) = (args.next(), args.next(), args.next()) else {
        return Err("give a copy of the project, and the folder with list.json".into());
    };
    let mutants: Vec<Mutant> = serde_json::from_slice(&fs::read(out.join("list.json"))?)?;
    let sources = sources(&project, &mutants)?;
    let mut unviable = BTreeSet::new();
    let program = loop {
        let mut written = Vec::new();
        for (file, text) in &sources {
            let switched = switch::switched(file, text, &mutants, &unviable)?;
            fs::write(project.join(file), &switched.text)?;
            unviable.extend(&switched.left_out);
            written.push((file.clone(), switched));
        }
        match build::tests(&project)? {
            build::Built::Program(program) => break program,
            build::Built::Errors(errors) => {
                let guilty = build::guilty(&errors, &written);
                println!(
                    "{} errors: {} mutants are taken out",
                    errors.len(),
                    guilty.len()
                );
                if guilty.is_empty() {
                    return Err(format!("not by a mutant: {errors:#?}").into());
                }
                unviable.extend(guilty);
            }
        }
    };
    println!(
        "{} of {} mutants are in",
        mutants.len() - unviable.len(),
        mutants.len()
    );
    let program = run::Program {
        file: &program,
        tool: &build::tool(&project)?,
        project: &project,
    };
    run::all(program, &mutants, &unviable, &out)
}

/// The files that mutants are in, with their texts.
fn sources(project: &Path, mutants: &[Mutant]) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let files: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
    let read = |file: &str| Ok((file.to_owned(), fs::read_to_string(project.join(file))?));
    files.into_iter().map(read).collect()
}

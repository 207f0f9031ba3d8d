//! Builds the test program, and finds the mutants that do not compile.

use crate::switch::Switched;
use serde_json::Value;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

pub enum Built {
    Program(PathBuf),
    /// One at least.
    Errors(Vec<Located>),
}

/// An error of the compiler: the file, and the bytes that it points to.
#[derive(Debug)]
pub struct Located {
    #[expect(dead_code, reason = "shown by Debug")]
    pub message: String,
    pub places: Vec<(String, usize)>,
}

/// The library's tests as a program.
pub fn tests(project: &Path) -> Result<Built, Box<dyn Error>> {
    build(project, &["test", "--no-run", "--lib"])
}

/// The auditor's tool, which some of the tests start.
pub fn tool(project: &Path) -> Result<PathBuf, Box<dyn Error>> {
    match build(
        project,
        &["build", "--profile=test", "--bin=keystall-verify"],
    )? {
        Built::Program(program) => Ok(program),
        Built::Errors(errors) => {
            Err(format!("the tests compile, the tool does not: {errors:#?}").into())
        }
    }
}

fn build(project: &Path, what: &[&str]) -> Result<Built, Box<dyn Error>> {
    let out = Command::new("cargo")
        .current_dir(project)
        .args(what)
        .args(["--no-default-features", "--message-format=json"])
        .output()?;
    let (mut program, mut errors) = (None, Vec::new());
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let message: Value = serde_json::from_str(line)?;
        if let Some(path) = message["executable"].as_str() {
            program = Some(PathBuf::from(path));
        }
        if message["message"]["level"] == "error" {
            errors.push(located(&message["message"]));
        }
    }
    match program {
        Some(program) if out.status.success() => Ok(Built::Program(program)),
        _ if errors.is_empty() => Err(String::from_utf8_lossy(&out.stderr).into()),
        _ => Ok(Built::Errors(errors)),
    }
}

/// The mutants in whose wrappers the errors lie: of several around one place, those of the narrowest.
pub fn guilty(errors: &[Located], files: &[(String, Switched)]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for (file, at) in errors.iter().flat_map(|error| &error.places) {
        let switched = files.iter().filter(|(name, _)| name == file);
        let around = switched
            .flat_map(|(_, switched)| {
                switched
                    .wrappers
                    .iter()
                    .map(move |wrapper| (switched, wrapper))
            })
            .filter(|(_, (range, _))| range.contains(at));
        let Some((switched, (range, numbers))) = around.min_by_key(|(_, (range, _))| range.len())
        else {
            continue;
        };
        // Within a wrapper, the branch that the place lies in is the one whose switch comes last before it.
        let before = &switched.text[range.start..(*at).max(range.start)];
        let branch = numbers.iter().filter_map(|number| {
            let switch = format!("crate::mutant({number})");
            before.rfind(&switch).map(|at| (at, *number))
        });
        match branch.max() {
            Some((_, number)) => drop(found.insert(number)),
            None => found.extend(numbers),
        }
    }
    found
}

fn located(message: &Value) -> Located {
    let spans = message["spans"].as_array().into_iter().flatten();
    let primary = spans.filter(|span| span["is_primary"] == true);
    let place = |span: &Value| {
        let at = usize::try_from(span["byte_start"].as_u64()?).ok()?;
        Some((span["file_name"].as_str()?.to_owned(), at))
    };
    Located {
        message: message["message"].as_str().unwrap_or_default().to_owned(),
        places: primary.filter_map(place).collect(),
    }
}

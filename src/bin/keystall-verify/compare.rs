//! `keystall-verify compare`.

use crate::output::{self, Failure};
use crate::progress::Progress;
use clap::Args;
use keystall::ledger::Exit;
use keystall::ledger::compare::{self, Comparison};
use keystall::ledger::fork::{FORK_BYTES_MAX, ForkProof};
use keystall::ledger::note::Vkey;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = output::help(HELP))]
pub struct CompareArgs {
    /// A checkpoint, a receipt or an export; or, alone, a fork proof.
    a: PathBuf,
    /// What it is held together with.
    b: Option<PathBuf>,
    /// The first log key of the ledger, as the shop gave it when you first asked; may be repeated. The root key vouches
    /// for later keys and generations only beside it; a receipt made after a change of the log key needs the key of then
    /// too.
    #[arg(long, required = true, value_parser = output::vkey)]
    vkey: Vec<Vkey>,
    /// Where a fork proof is written, if there is one to write; never over a file that is there.
    #[arg(long, value_name = "FORKPROOF", requires = "b")]
    out: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &CompareArgs) -> (Exit, String) {
    match report(args) {
        Ok(report) => written(&report, args.json),
        Err(failure) => failure.report("compare", args.json),
    }
}

fn report(args: &CompareArgs) -> Result<Comparison, Failure> {
    let Some(b) = &args.b else {
        let file = output::read(&args.a)?;
        if !compare::is_fork_proof(&file) {
            let what = "give two files to compare, or one fork proof to verify";
            return Err(Failure::usage(what));
        }
        let name = args.a.display().to_string();
        return Ok(compare::verify_fork(&name, &file, &args.vkey));
    };
    if let Some(out) = args
        .out
        .as_ref()
        .filter(|out| fs::symlink_metadata(out).is_ok())
    {
        let what = format!("{} is there already: it is not overwritten", out.display());
        return Err(Failure::usage(what));
    }
    let progress = Progress::new();
    let mut show = |done, total| progress.show(done, total);
    let mut report = compare::compare(&args.a, b, &args.vkey, &mut show);
    drop(progress);
    if let (Some(out), Some(proof), Some(fork)) = (&args.out, &report.proof, &mut report.fork) {
        write(out, proof).map_err(|error| {
            let what = format!("{} cannot be written: {error}", out.display());
            Failure::internal(format!(
                "{what}; a fork is proven, but the proof is not kept"
            ))
        })?;
        fork.written = Some(out.display().to_string());
    }
    Ok(report)
}

/// Writes a new file, whole or not at all. The proof was verified from these bytes.
fn write(out: &Path, proof: &ForkProof) -> io::Result<()> {
    let text = proof.to_string();
    if text.len() > FORK_BYTES_MAX {
        return Err(io::Error::other("the proof is too long"));
    }
    let mut file = File::create_new(out)?;
    let written = file.write_all(text.as_bytes());
    written.and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = fs::remove_file(out);
    })
}

fn written(report: &Comparison, json: bool) -> (Exit, String) {
    let exit = report.exit;
    if !json {
        return (exit, output::text("compare", exit, report.to_string()));
    }
    match serde_json::to_value(report) {
        Ok(value) => (exit, output::envelope("compare", exit, value)),
        Err(error) => {
            let what = format!("the report could not be written: {error}");
            Failure::internal(what).report("compare", json)
        }
    }
}

const HELP: &str = "Examples:
  keystall-verify compare mine.note theirs.note --vkey \"$VKEY\" --out fork.txt
  keystall-verify compare mine.note ./export --vkey \"$VKEY\"
  keystall-verify compare receipt.txt ./export --vkey \"$VKEY\"
  keystall-verify compare fork.txt --vkey \"$VKEY\"";

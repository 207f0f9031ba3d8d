//! `keystall-verify ledger`.

use crate::output::{self, Failure};
use crate::progress::Progress;
use clap::Args;
use keystall::ledger::cosignature::WitnessKey;
use keystall::ledger::note::Vkey;
use keystall::ledger::verify::{self, KnownFile, Place, Request};
use keystall::ledger::{Exit, verify::Report};
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = output::help(HELP))]
pub struct LedgerArgs {
    /// Folder of the export, or its .tar.zst.
    export: PathBuf,
    /// The first log key of the ledger, as the shop gave it when you first asked; may be repeated. The root key vouches
    /// for later keys and generations only beside it; a receipt made after a change of the log key needs the key of then
    /// too.
    #[arg(long, required = true, value_parser = output::vkey)]
    vkey: Vec<Vkey>,
    /// A checkpoint or a receipt that somebody kept.
    #[arg(long, value_name = "NOTE|RECEIPT")]
    known: Vec<PathBuf>,
    /// A witness: the newest checkpoint must be cosigned by one of those given.
    #[arg(long, value_name = "VKEY", value_parser = output::witness)]
    witness: Vec<WitnessKey>,
    /// Certificates of time-stamping authorities to trust, PEM.
    #[arg(long, value_name = "FILE")]
    tsa_cert: Vec<PathBuf>,
    /// A nonce that must stand in the ledger.
    #[arg(long)]
    nonce: Option<String>,
    /// Count the entries from this time on: a date (its day is UTC's), or RFC 3339; none is incomplete.
    #[arg(long, value_parser = output::since_ms, value_name = "TIME")]
    since: Option<i64>,
    /// Count the entries up to this time: a date with its whole day of UTC, or RFC 3339; none is incomplete.
    #[arg(long, value_parser = output::until_ms, value_name = "TIME")]
    until: Option<i64>,
    /// Show every step of this entry's proof; of generation 0 unless one is named.
    #[arg(long, value_name = "[GENERATION:]SEQ")]
    explain: Option<Place>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &LedgerArgs) -> (Exit, String) {
    match report(args) {
        Ok(report) => written(&report, args.json),
        Err(failure) => failure.report("ledger", args.json),
    }
}

fn report(args: &LedgerArgs) -> Result<Report, Failure> {
    let known = args.known.iter().map(|path| {
        Ok(KnownFile {
            name: path.display().to_string(),
            bytes: output::read(path)?,
        })
    });
    let tsa_certs = args.tsa_cert.iter().map(|path| output::read(path));
    let request = Request {
        vkeys: args.vkey.clone(),
        known: known.collect::<Result<_, Failure>>()?,
        nonce: args.nonce.clone(),
        since_ms: args.since,
        until_ms: args.until,
        explain: args.explain,
        witnesses: args.witness.clone(),
        tsa_certs: tsa_certs.collect::<Result<_, Failure>>()?,
        ..Request::default()
    };
    let progress = Progress::new();
    let show = |done, total| progress.show(done, total);
    Ok(verify::ledger_with_progress(&args.export, &request, &show))
}

fn written(report: &Report, json: bool) -> (Exit, String) {
    let exit = report.exit;
    let stranger = report.nobody_signed() && exit == Exit::Incomplete;
    if !json {
        let text = report.to_string();
        return match stranger {
            true => (exit, output::text_with(OF_STRANGERS, text)),
            false => (exit, output::text("ledger", exit, text)),
        };
    }
    match serde_json::to_value(report) {
        Ok(mut value) if stranger => {
            value["next"] = OF_STRANGERS.into();
            (exit, output::envelope("ledger", exit, value))
        }
        Ok(value) => (exit, output::envelope("ledger", exit, value)),
        Err(error) => {
            let what = format!("the report could not be written: {error}");
            Failure::internal(what).report("ledger", json)
        }
    }
}

const HELP: &str = "Examples:
  keystall-verify ledger ./export --vkey \"$VKEY\" --known kept-last-month.note
  keystall-verify ledger export.tar.zst --vkey \"$VKEY\" --explain 12";
const OF_STRANGERS: &str = "give the first log key of this log, as the shop gave it when you first asked: do not rely on this export without it";

//! The auditor's tool: checks exports and receipts offline. No network code in its dependency tree.

use clap::{Args, Parser, Subcommand};
use keystall::ledger::entry::{Body, Entry, hash_line};
use keystall::ledger::note::{Checkpoint, Vkey};
use keystall::ledger::receipt::{Receipt, ReceiptFault};
use keystall::ledger::verify::{self, KnownFile, Request};
use keystall::ledger::{Exit, receipt::RECEIPT_BYTES_MAX};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout with 0, a usage error to stderr with 2.
            let _ = error.print();
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Proven
            };
            return ExitCode::from(code.code());
        }
    };
    let outcome = match &cli.command {
        Command::Ledger(args) => ledger(args),
        Command::Receipt(args) => receipt(args),
    };
    let (exit, text) = outcome.unwrap_or_else(|failure| {
        let _ = writeln!(io::stderr(), "keystall-verify: {}", failure.what);
        (failure.exit, String::new())
    });
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(exit.code()),
        // A report that did not arrive must not look like success.
        Err(_) => ExitCode::from(Exit::Internal.code()),
    }
}

/// Checks a shop's receipt ledger or one receipt, offline, against a key that you got by another way.
#[derive(Parser)]
#[command(name = "keystall-verify", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check an export of the ledger: a folder with gen-0 in it.
    Ledger(LedgerArgs),
    /// Check one receipt.
    Receipt(ReceiptArgs),
}

#[derive(Args)]
struct LedgerArgs {
    /// Folder of the export.
    export: PathBuf,
    /// The key that you trust: the first log key or the root key, name+hash+base64.
    #[arg(long, required = true, value_parser = vkey)]
    vkey: Vec<Vkey>,
    /// A checkpoint or a receipt that somebody kept.
    #[arg(long, value_name = "NOTE|RECEIPT")]
    known: Vec<PathBuf>,
    /// A nonce that must stand in the ledger.
    #[arg(long)]
    nonce: Option<String>,
    /// Count the entries from this time on, RFC 3339; none is incomplete.
    #[arg(long, value_parser = time_ms, value_name = "TIME")]
    since: Option<i64>,
    /// Count the entries up to this time, RFC 3339; none is incomplete.
    #[arg(long, value_parser = time_ms, value_name = "TIME")]
    until: Option<i64>,
    /// Show this entry and what covers it.
    #[arg(long, value_name = "SEQ")]
    explain: Option<u64>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ReceiptArgs {
    /// The receipt.
    file: PathBuf,
    /// The key that you trust, name+hash+base64.
    #[arg(long, required = true, value_parser = vkey)]
    vkey: Vec<Vkey>,
    /// A checkpoint that somebody kept.
    #[arg(long, value_name = "NOTE")]
    known: Vec<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Why there is no report.
struct Failure {
    exit: Exit,
    what: String,
}

fn ledger(args: &LedgerArgs) -> Result<(Exit, String), Failure> {
    let known = args.known.iter().map(|path| {
        Ok(KnownFile {
            name: path.display().to_string(),
            bytes: read(path)?,
        })
    });
    let request = Request {
        vkeys: args.vkey.clone(),
        known: known.collect::<Result<_, Failure>>()?,
        nonce: args.nonce.clone(),
        since_ms: args.since,
        until_ms: args.until,
        explain: args.explain,
        tsa_certs: Vec::new(),
    };
    let report = verify::ledger(&args.export, &request);
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).map_err(|error| Failure {
            exit: Exit::Internal,
            what: format!("the report could not be written: {error}"),
        })?,
        false => report.to_string(),
    };
    Ok((report.exit, with_end(text)))
}

fn receipt(args: &ReceiptArgs) -> Result<(Exit, String), Failure> {
    let file = read(&args.file)?;
    let mut known = Vec::new();
    for path in &args.known {
        let text = read(path)?;
        let note = Checkpoint::parse(std::str::from_utf8(&text).unwrap_or_default());
        known.push(note.map_err(|error| Failure {
            exit: Exit::Malformed,
            what: format!("{}: {error}", path.display()),
        })?);
    }
    let parsed = Receipt::parse(&file).map_err(ReceiptFault::from);
    let outcome = parsed.and_then(|receipt| Ok((receipt.verify(&args.vkey, &known)?, receipt)));
    let pinned: Vec<_> = args.vkey.iter().map(Vkey::to_string).collect();
    let exit = outcome
        .as_ref()
        .map_or_else(|fault| fault.exit, |_| Exit::Proven);
    let not_proven =
        "that the ledger which holds it is the one that others see: compare checkpoints";
    let mut report = json!({"exit": exit.code(), "pinned": pinned, "not_proven": [not_proven]});
    let mut text = format!("{exit}\n");
    for vkey in &pinned {
        text.push_str(&format!("pinned      {vkey}\n"));
    }
    match outcome {
        Ok((proven, receipt)) => {
            let bought = bought(&receipt);
            for (name, value) in &bought {
                text.push_str(&format!("{name:<12}{value}\n"));
                report[*name] = json!(value);
            }
            let (seq, keys, opens) = (proven.seq, proven.keys, proven.opens);
            let sizes: Vec<_> = proven.checkpoints.iter().map(|note| note.size).collect();
            text.push_str(&format!(
                "sale        seq {seq}\nproofs      {n}/{n}\nkeys        {keys}/{keys}\nfields      {opens}/{opens}\n",
                n = sizes.len()
            ));
            report["seq"] = json!(seq);
            report["keys"] = json!(keys);
            report["fields"] = json!(opens);
            report["checkpoint_sizes"] = json!(sizes);
        }
        Err(fault) => {
            text.push_str(&format!("fault       {}\n", fault.what));
            report["fault"] = json!(fault.what);
        }
    }
    text.push_str(&format!("not proven  {not_proven}\n"));
    let text = if args.json {
        format!("{report:#}")
    } else {
        text
    };
    Ok((exit, with_end(text)))
}

/// What the proven `sale` says, for people: names of the ledger page and their values.
fn bought(receipt: &Receipt) -> Vec<(&'static str, String)> {
    let Ok(Entry {
        t_ms,
        body: Body::Sale(sale),
        ..
    }) = Entry::parse(receipt.entry.as_bytes())
    else {
        // Verified before: the entry is a sale.
        return Vec::new();
    };
    let time = jiff::Timestamp::from_millisecond(t_ms)
        .map_or_else(|_| t_ms.to_string(), |time| time.to_string());
    let slots = receipt
        .keys
        .iter()
        .map(|key| format!("{}:{}", key.batch, key.index))
        .collect::<Vec<_>>();
    vec![
        ("order", sale.order.to_owned()),
        ("sku", sale.sku.to_owned()),
        ("qty", sale.qty.to_string()),
        ("amount", format!("{} {} (minor units)", sale.amt, sale.cur)),
        ("time", time),
        ("slots", slots.join(",")),
        ("entry", hash_line(receipt.entry.as_bytes()).to_string()),
    ]
}

/// Reads a file of at most the size of a receipt; one byte more, so that a longer one is noticed.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure {
        exit: Exit::Usage,
        what: format!("{} cannot be read: {error}", path.display()),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let limit = RECEIPT_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn with_end(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn vkey(text: &str) -> Result<Vkey, String> {
    Vkey::parse(text).map_err(|error| error.to_string())
}

fn time_ms(text: &str) -> Result<i64, String> {
    let time = text.parse::<jiff::Timestamp>();
    time.map(|time| time.as_millisecond())
        .map_err(|_| "expected a time like 2026-11-21T08:30:00Z".to_owned())
}

const EXAMPLES: &str = "Examples:
  keystall-verify ledger ./export --vkey 'shop.example/0123abcd+1f2e3d4c+AQ…' --known kept-last-month.note
  keystall-verify receipt order-A1B2C3.txt --vkey 'shop.example/0123abcd+1f2e3d4c+AQ…'

Exit codes: 0 every required check passed, 1 tampering, 2 usage, 3 malformed, 4 incomplete,
5 fork proven, 70 internal error.";

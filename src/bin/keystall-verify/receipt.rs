//! `keystall-verify receipt`.

use crate::output::{self, Failure};
use clap::Args;
use keystall::domain::money::{Currency, Money};
use keystall::ledger::Exit;
use keystall::ledger::compare::is_fork_proof;
use keystall::ledger::cosignature::WitnessKey;
use keystall::ledger::entry::SlotList;
use keystall::ledger::entry::{Body, Entry, Kind, Sale, hash_line};
use keystall::ledger::note::{Checkpoint, Vkey};
use keystall::ledger::receipt::{KeyOpening, Proven, Receipt, ReceiptFault};
use keystall::ledger::verify::witnesses;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = output::help(HELP))]
pub struct ReceiptArgs {
    /// The receipt.
    file: PathBuf,
    /// The first log key of the ledger, as the shop gave it when you first asked; may be repeated. The root key vouches
    /// for later keys and generations only beside it; a receipt made after a change of the log key needs the key of then
    /// too.
    #[arg(long, required = true, value_parser = output::vkey)]
    vkey: Vec<Vkey>,
    /// A checkpoint or a receipt that somebody kept.
    #[arg(long, value_name = "NOTE|RECEIPT")]
    known: Vec<PathBuf>,
    /// A witness: the sale's checkpoint must be cosigned by one of those given.
    #[arg(long, value_name = "VKEY", value_parser = output::witness)]
    witness: Vec<WitnessKey>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ReceiptArgs) -> (Exit, String) {
    let read = output::read(&args.file).and_then(|file| Ok((file, known(&args.known)?)));
    let (file, known) = match read {
        Ok((file, _)) if other_kind(&file).is_some() => {
            let what = other_kind(&file).unwrap_or_default();
            return not_a_receipt(&args.file, what, args.json);
        }
        Ok(read) => read,
        Err(_) if args.file.is_dir() => return not_a_receipt(&args.file, EXPORT, args.json),
        Err(failure) if failure.exit == Exit::Usage => {
            return failure.report("receipt", args.json);
        }
        Err(Failure { exit, what }) => {
            let fault = ReceiptFault { exit, what };
            return written(args, exit, Report::of(&fault, &args.file));
        }
    };
    match verified(&file, args, &known) {
        Ok(report) => written(args, Exit::Proven, report),
        Err(fault) => written(args, fault.exit, Report::of(&fault, &args.file)),
    }
}

/// What a file that is no receipt is instead, and which command is for it.
fn other_kind(file: &[u8]) -> Option<&'static str> {
    if file.starts_with(ZSTD_MAGIC) {
        return Some(EXPORT);
    }
    if is_fork_proof(file) {
        return Some(
            "is a fork proof, not a receipt: verify it with keystall-verify compare FORKPROOF",
        );
    }
    let note = Checkpoint::parse(std::str::from_utf8(file).ok()?);
    note.is_ok().then_some(
        "is a checkpoint note, not a receipt: hold it against an export with keystall-verify compare NOTE EXPORT, \
         or against a receipt with --known",
    )
}

fn not_a_receipt(file: &Path, what: &str, json: bool) -> (Exit, String) {
    let failure = Failure {
        exit: Exit::Malformed,
        what: format!("{} {what}", file.display()),
    };
    failure.report("receipt", json)
}

const EXPORT: &str =
    "is an export of the ledger, not a receipt: verify it with keystall-verify ledger EXPORT";
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The checkpoints of the files given with `--known`; a receipt that does not hold is no witness of anything.
fn known(paths: &[PathBuf]) -> Result<Vec<Checkpoint>, Failure> {
    let mut known = Vec::new();
    for path in paths {
        let file = output::read(path)?;
        let failed = |exit, what: String| Failure {
            exit,
            what: format!("{}: {what}", path.display()),
        };
        if file.starts_with(b"keystall-receipt/") {
            let receipt = Receipt::parse(&file).map_err(ReceiptFault::from);
            let proven = receipt.and_then(|receipt| receipt.verify_unsigned());
            known.extend(
                proven
                    .map_err(|fault| failed(fault.exit, fault.what))?
                    .checkpoints,
            );
            continue;
        }
        let note = Checkpoint::parse(std::str::from_utf8(&file).unwrap_or_default());
        known.push(note.map_err(|error| failed(Exit::Malformed, error.to_string()))?);
    }
    Ok(known)
}

fn verified(file: &[u8], args: &ReceiptArgs, known: &[Checkpoint]) -> Result<Report, ReceiptFault> {
    let receipt = Receipt::parse(file)?;
    let proven = receipt.verify(&args.vkey, known)?;
    // Further lines of the sale must be as public as the sale is; a stock line of an earlier log need not.
    let own = proven.checkpoints.iter();
    let own = own.filter(|note| note.origin == proven.checkpoints[0].origin);
    let mut witnessed = Vec::new();
    for note in own {
        let by = witnesses::required(note, &args.witness).map_err(|missing| ReceiptFault {
            exit: missing.exit(),
            what: missing.to_string(),
        })?;
        witnessed.extend(by);
    }
    witnessed.dedup();
    Ok(Report::new(&receipt, &proven, known.len(), &witnessed))
}

/// What is said of a receipt: lines for people, and the same as JSON.
struct Report {
    lines: Vec<(&'static str, String)>,
    json: Value,
}

impl Report {
    fn of(fault: &ReceiptFault, file: &Path) -> Self {
        let place = match fault.exit {
            Exit::Incomplete => "incomplete",
            _ => "fault",
        };
        let json = match fault.exit {
            Exit::Incomplete => json!({"incomplete": [fault.what]}),
            exit => {
                let file = file.display().to_string();
                json!({"fault": {"exit": exit.code(), "what": fault.what, "file": file}})
            }
        };
        let lines = vec![(place, fault.what.clone())];
        Self { lines, json }
    }

    fn new(
        receipt: &Receipt,
        proven: &Proven,
        known: usize,
        witnessed: &[witnesses::Witnessed],
    ) -> Self {
        let newest = &proven.checkpoints[0];
        let hash = hash_line(receipt.entry.as_bytes());
        let sizes: Vec<_> = proven.checkpoints.iter().map(|note| note.size).collect();
        let proofs = sizes.len();
        let mut lines = Vec::new();
        let mut json = json!({
            "seq": proven.seq,
            "entry": hash.to_string(),
            "origin": newest.origin,
            "checkpoint_sizes": sizes,
        });
        if let Ok(Entry {
            t_ms,
            body: Body::Sale(sale),
            ..
        }) = Entry::parse(receipt.entry.as_bytes())
        {
            bought(&mut lines, &mut json, &sale, t_ms);
        }
        keys(&mut lines, &mut json, receipt);
        lines.push(("entry", format!("{} of {}", proven.seq, newest.origin)));
        lines.push(("hash", hash.to_string()));
        lines.push((
            "signed",
            format!("in the checkpoint of size {}", newest.size),
        ));
        let mut counts = vec![
            ("proofs", proofs),
            ("signatures", proofs),
            ("keys", proven.keys),
            ("fields", proven.opens),
            ("known", known),
        ];
        for by in witnessed {
            let time = i64::try_from(by.time_s)
                .ok()
                .and_then(|s| s.checked_mul(1000));
            let time = time.map_or_else(|| by.time_s.to_string(), output::time);
            lines.push(("witnessed", format!("{} at {time}", by.name)));
        }
        counts.push(("witnesses", witnessed.len()));
        counts.retain(|(_, count)| *count > 0);
        lines.extend(counts.iter().map(|(name, n)| (*name, format!("{n}/{n}"))));
        let check = |(name, n): &(&str, usize)| json!({"name": name, "passed": n, "total": n});
        json["checks"] = counts.iter().map(check).collect();
        Self { lines, json }
    }
}

/// What the proven sale says, for people.
fn bought(lines: &mut Vec<(&'static str, String)>, json: &mut Value, sale: &Sale, t_ms: i64) {
    let money = Currency::parse(sale.cur).map(|currency| Money::new(sale.amt, currency));
    let amount = money.map_or_else(|_| sale.amt.to_string(), |money| money.decimal());
    let (qty, sku, cur) = (sale.qty, sale.sku, sale.cur);
    let time = output::time(t_ms);
    lines.extend([
        ("bought", format!("{qty} × {sku}, {}", kind(sale.kind))),
        ("paid", format!("{amount} {cur}")),
        ("order", sale.order.to_owned()),
        ("time", format!("{time}, by the shop's clock")),
    ]);
    json["order"] = json!(sale.order);
    json["sku"] = json!(sku);
    json["kind"] = json!(sale.kind.word());
    json["qty"] = json!(qty);
    json["amount"] = json!({"minor": sale.amt, "currency": cur, "decimal": amount});
    json["time"] = json!(time);
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Pool => "from the shop's stock of keys",
        Kind::Generated => "made for this sale",
        Kind::Shared => "the same for every buyer",
        Kind::Link => "a link",
        Kind::File => "a file",
        Kind::Supplier => "bought from a supplier for this sale",
        Kind::Hand => "delivered by a person",
    }
}

fn keys(lines: &mut Vec<(&'static str, String)>, json: &mut Value, receipt: &Receipt) {
    let replacements = replacements(receipt);
    let out = |key: &KeyOpening| {
        let of_key = |r: &&Replacement| r.out.contains(key.batch, key.index);
        replacements.iter().find(of_key)
    };
    let slot = |key: &KeyOpening| format!("{}:{}", key.batch, key.index);
    let slots: Vec<_> = receipt.keys.iter().map(slot).collect();
    let (replaced, valid): (Vec<_>, Vec<_>) =
        receipt.keys.iter().partition(|key| out(key).is_some());
    if !valid.is_empty() {
        let what = match valid.len() {
            1 => "the key in this file is the one".to_owned(),
            many => format!("the {many} keys in this file are those"),
        };
        let instead = |key: &&KeyOpening| {
            let by = replacements
                .iter()
                .find(|r| r.slots.contains(key.batch, key.index));
            match by {
                Some(by) => format!("{} instead of {} ({})", slot(key), by.out, by.why),
                None => slot(key),
            }
        };
        let valid: Vec<_> = valid.iter().map(instead).collect();
        lines.push(("delivered", format!("{what} of slot {}", valid.join(", "))));
    }
    for key in &replaced {
        if let Some(by) = out(key) {
            let (seq, why) = (by.seq, by.why);
            let what = format!("the key of slot {}, by entry {seq} ({why})", slot(key));
            lines.push(("replaced", what));
        }
    }
    let shown = receipt.opens.iter().map(|open| match open.field.name() {
        "buyer" => "the buyer's contact",
        "pay" => "the payment's reference",
        other => other,
    });
    let shown = shown.collect::<Vec<_>>().join(" and ");
    if !shown.is_empty() {
        lines.push(("shows", format!("{shown}, as the shop committed to")));
    }
    json["slots"] = json!(slots);
}

/// What a `replace` line of the receipt says.
struct Replacement {
    seq: u64,
    out: SlotList,
    slots: SlotList,
    why: &'static str,
}

fn replacements(receipt: &Receipt) -> Vec<Replacement> {
    let entries = receipt.more.iter().filter_map(|line| {
        let entry = Entry::parse(line.as_bytes()).ok()?;
        match entry.body {
            Body::Replace {
                out, slots, why, ..
            } => Some(Replacement {
                seq: entry.seq,
                out,
                slots,
                why: why.word(),
            }),
            _ => None,
        }
    });
    entries.collect()
}

fn written(args: &ReceiptArgs, exit: Exit, report: Report) -> (Exit, String) {
    let pinned: Vec<_> = args.vkey.iter().map(Vkey::to_string).collect();
    let not_proven = match exit {
        Exit::Proven => vec![SAME_LEDGER, DELIVERED, SINCE],
        _ => vec![SAME_LEDGER],
    };
    if args.json {
        let mut value = report.json;
        value["pinned"] = json!(pinned);
        value["not_proven"] = json!(not_proven);
        return (exit, output::envelope("receipt", exit, value));
    }
    let mut text = format!("{exit}\n");
    let mut line = |name: &str, what: &str| text.push_str(&format!("{name:<11} {what}\n"));
    pinned.iter().for_each(|vkey| line("pinned", vkey));
    report
        .lines
        .iter()
        .for_each(|(name, what)| line(name, what));
    not_proven.iter().for_each(|what| line("not proven", what));
    (exit, output::text("receipt", exit, text))
}

const HELP: &str = "Examples:
  keystall-verify receipt order-A1B2C3.txt --vkey \"$VKEY\"
  keystall-verify receipt order-A1B2C3.txt --vkey \"$VKEY\" --known kept-last-month.note";
const SAME_LEDGER: &str =
    "that the ledger which holds it is the one that others see: compare checkpoints";
const SINCE: &str = "that no key was replaced and nothing refunded since this receipt was made";
const DELIVERED: &str = "that what was delivered works, or that the shop's clock is right";

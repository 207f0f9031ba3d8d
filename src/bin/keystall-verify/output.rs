//! What every command shares: how keys, times and files are given, and the envelope of a report.

use jiff::tz::TimeZone;
use keystall::domain::moment;
use keystall::ledger::cosignature::WitnessKey;
use keystall::ledger::note::Vkey;
use keystall::ledger::{Exit, receipt::RECEIPT_BYTES_MAX};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Why there is no report.
pub struct Failure {
    pub exit: Exit,
    pub what: String,
}

impl Failure {
    pub fn usage(what: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            what: what.into(),
        }
    }

    pub fn internal(what: impl Into<String>) -> Self {
        Self {
            exit: Exit::Internal,
            what: what.into(),
        }
    }

    /// As a report: on stderr for people, and as an envelope with nothing proven.
    pub fn report(self, command: &'static str, json: bool) -> (Exit, String) {
        let exit = self.exit;
        if !json {
            eprintln(&self.what);
            return (exit, String::new());
        }
        let fault = json!({"exit": exit.code(), "what": self.what});
        (exit, envelope(command, exit, json!({"fault": fault})))
    }
}

/// The end of a command's help.
pub fn help(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES}")
}

const EXIT_CODES: &str =
    "Exit codes: 0 every required check passed, 1 tampering, 2 usage, 3 malformed, 4 incomplete,
5 fork proven, 70 internal error.";

/// Without what a terminal takes for a command, or shows in another order than it stands; lines stay lines.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c != '\n' && (c.is_control() || turns) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

/// One line on stderr, where it can be written.
pub fn eprintln(what: &str) {
    use io::Write;
    let what = printable(&what.replace('\n', "\\n"));
    let _ = writeln!(io::stderr(), "keystall-verify: {what}");
}

/// The report with what every report has, as JSON. `report` is an object.
pub fn envelope(command: &'static str, exit: Exit, report: Value) -> String {
    let mut whole = json!({
        "schema": SCHEMA,
        "command": command,
        "exit": exit.code(),
        "verdict": verdict(exit),
        "pinned": [],
        "checks": [],
        "fault": null,
        "incomplete": [],
        "not_proven": [],
        "next": next(command, exit),
    });
    if let (Some(whole), Value::Object(report)) = (whole.as_object_mut(), report) {
        whole.extend(report);
    }
    format!("{whole:#}\n")
}

/// The report's text with what to do next.
pub fn text(command: &'static str, exit: Exit, report: String) -> String {
    text_with(next(command, exit), report)
}

/// The report's text with this to do next.
pub fn text_with(next: &str, report: String) -> String {
    let mut report = printable(&report);
    if !report.ends_with('\n') {
        report.push('\n');
    }
    report.push_str(&format!("next        {next}\n"));
    report
}

/// The word of an exit code.
pub const fn verdict(exit: Exit) -> &'static str {
    match exit {
        Exit::Proven => "verified",
        Exit::Tampered => "tampered",
        Exit::Usage => "usage",
        Exit::Malformed => "malformed",
        Exit::Incomplete => "incomplete",
        Exit::Fork => "fork",
        Exit::Internal => "internal",
    }
}

/// What to do next, in one sentence.
fn next(command: &str, exit: Exit) -> &'static str {
    match (command, exit) {
        ("ledger", Exit::Proven) => {
            "keep the newest checkpoint: with --known it shows next time that nothing was taken away"
        }
        ("receipt", Exit::Proven) => {
            "keep the file: together with an export of the ledger it shows that your entry is still there"
        }
        ("compare", Exit::Proven) => {
            "nothing: keep both, and compare again when there is a newer one"
        }
        ("ledger", Exit::Tampered) => {
            "do not rely on this export: keep it unchanged and ask the shop about the entry named above"
        }
        ("receipt", Exit::Tampered) => {
            "do not rely on this receipt: fetch it again from the order's page, and ask the shop if that one fails too"
        }
        (_, Exit::Tampered) => {
            "do not rely on these files: fetch them again, and ask the shop if they fail again"
        }
        (_, Exit::Usage) => "correct the call: --help shows how",
        (_, Exit::Malformed) => {
            "fetch the file again: it was damaged on its way, or something else made it"
        }
        ("compare", Exit::Incomplete) => {
            "bring what is missing: the right key, or an export that reaches both checkpoints"
        }
        ("receipt", Exit::Incomplete) => {
            "bring what is missing: the key of the shop that sold it, or the checkpoint that is asked for"
        }
        (_, Exit::Incomplete) => {
            "nothing wrong was found, but bring what the lines above miss, and run this again before relying on it"
        }
        ("compare", Exit::Fork) => {
            "keep the proof and show it to others: it convicts without this shop, its ledger or this machine"
        }
        (_, Exit::Fork) => {
            "keep every file as it is, and make the proof of it with keystall-verify compare --out"
        }
        (_, Exit::Internal) => {
            "see that this machine can read the files, and run it again; nothing was decided"
        }
        (_, Exit::Proven) => "nothing",
    }
}

/// Reads a file of at most the size of a receipt; one byte more, so that a longer one is noticed.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: io::Error| Failure::usage(format!("{} cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let limit = RECEIPT_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

pub fn vkey(text: &str) -> Result<Vkey, String> {
    Vkey::parse(text).map_err(|error| error.to_string())
}

pub fn witness(text: &str) -> Result<WitnessKey, String> {
    WitnessKey::parse(text).map_err(|error| error.to_string())
}

/// RFC 3339 in UTC, or the number itself where no calendar reaches.
pub fn time(t_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(t_ms);
    time.map_or_else(|_| format!("{t_ms} ms"), |time| time.to_string())
}

/// Unix milliseconds of an RFC 3339 time, or of the begin of a day of UTC.
pub fn since_ms(text: &str) -> Result<i64, String> {
    moment::begin_ms(text, &TimeZone::UTC).map_err(|error| error.to_string())
}

/// Unix milliseconds of an RFC 3339 time, or of the end of a day of UTC.
pub fn until_ms(text: &str) -> Result<i64, String> {
    moment::end_ms(text, &TimeZone::UTC).map_err(|error| error.to_string())
}

/// Names the shape of the reports; `keystall-verify schema` prints it.
const SCHEMA: &str = "keystall-verify-report/1";

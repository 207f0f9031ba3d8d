//! What a run found, for people and as JSON.

use super::explain::Explained;
use crate::domain::money::{self, Currency};
use crate::ledger::Exit;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// The outcome of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// With which code to end.
    #[serde(serialize_with = "code")]
    pub exit: Exit,
    /// The pinned keys, as the user gave them.
    pub pinned: Vec<String>,
    /// What each generation holds.
    pub generations: Vec<GenerationReport>,
    /// Every check with its count.
    pub checks: Vec<Check>,
    /// Whether stock and money are those of a part of the ledger only.
    pub in_range: bool,
    /// Stock of each sku.
    pub stock: BTreeMap<String, Balance>,
    /// Money of each currency.
    pub money: BTreeMap<String, Money>,
    /// The anchors of checkpoints, at most 1,000 of them.
    pub anchors: Vec<Anchor>,
    /// The fault that decided, unless all is well.
    pub fault: Option<Fault>,
    /// What is missing, where nothing worse was found.
    pub incomplete: Vec<String>,
    /// Facts that are no faults: outages admitted, notes lost in a restore, where the nonce stands.
    pub notes: Vec<String>,
    /// The entries asked for with `--explain`.
    pub explained: Vec<Explained>,
    /// The last checkpoint that matched before the fault: generation and size.
    pub last_good: Option<String>,
    /// What nothing here proves.
    pub not_proven: Vec<String>,
}

/// What one generation holds.
#[derive(Clone, Debug, Serialize)]
pub struct GenerationReport {
    /// Its number.
    pub number: usize,
    /// Its origin; empty if it could not be read.
    pub origin: String,
    /// In which form.
    pub form: Form,
    /// Seq of the first entry here: 0, or the size of a range's prefix.
    pub first_seq: u64,
    /// Number of entries here, or of a skeleton's hashes.
    pub entries: u64,
    /// Size of the newest checkpoint that was checked.
    pub signed: u64,
    /// Time that the first entry claims.
    pub first_t: Option<String>,
    /// Time that the last entry claims.
    pub last_t: Option<String>,
}

/// In which form a generation is exported (section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// All its entries.
    Whole,
    /// Its entries from some seq on, with what ties them to the checkpoints.
    Range,
    /// The hashes of its entries alone.
    Skeleton,
}

/// One kind of check: how many passed of how many there were.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How many passed.
    pub passed: u64,
    /// How many there were.
    pub total: u64,
}

/// `imported − sold − replaced − void = left`, in slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Slots of all batches.
    pub imported: u64,
    /// Handed out by sales.
    pub sold: u64,
    /// Handed out as replacements.
    pub replaced: u64,
    /// Withdrawn unsold.
    pub void: u64,
    /// What remains, if every import is known.
    pub left: Option<u64>,
}

/// Money of one currency, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Money {
    /// Sum of the sales.
    pub received: i64,
    /// Sum of the refunds.
    pub refunded: i64,
}

/// A checkpoint fixed outside the shop.
#[derive(Clone, Debug, Serialize)]
pub struct Anchor {
    /// Generation.
    pub generation: usize,
    /// Size of the checkpoint.
    pub size: u64,
    /// How it was fixed.
    pub kind: AnchorKind,
    /// The time that the anchor states, RFC 3339.
    pub time: Option<String>,
    /// Whether it was checked and holds.
    pub passed: bool,
    /// What it proves.
    pub proves: String,
    /// What it does not.
    pub not_proven: String,
}

/// How a checkpoint was fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorKind {
    /// An RFC 3161 time stamp.
    TimeStamp,
    /// The mail that carried it.
    Mail,
    /// A commit in a git repository; only named, so it is not counted among the checks.
    Git,
}

/// A fault and its place.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// The code that it ends with.
    #[serde(serialize_with = "code")]
    pub exit: Exit,
    /// What is wrong.
    pub what: String,
    /// File within the export, or a name given with `--known`.
    pub file: String,
    /// The first bad seq, or the size that was signed.
    pub seq: Option<u64>,
    /// Byte offset of its line.
    pub byte: Option<u64>,
    /// What the hash should be.
    pub expected: Option<String>,
    /// What it is.
    pub actual: Option<String>,
}

impl Fault {
    pub(in crate::ledger) fn new(
        exit: Exit,
        file: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            exit,
            what: one_line(what.into()),
            file: one_line(file.into()),
            seq: None,
            byte: None,
            expected: None,
            actual: None,
        }
    }

    pub(super) fn at(mut self, seq: u64, byte: Option<u64>) -> Self {
        self.seq = Some(seq);
        self.byte = byte;
        self
    }

    pub(super) fn hashes(mut self, expected: impl ToString, actual: impl ToString) -> Self {
        self.expected = Some(expected.to_string());
        self.actual = Some(actual.to_string());
        self
    }
}

/// A hostile name or key must not make a line of its own in the report.
pub(super) fn one_line(text: String) -> String {
    match text.contains(['\n', '\r']) {
        true => text.replace('\n', "\\n").replace('\r', "\\r"),
        false => text,
    }
}

/// RFC 3339 in UTC, or the number itself where no calendar reaches.
pub(super) fn rfc3339(t_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(t_ms) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{t_ms} ms"),
    }
}

/// An amount of minor units in major ones, with its currency; as it stands where the currency is none.
fn decimal(minor: i64, cur: &str) -> String {
    match Currency::parse(cur) {
        Ok(currency) => format!("{} {cur}", money::Money::new(minor, currency).decimal()),
        Err(_) => format!("{minor} minor units of {cur}"),
    }
}

impl Report {
    /// Whether entries were read, and no signature of theirs is by a pinned key or one that it vouches for.
    pub fn nobody_signed(&self) -> bool {
        let signatures = self.checks.iter().find(|check| check.name == "signatures");
        !self.generations.is_empty() && signatures.is_none_or(|check| check.passed == 0)
    }

    /// Why nothing was read, and nothing else.
    fn unopened(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Some(fault) => fmt::Display::fmt(fault, f),
            None => self
                .incomplete
                .iter()
                .try_for_each(|what| writeln!(f, "incomplete  {what}")),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.exit)?;
        if self.generations.is_empty() {
            return self.unopened(f);
        }
        for vkey in &self.pinned {
            writeln!(f, "pinned      {vkey}")?;
        }
        for generation in &self.generations {
            fmt::Display::fmt(generation, f)?;
        }
        for check in self.checks.iter().filter(|check| check.total > 0) {
            writeln!(f, "{:<11} {}/{}", check.name, check.passed, check.total)?;
        }
        for anchor in &self.anchors {
            writeln!(f, "anchor      {anchor}: {}", anchor.proves)?;
        }
        let scope = if self.in_range { " in this range" } else { "" };
        for (sku, b) in &self.stock {
            let left = b
                .left
                .map_or(String::new(), |left| format!(" = {left} left"));
            writeln!(
                f,
                "stock       {sku}: {} imported - {} sold - {} replaced - {} void{left}{scope}",
                b.imported, b.sold, b.replaced, b.void
            )?;
        }
        for (cur, money) in &self.money {
            let [received, refunded] =
                [money.received, money.refunded].map(|minor| decimal(minor, cur));
            writeln!(
                f,
                "money       {received} received, {refunded} refunded{scope}"
            )?;
        }
        for note in &self.notes {
            writeln!(f, "note        {note}")?;
        }
        for entry in &self.explained {
            fmt::Display::fmt(entry, f)?;
        }
        if let Some(fault) = &self.fault {
            fmt::Display::fmt(fault, f)?;
        }
        for what in &self.incomplete {
            writeln!(f, "incomplete  {what}")?;
        }
        if let Some(last_good) = &self.last_good {
            writeln!(f, "last good   {last_good}")?;
        }
        for what in &self.not_proven {
            writeln!(f, "not proven  {what}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            AnchorKind::TimeStamp => "time stamp",
            AnchorKind::Mail => "mail",
            AnchorKind::Git => "git",
        };
        let (generation, size) = (self.generation, self.size);
        write!(f, "{kind} of size {size} (generation {generation})")
    }
}

impl fmt::Display for GenerationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "log         {} (generation {})",
            self.origin, self.number
        )?;
        let (entries, first) = (self.entries, self.first_seq);
        let what = match self.form {
            Form::Whole | Form::Range => "entries     ",
            Form::Skeleton => "hashes      ",
        };
        match (first + entries).checked_sub(1).filter(|_| entries > 0) {
            Some(last) => writeln!(f, "{what}{entries}, seq {first} to {last}")?,
            None if first > 0 => writeln!(f, "{what}0, after the first {first}")?,
            None => writeln!(f, "{what}0")?,
        }
        if let (Some(first), Some(last)) = (&self.first_t, &self.last_t) {
            writeln!(f, "claims      {first} to {last}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fault       {}: {}", self.file, self.what)?;
        if let Some(seq) = self.seq {
            writeln!(f, "  at         {seq}")?;
        }
        if let Some(byte) = self.byte {
            writeln!(f, "  byte       {byte}")?;
        }
        if let Some(expected) = &self.expected {
            writeln!(f, "  expected   {expected}")?;
        }
        if let Some(actual) = &self.actual {
            writeln!(f, "  actual     {actual}")?;
        }
        Ok(())
    }
}

fn code<S: Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.code())
}

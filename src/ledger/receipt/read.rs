//! From a file to its parts.

use super::{
    FieldOpening, HEADER, KeyOpening, MalformedReceipt, Proof, RECEIPT_BYTES_MAX, Receipt,
};
use crate::ledger::commitment::Field;
use crate::ledger::entry::{Body, Entry, natural};
use crate::ledger::note::Checkpoint;
use crate::ledger::{Hash, lower_hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) fn receipt(file: &[u8]) -> Result<Receipt, MalformedReceipt> {
    let mut lines = Lines::new(file)?;
    if lines.next()? != HEADER {
        return Err(lines.wrong("expected keystall-receipt/v1"));
    }
    let Some(entry) = lines.next()?.strip_prefix("entry ") else {
        return Err(lines.wrong("expected entry and the line of a sale"));
    };
    is_line(&lines, entry, |body| matches!(body, Body::Sale(_)))?;
    let mut receipt = Receipt {
        entry: entry.to_owned(),
        ..Receipt::default()
    };
    while let Some(rest) = lines.part("open ")? {
        receipt.opens.push(open(&lines, &receipt, rest)?);
    }
    while let Some(rest) = lines.part("key ")? {
        receipt.keys.push(key(&lines, rest)?);
    }
    while let Some(line) = lines.part("stock ")? {
        is_line(&lines, line, |body| matches!(body, Body::Stock { .. }))?;
        receipt.stocks.push(line.to_owned());
    }
    while let Some(line) = lines.part("more ")? {
        is_line(&lines, line, |body| {
            matches!(body, Body::Slots { .. } | Body::Replace { .. })
        })?;
        receipt.more.push(line.to_owned());
    }
    for _ in 0..1 + receipt.stocks.len() + receipt.more.len() {
        receipt.proofs.push(Proof::read(&mut lines)?);
    }
    match lines.peek() {
        None => Ok(receipt),
        Some(_) => Err(lines.wrong("bytes after the last proof")),
    }
}

fn is_line(
    lines: &Lines,
    line: &str,
    wanted: impl Fn(&Body) -> bool,
) -> Result<(), MalformedReceipt> {
    match Entry::parse(line.as_bytes()) {
        Ok(entry) if wanted(&entry.body) => Ok(()),
        Ok(_) => Err(lines.wrong("an entry of another type")),
        Err(malformed) => Err(lines.wrong(malformed.what)),
    }
}

fn open(lines: &Lines, before: &Receipt, rest: &str) -> Result<FieldOpening, MalformedReceipt> {
    let mut parts = rest.split(' ');
    let (Some(name), Some(salt), Some(value), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(lines.wrong("expected open, a field, its salt and its value"));
    };
    let field = match name {
        "buyer" => Field::Buyer,
        "pay" => Field::Pay,
        _ => return Err(lines.wrong("a sale has no such field")),
    };
    if before.opens.iter().any(|other| other.field == field) {
        return Err(lines.wrong("a field is opened twice"));
    }
    Ok(FieldOpening {
        field,
        salt: lower_hex(salt).ok_or(lines.wrong("the salt is not 64 hex digits"))?,
        value: base64(lines, value)?,
    })
}

fn key(lines: &Lines, rest: &str) -> Result<KeyOpening, MalformedReceipt> {
    let mut parts = rest.split(' ');
    let (Some(slot), Some(salt), Some(key), path, None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(lines.wrong("expected key, its slot, its salt, its bytes and its path"));
    };
    let slot = slot.split_once(':');
    let slot = slot.and_then(|(batch, index)| Some((natural(batch)?, natural(index)?)));
    let (batch, index) = slot.ok_or(lines.wrong("the slot is not batch:index"))?;
    let path = match path {
        None => Vec::new(),
        Some(path) => path
            .split(',')
            .map(|hash| Hash::from_hex(hash).ok_or(lines.wrong("the path is not hashes in hex")))
            .collect::<Result<_, _>>()?,
    };
    Ok(KeyOpening {
        batch,
        index,
        salt: lower_hex(salt).ok_or(lines.wrong("the salt is not 64 hex digits"))?,
        key: base64(lines, key)?,
        path,
    })
}

fn base64(lines: &Lines, text: &str) -> Result<Vec<u8>, MalformedReceipt> {
    STANDARD
        .decode(text)
        .map_err(|_| lines.wrong("not strict base64"))
}

/// The lines of a file that ends in `\n`.
pub(in crate::ledger) struct Lines<'a> {
    rest: &'a str,
    taken: usize,
}

impl<'a> Lines<'a> {
    pub(in crate::ledger) fn new(file: &'a [u8]) -> Result<Self, MalformedReceipt> {
        let whole = |what| MalformedReceipt { line: 0, what };
        if file.len() > RECEIPT_BYTES_MAX {
            return Err(whole("longer than 32 MiB"));
        }
        let rest = std::str::from_utf8(file).map_err(|_| whole("not UTF-8"))?;
        match rest.ends_with('\n') {
            true => Ok(Self { rest, taken: 0 }),
            false => Err(whole("empty, or cut off: the last line has no end")),
        }
    }

    pub(in crate::ledger) fn peek(&self) -> Option<&'a str> {
        self.rest.split_once('\n').map(|(line, _)| line)
    }

    pub(in crate::ledger) fn next(&mut self) -> Result<&'a str, MalformedReceipt> {
        self.taken += 1;
        let Some((line, rest)) = self.rest.split_once('\n') else {
            return Err(self.wrong("the file ends too early"));
        };
        self.rest = rest;
        Ok(line)
    }

    /// What follows the word, if the next line begins with it.
    pub(in crate::ledger) fn part(
        &mut self,
        word: &str,
    ) -> Result<Option<&'a str>, MalformedReceipt> {
        match self.peek().is_some_and(|line| line.starts_with(word)) {
            true => self.next().map(|line| line.strip_prefix(word)),
            false => Ok(None),
        }
    }

    /// A note, which ends with the last of its signature lines, all of which begin with a dash.
    pub(in crate::ledger) fn note(&mut self) -> Result<String, MalformedReceipt> {
        let mut note = String::new();
        loop {
            let line = self.next()?;
            note.push_str(line);
            note.push('\n');
            if line.is_empty() {
                break;
            }
        }
        let signature = |line: &str| line.starts_with('\u{2014}');
        while self.peek().is_some_and(signature) {
            note.push_str(self.next()?);
            note.push('\n');
        }
        match Checkpoint::parse(&note) {
            Ok(_) => Ok(note),
            Err(error) => Err(self.wrong(error.0)),
        }
    }

    pub(in crate::ledger) const fn wrong(&self, what: &'static str) -> MalformedReceipt {
        MalformedReceipt {
            line: self.taken,
            what,
        }
    }
}

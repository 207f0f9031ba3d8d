//! Whole exports and receipts, good and tampered with, each with the exit code that a verifier must give.

mod cut;
mod keys;
mod receipts;
mod rules;

use super::parts::mark_line;
use super::*;
use keystall::ledger::WitnessKey;

pub struct ExportCase {
    pub name: &'static str,
    /// `whole`, `range`, `skeleton` or `cosigned`: what a verifier must be able to read.
    pub kind: &'static str,
    pub files: Files,
    pub vkeys: Vec<Vkey>,
    pub known: Vec<String>,
    pub nonce: Option<&'static str>,
    pub since_ms: Option<i64>,
    pub until_ms: Option<i64>,
    pub witnesses: Vec<String>,
    pub exit: u8,
}

pub struct ReceiptCase {
    pub name: &'static str,
    pub receipt: Vec<u8>,
    pub vkeys: Vec<Vkey>,
    pub known: Vec<String>,
    pub exit: u8,
}

pub fn case(name: &'static str, exit: u8, files: Files) -> ExportCase {
    ExportCase {
        name,
        kind: "whole",
        files,
        vkeys: vec![pinned()],
        known: Vec::new(),
        nonce: None,
        since_ms: None,
        until_ms: None,
        witnesses: Vec::new(),
        exit,
    }
}

impl ExportCase {
    pub fn pinned(mut self, vkeys: impl IntoIterator<Item = Vkey>) -> Self {
        self.vkeys = vkeys.into_iter().collect();
        self
    }

    pub fn known(mut self, text: impl Into<String>) -> Self {
        self.known.push(text.into());
        self
    }

    /// What the verifier says when it is asked so.
    pub fn report(&self) -> Report {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &self.files);
        let known = self
            .known
            .iter()
            .enumerate()
            .map(|(number, text)| KnownFile {
                name: format!("known-{number}"),
                bytes: text.clone().into_bytes(),
            });
        let request = Request {
            vkeys: self.vkeys.clone(),
            known: known.collect(),
            nonce: self.nonce.map(str::to_owned),
            since_ms: self.since_ms,
            until_ms: self.until_ms,
            witnesses: self
                .witnesses
                .iter()
                .map(|vkey| WitnessKey::parse(vkey).unwrap())
                .collect(),
            ..Request::default()
        };
        verify::ledger(folder.path(), &request)
    }
}

/// Whether a report says what a vector expects of one that passes: each generation's first seq, entries and newest signed
/// size.
pub fn is_expected(report: &Report, expected: &serde_json::Value) -> bool {
    let Some(generations) = expected["generations"].as_array() else {
        return true;
    };
    let said = report.generations.iter().map(
        |g| serde_json::json!({"first": g.first_seq, "entries": g.entries, "signed": g.signed}),
    );
    said.eq(generations.iter().cloned())
}

/// The shop after a change of its making, with honest signatures over it.
fn after(exit: u8, name: &'static str, change: impl Fn(&mut Shop)) -> ExportCase {
    let mut shop = shop_of_24();
    change(&mut shop);
    case(name, exit, shop.files(0))
}

fn slots(text: &str) -> SlotList {
    SlotList::parse(text).unwrap()
}

pub fn exports() -> Vec<ExportCase> {
    let mut all = cut::cut_and_resealed();
    all.extend(rules::rules());
    all.extend(rules::silences());
    all.extend(keys::keys_and_generations());
    all
}

pub fn receipts() -> Vec<ReceiptCase> {
    let mut all = receipts::meanings();
    all.extend(receipts::forms());
    all.extend(receipts::receipts_and_keys());
    all
}

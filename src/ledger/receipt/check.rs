//! The checks of section 7.

use super::{FieldOpening, KeyOpening, MalformedReceipt, Proof, Receipt};
use crate::ledger::commitment::{self, Field};
use crate::ledger::entry::{Body, Entry, Sale, SlotList, hash_line};
use crate::ledger::note::{Checkpoint, SignedBy, Vkey};
use crate::ledger::{Exit, Hash, tree};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What a receipt proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Seq of the sale.
    pub seq: u64,
    /// Number of keys that opened to their slots.
    pub keys: usize,
    /// Number of private fields that opened.
    pub opens: usize,
    /// The checkpoint of each proof block.
    pub checkpoints: Vec<Checkpoint>,
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}")]
pub struct ReceiptFault {
    /// With which code a verifier ends.
    pub exit: Exit,
    /// What is wrong.
    pub what: String,
}

impl From<MalformedReceipt> for ReceiptFault {
    fn from(malformed: MalformedReceipt) -> Self {
        fault(Exit::Malformed, malformed.to_string())
    }
}

/// `verdict` says who signed a note; it is asked once for each note that is not the same as another.
pub(super) fn signed(
    receipt: &Receipt,
    vkeys: &[Vkey],
    known: &[Checkpoint],
    verdict: impl Fn(&str, &Checkpoint) -> SignedBy,
) -> Result<Proven, ReceiptFault> {
    let outcome = unsigned(receipt);
    let notes = checkpoints(receipt)?;
    let verdicts = verdicts(&receipt.proofs, &notes, verdict);
    let known_signed = |note: &&Checkpoint| note.signed_by_one_of(vkeys) == SignedBy::Yes;
    let own_signed = notes.iter().zip(&verdicts);
    let own_signed = own_signed.filter(|(_, verdict)| **verdict == SignedBy::Yes);
    let all_signed = own_signed
        .map(|(note, _)| note)
        .chain(known.iter().filter(known_signed));
    if let Some(note) = forked(all_signed) {
        let what = format!("two signed checkpoints of size {} differ", note.size);
        return Err(fault(Exit::Fork, what));
    }
    let proven = outcome?;
    for (number, verdict) in verdicts.iter().enumerate() {
        if *verdict == SignedBy::Forged {
            let what = format!("proof block {}: a wrong signature of the key", number + 1);
            return Err(fault(Exit::Tampered, what));
        }
    }
    for (number, (note, verdict)) in notes.iter().zip(&verdicts).enumerate() {
        if *verdict != SignedBy::Yes {
            let what = format!("proof block {}: {}", number + 1, stranger(note, vkeys));
            return Err(fault(Exit::Incomplete, what));
        }
    }
    for note in known {
        if !known_signed(&note) {
            let what = "a known note is not signed by the pinned key";
            return Err(fault(Exit::Incomplete, what));
        }
        let same = |own: &Checkpoint| own.origin == note.origin && own.size == note.size;
        if !notes.iter().any(same) {
            let what = format!(
                "a known note of size {} cannot be compared with this receipt alone: verify the ledger with both",
                note.size
            );
            return Err(fault(Exit::Incomplete, what));
        }
    }
    Ok(proven)
}

/// One for each note. The proofs of a receipt mostly carry the same note, and a signature is what costs.
fn verdicts(
    proofs: &[Proof],
    notes: &[Checkpoint],
    verdict: impl Fn(&str, &Checkpoint) -> SignedBy,
) -> Vec<SignedBy> {
    let mut verdicts: Vec<SignedBy> = Vec::with_capacity(notes.len());
    for (at, (proof, note)) in proofs.iter().zip(notes).enumerate() {
        let same = proofs[..at]
            .iter()
            .position(|other| other.note == proof.note);
        verdicts.push(same.map_or_else(|| verdict(&proof.note, note), |same| verdicts[same]));
    }
    verdicts
}

pub(super) fn unsigned(receipt: &Receipt) -> Result<Proven, ReceiptFault> {
    let entry = parsed(&receipt.entry)?;
    let Body::Sale(sale) = &entry.body else {
        return Err(fault(Exit::Malformed, "the entry is not a sale"));
    };
    for open in &receipt.opens {
        check_field(sale, open)?;
    }
    let slots = sold_slots(receipt, &entry, sale)?;
    let stocks = stocks(receipt, sale)?;
    let mut named = BTreeSet::new();
    for key in &receipt.keys {
        check_key(key, &stocks)?;
        let (batch, index) = (key.batch, key.index);
        if !slots.contains(batch, index) {
            let what = format!("the sale does not name slot {batch}:{index}");
            return Err(fault(Exit::Tampered, what));
        }
        if !named.insert((batch, index)) {
            let what = format!("slot {batch}:{index} is named twice");
            return Err(fault(Exit::Tampered, what));
        }
    }
    let batches: BTreeSet<_> = named.iter().map(|(batch, _)| *batch).collect();
    if let Some(batch) = stocks.keys().find(|batch| !batches.contains(batch)) {
        let what = format!("no key names batch {batch}, whose stock line is here");
        return Err(fault(Exit::Malformed, what));
    }
    let checkpoints = check_inclusions(receipt)?;
    Ok(Proven {
        seq: entry.seq,
        keys: receipt.keys.len(),
        opens: receipt.opens.len(),
        checkpoints,
    })
}

fn check_field(sale: &Sale, open: &FieldOpening) -> Result<(), ReceiptFault> {
    let committed = match open.field {
        Field::Buyer => sale.buyer,
        Field::Pay => sale.pay,
        Field::Who => return Err(fault(Exit::Malformed, "a sale has no field who")),
    };
    if commitment::field(&open.salt, open.field, &open.value) == committed {
        return Ok(());
    }
    let what = format!(
        "the value of {} is not the one committed",
        open.field.name()
    );
    Err(fault(Exit::Tampered, what))
}

/// Last index of each range by its batch and first index. Ranges of one sale never overlap; where they do, a slot may
/// be missed, never made up.
#[derive(Default)]
struct SoldSlots(BTreeMap<(u64, u64), u64>);

impl SoldSlots {
    fn add(&mut self, slots: &SlotList) {
        for range in slots.ranges() {
            self.0.insert((range.batch, range.first), range.last);
        }
    }

    fn contains(&self, batch: u64, index: u64) -> bool {
        let at_or_before = self.0.range((batch, 0)..=(batch, index)).next_back();
        at_or_before.is_some_and(|(_, last)| index <= *last)
    }
}

/// The slots of the sale with those of its further entries.
fn sold_slots(receipt: &Receipt, entry: &Entry, sale: &Sale) -> Result<SoldSlots, ReceiptFault> {
    let mut sold = SoldSlots::default();
    sale.slots.iter().for_each(|slots| sold.add(slots));
    let mut lines = BTreeSet::new();
    for line in &receipt.more {
        if !lines.insert(line) {
            return Err(fault(Exit::Malformed, "a more line is there twice"));
        }
        let (of, slots) = match parsed(line)?.body {
            Body::Slots { sale, slots, .. } | Body::Replace { sale, slots, .. } => (sale, slots),
            _ => return Err(fault(Exit::Malformed, "more is neither slots nor replace")),
        };
        if of != entry.seq {
            let what = format!("a more line belongs to sale {of}, not {}", entry.seq);
            return Err(fault(Exit::Tampered, what));
        }
        sold.add(&slots);
    }
    Ok(sold)
}

/// `count` and `keys` of each batch.
fn stocks(receipt: &Receipt, sale: &Sale) -> Result<BTreeMap<u64, (u64, Hash)>, ReceiptFault> {
    let mut stocks = BTreeMap::new();
    for line in &receipt.stocks {
        let entry = parsed(line)?;
        let Body::Stock {
            batch,
            count,
            keys,
            sku,
            ..
        } = entry.body
        else {
            return Err(fault(Exit::Malformed, "stock is not a stock entry"));
        };
        if sku != sale.sku {
            let what = format!("batch {batch} is of {sku}, the sale of {}", sale.sku);
            return Err(fault(Exit::Tampered, what));
        }
        if stocks.insert(batch, (count, keys)).is_some() {
            let what = format!("batch {batch} has two stock lines");
            return Err(fault(Exit::Malformed, what));
        }
    }
    Ok(stocks)
}

fn check_key(key: &KeyOpening, stocks: &BTreeMap<u64, (u64, Hash)>) -> Result<(), ReceiptFault> {
    let Some((count, keys)) = stocks.get(&key.batch) else {
        let what = format!("batch {} has no stock line", key.batch);
        return Err(fault(Exit::Malformed, what));
    };
    let commitment = commitment::key(&key.salt, &key.key);
    let leaf = tree::leaf_hash(commitment.as_ref());
    if tree::verify_inclusion(&leaf, key.index, *count, &key.path, keys) {
        return Ok(());
    }
    let what = format!("the key is not that of slot {}:{}", key.batch, key.index);
    Err(fault(Exit::Tampered, what))
}

fn check_inclusions(receipt: &Receipt) -> Result<Vec<Checkpoint>, ReceiptFault> {
    let notes = checkpoints(receipt)?;
    let lines: Vec<_> = std::iter::once(&receipt.entry)
        .chain(&receipt.stocks)
        .chain(&receipt.more)
        .collect();
    if lines.len() != notes.len() {
        return Err(fault(Exit::Malformed, "one proof block for each line"));
    }
    for ((line, proof), note) in lines.iter().zip(&receipt.proofs).zip(&notes) {
        check_inclusion(line, proof, note)?;
    }
    // The stock may have come in an earlier generation; what belongs to the sale may not.
    let of_sale = notes.iter().skip(1 + receipt.stocks.len());
    if of_sale.clone().any(|note| note.origin != notes[0].origin) {
        let what = "the proofs of the sale's lines are of different origins";
        return Err(fault(Exit::Tampered, what));
    }
    Ok(notes)
}

fn check_inclusion(line: &str, proof: &Proof, note: &Checkpoint) -> Result<(), ReceiptFault> {
    let entry = parsed(line)?;
    if proof.index != entry.seq {
        let what = format!("the proof of entry {} has index {}", entry.seq, proof.index);
        return Err(fault(Exit::Tampered, what));
    }
    if proof.includes(&hash_line(line.as_bytes()), note) {
        return Ok(());
    }
    let what = format!(
        "entry {} is not in the tree of {} entries that was signed",
        entry.seq, note.size
    );
    Err(fault(Exit::Tampered, what))
}

fn checkpoints(receipt: &Receipt) -> Result<Vec<Checkpoint>, ReceiptFault> {
    let parse = |proof: &Proof| Checkpoint::parse(&proof.note);
    receipt
        .proofs
        .iter()
        .map(parse)
        .collect::<Result<_, _>>()
        .map_err(|error| fault(Exit::Malformed, error.to_string()))
}

/// One of two checkpoints of one origin and size with different roots.
fn forked<'a>(mut notes: impl Iterator<Item = &'a Checkpoint>) -> Option<&'a Checkpoint> {
    let mut roots = BTreeMap::new();
    notes.find(|note| {
        let root = roots.entry((&note.origin, note.size)).or_insert(note.root);
        *root != note.root
    })
}

/// Why no pinned key signed the note, as far as names tell.
fn stranger(note: &Checkpoint, vkeys: &[Vkey]) -> String {
    let origin = &note.origin;
    match vkeys.first() {
        Some(vkey) if vkeys.iter().all(|vkey| vkey.name() != origin) => {
            format!(
                "the pinned key is of another log: {}; the receipt is of {origin}",
                vkey.name()
            )
        }
        _ => "not signed by a key that you gave: pin the log key that was in force when it was made (an older or a newer one) too".to_owned(),
    }
}

fn parsed(line: &str) -> Result<Entry<'_>, ReceiptFault> {
    Entry::parse(line.as_bytes()).map_err(|error| fault(Exit::Malformed, error.to_string()))
}

fn fault(exit: Exit, what: impl Into<String>) -> ReceiptFault {
    ReceiptFault {
        exit,
        what: what.into(),
    }
}

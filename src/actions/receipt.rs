//! The receipt of a delivered order: what opens its `sale` entry, with proofs to the newest checkpoint.

use super::chain::{Latest, LedgerNodes, closing};
use super::deliver::open_private;
use super::known_nodes::{KnownNodes, Tree};
use super::open_shop::Shop;
use super::view_order::{OrderView, open_delivery_with};
use super::witness::with_cosignatures;
use crate::domain::{EntryAt, Order, OrderId};
use crate::ledger::Hash;
use crate::ledger::commitment::Field;
use crate::ledger::receipt::{FieldOpening, KeyOpening, Proof, Receipt};
use crate::ledger::tree::{NodeSource, inclusion_proof};
use crate::store::{DeliveredKey, DeliveryContent, Fault, Rows, Snapshot};

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// No such order.
    #[error("there is no such order")]
    Unknown,
    /// Its private fields were destroyed.
    #[error(
        "the private part of this order was erased; a receipt downloaded before still verifies"
    )]
    Erased,
    /// Nothing was sold yet.
    #[error("a receipt is there once the order is delivered")]
    NotDelivered,
    /// The shop failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Shop {
    /// The receipt file of an order (ledger.md, section 7).
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn receipt(&self, id: OrderId) -> Result<String, ReceiptError> {
        let order = self.store.read()?.order(id)?;
        let order = order.ok_or(ReceiptError::Unknown)?;
        if order.is_erased() && order.sale.is_some() {
            return Err(ReceiptError::Erased);
        }
        if order.sale.is_none() {
            return Err(ReceiptError::NotDelivered);
        }
        let (private, key) = open_private(&self.vault, &order)?;
        let content = open_delivery_with(&self.vault, &key, &order)?;
        let content = content.ok_or(ReceiptError::NotDelivered)?;
        self.receipt_of(&order, &private.contact, &content)
    }

    /// The same of an order that was opened.
    pub(super) fn receipt_of_view(&self, view: &OrderView) -> Result<String, ReceiptError> {
        match (&view.content, view.erased_at_ms) {
            (Some(content), None) => self.receipt_of(&view.order, view.contact.expose(), content),
            // Opened for nobody, or not at all.
            _ => self.receipt(view.order.id),
        }
    }

    fn receipt_of(
        &self,
        order: &Order,
        contact: &str,
        content: &DeliveryContent,
    ) -> Result<String, ReceiptError> {
        let at = order.sale.ok_or(ReceiptError::NotDelivered)?;
        let last_slots = at.with_seq(at.seq() + u64::from(content.more));
        let replaced = order.after.replacements.last();
        let newest = replaced.map_or(last_slots, |replaced| replaced.entry);
        let (snapshot, checkpoint) = self.signed_state(newest)?;
        let checkpoint = with_cosignatures(&snapshot, checkpoint)?;
        let opened = (contact, content);
        let receipt = self.assemble(&snapshot, order, at, opened, &checkpoint)?;
        Ok(receipt.to_string())
    }

    fn assemble(
        &self,
        snapshot: &Snapshot,
        order: &Order,
        at: EntryAt,
        (contact, content): (&str, &DeliveryContent),
        checkpoint: &Latest,
    ) -> Result<Receipt, Fault> {
        let mut places = vec![at];
        let mut batches: Vec<u32> = all_keys(content).map(|key| key.slot.0).collect();
        batches.sort_unstable();
        batches.dedup();
        for batch in batches {
            places.push(batch_row(snapshot, batch)?.entry());
        }
        let stocks = places.len() - 1;
        places.extend((1..=u64::from(content.more)).map(|more| at.with_seq(at.seq() + more)));
        places.extend(order.after.replacements.iter().map(|each| each.entry));
        let lines = places
            .iter()
            .map(|at| line(snapshot, *at))
            .collect::<Result<Vec<_>, _>>()?;
        let proofs = places
            .iter()
            .map(|at| proof(&self.known_nodes, snapshot, *at, checkpoint))
            .collect::<Result<Vec<_>, _>>()?;
        let mut lines = lines.into_iter();
        Ok(Receipt {
            entry: lines.next().unwrap_or_default(),
            opens: vec![
                FieldOpening {
                    field: Field::Buyer,
                    salt: content.buyer_salt,
                    value: contact.as_bytes().to_vec(),
                },
                FieldOpening {
                    field: Field::Pay,
                    salt: content.pay_salt,
                    value: content.pay.clone().into_bytes(),
                },
            ],
            keys: keys(&self.known_nodes, snapshot, content)?,
            stocks: lines.by_ref().take(stocks).collect(),
            more: lines.collect(),
            proofs,
        })
    }
}

fn keys(
    known: &KnownNodes,
    snapshot: &Snapshot,
    content: &DeliveryContent,
) -> Result<Vec<KeyOpening>, Fault> {
    let opening = |key: &DeliveredKey| {
        let (batch, index) = key.slot;
        let count = u64::from(batch_row(snapshot, batch)?.count);
        let nodes = known.of(Tree::Stock(batch), StockNodes { snapshot, batch });
        let path = inclusion_proof(&nodes, u64::from(index), count);
        let path = path.map_err(|_| Fault::Invariant("a batch's tree is whole"))?;
        Ok(KeyOpening {
            batch: u64::from(batch),
            index: u64::from(index),
            salt: key.salt,
            key: key.key.clone(),
            path,
        })
    };
    all_keys(content).map(opening).collect()
}

/// The keys that the buyer has, and those that they replaced: both were handed out by this sale.
fn all_keys(content: &DeliveryContent) -> impl Iterator<Item = &DeliveredKey> {
    content.keys.iter().chain(&content.replaced)
}

fn batch_row(snapshot: &Snapshot, batch: u32) -> Result<crate::store::Batch, Fault> {
    snapshot
        .batch(batch)?
        .ok_or(Fault::Invariant("a sold slot's batch is there"))
}

fn line(snapshot: &Snapshot, at: EntryAt) -> Result<String, Fault> {
    let row = snapshot
        .entry(at)?
        .ok_or(Fault::Invariant("every entry below the size is there"))?;
    String::from_utf8(row.line).map_err(|_| Fault::Invariant("a ledger line is text"))
}

/// In the tree of `newest`, or of the generation that the entry lies in: stock outlives a restore.
fn proof(
    known: &KnownNodes,
    snapshot: &Snapshot,
    at: EntryAt,
    newest: &Latest,
) -> Result<Proof, Fault> {
    let checkpoint = match at.generation() == newest.generation {
        true => newest.clone(),
        false => closing(snapshot, at.generation())?,
    };
    let nodes = LedgerNodes {
        rows: snapshot,
        generation: at.generation(),
    };
    let nodes = known.of(Tree::Ledger(at.generation()), nodes);
    let hashes = inclusion_proof(&nodes, at.seq(), checkpoint.size);
    let hashes = hashes.map_err(|_| Fault::Invariant("the ledger's tree is whole"))?;
    Ok(Proof {
        index: at.seq(),
        hashes,
        note: checkpoint.note,
    })
}

/// Tree nodes of one batch, as they lie with its slots.
struct StockNodes<'a> {
    snapshot: &'a Snapshot,
    batch: u32,
}

impl NodeSource for StockNodes<'_> {
    type Error = Fault;

    fn node(&self, level: u8, number: u64) -> Result<Hash, Fault> {
        let last = ((number + 1) << level) - 1;
        let slot = crate::domain::SlotRef {
            batch: self.batch,
            index: u32::try_from(last).unwrap_or(u32::MAX),
        };
        let nodes = self
            .snapshot
            .stock_nodes(slot)?
            .ok_or(Fault::Invariant("every slot has its nodes"))?;
        nodes
            .get(usize::from(level))
            .copied()
            .map(Hash)
            .ok_or(Fault::Invariant("a slot has the nodes that end at it"))
    }
}

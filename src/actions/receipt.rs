//! The receipt of a delivered order: what opens its `sale` entry, with proofs to the newest checkpoint.

use super::chain::{Latest, LedgerNodes};
use super::deliver::open_private;
use super::open_shop::Shop;
use crate::domain::{Order, OrderId};
use crate::ledger::Hash;
use crate::ledger::commitment::Field;
use crate::ledger::receipt::{FieldOpening, KeyOpening, Proof, Receipt};
use crate::ledger::tree::{NodeSource, inclusion_proof};
use crate::store::{DeliveryContent, Fault, Rows, Snapshot};

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// No such order.
    #[error("there is no such order")]
    Unknown,
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
        let snapshot = self.store.read()?;
        let order = snapshot.order(id)?.ok_or(ReceiptError::Unknown)?;
        let (Some(seq), Some(content)) = (order.sale_seq, self.open_delivery(&order)?) else {
            return Err(ReceiptError::NotDelivered);
        };
        let checkpoint = self.chain.checkpoint_of(&snapshot.head()?);
        Ok(self
            .assemble(&snapshot, &order, seq, &content, &checkpoint)?
            .to_string())
    }

    fn assemble(
        &self,
        snapshot: &Snapshot,
        order: &Order,
        seq: u64,
        content: &DeliveryContent,
        checkpoint: &Latest,
    ) -> Result<Receipt, Fault> {
        let (private, _) = open_private(&self.vault, order)?;
        let mut seqs = vec![seq];
        let mut batches: Vec<u32> = content.keys.iter().map(|key| key.slot.0).collect();
        batches.sort_unstable();
        batches.dedup();
        for batch in batches {
            seqs.push(batch_row(snapshot, batch)?.seq);
        }
        let stocks = seqs.len() - 1;
        seqs.extend((1..=u64::from(content.more)).map(|more| seq + more));
        let lines = seqs
            .iter()
            .map(|seq| line(snapshot, *seq))
            .collect::<Result<Vec<_>, _>>()?;
        let proofs = seqs
            .iter()
            .map(|seq| proof(snapshot, *seq, checkpoint))
            .collect::<Result<Vec<_>, _>>()?;
        let mut lines = lines.into_iter();
        Ok(Receipt {
            entry: lines.next().unwrap_or_default(),
            opens: vec![
                FieldOpening {
                    field: Field::Buyer,
                    salt: content.buyer_salt,
                    value: private.contact.clone().into_bytes(),
                },
                FieldOpening {
                    field: Field::Pay,
                    salt: content.pay_salt,
                    value: content.pay.clone().into_bytes(),
                },
            ],
            keys: keys(snapshot, content)?,
            stocks: lines.by_ref().take(stocks).collect(),
            more: lines.collect(),
            proofs,
        })
    }
}

fn keys(snapshot: &Snapshot, content: &DeliveryContent) -> Result<Vec<KeyOpening>, Fault> {
    let opening = |key: &crate::store::DeliveredKey| {
        let (batch, index) = key.slot;
        let count = u64::from(batch_row(snapshot, batch)?.count);
        let path = inclusion_proof(&StockNodes { snapshot, batch }, u64::from(index), count);
        let path = path.map_err(|_| Fault::Invariant("a batch's tree is whole"))?;
        Ok(KeyOpening {
            batch: u64::from(batch),
            index: u64::from(index),
            salt: key.salt,
            key: key.key.clone(),
            path,
        })
    };
    content.keys.iter().map(opening).collect()
}

fn batch_row(snapshot: &Snapshot, batch: u32) -> Result<crate::store::Batch, Fault> {
    snapshot
        .batch(batch)?
        .ok_or(Fault::Invariant("a sold slot's batch is there"))
}

fn line(snapshot: &Snapshot, seq: u64) -> Result<String, Fault> {
    let row = snapshot
        .entry(seq)?
        .ok_or(Fault::Invariant("every entry below the size is there"))?;
    String::from_utf8(row.line).map_err(|_| Fault::Invariant("a ledger line is text"))
}

fn proof(snapshot: &Snapshot, seq: u64, checkpoint: &Latest) -> Result<Proof, Fault> {
    let hashes = inclusion_proof(&LedgerNodes(snapshot), seq, checkpoint.size);
    let hashes = hashes.map_err(|_| Fault::Invariant("the ledger's tree is whole"))?;
    Ok(Proof {
        index: seq,
        hashes,
        note: checkpoint.note.clone(),
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

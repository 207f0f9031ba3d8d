//! Whether a receipt holds, told before it is shown: the verifier that buyers run, over the very bytes they would keep.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::open_shop::Shop;
use super::receipt::ReceiptError;
use super::view_order::OrderView;
use crate::domain::OrderId;
use crate::ledger::Vkey;
use crate::ledger::note::{Checkpoint, SignedBy};
use crate::ledger::receipt::{Receipt, ReceiptFault};
use crate::store::Generation;

/// What was verified lately and need not be verified again. Only what held is remembered.
#[derive(Default)]
pub(super) struct Verified(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The log keys as they are written, and as they are verified with.
    keys: (Vec<String>, Arc<Vec<Vkey>>),
    /// Checkpoints that one of these keys signed, by the hash of their text: orders that were delivered together share one.
    notes: VecDeque<blake3::Hash>,
    /// Orders whose receipt held, and in the state of which commit. Without another one it is still the same file.
    held: HashMap<OrderId, u64>,
}

/// Checkpoints remembered: those of the last moments.
const NOTES_MAX: usize = 64;
/// Orders remembered; the map is emptied when it is full.
const ORDERS_MAX: usize = 4_096;

impl Shop {
    /// Verifies the receipt of an order that was opened, as its buyer would, under the log keys of this shop: at the first look, and
    /// again after whatever was written. `false` where it does not hold, which is logged: the order itself is not touched by that.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn receipt_holds(&self, view: &OrderView) -> Result<bool, ReceiptError> {
        let id = view.order.id;
        if self.verified.seen().held.get(&id) == Some(&view.commit) {
            return Ok(true);
        }
        let file = self.receipt_of_view(view)?;
        let generations = self.log_keys()?;
        let vkeys = self.verified.keys(&generations);
        let outcome = Receipt::parse(file.as_bytes())
            .map_err(ReceiptFault::from)
            .and_then(|receipt| {
                receipt.verify_by(&vkeys, |text, note| {
                    self.verified.verdict(text, note, &vkeys)
                })
            });
        match &outcome {
            Ok(_) => self.verified.held(id, view.commit),
            Err(fault) => {
                tracing::error!(order = %id, %fault, "a receipt does not pass the shop's own verifier");
            }
        }
        Ok(outcome.is_ok())
    }
}

impl Verified {
    /// The log keys of all generations, read once as long as they are the same.
    fn keys(&self, generations: &[(u16, Generation)]) -> Arc<Vec<Vkey>> {
        let written = || {
            let keys = generations.iter().flat_map(|(_, of)| &of.keys);
            keys.map(|(_, vkey)| vkey)
        };
        let mut seen = self.seen();
        if !seen.keys.0.iter().eq(written()) {
            let vkeys = written().flat_map(|vkey| Vkey::parse(vkey)).collect();
            seen.keys = (written().cloned().collect(), Arc::new(vkeys));
            // They were verified under other keys.
            seen.notes.clear();
            seen.held.clear();
        }
        seen.keys.1.clone()
    }

    fn verdict(&self, text: &str, note: &Checkpoint, vkeys: &[Vkey]) -> SignedBy {
        let name = blake3::hash(text.as_bytes());
        if self.seen().notes.contains(&name) {
            return SignedBy::Yes;
        }
        // Not under the lock: others are verified meanwhile.
        let verdict = note.signed_by_one_of(vkeys);
        let mut seen = self.seen();
        // Keys that changed meanwhile are no reason to remember it.
        if verdict == SignedBy::Yes && *seen.keys.1 == vkeys {
            seen.notes.push_back(name);
            if seen.notes.len() > NOTES_MAX {
                seen.notes.pop_front();
            }
        }
        verdict
    }

    fn held(&self, id: OrderId, commit: u64) {
        let mut seen = self.seen();
        if seen.held.len() >= ORDERS_MAX {
            seen.held.clear();
        }
        seen.held.insert(id, commit);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Each statement under the lock leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ledger::Hash;
    use crate::ledger::note::sign_checkpoint;
    use crate::testing::TestShop;

    #[test]
    fn a_note_that_was_verified_once_is_not_believed_with_another_byte_or_under_another_key() {
        let key = |seed| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        let vkeys = |seed| vec![Vkey::new("shop.example/1", &key(seed).verifying_key())];
        let generation = |seed| {
            let keys = vec![(0, vkeys(seed)[0].to_string())];
            let (origin, root_vkey) = (String::new(), String::new());
            let ended = None;
            (
                0,
                Generation {
                    origin,
                    root_vkey,
                    keys,
                    ended,
                },
            )
        };
        let text = sign_checkpoint(&key(7), "shop.example/1", 9, &Hash([3; 32]));
        let verified = Verified::default();
        let verdict = |text: &str, seed| {
            let vkeys = verified.keys(&[generation(seed)]);
            verified.verdict(text, &Checkpoint::parse(text).unwrap(), &vkeys)
        };
        assert_eq!(verdict(&text, 7), SignedBy::Yes);
        assert_eq!(verified.seen().notes.len(), 1);
        assert_eq!(verdict(&text, 7), SignedBy::Yes);
        assert_eq!(
            verdict(&text.replace("\n9\n", "\n8\n"), 7),
            SignedBy::Forged
        );
        assert_eq!(verdict(&text, 8), SignedBy::No, "the keys changed");
        assert!(verified.seen().notes.is_empty());
    }

    #[tokio::test]
    async fn a_receipt_is_verified_again_after_every_commit() {
        let till = TestShop::new();
        till.stock("steam", "KEY", 3);
        let sell = async |number| {
            let order = till
                .shop
                .checkout(till.request("steam", 1, number))
                .await
                .unwrap();
            let claim = till.claim(&order, &format!("T{number}"));
            assert!(till.shop.settle(claim).await.unwrap().accepted);
            order.id
        };
        let holds = |id| {
            let view = till.shop.view_order(id).unwrap().unwrap();
            till.shop.receipt_holds(&view).unwrap()
        };
        let held = |id: &OrderId| till.shop.verified.seen().held.get(id).copied();
        let first = sell(1).await;
        assert!(held(&first).is_none());
        assert!(holds(first));
        let commit = |id| till.shop.view_order(id).unwrap().unwrap().commit;
        let before = commit(first);
        assert_eq!(held(&first), Some(before));
        let second = sell(2).await;
        assert!(commit(first) > before);
        assert!(holds(first));
        assert_eq!(held(&first), Some(commit(first)));
        assert!(held(&second).is_none());
    }

    #[tokio::test]
    async fn a_receipt_that_opens_something_else_does_not_hold_and_is_not_remembered() {
        let till = TestShop::new();
        till.stock("steam", "KEY", 1);
        let order = till.shop.checkout(till.request("steam", 1, 1));
        let order = order.await.unwrap();
        let claim = till.claim(&order, "T1");
        assert!(till.shop.settle(claim).await.unwrap().accepted);
        let view = || till.shop.view_order(order.id).unwrap().unwrap();
        let mut other = view();
        other.content.as_mut().unwrap().buyer_salt[0] ^= 1;
        assert!(!till.shop.receipt_holds(&other).unwrap());
        assert!(till.shop.verified.seen().held.is_empty());
        let file = till.shop.receipt_of_view(&view()).unwrap();
        assert_eq!(file, till.shop.receipt(order.id).unwrap());
        assert!(till.shop.receipt_holds(&view()).unwrap());
    }
}

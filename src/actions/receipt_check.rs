//! Whether a receipt holds, told before it is shown: the verifier that buyers run, over the very bytes they would keep.

use super::open_shop::Shop;
use super::receipt::ReceiptError;
use crate::domain::OrderId;
use crate::ledger::Vkey;
use crate::ledger::receipt::{Receipt, ReceiptFault};

impl Shop {
    /// Verifies the receipt of an order as its buyer would, under the log keys of this shop. `false` where it does not
    /// hold, which is logged: the order itself is not touched by that.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn receipt_holds(&self, id: OrderId) -> Result<bool, ReceiptError> {
        let file = self.receipt(id)?;
        let generations = self.log_keys()?;
        let keys = generations
            .iter()
            .flat_map(|(_, generation)| &generation.keys);
        let vkeys: Vec<_> = keys.flat_map(|(_, vkey)| Vkey::parse(vkey)).collect();
        let outcome = Receipt::parse(file.as_bytes())
            .map_err(ReceiptFault::from)
            .and_then(|receipt| receipt.verify(&vkeys, &[]));
        if let Err(fault) = &outcome {
            tracing::error!(order = %id, %fault, "a receipt does not pass the shop's own verifier");
        }
        Ok(outcome.is_ok())
    }
}

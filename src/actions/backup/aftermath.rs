//! After a restore: what happened between the copy and the restore, as far as the providers tell.

use crate::actions::open_shop::Shop;
use crate::domain::{Amount, OrderId, OrderState};
use crate::store::{Fault, Rows};

/// Meta row of the last restore: the copy's time and the restore's, Unix milliseconds, big-endian.
pub(in crate::actions) const RESTORED_ROW: &str = "restored";

/// When the shop was restored last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restoration {
    /// Time of the last entry that the copy held, Unix milliseconds.
    pub copy_at_ms: i64,
    /// When it was restored.
    pub at_ms: i64,
}

/// What was found since a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aftermath {
    /// When.
    pub restored: Option<Restoration>,
    /// Orders of the copy for which a payment was recorded since.
    pub orders: Vec<AftermathOrder>,
    /// Orders of the copy that were open at its time, or expired shortly before, and of which no payment is known.
    pub unpaid: u32,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AftermathOrder {
    /// Its number.
    pub id: OrderId,
    /// Where it stands.
    pub state: OrderState,
    /// Minor units that wait to be returned.
    pub owed: Amount,
    /// Minor units that were found.
    pub found: Amount,
}

const PAGE: usize = 500;
/// How long before the copy an order may have expired, and still be paid late.
const BEFORE_MS: i64 = 24 * 3_600_000;
/// How long providers are asked at each start about the orders of that time.
const ASKED_MS: i64 = 14 * 24 * 3_600_000;

impl Restoration {
    /// Orders that ended at this time or later may have been paid without this shop's knowing.
    pub fn asked_from_ms(&self) -> i64 {
        self.copy_at_ms - BEFORE_MS
    }
}

impl Shop {
    /// The last restore; none in a shop that never was.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn restoration(&self) -> Result<Option<Restoration>, Fault> {
        let Some(row) = self.store.read()?.meta(RESTORED_ROW)? else {
            return Ok(None);
        };
        let wrong = Fault::Invariant("the row of a restore has two times");
        let (copy, at) = row.split_first_chunk().ok_or(wrong.clone())?;
        let at = <[u8; 8]>::try_from(at).map_err(|_| wrong)?;
        Ok(Some(Restoration {
            copy_at_ms: i64::from_be_bytes(*copy),
            at_ms: i64::from_be_bytes(at),
        }))
    }

    /// The last restore, as long as the providers are to be asked about what was open at its time.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn restored_lately(&self) -> Result<Option<Restoration>, Fault> {
        let restored = self.restoration()?;
        Ok(restored.filter(|restored| self.now_ms() - restored.at_ms <= ASKED_MS))
    }

    /// What the providers told since the last restore about orders of the copy.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn aftermath(&self) -> Result<Aftermath, Fault> {
        let Some(restored) = self.restoration()? else {
            return Ok(Aftermath::default());
        };
        let mut aftermath = Aftermath {
            restored: Some(restored),
            ..Aftermath::default()
        };
        let mut before = None;
        loop {
            let page = self.store.read()?.orders_before(before, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(aftermath);
            };
            before = Some(last.id);
            for order in page
                .iter()
                .filter(|order| order.created_at_ms() < restored.at_ms)
            {
                let since = order.payments.iter();
                let since = since.filter(|payment| payment.at_ms >= restored.at_ms);
                let found: Amount = since.map(|payment| payment.amount).sum();
                if found > 0 {
                    aftermath.orders.push(AftermathOrder {
                        id: order.id,
                        state: order.state,
                        owed: order.owed(),
                        found,
                    });
                } else if order.state == OrderState::Expired
                    && order.expires_at_ms >= restored.asked_from_ms()
                {
                    aftermath.unpaid += 1;
                }
            }
        }
    }
}

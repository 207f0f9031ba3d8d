//! Stored forms. `OrderV1` is what lies on disk, `Order` what the shop works with; conversions are explicit, and a released
//! version's form and vectors are never edited.

mod goods;
mod ledger;
mod order;
mod outbox;
mod texts;

pub use goods::{Batch, Channel, EntryRow, Held, SlotRow, Staging, Wish};
pub use ledger::{Anchoring, Ended, Generation, MonthDue, MonthsDue, Opening};
pub use order::{DeliveredKey, DeliveryContent, OrderPrivate};

pub use outbox::{LetterContent, Told};
pub use texts::Template;

pub(super) use goods::{CategoryV1, PoolV2, ProductV2};
pub(super) use order::OrderV2;
pub(super) use outbox::{EffectV2, NoticeV1, ToldV1};

use super::codec::CodecError;
use crate::domain::{ChannelName, Currency, Money, Slug};

fn slug(text: &str) -> Result<Slug, CodecError> {
    Slug::parse(text).map_err(|_| CodecError::Damaged)
}

fn channel(text: &str) -> Result<ChannelName, CodecError> {
    ChannelName::parse(text).map_err(|_| CodecError::Damaged)
}

fn money(amount: i64, currency: &str) -> Result<Money, CodecError> {
    Currency::parse(currency)
        .map(|currency| Money { amount, currency })
        .map_err(|_| CodecError::Damaged)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod golden_tests;

//! The wall clock held against one that only goes forward: a jump stands in the ledger, whose times are the wall clock's.

use std::sync::{Mutex, PoisonError};

use super::open_shop::{Shop, unwritten};
use crate::domain::{Clock, seams::random};
use crate::ledger::entry::Body;
use crate::store::{Fault, WriteError};

/// Both clocks as they stood at the last look.
#[derive(Default)]
pub(super) struct LastLook(Mutex<Option<(i64, i64)>>);

/// A jump of more is told (ledger.md, section 1). What NTP slews between two looks, ten seconds apart, is far below.
const SKEW_MS_MAX: i64 = 2_000;

impl LastLook {
    /// By how much the wall clock moved against the other since the look before; looks again.
    fn skew_ms(&self, clock: &dyn Clock) -> i64 {
        let now = (clock.now_ms(), clock.monotonic_ms());
        // Nothing panics while it is held.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skew = last.map_or(0, |last| (now.0 - last.0) - (now.1 - last.1));
        *last = Some(now);
        skew
    }
}

impl Shop {
    /// Compares the clocks; a jump of more than two seconds since the last look is written as a `clock` entry. Gives the jump that
    /// was written. Called every ten seconds; the first look only remembers.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn watch_clock(&self) -> Result<Option<i64>, Fault> {
        let skew_ms = self.clock_look.skew_ms(&*self.clock);
        if skew_ms.abs() <= SKEW_MS_MAX {
            return Ok(None);
        }
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self.store.write(
            move |tx| -> Result<(), WriteError<std::convert::Infallible>> {
                let r = random(vault.entropy());
                chain.append(tx, &Body::Clock { skew_ms, r })?;
                Ok(())
            },
        );
        write.answer().await.map_err(unwritten)?;
        Ok(Some(skew_ms))
    }
}

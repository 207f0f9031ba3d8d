//! Notices that were refused: a ring in memory for each channel, summed up on disk once a minute, so that nobody can fill the
//! disk by sending them.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::open_shop::{Shop, unwritten};
use crate::domain::{Notice, Verdict};
use crate::limits;
use crate::store::{Fault, Rows, WriteError};

/// A notice that was refused before it could be held against an order.
#[derive(Clone, Debug)]
pub struct RefusedNotice {
    /// Channel name as it stood in the address.
    pub channel: String,
    /// Unix milliseconds.
    pub received_at_ms: i64,
    /// What was decided.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// What was received, cut to its limit.
    pub raw: Vec<u8>,
}

/// The rings, one for each channel name.
#[derive(Default)]
pub struct RefusedNotices {
    rings: Mutex<BTreeMap<String, VecDeque<RefusedNotice>>>,
    changed: AtomicBool,
}

/// Channel names that get a ring of their own; strangers' inventions share one.
const RINGS_MAX: usize = 64;
const OTHERS: &str = "";
/// Refused notices kept on disk, newest first: what a console shows on a page.
const STORED_MAX: usize = 200;
const ROW: &str = "refused_notices";

impl RefusedNotices {
    /// Keeps a refused notice; the oldest of its channel leaves when the ring is full.
    pub fn push(&self, mut notice: RefusedNotice) {
        notice.raw.truncate(limits::BAD_NOTICE_BYTES_MAX);
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rings.contains_key(&notice.channel) || rings.len() < RINGS_MAX;
        let name = if known {
            notice.channel.clone()
        } else {
            OTHERS.to_owned()
        };
        let ring = rings.entry(name).or_default();
        if ring.len() >= limits::BAD_NOTICES_KEPT_MAX {
            ring.pop_front();
        }
        ring.push_back(notice);
        self.changed.store(true, Ordering::Release);
    }

    /// The newest `max` of all channels, newest first.
    pub fn latest(&self, max: usize) -> Vec<RefusedNotice> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = rings.values().flatten().cloned().collect();
        all.sort_by_key(|notice| std::cmp::Reverse(notice.received_at_ms));
        all.truncate(max);
        all
    }
}

impl Shop {
    /// Writes the newest refused notices to disk as one sealed row, if there are new ones.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn flush_refused(&self) -> Result<(), Fault> {
        if !self.refused.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let lines: Vec<_> = self
            .refused
            .latest(STORED_MAX)
            .iter()
            .map(summary)
            .collect();
        let text = serde_json::to_vec(&lines).map_err(|_| Fault::Invariant("a summary is JSON"))?;
        let sealed = self.vault.seal_for(ROW, b"", &text);
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                Ok(tx.put_meta(ROW, &sealed)?)
            });
        write.answer().await.map_err(|error| {
            self.refused.changed.store(true, Ordering::Release);
            unwritten(error)
        })
    }

    /// The refused notices that were written to disk last, as JSON objects.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn stored_refused(&self) -> Result<Vec<serde_json::Value>, Fault> {
        let Some(sealed) = self.store.read()?.meta(ROW)? else {
            return Ok(Vec::new());
        };
        let opened = self
            .vault
            .open_for(ROW, b"", &sealed)
            .map_err(|_| Fault::Invariant("a sealed row opens"))?;
        serde_json::from_slice(opened.expose()).map_err(|_| Fault::Invariant("a summary is JSON"))
    }

    /// Kept notices before number `before`, newest first, with their numbers.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn notices(&self, before: Option<u64>, max: usize) -> Result<Vec<(u64, Notice)>, Fault> {
        self.store.read()?.notices_before(before, max)
    }
}

fn summary(notice: &RefusedNotice) -> serde_json::Value {
    serde_json::json!({
        "channel": notice.channel,
        "received_at_ms": notice.received_at_ms,
        "verdict": notice.verdict.as_str(),
        "why": notice.why,
    })
}

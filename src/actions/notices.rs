//! Notices that were refused: rings in memory, summed up on disk once a minute, so that nobody can fill the disk by sending
//! them.
//!
//! What passed its channel's signature and was still not decided (another amount, a shop that could not write, an unknown
//! order) may be a buyer's money. It has rings of its own, which strangers cannot flush, and half of each list at least.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::open_shop::{Shop, unwritten};
use crate::domain::{Notice, OrderId, Verdict};
use crate::limits;
use crate::store::{Fault, Rows, Tx, WriteError};
use crate::vault::Vault;

/// A notice that was refused before it could be held against an order, or that could not be decided.
#[derive(Clone, Debug)]
pub struct RefusedNotice {
    /// A channel of the shop's, or empty for any other name in the address.
    pub channel: String,
    /// Unix milliseconds.
    pub received_at_ms: i64,
    /// What was decided.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// Whether it bore the channel's signature.
    pub authentic: bool,
    /// Its order, where it named one of the channel.
    pub order: Option<OrderId>,
    /// Its fields that may be logged, each short and printable.
    pub fields: Vec<(&'static str, String)>,
    /// What was received, cut to its limit.
    pub raw: Vec<u8>,
}

/// The rings: one for each channel and kind (authentic or not), at most `RINGS_MAX` of them.
///
/// Bound: 16 rings of 1,000 notices of 4 KiB are 64 MiB, and about a KiB of summary with each.
#[derive(Default)]
pub struct RefusedNotices {
    rings: Mutex<Rings>,
    changed: AtomicBool,
}

#[derive(Default)]
struct Rings {
    authentic: Kind,
    others: Kind,
    /// Notices so far: orders those of one millisecond.
    pushed: u64,
}

/// Rings by channel.
type Kind = BTreeMap<String, VecDeque<(u64, RefusedNotice)>>;

/// Rings at most: half of them for authentic notices.
const RINGS_MAX: usize = 16;
/// The ring of strangers' inventions, and of the channels beyond the limit. There is always room for it.
const OTHERS: &str = "";
/// Refused notices kept on disk: what a console shows on a page.
const STORED_MAX: usize = 200;
pub(super) const ROW: &str = "refused_notices";
/// The key in `erase.keys` that the refused notices on disk are sealed under, and letters that belong to no order.
pub(super) const NOTICES_LABEL: &str = "notices";

impl RefusedNotices {
    /// Keeps a refused notice; the oldest of its channel and kind leaves when the ring is full.
    pub fn push(&self, mut notice: RefusedNotice) {
        notice.raw.truncate(limits::BAD_NOTICE_BYTES_MAX);
        notice.raw.shrink_to_fit();
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.pushed += 1;
        let number = rings.pushed;
        let kind = if notice.authentic {
            &mut rings.authentic
        } else {
            &mut rings.others
        };
        let own = kind.keys().filter(|name| *name != OTHERS).count();
        let known = kind.contains_key(&notice.channel) || own < RINGS_MAX / 2 - 1;
        let name = if known { &notice.channel } else { OTHERS };
        let ring = kind.entry(name.to_owned()).or_default();
        if ring.len() >= limits::BAD_NOTICES_KEPT_MAX {
            ring.pop_front();
        }
        ring.push_back((number, notice));
        self.changed.store(true, Ordering::Release);
    }

    /// Takes what is about an order out of the rings: it was erased.
    pub(super) fn forget(&self, order: OrderId) {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let Rings {
            authentic, others, ..
        } = &mut *rings;
        for ring in authentic.values_mut().chain(others.values_mut()) {
            ring.retain(|(_, notice)| notice.order != Some(order));
        }
    }

    /// The newest of all channels, at most `max`, newest first. Authentic ones and others have half of the places each, and
    /// what the other kind leaves.
    pub fn latest(&self, max: usize) -> Vec<RefusedNotice> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut authentic, mut others) =
            (newest(&rings.authentic, max), newest(&rings.others, max));
        let (places, others_places) = shares(authentic.len(), others.len(), max);
        authentic.truncate(places);
        others.truncate(others_places);
        authentic.extend(others);
        authentic.sort_by_key(|(number, notice)| Reverse((notice.received_at_ms, *number)));
        authentic
            .into_iter()
            .map(|(_, notice)| notice.clone())
            .collect()
    }
}

/// How many of each kind have a place among `max`.
fn shares(authentic: usize, others: usize, max: usize) -> (usize, usize) {
    let authentic = authentic.min(max - others.min(max / 2));
    (authentic, others.min(max - authentic))
}

fn newest(kind: &Kind, max: usize) -> Vec<&(u64, RefusedNotice)> {
    let mut all: Vec<_> = kind.values().flatten().collect();
    all.sort_by_key(|(number, notice)| Reverse((notice.received_at_ms, *number)));
    all.truncate(max);
    all
}

impl Shop {
    /// Writes the newest refused notices to disk as one sealed row, if there are new ones: authentic ones first. Those of an
    /// earlier run stay in it as long as there is room, so that a start and one stranger do not erase them.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn flush_refused(&self) -> Result<(), Fault> {
        if !self.refused.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let stored = self.store_refused().await;
        if stored.is_err() {
            // The next minute tries again.
            self.refused.changed.store(true, Ordering::Release);
        }
        stored
    }

    fn lines_to_store(&self) -> Result<Vec<serde_json::Value>, Fault> {
        let (mut authentic, mut others) = (Vec::new(), Vec::new());
        for notice in self.refused.latest(STORED_MAX) {
            let lines = if notice.authentic {
                &mut authentic
            } else {
                &mut others
            };
            lines.push(summary(&notice));
        }
        for line in self.stored_refused()? {
            let is_authentic = line["authentic"] == true;
            let lines = if is_authentic {
                &mut authentic
            } else {
                &mut others
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let (places, others_places) = shares(authentic.len(), others.len(), STORED_MAX);
        authentic.truncate(places);
        others.truncate(others_places);
        authentic.append(&mut others);
        Ok(authentic)
    }

    async fn store_refused(&self) -> Result<(), Fault> {
        let (lines, vault) = (self.lines_to_store()?, self.vault.clone());
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                // Those of orders that were erased meanwhile do not come back.
                let mut kept = Vec::with_capacity(lines.len());
                for line in &lines {
                    if !is_of_erased(tx, line)? {
                        kept.push(line.clone());
                    }
                }
                Ok(put_refused(tx, &vault, &kept)?)
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
        read_refused(&self.store.read()?, &self.vault)
    }

    /// Kept notices before number `before`, newest first, with their numbers.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn notices(&self, before: Option<u64>, max: usize) -> Result<Vec<(u64, Notice)>, Fault> {
        self.store.read()?.notices_before(before, max)
    }
}

type Lines = Vec<serde_json::Value>;

fn read_refused(rows: &impl Rows, vault: &Vault) -> Result<Lines, Fault> {
    let Some(sealed) = rows.meta(ROW)? else {
        return Ok(Vec::new());
    };
    let opened = match vault.open_erasable(NOTICES_LABEL, b"", &sealed) {
        Ok(opened) => opened,
        // As earlier versions sealed it.
        Err(_) => vault
            .open_for(ROW, b"", &sealed)
            .map_err(|_| Fault::Invariant("a sealed row opens"))?,
    };
    serde_json::from_slice(opened.expose()).map_err(|_| Fault::Invariant("a summary is JSON"))
}

fn put_refused(tx: &mut Tx<'_>, vault: &Vault, lines: &Lines) -> Result<(), Fault> {
    let text = serde_json::to_vec(lines).map_err(|_| Fault::Invariant("a summary is JSON"))?;
    let sealed = vault.seal_erasable(NOTICES_LABEL, b"", &text);
    tx.put_meta(
        ROW,
        &sealed.map_err(|error| Fault::Database(error.to_string()))?,
    )
}

fn is_of_erased(tx: &Tx<'_>, line: &serde_json::Value) -> Result<bool, Fault> {
    let order = line["order"].as_str().map(OrderId::parse);
    match order {
        Some(Ok(order)) => Ok(tx.erased(order)?.is_some()),
        _ => Ok(false),
    }
}

/// Takes what is about an order out of the refused notices on disk.
pub(super) fn without_order(tx: &mut Tx<'_>, vault: &Vault, order: OrderId) -> Result<(), Fault> {
    let (mut lines, number) = (read_refused(tx, vault)?, order.to_string());
    let count = lines.len();
    lines.retain(|line| line["order"] != number.as_str());
    match lines.len() == count {
        true => Ok(()),
        false => put_refused(tx, vault, &lines),
    }
}

/// Seals the refused notices on disk again, under the newest key.
pub(super) fn reseal_refused(tx: &mut Tx<'_>, vault: &Vault) -> Result<(), Fault> {
    match tx.meta(ROW)? {
        Some(_) => {
            let lines = read_refused(tx, vault)?;
            put_refused(tx, vault, &lines)
        }
        None => Ok(()),
    }
}

fn summary(notice: &RefusedNotice) -> serde_json::Value {
    let fields = notice.fields.iter();
    let fields: serde_json::Map<_, _> = fields
        .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
        .collect();
    serde_json::json!({
        "channel": notice.channel,
        "received_at_ms": notice.received_at_ms,
        "verdict": notice.verdict.as_str(),
        "why": notice.why,
        "authentic": notice.authentic,
        "order": notice.order.map(|order| order.to_string()),
        "fields": fields,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::TestShop;

    fn notice(channel: &str, authentic: bool, why: &str) -> RefusedNotice {
        RefusedNotice {
            channel: channel.to_owned(),
            received_at_ms: 1_000,
            verdict: Verdict::Refused,
            why: why.to_owned(),
            authentic,
            order: Some(OrderId(7)),
            fields: vec![("trade_no", "T1".to_owned())],
            raw: Vec::new(),
        }
    }

    fn whys(list: &[RefusedNotice]) -> Vec<&str> {
        list.iter().map(|notice| notice.why.as_str()).collect()
    }

    #[test]
    fn strangers_do_not_flush_what_bears_the_signature() {
        let rings = RefusedNotices::default();
        rings.push(notice("main", true, "money"));
        for _ in 0..=limits::BAD_NOTICES_KEPT_MAX {
            rings.push(notice("main", false, "junk"));
        }
        assert!(whys(&rings.latest(100)).contains(&"money"));
        assert_eq!(whys(&rings.latest(1)), ["money"]);
        // Nor do authentic ones hide the others.
        for _ in 0..200 {
            rings.push(notice("second", true, "money"));
        }
        let latest = rings.latest(100);
        let authentic = latest.iter().filter(|notice| notice.authentic).count();
        assert_eq!((latest.len(), authentic), (100, 50));
    }

    #[test]
    fn notices_of_one_millisecond_are_listed_newest_first() {
        let rings = RefusedNotices::default();
        for (channel, authentic, why) in [
            ("main", false, "1"),
            ("second", true, "2"),
            ("main", true, "3"),
            ("main", false, "4"),
        ] {
            rings.push(notice(channel, authentic, why));
        }
        assert_eq!(whys(&rings.latest(10)), ["4", "3", "2", "1"]);
    }

    #[test]
    fn there_are_never_more_rings_than_the_bound_counts() {
        let rings = RefusedNotices::default();
        for number in 0..100 {
            for authentic in [false, true] {
                rings.push(notice(&format!("channel-{number}"), authentic, "x"));
                rings.push(notice(OTHERS, authentic, "x"));
            }
        }
        let rings = rings.rings.lock().unwrap();
        assert_eq!(rings.authentic.len() + rings.others.len(), RINGS_MAX);
        assert_eq!(rings.authentic[OTHERS].len(), 193);
    }

    #[tokio::test]
    async fn what_bears_the_signature_is_on_disk_first_and_survives_a_start_and_a_stranger() {
        let test = TestShop::new();
        test.shop
            .refused_notices()
            .push(notice("main", true, "money"));
        test.shop
            .refused_notices()
            .push(notice("main", false, "junk"));
        test.shop.flush_refused().await.unwrap();
        let test = test.reopen();
        for _ in 0..300 {
            test.shop
                .refused_notices()
                .push(notice("main", false, "more junk"));
        }
        test.shop.flush_refused().await.unwrap();
        let stored = test.shop.stored_refused().unwrap();
        assert_eq!(stored.len(), STORED_MAX);
        let first = &stored[0];
        assert_eq!(
            (&first["why"], &first["authentic"]),
            (&"money".into(), &true.into())
        );
        assert_eq!(first["order"], OrderId(7).to_string());
        assert_eq!(first["fields"]["trade_no"], "T1");
        assert_eq!(stored[1]["why"], "more junk");
    }
}

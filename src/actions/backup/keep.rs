//! How long backups are kept.

use std::collections::BTreeSet;

use super::folder::Folder;
use super::{BackupError, Index, Place, SealedCopy};
use crate::actions::open_shop::Shop;

/// How many backups are kept. The newest verified one always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The newest of each of so many days that have one.
    pub daily: u32,
    /// The newest of each of so many weeks that have one.
    pub weekly: u32,
}

const DAY_MS: i64 = 24 * 3_600_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Copies of month keys at most.
const KEYS_MAX: usize = 2;
/// One that is not the newest goes at this age: an erasure reaches all copies within it.
const KEYS_MS: i64 = 48 * 3_600_000;

impl Shop {
    /// Removes the backups that `retention` does not keep, here and in the places where they were brought; what a place does not
    /// give up stays in the index, and is tried again. Gives how many left the index. Blocks.
    ///
    /// # Errors
    /// [`BackupError`]: the first of a place, after the others were tried.
    pub fn prune_backups(
        &self,
        retention: Retention,
        places: &[&dyn Place],
    ) -> Result<usize, BackupError> {
        let folder = Folder::hold(&self.folder)?;
        let mut index = Index::read(&self.folder)?;
        let kept = kept_data(&index.data, retention);
        let drop_unkept = |copies: &mut Vec<SealedCopy>, kept: &BTreeSet<String>| {
            for copy in copies {
                copy.dropped |= !kept.contains(&copy.name);
            }
        };
        drop_unkept(&mut index.data, &kept);
        let kept = kept_keys(&index.keys, self.now_ms());
        drop_unkept(&mut index.keys, &kept);
        // First what is to go, then its going: a kill between leaves it to the next run.
        folder.write_index(&index)?;
        let mut failed = None;
        let before = index.data.len() + index.keys.len();
        for copies in [&mut index.data, &mut index.keys] {
            for copy in copies.iter_mut().filter(|copy| copy.dropped) {
                folder.remove(&copy.name)?;
                let removed = remove_from_places(copy, places);
                failed = failed.or(removed.err());
            }
            copies.retain(|copy| !copy.dropped || !copy.places.is_empty());
        }
        folder.write_index(&index)?;
        let left = before - index.data.len() - index.keys.len();
        failed.map_or(Ok(left), Err)
    }
}

fn remove_from_places(copy: &mut SealedCopy, places: &[&dyn Place]) -> Result<(), BackupError> {
    let mut failed = None;
    for place in places {
        let name = place.name();
        if !copy.places.contains_key(&name) {
            continue;
        }
        match place.delete(&copy.name) {
            Ok(()) => drop(copy.places.remove(&name)),
            Err(error) => failed = failed.or(Some(error.into())),
        }
    }
    // A place that is not set up any more keeps what it has: nobody can reach it from here.
    copy.places
        .retain(|name, _| places.iter().any(|place| place.name() == *name));
    failed.map_or(Ok(()), Err)
}

/// The newest of each day and of each week, counted from the newest on.
fn kept_data(copies: &[SealedCopy], retention: Retention) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let present = || copies.iter().filter(|copy| !copy.dropped);
    let newest = present().max_by_key(|copy| (copy.at_ms, &copy.name));
    kept.extend(newest.map(|copy| copy.name.clone()));
    for (span_ms, count) in [(DAY_MS, retention.daily), (WEEK_MS, retention.weekly)] {
        let mut spans: Vec<i64> = present()
            .map(|copy| copy.at_ms.div_euclid(span_ms))
            .collect();
        spans.sort_unstable_by(|a, b| b.cmp(a));
        spans.dedup();
        for span in spans.into_iter().take(count as usize) {
            let within = present().filter(|copy| copy.at_ms.div_euclid(span_ms) == span);
            let newest = within.max_by_key(|copy| (copy.at_ms, &copy.name));
            kept.extend(newest.map(|copy| copy.name.clone()));
        }
    }
    kept
}

fn kept_keys(copies: &[SealedCopy], now_ms: i64) -> BTreeSet<String> {
    let mut present: Vec<_> = copies.iter().filter(|copy| !copy.dropped).collect();
    present.sort_by_key(|copy| std::cmp::Reverse((copy.at_ms, &copy.name)));
    let kept = present.into_iter().take(KEYS_MAX).enumerate();
    let kept = kept.filter(|(place, copy)| *place == 0 || now_ms - copy.at_ms <= KEYS_MS);
    kept.map(|(_, copy)| copy.name.clone()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn copies(hours: impl IntoIterator<Item = i64>) -> Vec<SealedCopy> {
        let copy = |hour: i64| SealedCopy {
            name: format!("h{hour}"),
            at_ms: hour * 3_600_000,
            ..SealedCopy::default()
        };
        hours.into_iter().map(copy).collect()
    }

    fn kept(copies: &[SealedCopy], daily: u32, weekly: u32) -> Vec<i64> {
        let kept = kept_data(copies, Retention { daily, weekly });
        let mut hours: Vec<i64> = kept.iter().map(|name| name[1..].parse().unwrap()).collect();
        hours.sort();
        hours
    }

    #[test]
    fn the_newest_of_each_day_and_week_is_kept() {
        // Every six hours over four weeks.
        let all = copies((0..28 * 4).map(|n| n * 6));
        assert_eq!(kept(&all, 3, 0), [618, 642, 666]);
        // Weeks are counted from the epoch; the newest day's is a week's, too.
        assert_eq!(kept(&all, 2, 3), [330, 498, 642, 666]);
    }

    #[test]
    fn the_newest_is_never_removed() {
        let all = copies([1, 2, 3]);
        assert_eq!(kept(&all, 0, 0), [3]);
        assert_eq!(kept(&all[..0], 7, 4), [0_i64; 0]);
        let mut dropped = all.clone();
        dropped[2].dropped = true;
        assert_eq!(kept(&dropped, 0, 0), [2]);
    }

    #[test]
    fn old_keys_go_within_two_days_and_the_newest_never() {
        let kept = |hours: &[i64], now: i64| {
            let copies = copies(hours.iter().copied());
            kept_keys(&copies, now * 3_600_000).len()
        };
        assert_eq!(kept(&[0, 24, 48], 48), 2);
        assert_eq!(kept(&[0, 24], 49), 1, "the older one is of two days ago");
        assert_eq!(kept(&[0], 1_000), 1);
    }
}

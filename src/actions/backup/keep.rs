//! How long backups are kept.

use std::collections::BTreeSet;

use super::folder::{Folder, LOCAL};
use super::{BackupError, Doubt, Index, Place, PlaceError, SealedCopy};
use crate::actions::open_shop::Shop;

/// How many backups are kept. The newest verified one always is, and the two before it: one made by hand before a mistake is not
/// gone with the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The newest of each of so many days that have one.
    pub daily: u32,
    /// The newest of each of so many weeks that have one.
    pub weekly: u32,
}

/// Kept whatever the rest says.
const NEWEST: usize = 3;
const DAY_MS: i64 = 24 * 3_600_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Copies of month keys at most.
const KEYS_MAX: usize = 2;
/// One that is not the newest goes at this age, and one that the newest data needs so long after it was superseded: an erasure
/// reaches all copies within it.
const KEYS_MS: i64 = 48 * 3_600_000;
/// Data that were found at a place stay at least so long, and the newest month keys with them: whoever restored an older backup than
/// there was goes back to them.
const FOUND_MS: i64 = 14 * DAY_MS;

/// What was read back from a place and its list does not show any more is remembered so long: a disk that was away shows it again.
const AWAY_MS: i64 = 100 * DAY_MS;
/// What was sent to a place that never gave it back is asked of it so long.
const UNPROVEN_MS: i64 = 60 * DAY_MS;

/// What a round of removing did.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Copies that left the index.
    pub left: usize,
    /// What places said that did not give up theirs.
    pub failed: Vec<PlaceError>,
}

impl Shop {
    /// Removes the backups that `retention` does not keep, here and in the places where they were brought; what a place does not
    /// give up stays in the index, and is tried again. The newest data and keys that were verified in a place stay there until
    /// newer ones are verified there. Blocks.
    ///
    /// # Errors
    /// [`BackupError`], of what concerns all places.
    pub fn prune_backups(
        &self,
        retention: Retention,
        places: &[&dyn Place],
    ) -> Result<Pruned, BackupError> {
        let folder = Folder::hold(&self.folder)?;
        let mut index = Index::read(&self.folder)?;
        let now_ms = self.now_ms();
        supersede(&mut index.keys, now_ms);
        let kept = kept_data(&index.data, retention, now_ms);
        let drop_unkept = |copies: &mut Vec<SealedCopy>, kept: &BTreeSet<String>| {
            for copy in copies {
                copy.dropped |= !kept.contains(&copy.name);
            }
        };
        drop_unkept(&mut index.data, &kept);
        let mut kept = kept_keys(&index.keys, index.last_data(), now_ms);
        kept.extend(kept_found_keys(&index, now_ms));
        drop_unkept(&mut index.keys, &kept);
        // First what is to go, then its going: a kill between leaves it to the next run.
        folder.write_index(&index)?;
        let (mut failed, mut refusing) = (Vec::new(), BTreeSet::new());
        let held = held(&index, places, now_ms);
        let before = index.data.len() + index.keys.len();
        for copies in [&mut index.data, &mut index.keys] {
            for copy in copies.iter_mut().filter(|copy| copy.dropped) {
                folder.remove(&copy.name)?;
                remove_from_places(copy, places, &held, now_ms, &mut failed, &mut refusing);
            }
            copies.retain(|copy| {
                !copy.dropped || !copy.places.is_empty() || !copy.unproven.is_empty()
            });
        }
        folder.write_index(&index)?;
        let left = before - index.data.len() - index.keys.len();
        Ok(Pruned { left, failed })
    }
}

/// Notes since when a copy of keys is not the newest. Nobody knows which keys a found one holds, and found data may need them: it is
/// superseded by the first erasure that own copies show, which take a key away, and not before it was found.
fn supersede(keys: &mut [SealedCopy], now_ms: i64) {
    let own: Vec<&SealedCopy> = keys.iter().filter(|copy| copy.found_ms.is_none()).collect();
    let erased = own.windows(2).find(|pair| !pair[1].opens(pair[0]));
    let erased_ms = erased.map(|pair| pair[1].at_ms.min(now_ms));
    for at in 0..keys.len() {
        let since_ms = match keys[at].found_ms {
            Some(found_ms) => erased_ms.map(|erased_ms| erased_ms.max(found_ms)),
            None => keys.get(at + 1).map(|next| next.at_ms.min(now_ms)),
        };
        keys[at].superseded_ms = keys[at].superseded_ms.or(since_ms);
    }
}

/// Place and name of what is not removed there: the newest data and keys that were verified there, and the keys of that data.
fn held(index: &Index, places: &[&dyn Place], now_ms: i64) -> BTreeSet<(String, String)> {
    let mut held = BTreeSet::new();
    for place in places.iter().map(|place| place.name()) {
        // One that is being sent again lies there still, perhaps.
        let is_there = |copy: &&SealedCopy| {
            copy.places.contains_key(&place) && !copy.doubted.contains_key(&place)
        };
        let data = index.data.iter().rev().find(is_there);
        let keys: Vec<&SealedCopy> = index.keys.iter().filter(is_there).collect();
        let names = [data, keys.last().copied(), fitting(&keys, data, now_ms)];
        let names = names.into_iter().flatten();
        held.extend(names.map(|copy| (place.clone(), copy.name.clone())));
    }
    held
}

fn remove_from_places(
    copy: &mut SealedCopy,
    places: &[&dyn Place],
    held: &BTreeSet<(String, String)>,
    now_ms: i64,
    failed: &mut Vec<PlaceError>,
    refusing: &mut BTreeSet<String>,
) {
    for place in places {
        let name = place.name();
        let was_read_back = copy.places.contains_key(&name);
        if !was_read_back && now_ms.saturating_sub(copy.at_ms) > UNPROVEN_MS {
            copy.unproven.remove(&name);
        }
        if !was_read_back && !copy.unproven.contains(&name) {
            continue;
        }
        if held.contains(&(name.clone(), copy.name.clone())) {
            if copy
                .superseded_ms
                .is_some_and(|since_ms| now_ms - since_ms > KEYS_MS)
            {
                let why = format!(
                    "it has taken nothing newer for two days, so {} still lies there, and what was erased since opens with it",
                    copy.name
                );
                failed.push(PlaceError { place: name, why });
            }
            continue;
        }
        // What is not there cannot be deleted; should it come back, it is not to be forgotten.
        let is_away = |doubt: &Doubt| {
            doubt.bytes.is_none() && now_ms.saturating_sub(doubt.since_ms) < AWAY_MS
        };
        if was_read_back && copy.doubted.get(&name).is_some_and(is_away) {
            continue;
        }
        // One that gave up nothing just now is not asked for each of many.
        if refusing.contains(&name) {
            continue;
        }
        match place.delete(&copy.name) {
            Ok(()) => {
                copy.places.remove(&name);
                copy.unproven.remove(&name);
                copy.doubted.remove(&name);
            }
            Err(error) => {
                refusing.insert(name);
                failed.push(error);
            }
        }
    }
    // A place that is not set up any more keeps what it has: nobody can reach it from here.
    let is_set_up = |name: &String| places.iter().any(|place| place.name() == *name);
    copy.places.retain(|name, _| is_set_up(name));
    copy.unproven.retain(is_set_up);
    copy.doubted.retain(|name, _| is_set_up(name));
}

/// The newest few, and the newest of each day and of each week, counted from the newest on. What a wrong clock dated later than
/// now counts as of now.
fn kept_data(copies: &[SealedCopy], retention: Retention, now_ms: i64) -> BTreeSet<String> {
    let present = || copies.iter().filter(|copy| !copy.dropped);
    let is_somewhere = |copy: &&SealedCopy| {
        copy.is_at(LOCAL) || copy.here || copy.places.keys().any(|place| copy.is_at(place))
    };
    let found = present().filter(|copy| is_freshly_found(copy, now_ms));
    let mut kept: BTreeSet<String> = found.map(|copy| copy.name.clone()).collect();
    // What is nowhere now perhaps comes back; until then it takes the place of no other.
    kept.extend(newest_of_spans(
        &present().collect::<Vec<_>>(),
        retention,
        now_ms,
    ));
    let there: Vec<&SealedCopy> = present().filter(is_somewhere).collect();
    kept.extend(newest_of_spans(&there, retention, now_ms));
    kept
}

fn newest_of_spans(copies: &[&SealedCopy], retention: Retention, now_ms: i64) -> BTreeSet<String> {
    let mut kept: BTreeSet<String> = BTreeSet::new();
    let newest = copies.iter().rev().take(NEWEST);
    kept.extend(newest.map(|copy| copy.name.clone()));
    for (span_ms, count) in [(DAY_MS, retention.daily), (WEEK_MS, retention.weekly)] {
        let span_of = |copy: &SealedCopy| copy.at_ms.min(now_ms).div_euclid(span_ms);
        let mut spans: Vec<i64> = copies.iter().map(|copy| span_of(copy)).collect();
        spans.sort_unstable_by(|a, b| b.cmp(a));
        spans.dedup();
        for span in spans.into_iter().take(count as usize) {
            let newest = copies.iter().rev().find(|copy| span_of(copy) == span);
            kept.extend(newest.map(|copy| copy.name.clone()));
        }
    }
    kept
}

/// The newest few, and those of the newest data, for a while.
fn kept_keys(copies: &[SealedCopy], data: Option<&SealedCopy>, now_ms: i64) -> BTreeSet<String> {
    let present: Vec<_> = copies.iter().filter(|copy| !copy.dropped).collect();
    let kept = present.iter().rev().take(KEYS_MAX).enumerate();
    let kept = kept.filter(|(place, copy)| *place == 0 || now_ms - copy.at_ms <= KEYS_MS);
    let kept = kept.map(|(_, copy)| *copy);
    let kept = kept.chain(fitting(&present, data, now_ms));
    kept.map(|copy| copy.name.clone()).collect()
}

/// Of each place, the shop's own folder being one, the newest keys that were found there, as long as data that were found there are
/// kept and nothing was erased since: else those data would not open.
fn kept_found_keys(index: &Index, now_ms: i64) -> BTreeSet<String> {
    let is_wanted = |copy: &&SealedCopy| !copy.dropped && is_freshly_found(copy, now_ms);
    let data = index.data.iter().filter(is_wanted);
    let places: BTreeSet<Option<&String>> = data.flat_map(found_at).collect();
    // The newest of all, and the newest that is there: either may be all that is left when a disk comes back, or does not.
    let newest = |place: Option<&String>| {
        let is_away = |copy: &SealedCopy| place.is_some_and(|place| !copy.is_at(place));
        let mut keys = index.keys.iter().rev().filter(is_wanted);
        let mut keys = keys
            .by_ref()
            .filter(|copy| found_at(copy).any(|at| at == place));
        let newest = keys.next();
        let there = newest.filter(|copy| is_away(copy));
        let there = there.and_then(|_| keys.find(|copy| !is_away(copy)));
        newest.into_iter().chain(there)
    };
    let newest = places.into_iter().flat_map(newest);
    let newest = newest.filter(|copy| !is_long_superseded(copy, now_ms));
    newest.map(|copy| copy.name.clone()).collect()
}

/// The places where a found copy lies, or lay when its disk was there; none stands for the shop's own folder.
fn found_at(copy: &SealedCopy) -> impl Iterator<Item = Option<&String>> {
    let here = copy.here.then_some(None);
    copy.places.keys().map(Some).chain(here)
}

fn is_freshly_found(copy: &SealedCopy, now_ms: i64) -> bool {
    let is_fresh = |found_ms: i64| now_ms.saturating_sub(found_ms) < FOUND_MS;
    copy.found_ms.is_some_and(is_fresh)
}

fn is_long_superseded(keys: &SealedCopy, now_ms: i64) -> bool {
    keys.superseded_ms
        .is_some_and(|since_ms| now_ms - since_ms >= KEYS_MS)
}

/// The newest keys that open all of `data`, if they are wanted still.
fn fitting<'a>(
    keys: &[&'a SealedCopy],
    data: Option<&SealedCopy>,
    now_ms: i64,
) -> Option<&'a SealedCopy> {
    let data = data.filter(|data| !data.labels.is_empty())?;
    let fits = keys.iter().rev().find(|keys| keys.opens(data)).copied();
    fits.filter(|keys| !is_long_superseded(keys, now_ms))
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
        let kept = kept_data(copies, Retention { daily, weekly }, i64::MAX);
        let mut hours: Vec<i64> = kept.iter().map(|name| name[1..].parse().unwrap()).collect();
        hours.sort();
        hours
    }

    #[test]
    fn the_newest_of_each_day_and_week_is_kept() {
        // Every six hours over four weeks.
        let all = copies((0..28 * 4).map(|n| n * 6));
        assert_eq!(kept(&all, 3, 0), [618, 642, 654, 660, 666]);
        // Weeks are counted from the epoch; the newest day's is a week's, too.
        assert_eq!(kept(&all, 2, 3), [330, 498, 642, 654, 660, 666]);
    }

    #[test]
    fn the_newest_are_never_removed() {
        let all = copies([1, 2, 3, 4, 5]);
        assert_eq!(kept(&all, 0, 0), [3, 4, 5]);
        assert_eq!(kept(&all[..0], 7, 4), [0_i64; 0]);
        let mut dropped = all.clone();
        dropped[4].dropped = true;
        assert_eq!(kept(&dropped, 0, 0), [2, 3, 4]);
    }

    #[test]
    fn old_keys_go_within_two_days_and_the_newest_never() {
        let kept = |hours: &[i64], now: i64| {
            let copies = copies(hours.iter().copied());
            kept_keys(&copies, None, now * 3_600_000).len()
        };
        assert_eq!(kept(&[0, 24, 48], 48), 2);
        assert_eq!(kept(&[0, 24], 49), 1, "the older one is of two days ago");
        assert_eq!(kept(&[0], 1_000), 1);
    }

    #[test]
    fn the_keys_of_the_newest_data_stay_two_days_after_others_took_their_place() {
        let mut keys = copies([0, 1, 2, 3]);
        for (copy, label) in keys.iter_mut().zip(["m", "m.1", "m.2", "m.3"]) {
            copy.labels = vec![label.to_owned()];
        }
        supersede(&mut keys, 3 * 3_600_000);
        let mut data = copies([0]).remove(0);
        data.labels = vec!["m".to_owned()];
        let has_first = |hour: i64| kept_keys(&keys, Some(&data), hour * 3_600_000).contains("h0");
        assert!(has_first(3) && has_first(48) && !has_first(49));
    }

    #[test]
    fn what_a_wrong_clock_dated_ahead_takes_no_place_of_another_day() {
        const NOW: i64 = 100;
        let all = copies([24, 48, 72, 10_000, 20_000, 30_000, 96, 97, 98]);
        let retention = Retention {
            daily: 4,
            weekly: 0,
        };
        let kept = kept_data(&all, retention, NOW * 3_600_000);
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        assert_eq!(kept, ["h24", "h48", "h72", "h96", "h97", "h98"]);
    }
}

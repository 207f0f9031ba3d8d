//! A set of slots: whole pages as intervals of pages, what lies within a page as some ranges or as a bit each. Memory
//! grows with what was inserted, never with how far a range reaches.

use crate::ledger::entry::SlotRange;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Slots of any batch. Bounds are checked by the caller before a range comes here.
#[derive(Default)]
pub(super) struct SlotSet {
    /// Pages that one range covered as a whole: by batch and first page, the last one. They neither overlap nor touch.
    covered: BTreeMap<(u64, u64), u64>,
    pages: Vec<Page>,
    /// Where the page of a batch and a number lies.
    places: BTreeMap<(u64, u64), usize>,
    /// The page touched last: sales go through a batch in its order.
    last: Option<((u64, u64), usize)>,
}

/// Slots within one page; never none.
enum Page {
    /// Ascending ranges that neither overlap nor touch.
    Few(Vec<(u16, u16)>),
    Bits(Box<[u64; WORDS]>),
}

impl SlotSet {
    /// Adds a range; gives the first slot that was there before, if any. After that the set is of no use.
    pub(super) fn insert(&mut self, range: &SlotRange) -> Result<(), u64> {
        let SlotRange { batch, first, last } = *range;
        let (mut page, last_page) = (first / PAGE_SLOTS, last / PAGE_SLOTS);
        if first % PAGE_SLOTS != 0 || (page == last_page && !ends_page(last)) {
            let end = last.min(page * PAGE_SLOTS + PAGE_SLOTS - 1);
            self.insert_in_page((batch, page), first, end)?;
            page += 1;
        }
        let whole_end = last_page + u64::from(ends_page(last));
        if page < whole_end {
            self.cover(batch, page, whole_end - 1)?;
            page = whole_end;
        }
        match page <= last_page {
            true => self.insert_in_page((batch, page), page * PAGE_SLOTS, last),
            false => Ok(()),
        }
    }

    /// Adds whole pages.
    fn cover(&mut self, batch: u64, mut first: u64, mut last: u64) -> Result<(), u64> {
        let keys = (batch, first)..=(batch, last);
        let covered = self
            .covered_before(batch, first)
            .filter(|before| before.1 >= first)
            .map(|_| first)
            .or_else(|| {
                let after = self.covered.range(keys.clone()).next();
                after.map(|((_, page), _)| *page)
            })
            .map(|page| page * PAGE_SLOTS);
        let touched = self.places.range(keys).next();
        let touched = touched.map(|((_, page), at)| page * PAGE_SLOTS + self.pages[*at].first());
        if let Some(twice) = covered.into_iter().chain(touched).min() {
            return Err(twice);
        }
        if let Some(before) = self.covered_before(batch, first)
            && before.1 + 1 == first
        {
            first = before.0;
        }
        if let Some(end) = self.covered.remove(&(batch, last + 1)) {
            last = end;
        }
        self.covered.insert((batch, first), last);
        Ok(())
    }

    /// The interval of whole pages that begins at this page or is the last before it.
    fn covered_before(&self, batch: u64, page: u64) -> Option<(u64, u64)> {
        let mut before = self.covered.range((batch, 0)..=(batch, page));
        before.next_back().map(|((_, first), last)| (*first, *last))
    }

    /// Adds slots that lie in one page and are not all of it.
    fn insert_in_page(&mut self, key: (u64, u64), first: u64, last: u64) -> Result<(), u64> {
        let start = key.1 * PAGE_SLOTS;
        // Invariant: both are within the page.
        let (low, high) = ((first - start) as u16, (last - start) as u16);
        if let Some(place) = self.place(key) {
            let found = self.pages[place].insert(low..=high);
            return found.map_or(Ok(()), |slot| Err(start + u64::from(slot)));
        }
        if self
            .covered_before(key.0, key.1)
            .is_some_and(|before| before.1 >= key.1)
        {
            return Err(first);
        }
        self.pages.push(Page::Few(vec![(low, high)]));
        let place = self.pages.len() - 1;
        self.places.insert(key, place);
        self.last = Some((key, place));
        Ok(())
    }

    fn place(&mut self, key: (u64, u64)) -> Option<usize> {
        if let Some((_, place)) = self.last.filter(|(last, _)| *last == key) {
            return Some(place);
        }
        let place = self.places.get(&key).copied()?;
        self.last = Some((key, place));
        Some(place)
    }
}

impl Page {
    /// The first slot there is.
    fn first(&self) -> u64 {
        match self {
            Self::Few(ranges) => ranges.first().map_or(0, |range| u64::from(range.0)),
            Self::Bits(words) => {
                let word = words.iter().position(|bits| *bits != 0).unwrap_or(0);
                word as u64 * 64 + u64::from(words[word].trailing_zeros() % 64)
            }
        }
    }

    /// Adds slots; gives the first that was there before.
    fn insert(&mut self, slots: RangeInclusive<u16>) -> Option<u16> {
        match self {
            Self::Few(ranges) => {
                let (mut first, mut last) = slots.into_inner();
                let at = ranges.partition_point(|range| range.1 < first);
                if let Some(range) = ranges.get(at).filter(|range| range.0 <= last) {
                    return Some(range.0.max(first));
                }
                let (mut from, mut to) = (at, at);
                if at > 0 && ranges[at - 1].1 + 1 == first {
                    (first, from) = (ranges[at - 1].0, at - 1);
                }
                if let Some(range) = ranges.get(at).filter(|range| last + 1 == range.0) {
                    (last, to) = (range.1, at + 1);
                }
                ranges.splice(from..to, [(first, last)]);
                if ranges.len() > FEW_MAX {
                    let mut words = Box::new([0; WORDS]);
                    for (first, last) in ranges {
                        set(&mut words, *first..=*last);
                    }
                    *self = Self::Bits(words);
                }
                None
            }
            Self::Bits(words) => set(words, slots),
        }
    }
}

/// Sets bits; gives the first that was set before.
fn set(words: &mut [u64; WORDS], slots: RangeInclusive<u16>) -> Option<u16> {
    let mut twice = None;
    for slot in slots {
        // Invariant: a slot within a page is below `PAGE_SLOTS`.
        let (bits, bit) = (&mut words[usize::from(slot) / 64], 1_u64 << (slot % 64));
        if *bits & bit != 0 {
            twice = twice.or(Some(slot));
        }
        *bits |= bit;
    }
    twice
}

const fn ends_page(slot: u64) -> bool {
    slot % PAGE_SLOTS == PAGE_SLOTS - 1
}

const PAGE_SLOTS: u64 = 4096;
const WORDS: usize = (PAGE_SLOTS / 64) as usize;
/// Most ranges of a page before it takes a bit for each slot.
const FEW_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn range(first: u64, last: u64) -> SlotRange {
        let batch = 3;
        SlotRange { batch, first, last }
    }

    #[test]
    fn a_slot_goes_in_once() {
        let mut set = SlotSet::default();
        assert_eq!(set.insert(&range(5, 10_000)), Ok(()));
        assert_eq!(set.insert(&range(0, 4)), Ok(()));
        assert_eq!(set.insert(&range(10_001, 10_001)), Ok(()));
        assert_eq!(set.insert(&range(4, 4)), Err(4));
        assert_eq!(set.insert(&range(5000, 5000)), Err(5000));
        assert_eq!(set.insert(&range(9_999, 20_000)), Err(9_999));
        assert_eq!(set.insert(&range(20_001, 30_000)), Ok(()));
        assert_eq!(set.insert(&range(30_000, 30_000)), Err(30_000));
    }

    #[test]
    fn a_range_over_all_slots_takes_no_more_memory_than_one() {
        let mut set = SlotSet::default();
        for batch in 0..100 {
            let (first, last) = (1, u64::from(u32::MAX) * 4096);
            let range = SlotRange { batch, first, last };
            assert_eq!(set.insert(&range), Ok(()));
        }
        assert_eq!((set.pages.len(), set.covered.len()), (200, 100));
    }

    /// Every other slot of a page, so many that it takes a bit for each.
    fn dense(from: u64) -> SlotSet {
        let mut set = SlotSet::default();
        for slot in (from..from + 400).step_by(2) {
            assert_eq!(set.insert(&range(slot, slot)), Ok(()));
        }
        assert!(matches!(set.pages.as_slice(), [Page::Bits(_)]));
        set
    }

    #[test]
    fn a_page_of_many_ranges_notices_each_slot_twice() {
        for from in [0, 70, PAGE_SLOTS + 6] {
            for slot in [0, 2, 62, 64, 66, 126, 128, 130, 398].map(|slot| from + slot) {
                assert_eq!(dense(from).insert(&range(slot, slot)), Err(slot));
                let mut set = dense(from);
                assert_eq!(set.insert(&range(slot + 1, slot + 1)), Ok(()));
                assert_eq!(set.insert(&range(slot + 1, slot + 1)), Err(slot + 1));
            }
            assert_eq!(
                dense(from).insert(&range(from + 301, from + 398)),
                Err(from + 302)
            );
            // A whole page, and more than one.
            let page = from / PAGE_SLOTS * PAGE_SLOTS;
            let end = page + PAGE_SLOTS - 1;
            assert_eq!(dense(from).insert(&range(page, end)), Err(from));
            assert_eq!(dense(from).insert(&range(0, end + 9)), Err(from));
        }
        let mut few = SlotSet::default();
        assert_eq!(few.insert(&range(9, 9)), Ok(()));
        assert_eq!(few.insert(&range(0, PAGE_SLOTS - 1)), Err(9));
    }

    #[test]
    fn it_says_what_a_set_of_single_slots_says() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let mut refused = 0;
        for _ in 0..300 {
            let (mut set, mut model) = (SlotSet::default(), HashSet::new());
            for step in 0..200 {
                let edge = random(12) * PAGE_SLOTS;
                let first = match step % 3 {
                    0 => edge,
                    _ => random(12 * PAGE_SLOTS),
                };
                let last = match random(40) {
                    0 => (random(12) * PAGE_SLOTS + PAGE_SLOTS - 1).max(first),
                    1 => first + random(9000),
                    _ => first + random(3),
                };
                let expected = (first..=last).find(|slot| model.contains(slot));
                let outcome = set.insert(&range(first, last));
                assert_eq!(outcome.err(), expected, "{first}-{last}");
                if expected.is_some() {
                    refused += 1;
                    break;
                }
                model.extend(first..=last);
            }
        }
        assert!(refused > 100);
    }
}

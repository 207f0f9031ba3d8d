//! A set of slots in a bit each: pages made when first touched, a whole page as one mark.

use crate::ledger::entry::SlotRange;
use std::collections::HashMap;

/// Slots of any batch. Bounds are checked by the caller before a range comes here.
#[derive(Default)]
pub(super) struct SlotSet {
    pages: Vec<Page>,
    /// Where the page of a batch and a number lies.
    places: HashMap<(u64, u64), usize>,
    /// The page touched last: sales go through a batch in its order.
    last: Option<((u64, u64), usize)>,
}

enum Page {
    Full,
    Bits(Box<[u64; WORDS]>),
}

impl SlotSet {
    /// Adds a range; gives the first slot that was there before, if any.
    pub(super) fn insert(&mut self, range: &SlotRange) -> Result<(), u64> {
        let mut twice = None;
        for number in range.first / PAGE_SLOTS..=range.last / PAGE_SLOTS {
            let start = number * PAGE_SLOTS;
            let first = range.first.max(start) - start;
            let last = range.last.min(start + PAGE_SLOTS - 1) - start;
            let found = self.insert_in_page((range.batch, number), first, last);
            twice = twice.or(found.map(|slot| start + slot));
        }
        twice.map_or(Ok(()), Err)
    }

    fn insert_in_page(&mut self, key: (u64, u64), first: u64, last: u64) -> Option<u64> {
        let place = match self.place(key) {
            Some(place) => place,
            None => {
                let whole = last - first + 1 == PAGE_SLOTS;
                self.pages.push(match whole {
                    true => Page::Full,
                    false => Page::Bits(Box::new([0; WORDS])),
                });
                let place = self.pages.len() - 1;
                self.places.insert(key, place);
                self.last = Some((key, place));
                if whole {
                    return None;
                }
                place
            }
        };
        match &mut self.pages[place] {
            Page::Full => Some(first),
            Page::Bits(words) => {
                let mut twice = None;
                for slot in first..=last {
                    let (bits, bit) = (&mut words[word(slot)], 1_u64 << (slot % 64));
                    if *bits & bit != 0 && twice.is_none() {
                        twice = Some(slot);
                    }
                    *bits |= bit;
                }
                twice
            }
        }
    }
}

impl SlotSet {
    fn place(&mut self, key: (u64, u64)) -> Option<usize> {
        if let Some((_, place)) = self.last.filter(|(last, _)| *last == key) {
            return Some(place);
        }
        let place = self.places.get(&key).copied()?;
        self.last = Some((key, place));
        Some(place)
    }
}

/// Invariant: a slot within a page is below `PAGE_SLOTS`.
fn word(slot: u64) -> usize {
    (slot / 64) as usize
}

const PAGE_SLOTS: u64 = 4096;
const WORDS: usize = (PAGE_SLOTS / 64) as usize;

#[cfg(test)]
mod tests {
    use super::*;

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
}

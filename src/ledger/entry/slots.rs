//! Lists of slots: `batch:index` and `batch:first-last` joined by commas, with one spelling for each set.

use super::scan::natural;
use std::fmt;

/// Slots `first ..= last` of one batch; `first <= last`, all below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRange {
    /// Number of the batch.
    pub batch: u64,
    /// First index, from 0.
    pub first: u64,
    /// Last index, inclusive.
    pub last: u64,
}

impl SlotRange {
    /// How many slots. Never expand a range before its bounds were checked against its batch.
    pub const fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}:{}", self.batch, self.first)
        } else {
            write!(f, "{}:{}-{}", self.batch, self.first, self.last)
        }
    }
}

/// A set of slots: ranges ascending by batch and index, merged as far as they go. Its text is its only spelling.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SlotList {
    ranges: Vec<SlotRange>,
}

impl SlotList {
    /// From (batch, index) pairs in any order; `None` if a slot is there twice.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (u64, u32)>) -> Option<Self> {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_unstable();
        let mut list = Self::default();
        for (batch, index) in pairs {
            let index = u64::from(index);
            match list.ranges.last_mut() {
                Some(range) if range.batch == batch && range.last == index => return None,
                Some(range) if range.batch == batch && range.last + 1 == index => {
                    range.last = index;
                }
                _ => list.ranges.push(SlotRange {
                    batch,
                    first: index,
                    last: index,
                }),
            }
        }
        Some(list)
    }

    /// The set of one slot; both numbers below 2^53.
    pub(super) fn one(batch: u64, index: u64) -> Self {
        let (first, last) = (index, index);
        let ranges = vec![SlotRange { batch, first, last }];
        Self { ranges }
    }

    /// Reads the one spelling of a set that is not empty; `None` for everything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut ranges = Vec::<SlotRange>::new();
        for part in text.split(',') {
            let range = parse_range(part)?;
            if let Some(before) = ranges.last() {
                let same_batch = before.batch == range.batch;
                // A range that touches the one before should have been merged with it.
                let after = before.batch < range.batch
                    || (same_batch && before.last.saturating_add(1) < range.first);
                if !after {
                    return None;
                }
            }
            ranges.push(range);
        }
        Some(Self { ranges })
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[SlotRange] {
        &self.ranges
    }

    /// Number of slots.
    pub fn count(&self) -> u64 {
        // A list of parsed ranges cannot reach u64::MAX: at most 1024 bytes, each range below 2^53.
        self.ranges
            .iter()
            .fold(0, |sum, range| sum.saturating_add(range.count()))
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, batch: u64, index: u64) -> bool {
        self.ranges
            .iter()
            .any(|range| range.batch == batch && (range.first..=range.last).contains(&index))
    }

    /// Cuts off as many ranges from the front as fit `text_bytes_max` bytes of text.
    pub fn split_front(&mut self, text_bytes_max: usize) -> Self {
        let mut bytes = 0;
        let mut fitting = 0;
        for range in &self.ranges {
            bytes += range.to_string().len() + usize::from(fitting > 0);
            if bytes > text_bytes_max {
                break;
            }
            fitting += 1;
        }
        let rest = self.ranges.split_off(fitting);
        Self {
            ranges: std::mem::replace(&mut self.ranges, rest),
        }
    }
}

impl fmt::Display for SlotList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, range) in self.ranges.iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            fmt::Display::fmt(range, f)?;
        }
        Ok(())
    }
}

fn parse_range(text: &str) -> Option<SlotRange> {
    let (batch, indices) = text.split_once(':')?;
    let batch = natural(batch)?;
    let Some((first, last)) = indices.split_once('-') else {
        let index = natural(indices)?;
        return Some(SlotRange {
            batch,
            first: index,
            last: index,
        });
    };
    let (first, last) = (natural(first)?, natural(last)?);
    (first < last).then_some(SlotRange { batch, first, last })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_merged_ranges_and_read_back() {
        let list = SlotList::from_pairs([(3, 9), (0, 1), (3, 7), (3, 8), (0, 5)]).unwrap();
        assert_eq!(list.to_string(), "0:1,0:5,3:7-9");
        assert_eq!(SlotList::parse(&list.to_string()), Some(list.clone()));
        assert_eq!(list.count(), 5);
        assert!(list.contains(3, 8) && !list.contains(3, 6) && !list.contains(1, 1));
        assert_eq!(SlotList::from_pairs([(0, 1), (0, 1)]), None);
    }

    #[test]
    fn a_list_in_another_spelling_is_malformed() {
        let wrong = "|0|0:|:1|0:1,|,0:1|0:01|00:1|0:1-1|0:2-1|0:1,0:2|0:1-2,0:3|0:5,0:1|1:0,0:0|0:1,0:1|0:1-3,0:2|\
                     0:-1|0:1-2-3|0:1 |+0:1|0:9007199254740992|0:1-99999999999999999999|0:1;0:3|٣:1";
        for text in wrong.split('|') {
            assert_eq!(SlotList::parse(text), None, "{text:?}");
        }
        assert!(SlotList::parse("0:0-9007199254740991").is_some());
    }

    #[test]
    fn a_list_is_cut_where_its_text_no_longer_fits() {
        let mut rest = SlotList::parse("0:1,0:3,10:5-6").unwrap();
        assert_eq!(rest.split_front(7).to_string(), "0:1,0:3");
        assert_eq!(rest.split_front(5).to_string(), "");
        assert_eq!(rest.split_front(6).to_string(), "10:5-6");
        assert!(rest.is_empty());
    }
}

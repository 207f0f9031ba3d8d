//! Copies at a place that the index does not know: of an index that was lost, or of the machine before this one.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::folder::{NAME_BEGIN, is_name};
use super::{DATA_ENDING, Index, KEYS_ENDING, PlaceError, Placed, SealedCopy};
use crate::actions::open_shop::Shop;
use crate::store::Fault;

/// What lies at a place and is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strange {
    /// How many files look like backups and are not in the index.
    pub files: u64,
    /// The first of them.
    pub first: String,
    /// Why nobody knows, where the place gives no list.
    pub why: Option<String>,
}

impl Shop {
    /// Takes the copies of `listed` that this shop made, as their names say, into the index, from where they are removed in their
    /// time: what a place keeps for ever an erasure never reaches. Only those that are older than all that this index saw made; a
    /// younger one is being kept by another copy of this shop. Nobody here has verified them, so they count as no backup. Gives
    /// what is left where it is.
    pub(super) fn take_over(
        &self,
        index: &mut Index,
        place: &str,
        listed: Result<Vec<Placed>, PlaceError>,
    ) -> Result<Strange, Fault> {
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                return Ok(Strange {
                    why: Some(error.why),
                    ..Strange::default()
                });
            }
        };
        let (mark, now_ms) = (self.mark()?, self.now_ms());
        let own = index.data.iter().chain(&index.keys);
        let own = own.filter(|copy| copy.found_ms.is_none());
        let before_ms = own.map(|copy| copy.at_ms).min();
        let mut strange = Strange::default();
        for one in listed {
            let (copies, ending) = match one.name.ends_with(DATA_ENDING) {
                true => (&mut index.data, DATA_ENDING),
                false => (&mut index.keys, KEYS_ENDING),
            };
            if !is_name(&one.name, ending) {
                continue;
            }
            let known = copies.iter_mut().find(|copy| copy.name == one.name);
            let named = Named::parse(&one.name, ending);
            match (known, named) {
                (Some(known), _) if known.bytes == one.bytes => {
                    if known.found_ms.is_some() {
                        known.places.entry(place.to_owned()).or_insert(now_ms);
                    }
                }
                // Another shop's, that shares the place.
                (None, Some(named)) if named.mark != mark => {}
                (None, Some(named)) if before_ms.is_some_and(|own_ms| named.at_ms < own_ms) => {
                    let at = copies
                        .partition_point(|copy| copy.found_ms.is_some() && copy.name < one.name);
                    let copy = SealedCopy {
                        name: one.name,
                        at_ms: named.at_ms,
                        bytes: one.bytes,
                        places: BTreeMap::from([(place.to_owned(), now_ms)]),
                        found_ms: Some(now_ms),
                        ..SealedCopy::default()
                    };
                    copies.insert(at, copy);
                }
                _ => {
                    strange.files += 1;
                    if strange.first.is_empty() {
                        strange.first = one.name;
                    }
                }
            }
        }
        Ok(strange)
    }

    /// What the names of this shop's copies have in common: of its installation number, which it keeps on another machine.
    pub(super) fn mark(&self) -> Result<String, Fault> {
        let hash = blake3::hash(&self.install()?);
        Ok(hex::encode(&hash.as_bytes()[..4]))
    }
}

/// What a copy's name says.
struct Named {
    at_ms: i64,
    mark: String,
}

impl Named {
    /// Of `keystall-20261122T093000Z-MARK-RANDOM` and the ending; none of another form, as older versions gave.
    fn parse(name: &str, ending: &str) -> Option<Self> {
        let middle = name.strip_prefix(NAME_BEGIN)?.strip_suffix(ending)?;
        let mut parts = middle.split('-');
        let (at, mark, _random) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let at = DateTime::strptime("%Y%m%dT%H%M%SZ", at).ok()?;
        let at_ms = at
            .to_zoned(TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_millisecond();
        Some(Self {
            at_ms,
            mark: mark.to_owned(),
        })
    }
}

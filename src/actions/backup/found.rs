//! What lies at a place, held against the index: copies that are gone from there or were cut short, and those that it does not
//! know, of an index that was lost or of the machine before this one.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::folder::{Folder, LOCAL, NAME_BEGIN, is_name};
use super::{
    BackupError, DATA_ENDING, Doubt, FolderPlace, Index, KEYS_ENDING, Place, PlaceError, Placed,
    SealedCopy,
};
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

/// What came of a look at a place.
#[derive(Default)]
pub(super) struct Looked {
    /// What is left alone there.
    pub(super) strange: Strange,
    /// What had been read back there and is gone or has another length since this look: told once.
    pub(super) lost: Option<String>,
}

impl Shop {
    /// Holds what `listed` shows against the index, and takes the copies that this shop made, as their names say, into it, from where
    /// they are removed in their time: what a place keeps for ever an erasure never reaches. Only those that are older than all
    /// that this index saw made; a younger one is being kept by another copy of this shop. Nobody here has verified them, so they
    /// count as no backup. Gives what is left where it is.
    pub(super) fn look_at(
        &self,
        index: &mut Index,
        place: &str,
        listed: Result<Vec<Placed>, PlaceError>,
    ) -> Result<Looked, Fault> {
        let mut looked = Looked::default();
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                looked.strange.why = Some(error.why);
                return Ok(looked);
            }
        };
        let (known, now_ms) = (self.known(index)?, self.now_ms());
        looked.lost = hold_against(index, place, &listed, now_ms);
        for one in listed {
            let Some((copies, ending)) = copies_of(index, &one.name) else {
                continue;
            };
            match copies.iter_mut().find(|copy| copy.name == one.name) {
                Some(copy) if copy.found_ms.is_none() => {}
                Some(copy) if copy.bytes == one.bytes => {
                    copy.places.entry(place.to_owned()).or_insert(now_ms);
                    copy.unproven.remove(place);
                }
                None if known.is_others(&one.name, ending) => {}
                None if known.is_ours(&one.name, ending) => {
                    let places = BTreeMap::from([(place.to_owned(), now_ms)]);
                    let found = found(one, ending, now_ms);
                    insert_found(copies, SealedCopy { places, ..found });
                }
                _ => {
                    looked.strange.files += 1;
                    if looked.strange.first.is_empty() {
                        looked.strange.first = one.name;
                    }
                }
            }
        }
        Ok(looked)
    }

    /// The same of the shop's own folder, where nobody else makes copies: those of this shop are all taken over. What else lies there
    /// is left alone. Gives what was lost.
    pub(super) fn look_here(
        &self,
        index: &mut Index,
        folder: &Folder,
    ) -> Result<Option<String>, BackupError> {
        let listed = FolderPlace(folder.path.clone()).list(NAME_BEGIN)?;
        let (known, now_ms) = (self.known(index)?, self.now_ms());
        let lost = hold_against(index, LOCAL, &listed, now_ms);
        for copy in index.data.iter_mut().chain(&mut index.keys) {
            copy.here = false;
        }
        for one in listed {
            let Some((copies, ending)) = copies_of(index, &one.name) else {
                continue;
            };
            match copies.iter_mut().find(|copy| copy.name == one.name) {
                Some(copy) => copy.here = copy.found_ms.is_some() && copy.bytes == one.bytes,
                None if known.has_made(&one.name, ending) => {
                    let (here, found) = (true, found(one, ending, now_ms));
                    insert_found(copies, SealedCopy { here, ..found });
                }
                None => {}
            }
        }
        Ok(lost)
    }

    fn known(&self, index: &Index) -> Result<Known, Fault> {
        let own = index.data.iter().chain(&index.keys);
        let own = own.filter(|copy| copy.found_ms.is_none());
        Ok(Known {
            mark: self.mark()?,
            before_ms: own.map(|copy| copy.at_ms).min(),
        })
    }

    /// What the names of this shop's copies have in common: of its installation number, which it keeps on another machine.
    pub(super) fn mark(&self) -> Result<String, Fault> {
        let hash = blake3::hash(&self.install()?);
        Ok(hex::encode(&hash.as_bytes()[..4]))
    }
}

/// What is gone from a place, or has another length there than was read back from it, is doubted until a list shows it as it was: a
/// disk may be away for a while. What lies there and was never read back is known from here on, so that it goes in its time.
/// Gives what is doubted since this look.
fn hold_against(index: &mut Index, place: &str, listed: &[Placed], now_ms: i64) -> Option<String> {
    let lengths = listed.iter().map(|one| (one.name.as_str(), one.bytes));
    let lengths: BTreeMap<&str, u64> = lengths.collect();
    let mut lost: Vec<String> = Vec::new();
    for copy in index.data.iter_mut().chain(&mut index.keys) {
        let there = lengths.get(copy.name.as_str()).copied();
        let was_read_back = match place {
            LOCAL => copy.is_own(),
            _ => copy.places.contains_key(place),
        };
        if place != LOCAL && !was_read_back && there.is_some() {
            copy.unproven.insert(place.to_owned());
        }
        let was_there = was_read_back || copy.unproven.contains(place);
        if !was_there || there == Some(copy.bytes) {
            copy.doubted.remove(place);
            continue;
        }
        let before = copy.doubted.get(place).copied();
        if before.is_none() && was_read_back && copy.is_own() {
            lost.push(match there {
                None => format!("{} is gone", copy.name),
                Some(there) => format!("{}: {there} bytes of {}", copy.name, copy.bytes),
            });
        }
        let doubt = Doubt {
            since_ms: before.map_or(now_ms, |before| before.since_ms),
            bytes: there,
            again_ms: before.and_then(|before| before.again_ms),
        };
        copy.doubted.insert(place.to_owned(), doubt);
    }
    let first = lost.first()?;
    let others = match lost.len() - 1 {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    Some(format!(
        "{first}{others}: is its disk there, does something else delete there? It counts as no backup"
    ))
}

/// Which of the index's copies a file of that name would be among, and the ending of their names; none if it is no backup's name.
fn copies_of<'a>(
    index: &'a mut Index,
    name: &str,
) -> Option<(&'a mut Vec<SealedCopy>, &'static str)> {
    let (copies, ending) = match name.ends_with(DATA_ENDING) {
        true => (&mut index.data, DATA_ENDING),
        false => (&mut index.keys, KEYS_ENDING),
    };
    is_name(name, ending).then_some((copies, ending))
}

fn found(one: Placed, ending: &str, now_ms: i64) -> SealedCopy {
    SealedCopy {
        at_ms: Named::parse(&one.name, ending).map_or(now_ms, |named| named.at_ms),
        name: one.name,
        bytes: one.bytes,
        found_ms: Some(now_ms),
        ..SealedCopy::default()
    }
}

/// Before those that were made here, in the order of their names, which is that of their time.
fn insert_found(copies: &mut Vec<SealedCopy>, copy: SealedCopy) {
    let at = copies.partition_point(|other| other.found_ms.is_some() && other.name < copy.name);
    copies.insert(at, copy);
}

/// What tells this shop's copies from others'.
struct Known {
    mark: String,
    /// The oldest that the index saw made.
    before_ms: Option<i64>,
}

impl Known {
    /// Of another shop, that shares the place.
    fn is_others(&self, name: &str, ending: &str) -> bool {
        Named::parse(name, ending).is_some_and(|named| named.mark != self.mark)
    }

    /// Of this shop, and made before the index begins.
    fn is_ours(&self, name: &str, ending: &str) -> bool {
        let is_older = |named: Named| self.before_ms.is_some_and(|own_ms| named.at_ms < own_ms);
        self.has_made(name, ending) && Named::parse(name, ending).is_some_and(is_older)
    }

    /// Of this shop.
    fn has_made(&self, name: &str, ending: &str) -> bool {
        Named::parse(name, ending).is_some_and(|named| named.mark == self.mark)
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

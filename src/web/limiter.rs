//! What one client may take: places at a time, look-ups over time, and tries at one order's password.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::{AddressPrefix, Contact, OrderId};

/// Places of one line, where this machine itself has more: the proxy or the tests on it stand for many.
#[derive(Clone, Copy)]
pub(super) struct LineMax {
    pub(super) remote: u32,
    pub(super) loopback: u32,
}

/// How many places each key has taken.
pub(super) struct Places<K: Eq + Hash + Copy>(Arc<Mutex<HashMap<K, u32>>>);

/// One place, given back when dropped.
pub(super) struct Place<K: Eq + Hash + Copy> {
    places: Places<K>,
    key: K,
}

/// Look-ups by number and password: each line has some at once and then one at a time, and each number, known or not, is tried
/// more and more slowly.
#[derive(Default)]
pub(super) struct Lookups(Mutex<Tried>);

/// How often each key did one thing lately: some at once and then one at a time.
pub(super) struct Paces<K: Eq + Hash + Copy>(Mutex<HashMap<K, i64>>);

#[derive(Default)]
struct Tried {
    /// When a line has all its look-ups again, Unix milliseconds.
    whole_at_ms: HashMap<AddressPrefix, i64>,
    numbers: HashMap<[u8; 16], Tries>,
}

/// Some at once, and then one in each `every_ms`.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    burst: i64,
    every_ms: i64,
}

#[derive(Clone, Copy)]
struct Tries {
    count: u32,
    last_ms: i64,
}

/// Look-ups of one line: ten at once, then one in six seconds.
const REMOTE: Pace = Pace {
    burst: 10,
    every_ms: 6_000,
};
/// Those of this machine itself, which stands for many: each number still has its own delay.
const LOOPBACK: Pace = Pace {
    burst: 500,
    every_ms: 100,
};
/// Links of one line that open nothing: a browser meets a few, a guesser many.
const WRONG_LINKS: Pace = Pace {
    burst: 60,
    every_ms: 1_000,
};
/// Those of this machine itself.
const WRONG_LINKS_LOOPBACK: Pace = Pace {
    burst: 10_000,
    every_ms: 10,
};
/// Lines of the log about one proxy that is not trusted: one in a minute.
pub(super) const UNKNOWN_PROXY_TOLD: Pace = Pace {
    burst: 1,
    every_ms: 60_000,
};
/// Mails that one line may ask for: links to inboxes, and wishes, each: ten in an hour.
const MAILS_OF_LINE: Pace = Pace {
    burst: 10,
    every_ms: 360_000,
};
/// Links that are mailed to one contact, whoever asks: three in an hour.
pub(super) const LINKS_OF_CONTACT: Pace = Pace {
    burst: 3,
    every_ms: 1_200_000,
};
/// The same in a day: whoever asks, a contact is not flooded.
pub(super) const LINKS_OF_CONTACT_DAILY: Pace = Pace {
    burst: 6,
    every_ms: 14_400_000,
};
/// Wishes in the name of one contact, over all products, whoever makes them: three in a day.
pub(super) const WISHES_OF_CONTACT: Pace = Pace {
    burst: 3,
    every_ms: 28_800_000,
};
/// Tries at one number without a delay: a buyer mistypes.
const FREE_TRIES: u32 = 4;
/// The first delay; each further one is twice as long.
const DELAY_MS: i64 = 1_000;
/// The longest delay: a stranger who tries must not lock the buyer out for long.
const DELAY_MS_MAX: i64 = 60_000;
/// A number that was not tried for as long is forgotten.
const NUMBER_KEPT_MS: i64 = 3_600_000;
/// Lines and numbers remembered, each.
const REMEMBERED_MAX: usize = 10_000;

impl LineMax {
    /// The places of the line of `address`.
    pub(super) fn of(self, address: IpAddr) -> u32 {
        if address.to_canonical().is_loopback() {
            self.loopback
        } else {
            self.remote
        }
    }
}

impl<K: Eq + Hash + Copy> Places<K> {
    /// A place for `key`; none when it has `max`.
    pub(super) fn take(&self, key: K, max: u32) -> Option<Place<K>> {
        let mut counts = locked(&self.0);
        let count = counts.get(&key).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        counts.insert(key, count + 1);
        let places = Self(self.0.clone());
        Some(Place { places, key })
    }
}

impl<K: Eq + Hash + Copy> Default for Places<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Copy> Drop for Place<K> {
    fn drop(&mut self) {
        let mut counts = locked(&self.places.0);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            // Never a zero, so that the map is no longer than the places that are taken.
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl Lookups {
    /// Counts a look-up before its password is hashed, so that guesses at the same time count as well.
    ///
    /// # Errors
    /// Milliseconds after which it may be tried again.
    pub(super) fn admit(&self, line: IpAddr, number: &str, now_ms: i64) -> Result<(), i64> {
        let mut tried = locked(&self.0);
        let loopback = line.to_canonical().is_loopback();
        let pace = if loopback { LOOPBACK } else { REMOTE };
        admit(
            &mut tried.whole_at_ms,
            AddressPrefix::of(line),
            pace,
            now_ms,
        )?;
        tried.admit_number(name(number), now_ms)
    }

    /// Forgets the tries at a number whose password was right.
    pub(super) fn right(&self, number: &str) {
        locked(&self.0).numbers.remove(&name(number));
    }
}

impl Pace {
    /// The pace of the line of `address` at links that open nothing.
    pub(super) fn wrong_links_of(address: IpAddr) -> Self {
        if address.to_canonical().is_loopback() {
            WRONG_LINKS_LOOPBACK
        } else {
            WRONG_LINKS
        }
    }

    /// The pace of the line of `address` at asking for mails. This machine itself stands for many.
    pub(super) fn mails_of(address: IpAddr) -> Self {
        if address.to_canonical().is_loopback() {
            LOOPBACK
        } else {
            MAILS_OF_LINE
        }
    }
}

impl<K: Eq + Hash + Copy> Paces<K> {
    /// Counts one more of `key`.
    ///
    /// # Errors
    /// Milliseconds after which it may be tried again; then nothing was counted.
    pub(super) fn admit(&self, key: K, pace: Pace, now_ms: i64) -> Result<(), i64> {
        admit(&mut locked(&self.0), key, pace, now_ms)
    }
}

impl<K: Eq + Hash + Copy> Default for Paces<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Tried {
    fn admit_number(&mut self, name: [u8; 16], now_ms: i64) -> Result<(), i64> {
        let fresh = |tries: &Tries| now_ms - tries.last_ms < NUMBER_KEPT_MS;
        let before = self.numbers.get(&name).copied().map(|tries| Tries {
            last_ms: tries.last_ms.min(now_ms),
            ..tries
        });
        let before = before.filter(fresh);
        let count = before.map_or(0, |tries| tries.count);
        if let Some(tries) = before {
            let early_ms = tries.last_ms + delay_ms(count) - now_ms;
            if early_ms > 0 {
                return Err(early_ms);
            }
        }
        if self.numbers.len() >= REMEMBERED_MAX && !self.numbers.contains_key(&name) {
            self.numbers.retain(|_, tries| fresh(tries));
            drop_least(&mut self.numbers, |tries| (tries.count, tries.last_ms));
        }
        let count = count.saturating_add(1);
        let last_ms = now_ms;
        self.numbers.insert(name, Tries { count, last_ms });
        Ok(())
    }
}

/// A bucket as one time (generic cell rate algorithm): each look-up moves it on, and it may lie no further ahead than the whole
/// bucket lasts. `whole_at_ms` says when each key has all its tries again.
fn admit<K: Eq + Hash + Copy>(
    whole_at_ms: &mut HashMap<K, i64>,
    key: K,
    pace: Pace,
    now_ms: i64,
) -> Result<(), i64> {
    // A clock that was put back must not shut anybody out: no bucket is emptier than empty.
    let latest_ms = now_ms + pace.burst * pace.every_ms;
    let whole = whole_at_ms
        .get(&key)
        .copied()
        .unwrap_or(now_ms)
        .min(latest_ms);
    let moved = whole.max(now_ms) + pace.every_ms;
    let early_ms = moved - now_ms - pace.burst * pace.every_ms;
    if early_ms > 0 {
        return Err(early_ms);
    }
    if whole_at_ms.len() >= REMEMBERED_MAX && !whole_at_ms.contains_key(&key) {
        whole_at_ms.retain(|_, whole| *whole > now_ms);
        // All are in use: the one that has taken least is forgotten, which frees no guesser.
        drop_least(whole_at_ms, |whole| *whole);
    }
    whole_at_ms.insert(key, moved);
    Ok(())
}

/// The delay after so many tries.
fn delay_ms(tries: u32) -> i64 {
    match tries.checked_sub(FREE_TRIES) {
        None => 0,
        // 2^6 s is beyond the longest.
        Some(more) => (DELAY_MS << more.min(6)).min(DELAY_MS_MAX),
    }
}

/// One name for all ways to write a number; of a bounded length, whatever was typed.
fn name(number: &str) -> [u8; 16] {
    let known = OrderId::parse(number).map(|id| id.to_string());
    hashed(known.as_deref().unwrap_or(number))
}

/// One name for all ways to write a contact.
pub(super) fn contact_name(contact: &Contact) -> [u8; 16] {
    hashed(&contact.canonical())
}

fn hashed(text: &str) -> [u8; 16] {
    let mut name = [0; 16];
    name.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    name
}

/// Drops the entry of the least rank, where the map is full.
fn drop_least<K: Eq + Hash + Copy, V, R: Ord>(map: &mut HashMap<K, V>, rank: impl Fn(&V) -> R) {
    if map.len() < REMEMBERED_MAX {
        return;
    }
    let least = map.iter().min_by_key(|(_, value)| rank(value));
    if let Some(key) = least.map(|(key, _)| *key) {
        map.remove(&key);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held, and what it guards is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(number: u32) -> IpAddr {
        IpAddr::V4((0xCB00_0000 + number).into())
    }

    #[test]
    fn places_are_counted_for_each_key_and_given_back() {
        let places = Places::default();
        let two = [places.take(1, 2).unwrap(), places.take(1, 2).unwrap()];
        assert!(places.take(1, 2).is_none());
        assert!(places.take(2, 2).is_some());
        drop(two);
        assert!(places.take(1, 2).is_some());
        assert!(locked(&places.0).is_empty());
    }

    #[test]
    fn a_line_has_ten_look_ups_and_then_one_every_six_seconds() {
        let lookups = Lookups::default();
        let ask = |number: u32, now_ms| lookups.admit(line(1), &format!("n{number}"), now_ms);
        for number in 0..10 {
            assert_eq!(ask(number, 0), Ok(()));
        }
        assert_eq!(ask(10, 0), Err(6_000));
        assert_eq!(ask(11, 5_999), Err(1));
        assert_eq!(ask(12, 6_000), Ok(()));
        assert_eq!(ask(13, 6_000), Err(6_000));
        assert_eq!(lookups.admit(line(2), "n13", 6_000), Ok(()));
    }

    #[test]
    fn a_contact_gets_three_links_an_hour_and_a_line_asks_for_ten_mails() {
        let (contacts, lines) = (Paces::default(), Paces::default());
        for (asks, pace) in [(3, LINKS_OF_CONTACT), (10, Pace::mails_of(line(1)))] {
            for _ in 0..asks {
                assert_eq!(contacts.admit([1; 16], pace, 0), Ok(()));
            }
            assert!(contacts.admit([1; 16], pace, 0).is_err());
            assert_eq!(contacts.admit([1; 16], pace, 3_600_000), Ok(()));
            assert_eq!(lines.admit([2; 16], pace, 0), Ok(()));
            contacts.0.lock().unwrap().clear();
        }
    }

    #[test]
    fn a_number_is_tried_more_and_more_slowly_from_wherever() {
        let lookups = Lookups::default();
        let (mut now_ms, mut waits) = (0, Vec::new());
        for guesser in 0..14 {
            if let Err(wait_ms) = lookups.admit(line(guesser), "n", now_ms) {
                waits.push(wait_ms);
                now_ms += wait_ms;
                assert_eq!(lookups.admit(line(guesser), "n", now_ms), Ok(()));
            }
        }
        let seconds = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60];
        assert_eq!(waits, seconds.map(|s| s * 1_000));
        assert_eq!(lookups.admit(line(20), "n", now_ms), Err(60_000));
        lookups.right("n");
        assert_eq!(lookups.admit(line(21), "n", now_ms), Ok(()));
    }

    #[test]
    fn one_number_written_in_two_ways_is_one_number() {
        let number = OrderId::at(1_795_000_000_000, 7).to_string();
        assert_eq!(name(&number), name(&number.to_lowercase()));
        assert_ne!(name(&number), name("n"));
    }

    #[test]
    fn a_flood_of_numbers_makes_no_guesser_forgotten() {
        let lookups = Lookups::default();
        for guess in 0..5 {
            lookups.admit(line(guess), "target", 0).ok();
        }
        for flood in 0..REMEMBERED_MAX as u32 + 50 {
            lookups
                .admit(line(100 + flood), &format!("n{flood}"), 1)
                .unwrap();
        }
        let tried = locked(&lookups.0);
        assert_eq!(tried.numbers.len(), REMEMBERED_MAX);
        assert_eq!(tried.whole_at_ms.len(), REMEMBERED_MAX);
        drop(tried);
        assert!(lookups.admit(line(50), "target", 1).is_err());
    }
}

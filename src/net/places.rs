//! How many connections there may be, in all and of one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::address::{AddressPrefix, Cidr};

/// The places for connections.
pub(super) struct Places {
    counts: Mutex<Counts>,
    all_max: u32,
    per_address_max: u32,
    exempt: Vec<Cidr>,
}

#[derive(Default)]
struct Counts {
    all: u32,
    /// Never holds a zero, so it is no longer than `all`.
    by_address: HashMap<AddressPrefix, u32>,
}

/// One connection's place, given back when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    prefix: Option<AddressPrefix>,
}

impl Places {
    /// `per_address_max` 0 is no cap; loopback and `exempt` are never capped by address.
    pub(super) fn new(all_max: u32, per_address_max: u32, exempt: Vec<Cidr>) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            all_max,
            per_address_max,
            exempt,
        })
    }

    /// A place for a connection from `address` (`None`: this machine); none when all are taken.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let prefix = address
            .filter(|address| self.is_capped(*address))
            .map(AddressPrefix::of);
        let mut counts = self.counts();
        if counts.all >= self.all_max {
            return None;
        }
        if let Some(prefix) = prefix {
            let count = counts.by_address.entry(prefix).or_insert(0);
            if *count >= self.per_address_max {
                return None;
            }
            *count += 1;
        }
        counts.all += 1;
        Some(Place {
            places: self.clone(),
            prefix,
        })
    }

    fn is_capped(&self, address: IpAddr) -> bool {
        self.per_address_max > 0
            && !address.to_canonical().is_loopback()
            && !self.exempt.iter().any(|network| network.contains(address))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics while it is held, and the counts are whole after each statement anyway.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.counts();
        counts.all -= 1;
        if let Some(prefix) = self.prefix
            && let Some(count) = counts.by_address.get_mut(&prefix)
        {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&prefix);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let places = Places::new(10, 2, vec![Cidr::parse("198.51.100.7").unwrap()]);
        let first = places.take(from("203.0.113.1")).unwrap();
        let _second = places.take(from("::ffff:203.0.113.1")).unwrap();
        assert!(places.take(from("203.0.113.1")).is_none());
        let _neighbour = places.take(from("203.0.113.2")).unwrap();
        let _v6: Vec<_> = (0..2)
            .map(|_| places.take(from("2001:db8::1")).unwrap())
            .collect();
        assert!(places.take(from("2001:db8::2")).is_none(), "the same /64");
        drop(first);
        assert!(places.take(from("203.0.113.1")).is_some());
    }

    #[test]
    fn loopback_and_trusted_proxies_are_capped_only_in_all() {
        let places = Places::new(5, 1, vec![Cidr::parse("198.51.100.0/24").unwrap()]);
        let _held: Vec<_> = [
            "127.0.0.1",
            "127.0.0.1",
            "198.51.100.7",
            "198.51.100.7",
            "::1",
        ]
        .map(|address| places.take(from(address)).unwrap())
        .into();
        assert!(places.take(None).is_none());
    }

    #[test]
    fn counts_of_addresses_that_left_are_forgotten() {
        let places = Places::new(5, 1, Vec::new());
        drop(places.take(from("203.0.113.1")));
        assert!(places.counts().by_address.is_empty());
        assert_eq!(places.counts().all, 0);
    }
}

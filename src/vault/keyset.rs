//! The keys that everything in a shop is derived from: one row of the database, sealed under the root key.
//!
//! Two kinds, because a new root key must not change what lies in buyers' mails. The *identity* key never changes: links to orders
//! and inboxes, fingerprints of keys, contacts and payments, and the wrapping of `erase.keys`, which an older copy of the database
//! must still open. *Sealing* keys are replaced with the root key: the newest seals, the older ones open until nothing needs them.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::seal::{DataKey, SealError};
use crate::domain::{Entropy, seams::random};

type Base = Zeroizing<[u8; 32]>;

/// Purposes whose keys came from the root key itself in shops founded before schema 5. They are kept as they were: links and
/// fingerprints made with them are out in the world.
const KEPT_SINCE_BEFORE: [&str; 9] = [
    "contact",
    "erase.keys",
    "inbox link",
    "key",
    "order form",
    "order link",
    "payment",
    "refused payment",
    "setting",
];
/// First byte of the row's plain form.
const VERSION: u8 = 1;
/// Sealing keys at a time: a root key is not replaced so often that more are waited for.
pub(super) const SEALING_MAX: usize = 4;

/// What a shop's keys are derived from.
#[derive(Clone)]
pub(super) struct Keyset {
    identity: Base,
    kept: BTreeMap<String, Base>,
    /// The newest first; never empty.
    sealing: Vec<Base>,
}

impl Keyset {
    /// The keys of a new shop.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        Self {
            identity: fresh(entropy),
            kept: BTreeMap::new(),
            sealing: vec![fresh(entropy)],
        }
    }

    /// The keys of a shop from before schema 5, which has no such row: all come from the root key.
    pub(super) fn of_root(root: &[u8; 32]) -> Self {
        Self {
            identity: Zeroizing::new(*root),
            kept: BTreeMap::new(),
            sealing: vec![Zeroizing::new(*root)],
        }
    }

    /// The first row of such a shop: links and fingerprints stay, all else is sealed anew by and by.
    pub(super) fn freed_of_root(root: &[u8; 32], entropy: &dyn Entropy) -> Self {
        let kept = KEPT_SINCE_BEFORE.map(|purpose| {
            let key = Zeroizing::new(derive(root, purpose));
            (purpose.to_owned(), key)
        });
        Self {
            identity: fresh(entropy),
            kept: kept.into(),
            sealing: vec![fresh(entropy), Zeroizing::new(*root)],
        }
    }

    /// The same with another sealing key in front.
    pub(super) fn with_new_sealing(&self, entropy: &dyn Entropy) -> Self {
        let mut sealing = vec![fresh(entropy)];
        sealing.extend(self.sealing.iter().cloned());
        Self {
            sealing,
            ..self.clone()
        }
    }

    /// The same without the older sealing keys.
    pub(super) fn newest_alone(&self) -> Self {
        Self {
            sealing: self.sealing[..1].to_vec(),
            ..self.clone()
        }
    }

    /// Sealing keys beside the newest.
    pub(super) fn older(&self) -> usize {
        self.sealing.len() - 1
    }

    /// The key of a purpose that never changes.
    pub(super) fn identity(&self, purpose: &str) -> [u8; 32] {
        self.kept
            .get(purpose)
            .map_or_else(|| derive(&self.identity, purpose), |kept| **kept)
    }

    /// The keys that open what was sealed for a purpose, the newest first, which seals.
    pub(super) fn sealing(&self, purpose: &str) -> impl Iterator<Item = DataKey> {
        let of = |base: &Base| DataKey::from_bytes(derive(base, purpose));
        self.sealing.iter().map(of)
    }

    /// The key that seals for a purpose.
    pub(super) fn newest(&self, purpose: &str) -> DataKey {
        DataKey::from_bytes(derive(&self.sealing[0], purpose))
    }

    /// The row's plain form: version, identity key, kept keys by purpose, sealing keys.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(512));
        out.push(VERSION);
        out.extend_from_slice(&*self.identity);
        // Nine purposes of at most 15 bytes, four sealing keys.
        out.push(self.kept.len() as u8);
        for (purpose, key) in &self.kept {
            out.push(purpose.len() as u8);
            out.extend_from_slice(purpose.as_bytes());
            out.extend_from_slice(&**key);
        }
        out.push(self.sealing.len() as u8);
        for key in &self.sealing {
            out.extend_from_slice(&**key);
        }
        out
    }

    /// Reads what [`Keyset::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        read(bytes).ok_or(SealError::Forged)
    }
}

/// The key of one purpose below another.
pub(super) fn derive(base: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("keystall 2026-11 vault purpose v1");
    hasher.update(base);
    hasher.update(purpose.as_bytes());
    *hasher.finalize().as_bytes()
}

/// `N` bytes of a MAC over `bytes`.
pub(super) fn mac<const N: usize>(key: &[u8; 32], bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    blake3::Hasher::new_keyed(key)
        .update(bytes)
        .finalize_xof()
        .fill(&mut out);
    out
}

fn fresh(entropy: &dyn Entropy) -> Base {
    Zeroizing::new(random(entropy))
}

fn read(bytes: &[u8]) -> Option<Keyset> {
    let mut rest = bytes.strip_prefix(&[VERSION])?;
    let identity = key(&mut rest)?;
    let mut kept = BTreeMap::new();
    for _ in 0..byte(&mut rest)? {
        let len = usize::from(byte(&mut rest)?);
        let (purpose, behind) = rest.split_at_checked(len)?;
        rest = behind;
        let purpose = std::str::from_utf8(purpose).ok()?.to_owned();
        kept.insert(purpose, key(&mut rest)?);
    }
    let count = byte(&mut rest)?;
    let sealing: Option<Vec<Base>> = (0..count).map(|_| key(&mut rest)).collect();
    let sealing = sealing.filter(|sealing| !sealing.is_empty())?;
    rest.is_empty().then_some(Keyset {
        identity,
        kept,
        sealing,
    })
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(byte)
}

fn key(rest: &mut &[u8]) -> Option<Base> {
    let (key, behind) = rest.split_first_chunk::<32>()?;
    *rest = behind;
    Some(Zeroizing::new(*key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::vault::SystemEntropy;

    #[test]
    fn a_row_of_keys_reads_back_and_a_cut_one_does_not() {
        for keyset in [
            Keyset::new(&SystemEntropy),
            Keyset::freed_of_root(&[7; 32], &SystemEntropy).with_new_sealing(&SystemEntropy),
        ] {
            let bytes = keyset.to_bytes();
            let read = Keyset::from_bytes(&bytes).unwrap();
            assert_eq!(*read.to_bytes(), *bytes);
            for cut in 0..bytes.len() {
                assert!(Keyset::from_bytes(&bytes[..cut]).is_err(), "{cut}");
            }
            assert!(Keyset::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn an_older_shop_keeps_the_keys_of_its_links_and_fingerprints_and_no_other() {
        let old = Keyset::of_root(&[7; 32]);
        let freed = Keyset::freed_of_root(&[7; 32], &SystemEntropy);
        for purpose in KEPT_SINCE_BEFORE {
            assert_eq!(freed.identity(purpose), old.identity(purpose), "{purpose}");
        }
        assert_ne!(
            freed.identity("something new"),
            old.identity("something new")
        );
        assert_eq!(freed.older(), 1, "what the root key sealed opens");
        assert_eq!(freed.newest_alone().older(), 0);
    }
}

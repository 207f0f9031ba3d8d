//! A pool's keys: one, or two while what lies in the pool is sealed again under the newer.

use super::seal::{Aad, DataKey, SealError};
use crate::domain::{Entropy, Secret};

/// The keys of a pool: the newest seals, each opens.
pub struct PoolKey {
    /// The newest first; never empty.
    pub(super) keys: Vec<DataKey>,
}

impl PoolKey {
    /// Seals `plain` under the newest key.
    pub fn seal(&self, entropy: &dyn Entropy, place: &Aad<'_>, plain: &[u8]) -> Vec<u8> {
        self.keys[0].seal(entropy, place, plain)
    }

    /// Opens what any of its keys sealed for the same place.
    ///
    /// # Errors
    /// [`SealError::Forged`].
    pub fn open(&self, place: &Aad<'_>, sealed: &[u8]) -> Result<Secret, SealError> {
        open_with(self.keys.iter(), place, sealed).map(|(_, opened)| opened)
    }

    /// The same bytes under the newest key; none where they are that already.
    ///
    /// # Errors
    /// [`SealError::Forged`].
    pub fn reseal(
        &self,
        entropy: &dyn Entropy,
        place: &Aad<'_>,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, SealError> {
        let (at, opened) = open_with(self.keys.iter(), place, sealed)?;
        Ok((at > 0).then(|| self.seal(entropy, place, opened.expose())))
    }

    /// Whether an older key is there.
    pub fn is_being_replaced(&self) -> bool {
        self.keys.len() > 1
    }
}

/// Opens with the first key that does; tells which.
pub(super) fn open_with<K: std::borrow::Borrow<DataKey>>(
    keys: impl Iterator<Item = K>,
    place: &Aad<'_>,
    sealed: &[u8],
) -> Result<(usize, Secret), SealError> {
    let mut error = SealError::Forged;
    for (at, key) in keys.enumerate() {
        match key.borrow().open(place, sealed) {
            Ok(opened) => return Ok((at, opened)),
            Err(refused) => error = refused,
        }
    }
    Err(error)
}

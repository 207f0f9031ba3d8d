//! A buyer finds an order again by its number and password. Wrong and unknown look the same and take the same time.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::deliver::open_private;
use super::open_shop::Shop;
use crate::domain::{OrderId, Secret};
use crate::limits;
use crate::store::{Fault, Rows};
use crate::vault::{PasswordHash, verify_password};

/// Why no order was found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No such number, no password on it, or another password.
    #[error("no order has this number and password")]
    Unknown,
    /// Too many look-ups at once.
    #[error("too many look-ups at once")]
    Busy,
    /// The shop failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Longest wait for a turn to hash; beyond it the shop says that it is busy.
const TURN_WAIT: Duration = Duration::from_secs(3);

impl Shop {
    /// The order of that number, if the password is its own.
    ///
    /// # Errors
    /// [`FindError`]; unknown numbers cost the same hash as wrong passwords.
    pub async fn find_order(&self, number: &str, password: Secret) -> Result<OrderId, FindError> {
        let (id, known) = self.password_of(number)?;
        let turn = self.hashing_turn().await.ok_or(FindError::Busy)?;
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            password.len() <= limits::PASSWORD_BYTES_MAX && verify_password(&known, &password)
        });
        let right = checked
            .await
            .map_err(|_| Fault::Invariant("hashing a password does not fail"))?;
        id.filter(|_| right).ok_or(FindError::Unknown)
    }

    /// The order and its password hash, or none and a decoy's.
    fn password_of(&self, number: &str) -> Result<(Option<OrderId>, PasswordHash), Fault> {
        let decoy = PasswordHash {
            salt: [0; 16],
            hash: [0; 32],
        };
        let snapshot = self.store.read()?;
        // A look into the store is made for every number, so that time tells nothing.
        let id = OrderId::parse(number).unwrap_or(OrderId(0));
        let Some(order) = snapshot.order(id)? else {
            return Ok((None, decoy));
        };
        if order.is_erased() {
            // Its password is gone with the rest.
            return Ok((None, decoy));
        }
        match open_private(&self.vault, &order)?.0.password {
            Some((salt, hash)) => Ok((Some(order.id), PasswordHash { salt, hash })),
            None => Ok((None, decoy)),
        }
    }

    /// A turn to hash a password; none when the queue is full or too slow.
    pub(super) async fn hashing_turn(&self) -> Option<HashingTurn> {
        let place = self.hash_queue.clone().try_acquire_owned().ok()?;
        let turn = self.hashing.clone().acquire_owned();
        let turn = tokio::time::timeout(TURN_WAIT, turn).await.ok()?.ok()?;
        Some(HashingTurn {
            _turn: turn,
            _place: place,
        })
    }
}

/// A turn to hash, and the place in the queue that it was waited for in; both are given back when dropped.
pub(super) struct HashingTurn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use crate::testing::TestShop;

    #[test]
    fn a_queue_of_passwords_that_is_full_says_so_at_once() {
        let till = TestShop::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let mut context = Context::from_waker(Waker::noop());
        let mut queue: Vec<_> = (0..34)
            .map(|_| Box::pin(till.shop.hashing_turn()))
            .collect();
        let mut turns = Vec::new();
        for one in &mut queue {
            if let Poll::Ready(turn) = one.as_mut().poll(&mut context) {
                turns.push(turn.unwrap());
            }
        }
        assert_eq!(turns.len(), 2, "the others wait");
        let mut late = Box::pin(till.shop.hashing_turn());
        assert!(matches!(
            late.as_mut().poll(&mut context),
            Poll::Ready(None)
        ));
        turns.pop();
        let mut next = Box::pin(till.shop.hashing_turn());
        assert!(next.as_mut().poll(&mut context).is_pending());
    }
}

//! Forms that were sent twice: one filled-in form makes one order, however often it arrives.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::domain::OrderId;

/// The number of one rendered order form: 128 random bits, as 32 hex digits in its hidden field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub [u8; 16]);

/// Forms that made an order lately, in memory only: after a restart a repetition is an order of its own.
#[derive(Default)]
pub(super) struct Tickets(Mutex<Used>);

#[derive(Default)]
struct Used {
    orders: HashMap<[u8; 16], (OrderId, i64)>,
    /// The same, the oldest first.
    ages: VecDeque<([u8; 16], i64)>,
}

/// How long a repetition is one.
const KEPT_MS: i64 = 10 * 60_000;
/// Forms remembered: orders of ten minutes on a busy day. Beyond it the oldest are forgotten.
const REMEMBERED_MAX: usize = 10_000;

impl Ticket {
    /// Reads the field. None for what is not the text of a ticket: the form counts as one without.
    pub fn parse(text: &str) -> Option<Self> {
        let mut ticket = [0; 16];
        hex::decode_to_slice(text, &mut ticket).ok()?;
        Some(Self(ticket))
    }

    /// The text of the field.
    pub fn text(self) -> String {
        hex::encode(self.0)
    }
}

impl Tickets {
    /// The order that this form made, if it did within the last ten minutes. It may have been taken back since, with its whole
    /// write: the caller looks whether it is there.
    pub(super) fn order(&self, form: &[u8; 16], now_ms: i64) -> Option<OrderId> {
        let used = self.used();
        let (order, at_ms) = used.orders.get(form)?;
        (now_ms - at_ms < KEPT_MS).then_some(*order)
    }

    /// Remembers what a form made.
    pub(super) fn remember(&self, form: [u8; 16], order: OrderId, now_ms: i64) {
        let mut used = self.used();
        used.orders.insert(form, (order, now_ms));
        used.ages.push_back((form, now_ms));
        while let Some((oldest, at_ms)) = used.ages.front().copied() {
            if used.ages.len() <= REMEMBERED_MAX && now_ms - at_ms < KEPT_MS {
                break;
            }
            used.ages.pop_front();
            // A form remembered anew is forgotten by its newer age.
            if used
                .orders
                .get(&oldest)
                .is_some_and(|(_, kept)| *kept == at_ms)
            {
                used.orders.remove(&oldest);
            }
        }
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Used> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_its_text_and_nothing_else_is_one() {
        let ticket = Ticket([7; 16]);
        assert!(Ticket::parse(&ticket.text()) == Some(ticket));
        for odd in ["", "07", "zz", &"g".repeat(32), &"0".repeat(33)] {
            assert!(Ticket::parse(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn forms_are_forgotten_after_ten_minutes_and_beyond_ten_thousand() {
        let tickets = Tickets::default();
        let form = |number: u64| {
            let mut form = [0; 16];
            form[..8].copy_from_slice(&number.to_be_bytes());
            form
        };
        tickets.remember(form(0), OrderId(1), 0);
        assert_eq!(tickets.order(&form(0), KEPT_MS - 1).map(|id| id.0), Some(1));
        assert!(tickets.order(&form(0), KEPT_MS).is_none());
        for number in 1..=REMEMBERED_MAX as u64 {
            tickets.remember(form(number), OrderId(number), 1);
        }
        let used = tickets.used();
        assert_eq!((used.orders.len(), used.ages.len()), (10_000, 10_000));
        assert!(!used.orders.contains_key(&form(0)));
    }
}

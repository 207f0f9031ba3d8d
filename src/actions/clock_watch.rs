//! The wall clock held against one that only goes forward: what a moved clock must not do, and that the ledger tells of it.
//!
//! Deadlines are wall times, so that they outlive a restart; time itself passes by the other clock. When the wall clock was moved, the
//! deadlines of unpaid orders move with it in the same commit as the `clock` entry: nobody's order ends by a jump, none is held a
//! day longer, and the page's countdown goes on. Messages that wait move with a clock that was put back. The ledger's own times never
//! go back (`chain.rs`): after a jump forth and back they stand until the clock has caught up, with both entries to say why.
//!
//! Over a restart nobody knows how much time passed. A clock that is ahead is taken for an outage: providers are asked before anything
//! expires, and what was paid meanwhile is delivered by the rules for late payments. A clock that is behind gives no order more than
//! its whole time again ([`Shop::mend_deadlines`]).

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::open_shop::{Shop, unwritten};
use crate::domain::{Clock, Effect, Order, seams::random};
use crate::ledger::entry::Body;
use crate::store::{Fault, Rows, Tx, WriteError};

/// What the looks at both clocks have found.
pub(super) struct LastLook {
    look: Mutex<Look>,
    /// Held while a jump is dealt with: who expires orders waits for it.
    turn: tokio::sync::Mutex<()>,
}

/// A move of the wall clock against the other.
#[derive(Clone, Copy, Debug)]
struct Jump {
    by_ms: i64,
    /// The wall clock at the look before it.
    from_ms: i64,
    /// The wall clock at the look that found it.
    to_ms: i64,
}

impl Jump {
    /// Whether an order of this time was made by the clock as it is after the jump, at most `ttl_ms` before its deadline: that
    /// deadline is right already. One of the same seconds before the jump is no longer held than a new one.
    fn spares(&self, made_at_ms: i64, deadline_ms: i64, ttl_ms: i64) -> bool {
        // Of a clock that stands still or creeps, which jumps by seconds again and again, every order would look new.
        let large = self.by_ms.saturating_abs() >= TOLD_AT_ONCE_MS;
        let new = self.from_ms.saturating_add(self.by_ms)..=self.to_ms;
        large && new.contains(&made_at_ms) && deadline_ms.saturating_sub(made_at_ms) <= ttl_ms
    }
}

#[derive(Clone, Copy, Debug)]
struct Look {
    wall_ms: i64,
    monotonic_ms: i64,
    /// By how much the wall clock moved against the other and nothing was done about it yet.
    skew_ms: i64,
    /// The wall clock before a jump that nothing was done about yet.
    undone_from_ms: Option<i64>,
    /// Of what was done, how much stands in no entry yet.
    untold_ms: i64,
    /// When the last entry was written, by the clock that only goes forward.
    told_at_ms: Option<i64>,
    /// The same of the last heartbeat of this process.
    marked_at_ms: Option<i64>,
}

/// A jump of more is told (ledger.md, section 1).
const SKEW_MS_MAX: i64 = 2_000;
/// The clock that only goes forward counts this many milliseconds while NTP slews one at most, twice its own limit of 500 ppm: so
/// much is no jump.
const SLEWED_ONE_IN: i64 = 1_000;
/// Smaller jumps are told together, this far apart: a clock that stands still makes one every few seconds.
const TOLD_EVERY_MS: i64 = 10 * 60_000;
const TOLD_AT_ONCE_MS: i64 = 60_000;
/// Deadlines that are moved in one commit: more than a shop's stock holds.
const MOVED_MAX: usize = 100_000;

impl LastLook {
    pub(super) fn new(clock: &dyn Clock) -> Self {
        let look = Look {
            wall_ms: clock.now_ms(),
            monotonic_ms: clock.monotonic_ms(),
            skew_ms: 0,
            undone_from_ms: None,
            untold_ms: 0,
            told_at_ms: None,
            marked_at_ms: None,
        };
        Self {
            look: Mutex::new(look),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The wall clock at the last look: until then deadlines are true.
    pub(super) fn wall_ms(&self) -> i64 {
        self.look().wall_ms
    }

    /// The jump since the last look that did something, if there is one; looks again.
    fn jump(&self, clock: &dyn Clock) -> Option<Jump> {
        let mut look = self.look();
        let from_ms = look.undone_from_ms.unwrap_or(look.wall_ms);
        let (wall_ms, monotonic_ms) = (clock.now_ms(), clock.monotonic_ms());
        let passed_ms = monotonic_ms.saturating_sub(look.monotonic_ms).max(0);
        let moved_ms = wall_ms
            .saturating_sub(look.wall_ms)
            .saturating_sub(passed_ms);
        (look.wall_ms, look.monotonic_ms) = (wall_ms, monotonic_ms);
        let slewed_ms = passed_ms / SLEWED_ONE_IN;
        // What was found before goes towards nothing, and not beyond it.
        let slewed_ms = look.skew_ms.clamp(-slewed_ms, slewed_ms);
        look.skew_ms = (look.skew_ms - slewed_ms).saturating_add(moved_ms);
        let jumped = look.skew_ms.saturating_abs() > SKEW_MS_MAX;
        jumped.then(|| {
            look.undone_from_ms = None;
            Jump {
                by_ms: std::mem::take(&mut look.skew_ms),
                from_ms,
                to_ms: wall_ms,
            }
        })
    }

    /// What the entry of this jump tells: all that is untold, or nothing yet.
    fn to_tell_ms(&self, jump_ms: i64, monotonic_ms: i64) -> Option<i64> {
        let look = self.look();
        let waited = look
            .told_at_ms
            .is_none_or(|at_ms| monotonic_ms - at_ms >= TOLD_EVERY_MS);
        let at_once = jump_ms.saturating_abs() >= TOLD_AT_ONCE_MS;
        (waited || at_once).then(|| look.untold_ms.saturating_add(jump_ms))
    }

    fn was_handled(&self, jump_ms: i64, told: bool, monotonic_ms: i64) {
        let mut look = self.look();
        if told {
            (look.untold_ms, look.told_at_ms) = (0, Some(monotonic_ms));
        } else {
            look.untold_ms = look.untold_ms.saturating_add(jump_ms);
        }
    }

    /// Nothing was done about a jump: the next look finds it again.
    fn was_not_handled(&self, jump: Jump) {
        let mut look = self.look();
        look.skew_ms = look.skew_ms.saturating_add(jump.by_ms);
        look.undone_from_ms = Some(jump.from_ms);
    }

    /// How long this process has written no heartbeat, by the clock that only goes forward; 0 where it has written none.
    pub(super) fn since_mark_ms(&self, clock: &dyn Clock) -> i64 {
        let now_ms = clock.monotonic_ms();
        self.look()
            .marked_at_ms
            .map_or(0, |at_ms| now_ms.saturating_sub(at_ms))
    }

    pub(super) fn marked(&self, clock: &dyn Clock) {
        self.look().marked_at_ms = Some(clock.monotonic_ms());
    }

    fn look(&self) -> MutexGuard<'_, Look> {
        // Nothing panics while it is held.
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shop {
    /// Compares the clocks. After a jump of more than two seconds the deadlines move with it, and a `clock` entry says so: at once of
    /// a large one, of small ones every ten minutes. Gives the jump. Called before anything expires, and every ten seconds.
    ///
    /// # Errors
    /// [`Fault`]; then the next call does it.
    pub async fn watch_clock(&self) -> Result<Option<i64>, Fault> {
        let _turn = self.clock_look.turn.lock().await;
        let Some(jump) = self.clock_look.jump(&*self.clock) else {
            return Ok(None);
        };
        let (jump_ms, ttl_ms) = (jump.by_ms, self.longest_ttl_ms());
        let now_ms = self.clock.monotonic_ms();
        let tell = self.clock_look.to_tell_ms(jump_ms, now_ms);
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                move_deadlines(tx, jump, ttl_ms)?;
                if let Some(skew_ms) = tell {
                    let r = random(vault.entropy());
                    chain.append(tx, &Body::Clock { skew_ms, r })?;
                }
                Ok(())
            });
        match write.answer().await.map_err(unwritten) {
            Ok(()) => {
                self.clock_look.was_handled(jump_ms, tell.is_some(), now_ms);
                Ok(Some(jump_ms))
            }
            Err(fault) => {
                self.clock_look.was_not_handled(jump);
                Err(fault)
            }
        }
    }

    /// Gives unpaid orders whose deadline lies further ahead than an order's whole time that whole time again: the clock was put back
    /// while the shop was closed. Gives how many. Called once at start.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn mend_deadlines(&self) -> Result<usize, Fault> {
        let ttl_ms = self.longest_ttl_ms();
        let write = self
            .store
            .write(move |tx| -> Result<usize, WriteError<Infallible>> {
                let latest_ms = tx.now_ms().saturating_add(ttl_ms);
                let open = tx.open_orders(i64::MAX, MOVED_MAX)?;
                let beyond = open.iter().filter(|(at_ms, _)| *at_ms > latest_ms);
                let mut count = 0;
                for (_, id) in beyond {
                    if let Some(order) = tx.order(*id)? {
                        tx.move_deadline(&order, latest_ms)?;
                        count += 1;
                    }
                }
                Ok(count)
            });
        write.answer().await.map_err(unwritten)
    }

    fn longest_ttl_ms(&self) -> i64 {
        let policy = &self.policy;
        policy.order_ttl_ms.max(policy.scarce_order_ttl_ms)
    }
}

/// Unpaid orders keep the time that they have left; messages are not later than they would have been.
fn move_deadlines(tx: &mut Tx<'_>, jump: Jump, ttl_ms: i64) -> Result<(), Fault> {
    let jump_ms = jump.by_ms;
    for (at_ms, id) in tx.open_orders(i64::MAX, MOVED_MAX)? {
        if jump.spares(id.made_at_ms(), at_ms, ttl_ms) {
            continue;
        }
        let order: Option<Order> = tx.order(id)?;
        if let Some(order) = order {
            tx.move_deadline(&order, at_ms.saturating_add(jump_ms))?;
        }
    }
    if jump_ms > 0 {
        return Ok(());
    }
    for before in tx.effects_after(None, MOVED_MAX)? {
        let Some(due_ms) = before.due_at_ms else {
            continue;
        };
        let after = Effect {
            due_at_ms: Some(due_ms.saturating_add(jump_ms)),
            ..before.clone()
        };
        tx.put_effect(&after, Some(&before))?;
    }
    Ok(())
}

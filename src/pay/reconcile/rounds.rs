//! Whose turn it is to be asked about, and which provider's refusal is believed.

use std::collections::{BTreeMap, BTreeSet};

use super::Answered;
use crate::domain::{ChannelName, Order, OrderId};

/// When each open order is asked about next, and whether refusals are believed; in memory, since a restart asks about all.
#[derive(Debug, Default)]
pub(in crate::pay) struct Rounds {
    pub(super) turns: BTreeMap<OrderId, Turn>,
    pub(super) trust: BTreeMap<ChannelName, Trust>,
}

/// Whether a provider that refuses to speak of an order may be taken to know nothing of it. It says the same of a wrong key.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// It has spoken of an order, so the key was right then.
    has_spoken: bool,
    /// Orders it refused since, at most [`REFUSALS_MAX`].
    refused: BTreeSet<OrderId>,
    pub(super) warned_at_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) due_ms: i64,
    pub(super) wait_ms: i64,
    /// How often the order was too old to be asked about: by a clock that is ahead, perhaps.
    passed_over: u8,
}

/// First wait, from the order's making, and the longest one.
pub(super) const WAIT_FIRST_MS: i64 = 60_000;
const WAIT_LONGEST_MS: i64 = 600_000;
/// Longest one for an expired order whose provider refuses: there may be a day's orders of these.
const WAIT_EXPIRED_LONGEST_MS: i64 = 4 * 3_600_000;
/// So many of them are a day.
const PASSED_OVER_MAX: u8 = 6;
/// Orders that are refused with none spoken of in between, after which the channel's settings are suspected.
const REFUSALS_MAX: usize = 3;
/// How often that is said of a channel.
const WARN_EVERY_MS: i64 = 3_600_000;

impl Turn {
    pub(super) fn first(due_ms: i64) -> Self {
        Self {
            due_ms,
            wait_ms: WAIT_FIRST_MS,
            passed_over: 0,
        }
    }

    /// A turn further ahead than its wait is of a clock that was put back since: payments are not looked for a day later for that.
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        self.due_ms <= now_ms || self.due_ms - now_ms > self.wait_ms
    }
}

impl Rounds {
    pub(super) fn next(&mut self, id: OrderId, now_ms: i64, done: bool) {
        if done {
            self.turns.remove(&id);
        } else {
            self.wait(id, now_ms, WAIT_LONGEST_MS);
        }
    }

    /// The order may be paid, and the provider did not say.
    pub(super) fn next_of_suspected(&mut self, id: OrderId, now_ms: i64, is_expired: bool) {
        let longest_ms = if is_expired {
            WAIT_EXPIRED_LONGEST_MS
        } else {
            WAIT_LONGEST_MS
        };
        self.wait(id, now_ms, longest_ms);
    }

    fn wait(&mut self, id: OrderId, now_ms: i64, longest_ms: i64) {
        let turn = self.turns.entry(id).or_insert(Turn::first(now_ms));
        turn.due_ms = now_ms + turn.wait_ms;
        turn.wait_ms = (turn.wait_ms * 2).min(longest_ms);
        turn.passed_over = 0;
    }

    /// An expired order is too old to be asked about. Its turn is kept for a day more: where the clock is ahead and is put right
    /// meanwhile, the turn is due at once and the payment is found.
    pub(super) fn pass_over(&mut self, id: OrderId, now_ms: i64) {
        let Some(turn) = self.turns.get_mut(&id) else {
            return;
        };
        turn.passed_over += 1;
        turn.due_ms = now_ms + WAIT_EXPIRED_LONGEST_MS;
        turn.wait_ms = WAIT_EXPIRED_LONGEST_MS;
        if turn.passed_over > PASSED_OVER_MAX {
            self.turns.remove(&id);
        }
    }

    pub(super) fn believes(&self, channel: &ChannelName) -> bool {
        self.trust
            .get(channel)
            .is_some_and(|trust| trust.has_spoken && trust.refused.len() < REFUSALS_MAX)
    }

    /// One order that a provider speaks of proves its key, and its refusals in the same round.
    pub(super) fn learn(
        &mut self,
        orders: &BTreeMap<OrderId, &Order>,
        asked: &[(OrderId, Answered)],
        now_ms: i64,
    ) {
        let mut spoken = BTreeSet::new();
        for (id, answered) in asked {
            if matches!(answered, Answered::Paid(_) | Answered::Unpaid) {
                spoken.insert(&orders[id].channel);
            }
        }
        for channel in &spoken {
            let trust = self.trust.entry((*channel).clone()).or_default();
            (trust.has_spoken, trust.refused) = (true, BTreeSet::new());
        }
        for (id, answered) in asked {
            let channel = &orders[id].channel;
            if let Answered::Refused(why) = answered
                && !spoken.contains(channel)
            {
                let trust = self.trust.entry(channel.clone()).or_default();
                trust.refuse(channel, *id, why, now_ms);
            }
        }
    }
}

impl Trust {
    fn refuse(&mut self, channel: &ChannelName, id: OrderId, why: &str, now_ms: i64) {
        if self.refused.len() < REFUSALS_MAX {
            self.refused.insert(id);
        }
        let is_due = self
            .warned_at_ms
            .is_none_or(|at_ms| now_ms - at_ms >= WARN_EVERY_MS);
        if self.refused.len() < REFUSALS_MAX || !is_due {
            tracing::debug!(%channel, order = %id, why, "the provider refuses to speak of an order");
            return;
        }
        self.warned_at_ms = Some(now_ms);
        tracing::warn!(
            %channel,
            why,
            "the provider refuses every question about orders: compare the channel's merchant id and key with the provider's pages"
        );
    }
}

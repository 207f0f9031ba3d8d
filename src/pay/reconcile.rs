//! Asking the providers about open orders: after an outage, whose notices nobody heard, and now and then, for gateways that send
//! a notice once and never again.
//!
//! An answer "paid" goes the same way as a notice: through the shop's `settle`, which knows repetitions. An answer "unpaid", or
//! none at all, changes nothing.

mod rounds;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};

pub(super) use self::rounds::Rounds;
use self::rounds::{Turn, WAIT_FIRST_MS};
use super::desk::Desk;
use super::{PaidAnswer, QUERY_TIMEOUT_MS, QueryError};
use crate::actions::Claim;
use crate::domain::{ChannelName, Money, Order, OrderId, OrderState, Verdict};
use crate::store::{Fault, Rows};

/// Which orders are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All pending orders, and those that expired within the last 24 hours, or since the copy that the shop was restored from:
    /// once, at start.
    Start,
    /// Orders whose turn it is: pending ones from their first minute on, at growing distances, and each once more after it
    /// expired. Orders that a provider could not be asked about, or of which one that may have the wrong key refused to speak,
    /// come again until a day after their expiry.
    Timer,
}

/// What a round found.
#[derive(Debug, Default)]
pub struct Report {
    /// Orders that the providers were asked about.
    pub asked: usize,
    /// Payments that were found, by order.
    pub found: Vec<Found>,
    /// Orders without an answer; their turn comes again.
    pub unanswered: usize,
}

/// One payment that the provider knew of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its order.
    pub order: OrderId,
    /// Where it was paid.
    pub channel: ChannelName,
    /// How much.
    pub money: Money,
    /// What it came to; `Deferred` where the shop could not record it.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
}

/// Queries at a time.
const AT_A_TIME: usize = 4;
/// Pause before each query: at most 80 in a second with [`AT_A_TIME`], which small gateways bear.
const PAUSE: Duration = Duration::from_millis(50);
/// How long after its expiry an order is still asked about.
const EXPIRED_MS: i64 = 24 * 3_600_000;
/// Orders in one round; what is left over has its turn in the next.
const START_MAX: usize = 20_000;
const TIMER_MAX: usize = 500;
/// Orders read in one snapshot.
const PAGE: usize = 256;
/// Failures in a row after which a channel is left alone until the next round.
const FAILURES_MAX: u32 = 3;

impl Desk {
    /// Asks about the orders of `scope`, and settles what was paid. One round runs at a time: a timer's round while another runs
    /// does nothing. Call with [`Scope::Start`] once before expiring old orders, then with [`Scope::Timer`] every few seconds.
    ///
    /// # Errors
    /// [`Fault`] when the orders cannot be read; queries that fail are in the report.
    pub async fn reconcile(&self, scope: Scope) -> Result<Report, Fault> {
        let mut rounds = match scope {
            Scope::Start => self.rounds.lock().await,
            Scope::Timer => match self.rounds.try_lock() {
                Ok(rounds) => rounds,
                Err(_) => return Ok(Report::default()),
            },
        };
        let orders = match scope {
            Scope::Start => self.orders_at_start()?,
            Scope::Timer => self.orders_of_turn(&mut rounds)?,
        };
        let round = Round::default();
        // A list of futures, since a closure over borrowed orders is not known to be `Send` for every lifetime.
        let (mut asks, asking) = (Vec::with_capacity(orders.len()), &round);
        for order in &orders {
            asks.push(async move { (order.id, self.ask_about(order, asking).await) });
        }
        let asked: Vec<(OrderId, Answered)> = stream::iter(asks)
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        Ok(self.finish(&mut rounds, &orders, asked))
    }

    /// Pending orders, then those that expired within a day, each oldest first: the pending ones' reservations wait for this
    /// round, and only for a while.
    fn orders_at_start(&self) -> Result<Vec<Order>, Fault> {
        let from_ms = self.asked_from_ms()?;
        let oldest_ms = from_ms - self.shop.policy().order_ttl_ms;
        let mut orders = BTreeMap::new();
        for (_, id) in self.shop.store().read()?.open_orders(i64::MAX, START_MAX)? {
            orders.extend(self.order_to_ask(id)?.map(|order| (id, order)));
        }
        let mut before = None;
        while orders.len() < START_MAX {
            let page = self.shop.store().read()?.orders_before(before, PAGE)?;
            let Some(last) = page.last().map(|order| order.id) else {
                break;
            };
            let wanted = page.into_iter().filter(|order| may_be_paid(order, from_ms));
            orders.extend(wanted.map(|order| (order.id, order)));
            if last.made_at_ms() < oldest_ms {
                break;
            }
            before = Some(last);
        }
        let mut orders: Vec<Order> = orders.into_values().collect();
        orders.sort_by_key(|order| order.state != OrderState::Pending);
        Ok(orders)
    }

    /// Orders whose turn it is; what needs no turn any more leaves `rounds`.
    fn orders_of_turn(&self, rounds: &mut Rounds) -> Result<Vec<Order>, Fault> {
        let (now_ms, from_ms) = (self.shop.now_ms(), self.asked_from_ms()?);
        let open = self.shop.store().read()?.open_orders(i64::MAX, START_MAX)?;
        for (_, id) in open {
            let due_ms = id.made_at_ms() + WAIT_FIRST_MS;
            rounds.turns.entry(id).or_insert(Turn::first(due_ms));
        }
        let due = rounds.turns.iter().filter(|(_, turn)| turn.is_due(now_ms));
        let mut due: Vec<(i64, OrderId)> = due.map(|(id, turn)| (turn.due_ms, *id)).collect();
        due.sort();
        let mut orders = Vec::new();
        for (_, id) in due.into_iter().take(TIMER_MAX) {
            let order = self.shop.store().read()?.order(id)?;
            let is_expired = order
                .as_ref()
                .is_some_and(|order| order.state == OrderState::Expired);
            match order.filter(|order| may_be_paid(order, from_ms)) {
                Some(order) => orders.push(order),
                None if is_expired => rounds.pass_over(id, now_ms),
                None => {
                    rounds.turns.remove(&id);
                }
            }
        }
        Ok(orders)
    }

    fn order_to_ask(&self, id: OrderId) -> Result<Option<Order>, Fault> {
        let order = self.shop.store().read()?.order(id)?;
        let from_ms = self.asked_from_ms()?;
        Ok(order.filter(|order| may_be_paid(order, from_ms)))
    }

    /// Orders that expired at this time or later are asked about, Unix milliseconds: within a day, and after a restore since a day
    /// before its copy was made, for nobody here knows what became of them.
    fn asked_from_ms(&self) -> Result<i64, Fault> {
        let day_ms = self.shop.now_ms() - EXPIRED_MS;
        let restored = self.shop.restored_lately()?;
        Ok(restored.map_or(day_ms, |restored| day_ms.min(restored.asked_from_ms())))
    }

    async fn ask_about(&self, order: &Order, round: &Round) -> Answered {
        if round.gave_up(&order.channel) {
            return Answered::Nothing;
        }
        let Some(booth) = self.booth(&order.channel) else {
            round.failed(&order.channel, "the channel is closed");
            return Answered::Nothing;
        };
        tokio::time::sleep(PAUSE).await;
        let limit = Duration::from_millis(QUERY_TIMEOUT_MS);
        match tokio::time::timeout(limit, booth.gateway.query(order.id)).await {
            Ok(Ok(answer)) => {
                round.answered(&order.channel);
                match answer.paid {
                    Some(paid) => Answered::Paid(self.settle(order, &paid, &answer.state).await),
                    None => Answered::Unpaid,
                }
            }
            // Gateways refuse to speak of orders whose buyers never came to them.
            Ok(Err(QueryError::Refused(why))) => {
                round.answered(&order.channel);
                Answered::Refused(why)
            }
            Ok(Err(error)) => {
                round.failed(&order.channel, &error.to_string());
                Answered::Nothing
            }
            Err(_) => {
                round.failed(&order.channel, "no answer in time");
                Answered::Nothing
            }
        }
    }

    async fn settle(&self, order: &Order, paid: &PaidAnswer, state: &str) -> Found {
        let found = |verdict, why| Found {
            order: order.id,
            channel: order.channel.clone(),
            money: paid.money,
            verdict,
            why,
        };
        let (money, currency) = (paid.money.decimal(), paid.money.currency.as_str());
        if paid.money.currency != order.total.currency || paid.money.amount <= 0 {
            let why = format!(
                "{money} {currency} paid, {} expected",
                order.total.decimal()
            );
            return found(Verdict::Mismatch, why);
        }
        let raw = format!(
            "query answer state={state} transaction={} money={money} {currency}",
            paid.transaction
        );
        let claim = Claim {
            channel: order.channel.clone(),
            order: order.id,
            transaction: paid.transaction.clone(),
            amount: paid.money.amount,
            currency: paid.money.currency,
            raw: raw.into_bytes(),
            disputed: false,
        };
        match self.shop.settle(claim).await {
            Ok(settled) => found(settled.verdict, settled.why),
            Err(error) => found(Verdict::Deferred, error.to_string()),
        }
    }

    /// Writes down whose turn comes again, and tells what was found.
    fn finish(
        &self,
        rounds: &mut Rounds,
        orders: &[Order],
        asked: Vec<(OrderId, Answered)>,
    ) -> Report {
        let now_ms = self.shop.now_ms();
        let orders: BTreeMap<OrderId, &Order> =
            orders.iter().map(|order| (order.id, order)).collect();
        // Every answer below is about one of `orders`, so the look-ups by its number find it.
        rounds.learn(&orders, &asked, now_ms);
        let is_expired = |id: &OrderId| orders[id].state == OrderState::Expired;
        let mut report = Report::default();
        for (id, answered) in asked {
            match answered {
                Answered::Paid(found) => {
                    report.asked += 1;
                    let deferred = found.verdict == Verdict::Deferred;
                    if found.verdict != Verdict::Repeat {
                        tracing::info!(order = %id, channel = %found.channel, verdict = found.verdict.as_str(), why = found.why, "payment found by asking");
                        report.found.push(found);
                    }
                    rounds.next(id, now_ms, is_expired(&id) && !deferred);
                }
                Answered::Unpaid => {
                    report.asked += 1;
                    rounds.next(id, now_ms, is_expired(&id));
                }
                Answered::Refused(_) if rounds.believes(&orders[&id].channel) => {
                    report.asked += 1;
                    rounds.next(id, now_ms, is_expired(&id));
                }
                Answered::Refused(_) => {
                    report.unanswered += 1;
                    rounds.next_of_suspected(id, now_ms, is_expired(&id));
                }
                Answered::Nothing => {
                    report.unanswered += 1;
                    rounds.next(id, now_ms, false);
                }
            }
        }
        report.found.sort_by_key(|found| found.order);
        report
    }
}

/// Pending, or expired at `from_ms` or later.
fn may_be_paid(order: &Order, from_ms: i64) -> bool {
    match order.state {
        OrderState::Pending => true,
        OrderState::Expired => order.expires_at_ms >= from_ms,
        _ => false,
    }
}

enum Answered {
    Paid(Found),
    Unpaid,
    /// The provider knows nothing of the order, or of us; with its word.
    Refused(String),
    Nothing,
}

/// What was learnt of each channel in this round, so that it is logged once and a dead one is left alone.
#[derive(Default)]
struct Round(Mutex<BTreeMap<ChannelName, Health>>);

#[derive(Default)]
struct Health {
    failures: u32,
    failure_logged: bool,
}

impl Round {
    fn gave_up(&self, channel: &ChannelName) -> bool {
        self.with(channel, |health| health.failures >= FAILURES_MAX)
    }

    fn answered(&self, channel: &ChannelName) {
        self.with(channel, |health| health.failures = 0);
    }

    fn failed(&self, channel: &ChannelName, why: &str) {
        self.with(channel, |health| {
            health.failures += 1;
            if !std::mem::replace(&mut health.failure_logged, true) {
                tracing::warn!(%channel, why, "the provider cannot be asked about open orders");
            }
        });
    }

    fn with<T>(&self, channel: &ChannelName, then: impl FnOnce(&mut Health) -> T) -> T {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        then(channels.entry(channel.clone()).or_default())
    }
}

/// The list as it is printed: a line for each payment, then the sums.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.found {
            let (money, currency) = (found.money.decimal(), found.money.currency.as_str());
            let verdict = found.verdict.as_str();
            writeln!(
                f,
                "{}  {:>14} {currency}  {:<12} {verdict}: {}",
                found.order,
                money,
                found.channel.as_str(),
                found.why
            )?;
        }
        write!(
            f,
            "{} orders asked about, {} payments found, {} without an answer",
            self.asked,
            self.found.len(),
            self.unanswered
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod outage_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! What happens by the clock. Each task ends when the daemon does.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    task::{JoinSet, spawn_blocking},
    time::{Interval, MissedTickBehavior, interval, timeout},
};

use super::{signals::Ending, systemd, telemetry::Metrics};
use crate::{
    actions::Shop,
    domain::OrderState,
    pay::{Desk, reconcile::Scope},
    store::{Fault, Rows},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How long the first round of questions may keep reservations from ending.
const FIRST_ROUND_MAX: Duration = Duration::from_secs(30);
const TOGETHER_FOR: Duration = Duration::from_secs(2);
const REMIND_EVERY: Duration = Duration::from_secs(30);
const CLOCK_EVERY: Duration = Duration::from_secs(10);
const KEYS_EVERY: Duration = Duration::from_secs(5);
/// Between two writes that seal again: sales come first.
const BETWEEN_KEYS: Duration = Duration::from_millis(20);
/// Orders that are counted with one look.
const COUNTED_MAX: usize = 256;
const HOUR: Duration = Duration::from_secs(3_600);

/// Starts all of it.
pub(super) fn start(
    shop: &Arc<Shop>,
    desk: Arc<Desk>,
    metrics: &Arc<Metrics>,
    ending: &Ending,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let (asked, first_round) = oneshot::channel();
    tasks.spawn(ask_providers(desk.clone(), asked, ending.clone()));
    tasks.spawn(expire(shop.clone(), first_round, ending.clone()));
    tasks.spawn(flush_refused(shop.clone(), desk, ending.clone()));
    tasks.spawn(heartbeat(shop.clone(), ending.clone()));
    tasks.spawn(watch_clock(shop.clone(), ending.clone()));
    tasks.spawn(replace_month_keys(shop.clone(), ending.clone()));
    tasks.spawn(go_on_with_keys(shop.clone(), ending.clone()));
    tasks.spawn(deliver_waiting(shop.clone(), ending.clone()));
    tasks.spawn(tell_soon(shop.clone(), ending.clone()));
    tasks.spawn(tell_again(shop.clone(), ending.clone()));
    tasks.spawn(sweep_wishes(shop.clone(), ending.clone()));
    tasks.spawn(prepare_month(shop.clone(), ending.clone()));
    tasks.spawn(count_orders(shop.clone(), metrics.clone(), ending.clone()));
    tasks.spawn(systemd::watch(shop.clone(), ending.clone()));
    tasks
}

/// Providers are asked about open orders: once about all, for the notices that nobody heard, then each in its turn.
async fn ask_providers(desk: Arc<Desk>, asked: oneshot::Sender<()>, ending: Ending) {
    let mut tick = every(ASK_EVERY);
    let mut scope = Scope::Start;
    let mut asked = Some(asked);
    while next(&mut tick, &ending).await {
        let round = tokio::select! {
            () = ending.wait() => return,
            round = desk.reconcile(scope) => round,
        };
        match round {
            Ok(report) if scope == Scope::Start || !report.found.is_empty() => {
                tracing::info!(
                    asked = report.asked,
                    found = report.found.len(),
                    unanswered = report.unanswered,
                    "providers were asked about open orders"
                );
            }
            Ok(_) => {}
            Err(error) => {
                // The first round is not over: reservations wait for it as long as they may.
                tracing::error!(%error, "providers were not asked about open orders");
                continue;
            }
        }
        scope = Scope::Timer;
        if let Some(asked) = asked.take() {
            // Who waited for it may have gone on.
            let _ = asked.send(());
        }
    }
}

/// Reservations end; what they held goes to those who wait. After an outage providers are asked first: what was paid meanwhile
/// keeps its slots.
async fn expire(shop: Arc<Shop>, first_round: oneshot::Receiver<()>, ending: Ending) {
    tokio::select! {
        () = ending.wait() => return,
        _ = timeout(FIRST_ROUND_MAX, first_round) => {}
    }
    match shop.mend_deadlines().await {
        Ok(0) => {}
        Ok(orders) => tracing::warn!(
            orders,
            "the clock was put back while the shop was closed: unpaid orders have their whole time again"
        ),
        Err(error) => tracing::error!(%error, "deadlines of unpaid orders were not looked at"),
    }
    let mut tick = every(SECOND);
    while next(&mut tick, &ending).await {
        match shop.expire_due().await {
            Ok(0) => {}
            Ok(expired) => {
                tracing::info!(orders = expired, "orders expired");
                if let Err(error) = shop.deliver_waiting().await {
                    tracing::error!(%error, "orders that wait for goods were not looked at");
                }
            }
            Err(error) => tracing::error!(%error, "orders were not expired"),
        }
    }
}

async fn flush_refused(shop: Arc<Shop>, desk: Arc<Desk>, ending: Ending) {
    let mut tick = every(MINUTE);
    while next(&mut tick, &ending).await {
        desk.log_refusals();
        if let Err(error) = shop.flush_refused().await {
            tracing::error!(%error, "refused notices were not written down");
        }
    }
    // Once more, for those of the last minute.
    desk.log_refusals();
    if let Err(error) = shop.flush_refused().await {
        tracing::error!(%error, "refused notices were not written down");
    }
}

/// The first look is at the start, where an outage is admitted. That the shop serves is noted every minute.
async fn heartbeat(shop: Arc<Shop>, ending: Ending) {
    match shop.admit_outage().await {
        Ok(Some(down_ms)) => tracing::warn!(down_ms, "the ledger says that the shop was closed"),
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "an outage was not written into the ledger"),
    }
    let mut tick = every(MINUTE);
    let mut minutes = 0;
    while next(&mut tick, &ending).await {
        note_alive(&shop);
        minutes += 1;
        if minutes % 60 != 1 {
            continue;
        }
        match shop.heartbeat().await {
            Ok(true) => tracing::info!(ledger.size = shop.chain().latest().size, "heartbeat"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the ledger got no heartbeat"),
        }
    }
    note_alive(&shop);
}

fn note_alive(shop: &Shop) {
    if let Err(error) = shop.note_alive() {
        tracing::warn!(%error, "that the shop is open was not noted in its folder");
    }
}

/// The wall clock against one that only goes forward.
async fn watch_clock(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(CLOCK_EVERY);
    while next(&mut tick, &ending).await {
        match shop.watch_clock().await {
            Ok(None) => {}
            Ok(Some(skew_ms)) => tracing::warn!(skew_ms, "the system's clock was moved"),
            Err(error) => tracing::error!(%error, "a moved clock was not written into the ledger"),
        }
    }
}

/// What was erased is gone from copies and freed pages too once the month's key is another.
async fn replace_month_keys(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(HOUR);
    while next(&mut tick, &ending).await {
        let shop = shop.clone();
        let replaced = spawn_blocking(move || {
            if let Err(error) = shop.reconcile_erasures() {
                tracing::error!(%error, "backups/erased was not held against the shop");
            }
            shop.replace_month_keys()
        });
        match replaced.await {
            Ok(Ok(0)) => {}
            Ok(Ok(keys)) => tracing::info!(keys, "keys of erased orders were destroyed"),
            Ok(Err(error)) => {
                tracing::error!(%error, "keys of erased orders are not destroyed yet")
            }
            Err(error) => tracing::error!(%error, "keys of erased orders are not destroyed yet"),
        }
    }
}

/// What a new root key or a pool's new key is to seal again, in small pieces between the sales; and the copy made before an upgrade goes
/// when it was a day ago.
async fn go_on_with_keys(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(KEYS_EVERY);
    let mut ticks = 0;
    while next(&mut tick, &ending).await {
        let (shop, ending) = (shop.clone(), ending.clone());
        let tidy = ticks % 720 == 0;
        ticks += 1;
        let went_on = spawn_blocking(move || {
            if tidy {
                shop.drop_upgrade_copies()?;
            }
            while shop.go_on_with_keys()? && !*ending.watched().borrow() {
                std::thread::sleep(BETWEEN_KEYS);
            }
            Ok::<(), Fault>(())
        });
        match went_on.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "keys are not sealed again yet"),
            Err(error) => tracing::error!(%error, "keys are not sealed again yet"),
        }
    }
}

/// Stock also comes back by hand, and an import may have ended with the daemon: those who wait are looked at every minute too.
async fn deliver_waiting(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(MINUTE);
    while next(&mut tick, &ending).await {
        match shop.deliver_waiting().await {
            Ok(0) => {}
            Ok(orders) => tracing::info!(orders, "orders that waited for goods were delivered"),
            Err(error) => {
                tracing::error!(%error, "orders that wait for goods were not looked at");
            }
        }
    }
}

/// What visitors did since the last look, in one write for all: pages that were opened, links that were asked for.
async fn tell_soon(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(TOGETHER_FOR);
    let mut open = true;
    while open {
        // Once more at the end, for those of the last moment.
        open = next(&mut tick, &ending).await;
        if let Err(error) = shop.flush_opened().await {
            tracing::error!(%error, "which orders were opened was not written down");
        }
        match shop.send_inbox_links().await {
            Ok(0) => {}
            Ok(links) => tracing::info!(links, "links to inboxes are mailed"),
            Err(error) => tracing::error!(%error, "links to inboxes were not promised"),
        }
    }
}

/// Those who have not opened their order, and those who wait for goods that are back.
async fn tell_again(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(REMIND_EVERY);
    while next(&mut tick, &ending).await {
        match shop.remind_unread().await {
            Ok(0) => {}
            Ok(orders) => tracing::info!(orders, "orders that were not opened are told again"),
            Err(error) => tracing::error!(%error, "orders that were not opened were not looked at"),
        }
        match shop.tell_wishes().await {
            Ok(0) => {}
            Ok(wishes) => tracing::info!(wishes, "visitors are told of goods that are back"),
            Err(error) => tracing::error!(%error, "visitors who wait for goods were not told"),
        }
    }
}

async fn sweep_wishes(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(HOUR);
    while next(&mut tick, &ending).await {
        match shop.sweep_wishes().await {
            Ok(0) => {}
            Ok(wishes) => tracing::info!(wishes, "old wishes were forgotten"),
            Err(error) => tracing::error!(%error, "old wishes were not forgotten"),
        }
    }
}

async fn prepare_month(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(24 * HOUR);
    while next(&mut tick, &ending).await {
        let shop = shop.clone();
        match spawn_blocking(move || shop.prepare_next_month()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "next month's key was not made"),
            Err(error) => tracing::error!(%error, "next month's key was not made"),
        }
    }
}

/// Counts orders as they reach a state that they do not leave, or in which they wait.
async fn count_orders(shop: Arc<Shop>, metrics: Arc<Metrics>, ending: Ending) {
    use tokio::sync::broadcast::error::RecvError;
    let mut changes = shop.changes();
    loop {
        let changed = tokio::select! {
            () = ending.wait() => return,
            changed = changes.recv() => changed,
        };
        let mut ids = match changed {
            Ok(id) => vec![id],
            // Numbers may miss some of a flood; orders never do.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        // A commit tells many at once: one look for all of them.
        ids.extend(std::iter::from_fn(|| changes.try_recv().ok()).take(COUNTED_MAX));
        let looked = shop.clone();
        let states = spawn_blocking(move || {
            let rows = looked.store().read()?;
            let orders = ids.into_iter().map(|id| rows.order(id));
            let states = orders.map(|order| Ok(order?.map(|order| order.state)));
            states.collect::<Result<Vec<_>, Fault>>()
        });
        if let Ok(Ok(states)) = states.await {
            let reached = |state: &OrderState| *state != OrderState::Pending;
            for state in states.into_iter().flatten().filter(reached) {
                metrics.order(state.as_str());
            }
        }
    }
}

/// False once the daemon ends.
async fn next(tick: &mut Interval, ending: &Ending) -> bool {
    tokio::select! {
        () = ending.wait() => false,
        _ = tick.tick() => true,
    }
}

fn every(period: Duration) -> Interval {
    let mut tick = interval(period);
    // After a pause of the machine one look is enough.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

//! What happens by the clock. Each task ends when the daemon does.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    signals::Ending,
    systemd,
    telemetry::Metrics,
};
use crate::{actions::Shop, domain::OrderState, store::Rows};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Starts all of it.
pub(super) fn start(shop: &Arc<Shop>, metrics: &Arc<Metrics>, ending: &Ending) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(expire(shop.clone(), ending.clone()));
    tasks.spawn(flush_refused(shop.clone(), ending.clone()));
    tasks.spawn(heartbeat(shop.clone(), ending.clone()));
    tasks.spawn(prepare_month(shop.clone(), ending.clone()));
    tasks.spawn(count_orders(shop.clone(), metrics.clone(), ending.clone()));
    tasks.spawn(systemd::watch(shop.clone(), ending.clone()));
    tasks
}

/// Reservations end; what they held goes to those who wait.
async fn expire(shop: Arc<Shop>, ending: Ending) {
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

async fn flush_refused(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(MINUTE);
    while next(&mut tick, &ending).await {
        if let Err(error) = shop.flush_refused().await {
            tracing::error!(%error, "refused notices were not written down");
        }
    }
    // Once more, for those of the last minute.
    if let Err(error) = shop.flush_refused().await {
        tracing::error!(%error, "refused notices were not written down");
    }
}

/// The first look is at the start, and admits an outage.
async fn heartbeat(shop: Arc<Shop>, ending: Ending) {
    let mut tick = every(HOUR);
    let mut started = true;
    while next(&mut tick, &ending).await {
        match shop.heartbeat(started).await {
            Ok(true) => tracing::info!(ledger.size = shop.chain().latest().size, "heartbeat"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the ledger got no heartbeat"),
        }
        started = false;
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
        let id = match changed {
            Ok(id) => id,
            // Numbers may miss some of a flood; orders never do.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        let looked = shop.clone();
        let order = spawn_blocking(move || looked.store().read().and_then(|rows| rows.order(id)));
        if let Ok(Ok(Some(order))) = order.await
            && order.state != OrderState::Pending
        {
            metrics.order(order.state.as_str());
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

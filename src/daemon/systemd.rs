//! Readiness and watchdog for systemd; without it nothing happens.

use std::{sync::Arc, time::Duration};

use sd_notify::NotifyState;

use super::signals::Ending;
use crate::{actions::Shop, store::Rows};

/// Says that connections are taken.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the daemon ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog, twice in its time, for as long as the store answers: a daemon that cannot read is to be restarted.
pub(super) async fn watch(shop: Arc<Shop>, ending: Ending) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval((limit / 2).max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            () = ending.wait() => return,
            _ = tick.tick() => {}
        }
        let asked = shop.clone();
        let answers = tokio::task::spawn_blocking(move || {
            asked
                .store()
                .read()
                .is_ok_and(|rows| rows.meta("schema").is_ok())
        });
        // The next tick finds a question that hangs still hanging, and nothing is told.
        if answers.await.unwrap_or(false) {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd was not told");
    }
}

//! Readiness and watchdog for systemd; without it nothing happens.

use std::{convert::Infallible, sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::signals::Ending;
use crate::{
    actions::Shop,
    store::{Fault, Rows, WriteError},
};

/// Times in the watchdog's limit that the store is asked: one late answer is not the end.
const QUESTIONS: u32 = 4;
/// Pauses between two attempts at a disk that refuses writes are at most five seconds.
const STUCK_AFTER: Duration = Duration::from_secs(20);
/// Before the writer is asked again whose queue was full.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Says that connections are taken.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the daemon ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog, several times in its limit, for as long as the store answers: a daemon that cannot read, or whose writer
/// is stuck, is to be restarted (reliability.md, R24).
pub(super) async fn watch(shop: Arc<Shop>, ending: Ending) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = interval((limit / QUESTIONS).max(Duration::from_millis(100)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ending.wait() => return,
            _ = tick.tick() => {}
        }
        // A question that hangs keeps the next from being asked, and nothing is told.
        let answers = tokio::select! {
            () = ending.wait() => return,
            answers = answers(&shop) => answers,
        };
        if answers {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// Whether the store can be read and its writer comes round. Waits for as long as one of them does not answer.
async fn answers(shop: &Arc<Shop>) -> bool {
    let asked = shop.clone();
    let reads = tokio::task::spawn_blocking(move || {
        asked
            .store()
            .read()
            .is_ok_and(|rows| rows.meta("schema").is_ok())
    });
    if !reads.await.unwrap_or(false) {
        return false;
    }
    loop {
        // Behind all that waits for the writer. It changes nothing, so nothing is written to the disk for it.
        let nothing = shop.store().write(|_| Ok::<(), WriteError<Infallible>>(()));
        match nothing.answer().await {
            Ok(()) => return true,
            // Much to do is no fault, as long as it gets less.
            Err(WriteError::Busy) => sleep(BUSY_PAUSE).await,
            // A disk that refuses writes refuses them to a successor too, which could not even open the shop: paid keys are read as
            // long as this process lives.
            Err(WriteError::ReadOnly) => return !shop.store().is_stuck(STUCK_AFTER),
            Err(WriteError::Fault(Fault::Database(_))) if shop.store().readonly() => return true,
            Err(_) => return false,
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd was not told");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::testing::TestShop;

    /// Holds the writer until the sender is used; returns once it is held.
    fn hold(shop: &Shop) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel();
        let (inside, entered) = mpsc::channel();
        // Nobody waits for its answer.
        let _ = shop.store().write(move |_| {
            inside.send(()).unwrap();
            held.recv().unwrap();
            Ok::<(), WriteError<Infallible>>(())
        });
        entered.recv().unwrap();
        release
    }

    #[tokio::test]
    async fn r24_a_stuck_writer_does_not_answer_though_everything_can_be_read() {
        let shop = TestShop::new();
        assert!(answers(&shop.shop).await);
        let release = hold(&shop.shop);
        let asked = shop.shop.clone();
        let question = tokio::spawn(async move { answers(&asked).await });
        for _ in 0..50 {
            let asked = shop.shop.clone();
            let reads = tokio::task::spawn_blocking(move || asked.store().read().is_ok());
            assert!(reads.await.unwrap());
        }
        assert!(!question.is_finished());
        release.send(()).unwrap();
        assert!(question.await.unwrap());
    }

    #[tokio::test]
    async fn the_question_leaves_no_trace_on_the_disk() {
        let shop = TestShop::new();
        let commit = || shop.shop.store().read().unwrap().head().unwrap().commit;
        let before = commit();
        assert!(answers(&shop.shop).await);
        assert_eq!(commit(), before);
    }
}

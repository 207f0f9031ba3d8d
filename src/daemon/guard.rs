//! Watches the machine below the shop: the room on its disk, writes that fail, and the pages of the database. Says what is wrong in
//! the log, in the numbers and to the merchant, and holds new orders while they could not be kept.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{signals::Ending, telemetry::Metrics};
use crate::{
    actions::Shop,
    notify::{Alarm, Alarms},
    store::Fault,
};

/// Room on a disk, as it is for everybody but root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Free bytes.
    pub free_bytes: u64,
    /// All bytes.
    pub size_bytes: u64,
}

/// Looks after the machine until the end.
pub(super) struct Guard {
    shop: Arc<Shop>,
    dir: PathBuf,
    metrics: Arc<Metrics>,
    alarms: Arc<Alarms>,
    writes: Writes,
    room: Room,
    asked: Asked,
    pages: Pages,
}

/// A question to the disk that has not answered yet. There is at most one: each holds a thread.
#[derive(Debug, Default)]
struct Asked(Option<JoinHandle<Option<Space>>>);

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a look waits for a disk that does not say how full it is; later looks only see whether it has answered.
const DISK_ANSWERS: Duration = Duration::from_secs(1);
/// Writing counts as well again after so long without a fault: a disk that fails now and then makes one alarm.
const WELL_AFTER: Duration = Duration::from_secs(5);
/// Twice as long after each end that did not last, up to this: a disk that fails for days makes no flood.
const WELL_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// A copy of the file is read to its end: not before the shop had time to start, and then daily.
const VERIFY_FIRST: Duration = Duration::from_secs(10);
const VERIFY_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// After a copy that could not be read, and then twice as long each time, up to [`VERIFY_EVERY`].
const VERIFY_AGAIN: Duration = Duration::from_secs(5 * 60);

/// Free shares of the disk, in percent, below which the merchant is told (reliability.md, R06).
const LOW_PERCENT: [u64; 3] = [20, 10, 5];
/// What is free must be so much more, in percent of the disk, before a threshold counts as left.
const BACK_PERCENT: u64 = 2;
const MIB: u64 = 1024 * 1024;
/// Free bytes that are plenty, whatever share of the disk they are.
const PLENTY_BYTES: u64 = 5 * 1024 * MIB;

impl Space {
    /// The room on the disk of `dir`; none where the system does not say.
    pub fn of(dir: &Path) -> Option<Self> {
        let space = rustix::fs::statvfs(dir).ok()?;
        Some(Self {
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            size_bytes: space.f_blocks.saturating_mul(space.f_frsize),
        })
    }

    /// The free share, rounded down.
    pub fn percent(self) -> u64 {
        self.free_bytes.saturating_mul(100) / self.size_bytes.max(1)
    }

    /// Free MiB, rounded down.
    pub fn free_mib(self) -> u64 {
        self.free_bytes / MIB
    }

    /// What is kept for orders that are paid: 1 % of the disk, 2 to 64 MiB.
    pub fn reserve_bytes(self) -> u64 {
        (self.size_bytes / 100).clamp(2 * MIB, 64 * MIB)
    }

    /// How many of the thresholds below which the disk counts as low were passed: at 20, 10 and 5 % free. None where so much is free
    /// that no shop fills it soon, on a large disk.
    pub fn lows_passed(self) -> usize {
        let percent = self.percent();
        match self.free_bytes < PLENTY_BYTES {
            true => LOW_PERCENT.iter().filter(|low| percent < **low).count(),
            false => 0,
        }
    }

    /// The same disk with so many percent of it less free.
    fn with_less(self, percent: u64) -> Self {
        let less = self.size_bytes / 100 * percent;
        Self {
            free_bytes: self.free_bytes.saturating_sub(less),
            ..self
        }
    }

    /// Whether no new order should be taken.
    pub fn is_full(self) -> bool {
        self.free_bytes < self.reserve_bytes()
    }
}

impl Guard {
    pub(super) fn new(
        shop: Arc<Shop>,
        dir: &Path,
        metrics: Arc<Metrics>,
        alarms: Arc<Alarms>,
    ) -> Self {
        Self {
            shop,
            dir: dir.to_owned(),
            metrics,
            alarms,
            writes: Writes::default(),
            room: Room::default(),
            asked: Asked::default(),
            pages: Pages::default(),
        }
    }

    pub(super) async fn run(mut self, ending: Ending) {
        let alarms = self.alarms.clone();
        tokio::select! {
            () = ending.wait() => {}
            () = alarms.run() => {}
            () = self.watch() => {}
        }
    }

    async fn watch(&mut self) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut verify_at = Instant::now() + VERIFY_FIRST;
        let mut verifying = None;
        loop {
            tick.tick().await;
            self.look(Instant::now()).await;
            if Instant::now() >= verify_at && verifying.is_none() {
                let shop = self.shop.clone();
                verifying = Some(spawn_blocking(move || shop.store().verify()));
            }
            if let Some(run) = verifying.take_if(|run| run.is_finished()) {
                let verified = run.await.map_err(|error| error.to_string());
                let (alarm, pause) = self.pages.look(verified);
                verify_at = Instant::now() + pause;
                if let Some(alarm) = alarm {
                    self.alarms.raise(alarm);
                }
            }
        }
    }

    async fn look(&mut self, now: Instant) {
        let store = self.shop.store();
        let faults = store.faults();
        self.metrics
            .disk_faults
            .set(i64::try_from(faults).unwrap_or(i64::MAX));
        if let Some(alarm) = self.writes.look(store.readonly(), faults, now) {
            self.alarms.raise(alarm);
        }
        let dir = self.dir.clone();
        let ask = move || Space::of(&dir);
        if let Some(space) = self.asked.answer(DISK_ANSWERS, ask).await {
            self.look_at_room(space);
        }
        // Also where the disk does not say: what is known holds until it does.
        let held = self.room.full || self.pages.damaged;
        if self.shop.orders_held() && !held {
            tracing::warn!("orders are taken again: there is room");
        }
        self.shop.hold_orders(held);
    }

    fn look_at_room(&mut self, space: Space) {
        let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.metrics.disk_free_bytes.set(gauge(space.free_bytes));
        self.metrics.disk_size_bytes.set(gauge(space.size_bytes));
        for alarm in self.room.look(space) {
            said(alarm, space);
            self.alarms.raise(alarm);
        }
    }
}

impl Asked {
    /// Asks away from the threads that serve, unless the last question is still open. None where there is no answer yet.
    async fn answer(
        &mut self,
        patience: Duration,
        ask: impl FnOnce() -> Option<Space> + Send + 'static,
    ) -> Option<Space> {
        let is_first = self.0.is_none();
        let wait = match is_first {
            true => patience,
            false => Duration::ZERO,
        };
        let asked = self.0.get_or_insert_with(|| spawn_blocking(ask));
        match timeout(wait, asked).await {
            Ok(answer) => {
                self.0 = None;
                answer.ok().flatten()
            }
            Err(_) => {
                if is_first {
                    tracing::error!("the disk does not answer: nobody knows how full it is");
                }
                None
            }
        }
    }
}

fn said(alarm: Alarm, space: Space) {
    let (percent, free_mib) = (space.percent(), space.free_mib());
    match alarm {
        Alarm::DiskFull { .. } => tracing::error!(
            disk.free_percent = percent,
            disk.free_mib = free_mib,
            "the disk is full: no orders are taken until there is room"
        ),
        _ => tracing::warn!(
            disk.free_percent = percent,
            disk.free_mib = free_mib,
            "the disk gets full: make room"
        ),
    }
}

/// Whether writes fail, as far as the merchant was told.
#[derive(Debug, Default)]
struct Writes {
    faults: usize,
    /// When a fault was seen last, since the alarm, and what was seen before it; none when all is well.
    failed: Option<(Instant, usize)>,
    /// When it was told last that all is well.
    well_at: Option<Instant>,
    /// How long writes must have been well before that is told.
    quiet: Duration,
}

impl Writes {
    fn look(&mut self, readonly: bool, faults: usize, now: Instant) -> Option<Alarm> {
        let before = std::mem::replace(&mut self.faults, faults);
        let fails = readonly || before != faults;
        match self.failed {
            None if fails => {
                let soon = |at| now.duration_since(at) < WELL_AFTER_MAX;
                self.quiet = match self.well_at.is_some_and(soon) {
                    true => (self.quiet * 2).min(WELL_AFTER_MAX),
                    false => WELL_AFTER,
                };
                self.failed = Some((now, before));
                Some(Alarm::ReadOnly)
            }
            Some((_, before)) if fails => {
                self.failed = Some((now, before));
                None
            }
            Some((at, before)) if now.duration_since(at) >= self.quiet => {
                (self.failed, self.well_at) = (None, Some(now));
                let failures = faults.saturating_sub(before).max(1) as u64;
                Some(Alarm::Writable { failures })
            }
            _ => None,
        }
    }
}

/// Whether the pages of the database are as they were written, as far as the merchant was told.
#[derive(Debug, Default)]
struct Pages {
    damaged: bool,
    /// Times in a row that they could not be read.
    unread: u32,
}

impl Pages {
    /// What to tell of a look at all of them, or why there was none, and how long the next one waits.
    fn look(
        &mut self,
        verified: Result<Result<Option<u64>, Fault>, String>,
    ) -> (Option<Alarm>, Duration) {
        let why = match verified {
            Ok(Ok(bytes)) => {
                self.unread = 0;
                if let Some(bytes) = bytes {
                    tracing::info!(bytes, "every page of shop.redb is as it was written");
                }
                return (None, VERIFY_EVERY);
            }
            Ok(Err(error @ Fault::Damaged(_))) => {
                tracing::error!(%error, "no orders are taken");
                let is_new = !std::mem::replace(&mut self.damaged, true);
                return (is_new.then_some(Alarm::Damaged), VERIFY_EVERY);
            }
            Ok(Err(error @ Fault::Database(_))) => {
                let pause = self.again();
                tracing::error!(%error, "shop.redb cannot be read to its end: check the disk");
                return ((self.unread == 1).then_some(Alarm::Unreadable), pause);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error,
        };
        tracing::error!(error = why, "shop.redb was not verified");
        // Not the disk's doing: nothing to tell, and no long wait.
        (None, VERIFY_AGAIN)
    }

    fn again(&mut self) -> Duration {
        let pause = VERIFY_AGAIN.saturating_mul(2_u32.saturating_pow(self.unread));
        self.unread = self.unread.saturating_add(1);
        pause.min(VERIFY_EVERY)
    }
}

/// How full the disk is, as far as the merchant was told.
#[derive(Debug, Default)]
struct Room {
    /// Thresholds that were passed and told.
    told: usize,
    full: bool,
}

impl Room {
    fn look(&mut self, space: Space) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        let (percent, free_mib) = (space.percent(), space.free_mib());
        let passed = space.lows_passed();
        if passed > self.told {
            // One alarm for what is passed at once: the last says it all.
            alarms.push(Alarm::DiskLow { percent, free_mib });
            self.told = passed;
        } else {
            self.told = self.told.min(space.with_less(BACK_PERCENT).lows_passed());
        }
        if space.is_full() && !self.full {
            alarms.push(Alarm::DiskFull { free_mib });
            self.full = true;
        } else if space.free_bytes >= 2 * space.reserve_bytes() {
            self.full = false;
        }
        alarms
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn space(free_permille: u64) -> Space {
        Space {
            free_bytes: free_permille * 10 * MIB,
            size_bytes: 10_000 * MIB,
        }
    }

    #[test]
    fn each_threshold_is_told_once_until_it_was_clearly_left() {
        let mut room = Room::default();
        let mut told = |permille| {
            let alarms = room.look(space(permille));
            alarms
                .iter()
                .map(|alarm| match alarm {
                    Alarm::DiskLow { percent, .. } => *percent,
                    _ => 0,
                })
                .collect::<Vec<_>>()
        };
        for (permille, expected) in [
            (300, vec![]),
            (199, vec![19]),
            (150, vec![]),
            (201, vec![]),
            (199, vec![]),
            (221, vec![]),
            (199, vec![19]),
            (45, vec![4]),
            (60, vec![]),
            (49, vec![]),
            (72, vec![]),
            (49, vec![4]),
            // 64 MiB of 10,000 are kept for what is paid: alarm 0 is that no orders are taken.
            (0, vec![0]),
            (1, vec![]),
            (500, vec![]),
            (0, vec![0, 0]),
        ] {
            assert_eq!(told(permille), expected, "{permille} of a thousand free");
        }
    }

    #[test]
    fn orders_are_held_while_only_the_reserve_is_left_and_taken_again_with_twice_of_it() {
        let mut room = Room::default();
        let mut held = |free_mib: u64| {
            room.look(Space {
                free_bytes: free_mib * MIB,
                size_bytes: 64 * MIB,
            });
            room.full
        };
        let seen = [10, 2, 1, 0, 2, 3, 4].map(&mut held);
        assert_eq!(seen, [false, false, true, true, true, true, false]);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_one_look_and_one_thread_and_is_heard_once_it_answers() {
        let mut asked = Asked::default();
        let (answers, answer) = std::sync::mpsc::channel::<()>();
        let hangs = move || {
            answer.recv().ok()?;
            Some(space(500))
        };
        assert_eq!(asked.answer(Duration::ZERO, hangs).await, None);
        let again = || unreachable!("the first question is still open");
        assert_eq!(asked.answer(DISK_ANSWERS, again).await, None);
        answers.send(()).unwrap();
        while !asked.0.as_ref().unwrap().is_finished() {
            tokio::task::yield_now().await;
        }
        assert_eq!(asked.answer(DISK_ANSWERS, || None).await, Some(space(500)));
        assert!(asked.0.is_none());
    }

    #[test]
    fn a_fault_too_short_to_be_seen_is_told_all_the_same_and_many_in_a_row_once() {
        let mut writes = Writes::default();
        let at = Instant::now();
        let mut look =
            |readonly, faults, ms| writes.look(readonly, faults, at + Duration::from_millis(ms));
        assert_eq!(look(false, 0, 0), None);
        assert_eq!(look(false, 1, 250), Some(Alarm::ReadOnly));
        assert_eq!(look(true, 2, 1_000), None);
        assert_eq!(look(false, 2, 5_900), None);
        let failures = 2;
        assert_eq!(look(false, 2, 6_000), Some(Alarm::Writable { failures }));
        assert_eq!(look(false, 2, 60_000), None);
        assert_eq!(look(true, 2, 70_000), Some(Alarm::ReadOnly));
    }
    #[test]
    fn a_disk_that_fails_every_seven_seconds_for_a_day_makes_a_handful_of_alarms() {
        let (mut writes, at) = (Writes::default(), Instant::now());
        let mut told = Vec::new();
        for second in 0..24 * 3_600 {
            let now = at + Duration::from_secs(second);
            told.extend(writes.look(false, second as usize / 7, now));
        }
        assert!(told.len() <= 3, "{told:?}");
        let calm = at + Duration::from_secs(25 * 3_600);
        let end = writes.look(false, writes.faults, calm);
        assert!(matches!(end, Some(Alarm::Writable { failures }) if failures > 10_000));
        // After a calm hour everything is as at first.
        let later = calm + WELL_AFTER_MAX;
        assert!(writes.look(true, writes.faults, later).is_some());
        assert!(
            writes
                .look(false, writes.faults, later + WELL_AFTER)
                .is_some()
        );
    }

    #[test]
    fn sectors_that_cannot_be_read_are_told_once_and_tried_again_within_minutes_then_hours() {
        let mut pages = Pages::default();
        let unreadable = || {
            Ok(Err(Fault::Database(
                "Input/output error (os error 5)".into(),
            )))
        };
        assert_eq!(
            pages.look(unreadable()),
            (Some(Alarm::Unreadable), VERIFY_AGAIN)
        );
        assert_eq!(pages.look(unreadable()), (None, VERIFY_AGAIN * 2));
        for _ in 0..100 {
            assert!(pages.look(unreadable()).1 <= VERIFY_EVERY);
        }
        assert!(!pages.damaged, "what is written may still be right");
        assert_eq!(pages.look(Ok(Ok(Some(1)))), (None, VERIFY_EVERY));
        assert_eq!(
            pages.look(unreadable()),
            (Some(Alarm::Unreadable), VERIFY_AGAIN)
        );
    }
}

//! The system's clock.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::Clock;

/// The wall clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        // A clock before 1970 reads as 1970: the ledger's times never go back in any case.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    fn monotonic_ms(&self) -> i64 {
        match &*UPTIME {
            Some(last) => last.now_ms(read_uptime_ms()),
            None => ms(START.elapsed()),
        }
    }
}

/// Where the system does not tell how long it is up: this one stands still while the machine sleeps.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// None where the system does not tell it: looked at once, because the two clocks differ.
static UPTIME: LazyLock<Option<Uptime>> = LazyLock::new(|| read_uptime_ms().map(Uptime::new));

/// What the system told last, and when.
struct Uptime(Mutex<(i64, Instant)>);

impl Uptime {
    fn new(told_ms: i64) -> Self {
        Self(Mutex::new((told_ms, Instant::now())))
    }

    /// What it tells now. Where it cannot be read, as with no file descriptor left, what it told last goes on: a change to another
    /// clock would be taken for a jump of the wall clock, which moves every deadline.
    fn now_ms(&self, told_ms: Option<i64>) -> i64 {
        // Nothing panics while it is held.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told_ms {
            Some(told_ms) => {
                *last = (told_ms, Instant::now());
                told_ms
            }
            None => last.0.saturating_add(ms(last.1.elapsed())),
        }
    }
}

fn ms(since: Duration) -> i64 {
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// How long the machine is up, its sleep included (proc_uptime(5), first number): the clock that no step of the time of day moves.
fn read_uptime_ms() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, _) = text.split_once(' ')?;
    let (whole, part) = seconds.split_once('.')?;
    let hundredths: i64 = part.get(..2)?.parse().ok()?;
    Some(whole.parse::<i64>().ok()? * 1_000 + hundredths * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_on_together() {
        let skew = || SystemClock.now_ms() - SystemClock.monotonic_ms();
        assert!((skew() - skew()).abs() < 1_000);
    }

    #[test]
    fn an_uptime_that_cannot_be_read_once_goes_on_from_the_last_one() {
        let year_ms = 365 * 86_400_000;
        let uptime = Uptime::new(year_ms);
        assert!((0..60_000).contains(&(uptime.now_ms(None) - year_ms)));
        assert_eq!(uptime.now_ms(Some(year_ms + 5_000)), year_ms + 5_000);
        assert!(uptime.now_ms(None) >= year_ms + 5_000);
    }
}

//! The system's clock.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

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
        uptime_ms().unwrap_or_else(|| {
            let since = START.elapsed();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }
}

/// Where the system does not tell how long it is up: this one stands still while the machine sleeps.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Whether the system tells it: looked at once, because the two clocks differ.
static TOLD: LazyLock<bool> = LazyLock::new(|| read_uptime_ms().is_some());

fn uptime_ms() -> Option<i64> {
    TOLD.then(read_uptime_ms).flatten()
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
}

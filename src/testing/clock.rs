use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::Clock;

/// A clock that stands still until it is turned.
#[derive(Debug)]
pub struct TestClock {
    now_ms: AtomicI64,
    monotonic_ms: AtomicI64,
}

impl TestClock {
    /// A clock at a time, Unix milliseconds.
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms: AtomicI64::new(now_ms),
            monotonic_ms: AtomicI64::new(0),
        }
    }

    /// Turns it.
    pub fn advance_ms(&self, by_ms: i64) {
        self.jump_ms(by_ms);
        self.monotonic_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// Sets the time of day forward or back, while no time passes.
    pub fn jump_ms(&self, by_ms: i64) {
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> i64 {
        self.monotonic_ms.load(Ordering::SeqCst)
    }
}

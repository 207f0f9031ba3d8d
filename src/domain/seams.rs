//! The seams through which time and randomness reach the shop. Their implementations live elsewhere.

/// The time of day.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> i64;

    /// Milliseconds of a clock that only goes forward, sleep of the machine included; only differences mean something. Without a
    /// clock of its own it never differs from the time of day.
    fn monotonic_ms(&self) -> i64 {
        self.now_ms()
    }
}

/// Randomness fit for keys.
pub trait Entropy: Send + Sync {
    /// Fills `out`. An implementation that cannot must stop the process rather than return.
    fn fill(&self, out: &mut [u8]);
}

/// `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    entropy.fill(&mut out);
    out
}

//! How far a long run is, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A line on stderr that is drawn over itself; only on a terminal, and not before a second has passed.
pub struct Progress {
    begun: Instant,
    drawn: Mutex<Option<Instant>>,
    shown: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            drawn: Mutex::new(None),
            shown: io::stderr().is_terminal(),
        }
    }

    /// So many bytes of so many, or of an unknown number if that is 0; from any thread.
    pub fn show(&self, done: u64, total: u64) {
        // Whoever finds the line taken leaves it: it is drawn just now.
        let Some(mut drawn) = self.drawn.try_lock().ok().filter(|_| self.shown) else {
            return;
        };
        let now = Instant::now();
        let due = match *drawn {
            None => now.duration_since(self.begun) >= DELAY,
            Some(drawn) => now.duration_since(drawn) >= PERIOD,
        };
        if !due {
            return;
        }
        *drawn = Some(now);
        let _ = write!(io::stderr(), "\r{}\x1b[K", line(done, total));
    }
}

/// Leaves no trace on the terminal.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.lock().is_ok_and(|drawn| drawn.is_some()) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(done: u64, total: u64) -> String {
    let mib = |bytes: u64| bytes >> 20;
    match total {
        0 => format!("{} MiB read", mib(done)),
        total => {
            let percent = u128::from(done.min(total)) * 100 / u128::from(total);
            format!("{percent:>3} % of {} MiB", mib(total))
        }
    }
}

const DELAY: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn progress_never_passes_the_whole() {
        assert_eq!(line(0, 10 << 20), "  0 % of 10 MiB");
        assert_eq!(line(20 << 20, 10 << 20), "100 % of 10 MiB");
        assert_eq!(line(u64::MAX, u64::MAX), "100 % of 17592186044415 MiB");
        assert_eq!(line(3 << 20, 0), "3 MiB read");
    }
}

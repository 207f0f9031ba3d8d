//! What the daemon tells about itself: logs on standard error, and numbers for Prometheus.
//!
//! It never writes to the shop's folder, never opens a socket, and takes nothing for a log line at its word: whatever came in
//! from outside leaves in one line, without control characters and of bounded length.

mod line;
pub mod logs;
pub mod metrics;

pub use logs::{LogsError, level, set_level, start};
pub use metrics::{BackupPlace, ChannelVerdict, Metrics, OrderOutcome, RouteStatus};

//! The daemon's own rooms.

pub mod telemetry;

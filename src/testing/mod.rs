//! What tests and benches stand on: a clock that they turn, entropy from a seed, a shop in a temporary folder, and a disk whose
//! power can be cut.
//!
//! Never part of a released binary: only with the feature `testing`, or in this crate's own tests.
#![allow(clippy::unwrap_used)]

mod clock;
mod dice;
mod disk;
mod entropy;
mod shop;
#[cfg(test)]
mod sim;

pub use clock::TestClock;
pub use dice::Dice;
pub use disk::{Disk, Event, Image, Lies, Record, Replay, Trouble, Watch};
pub use entropy::SeededEntropy;
pub use shop::{TestShop, Till};

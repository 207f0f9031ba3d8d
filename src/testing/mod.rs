//! What tests and benches stand on: a clock that they turn, entropy from a seed, and a shop in a temporary folder.
//!
//! Never part of a released binary: only with the feature `testing`, or in this crate's own tests.
#![allow(clippy::unwrap_used)]

mod clock;
mod entropy;
mod shop;

pub use clock::TestClock;
pub use entropy::SeededEntropy;
pub use shop::{TestShop, Till};

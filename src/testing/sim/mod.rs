//! The simulated shop: all of it, driven through its seams by one seed, with a power cut, a failing disk or a full one at any point.
//!
//! A run is told by its seed: `KEYSTALL_SEED` and `KEYSTALL_CASE` run one case again, `KEYSTALL_CASES` says how many are run.

#![allow(clippy::print_stdout)]

mod command;
mod failing;
mod model;
mod model_test;
mod power;
mod script;
mod told;
mod world;

use command::{Command, Theme};
use world::{Answer, World};

/// A number from the environment, or another.
fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => otherwise,
    }
}

/// What `run` panicked with, or gave.
fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    outcome.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("it panicked: {}", text.unwrap_or("?")))
    })
}

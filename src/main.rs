//! The shop: parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    keystall::cli::run()
}

//! `keystall-verify schema`.

use keystall::ledger::Exit;

pub fn run() -> (Exit, String) {
    (Exit::Proven, SCHEMA.to_owned())
}

const SCHEMA: &str = include_str!("../../../assets/verify-report.schema.json");

//! What a package brings beside the tool. Only in a build with the shop, so the tool itself stays small.

use clap::CommandFactory;
use keystall::cli::{Completions, Facts, Manual, pages};
use keystall::ledger::Exit;

use crate::Cli;
use crate::output::eprintln;

pub fn man(manual: &Manual) -> (Exit, String) {
    match manual.write(&pages(Cli::command(), &FACTS)) {
        Ok(()) => (Exit::Proven, String::new()),
        Err(error) => {
            eprintln(&format!("the manual cannot be written: {error}"));
            (Exit::Internal, String::new())
        }
    }
}

pub fn completions(completions: &Completions) -> (Exit, String) {
    let script = completions.script(without_ours());
    (Exit::Proven, String::from_utf8_lossy(&script).into_owned())
}

/// The commands that the auditor's own build has.
fn without_ours() -> clap::Command {
    let ours = ["man", "completions"];
    let command = Cli::command();
    let kept = command
        .get_subcommands()
        .filter(|inner| !ours.contains(&inner.get_name()))
        .cloned();
    clap::Command::new("keystall-verify")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands(kept)
}

const FACTS: Facts = Facts {
    sections: &[(
        "NOTES",
        "The key of the shop, its vkey, comes by another way than what is checked: from the shop's page, a receipt that was kept, or the merchant. Nothing is sent anywhere: the tool has no network code.",
    )],
    see_also: &[("keystall", "1")],
};

//! The auditor's tool: checks exports and receipts offline. No network code in its dependency tree.

mod compare;
mod ledger;
mod output;
#[cfg(feature = "daemon")]
mod package;
mod progress;
mod receipt;
mod schema;
mod sign;
mod terminal;

use clap::{Parser, Subcommand};
use keystall::ledger::Exit;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout with 0, a usage error to stderr with 2.
            let _ = error.print();
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Proven
            };
            return ExitCode::from(code.code());
        }
    };
    let (exit, text) = match &cli.command {
        Command::Ledger(args) => ledger::run(args),
        Command::Receipt(args) => receipt::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Sign(args) => sign::run(args),
        Command::Schema => schema::run(),
        #[cfg(feature = "daemon")]
        Command::Man(args) => package::man(args),
        #[cfg(feature = "daemon")]
        Command::Completions(args) => package::completions(args),
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(exit.code()),
        // A report that did not arrive must not look like success.
        Err(_) => ExitCode::from(Exit::Internal.code()),
    }
}

/// Checks a shop's receipt ledger, one receipt, or two views of it, offline, against a key that you got by another way.
#[derive(Parser)]
#[command(name = "keystall-verify", version, after_help = output::help(EXAMPLES))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check an export of the ledger: a folder with gen-0 in it, or its .tar.zst.
    Ledger(ledger::LedgerArgs),
    /// Check one receipt.
    Receipt(receipt::ReceiptArgs),
    /// Hold two notes, receipts or exports together, and prove it if the shop showed two histories.
    Compare(compare::CompareArgs),
    /// Sign a message of the shop with the recovery secret, on a machine that is not the shop's.
    Sign(sign::SignArgs),
    #[command(after_help = output::help("Example:\n  keystall-verify schema > report.schema.json"))]
    /// Print the JSON Schema of the reports that --json gives.
    Schema,
    /// Write the manual's page: only in a build with the shop, the auditor's own carries nothing for it.
    #[cfg(feature = "daemon")]
    #[command(hide = true)]
    Man(keystall::cli::Manual),
    /// Print what a shell needs to complete commands: only in a build with the shop.
    #[cfg(feature = "daemon")]
    #[command(hide = true)]
    Completions(keystall::cli::Completions),
}

const EXAMPLES: &str = "Examples:
  keystall-verify ledger ./export --vkey 'shop.example/0123abcd+1f2e3d4c+AQ…' --known kept-last-month.note
  keystall-verify receipt order-A1B2C3.txt --vkey 'shop.example/0123abcd+1f2e3d4c+AQ…'
  keystall-verify compare kept.note ./export --vkey 'shop.example/0123abcd+1f2e3d4c+AQ…' --out fork.txt
  keystall-verify compare mine.note ./export --vkey 'shop.example/0123abcd+1f2e3d4c+AQ…'
  keystall-verify sign rotate.txt";

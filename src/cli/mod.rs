//! The command line: one file for each noun, and what they share.
//!
//! Parses, sends a [`crate::daemon::admin::Command`] to the daemon or executes it on the files, and prints: results on
//! standard output, progress and errors on standard error. With `--json` standard output is one JSON document.
//!
//! It decides nothing about the shop, takes no secret as an argument, and prints none but the recovery secret of `init`, once.

mod backup;
mod category;
mod certificate;
mod channel;
mod completions;
mod config;
mod demo;
mod doctor;
mod export;
mod files;
mod handed;
mod init;
mod interrupt;
mod key;
mod ledger;
mod man;
mod new_archive;
mod notice;
mod notify;
mod order;
mod outbox;
mod owner;
mod print;
mod product;
mod remote;
mod secret;
mod secrets;
mod serve;
mod service;
mod session;
mod terminal;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use serde_json::{Value, json};

use crate::daemon::admin::CommandError;

pub use completions::Completions;
pub use man::{Facts, Manual, Page, pages};

/// An automatic shop for digital goods in one daemon.
#[derive(Debug, Parser)]
#[command(
    name = "keystall",
    version,
    about = "Keystall (钥铺): an automatic shop for digital goods in one daemon",
    after_help = "Example:\n  keystall demo\n  keystall init --host shop.example.com --title \"My shop\"\n  keystall serve"
)]
pub struct Cli {
    /// The shop's folder [default: KEYSTALL_DIR, else /var/lib/keystall]
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Try it: a shop with samples and a sandbox cashier, until interrupted
    Demo(demo::Demo),
    /// Make a shop
    Init(Box<init::Init>),
    /// Serve the shop
    Serve(serve::Serve),
    /// What is sold
    #[command(subcommand)]
    Product(product::Product),
    /// Groups of products in the window
    #[command(subcommand)]
    Category(category::Category),
    /// The stock of keys
    #[command(subcommand)]
    Key(key::Key),
    /// Ways to pay
    #[command(subcommand)]
    Channel(channel::Channel),
    /// Orders
    #[command(subcommand)]
    Order(order::Order),
    /// The ledger of receipts
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Payment providers' notices
    #[command(subcommand)]
    Notice(notice::Notice),
    /// Mails: whether they arrive, and their texts
    #[command(subcommand)]
    Notify(notify::Notify),
    /// Messages to the outside that are not delivered yet
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// The keys that the shop's own data is sealed under
    #[command(subcommand)]
    Secret(secrets::Secrets),
    /// The certificate of the shop
    #[command(subcommand)]
    Certificate(certificate::Certificate),
    /// Sealed backups, and going back to one
    #[command(subcommand)]
    Backup(backup::Backup),
    /// The settings
    #[command(subcommand)]
    Config(config::Config),
    /// Look for what is wrong, and say what to do
    Doctor(doctor::Doctor),
    /// Print what a shell needs to complete commands
    Completions(Completions),
    /// Write the manual's pages, for packages
    #[command(hide = true)]
    Man(Manual),
}

impl Noun {
    /// Files that the caller named to be read, in an order that depends on the arguments alone.
    fn named(&self) -> Vec<&Path> {
        let named: Vec<&Path> = match self {
            Self::Product(product) => product.named(),
            Self::Key(key) => key.named(),
            Self::Channel(channel) => channel.named(),
            Self::Notify(notify) => notify.named(),
            Self::Backup(backup) => backup.named(),
            _ => Vec::new(),
        };
        let is_file = |path: &&Path| *path != Path::new("-");
        named.into_iter().filter(is_file).collect()
    }
}

/// What a command gives.
struct Done {
    /// With `--json`; null where everything was printed before.
    value: Value,
    /// For people, whole lines.
    text: String,
    /// 0, or 1 where what was looked at is not well.
    exit: u8,
}

/// Why a command gives nothing.
struct Failure {
    code: String,
    message: String,
    /// 1 refused or failed, 2 usage.
    exit: u8,
}

/// Runs the command of this process's arguments. Exit codes: 0 done, 1 refused or failed, 2 usage.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output with 0, a usage error to standard error with 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let json = cli.json;
    let (value, text, exit) = match dispatch(cli) {
        Ok(done) => (done.value, done.text, done.exit),
        Err(failure) => {
            // Nowhere else to complain at.
            let _ = writeln!(
                io::stderr(),
                "keystall: {}",
                print::safe_lines(&failure.message)
            );
            let (code, message) = (failure.code, failure.message);
            let value = json!({"error": {"code": code, "message": message}});
            (value, String::new(), failure.exit)
        }
    };
    let printed = if json && !value.is_null() {
        write_out(&format!("{value}\n"))
    } else {
        write_out(&text)
    };
    match printed {
        Ok(()) => ExitCode::from(exit),
        // A reader that has seen enough, as `head`, is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(exit),
        Err(_) => ExitCode::from(1),
    }
}

fn dispatch(cli: Cli) -> Result<Done, Failure> {
    let Cli { dir, json, noun } = cli;
    let place = session::Place::new(dir, json);
    // `init` makes a shop for its owner and settings that are root's, so it stays who it is until then; the others touch no shop.
    let stays = matches!(
        noun,
        Noun::Demo(_)
            | Noun::Init(_)
            | Noun::Config(config::Config::Example)
            | Noun::Completions(_)
            | Noun::Man(_)
    );
    if !stays {
        owner::become_owner_of(&place.dir, &noun.named())?;
    }
    match noun {
        Noun::Demo(demo) => demo.run(&place),
        Noun::Init(init) => init.run(&place),
        Noun::Serve(serve) => serve.run(&place),
        Noun::Product(product) => product.run(&place.session()?),
        Noun::Category(category) => category.run(&place.session()?),
        Noun::Key(key) => key.run(&place.session()?),
        Noun::Channel(channel) => channel.run(&place.session()?),
        Noun::Order(order) => order.run(&place.session()?),
        Noun::Ledger(ledger) => ledger.run(&place.session()?),
        Noun::Notice(notice) => notice.run(&place.session()?),
        Noun::Notify(notify) => notify.run(&place.session()?),
        Noun::Outbox(outbox) => outbox.run(&place.session()?),
        Noun::Secret(secrets) => secrets.run(&place.session()?),
        Noun::Certificate(certificate) => certificate.run(&place.session()?),
        Noun::Backup(backup) => backup.run(&place),
        Noun::Config(config) => config.run(&place),
        Noun::Doctor(doctor) => doctor.run(&place),
        Noun::Completions(completions) => completions.run(Cli::command()),
        Noun::Man(manual) => manual.run(Cli::command()),
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

impl Done {
    fn new(value: Value, text: impl Into<String>) -> Self {
        Self {
            value,
            text: text.into(),
            exit: 0,
        }
    }
}

impl Failure {
    fn new(code: &str, message: impl ToString) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_string(),
            exit: 1,
        }
    }

    fn usage(message: impl ToString) -> Self {
        Self {
            exit: 2,
            ..Self::new("usage", message)
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::new(&error.code, error.message)
    }
}

#[cfg(test)]
mod tests;

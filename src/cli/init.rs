//! `keystall init`.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use clap::Args;
use serde_json::json;

use super::{
    Done, Failure, print,
    session::{Place, environment},
    terminal,
};
use crate::{
    actions::{Founded, Founding, Shop},
    config::{self, Settings},
    daemon,
    vault::SystemEntropy,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keystall init --host shop.example.com --title \"My shop\"\n\nThe recovery secret is shown once, on standard error, and is not kept: write it down."
)]
pub(super) struct Init {
    /// The host name that buyers use
    #[arg(long)]
    host: Option<String>,
    /// The shop's name
    #[arg(long)]
    title: Option<String>,
    /// The currency of prices
    #[arg(long, default_value = "CNY")]
    currency: String,
}

/// What is written into the first settings.
struct First {
    host: String,
    title: String,
    currency: String,
}

impl Init {
    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
        let dir = &place.dir;
        if ["shop.redb", "root.key"]
            .iter()
            .any(|name| dir.join(name).exists())
        {
            let message = format!(
                "{} holds a shop already: nothing was changed",
                dir.display()
            );
            return Err(Failure::new("exists", message));
        }
        if self.currency == "RMB" {
            let message =
                "the code of the Chinese yuan is CNY: --currency CNY; it cannot be changed later";
            return Err(Failure::new("currency", message));
        }
        let missing: Vec<&str> = [("--host", &self.host), ("--title", &self.title)]
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(flag, _)| *flag)
            .collect();
        if !missing.is_empty() && !terminal::is_there() {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            return Err(Failure::usage(format!(
                "{} {verb} needed: see `keystall init --help`",
                missing.join(" and ")
            )));
        }
        let first = First {
            host: given(self.host, "Host name")?,
            title: given(self.title, "The shop's name")?,
            currency: self.currency,
        };
        let settings = first.settings(dir)?;
        let founded = found(dir, &settings)?;
        // Shown before anything else may fail: it is nowhere else.
        let shown = io::stderr()
            .lock()
            .write_all(sheet(&first.host, &founded).as_bytes());
        shown.map_err(|error| Failure::new("terminal", format!("the recovery secret could not be shown ({error}): remove the folder and init again")))?;
        let file = config::file(dir);
        write_settings(&file, &first)?;
        let value = json!({
            "dir": dir.display().to_string(),
            "config": file.display().to_string(),
            "vkey": founded.vkey,
            "root_vkey": founded.root_vkey,
        });
        let text = format!(
            "a shop for {} is in {}\nvkey {}\nnext: keystall product add --help, then keystall channel add --help, then keystall serve\n",
            first.host,
            print::safe(&dir.display().to_string()),
            founded.vkey
        );
        Ok(Done::new(value, text))
    }
}

impl First {
    /// Checks the values as the settings that they will be.
    fn settings(&self, dir: &Path) -> Result<Settings, Failure> {
        let own = [
            ("HOST", &self.host),
            ("TITLE", &self.title),
            ("CURRENCY", &self.currency),
        ];
        let own = own.map(|(key, value)| (format!("KEYSTALL_SHOP__{key}"), value.clone()));
        let others = environment().filter(|(name, _)| own.iter().all(|(own, _)| own != name));
        let others: Vec<(String, String)> = others.collect();
        config::load(dir, others.into_iter().chain(own))
            .map_err(|error| Failure::new("config", error))
    }

    fn toml(&self) -> String {
        format!(
            "# Keystall's settings. `keystall config example` shows all with their defaults.\n\n[shop]\nhost = {}\ntitle = {}\ncurrency = {}\n",
            config::quoted(&self.host),
            config::quoted(&self.title),
            config::quoted(&self.currency)
        )
    }
}

fn given(flag: Option<String>, question: &str) -> Result<String, Failure> {
    match flag {
        Some(value) => Ok(value),
        None => terminal::ask(question, None),
    }
}

fn found(dir: &Path, settings: &Settings) -> Result<Founded, Failure> {
    let founding = Founding {
        host: settings.shop.host.clone(),
    };
    let founded = Shop::found(
        dir,
        &founding,
        daemon::options(settings),
        Arc::new(SystemEntropy),
    );
    founded.map_err(|error| Failure::new("shop", error))
}

/// Settings that are there already, as a package's, are left as they are.
fn write_settings(file: &Path, first: &First) -> Result<(), Failure> {
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut file| {
            file.write_all(first.toml().as_bytes())?;
            file.sync_all()
        });
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let note = format!(
                "keystall: {} was there already and is left as it is; its [shop] must say the same\n",
                file.display()
            );
            // A note only.
            let _ = io::stderr().lock().write_all(note.as_bytes());
            Ok(())
        }
        Err(error) => {
            let message = format!(
                "the shop is made, but {} cannot be written: {error}; write it yourself:\n{}",
                file.display(),
                first.toml()
            );
            Err(Failure::new("file", message))
        }
    }
}

fn sheet(host: &str, founded: &Founded) -> String {
    // The secret is hex digits.
    let secret = founded.recovery.expose_str().unwrap_or_default().as_bytes();
    let groups: Vec<String> = secret
        .chunks(8)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    let lines: Vec<String> = groups
        .chunks(4)
        .map(|line| format!("    {}", line.join(" ")))
        .collect();
    format!(
        "\nRECOVERY SHEET of {host}: write this down or print it, and keep it away from this machine.\n\
         It is shown once and is not kept. It proves that a restored ledger continues this one.\n\n\
         Recovery secret (64 hex digits, spaces do not matter):\n{}\n\n\
         Root key: {}\n\
         Log key:  {}\n\n\
         Copy root.key and erase.keys from the shop's folder to a safe place too: without them nothing in it opens.\n\n",
        lines.join("\n"),
        founded.root_vkey,
        founded.vkey
    )
}

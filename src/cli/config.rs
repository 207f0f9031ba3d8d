//! `keystall config`.

use clap::Subcommand;
use serde_json::json;

use super::{
    Done, Failure,
    doctor::{doubts, restart_for},
    print,
    session::Place,
};
use crate::{
    actions::{ShopError, what_it_was},
    config,
};

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Check the settings
    #[command(after_help = "Example:\n  keystall config check")]
    Check,
    /// Show the settings that hold, from file and environment, secrets redacted
    #[command(after_help = "Example:\n  keystall config show")]
    Show,
    /// Print all settings with their defaults and why
    #[command(after_help = "Example:\n  keystall config example > keystall.toml")]
    Example,
}

impl Config {
    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
        match self {
            Self::Check => {
                let session = place.session()?;
                let settings = session.settings.shop.currency;
                if let (_, Some(shop)) = what_it_was(&place.dir)
                    && shop != settings
                {
                    return Err(Failure::new(
                        "config",
                        ShopError::Currency { shop, settings },
                    ));
                }
                crate::daemon::check_mail(&session.settings)
                    .map_err(|error| Failure::new("config", error))?;
                let (_, problems) = config::branding(&session.settings.shop);
                let path = config::file(&place.dir);
                let (there, file) = (path.exists(), path.display().to_string());
                let shown = print::safe(&file);
                // A daemon that cannot be asked is what `keystall doctor` is for.
                let waiting = session.not_in_force().unwrap_or_default();
                let mut text = if there {
                    format!("{shown} is good\n")
                } else {
                    format!("there is no {shown}; the defaults and the environment are good\n")
                };
                if !waiting.is_empty() {
                    text.push_str(&format!("{}\n", restart_for(&waiting)));
                }
                let doubts = doubts(&place.dir, &session.settings);
                for doubt in &doubts {
                    text.push_str(&format!("look again: {}\n", print::safe(doubt)));
                }
                let mut done = checked(text, &file, there, &problems);
                done.value["doubts"] = json!(doubts);
                done.value["restart_for"] = json!(waiting);
                Ok(done)
            }
            Self::Show => {
                let settings = place.settings()?;
                let value = settings.redacted_data();
                let value = value.map_err(|error| Failure::new("internal", error))?;
                Ok(Done::new(value, settings.redacted()))
            }
            Self::Example => {
                let text = config::example();
                Ok(Done::new(json!({"example": text}), text))
            }
        }
    }
}

/// What the check says. Settings that can be used with files that cannot: the shop opens without these.
fn checked(said: String, file: &str, there: bool, problems: &[config::Problem]) -> Done {
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let value = json!({"ok": told.is_empty(), "file": file, "exists": there, "problems": told});
    if told.is_empty() {
        return Done::new(value, said);
    }
    let lines = told.iter().map(|line| print::safe(line) + "\n");
    let text = "the shop opens, but without this:\n".to_owned() + &lines.collect::<String>();
    Done {
        value,
        text,
        exit: 1,
    }
}

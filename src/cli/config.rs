//! `keystall config`.

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, print, session::Place};
use crate::config;

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
                place.settings()?;
                let path = config::file(&place.dir);
                let (there, file) = (path.exists(), path.display().to_string());
                let shown = print::safe(&file);
                let text = if there {
                    format!("{shown} is good\n")
                } else {
                    format!("there is no {shown}; the defaults and the environment are good\n")
                };
                Ok(Done::new(
                    json!({"ok": true, "file": file, "exists": there}),
                    text,
                ))
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

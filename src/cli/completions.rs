//! `keystall completions`.

use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;

use super::{Done, Failure};

/// The command that prints a shell's completions.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keystall completions bash > /etc/bash_completion.d/keystall\n\nThe packages bring those of bash, zsh and fish."
)]
pub struct Completions {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, command: Command) -> Result<Done, Failure> {
        let text = String::from_utf8(self.script(command))
            .map_err(|error| Failure::new("internal", error))?;
        Ok(Done::new(json!({"completions": text}), text))
    }

    /// What the shell is to read to complete `command`.
    pub fn script(&self, mut command: Command) -> Vec<u8> {
        let name = command.get_name().to_owned();
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut out);
        out
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn each_shell_completes_every_noun() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = Completions { shell }.script(Cli::command());
            let script = String::from_utf8(script).unwrap();
            for noun in Cli::command()
                .get_subcommands()
                .filter(|noun| !noun.is_hide_set())
            {
                assert!(script.contains(noun.get_name()), "{shell}: {noun}");
            }
        }
    }
}

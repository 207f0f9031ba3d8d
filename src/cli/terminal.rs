//! Asking a person, and showing how far something is.

use std::io::{self, BufRead, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::daemon::admin::Progress;

/// Whether a person can be asked.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for one line; `default` answers an empty one.
pub(super) fn ask(question: &str, default: Option<&str>) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::new("terminal", error);
    let mut prompt = io::stderr().lock();
    match default {
        Some(default) => write!(prompt, "{question} [{default}]: "),
        None => write!(prompt, "{question}: "),
    }
    .and_then(|()| prompt.flush())
    .map_err(failed)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(failed)?;
    let line = line.trim();
    match (line.is_empty(), default) {
        (true, Some(default)) => Ok(default.to_owned()),
        (true, None) => Err(Failure::usage(format!("{question}: nothing was answered"))),
        (false, _) => Ok(line.to_owned()),
    }
}

/// Asks for a line that is not shown while it is typed.
pub(super) fn ask_hidden(question: &str) -> Result<String, Failure> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = io::stdin();
    let shown = tcgetattr(&stdin).map_err(|error| Failure::new("terminal", error))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Now, &hidden)
        .map_err(|error| Failure::new("terminal", error))?;
    let answer = ask(question, None);
    let restored = tcsetattr(&stdin, OptionalActions::Now, &shown);
    restored.map_err(|error| Failure::new("terminal", error))?;
    // The line's end was not shown either.
    let _ = writeln!(io::stderr());
    answer
}

/// A bar on standard error, where that is a terminal.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar, hidden with `--json` and where nobody looks.
    pub(super) fn new(json: bool, template: &str) -> Self {
        if json || !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::no_length();
        // Our own templates are right; a wrong one would only look plain.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    /// Moves it.
    pub(super) fn show(&self, progress: Progress) {
        if let Some(bar) = &self.0 {
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            bar.set_position(progress.done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

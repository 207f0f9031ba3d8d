//! Asking a person, and showing how far something is.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressStyle};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Failure;
use crate::daemon::admin::Progress;

/// Whether a person can be asked.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for one line; `default` answers an empty one.
pub(super) fn ask(question: &str, default: Option<&str>) -> Result<String, Failure> {
    let answer = prompt(question, default)?;
    if answer.is_empty() {
        return Err(Failure::usage(format!("{question}: nothing was answered")));
    }
    Ok(answer)
}

/// As [`ask`], but an empty line without a default is an empty answer. The input's end is none.
pub(super) fn prompt(question: &str, default: Option<&str>) -> Result<String, Failure> {
    let line = line(question, default)?;
    let line = line.trim();
    let empty = default.unwrap_or_default();
    Ok(if line.is_empty() { empty } else { line }.to_owned())
}

/// Asks for one line; gives it as it was typed.
fn line(question: &str, default: Option<&str>) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::new("terminal", error);
    let mut prompt = io::stderr().lock();
    match default {
        Some(default) => write!(prompt, "{question} [{default}]: "),
        None => write!(prompt, "{question}: "),
    }
    .and_then(|()| prompt.flush())
    .map_err(failed)?;
    // Held while waiting it would keep the last words of an interrupted process from being said.
    drop(prompt);
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line).map_err(failed)?;
    if read == 0 {
        // What is said next begins a line.
        let _ = writeln!(io::stderr());
        return Err(Failure::usage(format!("{question}: nothing was answered")));
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

/// How the terminal was before typing was hidden.
static SHOWN: Mutex<Option<Termios>> = Mutex::new(None);

/// Asks for a line that is not shown while it is typed; gives it with its blanks, for they may be a password's. It may be empty.
pub(super) fn ask_hidden(question: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    let shown = tcgetattr(&stdin).map_err(|error| Failure::new("terminal", error))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    tcsetattr(&stdin, OptionalActions::Now, &hidden)
        .map_err(|error| Failure::new("terminal", error))?;
    let answer = line(question, None);
    show_typing();
    // The line's end was not shown either.
    let _ = writeln!(io::stderr());
    answer
}

/// Undoes what [`ask_hidden`] does, wherever the process is.
pub(super) fn show_typing() {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(shown) = shown {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &shown);
    }
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

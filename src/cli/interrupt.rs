//! Ctrl-C while something is written that is there whole or not at all.

use std::{
    borrow::Cow,
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody wants the process to end. Once it watches, the first such signal is only noted, so that what is unfinished
/// can be removed; the second ends the process, and so does the first after [`Interrupt::release`].
pub(super) struct Interrupt {
    came: Arc<AtomicBool>,
    last_words: Arc<Mutex<Option<Cow<'static, str>>>>,
}

/// As a shell says that a process ended by SIGINT.
pub(super) const INTERRUPTED: u8 = 130;

impl Interrupt {
    /// Watches from now on. Where that fails a signal ends the process at once, as before.
    pub(super) fn watch() -> Self {
        let this = Self {
            came: Arc::default(),
            last_words: Arc::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else {
            return this;
        };
        let (noted, last_words) = (this.came.clone(), this.last_words.clone());
        let (ready, watching) = std::sync::mpsc::channel();
        // Not joined: it ends with the process.
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let kinds = [
                    SignalKind::interrupt(),
                    SignalKind::terminate(),
                    SignalKind::hangup(),
                ];
                let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up)] = kinds.map(signal)
                else {
                    return;
                };
                let _ = ready.send(());
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hang_up.recv() => {}
                    }
                    let words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
                    let words = words.clone();
                    let came_before = noted.swap(true, Ordering::AcqRel);
                    if came_before || words.is_some() {
                        end(&words.unwrap_or_default());
                    }
                }
            });
        });
        // An error is a thread that does not watch.
        let _ = watching.recv();
        this
    }

    /// From now on the first signal ends the process, with these last words; it ends at once if one came before.
    pub(super) fn release(&self, last_words: impl Into<Cow<'static, str>>) {
        let last_words = last_words.into();
        *self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(last_words.clone());
        if self.came() {
            end(&last_words);
        }
    }

    /// From now on the first signal is only noted.
    pub(super) fn hold(&self) {
        *self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a signal came.
    pub(super) fn came(&self) -> bool {
        self.came.load(Ordering::Acquire)
    }
}

fn end(last_words: &str) -> ! {
    super::terminal::show_typing();
    if !last_words.is_empty() {
        // Nowhere else to say it.
        let _ = writeln!(std::io::stderr(), "\nkeystall: {last_words}");
    }
    std::process::exit(INTERRUPTED.into())
}

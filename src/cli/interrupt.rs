//! Ctrl-C while something is written that is there whole or not at all.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody wants the process to end. Once it watches, the first such signal is only noted, so that what is unfinished
/// can be removed; the second ends the process.
pub(super) struct Interrupt(Arc<AtomicBool>);

/// As a shell says that a process ended by SIGINT.
const INTERRUPTED: i32 = 130;

impl Interrupt {
    /// Watches from now on. Where that fails a signal ends the process at once, as before.
    pub(super) fn watch() -> Self {
        let came = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else {
            return Self(came);
        };
        let noted = came.clone();
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
                    if noted.swap(true, Ordering::AcqRel) {
                        std::process::exit(INTERRUPTED);
                    }
                }
            });
        });
        // An error is a thread that does not watch.
        let _ = watching.recv();
        Self(came)
    }

    /// Whether a signal came.
    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

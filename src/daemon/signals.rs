//! What the system asks of the daemon.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::net::TlsServer;

/// Told once the daemon is to end; clones hear the same.
#[derive(Clone)]
pub struct Ending(watch::Receiver<bool>);

/// Tells [`Ending`]; dropping it tells too.
pub struct End(watch::Sender<bool>);

impl Ending {
    /// A pair that nobody has told yet.
    pub fn new() -> (End, Self) {
        let (end, ending) = watch::channel(false);
        (End(end), Self(ending))
    }

    /// Turns true once the daemon is to end.
    pub(super) fn watched(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    /// Ready once the daemon is to end.
    pub async fn wait(&self) {
        // An error is a dropped sender, which is an end as well.
        let _ = self.0.clone().wait_for(|ended| *ended).await;
    }
}

impl End {
    /// Tells everybody.
    pub fn tell(&self) {
        self.0.send_replace(true);
    }
}

/// Listens for SIGTERM and SIGINT (end) and SIGHUP (read the certificate again) until the end.
///
/// # Errors
/// When the handlers cannot be installed.
pub(super) fn listen(tls: Option<TlsServer>) -> io::Result<Ending> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (end, ending) = Ending::new();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => reload(tls.as_ref()),
            }
        }
        tracing::info!("ending: no new connections, those in progress may finish");
        end.tell();
    });
    Ok(ending)
}

fn reload(tls: Option<&TlsServer>) {
    match tls.map(TlsServer::reload) {
        Some(Ok(())) => tracing::info!("the certificate was read again"),
        Some(Err(error)) => tracing::error!(%error, "the old certificate stays in use"),
        None => tracing::info!("there is no certificate to read again"),
    }
}

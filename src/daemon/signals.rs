//! What the system asks of the daemon.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::telemetry;
use crate::{config, net::TlsServer};

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

/// Listens for SIGTERM and SIGINT (end) and SIGHUP (read the certificate and the log's level again) until the end.
///
/// # Errors
/// When the handlers cannot be installed.
pub(super) fn listen(tls: Option<TlsServer>, dir: &Path) -> io::Result<Ending> {
    let dir = dir.to_owned();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (end, ending) = Ending::new();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => reload(tls.clone(), dir.clone()).await,
            }
        }
        tracing::info!("ending: no new connections, those in progress may finish");
        end.tell();
    });
    Ok(ending)
}

/// Reads files: away from the threads that serve.
async fn reload(tls: Option<TlsServer>, dir: PathBuf) {
    let read = tokio::task::spawn_blocking(move || {
        reload_certificate(tls.as_ref());
        reload_level(&dir);
    });
    if read.await.is_err() {
        tracing::error!("certificate and settings could not be read again");
    }
}

/// Of the settings the log's level alone changes without a restart: to see more of what goes on now.
fn reload_level(dir: &Path) {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match config::load(dir, environment) {
        Ok(settings) => {
            if telemetry::set_level(settings.log.level) {
                tracing::info!("the log's level was read again");
            }
        }
        Err(error) => tracing::error!(%error, "the log's level stays"),
    }
}

fn reload_certificate(tls: Option<&TlsServer>) {
    match tls.map(TlsServer::reload) {
        Some(Ok(())) => tracing::info!("the certificate was read again"),
        Some(Err(error)) => tracing::error!(%error, "the old certificate stays in use"),
        None => tracing::info!("there is no certificate to read again"),
    }
}

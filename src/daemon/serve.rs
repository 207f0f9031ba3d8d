//! A shop, served: everything is built here in order, and ended in the opposite one.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::Router;
use tokio::runtime::Handle;

use super::{
    admin::{self, Context},
    open::{admin_socket, open_shop},
    schedule,
    signals::{self, Ending},
    systemd,
    telemetry::Metrics,
};
use crate::{
    actions::{Shop, ShopError},
    config::{Settings, TlsMode},
    net::{self, ListenError, Listener, Local, ServeLimits, Timeouts, TlsError, TlsServer},
};

/// Why the daemon does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The shop does not open.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// A socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// `[tls] mode = "acme"`.
    #[error("[tls] mode \"acme\" is not in this version yet: use \"files\" or \"self-signed\"")]
    Acme,
    /// The way out to payment providers.
    #[error("the outbound client: {0}")]
    Outbound(rustls::Error),
    /// Signals or threads.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// A daemon that takes connections.
pub struct Served {
    /// Where TLS is spoken, ports as they were had.
    pub https: Vec<SocketAddr>,
    /// The shop.
    pub shop: Arc<Shop>,
    /// Told when it is to end.
    pub ending: Ending,
    running: tokio::task::JoinHandle<usize>,
    admin: tokio::task::JoinHandle<usize>,
    tasks: tokio::task::JoinSet<()>,
}

/// How long requests in progress may take to end.
const DRAIN: Duration = Duration::from_secs(12);
/// How long tasks may take to end after that: together less than the 15 s that are promised.
const TASKS_END: Duration = Duration::from_secs(2);

/// Opens the shop in `dir` and takes connections. `settle` is called once ports are known and before anything is served, for
/// settings that follow from them.
///
/// # Errors
/// [`ServeError`]; a folder without a shop is left as it was.
pub async fn serve(
    dir: &Path,
    mut settings: Settings,
    settle: impl FnOnce(&mut Settings, &[SocketAddr]),
) -> Result<Served, ServeError> {
    let shop = open(dir, &settings).await?;
    let tls = certificate(dir, &settings)?;
    let socket = Listener::unix(&admin_socket(dir, &settings)).await?;
    let mut listeners = Vec::new();
    let mut https = Vec::new();
    for address in &settings.listen.https {
        let listener = Listener::tls(*address, tls.clone()).await?;
        https.extend(listener.local().tcp());
        listeners.push(listener);
    }
    for address in &settings.listen.http {
        listeners.push(Listener::plain(*address).await?);
    }
    settle(&mut settings, &https);
    let settings = Arc::new(settings);
    let metrics = Arc::new(Metrics::new());
    let ending = signals::listen(Some(tls))?;
    let at: Vec<String> = listeners.iter().map(|one| one.local().to_string()).collect();

    let public = public(&shop, &settings, &metrics, &ending)?;
    let tasks = schedule::start(&shop, &metrics, &ending);
    let running = spawn_serving(listeners, public, &settings, &ending);
    let context = Context {
        shop: shop.clone(),
        settings: settings.clone(),
        runtime: Handle::current(),
        in_daemon: true,
    };
    let service = admin::socket::service(context, metrics);
    let admin = spawn_serving(vec![socket], service, &settings, &ending);
    tracing::info!(
        listen = at.join(", "),
        ledger.size = shop.chain().latest().size,
        "the shop is open"
    );
    Ok(Served {
        https,
        shop,
        ending,
        running,
        admin,
        tasks,
    })
}

impl Served {
    /// Serves until the end is told, then ends everything in order: connections, tasks, the shop.
    pub async fn until_end(self) {
        let Self {
            shop,
            ending,
            running,
            admin,
            mut tasks,
            ..
        } = self;
        systemd::ready();
        ending.wait().await;
        systemd::stopping();
        let cut = running.await.unwrap_or(0) + admin.await.unwrap_or(0);
        if cut > 0 {
            tracing::warn!(connections = cut, "connections were cut at the end");
        }
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(TASKS_END, ended).await.is_err() {
            tracing::warn!("tasks were cut at the end");
        }
        tasks.shutdown().await;
        close(shop).await;
    }
}

/// The pages and notices of the shop.
fn public(
    shop: &Arc<Shop>,
    settings: &Arc<Settings>,
    metrics: &Arc<Metrics>,
    ending: &Ending,
) -> Result<Router, ServeError> {
    let _ = (shop, settings, metrics, ending);
    Ok(Router::new())
}

async fn open(dir: &Path, settings: &Settings) -> Result<Arc<Shop>, ServeError> {
    let (dir, settings) = (dir.to_owned(), settings.clone());
    let opened = tokio::task::spawn_blocking(move || open_shop(&dir, &settings)).await;
    match opened {
        Ok(shop) => Ok(Arc::new(shop?)),
        Err(error) => Err(ServeError::System(std::io::Error::other(error))),
    }
}

fn certificate(dir: &Path, settings: &Settings) -> Result<TlsServer, ServeError> {
    let tls = &settings.tls;
    match (tls.mode, &tls.cert, &tls.key) {
        (TlsMode::Files, Some(cert), Some(key)) => Ok(TlsServer::from_files(cert, key)?),
        (TlsMode::Acme, ..) => Err(ServeError::Acme),
        // Without both files the settings were refused.
        (TlsMode::SelfSigned | TlsMode::Files, ..) => {
            Ok(TlsServer::self_signed(dir, &settings.shop.host)?)
        }
    }
}

fn spawn_serving<S, B>(
    listeners: Vec<Listener>,
    service: S,
    settings: &Settings,
    ending: &Ending,
) -> tokio::task::JoinHandle<usize>
where
    S: tower::Service<http::Request<hyper::body::Incoming>, Response = http::Response<B>>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    S::Error: Into<net::BoxError>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<net::BoxError>,
{
    let listen = &settings.listen;
    let limits = ServeLimits {
        connections_max: listen.connections_max,
        connections_per_address_max: listen.connections_per_address,
        trusted_proxies: listen.trusted_proxies.clone(),
        ..ServeLimits::default()
    };
    let timeouts = Timeouts {
        drain: DRAIN,
        ..Timeouts::default()
    };
    let ending = ending.clone();
    tokio::spawn(async move {
        net::serve(listeners, service, limits, timeouts, async move {
            ending.wait().await;
        })
        .await
    })
}

/// Ends the writer and leaves the high-water file true, once nobody else has the shop.
async fn close(mut shop: Arc<Shop>) {
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        match Arc::try_unwrap(shop) {
            Ok(shop) => {
                let closed = tokio::task::spawn_blocking(move || shop.close()).await;
                if closed.is_err() {
                    tracing::error!("the shop did not close in order");
                }
                return;
            }
            Err(still) => shop = still,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Everything that was answered is on disk; the next start makes the rest true.
    tracing::warn!("the shop is still in use at the end");
}

impl Served {
    /// The first address that speaks TLS.
    pub fn address(&self) -> Option<Local> {
        self.https.first().copied().map(Local::Tcp)
    }
}

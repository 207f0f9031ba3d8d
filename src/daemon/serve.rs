//! A shop, served: everything is built here in order, and ended in the opposite one.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{
    admin::{self, Context},
    anchors::{self, AnchorSetup},
    backups,
    certificates::{self, CertificateSetup},
    front,
    guard::Guard,
    open::{admin_socket, open_observed},
    post::{self, PostError},
    schedule,
    signals::{self, Ending},
    systemd,
    telemetry::Metrics,
    witness::{Contradiction, Witnesses},
};
use crate::store::Observe;
use crate::{
    actions::{Shop, ShopError},
    config::{Listen, Settings},
    net::{self, Client, ListenError, Listener, Local, Passed, ServeLimits, Timeouts, TlsError},
    notify::{Alarms, Outcome, WebhookConfig, WebhookConfigError, Worker},
    pay::{Desk, DeskConfigError, outbound::NetOutbound},
    web::{self, WebSettings, WebState, view::Mode},
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
    /// The authority of the certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateSetup),
    /// The way out to payment providers.
    #[error("the outbound client: {0}")]
    Outbound(crate::net::TlsSetup),
    /// The shop's address.
    #[error(transparent)]
    Desk(#[from] DeskConfigError),
    /// The webhook.
    #[error("[webhook] {0}")]
    Webhook(#[from] WebhookConfigError),
    /// Mail.
    #[error(transparent)]
    Post(#[from] PostError),
    /// A witness of the ledger saw more, or another history.
    #[error(transparent)]
    Witness(#[from] Contradiction),
    /// Anchors.
    #[error(transparent)]
    Anchors(#[from] AnchorSetup),
    /// A task ended by a panic, which the log holds.
    #[error("a task of the daemon broke: see the log above")]
    Broken,
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

/// What is served.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The shop's settings.
    pub settings: Settings,
    /// What buyers are told of their money.
    pub mode: Mode,
    /// Whether links get the port that was had, because any was asked for.
    pub port_as_had: bool,
}

/// Opens the shop in `dir` and takes connections.
///
/// # Errors
/// [`ServeError`]; a folder without a shop is left as it was.
pub async fn serve(dir: &Path, plan: Plan) -> Result<Served, ServeError> {
    let mut settings = plan.settings;
    let metrics = Arc::new(Metrics::new());
    let shop = open(dir, &settings, metrics.clone()).await?;
    let (board, hsts) = (Arc::default(), Arc::default());
    let tls = certificates::server(dir, &shop, &settings, &board)?;
    let socket = Listener::unix(&admin_socket(dir, &settings)).await?;
    let mut passed = Passed::take()?;
    let mut listeners = passed.https(&settings.listen.https, tls.clone()).await?;
    let https: Vec<SocketAddr> = listeners
        .iter()
        .filter_map(|one| one.local().tcp())
        .collect();
    let http = passed.http(&settings.listen.http).await?;
    let listen = listening(&settings, &listeners, &http);
    listeners.extend(http);
    if let (true, Some(first)) = (plan.port_as_had, https.first()) {
        settings.shop.port = first.port();
    }
    // What the daemon does, in place of what was asked for, which is what commands compare with the file.
    let real = Settings {
        listen,
        ..settings.clone()
    };
    let settings = Arc::new(settings);
    let ending = signals::listen(Some(tls.clone()), dir)?;
    let at: Vec<String> = listeners
        .iter()
        .map(|one| one.local().to_string())
        .collect();

    for doubt in settings.doubts() {
        tracing::warn!("{doubt}");
    }
    let client = front::client(&settings).map_err(ServeError::Outbound)?;
    let witnesses = Witnesses {
        shop: shop.clone(),
        client: client.clone(),
        places: settings.ledger.witness.clone(),
        every: settings.ledger.witness_every.duration(),
    };
    // Before anything is signed: an older copy of the database must not begin a second history.
    witnesses.compare_at_start().await?;
    let desk = desk(&shop, &settings, &client, &metrics)?;
    let channels = shop.channels().map_err(ShopError::from)?;
    let state = WebState::new(
        shop.clone(),
        Arc::new(front::Counter(desk.clone())),
        WebSettings {
            board: board.clone(),
            hsts: Arc::clone(&hsts),
            ..front::web_settings(&real, &channels, plan.mode)
        },
        front::observer(metrics.clone()),
        ending.watched(),
    );
    let closing = shop.clone();
    let given_up = tokio::task::spawn_blocking(move || closing.give_up_closed_ways()).await;
    match given_up
        .map_err(std::io::Error::other)?
        .map_err(ShopError::from)?
    {
        0 => {}
        count => tracing::warn!(
            count,
            "messages wait for a way that is not set up any more: `keystall outbox list` shows them"
        ),
    }
    let (noting, seen) = (shop.clone(), audited_settings(&settings));
    let changed = tokio::task::spawn_blocking(move || noting.note_settings(&seen)).await;
    let changed = changed
        .map_err(std::io::Error::other)?
        .map_err(ShopError::from)?;
    if !changed.is_empty() {
        tracing::info!(
            settings = changed.join(", "),
            "the ledger says that settings changed"
        );
    }
    let mut tasks = schedule::start(&shop, desk, &metrics, &ending);
    tasks.spawn(backups::keep(
        shop.clone(),
        dir.to_owned(),
        settings.clone(),
        ending.clone(),
    ));
    tasks.spawn(witnesses.run(ending.clone()));
    let anchored = ending.clone();
    let anchorer = anchors::anchorer(&shop, dir, &settings)?;
    tasks.spawn(anchorer.run(async move { anchored.wait().await }));
    let webhook = webhook(&settings)?;
    let client = Arc::new(client);
    let alarms = Arc::new(Alarms::new(
        shop.clone(),
        client.clone(),
        webhook.clone(),
        post::post(&settings)?,
    ));
    let guard = Guard::new(shop.clone(), dir, metrics.clone(), alarms);
    tasks.spawn(guard.run(ending.clone()));
    let told_of = metrics.clone();
    let worker = Worker::new(shop.clone(), client, webhook)
        .with_mail(post::post(&settings)?)
        .observed(Arc::new(move |via, outcome: Outcome| {
            told_of.message(via.as_str(), outcome.as_str());
        }));
    let told = ending.clone();
    tasks.spawn(worker.run(async move { told.wait().await }));
    let keeper = certificates::keeper(&shop, &real, tls, board, hsts, metrics.clone())?;
    keeper.begin().map_err(ShopError::from)?;
    let running = spawn_serving(listeners, web::router(state), &settings, &ending);
    // Once an authority can look at the listeners.
    tasks.spawn(keeper.run(ending.clone()));
    let context = Context {
        shop: shop.clone(),
        settings: settings.clone(),
        dir: dir.to_owned(),
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
    ///
    /// # Errors
    /// [`ServeError::Broken`], at once and without that order, where a task ends by a panic.
    pub async fn until_end(self) -> Result<(), ServeError> {
        let Self {
            shop,
            ending,
            running,
            admin,
            mut tasks,
            ..
        } = self;
        systemd::ready();
        let broken = tokio::select! {
            () = ending.wait() => None,
            error = broken(&mut tasks) => Some(error),
        };
        if let Some(error) = broken {
            // Half a daemon is worse than none: without its tasks nothing expires, nothing is delivered late and nobody is told. What
            // is answered is on disk, so it ends at once, as after a crash, and is started again.
            tracing::error!(%error, "a task of the daemon is broken: the daemon ends, to be started again");
            return Err(ServeError::Broken);
        }
        systemd::stopping();
        let cut = running.await.unwrap_or(0) + admin.await.unwrap_or(0);
        if cut > 0 {
            tracing::warn!(connections = cut, "connections were cut at the end");
        }
        let ended = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a task broke at the end");
                }
            }
        };
        if tokio::time::timeout(TASKS_END, ended).await.is_err() {
            tracing::warn!("tasks were cut at the end");
        }
        tasks.shutdown().await;
        close(shop).await;
        Ok(())
    }
}

/// Ready once a task ended by a panic. Some tasks have nothing to do and end early: that is no reason.
async fn broken(tasks: &mut tokio::task::JoinSet<()>) -> tokio::task::JoinError {
    loop {
        match tasks.join_next().await {
            Some(Err(error)) => return error,
            Some(Ok(())) => {}
            None => std::future::pending().await,
        }
    }
}

/// `[listen]` as it came to be: sockets that systemd passed are listened to, whatever the settings say.
fn listening(settings: &Settings, https: &[Listener], http: &[Listener]) -> Listen {
    let tcp = |listeners: &[Listener]| -> Vec<SocketAddr> {
        listeners
            .iter()
            .filter_map(|one| one.local().tcp())
            .collect()
    };
    Listen {
        https: tcp(https),
        http: tcp(http),
        ..settings.listen.clone()
    }
}

/// Marks of the settings whose change an auditor cares about.
fn audited_settings(settings: &Settings) -> Vec<(String, String)> {
    const NAMES: [&str; 4] = [
        "[shop] host",
        "[shop] currency",
        "[mail] from",
        "[mail] merchant",
    ];
    let audited = |name: &str| {
        NAMES.contains(&name) || name.starts_with("[limits] ") || name.starts_with("[ledger] ")
    };
    // Sealed once more where they are kept, so no salt is needed here.
    let marks = settings.marks(b"").into_iter();
    marks.filter(|(name, _)| audited(name)).collect()
}

/// The payment desk.
fn desk(
    shop: &Arc<Shop>,
    settings: &Settings,
    client: &Client,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Desk>, ServeError> {
    let outbound = Arc::new(NetOutbound(Arc::new(client.clone())));
    let allowed = front::allowed(settings);
    let desk = Desk::new(shop.clone(), outbound, settings.origin(), allowed)?;
    let counter = Arc::new(front::Notices(metrics.clone()));
    Ok(Arc::new(desk.with_counter(counter)))
}

fn webhook(settings: &Settings) -> Result<Option<WebhookConfig>, ServeError> {
    match (&settings.webhook.url, &settings.webhook.secret) {
        (Some(url), Some(secret)) => Ok(Some(WebhookConfig::new(url, secret)?)),
        // A URL without a secret was refused with the settings.
        _ => Ok(None),
    }
}

async fn open(
    dir: &Path,
    settings: &Settings,
    metrics: Arc<Metrics>,
) -> Result<Arc<Shop>, ServeError> {
    let (dir, settings) = (dir.to_owned(), settings.clone());
    let observe: Observe = Arc::new(move |closures, took| {
        metrics.batch_size.observe(closures as f64);
        metrics.sale_commit_seconds.observe(took.as_secs_f64());
    });
    let opened =
        tokio::task::spawn_blocking(move || open_observed(&dir, &settings, Some(observe))).await;
    match opened {
        Ok(shop) => Ok(Arc::new(shop?)),
        Err(error) => Err(ServeError::System(std::io::Error::other(error))),
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

//! The accept loop: connections within limits, each with its times, and an orderly end.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tower::{Service, ServiceExt};

use super::{
    BoxError, Peer,
    activity::{Activity, Counted, InProgress, Quiet},
    listen::{Accepted, Listener},
    places::{Place, Places},
    stall::Stall,
    tls::TlsServer,
};
use crate::domain::address::Cidr;

/// How many and how large.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// Most connections at once; further ones are closed at once.
    pub connections_max: u32,
    /// Most connections at once of one address (IPv6: /64); 0 is no cap. Loopback and `trusted_proxies` are not counted.
    pub connections_per_address_max: u32,
    /// Proxies through which many clients come.
    pub trusted_proxies: Vec<Cidr>,
    /// Largest head of a request, in bytes; answered 431.
    pub header_bytes_max: u32,
    /// Most header fields of a request.
    pub headers_max: usize,
    /// Most requests at once on one HTTP/2 connection.
    pub streams_max: u32,
}

/// How long.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// For the TLS handshake.
    pub tls_handshake: Duration,
    /// From the start of a connection, or of waiting for a further HTTP/1 request, to the end of the request's head.
    pub header_read: Duration,
    /// How long a connection without a request in progress is kept.
    pub idle: Duration,
    /// How long what is written may stay untaken.
    pub write_stall: Duration,
    /// How long an answer to a remote client may not come on: longer than a handler takes, and than the distance of heartbeats on
    /// a stream of events.
    pub answer_stall: Duration,
    /// How often a quiet HTTP/2 connection is asked whether it lives, and how long it has to answer.
    pub ping: Duration,
    /// How long requests in progress have to end after the shutdown signal.
    pub drain: Duration,
}

/// After an error of `accept` that is about this process (no file descriptor left), before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            connections_per_address_max: 64,
            trusted_proxies: Vec::new(),
            header_bytes_max: 32 * 1024,
            headers_max: 100,
            streams_max: 64,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(5),
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            write_stall: Duration::from_secs(30),
            answer_stall: Duration::from_secs(60),
            ping: Duration::from_secs(20),
            drain: Duration::from_secs(20),
        }
    }
}

/// Serves `listeners` with clones of `service` until `shutdown` is ready, then stops accepting, lets requests in progress end
/// within `timeouts.drain`, and cuts the rest. Every request has its [`Peer`] in its extensions. HTTP/1.1 everywhere; HTTP/2
/// where TLS's ALPN chose it.
///
/// Gives the number of connections that were cut.
pub async fn serve<S, B>(
    listeners: Vec<Listener>,
    service: S,
    limits: ServeLimits,
    timeouts: Timeouts,
    shutdown: impl Future<Output = ()>,
) -> usize
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (phase, phases) = watch::channel(Phase::Open);
    let drain = timeouts.drain;
    let server = Arc::new(Server::new(limits, timeouts));
    for listener in listeners {
        tokio::spawn(accept(
            listener,
            service.clone(),
            server.clone(),
            phases.clone(),
        ));
    }
    drop(phases);
    shutdown.await;
    // Every task holds a receiver until it ends, so `closed` is the end of all of them.
    phase.send_replace(Phase::Draining);
    if timeout(drain, phase.closed()).await.is_ok() {
        return 0;
    }
    let cut = phase.receiver_count();
    phase.send_replace(Phase::Cut);
    phase.closed().await;
    cut
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Draining,
    Cut,
}

/// What all connections share.
struct Server {
    places: Arc<Places>,
    timeouts: Timeouts,
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
}

impl Server {
    fn new(limits: ServeLimits, timeouts: Timeouts) -> Self {
        let mut http1 = auto::Builder::new(TokioExecutor::new()).http1_only();
        http1
            .http1()
            // Without a timer hyper's header timeout does nothing.
            .timer(TokioTimer::new())
            .header_read_timeout(timeouts.header_read)
            // hyper takes no less than 8 KiB.
            .max_buf_size(limits.header_bytes_max.max(8 * 1024) as usize)
            .max_headers(limits.headers_max);
        let mut http2 = auto::Builder::new(TokioExecutor::new()).http2_only();
        http2
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(limits.header_bytes_max)
            .keep_alive_interval(timeouts.ping)
            .keep_alive_timeout(timeouts.ping)
            // Rapid reset (CVE-2023-44487): a client may have few streams reset before they were looked at.
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(128)
            .max_send_buf_size(64 * 1024);
        let places = Places::new(
            limits.connections_max,
            limits.connections_per_address_max,
            limits.trusted_proxies,
        );
        Self {
            places,
            timeouts,
            http1,
            http2,
        }
    }
}

async fn accept<S, B>(
    listener: Listener,
    service: S,
    server: Arc<Server>,
    mut phases: watch::Receiver<Phase>,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    // Not yet seen by this receiver's clones, so they hear of the end even when it comes while they start.
    let for_connections = phases.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phases.changed() => return,
        };
        match accepted {
            Ok(accepted) => {
                let address = match &accepted {
                    Accepted::Tcp(_, address, _) => Some(address.ip()),
                    Accepted::Unix(_) => None,
                };
                let Some(place) = server.places.take(address) else {
                    tracing::debug!(peer.address = ?address, "connection refused: its places are taken");
                    continue;
                };
                let (service, server) = (service.clone(), server.clone());
                tokio::spawn(connection(
                    accepted,
                    place,
                    service,
                    server,
                    for_connections.clone(),
                ));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(listener = %listener.local(), %error, "cannot accept connections for now");
                tokio::select! {
                    () = sleep(ACCEPT_PAUSE) => {}
                    _ = phases.changed() => return,
                }
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// One connection from its first byte to its last; `_place` is held as long.
async fn connection<S, B>(
    accepted: Accepted,
    _place: Place,
    service: S,
    server: Arc<Server>,
    mut phases: watch::Receiver<Phase>,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let stall = server.timeouts.write_stall;
    let remote = |address: SocketAddr, tls| Peer::Remote { address, tls };
    match accepted {
        Accepted::Unix(stream) => {
            speak(
                Stall::new(stream, stall),
                Peer::Local,
                false,
                service,
                &server,
                phases,
            )
            .await;
        }
        Accepted::Tcp(stream, address, tls) => {
            // An answer is written whole; waiting for more only delays it. A socket that refuses is served anyway.
            let _ = stream.set_nodelay(true);
            let stream = Stall::new(stream, stall);
            let Some(tls) = tls else {
                speak(
                    stream,
                    remote(address, false),
                    false,
                    service,
                    &server,
                    phases,
                )
                .await;
                return;
            };
            let shaken = tokio::select! {
                shaken = shake_hands(tls, stream, address, &server.timeouts) => shaken,
                _ = phases.changed() => return,
            };
            if let Some(stream) = shaken {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                speak(
                    stream,
                    remote(address, true),
                    is_http2,
                    service,
                    &server,
                    phases,
                )
                .await;
            }
        }
    }
}

/// A stream after its handshake; none where there is nobody to speak HTTP with. It is boxed because a future keeps a place for a value
/// each time that it is moved: in an idle connection's memory it stood three times.
async fn shake_hands<T>(
    tls: TlsServer,
    stream: T,
    address: SocketAddr,
    timeouts: &Timeouts,
) -> Option<Box<TlsStream<T>>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    // Boxed for the same reason: a handshake's state is large, and gone after it.
    let handshake = Box::pin(timeout(timeouts.tls_handshake, tls.accept(stream)));
    match handshake.await {
        Ok(Ok(Some(stream))) => return Some(Box::new(stream)),
        Ok(Ok(None)) => {
            tracing::debug!(peer.address = %address, "a challenge's handshake was answered");
        }
        Ok(Err(error)) => {
            tracing::debug!(peer.address = %address, %error, "TLS handshake failed")
        }
        Err(_) => tracing::debug!(peer.address = %address, "TLS handshake took too long"),
    }
    None
}

/// HTTP over a stream.
async fn speak<T, S, B>(
    stream: T,
    peer: Peer,
    is_http2: bool,
    service: S,
    server: &Server,
    mut phases: watch::Receiver<Phase>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let activity = Arc::new(Activity::new());
    let counted = activity.clone();
    let http_service = service_fn(move |mut request: Request<Incoming>| {
        let in_progress = InProgress::new(counted.clone());
        request.extensions_mut().insert(peer);
        let answer = service.clone().oneshot(request);
        // Boxed, so that HTTP/2 can spawn it whatever it is.
        Box::pin(async move {
            let response = answer.await.map_err(|error| ServiceFailed(error.into()))?;
            // In progress until the body is written or given up, not only until it is begun.
            Ok(response.map(|body| Counted::new(body, in_progress)))
        }) as Pin<Box<dyn Future<Output = Result<_, ServiceFailed>> + Send>>
    });
    let builder = if is_http2 {
        &server.http2
    } else {
        &server.http1
    };
    let mut http = pin!(builder.serve_connection(TokioIo::new(stream), http_service));
    // A command of the machine's owner may say nothing for long.
    let answer_stall = match peer {
        Peer::Remote { .. } => Some(server.timeouts.answer_stall),
        Peer::Local => None,
    };
    let mut is_ending = false;
    loop {
        tokio::select! {
            done = http.as_mut() => {
                if let Err(error) = done {
                    tracing::debug!(?peer, error = %root(&*error), "connection ended early");
                }
                return;
            }
            changed = phases.changed() => {
                if changed.is_err() || *phases.borrow_and_update() == Phase::Cut {
                    return;
                }
                http.as_mut().graceful_shutdown();
            }
            quiet = activity.quiet(&server.timeouts, answer_stall, is_ending) => {
                if quiet == Quiet::Stalled {
                    tracing::debug!(?peer, "connection cut: an answer was not taken");
                    return;
                }
                if is_ending {
                    return;
                }
                is_ending = true;
                activity.touch();
                http.as_mut().graceful_shutdown();
            }
        }
    }
}

/// A service's own error, of whatever type. (A type of its own: with `BoxError` itself the compiler cannot see that the
/// connection is `Send`.)
#[derive(Debug, thiserror::Error)]
#[error("the service failed")]
struct ServiceFailed(#[source] BoxError);

/// The cause at the bottom: hyper's own texts say only where.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;

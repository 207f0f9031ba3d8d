//! The one outbound client. Every request that the shop makes to the world goes through [`Client::send`], or [`Client::stream`]
//! where bodies are big.

mod proxy;
mod stream;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{guard, tls};
pub use stream::Streamed;

/// Sends requests to public places over HTTPS, and to the places that the merchant allowed.
///
/// One connection for each request: calls are few, and no connection made under one check is used under another.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

/// Why the outbound client's TLS cannot be set up.
pub type TlsSetup = rustls::Error;

/// What a [`Client`] may do.
#[derive(Clone, Debug)]
pub struct ClientPolicy {
    /// `(host, port)` that may be reached although private, and without TLS; hosts in small letters, IPv6 without brackets.
    pub allow_private: Vec<(String, u16)>,
    /// `(host, port)` of a proxy that takes CONNECT: what goes to a public address goes through it. It may be private itself.
    pub proxy: Option<(String, u16)>,
    /// For one request from the look-up of its host to the last byte of its answer.
    pub timeout: Duration,
    /// Largest body of an answer.
    pub body_bytes_max: usize,
    /// What the client calls itself.
    pub user_agent: String,
}

/// What came back. A redirect (3xx) is an answer as any other, never followed: callers treat it as a failure.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer. Never holds a path or a query, which may carry credentials.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The address is of a kind that is never used.
    #[error("the address is refused: {0}")]
    Url(&'static str),
    /// The host is, or points to, an address that is not public.
    #[error(
        "{host} is not on the public Internet; list it as host:port in [net] allow_private if that is meant"
    )]
    Private {
        /// The host.
        host: String,
    },
    /// The host's name is not known.
    #[error("cannot look up {host}: {source}")]
    Resolve {
        /// The host.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// No address of the host takes the connection, or its certificate is not valid.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// The host.
        host: String,
        /// The last failure.
        source: io::Error,
    },
    /// The connection broke off, or the answer is not HTTP. The request may have been carried out.
    #[error("{host} did not answer properly: {source}")]
    Http {
        /// The host.
        host: String,
        /// What hyper said.
        source: hyper::Error,
    },
    /// The answer is too large. The request may have been carried out.
    #[error("the answer of {host} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// Time is over. The request may have been carried out.
    #[error("{host} took longer than {seconds} s")]
    Timeout {
        /// The host.
        host: String,
        /// The limit.
        seconds: u64,
    },
    /// Nothing came and nothing was taken for too long. The request may have been carried out.
    #[error("{host} sent and took nothing for {seconds} s")]
    Idle {
        /// The host.
        host: String,
        /// The limit.
        seconds: u64,
    },
}

/// Largest head of an answer.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 4;

impl Default for ClientPolicy {
    fn default() -> Self {
        Self {
            allow_private: Vec::new(),
            proxy: None,
            timeout: Duration::from_secs(15),
            body_bytes_max: 64 * 1024,
            user_agent: concat!("Keystall/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Client {
    /// A client that looks hosts up through the system and trusts the certificate authorities of Mozilla's list.
    ///
    /// # Errors
    /// [`TlsSetup`] when TLS cannot be set up.
    pub fn new(policy: ClientPolicy) -> Result<Self, TlsSetup> {
        let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self::with(policy, Arc::new(SystemResolver), roots)
    }

    /// A client that trusts the certificates of the PEM file `certificates` and no others: for a party that has its own.
    ///
    /// # Errors
    /// [`TlsSetup`] when TLS cannot be set up, or the file holds no certificate.
    pub fn trusting(policy: ClientPolicy, certificates: &[u8]) -> Result<Self, TlsSetup> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(certificates) {
            let unreadable = |_| rustls::Error::General("no certificate in PEM form".to_owned());
            roots.add(certificate.map_err(unreadable)?)?;
        }
        Self::with(policy, Arc::new(SystemResolver), roots)
    }

    /// Sends `request`, whose URI is absolute, and gives the whole answer.
    ///
    /// # Errors
    /// [`OutboundError`]; see [`OutboundError::was_surely_not_sent`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Answer, OutboundError> {
        let target = self.0.target(request.uri())?;
        let limit = self.0.policy.timeout;
        match timeout(limit, self.0.exchange(&target, request)).await {
            Ok(result) => result,
            Err(_) => Err(OutboundError::Timeout {
                host: target.host,
                seconds: limit.as_secs(),
            }),
        }
    }

    fn with(
        policy: ClientPolicy,
        resolver: Arc<dyn Resolve>,
        roots: RootCertStore,
    ) -> Result<Self, rustls::Error> {
        let mut config = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(Inner {
            policy,
            resolver,
            tls: TlsConnector::from(Arc::new(config)),
        })))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.policy).finish()
    }
}

impl OutboundError {
    /// Whether the other side cannot have carried the request out, so that a payment or a refund may be tried elsewhere.
    pub fn was_surely_not_sent(&self) -> bool {
        matches!(
            self,
            Self::Url(_) | Self::Private { .. } | Self::Resolve { .. } | Self::Connect { .. }
        )
    }
}

/// Looks up the addresses of a host.
trait Resolve: Send + Sync {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// A connection, with TLS or without.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

struct Inner {
    policy: ClientPolicy,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

/// Where a request goes, checked as far as it can be without a look-up.
#[derive(Debug)]
struct Target {
    /// In small letters, without brackets or a dot at the end.
    host: String,
    port: u16,
    is_tls: bool,
    /// On the merchant's list: any address, any port, with or without TLS.
    is_allowed: bool,
}

impl Inner {
    fn target(&self, uri: &Uri) -> Result<Target, OutboundError> {
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(OutboundError::Url("only https:// is spoken")),
        };
        let authority = uri
            .authority()
            .ok_or(OutboundError::Url("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(OutboundError::Url(
                "credentials do not belong into an address",
            ));
        }
        let host = authority.host().to_ascii_lowercase();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare
            .unwrap_or(host.strip_suffix('.').unwrap_or(&host))
            .to_owned();
        if host.is_empty() {
            return Err(OutboundError::Url("it names no host"));
        }
        // `port_u16` is `None` also for a port that is no number.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port) => port,
            None if has_port => return Err(OutboundError::Url("its port is no number")),
            None if is_tls => 443,
            None => 80,
        };
        let is_allowed = self
            .policy
            .allow_private
            .iter()
            .any(|(h, p)| *h == host && *p == port);
        if !(is_allowed || is_tls && port == 443) {
            return Err(OutboundError::Url(
                "only https:// on port 443 is spoken; list the place as host:port in [net] allow_private otherwise",
            ));
        }
        if guard::is_odd_address(&host) {
            return Err(OutboundError::Url(
                "its host is an odd way to write an IP address",
            ));
        }
        if !is_allowed
            && host
                .parse::<IpAddr>()
                .is_ok_and(|address| !guard::is_public(address))
        {
            return Err(OutboundError::Private { host });
        }
        Ok(Target {
            host,
            port,
            is_tls,
            is_allowed,
        })
    }

    /// The addresses to connect to: these very ones, so that no second look-up can say otherwise (DNS rebinding).
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, OutboundError> {
        let Target { host, port, .. } = target;
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, *port)],
            Err(_) => self.resolver.resolve(host, *port).await.map_err(|source| {
                OutboundError::Resolve {
                    host: host.clone(),
                    source,
                }
            })?,
        };
        let mut usable: Vec<SocketAddr> = found
            .into_iter()
            .filter(|address| target.is_allowed || guard::is_public(address.ip()))
            .map(|address| SocketAddr::new(address.ip(), *port))
            .collect();
        usable.truncate(ADDRESSES_MAX);
        if usable.is_empty() {
            Err(OutboundError::Private { host: host.clone() })
        } else {
            Ok(usable)
        }
    }

    async fn connect(&self, target: &Target) -> Result<TcpStream, OutboundError> {
        let addresses = self.addresses(target).await?;
        let failed = |source| OutboundError::Connect {
            host: target.host.clone(),
            source,
        };
        // A dead address must leave time for the next one.
        let share = self.policy.timeout / (addresses.len() as u32 + 1);
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses {
            match timeout(share, self.way_to(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failed(last))
    }

    async fn exchange(
        &self,
        target: &Target,
        request: Request<Bytes>,
    ) -> Result<Answer, OutboundError> {
        let wire = self.open(target).await?;
        let request = self.prepared(target, request)?;
        self.speak(target, wire, request).await
    }

    /// A connection to one of the checked addresses, within TLS where the target wants it.
    async fn open(&self, target: &Target) -> Result<Box<dyn Wire>, OutboundError> {
        let stream = self.connect(target).await?;
        if !target.is_tls {
            return Ok(Box::new(stream));
        }
        let failed = |source| OutboundError::Connect {
            host: target.host.clone(),
            source,
        };
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| OutboundError::Url("its host is no host name"))?;
        Ok(Box::new(
            self.tls.connect(name, stream).await.map_err(failed)?,
        ))
    }

    /// Over the proxy to a public address, where there is one: the proxy is told the address that was checked, so that no look-up
    /// of its own can say otherwise. Private places that are allowed are this machine's own to reach.
    async fn way_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        match &self.policy.proxy {
            Some((host, port)) if guard::is_public(address.ip()) => {
                proxy::through(host, *port, address, &self.policy.user_agent).await
            }
            _ => TcpStream::connect(address).await,
        }
    }

    /// The request as it is written: path alone in its first line, and the fields that are ours to set.
    fn prepared(
        &self,
        target: &Target,
        request: Request<Bytes>,
    ) -> Result<Request<Full<Bytes>>, OutboundError> {
        let mut request = request.map(Full::new);
        let host = match target.host.contains(':') {
            true => format!("[{}]", target.host),
            false => target.host.clone(),
        };
        let host = match (target.is_tls, target.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        };
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| OutboundError::Url("its host is no host name"))
        };
        let headers = request.headers_mut();
        headers.insert(header::HOST, value(&host)?);
        headers.insert(header::USER_AGENT, value(&self.policy.user_agent)?);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }

    async fn speak(
        &self,
        target: &Target,
        wire: Box<dyn Wire>,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, OutboundError> {
        let failed = |source| OutboundError::Http {
            host: target.host.clone(),
            source,
        };
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(failed)?;
        let exchange = async {
            let (head, body) = sender
                .send_request(request)
                .await
                .map_err(failed)?
                .into_parts();
            let limit_bytes = self.policy.body_bytes_max;
            let body = Limited::new(body, limit_bytes)
                .collect()
                .await
                .map_err(|error| {
                    let host = target.host.clone();
                    match error.downcast::<hyper::Error>() {
                        Ok(source) => OutboundError::Http {
                            host,
                            source: *source,
                        },
                        Err(other) => {
                            debug_assert!(other.is::<LengthLimitError>());
                            OutboundError::TooLarge { host, limit_bytes }
                        }
                    }
                })?;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        let mut exchange = std::pin::pin!(exchange);
        // Driven here and not in a task of its own: when time is over, both are dropped and the connection is closed.
        tokio::select! {
            answer = exchange.as_mut() => return answer,
            // The connection's error reaches the exchange too, with more to say.
            _ = connection => {}
        }
        exchange.await
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;

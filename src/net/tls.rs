//! Certificates and the server's side of TLS: 1.2 and 1.3, aws-lc-rs as the only provider, ALPN for HTTP/2 and HTTP/1.1.
//!
//! A handshake that offers `acme-tls/1` alone (RFC 8737) gets the certificate of a challenge, if one hangs on the board for its
//! name, and is closed: it never carries a request, and nobody else ever sees such a certificate.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{Acceptor, ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, server::TlsStream};

use super::{acme::Board, certificate::CertificateFacts};
use crate::domain::Secret;

/// TLS for listeners; clones share the certificate, so one [`TlsServer::reload`] or [`TlsServer::install`] is for all.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    certificate: Arc<Current>,
    source: Arc<Source>,
    board: Option<Arc<Board>>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no PEM of the wanted kind.
    #[error("{} holds no {wanted} in PEM form", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// The certificate or its key cannot be used.
    #[error("the certificate in {} cannot be used with its key: {source}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// A chain and a key that are in no file.
    #[error("the certificate cannot be used: {0}")]
    Given(&'static str),
    /// The same, as rustls says it.
    #[error("the certificate cannot be used with its key: {0}")]
    GivenUnusable(rustls::Error),
    /// A self-signed certificate cannot be made.
    #[error("cannot make a certificate for {host}: {source}")]
    Make {
        /// For whom.
        host: String,
        /// What rcgen said.
        source: rcgen::Error,
    },
    /// The protocol versions do not fit the provider.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

struct Source {
    cert: PathBuf,
    key: PathBuf,
}

impl TlsServer {
    /// With a certificate chain and its private key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let source = Source {
            cert: cert.to_owned(),
            key: key.to_owned(),
        };
        Self::new(source)
    }

    /// With the shop's own certificate for `host`, `localhost` and 127.0.0.1, in `tls/self-signed.pem` of the shop's folder
    /// (its key beside it, mode 0600). It is made once, and again only when it is not for `host` or does not fit its key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn self_signed(dir: &Path, host: &str) -> Result<Self, TlsError> {
        let folder = dir.join("tls");
        let source = Source {
            cert: folder.join("self-signed.pem"),
            key: folder.join("self-signed.key"),
        };
        if !is_made_for(&source, host) {
            make(&folder, &source, host)?;
        }
        Self::new(source)
    }

    /// The same, answering the challenges that hang on `board`.
    pub fn answering(self, board: Arc<Board>) -> Self {
        Self {
            board: Some(board),
            ..self
        }
    }

    /// Reads the files again; connections from now on get what is in them. On an error the old certificate stays, and so does one
    /// that was [installed](TlsServer::install): it is newer than any file.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn reload(&self) -> Result<(), TlsError> {
        if !self.certificate.is_installed.load(Ordering::Relaxed) {
            self.certificate.replace(read(&self.source)?);
        }
        Ok(())
    }

    /// Takes a chain and its private key, both PEM, instead of the files: connections from now on get them, those that are open stay
    /// as they are. On an error the old certificate stays.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn install(&self, chain: &str, key: &Secret) -> Result<(), TlsError> {
        self.certificate
            .replace(certified(chain.as_bytes(), key.expose())?);
        self.certificate.is_installed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// What the certificate that is served now says of itself; none where it cannot be read.
    pub fn facts(&self) -> Option<CertificateFacts> {
        let certified = self.certificate.current();
        CertificateFacts::of_der(certified.end_entity_cert().ok()?).ok()
    }

    /// Whether browsers take the certificate that is served now for `host`'s, by its names.
    pub fn is_for(&self, host: &str) -> bool {
        names(&self.certificate.current(), host)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    /// Shakes hands. None: it was an authority's, for a challenge, and the connection is closed.
    pub(super) async fn accept<T>(&self, stream: T) -> io::Result<Option<TlsStream<T>>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let board = self.board.as_ref();
        let Some(board) = board.filter(|board| board.awaits_handshake()) else {
            return self.acceptor().accept(stream).await.map(Some);
        };
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let Some(challenge) = challenge(board, &start.client_hello()) else {
            return start.into_stream(self.config.clone()).await.map(Some);
        };
        let config = config(Arc::new(SingleCertAndKey::from(challenge)), &[ACME_TLS]);
        let config = Arc::new(config.map_err(io::Error::other)?);
        start.into_stream(config).await?.shutdown().await?;
        Ok(None)
    }

    fn new(source: Source) -> Result<Self, TlsError> {
        let certificate = Arc::new(Current {
            certified: RwLock::new(Arc::new(read(&source)?)),
            is_installed: AtomicBool::new(false),
        });
        let mut config = config(certificate.clone(), &[b"h2", b"http/1.1"])?;
        // A browser that comes again needs no signature of ours. The tickets hold all that is needed, under keys that live in memory
        // and are replaced every few hours, so that no number of visitors pushes another out.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        // A browser opens one connection, and gets the next ticket on the next.
        config.send_tls13_tickets = 1;
        Ok(Self {
            config: Arc::new(config),
            certificate,
            source: Arc::new(source),
            board: None,
        })
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsServer({})", self.source.cert.display())
    }
}

/// The one provider of cryptography, named everywhere rather than installed for the process.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A chain and its private key from PEM, held against each other.
///
/// # Errors
/// [`TlsError`].
pub(super) fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Given("its chain is no PEM"))?;
    if chain.is_empty() {
        return Err(TlsError::Given("its chain is empty"));
    }
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Given("its key is no PEM"))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::GivenUnusable)
}

/// The protocol of tls-alpn-01's handshakes (RFC 8737, section 6.2).
const ACME_TLS: &[u8] = b"acme-tls/1";

/// The certificate that handshakes get now, whatever name they ask for.
#[derive(Debug)]
struct Current {
    certified: RwLock<Arc<CertifiedKey>>,
    /// It came from elsewhere than the files.
    is_installed: AtomicBool,
}

impl Current {
    fn current(&self) -> Arc<CertifiedKey> {
        self.certified
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn replace(&self, certified: CertifiedKey) {
        *self
            .certified
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn config(
    resolver: Arc<dyn ResolvesServerCert>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The certificate of the challenge that a handshake is for: one that offers nothing but `acme-tls/1`, and names what hangs on the
/// board. Any other handshake takes its ordinary course, in which `acme-tls/1` is refused.
fn challenge(board: &Board, hello: &ClientHello<'_>) -> Option<CertifiedKey> {
    let mut offered = hello.alpn()?;
    if offered.next() != Some(ACME_TLS) || offered.next().is_some() {
        return None;
    }
    let certified = board.certificate(hello.server_name()?)?;
    Some(CertifiedKey::clone(&certified))
}

fn read(source: &Source) -> Result<CertifiedKey, TlsError> {
    let Source { cert, key } = source;
    let bytes = |path: &Path| {
        fs::read(path).map_err(|source| TlsError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let no = |path: &Path, wanted| TlsError::Pem {
        path: path.to_owned(),
        wanted,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(cert)?)
        .collect::<Result<_, _>>()
        .map_err(|_| no(cert, "certificate"))?;
    if chain.is_empty() {
        return Err(no(cert, "certificate"));
    }
    let private =
        PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|_| no(key, "private key"))?;
    // Also compares the key with the certificate.
    CertifiedKey::from_der(chain, private, &provider()).map_err(|source| TlsError::Unusable {
        path: cert.clone(),
        source,
    })
}

fn is_made_for(source: &Source, host: &str) -> bool {
    read(source).is_ok_and(|certified| names(&certified, host))
}

/// Whether the certificate names `host`.
fn names(certified: &CertifiedKey, host: &str) -> bool {
    let Ok(certificate) = certified.end_entity_cert() else {
        return false;
    };
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else {
        return false;
    };
    ServerName::try_from(host)
        .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok())
}

fn make(folder: &Path, source: &Source, host: &str) -> Result<(), TlsError> {
    let failed = |source| TlsError::Make {
        host: host.to_owned(),
        source,
    };
    let mut names = vec![
        host.to_owned(),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
    ];
    names.dedup();
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Keystall, self-signed");
    // Nothing renews it, so it must not run out; who trusts it trusts this one certificate alone.
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 12, 31);
    let pair = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&pair).map_err(failed)?;

    let write_failed = |path: &Path, source| TlsError::Write {
        path: path.to_owned(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| write_failed(folder, error))?;
    // The key first: a certificate without its key would look whole.
    let files = [
        (&source.key, pair.serialize_pem(), 0o600),
        (&source.cert, certificate.pem(), 0o644),
    ];
    for (path, text, mode) in files {
        replace(path, text.as_bytes(), mode).map_err(|error| write_failed(path, error))?;
    }
    Ok(())
}

/// Writes a file that is there whole or not at all, never with a wider mode.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let early = path.with_extension("new");
    match fs::remove_file(&early) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&early)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&early, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "tls_tests.rs"]
mod tests;

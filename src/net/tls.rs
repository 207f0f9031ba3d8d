//! Certificates and the server's side of TLS: 1.2 and 1.3, aws-lc-rs as the only provider, ALPN for HTTP/2 and HTTP/1.1.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio_rustls::TlsAcceptor;

/// TLS for listeners; clones share the certificate, so one [`TlsServer::reload`] is for all.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    certificate: Arc<Current>,
    source: Arc<Source>,
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

    /// Reads the files again; connections from now on get what is in them. On an error the old certificate stays.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn reload(&self) -> Result<(), TlsError> {
        let certified = Arc::new(read(&self.source)?);
        *self
            .certificate
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    fn new(source: Source) -> Result<Self, TlsError> {
        let certificate = Arc::new(Current(RwLock::new(Arc::new(read(&source)?))));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            certificate,
            source: Arc::new(source),
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

/// The certificate that handshakes get now, whatever name they ask for.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
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
    let Ok(certified) = read(source) else {
        return false;
    };
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
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_self_signed_certificate_is_made_once_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (
            dir.path().join("tls/self-signed.pem"),
            dir.path().join("tls/self-signed.key"),
        );
        TlsServer::self_signed(dir.path(), "shop.example").unwrap();
        let first = fs::read(&cert).unwrap();
        assert_eq!(
            fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(!String::from_utf8_lossy(&first).contains("PRIVATE"));

        TlsServer::self_signed(dir.path(), "shop.example").unwrap();
        TlsServer::self_signed(dir.path(), "localhost").unwrap();
        TlsServer::self_signed(dir.path(), "127.0.0.1").unwrap();
        assert_eq!(fs::read(&cert).unwrap(), first);

        TlsServer::self_signed(dir.path(), "other.example").unwrap();
        assert_ne!(fs::read(&cert).unwrap(), first);
    }

    #[test]
    fn a_certificate_with_another_key_is_refused_and_the_old_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let server = TlsServer::self_signed(dir.path(), "shop.example").unwrap();
        TlsServer::self_signed(other.path(), "shop.example").unwrap();
        let before = server.certificate.0.read().unwrap().cert.clone();
        fs::copy(
            other.path().join("tls/self-signed.key"),
            dir.path().join("tls/self-signed.key"),
        )
        .unwrap();
        assert!(matches!(server.reload(), Err(TlsError::Unusable { .. })));
        assert_eq!(server.certificate.0.read().unwrap().cert, before);

        fs::copy(
            other.path().join("tls/self-signed.pem"),
            dir.path().join("tls/self-signed.pem"),
        )
        .unwrap();
        server.reload().unwrap();
        assert_ne!(server.certificate.0.read().unwrap().cert, before);
    }

    #[test]
    fn files_that_hold_no_certificate_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.pem");
        assert!(matches!(
            TlsServer::from_files(&path, &path),
            Err(TlsError::Read { .. })
        ));
        fs::write(&path, "nothing").unwrap();
        assert!(matches!(
            TlsServer::from_files(&path, &path),
            Err(TlsError::Pem { .. })
        ));
    }
}

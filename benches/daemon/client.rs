//! A client over TLS: hyper, HTTP/1.1, connections kept.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::{TcpSocket, TcpStream};

/// A connection to a shop.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

/// An answer, read whole.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Where it leads; empty where it does not.
    pub location: String,
    /// Its body.
    pub body: String,
}

impl Connection {
    /// Connects and shakes hands.
    pub async fn open(address: SocketAddr, client: Arc<rustls::ClientConfig>) -> Self {
        Self::try_open(None, address, client).await.unwrap()
    }

    /// The same from an address of the caller's choice, where nobody may answer.
    pub async fn try_open(
        from: Option<IpAddr>,
        address: SocketAddr,
        client: Arc<rustls::ClientConfig>,
    ) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from {
            socket.bind((from, 0).into())?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        let tls = tokio_rustls::TlsConnector::from(client);
        let tls = TokioIo::new(tls.connect(name, stream).await?);
        let made = hyper::client::conn::http1::handshake(tls).await;
        let (sender, connection) = made.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, address })
    }

    /// Sends a request and reads the answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    /// The same where nobody may answer.
    pub async fn try_send(&mut self, mut request: Request<Full<Bytes>>) -> io::Result<Answer> {
        request
            .headers_mut()
            .insert(header::HOST, self.address.to_string().parse().unwrap());
        self.sender.ready().await.map_err(io::Error::other)?;
        let response = self.sender.send_request(request).await;
        let (head, body) = response.map_err(io::Error::other)?.into_parts();
        let location = head.headers.get(header::LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Answer {
            status: head.status,
            location: location.unwrap_or_default(),
            // What is no text is no page.
            body: String::from_utf8(body.into()).unwrap_or_default(),
        })
    }
}

/// Whether a shop says that it can sell. What it is not there yet for is no.
pub async fn is_ready(address: SocketAddr, tls: &Path) -> bool {
    let asked = async {
        let client = config_with(try_roots(tls)?);
        let mut connection = Connection::try_open(None, address, client).await?;
        connection.try_send(get("/readyz")).await
    };
    asked
        .await
        .is_ok_and(|answer| answer.status == StatusCode::OK)
}

/// A request for a page.
pub fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// A form as a browser sends it.
pub fn form(path: &str, fields: String) -> Request<Full<Bytes>> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let request = Request::post(path).header(header::CONTENT_TYPE, FORM);
    request.body(fields.into()).unwrap()
}

/// What trusts the certificate in `tls`, and takes what the shop prefers.
pub fn config(tls: &Path) -> Arc<rustls::ClientConfig> {
    config_with(roots(tls))
}

fn config_with(roots: rustls::RootCertStore) -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificate in `tls` as the one authority.
pub fn roots(tls: &Path) -> rustls::RootCertStore {
    try_roots(tls).unwrap()
}

fn try_roots(tls: &Path) -> io::Result<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(tls.join("self-signed.pem"));
    let added = roots.add(certificate.map_err(io::Error::other)?);
    added.map_err(io::Error::other)?;
    Ok(roots)
}

/// A connection with HTTP/2.
pub struct Http2 {
    sender: hyper::client::conn::http2::SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Http2 {
    /// Connects and shakes hands.
    pub async fn open(address: SocketAddr, client: Arc<rustls::ClientConfig>) -> Self {
        let mut client = rustls::ClientConfig::clone(&client);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(client))
            .connect(name, stream)
            .await
            .unwrap();
        let executor = hyper_util::rt::TokioExecutor::new();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(tls))
                .await
                .unwrap();
        tokio::spawn(connection);
        Self { sender, address }
    }

    /// Asks for a page and reads it. Gives the status.
    pub async fn send(&mut self, path: &str) -> u16 {
        let request = Request::get(format!("https://{}{path}", self.address));
        self.sender.ready().await.unwrap();
        let answer = self
            .sender
            .send_request(request.body(Full::default()).unwrap());
        let (head, body) = answer.await.unwrap().into_parts();
        body.collect().await.unwrap();
        head.status.as_u16()
    }
}

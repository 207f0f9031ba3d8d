//! A client over TLS: hyper, HTTP/1.1, connections kept.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;

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
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = tokio_rustls::TlsConnector::from(client)
            .connect(name, stream)
            .await
            .unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self { sender, address }
    }

    /// Sends a request and reads the answer.
    pub async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Answer {
        request
            .headers_mut()
            .insert(header::HOST, self.address.to_string().parse().unwrap());
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let location = head.headers.get(header::LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            location: location.unwrap_or_default(),
            // What is no text is no page.
            body: String::from_utf8(body.into()).unwrap_or_default(),
        }
    }
}

/// A request for a page.
pub fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// What trusts the certificate in `tls`, and takes what the shop prefers.
pub fn config(tls: &Path) -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let roots = roots(tls);
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificate in `tls` as the one authority.
pub fn roots(tls: &Path) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(tls.join("self-signed.pem"));
    roots.add(certificate.unwrap()).unwrap();
    roots
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

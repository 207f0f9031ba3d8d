//! A server that does nothing but answer with a page: hyper and rustls as they come, with the shop's certificate. What it costs more is
//! ours.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, header};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::net::TcpListener;

/// Serves `page` on this runtime, until that ends. Gives the address.
pub async fn serve(tls: &Path, page: Bytes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(config(tls));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, page) = (acceptor.clone(), page.clone());
            tokio::spawn(async move {
                stream.set_nodelay(true).unwrap();
                // A client that went away is no concern of the others.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let answer = service_fn(move |_| {
                    let page = page.clone();
                    async move {
                        let answer = Response::builder().header(header::CONTENT_TYPE, "text/html");
                        Ok::<_, Infallible>(answer.body(Full::<Bytes>::from(page)).unwrap())
                    }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    address
}

fn config(tls: &Path) -> Arc<rustls::ServerConfig> {
    let certificate = CertificateDer::from_pem_file(tls.join("self-signed.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls.join("self-signed.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = builder
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

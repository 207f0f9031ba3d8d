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
    let before = server.certificate.current().cert.clone();
    fs::copy(
        other.path().join("tls/self-signed.key"),
        dir.path().join("tls/self-signed.key"),
    )
    .unwrap();
    assert!(matches!(server.reload(), Err(TlsError::Unusable { .. })));
    assert_eq!(server.certificate.current().cert, before);

    fs::copy(
        other.path().join("tls/self-signed.pem"),
        dir.path().join("tls/self-signed.pem"),
    )
    .unwrap();
    server.reload().unwrap();
    assert_ne!(server.certificate.current().cert, before);
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

/// Takes every certificate and keeps what came.
#[derive(Debug, Default)]
struct Sees(std::sync::Mutex<Vec<Vec<u8>>>);

impl rustls::client::danger::ServerCertVerifier for Sees {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        self.0.lock().unwrap().push(end.to_vec());
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A handshake: the certificate that came, and whether the server has a connection of it.
async fn shake(
    server: &TlsServer,
    name: &'static str,
    offers: &[&[u8]],
) -> (Option<Vec<u8>>, io::Result<bool>) {
    let sees = Arc::new(Sees::default());
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(sees.clone())
        .with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|name| name.to_vec()).collect();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let client = connector.connect(ServerName::try_from(name).unwrap(), near);
    let (_, accepted) = tokio::join!(client, server.accept(far));
    let seen = sees.0.lock().unwrap().pop();
    (seen, accepted.map(|stream| stream.is_some()))
}

#[tokio::test]
async fn a_challenges_certificate_is_shown_to_who_asks_for_it_alone_and_to_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let board = Arc::new(Board::default());
    let server = TlsServer::self_signed(dir.path(), "shop.example")
        .unwrap()
        .answering(board.clone());
    let own = server.certificate.current().cert[0].to_vec();
    let (seen, accepted) = shake(&server, "shop.example", &[ACME_TLS]).await;
    assert!(seen.is_none() && accepted.is_err(), "nothing hangs there");

    let posted = board.post_for_tests("shop.example");
    let address = board.post_for_tests("192.0.2.7");
    let (seen, accepted) = shake(&server, "shop.example", &[ACME_TLS]).await;
    assert!(seen.is_some_and(|seen| seen != own));
    assert!(!accepted.unwrap(), "it never reaches HTTP");
    let (seen, _) = shake(&server, "7.2.0.192.in-addr.arpa", &[ACME_TLS]).await;
    let facts = CertificateFacts::of_der(&seen.unwrap()).unwrap();
    assert_eq!(facts.names, ["192.0.2.7"]);
    for offers in [&[b"h2" as &[u8]][..], &[b"http/1.1", ACME_TLS], &[]] {
        let (seen, accepted) = shake(&server, "shop.example", offers).await;
        assert_eq!(seen.as_ref(), Some(&own), "{offers:?}");
        assert!(accepted.unwrap());
    }
    let (seen, accepted) = shake(&server, "other.example", &[ACME_TLS]).await;
    assert!(seen.is_none() && accepted.is_err());
    drop((posted, address));
    let (seen, accepted) = shake(&server, "shop.example", &[ACME_TLS]).await;
    assert!(seen.is_none() && accepted.is_err());
}

#[tokio::test]
async fn an_installed_certificate_is_served_at_once_and_stays_when_files_are_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = TlsServer::self_signed(dir.path(), "shop.example").unwrap();
    let own = server.certificate.current().cert.clone();
    let other = tempfile::tempdir().unwrap();
    TlsServer::self_signed(other.path(), "shop.example").unwrap();
    let read = |name: &str| fs::read(other.path().join("tls").join(name)).unwrap();
    let chain = String::from_utf8(read("self-signed.pem")).unwrap();
    let key = Secret::new(read("self-signed.key"));
    assert!(server.install("nothing", &key).is_err());
    assert!(server.install(&chain, &Secret::from("nothing")).is_err());
    assert_eq!(server.certificate.current().cert, own);
    server.install(&chain, &key).unwrap();
    assert_ne!(server.certificate.current().cert, own);
    server.reload().unwrap();
    assert_ne!(server.certificate.current().cert, own);
}

#[tokio::test]
async fn a_browser_that_comes_again_is_known_however_many_came_meanwhile() {
    use rustls::HandshakeKind::{Full, Resumed};
    use tokio::io::AsyncReadExt;

    let dir = tempfile::tempdir().unwrap();
    let server = TlsServer::self_signed(dir.path(), "shop.example").unwrap();
    let browser = || {
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Sees::default()))
            .with_no_client_auth();
        tokio_rustls::TlsConnector::from(Arc::new(config))
    };
    let visit = async |browser: &tokio_rustls::TlsConnector| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let client = browser.connect(ServerName::try_from("shop.example").unwrap(), near);
        let (client, server) = tokio::join!(client, server.accept(far));
        let (mut client, mut server) = (client.unwrap(), server.unwrap().unwrap());
        // With the first bytes comes the ticket.
        server.write_all(b"page").await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        server.get_ref().1.handshake_kind().unwrap()
    };
    let first = browser();
    assert_eq!(visit(&first).await, Full);
    for _ in 0..300 {
        assert_eq!(visit(&browser()).await, Full);
    }
    for _ in 0..2 {
        assert_eq!(visit(&first).await, Resumed);
    }
}

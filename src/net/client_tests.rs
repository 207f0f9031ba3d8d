#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::net::TlsServer;

/// Answers each look-up with the next list, the last one again and again.
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolving<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let now = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        };
        Box::pin(async move {
            Ok(now
                .into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect())
        })
    }
}

fn scripted(answers: &[&[&str]]) -> Arc<Scripted> {
    let answers = answers
        .iter()
        .map(|list| list.iter().map(|text| text.parse().unwrap()).collect())
        .collect();
    Arc::new(Scripted {
        answers: Mutex::new(answers),
        asked: AtomicUsize::new(0),
    })
}

fn client(resolver: Arc<Scripted>, allowed: &[(&str, u16)]) -> Client {
    let policy = ClientPolicy {
        allow_private: allowed
            .iter()
            .map(|(host, port)| ((*host).to_owned(), *port))
            .collect(),
        body_bytes_max: 1024,
        ..ClientPolicy::default()
    };
    Client::with(policy, resolver, RootCertStore::empty()).unwrap()
}

fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn s43_addresses_that_lead_inside_are_refused_without_a_connection() {
    let inside = scripted(&[&[
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
    ]]);
    let client = client(inside, &[]);
    for uri in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fd00::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://localhost/",
        "https://localhost./",
        "https://LOCALHOST/",
        "https://inside.example/",
        "http://example.com/",
        "https://example.com:8443/",
        "https://example.com:22/",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "gopher://example.com/",
        "file://localhost/etc/passwd",
        "unix://localhost/run/keystall.sock",
        "/path",
    ] {
        let error = client.send(get(uri)).await.expect_err(uri);
        assert!(
            matches!(error, OutboundError::Url(_) | OutboundError::Private { .. }),
            "{uri}: {error}"
        );
        assert!(error.was_surely_not_sent());
    }
}

#[tokio::test]
async fn s43_a_name_that_changes_its_address_after_the_check_gains_nothing() {
    let resolver = scripted(&[&["1.1.1.1", "127.0.0.1"], &["127.0.0.1"]]);
    let client = client(resolver.clone(), &[]);
    let target = client
        .0
        .target(&"https://rebind.example/".parse().unwrap())
        .unwrap();
    // The address that was checked is the one that is connected to; the inside one in the same answer is dropped.
    let addresses = client.0.addresses(&target).await.unwrap();
    assert_eq!(addresses, ["1.1.1.1:443".parse::<SocketAddr>().unwrap()]);
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    let error = client
        .send(get("https://rebind.example/"))
        .await
        .unwrap_err();
    assert!(matches!(error, OutboundError::Private { .. }), "{error}");
    assert_eq!(
        resolver.asked.load(Ordering::SeqCst),
        2,
        "one look-up for each request, none for the connection"
    );
}

#[test]
fn a_place_is_allowed_with_its_port_only() {
    let client = client(
        scripted(&[&[]]),
        &[("127.0.0.1", 9000), ("::1", 9000), ("cashier.lan", 80)],
    );
    let target = |uri: &str| client.0.target(&uri.parse().unwrap());
    for uri in [
        "http://127.0.0.1:9000/a",
        "https://127.0.0.1:9000/",
        "http://[::1]:9000/",
        "http://Cashier.LAN./",
    ] {
        assert!(target(uri).unwrap().is_allowed, "{uri}");
    }
    for uri in [
        "http://127.0.0.1:9001/",
        "https://127.0.0.1/",
        "http://127.0.0.2:9000/",
        "https://cashier.lan:81/",
    ] {
        assert!(target(uri).is_err(), "{uri}");
    }
    assert!(!target("https://cashier.lan/").unwrap().is_allowed);
}

/// Answers every connection with `answer`; gives the place and the requests as they came.
async fn server(answer: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = seen.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            requests
                .lock()
                .unwrap()
                .push(String::from_utf8_lossy(&buffer[..read]).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, seen)
}

#[tokio::test]
async fn a_request_to_an_allowed_place_is_written_plainly() {
    let (port, seen) =
        server("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nx-a: b\r\n\r\nsuccess").await;
    let client = client(scripted(&[&["127.0.0.1"]]), &[("cashier.lan", port)]);
    let answer = client
        .send(get(&format!("http://cashier.lan:{port}/api?x=1")))
        .await
        .unwrap();
    assert_eq!(
        (answer.status, &answer.body[..], &answer.headers["x-a"]),
        (StatusCode::OK, &b"success"[..], &"b".parse().unwrap())
    );
    let seen = seen.lock().unwrap()[0].to_ascii_lowercase();
    assert!(seen.starts_with("get /api?x=1 http/1.1\r\n"), "{seen}");
    assert!(
        seen.contains(&format!("host: cashier.lan:{port}\r\n")),
        "{seen}"
    );
    assert!(seen.contains("user-agent: keystall/"), "{seen}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (port, seen) =
        server("HTTP/1.1 302 Found\r\nlocation: /inside\r\ncontent-length: 0\r\n\r\n").await;
    let client = client(scripted(&[&[]]), &[("127.0.0.1", port)]);
    let answer = client
        .send(get(&format!("http://127.0.0.1:{port}/")))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_at_the_limit() {
    for head in ["content-length: 1025\r\n", "connection: close\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n{}", "x".repeat(1025));
        let (port, _) = server(answer.leak()).await;
        let client = client(scripted(&[&[]]), &[("127.0.0.1", port)]);
        let error = client
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                OutboundError::TooLarge {
                    limit_bytes: 1024,
                    ..
                }
            ),
            "{error}"
        );
        assert!(!error.was_surely_not_sent());
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_an_error() {
    let (port, _) = server("SSH-2.0-OpenSSH\r\n\r\n").await;
    let client = client(scripted(&[&[]]), &[("127.0.0.1", port)]);
    let error = client
        .send(get(&format!("http://127.0.0.1:{port}/?key=canary")))
        .await
        .unwrap_err();
    assert!(matches!(error, OutboundError::Http { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_server_that_is_silent_runs_out_of_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let policy = ClientPolicy {
        allow_private: vec![("127.0.0.1".to_owned(), port)],
        timeout: Duration::from_millis(100),
        ..ClientPolicy::default()
    };
    let client = Client::new(policy).unwrap();
    let error = client
        .send(get(&format!("http://127.0.0.1:{port}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, OutboundError::Timeout { .. }), "{error}");
    assert!(!error.was_surely_not_sent());
}

#[tokio::test]
async fn a_certificate_counts_only_from_a_trusted_authority_and_for_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let acceptor = TlsServer::self_signed(dir.path(), "shop.example")
        .unwrap()
        .acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    });
    let with = |roots| {
        let allow_private = ["shop.example", "other.example"]
            .map(|host| (host.to_owned(), port))
            .to_vec();
        let policy = ClientPolicy {
            allow_private,
            ..ClientPolicy::default()
        };
        Client::with(policy, scripted(&[&["127.0.0.1"]]), roots).unwrap()
    };
    let uri = format!("https://shop.example:{port}/");
    let stranger = with(RootCertStore::empty())
        .send(get(&uri))
        .await
        .unwrap_err();
    assert!(
        matches!(stranger, OutboundError::Connect { .. }),
        "{stranger}"
    );
    let trusting = with(trust(dir.path()));
    assert_eq!(
        trusting.send(get(&uri)).await.unwrap().status,
        StatusCode::NO_CONTENT
    );
    let other = trusting
        .send(get(&format!("https://other.example:{port}/")))
        .await
        .unwrap_err();
    assert!(matches!(other, OutboundError::Connect { .. }), "{other}");
}

fn trust(dir: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(dir.join("tls/self-signed.pem")).unwrap();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    roots
}

fn through(proxy: u16, resolver: Arc<Scripted>, allowed: &[(&str, u16)]) -> Client {
    let mut policy = client(resolver.clone(), allowed).0.policy.clone();
    policy.proxy = Some(("127.0.0.1".to_owned(), proxy));
    Client::with(policy, resolver, RootCertStore::empty()).unwrap()
}

#[tokio::test]
async fn a_proxy_is_told_the_address_that_was_checked() {
    let (proxy, seen) = server("HTTP/1.1 200 Connection established\r\n\r\n").await;
    let resolver = scripted(&[&["127.0.0.1", "1.1.1.1"], &["10.0.0.1"]]);
    let client = through(proxy, resolver, &[]);
    // The other end of the tunnel speaks no TLS here: it is enough that one was opened.
    let error = client.send(get("https://pay.example/")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Connect { .. }), "{error}");
    let asked = seen.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    let head = "CONNECT 1.1.1.1:443 HTTP/1.1\r\nHost: 1.1.1.1:443\r\n";
    assert!(asked[0].starts_with(head), "{asked:?}");
    let error = client.send(get("https://pay.example/")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Private { .. }), "{error}");
    assert_eq!(
        seen.lock().unwrap().len(),
        1,
        "nothing private goes through it"
    );
}

#[tokio::test]
async fn a_request_and_its_answer_go_through_a_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"CONNECT 1.1.1.1:80 HTTP/1.1\r\n"));
        let tunnel = b"HTTP/1.1 200 OK\r\nvia: x\r\n\r\n";
        stream.write_all(tunnel).await.unwrap();
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"GET /a HTTP/1.1\r\n"));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        stream.write_all(answer).await.unwrap();
    });
    let client = through(port, scripted(&[&["1.1.1.1"]]), &[("pay.example", 80)]);
    let answer = client.send(get("http://pay.example/a")).await.unwrap();
    assert_eq!(&answer.body[..], b"hi");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    for (answer, expected) in [
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "does not connect to 1.1.1.1:443: 403",
        ),
        ("HTTP/1.1 407 Auth\r\n\r\n", "wants a user"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
    ] {
        let (proxy, _) = server(answer).await;
        let client = through(proxy, scripted(&[&["1.1.1.1"]]), &[]);
        let error = client.send(get("https://pay.example/")).await.unwrap_err();
        assert!(error.was_surely_not_sent());
        let text = error.to_string();
        assert!(
            text.contains(expected) && text.contains("[net] proxy"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_place_of_ones_own_network_is_reached_without_the_proxy() {
    let (port, seen) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = through(1, scripted(&[&[]]), &[("127.0.0.1", port)]);
    let uri = format!("http://127.0.0.1:{port}/");
    client.send(get(&uri)).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#![allow(clippy::unwrap_used)]

use std::{convert::Infallible, path::Path, sync::Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::SendRequest;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::net::{TlsServer, admin_client};

/// Long enough that no test reaches it unless the code is broken.
const NEVER: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(60);

fn patient() -> Timeouts {
    Timeouts {
        tls_handshake: NEVER,
        header_read: NEVER,
        idle: NEVER,
        write_stall: NEVER,
        answer_stall: NEVER,
        ping: NEVER,
        drain: NEVER,
    }
}

struct Running {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    done: JoinHandle<usize>,
}

impl Running {
    async fn end(self) -> usize {
        self.end.send(()).unwrap();
        timeout(NEVER, self.done).await.unwrap().unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Serves one listener; `/wait` answers once `release` is notified, everything else at once with who asked.
fn start(
    listener: Listener,
    limits: ServeLimits,
    timeouts: Timeouts,
    release: Arc<Notify>,
) -> Running {
    let address = listener
        .local()
        .tcp()
        .unwrap_or_else(|| "127.0.0.1:1".parse().unwrap());
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let release = release.clone();
        async move {
            if request.uri().path() == "/wait" {
                release.notified().await;
            }
            let peer = match request.extensions().get::<Peer>().unwrap() {
                Peer::Remote { address, tls } => format!("{} {tls}", address.ip()),
                Peer::Local => "local".to_owned(),
            };
            let text = format!("{:?} {peer}", request.version());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
        }
    });
    let (end, ended) = oneshot::channel::<()>();
    let done = tokio::spawn(serve(vec![listener], service, limits, timeouts, async {
        let _ = ended.await;
    }));
    Running { address, end, done }
}

async fn plain(limits: ServeLimits, timeouts: Timeouts) -> Running {
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    start(listener, limits, timeouts, Arc::default())
}

/// Sends, and reads until the server closes.
async fn until_closed(stream: &mut TcpStream, sent: &str) -> String {
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    // A reset is an end too.
    let _ = timeout(NEVER, stream.read_to_end(&mut got))
        .await
        .expect("the server closes");
    String::from_utf8_lossy(&got).into_owned()
}

const CLOSE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_answered_and_knows_its_peer() {
    let server = plain(ServeLimits::default(), patient()).await;
    let got = until_closed(&mut server.connect().await, CLOSE).await;
    assert!(
        got.starts_with("HTTP/1.1 200") && got.ends_with("HTTP/1.1 127.0.0.1 false"),
        "{got}"
    );
    assert_eq!(server.end().await, 0);
}

#[tokio::test]
async fn s51_a_client_that_sends_its_head_slowly_is_cut() {
    let server = plain(
        ServeLimits::default(),
        Timeouts {
            header_read: SHORT,
            ..patient()
        },
    )
    .await;
    let got = until_closed(&mut server.connect().await, "GET / HTTP/1.1\r\nhost:").await;
    assert!(!got.contains("200"), "{got}");
    until_closed(&mut server.connect().await, "").await;
    server.end().await;
}

#[tokio::test]
async fn s51_a_handshake_that_does_not_come_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let tls = TlsServer::self_signed(dir.path(), "shop.example").unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), tls)
        .await
        .unwrap();
    let timeouts = Timeouts {
        tls_handshake: SHORT,
        ..patient()
    };
    let server = start(listener, ServeLimits::default(), timeouts, Arc::default());
    until_closed(&mut server.connect().await, "\x16\x03\x01").await;
    server.end().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_last_answer() {
    let server = plain(
        ServeLimits::default(),
        Timeouts {
            idle: SHORT,
            ..patient()
        },
    )
    .await;
    let mut stream = server.connect().await;
    let got = until_closed(&mut stream, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(got.contains("200"), "{got}");
    server.end().await;
}

#[tokio::test]
async fn a_request_that_takes_longer_than_idle_connections_are_kept_is_answered() {
    let release = Arc::new(Notify::new());
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let tiny = Duration::from_millis(5);
    let timeouts = Timeouts {
        header_read: tiny,
        idle: tiny,
        ..patient()
    };
    let server = start(listener, ServeLimits::default(), timeouts, release.clone());
    let mut stream = server.connect().await;
    stream
        .write_all(CLOSE.replace("/ ", "/wait ").as_bytes())
        .await
        .unwrap();
    let mut first = [0; 1];
    assert!(
        timeout(SHORT * 2, stream.read(&mut first)).await.is_err(),
        "neither answered nor cut"
    );
    release.notify_one();
    assert!(until_closed(&mut stream, "").await.contains("200 OK"));
    server.end().await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let size = 64 << 20;
    let service = tower::service_fn(move |_: Request<Incoming>| async move {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![0; size]))))
    });
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let address = listener.local().tcp().unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let timeouts = Timeouts {
        write_stall: SHORT,
        ..patient()
    };
    let done = tokio::spawn(serve(
        vec![listener],
        service,
        ServeLimits::default(),
        timeouts,
        async {
            let _ = ended.await;
        },
    ));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    stream.readable().await.unwrap();
    end.send(()).unwrap();
    // It ends by itself, long before the drain's deadline.
    assert_eq!(timeout(NEVER / 2, done).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let limits = ServeLimits {
        header_bytes_max: 8 * 1024,
        ..ServeLimits::default()
    };
    let server = plain(limits, patient()).await;
    let head = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "x".repeat(16 * 1024)
    );
    let got = until_closed(&mut server.connect().await, &head).await;
    assert!(got.starts_with("HTTP/1.1 431") || got.is_empty(), "{got}");
    let head = format!(
        "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: 1\r\n".repeat(101)
    );
    let got = until_closed(&mut server.connect().await, &head).await;
    assert!(got.starts_with("HTTP/1.1 431"), "{got}");
    server.end().await;
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_and_places_come_back() {
    let limits = ServeLimits {
        connections_max: 2,
        ..ServeLimits::default()
    };
    let server = plain(limits, patient()).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).await.unwrap();
        held.push(stream);
    }
    assert_eq!(until_closed(&mut server.connect().await, "").await, "");
    drop(held.pop());
    let tried = async {
        loop {
            let mut stream = server.connect().await;
            let mut got = String::new();
            let sent = stream.write_all(CLOSE.as_bytes()).await;
            if sent.is_ok() && stream.read_to_string(&mut got).await.is_ok() && got.contains("200")
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(NEVER, tried).await.unwrap();
    drop(held);
    server.end().await;
}

#[tokio::test]
async fn at_the_end_a_request_in_progress_is_answered_and_no_new_one_taken() {
    let release = Arc::new(Notify::new());
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let server = start(listener, ServeLimits::default(), patient(), release.clone());
    let address = server.address;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    idle.read_exact(&mut [0; 8]).await.unwrap();
    // The wait is over only once `/wait` is being served, which the order of one loop makes sure of.
    let ending = tokio::spawn(server.end());
    until_closed(&mut idle, "").await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "the listener is closed"
    );
    release.notify_one();
    assert!(until_closed(&mut busy, "").await.contains("200 OK"));
    assert_eq!(ending.await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_at_the_deadline() {
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let timeouts = Timeouts {
        drain: SHORT,
        ..patient()
    };
    let server = start(listener, ServeLimits::default(), timeouts, Arc::default());
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut seen = server.connect().await;
    until_closed(&mut seen, CLOSE).await;
    assert_eq!(server.end().await, 1);
    assert_eq!(until_closed(&mut busy, "").await, "");
}

#[tokio::test]
async fn tls_speaks_http2_and_http1_as_the_client_wants() {
    let dir = tempfile::tempdir().unwrap();
    let tls = TlsServer::self_signed(dir.path(), "shop.example").unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), tls)
        .await
        .unwrap();
    let server = start(listener, ServeLimits::default(), patient(), Arc::default());

    let stream = shake(&server, dir.path(), b"h2").await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let http2 = tokio::spawn(connection);
    let request = Request::get("https://shop.example/")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "HTTP/2.0 127.0.0.1 true");

    let mut stream = shake(&server, dir.path(), b"http/1.1").await;
    stream.write_all(CLOSE.as_bytes()).await.unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).await.unwrap();
    assert!(got.ends_with("HTTP/1.1 127.0.0.1 true"), "{got}");

    // An idle HTTP/2 connection does not hold the end up.
    assert_eq!(server.end().await, 0);
    drop(sender);
    http2.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_http2_connection_that_asks_nothing_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let tls = TlsServer::self_signed(dir.path(), "shop.example").unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), tls)
        .await
        .unwrap();
    let timeouts = Timeouts {
        header_read: SHORT,
        ..patient()
    };
    let server = start(listener, ServeLimits::default(), timeouts, Arc::default());
    let stream = shake(&server, dir.path(), b"h2").await;
    let (_sender, connection) = hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(
        TokioExecutor::new(),
        TokioIo::new(stream),
    )
    .await
    .unwrap();
    let _ = timeout(NEVER, connection).await.expect("the server closes");
    server.end().await;
}

/// A client over HTTP/2 that takes `window` bytes of any answer's body, but answers pings: its sender and its connection's
/// task.
async fn that_takes(
    server: &Running,
    dir: &Path,
    window: u32,
) -> (SendRequest<Empty<Bytes>>, JoinHandle<()>) {
    let stream = shake(server, dir, b"h2").await;
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(async move {
        // A reset is an end too.
        let _ = connection.await;
    });
    (sender, connection)
}

#[tokio::test]
async fn an_http2_answer_whose_client_opens_no_window_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let timeouts = Timeouts {
        answer_stall: SHORT,
        ..patient()
    };
    let server = over_tls(dir.path(), timeouts).await;
    let (mut sender, connection) = that_takes(&server, dir.path(), 0).await;
    let answer = sender.send_request(ask()).await.unwrap();
    let body = timeout(NEVER / 4, answer.into_body().collect()).await;
    assert!(body.expect("the server cuts").is_err());
    timeout(NEVER / 4, connection).await.unwrap().unwrap();
    server.end().await;
}

#[tokio::test]
async fn an_answer_is_not_held_by_asking_for_others_on_its_connection() {
    // With a window of one byte hyper gives the body out whole, and h2 holds it.
    for window in [0, 1] {
        let dir = tempfile::tempdir().unwrap();
        let timeouts = Timeouts {
            answer_stall: SHORT * 3,
            ..patient()
        };
        let server = over_tls(dir.path(), timeouts).await;
        let (mut sender, connection) = that_takes(&server, dir.path(), window).await;
        let held = sender.send_request(ask()).await.unwrap();
        let others = tokio::spawn(async move {
            // Each is given up at once, so that there are never too many.
            while sender.send_request(ask()).await.is_ok() {
                sleep(SHORT / 6).await;
            }
        });
        timeout(NEVER / 4, connection)
            .await
            .expect("the server cuts")
            .unwrap();
        others.await.unwrap();
        drop(held);
        server.end().await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_on_slowly_is_not_cut() {
    let stall = SHORT * 5;
    let body = || {
        let frames = futures_util::stream::unfold(0, |sent| async move {
            sleep(SHORT).await;
            let frame = hyper::body::Frame::data(Bytes::from_static(b"."));
            (sent < 10).then_some((Ok::<_, Infallible>(frame), sent + 1))
        });
        http_body_util::StreamBody::new(Box::pin(frames))
    };
    let service = tower::service_fn(move |_: Request<Incoming>| async move {
        Ok::<_, Infallible>(Response::new(body()))
    });
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let address = listener.local().tcp().unwrap();
    let timeouts = Timeouts {
        answer_stall: stall,
        ..patient()
    };
    tokio::spawn(serve(
        vec![listener],
        service,
        ServeLimits::default(),
        timeouts,
        std::future::pending(),
    ));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let got = until_closed(&mut stream, CLOSE).await;
    assert_eq!(got.matches("1\r\n.\r\n").count(), 10, "{got}");
}

#[tokio::test]
async fn a_command_of_the_owner_may_say_nothing_for_longer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let release = Arc::new(Notify::new());
    let timeouts = Timeouts {
        idle: SHORT / 6,
        answer_stall: SHORT / 6,
        ..patient()
    };
    let listener = Listener::unix(&path).await.unwrap();
    let server = start(listener, ServeLimits::default(), timeouts, release.clone());
    let wait = Request::get("/wait").body(Empty::<Bytes>::new()).unwrap();
    let mut answer = std::pin::pin!(admin_client::request(&path, wait));
    let waited = timeout(SHORT * 2, answer.as_mut()).await;
    assert!(waited.is_err(), "neither answered nor cut");
    release.notify_one();
    assert_eq!(answer.await.unwrap().status(), 200);
    server.end().await;
}

async fn over_tls(dir: &Path, timeouts: Timeouts) -> Running {
    let tls = TlsServer::self_signed(dir, "shop.example").unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), tls)
        .await
        .unwrap();
    start(listener, ServeLimits::default(), timeouts, Arc::default())
}

fn ask() -> Request<Empty<Bytes>> {
    Request::get("https://shop.example/")
        .body(Empty::new())
        .unwrap()
}

#[tokio::test]
async fn the_admin_client_reaches_the_daemon_over_its_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let ask = || Request::get("/status").body(Empty::<Bytes>::new()).unwrap();
    let refused = admin_client::request(&path, ask()).await;
    assert!(matches!(refused, Err(admin_client::AdminError::NotRunning)));

    let listener = Listener::unix(&path).await.unwrap();
    let server = start(listener, ServeLimits::default(), patient(), Arc::default());
    let answer = admin_client::request(&path, ask()).await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "HTTP/1.1 local"
    );
    assert_eq!(server.end().await, 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn every_listener_of_one_call_is_served() {
    let mut listeners = Vec::new();
    for _ in 0..2 {
        listeners.push(
            Listener::plain("127.0.0.1:0".parse().unwrap())
                .await
                .unwrap(),
        );
    }
    let addresses: Vec<_> = listeners.iter().map(|l| l.local().tcp().unwrap()).collect();
    let seen = Arc::new(Mutex::new(0));
    let counted = seen.clone();
    let service = tower::service_fn(move |_: Request<Incoming>| {
        *counted.lock().unwrap() += 1;
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let (end, ended) = oneshot::channel::<()>();
    let done = tokio::spawn(serve(
        listeners,
        service,
        ServeLimits::default(),
        patient(),
        async {
            let _ = ended.await;
        },
    ));
    for address in addresses {
        until_closed(&mut TcpStream::connect(address).await.unwrap(), CLOSE).await;
    }
    end.send(()).unwrap();
    done.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), 2);
}

async fn shake(
    server: &Running,
    dir: &Path,
    protocol: &[u8],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(dir.join("tls/self-signed.pem")).unwrap();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(crate::net::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("shop.example").unwrap();
    let stream = server.connect().await;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

//! P2: the whole flow over HTTPS with the real binary: order, page, notice, page with the key; 64 buyers, the load generator on the
//! same cores. The baseline of the same run is a bare hyper + rustls server with a page of 6 KiB, its requests a second divided
//! by the four requests of a flow.
//!
//! `cargo bench --features testing --bench flow`
#![allow(clippy::unwrap_used, missing_docs)]

mod report;

use std::collections::HashSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use report::{Row, median, tell};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::{TcpListener, TcpStream};

const BUYERS: usize = 64;
const FLOWS: usize = 6_000;
const BARE_REQUESTS: usize = 40_000;
const ROUNDS: usize = 3;
const KEY: &str = "kq3V8sW0zD5hT1yNfR7uB2mX";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (mut flows, mut bare, mut wrong) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let shop = RunningShop::start();
        let (rate, bad) = runtime.block_on(sell(&shop));
        flows.push(rate);
        wrong += bad;
        bare.push(runtime.block_on(bare_server(&shop.dir.path().join("tls"))) / 4.0);
    }
    let (flows, bare) = (median(flows), median(bare));
    let what = format!("whole flow over HTTPS, {BUYERS} buyers");
    tell(&Row::at_least("P2", what, "flows/s", (flows, bare), 0.25).wrong(wrong));
}

/// A shop served by the real binary from a temporary folder.
struct RunningShop {
    dir: tempfile::TempDir,
    address: SocketAddr,
    daemon: Child,
}

impl RunningShop {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut keys = std::fs::File::create(dir.path().join("keys.txt")).unwrap();
        (0..FLOWS).for_each(|number| {
            writeln!(keys, "STEAM-{number:08}-{:04X}", number * 7 % 65_536).unwrap()
        });
        std::fs::write(dir.path().join("key"), KEY).unwrap();
        let run = |arguments: &[&str]| {
            let status = keystall(dir.path(), port)
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert!(status.unwrap().success(), "{arguments:?}");
        };
        let at = |name: &str| dir.path().join(name).display().to_string();
        run(&["init", "--host", "127.0.0.1", "--title", "Bench"]);
        run(&[
            "product", "add", "--slug", "steam", "--title", "Steam 20", "--price", "19.90",
        ]);
        run(&["key", "import", "--product", "steam", &at("keys.txt")]);
        let secret = format!("key=@{}", at("key"));
        let gateway = "gateway=https://pay.example.com/";
        run(&[
            "channel",
            "add",
            "main",
            "--kind",
            "epay",
            "--set",
            gateway,
            "--set",
            "pid=1001",
            "--set",
            "type=alipay",
            "--secret",
            &secret,
        ]);
        let daemon = keystall(dir.path(), port)
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self {
            dir,
            address,
            daemon,
        };
        while std::net::TcpStream::connect_timeout(&this.address, Duration::from_millis(200))
            .is_err()
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }
}

impl Drop for RunningShop {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn keystall(dir: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystall"));
    command.arg("--dir").arg(dir.join("."));
    for (name, value) in [
        ("KEYSTALL_LISTEN__HTTPS", format!("127.0.0.1:{port}")),
        ("KEYSTALL_LISTEN__CONNECTIONS_PER_ADDRESS", "0".into()),
        ("KEYSTALL_TLS__MODE", "self-signed".into()),
        ("KEYSTALL_LOG__LEVEL", "warn".into()),
        ("KEYSTALL_LIMITS__OPEN_ORDERS_PER_ADDRESS", "0".into()),
        ("KEYSTALL_LIMITS__OPEN_ORDERS_PER_CONTACT", "0".into()),
        ("KEYSTALL_LIMITS__HELD_SHARE_PERCENT", "0".into()),
    ] {
        command.env(name, value);
    }
    command
}

/// Flows a second, and wrong ones.
async fn sell(shop: &RunningShop) -> (f64, usize) {
    let client = client_config(&shop.dir.path().join("tls"));
    let (next, keys) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(HashSet::new())),
    );
    let begun = Instant::now();
    let buyers = (0..BUYERS).map(|_| {
        let (client, next, keys, address) =
            (client.clone(), next.clone(), keys.clone(), shop.address);
        tokio::spawn(async move {
            let mut connection = connect(address, client).await;
            let mut wrong = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= FLOWS {
                    return wrong;
                }
                match buy(&mut connection, address, number).await {
                    Some(key) if keys.lock().unwrap().insert(key.clone()) => {}
                    _ => wrong += 1,
                }
            }
        })
    });
    let mut wrong = 0;
    for buyer in buyers.collect::<Vec<_>>() {
        wrong += buyer.await.unwrap();
    }
    (FLOWS as f64 / begun.elapsed().as_secs_f64(), wrong)
}

/// Order, page, notice, page with the key: gives the key.
async fn buy(
    connection: &mut SendRequest<Full<Bytes>>,
    address: SocketAddr,
    number: usize,
) -> Option<String> {
    let form = format!("quantity=1&contact=buyer{number}%40example.com&channel=main");
    let order =
        Request::post("/p/steam").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let (status, location, _) =
        send(connection, address, order.body(Full::from(form)).unwrap()).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, _, page) = send(connection, address, get(&location)).await;
    let notice = signed_notice(&order_number(&page)?, number);
    let (_, _, answer) = send(
        connection,
        address,
        get(&format!("/pay/main/notify?{notice}")),
    )
    .await;
    if answer != "success" {
        return None;
    }
    let (_, _, page) = send(connection, address, get(&location)).await;
    let at = page.find("STEAM-")?;
    page.get(at..at + 19).map(str::to_owned)
}

/// The order number as the page shows it: 13 characters of Crockford's base 32.
fn order_number(page: &str) -> Option<String> {
    let word = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"ILOU".contains(c));
    page.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|part| {
            part.len() == 13
                && part.starts_with(|c: char| c.is_ascii_digit())
                && part.chars().all(word)
        })
        .map(str::to_owned)
}

fn signed_notice(order: &str, number: usize) -> String {
    let fields = format!(
        "money=19.9&name=product&out_trade_no={order}&pid=1001&trade_no=20261121{number:011}&trade_status=TRADE_SUCCESS&type=alipay"
    );
    let sign = hex::encode(Md5::digest(format!("{fields}{KEY}")));
    format!("{fields}&sign={sign}&sign_type=MD5")
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

async fn send(
    connection: &mut SendRequest<Full<Bytes>>,
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
) -> (StatusCode, String, String) {
    request
        .headers_mut()
        .insert(header::HOST, address.to_string().parse().unwrap());
    connection.ready().await.unwrap();
    let response = connection.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let location = head
        .headers
        .get(header::LOCATION)
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        location,
        String::from_utf8_lossy(&body).into_owned(),
    )
}

async fn connect(
    address: SocketAddr,
    client: Arc<rustls::ClientConfig>,
) -> SendRequest<Full<Bytes>> {
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
    sender
}

fn client_config(tls: &Path) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(tls.join("self-signed.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Requests a second of a server that does nothing but answer with a page of 6 KiB.
async fn bare_server(tls: &Path) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let certificate = CertificateDer::from_pem_file(tls.join("self-signed.pem")).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(tls.join("self-signed.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = Arc::new(
        builder
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap(),
    );
    let server = tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                stream.set_nodelay(true).unwrap();
                let stream = acceptor.accept(stream).await.unwrap();
                let page = hyper::service::service_fn(async |_| {
                    Ok::<http::Response<Full<Bytes>>, std::convert::Infallible>(
                        http::Response::new(Full::from(Bytes::from_static(&[b'x'; 6 * 1_024]))),
                    )
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), page)
                    .await;
            });
        }
    });
    let (client, next) = (client_config(tls), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now();
    let buyers = (0..BUYERS).map(|_| {
        let (client, next) = (client.clone(), next.clone());
        tokio::spawn(async move {
            let mut connection = connect(address, client).await;
            while next.fetch_add(1, Ordering::Relaxed) < BARE_REQUESTS {
                send(&mut connection, address, get("/")).await;
            }
        })
    });
    for buyer in buyers.collect::<Vec<_>>() {
        buyer.await.unwrap();
    }
    let rate = BARE_REQUESTS as f64 / begun.elapsed().as_secs_f64();
    server.abort();
    rate
}

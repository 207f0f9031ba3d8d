//! A shop's folder served by the real binary, and clients over TLS that may come from any address.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpSocket;

/// A shop's folder and how it is served.
pub struct Served {
    pub dir: PathBuf,
    pub address: SocketAddr,
    settings: Vec<(&'static str, String)>,
}

/// The running binary, killed when it is dropped.
pub struct Daemon(Child);

impl Served {
    pub fn new(dir: &Path, address: SocketAddr, settings: &[(&'static str, &str)]) -> Self {
        let settings = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        Self {
            dir: dir.to_owned(),
            address,
            settings,
        }
    }

    /// The binary with this folder and these settings.
    pub fn keystall(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystall"));
        command
            .arg("--dir")
            .arg(self.dir.join("."))
            .env("KEYSTALL_LISTEN__HTTPS", self.address.to_string())
            .env("KEYSTALL_TLS__MODE", "self-signed")
            .env("KEYSTALL_LOG__LEVEL", "error");
        for (name, value) in &self.settings {
            command.env(format!("KEYSTALL_{name}"), value);
        }
        command
    }

    /// Runs a command to its end, which must be a good one.
    pub fn run(&self, arguments: &[&str]) {
        let mut command = self.keystall();
        let output = command.args(arguments).output().unwrap();
        // What `init` says is not for everybody's eyes.
        assert!(output.status.success(), "{arguments:?}");
    }

    /// Starts to serve.
    pub fn start(&self) -> Daemon {
        let mut command = self.keystall();
        let command = command.arg("serve").stdout(Stdio::null());
        Daemon(command.spawn().unwrap())
    }

    /// Serves; gives the daemon when it says that it can sell.
    pub async fn ready(&self) -> Daemon {
        let daemon = self.start();
        loop {
            if self.says_ready().await.unwrap_or(false) {
                return daemon;
            }
            // Short, and not nothing: the daemon starts on the same cores.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn says_ready(&self) -> io::Result<bool> {
        let mut line = Line::open(None, self.address, self.client()?).await?;
        let answer = line.get("/readyz").await?;
        Ok(answer.status == StatusCode::OK)
    }

    /// What trusts the shop's certificate.
    pub fn client(&self) -> io::Result<Arc<ClientConfig>> {
        let certificate = CertificateDer::from_pem_file(self.dir.join("tls/self-signed.pem"));
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(certificate.map_err(io::Error::other)?)
            .map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        Ok(Arc::new(
            builder.with_root_certificates(roots).with_no_client_auth(),
        ))
    }
}

impl Daemon {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it without a word.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }

    /// A figure of `/proc/PID/status` in bytes, as `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        memory(&self.id().to_string(), name)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Seconds of processor time that a process had so far (`/proc/PID/stat`); `self` is this one.
pub fn processor_s(process: &str) -> f64 {
    /// Clock ticks a second, on every Linux.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before it may hold spaces, and ends with the last bracket. User and system time are the 14th and 15th field.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().unwrap());
    ticks.sum::<f64>() / TICKS
}

/// A figure of a process's `/proc/PID/status` in bytes; `self` is this one.
pub fn memory(process: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1_024
}

/// A port that nobody has at this moment.
pub fn free_port(address: IpAddr) -> u16 {
    let listener = std::net::TcpListener::bind((address, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A connection to the shop.
pub struct Line {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

pub struct Answer {
    pub status: StatusCode,
    /// Where it leads; empty where it does not.
    pub location: String,
    pub body: String,
}

impl Line {
    /// Connects, from an address of the caller's choice, and shakes hands.
    pub async fn open(
        from: Option<IpAddr>,
        address: SocketAddr,
        client: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from {
            socket.bind((from, 0).into())?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let tls = tokio_rustls::TlsConnector::from(client)
            .connect(name_of(address), stream)
            .await?;
        let made = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await;
        let (sender, connection) = made.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, address })
    }

    pub async fn get(&mut self, path: &str) -> io::Result<Answer> {
        let request = Request::get(path).body(Full::default());
        self.send(request.unwrap()).await
    }

    pub async fn post(&mut self, path: &str, form: String) -> io::Result<Answer> {
        const FORM: &str = "application/x-www-form-urlencoded";
        let request = Request::post(path).header(header::CONTENT_TYPE, FORM);
        self.send(request.body(Full::from(form)).unwrap()).await
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> io::Result<Answer> {
        let host = self.address.to_string().parse().unwrap();
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(
            header::ACCEPT_LANGUAGE,
            header::HeaderValue::from_static("en"),
        );
        self.sender.ready().await.map_err(io::Error::other)?;
        let answer = self.sender.send_request(request).await;
        let (head, body) = answer.map_err(io::Error::other)?.into_parts();
        let location = head.headers.get(header::LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Answer {
            status: head.status,
            location: location.unwrap_or_default(),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

fn name_of(address: SocketAddr) -> ServerName<'static> {
    ServerName::IpAddress(address.ip().into())
}

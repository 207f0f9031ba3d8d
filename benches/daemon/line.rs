//! A client that costs as little as one can: a blocking socket, TLS 1.3 with one cipher suite and one curve for whatever server,
//! requests made beforehand, answers read into one buffer. It measures servers on the cores that it shares with them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};

/// One connection.
pub struct Line {
    stream: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
}

/// An answer, read whole.
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: &'a [u8],
}

/// A server that does not answer for so long is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

impl Line {
    /// Connects and sends the first message of the handshake; [`Line::answer`] and [`Line::send`] do the rest of it.
    pub fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        let tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, socket);
        stream.conn.write_tls(&mut stream.sock)?;
        let buffer = Vec::with_capacity(32 * 1_024);
        Ok(Self { stream, buffer })
    }

    /// Sends a request, as [`request`] makes it.
    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)?;
        self.stream.flush()
    }

    /// Reads one answer to its end.
    pub fn answer(&mut self) -> io::Result<Answer<'_>> {
        self.buffer.clear();
        let (status, from, until) = loop {
            self.read_on()?;
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        while self.buffer.len() < until {
            self.read_on()?;
        }
        let body = self.buffer.get(from..until);
        let body = body.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Answer { status, body })
    }

    /// Whether the handshake was a full one.
    pub fn is_full_handshake(&self) -> bool {
        matches!(self.stream.conn.handshake_kind(), Some(HandshakeKind::Full))
    }

    fn read_on(&mut self) -> io::Result<()> {
        const CHUNK: usize = 16 * 1_024;
        let had = self.buffer.len();
        self.buffer.resize(had + CHUNK, 0);
        let read = self.stream.read(&mut self.buffer[had..]);
        self.buffer
            .truncate(had + read.as_ref().copied().unwrap_or(0));
        match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A request for a page.
pub fn request(path: &str, address: SocketAddr) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\n\r\n").into_bytes()
}

/// Trusts the certificate in `tls`; TLS 1.3, `TLS_AES_128_GCM_SHA256`, X25519 alone.
pub fn config(tls: &Path, resumed: bool) -> Arc<ClientConfig> {
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let roots = super::client::roots(tls);
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    if !resumed {
        config.resumption = Resumption::disabled();
    }
    Arc::new(config)
}

/// Status, begin and end of the body, once the head is there.
fn head(bytes: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong())?;
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let len = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let from = end + 4;
    match (status, len) {
        (Some(status), Some(len)) => Ok(Some((status, from, from + len))),
        _ => Err(wrong()),
    }
}

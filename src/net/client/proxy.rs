//! The way through an HTTP proxy (RFC 9110, section 9.3.6).

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Largest head of the proxy's answer.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// A connection to `to` through the proxy, ready for what `to` speaks.
pub(super) async fn through(
    host: &str,
    port: u16,
    to: SocketAddr,
    user_agent: &str,
) -> io::Result<TcpStream> {
    let failed =
        |what: &str| io::Error::other(format!("the proxy {host}:{port} of [net] proxy {what}"));
    let stream = TcpStream::connect((host, port)).await;
    let mut stream = stream.map_err(|error| failed(&format!("is not reached: {error}")))?;
    let ask = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: {user_agent}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut head = Vec::new();
    // Byte by byte, for what comes after the head is not the proxy's; a head is short and comes once for each connection.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(failed("answers without end"));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(failed(
                    "closed the connection: is it one that takes CONNECT?",
                ));
            }
            Err(error) => return Err(error),
        }
    }
    match status(&head) {
        Some(200..=299) => Ok(stream),
        Some(407) => Err(failed(
            "wants a user and a password, which are not given here: allow this machine there",
        )),
        Some(status) => Err(failed(&format!("does not connect to {to}: {status}"))),
        None => Err(failed("does not speak HTTP")),
    }
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    let digits = line.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

//! The command line's way to the daemon: HTTP/1.1 over its Unix socket, streaming both ways.

use std::{io, path::Path};

use http::{HeaderValue, Request, Response, header::HOST};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::BoxError;

/// Why the daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens: the command works on the files itself.
    #[error("no daemon runs on this folder")]
    NotRunning,
    /// The socket belongs to another user.
    #[error(
        "no permission to reach the daemon: run this as root or as the owner of the shop's folder"
    )]
    Denied,
    /// The socket cannot be opened for another reason.
    #[error("cannot reach the daemon: {0}")]
    Connect(io::Error),
    /// The connection broke off.
    #[error("the daemon did not answer: {0}")]
    Http(#[from] hyper::Error),
}

/// Sends one request, whose URI is a path, to the daemon behind the socket at `path`, and gives the answer as it comes. There
/// is no time limit: a backup takes as long as it takes, and both ends are this machine.
///
/// # Errors
/// [`AdminError`].
pub async fn request<B>(
    path: &Path,
    mut request: Request<B>,
) -> Result<Response<Incoming>, AdminError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let stream = UnixStream::connect(path)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AdminError::NotRunning,
            io::ErrorKind::PermissionDenied => AdminError::Denied,
            _ => AdminError::Connect(error),
        })?;
    request
        .headers_mut()
        .entry(HOST)
        .or_insert(HeaderValue::from_static("keystall"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer's body; its error reaches the reader of that body.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

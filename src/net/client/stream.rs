//! Big bodies: no limit for the whole, but for the time in which no byte moves either way.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{sleep, timeout},
};

use super::{Answer, Client, HEAD_BYTES_MAX, OutboundError, Wire};

/// An answer whose body is still coming. Dropping it closes the connection.
pub struct Streamed {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    body: Incoming,
    line: Line,
    /// Held until the end: hyper takes its drop as a wish to close.
    _sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Sends `request`, whose URI is absolute, and gives the answer once its head is there. Connecting is bounded as in
    /// [`Client::send`]; after that only silence is: an error comes when no byte moved either way for `idle`, at the latest after
    /// twice that.
    ///
    /// # Errors
    /// [`OutboundError`]; see [`OutboundError::was_surely_not_sent`].
    pub async fn stream(
        &self,
        request: Request<Bytes>,
        idle: Duration,
    ) -> Result<Streamed, OutboundError> {
        let target = self.0.target(request.uri())?;
        let limit = self.0.policy.timeout;
        let wire = match timeout(limit, self.0.open(&target)).await {
            Ok(wire) => wire?,
            Err(_) => {
                return Err(OutboundError::Timeout {
                    host: target.host,
                    seconds: limit.as_secs(),
                });
            }
        };
        let request = self.0.prepared(&target, request)?;
        let moved = Arc::new(AtomicU64::new(0));
        let watched = Watched {
            wire,
            moved: moved.clone(),
        };
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(watched))
            .await
            .map_err(|source| OutboundError::Http {
                host: target.host.clone(),
                source,
            })?;
        let mut line = Line {
            host: target.host,
            idle,
            moved,
            // Its error reaches the exchange too, with more to say.
            connection: Some(Box::pin(async move { drop(connection.await) })),
        };
        let answer = line.drive(sender.send_request(request)).await?;
        let (head, body) = answer.map_err(|source| line.failed(source))?.into_parts();
        Ok(Streamed {
            status: head.status,
            headers: head.headers,
            body,
            line,
            _sender: sender,
        })
    }
}

impl Streamed {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`OutboundError`] where the connection breaks off before the end, or is silent.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, OutboundError> {
        loop {
            let frame = self.line.drive(self.body.frame()).await?;
            let Some(frame) = frame
                .transpose()
                .map_err(|source| self.line.failed(source))?
            else {
                return Ok(None);
            };
            if let Ok(piece) = frame.into_data()
                && !piece.is_empty()
            {
                return Ok(Some(piece));
            }
        }
    }

    /// The whole answer, of at most `limit_bytes`.
    ///
    /// # Errors
    /// As [`Streamed::chunk`], and [`OutboundError::TooLarge`].
    pub async fn whole(mut self, limit_bytes: usize) -> Result<Answer, OutboundError> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            if body.len() + piece.len() > limit_bytes {
                let host = self.line.host;
                return Err(OutboundError::TooLarge { host, limit_bytes });
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer {
            status: self.status,
            headers: self.headers,
            body: body.freeze(),
        })
    }
}

/// The connection under an exchange. It moves only while something is awaited over it, so it ends with its owner.
struct Line {
    host: String,
    idle: Duration,
    /// Bytes so far, both ways.
    moved: Arc<AtomicU64>,
    /// `None` once it has ended.
    connection: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Line {
    /// Awaits `exchange` while the connection moves.
    async fn drive<T>(&mut self, exchange: impl Future<Output = T>) -> Result<T, OutboundError> {
        let mut exchange = std::pin::pin!(exchange);
        let mut silence = std::pin::pin!(silence(self.moved.clone(), self.idle));
        loop {
            let connection = async {
                match &mut self.connection {
                    Some(connection) => connection.as_mut().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                outcome = exchange.as_mut() => return Ok(outcome),
                () = connection => self.connection = None,
                () = silence.as_mut() => {
                    let (host, seconds) = (self.host.clone(), self.idle.as_secs());
                    return Err(OutboundError::Idle { host, seconds });
                }
            }
        }
    }

    fn failed(&self, source: hyper::Error) -> OutboundError {
        let host = self.host.clone();
        OutboundError::Http { host, source }
    }
}

/// Ends once nothing has moved for `idle`.
async fn silence(moved: Arc<AtomicU64>, idle: Duration) {
    loop {
        let before = moved.load(Ordering::Relaxed);
        sleep(idle).await;
        if moved.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// Counts what moves over a connection.
struct Watched {
    wire: Box<dyn Wire>,
    moved: Arc<AtomicU64>,
}

impl Watched {
    fn count(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.wire).poll_read(cx, buffer);
        self.count(buffer.filled().len() - before);
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.wire).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = &poll {
            self.count(*written);
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

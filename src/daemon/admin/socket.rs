//! The daemon's side of the Unix socket: `POST /command`, and what a monitor on this machine reads.
//!
//! A request's body is one line of JSON, the [`Command`], and behind it the command's own body. The answer is a line of JSON
//! for each [`Frame`]; the last one is the outcome. An answer that ends without one broke off.

use std::{convert::Infallible, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tower::Service;

use super::{
    Command, CommandError, Context, Frame, Gone,
    bridge::{BlockingBody, Frames},
    execute,
};
use crate::daemon::{
    health::{ready, refresh},
    telemetry::Metrics,
};

/// Where commands are posted.
pub const COMMAND_PATH: &str = "/command";
/// Longest line of a command: the largest texts of a product, every byte of them escaped.
const COMMAND_BYTES_MAX: usize = 1024 * 1024;
/// Commands at a time; further ones wait.
const COMMANDS_MAX: usize = 4;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

#[derive(Clone)]
struct Admin {
    context: Context,
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
}

/// The service behind the Unix socket. Whoever can open the socket may do everything: its mode is the authorisation.
pub(in crate::daemon) fn service(
    context: Context,
    metrics: Arc<Metrics>,
) -> impl Service<Request<Incoming>, Response = Answer, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let admin = Admin {
        context,
        metrics,
        places: Arc::new(Semaphore::new(COMMANDS_MAX)),
    };
    tower::service_fn(move |request| {
        let admin = admin.clone();
        async move { Ok(admin.answer(request).await) }
    })
}

impl Admin {
    async fn answer(self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::POST, COMMAND_PATH) => self.command(request.into_body()).await,
            (&Method::GET, "/healthz") => text(StatusCode::OK, "ok\n"),
            (&Method::GET, "/readyz") => self.readyz().await,
            (&Method::GET, "/metrics") => self.metrics().await,
            _ => text(StatusCode::NOT_FOUND, "no such thing here\n"),
        }
    }

    async fn command(self, mut body: Incoming) -> Answer {
        let (command, rest) = match first_line(&mut body).await {
            Ok(read) => read,
            Err(error) => return refused(error),
        };
        // The semaphore is never closed.
        let Ok(place) = self.places.clone().acquire_owned().await else {
            return refused(CommandError::new("busy", "the daemon ends: try again"));
        };
        let (frames, answer) = Frames::new();
        let mut body = BlockingBody::new(rest, body);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let mut out = |frame: Frame| frames.put(&frame);
            let last = match execute(&self.context, command, &mut body, &mut out) {
                Ok(value) => Frame::Done(value),
                Err(error) => Frame::Error(error),
            };
            // A command line that left does not hear the end; what was done stands.
            if let Err(Gone) = frames.put(&last) {
                tracing::warn!("the command line left before its command ended");
            }
        });
        with_body(StatusCode::OK, "application/x-ndjson", answer)
    }

    async fn readyz(self) -> Answer {
        let shop = self.context.shop;
        match tokio::task::spawn_blocking(move || ready(&shop)).await {
            Ok(Ok(())) => text(StatusCode::OK, "ready\n"),
            Ok(Err(why)) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{why}\n")),
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the check failed\n"),
        }
    }

    async fn metrics(self) -> Answer {
        const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let rendered = tokio::task::spawn_blocking(move || {
            refresh(&self.context.shop, &self.metrics);
            self.metrics.render()
        });
        match rendered.await {
            Ok(page) => with_body(StatusCode::OK, OPEN_METRICS, Full::new(Bytes::from(page))),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "no numbers\n"),
        }
    }
}

/// The command, and what of its body came with it.
async fn first_line(body: &mut Incoming) -> Result<(Command, Bytes), CommandError> {
    let malformed = |reason: String| CommandError::new("malformed", reason);
    let mut read = BytesMut::new();
    loop {
        if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            let line = read.split_to(end + 1);
            let command = serde_json::from_slice(&line).map_err(|error| {
                malformed(format!(
                    "the daemon does not know this command: is it of another version? ({error})"
                ))
            })?;
            return Ok((command, read.freeze()));
        }
        if read.len() > COMMAND_BYTES_MAX {
            return Err(malformed("the command is too long".to_owned()));
        }
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    read.extend_from_slice(&data);
                }
            }
            Some(Err(error)) => return Err(malformed(error.to_string())),
            None => return Err(malformed("the command has no end".to_owned())),
        }
    }
}

fn refused(error: CommandError) -> Answer {
    // Serializing two texts does not fail; an empty answer would be read as one that broke off.
    let mut line = serde_json::to_vec(&Frame::Error(error)).unwrap_or_default();
    line.push(b'\n');
    with_body(
        StatusCode::BAD_REQUEST,
        "application/x-ndjson",
        Full::new(Bytes::from(line)),
    )
}

fn text(status: StatusCode, text: &str) -> Answer {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes()));
    with_body(status, "text/plain; charset=utf-8", body)
}

fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
) -> Answer {
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    answer
}

//! The command line's side of the daemon's Unix socket.

use std::{
    io::{self, Read},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame as BodyFrame, Incoming};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    daemon::admin::{Command, CommandError, Frame, Out, socket::COMMAND_PATH},
    net::admin_client,
};

/// Bytes read at once from a command's body.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait to be sent.
const PIECES_MAX: usize = 4;
/// Longest line of an answer: a long list, or a piece of a file in Base64.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

type Piece = io::Result<BodyFrame<Bytes>>;

/// Has the daemon behind `socket` execute `command`.
pub(super) fn send(
    socket: &Path,
    command: &Command,
    body: Box<dyn Read + Send>,
    out: Out<'_>,
) -> Result<Value, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::new("system", error))?;
    let mut line =
        serde_json::to_vec(command).map_err(|error| CommandError::new("internal", error))?;
    line.push(b'\n');
    let unread = Arc::new(Mutex::new(None));
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let reading = unread.clone();
    // Not joined: it may wait for a terminal, and ends with the process.
    std::thread::spawn(move || feed(line, body, &sender, &reading));
    let outcome = runtime.block_on(exchange(socket, pieces, out));
    // What could not be read here is the reason of what broke off there.
    let unread = unread.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (outcome, unread) {
        (Err(_), Some(error)) => Err(CommandError::new("file", error)),
        (outcome, _) => outcome,
    }
}

fn feed(
    line: Vec<u8>,
    mut body: Box<dyn Read + Send>,
    sender: &mpsc::Sender<Piece>,
    unread: &Mutex<Option<String>>,
) {
    let mut piece = Bytes::from(line);
    let mut buffer = vec![0; PIECE_BYTES];
    // A daemon that has answered takes no more.
    while sender.blocking_send(Ok(BodyFrame::data(piece))).is_ok() {
        piece = match read(&mut body, &mut buffer) {
            Ok(0) => return,
            Ok(count) => Bytes::copy_from_slice(&buffer[..count]),
            Err(error) => {
                *unread.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(format!("the file cannot be read: {error}"));
                // The daemon must see a body that broke off, not one that ended.
                let _ = sender.blocking_send(Err(error));
                return;
            }
        };
    }
}

fn read(body: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match body.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

async fn exchange(
    socket: &Path,
    pieces: mpsc::Receiver<Piece>,
    out: Out<'_>,
) -> Result<Value, CommandError> {
    let request = Request::post(COMMAND_PATH)
        .body(StreamBody::new(ReceiverStream::new(pieces)))
        .map_err(|error| CommandError::new("internal", error))?;
    let answer = admin_client::request(socket, request)
        .await
        .map_err(|error| CommandError::new("socket", error))?;
    let mut body = answer.into_body();
    let mut waiting = Vec::new();
    while let Some(data) = next_data(&mut body).await? {
        waiting.extend_from_slice(&data);
        let mut begin = 0;
        while let Some(length) = waiting[begin..].iter().position(|byte| *byte == b'\n') {
            let frame = serde_json::from_slice(&waiting[begin..begin + length]);
            begin += length + 1;
            match frame.map_err(|_| broken("its answer is of another version"))? {
                Frame::Done(value) => return Ok(value),
                Frame::Error(error) => return Err(error),
                frame => out(frame).map_err(|gone| CommandError::new("files", gone))?,
            }
        }
        waiting.drain(..begin);
        if waiting.len() > LINE_BYTES_MAX {
            return Err(broken("its answer has no end"));
        }
    }
    Err(broken("it ended before its answer did"))
}

async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>, CommandError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn broken(why: &str) -> CommandError {
    CommandError::new(
        "socket",
        format!("the daemon did not answer: {why}; look whether the command was carried out"),
    )
}

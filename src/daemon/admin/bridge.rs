//! Between asynchronous bodies and blocking commands: bounded both ways, so that neither side can fill the memory.

use std::{
    convert::Infallible,
    io::{self, Read},
};

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame as BodyFrame, Incoming};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Frame, Gone};

/// Pieces of a body that wait between the two sides.
const PIECES_MAX: usize = 8;

/// The rest of a request's body, for a thread that may block. A body that breaks off is an error, never an end.
pub(super) struct BlockingBody {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

/// Where a blocking command puts its frames.
pub(super) struct Frames(mpsc::Sender<Result<BodyFrame<Bytes>, Infallible>>);

impl BlockingBody {
    /// Begins with `first`, then what is left of `body`; reads on only as it is read.
    pub(super) fn new(first: Bytes, body: Incoming) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        tokio::spawn(pump(body, sender));
        Self {
            pieces,
            piece: first,
        }
    }
}

impl Read for BlockingBody {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.piece.has_remaining() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = self.piece.remaining().min(out.len());
        self.piece.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}

impl Frames {
    /// A pair: where frames go, and the body they become, one JSON line each.
    pub(super) fn new() -> (
        Self,
        impl Body<Data = Bytes, Error = Infallible> + Send + use<>,
    ) {
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        (Self(sender), StreamBody::new(ReceiverStream::new(receiver)))
    }

    /// Blocks until there is room.
    pub(super) fn put(&self, frame: &Frame) -> Result<(), Gone> {
        let mut line = serde_json::to_vec(frame).map_err(|_| Gone)?;
        line.push(b'\n');
        let piece = BodyFrame::data(Bytes::from(line));
        self.0.blocking_send(Ok(piece)).map_err(|_| Gone)
    }
}

async fn pump(mut body: Incoming, sender: mpsc::Sender<io::Result<Bytes>>) {
    while let Some(frame) = body.frame().await {
        let piece = match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailers) => continue,
            },
            Err(error) => Err(io::Error::other(error)),
        };
        // A command that reads no further has dropped its side.
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

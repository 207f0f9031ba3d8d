//! Whether a connection is in use: a request is in progress until the last byte of its answer.

use std::{
    collections::BTreeMap,
    io::IoSlice,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::serve::Timeouts;

/// How long a connection that was asked to end may take to.
const LINGER: Duration = Duration::from_secs(5);

/// Whether a connection is in use, and since when it is not.
pub(super) struct Activity(Mutex<State>);

struct State {
    /// When the last request ended.
    last: Instant,
    has_served: bool,
    /// When each request in progress came on last, by its number on this connection. Each for itself: a client must not hold
    /// one answer for ever by asking for others meanwhile.
    requests: BTreeMap<u64, Instant>,
    next: u64,
}

/// Why a connection is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// Nothing is in progress.
    Idle,
    /// An answer does not come on: an HTTP/2 client may read its connection and yet take nothing of an answer (a flow control
    /// window of 0), which no write to the stream shows.
    Stalled,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            last: Instant::now(),
            has_served: false,
            requests: BTreeMap::new(),
            next: 0,
        }))
    }

    pub(super) fn touch(&self) {
        self.state().last = Instant::now();
    }

    /// Ready once nothing has been in progress for as long as a connection in its state is kept, or an answer in progress has
    /// not come on for `answer_stall`, where there is such a bound.
    pub(super) async fn quiet(
        &self,
        timeouts: &Timeouts,
        answer_stall: Option<Duration>,
        is_ending: bool,
    ) -> Quiet {
        loop {
            let now = Instant::now();
            // A request may come, or come and go, meanwhile, after which other times count.
            let look_again =
                now + answer_stall.map_or(timeouts.idle, |stall| stall.min(timeouts.idle));
            let (until, quiet) = self.next_look(timeouts, answer_stall, is_ending, now);
            match quiet {
                Some(quiet) if now >= until => return quiet,
                _ => sleep_until(until.min(look_again)).await,
            }
        }
    }

    /// When something is to be decided, and what, if nothing happens until then.
    fn next_look(
        &self,
        timeouts: &Timeouts,
        answer_stall: Option<Duration>,
        is_ending: bool,
        now: Instant,
    ) -> (Instant, Option<Quiet>) {
        let state = self.state();
        let kept = match (is_ending, state.has_served) {
            (true, _) => LINGER,
            (false, false) => timeouts.header_read,
            (false, true) => timeouts.idle,
        };
        match (state.requests.values().min(), answer_stall) {
            (None, _) => (state.last + kept, Some(Quiet::Idle)),
            (Some(_), None) => (now + kept, None),
            (Some(oldest), Some(stall)) if *oldest + stall <= now + kept => {
                (*oldest + stall, Some(Quiet::Stalled))
            }
            (Some(_), Some(_)) => (now + kept, None),
        }
    }

    /// No state is left half changed by a panic: each change is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body whose request is in progress until it is written or given up. It passes its size on, which becomes the answer's
/// `Content-Length`.
pub(super) struct Counted<B> {
    body: Pin<Box<B>>,
    in_progress: Arc<InProgress>,
}

/// A piece of a body whose request is in progress until it is written: with HTTP/2 a body may be given out whole while its
/// client's window takes one byte.
pub(super) struct Piece<D> {
    data: D,
    _in_progress: Arc<InProgress>,
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, in_progress: InProgress) -> Self {
        Self {
            body: Box::pin(body),
            in_progress: Arc::new(in_progress),
        }
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = Piece<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let poll = self.body.as_mut().poll_frame(cx);
        // hyper asks for a frame only when the client takes what came before.
        if poll.is_ready() {
            self.in_progress.touch();
        }
        let piece = |data| Piece {
            data,
            _in_progress: self.in_progress.clone(),
        };
        poll.map_ok(|frame| frame.map_data(piece))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<D: Buf> Buf for Piece<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    /// No touch: a piece is to be taken whole in time, not a byte now and then.
    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}

/// One request in progress, until dropped.
pub(super) struct InProgress {
    activity: Arc<Activity>,
    number: u64,
}

impl InProgress {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        let mut state = activity.state();
        let number = state.next;
        state.next += 1;
        state.has_served = true;
        state.requests.insert(number, Instant::now());
        drop(state);
        Self { activity, number }
    }

    fn touch(&self) {
        let mut state = self.activity.state();
        state.requests.insert(self.number, Instant::now());
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.last = Instant::now();
        state.requests.remove(&self.number);
    }
}

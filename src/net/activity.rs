//! Whether a connection is in use: a request is in progress until the last byte of its answer.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep, sleep_until};

use super::serve::Timeouts;

/// How long a connection that was asked to end may take to.
const LINGER: Duration = Duration::from_secs(5);

/// Whether a connection is in use, and since when it is not.
pub(super) struct Activity {
    started: Instant,
    in_progress: AtomicU32,
    /// Milliseconds after `started`.
    last_ms: AtomicU64,
    has_served: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            in_progress: AtomicU32::new(0),
            last_ms: AtomicU64::new(0),
            has_served: AtomicBool::new(false),
        }
    }

    pub(super) fn touch(&self) {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed_ms, Ordering::Relaxed);
    }

    /// Ready once nothing has been in progress for as long as a connection in its state is kept.
    pub(super) async fn quiet(&self, timeouts: &Timeouts, is_ending: bool) {
        loop {
            let kept = match (is_ending, self.has_served.load(Ordering::Relaxed)) {
                (true, _) => LINGER,
                (false, false) => timeouts.header_read,
                (false, true) => timeouts.idle,
            };
            if self.in_progress.load(Ordering::Relaxed) > 0 {
                sleep(kept).await;
                continue;
            }
            let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
            let until = self.started + last + kept;
            let now = Instant::now();
            if now >= until {
                return;
            }
            // A first request may come and go meanwhile, after which `idle` counts.
            sleep_until(until.min(now + timeouts.idle)).await;
        }
    }
}

/// A body whose request is in progress until it is written or given up. It passes its size on, which becomes the answer's
/// `Content-Length`.
pub(super) struct Counted<B> {
    body: Pin<Box<B>>,
    _in_progress: InProgress,
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, in_progress: InProgress) -> Self {
        Self {
            body: Box::pin(body),
            _in_progress: in_progress,
        }
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// One request in progress, until dropped.
pub(super) struct InProgress(Arc<Activity>);

impl InProgress {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        activity.in_progress.fetch_add(1, Ordering::Relaxed);
        activity.has_served.store(true, Ordering::Relaxed);
        Self(activity)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

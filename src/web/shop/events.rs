//! `GET /o/SECRET/events`: server-sent events (WHATWG HTML, section 9.2), one for each change of an order's state, the current
//! one first.
//!
//! One task hears every change of the shop and wakes only those who wait for that order: a busy shop with many open pages costs
//! no more than the changes that are looked at.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use futures_util::stream;
use http::{HeaderValue, header};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch},
    time::{Instant, sleep, sleep_until},
};

use super::order::order_of;
use crate::{
    actions::Shop,
    domain::{AddressPrefix, OrderId},
    web::{
        answer::Answer,
        limiter::{LineMax, Place, Places},
        state::{Shared, WebState},
        view::{Problem, order::mark},
        visit::{Segment, Visit},
    },
};

/// Streams at a time; more are told to come again. Pages work without.
const STREAMS_MAX: usize = 2_000;
/// Streams of one order: its buyer's devices and tabs, and no way to take all places with one link.
const STREAMS_OF_ORDER_MAX: u32 = 8;
/// Streams of one line.
const STREAMS_OF_LINE_MAX: LineMax = LineMax {
    remote: 64,
    loopback: 512,
};
/// A comment is sent as often, so that proxies keep the connection and a gone buyer is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The end of a stream; browsers come again by themselves.
const STREAM_TIME_MAX: Duration = Duration::from_secs(600);
/// Milliseconds after which a browser comes again.
const RETRY_MS: u32 = 5_000;

/// Who waits for which order.
pub(in crate::web) struct Events {
    places: Arc<Semaphore>,
    of_order: Places<OrderId>,
    of_line: Places<AddressPrefix>,
    waiting: Waiting,
    started: AtomicBool,
}

type Waiting = Arc<Mutex<HashMap<OrderId, watch::Sender<()>>>>;

pub(in crate::web) async fn listen(
    State(web): State<WebState>,
    visit: Visit,
    Segment(secret): Segment,
) -> Answer {
    let order = order_of(&web, &secret)?;
    // Before the first look, so that no change falls between.
    let listener = web.events.listen(&web.shop, order, visit.address);
    let listener = listener.ok_or(Problem::Busy)?;
    let mark = mark_of(&web, order)?.ok_or(Problem::NotFound)?;
    let stream = Stream {
        listener,
        closing: web.closing.clone(),
        web,
        first: Some(format!("retry: {RETRY_MS}\ndata: {mark}\n\n")),
        told: mark,
        ends_at: Instant::now() + STREAM_TIME_MAX,
    };
    let body = stream::unfold(stream, |mut stream| async {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(event)), stream))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    // nginx would hold events back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// One open page.
struct Stream {
    web: WebState,
    listener: Listener,
    closing: watch::Receiver<bool>,
    first: Option<String>,
    told: String,
    ends_at: Instant,
}

impl Stream {
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            tokio::select! {
                // The daemon stops, or is gone already.
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = sleep_until(self.ends_at) => return None,
                () = sleep(HEARTBEAT) => return Some(":\n\n".to_owned()),
                changed = self.listener.changes.changed() => changed.ok()?,
            }
            let mark = mark_of(&self.web, self.listener.order).ok()??;
            if mark != self.told {
                self.told.clone_from(&mark);
                return Some(format!("data: {mark}\n\n"));
            }
        }
    }
}

fn mark_of(web: &Shared, order: OrderId) -> Result<Option<String>, Problem> {
    let order = web.shop.order(order).map_err(|fault| web.fault(fault))?;
    Ok(order.map(|order| {
        let (state, reason) = (order.state, order.reason);
        mark(state, reason)
    }))
}

impl Default for Events {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(STREAMS_MAX)),
            of_order: Places::default(),
            of_line: Places::default(),
            waiting: Arc::default(),
            started: AtomicBool::new(false),
        }
    }
}

impl Events {
    /// A listener to the changes of `order` from now on; none when all places are taken, or all of this order or of this line.
    fn listen(&self, shop: &Shop, order: OrderId, address: IpAddr) -> Option<Listener> {
        let listener = self.place(order, address)?;
        if !self.started.swap(true, Ordering::AcqRel) {
            tokio::spawn(tell(shop.changes(), self.waiting.clone()));
        }
        Some(listener)
    }

    fn place(&self, order: OrderId, address: IpAddr) -> Option<Listener> {
        let line = AddressPrefix::of(address);
        let places = (
            self.of_order.take(order, STREAMS_OF_ORDER_MAX)?,
            self.of_line.take(line, STREAMS_OF_LINE_MAX.of(address))?,
            self.places.clone().try_acquire_owned().ok()?,
        );
        let changes = locked(&self.waiting).entry(order).or_default().subscribe();
        Some(Listener {
            changes,
            order,
            waiting: self.waiting.clone(),
            _places: places,
        })
    }
}

/// Wakes those who wait, until the shop is closed.
async fn tell(mut changes: broadcast::Receiver<OrderId>, waiting: Waiting) {
    loop {
        match changes.recv().await {
            Ok(order) => {
                if let Some(page) = locked(&waiting).get(&order) {
                    page.send_replace(());
                }
            }
            // Any of them may have changed.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                locked(&waiting).values().for_each(|page| {
                    page.send_replace(());
                })
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// A place among those who wait, given back when dropped.
struct Listener {
    changes: watch::Receiver<()>,
    order: OrderId,
    waiting: Waiting,
    _places: (Place<OrderId>, Place<AddressPrefix>, OwnedSemaphorePermit),
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut waiting = locked(&self.waiting);
        // This one still counts; nobody can join while the map is locked.
        if waiting
            .get(&self.order)
            .is_some_and(|page| page.receiver_count() <= 1)
        {
            waiting.remove(&self.order);
        }
    }
}

fn locked(waiting: &Waiting) -> MutexGuard<'_, HashMap<OrderId, watch::Sender<()>>> {
    // Nothing panics while it is held, and the map is whole after each statement.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn listener(events: &Events, order: OrderId) -> Option<Listener> {
        events.place(order, IpAddr::from([203, 0, 113, 9]))
    }

    #[test]
    fn one_link_or_one_line_cannot_take_all_places() {
        let events = Events::default();
        let of_one: Vec<_> = (0..8)
            .map(|_| listener(&events, OrderId(1)).unwrap())
            .collect();
        assert!(listener(&events, OrderId(1)).is_none());
        let of_line: Vec<_> = (2..58)
            .map(|order| listener(&events, OrderId(order)).unwrap())
            .collect();
        assert!(listener(&events, OrderId(99)).is_none());
        let elsewhere = IpAddr::from([203, 0, 113, 10]);
        assert!(events.place(OrderId(99), elsewhere).is_some());
        assert!(events.place(OrderId(1), elsewhere).is_none());
        drop((of_one, of_line));
        assert!(listener(&events, OrderId(1)).is_some());
    }

    #[tokio::test]
    async fn a_change_wakes_only_those_who_wait_for_that_order() {
        let events = Events::default();
        let (mut mine, other) = (
            listener(&events, OrderId(1)).unwrap(),
            listener(&events, OrderId(2)).unwrap(),
        );
        let (sender, receiver) = broadcast::channel(4);
        sender.send(OrderId(1)).unwrap();
        sender.send(OrderId(3)).unwrap();
        drop(sender);
        tell(receiver, events.waiting.clone()).await;
        mine.changes.changed().await.unwrap();
        assert!(!other.changes.has_changed().unwrap());
    }

    #[tokio::test]
    async fn everyone_looks_again_after_changes_were_missed() {
        let events = Events::default();
        let (mine, other) = (
            listener(&events, OrderId(1)).unwrap(),
            listener(&events, OrderId(2)).unwrap(),
        );
        let (sender, receiver) = broadcast::channel(1);
        for order in 3..9 {
            sender.send(OrderId(order)).unwrap();
        }
        drop(sender);
        tell(receiver, events.waiting.clone()).await;
        assert!(mine.changes.has_changed().unwrap() && other.changes.has_changed().unwrap());
    }

    #[test]
    fn those_who_left_are_forgotten_and_their_place_is_free() {
        let events = Events::default();
        let two = [
            listener(&events, OrderId(1)).unwrap(),
            listener(&events, OrderId(1)).unwrap(),
        ];
        assert_eq!(
            (
                locked(&events.waiting).len(),
                events.places.available_permits()
            ),
            (1, STREAMS_MAX - 2)
        );
        drop(two);
        assert_eq!(
            (
                locked(&events.waiting).len(),
                events.places.available_permits()
            ),
            (0, STREAMS_MAX)
        );
    }
}

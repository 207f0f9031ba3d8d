//! What every request passes, from the outside in: its circumstances, the log, the headers, the words of a problem, the bounds,
//! and the check of where a form came from.

mod headers;
mod origin;

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{StatusCode, uri::PathAndQuery};
use tokio::sync::SemaphorePermit;
use tracing::Instrument;

pub(super) use headers::content_policy;

use super::{
    answer,
    challenge::CHALLENGE,
    limiter::{LineMax, Pace, Place, UNKNOWN_PROXY_TOLD},
    state::{Shared, WebState},
    view::Problem,
    visit::{Visit, forwarded_https},
};
use crate::domain::AddressPrefix;

/// The route of notices: the one that is no form of a browser.
pub(super) const NOTIFY: &str = "/pay/{channel}/notify";

/// Routes that are answered in the clear although the shop has TLS: probes of this machine's watchers, notices, which are signed
/// and whose senders follow no redirect, and an authority's look, which comes before there is a certificate.
const IN_THE_CLEAR: [&str; 4] = ["/healthz", "/readyz", NOTIFY, CHALLENGE];

/// Longest time to the head of an answer. Streams go on after it.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Requests of one line worked on at a time: far more than a browser sends, and a small part of all.
const REQUESTS_OF_LINE_MAX: LineMax = LineMax {
    remote: 64,
    loopback: 512,
};

/// Wraps the routes; the answers of routes that do not exist, too.
pub(super) async fn around(
    State(web): State<WebState>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let visit = Visit::of(&web, &request);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let method = request.method().clone();
    let reads = method.is_safe();
    request.extensions_mut().insert(visit.clone());
    // The path of an order's link is its secret: only the template is logged. The span is of the highest level, so that errors
    // name their request whatever the log leaves out.
    let span = tracing::error_span!("request", request.id = %visit.request, http.method = %method, http.route = route);
    async {
        let passed = pass(&web, &visit, route, request, next).await;
        let response = passed.unwrap_or_else(IntoResponse::into_response);
        let mut response = answer::told(&web, &visit, response);
        headers::set(&web, &visit, reads, &mut response);
        let (status, taken) = (response.status().as_u16(), begun.elapsed());
        tracing::info!(
            http.status = status,
            duration_us = taken.as_micros() as u64,
            "answered"
        );
        (web.observe)(route, status, taken);
        response
    }
    .instrument(span.clone())
    .await
}

async fn pass(
    web: &WebState,
    visit: &Visit,
    route: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if visit.bare && forwarded_https(request.headers()) {
        tell_unknown_proxy(web, visit);
        if web.settings.https_listens && !IN_THE_CLEAR.contains(&route) {
            return Err(Problem::UnknownProxy);
        }
    }
    if web.settings.https_listens && visit.bare && !IN_THE_CLEAR.contains(&route) {
        return encrypted(web, &request);
    }
    if !request.method().is_safe()
        && route != NOTIFY
        && !origin::is_own(request.headers(), request.uri(), visit, web.host())
    {
        tracing::warn!("a form from another site was refused");
        return Err(Problem::ForeignOrigin);
    }
    // An authority's look takes no place: it reads a line from memory, and is awaited also while buyers take them all.
    let _places = match route {
        CHALLENGE => None,
        _ => Some(places(web, visit, route).ok_or(Problem::Busy)?),
    };
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(ANSWER_TIME_MAX, handled).await {
        Ok(Ok(response)) if is_guess(web, visit, route, &response) => {
            Err(Problem::TooMany { retry_s: 1 })
        }
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => {
            // What it said went to standard error by the panic hook.
            tracing::error!("a handler panicked");
            Err(Problem::Internal)
        }
        Err(_) => {
            tracing::warn!(
                time_max_s = ANSWER_TIME_MAX.as_secs(),
                "a request was given up"
            );
            Err(Problem::Busy)
        }
    }
}

/// Whether a secret link that opens nothing is one too many of its line. Links that open are answered to the same line as ever: a
/// guesser behind the same network shuts nobody out.
fn is_guess(web: &Shared, visit: &Visit, route: &str, response: &Response) -> bool {
    let secret = route.starts_with("/o/") || route.starts_with("/inbox/");
    if !secret || response.status() != StatusCode::NOT_FOUND {
        return false;
    }
    let (line, pace) = (
        AddressPrefix::of(visit.address),
        Pace::wrong_links_of(visit.address),
    );
    let now_ms = web.shop.now_ms();
    web.wrong_links_of_line.admit(line, pace, now_ms).is_err()
}

/// Says in the log who ends TLS before the shop without being trusted to. A redirect to `https://` would come back through it for
/// ever, and all its buyers would share its address. Anybody can send the header, so no more than a line a minute.
fn tell_unknown_proxy(web: &Shared, visit: &Visit) {
    let line = AddressPrefix::of(visit.address);
    let told = web
        .unknown_proxies_told
        .admit(line, UNKNOWN_PROXY_TOLD, web.shop.now_ms());
    if told.is_ok() {
        tracing::warn!(
            proxy = %visit.address,
            "a proxy that says it has the buyer's https:// is not trusted: if it is yours, name its address in [listen] trusted_proxies"
        );
    }
}

/// Sends a reader to the encrypted shop. A form is not sent on: what it held was readable on the way already.
fn encrypted(web: &Shared, request: &Request) -> Result<Response, Problem> {
    let path = request.uri().path_and_query().map(PathAndQuery::as_str);
    let path = path.filter(|path| path.starts_with('/'));
    match path {
        Some(path) if request.method().is_safe() => {
            answer::moved(&format!("{}{path}", web.settings.base_url))
        }
        _ => Err(Problem::Unencrypted),
    }
}

/// A place among all requests and one among those of this line; none where either has no more.
fn places<'a>(
    web: &'a Shared,
    visit: &Visit,
    route: &str,
) -> Option<(SemaphorePermit<'a>, Place<AddressPrefix>)> {
    let (all, of_line) = if route == NOTIFY {
        (&web.notices, &web.notices_of)
    } else {
        (&web.requests, &web.requests_of)
    };
    let line = AddressPrefix::of(visit.address);
    let mine = of_line.take(line, REQUESTS_OF_LINE_MAX.of(visit.address))?;
    Some((all.try_acquire().ok()?, mine))
}

//! Whether the shop lives, and whether it can sell. Both say no more than that.

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::{answer::text, state::WebState};

/// `GET /healthz`
pub(super) async fn alive() -> Response {
    text(StatusCode::OK, "ok\n")
}

/// `GET /readyz`: 503 with the reason where nothing can be sold.
pub(super) async fn ready(State(web): State<WebState>) -> Response {
    let store = web.shop.store();
    let reason = if *web.closing.borrow() {
        Some("stopping\n")
    } else if store.readonly() {
        Some("read-only after a disk error\n")
    } else if web.shop.orders_held() {
        Some("no orders are taken: the disk is full, or the database is damaged\n")
    } else {
        let head = store.read().and_then(|snapshot| snapshot.head());
        head.err().map(|error| {
            tracing::error!(%error, "the store cannot be read");
            "the database cannot be read\n"
        })
    };
    match reason {
        None => text(StatusCode::OK, "ready\n"),
        Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

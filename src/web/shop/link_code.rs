//! `GET /o/SECRET/link.svg` and `/o/SECRET/receipt.svg`: codes that bring an order's page, or its receipt, to another device. The page
//! holds them folded up, so they are drawn for who unfolds them.

use axum::extract::State;

use super::order::order_of;
use crate::web::{
    answer::{Answer, svg},
    state::{Shared, WebState},
    view::Problem,
    visit::Segment,
};
use crate::words::qr;

pub(in crate::web) async fn page(State(web): State<WebState>, Segment(secret): Segment) -> Answer {
    drawn(&web, &secret, "")
}

pub(in crate::web) async fn receipt(
    State(web): State<WebState>,
    Segment(secret): Segment,
) -> Answer {
    drawn(&web, &secret, "/receipt")
}

/// The absolute link to what lies under a true secret. What that shows is for the page behind it to say.
fn drawn(web: &Shared, secret: &str, below: &str) -> Answer {
    order_of(web, secret)?;
    let link = format!("{}/o/{secret}{below}", web.settings.base_url);
    qr::svg(&link).map(svg).ok_or_else(|| {
        // Only for a host of thousands of letters, which no name server knows.
        tracing::error!("the link of an order is too long for a code");
        Problem::Internal
    })
}

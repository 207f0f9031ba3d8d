//! `GET /o/SECRET/slip`: a delivered order's receipt on one sheet.

use axum::extract::State;
use http::StatusCode;

use super::order::{receipt_line, title, view};
use crate::domain::{Money, Secret};
use crate::web::{
    answer::{Answer, NO_STORE, page},
    ledger::log_keys,
    state::WebState,
    view::{Problem, SlipPage},
    visit::{Segment, Visit},
};

/// Not found before the delivery.
pub(in crate::web) async fn show(
    State(web): State<WebState>,
    visit: Visit,
    Segment(secret): Segment,
) -> Answer {
    let view = view(&web, &secret)?;
    if view.erased_at_ms.is_some() {
        return Err(Problem::Erased);
    }
    let receipt = receipt_line(&web, &view).ok_or(Problem::NotFound)?;
    let order = view.order;
    let paid = order.accepted();
    let shown = SlipPage {
        frame: web.frame(visit.language),
        link_secret: Secret::from(secret.as_str()),
        number: order.id,
        title: title(order.title, view.product.as_ref(), visit.language),
        quantity: order.quantity,
        total: order.total,
        received: (paid != order.total.amount).then(|| Money::new(paid, order.total.currency)),
        delivered_at_ms: order.delivered_at_ms.ok_or(Problem::NotFound)?,
        receipt,
        keys: log_keys(&web)?,
    };
    page(StatusCode::OK, NO_STORE, shown.render())
}

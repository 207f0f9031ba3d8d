//! The ledger's public side: how a receipt is checked.

use axum::extract::State;
use http::StatusCode;

use super::{
    answer::{Answer, FRESH, page},
    state::WebState,
    view::VerifyPage,
    visit::Visit,
};

/// `GET /verify`
pub(super) async fn verify(State(web): State<WebState>, visit: Visit) -> Answer {
    let shown = VerifyPage {
        frame: web.frame(visit.language),
        vkey: web.shop.chain().vkey(),
    };
    page(StatusCode::OK, FRESH, shown.render())
}

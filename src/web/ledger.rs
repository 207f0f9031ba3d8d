//! The ledger's public side: the newest checkpoint, and how a receipt is checked.

use axum::extract::State;
use http::StatusCode;

use super::{
    answer::{Answer, FRESH, page, text},
    state::WebState,
    view::{Problem, VerifyPage},
    visit::Visit,
};

/// `GET /ledger/checkpoint`: the signed note, where the merchant shows it.
pub(super) async fn checkpoint(State(web): State<WebState>) -> Answer {
    let note = web.shop.chain().latest().note;
    if !web.settings.public_checkpoint || note.is_empty() {
        return Err(Problem::NotFound);
    }
    Ok(text(StatusCode::OK, note))
}

/// `GET /verify`
pub(super) async fn verify(State(web): State<WebState>, visit: Visit) -> Answer {
    let shown = VerifyPage {
        frame: web.frame(visit.language),
        vkey: web.shop.chain().vkey(),
    };
    page(StatusCode::OK, FRESH, shown.render())
}

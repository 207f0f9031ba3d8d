//! `GET /terms`: the merchant's terms, where they are a text of the shop's own.

use axum::extract::State;
use http::StatusCode;

use crate::web::{
    answer::{Answer, FRESH, page},
    state::WebState,
    view::{Problem, TermsPage},
    visit::Visit,
};

pub(in crate::web) async fn show(State(web): State<WebState>, visit: Visit) -> Answer {
    let terms = web.settings.brand.terms.as_deref();
    let shown = TermsPage {
        text: web.texts.safe_html(terms.ok_or(Problem::NotFound)?),
        frame: web.frame(visit.language),
    };
    page(StatusCode::OK, FRESH, shown.render())
}

//! Answers to an authority that looks whether a name leads here (RFC 8555, section 8.3).

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};

use super::{answer::NO_STORE, state::WebState, view::Problem};

/// The route, which authorities ask for in the clear.
pub(super) const CHALLENGE: &str = "/.well-known/acme-challenge/{token}";

/// The answer for exactly this token, while it is awaited; nothing else is ever here.
pub(super) async fn show(
    State(web): State<WebState>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let answer = web.settings.board.answer(&token).ok_or(Problem::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain")),
        (header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE)),
    ];
    Ok((headers, answer).into_response())
}

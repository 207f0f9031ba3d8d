//! The ledger's public side: how a receipt is checked.

use std::sync::LazyLock;

use axum::{extract::State, response::Response};
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::{
    answer::{Answer, FRESH, page},
    state::WebState,
    view::{LaterKey, LogKeys, Problem, SavedVerifier, VerifyPage},
    visit::Visit,
};

/// Where the verifier is kept from.
pub(super) const SAVED_PATH: &str = "/verify/keystall-verify.html";

/// The verifier as one file, the same in every shop; `assets/verify` builds it.
static SAVED: &[u8] = include_bytes!("../../assets/verify/dist/keystall-verify.html");

static SHOWN: LazyLock<SavedVerifier> = LazyLock::new(|| SavedVerifier {
    sha256: hex::encode(Sha256::digest(SAVED)),
    // A constant of some hundred KiB.
    bytes: SAVED.len() as u32,
});

/// `GET /verify`
pub(super) async fn verify(State(web): State<WebState>, visit: Visit) -> Answer {
    let shown = VerifyPage {
        frame: web.frame(visit.language),
        keys: log_keys(&web)?,
        saved: SHOWN.clone(),
    };
    page(StatusCode::OK, FRESH, shown.render())
}

/// The first log key, which auditors pin, and those that came after it.
pub(super) fn log_keys(web: &WebState) -> Result<LogKeys, Problem> {
    let generations = web.shop.log_keys().map_err(|fault| web.fault(fault))?;
    let all = generations.into_iter().flat_map(|(generation, log)| {
        let key = move |(since, vkey)| LaterKey {
            vkey,
            since,
            generation,
        };
        log.keys.into_iter().map(key)
    });
    let mut later: Vec<_> = all.collect();
    // An opened shop has its first generation with its first key.
    let first = match later.is_empty() {
        true => return Err(Problem::Internal),
        false => later.remove(0).vkey,
    };
    Ok(LogKeys { first, later })
}

/// `GET /verify/keystall-verify.html`: a file to keep, which no browser renders from this shop's address.
pub(super) async fn saved(State(_): State<WebState>) -> Response {
    let mut response = Response::new(SAVED.into());
    let fields = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"keystall-verify.html\"",
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "public, no-cache"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    response
}

//! The ledger for monitors and witnesses, in the form of C2SP tlog-tiles: `/ledger/…` is the generation that is written,
//! `/ledger/gen-N/…` a generation by its number, for ever.
//!
//! Shows no more than a skeleton does: hashes, and how many entries there are. Nothing where the merchant shows no checkpoint.

use axum::extract::State;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri, header};

use super::{
    answer::{Answer, text},
    state::{Shared, WebState},
    view::Problem,
};
use crate::ledger::tiles::Tile;

/// A full tile of a numbered generation never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A partial one neither, but soon nobody asks for it. Without a number, the same path is another tree after a restore.
const SHORTLY: HeaderValue = HeaderValue::from_static("public, max-age=60");
/// A checkpoint is soon an old one, but many monitors at once need ask only once.
const MOMENT: HeaderValue = HeaderValue::from_static("public, max-age=5");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// `GET /ledger/checkpoint` and `GET /ledger/gen-N/checkpoint`: the signed note.
pub(super) async fn checkpoint(State(web): State<WebState>, uri: Uri) -> Answer {
    let (generation, rest) = asked(&web, &uri)?;
    if rest != "checkpoint" {
        return Err(Problem::NotFound);
    }
    let published = web.shop.published(generation);
    let latest = published.map_err(|fault| web.fault(fault))?;
    let latest = latest.ok_or(Problem::NotFound)?;
    let mut answer = text(StatusCode::OK, latest.note);
    answer.headers_mut().insert(header::CACHE_CONTROL, MOMENT);
    Ok(answer)
}

/// `GET /ledger/tile/…` and `GET /ledger/gen-N/tile/…`: nodes of the tree, or hashes of the entries.
pub(super) async fn tile(State(web): State<WebState>, uri: Uri) -> Answer {
    let (generation, rest) = asked(&web, &uri)?;
    let tile = rest.strip_prefix("tile/").and_then(Tile::parse);
    let tile = tile.ok_or(Problem::NotFound)?;
    let bytes = web.shop.tile(generation, tile);
    let bytes = bytes.map_err(|fault| web.fault(fault))?;
    let mut answer = text(StatusCode::OK, Bytes::from(bytes.ok_or(Problem::NotFound)?));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, BYTES);
    let cache = match tile.is_full() && generation.is_some() {
        true => FOR_EVER,
        false => SHORTLY,
    };
    headers.insert(header::CACHE_CONTROL, cache);
    Ok(answer)
}

/// The generation that a path names, and what follows. As it was sent: a name in another spelling is another name.
fn asked<'u>(web: &Shared, uri: &'u Uri) -> Result<(Option<u16>, &'u str), Problem> {
    let rest = uri.path().strip_prefix("/ledger/");
    let rest = rest.filter(|_| web.settings.public_checkpoint);
    let rest = rest.ok_or(Problem::NotFound)?;
    let Some(numbered) = rest.strip_prefix("gen-") else {
        return Ok((None, rest));
    };
    let (number, rest) = numbered.split_once('/').ok_or(Problem::NotFound)?;
    let generation = number.parse::<u16>().ok();
    let generation = generation.filter(|parsed| parsed.to_string() == number);
    let generation = generation.ok_or(Problem::NotFound)?;
    Ok((Some(generation), rest))
}

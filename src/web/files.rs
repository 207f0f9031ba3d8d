//! Files for browsers and crawlers.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::{
    answer::{Answer, text},
    assets::{self, Asset},
    state::WebState,
    view::Problem,
    visit::{Segment, query},
};

/// `GET /static/NAME`
pub(super) async fn asset(
    State(_): State<WebState>,
    Segment(name): Segment,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let asset = assets::asset(&name).ok_or(Problem::NotFound)?;
    let version = query(&uri, "v");
    Ok(file(
        asset,
        asset.cache_control(version.as_deref()),
        &headers,
    ))
}

/// `GET /favicon.ico`, for browsers that ask without reading a page.
pub(super) async fn icon(headers: HeaderMap) -> Answer {
    let asset = assets::asset("icon.svg").ok_or(Problem::NotFound)?;
    Ok(file(asset, "public, max-age=86400", &headers))
}

/// `GET /robots.txt`: orders are nobody's to index.
pub(super) async fn robots() -> Response {
    let mut response = text(
        StatusCode::OK,
        "User-agent: *\nDisallow: /o/\nDisallow: /pay/\nDisallow: /find\n",
    );
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=86400"),
    );
    response
}

fn file(asset: &'static Asset, cache_control: &'static str, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", asset.hash);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(asset.body))
    };
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(asset.content_type),
    );
    fields.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(cache_control),
    );
    // Hex digits in quotes are always a header's value.
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        fields.insert(header::ETAG, etag);
    }
    response
}

//! What makes a shop the merchant's own: logo and colour, served under the hash of their content.

use axum::{body::Bytes, extract::State, response::Response};
use http::{HeaderValue, header};

use crate::words::theme;

use super::{answer::Answer, state::WebState, view::Problem, visit::Segment};

/// How a merchant dresses the shop.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    /// Told on top of the window and of each product, Markdown.
    pub notice: Option<String>,
    /// The terms, Markdown: shown at `TERMS_PATH`.
    pub terms: Option<String>,
    /// A logo, PNG, made by [`crate::actions::render_logo`].
    pub logo: Option<Vec<u8>>,
    /// The accent.
    pub colour: Option<theme::Rgb>,
    /// The ICP filing number.
    pub icp: Option<String>,
}

/// Where the terms are.
pub(super) const TERMS_PATH: &str = "/terms";
/// A year, and no question whether it changed: the address is of this content alone.
pub(super) const FOR_EVER: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// The files made of a [`Brand`].
#[derive(Default)]
pub(super) struct BrandFiles {
    pub(super) logo: Option<BrandFile>,
    pub(super) theme: Option<BrandFile>,
}

pub(super) struct BrandFile {
    /// `/brand/HASH.png`
    pub(super) path: String,
    content_type: &'static str,
    body: Bytes,
}

impl BrandFiles {
    pub(super) fn of(brand: &Brand) -> Self {
        let logo = brand.logo.clone();
        let theme = brand.colour.map(|accent| theme::css(accent).into_bytes());
        Self {
            logo: logo.map(|png| BrandFile::new("png", "image/png", png)),
            theme: theme.map(|css| BrandFile::new("css", "text/css; charset=utf-8", css)),
        }
    }
}

impl BrandFile {
    fn new(extension: &str, content_type: &'static str, body: Vec<u8>) -> Self {
        let hash = &blake3::hash(&body).to_hex()[..32];
        Self {
            path: format!("/brand/{hash}.{extension}"),
            content_type,
            body: body.into(),
        }
    }
}

/// `GET /brand/HASH.EXTENSION`
pub(super) async fn file(State(web): State<WebState>, Segment(name): Segment) -> Answer {
    let files = [&web.brand.logo, &web.brand.theme];
    let named = |file: &&BrandFile| file.path.strip_prefix("/brand/") == Some(name.as_str());
    let found = files.into_iter().flatten().find(named);
    let file = found.ok_or(Problem::NotFound)?;
    Ok(kept_for_ever(file.content_type, file.body.clone()))
}

/// A file that browsers need not ask for again.
pub(super) fn kept_for_ever(content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    fields.insert(header::CACHE_CONTROL, FOR_EVER);
    response
}

//! Answers: pages, texts, downloads, redirects, and what a problem is told as.

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{
    state::Shared,
    view::{ErrorPage, Language, Problem, RenderError},
    visit::{KnownTags, Visit},
};

/// What a handler gives.
pub(super) type Answer = Result<Response, Problem>;

/// How long a page may be used again without asking: not at all, but it may be kept by the browser. No page is for a cache that
/// many share: its language is the visitor's, which few of them tell apart by `Vary`, and its stock is that of the moment.
pub(super) const FRESH: &str = "private, no-cache";
/// Pages with a secret in their address, and everything that names no other rule.
pub(super) const NO_STORE: &str = "no-store";

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
/// Fields of a page, with those that `headers` sets.
const HEADERS: usize = 16;
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";
/// Seconds after which a client that was turned away may come again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// A page. Its language depends on the visitor.
pub(super) fn page(
    status: StatusCode,
    cache: &'static str,
    html: Result<String, RenderError>,
) -> Answer {
    Ok(self::html(status, cache, rendered(html)?))
}

/// The text of a page; what cannot be rendered is logged here.
pub(super) fn rendered(html: Result<String, RenderError>) -> Result<String, Problem> {
    html.map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        Problem::Internal
    })
}

/// A page that is there already.
pub(super) fn html(status: StatusCode, cache: &'static str, html: impl Into<Bytes>) -> Response {
    let mut response = whole(status, HTML, html);
    set(
        &mut response,
        header::CACHE_CONTROL,
        HeaderValue::from_static(cache),
    );
    set(
        &mut response,
        header::VARY,
        HeaderValue::from_static("Accept-Language, Cookie"),
    );
    response
}

/// The same under its entity tag: a browser that has it is only told so.
pub(super) fn tagged_html(
    known: &KnownTags,
    tag: &HeaderValue,
    cache: &'static str,
    html: impl Into<Bytes>,
) -> Response {
    let mut response = if known.names(tag) {
        let mut response = self::html(StatusCode::NOT_MODIFIED, cache, Bytes::new());
        response.headers_mut().remove(header::CONTENT_TYPE);
        response
    } else {
        self::html(StatusCode::OK, cache, html)
    };
    set(&mut response, header::ETAG, tag.clone());
    response
}

/// A text for people and scripts.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    whole(status, TEXT, body)
}

/// A text that browsers keep as a file. `name` is of letters, digits, dots and dashes alone, so it needs no quoting.
pub(super) fn download(name: &str, body: impl Into<Bytes>) -> Answer {
    let mut response = whole(StatusCode::OK, TEXT, body);
    let disposition = format!("attachment; filename=\"{name}\"");
    set(
        &mut response,
        header::CONTENT_DISPOSITION,
        value(&disposition)?,
    );
    Ok(response)
}

/// A JSON document.
pub(super) fn json(status: StatusCode, document: &impl serde::Serialize) -> Answer {
    // Structs of texts and numbers always serialize.
    let body = serde_json::to_vec(document).map_err(|_| Problem::Internal)?;
    Ok(whole(status, JSON, body))
}

/// A drawing with a secret in it.
pub(super) fn svg(drawing: String) -> Response {
    // Without a rule of its own an answer is not kept.
    whole(StatusCode::OK, SVG, drawing)
}

/// 303 to a path here, or to an address that the desk made; never to one that a request brought.
pub(super) fn see_other(location: &str) -> Answer {
    let mut response = StatusCode::SEE_OTHER.into_response();
    set(&mut response, header::LOCATION, value(location)?);
    Ok(response)
}

/// 308 to the same path of the shop's own address.
pub(super) fn moved(location: &str) -> Answer {
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    set(&mut response, header::LOCATION, value(location)?);
    Ok(response)
}

/// Adds a cookie that this host alone sets and reads, and that no script sees.
pub(super) fn set_cookie(response: &mut Response, name: &str, content: &str, max_age_s: u32) {
    let cookie =
        format!("{name}={content}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite=Lax");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

impl IntoResponse for Problem {
    /// An empty answer that carries the problem; `told` gives it its words, which depend on the visitor.
    fn into_response(self) -> Response {
        // Every problem has a status of HTTP.
        let status =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer itself, or the problem that it carries as a page or as JSON, both with the next step.
pub(super) fn told(web: &Shared, visit: &Visit, mut response: Response) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let (content_type, body) = if visit.json {
        (JSON, problem_json(problem, visit.language))
    } else {
        let page = ErrorPage {
            frame: web.frame(visit.language),
            problem,
            request: Some(visit.request.clone()),
        };
        // A page about an error that cannot be rendered: the bare word still says what happened.
        page.render()
            .map_or_else(|_| (TEXT, problem.code().to_owned()), |html| (HTML, html))
    };
    *response.body_mut() = Body::from(body);
    set(
        &mut response,
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type),
    );
    set(
        &mut response,
        header::CACHE_CONTROL,
        HeaderValue::from_static(NO_STORE),
    );
    response.headers_mut().remove(header::CONTENT_LENGTH);
    match problem {
        Problem::TooMany { retry_s } => {
            set(&mut response, header::RETRY_AFTER, retry_s.max(1).into());
        }
        problem if problem.status() == 503 => come_again(&mut response),
        _ => {}
    }
    response
}

/// Tells a client that was turned away when to come again.
pub(super) fn come_again(response: &mut Response) {
    set(response, header::RETRY_AFTER, RETRY_AFTER);
}

fn problem_json(problem: Problem, language: Language) -> String {
    let error =
        serde_json::json!({ "code": problem.code(), "message": problem.next_step(language) });
    serde_json::json!({ "error": error }).to_string()
}

fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    // Room for what every answer carries.
    response.headers_mut().reserve(HEADERS);
    *response.status_mut() = status;
    set(
        &mut response,
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type),
    );
    response
}

fn set(response: &mut Response, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| {
        tracing::error!("an answer's header would hold a control character");
        Problem::Internal
    })
}

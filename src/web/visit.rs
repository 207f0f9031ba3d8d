//! Who asks: what the middleware found out about a request, for every handler.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
};

use axum::extract::{FromRequestParts, Path};
use http::{HeaderMap, HeaderValue, Uri, header, request::Parts};

use super::{
    state::{Shared, WebState},
    view::{Language, Problem},
};
use crate::{
    net::{Peer, client_address},
    words::language,
};

/// One request's circumstances.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// 16 hex digits, in the answer's `X-Request-Id` and in the log.
    pub request: String,
    /// The client's address, after trusted proxies.
    pub address: IpAddr,
    /// Whether the client's connection is encrypted, by us or by a trusted proxy.
    pub secure: bool,
    /// Whether it came over the network in the clear, and through no trusted proxy.
    pub bare: bool,
    /// The language that the client reads.
    pub language: Language,
    /// The known language that `?lang` asks for, to be remembered.
    pub chosen: Option<Language>,
    /// Whether an error is told as JSON.
    pub json: bool,
}

/// The one parameter of a route's path, decoded. What is not UTF-8 is not found.
pub(super) struct Segment(pub String);

/// The entity tags of what the browser has already (RFC 9110, section 13.1.2).
pub(super) struct KnownTags(Vec<HeaderValue>);

impl KnownTags {
    /// Whether `tag` is among them, by the weak comparison that the field asks for. A `*` names none: a page is always there.
    pub(super) fn names(&self, tag: &HeaderValue) -> bool {
        let fields = self.0.iter().filter_map(|field| field.to_str().ok());
        fields.flat_map(|field| field.split(',')).any(|known| {
            let known = known.trim();
            known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes()
        })
    }
}

impl Visit {
    /// Reads the circumstances of a request.
    pub(super) fn of(web: &Shared, parts: &http::Request<axum::body::Body>) -> Self {
        let (headers, uri) = (parts.headers(), parts.uri());
        let peer = parts.extensions().get::<Peer>().copied();
        // Over a Unix socket, and in tests, there is no address: that is this machine, which is no proxy.
        let near = peer.and_then(|peer| peer.address());
        let trusted = &web.settings.trusted_proxies;
        let by_proxy =
            near.is_some_and(|near| trusted.iter().any(|network| network.contains(near)));
        let own_tls = matches!(peer, Some(Peer::Remote { tls: true, .. }));
        let asked = query(uri, language::PARAMETER);
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &http::HeaderValue| value.to_str().ok())
        };
        Self {
            request: hex::encode(web.numbers.next::<8>()),
            address: near.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |near| {
                client_address(near, trusted, headers)
            }),
            bare: matches!(peer, Some(Peer::Remote { tls: false, .. })) && !by_proxy,
            secure: own_tls || (by_proxy && forwarded_https(headers)),
            language: Language::negotiate(
                asked.as_deref(),
                cookie(headers, language::COOKIE),
                text(header::ACCEPT_LANGUAGE),
                web.settings.language,
            ),
            chosen: asked.as_deref().and_then(Language::parse),
            json: uri.path().ends_with(".json") || uri.path().starts_with("/api/"),
        }
    }
}

impl FromRequestParts<WebState> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &WebState) -> Result<Self, Problem> {
        // The middleware puts it there for every route.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(Problem::Internal)
    }
}

impl FromRequestParts<WebState> for KnownTags {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &WebState) -> Result<Self, Infallible> {
        let fields = parts.headers.get_all(header::IF_NONE_MATCH).iter();
        Ok(Self(fields.cloned().collect()))
    }
}

impl FromRequestParts<WebState> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, web).await;
        path.map(|Path(segment)| Self(segment))
            .map_err(|_| Problem::NotFound)
    }
}

/// The first value of a parameter in the address.
pub(super) fn query(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query()?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}

/// The value of a cookie (RFC 6265, section 5.4). `__Host-` names come only from this host itself.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(header::COOKIE).iter();
    let mut pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    pairs.find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

/// What the nearest proxy says of the scheme; one that appends says it last.
pub(super) fn forwarded_https(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all("x-forwarded-proto").iter();
    let last = fields.next_back().and_then(|field| field.to_str().ok());
    last.and_then(|field| field.rsplit(',').next())
        .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

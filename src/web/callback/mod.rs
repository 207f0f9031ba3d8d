//! What providers send, and buyers who come back from them. The bytes go to the desk as they came; nothing is decided here.

use axum::extract::{Request, State};
use http::{HeaderMap, HeaderValue, Method, Uri, header};

use super::{
    answer::{self, Answer, see_other},
    form::body,
    shop::ORDER_COOKIE,
    state::{Shared, WebState},
    view::Problem,
    visit::{Segment, Visit, cookie},
};
use crate::{domain::OrderId, limits, pay::RawNotice};

/// `GET|POST /pay/CHANNEL/notify`. A body above the limit is cut one byte after it, so that the desk refuses it.
pub(super) async fn notice(
    State(web): State<WebState>,
    visit: Visit,
    Segment(channel): Segment,
    request: Request,
) -> Answer {
    let (parts, sent) = request.into_parts();
    let body = body(sent, limits::NOTICE_BYTES_MAX).await?;
    let raw = raw(&parts.method, &parts.headers, &parts.uri, &body, &visit);
    let acknowledgement = web.desk.notice(&channel, &raw).await;
    let mut response = answer::text(acknowledgement.status, acknowledgement.body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(acknowledgement.content_type),
    );
    Ok(response)
}

/// How long after an order ended a provider's signature still leads to it.
const RETURN_MS: i64 = 3_600_000;

/// `GET /pay/CHANNEL/return`: to the order that the provider's signature or the browser's cookie knows, else to `/find`. It is a
/// way back, never a payment.
pub(super) async fn returned(
    State(web): State<WebState>,
    visit: Visit,
    Segment(channel): Segment,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    // A provider signs what it sends with GET.
    let method = if method == Method::HEAD {
        Method::GET
    } else {
        method
    };
    let vault = web.shop.vault();
    let signed = web
        .desk
        .returned(&channel, &raw(&method, &headers, &uri, b"", &visit));
    let signed = match signed {
        Some(id) if is_of_now(&web, id)? => Some(id.0),
        _ => None,
    };
    let kept = || cookie(&headers, ORDER_COOKIE).and_then(|secret| vault.order_of_link(secret));
    match signed.or_else(kept) {
        Some(order) => see_other(&format!("/o/{}", vault.link_secret(order))),
        None => see_other("/find"),
    }
}

/// Whether a buyer may still be on the way back from paying. A signed query stays in logs and histories, and would otherwise open
/// its order for ever.
fn is_of_now(web: &Shared, id: OrderId) -> Result<bool, Problem> {
    let order = web.shop.order(id).map_err(|fault| web.fault(fault))?;
    Ok(order.is_some_and(|order| web.shop.now_ms() < order.expires_at_ms + RETURN_MS))
}

fn raw<'a>(
    method: &'a Method,
    headers: &'a HeaderMap,
    uri: &'a Uri,
    body: &'a [u8],
    visit: &Visit,
) -> RawNotice<'a> {
    RawNotice {
        method,
        headers,
        query: uri.query().unwrap_or_default().as_bytes(),
        body,
        peer: visit.address,
    }
}

//! `GET /inbox/SECRET`: all orders of a contact, for whoever holds the mailed link. The goods themselves stay on each order's page.

use axum::extract::State;
use http::{StatusCode, Uri};

use super::order::{message, title};
use crate::{
    actions::{Inbox, InboxError, InboxOrder},
    domain::{OrderId, Product},
    store::{Fault, Rows},
    web::{
        answer::{Answer, NO_STORE, page},
        state::{Shared, WebState},
        view::{self, InboxPage, Language, Problem},
        visit::{Segment, Visit, query},
    },
};

pub(in crate::web) async fn show(
    State(web): State<WebState>,
    visit: Visit,
    uri: Uri,
    Segment(secret): Segment,
) -> Answer {
    let before = query(&uri, "before").map(|number| OrderId::parse(&number));
    let before = before.transpose().map_err(|_| Problem::NotFound)?;
    let inbox = web
        .shop
        .inbox(&secret, before)
        .map_err(|error| match error {
            // One answer: whether there is such an inbox is nobody's business, and all of them are helped by a new link.
            InboxError::Unknown | InboxError::Over => Problem::LinkOld,
            InboxError::Fault(fault) => web.fault(fault),
        })?;
    let Inbox {
        contact,
        orders,
        more,
        until_ms,
    } = inbox;
    let products = web.shop.store().read().map_err(|fault| web.fault(fault))?;
    let orders = orders.into_iter().map(|each| {
        let product = products.product(&each.order.product)?;
        Ok(line(&web, each, product.as_ref(), visit.language))
    });
    let orders: Result<_, Fault> = orders.collect();
    let orders = orders.map_err(|fault| web.fault(fault))?;
    let shown = InboxPage {
        frame: web.frame(visit.language),
        contact: contact.masked(),
        orders,
        more: more.map(|last| format!("/inbox/{secret}?before={last}")),
        until_ms,
    };
    page(StatusCode::OK, NO_STORE, shown.render())
}

fn line(
    web: &Shared,
    shown: InboxOrder,
    product: Option<&Product>,
    language: Language,
) -> view::InboxOrder {
    let order = shown.order;
    view::InboxOrder {
        number: order.id,
        created_at_ms: order.created_at_ms(),
        title: title(order.title, product, language),
        quantity: order.quantity,
        total: order.total,
        state: order.state,
        reason: order.reason,
        path: format!("/o/{}", web.shop.vault().link_secret(order.id.0)),
        unread: shown.unread,
        messages: shown.told.iter().filter_map(message).collect(),
    }
}

//! `GET /o/SECRET`, `/o/SECRET.json` and the downloads: an order, for whoever holds its link.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;

use crate::{
    actions::{OrderView, ReceiptError},
    domain::{Order, OrderId, OrderState, Reason, Secret},
    web::{
        answer::{Answer, NO_STORE, download, json, page},
        state::{Shared, WebState},
        view::{OrderPage, Problem, ReceiptLine, SafeHtml},
        visit::{Segment, Visit},
    },
};

pub(in crate::web) async fn show(
    State(web): State<WebState>,
    visit: Visit,
    Segment(tail): Segment,
) -> Answer {
    match tail.strip_suffix(".json") {
        Some(secret) => show_json(&web, secret),
        None => show_page(&web, &visit, &tail),
    }
}

pub(in crate::web) async fn receipt(
    State(web): State<WebState>,
    Segment(secret): Segment,
) -> Answer {
    let id = order_of(&web, &secret)?;
    let receipt = web.shop.receipt(id).map_err(|error| match error {
        ReceiptError::Unknown | ReceiptError::NotDelivered => Problem::NotFound,
        ReceiptError::Fault(fault) => web.fault(fault),
    })?;
    download(&format!("keystall-receipt-{id}.txt"), receipt)
}

/// One key on each line.
pub(in crate::web) async fn keys(State(web): State<WebState>, Segment(secret): Segment) -> Answer {
    let view = view(&web, &secret)?;
    if view.keys.is_empty() {
        return Err(Problem::NotFound);
    }
    let mut text = Vec::new();
    for key in &view.keys {
        text.extend_from_slice(key.expose());
        text.push(b'\n');
    }
    download(&format!("keystall-{}.txt", view.order.id), text)
}

/// The order of a link's secret. A wrong secret is refused before any look into the store, in a time that does not depend on
/// what is wrong with it.
pub(super) fn order_of(web: &Shared, secret: &str) -> Result<OrderId, Problem> {
    web.shop
        .vault()
        .order_of_link(secret)
        .map(OrderId)
        .ok_or(Problem::NotFound)
}

/// Whether the buyer can be sent to pay: not again after a payment, which would ask for the whole price, and not while one is
/// being checked.
pub(super) fn can_pay(web: &Shared, order: &Order) -> bool {
    order.state == OrderState::Pending
        && order.payments.is_empty()
        && order.reason != Some(Reason::ProviderDisagrees)
        && web.shop.now_ms() < order.expires_at_ms
        && web.desk.open_channels().contains(&order.channel)
}

fn view(web: &Shared, secret: &str) -> Result<OrderView, Problem> {
    let id = order_of(web, secret)?;
    let view = web.shop.view_order(id).map_err(|fault| web.fault(fault))?;
    view.ok_or(Problem::NotFound)
}

fn show_page(web: &Shared, visit: &Visit, secret: &str) -> Answer {
    let OrderView {
        order,
        contact,
        keys,
        receipt,
        queue_place,
        text,
        ..
    } = view(web, secret)?;
    let (state, reason) = (order.state, order.reason);
    let instructions = match state {
        OrderState::Paid | OrderState::Delivered => web.texts.safe_html(&text),
        _ => SafeHtml::default(),
    };
    let shown = OrderPage {
        frame: web.frame(visit.language),
        link_secret: Secret::from(secret),
        number: order.id,
        state,
        reason,
        now_ms: web.shop.now_ms(),
        product: order.product.clone(),
        quantity: order.quantity,
        total: order.total,
        received: order.received(),
        owed: order.owed(),
        returned: order.payments.iter().map(|payment| payment.returned).sum(),
        channel: web.desk.channel_title(&order.channel, visit.language.tag()),
        can_pay: can_pay(web, &order),
        created_at_ms: order.created_at_ms(),
        expires_at_ms: order.expires_at_ms,
        paid_at_ms: order.paid_at_ms,
        delivered_at_ms: order.delivered_at_ms,
        title: order.title,
        contact: contact.masked(),
        note: order.note,
        queue_place,
        keys,
        keys_until_ms: None,
        instructions,
        receipt: receipt.map(|(hash, seq)| ReceiptLine { hash, seq }),
        pay_qr: false,
        scope: None,
        support: None,
        questions: Vec::new(),
        messages: Vec::new(),
        tells_by_mail: false,
    };
    page(StatusCode::OK, NO_STORE, shown.render())
}

/// The document of `/o/SECRET.json`. What is not there yet is left out.
#[derive(Serialize)]
struct OrderJson<'a> {
    order: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    amount: i64,
    currency: &'a str,
    expires_at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

fn show_json(web: &Shared, secret: &str) -> Answer {
    let view = view(web, secret)?;
    let order = &view.order;
    let text = |key: &Secret| String::from_utf8_lossy(key.expose()).into_owned();
    let document = OrderJson {
        order: order.id.to_string(),
        state: order.state.as_str(),
        reason: order.reason.map(|reason| reason.as_str()),
        amount: order.total.amount,
        currency: order.total.currency.as_str(),
        expires_at_ms: order.expires_at_ms,
        keys: (order.state == OrderState::Delivered).then(|| view.keys.iter().map(text).collect()),
        receipt: view
            .receipt
            .is_some()
            .then(|| format!("{}/o/{secret}/receipt", web.settings.base_url)),
    };
    let response: Response = json(StatusCode::OK, &document)?;
    Ok(response)
}

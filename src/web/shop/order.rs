//! `GET /o/SECRET`, `/o/SECRET.json` and the downloads: an order, for whoever holds its link.

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, State},
    response::Response,
};
use http::{Method, StatusCode, request::Parts};
use serde::Serialize;

use super::{product::questions, window::in_language};
use crate::{
    actions::{OrderView, ReceiptError},
    domain::{Contact, EffectKind, Order, OrderId, OrderState, Product, Reason, Secret, Via},
    store::Told,
    web::{
        answer::{Answer, NO_STORE, download, json, page},
        state::{Shared, WebState},
        view::{
            Language, Message, MessageKind, OrderPage, Problem, Question, ReceiptLine, SafeHtml,
        },
        visit::{Segment, Visit},
    },
};

pub(in crate::web) async fn show(
    State(web): State<WebState>,
    visit: Visit,
    reader: Reader,
    Segment(tail): Segment,
) -> Answer {
    steadily(|| match tail.strip_suffix(".json") {
        Some(secret) => show_json(&web, &reader, secret),
        None => show_page(&web, &visit, &reader, &tail),
    })
    .await
}

/// Looks again where the store changed hands under a look: what is read aside after a disk error ends when the database is open
/// again, and on a full disk it fails and opens many times a second. Who paid sees the keys all the same.
async fn steadily(look: impl Fn() -> Answer) -> Answer {
    const LOOKS: usize = 4;
    for _ in 1..LOOKS {
        match look() {
            Err(Problem::ReadOnly) => tokio::time::sleep(Duration::from_millis(5)).await,
            answer => return answer,
        }
    }
    look()
}

pub(in crate::web) async fn receipt(
    State(web): State<WebState>,
    Segment(secret): Segment,
) -> Answer {
    let id = order_of(&web, &secret)?;
    steadily(|| {
        let receipt = web.shop.receipt(id).map_err(|error| match error {
            ReceiptError::Unknown | ReceiptError::NotDelivered => Problem::NotFound,
            ReceiptError::Erased => Problem::Erased,
            ReceiptError::Fault(fault) => web.fault(fault),
        })?;
        download(&format!("keystall-receipt-{id}.txt"), receipt)
    })
    .await
}

/// One key on each line. Not found before the delivery, and once the keys cannot be read any more.
pub(in crate::web) async fn keys(
    State(web): State<WebState>,
    reader: Reader,
    Segment(secret): Segment,
) -> Answer {
    steadily(|| {
        let view = view(&web, &secret)?;
        if view.keys.is_empty() {
            return Err(Problem::NotFound);
        }
        reader.opened(&web, &view.order);
        let mut text = Vec::new();
        for key in &view.keys {
            text.extend_from_slice(key.expose());
            text.push(b'\n');
        }
        download(&format!("keystall-{}.txt", view.order.id), text)
    })
    .await
}

/// Whether somebody looks: not a machine that asks for the head alone, nor a browser that only guesses the next click.
pub(in crate::web) struct Reader {
    looks: bool,
}

impl Reader {
    fn opened(&self, web: &Shared, order: &Order) {
        if self.looks
            && let Err(error) = web.shop.order_opened(order)
        {
            // The buyer has the page; what is lost costs one more mail.
            tracing::warn!(order = %order.id, %error, "that an order was opened was not noted");
        }
    }
}

impl FromRequestParts<WebState> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &WebState) -> Result<Self, Problem> {
        let guessed = ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
            let mut values = parts.headers.get_all(*name).iter();
            values.any(|value| {
                let value = value.as_bytes().to_ascii_lowercase();
                value.windows(8).any(|part| part == b"prefetch")
            })
        });
        Ok(Self {
            looks: parts.method == Method::GET && !guessed,
        })
    }
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

/// What is shown of the receipt, which is verified before it is shown.
pub(super) fn receipt_line(web: &Shared, view: &OrderView) -> Option<ReceiptLine> {
    let (hash, seq) = view.receipt.clone()?;
    Some(ReceiptLine {
        hash,
        seq,
        // What cannot be verified is shown without the word, never hidden: the file speaks for itself.
        verified: web.shop.receipt_holds(view).unwrap_or(false),
    })
}

pub(super) fn view(web: &Shared, secret: &str) -> Result<OrderView, Problem> {
    let id = order_of(web, secret)?;
    let view = web.shop.view_order(id).map_err(|fault| web.fault(fault))?;
    view.ok_or(Problem::NotFound)
}

fn show_page(web: &Shared, visit: &Visit, reader: &Reader, secret: &str) -> Answer {
    let view = view(web, secret)?;
    reader.opened(web, &view.order);
    let mailed_to = mailed_to(web, &view);
    let contact = masked(contacts(&view)).unwrap_or_default();
    let receipt = receipt_line(web, &view);
    let OrderView {
        order,
        note,
        keys,
        replaced,
        erased_at_ms,
        keys_until_ms,
        queue_place,
        told,
        product,
        ..
    } = view;
    let (state, reason) = (order.state, order.reason);
    let title = title(order.title.clone(), product.as_ref(), visit.language);
    let goods = Goods::of(web, product, state);
    let can_pay = can_pay(web, &order);
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
        returned: order.returned(),
        channel: web.desk.channel_title(&order.channel, visit.language.tag()),
        can_pay,
        created_at_ms: order.created_at_ms(),
        expires_at_ms: order.expires_at_ms,
        paid_at_ms: order.paid_at_ms,
        delivered_at_ms: order.delivered_at_ms,
        title,
        contact,
        note,
        queue_place,
        keys,
        replaced,
        erased_at_ms,
        keys_until_ms,
        instructions: goods.instructions,
        receipt,
        pay_qr: can_pay,
        scope: goods.scope,
        support: goods.support,
        questions: goods.questions,
        messages: told.iter().filter_map(message).collect(),
        mailed_to,
    };
    page(StatusCode::OK, NO_STORE, shown.render())
}

/// The title as it was sold; for readers of English the product's English one, where it has one now.
pub(super) fn title(sold: String, product: Option<&Product>, language: Language) -> String {
    let title_en = product.and_then(|product| product.title_en.as_deref());
    in_language(&sold, title_en, language).to_owned()
}

/// What the page says of the product, as it is now.
#[derive(Default)]
struct Goods {
    instructions: SafeHtml,
    scope: Option<String>,
    support: Option<String>,
    questions: Vec<Question>,
}

impl Goods {
    fn of(web: &Shared, product: Option<Product>, state: OrderState) -> Self {
        let Some(product) = product else {
            return Self::default();
        };
        let instructions = match state {
            OrderState::Paid | OrderState::Delivered if product.instructions.is_empty() => {
                web.texts.safe_html(&product.text)
            }
            OrderState::Paid | OrderState::Delivered => web.texts.safe_html(&product.instructions),
            _ => SafeHtml::default(),
        };
        Self {
            instructions,
            questions: questions(web, &product.questions),
            scope: product.scope,
            support: product.support,
        }
    }
}

/// The contacts, as their owner knows them again.
fn masked<'a>(contacts: impl Iterator<Item = &'a Contact>) -> Option<String> {
    let masked: Vec<String> = contacts.map(Contact::masked).collect();
    (!masked.is_empty()).then(|| masked.join(" · "))
}

fn contacts(view: &OrderView) -> impl Iterator<Item = &Contact> {
    let known = view.erased_at_ms.is_none().then_some(&view.contact);
    [known, view.second.as_ref()].into_iter().flatten()
}

fn mailed_to(web: &Shared, view: &OrderView) -> Option<String> {
    let mails = contacts(view).filter(|contact| contact.is_mail());
    masked(mails).filter(|_| web.shop.policy().tell.buyer_mail)
}

/// What was told, as far as it went to the buyer.
pub(super) fn message(told: &Told) -> Option<Message> {
    let text = match (told.via, told.kind) {
        (Via::BuyerMail, EffectKind::OrderDelivered) => MessageKind::DeliveredMail,
        (Via::BuyerMail, EffectKind::OrderReminder) => MessageKind::ReminderMail,
        (Via::BuyerMail, EffectKind::OrderReplaced) => MessageKind::ReplacedMail,
        (Via::BuyerMail, EffectKind::OrderQueued) => MessageKind::QueuedMail,
        (Via::BuyerMail, EffectKind::RefundDue) => MessageKind::RefundMail,
        _ => return None,
    };
    Some(Message {
        at_ms: told.at_ms,
        text,
    })
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

fn show_json(web: &Shared, reader: &Reader, secret: &str) -> Answer {
    let view = view(web, secret)?;
    if !view.keys.is_empty() {
        reader.opened(web, &view.order);
    }
    let order = &view.order;
    let text = |key: &Secret| String::from_utf8_lossy(key.expose()).into_owned();
    let document = OrderJson {
        order: order.id.to_string(),
        state: order.state.as_str(),
        reason: order.reason.map(|reason| reason.as_str()),
        amount: order.total.amount,
        currency: order.total.currency.as_str(),
        expires_at_ms: order.expires_at_ms,
        keys: (!view.keys.is_empty()).then(|| view.keys.iter().map(text).collect()),
        receipt: view
            .receipt
            .is_some()
            .then(|| format!("{}/o/{secret}/receipt", web.settings.base_url)),
    };
    let response: Response = json(StatusCode::OK, &document)?;
    Ok(response)
}

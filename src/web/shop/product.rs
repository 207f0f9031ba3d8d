//! `GET /p/SLUG`: a product and its order form.

use axum::extract::State;
use http::{StatusCode, Uri};

use super::{checkout, window, wish};
use crate::{
    actions::{Policy, StockView, stock_of},
    domain::{Product, Question, Slug},
    store::{Fault, Rows},
    web::{
        answer::{Answer, FRESH, page},
        state::{Shared, WebState},
        view::{self, ChannelOption, FieldError, Language, Problem, ProductPage, Typed, Wish},
        visit::{Segment, Visit, query},
    },
};

/// With fewer left than this, orders hold goods for the shorter time.
const SCARCE_BELOW: u32 = 10;
const MINUTE_MS: i64 = 60_000;

pub(in crate::web) async fn show(
    State(web): State<WebState>,
    visit: Visit,
    uri: Uri,
    Segment(slug): Segment,
) -> Answer {
    // The product and its stock in one state.
    let snapshot = web.shop.store().read().map_err(|fault| web.fault(fault))?;
    let product = visible(&web, &snapshot, &slug)?;
    let stock = stock_of(&snapshot, &product.slug).map_err(|fault| web.fault(fault))?;
    drop(snapshot);
    let (typed, errors) = (Typed::default(), Vec::new());
    let mut shown = page_of(&web, visit.language, &product, &stock, typed, errors)
        .map_err(|fault| web.fault(fault))?;
    if matches!(shown.wish, Wish::Offered { .. }) && query(&uri, "wished").is_some() {
        shown.wish = Wish::Taken;
    }
    page(StatusCode::OK, FRESH, shown.render())
}

/// The product of that name, if buyers see it.
pub(super) fn product(web: &Shared, slug: &str) -> Result<Product, Problem> {
    let snapshot = web.shop.store().read().map_err(|fault| web.fault(fault))?;
    visible(web, &snapshot, slug)
}

fn visible(web: &Shared, rows: &impl Rows, slug: &str) -> Result<Product, Problem> {
    let slug = Slug::parse(slug).map_err(|_| Problem::NotFound)?;
    let found = rows.product(&slug).map_err(|fault| web.fault(fault))?;
    found
        .filter(|product| product.visible)
        .ok_or(Problem::NotFound)
}

/// The page as it is now, with what a buyer typed and why it was refused.
pub(super) fn form_page(
    web: &Shared,
    language: Language,
    product: &Product,
    typed: Typed,
    errors: Vec<FieldError>,
) -> Result<ProductPage, Problem> {
    let stock = web.shop.stock(&product.slug);
    stock
        .and_then(|stock| page_of(web, language, product, &stock, typed, errors))
        .map_err(|fault| web.fault(fault))
}

fn page_of(
    web: &Shared,
    language: Language,
    product: &Product,
    stock: &StockView,
    typed: Typed,
    errors: Vec<FieldError>,
) -> Result<ProductPage, Fault> {
    let (shop, policy) = (&web.shop, web.shop.policy());
    let times = web.delivery_times.of(shop)?;
    let free_again = stock
        .free_again_ms
        .unwrap_or(shop.now_ms() + policy.order_ttl_ms);
    let quantity_max = quantity_max(policy, stock);
    // The shorter time is promised wherever the order of most would get it.
    let scarce = stock.available.saturating_sub(quantity_max) < SCARCE_BELOW;
    let hold_ms = if scarce {
        policy.order_ttl_ms.min(policy.scarce_order_ttl_ms)
    } else {
        policy.order_ttl_ms
    };
    let channels = web.desk.open_channels().into_iter().map(|name| {
        let title = web.desk.channel_title(&name, language.tag());
        ChannelOption { name, title }
    });
    Ok(ProductPage {
        frame: web.frame(language),
        slug: product.slug.clone(),
        title: window::title(product, language).to_owned(),
        picture: product.picture.map(window::shown_picture),
        scope: product.scope.clone(),
        price: product.price,
        stock: window::stock(stock.available, stock.reserved, free_again),
        restock_hint: None,
        delivery: window::delivery(product.kind, times.get(&product.slug)),
        text: web.texts.safe_html(&product.text),
        instructions: web.texts.safe_html(&product.instructions),
        questions: questions(web, &product.questions),
        support: product.support.clone(),
        now_ms: shop.now_ms(),
        quantity_max,
        hold_minutes: u32::try_from(hold_ms / MINUTE_MS).unwrap_or(u32::MAX),
        channels: channels.collect(),
        ticket: checkout::ticket(web),
        tells_by_mail: policy.tell.buyer_mail,
        typed,
        errors,
        wish: wish::offered(web, stock),
    })
}

/// Questions as pages show them.
pub(super) fn questions(web: &Shared, questions: &[Question]) -> Vec<view::Question> {
    let shown = |each: &Question| view::Question {
        question: each.question.clone(),
        answer: web.texts.safe_html(&each.answer),
    };
    questions.iter().map(shown).collect()
}

/// Most that one order may take: within the limit, the stock, and the share that one network may hold unpaid.
fn quantity_max(policy: &Policy, stock: &StockView) -> u32 {
    let most = policy.order_quantity_max.min(stock.available);
    most.min(share(policy, stock)).max(1)
}

/// The share of the stock that one network may hold unpaid, at least 1.
pub(super) fn share(policy: &Policy, stock: &StockView) -> u32 {
    let all = u64::from(stock.available) + u64::from(stock.reserved);
    match policy.held_share_percent {
        0 => u32::MAX,
        percent => u32::try_from(all * u64::from(percent) / 100)
            .unwrap_or(u32::MAX)
            .max(1),
    }
}

//! `GET /p/SLUG`: a product and its order form.

use axum::extract::State;
use http::{StatusCode, Uri};

use super::{checkout, sheets::Sheet, window, wish};
use crate::{
    actions::{DeliveryTime, Policy, StockView, stock_of},
    domain::{Product, Question, Slug},
    store::{Fault, Rows},
    web::{
        answer::{Answer, FRESH, html, page, rendered},
        state::{Shared, WebState},
        view::{self, ChannelOption, FieldError, Language, Problem, ProductPage, Typed, Wish},
        visit::{Segment, Visit, query},
    },
};

/// With fewer left than this, orders hold goods for the shorter time.
const SCARCE_BELOW: u32 = 10;
const MINUTE_MS: i64 = 60_000;

/// What a product's page shows, apart from the words of its language and from what the shop's settings say of every page.
#[derive(PartialEq)]
pub(in crate::web) struct Facts {
    product: Product,
    stock: view::Stock,
    quantity_max: u32,
    hold_minutes: u32,
    around: Around,
}

/// The part of it that changes without a commit, or only after one.
#[derive(PartialEq)]
struct Around {
    measured: Option<DeliveryTime>,
    channels: Vec<ChannelOption>,
}

pub(in crate::web) async fn show(
    State(web): State<WebState>,
    visit: Visit,
    uri: Uri,
    Segment(slug): Segment,
) -> Answer {
    let language = visit.language;
    let slug = Slug::parse(&slug).map_err(|_| Problem::NotFound)?;
    // Before the look into the store: what is written meanwhile is looked at the next time.
    let commits = web.shop.commits();
    let around = Around::of(&web, language, &slug).map_err(|fault| web.fault(fault))?;
    let is_wished = query(&uri, "wished").is_some();
    let (sheets, name) = (&web.product_sheets, slug.as_str());
    if !is_wished {
        let holds = |facts: &Facts| facts.around == around;
        if let Some(sheet) = sheets.unchanged(name, language, commits, holds) {
            return sent(&web, &sheet);
        }
    }
    // The product and its stock in one state.
    let snapshot = web.shop.store().read().map_err(|fault| web.fault(fault))?;
    let product = visible(&web, &snapshot, &slug)?;
    let stock = stock_of(&snapshot, &product.slug).map_err(|fault| web.fault(fault))?;
    drop(snapshot);
    let facts = Facts::of(&web, product, &stock, around);
    if is_wished {
        let mut shown = page_of(&web, language, &facts, Typed::default(), Vec::new());
        if matches!(shown.wish, Wish::Offered { .. }) {
            shown.wish = Wish::Taken;
        }
        return page(StatusCode::OK, FRESH, shown.render());
    }
    if let Some(sheet) = sheets.of_facts(name, language, commits, &facts) {
        return sent(&web, &sheet);
    }
    let shown = page_of(&web, language, &facts, Typed::default(), Vec::new());
    let sheet = Sheet::around(&shown.ticket, rendered(shown.render())?);
    // On such a page the time goes on.
    if !matches!(facts.stock, view::Stock::Reserved { .. }) {
        sheets.keep(name, language, commits, facts, &sheet);
    }
    sent(&web, &sheet)
}

fn sent(web: &Shared, sheet: &Sheet) -> Answer {
    Ok(html(
        StatusCode::OK,
        FRESH,
        sheet.html(|| checkout::ticket(web)),
    ))
}

/// The product of that name, if buyers see it.
pub(super) fn product(web: &Shared, slug: &str) -> Result<Product, Problem> {
    let slug = Slug::parse(slug).map_err(|_| Problem::NotFound)?;
    let snapshot = web.shop.store().read().map_err(|fault| web.fault(fault))?;
    visible(web, &snapshot, &slug)
}

fn visible(web: &Shared, rows: &impl Rows, slug: &Slug) -> Result<Product, Problem> {
    let found = rows.product(slug).map_err(|fault| web.fault(fault))?;
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
    let shown = stock.and_then(|stock| {
        let around = Around::of(web, language, &product.slug)?;
        let facts = Facts::of(web, product.clone(), &stock, around);
        Ok(page_of(web, language, &facts, typed, errors))
    });
    shown.map_err(|fault| web.fault(fault))
}

impl Around {
    fn of(web: &Shared, language: Language, product: &Slug) -> Result<Self, Fault> {
        let times = web.delivery_times.of(&web.shop)?;
        let channels = web.desk.open_channels().into_iter().map(|name| {
            let title = web.desk.channel_title(&name, language.tag());
            ChannelOption { name, title }
        });
        Ok(Self {
            measured: times.get(product).copied(),
            channels: channels.collect(),
        })
    }
}

impl Facts {
    fn of(web: &Shared, product: Product, stock: &StockView, around: Around) -> Self {
        let policy = web.shop.policy();
        let free_again = || web.shop.now_ms() + policy.order_ttl_ms;
        let free_again = stock.free_again_ms.unwrap_or_else(free_again);
        let quantity_max = quantity_max(policy, stock);
        // The shorter time is promised wherever the order of most would get it.
        let scarce = stock.available.saturating_sub(quantity_max) < SCARCE_BELOW;
        let hold_ms = if scarce {
            policy.order_ttl_ms.min(policy.scarce_order_ttl_ms)
        } else {
            policy.order_ttl_ms
        };
        Self {
            product,
            stock: window::stock(stock.available, stock.reserved, free_again),
            quantity_max,
            hold_minutes: u32::try_from(hold_ms / MINUTE_MS).unwrap_or(u32::MAX),
            around,
        }
    }
}

fn page_of(
    web: &Shared,
    language: Language,
    facts: &Facts,
    typed: Typed,
    errors: Vec<FieldError>,
) -> ProductPage {
    let (product, around) = (&facts.product, &facts.around);
    ProductPage {
        frame: web.frame(language),
        slug: product.slug.clone(),
        title: window::title(product, language).to_owned(),
        picture: product.picture.map(window::shown_picture),
        scope: product.scope.clone(),
        price: product.price,
        stock: facts.stock,
        restock_hint: None,
        delivery: window::delivery(product.kind, around.measured.as_ref()),
        text: web.texts.safe_html(&product.text),
        instructions: web.texts.safe_html(&product.instructions),
        questions: questions(web, &product.questions),
        support: product.support.clone(),
        now_ms: web.shop.now_ms(),
        quantity_max: facts.quantity_max,
        hold_minutes: facts.hold_minutes,
        channels: around.channels.clone(),
        ticket: checkout::ticket(web),
        tells_by_mail: web.shop.policy().tell.buyer_mail,
        typed,
        errors,
        wish: wish::offered(web, facts.stock),
    }
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

//! `GET /`: what is for sale.

use axum::extract::State;
use http::StatusCode;

use crate::{
    domain::{Product, ProductKind},
    store::{Fault, Rows},
    web::{
        answer::{Answer, FRESH, page},
        state::{Shared, WebState},
        view::{Delivery, Language, ProductLine, Stock, WindowPage},
        visit::Visit,
    },
};

/// From this number on, buyers are told how many are left.
const LAST_FROM: u32 = 10;

pub(in crate::web) async fn show(State(web): State<WebState>, visit: Visit) -> Answer {
    let products = products(&web, visit.language).map_err(|fault| web.fault(fault))?;
    page(
        StatusCode::OK,
        FRESH,
        WindowPage {
            frame: web.frame(visit.language),
            categories: Vec::new(),
            category: None,
            query: String::new(),
            products,
        }
        .render(),
    )
}

/// All visible products, from one snapshot.
fn products(web: &Shared, language: Language) -> Result<Vec<ProductLine>, Fault> {
    let snapshot = web.shop.store().read()?;
    // The window does not say when reserved goods are free again, and asking for each product would be slow: the latest time.
    let free_again_at_ms = web.shop.now_ms() + web.shop.policy().order_ttl_ms;
    let visible = snapshot
        .products()?
        .into_iter()
        .filter(|product| product.visible);
    let line = |product: Product| {
        let pool = snapshot.pool(&product.slug)?;
        let (available, reserved) = pool.map_or((0, 0), |pool| (pool.available, pool.reserved));
        Ok(ProductLine {
            title: title(&product, language).to_owned(),
            price: product.price,
            stock: stock(available, reserved, free_again_at_ms),
            delivery: delivery(product.kind),
            picture: None,
            scope: None,
            slug: product.slug,
        })
    };
    visible.map(line).collect()
}

/// What a buyer is told of a pool.
pub(super) fn stock(available: u32, reserved: u32, free_again_at_ms: i64) -> Stock {
    match (available, reserved) {
        (0, 0) => Stock::SoldOut,
        (0, _) => Stock::Reserved { free_again_at_ms },
        (few, _) if few < LAST_FROM => Stock::Last(few),
        _ => Stock::Plenty,
    }
}

/// How soon goods of a kind come.
pub(super) fn delivery(kind: ProductKind) -> Delivery {
    match kind {
        ProductKind::Pool => Delivery::Instant,
    }
}

/// The title in a language: the English one for readers of English, where there is one.
pub(super) fn title(product: &Product, language: Language) -> &str {
    let english = (language == Language::english())
        .then_some(product.title_en.as_deref())
        .flatten();
    english.unwrap_or(&product.title)
}

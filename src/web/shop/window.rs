//! `GET /`: what is for sale, or what a search finds of it.

use std::collections::HashSet;

use axum::extract::State;
use http::{StatusCode, Uri};

use super::{search::Search, sheets::Sheet};
use crate::{
    actions::{DeliveryTime, Times, ordered_categories},
    domain::{Category, Picture, Product, ProductKind, Slug},
    store::{Fault, Rows},
    web::{
        answer::{self, Answer, FRESH, page, rendered, tagged_html},
        state::{Shared, WebState},
        view::{
            CategoryLink, Delivery, Language, Problem, ProductLine, Stock, WindowPage, picture,
        },
        visit::{KnownTags, Visit, query},
    },
};

/// From this number on, buyers are told how many are left.
const LAST_FROM: u32 = 10;

/// Which products are shown.
pub(super) enum Wanted {
    /// All.
    Everything,
    /// Those of a category.
    Category(Slug),
    /// Those that are found.
    Found(Search),
}

pub(in crate::web) async fn show(
    State(web): State<WebState>,
    visit: Visit,
    known: KnownTags,
    uri: Uri,
) -> Answer {
    let search = query(&uri, "q").and_then(|typed| Search::parse(&typed));
    let wanted = search.map_or(Wanted::Everything, Wanted::Found);
    answer(&web, visit.language, &known, wanted)
}

/// The window with the products that are wanted, from one snapshot.
pub(super) fn answer(
    web: &Shared,
    language: Language,
    known: &KnownTags,
    wanted: Wanted,
) -> Answer {
    let sheet = match &wanted {
        Wanted::Everything => kept(web, language, "/", wanted)?,
        Wanted::Category(slug) => kept(web, language, &format!("/c/{slug}"), wanted)?,
        // Whatever people look for is not kept.
        Wanted::Found(_) => {
            let times = web.delivery_times.of(&web.shop);
            let found = times.and_then(|times| window(web, language, &times, wanted));
            let found = found.map_err(|fault| web.fault(fault))?;
            return page(
                StatusCode::OK,
                FRESH,
                found.ok_or(Problem::NotFound)?.render(),
            );
        }
    };
    let html = sheet.html(String::new);
    Ok(match sheet.tag() {
        Some(tag) => tagged_html(known, tag, FRESH, html),
        None => answer::html(StatusCode::OK, FRESH, html),
    })
}

fn kept(web: &Shared, language: Language, name: &str, wanted: Wanted) -> Result<Sheet, Problem> {
    // Before the look into the store: what is written meanwhile is looked at the next time.
    let commits = web.shop.commits();
    let times = web.delivery_times.of(&web.shop);
    let times = times.map_err(|fault| web.fault(fault))?;
    let sheets = &web.window_sheets;
    // A window says of reserved goods that they are, not until when: nothing else on it changes without a commit.
    if let Some(sheet) = sheets.unchanged(name, language, commits, |shown| *shown == times) {
        return Ok(sheet);
    }
    let window = window(web, language, &times, wanted).map_err(|fault| web.fault(fault))?;
    let html = rendered(window.ok_or(Problem::NotFound)?.render())?;
    let sheet = Sheet::whole(html);
    sheets.keep(name, language, commits, times, &sheet);
    Ok(sheet)
}

/// Nothing for a category in which buyers see no product.
fn window(
    web: &Shared,
    language: Language,
    times: &Times,
    wanted: Wanted,
) -> Result<Option<WindowPage>, Fault> {
    let snapshot = web.shop.store().read()?;
    let (products, categories) = visible(&snapshot)?;
    let shown_category = match &wanted {
        Wanted::Category(slug) => match categories.iter().find(|known| known.slug == *slug) {
            None => return Ok(None),
            found => found,
        },
        _ => None,
    };
    // The window does not say when reserved goods are free again, and asking for each product would be slow: the latest time.
    let free_again_at_ms = web.shop.now_ms() + web.shop.policy().order_ttl_ms;
    let line = |product: Product| {
        let pool = snapshot.pool(&product.slug)?;
        let (available, reserved) = pool.map_or((0, 0), |pool| (pool.available, pool.reserved));
        Ok(ProductLine {
            title: title(&product, language).to_owned(),
            price: product.price,
            stock: stock(available, reserved, free_again_at_ms),
            delivery: delivery(product.kind, times.get(&product.slug)),
            picture: product.picture.map(shown_picture),
            scope: product.scope,
            slug: product.slug,
        })
    };
    let products = products
        .into_iter()
        .filter(|product| is_wanted(&wanted, product, &categories));
    let link = |category: &Category| CategoryLink {
        slug: category.slug.clone(),
        title: category_title(category, language).to_owned(),
        current: shown_category == Some(category),
    };
    Ok(Some(WindowPage {
        frame: web.frame(language),
        products: products.map(line).collect::<Result<_, Fault>>()?,
        category: shown_category.map(|category| category_title(category, language).to_owned()),
        categories: categories.iter().map(link).collect(),
        query: match wanted {
            Wanted::Found(search) => search.typed,
            _ => String::new(),
        },
    }))
}

/// What buyers see, in the order of display: products, and the categories in which at least one of them stands.
fn visible(rows: &impl Rows) -> Result<(Vec<Product>, Vec<Category>), Fault> {
    let mut products = rows.products()?;
    products.retain(|product| product.visible);
    products.sort_by(|a, b| a.display_order().cmp(&b.display_order()));
    let used: HashSet<&Slug> = products
        .iter()
        .filter_map(|product| product.category.as_ref())
        .collect();
    let mut categories = ordered_categories(rows)?;
    categories.retain(|category| used.contains(&category.slug));
    Ok((products, categories))
}

fn is_wanted(wanted: &Wanted, product: &Product, categories: &[Category]) -> bool {
    let stands_in = |slug: &Slug| product.category.as_ref() == Some(slug);
    match wanted {
        Wanted::Everything => true,
        Wanted::Category(slug) => stands_in(slug),
        Wanted::Found(search) => {
            let category = categories.iter().find(|known| stands_in(&known.slug));
            search.finds(product, category)
        }
    }
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

/// How soon goods of a kind come, as far as that was measured.
pub(super) fn delivery(kind: ProductKind, measured: Option<&DeliveryTime>) -> Delivery {
    match (kind, measured) {
        (ProductKind::Pool, None) => Delivery::Instant,
        (ProductKind::Pool, Some(time)) => Delivery::Measured {
            typical_ms: time.typical_ms,
            of: time.of,
        },
    }
}

/// The title in a language: the English one for readers of English, where there is one.
pub(super) fn title(product: &Product, language: Language) -> &str {
    in_language(&product.title, product.title_en.as_deref(), language)
}

/// A picture as pages show it.
pub(super) fn shown_picture(picture: Picture) -> picture::Picture {
    picture::Picture {
        id: hex::encode(picture.id),
        width: picture.width.max(1),
        height: picture.height.max(1),
    }
}

fn category_title(category: &Category, language: Language) -> &str {
    in_language(&category.title, category.title_en.as_deref(), language)
}

/// One of two titles, as [`title`] chooses.
pub(super) fn in_language<'a>(
    title: &'a str,
    title_en: Option<&'a str>,
    language: Language,
) -> &'a str {
    let english = title_en.filter(|_| language == Language::english());
    english.unwrap_or(title)
}

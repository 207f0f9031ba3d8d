//! The shop's window.

use askama::Template;

use super::{
    Frame, Picture, RenderError,
    format::{self, plain},
    frame::Chrome,
    language::{Language, id},
};
use crate::domain::{money::Money, names::Slug};

/// `GET /`, `GET /?q=TEXT` and `GET /c/SLUG`: the visible products, or those that were asked for.
pub struct WindowPage {
    /// What all pages share.
    pub frame: Frame,
    /// All categories, in the order of display; none hides their tabs.
    pub categories: Vec<CategoryLink>,
    /// The title of the category that is shown; all are shown without one.
    pub category: Option<String>,
    /// The text that was searched, as it was typed; empty without a search.
    pub query: String,
    /// In the order of display.
    pub products: Vec<ProductLine>,
}

/// Longest text that the search's field takes, characters.
pub const QUERY_CHARS_MAX: u32 = 64;

/// A category among the tabs.
pub struct CategoryLink {
    /// Its name in addresses: `/c/SLUG`.
    pub slug: Slug,
    /// Its title in the visitor's language.
    pub title: String,
    /// Whether it is the one that is shown.
    pub current: bool,
}

/// One product in the window.
pub struct ProductLine {
    /// Its name in addresses.
    pub slug: Slug,
    /// Its title in the visitor's language.
    pub title: String,
    /// Price of one.
    pub price: Money,
    /// What can be bought now.
    pub stock: Stock,
    /// How soon it comes.
    pub delivery: Delivery,
    /// Its picture.
    pub picture: Option<Picture>,
    /// Where it can be used: region, platform.
    pub scope: Option<String>,
}

/// What can be bought now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// More than a buyer needs to know.
    Plenty,
    /// So few that the number matters.
    Last(u32),
    /// Unpaid orders hold all that is left.
    Reserved {
        /// When the first of them ends, Unix milliseconds.
        free_again_at_ms: i64,
    },
    /// Nothing is left.
    SoldOut,
}

/// How soon goods come after the payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Within seconds, by itself; no sales to measure yet.
    Instant,
    /// By itself, as the shop's own last sales show.
    Measured {
        /// Median time from the recorded payment to the delivery, milliseconds.
        typical_ms: i64,
        /// How many last sales were measured.
        of: u32,
    },
    /// When a person gets to it.
    ByHand,
}

impl WindowPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let t = self.frame.language;
        let current = self.categories.iter().find(|category| category.current);
        let path = current.map_or("/".to_owned(), |category| format!("/c/{}", category.slug));
        let shown = Shown {
            t,
            c: self.frame.chrome(),
            canonical: self.frame.link(&path),
            all_current: current.is_none() && self.query.is_empty(),
            tabs: self.categories.iter().map(Tab::of).collect(),
            category: self.category.as_deref().map(plain),
            query: plain(&self.query),
            query_max: QUERY_CHARS_MAX,
            pictured: self.products.iter().any(|line| line.picture.is_some()),
            products: self
                .products
                .iter()
                .map(|product| Card::of(product, t))
                .collect(),
        };
        Ok(shown.render()?)
    }
}

impl Stock {
    /// Whether an order can be made.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Plenty | Self::Last(_))
    }

    /// The word for it.
    pub(super) fn text(&self, t: Language) -> String {
        match self {
            Self::Plenty => t.text(id("stock-plenty")),
            Self::Last(count) => t.with(id("stock-last")).num("count", *count).to_string(),
            Self::Reserved { .. } => t.text(id("stock-reserved")),
            Self::SoldOut => t.text(id("stock-sold-out")),
        }
    }

    /// The CSS class of its badge.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Plenty => "good",
            Self::Last(_) | Self::Reserved { .. } => "low",
            Self::SoldOut => "none",
        }
    }
}

impl Delivery {
    pub(super) fn text(&self, t: Language) -> String {
        match *self {
            Self::Instant => t.text(id("delivery-instant")),
            Self::Measured { typical_ms, of } => t
                .with(id("delivery-measured"))
                .str("time", duration(typical_ms, t))
                .num("count", of)
                .to_string(),
            Self::ByHand => t.text(id("delivery-by-hand")),
        }
    }

    /// The same in a few words, for a card.
    fn word(&self, t: Language) -> String {
        match *self {
            Self::Instant => t.text(id("delivery-word-instant")),
            Self::Measured { typical_ms, .. } => t
                .with(id("delivery-word-measured"))
                .str("time", duration(typical_ms, t))
                .to_string(),
            Self::ByHand => t.text(id("delivery-word-by-hand")),
        }
    }

    /// The CSS class of its mark.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Instant | Self::Measured { .. } => "fast",
            Self::ByHand => "byhand",
        }
    }
}

/// A length of time in its largest whole unit, rounded up so that it promises no less.
fn duration(ms: i64, t: Language) -> String {
    let seconds = (ms.max(1) - 1) / 1000 + 1;
    let up = |unit: i64| (seconds - 1) / unit + 1;
    let (count, id) = match seconds {
        ..60 => (seconds, id("duration-seconds")),
        60..=3_540 => (up(60), id("duration-minutes")),
        3_541..=169_200 => (up(3_600), id("duration-hours")),
        _ => (up(86_400), id("duration-days")),
    };
    t.with(id).num("count", count).to_string()
}

#[derive(Template)]
#[template(path = "window.html")]
struct Shown {
    t: Language,
    c: Chrome,
    canonical: String,
    all_current: bool,
    tabs: Vec<Tab>,
    category: Option<String>,
    query: String,
    query_max: u32,
    pictured: bool,
    products: Vec<Card>,
}

struct Tab {
    slug: String,
    title: String,
    current: bool,
}

impl Tab {
    fn of(category: &CategoryLink) -> Self {
        Self {
            slug: category.slug.to_string(),
            title: plain(&category.title),
            current: category.current,
        }
    }
}

struct Card {
    slug: String,
    title: String,
    price: String,
    stock: String,
    stock_class: &'static str,
    delivery: Option<String>,
    delivery_class: &'static str,
    picture: Option<Picture>,
    tile: Tile,
    scope: Option<String>,
}

impl Card {
    fn of(product: &ProductLine, t: Language) -> Self {
        Self {
            slug: product.slug.to_string(),
            title: plain(&product.title),
            price: format::money(product.price, t),
            stock: product.stock.text(t),
            stock_class: product.stock.class(),
            delivery: (product.stock != Stock::SoldOut).then(|| product.delivery.word(t)),
            delivery_class: product.delivery.class(),
            picture: product.picture.clone(),
            tile: Tile::of(&product.slug, &product.title),
            scope: product.scope.as_deref().map(plain),
        }
    }
}

/// What stands where a product has no picture: the first letter of its title, or two Chinese characters, on one of a few
/// calm colours, always the same for the same product.
pub(super) struct Tile {
    pub(super) letter: String,
    pub(super) colour: u8,
}

/// How many colours `shop.css` has for tiles: `.tile-0` and on.
const TILE_COLOURS: u8 = 6;

impl Tile {
    pub(super) fn of(slug: &Slug, title: &str) -> Self {
        let mut characters = title.chars().skip_while(|c| !c.is_alphanumeric());
        let first = characters.next().unwrap_or('·');
        // One alone may look like something else: 一 like a minus.
        let second = characters.next().filter(|c| is_han(first) && is_han(*c));
        let sum = slug.as_str().bytes().fold(0u8, u8::wrapping_add);
        Self {
            letter: first.to_uppercase().chain(second).collect(),
            colour: sum % TILE_COLOURS,
        }
    }
}

/// A Chinese character (the CJK blocks of the Unicode Standard, section 18.1).
fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_time_is_rounded_up_to_its_unit() {
        let said = |ms| duration(ms, Language::english());
        for (ms, expected) in [
            (-5, "1 second"),
            (0, "1 second"),
            (1_000, "1 second"),
            (1_001, "2 seconds"),
            (59_000, "59 seconds"),
            (59_001, "1 minute"),
            (61_000, "2 minutes"),
            (3_540_000, "59 minutes"),
            (3_541_000, "1 hour"),
            (86_400_000, "24 hours"),
            (169_201_000, "2 days"),
        ] {
            assert_eq!(said(ms), expected, "{ms}");
        }
        assert_eq!(
            duration(i64::MAX, Language::english()).split(' ').nth(1),
            Some("days")
        );
    }

    #[test]
    fn a_product_without_a_picture_has_its_letter_and_keeps_its_colour() {
        let slug = Slug::parse("steam-20").unwrap();
        assert_eq!(Tile::of(&slug, "“steam”").letter, "S");
        assert_eq!(Tile::of(&slug, "《原神》").letter, "原神");
        assert_eq!(Tile::of(&slug, "一卡通").letter, "一卡");
        assert_eq!(Tile::of(&slug, "点 券").letter, "点");
        assert_eq!(Tile::of(&slug, "!").letter, "·");
        assert_eq!(Tile::of(&slug, "a").colour, Tile::of(&slug, "b").colour);
    }
}

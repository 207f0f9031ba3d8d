//! The shop's window.

use askama::Template;

use super::{
    Frame, RenderError,
    format::{self, plain},
    frame::Chrome,
    language::{Language, id},
};
use crate::domain::{money::Money, names::Slug};

/// `GET /`: all visible products.
pub struct WindowPage {
    /// What all pages share.
    pub frame: Frame,
    /// In the order of display.
    pub products: Vec<ProductLine>,
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
    /// Within seconds, by itself.
    Instant,
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
        let shown = Shown {
            t,
            c: self.frame.chrome(),
            canonical: self.frame.link("/"),
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
        match self {
            Self::Instant => t.text(id("delivery-instant")),
            Self::ByHand => t.text(id("delivery-by-hand")),
        }
    }
}

#[derive(Template)]
#[template(path = "window.html")]
struct Shown {
    t: Language,
    c: Chrome,
    canonical: String,
    products: Vec<Card>,
}

struct Card {
    slug: String,
    title: String,
    price: String,
    stock: String,
    stock_class: &'static str,
    delivery: String,
}

impl Card {
    fn of(product: &ProductLine, t: Language) -> Self {
        Self {
            slug: product.slug.to_string(),
            title: plain(&product.title),
            price: format::money(product.price, t),
            stock: product.stock.text(t),
            stock_class: product.stock.class(),
            delivery: product.delivery.text(t),
        }
    }
}

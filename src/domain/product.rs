//! What is sold.

use super::{Money, Slug};

/// How a product's goods come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductKind {
    /// Keys loaded beforehand, each sold once.
    Pool,
}

/// A product as the merchant described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its name in addresses and in the ledger; never changed.
    pub slug: Slug,
    /// How its goods come to be.
    pub kind: ProductKind,
    /// Title in the shop's language.
    pub title: String,
    /// English title, where it differs.
    pub title_en: Option<String>,
    /// Price of one.
    pub price: Money,
    /// Markdown: what it is, shown on its page.
    pub text: String,
    /// Markdown: how it is used, shown on its page, on the order's page and in messages.
    pub instructions: String,
    /// Where it can be used, in a few words: region, platform.
    pub scope: Option<String>,
    /// What buyers ask, answered before they order.
    pub questions: Vec<Question>,
    /// Who helps with this product, where that is not the shop's own contact.
    pub support: Option<String>,
    /// The category that it stands in.
    pub category: Option<Slug>,
    /// Order of display: lower first, then by title.
    pub position: i32,
    /// Its picture.
    pub picture: Option<Picture>,
    /// Whether buyers see it and can order it.
    pub visible: bool,
    /// When it was made, Unix milliseconds.
    pub created_at_ms: i64,
}

/// A question with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What buyers ask, one line.
    pub question: String,
    /// The answer, Markdown.
    pub answer: String,
}

/// A stored picture: its content's name, and the size of its largest form in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Hash of what was uploaded; the name of its files.
    pub id: [u8; 16],
    /// Width of the largest stored form.
    pub width: u32,
    /// Height of that form.
    pub height: u32,
}

/// A group of products in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Its name in addresses; never changed.
    pub slug: Slug,
    /// Title in the shop's language.
    pub title: String,
    /// English title, where it differs.
    pub title_en: Option<String>,
    /// Order of display: lower first, then by slug.
    pub position: i32,
}

/// Widths in pixels in which a picture is stored, those above its own left out but the smallest.
pub const PICTURE_WIDTHS: [u32; 3] = [240, 480, 960];

impl Product {
    /// By what products stand in the window: position, then title, then slug.
    pub fn display_order(&self) -> (i32, &str, &str) {
        (self.position, &self.title, self.slug.as_str())
    }
}

impl ProductKind {
    /// Its word in the ledger and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
        }
    }
}

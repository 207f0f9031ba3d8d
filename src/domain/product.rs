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
    /// Markdown shown on its page, on the order's page and in messages.
    pub text: String,
    /// Whether buyers see it and can order it.
    pub visible: bool,
    /// When it was made, Unix milliseconds.
    pub created_at_ms: i64,
}

impl ProductKind {
    /// Its word in the ledger and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
        }
    }
}

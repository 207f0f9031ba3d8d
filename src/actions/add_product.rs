//! The merchant's goods: made, changed, shown, hidden.

use super::open_shop::Shop;
use crate::domain::{Currency, Money, Pool, Product, ProductKind, Slug};
use crate::limits;
use crate::store::{Fault, Rows, WriteError};

/// What is to change; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct ProductChange {
    /// Title in the shop's language.
    pub title: Option<String>,
    /// English title; empty takes it away.
    pub title_en: Option<String>,
    /// Price of one, for orders from now on.
    pub price: Option<Money>,
    /// Markdown.
    pub text: Option<String>,
    /// Whether buyers see it.
    pub visible: Option<bool>,
}

/// Why a product is not stored.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    /// The slug is taken.
    #[error("there is a product {0} already: change it with `keystall product set`")]
    Exists(Slug),
    /// No such product.
    #[error("there is no product {0}: `keystall product list` shows all")]
    Unknown(Slug),
    /// Free or negative.
    #[error("a price is above zero")]
    Price,
    /// Another currency than the shop's.
    #[error("prices are in the shop's currency")]
    Currency,
    /// Empty or too long.
    #[error(
        "a title has 1 to {} bytes and no control characters",
        limits::TITLE_BYTES_MAX
    )]
    Title,
    /// Too long.
    #[error(
        "a product's text has at most {} bytes",
        limits::PRODUCT_TEXT_BYTES_MAX
    )]
    Text,
    /// Too many products.
    #[error("a shop has at most {} products", limits::PRODUCTS_MAX)]
    TooMany,
    /// The store did not take it.
    #[error("{0}")]
    Store(String),
}

impl Shop {
    /// Makes a product with an empty pool.
    ///
    /// # Errors
    /// [`ProductError`].
    pub fn add_product(&self, slug: Slug, change: ProductChange) -> Result<Product, ProductError> {
        let price = change.price.ok_or(ProductError::Price)?;
        let bare = Product {
            slug: slug.clone(),
            kind: ProductKind::Pool,
            title: String::new(),
            title_en: None,
            price,
            text: String::new(),
            instructions: String::new(),
            scope: None,
            questions: Vec::new(),
            support: None,
            category: None,
            position: 0,
            picture: None,
            visible: true,
            created_at_ms: self.clock.now_ms(),
        };
        let product = changed(bare, change, self.policy.currency)?;
        let (_, wrapped_key) = self.vault.new_pool_key(slug.as_str().as_bytes());
        let pool = Pool {
            slug,
            available: 0,
            reserved: 0,
            sold: 0,
            void: 0,
            spans: Vec::new(),
            wrapped_key,
        };
        let made = product.clone();
        let write = self.store.write(move |tx| {
            if tx.product(&product.slug)?.is_some() {
                return Err(WriteError::Refused(ProductError::Exists(
                    product.slug.clone(),
                )));
            }
            if tx.products()?.len() >= limits::PRODUCTS_MAX {
                return Err(WriteError::Refused(ProductError::TooMany));
            }
            tx.put_product(&product)?;
            tx.put_pool(&pool)?;
            Ok(())
        });
        write.wait().map_err(refusal)?;
        Ok(made)
    }

    /// Changes a product. Orders made before keep their price.
    ///
    /// # Errors
    /// [`ProductError`].
    pub fn change_product(
        &self,
        slug: &Slug,
        change: ProductChange,
    ) -> Result<Product, ProductError> {
        let (slug, currency) = (slug.clone(), self.policy.currency);
        let write = self.store.write(move |tx| {
            let before = tx
                .product(&slug)?
                .ok_or_else(|| WriteError::Refused(ProductError::Unknown(slug.clone())))?;
            let product = changed(before, change.clone(), currency).map_err(WriteError::Refused)?;
            tx.put_product(&product)?;
            Ok(product)
        });
        write.wait().map_err(refusal)
    }

    /// A product.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn product(&self, slug: &Slug) -> Result<Option<Product>, Fault> {
        self.store.read()?.product(slug)
    }

    /// All products, hidden ones too.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn products(&self) -> Result<Vec<Product>, Fault> {
        self.store.read()?.products()
    }
}

fn changed(
    mut product: Product,
    change: ProductChange,
    currency: Currency,
) -> Result<Product, ProductError> {
    if let Some(title) = change.title {
        product.title = title;
    }
    if let Some(title) = change.title_en {
        product.title_en = Some(title).filter(|title| !title.is_empty());
    }
    if let Some(price) = change.price {
        product.price = price;
    }
    if let Some(text) = change.text {
        product.text = text;
    }
    if let Some(visible) = change.visible {
        product.visible = visible;
    }
    let title_fits = |title: &str| {
        !title.trim().is_empty()
            && title.len() <= limits::TITLE_BYTES_MAX
            && !title.chars().any(char::is_control)
    };
    if !title_fits(&product.title) || !product.title_en.as_deref().is_none_or(title_fits) {
        return Err(ProductError::Title);
    }
    if product.price.amount <= 0 || product.price.amount > limits::AMOUNT_MAX {
        return Err(ProductError::Price);
    }
    if product.price.currency != currency {
        return Err(ProductError::Currency);
    }
    if product.text.len() > limits::PRODUCT_TEXT_BYTES_MAX {
        return Err(ProductError::Text);
    }
    Ok(product)
}

fn refusal(error: WriteError<ProductError>) -> ProductError {
    match error {
        WriteError::Refused(error) => error,
        error => ProductError::Store(error.to_string()),
    }
}

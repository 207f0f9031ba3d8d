//! The merchant's goods: made, changed, shown, hidden.

use super::open_shop::Shop;
use super::pictures::{self, RenderedPicture};
use crate::domain::{Currency, Money, Pool, Product, ProductKind, Question, Slug};
use crate::limits;
use crate::store::{Fault, Rows, Tx, WriteError};

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
    /// Markdown on how it is used.
    pub instructions: Option<String>,
    /// Where it can be used; empty takes it away.
    pub scope: Option<String>,
    /// What buyers ask, by [`super::read_questions`]; all of them at once.
    pub questions: Option<Vec<Question>>,
    /// Who helps with it; empty leaves it to the shop's own contact.
    pub support: Option<String>,
    /// The category that it stands in, or none.
    pub category: Option<Option<Slug>>,
    /// Order of display.
    pub position: Option<i32>,
    /// Its picture, or none.
    pub picture: Option<Option<RenderedPicture>>,
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
    /// Too long.
    #[error(
        "a product's instructions have at most {} bytes",
        limits::INSTRUCTIONS_BYTES_MAX
    )]
    Instructions,
    /// Too long, or of more than one line.
    #[error(
        "a scope is a few words in one line, at most {} bytes",
        limits::SCOPE_BYTES_MAX
    )]
    Scope,
    /// Too long, or of more than one line.
    #[error(
        "a support contact is one line of at most {} bytes",
        limits::SUPPORT_BYTES_MAX
    )]
    Support,
    /// No such category.
    #[error("there is no category {0}: make it with `keystall category add`")]
    Category(Slug),
    /// Out of range.
    #[error("a position is between -{max} and {max}", max = limits::POSITION_MAX)]
    Position,
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
        let picture = change.picture.clone().flatten();
        let product = changed(bare, change, self.policy.currency)?;
        let wrapped_key = self.vault.new_pool_key(slug.as_str().as_bytes());
        let pool = Pool {
            slug,
            available: 0,
            reserved: 0,
            sold: 0,
            void: 0,
            spans: Vec::new(),
            withheld: 0,
            withheld_spans: Vec::new(),
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
            category_exists(tx, &product)?;
            if let Some(picture) = &picture {
                pictures::put(tx, picture)?;
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
            let shown = before.picture;
            let product = changed(before, change.clone(), currency).map_err(WriteError::Refused)?;
            category_exists(tx, &product)?;
            if let Some(Some(picture)) = &change.picture {
                pictures::put(tx, picture)?;
            }
            tx.put_product(&product)?;
            if let Some(shown) = shown.filter(|shown| product.picture != Some(*shown)) {
                pictures::remove_unused(tx, &shown.id)?;
            }
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

/// Whether a text can be a title of a product or of a category.
pub(super) fn title_fits(title: &str) -> bool {
    !title.trim().is_empty() && line_fits(title, limits::TITLE_BYTES_MAX)
}

fn line_fits(text: &str, bytes_max: usize) -> bool {
    text.len() <= bytes_max && !text.chars().any(char::is_control)
}

fn category_exists(tx: &Tx<'_>, product: &Product) -> Result<(), WriteError<ProductError>> {
    match &product.category {
        Some(slug) if tx.category(slug)?.is_none() => {
            Err(WriteError::Refused(ProductError::Category(slug.clone())))
        }
        _ => Ok(()),
    }
}

fn changed(
    mut product: Product,
    change: ProductChange,
    currency: Currency,
) -> Result<Product, ProductError> {
    fn put<T>(place: &mut T, new: Option<T>) {
        if let Some(new) = new {
            *place = new;
        }
    }
    let unless_empty = |text: String| Some(text).filter(|text| !text.trim().is_empty());
    put(&mut product.title, change.title);
    put(&mut product.title_en, change.title_en.map(unless_empty));
    put(&mut product.price, change.price);
    put(&mut product.text, change.text);
    put(&mut product.instructions, change.instructions);
    put(&mut product.scope, change.scope.map(unless_empty));
    put(&mut product.questions, change.questions);
    put(&mut product.support, change.support.map(unless_empty));
    put(&mut product.category, change.category);
    put(&mut product.position, change.position);
    put(&mut product.visible, change.visible);
    let pictured = change
        .picture
        .map(|picture| picture.map(|rendered| rendered.picture));
    put(&mut product.picture, pictured);
    check(&product, currency)?;
    Ok(product)
}

fn check(product: &Product, currency: Currency) -> Result<(), ProductError> {
    let refuse_unless = |fits: bool, error| if fits { Ok(()) } else { Err(error) };
    let titles = [Some(&product.title), product.title_en.as_ref()];
    let titles_fit = titles.into_iter().flatten().all(|title| title_fits(title));
    refuse_unless(titles_fit, ProductError::Title)?;
    let amounts = 1..=limits::AMOUNT_MAX;
    refuse_unless(amounts.contains(&product.price.amount), ProductError::Price)?;
    refuse_unless(product.price.currency == currency, ProductError::Currency)?;
    refuse_unless(
        product.text.len() <= limits::PRODUCT_TEXT_BYTES_MAX,
        ProductError::Text,
    )?;
    refuse_unless(
        product.instructions.len() <= limits::INSTRUCTIONS_BYTES_MAX,
        ProductError::Instructions,
    )?;
    let scope = product.scope.as_deref().unwrap_or_default();
    refuse_unless(
        line_fits(scope, limits::SCOPE_BYTES_MAX),
        ProductError::Scope,
    )?;
    let support = product.support.as_deref().unwrap_or_default();
    refuse_unless(
        line_fits(support, limits::SUPPORT_BYTES_MAX),
        ProductError::Support,
    )?;
    let positions = -limits::POSITION_MAX..=limits::POSITION_MAX;
    refuse_unless(
        positions.contains(&product.position),
        ProductError::Position,
    )
}

fn refusal(error: WriteError<ProductError>) -> ProductError {
    match error {
        WriteError::Refused(error) => error,
        error => ProductError::Store(error.to_string()),
    }
}

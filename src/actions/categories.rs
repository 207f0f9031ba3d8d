//! Categories of the window: made, changed, listed, taken away.

use super::add_product::title_fits;
use super::open_shop::Shop;
use crate::domain::{Category, Slug};
use crate::limits;
use crate::store::{Fault, Rows, WriteError};

/// What is to change; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct CategoryChange {
    /// Title in the shop's language.
    pub title: Option<String>,
    /// English title; empty takes it away.
    pub title_en: Option<String>,
    /// Order of display.
    pub position: Option<i32>,
}

/// Why a category is not stored or not taken away.
#[derive(Debug, thiserror::Error)]
pub enum CategoryError {
    /// The slug is taken.
    #[error("there is a category {0} already: change it with `keystall category set`")]
    Exists(Slug),
    /// No such category.
    #[error("there is no category {0}: `keystall category list` shows all")]
    Unknown(Slug),
    /// Products stand in it.
    #[error(
        "{count} products stand in category {slug} ({named}): move each with `keystall product set SLUG --category OTHER`, \
         or take it out with `--category \"\"`"
    )]
    InUse {
        /// Which.
        slug: Slug,
        /// How many products.
        count: usize,
        /// The first of them.
        named: String,
    },
    /// Empty or too long.
    #[error(
        "a title has 1 to {} bytes and no control characters",
        limits::TITLE_BYTES_MAX
    )]
    Title,
    /// Out of range.
    #[error("a position is between -{max} and {max}", max = limits::POSITION_MAX)]
    Position,
    /// Too many categories.
    #[error("a shop has at most {} categories", limits::CATEGORIES_MAX)]
    TooMany,
    /// The store did not take it.
    #[error("{0}")]
    Store(String),
}

/// Products that a refusal names.
const NAMED_MAX: usize = 5;

impl Shop {
    /// Makes a category.
    ///
    /// # Errors
    /// [`CategoryError`].
    pub fn add_category(
        &self,
        slug: Slug,
        change: CategoryChange,
    ) -> Result<Category, CategoryError> {
        let bare = Category {
            slug,
            title: String::new(),
            title_en: None,
            position: 0,
        };
        let category = changed(bare, change)?;
        let made = category.clone();
        let write = self.store.write(move |tx| {
            if tx.category(&category.slug)?.is_some() {
                let error = CategoryError::Exists(category.slug.clone());
                return Err(WriteError::Refused(error));
            }
            if tx.categories()?.len() >= limits::CATEGORIES_MAX {
                return Err(WriteError::Refused(CategoryError::TooMany));
            }
            tx.put_category(&category.slug, Some(&category))?;
            Ok(())
        });
        write.wait().map_err(refusal)?;
        Ok(made)
    }

    /// Changes a category.
    ///
    /// # Errors
    /// [`CategoryError`].
    pub fn change_category(
        &self,
        slug: &Slug,
        change: CategoryChange,
    ) -> Result<Category, CategoryError> {
        let slug = slug.clone();
        let write = self.store.write(move |tx| {
            let before = tx
                .category(&slug)?
                .ok_or_else(|| WriteError::Refused(CategoryError::Unknown(slug.clone())))?;
            let category = changed(before, change.clone()).map_err(WriteError::Refused)?;
            tx.put_category(&slug, Some(&category))?;
            Ok(category)
        });
        write.wait().map_err(refusal)
    }

    /// Takes a category away. One in which products stand stays, hidden ones counted: nothing moves unseen.
    ///
    /// # Errors
    /// [`CategoryError`].
    pub fn remove_category(&self, slug: &Slug) -> Result<(), CategoryError> {
        let slug = slug.clone();
        let write = self.store.write(move |tx| {
            if tx.category(&slug)?.is_none() {
                return Err(WriteError::Refused(CategoryError::Unknown(slug.clone())));
            }
            let products = tx.products()?;
            let inside = products
                .iter()
                .filter(|product| product.category.as_ref() == Some(&slug));
            let inside: Vec<&str> = inside.map(|product| product.slug.as_str()).collect();
            if !inside.is_empty() {
                let more = if inside.len() > NAMED_MAX {
                    ", …"
                } else {
                    ""
                };
                let named = inside[..inside.len().min(NAMED_MAX)].join(", ") + more;
                return Err(WriteError::Refused(CategoryError::InUse {
                    slug: slug.clone(),
                    count: inside.len(),
                    named,
                }));
            }
            tx.put_category(&slug, None)?;
            Ok(())
        });
        write.wait().map_err(refusal)
    }

    /// All categories in the order of display.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn categories(&self) -> Result<Vec<Category>, Fault> {
        ordered_categories(&self.store.read()?)
    }
}

/// All categories in the order of display: by position, then by slug.
///
/// # Errors
/// [`Fault`].
pub fn ordered_categories(rows: &impl Rows) -> Result<Vec<Category>, Fault> {
    let mut categories = rows.categories()?;
    // The sort is stable, and rows come by slug.
    categories.sort_by_key(|category| category.position);
    Ok(categories)
}

fn changed(mut category: Category, change: CategoryChange) -> Result<Category, CategoryError> {
    if let Some(title) = change.title {
        category.title = title;
    }
    if let Some(title) = change.title_en {
        category.title_en = Some(title).filter(|title| !title.is_empty());
    }
    if let Some(position) = change.position {
        category.position = position;
    }
    if !title_fits(&category.title) || !category.title_en.as_deref().is_none_or(title_fits) {
        return Err(CategoryError::Title);
    }
    if category.position.unsigned_abs() > limits::POSITION_MAX.unsigned_abs() {
        return Err(CategoryError::Position);
    }
    Ok(category)
}

fn refusal(error: WriteError<CategoryError>) -> CategoryError {
    match error {
        WriteError::Refused(error) => error,
        error => CategoryError::Store(error.to_string()),
    }
}

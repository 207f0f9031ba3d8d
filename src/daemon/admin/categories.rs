//! Categories.

use serde_json::{Value, json};

use super::{
    CommandError, Context,
    command::{CategoryAdd, CategorySet},
    error::typed,
};
use crate::{
    actions::CategoryChange,
    domain::{Category, Slug},
};

pub(super) fn add(context: &Context, add: CategoryAdd) -> Result<Value, CommandError> {
    let change = CategoryChange {
        title: Some(add.title),
        title_en: add.title_en,
        position: add.position,
    };
    let made = context
        .shop
        .add_category(typed("--slug", &add.slug, Slug::parse(&add.slug))?, change)?;
    Ok(shown(&made))
}

pub(super) fn list(context: &Context) -> Result<Value, CommandError> {
    let products = context.shop.products()?;
    let categories = context.shop.categories()?;
    let listed = categories.iter().map(|category| {
        let inside = products
            .iter()
            .filter(|product| product.category.as_ref() == Some(&category.slug));
        let mut shown = shown(category);
        shown["products"] = json!(inside.count());
        shown
    });
    Ok(json!({"categories": listed.collect::<Vec<_>>()}))
}

pub(super) fn set(context: &Context, set: CategorySet) -> Result<Value, CommandError> {
    let change = CategoryChange {
        title: set.title,
        title_en: set.title_en,
        position: set.position,
    };
    let changed = context
        .shop
        .change_category(&typed("SLUG", &set.slug, Slug::parse(&set.slug))?, change)?;
    Ok(shown(&changed))
}

pub(super) fn remove(context: &Context, slug: &str) -> Result<Value, CommandError> {
    let slug = typed("SLUG", slug, Slug::parse(slug))?;
    context.shop.remove_category(&slug)?;
    Ok(json!({"removed": slug.as_str()}))
}

fn shown(category: &Category) -> Value {
    json!({
        "slug": category.slug.as_str(),
        "title": category.title,
        "title_en": category.title_en,
        "position": category.position,
    })
}

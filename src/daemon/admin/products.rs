//! Products.

use serde_json::{Value, json};

use super::{
    CommandError, Context,
    command::{ProductAdd, ProductSet},
    times,
};
use crate::{
    actions::ProductChange,
    domain::{Money, Pool, Product, Slug},
    store::Rows,
};

pub(super) fn add(context: &Context, add: ProductAdd) -> Result<Value, CommandError> {
    let slug = Slug::parse(&add.slug)?;
    if add.kind != "pool" {
        return Err(CommandError::invalid(format!(
            "{:?} is no kind of product of this version: pool",
            add.kind
        )));
    }
    let change = ProductChange {
        title: Some(add.title),
        title_en: add.title_en,
        price: Some(price(context, &add.price)?),
        text: Some(add.text),
        visible: Some(!add.hidden),
    };
    let product = context.shop.add_product(slug, change)?;
    one(context, &product)
}

pub(super) fn list(context: &Context) -> Result<Value, CommandError> {
    let products = context.shop.products()?;
    let rows = context.shop.store().read()?;
    let listed: Result<Vec<Value>, CommandError> = products
        .iter()
        .map(|product| Ok(short(product, rows.pool(&product.slug)?.as_ref())))
        .collect();
    Ok(json!({"products": listed?}))
}

pub(super) fn show(context: &Context, slug: &str) -> Result<Value, CommandError> {
    let slug = Slug::parse(slug)?;
    one(context, &existing(context, &slug)?)
}

pub(super) fn set(context: &Context, set: ProductSet) -> Result<Value, CommandError> {
    let slug = Slug::parse(&set.slug)?;
    let price = set.price.as_deref().map(|text| price(context, text));
    let change = ProductChange {
        title: set.title,
        title_en: set.title_en,
        price: price.transpose()?,
        text: set.text,
        visible: set.visible,
    };
    let product = context.shop.change_product(&slug, change)?;
    one(context, &product)
}

/// The product, or a refusal that says how to find it.
pub(super) fn existing(context: &Context, slug: &Slug) -> Result<Product, CommandError> {
    let product = context.shop.product(slug)?;
    product.ok_or_else(|| {
        CommandError::unknown(format!(
            "there is no product {slug}: `keystall product list` shows all"
        ))
    })
}

fn price(context: &Context, text: &str) -> Result<Money, CommandError> {
    Money::parse(text, context.settings.shop.currency)
        .map_err(|error| CommandError::invalid(format!("price {text:?}: {error}")))
}

fn one(context: &Context, product: &Product) -> Result<Value, CommandError> {
    let pool = context.shop.store().read()?.pool(&product.slug)?;
    let mut shown = short(product, pool.as_ref());
    shown["text"] = json!(product.text);
    shown["created_at"] = json!(times::shown(context, product.created_at_ms));
    shown["created_at_ms"] = json!(product.created_at_ms);
    Ok(shown)
}

fn short(product: &Product, pool: Option<&Pool>) -> Value {
    let count = |of: fn(&Pool) -> u32| pool.map_or(0, of);
    json!({
        "slug": product.slug.as_str(),
        "kind": product.kind.as_str(),
        "title": product.title,
        "title_en": product.title_en,
        "price": product.price.decimal(),
        "amount": product.price.amount,
        "currency": product.price.currency.as_str(),
        "visible": product.visible,
        "available": count(|pool| pool.available),
        "reserved": count(|pool| pool.reserved),
        "sold": count(|pool| pool.sold),
        "void": count(|pool| pool.void),
    })
}

//! Products.

use std::io::Read;

use serde_json::{Value, json};

use super::{
    CommandError, Context,
    command::{ProductAdd, ProductSet},
    error::typed,
    times,
};
use crate::{
    actions::{ProductChange, RenderedPicture, read_questions, render_picture, write_questions},
    domain::{Money, Picture, Pool, Product, Slug},
    limits,
    store::Rows,
};

pub(super) fn add(
    context: &Context,
    add: ProductAdd,
    body: &mut (dyn Read + Send),
) -> Result<Value, CommandError> {
    let slug = typed("--slug", &add.slug, Slug::parse(&add.slug))?;
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
        instructions: add.instructions,
        scope: add.scope,
        questions: add.questions.as_deref().map(read_questions).transpose()?,
        support: add.support,
        category: add.category.as_deref().map(category).transpose()?,
        position: add.position,
        picture: add.picture.then(|| picture(body).map(Some)).transpose()?,
        visible: Some(!add.hidden),
    };
    let product = context.shop.add_product(slug, change)?;
    one(context, &product)
}

pub(super) fn list(context: &Context) -> Result<Value, CommandError> {
    let mut products = context.shop.products()?;
    products.sort_by(|a, b| a.display_order().cmp(&b.display_order()));
    let rows = context.shop.store().read()?;
    let listed: Result<Vec<Value>, CommandError> = products
        .iter()
        .map(|product| Ok(short(product, rows.pool(&product.slug)?.as_ref())))
        .collect();
    Ok(json!({"products": listed?}))
}

pub(super) fn show(context: &Context, slug: &str) -> Result<Value, CommandError> {
    let slug = typed("SLUG", slug, Slug::parse(slug))?;
    one(context, &existing(context, &slug)?)
}

pub(super) fn set(
    context: &Context,
    set: ProductSet,
    body: &mut (dyn Read + Send),
) -> Result<Value, CommandError> {
    let slug = typed("SLUG", &set.slug, Slug::parse(&set.slug))?;
    let price = set.price.as_deref().map(|text| price(context, text));
    let change = ProductChange {
        title: set.title,
        title_en: set.title_en,
        price: price.transpose()?,
        text: set.text,
        instructions: set.instructions,
        scope: set.scope,
        questions: set.questions.as_deref().map(read_questions).transpose()?,
        support: set.support,
        category: set.category.as_deref().map(category).transpose()?,
        position: set.position,
        picture: match set.picture {
            Some(true) => Some(Some(picture(body)?)),
            Some(false) => Some(None),
            None => None,
        },
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

/// A category's name; an empty text is none.
fn category(text: &str) -> Result<Option<Slug>, CommandError> {
    match text {
        "" => Ok(None),
        text => Ok(Some(typed("--category", text, Slug::parse(text))?)),
    }
}

/// The body as a picture made anew. Runs on the command's own thread, before the writer is asked.
fn picture(body: &mut (dyn Read + Send)) -> Result<RenderedPicture, CommandError> {
    let mut upload = Vec::new();
    // One byte more than fits is enough to be refused.
    let read = body
        .take(limits::PICTURE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut upload);
    read.map_err(|error| {
        CommandError::new("broken", format!("the picture was not read: {error}"))
    })?;
    Ok(render_picture(&upload)?)
}

fn one(context: &Context, product: &Product) -> Result<Value, CommandError> {
    let pool = context.shop.store().read()?.pool(&product.slug)?;
    let mut shown = short(product, pool.as_ref());
    shown["text"] = json!(product.text);
    shown["instructions"] = json!(product.instructions);
    shown["questions"] = json!(write_questions(&product.questions));
    shown["support"] = json!(product.support);
    shown["picture"] = product.picture.map_or(Value::Null, pictured);
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
        "category": product.category.as_ref().map(Slug::as_str),
        "position": product.position,
        "scope": product.scope,
        "available": count(|pool| pool.available),
        "reserved": count(|pool| pool.reserved),
        "sold": count(|pool| pool.sold),
        "void": count(|pool| pool.void),
    })
}

fn pictured(picture: Picture) -> Value {
    json!({
        "id": hex::encode(picture.id),
        "width": picture.width,
        "height": picture.height,
    })
}

//! Products, pools, batches, slots, channels and ledger rows.

use bincode::{Decode, Encode};

use super::{money, slug};
use crate::domain::{
    Category, EntryAt, OrderId, Picture, Pool, Product, ProductKind, Question, SlotRef, Span,
};
use crate::store::codec::{CodecError, Record, decode};

#[derive(Encode, Decode)]
pub struct ProductV1 {
    slug: String,
    kind: u8,
    title: String,
    title_en: Option<String>,
    amount: i64,
    currency: String,
    text: String,
    visible: bool,
    created_at_ms: i64,
}

#[derive(Encode, Decode)]
pub struct ProductV2 {
    slug: String,
    kind: u8,
    title: String,
    title_en: Option<String>,
    amount: i64,
    currency: String,
    text: String,
    visible: bool,
    created_at_ms: i64,
    instructions: String,
    scope: Option<String>,
    questions: Vec<(String, String)>,
    support: Option<String>,
    category: Option<String>,
    position: i32,
    picture: Option<([u8; 16], u32, u32)>,
}

#[derive(Encode, Decode)]
pub struct CategoryV1 {
    slug: String,
    title: String,
    title_en: Option<String>,
    position: i32,
}

/// A visitor's wish to be told when a product is back, sealed before it is stored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Wish {
    /// The mail address as typed, trimmed.
    pub contact: String,
    /// Language of the visitor's pages.
    pub language: String,
    /// Unix milliseconds.
    pub made_at_ms: i64,
}

#[derive(Encode, Decode)]
pub struct PoolV1 {
    slug: String,
    available: u32,
    reserved: u32,
    sold: u32,
    void: u32,
    spans: Vec<(u32, u32, u32)>,
    wrapped_key: Vec<u8>,
}

#[derive(Encode, Decode)]
pub struct PoolV2 {
    slug: String,
    available: u32,
    reserved: u32,
    sold: u32,
    void: u32,
    spans: Vec<(u32, u32, u32)>,
    withheld: u32,
    withheld_spans: Vec<(u32, u32, u32)>,
    wrapped_key: Vec<u8>,
}

/// An import that became stock.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Batch {
    /// Slug of its product.
    pub slug: String,
    /// Its slots.
    pub count: u32,
    /// Root of the tree over its key commitments.
    pub root: [u8; 32],
    /// Key of its `stock` entry, see [`Batch::entry`].
    pub seq: u64,
    /// Unix milliseconds.
    pub imported_at_ms: i64,
}

/// An import under way: its rows are cleared unless it ends with a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Staging {
    /// The batch number that its rows lie under.
    pub batch: u32,
    /// Slots stored so far.
    pub count: u32,
}

/// A key that can still be sold.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SlotRow {
    /// Keyed fingerprint of the key.
    pub fingerprint: [u8; 16],
    /// Salt (32 bytes) and key, sealed under the pool's key.
    pub sealed: Vec<u8>,
}

/// Who holds a slot that is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Held {
    /// An unpaid order.
    Reserved(u64),
    /// An order that it was handed out to.
    Out(u64),
    /// Nobody: withdrawn.
    Void,
}

/// A payment channel as the merchant set it up.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Channel {
    /// Its kind: `epay`.
    pub kind: String,
    /// Settings as they were given.
    pub settings: Vec<(String, String)>,
    /// Names of secrets and their sealed values.
    pub secrets: Vec<(String, Vec<u8>)>,
    /// Whether buyers can choose it.
    pub enabled: bool,
    /// Unix milliseconds.
    pub created_at_ms: i64,
}

/// A ledger entry and the tree nodes that end at it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EntryRow {
    /// The line.
    pub line: Vec<u8>,
    /// Roots of all complete subtrees whose last leaf this is, smallest first.
    pub nodes: Vec<[u8; 32]>,
}

macro_rules! first_version {
    ($($record:ty),*) => {$(
        impl Record for $record {
            const VERSION: u8 = 1;
        }
    )*};
}
first_version!(
    ProductV1, CategoryV1, Wish, PoolV1, Batch, Staging, SlotRow, Held, Channel, EntryRow
);

impl Batch {
    /// Where its `stock` entry lies.
    pub const fn entry(&self) -> EntryAt {
        EntryAt::from_key(self.seq)
    }
}

impl Held {
    /// The order that holds it.
    pub fn order(self) -> Option<OrderId> {
        match self {
            Self::Reserved(order) | Self::Out(order) => Some(OrderId(order)),
            Self::Void => None,
        }
    }
}

impl Record for ProductV2 {
    const VERSION: u8 = 2;

    fn of_version(version: u8, bytes: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => decode::<ProductV1>(bytes).map(Self::from),
            _ => Err(CodecError::Version(version)),
        }
    }
}

impl From<ProductV1> for ProductV2 {
    fn from(old: ProductV1) -> Self {
        Self {
            slug: old.slug,
            kind: old.kind,
            title: old.title,
            title_en: old.title_en,
            amount: old.amount,
            currency: old.currency,
            text: old.text,
            visible: old.visible,
            created_at_ms: old.created_at_ms,
            instructions: String::new(),
            scope: None,
            questions: Vec::new(),
            support: None,
            category: None,
            position: 0,
            picture: None,
        }
    }
}

impl From<&Product> for ProductV2 {
    fn from(product: &Product) -> Self {
        Self {
            slug: product.slug.to_string(),
            kind: match product.kind {
                ProductKind::Pool => 0,
            },
            title: product.title.clone(),
            title_en: product.title_en.clone(),
            amount: product.price.amount,
            currency: product.price.currency.to_string(),
            text: product.text.clone(),
            visible: product.visible,
            created_at_ms: product.created_at_ms,
            instructions: product.instructions.clone(),
            scope: product.scope.clone(),
            questions: product
                .questions
                .iter()
                .map(|each| (each.question.clone(), each.answer.clone()))
                .collect(),
            support: product.support.clone(),
            category: product.category.as_ref().map(ToString::to_string),
            position: product.position,
            picture: product
                .picture
                .map(|picture| (picture.id, picture.width, picture.height)),
        }
    }
}

impl TryFrom<ProductV2> for Product {
    type Error = CodecError;

    fn try_from(stored: ProductV2) -> Result<Self, CodecError> {
        let kind = match stored.kind {
            0 => ProductKind::Pool,
            _ => return Err(CodecError::Damaged),
        };
        Ok(Self {
            slug: slug(&stored.slug)?,
            kind,
            title: stored.title,
            title_en: stored.title_en,
            price: money(stored.amount, &stored.currency)?,
            text: stored.text,
            visible: stored.visible,
            created_at_ms: stored.created_at_ms,
            instructions: stored.instructions,
            scope: stored.scope,
            questions: stored
                .questions
                .into_iter()
                .map(|(question, answer)| Question { question, answer })
                .collect(),
            support: stored.support,
            category: stored.category.as_deref().map(slug).transpose()?,
            position: stored.position,
            picture: stored
                .picture
                .map(|(id, width, height)| Picture { id, width, height }),
        })
    }
}

impl From<&Category> for CategoryV1 {
    fn from(category: &Category) -> Self {
        Self {
            slug: category.slug.to_string(),
            title: category.title.clone(),
            title_en: category.title_en.clone(),
            position: category.position,
        }
    }
}

impl TryFrom<CategoryV1> for Category {
    type Error = CodecError;

    fn try_from(stored: CategoryV1) -> Result<Self, CodecError> {
        Ok(Self {
            slug: slug(&stored.slug)?,
            title: stored.title,
            title_en: stored.title_en,
            position: stored.position,
        })
    }
}

impl Record for PoolV2 {
    const VERSION: u8 = 2;

    fn of_version(version: u8, bytes: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => decode::<PoolV1>(bytes).map(Self::from),
            _ => Err(CodecError::Version(version)),
        }
    }
}

impl From<PoolV1> for PoolV2 {
    fn from(old: PoolV1) -> Self {
        Self {
            slug: old.slug,
            available: old.available,
            reserved: old.reserved,
            sold: old.sold,
            void: old.void,
            spans: old.spans,
            withheld: 0,
            withheld_spans: Vec::new(),
            wrapped_key: old.wrapped_key,
        }
    }
}

impl From<&Pool> for PoolV2 {
    fn from(pool: &Pool) -> Self {
        Self {
            slug: pool.slug.to_string(),
            available: pool.available,
            reserved: pool.reserved,
            sold: pool.sold,
            void: pool.void,
            spans: triples(&pool.spans),
            withheld: pool.withheld,
            withheld_spans: triples(&pool.withheld_spans),
            wrapped_key: pool.wrapped_key.clone(),
        }
    }
}

fn triples(spans: &[Span]) -> Vec<(u32, u32, u32)> {
    let triple = |span: &Span| (span.batch, span.next, span.count);
    spans.iter().map(triple).collect()
}

fn spans(triples: Vec<(u32, u32, u32)>) -> Vec<Span> {
    let span = |(batch, next, count)| Span { batch, next, count };
    triples.into_iter().map(span).collect()
}

impl TryFrom<PoolV2> for Pool {
    type Error = CodecError;

    fn try_from(stored: PoolV2) -> Result<Self, CodecError> {
        Ok(Self {
            slug: slug(&stored.slug)?,
            available: stored.available,
            reserved: stored.reserved,
            sold: stored.sold,
            void: stored.void,
            spans: spans(stored.spans),
            withheld: stored.withheld,
            withheld_spans: spans(stored.withheld_spans),
            wrapped_key: stored.wrapped_key,
        })
    }
}

/// Slots as pairs, the form inside other records.
pub(super) fn pairs(slots: &[SlotRef]) -> Vec<(u32, u32)> {
    slots.iter().map(|slot| (slot.batch, slot.index)).collect()
}

/// Pairs as slots.
pub(super) fn slots(pairs: Vec<(u32, u32)>) -> Vec<SlotRef> {
    pairs
        .into_iter()
        .map(|(batch, index)| SlotRef { batch, index })
        .collect()
}

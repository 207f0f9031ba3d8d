//! Reading rows: the same methods on a snapshot and inside a write.

use redb::ReadableTable;

use super::codec::{CodecError, Record, decode};
use super::records::{
    Anchoring, Batch, CategoryV1, Channel, EffectV2, EntryRow, Generation, Held, NoticeV1, OrderV2,
    PoolV2, ProductV2, SlotRow, Staging, Template, Told, ToldV1,
};
use super::{Fault, Head, Snapshot, Tx, tables};
use crate::domain::{
    AnchorKind, Category, ChannelName, Effect, EntryAt, Notice, Order, OrderId, Pool, Product,
    SlotRef, Slug, Via,
};

/// By what pending orders are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum HoldKind {
    /// By the contact's fingerprint.
    Contact = 1,
    /// By the buyer's line.
    Address = 2,
    /// By the buyer's network and product.
    Host = 3,
}

/// What an order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WaitKind {
    /// Its goods: paid, not delivered.
    Goods = 1,
    /// Money to be returned.
    Refund = 2,
}

/// When an order was delivered, which one, and how far telling its buyer went.
pub type UnreadRow = ((i64, OrderId), u8);
/// A contact's fingerprint, and the wish that it made, sealed.
pub type SealedWish = ([u8; 16], Vec<u8>);

/// Rows of one consistent state. Lists are bounded by `max`.
pub trait Rows {
    /// A row of the meta table.
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, Fault>;
    /// A product.
    fn product(&self, slug: &Slug) -> Result<Option<Product>, Fault>;
    /// All products, by slug.
    fn products(&self) -> Result<Vec<Product>, Fault>;
    /// A product's pool.
    fn pool(&self, slug: &Slug) -> Result<Option<Pool>, Fault>;
    /// An import.
    fn batch(&self, number: u32) -> Result<Option<Batch>, Fault>;
    /// All imports, oldest first.
    fn batches(&self) -> Result<Vec<(u32, Batch)>, Fault>;
    /// A key not yet handed out.
    fn slot(&self, slot: SlotRef) -> Result<Option<SlotRow>, Fault>;
    /// Nodes of a batch's tree that end at `slot`.
    fn stock_nodes(&self, slot: SlotRef) -> Result<Option<Vec<[u8; 32]>>, Fault>;
    /// Who holds a slot; none for one that is available.
    fn held(&self, slot: SlotRef) -> Result<Option<Held>, Fault>;
    /// The first returned slot of a pool.
    fn first_returned(&self, slug: &Slug) -> Result<Option<SlotRef>, Fault>;
    /// The slot of a key's fingerprint.
    fn fingerprint(&self, fingerprint: &[u8; 16]) -> Result<Option<SlotRef>, Fault>;
    /// The import under way.
    fn staging(&self) -> Result<Option<Staging>, Fault>;
    /// An order.
    fn order(&self, id: OrderId) -> Result<Option<Order>, Fault>;
    /// Orders older than `before`, newest first.
    fn orders_before(&self, before: Option<OrderId>, max: usize) -> Result<Vec<Order>, Fault>;
    /// Pending orders whose expiry is at or before `until_ms`, soonest first.
    fn open_orders(&self, until_ms: i64, max: usize) -> Result<Vec<(i64, OrderId)>, Fault>;
    /// Orders that wait, oldest first, after `after`.
    fn waiting(
        &self,
        kind: WaitKind,
        after: Option<OrderId>,
        max: usize,
    ) -> Result<Vec<OrderId>, Fault>;
    /// Orders that a holder has pending, with the slots that each holds.
    fn holds(
        &self,
        kind: HoldKind,
        holder: &[u8],
        max: usize,
    ) -> Result<Vec<(OrderId, u32)>, Fault>;
    /// The order of a payment's fingerprint.
    fn payment(&self, fingerprint: &[u8; 16]) -> Result<Option<OrderId>, Fault>;
    /// Notices before number `before`, newest first, with their numbers.
    fn notices_before(&self, before: Option<u64>, max: usize) -> Result<Vec<(u64, Notice)>, Fault>;
    /// A ledger entry.
    fn entry(&self, at: EntryAt) -> Result<Option<EntryRow>, Fault>;
    /// Kept checkpoints of the same generation above the size `after`, by size.
    fn marks(&self, after: EntryAt, max: usize) -> Result<Vec<(u64, String)>, Fault>;
    /// A kept checkpoint.
    fn mark(&self, at: EntryAt) -> Result<Option<String>, Fault>;
    /// A generation of the ledger.
    fn generation(&self, number: u16) -> Result<Option<Generation>, Fault>;
    /// All generations, oldest first; a shop has a handful.
    fn generations(&self) -> Result<Vec<Generation>, Fault>;
    /// Anchors of checkpoints of the same generation above the size `after`: size, kind, bytes.
    fn anchors(&self, after: EntryAt, max: usize)
    -> Result<Vec<(u64, AnchorKind, Vec<u8>)>, Fault>;
    /// How a way of anchoring fares; none before it was set up.
    fn anchoring(&self, kind: AnchorKind) -> Result<Option<Anchoring>, Fault> {
        self.meta(anchoring_row(kind))?
            .map(|row| record("meta", &row))
            .transpose()
    }
    /// What opens the commitment of an entry that belongs to no order, sealed.
    fn opening(&self, at: EntryAt) -> Result<Option<Vec<u8>>, Fault>;
    /// Sealed openings of entries after `after`, oldest first, of all generations.
    fn openings(
        &self,
        after: Option<EntryAt>,
        max: usize,
    ) -> Result<Vec<(EntryAt, Vec<u8>)>, Fault>;
    /// When the private fields of an order were destroyed, Unix milliseconds; whether by an erasure that somebody asked for.
    fn erased(&self, order: OrderId) -> Result<Option<(i64, bool)>, Fault>;
    /// Orders that were erased because somebody asked for it, after `after`, with the time.
    fn erased_orders(
        &self,
        after: Option<OrderId>,
        max: usize,
    ) -> Result<Vec<(OrderId, i64)>, Fault>;
    /// An effect.
    fn effect(&self, id: u64) -> Result<Option<Effect>, Fault>;
    /// Effects of one way due at `now_ms`, longest due first.
    fn effects_due(&self, via: Via, now_ms: i64, max: usize) -> Result<Vec<u64>, Fault>;
    /// Effects not yet kept after number `after`, dead letters among them, oldest first.
    fn effects_after(&self, after: Option<u64>, max: usize) -> Result<Vec<Effect>, Fault>;
    /// Orders of a contact older than `before`, newest first.
    fn orders_of_contact(
        &self,
        contact: &[u8; 16],
        before: Option<OrderId>,
        max: usize,
    ) -> Result<Vec<OrderId>, Fault>;
    /// Contacts' fingerprints with their orders, behind `after`.
    fn contact_orders(
        &self,
        after: Option<([u8; 16], OrderId)>,
        max: usize,
    ) -> Result<Vec<([u8; 16], OrderId)>, Fault>;
    /// Orders delivered after `after` and until `until_ms` whose page was not opened since, oldest first, with their stage.
    fn unread_orders(
        &self,
        after: Option<(i64, OrderId)>,
        until_ms: i64,
        max: usize,
    ) -> Result<Vec<UnreadRow>, Fault>;
    /// The same, delivered before `before`, newest first.
    fn unread_before(&self, before: (i64, OrderId), max: usize) -> Result<Vec<UnreadRow>, Fault>;
    /// Stage of an order delivered at that time whose page was not opened since.
    fn unread(&self, delivered_at_ms: i64, order: OrderId) -> Result<Option<u8>, Fault>;
    /// What the people of an order were told, oldest first.
    fn told(&self, order: OrderId, max: usize) -> Result<Vec<Told>, Fault>;
    /// Sealed wishes for a product, with their contacts' fingerprints.
    fn wishes(&self, product: &Slug, max: usize) -> Result<Vec<SealedWish>, Fault>;
    /// Products that somebody waits for, by slug.
    fn wished(&self) -> Result<Vec<Slug>, Fault>;
    /// Whether a contact waits for a product.
    fn has_wish(&self, product: &Slug, contact: &[u8; 16]) -> Result<bool, Fault>;
    /// A category.
    fn category(&self, slug: &Slug) -> Result<Option<Category>, Fault>;
    /// All categories, by slug.
    fn categories(&self) -> Result<Vec<Category>, Fault>;
    /// A picture in one width (JPEG).
    fn picture(&self, id: &[u8; 16], width: u32) -> Result<Option<Vec<u8>>, Fault>;
    /// The merchant's own text of a message.
    fn template(&self, kind: &str, language: &str) -> Result<Option<Template>, Fault>;
    /// All of the merchant's own texts, with kind and language.
    fn templates(&self) -> Result<Vec<(String, String, Template)>, Fault>;
    /// A channel.
    fn channel(&self, name: &ChannelName) -> Result<Option<Channel>, Fault>;
    /// All channels, by name.
    fn channels(&self) -> Result<Vec<(String, Channel)>, Fault>;
}

pub(super) fn record<R: Record>(table: &'static str, bytes: &[u8]) -> Result<R, Fault> {
    decode(bytes).map_err(|error| Fault::Record { table, error })
}

pub(super) fn converted<R: Record, D: TryFrom<R, Error = CodecError>>(
    table: &'static str,
    bytes: &[u8],
) -> Result<D, Fault> {
    record::<R>(table, bytes)?
        .try_into()
        .map_err(|error| Fault::Record { table, error })
}

/// The row of the meta table that says how a way of anchoring fares.
pub(super) const fn anchoring_row(kind: AnchorKind) -> &'static str {
    match kind {
        AnchorKind::TimeStamp => "anchoring time stamp",
        AnchorKind::Mail => "anchoring mail",
        AnchorKind::Git => "anchoring git",
    }
}

/// Keys of the same generation above the size `after`.
fn above(after: EntryAt) -> std::ops::RangeInclusive<u64> {
    let last = EntryAt::new(after.generation(), (1 << 48) - 1);
    after.key().saturating_add(1)..=last.key()
}

fn note(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn nodes(bytes: &[u8]) -> Vec<[u8; 32]> {
    bytes.as_chunks::<32>().0.to_vec()
}

/// Reads the head row.
pub(super) fn head(rows: &impl Rows) -> Result<Head, Fault> {
    rows.meta("head")?
        .map_or(Ok(Head::default()), |bytes| record("meta", &bytes))
}

/// Writes the methods once; `$table` says how each of the two finds a table.
macro_rules! rows {
    ($rows:ty, $table:ident) => {
        impl Rows for $rows {
            fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
                Ok($table!(self, meta, META)
                    .get(name)?
                    .map(|row| row.value().to_vec()))
            }

            fn product(&self, slug: &Slug) -> Result<Option<Product>, Fault> {
                let table = $table!(self, products, PRODUCTS);
                table
                    .get(slug.as_str())?
                    .map(|row| converted::<ProductV2, _>("products", row.value()))
                    .transpose()
            }

            fn products(&self) -> Result<Vec<Product>, Fault> {
                let table = $table!(self, products, PRODUCTS);
                table
                    .iter()?
                    .map(|row| converted::<ProductV2, _>("products", row?.1.value()))
                    .collect()
            }

            fn pool(&self, slug: &Slug) -> Result<Option<Pool>, Fault> {
                if let Some(pool) = self.changed_pool(slug) {
                    return Ok(Some(pool));
                }
                let table = $table!(self, pools, POOLS);
                table
                    .get(slug.as_str())?
                    .map(|row| converted::<PoolV2, _>("pools", row.value()))
                    .transpose()
            }

            fn batch(&self, number: u32) -> Result<Option<Batch>, Fault> {
                $table!(self, batches, BATCHES)
                    .get(number)?
                    .map(|row| record("batches", row.value()))
                    .transpose()
            }

            fn batches(&self) -> Result<Vec<(u32, Batch)>, Fault> {
                let table = $table!(self, batches, BATCHES);
                let rows = table.iter()?;
                rows.map(|row| {
                    row.map_err(Fault::from).and_then(|(number, row)| {
                        Ok((number.value(), record("batches", row.value())?))
                    })
                })
                .collect()
            }

            fn slot(&self, slot: SlotRef) -> Result<Option<SlotRow>, Fault> {
                $table!(self, slots, SLOTS)
                    .get((slot.batch, slot.index))?
                    .map(|row| record("slots", row.value()))
                    .transpose()
            }

            fn stock_nodes(&self, slot: SlotRef) -> Result<Option<Vec<[u8; 32]>>, Fault> {
                Ok($table!(self, nodes, NODES)
                    .get((slot.batch, slot.index))?
                    .map(|row| nodes(row.value())))
            }

            fn held(&self, slot: SlotRef) -> Result<Option<Held>, Fault> {
                $table!(self, held, HELD)
                    .get((slot.batch, slot.index))?
                    .map(|row| record("held", row.value()))
                    .transpose()
            }

            fn first_returned(&self, slug: &Slug) -> Result<Option<SlotRef>, Fault> {
                let table = $table!(self, returned, RETURNED);
                let mut range =
                    table.range((slug.as_str(), 0, 0)..=(slug.as_str(), u32::MAX, u32::MAX))?;
                Ok(range.next().transpose()?.map(|(key, _)| SlotRef {
                    batch: key.value().1,
                    index: key.value().2,
                }))
            }

            fn fingerprint(&self, fingerprint: &[u8; 16]) -> Result<Option<SlotRef>, Fault> {
                let found = $table!(self, fingerprints, FINGERPRINTS).get(fingerprint)?;
                Ok(found.map(|row| SlotRef {
                    batch: row.value().0,
                    index: row.value().1,
                }))
            }

            fn staging(&self) -> Result<Option<Staging>, Fault> {
                self.meta("staging")?
                    .map(|bytes| record("meta", &bytes))
                    .transpose()
            }

            fn order(&self, id: OrderId) -> Result<Option<Order>, Fault> {
                let table = $table!(self, orders, ORDERS);
                table
                    .get(id.0)?
                    .map(|row| converted::<OrderV2, _>("orders", row.value()))
                    .transpose()
            }

            fn orders_before(
                &self,
                before: Option<OrderId>,
                max: usize,
            ) -> Result<Vec<Order>, Fault> {
                let table = $table!(self, orders, ORDERS);
                let range = table.range(..before.map_or(u64::MAX, |id| id.0))?;
                range
                    .rev()
                    .take(max)
                    .map(|row| converted::<OrderV2, _>("orders", row?.1.value()))
                    .collect()
            }

            fn open_orders(&self, until_ms: i64, max: usize) -> Result<Vec<(i64, OrderId)>, Fault> {
                let table = $table!(self, open, OPEN);
                let range = table.range(..=(until_ms, u64::MAX))?;
                range
                    .take(max)
                    .map(|row| {
                        row.map(|(key, _)| (key.value().0, OrderId(key.value().1)))
                            .map_err(Fault::from)
                    })
                    .collect()
            }

            fn waiting(
                &self,
                kind: WaitKind,
                after: Option<OrderId>,
                max: usize,
            ) -> Result<Vec<OrderId>, Fault> {
                let table = $table!(self, waiting, WAITING);
                let from = (kind as u8, after.map_or(0, |id| id.0.saturating_add(1)));
                let range = table.range(from..=(kind as u8, u64::MAX))?;
                range
                    .take(max)
                    .map(|row| {
                        row.map(|(key, _)| OrderId(key.value().1))
                            .map_err(Fault::from)
                    })
                    .collect()
            }

            fn holds(
                &self,
                kind: HoldKind,
                holder: &[u8],
                max: usize,
            ) -> Result<Vec<(OrderId, u32)>, Fault> {
                let table = $table!(self, holds, HOLDS);
                let range =
                    table.range((kind as u8, holder, 0)..=(kind as u8, holder, u64::MAX))?;
                range
                    .take(max)
                    .map(|row| {
                        row.map(|(key, slots)| (OrderId(key.value().2), slots.value()))
                            .map_err(Fault::from)
                    })
                    .collect()
            }

            fn payment(&self, fingerprint: &[u8; 16]) -> Result<Option<OrderId>, Fault> {
                Ok($table!(self, payments, PAYMENTS)
                    .get(fingerprint)?
                    .map(|row| OrderId(row.value())))
            }

            fn notices_before(
                &self,
                before: Option<u64>,
                max: usize,
            ) -> Result<Vec<(u64, Notice)>, Fault> {
                let table = $table!(self, notices, NOTICES);
                let range = table.range(..before.unwrap_or(u64::MAX))?;
                let read = |row: Result<_, redb::StorageError>| {
                    let (number, bytes): (
                        redb::AccessGuard<'_, u64>,
                        redb::AccessGuard<'_, &[u8]>,
                    ) = row?;
                    Ok((
                        number.value(),
                        converted::<NoticeV1, _>("notices", bytes.value())?,
                    ))
                };
                range.rev().take(max).map(read).collect()
            }

            fn entry(&self, at: EntryAt) -> Result<Option<EntryRow>, Fault> {
                $table!(self, entries, ENTRIES)
                    .get(at.key())?
                    .map(|row| record("ledger_entries", row.value()))
                    .transpose()
            }

            fn marks(&self, after: EntryAt, max: usize) -> Result<Vec<(u64, String)>, Fault> {
                let table = $table!(self, marks, MARKS);
                let range = table.range(above(after))?;
                let read = |row: Result<_, redb::StorageError>| {
                    let (at, text): (redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &[u8]>) =
                        row?;
                    Ok((EntryAt::from_key(at.value()).seq(), note(text.value())))
                };
                range.take(max).map(read).collect()
            }

            fn mark(&self, at: EntryAt) -> Result<Option<String>, Fault> {
                let table = $table!(self, marks, MARKS);
                Ok(table.get(at.key())?.map(|text| note(text.value())))
            }

            fn generation(&self, number: u16) -> Result<Option<Generation>, Fault> {
                $table!(self, generations, GENERATIONS)
                    .get(number)?
                    .map(|row| record("ledger_generations", row.value()))
                    .transpose()
            }

            fn generations(&self) -> Result<Vec<Generation>, Fault> {
                let table = $table!(self, generations, GENERATIONS);
                let rows = table.iter()?;
                rows.map(|row| record("ledger_generations", row?.1.value()))
                    .collect()
            }

            fn anchors(
                &self,
                after: EntryAt,
                max: usize,
            ) -> Result<Vec<(u64, AnchorKind, Vec<u8>)>, Fault> {
                let table = $table!(self, anchors, ANCHORS);
                let (from, to) = above(after).into_inner();
                let mut anchors = Vec::new();
                for row in table.range((from, 0)..=(to, u8::MAX))?.take(max) {
                    let (key, bytes) = row?;
                    let (at, number) = key.value();
                    let kind = AnchorKind::of_number(number)
                        .ok_or(Fault::Invariant("an anchor is of a known kind"))?;
                    anchors.push((EntryAt::from_key(at).seq(), kind, bytes.value().to_vec()));
                }
                Ok(anchors)
            }

            fn opening(&self, at: EntryAt) -> Result<Option<Vec<u8>>, Fault> {
                let table = $table!(self, openings, OPENINGS);
                Ok(table.get(at.key())?.map(|row| row.value().to_vec()))
            }

            fn openings(
                &self,
                after: Option<EntryAt>,
                max: usize,
            ) -> Result<Vec<(EntryAt, Vec<u8>)>, Fault> {
                let table = $table!(self, openings, OPENINGS);
                let from = after.map_or(0, |at| at.key().saturating_add(1));
                let rows = table.range(from..)?.take(max);
                rows.map(|row| {
                    let (at, sealed) = row?;
                    Ok((EntryAt::from_key(at.value()), sealed.value().to_vec()))
                })
                .collect()
            }

            fn erased(&self, order: OrderId) -> Result<Option<(i64, bool)>, Fault> {
                let table = $table!(self, erased, ERASED);
                let row = table.get(order.0)?.map(|row| row.value());
                Ok(row.map(|at_ms| (at_ms.abs(), at_ms >= 0)))
            }

            fn erased_orders(
                &self,
                after: Option<OrderId>,
                max: usize,
            ) -> Result<Vec<(OrderId, i64)>, Fault> {
                let table = $table!(self, erased, ERASED);
                let from = after.map_or(0, |id| id.0.saturating_add(1));
                let rows = table.range(from..)?;
                rows.map(|row| {
                    row.map(|(id, at_ms)| (OrderId(id.value()), at_ms.value()))
                        .map_err(Fault::from)
                })
                .filter(|row| !matches!(row, Ok((_, at_ms)) if *at_ms < 0))
                .take(max)
                .collect()
            }

            fn effect(&self, id: u64) -> Result<Option<Effect>, Fault> {
                $table!(self, outbox, OUTBOX)
                    .get(id)?
                    .map(|row| converted::<EffectV2, _>("outbox", row.value()))
                    .transpose()
            }

            fn effects_due(&self, via: Via, now_ms: i64, max: usize) -> Result<Vec<u64>, Fault> {
                let table = $table!(self, due, DUE);
                let range =
                    table.range((via as u8, i64::MIN, 0)..=(via as u8, now_ms, u64::MAX))?;
                range
                    .take(max)
                    .map(|row| row.map(|(key, _)| key.value().2).map_err(Fault::from))
                    .collect()
            }

            fn effects_after(&self, after: Option<u64>, max: usize) -> Result<Vec<Effect>, Fault> {
                let from = after.map_or(0, |after| after.saturating_add(1));
                let table = $table!(self, outbox, OUTBOX);
                table
                    .range(from..)?
                    .take(max)
                    .map(|row| converted::<EffectV2, _>("outbox", row?.1.value()))
                    .collect()
            }

            fn orders_of_contact(
                &self,
                contact: &[u8; 16],
                before: Option<OrderId>,
                max: usize,
            ) -> Result<Vec<OrderId>, Fault> {
                let table = $table!(self, contacts, CONTACTS);
                let range =
                    table.range((contact, 0)..(contact, before.map_or(u64::MAX, |id| id.0)))?;
                range
                    .rev()
                    .take(max)
                    .map(|row| {
                        row.map(|(key, _)| OrderId(key.value().1))
                            .map_err(Fault::from)
                    })
                    .collect()
            }

            fn contact_orders(
                &self,
                after: Option<([u8; 16], OrderId)>,
                max: usize,
            ) -> Result<Vec<([u8; 16], OrderId)>, Fault> {
                use std::ops::Bound::{Excluded, Unbounded};
                let table = $table!(self, contacts, CONTACTS);
                let from = after
                    .as_ref()
                    .map_or(Unbounded, |(contact, id)| Excluded((contact, id.0)));
                let range = table.range::<(&[u8; 16], u64)>((from, Unbounded))?;
                range
                    .take(max)
                    .map(|row| {
                        row.map(|(key, _)| (*key.value().0, OrderId(key.value().1)))
                            .map_err(Fault::from)
                    })
                    .collect()
            }

            fn unread_orders(
                &self,
                after: Option<(i64, OrderId)>,
                until_ms: i64,
                max: usize,
            ) -> Result<Vec<UnreadRow>, Fault> {
                use std::ops::Bound::{Excluded, Included, Unbounded};
                let table = $table!(self, unread, UNREAD);
                let from = after.map_or(Unbounded, |(at_ms, id)| Excluded((at_ms, id.0)));
                let range = table.range::<(i64, u64)>((from, Included((until_ms, u64::MAX))))?;
                range
                    .take(max)
                    .map(|row| {
                        row.map(|(key, stage)| {
                            ((key.value().0, OrderId(key.value().1)), stage.value())
                        })
                        .map_err(Fault::from)
                    })
                    .collect()
            }

            fn unread_before(
                &self,
                (before_ms, before): (i64, OrderId),
                max: usize,
            ) -> Result<Vec<UnreadRow>, Fault> {
                let table = $table!(self, unread, UNREAD);
                let range = table.range(..(before_ms, before.0))?;
                range
                    .rev()
                    .take(max)
                    .map(|row| {
                        row.map(|(key, stage)| {
                            ((key.value().0, OrderId(key.value().1)), stage.value())
                        })
                        .map_err(Fault::from)
                    })
                    .collect()
            }

            fn unread(&self, delivered_at_ms: i64, order: OrderId) -> Result<Option<u8>, Fault> {
                Ok($table!(self, unread, UNREAD)
                    .get((delivered_at_ms, order.0))?
                    .map(|stage| stage.value()))
            }

            fn told(&self, order: OrderId, max: usize) -> Result<Vec<Told>, Fault> {
                let table = $table!(self, told, TOLD);
                let range = table.range((order.0, 0)..=(order.0, u64::MAX))?;
                range
                    .take(max)
                    .map(|row| converted::<ToldV1, _>("told", row?.1.value()))
                    .collect()
            }

            fn wishes(&self, product: &Slug, max: usize) -> Result<Vec<SealedWish>, Fault> {
                let table = $table!(self, wishes, WISHES);
                let range =
                    table.range((product.as_str(), &[0; 16])..=(product.as_str(), &[255; 16]))?;
                range
                    .take(max)
                    .map(|row| {
                        row.map(|(key, sealed)| (*key.value().1, sealed.value().to_vec()))
                            .map_err(Fault::from)
                    })
                    .collect()
            }

            fn wished(&self) -> Result<Vec<Slug>, Fault> {
                use std::ops::Bound::{Excluded, Unbounded};
                let table = $table!(self, wishes, WISHES);
                let mut wished: Vec<Slug> = Vec::new();
                loop {
                    let last = wished.last().map_or("", Slug::as_str);
                    let from = Excluded((last, &[255; 16]));
                    let mut behind = table.range::<(&str, &[u8; 16])>((from, Unbounded))?;
                    let Some((key, _)) = behind.next().transpose()? else {
                        return Ok(wished);
                    };
                    // A slug is at least one character, so each step goes on.
                    let slug = Slug::parse(key.value().0)
                        .map_err(|_| Fault::Invariant("a wish names a product"))?;
                    wished.push(slug);
                }
            }

            fn has_wish(&self, product: &Slug, contact: &[u8; 16]) -> Result<bool, Fault> {
                Ok($table!(self, wishes, WISHES)
                    .get((product.as_str(), contact))?
                    .is_some())
            }

            fn category(&self, slug: &Slug) -> Result<Option<Category>, Fault> {
                let table = $table!(self, categories, CATEGORIES);
                table
                    .get(slug.as_str())?
                    .map(|row| converted::<CategoryV1, _>("categories", row.value()))
                    .transpose()
            }

            fn categories(&self) -> Result<Vec<Category>, Fault> {
                let table = $table!(self, categories, CATEGORIES);
                table
                    .iter()?
                    .map(|row| converted::<CategoryV1, _>("categories", row?.1.value()))
                    .collect()
            }

            fn picture(&self, id: &[u8; 16], width: u32) -> Result<Option<Vec<u8>>, Fault> {
                Ok($table!(self, pictures, PICTURES)
                    .get((id, width))?
                    .map(|jpeg| jpeg.value().to_vec()))
            }

            fn template(&self, kind: &str, language: &str) -> Result<Option<Template>, Fault> {
                $table!(self, templates, TEMPLATES)
                    .get((kind, language))?
                    .map(|row| record("templates", row.value()))
                    .transpose()
            }

            fn templates(&self) -> Result<Vec<(String, String, Template)>, Fault> {
                let table = $table!(self, templates, TEMPLATES);
                let rows = table.iter()?;
                rows.map(|row| {
                    row.map_err(Fault::from).and_then(|(key, row)| {
                        let (kind, language) = key.value();
                        let template = record("templates", row.value())?;
                        Ok((kind.to_owned(), language.to_owned(), template))
                    })
                })
                .collect()
            }

            fn channel(&self, name: &ChannelName) -> Result<Option<Channel>, Fault> {
                $table!(self, channels, CHANNELS)
                    .get(name.as_str())?
                    .map(|row| record("channels", row.value()))
                    .transpose()
            }

            fn channels(&self) -> Result<Vec<(String, Channel)>, Fault> {
                let table = $table!(self, channels, CHANNELS);
                let rows = table.iter()?;
                rows.map(|row| {
                    row.map_err(Fault::from).and_then(|(name, row)| {
                        Ok((name.value().to_owned(), record("channels", row.value())?))
                    })
                })
                .collect()
            }
        }
    };
}

macro_rules! of_snapshot {
    ($self:ident, $field:ident, $table:ident) => {
        $self.txn.open_table(tables::$table)?
    };
}
macro_rules! of_write {
    ($self:ident, $field:ident, $table:ident) => {
        $self.tables.$field.read()?
    };
}
rows!(Snapshot, of_snapshot);
rows!(Tx<'_>, of_write);

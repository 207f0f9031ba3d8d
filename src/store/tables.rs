//! The catalogue of tables: every key and what lies under it. Values are records (`records/`) unless said otherwise.

use redb::TableDefinition;

type Table<K> = TableDefinition<'static, K, &'static [u8]>;
type Index<K> = TableDefinition<'static, K, ()>;

/// Name → bytes: schema, install id, check value, head, log key.
pub const META: Table<&str> = Table::new("meta");
/// Slug → product.
pub const PRODUCTS: Table<&str> = Table::new("products");
/// Slug → pool.
pub const POOLS: Table<&str> = Table::new("pools");
/// Batch → batch.
pub const BATCHES: Table<u32> = Table::new("batches");
/// Batch, index → key and salt, sealed. Gone once handed out.
pub const SLOTS: Table<(u32, u32)> = Table::new("slots");
/// Batch, index → nodes of the batch's tree that end at this slot, 32 bytes each, smallest first.
pub const NODES: Table<(u32, u32)> = Table::new("stock_nodes");
/// Batch, index → who holds a slot that is not available.
pub const HELD: Table<(u32, u32)> = Table::new("held");
/// Slug, batch, index of slots that were reserved once and are free again.
pub const RETURNED: Index<(&str, u32, u32)> = Index::new("returned");
/// Keyed fingerprint of a key → its slot, for every key ever held.
pub const FINGERPRINTS: TableDefinition<'static, &[u8; 16], (u32, u32)> =
    TableDefinition::new("fingerprints");
/// Order id → order, with its payments and its receipt: one row.
pub const ORDERS: Table<u64> = Table::new("orders");
/// Expiry in Unix milliseconds, order id, of pending orders.
pub const OPEN: Index<(i64, u64)> = Index::new("open_orders");
/// Kind, order id, of orders that wait for a person or for stock.
pub const WAITING: Index<(u8, u64)> = Index::new("waiting_orders");
/// Kind, holder, order id → number of slots that a pending order holds.
pub const HOLDS: TableDefinition<'static, (u8, &[u8], u64), u32> = TableDefinition::new("holds");
/// Keyed fingerprint of channel and transaction id → order id.
pub const PAYMENTS: TableDefinition<'static, &[u8; 16], u64> = TableDefinition::new("payments");
/// Number → notice, in the order of arrival.
pub const NOTICES: Table<u64> = Table::new("notices");
/// Generation and sequence number (`EntryAt`) → ledger line and tree nodes that end there.
pub const ENTRIES: Table<u64> = Table::new("ledger_entries");
/// Generation and size (`EntryAt`) → signed checkpoint (text), of those kept for exports.
pub const MARKS: Table<u64> = Table::new("ledger_marks");
/// Generation → its origin, its keys, and where it ended.
pub const GENERATIONS: Table<u16> = Table::new("ledger_generations");
/// Generation and size (`EntryAt`), kind → what anchors that checkpoint outside.
pub const ANCHORS: Table<(u64, u8)> = Table::new("ledger_anchors");
/// Generation and sequence number (`EntryAt`) → what opens the entry's commitment, sealed. Of entries without an order.
pub const OPENINGS: Table<u64> = Table::new("ledger_openings");
/// Order id → when its private fields were destroyed, Unix milliseconds; negative where nobody asked for it: a restored copy whose
/// month key was gone.
pub const ERASED: TableDefinition<'static, u64, i64> = TableDefinition::new("erased_orders");
/// Number → promised effect.
pub const OUTBOX: Table<u64> = Table::new("outbox");
/// Way, due time in Unix milliseconds, number, of effects to be tried: a way that is down never stands before another.
/// (Schema 1 had `outbox_due` without the way.)
pub const DUE: Index<(u8, i64, u64)> = Index::new("outbox_due_by_way");
/// Keyed fingerprint of a contact, order id, of all orders of that contact.
pub const CONTACTS: TableDefinition<'static, (&[u8; 16], u64), ()> =
    TableDefinition::new("contact_orders");
/// Time of delivery in Unix milliseconds, order id, of delivered orders whose page was not opened since → stage (one byte).
pub const UNREAD: TableDefinition<'static, (i64, u64), u8> = TableDefinition::new("unread_orders");
/// Order id, effect → what its people were told.
pub const TOLD: Table<(u64, u64)> = Table::new("told");
/// Slug, keyed fingerprint of a contact → who wants to hear when the product is back, sealed.
pub const WISHES: TableDefinition<'static, (&str, &[u8; 16]), &'static [u8]> =
    TableDefinition::new("wishes");
/// Slug → category.
pub const CATEGORIES: Table<&str> = Table::new("categories");
/// Picture, width in pixels → the picture in that width (JPEG).
pub const PICTURES: TableDefinition<'static, (&[u8; 16], u32), &'static [u8]> =
    TableDefinition::new("pictures");
/// Kind of a message, language → the merchant's own text.
pub const TEMPLATES: Table<(&str, &str)> = Table::new("templates");
/// Name → channel, with its secrets sealed.
pub const CHANNELS: Table<&str> = Table::new("channels");

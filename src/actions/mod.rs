//! The use cases, one file for each verb that a person would say.
//!
//! Owns the [`Shop`]: the only place where store, ledger, vault and outbox meet. Everything that must be true together is decided
//! and written in one closure given to the store; what the world outside must hear is promised there and delivered later.
//!
//! Never knows HTTP, a provider's wire format, a page or a configuration file: it takes domain values and gives domain values.

mod add_product;
mod admin_log;
mod anchors;
mod audit;
mod backup;
mod categories;
mod certificates;
mod chain;
mod channels;
mod check_books;
mod checkout;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod clock_tests;
mod clock_watch;
mod decide_by_hand;
mod deliver;
mod delivery_times;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod entry_tests;
mod erase;
mod expire;
mod export_ledger;
mod find_order;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod goods_tests;
mod highwater;
pub mod import_keys;
mod inbox;
mod known_nodes;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod ledger_tests;
mod letter;
mod list_orders;
mod manage_keys;
mod month_keys;
mod notes;
mod notices;
mod open_shop;
mod outbox;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod people_tests;
mod pictures;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod private_tests;
mod questions;
mod receipt;
mod receipt_check;
mod refund;
mod replace;
mod restore;
mod rotate;
mod rotate_keys;
mod settle;
mod stock;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod tickets;
mod tiles;
mod unread;
mod upgrade;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod upgrade_tests;
mod view_order;
mod wishes;
mod witness;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod witness_tests;

pub use add_product::{ProductChange, ProductError};
pub use admin_log::AdminEntry;
pub use anchors::{AnchorAge, KeptCheckpoint};
pub use audit::{AuditError, Audited};
pub use backup::{
    Aftermath, AftermathOrder, BackupAlarm, BackupError, BackupKeyError, BackupWish,
    Brought as BroughtBackups, DATA_ENDING, FOLDER as BACKUPS_FOLDER, Failed as FailedBackup,
    FolderPlace, Half, Index as BackupIndex, KEYS_ENDING, KeysFrom, LOCAL as LOCAL_BACKUPS,
    Manifest, Place, PlaceError, Placed, Pruned as PrunedBackups, Restoration, Retention,
    SealedCopy, SealedRequest, SealedRestored, Strange as StrangeBackups, StreamError,
    Tell as TellProgress, Verified, Vouched, backup_identity, hash_file, is_sealed, restore_sealed,
    verify_sealed,
};
pub use categories::{CategoryChange, CategoryError, ordered_categories};
pub use certificates::{
    CertificateAlarm, KeptCertificate, Renewal, ServedCertificate, WantedCertificate,
};
pub use chain::{Chain, Latest};
pub use channels::{ChannelError, ChannelSettings};
pub use check_books::{Books, Money as MoneyOfChannel};
pub use checkout::{CheckoutError, CheckoutRequest};
pub use decide_by_hand::HandError;
pub use delivery_times::{DeliveryTime, DeliveryTimes, Times};
pub use erase::{EraseError, Erased};
pub use export_ledger::{ExportError, ExportRequest, ExportSpan, ExportTarget, Exported};
pub use find_order::FindError;
pub use highwater::HighwaterError;
pub use inbox::{Inbox, InboxError, InboxOrder};
pub use letter::{INBOX_LINK_MS, Letter};
pub use list_orders::OrderFilter;
pub use manage_keys::{KeyError, ListedKey};
pub use notices::{RefusedNotice, RefusedNotices};
pub use open_shop::{Founded, Founding, Policy, Shop, ShopError, month_of, what_it_was};
pub use outbox::PendingEffect;
pub use pictures::{PictureError, RenderedPicture, render_logo, render_picture};
pub use questions::{QuestionsError, read_questions, write_questions};
pub use receipt::ReceiptError;
pub use refund::Refunded;
pub use replace::Replaced;
pub use restore::{RestoreError, RestoreRequest, Restored};
pub use rotate::{PreparedRotation, RotateError, Rotated};
pub use rotate_keys::{KeyRotationError, KeyStatus, PoolProgress};
pub use settle::{Claim, SettleError, Settled};
pub use stock::{StockView, stock_of};
pub use tickets::Ticket;
pub use unread::{Stage, UnreadOrder};
pub use upgrade::UpgradeError;
pub use view_order::OrderView;
pub use wishes::WishError;
pub use witness::{CosignatureError, Submission, WitnessPlace, WitnessPlaceError, WitnessState};

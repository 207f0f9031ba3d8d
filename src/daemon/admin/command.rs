//! Commands and the frames of their answers, as they travel between the command line and the daemon.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CommandError, notify::Notify};

/// One command of the merchant. Values are texts as they were typed: they are parsed where they are executed, so that a
/// command means the same on both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// A new product.
    ProductAdd(ProductAdd),
    /// All products with their stock.
    ProductList,
    /// One product.
    ProductShow {
        /// Which.
        slug: String,
    },
    /// Changes what is given.
    ProductSet(ProductSet),
    /// A new category.
    CategoryAdd(CategoryAdd),
    /// All categories with how many products stand in each.
    CategoryList,
    /// Changes what is given.
    CategorySet(CategorySet),
    /// Takes an empty category away.
    CategoryRemove {
        /// Which.
        slug: String,
    },
    /// Reads keys from the body.
    KeyImport(KeyImport),
    /// A product's keys, masked.
    KeyList {
        /// Which product's.
        product: String,
        /// Only those behind this slot.
        after: Option<String>,
        /// How many at most.
        max: usize,
    },
    /// Takes keys off sale for good.
    KeyVoid {
        /// Slots as `BATCH:INDEX`.
        slots: Vec<String>,
        /// The ledger's word for why.
        why: String,
    },
    /// Puts keys that a restore withheld on sale again.
    KeyRelease {
        /// Of which product.
        product: String,
    },
    /// Takes all keys that a restore withheld off sale for good.
    KeyVoidWithheld {
        /// Of which product.
        product: String,
    },
    /// Where the key in the body is.
    KeyFind,
    /// A new channel.
    ChannelAdd(ChannelAdd),
    /// All channels, secrets left out.
    ChannelList,
    /// Asks a channel's provider.
    ChannelTest {
        /// Which.
        name: String,
    },
    /// Takes a channel away.
    ChannelRemove {
        /// Which.
        name: String,
    },
    /// Orders, newest first.
    OrderList {
        /// Only of this state.
        state: Option<String>,
        /// Only made at or after this time.
        since: Option<String>,
        /// Only with money to be returned.
        owed: bool,
        /// How many at most.
        max: usize,
    },
    /// Delivered orders that their buyers, told twice, have not opened, newest first.
    OrderUnread {
        /// How many at most.
        max: usize,
    },
    /// One order, without its keys.
    OrderShow {
        /// Its number.
        order: String,
    },
    /// What a person decided about an order.
    OrderDecide {
        /// Its number.
        order: String,
        /// What.
        decision: Decision,
        /// Why, kept with the order.
        reason: String,
    },
    /// Money was returned: what waited, or with an amount or a reason of the ledger's, money of the sale.
    OrderRefund {
        /// Its number.
        order: String,
        /// How much of the sale, in the order's currency; without it all that is left.
        amount: Option<String>,
        /// The ledger's word for why.
        why: Option<String>,
        /// Why, kept with the order.
        note: String,
    },
    /// Keys of a delivered order are bad: others take their places.
    OrderReplace {
        /// Its number.
        order: String,
        /// Slots as `BATCH:INDEX`.
        slots: Vec<String>,
        /// The ledger's word for why.
        why: String,
        /// Why, kept with the order.
        note: String,
    },
    /// Destroys the private fields of an order.
    LedgerErase {
        /// Its number.
        order: String,
    },
    /// Writes an auditor's nonce.
    LedgerAudit {
        /// The nonce.
        nonce: String,
    },
    /// Changes that an auditor cares about, opened.
    LedgerAdmin {
        /// How many at most, the newest.
        max: usize,
    },
    /// The ledger as files, in frames.
    LedgerExport(LedgerExport),
    /// Anchors the newest checkpoint now.
    LedgerAnchor,
    /// The key that auditors pin.
    LedgerVkey,
    /// The newest signed state.
    LedgerCheckpoint,
    /// Prepares a new log key.
    LedgerPrepareRotation {
        /// Entries ahead.
        ahead: u64,
        /// Drops the one that is prepared.
        anew: bool,
    },
    /// Puts the prepared log key in force.
    LedgerRotate {
        /// The origin key's signature, 128 hex digits.
        signature: String,
    },
    /// How far the replacement of the shop's own keys is.
    SecretStatus,
    /// Replaces the root key.
    SecretRotateRoot,
    /// Replaces the data key of a pool, or of all.
    SecretRotatePool {
        /// Of which product; none is all.
        product: Option<String>,
    },
    /// Providers' notices, newest first, with what became of them.
    NoticeList {
        /// How many at most.
        max: usize,
    },
    /// About mails.
    Notify(Notify),
    /// A sealed backup now.
    BackupCreate {
        /// Whether its files leave in frames too.
        export: bool,
    },
    /// The backups that were verified.
    BackupList,
    /// The key that backups are sealed to.
    BackupKey {
        /// Its public half, `age1…`.
        recipient: String,
    },
    /// What was found after a restore.
    BackupAftermath,
    /// The certificate that is served, and its renewals.
    CertificateShow,
    /// Fetches a new certificate now.
    CertificateRenew,
    /// What is promised to the outside and not delivered yet.
    OutboxList,
    /// Tries again what was given up.
    OutboxRetry,
    /// What is wrong in the shop.
    Doctor,
    /// Marks of the settings that are in force, to compare a file with.
    Settings {
        /// Mixed into each mark, random.
        salt: String,
    },
}

/// See [`Command::ProductAdd`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the flags of `product add`
pub struct ProductAdd {
    pub slug: String,
    pub title: String,
    pub title_en: Option<String>,
    pub price: String,
    pub kind: String,
    pub text: String,
    pub instructions: Option<String>,
    pub scope: Option<String>,
    pub questions: Option<String>,
    pub support: Option<String>,
    pub category: Option<String>,
    pub position: Option<i32>,
    /// Whether the body is its picture.
    pub picture: bool,
    pub hidden: bool,
}

/// See [`Command::ProductSet`]; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the flags of `product set`
pub struct ProductSet {
    pub slug: String,
    pub title: Option<String>,
    pub title_en: Option<String>,
    pub price: Option<String>,
    pub text: Option<String>,
    pub instructions: Option<String>,
    pub scope: Option<String>,
    pub questions: Option<String>,
    pub support: Option<String>,
    pub category: Option<String>,
    pub position: Option<i32>,
    /// True: the body is its picture. False: it has none any more.
    pub picture: Option<bool>,
    pub visible: Option<bool>,
}

/// See [`Command::CategoryAdd`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the flags of `category add`
pub struct CategoryAdd {
    pub slug: String,
    pub title: String,
    pub title_en: Option<String>,
    pub position: Option<i32>,
}

/// See [`Command::CategorySet`]; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the flags of `category set`
pub struct CategorySet {
    pub slug: String,
    pub title: Option<String>,
    pub title_en: Option<String>,
    pub position: Option<i32>,
}

/// See [`Command::KeyImport`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyImport {
    /// Whose keys.
    pub product: String,
    /// Look, count, store nothing.
    pub dry_run: bool,
    /// A regular expression that every whole key matches.
    pub pattern: Option<String>,
    /// The column that holds the keys, by name or number.
    pub column: Option<String>,
    /// `auto`, `txt` or `csv`.
    pub format: String,
    /// Whether the file's name ends in `.csv` or `.tsv`.
    #[serde(default)]
    pub named_table: bool,
    /// Bytes in the body, where they are known, for progress.
    pub bytes: Option<u64>,
}

/// See [`Command::ChannelAdd`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the flags of `channel add`
pub struct ChannelAdd {
    pub name: String,
    pub kind: String,
    pub settings: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, Hidden>,
}

/// See [`Command::LedgerExport`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // the fields are the flags of `ledger export`
pub struct LedgerExport {
    pub from: Option<u64>,
    pub to: Option<u64>,
    pub since: Option<String>,
    pub until: Option<String>,
    pub generation: Option<u16>,
    pub skeleton: bool,
    /// Whether each file's size, also of the largest, is told before it comes.
    pub sizes: bool,
}

/// See [`Command::OrderDecide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Hand the goods out: what no payment on record brought was not paid.
    Deliver,
    /// Hand the goods out: the money was seen by a person.
    DeliverPaid,
    /// The money was, or will be, given back at the provider.
    Refund,
    /// Nothing is sold.
    Cancel,
}

/// A secret on its way to the daemon; it is not shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// One piece of an answer. [`Frame::Done`] or [`Frame::Error`] is the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// How far the command is.
    Progress(Progress),
    /// A file that the command makes begins; the one before is whole.
    FileBegins {
        /// Its path within what is made, with `/`.
        path: String,
        /// How many bytes will come, where that is known.
        bytes: Option<u64>,
    },
    /// The next bytes of a file that the command makes.
    File {
        /// Its path within what is made, with `/`.
        path: String,
        /// Its next bytes.
        #[serde(with = "base64_bytes")]
        bytes: Vec<u8>,
    },
    /// The answer.
    Done(Value),
    /// The refusal.
    Error(CommandError),
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes or entries done.
    pub done: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
}

/// Nobody takes the frames any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command line went away")]
pub struct Gone;

mod base64_bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_back_as_it_was_sent() {
        let secrets = BTreeMap::from([("key".to_owned(), Hidden("hunter2".into()))]);
        let add = ChannelAdd {
            name: "main".into(),
            kind: "epay".into(),
            secrets,
            ..ChannelAdd::default()
        };
        let commands = [
            Command::ProductList,
            Command::KeyFind,
            Command::ChannelAdd(add),
            Command::LedgerExport(LedgerExport {
                since: Some("2026-11-21".into()),
                ..LedgerExport::default()
            }),
            Command::OrderDecide {
                order: "X".into(),
                decision: Decision::Cancel,
                reason: "r".into(),
            },
        ];
        for command in commands {
            let text = serde_json::to_string(&command).unwrap();
            assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
            assert!(!format!("{command:?}").contains("hunter2"));
        }
        let unknown = r#"{"product_show":{"slug":"a","colour":"red"}}"#;
        assert!(serde_json::from_str::<Command>(unknown).is_err());
    }

    #[test]
    fn a_frame_reads_back_as_it_was_sent() {
        let frames = [
            Frame::Progress(Progress {
                done: 1,
                total: None,
            }),
            Frame::FileBegins {
                path: "gen-0/entries.ndjson".into(),
                bytes: Some(3),
            },
            Frame::File {
                path: "gen-0/entries.ndjson".into(),
                bytes: vec![0, 255, 10],
            },
            Frame::Done(serde_json::json!({"a": 1})),
            Frame::Error(CommandError::new("unknown_product", "no such product")),
        ];
        for frame in frames {
            let text = serde_json::to_string(&frame).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<Frame>(&text).unwrap(), frame);
        }
    }
}

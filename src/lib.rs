//! Keystall (钥铺): an automatic shop for digital goods in one daemon.
//!
//! # The map
//!
//! Rooms in the order in which they may know each other; `tests/architecture.rs` holds the rule.
//!
//! | room | owns |
//! |---|---|
//! | [`limits`] | every numeric bound of the product, with its reason |
//! | [`domain`] | the shop as plain data and decisions; no I/O, clock or randomness |
//! | [`ledger`] | the receipt ledger, format 1, as pure functions; with `domain` all that `keystall-verify` is built from |
//! | `vault` | secrets: the root key, sealed rows, order links, passwords; knows bytes, never orders |
//! | `store` | the redb file, its records, the one writer; the only room that knows redb and bincode |
//! | `actions` | the use cases, one file per verb; the only room where store, ledger and vault meet |
//! | `words` | languages and their texts, money and times as people read them, merchants' Markdown made safe |
//! | `net` | sockets, TLS, the accept loop, the one outbound client |
//! | `pay` | payment channels: one folder per provider, and the desk where every notice is decided by one rule |
//! | `notify` | the outbox worker: webhook and mail, a lane for each; mails and their texts |
//! | `anchor` | checkpoints fixed outside: time stamps, a git repository, and when each is due |
//! | `web` | the shop's pages and the callback endpoint; the only room, beside the sandbox, that knows axum and askama |
//! | `cashier` | the demo's sandbox gateway; shares no code with `pay` |
//! | `config` | one strict table of settings |
//! | `daemon` | the composition root: builds everything, schedule, signals, admin socket, telemetry |
//! | `cli` | one file or folder per noun of the command line |
//! | `testing` | clock, entropy and shops for tests (feature `testing`) |
//! | `bin/keystall-verify` | the auditor's tool, built without the daemon |
//!
//! # The walk of one purchase
//!
//! 1. `net::serve` accepts, makes TLS, and hands a request to `web::router`; its middleware gives it an id, the client's address,
//!    security headers, and refuses foreign posts.
//! 2. `web::shop::checkout` parses the form into domain types, acts, renders: always in this order.
//! 3. `actions::Shop::checkout` reserves slots and puts the order, in one closure given to `store::Store::write`.
//! 4. The buyer pays. `web::callback` hands the raw bytes to `pay::desk`, which verifies first and parses second.
//! 5. `actions::Shop::settle` opens and seals beside the writer what a payment of the price needs, which counts only while the order
//!    is unchanged; it decides with `domain::settlement` and does, in one transaction, all that follows: takes the keys,
//!    appends the `sale` to the ledger, keeps the notice, promises what the merchant is told.
//! 6. The writer commits that together with whatever else waited, then signs the checkpoint, and only then the provider gets its
//!    `success`.
//! 7. `notify` delivers what was promised, by webhook and by mail; the order's page, which listened, shows the key; its receipt is a
//!    download. Who does not open the page is told again, and after an hour a person is.

pub mod domain;
pub mod ledger;
pub mod limits;

#[cfg(feature = "daemon")]
pub mod actions;
#[cfg(feature = "daemon")]
pub mod anchor;
#[cfg(feature = "daemon")]
pub mod cashier;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod net;
#[cfg(feature = "daemon")]
pub mod notify;
#[cfg(feature = "daemon")]
pub mod pay;
#[cfg(feature = "daemon")]
pub mod store;
#[cfg(all(feature = "daemon", any(test, feature = "testing")))]
pub mod testing;
#[cfg(feature = "daemon")]
pub mod vault;
#[cfg(feature = "daemon")]
pub mod web;
#[cfg(feature = "daemon")]
pub mod words;

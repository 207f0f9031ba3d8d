//! Keystall (钥铺): an automatic shop for digital goods in one daemon.
pub mod limits;
pub mod domain;
pub mod ledger;
#[cfg(feature = "daemon")]
pub mod cashier;
#[cfg(feature = "daemon")]
pub mod pay;
// Until `actions` exists: the readers of merchants' files are tested from here.
#[cfg(all(test, feature = "daemon"))]
#[path = "actions/import_keys/decode/mod.rs"]
#[allow(dead_code, unused_imports)]
mod import_keys_decode;

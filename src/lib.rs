//! Keystall (钥铺): an automatic shop for digital goods in one daemon.
#[cfg(feature = "daemon")]
pub mod actions;
#[cfg(feature = "daemon")]
pub mod cashier;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
pub mod domain;
pub mod ledger;
pub mod limits;
#[cfg(feature = "daemon")]
pub mod net;
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

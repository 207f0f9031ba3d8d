//! Keystall (钥铺): an automatic shop for digital goods in one daemon.
pub mod limits;
pub mod domain;
pub mod ledger;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod net;
#[cfg(feature = "daemon")]
pub mod daemon;

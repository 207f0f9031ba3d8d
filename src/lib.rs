//! Keystall (钥铺): an automatic shop for digital goods in one daemon.
pub mod ledger;

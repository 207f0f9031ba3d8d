//! The storefront's handlers, one file for each noun or verb.

pub(super) mod category;
pub(super) mod checkout;
pub(super) mod events;
pub(super) mod find;
pub(super) mod inbox;
pub(super) mod link_code;
pub(super) mod order;
pub(super) mod pay;
pub(super) mod picture;
pub(super) mod product;
mod search;
pub(super) mod sheets;
pub(super) mod slip;
pub(super) mod terms;
pub(super) mod window;
pub(super) mod wish;

/// Remembers the last order of a browser, so that the buyer who comes back from paying finds it: its value is the secret of the
/// order's link.
pub(super) const ORDER_COOKIE: &str = "__Host-order";

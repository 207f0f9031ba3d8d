//! Certificates from an authority that speaks ACME (RFC 8555): for host names, and for addresses (RFC 8738).
//!
//! Owns the protocol, the answers to challenges while they are awaited ([`Board`]), and what authorities say about when to renew
//! (RFC 9773). It is the only module that knows instant-acme; requests go out through the one outbound client.
//!
//! It keeps nothing: accounts and certificates come and go as bytes. It never decides when a certificate is ordered, and never
//! tries again by itself.

mod authority;
mod board;
mod error;
mod http;
mod renewal_info;

pub use authority::{Authority, Issued, Method, Profile, Wanted};
pub use board::{Board, Posted};
pub use error::{AcmeError, AcmeErrorKind};
pub use renewal_info::RenewalInfo;

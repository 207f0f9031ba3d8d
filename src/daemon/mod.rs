//! The composition root: settings, shop, sockets, schedule and signals become a daemon here, and nowhere else.
//!
//! Owns the order in which things start and end, the schedule, the commands of the merchant ([`admin`]), the demo, and what
//! the daemon tells about itself ([`telemetry`]).
//!
//! It decides nothing about an order, a payment or a page; it never creates a shop except the demo's; and it never logs a
//! command's body.

pub mod admin;
mod anchors;
mod backups;
mod certificates;
mod clock;
pub mod demo;
mod front;
mod guard;
mod health;
mod open;
mod post;
mod schedule;
mod serve;
mod signals;
mod storage;
mod systemd;
pub mod telemetry;
mod witness;

pub use crate::web::view::Mode;
pub use certificates::CertificateSetup;
pub use clock::SystemClock;
pub use guard::Space;
pub use open::{admin_socket, open_shop, options, policy};
pub use post::{check_mail, reach_mail};
pub use serve::{Plan, ServeError, Served, serve};
pub use signals::{End, Ending};
pub use storage::bucket;
pub use witness::Contradiction;

//! The web room: what browsers, providers and scripts meet over HTTP.
//!
//! It owns the routes ([`router`], one table), what every request passes (`middleware`), the handlers (`shop`, `callback`,
//! `ledger`, `tiles`, `health`, `files`, `brand`), the pages (`view`) and the files they load (`assets`). It is the only module that knows axum,
//! askama, Fluent and Markdown. Handlers parse, act, render: always these three, in this order. What goes wrong is a
//! [`view::Problem`], and one place turns it into a page or into JSON.
//!
//! # Threats and answers
//! A form sent from another site is refused by its `Origin` (`middleware::origin`). A page that was injected into has no
//! script to run and nowhere to send to: the policy is on every answer, errors too (`middleware::headers`). What a client says
//! about its address, host or scheme counts only through a trusted proxy, and absolute links come from the settings alone.
//! A guessed link of an order is told nothing (`shop::order`). Bodies, times and the number of requests are bounded,
//! in all and for each client; look-ups by password are slowed down (`limiter`).
//!
//! It never decides about money or stock, and it never writes to the store: it parses, asks `actions`, and renders.

mod answer;
pub mod assets;
pub mod brand;
mod callback;
mod challenge;
mod desk;
mod files;
mod form;
mod health;
mod ledger;
mod limiter;
mod middleware;
mod router;
mod shop;
mod state;
#[cfg(test)]
mod tests;
mod tiles;
pub mod view;
mod visit;

pub use desk::{PaymentDesk, PaymentUnavailable};
pub use router::router;
pub use state::{Hsts, Observer, WebSettings, WebState};

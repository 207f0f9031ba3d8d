//! The pages of the shop, as plain structs that render to HTML.
//!
//! A handler fills a page struct with typed values and calls `render`. Texts come from the Fluent
//! files in `assets/locales`, layout from `assets/templates`. Everything is escaped, except what
//! [`safe_html`] and the QR drawing made.
//!
//! No page carries inline script or style, loads anything from elsewhere, or needs JavaScript.
//! This module never reads the store, the clock or the request.

pub mod error;
pub mod field_error;
pub mod find;
pub mod frame;
mod help;
pub mod inbox;
#[cfg(test)]
mod lint;
pub mod order;
mod order_texts;
pub mod picture;
pub mod product;
#[cfg(test)]
mod samples;
pub mod slip;
#[cfg(test)]
mod stories;
pub mod terms;
pub mod verify;
pub mod window;

pub use crate::words::{Language, SafeHtml, Texts, safe_html, theme::Rgb};
use crate::words::{format, language, qr};
pub use error::{ErrorPage, Problem};
pub use field_error::{Field, FieldError};
pub use find::FindPage;
pub use frame::{Frame, Mode};
pub use inbox::{InboxOrder, InboxPage};
pub use order::{Message, MessageKind, OrderPage, Reason, ReceiptLine, State};
pub use picture::Picture;
pub use product::{ChannelOption, ProductPage, Question, Typed, Wish};
pub use slip::SlipPage;
pub use terms::TermsPage;
pub use verify::{LaterKey, LogKeys, SavedVerifier, VerifyPage};
pub use window::{CategoryLink, Delivery, ProductLine, Stock, WindowPage};

/// A template could not be rendered: a defect of this program, answered with 500.
#[derive(Debug, thiserror::Error)]
#[error("a page could not be rendered: {0}")]
pub struct RenderError(#[from] askama::Error);

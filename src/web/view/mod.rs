//! The pages of the shop, as plain structs that render to HTML.
//!
//! A handler fills a page struct with typed values and calls `render`. Texts come from the Fluent
//! files in `assets/locales`, layout from `assets/templates`. Everything is escaped, except what
//! [`markdown::safe_html`] and the QR drawing made.
//!
//! No page carries inline script or style, loads anything from elsewhere, or needs JavaScript.
//! This module never reads the store, the clock or the request.

pub mod error;
pub mod find;
pub mod format;
pub mod frame;
pub mod i18n;
#[cfg(test)]
mod lint;
pub mod markdown;
pub mod order;
mod order_texts;
pub mod product;
pub mod qr;
#[cfg(test)]
mod samples;
pub mod verify;
pub mod window;

pub use error::{ErrorPage, Problem};
pub use find::FindPage;
pub use frame::{Frame, Mode};
pub use i18n::Language;
pub use markdown::{SafeHtml, Texts, safe_html};
pub use order::{OrderPage, Reason, ReceiptLine, State};
pub use product::{ChannelOption, FieldError, ProductPage, Typed};
pub use verify::VerifyPage;
pub use window::{Delivery, ProductLine, Stock, WindowPage};

/// A template could not be rendered: a defect of this program, answered with 500.
#[derive(Debug, thiserror::Error)]
#[error("a page could not be rendered: {0}")]
pub struct RenderError(#[from] askama::Error);

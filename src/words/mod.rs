//! Words for people: languages and their texts, money and times as people read them, merchants' Markdown made safe, QR drawings.
//!
//! Owns the Fluent files in `assets/locales`, one folder for each language: adding a folder adds a language. Pages and mails
//! take their words from here, so that both say the same.
//!
//! Threats: a merchant's text that carries code or turns a page around ([`markdown`], [`format::plain`]).
//!
//! It never reads the store, the clock or a request, and knows no page and no mail.

pub mod format;
pub mod language;
pub mod markdown;
pub mod qr;
pub mod theme;

pub use language::Language;
pub use markdown::{SafeHtml, Texts, safe_html};

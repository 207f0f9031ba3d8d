//! The web room: what browsers, providers and scripts meet over HTTP.
//!
//! It owns the pages (`view`) and the files they load (`assets`). It is the only module that knows
//! askama, Fluent and Markdown.
//!
//! It never decides about money or stock, and it never writes to the store: it parses, asks
//! `actions`, and renders.

pub mod assets;
pub mod view;

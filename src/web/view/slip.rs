//! The receipt on one sheet of paper: what a buyer files, with the way back to the receipt's file as a QR code.

use askama::Template;

use super::{
    Frame, LogKeys, ReceiptLine, RenderError,
    format::{self, Time, plain},
    frame::Chrome,
    language::Language,
    qr,
};
use crate::domain::{Money, OrderId, Secret};
use crate::web::assets;

/// `GET /o/SECRET/slip`.
pub struct SlipPage {
    /// What all pages share.
    pub frame: Frame,
    /// The secret of the order's link.
    pub link_secret: Secret,
    /// Its number.
    pub number: OrderId,
    /// What was sold, as it was called.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// Its price.
    pub total: Money,
    /// What was paid for it, where that is less.
    pub received: Option<Money>,
    /// When it was handed out, Unix milliseconds.
    pub delivered_at_ms: i64,
    /// What the receipt proves.
    pub receipt: ReceiptLine,
    /// The log's verifier keys.
    pub keys: LogKeys,
}

impl SlipPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let path = format!("/o/{}", self.link_secret.expose_str().unwrap_or_default());
        let link = self.frame.link(&format!("{path}/receipt"));
        let shown = Shown {
            t: self.frame.language,
            c: self.frame.chrome(),
            css: assets::url("slip.css"),
            number: self.number.to_string(),
            title: plain(&self.title),
            quantity: self.quantity,
            total: format::money(self.total, self.frame.language),
            received: self
                .received
                .map(|money| format::money(money, self.frame.language)),
            delivered: format::time(self.delivered_at_ms, &self.frame.zone),
            receipt: &self.receipt,
            keys: self.keys.plain(),
            verify: self.frame.link("/verify"),
            qr: qr::svg(&link),
            path,
            link,
        };
        Ok(shown.render()?)
    }
}

#[derive(Template)]
#[template(path = "slip.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    css: &'static str,
    number: String,
    title: String,
    quantity: u32,
    total: String,
    received: Option<String>,
    delivered: Time,
    receipt: &'a ReceiptLine,
    keys: LogKeys,
    verify: String,
    qr: Option<String>,
    path: String,
    link: String,
}

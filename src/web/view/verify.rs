//! How a receipt or a ledger is checked: in this page, with a saved copy of it, or on the command line.

use askama::Template;

use super::{Frame, RenderError, format::plain, frame::Chrome, language::Language};
use crate::web::assets;

/// `GET /verify`.
pub struct VerifyPage {
    /// What all pages share.
    pub frame: Frame,
    /// The log's verifier key, as `keystall ledger vkey` prints it.
    pub vkey: String,
    /// The verifier to keep.
    pub saved: SavedVerifier,
}

/// The verifier as one file.
#[derive(Clone, Debug)]
pub struct SavedVerifier {
    /// 64 hex digits.
    pub sha256: String,
    /// Its size.
    pub bytes: u32,
}

impl VerifyPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let shown = Shown {
            t: self.frame.language,
            c: self.frame.chrome(),
            vkey: plain(&self.vkey),
            checkpoint: self.frame.link("/ledger/checkpoint"),
            sha256: &self.saved.sha256,
            kib: self.saved.bytes.div_ceil(1024),
            script: assets::url("verify.js"),
            css: assets::url("verify.css"),
        };
        Ok(shown.render()?)
    }
}

#[derive(Template)]
#[template(path = "verify.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    vkey: String,
    checkpoint: String,
    sha256: &'a str,
    kib: u32,
    script: &'static str,
    css: &'static str,
}

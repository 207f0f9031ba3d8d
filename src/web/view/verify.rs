//! How a receipt is checked.

use askama::Template;

use super::{Frame, RenderError, format::plain, frame::Chrome, language::Language};

/// `GET /verify`.
pub struct VerifyPage {
    /// What all pages share.
    pub frame: Frame,
    /// The log's verifier key, as `keystall ledger vkey` prints it.
    pub vkey: String,
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
        };
        Ok(shown.render()?)
    }
}

#[derive(Template)]
#[template(path = "verify.html")]
struct Shown {
    t: Language,
    c: Chrome,
    vkey: String,
    checkpoint: String,
}

//! The merchant's terms.

use askama::Template;

use super::{Frame, RenderError, SafeHtml, frame::Chrome, language::Language};

/// `GET /terms`.
pub struct TermsPage {
    /// What all pages share.
    pub frame: Frame,
    /// The merchant's text, by [`super::safe_html`].
    pub text: SafeHtml,
}

impl TermsPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let shown = Shown {
            t: self.frame.language,
            c: self.frame.chrome(),
            text: &self.text,
        };
        Ok(shown.render()?)
    }
}

#[derive(Template)]
#[template(path = "terms.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    text: &'a SafeHtml,
}

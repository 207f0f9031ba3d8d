//! Finding an order again.

use askama::Template;

use super::{Frame, RenderError, frame::Chrome, language::Language};
use crate::limits;

/// `GET /find`, and the answer 422 to a `POST /find` that found nothing.
pub struct FindPage {
    /// What all pages share.
    pub frame: Frame,
    /// Field `order` as it was typed; empty at first.
    pub order: String,
    /// Whether nothing was found: one message for an unknown order and for a wrong password.
    pub failed: bool,
}

impl FindPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let shown = Shown {
            t: self.frame.language,
            c: self.frame.chrome(),
            order: &self.order,
            failed: self.failed,
            password_max: limits::PASSWORD_BYTES_MAX,
        };
        Ok(shown.render()?)
    }
}

#[derive(Template)]
#[template(path = "find.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    order: &'a str,
    failed: bool,
    password_max: usize,
}

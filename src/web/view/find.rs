//! Finding an order again.

use askama::Template;

use super::{FieldError, Frame, RenderError, frame::Chrome, language::Language};
use crate::limits;

/// `GET /find`, the answer 422 to a `POST /find` that found nothing, and the answers to
/// `POST /find/contact`.
pub struct FindPage {
    /// What all pages share.
    pub frame: Frame,
    /// Field `order` as it was typed; empty at first.
    pub order: String,
    /// Whether nothing was found: one message for an unknown order and for a wrong password.
    pub failed: bool,
    /// Whether the shop can mail a link: without it that form is not shown.
    pub by_mail: bool,
    /// Whether a link was asked for. The page is then the same for known and unknown addresses.
    pub sent: bool,
    /// Field `contact` of the second form as it was typed.
    pub contact: String,
    /// Why the second form was refused.
    pub contact_error: Option<FieldError>,
}

impl FindPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let t = self.frame.language;
        let shown = Shown {
            t,
            c: Chrome {
                here: "/find".to_owned(),
                ..self.frame.chrome()
            },
            order: &self.order,
            failed: self.failed,
            password_max: limits::PASSWORD_BYTES_MAX,
            by_mail: self.by_mail,
            sent: self.sent,
            contact: &self.contact,
            contact_max: limits::CONTACT_BYTES_MAX,
            contact_error: self
                .contact_error
                .map(|error| error.text(t, &self.frame.zone)),
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
    by_mail: bool,
    sent: bool,
    contact: &'a str,
    contact_max: usize,
    contact_error: Option<String>,
}

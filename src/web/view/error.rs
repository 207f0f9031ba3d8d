//! What a refused request is told, and what to do next.

use askama::Template;

use super::{
    Frame, RenderError,
    frame::Chrome,
    language::{Language, id},
};

/// The answer to a request that was refused or failed.
pub struct ErrorPage {
    /// What all pages share.
    pub frame: Frame,
    /// What happened.
    pub problem: Problem,
    /// The request's id, to be told to support.
    pub request: Option<String>,
}

/// Why a request was refused or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 404; also for an order's link that is wrong.
    NotFound,
    /// 403: a form sent from another site.
    ForeignOrigin,
    /// 403: a form sent in the clear to a shop that has TLS.
    Unencrypted,
    /// 400: sent by a proxy that encrypts, which the shop does not know as one.
    UnknownProxy,
    /// 405
    MethodNotAllowed,
    /// 413
    TooLarge,
    /// 422: a form that is no form of this shop.
    Unreadable,
    /// 429
    TooMany {
        /// After how long it may be tried again, seconds.
        retry_s: u32,
    },
    /// 500
    Internal,
    /// 503: too much at once.
    Busy,
    /// 503: nothing can be written at the moment.
    ReadOnly,
    /// 503: the payment provider could not be reached.
    ProviderDown,
    /// 410: the receipt of an order whose private part was erased.
    Erased,
    /// 404: the mailed link to an inbox is over or wrong.
    LinkOld,
}

impl Problem {
    /// All problems.
    pub const ALL: [Self; 14] = [
        Self::NotFound,
        Self::ForeignOrigin,
        Self::Unencrypted,
        Self::UnknownProxy,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::Unreadable,
        Self::TooMany { retry_s: 60 },
        Self::Internal,
        Self::Busy,
        Self::ReadOnly,
        Self::ProviderDown,
        Self::Erased,
        Self::LinkOld,
    ];

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::NotFound | Self::LinkOld => 404,
            Self::ForeignOrigin | Self::Unencrypted => 403,
            Self::UnknownProxy => 400,
            Self::MethodNotAllowed => 405,
            Self::Erased => 410,
            Self::TooLarge => 413,
            Self::Unreadable => 422,
            Self::TooMany { .. } => 429,
            Self::Internal => 500,
            Self::Busy | Self::ReadOnly | Self::ProviderDown => 503,
        }
    }

    /// `code` of a JSON error.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::ForeignOrigin => "foreign_origin",
            Self::Unencrypted => "unencrypted",
            Self::UnknownProxy => "unknown_proxy",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::TooMany { .. } => "too_many",
            Self::Internal => "internal",
            Self::Busy => "busy",
            Self::ReadOnly => "read_only",
            Self::ProviderDown => "provider_down",
            Self::Erased => "erased",
            Self::LinkOld => "link_old",
        }
    }

    /// What happened, in a few words.
    pub fn title(self, t: Language) -> String {
        t.text(match self {
            Self::NotFound => id("problem-not-found"),
            Self::ForeignOrigin => id("problem-foreign-origin"),
            Self::Unencrypted => id("problem-unencrypted"),
            Self::UnknownProxy => id("problem-unknown-proxy"),
            Self::MethodNotAllowed => id("problem-method"),
            Self::TooLarge => id("problem-too-large"),
            Self::Unreadable => id("problem-unreadable"),
            Self::TooMany { .. } => id("problem-too-many"),
            Self::Internal => id("problem-internal"),
            Self::Busy => id("problem-busy"),
            Self::ReadOnly => id("problem-read-only"),
            Self::ProviderDown => id("problem-provider-down"),
            Self::Erased => id("problem-erased"),
            Self::LinkOld => id("problem-link-old"),
        })
    }

    /// What to do next; also `message` of a JSON error.
    pub fn next_step(self, t: Language) -> String {
        t.text(match self {
            Self::NotFound => id("problem-not-found-next"),
            Self::ForeignOrigin => id("problem-foreign-origin-next"),
            Self::Unencrypted => id("problem-unencrypted-next"),
            Self::UnknownProxy => id("problem-unknown-proxy-next"),
            Self::MethodNotAllowed => id("problem-method-next"),
            Self::TooLarge => id("problem-too-large-next"),
            Self::Unreadable => id("problem-unreadable-next"),
            Self::TooMany { .. } => id("problem-too-many-next"),
            Self::Internal => id("problem-internal-next"),
            Self::Busy => id("problem-busy-next"),
            Self::ReadOnly => id("problem-read-only-next"),
            Self::ProviderDown => id("problem-provider-down-next"),
            Self::Erased => id("problem-erased-next"),
            Self::LinkOld => id("problem-link-old-next"),
        })
    }
}

impl ErrorPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let t = self.frame.language;
        let shown = Shown {
            t,
            c: self.frame.chrome(),
            status: self.problem.status(),
            title: self.problem.title(t),
            next_step: self.problem.next_step(t),
            ask: self.problem == Problem::LinkOld,
            request: self.request.as_deref(),
        };
        Ok(shown.render()?)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    status: u16,
    title: String,
    next_step: String,
    ask: bool,
    request: Option<&'a str>,
}

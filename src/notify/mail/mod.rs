//! Mail: texts, messages and the way to the server.

mod kind;
mod message;
mod smtp;
mod template;
mod texts;
mod written;

pub use kind::{MailKind, NAMES, Placeholder};
pub use message::{Attached, Built, Draft, MessageError, Sender};
pub use smtp::{Mailer, Refusal, Smtp, SmtpConfig, SmtpSetup, SmtpTls, Step};
pub use template::{BODY_BYTES_MAX, SUBJECT_BYTES_MAX, Template, TemplateError, split};
pub use texts::{own_template, own_text};
pub use written::{Frame, Values, Written, write};

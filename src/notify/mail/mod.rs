//! Mail: texts, messages and the way to the server.
//!
//! Owns which mails there are ([`MailKind`]), what their texts may name ([`Template`]), how a promise becomes a message
//! ([`compose`]) and how a message reaches the server ([`Smtp`]).
//!
//! Threats: a title, a contact or a merchant's text that makes a header, a recipient or markup of its own (fixed
//! placeholders, one line for one header, every byte checked before it leaves), a server that answers with private data
//! (addresses are taken out of what is kept), a server that is down or slow (time is bounded, promises wait).
//!
//! It never loads anything into a mail from outside, never sends one in the clear beyond this machine, and never decides
//! whether a promise is kept: the worker does.

mod alarm;
mod bare;
mod compose;
mod kind;
mod message;
mod preview;
mod smtp;
mod template;
mod texts;
mod written;

pub use alarm::{Alarmed, alarm_mail};
pub use compose::{ComposeError, MailPolicy, NOT_TOLD_AT, compose, text_of};
pub use kind::{MailKind, NAMES, Placeholder};
pub use message::{Attached, Built, Draft, MessageError, Sender};
pub use preview::{preview, test_mail};
pub use smtp::{Mailer, Refusal, Smtp, SmtpConfig, SmtpSetup, SmtpTls, Step};
pub use template::{BODY_BYTES_MAX, SUBJECT_BYTES_MAX, Template, TemplateError, split};
pub use texts::{own_template, own_text};
pub use written::{Frame, Values, Written, write};

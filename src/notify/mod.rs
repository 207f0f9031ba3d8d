//! Telling buyers and the merchant: what was promised in the outbox is delivered here, at least once, after the commit that
//! promised it.
//!
//! Owns the worker ([`Worker`]), alarms about the machine, which do not go through the outbox ([`Alarms`]), the form of the shop's own webhooks (`webhook`, Standard Webhooks), mails ([`mail`]), and the
//! look at what the sender's domain says of itself ([`sender`]).
//!
//! Threats: a receiver that is down, slow or hostile (time, size and addresses are bounded by the one outbound client, redirects
//! are failures), a forged call to the receiver (signature with a time), a repetition (the same id in every attempt).
//!
//! It never sends a contact or a payment's raw data, never a key but to its buyer and only where the merchant says so, never
//! decides about an order, and never forgets a promise: one that cannot be kept stays in the outbox for a person.

mod alarm;
pub mod mail;
pub mod sender;
mod webhook;
mod worker;

pub use alarm::{Alarm, Alarms};
pub use webhook::{Event, SignedCall, WebhookConfig, WebhookConfigError};
pub use worker::{Observe, Outcome, Post, WebhookSender, Worker};

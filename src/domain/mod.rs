//! The shop as plain data and decisions: money, names, products, stock, orders, payments.
//!
//! Owns the words of the trade and what follows from them: which amount settles an order, what a late payment becomes, how many
//! slots one network may hold. Everything here is a value or a function of values.
//!
//! Never does I/O, reads a clock, draws randomness, or knows async. Never holds prose: reasons are codes that the pages translate.

pub mod address;
pub mod anchor;
pub mod contact;
pub mod effect;
pub mod entry_at;
pub mod git_remote;
pub mod moment;
pub mod money;
pub mod names;
pub mod notice;
pub mod order;
pub mod product;
pub mod renewal;
pub mod seams;
pub mod secret;
pub mod settlement;
pub mod slot;

pub use address::{AddressPrefix, HostPrefix};
pub use anchor::AnchorKind;
pub use contact::Contact;
pub use effect::{Effect, EffectKind, Tell, Via};
pub use entry_at::EntryAt;
pub use git_remote::{GitRemote, GitRemoteError};
pub use money::{Amount, Currency, Money};
pub use names::{ChannelName, OrderId, Slug};
pub use notice::{Notice, Verdict};
pub use order::{
    AfterSale, Holder, Order, OrderState, Payment, PaymentOutcome, Reason, Refund, Replacement,
};
pub use product::{Category, Picture, Product, ProductKind, Question};
pub use seams::{Clock, Entropy};
pub use secret::Secret;
pub use slot::{Pool, SlotRef, Span};

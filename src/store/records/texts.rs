//! Texts that a merchant wrote over the shop's own.

use bincode::{Decode, Encode};

use crate::store::codec::Record;

/// A message's text in one language.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Template {
    /// The subject, one line.
    pub subject: String,
    /// The body.
    pub body: String,
}

impl Record for Template {
    const VERSION: u8 = 1;
}

//! Why a form was refused, at which field, and what to do.

use jiff::tz::TimeZone;

use super::{
    format,
    language::{Language, id},
};
use crate::{domain::contact::ContactError, limits};

/// A field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `quantity`
    Quantity,
    /// `contact`
    Contact,
    /// `second`
    Second,
    /// `password`
    Password,
    /// `channel`
    Channel,
    /// The form as a whole.
    Form,
}

/// Why a form was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// No contact.
    ContactEmpty,
    /// Neither mail address nor phone number.
    ContactForm,
    /// The second contact is neither mail address nor phone number, or is the first one again.
    SecondForm,
    /// No mail address where only a mail can answer: a wish, or a link asked for.
    MailNeeded,
    /// As many wish for the product as the shop keeps.
    WishesFull,
    /// Not a whole number from 1.
    QuantityForm,
    /// More than one order may take.
    QuantityTooMany {
        /// Most that it may.
        max: u32,
    },
    /// Less is there.
    NotEnoughStock {
        /// What is there.
        left: u32,
    },
    /// Nothing is there.
    SoldOut,
    /// Not a channel of this shop, or one that is closed, or none.
    ChannelUnknown,
    /// Longer than [`limits::PASSWORD_BYTES_MAX`].
    PasswordTooLong,
    /// One was typed, and the form comes back for another reason: it is never sent back.
    PasswordAgain,
    /// This contact has as many unpaid orders as it may.
    TooManyOfContact {
        /// Most that it may have.
        max: u32,
    },
    /// So has this address.
    TooManyOfAddress {
        /// Most that it may have.
        max: u32,
    },
    /// Unpaid orders hold all that is left.
    AllHeld {
        /// When the first such order ends, Unix milliseconds.
        free_again_at_ms: Option<i64>,
    },
    /// This network may hold fewer unpaid than were asked for.
    NetworkShare {
        /// How many more it may.
        allowed: u32,
    },
    /// This network holds its share of the stock unpaid.
    NetworkFull,
    /// The shop cannot take the order right now.
    Busy,
}

impl FieldError {
    /// Where the error is shown.
    pub fn field(&self) -> Field {
        match self {
            Self::ContactEmpty | Self::ContactForm | Self::MailNeeded => Field::Contact,
            Self::SecondForm => Field::Second,
            Self::QuantityForm
            | Self::QuantityTooMany { .. }
            | Self::NotEnoughStock { .. }
            | Self::NetworkShare { .. } => Field::Quantity,
            Self::ChannelUnknown => Field::Channel,
            Self::PasswordTooLong | Self::PasswordAgain => Field::Password,
            Self::TooManyOfContact { .. }
            | Self::TooManyOfAddress { .. }
            | Self::AllHeld { .. }
            | Self::NetworkFull
            | Self::SoldOut
            | Self::WishesFull
            | Self::Busy => Field::Form,
        }
    }

    /// What it says, with what to do.
    pub fn text(&self, t: Language, zone: &TimeZone) -> String {
        match *self {
            Self::ContactEmpty => t.text(id("error-contact-empty")),
            Self::ContactForm => t.text(id("error-contact-form")),
            Self::SecondForm => t.text(id("error-second-form")),
            Self::MailNeeded => t.text(id("error-mail-needed")),
            Self::WishesFull => t.text(id("error-wishes-full")),
            Self::QuantityForm => t.text(id("error-quantity-form")),
            Self::QuantityTooMany { max } => t
                .with(id("error-quantity-too-many"))
                .num("max", max)
                .to_string(),
            Self::NotEnoughStock { left } => {
                t.with(id("error-stock-left")).num("left", left).to_string()
            }
            Self::SoldOut => t.text(id("error-sold-out")),
            Self::ChannelUnknown => t.text(id("error-channel")),
            Self::PasswordTooLong => t
                .with(id("error-password-long"))
                .num("max", limits::PASSWORD_BYTES_MAX as i64)
                .to_string(),
            Self::PasswordAgain => t.text(id("error-password-again")),
            Self::TooManyOfContact { max } => {
                t.with(id("error-open-contact")).num("max", max).to_string()
            }
            Self::TooManyOfAddress { max } => {
                t.with(id("error-open-address")).num("max", max).to_string()
            }
            Self::NetworkShare { allowed } => t
                .with(id("error-network-share"))
                .num("max", allowed)
                .to_string(),
            Self::NetworkFull => t.text(id("error-network-full")),
            Self::AllHeld {
                free_again_at_ms: Some(at_ms),
            } => t
                .with(id("error-held-until"))
                .str("time", format::time(at_ms, zone).shown)
                .to_string(),
            Self::AllHeld {
                free_again_at_ms: None,
            } => t.text(id("error-held")),
            Self::Busy => t.text(id("error-busy")),
        }
    }
}

impl From<ContactError> for FieldError {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::Empty => Self::ContactEmpty,
            ContactError::Form => Self::ContactForm,
        }
    }
}

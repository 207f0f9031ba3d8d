//! A product's page and its order form.

use askama::Template;
use jiff::tz::TimeZone;

use super::{
    Delivery, Frame, RenderError, SafeHtml, Stock,
    format::{self, Time, plain},
    frame::Chrome,
    language::{Language, id},
};
use crate::{
    domain::{
        contact::ContactError,
        money::Money,
        names::{ChannelName, Slug},
    },
    limits,
};

/// `GET /p/SLUG`, and the answer 422 to a refused `POST /p/SLUG`.
pub struct ProductPage {
    /// What all pages share.
    pub frame: Frame,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its title in the visitor's language.
    pub title: String,
    /// Price of one.
    pub price: Money,
    /// What can be bought now.
    pub stock: Stock,
    /// How soon it comes.
    pub delivery: Delivery,
    /// The merchant's text, by [`super::safe_html`].
    pub text: SafeHtml,
    /// Most that one order may take now, at least 1.
    pub quantity_max: u32,
    /// How long an unpaid order holds its goods, minutes.
    pub hold_minutes: u32,
    /// Where it can be paid, in the order of display.
    pub channels: Vec<ChannelOption>,
    /// What the buyer typed, where the form was refused; else the default.
    pub typed: Typed,
    /// Why the form was refused.
    pub errors: Vec<FieldError>,
}

/// A channel to choose.
pub struct ChannelOption {
    /// The value sent.
    pub name: ChannelName,
    /// What buyers call it: `支付宝`.
    pub title: String,
}

/// What a buyer typed, as it came. A password is never sent back.
#[derive(Clone, Default)]
pub struct Typed {
    /// Field `quantity`; empty shows 1.
    pub quantity: String,
    /// Field `contact`.
    pub contact: String,
    /// Field `channel`; none known chooses the first.
    pub channel: String,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `quantity`
    Quantity,
    /// `contact`
    Contact,
    /// `password`
    Password,
    /// `channel`
    Channel,
    /// The form as a whole.
    Form,
}

/// Why an order form was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// No contact.
    ContactEmpty,
    /// Neither mail address nor phone number.
    ContactForm,
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
            Self::ContactEmpty | Self::ContactForm => Field::Contact,
            Self::QuantityForm
            | Self::QuantityTooMany { .. }
            | Self::NotEnoughStock { .. }
            | Self::NetworkShare { .. } => Field::Quantity,
            Self::ChannelUnknown => Field::Channel,
            Self::PasswordTooLong => Field::Password,
            Self::TooManyOfContact { .. }
            | Self::TooManyOfAddress { .. }
            | Self::AllHeld { .. }
            | Self::NetworkFull
            | Self::SoldOut
            | Self::Busy => Field::Form,
        }
    }

    /// What it says, with what to do.
    pub fn text(&self, t: Language, zone: &TimeZone) -> String {
        match *self {
            Self::ContactEmpty => t.text(id("error-contact-empty")),
            Self::ContactForm => t.text(id("error-contact-form")),
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

impl ProductPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let t = self.frame.language;
        let free_again = match self.stock {
            Stock::Reserved { free_again_at_ms } => {
                Some(format::time(free_again_at_ms, &self.frame.zone))
            }
            _ => None,
        };
        let shown = Shown {
            t,
            c: self.frame.chrome(),
            canonical: self.frame.link(&format!("/p/{}", self.slug)),
            slug: self.slug.to_string(),
            title: plain(&self.title),
            price: format::money(self.price, t),
            stock: self.stock.text(t),
            stock_class: self.stock.class(),
            free_again,
            delivery: self.delivery.text(t),
            text: &self.text,
            open: self.stock.is_open() || !self.errors.is_empty(),
            quantity: if self.typed.quantity.is_empty() {
                "1".to_owned()
            } else {
                self.typed.quantity.clone()
            },
            quantity_max: self.quantity_max.max(1),
            hold_minutes: self.hold_minutes,
            contact: &self.typed.contact,
            contact_max: limits::CONTACT_BYTES_MAX,
            password_max: limits::PASSWORD_BYTES_MAX,
            channels: self.choices(),
            errors: Errors::of(self, t),
        };
        Ok(shown.render()?)
    }

    fn choices(&self) -> Vec<Choice> {
        let known = self
            .channels
            .iter()
            .any(|channel| channel.name.as_str() == self.typed.channel);
        let chosen = |at: usize, name: &str| {
            if known {
                name == self.typed.channel
            } else {
                at == 0
            }
        };
        let choice = |(at, channel): (usize, &ChannelOption)| Choice {
            chosen: chosen(at, channel.name.as_str()),
            name: channel.name.to_string(),
            title: plain(&channel.title),
        };
        self.channels.iter().enumerate().map(choice).collect()
    }
}

#[derive(Template)]
#[template(path = "product.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    canonical: String,
    slug: String,
    title: String,
    price: String,
    stock: String,
    stock_class: &'static str,
    free_again: Option<Time>,
    delivery: String,
    text: &'a SafeHtml,
    open: bool,
    quantity: String,
    quantity_max: u32,
    hold_minutes: u32,
    contact: &'a str,
    contact_max: usize,
    password_max: usize,
    channels: Vec<Choice>,
    errors: Errors,
}

struct Choice {
    name: String,
    title: String,
    chosen: bool,
}

/// At most one error for each field, the first given, and all of them for the summary.
struct Errors {
    all: Vec<(&'static str, String)>,
    quantity: Option<String>,
    contact: Option<String>,
    password: Option<String>,
    channel: Option<String>,
}

impl Errors {
    fn of(page: &ProductPage, t: Language) -> Self {
        let at = |field: Field| {
            let error = page.errors.iter().find(|error| error.field() == field);
            error.map(|error| error.text(t, &page.frame.zone))
        };
        let all = page
            .errors
            .iter()
            .map(|error| (anchor(error.field()), error.text(t, &page.frame.zone)));
        Self {
            all: all.collect(),
            quantity: at(Field::Quantity),
            contact: at(Field::Contact),
            password: at(Field::Password),
            channel: at(Field::Channel),
        }
    }
}

/// The id of the element that an error belongs to.
fn anchor(field: Field) -> &'static str {
    match field {
        Field::Quantity => "quantity",
        Field::Contact => "contact",
        Field::Password => "password",
        Field::Channel => "channels",
        Field::Form => "order-form",
    }
}

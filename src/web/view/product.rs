//! A product's page and its order form.

use askama::Template;

use super::{
    Delivery, Field, FieldError, Frame, Picture, RenderError, SafeHtml, Stock,
    format::{self, Time, plain},
    frame::{Chrome, Contact},
    language::{Language, id},
    order::Left,
    window::Tile,
};
use crate::{
    domain::{
        money::Money,
        names::{ChannelName, Slug},
    },
    limits,
};

/// `GET /p/SLUG`, and the answers 422 to a refused `POST /p/SLUG` or `POST /p/SLUG/wish`.
pub struct ProductPage {
    /// What all pages share.
    pub frame: Frame,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its title in the visitor's language.
    pub title: String,
    /// Its picture.
    pub picture: Option<Picture>,
    /// Where it can be used: region, platform.
    pub scope: Option<String>,
    /// Price of one.
    pub price: Money,
    /// What can be bought now.
    pub stock: Stock,
    /// When sold-out goods come back, in the merchant's words.
    pub restock_hint: Option<String>,
    /// How soon it comes.
    pub delivery: Delivery,
    /// The merchant's text, by [`super::safe_html`].
    pub text: SafeHtml,
    /// How the goods are used, by [`super::safe_html`].
    pub instructions: SafeHtml,
    /// What buyers ask, answered before they order.
    pub questions: Vec<Question>,
    /// How the merchant is reached about this product; without one as in [`Frame::support`].
    pub support: Option<String>,
    /// The moment of the answer, Unix milliseconds: what is left of reservations is counted from it.
    pub now_ms: i64,
    /// Most that one order may take now, at least 1.
    pub quantity_max: u32,
    /// How long an unpaid order holds its goods, minutes.
    pub hold_minutes: u32,
    /// Where it can be paid, in the order of display.
    pub channels: Vec<ChannelOption>,
    /// Sent back as the hidden field `ticket`: two posts with one ticket make one order.
    pub ticket: String,
    /// Whether the shop sends mails: only then it promises messages.
    pub tells_by_mail: bool,
    /// What the buyer typed, where the form was refused; else the default.
    pub typed: Typed,
    /// Why the form was refused.
    pub errors: Vec<FieldError>,
    /// Whether one can ask to be told when it is back; shown where nothing can be ordered.
    pub wish: Wish,
}

/// A question that buyers ask, and its answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// One line.
    pub question: String,
    /// By [`super::safe_html`].
    pub answer: SafeHtml,
}

impl Question {
    /// The question as one harmless line.
    pub(super) fn asked(&self) -> String {
        plain(&self.question)
    }
}

/// A channel to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Field `second`: another contact that is told too.
    pub second: String,
    /// Field `channel`; none known chooses the first.
    pub channel: String,
}

/// The wish to be told when a product is back: `POST /p/SLUG/wish` with the field `contact`.
#[derive(Clone)]
pub enum Wish {
    /// The shop cannot tell anybody.
    Unavailable,
    /// The form.
    Offered {
        /// Field `contact` as it was typed.
        contact: String,
        /// Why it was refused.
        error: Option<FieldError>,
    },
    /// It was taken; the same words for one that was there already.
    Taken,
}

/// A buyer who reads that there is plenty expects at least as many.
const PLENTY_FROM: u32 = 10;

impl ProductPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let t = self.frame.language;
        let path = format!("/p/{}", self.slug);
        let support = self.support.as_deref().or(self.frame.support.as_deref());
        let shown = Shown {
            t,
            canonical: self.frame.link(&path),
            c: Chrome {
                here: path,
                ..self.frame.chrome()
            },
            slug: self.slug.to_string(),
            title: plain(&self.title),
            picture: self.picture.as_ref(),
            tile: Tile::of(&self.slug, &self.title),
            scope: self.scope.as_deref().map(plain),
            price: format::money(self.price, t),
            stock: self.stock.text(t),
            stock_class: self.stock.class(),
            free_again: self.free_again(),
            restock_hint: self.restock_hint.as_deref().map(plain),
            delivery: (self.stock != Stock::SoldOut).then(|| self.delivery.text(t)),
            delivery_class: self.delivery.class(),
            text: &self.text,
            instructions: &self.instructions,
            questions: &self.questions,
            support: support.map(Contact::of),
            open: self.stock.is_open() || !self.errors.is_empty(),
            ticket: &self.ticket,
            tells_by_mail: self.tells_by_mail,
            quantity: if self.typed.quantity.is_empty() {
                "1".to_owned()
            } else {
                self.typed.quantity.clone()
            },
            quantity_max: self.quantity_max.max(1),
            most: self.most(),
            minor: self.price.amount,
            decimals: self.price.currency.decimals(),
            hold_minutes: self.hold_minutes,
            typed: &self.typed,
            contact_max: limits::CONTACT_BYTES_MAX,
            password_max: limits::PASSWORD_BYTES_MAX,
            channels: self.choices(),
            errors: Errors::of(self, t),
            wish: WishForm::of(self, t),
            wish_taken: matches!(self.wish, Wish::Taken),
        };
        Ok(shown.render()?)
    }

    /// The limit of one order, where the stock's own words would let one expect more.
    fn most(&self) -> Option<String> {
        let expected = match self.stock {
            Stock::Last(left) => left,
            Stock::Plenty => PLENTY_FROM,
            Stock::Reserved { .. } | Stock::SoldOut => return None,
        };
        let words = self.frame.language.with(id("field-quantity-most"));
        (self.quantity_max < expected)
            .then(|| words.num("max", self.quantity_max.max(1)).to_string())
    }

    fn free_again(&self) -> Option<FreeAgain> {
        match self.stock {
            Stock::Reserved { free_again_at_ms } => Some(FreeAgain {
                at: format::time(free_again_at_ms, &self.frame.zone),
                left: Left::of(true, free_again_at_ms, self.now_ms),
            }),
            _ => None,
        }
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
    picture: Option<&'a Picture>,
    tile: Tile,
    scope: Option<String>,
    price: String,
    stock: String,
    stock_class: &'static str,
    free_again: Option<FreeAgain>,
    restock_hint: Option<String>,
    delivery: Option<String>,
    delivery_class: &'static str,
    text: &'a SafeHtml,
    instructions: &'a SafeHtml,
    questions: &'a [Question],
    support: Option<Contact>,
    open: bool,
    ticket: &'a str,
    tells_by_mail: bool,
    quantity: String,
    quantity_max: u32,
    most: Option<String>,
    minor: i64,
    decimals: u32,
    hold_minutes: u32,
    typed: &'a Typed,
    contact_max: usize,
    password_max: usize,
    channels: Vec<Choice>,
    errors: Errors,
    wish: Option<WishForm<'a>>,
    wish_taken: bool,
}

/// When reserved goods are free again: by the clock, and counted down.
struct FreeAgain {
    at: Time,
    left: Option<Left>,
}

struct WishForm<'a> {
    contact: &'a str,
    error: Option<String>,
}

impl<'a> WishForm<'a> {
    fn of(page: &'a ProductPage, t: Language) -> Option<Self> {
        match &page.wish {
            Wish::Offered { contact, error } => Some(Self {
                contact,
                error: error.map(|error| match error {
                    // The other words are about an order.
                    FieldError::Busy => t.text(id("error-wish-busy")),
                    error => error.text(t, &page.frame.zone),
                }),
            }),
            Wish::Unavailable | Wish::Taken => None,
        }
    }
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
    second: Option<String>,
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
            second: at(Field::Second),
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
        Field::Second => "second",
        Field::Password => "password",
        Field::Channel => "channels",
        Field::Form => "order-form",
    }
}

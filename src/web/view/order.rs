//! An order's page, in every state.

use askama::Template;

use super::{
    Frame, Question, RenderError, SafeHtml,
    format::{self, Time, plain},
    frame::Chrome,
    help::Help,
    language::Language,
    order_texts::{Step, headline, message_text, next_step, remarks, steps},
};
/// Where an order stands, and why: the domain's own words.
pub use crate::domain::{OrderState as State, Reason};
use crate::domain::{
    money::{Amount, Money},
    names::{OrderId, Slug},
    secret::Secret,
};

/// `GET /o/SECRET`.
pub struct OrderPage {
    /// What all pages share.
    pub frame: Frame,
    /// The secret of the order's link, as it stands in the address.
    pub link_secret: Secret,
    /// The order number.
    pub number: OrderId,
    /// Where the order stands.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// The moment of the answer, Unix milliseconds: what is left to pay is counted from it.
    pub now_ms: i64,
    /// What was ordered.
    pub product: Slug,
    /// Its title when it was ordered, or its English one today for readers of English.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// What is to be paid.
    pub total: Money,
    /// What arrived, all payments together, minor units of the order's currency.
    pub received: Amount,
    /// What of it waits to be returned (`Order::owed`), minor units.
    pub owed: Amount,
    /// What of it was returned already, minor units.
    pub returned: Amount,
    /// What buyers call the channel.
    pub channel: String,
    /// Whether `/pay` can be followed now: not where it would ask for the whole price again after
    /// a short payment.
    pub can_pay: bool,
    /// When the order was made, Unix milliseconds.
    pub created_at_ms: i64,
    /// When its reservation ends.
    pub expires_at_ms: i64,
    /// When its payment was recorded.
    pub paid_at_ms: Option<i64>,
    /// When it was handed out.
    pub delivered_at_ms: Option<i64>,
    /// The contact, masked (`Contact::masked`).
    pub contact: String,
    /// What staff wrote when deciding by hand.
    pub note: Option<String>,
    /// Place in the queue for goods, from 1, where known.
    pub queue_place: Option<u32>,
    /// The goods, once delivered and while they can still be read.
    pub keys: Vec<Secret>,
    /// When keys of it were replaced last (Unix milliseconds), and how many in all.
    pub replaced: Option<(i64, usize)>,
    /// When its private fields were destroyed, Unix milliseconds: contact and keys are empty.
    pub erased_at_ms: Option<i64>,
    /// Until when the keys can be read here, Unix milliseconds.
    pub keys_until_ms: Option<i64>,
    /// How the goods are used, by [`super::safe_html`]; shown from the payment on.
    pub instructions: SafeHtml,
    /// The receipt, once there is one.
    pub receipt: Option<ReceiptLine>,
    /// Whether `{link}/pay.svg` is a QR code that pays.
    pub pay_qr: bool,
    /// Where the goods can be used: region, platform.
    pub scope: Option<String>,
    /// How the merchant is reached about this product; without one as in [`Frame::support`].
    pub support: Option<String>,
    /// What buyers ask about this product.
    pub questions: Vec<Question>,
    /// What was sent to the buyer, oldest first.
    pub messages: Vec<Message>,
    /// Where the shop mails this buyer, masked; without it no messages are promised.
    pub mailed_to: Option<String>,
}

/// A message that left the shop for the buyer.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// When it was handed to the mail server, Unix milliseconds.
    pub at_ms: i64,
    /// What it said.
    pub text: MessageKind,
}

/// What a message to the buyer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// The goods are there.
    DeliveredMail,
    /// The same once more, since the page was not opened.
    ReminderMail,
    /// Other keys took the place of bad ones.
    ReplacedMail,
    /// The payment is there and the goods are waited for.
    QueuedMail,
    /// Money is returned.
    RefundMail,
}

/// What is shown of a receipt.
pub struct ReceiptLine {
    /// Hash of its entry, 64 hex digits.
    pub hash: String,
    /// Its place in the ledger, from 0.
    pub seq: u64,
    /// Whether the receipt passed this shop's own verifier just now.
    pub verified: bool,
}

/// The data of one server-sent event of `/o/SECRET/events`: `pending`, or `paid no_stock`. The page
/// carries its own mark and fetches itself anew when an event brings another.
pub fn mark(state: State, reason: Option<Reason>) -> String {
    match reason {
        Some(reason) => format!("{} {}", state.as_str(), reason.as_str()),
        None => state.as_str().to_owned(),
    }
}

impl OrderPage {
    /// The page as HTML. Its secret is in links, never in the title.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let t = self.frame.language;
        let path = format!("/o/{}", self.link_secret.expose_str().unwrap_or_default());
        let link = self.frame.link(&path);
        let time = |at_ms: i64| format::time(at_ms, &self.frame.zone);
        let waits = self.can_still_be_paid();
        let ended = matches!(
            self.state,
            State::Expired | State::Cancelled | State::Refunded
        );
        let shown = Shown {
            t,
            c: self.frame.chrome(),
            mark: mark(self.state, self.reason),
            state: self.state,
            asks: waits && !self.came_in_parts(),
            again: ended && !self.is_checked(),
            lives: matches!(
                self.state,
                State::Pending | State::Paid | State::Expired | State::Refunding
            ),
            number: self.number.to_string(),
            headline: headline(self),
            next_step: next_step(self),
            remarks: remarks(self),
            steps: steps(self),
            slug: self.product.to_string(),
            title: plain(&self.title),
            quantity: self.quantity,
            total: self.money(self.total.amount),
            received: (self.received > 0
                && (self.received != self.total.amount || self.reason == Some(Reason::Short)))
            .then(|| self.money(self.received)),
            missing: (waits && self.received > 0)
                .then(|| self.money((self.total.amount - self.received).max(0))),
            channel: plain(&self.channel),
            pay: (waits && self.can_pay).then(|| format!("{path}/pay")),
            created: time(self.created_at_ms),
            expires: waits.then(|| time(self.expires_at_ms)),
            left: Left::of(waits, self.expires_at_ms, self.now_ms),
            paid: self.paid_at_ms.map(time),
            delivered: self.delivered_at_ms.map(time),
            contact: plain(&self.contact),
            note: self.note.as_deref().map(plain),
            keys: self
                .keys
                .iter()
                .map(|key| String::from_utf8_lossy(key.expose()).into_owned())
                .collect(),
            keys_gone: self.state == State::Delivered
                && self.keys.is_empty()
                && self.erased_at_ms.is_none(),
            keys_until: self
                .keys_until_ms
                .filter(|_| !self.keys.is_empty())
                .map(time),
            instructions: &self.instructions,
            receipt: self.receipt.as_ref(),
            is_erased: self.erased_at_ms.is_some(),
            pay_qr: waits && self.can_pay && self.pay_qr,
            scope: self.scope.as_deref().map(plain),
            help: self.help(),
            questions: &self.questions,
            messages: Sent::all(&self.messages, &self.frame),
            mailed_to: self.mailed_to.as_deref().map(plain),
            // An order that is over is no more carried to another device.
            is_carried: !ended && !self.is_lapsed(),
            path,
            link,
        };
        Ok(shown.render()?)
    }

    /// Whether the payment is being checked: the buyer must neither pay again nor believe that nothing was charged.
    pub(super) fn is_checked(&self) -> bool {
        self.reason == Some(Reason::ProviderDisagrees)
            && matches!(self.state, State::Pending | State::Paid | State::Expired)
    }

    /// Whether payments, each too small, make up the price together: nothing is missing, and a person hands out.
    pub(super) fn came_in_parts(&self) -> bool {
        self.state == State::Pending
            && self.reason == Some(Reason::Short)
            && self.received >= self.total.amount
    }

    /// When its private fields were destroyed.
    pub(super) fn erased(&self) -> Option<Time> {
        let at_ms = self.erased_at_ms?;
        Some(format::time(at_ms, &self.frame.zone))
    }

    /// When keys of it were replaced last, and how many in all.
    pub(super) fn replaced(&self) -> Option<(Time, usize)> {
        let (at_ms, count) = self.replaced?;
        Some((format::time(at_ms, &self.frame.zone), count))
    }

    /// Whether its time is over, and it only was not looked at since.
    pub(super) fn is_lapsed(&self) -> bool {
        self.state == State::Pending && self.now_ms >= self.expires_at_ms
    }

    /// The way to support, with what support needs to know.
    fn help(&self) -> Option<Help> {
        let support = self.support.as_deref().or(self.frame.support.as_deref())?;
        let number = self.number.to_string();
        let what = format!(
            "{number} · {} × {} · {}",
            plain(&self.title),
            self.quantity,
            headline(self)
        );
        Some(Help::of(support, &number, &what, self.frame.language))
    }

    fn can_still_be_paid(&self) -> bool {
        self.state == State::Pending && !self.is_lapsed() && !self.is_checked()
    }

    /// An amount in the order's currency, as the visitor reads it.
    pub(super) fn money(&self, amount: Amount) -> String {
        format::money(Money::new(amount, self.total.currency), self.frame.language)
    }
}

#[derive(Template)]
#[template(path = "order.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    mark: String,
    state: State,
    asks: bool,
    again: bool,
    lives: bool,
    number: String,
    headline: String,
    next_step: String,
    remarks: Vec<String>,
    steps: Vec<Step>,
    slug: String,
    title: String,
    quantity: u32,
    total: String,
    received: Option<String>,
    missing: Option<String>,
    channel: String,
    pay: Option<String>,
    created: Time,
    expires: Option<Time>,
    left: Option<Left>,
    paid: Option<Time>,
    delivered: Option<Time>,
    contact: String,
    note: Option<String>,
    keys: Vec<String>,
    keys_gone: bool,
    keys_until: Option<Time>,
    instructions: &'a SafeHtml,
    receipt: Option<&'a ReceiptLine>,
    is_erased: bool,
    pay_qr: bool,
    scope: Option<String>,
    help: Option<Help>,
    questions: &'a [Question],
    messages: Vec<Sent>,
    mailed_to: Option<String>,
    is_carried: bool,
    path: String,
    link: String,
}

/// A message as a page shows it.
pub(super) struct Sent {
    pub(super) at: Time,
    pub(super) text: String,
}

impl Sent {
    pub(super) fn all(messages: &[Message], frame: &Frame) -> Vec<Self> {
        let sent = |message: &Message| Self {
            at: format::time(message.at_ms, &frame.zone),
            text: message_text(message.text, frame.language),
        };
        messages.iter().map(sent).collect()
    }
}

/// A countdown: as text, and in milliseconds for the script that only counts it on.
pub(super) struct Left {
    pub(super) shown: String,
    pub(super) ms: i64,
}

impl Left {
    pub(super) fn of(waits: bool, until_ms: i64, now_ms: i64) -> Option<Self> {
        let shown = format::remaining(until_ms, now_ms).filter(|_| waits)?;
        Some(Self {
            shown,
            ms: until_ms.saturating_sub(now_ms),
        })
    }
}

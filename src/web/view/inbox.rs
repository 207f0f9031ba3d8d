//! The inbox of a contact: all its orders and what was sent about them, behind a mailed link.

use askama::Template;

use super::{
    Frame, RenderError,
    format::{self, Time, plain},
    frame::Chrome,
    language::{Language, id},
    order::{Message, Reason, Sent, State},
    order_texts::state_text,
};
use crate::domain::{money::Money, names::OrderId};

/// `GET /inbox/SECRET`: what one contact ordered, newest first.
pub struct InboxPage {
    /// What all pages share.
    pub frame: Frame,
    /// The contact, masked (`Contact::masked`).
    pub contact: String,
    /// One page of its orders.
    pub orders: Vec<InboxOrder>,
    /// The path of the next page, where there are older orders.
    pub more: Option<String>,
    /// Until when the link opens, Unix milliseconds.
    pub until_ms: i64,
}

/// One order of a contact.
pub struct InboxOrder {
    /// The order number.
    pub number: OrderId,
    /// The product's title when it was ordered, or its English one today for readers of English.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// What was to be paid.
    pub total: Money,
    /// Where it stands.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// When it was made, Unix milliseconds.
    pub created_at_ms: i64,
    /// The path of its page: `/o/SECRET`.
    pub path: String,
    /// Whether its page was not opened since the last change.
    pub unread: bool,
    /// What was sent about it, oldest first.
    pub messages: Vec<Message>,
}

impl InboxPage {
    /// The page as HTML. Its own link is nowhere in it but in `more`.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let t = self.frame.language;
        let shown = Shown {
            t,
            c: self.frame.chrome(),
            contact: plain(&self.contact),
            orders: self.orders.iter().map(|order| self.line(order)).collect(),
            more: self.more.as_deref(),
            until: format::time(self.until_ms, &self.frame.zone),
        };
        Ok(shown.render()?)
    }

    fn line(&self, order: &InboxOrder) -> Line {
        let t = self.frame.language;
        Line {
            number: order.number.to_string(),
            title: plain(&order.title),
            quantity: order.quantity,
            total: format::money(order.total, t),
            state: t.text(state_text(order.state, order.reason)),
            class: order.state.as_str(),
            created: format::time(order.created_at_ms, &self.frame.zone),
            path: order.path.clone(),
            messages: Sent::all(&order.messages, &self.frame),
            unread: order.unread.then(|| t.text(id("inbox-unread"))),
        }
    }
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    contact: String,
    orders: Vec<Line>,
    more: Option<&'a str>,
    until: Time,
}

struct Line {
    number: String,
    title: String,
    quantity: u32,
    total: String,
    state: String,
    class: &'static str,
    created: Time,
    path: String,
    unread: Option<String>,
    messages: Vec<Sent>,
}

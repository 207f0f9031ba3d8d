//! What an order's page says in each state: where it stands, what happens next, what is special.

use super::{
    language::{Language, id},
    order::{MessageKind, OrderPage, Reason, State},
};

/// One of the three steps.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) done: bool,
    pub(super) current: bool,
}

/// Where the order stands, in a few words.
pub(super) fn headline(page: &OrderPage) -> String {
    let id = if page.is_checked() {
        id("state-checking")
    } else if page.is_lapsed() {
        id("state-expired")
    } else if page.came_in_parts() {
        id("state-parts")
    } else {
        state_text(page.state, page.reason)
    };
    page.frame.language.text(id)
}

/// The id of the words for a state and its reason.
pub(super) fn state_text(state: State, reason: Option<Reason>) -> &'static str {
    match (state, reason) {
        (State::Pending | State::Paid | State::Expired, Some(Reason::ProviderDisagrees)) => {
            id("state-checking")
        }
        (State::Pending, Some(Reason::Short)) => id("state-short"),
        (State::Pending, _) => id("state-pending"),
        (State::Paid, Some(Reason::NoStock)) => id("state-queue"),
        (State::Paid, Some(Reason::Review)) => id("state-review"),
        (State::Paid, _) => id("state-paid"),
        (State::Delivered, _) => id("state-delivered"),
        (State::Expired, _) => id("state-expired"),
        (State::Refunding, _) => id("state-refunding"),
        (State::Refunded, _) => id("state-refunded"),
        (State::Cancelled, _) => id("state-cancelled"),
    }
}

/// What was told to the buyer.
pub(super) fn message_text(kind: MessageKind, t: Language) -> String {
    t.text(match kind {
        MessageKind::DeliveredMail => id("message-delivered"),
        MessageKind::ReminderMail => id("message-reminder"),
        MessageKind::ReplacedMail => id("message-replaced"),
        MessageKind::QueuedMail => id("message-queued"),
        MessageKind::RefundMail => id("message-refund"),
    })
}

/// What happens next and what the buyer can do.
pub(super) fn next_step(page: &OrderPage) -> String {
    let t = page.frame.language;
    if page.erased_at_ms.is_some() {
        return t.text(id("next-erased"));
    }
    match (page.state, page.reason) {
        _ if page.is_checked() => t.text(id("next-checking")),
        _ if page.is_lapsed() => next_of_expired(page),
        _ if page.came_in_parts() => t.text(id("next-parts")),
        (State::Pending, Some(Reason::Short)) => t.text(id("next-short")),
        (State::Pending, _) if page.can_pay => t.text(id("next-pending")),
        (State::Pending, _) => t.text(id("next-pending-closed")),
        (State::Paid, Some(Reason::NoStock)) => match page.queue_place {
            Some(place) => t
                .with(id("next-queue-place"))
                .num("place", place)
                .to_string(),
            None => t.text(id("next-queue")),
        },
        (State::Paid, Some(Reason::Review)) => t.text(id("next-review")),
        (State::Paid, _) => t.text(id("next-paid")),
        (State::Delivered, _) => t.text(id("next-delivered")),
        (State::Expired, _) => next_of_expired(page),
        (State::Refunding, _) => t
            .with(id("next-refunding"))
            .str("amount", page.money(page.owed))
            .to_string(),
        (State::Refunded, _) => t
            .with(id("next-refunded"))
            .str("amount", page.money(page.returned))
            .to_string(),
        (State::Cancelled, _) => t.text(id("next-cancelled")),
    }
}

fn next_of_expired(page: &OrderPage) -> String {
    let id = if page.received > 0 {
        id("next-expired-short")
    } else {
        id("next-expired")
    };
    page.frame.language.text(id)
}

/// What is special about the order: each a sentence of its own.
pub(super) fn remarks(page: &OrderPage) -> Vec<String> {
    let t = page.frame.language;
    let owed = || page.money(page.owed);
    let mut said = vec![];
    if let Some(erased) = page.erased() {
        said.push(
            t.with(id("remark-erased"))
                .str("time", erased.shown)
                .to_string(),
        );
    }
    if let Some((time, count)) = page.replaced() {
        // More keys than that no order has.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let remark = t.with(id("remark-replaced")).num("count", count);
        said.push(remark.str("time", time.shown).to_string());
    }
    match page.reason {
        Some(Reason::Late) => said.push(t.text(id("remark-late"))),
        Some(Reason::ByHand) => said.push(t.text(id("remark-by-hand"))),
        Some(Reason::Given) => said.push(t.text(id("remark-given"))),
        Some(Reason::NoStock) if page.state == State::Refunding => {
            said.push(t.text(id("remark-no-stock")))
        }
        _ => {}
    }
    // Money above the price is named whatever the reason says, since only one reason is kept.
    let settled = matches!(page.state, State::Paid | State::Delivered);
    let above = matches!(page.reason, Some(Reason::Over | Reason::Surplus));
    if settled && page.owed > 0 {
        let id = if page.reason == Some(Reason::Surplus) {
            id("remark-second")
        } else {
            id("remark-over")
        };
        said.push(t.with(id).str("amount", owed()).to_string());
    } else if settled && above {
        said.push(t.text(id("remark-returned")));
    }
    match page.state {
        State::Expired | State::Cancelled if page.owed > 0 => {
            said.push(t.with(id("remark-short")).str("amount", owed()).to_string());
        }
        State::Refunded if page.owed > 0 => {
            said.push(t.with(id("remark-owed")).str("amount", owed()).to_string());
        }
        _ => {}
    }
    // Where nothing else says what was returned already.
    let told = page.state == State::Refunded || (settled && above && page.owed == 0);
    if page.returned > 0 && !told {
        let returned = page.money(page.returned);
        said.push(
            t.with(id("remark-back"))
                .str("amount", returned)
                .to_string(),
        );
    }
    said
}

/// Ordered, paid, delivered; none is current once the order ended otherwise.
pub(super) fn steps(page: &OrderPage) -> Vec<Step> {
    let t = page.frame.language;
    let reached = match page.state {
        State::Pending if page.is_lapsed() => return vec![],
        State::Pending => 1,
        State::Paid => 2,
        State::Delivered => 3,
        State::Expired | State::Refunding | State::Refunded | State::Cancelled => return vec![],
    };
    let names = [id("step-ordered"), id("step-paid"), id("step-delivered")];
    let step = |(at, id): (usize, &str)| Step {
        name: t.text(id),
        done: at < reached,
        current: at + 1 == reached,
    };
    names.into_iter().enumerate().map(step).collect()
}

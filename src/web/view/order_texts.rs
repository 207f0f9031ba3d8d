//! What an order's page says in each state: where it stands, what happens next, what is special.

use super::{
    i18n::id,
    order::{OrderPage, Reason, State},
};

/// One of the three steps.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) done: bool,
    pub(super) current: bool,
}

/// Where the order stands, in a few words.
pub(super) fn headline(page: &OrderPage) -> String {
    let id = match (page.state, page.reason) {
        (State::Pending | State::Paid, Some(Reason::ProviderDisagrees)) => id("state-checking"),
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
    };
    page.frame.language.text(id)
}

/// What happens next and what the buyer can do.
pub(super) fn next_step(page: &OrderPage) -> String {
    let t = page.frame.language;
    match (page.state, page.reason) {
        (State::Pending | State::Paid, Some(Reason::ProviderDisagrees)) => {
            t.text(id("next-checking"))
        }
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
        (State::Expired, _) if page.received > 0 => t.text(id("next-expired-short")),
        (State::Expired, _) => t.text(id("next-expired")),
        (State::Refunding, _) => t
            .with(id("next-refunding"))
            .str("amount", page.money(page.owed))
            .to_string(),
        (State::Refunded, _) => t
            .with(id("next-refunded"))
            .str("amount", page.money(page.received))
            .to_string(),
        (State::Cancelled, _) => t.text(id("next-cancelled")),
    }
}

/// What is special about the order: each a sentence of its own.
pub(super) fn remarks(page: &OrderPage) -> Vec<String> {
    let t = page.frame.language;
    let owed = || page.money(page.owed);
    let mut said = vec![];
    match page.reason {
        Some(Reason::Late) => said.push(t.text(id("remark-late"))),
        Some(Reason::ByHand) => said.push(t.text(id("remark-by-hand"))),
        Some(Reason::NoStock) if page.state == State::Refunding => {
            said.push(t.text(id("remark-no-stock")))
        }
        _ => {}
    }
    // Money above the price is named whatever the reason says, since only one reason is kept.
    let settled = matches!(
        page.state,
        State::Paid | State::Delivered | State::Cancelled
    );
    if settled && page.owed > 0 {
        let id = if page.reason == Some(Reason::Surplus) {
            id("remark-second")
        } else {
            id("remark-over")
        };
        said.push(t.with(id).str("amount", owed()).to_string());
    } else if settled && matches!(page.reason, Some(Reason::Over | Reason::Surplus)) {
        said.push(t.text(id("remark-returned")));
    }
    if page.state == State::Expired && page.owed > 0 {
        said.push(t.with(id("remark-short")).str("amount", owed()).to_string());
    }
    said
}

/// Ordered, paid, delivered; none is current once the order ended otherwise.
pub(super) fn steps(page: &OrderPage) -> Vec<Step> {
    let t = page.frame.language;
    let reached = match page.state {
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

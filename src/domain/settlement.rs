//! What an authentic payment becomes: the outcomes of security.md, section 1, as one pure decision.

use super::{Amount, Order, OrderState, PaymentOutcome, Reason};

/// What the decision looks at besides the order.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// What arrived, minor units of the order's currency.
    pub amount: Amount,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// How long after its expiry a paid order is still delivered without a person.
    pub late_delivery_ms: i64,
    /// Whether the order's own slots, or enough others, can be handed out now.
    pub stock: bool,
}

/// The decision: what the payment is recorded as, and what becomes of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Recorded with the payment.
    pub outcome: PaymentOutcome,
    /// The order's state afterwards; `Delivered` means: hand out in the same commit.
    pub state: OrderState,
    /// The order's reason afterwards.
    pub reason: Option<Reason>,
}

/// Decides. The caller has established that the payment is authentic, of this order, and not recorded yet.
pub fn decide(order: &Order, facts: Circumstances) -> Settlement {
    let surplus = facts.amount - order.total.amount;
    match order.state {
        OrderState::Pending | OrderState::Expired if surplus < 0 => Settlement {
            outcome: PaymentOutcome::Short,
            state: order.state,
            reason: Some(Reason::Short),
        },
        OrderState::Pending | OrderState::Expired => pay(order, facts, surplus),
        // Delivered by hand before its payment was heard of: this is that payment. A gift has none.
        OrderState::Delivered if surplus >= 0 && !is_paid(order) && !is_given(order) => {
            Settlement {
                outcome: PaymentOutcome::Settled { surplus },
                state: OrderState::Delivered,
                reason: order.reason,
            }
        }
        // Why a paid order waits is still true; the surplus is told by what it is owed.
        OrderState::Paid => Settlement {
            outcome: PaymentOutcome::Surplus,
            state: OrderState::Paid,
            reason: order.reason,
        },
        state => Settlement {
            outcome: PaymentOutcome::Surplus,
            state: if state == OrderState::Cancelled {
                OrderState::Refunding
            } else {
                state
            },
            // That a gift was not paid stays true, and its `sale` says so.
            reason: match is_given(order) {
                true => order.reason,
                false => Some(Reason::Surplus),
            },
        },
    }
}

fn is_given(order: &Order) -> bool {
    order.reason == Some(Reason::Given)
}

/// Whether a payment for the goods is on record.
fn is_paid(order: &Order) -> bool {
    let pays = |outcome| {
        matches!(
            outcome,
            PaymentOutcome::Settled { .. } | PaymentOutcome::Queued { .. }
        )
    };
    order.payments.iter().any(|payment| pays(payment.outcome))
}

fn pay(order: &Order, facts: Circumstances, surplus: Amount) -> Settlement {
    let late = order.state == OrderState::Expired || facts.now_ms > order.expires_at_ms;
    let too_late = late && facts.now_ms - order.expires_at_ms > facts.late_delivery_ms;
    let queued = |reason| Settlement {
        outcome: PaymentOutcome::Queued { surplus },
        state: OrderState::Paid,
        reason: Some(reason),
    };
    if too_late {
        return queued(Reason::Review);
    }
    if !facts.stock {
        return queued(Reason::NoStock);
    }
    let reason = match (late, surplus > 0) {
        (_, true) => Some(Reason::Over),
        (true, false) => Some(Reason::Late),
        (false, false) => None,
    };
    Settlement {
        outcome: PaymentOutcome::Settled { surplus },
        state: OrderState::Delivered,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;

    const HOUR_MS: i64 = 3_600_000;

    fn check(
        state: OrderState,
        amount: Amount,
        late_by_ms: i64,
        stock: bool,
    ) -> (OrderState, Option<Reason>, PaymentOutcome) {
        let order = order(state, 1990);
        let facts = Circumstances {
            amount,
            now_ms: order.expires_at_ms + late_by_ms,
            late_delivery_ms: 24 * HOUR_MS,
            stock,
        };
        let Settlement {
            outcome,
            state,
            reason,
        } = decide(&order, facts);
        (state, reason, outcome)
    }

    #[test]
    fn each_outcome_of_the_table_follows_from_state_amount_time_and_stock() {
        use OrderState as S;
        use PaymentOutcome as P;
        let cases = [
            (
                S::Pending,
                1990,
                -1,
                true,
                (S::Delivered, None, P::Settled { surplus: 0 }),
            ),
            (
                S::Pending,
                2000,
                -1,
                true,
                (S::Delivered, Some(Reason::Over), P::Settled { surplus: 10 }),
            ),
            (
                S::Pending,
                1989,
                -1,
                true,
                (S::Pending, Some(Reason::Short), P::Short),
            ),
            (
                S::Expired,
                1990,
                HOUR_MS,
                true,
                (S::Delivered, Some(Reason::Late), P::Settled { surplus: 0 }),
            ),
            (
                S::Expired,
                1990,
                HOUR_MS,
                false,
                (S::Paid, Some(Reason::NoStock), P::Queued { surplus: 0 }),
            ),
            (
                S::Expired,
                1990,
                25 * HOUR_MS,
                true,
                (S::Paid, Some(Reason::Review), P::Queued { surplus: 0 }),
            ),
            (
                S::Expired,
                1,
                HOUR_MS,
                true,
                (S::Expired, Some(Reason::Short), P::Short),
            ),
            (
                S::Delivered,
                1990,
                0,
                true,
                (S::Delivered, None, P::Settled { surplus: 0 }),
            ),
            (S::Paid, 1990, 0, true, (S::Paid, None, P::Surplus)),
            (
                S::Cancelled,
                1990,
                0,
                true,
                (S::Refunding, Some(Reason::Surplus), P::Surplus),
            ),
            (
                S::Refunded,
                1990,
                0,
                true,
                (S::Refunded, Some(Reason::Surplus), P::Surplus),
            ),
        ];
        for (state, amount, late, stock, expected) in cases {
            assert_eq!(
                check(state, amount, late, stock),
                expected,
                "{state:?} {amount} {late} {stock}"
            );
        }
    }
}

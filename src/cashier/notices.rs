//! Sending notices and repeating them.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;

use super::orders::Order;
use super::{Cashier, sign};

/// Sends one notice; a body that holds `success` ends the order's notices, whatever the status.
pub(super) async fn send(cashier: &Cashier, order: &Order) {
    let address = with_signed_query(cashier, order, &order.request.notify_url);
    match cashier.0.notifier.notify(address).await {
        Ok((_, body)) if says_success(&body) => {
            cashier.orders().stop_notices(&order.trade_no);
            tracing::info!(order.trade_no, "sandbox cashier: the shop took the notice");
        }
        Ok((status, _)) => {
            tracing::warn!(
                order.trade_no,
                http.status = status,
                "sandbox cashier: the shop refused the notice"
            );
        }
        Err(reason) => {
            tracing::warn!(
                order.trade_no,
                reason,
                "sandbox cashier: the notice did not arrive"
            );
        }
    }
}

/// Looks once a second for notices to repeat.
pub(super) async fn run(cashier: &Cashier, shutdown: impl Future<Output = ()> + Send) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            _ = tick.tick() => {}
        }
        // Notices that are cut off by the end count as sent, as with a gateway that restarts.
        tokio::select! {
            () = &mut shutdown => return,
            () = send_due(cashier) => {}
        }
    }
}

/// Sends what is due now.
pub(super) async fn send_due(cashier: &Cashier) {
    let due = cashier.orders().take_due(cashier.now_ms(), AT_ONCE_MAX);
    join_all(due.iter().map(|order| send(cashier, order))).await;
}

/// An address of the merchant with the order's signed parameters behind what it already has.
pub(super) fn with_signed_query(cashier: &Cashier, order: &Order, address: &str) -> String {
    let config = cashier.config();
    let query = sign::signed_query(&order.notice_fields(&config.pid), &config.key);
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{query}")
}

fn says_success(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    ["success", "SUCCESS", "Success"]
        .iter()
        .any(|word| text.contains(word))
}

const TICK: Duration = Duration::from_secs(1);
const AT_ONCE_MAX: usize = 32;

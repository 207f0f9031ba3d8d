//! The cashier's orders and when their notices are due.

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use jiff::tz::Offset;

use super::sign::Fields;

/// Milliseconds after each unanswered notice until the next one; after the last, none.
pub(super) const RETRIES_MS: [i64; 5] =
    [60_000, 3 * 60_000, 20 * 60_000, 60 * 60_000, 120 * 60_000];

/// What a merchant asked to be paid, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub out_trade_no: String,
    pub kind: String,
    pub name: String,
    /// Fen; above zero.
    pub amount: u64,
    pub notify_url: String,
    pub return_url: String,
    pub param: String,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub trade_no: String,
    pub request: Request,
    pub made_at_ms: i64,
    pub paid_at_ms: Option<i64>,
    /// Notices sent without a `success` so far.
    attempts: usize,
    due_at_ms: Option<i64>,
}

/// At most [`ORDERS_MAX`] orders; the oldest makes room.
#[derive(Default)]
pub(super) struct Orders {
    by_trade_no: HashMap<String, Order>,
    trade_no_of: HashMap<String, String>,
    oldest_first: VecDeque<String>,
    due: BTreeSet<(i64, String)>,
    made: u64,
}

impl Orders {
    /// The order of this request: a new one, or the one of that number, which takes the new details while it is unpaid.
    pub fn submit(&mut self, request: Request, now_ms: i64) -> Order {
        let known = self.trade_no_of.get(&request.out_trade_no);
        if let Some(order) = known.and_then(|known| self.by_trade_no.get_mut(known)) {
            if order.paid_at_ms.is_none() {
                order.request = request;
            }
            return order.clone();
        }
        while self.by_trade_no.len() >= ORDERS_MAX {
            self.drop_oldest();
        }
        let order = Order {
            trade_no: self.next_trade_no(now_ms),
            request,
            made_at_ms: now_ms,
            paid_at_ms: None,
            attempts: 0,
            due_at_ms: None,
        };
        self.trade_no_of
            .insert(order.request.out_trade_no.clone(), order.trade_no.clone());
        self.oldest_first.push_back(order.trade_no.clone());
        self.by_trade_no
            .insert(order.trade_no.clone(), order.clone());
        order
    }

    /// The order of the cashier's number.
    pub fn by_trade_no(&self, trade_no: &str) -> Option<Order> {
        self.by_trade_no.get(trade_no).cloned()
    }

    /// The order of the merchant's number.
    pub fn by_out_trade_no(&self, out_trade_no: &str) -> Option<Order> {
        self.by_trade_no(self.trade_no_of.get(out_trade_no)?)
    }

    /// Marks an order paid and counts its first notice as sent: the caller sends it if the second value is true, which it
    /// is only the first time.
    pub fn pay(&mut self, trade_no: &str, now_ms: i64) -> Option<(Order, bool)> {
        let order = self.by_trade_no.get_mut(trade_no)?;
        let first = order.paid_at_ms.is_none();
        if first {
            order.paid_at_ms = Some(now_ms);
            self.schedule_next(trade_no, now_ms);
        }
        Some((self.by_trade_no(trade_no)?, first))
    }

    /// Takes orders whose notice is due, each counted as sent, so that one that dies on its way comes again later.
    pub fn take_due(&mut self, now_ms: i64, most: usize) -> Vec<Order> {
        let due = self
            .due
            .iter()
            .take_while(|(at_ms, _)| *at_ms <= now_ms)
            .take(most);
        let taken: Vec<String> = due.map(|(_, trade_no)| trade_no.clone()).collect();
        for trade_no in &taken {
            self.schedule_next(trade_no, now_ms);
        }
        taken
            .iter()
            .filter_map(|trade_no| self.by_trade_no(trade_no))
            .collect()
    }

    /// No more notices: the merchant said success.
    pub fn stop_notices(&mut self, trade_no: &str) {
        let order = self.by_trade_no.get_mut(trade_no);
        if let Some(at_ms) = order.and_then(|order| order.due_at_ms.take()) {
            self.due.remove(&(at_ms, trade_no.to_owned()));
        }
    }

    fn schedule_next(&mut self, trade_no: &str, now_ms: i64) {
        self.stop_notices(trade_no);
        if let Some(order) = self.by_trade_no.get_mut(trade_no) {
            order.due_at_ms = RETRIES_MS.get(order.attempts).map(|delay| now_ms + delay);
            order.attempts += 1;
            self.due
                .extend(order.due_at_ms.map(|at_ms| (at_ms, trade_no.to_owned())));
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.oldest_first.pop_front() {
            self.stop_notices(&oldest);
            if let Some(order) = self.by_trade_no.remove(&oldest) {
                self.trade_no_of.remove(&order.request.out_trade_no);
            }
        }
    }

    /// Beijing's time and five digits, like 2016080622555342651.
    fn next_trade_no(&mut self, now_ms: i64) -> String {
        loop {
            self.made += 1;
            let trade_no = format!(
                "{}{:05}",
                beijing(now_ms, "%Y%m%d%H%M%S"),
                self.made % 100_000
            );
            // Fewer orders are kept than there are digits, so this ends.
            if !self.by_trade_no.contains_key(&trade_no) {
                return trade_no;
            }
        }
    }
}

impl Order {
    /// What its notice and the buyer's way back carry, unsigned.
    pub fn notice_fields(&self, pid: &str) -> Fields {
        let mut fields = Fields::from([
            ("pid".to_owned(), pid.to_owned()),
            ("trade_no".to_owned(), self.trade_no.clone()),
            ("out_trade_no".to_owned(), self.request.out_trade_no.clone()),
            ("type".to_owned(), self.request.kind.clone()),
            ("name".to_owned(), "product".to_owned()),
            ("money".to_owned(), php_float(self.request.amount)),
            ("trade_status".to_owned(), "TRADE_SUCCESS".to_owned()),
        ]);
        if !self.request.param.is_empty() {
            fields.insert("param".to_owned(), self.request.param.clone());
        }
        fields
    }
}

/// Fen as PHP prints a float of yuan: 1.00 is "1", 0.10 is "0.1".
pub(super) fn php_float(amount: u64) -> String {
    let text = yuan(amount);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Fen as yuan with two decimals.
pub(super) fn yuan(amount: u64) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}

/// A time as clocks in Beijing show it.
pub(super) fn beijing(at_ms: i64, format: &str) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::constant(8)
        .to_datetime(at)
        .strftime(format)
        .to_string()
}

const ORDERS_MAX: usize = 10_000;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_470_495_353_000;

    fn request(out_trade_no: &str, amount: u64) -> Request {
        Request {
            out_trade_no: out_trade_no.into(),
            kind: "alipay".into(),
            name: "x".into(),
            amount,
            notify_url: "http://127.0.0.1/n".into(),
            return_url: "http://127.0.0.1/r".into(),
            param: String::new(),
        }
    }

    #[test]
    fn numbers_and_money_look_as_those_of_real_gateways() {
        assert_eq!(
            Orders::default().submit(request("a", 1), NOW_MS).trade_no,
            "2016080622555300001"
        );
        for (amount, text) in [
            (100, "1"),
            (10, "0.1"),
            (1990, "19.9"),
            (1, "0.01"),
            (100_000, "1000"),
        ] {
            assert_eq!(php_float(amount), text);
        }
    }

    #[test]
    fn a_notice_is_repeated_on_the_schedule_and_then_given_up() {
        let mut orders = Orders::default();
        let trade_no = orders.submit(request("a", 1), NOW_MS).trade_no;
        assert!(orders.take_due(i64::MAX, 9).is_empty());
        assert!(orders.pay(&trade_no, NOW_MS).unwrap().1);
        assert!(!orders.pay(&trade_no, NOW_MS).unwrap().1);
        let mut now_ms = NOW_MS;
        for delay in RETRIES_MS {
            now_ms += delay;
            assert!(orders.take_due(now_ms - 1, 9).is_empty());
            assert_eq!(orders.take_due(now_ms, 9).len(), 1);
        }
        assert!(orders.take_due(i64::MAX, 9).is_empty());
    }

    #[test]
    fn an_answered_notice_is_not_repeated() {
        let mut orders = Orders::default();
        let trade_no = orders.submit(request("a", 1), NOW_MS).trade_no;
        orders.pay(&trade_no, NOW_MS);
        orders.stop_notices(&trade_no);
        assert!(orders.take_due(i64::MAX, 9).is_empty());
    }

    #[test]
    fn the_oldest_order_makes_room() {
        let mut orders = Orders::default();
        for n in 0..=ORDERS_MAX {
            let trade_no = orders.submit(request(&n.to_string(), 1), NOW_MS).trade_no;
            orders.pay(&trade_no, NOW_MS);
        }
        assert!(orders.by_out_trade_no("0").is_none());
        assert!(orders.by_out_trade_no("1").is_some());
        let sizes = [
            orders.by_trade_no.len(),
            orders.trade_no_of.len(),
            orders.oldest_first.len(),
            orders.due.len(),
        ];
        assert_eq!(sizes, [ORDERS_MAX; 4]);
    }

    #[test]
    fn the_same_number_is_the_same_order_and_a_paid_one_keeps_its_amount() {
        let mut orders = Orders::default();
        let first = orders.submit(request("a", 1), NOW_MS);
        let again = orders.submit(request("a", 2), NOW_MS);
        assert_eq!(
            (&again.trade_no, again.request.amount),
            (&first.trade_no, 2)
        );
        orders.pay(&first.trade_no, NOW_MS);
        assert_eq!(orders.submit(request("a", 3), NOW_MS).request.amount, 2);
    }
}

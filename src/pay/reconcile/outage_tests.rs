//! R10: payments while the shop is down. One provider sends its notices again as epay does, another never does; whoever paid is
//! delivered within fifteen minutes of the start.

use std::time::Instant;

use super::tests::MINUTE_MS;
use super::*;
use crate::pay::desk::fixture::{KEY, TestDesk, add_channel, notice};

/// After a payment, when epay sends the notice: at once, after 1, 3 and 20 minutes, one and two hours; then never.
const EPAY_RETRIES_MS: [i64; 6] = [
    0,
    MINUTE_MS,
    3 * MINUTE_MS,
    20 * MINUTE_MS,
    60 * MINUTE_MS,
    120 * MINUTE_MS,
];
const WITHIN_MS: i64 = 15 * MINUTE_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A payment whose notices nobody heard so far.
struct Paid {
    order: Order,
    transaction: String,
    at_ms: i64,
}

impl Paid {
    /// Whether epay sends its notice after `from_ms` and until `to_ms`.
    fn is_noticed(&self, from_ms: i64, to_ms: i64) -> bool {
        let mut at_ms = EPAY_RETRIES_MS.iter().map(|wait_ms| self.at_ms + wait_ms);
        at_ms.any(|at_ms| from_ms < at_ms && at_ms <= to_ms)
    }
}

/// A shop that was down for `down_ms`, in which `count` orders were paid, half of them with a provider that sends no notice again.
async fn outage(count: usize, down_ms: i64) -> (TestDesk, Vec<Paid>) {
    let test = TestDesk::new();
    add_channel(&test.inner, "once", KEY, &[]);
    let test = TestDesk::over(test.inner);
    test.inner.stock("steam", "MORE", count);
    let mut paid = Vec::new();
    for number in 0..count {
        let channel = ["main", "once"][number % 2];
        paid.push(Paid {
            order: test.order(channel).await,
            transaction: format!("T{number}"),
            at_ms: 0,
        });
    }
    // Down from here on; who has an order pays during its half hour.
    let began_ms = test.inner.shop.now_ms();
    for (number, paid) in paid.iter_mut().enumerate() {
        paid.at_ms = began_ms + (number as i64 % 29) * MINUTE_MS;
        test.provider.paid(&paid.order, &paid.transaction, "19.90");
    }
    test.inner.clock.advance_ms(down_ms);
    (test, paid)
}

/// The daemon's first quarter of an hour, its ticks five seconds apart; real time that asking takes counts too. Gives after how long
/// everybody had the goods.
async fn start(test: &TestDesk, paid: &[Paid], dead_for_ms: i64) -> i64 {
    let (began_ms, mut scope, mut taken) = (test.inner.shop.now_ms(), Scope::Start, 0);
    let mut waiting: Vec<&Paid> = paid.iter().collect();
    loop {
        let before_ms = test.inner.shop.now_ms();
        let dead = before_ms - began_ms < dead_for_ms;
        test.provider
            .dead
            .store(dead, std::sync::atomic::Ordering::Relaxed);
        let real = Instant::now();
        test.desk.reconcile(scope).await.unwrap();
        scope = Scope::Timer;
        test.inner.shop.expire_due().await.unwrap();
        test.inner.shop.deliver_waiting().await.unwrap();
        let real_ms = i64::try_from(real.elapsed().as_millis()).unwrap();
        test.inner.clock.advance_ms(real_ms);
        waiting.retain(|paid| test.now(&paid.order).state != OrderState::Delivered);
        let now_ms = test.inner.shop.now_ms();
        taken = taken.max(now_ms - began_ms);
        if waiting.is_empty() {
            return taken;
        }
        assert!(
            taken <= WITHIN_MS,
            "{} of {} who paid have nothing after {taken} ms",
            waiting.len(),
            paid.len()
        );
        test.inner.clock.advance_ms(5_000);
        let now_ms = test.inner.shop.now_ms();
        for paid in waiting
            .iter()
            .filter(|paid| paid.order.channel.as_str() == "main")
        {
            if paid.is_noticed(before_ms, now_ms) {
                let query = notice(&paid.order, &paid.transaction, "19.90");
                test.get("main", &query).await;
            }
        }
    }
}

async fn assert_sold_once(test: &TestDesk, paid: &[Paid]) {
    for paid in paid {
        assert_eq!(test.delivered_keys(&paid.order), 1);
    }
    // The last notices come at their time, and change nothing.
    for paid in paid.iter().take(20) {
        let query = notice(&paid.order, &paid.transaction, "19.90");
        assert_eq!(
            test.get(paid.order.channel.as_str(), &query).await.body,
            "success"
        );
        assert_eq!(test.last_verdict(), Verdict::Repeat);
    }
    let books = test.inner.shop.check_books().unwrap();
    assert_eq!(books.wrong, Vec::<String>::new());
}

#[tokio::test]
async fn r10_after_1_12_and_23_hours_everybody_who_paid_has_the_goods_within_a_quarter_of_an_hour()
{
    for hours in [1, 12, 23] {
        let (test, paid) = outage(40, hours * HOUR_MS).await;
        let taken_ms = start(&test, &paid, 0).await;
        eprintln!("down {hours} h, 40 paid: delivered after {taken_ms} ms");
        assert_sold_once(&test, &paid).await;
    }
}

#[tokio::test]
async fn r10_a_thousand_paid_orders_are_found_at_the_pace_that_small_gateways_bear() {
    let (test, paid) = outage(1_000, 12 * HOUR_MS).await;
    let real = Instant::now();
    let taken_ms = start(&test, &paid, 0).await;
    let asked = test.provider.times_asked();
    eprintln!("down 12 h, 1,000 paid: delivered after {taken_ms} ms, {asked} questions");
    assert!(asked <= 1_100, "each is asked about once: {asked}");
    let pace = asked as f64 / real.elapsed().as_secs_f64();
    assert!(pace <= 80.0, "{pace} questions in a second");
    assert_sold_once(&test, &paid).await;
}

#[tokio::test]
async fn r10_a_provider_that_comes_back_five_minutes_after_the_shop_is_asked_in_time() {
    let (test, paid) = outage(600, 12 * HOUR_MS).await;
    let taken_ms = start(&test, &paid, 5 * MINUTE_MS).await;
    eprintln!("down 12 h, 600 paid, provider dead for 5 min more: delivered after {taken_ms} ms");
    assert_sold_once(&test, &paid).await;
}

#[tokio::test]
async fn r10_orders_that_expired_before_the_start_are_found_as_well() {
    let (test, paid) = outage(40, 23 * HOUR_MS).await;
    test.inner.shop.expire_due().await.unwrap();
    assert!(
        paid.iter()
            .all(|paid| test.now(&paid.order).state == OrderState::Expired)
    );
    start(&test, &paid, 0).await;
    assert_sold_once(&test, &paid).await;
}

#[tokio::test]
async fn payments_are_looked_for_also_after_the_clock_was_put_back_a_day() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    test.provider.unpaid(&order);
    test.inner.clock.advance_ms(MINUTE_MS);
    assert_eq!(test.desk.reconcile(Scope::Timer).await.unwrap().asked, 1);
    test.inner.clock.jump_ms(-24 * HOUR_MS);
    test.provider.paid(&order, "T1", "19.90");
    for _ in 0..20 {
        test.inner.clock.advance_ms(MINUTE_MS);
        test.inner.shop.expire_due().await.unwrap();
        test.desk.reconcile(Scope::Timer).await.unwrap();
    }
    assert_eq!(test.now(&order).state, OrderState::Delivered);
}

#[tokio::test]
async fn an_order_that_expired_is_asked_about_again_after_a_clock_that_was_days_ahead() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    // A provider that gives no answer: the turn of the expired order stays.
    test.provider.silent();
    test.desk.reconcile(Scope::Timer).await.unwrap();
    test.inner.clock.advance_ms(2 * HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    test.desk.reconcile(Scope::Timer).await.unwrap();
    test.inner.clock.jump_ms(3 * 24 * HOUR_MS);
    for _ in 0..30 {
        test.inner.clock.advance_ms(MINUTE_MS);
        test.inner.shop.expire_due().await.unwrap();
        test.desk.reconcile(Scope::Timer).await.unwrap();
    }
    test.inner.clock.jump_ms(-3 * 24 * HOUR_MS);
    test.provider.paid(&order, "T1", "19.90");
    for _ in 0..20 {
        test.inner.clock.advance_ms(MINUTE_MS);
        test.inner.shop.expire_due().await.unwrap();
        test.desk.reconcile(Scope::Timer).await.unwrap();
    }
    assert_eq!(test.now(&order).state, OrderState::Delivered);
}

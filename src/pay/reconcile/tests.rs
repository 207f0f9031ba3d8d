use super::*;
use crate::pay::desk::fixture::{TestDesk, notice};

pub(super) const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

impl TestDesk {
    async fn round(&self, scope: Scope) -> Report {
        self.desk.reconcile(scope).await.unwrap()
    }

    /// A timer's round after some time: how many orders were asked about.
    async fn asked_after(&self, ms: i64) -> usize {
        self.inner.clock.advance_ms(ms);
        self.round(Scope::Timer).await.asked
    }
}

#[tokio::test]
async fn r10_after_an_outage_every_paid_order_is_delivered_and_listed() {
    let test = TestDesk::new();
    let (paid, expired, unpaid) = (
        test.order("main").await,
        test.order("weak").await,
        test.order("main").await,
    );
    test.provider.paid(&paid, "T1", "19.90");
    test.provider.paid(&expired, "T2", "20.00");
    test.provider.unpaid(&unpaid);
    test.inner.clock.advance_ms(23 * HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    let report = test.round(Scope::Start).await;
    assert_eq!(
        (report.asked, report.found.len(), report.unanswered),
        (3, 2, 0)
    );
    for order in [&paid, &expired] {
        assert_eq!(test.now(order).state, OrderState::Delivered);
    }
    assert_eq!(test.now(&unpaid).state, OrderState::Expired);
    let printed = report.to_string();
    assert!(
        printed.contains(&format!(
            "{}           19.90 CNY  main         settled",
            paid.id
        )),
        "{printed}"
    );
    assert!(printed.ends_with("3 orders asked about, 2 payments found, 0 without an answer"));
    // The provider's own notice comes at last: answered with success, nothing more.
    assert_eq!(
        test.get("main", &notice(&paid, "T1", "19.90")).await.body,
        "success"
    );
    assert_eq!(test.last_verdict(), Verdict::Repeat);
    assert_eq!(test.round(Scope::Start).await.found, []);
}

#[tokio::test]
async fn an_order_that_expired_more_than_a_day_ago_is_left_alone() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    test.provider.paid(&order, "T1", "19.90");
    test.inner.clock.advance_ms(25 * HOUR_MS);
    // Still pending, since nobody was there to expire it: asked about whatever its age.
    assert_eq!(test.round(Scope::Start).await.found.len(), 1);
    let other = test.order("main").await;
    test.inner.clock.advance_ms(HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    test.inner.clock.advance_ms(24 * HOUR_MS);
    assert_eq!(test.round(Scope::Start).await.asked, 0);
    assert_eq!(test.now(&other).state, OrderState::Expired);
}

#[tokio::test]
async fn after_a_restore_orders_since_its_copy_are_asked_about_whatever_their_age() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    let copy_at_ms = test.inner.shop.now_ms();
    test.provider.paid(&order, "T1", "19.90");
    test.inner.clock.advance_ms(HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    test.inner.clock.advance_ms(9 * 24 * HOUR_MS);
    assert_eq!(test.round(Scope::Start).await.asked, 0, "it is over");
    let times = [copy_at_ms, test.inner.shop.now_ms()].map(i64::to_be_bytes);
    let write =
        test.inner
            .shop
            .store()
            .write(move |tx| -> Result<(), crate::store::WriteError<()>> {
                Ok(tx.put_meta("restored", &times.concat())?)
            });
    write.wait().unwrap();
    assert_eq!(test.inner.shop.aftermath().unwrap().unpaid, 1);
    assert_eq!(test.round(Scope::Start).await.found.len(), 1);
    let aftermath = test.inner.shop.aftermath().unwrap();
    let found: Vec<_> = aftermath
        .orders
        .iter()
        .map(|one| (one.id, one.found))
        .collect();
    assert_eq!((found, aftermath.unpaid), (vec![(order.id, 1_990)], 0));
    // Two weeks later it is over again.
    let other = test.order("main").await;
    test.inner.clock.advance_ms(HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    test.inner.clock.advance_ms(15 * 24 * HOUR_MS);
    assert_eq!(test.round(Scope::Start).await.asked, 0);
    assert_eq!(test.now(&other).state, OrderState::Expired);
}

#[tokio::test]
async fn a_provider_that_was_silent_at_start_is_asked_again_also_about_expired_orders() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    test.inner.clock.advance_ms(HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    test.provider.silent();
    assert_eq!(test.round(Scope::Start).await.unanswered, 1);
    assert_eq!(test.asked_after(59_000).await, 0);
    test.provider.paid(&order, "T1", "19.90");
    assert_eq!(test.asked_after(1_000).await, 1);
    assert_eq!(test.now(&order).state, OrderState::Delivered);
    assert_eq!(test.asked_after(HOUR_MS).await, 0);
}

#[tokio::test]
async fn a_waiting_order_is_asked_about_at_growing_distances_and_once_after_it_expired() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    test.provider.unpaid(&order);
    assert_eq!(test.asked_after(59_999).await, 0);
    assert_eq!(test.asked_after(1).await, 1);
    for wait_ms in [60_000, 120_000, 240_000, 480_000, 600_000] {
        assert_eq!(test.asked_after(wait_ms - 1).await, 0, "{wait_ms}");
        assert_eq!(test.asked_after(1).await, 1, "{wait_ms}");
    }
    test.inner.shop.expire_due().await.unwrap();
    assert_eq!(test.now(&order).state, OrderState::Expired);
    assert_eq!(test.asked_after(600_000).await, 1);
    assert_eq!(test.asked_after(HOUR_MS).await, 0);
}

#[tokio::test]
async fn an_order_that_a_notice_paid_meanwhile_is_not_asked_about() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    assert_eq!(test.asked_after(0).await, 0);
    test.get("main", &notice(&order, "T1", "19.90")).await;
    assert_eq!(test.asked_after(120_000).await, 0);
    assert_eq!(test.provider.times_asked(), 0);
}

#[tokio::test]
async fn a_dead_provider_does_not_hold_the_other_channels_up() {
    let test = TestDesk::new();
    let mut last = None;
    for _ in 0..9 {
        last = Some(test.order("weak").await);
    }
    let good = test.order("main").await;
    test.provider.silent();
    test.provider.paid(&good, "T1", "19.90");
    let report = test.round(Scope::Start).await;
    assert_eq!(
        (report.asked, report.found.len(), report.unanswered),
        (1, 1, 9)
    );
    assert!(test.provider.times_asked() <= 1 + 3 + AT_A_TIME);
    // Nothing was taken for unpaid: each has its turn again.
    let last = last.unwrap();
    test.provider.paid(&last, "T2", "19.90");
    test.inner.clock.advance_ms(60_000);
    test.round(Scope::Timer).await;
    assert!(test.desk.rounds.lock().await.turns.len() >= 8);
}

#[tokio::test]
async fn a_payment_that_is_too_small_is_listed_once_and_delivers_nothing() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    test.provider.paid(&order, "T1", "0.01");
    test.inner.clock.advance_ms(60_000);
    let report = test.round(Scope::Timer).await;
    assert_eq!(report.found[0].verdict, Verdict::Short);
    assert!(report.found[0].why.contains("0.01 paid, 19.90 expected"));
    test.inner.clock.advance_ms(60_000);
    assert_eq!(test.round(Scope::Timer).await.found, []);
    assert_eq!(test.now(&order).state, OrderState::Pending);
}

#[tokio::test]
async fn a_provider_that_refuses_every_question_is_suspected_and_expired_orders_stay_asked() {
    let test = TestDesk::new();
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(test.order("main").await);
    }
    let main = orders[0].channel.clone();
    test.inner.clock.advance_ms(HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    // As with a wrong key: every order is refused.
    let report = test.round(Scope::Start).await;
    assert_eq!((report.asked, report.unanswered), (0, 3));
    let warned_at_ms = test.desk.rounds.lock().await.trust[&main].warned_at_ms;
    assert_eq!(warned_at_ms, Some(test.inner.shop.now_ms()));
    for wait_ms in [1, 2, 4, 8, 16, 32, 64].map(|minutes| minutes * 60_000) {
        test.inner.clock.advance_ms(wait_ms - 1);
        assert_eq!(test.round(Scope::Timer).await.unanswered, 0, "{wait_ms}");
        test.inner.clock.advance_ms(1);
        assert_eq!(test.round(Scope::Timer).await.unanswered, 3, "{wait_ms}");
    }
    // The key is set right: what was paid is found, and a refusal is believed again.
    test.provider.paid(&orders[1], "T1", "19.90");
    let report = {
        test.inner.clock.advance_ms(128 * 60_000);
        test.round(Scope::Timer).await
    };
    assert_eq!((report.asked, report.found.len()), (3, 1));
    assert_eq!(test.now(&orders[1]).state, OrderState::Delivered);
    assert_eq!(test.asked_after(12 * HOUR_MS).await, 0);
    assert!(test.desk.rounds.lock().await.turns.is_empty());
}

#[tokio::test]
async fn orders_of_a_suspected_provider_are_asked_about_for_a_day_after_their_expiry_and_remembered_for_one_more()
 {
    let test = TestDesk::new();
    test.order("main").await;
    test.inner.clock.advance_ms(HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    assert_eq!(test.round(Scope::Start).await.unanswered, 1);
    test.inner.clock.advance_ms(24 * HOUR_MS);
    assert_eq!(test.round(Scope::Timer).await.unanswered, 0);
    // The clock may be ahead, and be put right.
    assert_eq!(test.desk.rounds.lock().await.turns.len(), 1);
    for _ in 0..6 {
        test.inner.clock.advance_ms(4 * HOUR_MS);
        assert_eq!(test.round(Scope::Timer).await.unanswered, 0);
    }
    assert!(test.desk.rounds.lock().await.turns.is_empty());
}

#[tokio::test]
async fn a_provider_that_speaks_of_one_order_is_believed_about_the_others() {
    let test = TestDesk::new();
    let spoken = test.order("main").await;
    for _ in 0..5 {
        test.order("main").await;
    }
    test.provider.unpaid(&spoken);
    let report = test.round(Scope::Start).await;
    assert_eq!((report.asked, report.unanswered), (6, 0));
    let rounds = test.desk.rounds.lock().await;
    assert_eq!(rounds.trust[&spoken.channel].warned_at_ms, None);
}

#[tokio::test]
async fn at_start_pending_orders_are_asked_about_before_expired_ones() {
    let test = TestDesk::new();
    test.order("main").await;
    test.inner.clock.advance_ms(HOUR_MS);
    test.inner.shop.expire_due().await.unwrap();
    let pending = test.order("main").await;
    test.round(Scope::Start).await;
    assert_eq!(
        test.provider.asked.lock().unwrap()[0],
        pending.id.to_string()
    );
}

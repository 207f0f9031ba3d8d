//! Authorities, clocks and stores that are not as they should be.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use super::tests::{DAY_MS, FakeCa, HOUR_MS, MINUTE_MS, Now, Test, error};
use super::*;
use crate::{
    domain::Secret,
    net::{
        acme::{AcmeError, AcmeErrorKind, Issued, RenewalInfo, Wanted},
        certificate::RenewalId,
    },
    pay::BoxFuture,
};

/// What the library does over some answers.
struct Panics;

impl Ca for Panics {
    fn register(&self) -> BoxFuture<'_, Result<Secret, AcmeError>> {
        Box::pin(async { Ok(Secret::from("account")) })
    }
    fn issue<'a>(
        &'a self,
        _: &'a Secret,
        _: &'a Wanted,
    ) -> BoxFuture<'a, Result<Issued, AcmeError>> {
        Box::pin(async { panic!("infallible error should not occur") })
    }
    fn renewal_info<'a>(
        &'a self,
        _: &'a RenewalId,
    ) -> BoxFuture<'a, Result<Option<RenewalInfo>, AcmeError>> {
        Box::pin(async { panic!("overflow when adding duration to instant") })
    }
}

impl Test {
    /// Another authority in the place of the one before.
    fn ask(&mut self, ca: Arc<dyn Ca>) {
        self.keeper.order.as_mut().unwrap().ca = ca;
    }

    fn order(&mut self) -> &mut Order {
        self.keeper.order.as_mut().unwrap()
    }

    fn renewal(&self) -> crate::actions::Renewal {
        self.till.shop.renewal().unwrap()
    }
}

fn past(now_ms: i64) -> RenewalInfo {
    RenewalInfo {
        start_ms: now_ms - 2 * HOUR_MS,
        end_ms: now_ms - HOUR_MS,
        explanation: None,
        ask_again: Duration::from_secs(6 * 3_600),
    }
}

#[tokio::test]
async fn a_panic_in_the_library_is_a_failure_that_is_waited_after_and_ends_nothing() {
    let mut test = Test::new(90 * DAY_MS);
    let good: Arc<FakeCa> = test.ca.clone();
    test.ask(Arc::new(Panics));
    test.keeper.look().await.unwrap();
    let renewal = test.renewal();
    assert_eq!((renewal.failures, renewal.asking_since_ms), (1, None));
    assert!(renewal.wait_until_ms >= test.till.clock.now() + MINUTE_MS);
    test.ask(good);
    test.pass(2 * MINUTE_MS, 10_000).await;
    assert_eq!(test.attempts(), 1, "and it is kept as before");
    // Over the question for the window, too.
    test.ask(Arc::new(Panics));
    test.till.clock.advance_ms(7 * HOUR_MS);
    test.keeper.look().await.unwrap();
    assert!(test.renewal().ask_at_ms > test.till.clock.now());
}

#[tokio::test]
async fn what_has_run_out_when_it_comes_is_a_failure_and_not_served() {
    for skew_ms in [-91 * DAY_MS, -60 * DAY_MS, DAY_MS] {
        let test = Test::new(90 * DAY_MS);
        let own = test.serial();
        test.ca.skew_ms.store(skew_ms, SeqCst);
        test.pass(10 * MINUTE_MS, 10_000).await;
        assert_eq!((test.attempts(), test.serial()), (3, own));
        let said = test.renewal().last_error.unwrap();
        assert!(said.contains("clock"), "{said}");
        // Some minutes are between any two clocks.
        test.ca.skew_ms.store(2 * MINUTE_MS, SeqCst);
        test.pass(HOUR_MS, MINUTE_MS).await;
        assert_eq!((test.attempts(), test.renewal().failures), (4, 0));
    }
}

#[tokio::test]
async fn no_order_follows_another_that_went_well_within_the_hour() {
    let test = Test::new(90 * DAY_MS);
    *test.ca.window.lock().unwrap() = Some(past(test.till.clock.now()));
    test.pass(59 * MINUTE_MS, MINUTE_MS).await;
    assert_eq!(test.attempts(), 1);
    test.pass(2 * MINUTE_MS, MINUTE_MS).await;
    assert_eq!(test.attempts(), 2, "the window has passed");
}

#[tokio::test]
async fn a_clock_that_was_once_ahead_silences_neither_attempts_nor_alarms() {
    let test = Test::new(90 * DAY_MS);
    test.keeper.look().await.unwrap();
    test.ca.is_down.store(true, SeqCst);
    let ahead_ms = 730 * DAY_MS;
    test.till.clock.jump_ms(ahead_ms);
    test.pass(8 * HOUR_MS, 10 * MINUTE_MS).await;
    assert_eq!(test.alarms(), 1, "by that clock it has run out");
    test.till.clock.jump_ms(-ahead_ms);
    test.keeper.look().await.unwrap();
    let (renewal, now_ms) = (test.renewal(), test.till.clock.now());
    assert!(renewal.wait_until_ms <= now_ms + 7 * HOUR_MS);
    assert!(renewal.ask_at_ms <= now_ms + DAY_MS);
    assert!(renewal.failing_since_ms <= Some(now_ms));
    let before = test.attempts();
    test.till.clock.advance_ms(45 * DAY_MS);
    test.keeper.look().await.unwrap();
    assert_eq!(test.attempts(), before + 1, "at half of its life");
    test.till.clock.advance_ms(44 * DAY_MS);
    test.keeper.look().await.unwrap();
    assert_eq!(test.alarms(), 2, "now it is so");
}

#[tokio::test]
async fn a_shop_that_changed_its_host_and_gets_no_certificate_is_told_within_hours() {
    let mut test = Test::new(90 * DAY_MS);
    for _ in 0..3 {
        test.keeper.look().await.unwrap();
        test.till.clock.advance_ms(45 * DAY_MS);
    }
    test.till.clock.advance_ms(-40 * DAY_MS);
    test.keeper.look().await.unwrap();
    assert_eq!(test.keeper.hsts.max_age_s(), 31_536_000);
    test.ca.is_down.store(true, SeqCst);
    test.order().names = vec!["new.example".into()];
    test.keeper.look().await.unwrap();
    assert_eq!(test.keeper.hsts.max_age_s(), 300, "nothing is known of it");
    test.pass(2 * HOUR_MS, 10 * MINUTE_MS).await;
    assert_eq!(test.alarms(), 1);
    let now_ms = test.till.clock.now();
    assert!(test.renewal().is_overdue(now_ms));
    let alarm = test.till.shop.certificate_alarm().unwrap().unwrap();
    assert_eq!(alarm.until_ms, None, "there is none for that name");
}

#[tokio::test]
async fn a_wait_for_a_mistyped_name_is_forgotten_with_it() {
    let mut test = Test::new(90 * DAY_MS);
    let week = Duration::from_secs(7 * 86_400);
    let limited = error(AcmeErrorKind::RateLimited, Some(week));
    test.ca.script.lock().unwrap().push_back(limited);
    test.order().names = vec!["shpo.example".into()];
    test.pass(HOUR_MS, 10 * MINUTE_MS).await;
    assert_eq!(test.attempts(), 1);
    test.order().names = vec!["shop.example".into()];
    test.keeper.look().await.unwrap();
    assert_eq!((test.attempts(), test.renewal().failures), (2, 0));
}

#[tokio::test]
async fn a_kept_certificate_that_is_not_the_one_that_is_served_is_ordered_again() {
    let mut test = Test::new(90 * DAY_MS);
    test.keeper.look().await.unwrap();
    // Started again, and the kept one could not be installed.
    let dir = tempfile::tempdir().unwrap();
    test.keeper.tls = TlsServer::self_signed(dir.path(), "shop.example").unwrap();
    test.till.clock.advance_ms(2 * HOUR_MS);
    test.keeper.look().await.unwrap();
    assert_eq!(test.attempts(), 2);
    assert_eq!(test.serial(), test.renewal().served.unwrap().serial);
}

#[tokio::test]
async fn an_authority_that_hangs_keeps_no_alarm_back_and_is_given_up() {
    struct Hangs;
    impl Ca for Hangs {
        fn register(&self) -> BoxFuture<'_, Result<Secret, AcmeError>> {
            Box::pin(std::future::pending())
        }
        fn issue<'a>(
            &'a self,
            _: &'a Secret,
            _: &'a Wanted,
        ) -> BoxFuture<'a, Result<Issued, AcmeError>> {
            Box::pin(std::future::pending())
        }
        fn renewal_info<'a>(
            &'a self,
            _: &'a RenewalId,
        ) -> BoxFuture<'a, Result<Option<RenewalInfo>, AcmeError>> {
            Box::pin(std::future::pending())
        }
    }
    let mut test = Test::new(90 * DAY_MS);
    test.keeper.look().await.unwrap();
    test.till.clock.advance_ms(89 * DAY_MS);
    test.ask(Arc::new(Hangs));
    let cut = tokio::time::timeout(Duration::from_millis(500), test.keeper.look()).await;
    assert!(cut.is_err(), "it hangs");
    assert_eq!(test.alarms(), 1);
    test.order().patience = Duration::from_millis(5);
    test.till.clock.advance_ms(2 * MINUTE_MS);
    test.keeper.look().await.unwrap();
    test.till.clock.advance_ms(2 * MINUTE_MS);
    test.keeper.look().await.unwrap();
    let renewal = test.renewal();
    assert!(renewal.failures > 0 && renewal.asking_since_ms.is_none());
    assert!(renewal.last_error.unwrap().contains("end"));
}

#[tokio::test]
async fn browsers_hear_after_a_restart_what_they_heard_before_it() {
    let mut test = Test::new(90 * DAY_MS);
    for _ in 0..3 {
        test.keeper.look().await.unwrap();
        test.till.clock.advance_ms(45 * DAY_MS);
    }
    test.keeper.hsts = Arc::default();
    test.keeper.begin().unwrap();
    assert_eq!(test.keeper.hsts.max_age_s(), 31_536_000);
}

//! R15: what a moved clock must not do.

use crate::domain::{Order, OrderState};
use crate::store::Rows;
use crate::testing::{TestShop, Till};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The daemon's second, for so long.
async fn pass(shop: &TestShop, ms: i64) -> u32 {
    let mut expired = 0;
    for _ in 0..(ms / 1_000) {
        shop.clock.advance_ms(1_000);
        expired += shop.shop.expire_due().await.unwrap();
    }
    expired
}

fn now(shop: &TestShop, order: &Order) -> Order {
    shop.shop.order(order.id).unwrap().unwrap()
}

fn head_t_ms(shop: &TestShop) -> i64 {
    shop.shop.store().read().unwrap().head().unwrap().t_ms
}

/// What the `clock` entries after `size` say, in their order.
fn told(shop: &TestShop, size: u64) -> Vec<i64> {
    let snapshot = shop.shop.store().read().unwrap();
    let head = snapshot.head().unwrap();
    let mut told = Vec::new();
    for seq in size..head.size {
        let line = snapshot.entry(head.at(seq)).unwrap().unwrap().line;
        let entry = crate::ledger::entry::Entry::parse(&line).unwrap();
        if let crate::ledger::entry::Body::Clock { skew_ms, .. } = entry.body {
            told.push(skew_ms);
        }
    }
    told
}

fn size(shop: &TestShop) -> u64 {
    shop.shop.store().read().unwrap().head().unwrap().size
}

fn assert_right(shop: &TestShop) {
    assert_eq!(shop.shop.check_books().unwrap().wrong, Vec::<String>::new());
}

#[tokio::test]
async fn no_order_ends_by_a_jump_and_none_is_held_longer_for_one() {
    let to_1970 = |shop: &TestShop| -shop.shop.now_ms();
    let jumps: [&dyn Fn(&TestShop) -> i64; 5] = [
        &|_| HOUR_MS,
        &|_| -HOUR_MS,
        &|_| DAY_MS,
        &|_| -DAY_MS,
        &to_1970,
    ];
    for jump in jumps {
        let shop = TestShop::new();
        shop.stock("steam", "KEY", 50);
        let order = shop.order("steam").await;
        let ttl_ms = order.expires_at_ms - shop.shop.now_ms();
        assert_eq!(pass(&shop, 5 * MINUTE_MS).await, 0);
        let (jump_ms, t_ms, before) = (jump(&shop), head_t_ms(&shop), size(&shop));
        shop.clock.jump_ms(jump_ms);
        assert_eq!(pass(&shop, 4 * MINUTE_MS).await, 0, "{jump_ms}");
        assert_eq!(now(&shop, &order).state, OrderState::Pending, "{jump_ms}");
        assert_eq!(told(&shop, before), [jump_ms], "told once");
        assert!(
            head_t_ms(&shop) >= t_ms,
            "the ledger's time never goes back"
        );
        assert_right(&shop);
        // Its time goes on as if nothing had happened, and then it ends.
        let left_ms = ttl_ms - 9 * MINUTE_MS;
        assert_eq!(
            now(&shop, &order).expires_at_ms - shop.shop.now_ms(),
            left_ms
        );
        assert_eq!(pass(&shop, left_ms - 1_000).await, 0, "{jump_ms}");
        assert_eq!(pass(&shop, 2_000).await, 1, "{jump_ms}");
        assert_eq!(now(&shop, &order).state, OrderState::Expired);
        // Paid a moment later it is late, not lost; and another is sold under the moved clock.
        shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
        assert_eq!(now(&shop, &order).state, OrderState::Delivered, "{jump_ms}");
        let other = shop.order("steam").await;
        shop.shop.settle(shop.claim(&other, "T2")).await.unwrap();
        assert_eq!(now(&shop, &other).state, OrderState::Delivered);
        assert_right(&shop);
        let shop = shop.reopen();
        assert_right(&shop);
    }
}

#[tokio::test]
async fn a_clock_that_stands_still_ends_orders_all_the_same_and_fills_no_ledger() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 50);
    let order = shop.order("steam").await;
    let ttl_ms = order.expires_at_ms - shop.shop.now_ms();
    let before = size(&shop);
    let mut expired = 0;
    for _ in 0..(ttl_ms / 1_000 + 3) {
        shop.clock.advance_ms(1_000);
        shop.clock.jump_ms(-1_000);
        expired += shop.shop.expire_due().await.unwrap();
    }
    assert_eq!(expired, 1);
    let told = told(&shop, before);
    assert!((1..=4).contains(&told.len()), "every ten minutes: {told:?}");
    assert!(told.iter().all(|skew_ms| *skew_ms < 0));
    assert_right(&shop);
}

#[tokio::test]
async fn an_order_placed_between_a_jump_and_the_look_at_it_has_its_whole_time_and_no_more() {
    for jump_ms in [HOUR_MS, -HOUR_MS, 3 * DAY_MS, -3 * DAY_MS] {
        let shop = TestShop::new();
        shop.stock("steam", "KEY", 50);
        let before = shop.order("steam").await;
        pass(&shop, MINUTE_MS).await;
        shop.clock.jump_ms(jump_ms);
        shop.clock.advance_ms(100);
        let order = shop.order("steam").await;
        shop.shop.watch_clock().await.unwrap();
        assert_eq!(now(&shop, &order).expires_at_ms, order.expires_at_ms);
        assert_eq!(
            now(&shop, &before).expires_at_ms,
            before.expires_at_ms + jump_ms
        );
        assert_right(&shop);
    }
}

#[tokio::test]
async fn a_leap_second_and_a_slewed_clock_are_no_jumps_and_a_creeping_one_is() {
    let shop = TestShop::new();
    let before = size(&shop);
    shop.clock.jump_ms(-1_000);
    pass(&shop, MINUTE_MS).await;
    // As fast as NTP slews: 500 ppm, for three hours.
    for _ in 0..3 * 3_600 / 10 {
        shop.clock.advance_ms(10_000);
        shop.clock.jump_ms(5);
        shop.shop.watch_clock().await.unwrap();
    }
    assert_eq!(told(&shop, before), Vec::<i64>::new());
    for _ in 0..60 {
        shop.clock.advance_ms(10_000);
        shop.clock.jump_ms(100);
        shop.shop.watch_clock().await.unwrap();
    }
    assert!(!told(&shop, before).is_empty());
}

#[tokio::test]
async fn after_a_jump_forth_and_back_the_ledger_stands_and_says_why_and_still_shows_signs_of_life()
{
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 10);
    let before = size(&shop);
    shop.clock.jump_ms(3 * DAY_MS);
    pass(&shop, MINUTE_MS).await;
    shop.shop.heartbeat().await.unwrap();
    let ahead_ms = head_t_ms(&shop);
    shop.clock.jump_ms(-3 * DAY_MS);
    pass(&shop, MINUTE_MS).await;
    assert_eq!(told(&shop, before), [3 * DAY_MS, -3 * DAY_MS]);
    let order = shop.order("steam").await;
    shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    assert_eq!(
        head_t_ms(&shop),
        ahead_ms,
        "it stands until the clock has caught up"
    );
    // The wall clock will not have caught up for days, and an auditor hears from the shop within one.
    shop.clock.advance_ms(19 * HOUR_MS);
    assert!(!shop.shop.heartbeat().await.unwrap());
    shop.clock.advance_ms(HOUR_MS);
    assert!(shop.shop.heartbeat().await.unwrap());
    assert_right(&shop);
}

#[tokio::test]
async fn a_clock_put_back_while_the_shop_was_closed_gives_orders_their_time_again_and_no_more() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 50);
    let order = shop.order("steam").await;
    let shop = shop.reopen();
    shop.clock.jump_ms(-DAY_MS);
    let shop = shop.reopen();
    assert_eq!(shop.shop.mend_deadlines().await.unwrap(), 1);
    let ttl_ms = Till::default().policy.order_ttl_ms;
    assert_eq!(
        now(&shop, &order).expires_at_ms,
        shop.shop.now_ms() + ttl_ms
    );
    assert_eq!(shop.shop.mend_deadlines().await.unwrap(), 0);
    assert_eq!(pass(&shop, ttl_ms + 1_000).await, 1);
    assert_right(&shop);
}

#[tokio::test]
async fn messages_go_out_no_later_because_the_clock_was_put_back() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 10);
    let order = shop.order("steam").await;
    shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    let due = |shop: &TestShop| {
        let snapshot = shop.shop.store().read().unwrap();
        let via = crate::domain::Via::Webhook;
        snapshot
            .effects_due(via, shop.shop.now_ms(), 9)
            .unwrap()
            .len()
    };
    let waiting = due(&shop);
    assert!(waiting > 0);
    shop.clock.jump_ms(-DAY_MS);
    assert_eq!(due(&shop), 0);
    shop.shop.watch_clock().await.unwrap();
    assert_eq!(due(&shop), waiting);
}

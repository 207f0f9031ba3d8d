//! Stories of a whole shop: real database, real vault, real ledger; only the clock is the test's.

use std::sync::Arc;

use super::{HandError, OrderFilter};
use crate::domain::{EffectKind, Order, OrderState, Reason, Verdict, Via};
use crate::store::Rows;
use crate::testing::TestShop;

const MINUTE_MS: i64 = 60_000;

fn assert_right(shop: &TestShop) {
    let books = shop.shop.check_books().unwrap();
    assert_eq!(books.wrong, Vec::<String>::new());
    for money in books.money.values() {
        assert_eq!(
            money.arrived,
            money.sold + money.queued + money.waiting + money.returned
        );
    }
}

fn state_of(shop: &TestShop, order: &Order) -> (OrderState, Option<Reason>) {
    let order = shop.shop.order(order.id).unwrap().unwrap();
    (order.state, order.reason)
}

#[tokio::test]
async fn a_paid_order_has_its_key_in_the_same_commit() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    let settled = shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    assert_eq!(settled.verdict, Verdict::Settled);
    let view = shop.shop.view_order(order.id).unwrap().unwrap();
    assert_eq!(view.order.state, OrderState::Delivered);
    assert_eq!(view.keys.len(), 1);
    assert_eq!(view.keys[0].expose(), b"KEY-000000");
    let receipt = shop.shop.receipt(order.id).unwrap();
    let receipt = crate::ledger::receipt::Receipt::parse(receipt.as_bytes()).unwrap();
    let vkey = crate::ledger::note::Vkey::parse(&shop.shop.chain().vkey()).unwrap();
    assert_eq!(receipt.verify(&[vkey], &[]).unwrap().keys, 1);
    let shop = shop.reopen();
    assert_eq!(
        shop.shop.view_order(order.id).unwrap().unwrap().keys[0].expose(),
        b"KEY-000000"
    );
}

#[tokio::test]
async fn the_same_notice_a_hundred_times_sells_one_key() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    let first = shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    assert!(first.accepted);
    for _ in 0..99 {
        let again = shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
        assert_eq!((again.verdict, again.accepted), (Verdict::Repeat, true));
    }
    let pool = shop
        .shop
        .store()
        .read()
        .unwrap()
        .pool(&order.product)
        .unwrap()
        .unwrap();
    assert_eq!((pool.available, pool.reserved, pool.sold), (2, 0, 1));
    assert_right(&shop);
}

/// S13, as far as it concerns epay V1, whose notices carry no time: an old notice is a repetition, whenever it comes.
#[tokio::test]
async fn what_was_prepared_for_an_order_that_changed_meanwhile_is_not_used() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    // Each is prepared before any of them is written: on this thread they take turns only where they wait for the writer.
    let claims = ["T1", "T2", "T1", "T3"].map(|id| shop.claim(&order, id));
    let [first, second, third, fourth] = claims.map(|claim| shop.shop.settle(claim));
    let settled = tokio::join!(first, second, third, fourth);
    let verdicts =
        [settled.0, settled.1, settled.2, settled.3].map(|settled| settled.unwrap().verdict);
    assert_eq!(
        verdicts,
        [
            Verdict::Settled,
            Verdict::Surplus,
            Verdict::Repeat,
            Verdict::Surplus
        ]
    );
    let stored = shop.shop.order(order.id).unwrap().unwrap();
    assert_eq!((stored.payments.len(), stored.owed()), (3, 2 * 1_990));
    let pool = shop.shop.store().read().unwrap().pool(&order.product);
    assert_eq!(pool.unwrap().unwrap().sold, 1);
    assert_right(&shop);
}

#[tokio::test]
async fn s13_a_notice_of_yesterday_replayed_changes_nothing() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    let (before, size) = (
        shop.shop.order(order.id).unwrap(),
        shop.shop.chain().latest().size,
    );
    shop.clock.advance_ms(24 * 60 * MINUTE_MS);
    let again = shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    assert_eq!((again.verdict, again.accepted), (Verdict::Repeat, true));
    assert_eq!(
        (
            shop.shop.order(order.id).unwrap(),
            shop.shop.chain().latest().size
        ),
        (before, size)
    );
    assert_right(&shop);
}

/// S13: yesterday's notice of an order that was never settled is not delivered unseen after the late window.
#[tokio::test]
async fn s13_a_first_notice_that_comes_after_a_day_waits_for_a_person() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    shop.clock.advance_ms(25 * 60 * MINUTE_MS);
    shop.shop.expire_due().await.unwrap();
    let queued = shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    assert_eq!((queued.verdict, queued.accepted), (Verdict::Queued, true));
    assert_eq!(
        state_of(&shop, &order),
        (OrderState::Paid, Some(Reason::Review))
    );
    assert_right(&shop);
}

#[tokio::test]
async fn one_transaction_never_pays_two_orders() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let (first, second) = (shop.order("steam").await, shop.order("steam").await);
    assert!(
        shop.shop
            .settle(shop.claim(&first, "T1"))
            .await
            .unwrap()
            .accepted
    );
    let conflict = shop.shop.settle(shop.claim(&second, "T1")).await.unwrap();
    assert_eq!(
        (conflict.verdict, conflict.accepted),
        (Verdict::Conflict, false)
    );
    assert_eq!(state_of(&shop, &second).0, OrderState::Pending);
}

#[tokio::test]
async fn a_payment_through_another_channel_is_unknown_there() {
    let shop = TestShop::new();
    shop.add_channel("other");
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    let mut claim = shop.claim(&order, "T1");
    claim.channel = crate::domain::ChannelName::parse("other").unwrap();
    assert!(matches!(
        shop.shop.settle(claim).await,
        Err(super::SettleError::UnknownOrder)
    ));
}

#[tokio::test]
async fn a_late_notice_without_stock_waits_for_the_next_import() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let late = shop.order("steam").await;
    shop.clock.advance_ms(31 * MINUTE_MS);
    assert_eq!(shop.shop.expire_due().await.unwrap(), 1);
    let quick = shop.order("steam").await;
    assert!(
        shop.shop
            .settle(shop.claim(&quick, "T1"))
            .await
            .unwrap()
            .accepted
    );
    let queued = shop.shop.settle(shop.claim(&late, "T2")).await.unwrap();
    assert_eq!((queued.verdict, queued.accepted), (Verdict::Queued, true));
    assert_eq!(
        state_of(&shop, &late),
        (OrderState::Paid, Some(Reason::NoStock))
    );
    shop.stock("steam", "MORE", 1);
    assert_eq!(shop.shop.deliver_waiting().await.unwrap(), 1);
    assert_eq!(
        shop.shop.view_order(late.id).unwrap().unwrap().keys[0].expose(),
        b"MORE-000000"
    );
}

#[tokio::test]
async fn a_short_payment_waits_and_is_owed_back_once_the_order_expired() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    let mut claim = shop.claim(&order, "T1");
    claim.amount -= 1;
    let short = shop.shop.settle(claim).await.unwrap();
    assert_eq!((short.verdict, short.accepted), (Verdict::Short, false));
    assert_eq!(short.why, "refused: 19.89 paid, 19.90 expected");
    assert_eq!(
        state_of(&shop, &order),
        (OrderState::Pending, Some(Reason::Short))
    );
    shop.clock.advance_ms(31 * MINUTE_MS);
    shop.shop.expire_due().await.unwrap();
    let owed = shop
        .shop
        .orders(
            OrderFilter {
                owed: true,
                ..OrderFilter::default()
            },
            10,
        )
        .unwrap();
    assert_eq!(owed.iter().map(Order::owed).collect::<Vec<_>>(), [1989]);
    let returned = shop
        .shop
        .returned_by_hand(order.id, "sent back by Alipay")
        .unwrap_or_else(|_| unreachable!());
    assert_eq!(returned.owed(), 0);
    assert_right(&shop);
}

#[tokio::test]
async fn a_person_who_accepts_a_short_payment_has_the_sale_say_what_was_paid() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    let mut claim = shop.claim(&order, "T1");
    claim.amount = 1_500;
    shop.shop.settle(claim).await.unwrap();
    let delivered = shop.shop.give_by_hand(order.id, "a regular").unwrap();
    assert_eq!((delivered.owed(), delivered.accepted()), (0, 1_500));
    let seq = delivered.sale.unwrap();
    let row = shop
        .shop
        .store()
        .read()
        .unwrap()
        .entry(seq)
        .unwrap()
        .unwrap();
    assert!(
        String::from_utf8(row.line)
            .unwrap()
            .contains("\"amt\":1500,")
    );
    assert_right(&shop);
}

#[tokio::test]
async fn what_two_short_payments_are_too_much_for_a_person_who_accepts_them_is_told_to_be_returned()
{
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    for transaction in ["T1", "T2"] {
        let mut claim = shop.claim(&order, transaction);
        claim.amount = 1_989;
        shop.shop.settle(claim).await.unwrap();
    }
    let told = || {
        let effects = shop.shop.effects(100).unwrap();
        let due = effects.iter().filter(|effect| {
            (effect.kind, effect.order) == (EffectKind::RefundDue, Some(order.id))
        });
        due.map(|effect| effect.via).collect::<Vec<_>>()
    };
    assert_eq!(told(), []);
    let delivered = shop.shop.give_by_hand(order.id, "it is enough").unwrap();
    assert_eq!((delivered.owed(), delivered.accepted()), (1_988, 1_990));
    let ways = told();
    assert!(ways.contains(&Via::Webhook), "{ways:?}");
    // Once: what waits already is no news when somebody decides again.
    shop.shop.returned_by_hand(order.id, "sent back").unwrap();
    assert_eq!(told(), ways);
    assert_right(&shop);
}

#[tokio::test]
async fn a_price_said_to_be_paid_beside_a_short_payment_on_record_is_refused_with_what_to_do() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    let mut claim = shop.claim(&order, "T1");
    claim.amount = 1_500;
    shop.shop.settle(claim).await.unwrap();
    let refused = shop.shop.deliver_by_hand(order.id, "the rest in cash");
    let refused = refused.unwrap_err().to_string();
    assert!(refused.starts_with("15.00 of 19.90 CNY is on"), "{refused}");
    assert_eq!(state_of(&shop, &order).0, OrderState::Pending);
    // Both ways that it names.
    shop.clock.advance_ms(31 * MINUTE_MS);
    shop.shop.expire_due().await.unwrap();
    shop.shop.returned_by_hand(order.id, "sent back").unwrap();
    let delivered = shop.shop.deliver_by_hand(order.id, "all in cash").unwrap();
    assert_eq!((delivered.accepted(), delivered.owed()), (1_990, 0));
    let settled = shop.shop.settle(shop.claim(&order, "T2")).await.unwrap();
    assert_eq!(settled.verdict, Verdict::Settled);
    assert_right(&shop);
}

#[tokio::test]
async fn a_second_payment_does_not_throw_an_order_out_of_the_queue() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let late = shop.order("steam").await;
    shop.clock.advance_ms(31 * MINUTE_MS);
    shop.shop.expire_due().await.unwrap();
    shop.shop
        .void_keys(&[crate::domain::SlotRef { batch: 0, index: 0 }], "bad")
        .unwrap();
    shop.shop.settle(shop.claim(&late, "T1")).await.unwrap();
    let second = shop.shop.settle(shop.claim(&late, "T2")).await.unwrap();
    assert_eq!((second.verdict, second.accepted), (Verdict::Surplus, true));
    assert_eq!(
        state_of(&shop, &late),
        (OrderState::Paid, Some(Reason::NoStock))
    );
    shop.stock("steam", "MORE", 1);
    assert_eq!(shop.shop.deliver_waiting().await.unwrap(), 1);
    assert_eq!(shop.shop.order(late.id).unwrap().unwrap().owed(), 1_990);
    assert_right(&shop);
}

#[tokio::test]
async fn a_payment_heard_of_after_a_delivery_by_hand_is_that_orders_own() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = shop.order("steam").await;
    shop.shop
        .deliver_by_hand(order.id, "seen at the provider")
        .unwrap();
    let settled = shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    assert_eq!(
        (settled.verdict, settled.accepted),
        (Verdict::Settled, true)
    );
    let after = shop.shop.order(order.id).unwrap().unwrap();
    assert_eq!(
        (after.owed(), after.slots.len()),
        (0, 1),
        "nothing to return, and one key"
    );
    let second = shop.shop.settle(shop.claim(&order, "T2")).await.unwrap();
    assert_eq!(second.verdict, Verdict::Surplus);
    assert_right(&shop);
}

#[tokio::test]
async fn a_gift_is_no_money_in_the_ledger_and_what_is_paid_for_it_waits_to_be_returned() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = shop.order("steam").await;
    let given = shop.shop.give_by_hand(order.id, "gift").unwrap();
    assert_eq!((given.accepted(), given.received()), (0, 0));
    // Messages tell no price as if it had been paid.
    assert_eq!((order.told().amount, given.told().amount), (1_990, 0));
    let rows = shop.shop.store().read().unwrap();
    let line = rows.entry(given.sale.unwrap()).unwrap().unwrap().line;
    drop(rows);
    let line = String::from_utf8(line).unwrap();
    assert!(line.starts_with("{\"amt\":0,"), "{line}");
    assert_eq!(shop.shop.check_books().unwrap().money.len(), 0);
    let refund = shop.shop.refund_sale(order.id, None, "goodwill", "x");
    assert!(matches!(refund, Err(HandError::AllRefunded)), "{refund:?}");
    for (transaction, owed) in [("T1", 1_990), ("T2", 3_980)] {
        let settled = shop.shop.settle(shop.claim(&order, transaction)).await;
        assert_eq!(settled.unwrap().verdict, Verdict::Surplus);
        let after = shop.shop.order(order.id).unwrap().unwrap();
        assert_eq!((after.owed(), after.accepted()), (owed, 0));
        assert_eq!(after.reason, Some(Reason::Given));
    }
    let receipt = shop.shop.receipt(order.id).unwrap();
    assert!(receipt.contains("{\"amt\":0,"));
    let view = shop.shop.view_order(order.id).unwrap().unwrap();
    assert!(shop.shop.receipt_holds(&view).unwrap());
    assert_right(&shop);
}

#[tokio::test]
async fn a_small_payment_does_not_pass_for_that_of_an_order_delivered_by_hand() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = shop.order("steam").await;
    shop.shop
        .deliver_by_hand(order.id, "seen at the provider")
        .unwrap();
    let mut small = shop.claim(&order, "T1");
    small.amount = 1;
    assert_eq!(
        shop.shop.settle(small).await.unwrap().verdict,
        Verdict::Surplus
    );
    assert_eq!(
        shop.shop
            .settle(shop.claim(&order, "T2"))
            .await
            .unwrap()
            .verdict,
        Verdict::Settled
    );
    assert_eq!(shop.shop.order(order.id).unwrap().unwrap().owed(), 1);
    assert_right(&shop);
}

#[tokio::test]
async fn money_that_was_sent_back_pays_nothing_when_the_order_is_given_out_after_all() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    let mut short = shop.claim(&order, "T1");
    short.amount = 1_000;
    shop.shop.settle(short).await.unwrap();
    shop.clock.advance_ms(31 * MINUTE_MS);
    shop.shop.expire_due().await.unwrap();
    shop.shop.returned_by_hand(order.id, "sent back").unwrap();
    let delivered = shop.shop.deliver_by_hand(order.id, "paid in cash").unwrap();
    assert_eq!((delivered.accepted(), delivered.owed()), (1_990, 0));
    assert_right(&shop);
}

#[tokio::test]
async fn a_conflict_that_comes_again_raises_one_alarm() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let (first, second) = (shop.order("steam").await, shop.order("steam").await);
    shop.shop.settle(shop.claim(&first, "T1")).await.unwrap();
    for _ in 0..6 {
        let conflict = shop.shop.settle(shop.claim(&second, "T1")).await.unwrap();
        assert_eq!(
            (conflict.verdict, conflict.accepted),
            (Verdict::Conflict, false)
        );
    }
    let alarms = shop.shop.effects(100).unwrap();
    assert_eq!(
        alarms
            .iter()
            .filter(|effect| effect.kind == EffectKind::PaymentConflict)
            .count(),
        1
    );
    assert_eq!(shop.shop.notices(None, 100).unwrap().len(), 2);
}

#[tokio::test]
async fn a_silence_of_two_days_is_admitted_and_no_gap_for_auditors() {
    let shop = TestShop::new();
    assert!(
        !shop.shop.heartbeat().await.unwrap(),
        "the shop was just opened"
    );
    shop.clock.advance_ms(48 * 60 * MINUTE_MS);
    assert!(shop.shop.heartbeat().await.unwrap());
    let row = shop
        .shop
        .store()
        .read()
        .unwrap()
        .entry(crate::domain::EntryAt::new(0, 2))
        .unwrap()
        .unwrap();
    assert!(
        String::from_utf8(row.line)
            .unwrap()
            .contains("\"down_ms\":172800000,")
    );
}

#[tokio::test]
async fn who_held_a_reservation_is_not_kept_once_it_ended() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    assert_ne!(order.holder.contact, [0; 16]);
    shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    let kept = shop.shop.order(order.id).unwrap().unwrap().holder;
    assert_eq!(
        (kept.contact, kept.address.0, kept.host.0),
        ([0; 16], [0; 8], [0; 8])
    );
}

#[tokio::test]
async fn a_cancelled_order_that_is_paid_anyway_waits_to_be_returned() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    shop.shop
        .cancel_by_hand(order.id, "typo in the price")
        .unwrap();
    let surplus = shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    assert_eq!(
        (surplus.verdict, surplus.accepted),
        (Verdict::Surplus, true)
    );
    assert_eq!(
        state_of(&shop, &order),
        (OrderState::Refunding, Some(Reason::Surplus))
    );
    shop.shop.returned_by_hand(order.id, "sent back").unwrap();
    assert_eq!(state_of(&shop, &order).0, OrderState::Refunded);
    assert_right(&shop);
}

#[tokio::test]
async fn a_large_order_names_its_slots_over_several_lines_and_its_receipt_holds() {
    let mut till = crate::testing::Till::default();
    till.policy.order_quantity_max = 200;
    let shop = TestShop::with(till);
    shop.stock("steam", "KEY", 400);
    // Every second slot is withdrawn, so that no two of the order's slots merge into a range.
    let from = crate::domain::SlotRef { batch: 0, index: 0 };
    let keys = shop
        .shop
        .list_keys(&crate::domain::Slug::parse("steam").unwrap(), from, 400)
        .unwrap();
    let odd: Vec<_> = keys.iter().skip(1).step_by(2).map(|key| key.slot).collect();
    shop.shop.void_keys(&odd, "withdrawn").unwrap();
    let order = shop
        .shop
        .checkout(shop.request("steam", 200, 1))
        .await
        .unwrap();
    assert!(
        shop.shop
            .settle(shop.claim(&order, "T1"))
            .await
            .unwrap()
            .accepted
    );
    let receipt = shop.shop.receipt(order.id).unwrap();
    let receipt = crate::ledger::receipt::Receipt::parse(receipt.as_bytes()).unwrap();
    assert!(!receipt.more.is_empty());
    let vkey = crate::ledger::note::Vkey::parse(&shop.shop.chain().vkey()).unwrap();
    assert_eq!(receipt.verify(&[vkey], &[]).unwrap().keys, 200);
    assert_right(&shop);
}

#[tokio::test]
async fn a_database_put_back_from_an_older_copy_is_refused() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let shop = shop.reopen();
    let folder = shop.dir.path().join("shop");
    let older = std::fs::read(folder.join("shop.redb")).unwrap();
    let order = shop.order("steam").await;
    shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    let policy = shop.shop.policy().clone();
    Arc::into_inner(shop.shop).unwrap().close();
    std::fs::write(folder.join("shop.redb"), older).unwrap();
    let options =
        |path: &std::path::Path| crate::store::Options::file(path, 1 << 20, shop.clock.clone());
    let refused = super::Shop::open(
        &folder,
        policy,
        options,
        Arc::new(crate::vault::SystemEntropy),
    );
    let Err(super::ShopError::Highwater(super::HighwaterError::Behind { held: 3, signed: 4 })) =
        refused
    else {
        panic!("an older copy was opened");
    };
}

#[tokio::test]
async fn what_is_too_much_is_delivered_and_listed_for_refund() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    let mut claim = shop.claim(&order, "T1");
    claim.amount += 10;
    assert!(shop.shop.settle(claim).await.unwrap().accepted);
    let after = shop.shop.order(order.id).unwrap().unwrap();
    assert_eq!(
        (after.state, after.reason, after.owed()),
        (OrderState::Delivered, Some(Reason::Over), 10)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_payers_of_expired_orders_share_one_key_honestly() {
    let rounds = std::env::var("KEYSTALL_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(20);
    let shop = Arc::new(TestShop::new());
    for round in 0..rounds {
        let slug = format!("last-{round}");
        shop.add_product(&slug, 1_990);
        shop.stock(&slug, &format!("R{round}"), 64);
        let mut orders = Vec::new();
        for buyer in 0..64 {
            orders.push(
                shop.shop
                    .checkout(shop.request(&slug, 1, buyer))
                    .await
                    .unwrap(),
            );
        }
        shop.clock.advance_ms(31 * MINUTE_MS);
        shop.shop.expire_due().await.unwrap();
        void_all_but_one(&shop, &slug);
        let payers = orders.iter().map(|order| {
            let (shop, claim) = (
                shop.clone(),
                shop.claim(order, &format!("T{round}-{}", order.id)),
            );
            tokio::spawn(async move { shop.shop.settle(claim).await.unwrap() })
        });
        let mut delivered = 0;
        for payer in payers.collect::<Vec<_>>() {
            let settled = payer.await.unwrap();
            assert!(settled.accepted);
            delivered += u32::from(settled.verdict == Verdict::Settled);
        }
        assert_eq!(delivered, 1, "round {round}");
        let states = orders.iter().map(|order| state_of(&shop, order));
        let queued = states
            .filter(|state| *state == (OrderState::Paid, Some(Reason::NoStock)))
            .count();
        if round % 100 == 0 || round + 1 == rounds {
            assert_right(&shop);
        }
        assert_eq!(
            queued, 63,
            "round {round}: everybody else waits with their money on record"
        );
    }
}

fn void_all_but_one(shop: &TestShop, slug: &str) {
    let slug = crate::domain::Slug::parse(slug).unwrap();
    let keys = shop
        .shop
        .list_keys(&slug, crate::domain::SlotRef { batch: 0, index: 0 }, 100)
        .unwrap();
    let slots: Vec<_> = keys.iter().skip(1).map(|key| key.slot).collect();
    shop.shop.void_keys(&slots, "withdrawn").unwrap();
}

#[tokio::test]
async fn a_key_sold_once_is_never_imported_again() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1);
    let order = shop.order("steam").await;
    shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    shop.add_product("epic", 100);
    let request = super::import_keys::ImportRequest {
        product: crate::domain::Slug::parse("epic").unwrap(),
        options: super::import_keys::decode::Options::default(),
        pattern: None,
        dry_run: false,
    };
    let refused = shop
        .shop
        .import_keys(&request, &b"KEY-000000\nKEY-000000\n"[..], |_, _| ());
    let Err(super::import_keys::ImportError::NothingNew { report }) = refused else {
        panic!("imported")
    };
    assert_eq!(
        (report.duplicate_elsewhere, report.duplicate_in_file),
        (1, 1)
    );
}

#[tokio::test]
async fn an_import_with_one_bad_line_leaves_nothing_behind() {
    let shop = TestShop::new();
    let request = super::import_keys::ImportRequest {
        product: crate::domain::Slug::parse("steam").unwrap(),
        options: super::import_keys::decode::Options::default(),
        pattern: Some("KEY-[0-9]{6}".into()),
        dry_run: false,
    };
    let mut file: String = (0..2_500)
        .map(|number| format!("KEY-{number:06}\n"))
        .collect();
    file.push_str("WRONG\n");
    assert!(
        shop.shop
            .import_keys(&request, file.as_bytes(), |_, _| ())
            .is_err()
    );
    let snapshot = shop.shop.store().read().unwrap();
    let first = crate::domain::SlotRef { batch: 0, index: 0 };
    assert!(snapshot.staging().unwrap().is_none() && snapshot.slot(first).unwrap().is_none());
    drop(snapshot);
    shop.stock("steam", "KEY", 2_500);
    assert_eq!(shop.shop.stock(&request.product).unwrap().available, 2_500);
}

//! Stories of what comes after a sale, and of an auditor, each with the books right and the ledger verified.

use std::fs;
use std::path::Path;

use super::{EraseError, HandError, ReceiptError};
use crate::domain::{EffectKind, Order, OrderId, OrderState, SlotRef, Via};
use crate::ledger::entry::{Body, Entry};
use crate::ledger::note::Vkey;
use crate::ledger::receipt::Receipt;
use crate::store::{Held, Rows};
use crate::testing::{TestShop, Till};

const HOUR_MS: i64 = 3_600_000;

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

/// The types of the last `count` entries.
fn newest(shop: &TestShop, count: u64) -> Vec<String> {
    let rows = shop.shop.store().read().unwrap();
    let head = rows.head().unwrap();
    (head.size - count..head.size)
        .map(|seq| {
            let row = rows.entry(head.at(seq)).unwrap().unwrap();
            let entry = Entry::parse(&row.line).unwrap();
            entry.body.name().to_owned()
        })
        .collect()
}

async fn sold(shop: &TestShop, quantity: u32, transaction: &str) -> Order {
    let request = shop.request("steam", quantity, 1);
    let order = shop.shop.checkout(request).await.unwrap();
    shop.shop
        .settle(shop.claim(&order, transaction))
        .await
        .unwrap();
    shop.shop.order(order.id).unwrap().unwrap()
}

fn verified(shop: &TestShop, id: OrderId) -> Receipt {
    let text = shop.shop.receipt(id).unwrap();
    let receipt = Receipt::parse(text.as_bytes()).unwrap();
    let vkey = Vkey::parse(&shop.shop.chain().vkey()).unwrap();
    receipt.verify(&[vkey], &[]).unwrap();
    receipt
}

fn mailing() -> TestShop {
    let mut till = Till::default();
    till.policy.tell.buyer_mail = true;
    TestShop::with(till)
}

#[tokio::test]
async fn money_of_a_sale_goes_back_in_parts_and_never_more_than_was_paid() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = sold(&shop, 1, "T1").await;
    let part = shop
        .shop
        .refund_sale(order.id, Some(990), "bad", "half")
        .unwrap();
    assert_eq!((part.amount, part.entry.is_some()), (990, true));
    let too_much = shop.shop.refund_sale(order.id, Some(1_001), "bad", "more");
    assert!(matches!(too_much, Err(HandError::Amount(left)) if left == "10.00"));
    assert!(matches!(
        shop.shop.refund_sale(order.id, Some(1), "restore", "x"),
        Err(HandError::Why(_))
    ));
    let rest = shop
        .shop
        .refund_sale(order.id, None, "goodwill", "all")
        .unwrap();
    assert_eq!(rest.amount, 1_000);
    assert_eq!(rest.order.state, OrderState::Delivered);
    let again = shop.shop.refund_sale(order.id, None, "goodwill", "all");
    assert!(matches!(again, Err(HandError::AllRefunded)));
    assert_eq!(newest(&shop, 3), ["sale", "refund", "refund"]);
    let money = shop.shop.check_books().unwrap().money["main CNY"];
    assert_eq!(
        (money.arrived, money.sold, money.returned),
        (1_990, 0, 1_990)
    );
    assert_right(&shop);
    assert_right(&shop.reopen());
}

#[tokio::test]
async fn a_surplus_waits_on_while_money_of_its_sale_goes_back() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    let mut claim = shop.claim(&order, "T1");
    claim.amount += 10;
    shop.shop.settle(claim).await.unwrap();
    for why in ["surplus", "late", "short"] {
        let refused = shop.shop.refund_sale(order.id, None, why, "x");
        assert!(matches!(refused, Err(HandError::Waits(id)) if id == order.id));
    }
    let refunded = shop.shop.refund_sale(order.id, None, "bad", "x").unwrap();
    assert_eq!((refunded.amount, refunded.order.owed()), (1_990, 10));
    assert_right(&shop);
    let back = shop.shop.returned_by_hand(order.id, "the rest").unwrap();
    assert_eq!((back.owed(), back.returned()), (0, 2_000));
    assert_eq!(
        newest(&shop, 2),
        ["sale", "refund"],
        "a surplus is no part of a sale"
    );
    assert_right(&shop);
}

#[tokio::test]
async fn what_was_never_sold_has_nothing_to_refund() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    let refused = shop.shop.refund_sale(order.id, None, "bad", "x");
    assert!(matches!(refused, Err(HandError::NotSold)));
    assert_eq!(newest(&shop, 1), ["stock"]);
}

#[tokio::test]
async fn a_bad_key_is_replaced_and_the_receipt_opens_both() {
    let shop = mailing();
    shop.stock("steam", "KEY", 5);
    let order = sold(&shop, 2, "T1").await;
    let bad = order.slots[1];
    let replaced = shop
        .shop
        .replace_keys(order.id, &[bad], "bad", "already used")
        .unwrap();
    assert_eq!(replaced.order.slots.len(), 2);
    assert!(!replaced.order.slots.contains(&bad));
    let view = shop.shop.view_order(order.id).unwrap().unwrap();
    let keys: Vec<_> = view.keys.iter().map(|key| key.expose().to_vec()).collect();
    assert_eq!(keys, [b"KEY-000000".to_vec(), b"KEY-000002".to_vec()]);
    assert_eq!(view.replaced.unwrap().1, 1);
    let receipt = verified(&shop, order.id);
    assert_eq!((receipt.keys.len(), receipt.more.len()), (3, 1));
    let rows = shop.shop.store().read().unwrap();
    assert_eq!(rows.held(bad).unwrap(), Some(Held::Void));
    let pool = rows.pool(&order.product).unwrap().unwrap();
    assert_eq!((pool.available, pool.sold, pool.void), (2, 2, 1));
    let told: Vec<_> = shop
        .shop
        .effects(100)
        .unwrap()
        .into_iter()
        .filter(|effect| effect.kind == EffectKind::OrderReplaced)
        .map(|effect| effect.via)
        .collect();
    assert_eq!(told, [Via::Webhook, Via::BuyerMail]);
    let again = shop.shop.replace_keys(order.id, &[bad], "bad", "again");
    assert!(matches!(again, Err(HandError::Slot(slot)) if slot == bad));
    let good = replaced.order.slots[1];
    shop.shop
        .replace_keys(order.id, &[good], "leaked", "that one too")
        .unwrap();
    assert_eq!(verified(&shop, order.id).keys.len(), 4);
    assert_eq!(newest(&shop, 3), ["sale", "replace", "replace"]);
    drop(rows);
    assert_right(&shop);
    assert_right(&shop.reopen());
}

#[tokio::test]
async fn forty_bad_keys_are_replaced_by_entries_that_fit_their_lines() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 100);
    let order = sold(&shop, 40, "T1").await;
    let even: Vec<SlotRef> = order.slots.iter().copied().step_by(2).collect();
    shop.shop.replace_keys(order.id, &even, "bad", "x").unwrap();
    assert_eq!(newest(&shop, 3), ["sale", "replace", "replace"]);
    assert_eq!(verified(&shop, order.id).keys.len(), 60);
    assert_right(&shop);
}

#[tokio::test]
async fn without_stock_nothing_is_replaced() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = sold(&shop, 2, "T1").await;
    let refused = shop.shop.replace_keys(order.id, &order.slots, "bad", "x");
    assert!(matches!(
        refused,
        Err(HandError::Replacement {
            wanted: 2,
            available: 0
        })
    ));
    let twice = [order.slots[0], order.slots[0]];
    let refused = shop.shop.replace_keys(order.id, &twice, "bad", "x");
    assert!(matches!(refused, Err(HandError::Slots)));
    assert_eq!(shop.shop.order(order.id).unwrap().unwrap(), order);
    assert_right(&shop);
}

const CONTACT: &str = "buyer1@example.com";
const TRANSACTION: &str = "CANARY-TRANSACTION-4711";

/// How often a text lies in a file.
fn found(path: &Path, text: &str) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes
        .windows(text.len())
        .filter(|part| *part == text.as_bytes())
        .count()
}

/// S49: gone from every table and index, the chain verifies, the buyer's own receipt too.
#[tokio::test]
async fn s49_an_erased_order_is_gone_from_all_but_the_ledger() {
    let shop = mailing();
    shop.stock("steam", "CANARYKEY", 5);
    let order = sold(&shop, 1, TRANSACTION).await;
    let other = sold(&shop, 1, "T2").await;
    let own = shop.shop.receipt(order.id).unwrap();
    shop.shop
        .effect_kept(shop.shop.effects(9).unwrap()[0].id)
        .await
        .unwrap();
    let erased = shop.shop.erase_order(order.id).unwrap();
    assert!(erased.entry.is_some() && !erased.already);
    assert_eq!(newest(&shop, 1), ["erase"]);
    let rows = shop.shop.store().read().unwrap();
    let kept = rows.order(order.id).unwrap().unwrap();
    assert!(kept.private.is_empty() && kept.delivery.is_empty() && kept.wrapped_key.is_empty());
    assert_eq!(rows.told(order.id, 9).unwrap(), []);
    let of_order = |effect: &crate::domain::Effect| effect.order == Some(order.id);
    assert!(!rows.effects_after(None, 99).unwrap().iter().any(of_order));
    let contacts = rows.contact_orders(None, 99).unwrap();
    assert!(contacts.iter().all(|(_, id)| *id == other.id) && !contacts.is_empty());
    let notices = rows.notices_before(None, 99).unwrap();
    assert!(
        notices
            .iter()
            .all(|(_, notice)| notice.order == Some(other.id))
    );
    let unread = rows.unread_orders(None, i64::MAX, 99).unwrap();
    assert!(unread.iter().all(|((_, id), _)| *id == other.id));
    assert!(rows.erased(order.id).unwrap().is_some());
    drop(rows);
    // The page and the list say so calmly.
    let view = shop.shop.view_order(order.id).unwrap().unwrap();
    assert!(view.keys.is_empty() && view.erased_at_ms.is_some() && view.receipt.is_some());
    assert!(matches!(
        shop.shop.receipt(order.id),
        Err(ReceiptError::Erased)
    ));
    let vkey = Vkey::parse(&shop.shop.chain().vkey()).unwrap();
    Receipt::parse(own.as_bytes())
        .unwrap()
        .verify(&[vkey], &[])
        .unwrap();
    assert_right(&shop);
    let again = shop.shop.erase_order(order.id).unwrap();
    assert!(again.already);
    let list = shop.dir.path().join("shop/backups/erased");
    assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 1);
    assert_eq!(found(&list, &order.id.to_string()), 1);
    let shop = shop.reopen();
    assert_eq!(shop.shop.replace_month_keys().unwrap(), 2);
    assert_right(&shop);
    assert_eq!(
        shop.shop.view_order(other.id).unwrap().unwrap().keys.len(),
        1
    );
}

/// S49: what freed pages still hold opens with no key that is left.
#[tokio::test]
async fn s49_what_copies_still_hold_of_an_erased_order_opens_no_more() {
    let shop = TestShop::new();
    shop.stock("steam", "CANARYKEY", 5);
    let order = sold(&shop, 1, TRANSACTION).await;
    let other = sold(&shop, 1, "T2").await;
    let copy = shop.dir.path().join("copy.redb");
    fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    let owner = order.id.0.to_be_bytes();
    let opens = |shop: &TestShop| {
        let vault = shop.shop.vault();
        vault
            .order_key(&order.month, &owner, &order.wrapped_key)
            .is_ok()
    };
    shop.shop.erase_order(order.id).unwrap();
    assert!(
        opens(&shop),
        "a copy is still readable until the month's key is replaced"
    );
    assert_eq!(shop.shop.months_due().unwrap().len(), 2);
    assert_eq!(shop.shop.replace_month_keys().unwrap(), 2);
    assert_eq!(shop.shop.months_due().unwrap(), []);
    assert!(!opens(&shop));
    let kept = shop.shop.order(other.id).unwrap().unwrap();
    assert_eq!(kept.month, "2026-11.1");
    assert_eq!(
        shop.order("steam").await.month,
        "2026-11.1",
        "new orders too"
    );
    let shop = shop.reopen();
    assert!(!opens(&shop));
    assert_eq!(
        shop.shop.view_order(other.id).unwrap().unwrap().keys.len(),
        1
    );
    assert_right(&shop);
    let folder = shop.dir.path().join("shop");
    for text in [CONTACT, TRANSACTION, "CANARYKEY-000000"] {
        for file in [
            folder.join("shop.redb"),
            folder.join("erase.keys"),
            copy.clone(),
        ] {
            assert_eq!(found(&file, text), 0, "{text} in {}", file.display());
        }
    }
    assert_eq!(found(&folder.join("erase.keys"), "2026-11 "), 0);
}

#[tokio::test]
async fn a_replacement_of_month_keys_killed_at_any_point_goes_on() {
    for killed_after in 0..4 {
        let shop = TestShop::new();
        shop.stock("steam", "KEY", 9);
        let (first, second) = (sold(&shop, 1, "T1").await, sold(&shop, 1, "T2").await);
        let third = sold(&shop, 1, "T3").await;
        shop.shop.erase_order(first.id).unwrap();
        let label = &second.month;
        let mut next = String::new();
        if killed_after > 0 {
            next = shop.shop.vault().replace_month_key(label).unwrap();
        }
        if killed_after > 1 {
            shop.shop.rewrap(vec![second.id], label, &next).unwrap();
        }
        if killed_after > 2 {
            shop.shop.rewrap(vec![third.id], label, &next).unwrap();
            shop.shop.vault().forget_month_key(label).unwrap();
        }
        let shop = shop.reopen();
        assert_eq!(shop.shop.replace_month_keys().unwrap(), 2, "{killed_after}");
        let shop = shop.reopen();
        for id in [second.id, third.id] {
            let view = shop.shop.view_order(id).unwrap().unwrap();
            assert_eq!(view.keys.len(), 1, "{killed_after}");
        }
        assert!(shop.shop.months_due().unwrap().is_empty());
        assert_right(&shop);
    }
}

#[tokio::test]
async fn nothing_is_erased_that_is_open_or_owed() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    let refused = shop.shop.erase_order(order.id);
    assert!(matches!(refused, Err(EraseError::Open { .. })));
    let mut claim = shop.claim(&order, "T1");
    claim.amount += 10;
    shop.shop.settle(claim).await.unwrap();
    let refused = shop.shop.erase_order(order.id);
    assert!(matches!(refused, Err(EraseError::Owed(_))));
    assert!(matches!(
        shop.shop.erase_order(OrderId(1)),
        Err(EraseError::Unknown(_))
    ));
    assert!(!shop.dir.path().join("shop/backups").exists());
}

#[tokio::test]
async fn an_order_that_was_never_sold_is_erased_without_an_entry() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = shop.order("steam").await;
    shop.clock.advance_ms(HOUR_MS);
    shop.shop.expire_due().await.unwrap();
    let erased = shop.shop.erase_order(order.id).unwrap();
    assert_eq!(erased.entry, None);
    assert_eq!(newest(&shop, 1), ["stock"]);
    assert_right(&shop);
}

#[tokio::test]
async fn a_notice_for_an_erased_order_is_a_repetition_or_money_that_waits() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = sold(&shop, 1, "T1").await;
    shop.shop.erase_order(order.id).unwrap();
    let again = shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    assert!(again.accepted);
    let mut other = shop.claim(&order, "T9");
    other.amount = 1;
    other.currency = crate::domain::Currency::parse("USD").unwrap();
    assert!(!shop.shop.settle(other).await.unwrap().accepted);
    assert!(
        shop.shop
            .settle(shop.claim(&order, "T2"))
            .await
            .unwrap()
            .accepted
    );
    let paid_twice = shop.shop.order(order.id).unwrap().unwrap();
    assert_eq!(paid_twice.owed(), 1_990);
    assert_right(&shop);
    shop.shop.returned_by_hand(order.id, "back").unwrap();
    let erased = shop.shop.erase_order(order.id).unwrap();
    assert_eq!((erased.already, erased.entry), (false, None));
    assert!(shop.shop.order(order.id).unwrap().unwrap().is_erased());
    assert_right(&shop);
}

/// Found by the simulated shop: each start, and each hour, erased again what the list names, and with it the payment's transaction
/// and the promise to tell the merchant of a refund that is due.
#[tokio::test]
async fn money_for_an_erased_order_is_still_told_of_after_the_list_was_looked_at() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = sold(&shop, 1, "T1").await;
    shop.shop.erase_order(order.id).unwrap();
    shop.shop.settle(shop.claim(&order, "T2")).await.unwrap();
    let shop = shop.reopen();
    let promised = shop.shop.effects(10).unwrap();
    assert_eq!(shop.shop.reconcile_erasures().unwrap(), 0);
    assert_eq!(shop.shop.effects(10).unwrap(), promised);
    assert!(!promised.is_empty());
    assert!(!shop.shop.order(order.id).unwrap().unwrap().is_erased());
    assert_right(&shop);
}

/// Found by the simulated shop: the store was called broken.
#[tokio::test]
async fn no_key_of_an_erased_order_is_replaced_though_money_came_for_it_since() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = sold(&shop, 1, "T1").await;
    shop.shop.erase_order(order.id).unwrap();
    shop.shop.settle(shop.claim(&order, "T2")).await.unwrap();
    let refused = shop
        .shop
        .replace_keys(order.id, &order.slots, "bad", "did not work");
    assert!(matches!(refused, Err(HandError::Erased)), "{refused:?}");
}

#[tokio::test]
async fn a_restored_copy_is_erased_again_from_the_list() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = sold(&shop, 1, "T1").await;
    let list = shop.dir.path().join("shop/backups/erased");
    fs::create_dir(list.parent().unwrap()).unwrap();
    fs::write(
        &list,
        format!("00000000000AA 1\n{} 2\n{}", order.id, order.id),
    )
    .unwrap();
    assert_eq!(shop.shop.reconcile_erasures().unwrap(), 1);
    assert_eq!(shop.shop.reconcile_erasures().unwrap(), 0);
    assert!(shop.shop.order(order.id).unwrap().unwrap().is_erased());
    // And one whose line was lost in a crash is listed again.
    fs::write(&list, "").unwrap();
    shop.shop.reconcile_erasures().unwrap();
    assert_eq!(found(&list, &order.id.to_string()), 1);
    assert_right(&shop);
}

#[tokio::test]
async fn refused_notices_of_an_erased_order_go_with_it() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3);
    let order = sold(&shop, 1, "T1").await;
    let refused = |order| super::RefusedNotice {
        channel: "main".into(),
        received_at_ms: 1,
        verdict: crate::domain::Verdict::Refused,
        why: "x".into(),
        authentic: true,
        order: Some(order),
        fields: vec![("trade_no", TRANSACTION.into())],
        raw: TRANSACTION.into(),
    };
    shop.shop.refused_notices().push(refused(order.id));
    shop.shop.refused_notices().push(refused(OrderId(7)));
    shop.shop.flush_refused().await.unwrap();
    let sealed = shop.shop.store().read().unwrap().meta("refused_notices");
    let sealed = sealed.unwrap().unwrap();
    assert!(
        shop.shop
            .vault()
            .open_erasable("notices", b"", &sealed)
            .is_ok()
    );
    shop.shop.erase_order(order.id).unwrap();
    assert_eq!(shop.shop.refused_notices().latest(9).len(), 1);
    assert_eq!(shop.shop.stored_refused().unwrap().len(), 1);
    shop.shop.replace_month_keys().unwrap();
    assert_eq!(shop.shop.stored_refused().unwrap().len(), 1);
    assert!(
        shop.shop
            .vault()
            .open_erasable("notices", b"", &sealed)
            .is_err()
    );
}

#[tokio::test]
async fn changes_that_an_auditor_cares_about_stand_in_the_ledger_and_open_for_the_merchant() {
    let shop = TestShop::new();
    let before = shop.shop.admin_log(None, 99).unwrap();
    assert_eq!(before.len(), 1);
    assert_eq!((before[0].what, before[0].who.as_str()), ("payee", "owner"));
    assert_eq!(before[0].text, "channel main (epay) added");
    let settings = |order_quantity_max: &str| {
        vec![
            ("[shop] host".to_owned(), "a".to_owned()),
            (
                "[limits] order_quantity_max".to_owned(),
                order_quantity_max.to_owned(),
            ),
        ]
    };
    assert!(
        shop.shop
            .note_settings(&settings("100"))
            .unwrap()
            .is_empty()
    );
    assert!(
        shop.shop
            .note_settings(&settings("100"))
            .unwrap()
            .is_empty()
    );
    let changed = shop.shop.note_settings(&settings("200")).unwrap();
    assert_eq!(changed, ["[limits] order_quantity_max"]);
    let name = crate::domain::ChannelName::parse("main").unwrap();
    shop.shop.remove_channel(&name).unwrap();
    let log = shop.shop.admin_log(Some(before[0].at), 99).unwrap();
    let whats: Vec<_> = log.iter().map(|entry| entry.what).collect();
    assert_eq!(whats, ["settings", "payee"]);
    assert_eq!(newest(&shop, 2), ["admin", "admin"]);
    // The salt opens the commitment for an auditor.
    let rows = shop.shop.store().read().unwrap();
    let row = rows.entry(log[1].at).unwrap().unwrap();
    let salt = hex::decode(&log[1].salt).unwrap().try_into().unwrap();
    let committed =
        crate::ledger::commitment::field(&salt, crate::ledger::commitment::Field::Who, b"owner");
    let entry = Entry::parse(&row.line).unwrap();
    assert!(matches!(entry.body, Body::Admin { who, .. } if who == committed));
    drop(rows);
    assert_right(&shop);
}

#[test]
fn an_auditors_nonce_is_covered_by_the_checkpoint_that_answers() {
    let shop = TestShop::new();
    let audited = shop.shop.audit("2026-11-21_a1").unwrap();
    assert!(audited.checkpoint.size > audited.at.seq());
    assert_eq!(newest(&shop, 1), ["audit"]);
    for bad in ["", "a b", "é", &"a".repeat(129)] {
        assert!(shop.shop.audit(bad).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn a_moved_clock_is_told_and_the_ledgers_time_never_goes_back() {
    let shop = TestShop::new();
    assert_eq!(shop.shop.watch_clock().await.unwrap(), None);
    shop.clock.advance_ms(10_000);
    assert_eq!(shop.shop.watch_clock().await.unwrap(), None);
    shop.clock.jump_ms(-2_000);
    assert_eq!(
        shop.shop.watch_clock().await.unwrap(),
        None,
        "two seconds are slewed"
    );
    let before = shop.shop.store().read().unwrap().head().unwrap().t_ms;
    shop.clock.jump_ms(-HOUR_MS);
    assert_eq!(
        shop.shop.watch_clock().await.unwrap(),
        Some(-HOUR_MS - 2_000)
    );
    assert_eq!(newest(&shop, 1), ["clock"]);
    assert!(shop.shop.store().read().unwrap().head().unwrap().t_ms >= before);
    assert_eq!(shop.shop.watch_clock().await.unwrap(), None, "told once");
    shop.clock.jump_ms(2 * HOUR_MS);
    assert_eq!(shop.shop.watch_clock().await.unwrap(), Some(2 * HOUR_MS));
    assert_right(&shop);
}

#[tokio::test]
async fn an_outage_of_ten_hours_is_admitted_at_start_and_a_restart_is_not() {
    let shop = TestShop::new();
    assert_eq!(
        shop.shop.admit_outage().await.unwrap(),
        None,
        "nothing is known"
    );
    shop.shop.note_alive().unwrap();
    shop.clock.advance_ms(HOUR_MS / 2);
    let shop = shop.reopen();
    assert_eq!(shop.shop.admit_outage().await.unwrap(), None);
    shop.shop.note_alive().unwrap();
    shop.clock.advance_ms(10 * HOUR_MS);
    let shop = shop.reopen();
    assert_eq!(shop.shop.admit_outage().await.unwrap(), Some(10 * HOUR_MS));
    assert_eq!(newest(&shop, 1), ["mark"]);
    assert!(
        !shop.shop.heartbeat().await.unwrap(),
        "the mark was a heartbeat"
    );
    assert_right(&shop);
}

/// `ref` has no generation: what no entry can name is recorded without one, and an admin entry says so.
#[tokio::test]
async fn what_was_sold_before_a_restore_is_refunded_and_erased_but_not_replaced() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 5);
    let order = sold(&shop, 1, "T1").await;
    let shop = shop.reopen();
    let copy = shop.dir.path().join("copy.redb");
    fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    let (shop, _) = shop.restored_from(&copy, &[]);
    let before = shop.shop.admin_log(None, 99).unwrap().len();
    let refunded = shop
        .shop
        .refund_sale(order.id, Some(90), "bad", "x")
        .unwrap();
    assert_eq!(refunded.entry, None);
    let replaced = shop.shop.replace_keys(order.id, &order.slots, "bad", "x");
    assert!(matches!(replaced, Err(HandError::Ended)));
    assert_eq!(shop.shop.erase_order(order.id).unwrap().entry, None);
    let log = shop.shop.admin_log(None, 99).unwrap();
    assert_eq!(log.len(), before + 2);
    let number = order.id.to_string();
    assert!(
        log[before].text.contains("refund (bad) of 0.90 CNY") && log[before].text.contains(&number)
    );
    assert!(log[before + 1].text.contains("erased") && log[before + 1].text.contains(&number));
    assert_right(&shop);
}

//! Stories of buyers and visitors: a form sent twice, an order that nobody opened, a lost link, goods that come back.

use std::convert::Infallible;

use super::{CheckoutRequest, InboxError, Policy, Shop, Ticket, WishError};
use crate::domain::{
    Contact, EffectKind, Order, OrderId, OrderState, Secret, Slug, Tell, Via, effect::Effect,
};
use crate::store::{Rows, WriteError};
use crate::testing::{TestShop, Till};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

fn mailing() -> TestShop {
    mailing_with(|policy| policy)
}

fn mailing_with(change: impl FnOnce(Policy) -> Policy) -> TestShop {
    let till = Till::default();
    let policy = change(Policy {
        tell: Tell {
            webhook: false,
            merchant_mail: true,
            buyer_mail: true,
            auditor_mail: false,
        },
        ..till.policy
    });
    let shop = TestShop::with(Till { policy, ..till });
    shop.stock("steam", "KEY", 200);
    shop
}

fn contact(text: &str) -> Contact {
    Contact::parse(text).unwrap()
}

fn steam() -> Slug {
    Slug::parse("steam").unwrap()
}

/// Promises of a kind, by way.
fn promised(shop: &Shop, kind: EffectKind) -> Vec<(Via, Option<OrderId>)> {
    let effects = shop.effects(10_000).unwrap();
    let of_kind = effects.into_iter().filter(|effect| effect.kind == kind);
    of_kind.map(|effect| (effect.via, effect.order)).collect()
}

fn letters(shop: &Shop, kind: EffectKind) -> Vec<Effect> {
    let effects = shop.effects(10_000).unwrap();
    effects
        .into_iter()
        .filter(|effect| effect.kind == kind)
        .collect()
}

async fn delivered(shop: &TestShop, request: CheckoutRequest) -> Order {
    let order = shop.shop.checkout(request).await.unwrap();
    let transaction = format!("T{}", order.id);
    let settled = shop.shop.settle(shop.claim(&order, &transaction)).await;
    assert!(settled.unwrap().accepted);
    shop.shop.order(order.id).unwrap().unwrap()
}

/// The first mails to buyers go out.
async fn first_mails(shop: &TestShop) {
    for effect in letters(&shop.shop, EffectKind::OrderDelivered) {
        shop.shop.effect_kept(effect.id).await.unwrap();
    }
}

fn assert_right(shop: &TestShop) {
    assert_eq!(shop.shop.check_books().unwrap().wrong, Vec::<String>::new());
}

fn orders(shop: &TestShop) -> usize {
    let rows = shop.shop.store().read().unwrap();
    rows.orders_before(None, 1_000).unwrap().len()
}

// A form sent twice.

fn ticketed(shop: &TestShop, ticket: u8) -> CheckoutRequest {
    CheckoutRequest {
        ticket: Some(Ticket([ticket; 16])),
        ..shop.request("steam", 1, 1)
    }
}

#[tokio::test]
async fn a_form_sent_twice_at_once_makes_one_order() {
    let shop = mailing();
    let (first, second) = tokio::join!(
        shop.shop.checkout(ticketed(&shop, 1)),
        shop.shop.checkout(ticketed(&shop, 1))
    );
    let first = first.unwrap().id;
    assert!(first == second.unwrap().id);
    shop.clock.advance_ms(9 * MINUTE_MS);
    assert!(shop.shop.checkout(ticketed(&shop, 1)).await.unwrap().id == first);
    assert_eq!(orders(&shop), 1);
    assert_right(&shop);
}

#[tokio::test]
async fn a_form_that_says_something_else_is_an_order_of_its_own() {
    let shop = mailing();
    let first = shop.shop.checkout(ticketed(&shop, 1)).await.unwrap();
    let changes: [fn(CheckoutRequest) -> CheckoutRequest; 6] = [
        |request| CheckoutRequest {
            ticket: None,
            ..request
        },
        |request| CheckoutRequest {
            ticket: Some(Ticket([2; 16])),
            ..request
        },
        |request| CheckoutRequest {
            quantity: 2,
            ..request
        },
        |request| CheckoutRequest {
            contact: contact("another@example.com"),
            ..request
        },
        |request| CheckoutRequest {
            second: Some(contact("13800138000")),
            ..request
        },
        |request| CheckoutRequest {
            password: Some(Secret::from("pass")),
            ..request
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let other = shop.shop.checkout(change(ticketed(&shop, 1))).await;
        assert!(other.unwrap().id != first.id, "change {number}");
    }
    assert_eq!(orders(&shop), 7);
}

#[tokio::test]
async fn a_form_sent_again_after_paying_asks_nobody_to_pay_twice_for_ten_minutes() {
    let shop = mailing();
    let paid = delivered(&shop, ticketed(&shop, 1)).await;
    let again = shop.shop.checkout(ticketed(&shop, 1)).await.unwrap();
    assert!(again.id == paid.id);
    shop.clock.advance_ms(10 * MINUTE_MS);
    let later = shop.shop.checkout(ticketed(&shop, 1)).await.unwrap();
    assert!(later.id != paid.id);
}

#[tokio::test]
async fn a_form_whose_order_was_taken_back_with_its_batch_is_sent_anew() {
    let shop = mailing();
    // What a closure remembered before its batch was aborted: an order that never was.
    let request = ticketed(&shop, 1);
    let first = shop.shop.checkout(request).await.unwrap();
    let used = shop.shop.tickets.clone();
    let form = shop.shop.form_of(Ticket([1; 16]), &ticketed(&shop, 1));
    used.remember(form, OrderId(first.id.0 + 77), shop.shop.now_ms());
    let again = shop.shop.checkout(ticketed(&shop, 1)).await.unwrap();
    assert!(again.id != first.id);
    assert!(used.order(&form, shop.shop.now_ms()) == Some(again.id));
}

// An order that nobody opened.

#[tokio::test]
async fn an_order_that_nobody_opened_is_told_again_after_five_minutes_and_listed_after_an_hour() {
    let shop = mailing();
    let order = delivered(&shop, shop.request("steam", 1, 1)).await;
    let id = Some(order.id);
    first_mails(&shop).await;
    shop.clock.advance_ms(5 * MINUTE_MS - 1);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 0);
    shop.clock.advance_ms(1);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 1);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 0);
    assert!(promised(&shop.shop, EffectKind::OrderReminder) == [(Via::BuyerMail, id)]);
    assert_eq!(shop.shop.unread_count().unwrap(), 0);
    shop.clock.advance_ms(55 * MINUTE_MS);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 1);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 0);
    assert!(promised(&shop.shop, EffectKind::OrderUnread) == [(Via::MerchantMail, id)]);
    let told = letters(&shop.shop, EffectKind::OrderReminder);
    assert!(shop.shop.letter(&told[0]).unwrap().is_some());
    let listed = shop.shop.unread_orders(10).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].contact, "b…@example.com");
    shop.shop.order_opened(&order).unwrap();
    assert!(
        shop.shop.letter(&told[0]).unwrap().is_none(),
        "nothing to remind of"
    );
    assert_eq!(shop.shop.flush_opened().await.unwrap(), 1);
    assert_eq!(shop.shop.unread_count().unwrap(), 0);
    assert!(shop.shop.unread_orders(10).unwrap().is_empty());
    assert_right(&shop);
}

#[tokio::test]
async fn an_order_that_was_opened_is_never_told_again() {
    let shop = mailing();
    let order = delivered(&shop, shop.request("steam", 1, 1)).await;
    for _ in 0..3 {
        shop.shop.order_opened(&order).unwrap();
    }
    // Not flushed by anybody yet: the round itself looks first.
    shop.clock.advance_ms(2 * 60 * MINUTE_MS);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 0);
    let rows = shop.shop.store().read().unwrap();
    assert_eq!(rows.unread_orders(None, i64::MAX, 10).unwrap(), []);
    drop(rows);
    // Nothing is written for a page that is looked at again.
    shop.shop.order_opened(&order).unwrap();
    assert_eq!(shop.shop.flush_opened().await.unwrap(), 0);
    assert!(promised(&shop.shop, EffectKind::OrderReminder).is_empty());
}

#[tokio::test]
async fn after_a_long_outage_the_buyer_is_reminded_before_the_merchant_is_told() {
    let shop = mailing();
    delivered(&shop, shop.request("steam", 1, 1)).await;
    shop.clock.advance_ms(5 * 60 * MINUTE_MS);
    let shop = shop.reopen();
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 1);
    assert_eq!(promised(&shop.shop, EffectKind::OrderReminder).len(), 1);
    assert!(promised(&shop.shop, EffectKind::OrderUnread).is_empty());
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 1);
    assert_eq!(promised(&shop.shop, EffectKind::OrderUnread).len(), 1);
}

#[tokio::test]
async fn nobody_is_reminded_of_a_mail_that_did_not_go_out_yet() {
    let shop = mailing();
    delivered(&shop, shop.request("steam", 1, 1)).await;
    shop.clock.advance_ms(30 * MINUTE_MS);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 0);
    first_mails(&shop).await;
    shop.clock.advance_ms(5 * MINUTE_MS - 1);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 0);
    shop.clock.advance_ms(1);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 1);
}

#[tokio::test]
async fn a_hundred_unread_orders_are_told_fifty_at_a_time_and_listed_ones_hold_up_nobody() {
    let shop = mailing();
    for buyer in 0..100 {
        delivered(&shop, shop.request("steam", 1, buyer)).await;
    }
    shop.clock.advance_ms(61 * MINUTE_MS);
    let mut rounds = Vec::new();
    for _ in 0..5 {
        rounds.push(shop.shop.remind_unread().await.unwrap());
    }
    assert_eq!(rounds, [50, 50, 50, 50, 0]);
    assert_eq!(promised(&shop.shop, EffectKind::OrderReminder).len(), 100);
    assert_eq!(promised(&shop.shop, EffectKind::OrderUnread).len(), 100);
    delivered(&shop, shop.request("steam", 1, 500)).await;
    first_mails(&shop).await;
    shop.clock.advance_ms(6 * MINUTE_MS);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 1);
    assert_eq!(shop.shop.unread_orders(10).unwrap().len(), 10);
    assert_right(&shop);
}

#[tokio::test]
async fn an_order_that_is_delivered_after_the_clock_went_back_is_told_again_although_older_ones_are_listed()
 {
    let shop = mailing();
    let listed = delivered(&shop, shop.request("steam", 1, 1)).await;
    shop.clock.advance_ms(61 * MINUTE_MS);
    for told in [1, 1, 0, 0] {
        assert_eq!(shop.shop.remind_unread().await.unwrap(), told);
    }
    // Its row comes before that of the order that is listed.
    shop.clock.jump_ms(-2 * DAY_MS);
    let order = delivered(&shop, shop.request("steam", 1, 2)).await;
    assert!(order.id < listed.id);
    first_mails(&shop).await;
    shop.clock.advance_ms(6 * MINUTE_MS);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 1);
    shop.clock.advance_ms(DAY_MS);
    assert_eq!(shop.shop.remind_unread().await.unwrap(), 1);
    shop.clock.advance_ms(2 * DAY_MS);
    assert_eq!(shop.shop.unread_count().unwrap(), 2);
    let newest_first = shop.shop.unread_orders(10).unwrap();
    let ids: Vec<OrderId> = newest_first.iter().map(|one| one.order.id).collect();
    assert_eq!(ids, [listed.id, order.id]);
    assert_eq!(shop.shop.unread_orders(1).unwrap().len(), 1);
}

#[tokio::test]
async fn a_buyer_without_a_mail_address_gets_no_second_mail_and_the_merchant_is_told() {
    let shop = mailing();
    let request = CheckoutRequest {
        contact: contact("13800138000"),
        ..shop.request("steam", 1, 1)
    };
    delivered(&shop, request).await;
    shop.clock.advance_ms(61 * MINUTE_MS);
    shop.shop.remind_unread().await.unwrap();
    shop.shop.remind_unread().await.unwrap();
    assert!(promised(&shop.shop, EffectKind::OrderReminder).is_empty());
    assert_eq!(promised(&shop.shop, EffectKind::OrderUnread).len(), 1);
}

#[tokio::test]
async fn no_mark_of_an_opened_page_survives_whatever_happens_in_between() {
    // Every order of the same few steps, from every seed.
    for seed in 0..8_u32 {
        let shop = mailing();
        let order = delivered(&shop, shop.request("steam", 1, seed)).await;
        let mut opened = false;
        for step in 0..6 {
            match (seed >> (step % 3)) & 1 {
                0 => {
                    shop.clock.advance_ms(20 * MINUTE_MS);
                    shop.shop.remind_unread().await.unwrap();
                }
                _ => {
                    shop.shop.order_opened(&order).unwrap();
                    opened = true;
                }
            }
        }
        shop.shop.flush_opened().await.unwrap();
        let rows = shop.shop.store().read().unwrap();
        let left = rows.unread(order.delivered_at_ms.unwrap(), order.id);
        assert_eq!(left.unwrap().is_none(), opened, "seed {seed}");
    }
}

// Keys that can be read for a time.

#[tokio::test]
async fn keys_are_hidden_after_their_time_and_the_receipt_stays() {
    let shop = mailing_with(|policy| Policy {
        keys_readable_ms: DAY_MS,
        ..policy
    });
    let order = delivered(&shop, shop.request("steam", 1, 1)).await;
    shop.clock.advance_ms(DAY_MS);
    let view = shop.shop.view_order(order.id).unwrap().unwrap();
    assert_eq!(view.keys.len(), 1);
    assert_eq!(
        view.keys_until_ms,
        order.delivered_at_ms.map(|at| at + DAY_MS)
    );
    shop.clock.advance_ms(1);
    assert!(
        shop.shop
            .view_order(order.id)
            .unwrap()
            .unwrap()
            .keys
            .is_empty()
    );
    assert!(shop.shop.receipt(order.id).is_ok());
}

// A lost link.

async fn inbox_links(shop: &TestShop) -> Vec<String> {
    shop.shop.send_inbox_links().await.unwrap();
    let mut paths = Vec::new();
    for effect in letters(&shop.shop, EffectKind::InboxLink) {
        paths.extend(shop.shop.letter(&effect).unwrap().unwrap().path);
    }
    paths
}

#[tokio::test]
async fn a_link_goes_to_the_address_of_the_order_and_never_to_the_one_that_was_typed() {
    let shop = mailing();
    let request = CheckoutRequest {
        contact: contact("Bok@example.com"),
        language: "en".into(),
        ..shop.request("steam", 1, 1)
    };
    delivered(&shop, request).await;
    // KELVIN SIGN folds into `k` by Unicode: another's address, though it looks the same in lower case.
    shop.shop.ask_for_inbox(&contact("bo\u{212a}@example.com"));
    assert_eq!(inbox_links(&shop).await, Vec::<String>::new());
    shop.shop.ask_for_inbox(&contact("BOK@EXAMPLE.COM"));
    shop.shop.ask_for_inbox(&contact("bok@example.com"));
    assert_eq!(
        inbox_links(&shop).await.len(),
        1,
        "asked twice, mailed once"
    );
    let effect = &letters(&shop.shop, EffectKind::InboxLink)[0];
    assert!(effect.order.is_none() && effect.via == Via::BuyerMail);
    let letter = shop.shop.letter(effect).unwrap().unwrap();
    assert_eq!(letter.to.unwrap().expose(), "Bok@example.com");
    assert_eq!(letter.language.as_deref(), Some("en"));
}

#[tokio::test]
async fn an_order_that_nobody_paid_is_in_no_inbox_for_anybody_can_make_one() {
    let shop = mailing();
    shop.shop
        .checkout(shop.request("steam", 1, 1))
        .await
        .unwrap();
    shop.shop.ask_for_inbox(&contact("buyer1@example.com"));
    assert_eq!(inbox_links(&shop).await, Vec::<String>::new());
}

#[tokio::test]
async fn orders_of_older_data_are_found_by_their_contacts_after_the_upgrade() {
    let shop = mailing();
    let order = delivered(&shop, shop.request("steam", 1, 1)).await;
    let unpaid = shop.request("steam", 1, 2);
    shop.shop.checkout(unpaid).await.unwrap();
    let li = contact("buyer1@example.com");
    let fingerprint = shop.shop.contact_fingerprint(&li);
    let forget = shop.shop.store().write(
        move |tx| -> Result<(), crate::store::WriteError<std::convert::Infallible>> {
            Ok(tx.put_contact(&fingerprint, order.id, false)?)
        },
    );
    forget.wait().unwrap();
    shop.shop.ask_for_inbox(&li);
    assert!(inbox_links(&shop).await.is_empty());
    shop.shop.index_old_contacts().unwrap();
    shop.shop.ask_for_inbox(&li);
    shop.shop.ask_for_inbox(&contact("buyer2@example.com"));
    assert_eq!(inbox_links(&shop).await.len(), 1);
}

#[tokio::test]
async fn what_waits_for_a_way_that_was_closed_is_given_to_a_person_and_retried_on_their_word() {
    let shop = mailing();
    let order = delivered(&shop, shop.request("steam", 1, 1)).await;
    let webhook = shop.shop.store().write(
        move |tx| -> Result<(), crate::store::WriteError<std::convert::Infallible>> {
            Ok(tx.promise(EffectKind::OrderDelivered, Via::Webhook, order.id)?)
        },
    );
    webhook.wait().unwrap();
    assert_eq!(shop.shop.give_up_closed_ways().unwrap(), 1);
    assert_eq!(shop.shop.give_up_closed_ways().unwrap(), 0);
    assert!(
        shop.shop
            .effects_due(&[Via::Webhook], 9)
            .unwrap()
            .is_empty()
    );
    assert_eq!(shop.shop.retry_effects().unwrap(), 1);
    assert_eq!(shop.shop.effects_due(&[Via::Webhook], 9).unwrap().len(), 1);
}

#[tokio::test]
async fn s21_asking_looks_nothing_up_and_an_unknown_contact_gets_nothing() {
    let shop = mailing();
    delivered(&shop, shop.request("steam", 1, 1)).await;
    for asked in ["buyer1@example.com", "nobody@example.com"] {
        shop.shop.ask_for_inbox(&contact(asked));
        assert!(letters(&shop.shop, EffectKind::InboxLink).is_empty());
    }
    assert_eq!(shop.shop.send_inbox_links().await.unwrap(), 1);
    assert_eq!(shop.shop.send_inbox_links().await.unwrap(), 0);
}

#[tokio::test]
async fn an_inbox_shows_all_orders_of_a_contact_also_where_it_is_the_second_one() {
    let shop = mailing();
    for buyer in 0..24 {
        let request = CheckoutRequest {
            second: Some(contact("li@example.com")),
            ..shop.request("steam", 1, buyer)
        };
        delivered(&shop, request).await;
        shop.clock.advance_ms(1_000);
    }
    let request = CheckoutRequest {
        contact: contact("Li@example.com"),
        second: Some(contact("li@example.com")),
        ..shop.request("steam", 1, 99)
    };
    let last = delivered(&shop, request).await;
    shop.shop.ask_for_inbox(&contact("li@example.com"));
    let path = inbox_links(&shop).await.remove(0);
    let secret = path.strip_prefix("/inbox/").unwrap();
    let first = shop.shop.inbox(secret, None).unwrap();
    assert_eq!(
        (first.orders.len(), first.contact.masked()),
        (20, "L…@example.com".into())
    );
    assert!(first.orders[0].order.id == last.id && first.orders[0].unread);
    let rest = shop.shop.inbox(secret, first.more).unwrap();
    assert!(rest.orders.len() == 5 && rest.more.is_none());
    let ids: Vec<_> = first
        .orders
        .iter()
        .chain(&rest.orders)
        .map(|each| each.order.id)
        .collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older));
    assert_right(&shop);
}

#[tokio::test]
async fn an_inbox_link_is_over_after_seven_days_and_a_changed_one_opens_nothing() {
    let shop = mailing();
    delivered(&shop, shop.request("steam", 1, 1)).await;
    shop.shop.ask_for_inbox(&contact("buyer1@example.com"));
    let path = inbox_links(&shop).await.remove(0);
    let secret = path.strip_prefix("/inbox/").unwrap();
    shop.clock.advance_ms(7 * DAY_MS - 1);
    assert!(shop.shop.inbox(secret, None).is_ok());
    shop.clock.advance_ms(1);
    assert!(matches!(
        shop.shop.inbox(secret, None),
        Err(InboxError::Over)
    ));
    for wrong in [
        "",
        "x",
        &secret.to_lowercase(),
        &shop.shop.vault().link_secret(7),
    ] {
        assert!(
            matches!(shop.shop.inbox(wrong, None), Err(InboxError::Unknown)),
            "{wrong}"
        );
    }
    let stranger = shop.shop.vault().inbox_secret(&[7; 16], i64::MAX);
    assert!(matches!(
        shop.shop.inbox(&stranger, None),
        Err(InboxError::Unknown)
    ));
}

// Goods that come back.

async fn sold_out() -> TestShop {
    let shop = mailing();
    shop.add_product("epic", 100);
    shop
}

fn epic() -> Slug {
    Slug::parse("epic").unwrap()
}

fn wishes(shop: &TestShop) -> usize {
    let rows = shop.shop.store().read().unwrap();
    rows.wishes(&epic(), 2_000).unwrap().len()
}

#[tokio::test]
async fn a_wish_is_told_when_goods_come_and_then_forgotten() {
    let shop = sold_out().await;
    for _ in 0..3 {
        shop.shop
            .wish(&epic(), &contact("Li@example.com"), "en")
            .await
            .unwrap();
    }
    assert_eq!(wishes(&shop), 1);
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 0);
    shop.stock("epic", "EPIC", 1);
    assert_eq!(
        shop.shop.tell_wishes().await.unwrap(),
        0,
        "it may go at once"
    );
    shop.clock.advance_ms(5 * MINUTE_MS);
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 1);
    let told = letters(&shop.shop, EffectKind::BackInStock);
    let letter = shop.shop.letter(&told[0]).unwrap().unwrap();
    assert_eq!(letter.to.unwrap().expose(), "Li@example.com");
    assert_eq!(letter.path.as_deref(), Some("/p/epic"));
    assert_eq!(letter.language.as_deref(), Some("en"));
    assert_eq!((wishes(&shop), told.len()), (0, 1));
    shop.clock.advance_ms(DAY_MS);
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 0);
}

#[tokio::test]
async fn the_longest_waiting_are_told_first_three_for_each_key_and_the_next_ten_minutes_later() {
    let shop = sold_out().await;
    for number in 0..8 {
        let visitor = contact(&format!("v{number}@example.com"));
        shop.shop.wish(&epic(), &visitor, "en").await.unwrap();
        shop.clock.advance_ms(1_000);
    }
    // A repeated wish keeps its place.
    shop.shop
        .wish(&epic(), &contact("v0@example.com"), "en")
        .await
        .unwrap();
    shop.stock("epic", "EPIC", 1);
    shop.shop.tell_wishes().await.unwrap();
    shop.clock.advance_ms(5 * MINUTE_MS);
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 3);
    let told = letters(&shop.shop, EffectKind::BackInStock);
    let addresses = told
        .iter()
        .map(|effect| shop.shop.letter(effect).unwrap().unwrap().to.unwrap());
    let addresses: Vec<String> = addresses.map(|to| to.expose().to_owned()).collect();
    assert_eq!(
        addresses,
        ["v0@example.com", "v1@example.com", "v2@example.com"]
    );
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 0);
    shop.clock.advance_ms(10 * MINUTE_MS);
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 3);
    // The key is reserved: the others wait on, until the reservation ends.
    let order = shop
        .shop
        .checkout(shop.request("epic", 1, 1))
        .await
        .unwrap();
    shop.clock
        .advance_ms(order.expires_at_ms - shop.shop.now_ms());
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 0);
    shop.shop.expire_due().await.unwrap();
    assert_eq!(
        shop.shop.tell_wishes().await.unwrap(),
        0,
        "free for a moment"
    );
    shop.clock.advance_ms(5 * MINUTE_MS);
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 2);
    assert_eq!(wishes(&shop), 0);
}

#[tokio::test]
async fn a_big_import_is_told_at_once_and_its_mails_come_apart_so_that_receipts_pass() {
    let shop = sold_out().await;
    for number in 0..5 {
        let visitor = contact(&format!("v{number}@example.com"));
        shop.shop.wish(&epic(), &visitor, "en").await.unwrap();
    }
    shop.stock("epic", "EPIC", 10);
    assert_eq!(shop.shop.tell_wishes().await.unwrap(), 5);
    let now_ms = shop.shop.now_ms();
    let due: Vec<_> = letters(&shop.shop, EffectKind::BackInStock)
        .iter()
        .filter_map(|effect| effect.due_at_ms)
        .map(|due_ms| due_ms - now_ms)
        .collect();
    assert_eq!(due, [0, 2_000, 4_000, 6_000, 8_000]);
}

#[tokio::test]
async fn a_thousand_wishes_of_a_product_are_kept_and_a_full_list_tells_nobody_who_is_on_it() {
    let shop = sold_out().await;
    let made = (0..1_000).map(|number| {
        let visitor = contact(&format!("v{number}@example.com"));
        let shop = &shop.shop;
        async move { shop.wish(&epic(), &visitor, "en").await.is_ok() }
    });
    let made = futures_util::future::join_all(made).await;
    assert!(made.into_iter().all(|made| made));
    for visitor in ["v7@example.com", "new@example.com"] {
        let refused = shop.shop.wish(&epic(), &contact(visitor), "en").await;
        assert!(matches!(refused, Err(WishError::Full)), "{visitor}");
    }
    shop.clock.advance_ms(90 * DAY_MS - 1);
    assert_eq!(shop.shop.sweep_wishes().await.unwrap(), 0);
    shop.clock.advance_ms(1);
    assert_eq!(shop.shop.sweep_wishes().await.unwrap(), 1_000);
    assert_eq!(wishes(&shop), 0);
}

#[tokio::test]
async fn a_wish_needs_a_mail_address_a_hidden_product_none_and_goods_that_are_gone() {
    let shop = sold_out().await;
    let li = contact("li@example.com");
    let wish = async |slug: &Slug, contact: &Contact| shop.shop.wish(slug, contact, "en").await;
    assert!(matches!(
        wish(&epic(), &contact("13800138000")).await,
        Err(WishError::MailNeeded)
    ));
    assert!(matches!(
        wish(&steam(), &li).await,
        Err(WishError::Available)
    ));
    let unknown = Slug::parse("none").unwrap();
    assert!(matches!(wish(&unknown, &li).await, Err(WishError::Product)));
    let silent = TestShop::new();
    assert!(matches!(
        silent.shop.wish(&steam(), &li, "en").await,
        Err(WishError::NoMail)
    ));
    let wished = shop.shop.store().read().unwrap().wished().unwrap();
    assert!(wished.is_empty());
}

#[tokio::test]
async fn what_was_delivered_is_the_only_thing_that_can_be_unread() {
    let shop = mailing();
    let order = shop
        .shop
        .checkout(shop.request("steam", 1, 1))
        .await
        .unwrap();
    shop.shop.order_opened(&order).unwrap();
    assert_eq!(shop.shop.flush_opened().await.unwrap(), 0);
    assert!(order.state == OrderState::Pending);
    assert_right(&shop);
}

#[tokio::test]
async fn the_books_name_a_contact_without_its_order_and_an_unread_order_of_another_time() {
    let shop = mailing();
    let order = delivered(&shop, shop.request("steam", 1, 1)).await;
    assert_right(&shop);
    let write = shop
        .shop
        .store()
        .write(move |tx| -> Result<(), WriteError<Infallible>> {
            tx.put_contact(&[7; 16], OrderId(7), true)?;
            Ok(tx.put_unread(1, order.id, Some(0))?)
        });
    assert!(write.answer().await.is_ok());
    let wrong = shop.shop.check_books().unwrap().wrong;
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("not there") && wrong[1].contains("not delivered then"));
}

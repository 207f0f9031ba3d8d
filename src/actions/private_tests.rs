//! Stories of what is known of a buyer: sealed where it lies, and gone with an erasure.

use std::convert::Infallible;
use std::fs;

use crate::domain::{Contact, Effect, EffectKind, Order, Via};
use crate::store::{Fault, LetterContent, Rows, SCHEMA, Tx, WriteError, encode_sealed};
use crate::testing::{TestShop, Till};

const NOTE: &str = "Frau Lindqvist called twice";

fn assert_right(shop: &TestShop) {
    let books = shop.shop.check_books().unwrap();
    assert_eq!(books.wrong, Vec::<String>::new());
}

fn write(shop: &TestShop, change: impl Fn(&mut Tx<'_>) + Send + 'static) {
    let write = shop
        .shop
        .store()
        .write(move |tx| -> Result<(), WriteError<Infallible>> {
            change(tx);
            Ok(())
        });
    write.wait().unwrap();
}

fn note_of(shop: &TestShop, order: &Order) -> Option<String> {
    shop.shop.view_order(order.id).unwrap().unwrap().note
}

fn schema_of(shop: &TestShop) -> u32 {
    let schema = shop.shop.store().read().unwrap().meta("schema").unwrap();
    u32::from_le_bytes(schema.unwrap().try_into().unwrap())
}

fn is_on_disk(shop: &TestShop, text: &str) -> bool {
    let file = fs::read(shop.dir.path().join("shop/shop.redb")).unwrap();
    let mut windows = file.windows(text.len());
    windows.any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn what_staff_noted_about_an_order_is_sealed_and_goes_with_its_erasure() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = shop.order("steam").await;
    let cancelled = shop.shop.cancel_by_hand(order.id, NOTE).unwrap();
    assert_eq!(cancelled.clear_note, None);
    assert_eq!(note_of(&shop, &order).as_deref(), Some(NOTE));
    // The contact is still read beside it, and another decision has the last word.
    let second = shop.order("steam").await;
    shop.shop.deliver_by_hand(second.id, NOTE).unwrap();
    let view = shop.shop.view_order(second.id).unwrap().unwrap();
    assert_eq!(view.contact.expose(), "buyer1@example.com");
    assert_eq!(view.keys.len(), 1);
    let shop = shop.reopen();
    assert!(!is_on_disk(&shop, NOTE));
    assert_eq!(note_of(&shop, &order).as_deref(), Some(NOTE));
    let before = shop.shop.order(order.id).unwrap().unwrap();
    shop.shop.erase_order(order.id).unwrap();
    assert_eq!(note_of(&shop, &order), None);
    // A copy made before does not open either.
    shop.shop.replace_month_keys().unwrap();
    assert!(!shop.shop.vault().has_month(&before.month));
    assert_right(&shop);
}

#[tokio::test]
async fn notes_of_older_data_are_sealed_when_the_shop_is_opened() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = shop.order("steam").await;
    let noted = Order {
        clear_note: Some(NOTE.into()),
        ..order.clone()
    };
    write(&shop, move |tx| {
        tx.put_order(&noted, None).unwrap();
        tx.put_meta("schema", &3_u32.to_le_bytes()).unwrap();
    });
    let shop = shop.reopen();
    let stored = shop.shop.order(order.id).unwrap().unwrap();
    assert_eq!(stored.clear_note, None);
    assert_eq!(note_of(&shop, &order).as_deref(), Some(NOTE));
    assert_right(&shop);
}

#[tokio::test]
async fn a_shop_of_older_data_that_was_restored_keeps_its_generations() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let shop = shop.reopen();
    let copy = shop.dir.path().join("copy.redb");
    fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    let (shop, _) = shop.restored_from(&copy, &[]);
    let before = shop.shop.log_keys().unwrap();
    assert_eq!(before.len(), 2);
    write(&shop, |tx| {
        tx.put_meta("schema", &3_u32.to_le_bytes()).unwrap()
    });
    let shop = shop.reopen();
    let origins = |keys: &[(u16, crate::store::Generation)]| -> Vec<String> {
        keys.iter().map(|(_, log)| log.origin.clone()).collect()
    };
    assert_eq!(origins(&shop.shop.log_keys().unwrap()), origins(&before));
    assert_right(&shop);
}

#[tokio::test]
async fn a_sealing_of_old_notes_that_was_cut_off_is_of_the_new_schema_and_goes_on_when_opened() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = shop.order("steam").await;
    let noted = Order {
        clear_note: Some(NOTE.into()),
        ..order.clone()
    };
    write(&shop, move |tx| {
        tx.put_order(&noted, None).unwrap();
        tx.put_meta("schema", &3_u32.to_le_bytes()).unwrap();
    });
    let (_, log) = shop.shop.log_keys().unwrap().remove(0);
    shop.shop.begin_upgrade(3, log).unwrap();
    // Killed here: an older version refuses this, whatever was sealed.
    assert_eq!(schema_of(&shop), SCHEMA);
    let clear = shop.shop.order(order.id).unwrap().unwrap().clear_note;
    assert_eq!(clear.as_deref(), Some(NOTE));
    let shop = shop.reopen();
    let stored = shop.shop.order(order.id).unwrap().unwrap();
    assert_eq!(stored.clear_note, None);
    assert_eq!(note_of(&shop, &order).as_deref(), Some(NOTE));
    let left = shop.shop.store().read().unwrap().meta("notes_unsealed");
    assert_eq!(left.unwrap(), None);
    assert_right(&shop);
}

#[tokio::test]
async fn a_note_of_older_data_stays_where_a_restore_closed_its_order() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let (order, other) = (shop.order("steam").await, shop.order("steam").await);
    shop.shop.cancel_by_hand(other.id, "asked").unwrap();
    let noted = Order {
        clear_note: Some(NOTE.into()),
        ..order.clone()
    };
    write(&shop, move |tx| {
        tx.put_order(&noted, None).unwrap();
        tx.put_meta("schema", &3_u32.to_le_bytes()).unwrap();
    });
    let copy = shop.dir.path().join("copy.redb");
    fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    shop.shop.erase_order(other.id).unwrap();
    shop.shop.replace_month_keys().unwrap();
    let (shop, restored) = shop.restored_from(&copy, &[]);
    assert_eq!(restored.closed, 2);
    assert_eq!(schema_of(&shop), SCHEMA);
    assert_eq!(note_of(&shop, &order).as_deref(), Some(NOTE));
    // It goes with the erasure of its own order.
    shop.shop.erase_order(order.id).unwrap();
    assert_eq!(note_of(&shop, &order), None);
}

#[tokio::test]
async fn contacts_are_indexed_again_for_data_of_the_first_schema_alone() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = shop.order("steam").await;
    shop.shop.settle(shop.claim(&order, "T1")).await.unwrap();
    let contact = Contact::parse("buyer1@example.com").unwrap();
    let fingerprint = shop.shop.contact_fingerprint(&contact);
    let found = |shop: &TestShop| {
        let rows = shop.shop.store().read().unwrap();
        rows.orders_of_contact(&fingerprint, None, 9).unwrap()
    };
    assert_eq!(found(&shop), [order.id]);
    write(&shop, move |tx| {
        tx.put_contact(&fingerprint, order.id, false).unwrap();
        tx.put_meta("schema", &3_u32.to_le_bytes()).unwrap();
    });
    let shop = shop.reopen();
    assert_eq!(found(&shop), [], "the index of schema 3 is taken as it is");
    write(&shop, |tx| {
        tx.put_meta("schema", &1_u32.to_le_bytes()).unwrap();
    });
    let shop = shop.reopen();
    assert_eq!(found(&shop), [order.id]);
    assert_right(&shop);
}

#[tokio::test]
async fn a_copy_made_before_the_notes_were_sealed_is_restored_and_brought_up_when_the_shop_is_opened()
 {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 2);
    let order = shop.order("steam").await;
    let noted = Order {
        clear_note: Some(NOTE.into()),
        ..order.clone()
    };
    write(&shop, move |tx| {
        tx.put_order(&noted, None).unwrap();
        tx.put_meta("schema", &3_u32.to_le_bytes()).unwrap();
    });
    let copy = shop.dir.path().join("copy.redb");
    fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    let (shop, restored) = shop.restored_from(&copy, &[]);
    assert_eq!((restored.generation, restored.expired), (1, 1));
    assert_eq!(schema_of(&shop), SCHEMA);
    assert_eq!(note_of(&shop, &order).as_deref(), Some(NOTE));
    assert_eq!(shop.shop.log_keys().unwrap().len(), 2);
    assert_right(&shop);
}

/// A shop that mails, with an order of buyer 1 and one of buyer 2.
async fn mailing() -> (TestShop, Order, Order) {
    let mut till = Till::default();
    till.policy.tell.buyer_mail = true;
    let shop = TestShop::with(till);
    shop.stock("steam", "KEY", 3);
    let mut sold = Vec::new();
    for buyer in [1, 2] {
        let order = shop.shop.checkout(shop.request("steam", 1, buyer)).await;
        let order = order.unwrap();
        let claim = shop.claim(&order, &format!("T{buyer}"));
        shop.shop.settle(claim).await.unwrap();
        sold.push(shop.shop.order(order.id).unwrap().unwrap());
    }
    let second = sold.remove(1);
    (shop, sold.remove(0), second)
}

/// Asks for the link of buyer `number`.
async fn ask_for_link(shop: &TestShop, number: u32) {
    let contact = Contact::parse(&format!("buyer{number}@example.com")).unwrap();
    shop.shop.ask_for_inbox(&contact);
    assert_eq!(shop.shop.send_inbox_links().await.unwrap(), 1);
}

fn links(shop: &TestShop) -> Vec<Effect> {
    let mut effects = shop.shop.effects(99).unwrap();
    effects.retain(|effect| effect.kind == EffectKind::InboxLink);
    effects
}

fn goes_to(shop: &TestShop, effect: &Effect) -> Option<String> {
    let letter = shop.shop.letter(effect).ok()??;
    letter.to.map(|contact| contact.expose().to_owned())
}

#[tokio::test]
async fn a_letter_that_was_sent_does_not_open_any_more_after_the_erasure() {
    let (shop, order, _) = mailing().await;
    ask_for_link(&shop, 1).await;
    let sent = links(&shop).remove(0);
    assert_eq!(goes_to(&shop, &sent).unwrap(), "buyer1@example.com");
    shop.shop.effect_kept(sent.id).await.unwrap();
    ask_for_link(&shop, 2).await;
    shop.shop.erase_order(order.id).unwrap();
    shop.shop.replace_month_keys().unwrap();
    // What freed pages and copies keep of it is closed; what waits for others is not.
    assert_eq!(goes_to(&shop, &sent), None);
    let shop = shop.reopen();
    assert_eq!(goes_to(&shop, &sent), None);
    let [waiting] = links(&shop).try_into().unwrap();
    assert_eq!(goes_to(&shop, &waiting).unwrap(), "buyer2@example.com");
    assert_right(&shop);
}

#[tokio::test]
async fn a_letter_of_a_copy_older_than_the_last_erasure_is_needless() {
    let (shop, order, _) = mailing().await;
    ask_for_link(&shop, 2).await;
    let copy = shop.dir.path().join("copy.redb");
    fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    shop.shop.erase_order(order.id).unwrap();
    shop.shop.replace_month_keys().unwrap();
    let (shop, _) = shop.restored_from(&copy, &[]);
    let [waiting] = links(&shop).try_into().unwrap();
    assert!(matches!(shop.shop.letter(&waiting), Ok(None)));
    // The next erasure is not held up by it either.
    assert_eq!(shop.shop.reseal_letters().unwrap(), 0);
}

#[tokio::test]
async fn a_key_of_messages_that_cannot_be_stored_is_no_fault_of_the_database() {
    let (shop, _, _) = mailing().await;
    let in_the_way = shop.dir.path().join("shop/erase.keys.new");
    fs::create_dir(&in_the_way).unwrap();
    let contact = Contact::parse("buyer1@example.com").unwrap();
    shop.shop.ask_for_inbox(&contact);
    let error = shop.shop.send_inbox_links().await.unwrap_err();
    assert!(matches!(error, Fault::Invariant(_)), "{error}");
    // Who asked is served once the disk takes the key.
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(shop.shop.send_inbox_links().await.unwrap(), 1);
    assert_eq!(links(&shop).len(), 1);
}

#[tokio::test]
async fn a_letter_that_waits_for_a_buyer_goes_with_the_erasure_of_the_order() {
    let (shop, order, _) = mailing().await;
    ask_for_link(&shop, 1).await;
    ask_for_link(&shop, 2).await;
    shop.shop.erase_order(order.id).unwrap();
    let [waiting] = links(&shop).try_into().unwrap();
    assert_eq!(goes_to(&shop, &waiting).unwrap(), "buyer2@example.com");
}

#[tokio::test]
async fn a_letter_of_older_data_is_read_and_sealed_anew_with_the_next_erasure() {
    let (shop, order, _) = mailing().await;
    let vault = shop.shop.vault.clone();
    let letter = LetterContent {
        contact: "other@example.com".into(),
        language: "en".into(),
        product: None,
    };
    let plain = encode_sealed(&letter);
    write(&shop, move |tx| {
        let (kind, plain) = (EffectKind::InboxLink, plain.clone());
        let seal = |id: u64| Ok(vault.seal_for("outbox", &id.to_be_bytes(), &plain));
        tx.promise_with(kind, Via::BuyerMail, None, 0, seal)
            .unwrap();
    });
    let old = links(&shop).remove(0);
    assert_eq!(goes_to(&shop, &old).unwrap(), "other@example.com");
    shop.shop.erase_order(order.id).unwrap();
    shop.shop.replace_month_keys().unwrap();
    let new = links(&shop).remove(0);
    assert_ne!(new.content, old.content);
    assert_eq!(goes_to(&shop, &new).unwrap(), "other@example.com");
}

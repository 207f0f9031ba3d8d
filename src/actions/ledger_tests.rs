//! Stories of the ledger's life: new log keys, and generations after a restore.

use std::path::Path;
use std::sync::Arc;

use super::{RestoreError, RestoreRequest, RotateError, Shop};
use crate::domain::{EntryAt, Order, OrderState, Secret, Slug};
use crate::ledger::export::{ENTRIES_FILE, MARKS_FILE, generation_folder, mark_line};
use crate::ledger::note::{Checkpoint, Vkey};
use crate::ledger::receipt::Receipt;
use crate::ledger::sign::{Message, RecoverySecret};
use crate::ledger::verify::{self, KnownFile, Request};
use crate::ledger::{Exit, verify::Report};
use crate::store::{Options, Rows};
use crate::testing::{SeededEntropy, TestShop};

const HOUR_MS: i64 = 3_600_000;

async fn sell(shop: &TestShop, transaction: &str) -> Order {
    let order = shop.order("steam").await;
    shop.shop
        .settle(shop.claim(&order, transaction))
        .await
        .unwrap();
    let order = shop.shop.order(order.id).unwrap().unwrap();
    assert_eq!(order.state, OrderState::Delivered);
    order
}

/// The origin key's signature, as the merchant's other machine makes it.
fn signature(shop: &TestShop, message: &str) -> [u8; 64] {
    let message = Message::parse(message.as_bytes()).unwrap();
    RecoverySecret::parse(shop.recovery.expose_str().unwrap())
        .unwrap()
        .sign(&message)
}

/// Writes all generations as an auditor gets them, and has them verified against a key.
fn verified(shop: &TestShop, vkey: &str, known: &[String]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    write_export(&shop.shop, folder.path());
    let request = Request {
        vkeys: vec![Vkey::parse(vkey).unwrap()],
        known: known
            .iter()
            .map(|note| KnownFile {
                name: "kept.note".into(),
                bytes: note.clone().into_bytes(),
            })
            .collect(),
        ..Request::default()
    };
    verify::ledger(folder.path(), &request)
}

fn write_export(shop: &Shop, folder: &Path) {
    let rows = shop.store().read().unwrap();
    let newest = shop.chain().latest();
    for generation in 0..=newest.generation {
        let to = folder.join(generation_folder(generation.into()));
        std::fs::create_dir(&to).unwrap();
        let mut lines = Vec::new();
        for seq in 0.. {
            let Some(row) = rows.entry(EntryAt::new(generation, seq)).unwrap() else {
                break;
            };
            lines.extend(row.line);
            lines.push(b'\n');
        }
        std::fs::write(to.join(ENTRIES_FILE), lines).unwrap();
        let mut marks = rows.marks(EntryAt::new(generation, 0), usize::MAX).unwrap();
        if generation == newest.generation
            && marks.last().is_none_or(|(size, _)| *size < newest.size)
        {
            marks.push((newest.size, newest.note.clone()));
        }
        let marks: String = marks
            .iter()
            .map(|(size, note)| mark_line(note, *size))
            .collect();
        std::fs::write(to.join(MARKS_FILE), marks).unwrap();
    }
}

fn assert_proven(report: &Report) {
    assert_eq!(report.exit, Exit::Proven, "{report}");
}

fn assert_right(shop: &TestShop) {
    let books = shop.shop.check_books().unwrap();
    assert!(books.wrong.is_empty(), "{:?}", books.wrong);
}

#[tokio::test]
async fn a_new_log_key_signs_what_comes_after_its_rotation() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 9);
    let (old, origin) = (shop.shop.chain().vkey(), shop.shop.chain().origin());
    sell(&shop, "T1").await;
    let prepared = shop.shop.prepare_rotation(5, false).unwrap();
    // Sales go on while the message is carried to another machine.
    sell(&shop, "T2").await;
    let rotated = shop
        .shop
        .rotate(signature(&shop, &prepared.message))
        .unwrap();
    assert_eq!((rotated.seq, rotated.filled), (prepared.seq, 4));
    assert_eq!(rotated.vkey, prepared.vkey);
    let closing = shop.shop.chain().latest();
    assert_eq!(closing.size, prepared.seq + 1);
    let (old_key, new_key) = (
        Vkey::parse(&old).unwrap(),
        Vkey::parse(&rotated.vkey).unwrap(),
    );
    let signers = |note: &str| {
        let note = Checkpoint::parse(note).unwrap();
        (note.signed_by(&old_key), note.signed_by(&new_key))
    };
    use crate::ledger::note::SignedBy::{No, Yes};
    assert_eq!(signers(&closing.note), (Yes, No));
    // The receipt of an earlier sale, at the last checkpoint of the old key, and at the first of the new one.
    let sold = sell(&shop, "T3").await;
    assert_eq!(signers(&shop.shop.chain().latest().note), (No, Yes));
    assert_eq!(shop.shop.chain().origin(), origin);
    let receipt = shop.shop.receipt(sold.id).unwrap();
    let receipt = Receipt::parse(receipt.as_bytes()).unwrap();
    assert_eq!(receipt.verify(&[new_key], &[]).unwrap().keys, 1);
    assert_proven(&verified(&shop, &old, &[closing.note]));
    assert_right(&shop);
    // Nothing of it depends on the process that did it.
    let latest = shop.shop.chain().latest().note;
    let shop = shop.reopen();
    assert_eq!(shop.shop.chain().latest().note, latest);
    sell(&shop, "T4").await;
    assert_proven(&verified(&shop, &old, &[latest]));
    assert_right(&shop);
}

#[tokio::test]
async fn a_shop_closed_right_after_a_rotation_gives_out_the_old_keys_last_checkpoint() {
    let shop = TestShop::new();
    let old = shop.shop.chain().vkey();
    let prepared = shop.shop.prepare_rotation(1, false).unwrap();
    shop.shop
        .rotate(signature(&shop, &prepared.message))
        .unwrap();
    let closing = shop.shop.chain().latest().note;
    let shop = shop.reopen();
    assert_eq!(shop.shop.chain().latest().note, closing);
    assert_eq!(shop.shop.chain().vkey(), prepared.vkey);
    assert_proven(&verified(&shop, &old, &[]));
}

#[tokio::test]
async fn a_second_rotation_follows_the_first() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 9);
    let first = shop.shop.chain().vkey();
    for number in 0..3 {
        let prepared = shop.shop.prepare_rotation(2, false).unwrap();
        let rotated = shop
            .shop
            .rotate(signature(&shop, &prepared.message))
            .unwrap();
        assert_eq!(rotated.vkey, shop.shop.chain().vkey());
        sell(&shop, &format!("T{number}")).await;
        shop.clock.advance_ms(2 * HOUR_MS);
    }
    let report = verified(&shop, &first, &[]);
    assert_proven(&report);
    let rotations = report
        .checks
        .iter()
        .find(|check| check.name == "rotations")
        .unwrap();
    assert_eq!((rotations.passed, rotations.total), (3, 3));
    assert_eq!(shop.shop.log_keys().unwrap()[0].1.keys.len(), 4);
}

#[tokio::test]
async fn a_rotation_is_refused_without_the_origin_keys_word_and_after_its_number() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 9);
    assert!(matches!(shop.shop.rotate([7; 64]), Err(RotateError::None)));
    assert!(matches!(
        shop.shop.prepare_rotation(0, false),
        Err(RotateError::Ahead)
    ));
    let prepared = shop.shop.prepare_rotation(2, false).unwrap();
    // Asked for again, the same one is given.
    assert_eq!(
        shop.shop.prepare_rotation(9, false).unwrap().message,
        prepared.message
    );
    let size = shop.shop.chain().latest().size;
    assert!(matches!(
        shop.shop.rotate([7; 64]),
        Err(RotateError::Signature)
    ));
    let seq = format!("\n{}\n", prepared.seq);
    let other = prepared.message.replace(&seq, "\n7\n");
    let other = signature(&shop, &other);
    assert!(matches!(
        shop.shop.rotate(other),
        Err(RotateError::Signature)
    ));
    for number in 0..4 {
        sell(&shop, &format!("T{number}")).await;
    }
    let late = shop.shop.rotate(signature(&shop, &prepared.message));
    assert!(matches!(late, Err(RotateError::Late { .. })), "{late:?}");
    assert_eq!(shop.shop.chain().latest().size, size + 4);
    let again = shop.shop.prepare_rotation(2, false).unwrap();
    assert_ne!(again.vkey, prepared.vkey);
    shop.shop.rotate(signature(&shop, &again.message)).unwrap();
    assert_right(&shop);
}

/// A shop that sold two keys, then lost a third sale and a pending order by going back to a copy.
async fn restored() -> (TestShop, Order, Order, String, super::Restored) {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 10);
    let kept = sell(&shop, "T1").await;
    let pending = shop.order("steam").await;
    let shop = shop.reopen();
    let copy = shop.dir.path().join("copy.redb");
    std::fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    sell(&shop, "T2").await;
    let lost = shop.shop.chain().latest().note;
    shop.clock.advance_ms(HOUR_MS);
    let (shop, restored) = shop.restored_from(&copy, &[]);
    (shop, kept, pending, lost, restored)
}

#[tokio::test]
async fn after_a_restore_both_generations_verify_and_what_was_lost_is_named() {
    let (shop, kept, pending, lost, restored) = restored().await;
    assert_eq!((restored.generation, restored.prior_size), (1, 4));
    assert_eq!(restored.prior_signed, 5);
    assert_eq!(restored.expired, 1);
    assert_ne!(restored.origin, restored.prior);
    let first = shop.shop.log_keys().unwrap()[0].1.keys[0].1.clone();
    let report = verified(&shop, &first, &[]);
    assert_proven(&report);
    assert_eq!(report.generations.len(), 2);
    // Who kept the checkpoint of the lost sale learns that it was lost.
    let report = verified(&shop, &first, &[lost]);
    assert_proven(&report);
    let named = |note: &String| note.contains("lost in a restore");
    assert!(report.notes.iter().any(named), "{report}");
    // The origin key vouches for the second generation; nothing by it says which log key the first began with.
    let root = shop.shop.log_keys().unwrap()[0].1.root_vkey.clone();
    assert_eq!(verified(&shop, &root, &[]).exit, Exit::Incomplete);
    // What was sold before opens as before, in its own generation.
    let receipt = shop.shop.receipt(kept.id).unwrap();
    let receipt = Receipt::parse(receipt.as_bytes()).unwrap();
    let first = Vkey::parse(&first).unwrap();
    assert_eq!(receipt.verify(&[first], &[]).unwrap().keys, 1);
    assert_eq!(
        shop.shop.order(pending.id).unwrap().unwrap().state,
        OrderState::Expired
    );
    assert_right(&shop);
    let shop = shop.reopen();
    assert_right(&shop);
}

#[tokio::test]
async fn what_may_have_been_sold_since_the_copy_is_not_sold_until_a_person_says_so() {
    let (shop, _, pending, _, restored) = restored().await;
    let steam = Slug::parse("steam").unwrap();
    assert_eq!(restored.withheld, [(steam.clone(), 9)]);
    assert_eq!(shop.shop.stock(&steam).unwrap().available, 0);
    // Money for the order that was open when the copy was made: it waits for goods.
    let paid = shop.shop.settle(shop.claim(&pending, "T9")).await.unwrap();
    assert!(paid.accepted);
    let waiting = shop.shop.order(pending.id).unwrap().unwrap();
    assert_eq!(waiting.state, OrderState::Paid);
    // New stock is sold at once, in the new generation.
    shop.stock("steam", "NEW", 2);
    assert_eq!(shop.shop.deliver_waiting().await.unwrap(), 1);
    let sold = shop.shop.order(pending.id).unwrap().unwrap();
    assert_eq!(sold.sale.unwrap().generation(), 1);
    assert_eq!(sold.slots[0].batch, 1);
    assert_right(&shop);
    assert_eq!(shop.shop.release_withheld(&steam).unwrap(), 9);
    assert_eq!(shop.shop.release_withheld(&steam).unwrap(), 0);
    assert_eq!(shop.shop.stock(&steam).unwrap().available, 10);
    assert_right(&shop);
    // A key that came in the first generation, sold in the second: its receipt reaches both logs.
    let sold = sell(&shop, "T10").await;
    assert_eq!(sold.slots[0].batch, 0);
    let receipt = shop.shop.receipt(sold.id).unwrap();
    let receipt = Receipt::parse(receipt.as_bytes()).unwrap();
    let keys = shop.shop.log_keys().unwrap();
    let vkeys: Vec<_> = keys
        .iter()
        .map(|(_, log)| Vkey::parse(&log.keys[0].1).unwrap())
        .collect();
    assert_eq!(receipt.verify(&vkeys, &[]).unwrap().keys, 1);
    assert_proven(&verified(&shop, &vkeys[0].to_string(), &[]));
}

#[tokio::test]
async fn withheld_keys_can_be_taken_off_sale_for_good() {
    let (shop, ..) = restored().await;
    let steam = Slug::parse("steam").unwrap();
    // One by name, the others together.
    let one = crate::domain::SlotRef { batch: 0, index: 5 };
    shop.shop.void_keys(&[one], "leaked").unwrap();
    assert_eq!(shop.shop.withheld().unwrap(), [(steam.clone(), 8)]);
    assert_eq!(shop.shop.void_withheld(&steam).unwrap(), 8);
    assert_eq!(shop.shop.void_withheld(&steam).unwrap(), 0);
    assert_eq!(shop.shop.release_withheld(&steam).unwrap(), 0);
    assert_eq!(shop.shop.stock(&steam).unwrap().available, 0);
    assert_right(&shop);
    let first = shop.shop.log_keys().unwrap()[0].1.keys[0].1.clone();
    assert_proven(&verified(&shop, &first, &[]));
}

#[tokio::test]
async fn a_restored_shop_can_be_restored_again() {
    let (shop, _, _, _, _) = restored().await;
    shop.stock("steam", "NEW", 3);
    let shop = shop.reopen();
    let copy = shop.dir.path().join("second.redb");
    std::fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    sell(&shop, "T20").await;
    let (shop, again) = shop.restored_from(&copy, &[]);
    assert_eq!(
        (again.generation, again.prior_signed),
        (2, again.prior_size + 1)
    );
    let first = shop.shop.log_keys().unwrap()[0].1.keys[0].1.clone();
    let report = verified(&shop, &first, &[]);
    assert_proven(&report);
    assert_eq!(report.generations.len(), 3);
    assert_right(&shop);
}

#[tokio::test]
async fn orders_of_a_copy_whose_month_key_is_gone_stand_as_erased_and_the_restore_says_so() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 5);
    let kept = sell(&shop, "T1").await;
    let erased = sell(&shop, "T2").await;
    let shop = shop.reopen();
    let copy = shop.dir.path().join("copy.redb");
    std::fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    shop.shop.erase_order(erased.id).unwrap();
    shop.shop.replace_month_keys().unwrap();
    assert_eq!(
        shop.shop.view_order(kept.id).unwrap().unwrap().erased_at_ms,
        None
    );
    let (shop, restored) = shop.restored_from(&copy, &[]);
    assert_eq!(restored.closed, 2);
    for id in [kept.id, erased.id] {
        let view = shop.shop.view_order(id).unwrap().unwrap();
        assert!(view.erased_at_ms.is_some() && view.keys.is_empty());
    }
    assert_right(&shop);
    let first = shop.shop.log_keys().unwrap()[0].1.keys[0].1.clone();
    assert_proven(&verified(&shop, &first, &[]));
}

#[tokio::test]
async fn the_same_copy_restored_twice_still_says_what_was_lost() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 5);
    let shop = shop.reopen();
    let copy = shop.dir.path().join("copy.redb");
    std::fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    sell(&shop, "T1").await;
    let lost = shop.shop.chain().latest().note;
    let (shop, first) = shop.restored_from(&copy, &[]);
    let (shop, second) = shop.restored_from(&copy, &[]);
    assert_eq!(first.prior_signed, second.prior_signed);
    assert_eq!(second.prior_signed, second.prior_size + 1);
    let vkey = shop.shop.log_keys().unwrap()[0].1.keys[0].1.clone();
    assert_proven(&verified(&shop, &vkey, &[lost]));
}

#[tokio::test]
async fn a_paid_order_that_was_erased_keeps_nobody_from_their_goods() {
    let shop = TestShop::new();
    shop.stock("steam", "OLD", 2);
    let (one, two) = (shop.order("steam").await, shop.order("steam").await);
    shop.clock.advance_ms(HOUR_MS);
    shop.shop.expire_due().await.unwrap();
    let slots = [0, 1].map(|index| crate::domain::SlotRef { batch: 0, index });
    shop.shop.void_keys(&slots, "leaked").unwrap();
    for (order, transaction) in [(&one, "T1"), (&two, "T2")] {
        let claim = shop.claim(order, transaction);
        shop.shop.settle(claim).await.unwrap();
    }
    let (first, second) = (one.id, two.id);
    let shop = shop.reopen();
    let copy = shop.dir.path().join("copy.redb");
    std::fs::copy(shop.dir.path().join("shop/shop.redb"), &copy).unwrap();
    shop.stock("steam", "KEY", 2);
    assert_eq!(shop.shop.deliver_waiting().await.unwrap(), 2);
    shop.shop.erase_order(first).unwrap();
    let (shop, _) = shop.restored_from(&copy, &[]);
    shop.shop.reconcile_erasures().unwrap();
    shop.stock("steam", "NEW", 2);
    assert_eq!(shop.shop.deliver_waiting().await.unwrap(), 1);
    let state = |id| shop.shop.order(id).unwrap().unwrap().state;
    assert_eq!(
        (state(first), state(second)),
        (OrderState::Paid, OrderState::Delivered)
    );
    assert!(shop.shop.deliver_by_hand(first, "asked").is_err());
    assert_right(&shop);
}

#[tokio::test]
async fn without_the_file_a_kept_checkpoint_says_how_far_the_ledger_was_signed() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 5);
    let shop = shop.reopen();
    let copy = shop.dir.path().join("copy.redb");
    let folder = shop.dir.path().join("shop");
    std::fs::copy(folder.join("shop.redb"), &copy).unwrap();
    sell(&shop, "T1").await;
    sell(&shop, "T2").await;
    let mailed = shop.shop.chain().latest().note;
    let shop = shop.reopen();
    let (_, restored) = shop.restored_from(&copy, &[mailed]);
    assert_eq!((restored.prior_size, restored.prior_signed), (3, 5));
}

#[tokio::test]
async fn a_restore_looks_first_and_changes_nothing_when_it_is_refused() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 5);
    let shop = shop.reopen();
    let (folder, dir) = (shop.dir.path().join("shop"), &shop.dir);
    let copy = dir.path().join("copy.redb");
    std::fs::copy(folder.join("shop.redb"), &copy).unwrap();
    let clock = shop.clock.clone();
    let options = |path: &Path| Options::file(path, 1 << 20, clock.clone());
    let restore = |recovery: &Secret, known: &[String], dry_run| {
        let request = RestoreRequest {
            copy: &copy,
            recovery,
            known,
            signed_unknown: false,
            dry_run,
        };
        let entropy = Arc::new(SeededEntropy::new(9));
        Shop::restore(&folder, &request, options, entropy, &mut |_| {})
    };
    let running = restore(&shop.recovery, &[], false);
    assert!(matches!(running, Err(RestoreError::InUse)), "{running:?}");
    Arc::into_inner(shop.shop).unwrap().close();
    let names = || {
        let names = std::fs::read_dir(&folder).unwrap();
        let mut names: Vec<_> = names.map(|item| item.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = (names(), std::fs::read(folder.join("shop.redb")).unwrap());
    let stranger = Secret::from("ab".repeat(32));
    assert!(matches!(
        restore(&stranger, &[], false),
        Err(RestoreError::Stranger)
    ));
    let short = Secret::from("abcd");
    assert!(matches!(
        restore(&short, &[], false),
        Err(RestoreError::Recovery)
    ));
    let foreign = "other.example/01234567\n9\nAAAA\n\n\u{2014} x y\n".to_owned();
    assert!(matches!(
        restore(&shop.recovery, &[foreign], false),
        Err(RestoreError::Known(_))
    ));
    let looked = restore(&shop.recovery, &[], true).unwrap();
    assert_eq!((looked.prior_size, looked.withheld[0].1), (3, 5));
    assert_eq!(
        (names(), std::fs::read(folder.join("shop.redb")).unwrap()),
        before
    );
}

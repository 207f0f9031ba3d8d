//! Stories of new keys: what was sold and mailed under the old ones stays what it is, and a kill between any two steps loses nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::root::Reached;
use super::*;
use crate::actions::letter::PURPOSE;
use crate::actions::{Policy, ShopError};
use crate::domain::{Clock, EffectKind, Order, SlotRef, Via};
use crate::store::{LetterContent, Options, SCHEMA, Tx, WriteError, encode_sealed};
use crate::testing::{SeededEntropy, TestClock, TestShop};

/// What must be the same before and after.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    links: Vec<String>,
    keys: Vec<Vec<u8>>,
    fingerprint: [u8; 16],
    secrets: Vec<String>,
    admin: Vec<String>,
    prepared: String,
}

fn folder(shop: &TestShop) -> std::path::PathBuf {
    shop.dir.path().join("shop")
}

/// Opens a copy of the shop's folder as it lies there, as after a kill.
fn copied(shop: &TestShop, to: &Path) -> Shop {
    copy_folder(&folder(shop), to);
    open(to, shop.clock.clone(), shop.shop.policy().clone()).unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

fn open(dir: &Path, clock: Arc<TestClock>, policy: Policy) -> Result<Shop, ShopError> {
    let options = |path: &Path| Options::file(path, 16 << 20, clock.clone());
    Shop::open(dir, policy, options, Arc::new(SeededEntropy::new(99)))
}

/// A shop with something under every key: two orders delivered, stock, a channel, a wish, a prepared log key.
async fn sold() -> (TestShop, Vec<Order>) {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 1_200);
    let mut orders = Vec::new();
    for number in 0..2 {
        let order = shop.order("steam").await;
        let claim = shop.claim(&order, &format!("T{number}"));
        shop.shop.settle(claim).await.unwrap();
        orders.push(order);
    }
    shop.shop.prepare_rotation(100, false).unwrap();
    (shop, orders)
}

fn said(shop: &Shop, orders: &[Order]) -> Said {
    let view = |order: &Order| shop.view_order(order.id).unwrap().unwrap();
    let link = |order: &Order| {
        let link = shop.vault().link_secret(order.id.0);
        assert_eq!(shop.vault().order_of_link(&link), Some(order.id.0));
        link
    };
    let keys = orders.iter().flat_map(|order| view(order).keys);
    let channels = shop.channels().unwrap().into_iter();
    let secrets = channels.flat_map(|channel| channel.secrets.into_values());
    let admin = shop.admin_log(None, 100).unwrap().into_iter();
    Said {
        links: orders.iter().map(link).collect(),
        keys: keys.map(|key| key.expose().to_vec()).collect(),
        fingerprint: shop.vault().fingerprint("key", b"KEY-000000"),
        secrets: secrets
            .map(|secret| secret.expose_str().unwrap().to_owned())
            .collect(),
        admin: admin
            .map(|entry| entry.text)
            .filter(|text| text.starts_with("channel"))
            .collect(),
        prepared: shop.prepare_rotation(100, false).unwrap().vkey,
    }
}

fn assert_right(shop: &Shop) {
    assert_eq!(shop.check_books().unwrap().wrong, Vec::<String>::new());
}

/// Whether every key in stock opens.
fn assert_stock_opens(shop: &Shop) {
    let snapshot = shop.store().read().unwrap();
    let slug = Slug::parse("steam").unwrap();
    let pool = snapshot.pool(&slug).unwrap().unwrap();
    let key = shop.vault().pool_key(b"steam", &pool.wrapped_key).unwrap();
    for (batch, of) in snapshot.batches().unwrap() {
        for index in 0..of.count {
            let slot = SlotRef { batch, index };
            if let Some(row) = snapshot.slot(slot).unwrap() {
                let place = crate::actions::deliver::slot_row(slot);
                let place = shop.vault().aad("slots", b"steam", &place);
                assert!(key.open(&place, &row.sealed).is_ok(), "{slot}");
            }
        }
    }
}

fn root_key(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("root.key")).unwrap()
}

#[tokio::test]
async fn a_root_key_replaced_under_an_open_shop_changes_nothing_that_a_buyer_or_the_merchant_sees()
{
    let (shop, orders) = sold().await;
    let (before, old) = (said(&shop.shop, &orders), root_key(&folder(&shop)));
    assert_eq!(shop.shop.replace_root_key().unwrap(), RootKeyAt::Place);
    assert_ne!(root_key(&folder(&shop)), old);
    assert_eq!(said(&shop.shop, &orders), before);
    let status = shop.shop.key_status().unwrap();
    assert_eq!(status.root_since_ms, Some(shop.clock.now_ms()));
    assert_eq!(status.older_sealing_keys, 1);
    // Rows that were sealed a moment before may still be on their way to the disk.
    shop.shop.go_on_with_keys().unwrap();
    assert_eq!(shop.shop.key_status().unwrap().older_sealing_keys, 1);
    shop.clock.advance_ms(60_000);
    shop.shop.go_on_with_keys().unwrap();
    assert_eq!(shop.shop.key_status().unwrap().older_sealing_keys, 0);
    assert_eq!(said(&shop.shop, &orders), before);
    // And it sells on.
    let order = shop.order("steam").await;
    shop.shop.settle(shop.claim(&order, "T9")).await.unwrap();
    let shop = shop.reopen();
    assert_eq!(said(&shop.shop, &orders), before);
    assert_stock_opens(&shop.shop);
    assert_right(&shop.shop);
    let log = shop.shop.admin_log(None, 100).unwrap();
    assert!(
        log.iter()
            .any(|entry| entry.text == "root key replaced" && entry.what == "settings")
    );
}

#[tokio::test]
async fn a_kill_after_any_step_of_a_new_root_key_leaves_a_shop_that_opens_and_one_key_alone() {
    let (shop, orders) = sold().await;
    let before = said(&shop.shop, &orders);
    let copies = tempfile::tempdir().unwrap();
    let live = folder(&shop);
    let old = root_key(&live);
    shop.shop
        .replace_root_key_by(&mut |at| {
            copy_folder(&live, &copies.path().join(format!("{at:?}")));
        })
        .unwrap();
    let new = root_key(&live);
    for (at, key) in [
        (Reached::Written, &old),
        (Reached::Committed, &new),
        (Reached::InPlace, &new),
    ] {
        let dir = copies.path().join(format!("{at:?}"));
        for again in 0..2 {
            let killed = open(&dir, shop.clock.clone(), shop.shop.policy().clone()).unwrap();
            assert_eq!(said(&killed, &orders), before, "{at:?} {again}");
            assert_eq!(&root_key(&dir), key, "{at:?}");
            assert!(!dir.join("root.key.next").exists(), "{at:?}");
            killed.finish_keys_alone().unwrap();
            assert_eq!(said(&killed, &orders), before, "{at:?} {again}");
            assert_stock_opens(&killed);
            assert_right(&killed);
            killed.close();
        }
        // The other key opens nothing any more.
        let other = if key == &old { &new } else { &old };
        fs::remove_file(dir.join("root.key")).unwrap();
        fs::write(dir.join("root.key"), other).unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(dir.join("root.key"), fs::Permissions::from_mode(0o400)).unwrap();
        let refused = open(&dir, shop.clock.clone(), shop.shop.policy().clone());
        assert!(matches!(refused, Err(ShopError::WrongRootKey)), "{at:?}");
    }
}

#[tokio::test]
async fn the_root_key_is_replaced_again_and_again_but_not_before_the_rows_have_followed() {
    let (shop, orders) = sold().await;
    let before = said(&shop.shop, &orders);
    for _ in 0..3 {
        shop.shop.replace_root_key().unwrap();
    }
    assert!(matches!(
        shop.shop.replace_root_key(),
        Err(KeyRotationError::Often)
    ));
    let shop = shop.reopen();
    assert_eq!(said(&shop.shop, &orders), before);
    shop.shop.go_on_with_keys().unwrap();
    assert_eq!(shop.shop.key_status().unwrap().older_sealing_keys, 0);
    shop.shop.replace_root_key().unwrap();
    assert_eq!(said(&shop.shop, &orders), before);
}

/// What a replacement leaves whose commit is on the disk although it was answered with a fault.
fn replaced_without_being_told(shop: &Shop) -> crate::vault::Keys {
    let (root, keys) = shop.vault.replaced_root().unwrap();
    root.write_next(&shop.folder).unwrap();
    let (check, row) = (keys.check_value(), shop.vault.keyset_row(&keys));
    let write = shop.store.write(
        move |tx| -> Result<(), WriteError<std::convert::Infallible>> {
            tx.put_meta("check", &check)?;
            Ok(tx.put_meta("keyset", &row)?)
        },
    );
    write.wait().unwrap();
    keys
}

#[tokio::test]
async fn a_replacement_of_unknown_end_never_locks_the_shop() {
    let (shop, orders) = sold().await;
    let before = said(&shop.shop, &orders);
    shop.shop.replace_root_key().unwrap();
    replaced_without_being_told(&shop.shop);
    assert!(shop.shop.key_status().unwrap().is_unknown);
    assert!(matches!(
        shop.shop.replace_root_key(),
        Err(KeyRotationError::Unknown)
    ));
    shop.clock.advance_ms(60_000);
    let row = |shop: &TestShop| shop.shop.store.read().unwrap().meta("keyset").unwrap();
    let kept = row(&shop);
    assert!(shop.shop.go_on_with_keys().is_err());
    assert_eq!(row(&shop), kept, "not wrapped by a key that is gone soon");
    let shop = shop.reopen();
    assert!(!shop.shop.key_status().unwrap().is_unknown);
    shop.shop.finish_keys_alone().unwrap();
    let shop = shop.reopen();
    assert_eq!(said(&shop.shop, &orders), before);
    assert_stock_opens(&shop.shop);
}

#[tokio::test]
async fn a_shop_finds_out_by_itself_how_a_replacement_ended() {
    let (shop, orders) = sold().await;
    let before = said(&shop.shop, &orders);
    shop.shop.replace_root_key().unwrap();
    let old = root_key(&folder(&shop));
    // One that did not get to the disk changes nothing.
    let (_, lost) = shop.shop.vault.replaced_root().unwrap();
    *shop.shop.rotation.unsure() = Some(lost);
    assert!(shop.shop.key_status().unwrap().is_unknown);
    shop.shop.go_on_with_keys().unwrap();
    assert!(!shop.shop.key_status().unwrap().is_unknown);
    assert_eq!(root_key(&folder(&shop)), old);
    // One that did is put in force.
    *shop.shop.rotation.unsure() = Some(replaced_without_being_told(&shop.shop));
    shop.shop.go_on_with_keys().unwrap();
    let status = shop.shop.key_status().unwrap();
    assert!(!status.is_unknown && !status.is_beside);
    assert_ne!(root_key(&folder(&shop)), old);
    shop.clock.advance_ms(60_000);
    shop.shop.go_on_with_keys().unwrap();
    assert_eq!(shop.shop.key_status().unwrap().older_sealing_keys, 0);
    let shop = shop.reopen();
    assert_eq!(said(&shop.shop, &orders), before);
    assert_stock_opens(&shop.shop);
}

#[tokio::test]
async fn a_pools_keys_are_sealed_again_in_steps_that_a_kill_may_cut_anywhere_while_it_sells() {
    let (shop, orders) = sold().await;
    let before = said(&shop.shop, &orders);
    let slug = Slug::parse("steam").unwrap();
    let wrapped = |shop: &Shop| {
        let pool = shop.store().read().unwrap().pool(&slug).unwrap();
        pool.unwrap().wrapped_key
    };
    let first = wrapped(&shop.shop);
    assert_eq!(
        shop.shop.replace_pool_keys(Some(&slug)).unwrap(),
        std::slice::from_ref(&slug)
    );
    assert_eq!(
        shop.shop.replace_pool_keys(None).unwrap(),
        std::slice::from_ref(&slug)
    );
    let mut steps = 0;
    loop {
        let progress = shop.shop.key_status().unwrap().pools;
        assert_eq!(
            progress[0].slots,
            if steps == 0 { 1_200 } else { 1_200 + 3 * steps }
        );
        // Killed here, it goes on where it was; and the root key may be replaced meanwhile.
        let copy = shop.dir.path().join(format!("copy-{steps}"));
        let killed = copied(&shop, &copy);
        assert_stock_opens(&killed);
        killed.replace_root_key().unwrap();
        killed.finish_keys_alone().unwrap();
        assert_eq!(killed.key_status().unwrap().pools, []);
        assert_stock_opens(&killed);
        assert_eq!(said(&killed, &orders), before);
        assert_right(&killed);
        killed.close();
        // Sold and imported between the steps.
        let order = shop.order("steam").await;
        let claim = shop.claim(&order, &format!("S{steps}"));
        shop.shop.settle(claim).await.unwrap();
        shop.stock("steam", &format!("NEW{steps}"), 3);
        steps += 1;
        if !shop.shop.go_on_with_keys().unwrap() {
            break;
        }
    }
    assert!(steps >= 3, "{steps}");
    let last = wrapped(&shop.shop);
    assert_eq!(last.len(), first.len());
    assert_ne!(last, first);
    assert_stock_opens(&shop.shop);
    assert_eq!(said(&shop.shop, &orders), before);
    // What was imported before is known as it was.
    let refused = shop.shop.import_keys(
        &crate::actions::import_keys::ImportRequest {
            product: slug.clone(),
            options: Default::default(),
            pattern: None,
            dry_run: false,
        },
        &b"KEY-000900\n"[..],
        |_, _| (),
    );
    assert!(refused.is_err());
    assert_right(&shop.shop);
}

#[tokio::test]
async fn a_slot_that_was_missed_keeps_the_older_key_until_it_followed() {
    let (shop, _) = sold().await;
    let slug = Slug::parse("steam").unwrap();
    let before = shop.shop.store().read().unwrap();
    let slot = SlotRef { batch: 0, index: 7 };
    let row = before.slot(slot).unwrap().unwrap();
    drop(before);
    shop.shop.replace_pool_keys(Some(&slug)).unwrap();
    assert!(shop.shop.go_on_with_keys().unwrap());
    // As it was before, behind the place that is reached.
    let write = shop.shop.store().write(
        move |tx: &mut Tx<'_>| -> Result<(), WriteError<std::convert::Infallible>> {
            Ok(tx.put_resealed(slot, &row)?)
        },
    );
    write.wait().unwrap();
    let mut steps = 0;
    while shop.shop.go_on_with_keys().unwrap() {
        steps += 1;
        assert!(steps < 20);
    }
    assert_stock_opens(&shop.shop);
}

#[tokio::test]
async fn data_of_the_schema_before_is_copied_and_a_message_of_an_earlier_version_follows_a_new_root_key()
 {
    let (shop, orders) = sold().await;
    // A message as earlier versions sealed it.
    let plain = encode_sealed(&LetterContent {
        contact: "a@example.com".into(),
        language: "en".into(),
        product: None,
    });
    let place = 7_000_u64.to_be_bytes();
    let sealed = shop.shop.vault().seal_for(PURPOSE, &place, &plain);
    let write = shop.shop.store().write(
        move |tx: &mut Tx<'_>| -> Result<(), WriteError<std::convert::Infallible>> {
            let effect = crate::domain::Effect {
                id: 7_000,
                kind: EffectKind::InboxLink,
                via: Via::BuyerMail,
                order: None,
                content: sealed.clone(),
                promised_at_ms: 0,
                attempts: 0,
                due_at_ms: Some(i64::MAX),
                last_error: None,
            };
            tx.put_effect(&effect, None)?;
            Ok(tx.put_meta("schema", &(SCHEMA - 1).to_le_bytes())?)
        },
    );
    write.wait().unwrap();
    let before = said(&shop.shop, &orders);
    shop.shop.replace_root_key().unwrap();
    let shop = shop.reopen();
    shop.shop.finish_keys_alone().unwrap();
    let effect = shop
        .shop
        .store()
        .read()
        .unwrap()
        .effect(7_000)
        .unwrap()
        .unwrap();
    let opened = shop.shop.vault().open_for(PURPOSE, &place, &effect.content);
    assert!(opened.is_ok());
    assert_eq!(said(&shop.shop, &orders), before);
    let copy = folder(&shop)
        .join("backups")
        .join(crate::store::copy_name(SCHEMA - 1));
    assert!(copy.exists(), "a copy was made before the step");
    assert_eq!(shop.shop.drop_upgrade_copies().unwrap(), 0);
    shop.clock.advance_ms(24 * 3_600_000);
    assert_eq!(shop.shop.drop_upgrade_copies().unwrap(), 1);
    assert!(!copy.exists());
}

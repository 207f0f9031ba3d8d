//! What opens what, and what nothing opens any more.
#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;

fn vault(dir: &Path, install: InstallId) -> Vault {
    let stored = dir.join("row");
    if !RootKey::exists(dir) {
        let root = RootKey::create(dir, &SystemEntropy).unwrap();
        let made = Vault::create(dir, root, install, Arc::new(SystemEntropy), "2026-10").unwrap();
        fs::write(&stored, made.keyset_row(&made.keys())).unwrap();
    }
    let (root, row) = (RootKey::open(dir).unwrap(), fs::read(stored).unwrap());
    Vault::open(dir, root, install, Some(&row), Arc::new(SystemEntropy)).unwrap()
}

#[test]
fn a_sealed_row_opens_only_at_its_own_place_in_its_own_shop() {
    let dir = tempfile::tempdir().unwrap();
    let here = vault(dir.path(), [1; 16]);
    let wrapped = here.new_pool_key(b"steam");
    let key = here.pool_key(b"steam", &wrapped).unwrap();
    let sealed = key.seal(
        here.entropy(),
        &here.aad("slots", b"steam", b"0:1"),
        b"KEY-1",
    );
    let again = here.pool_key(b"steam", &wrapped).unwrap();
    assert_eq!(
        again
            .open(&here.aad("slots", b"steam", b"0:1"), &sealed)
            .unwrap()
            .expose(),
        b"KEY-1"
    );
    assert!(
        again
            .open(&here.aad("slots", b"steam", b"0:2"), &sealed)
            .is_err(),
        "another row"
    );
    assert!(
        again
            .open(&here.aad("slots", b"epic", b"0:1"), &sealed)
            .is_err(),
        "another pool"
    );
    assert!(
        again
            .open(&here.aad("orders", b"steam", b"0:1"), &sealed)
            .is_err(),
        "another table"
    );
    assert!(
        here.pool_key(b"epic", &wrapped).is_err(),
        "another pool's key"
    );
    let elsewhere = Vault {
        install: [2; 16],
        ..vault(dir.path(), [1; 16])
    };
    assert!(
        again
            .open(&elsewhere.aad("slots", b"steam", b"0:1"), &sealed)
            .is_err(),
        "another shop"
    );
    for at in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        assert!(
            again
                .open(&here.aad("slots", b"steam", b"0:1"), &flipped)
                .is_err(),
            "bit at {at}"
        );
    }
}

#[test]
fn an_orders_key_is_gone_with_its_month() {
    let dir = tempfile::tempdir().unwrap();
    let here = vault(dir.path(), [1; 16]);
    let (label, key, wrapped) = here.new_order_key("2026-11", b"o").unwrap();
    assert_eq!(label, "2026-11");
    let reopened = vault(dir.path(), [1; 16]);
    assert_eq!(
        reopened
            .order_key("2026-11", b"o", &wrapped)
            .unwrap()
            .expose(),
        key.expose()
    );
    assert!(matches!(
        reopened.order_key("2026-12", b"o", &wrapped),
        Err(SealError::KeyGone)
    ));
}

#[test]
fn a_replaced_month_key_opens_what_was_wrapped_again_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let here = vault(dir.path(), [1; 16]);
    let (_, kept_key, kept) = here.new_order_key("2026-11", b"kept").unwrap();
    let (_, _, erased) = here.new_order_key("2026-11", b"erased").unwrap();
    let next = here.replace_month_key("2026-11").unwrap();
    assert_eq!(next, "2026-11.1");
    assert_eq!(here.replace_month_key("2026-11").unwrap(), next, "once");
    let (label, _, _) = here.new_order_key("2026-11", b"new").unwrap();
    assert_eq!(label, next, "new orders take the new key at once");
    let again = here
        .rewrap_order_key("2026-11", &next, b"kept", &kept)
        .unwrap();
    here.forget_month_key("2026-11").unwrap();
    here.forget_month_key("2026-11").unwrap();
    let reopened = vault(dir.path(), [1; 16]);
    let opened = reopened.order_key(&next, b"kept", &again).unwrap();
    assert_eq!(opened.expose(), kept_key.expose());
    for (label, wrapped) in [("2026-11", &erased), (next.as_str(), &erased)] {
        assert!(reopened.order_key(label, b"erased", wrapped).is_err());
    }
    assert_eq!(reopened.replace_month_key(&next).unwrap(), "2026-11.2");
    assert_eq!(
        reopened.new_order_key("2026-11", b"x").unwrap().0,
        "2026-11.2"
    );
}

#[test]
fn missing_month_keys_are_asked_for_and_never_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(vault(dir.path(), [1; 16]));
    std::fs::remove_file(dir.path().join("erase.keys")).unwrap();
    let root = RootKey::open(dir.path()).unwrap();
    let opened = Vault::open(dir.path(), root, [1; 16], None, Arc::new(SystemEntropy));
    assert!(matches!(opened, Err(MonthError::Missing(_))));
    assert!(!dir.path().join("erase.keys").exists());
}

#[test]
fn an_inbox_link_names_its_contact_and_end_and_no_changed_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let here = vault(dir.path(), [1; 16]);
    let secret = here.inbox_secret(&[7; 16], 1_795_000_000_000);
    assert_eq!(
        here.inbox_of_link(&secret),
        Some(([7; 16], 1_795_000_000_000))
    );
    for at in 0..secret.len() {
        let mut text = secret.clone().into_bytes();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        let text = std::str::from_utf8(&text).unwrap();
        assert_eq!(here.inbox_of_link(text), None, "character {at}");
    }
    assert_eq!(here.inbox_of_link(&here.link_secret(7)), None);
}

#[test]
fn an_order_link_opens_its_order_and_no_changed_one_opens_any() {
    let dir = tempfile::tempdir().unwrap();
    let here = vault(dir.path(), [1; 16]);
    let secret = here.link_secret(42);
    assert_eq!(secret.len(), LINK_TEXT_LEN);
    assert_eq!(here.order_of_link(&secret), Some(42));
    for at in 0..secret.len() {
        let mut text = secret.clone().into_bytes();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            here.order_of_link(std::str::from_utf8(&text).unwrap()),
            None,
            "character {at}"
        );
    }
    assert_eq!(here.order_of_link(""), None);
}

#[test]
fn a_new_root_key_changes_no_link_and_no_fingerprint_and_opens_what_was_sealed_before() {
    let dir = tempfile::tempdir().unwrap();
    let here = vault(dir.path(), [1; 16]);
    let said = |vault: &Vault| {
        let inbox = vault.inbox_secret(&[5; 16], 77);
        assert_eq!(vault.inbox_of_link(&inbox), Some(([5; 16], 77)));
        (
            vault.link_secret(7),
            inbox,
            vault.fingerprint("key", b"KEY-1"),
            vault.fingerprint("contact", b"a@example.com"),
        )
    };
    let before = (said(&here), here.seal_for("log key", b"o", b"seed"));
    let order = here.new_order_key("2026-11", b"o").unwrap();
    let (root, keys) = here.replaced_root().unwrap();
    let row = here.keyset_row(&keys);
    assert_ne!(keys.check_value(), here.check_value());
    let reopen = |root: RootKey, row: &[u8]| {
        Vault::open(
            dir.path(),
            root,
            [1; 16],
            Some(row),
            Arc::new(SystemEntropy),
        )
    };
    let old_root = RootKey::open(dir.path()).unwrap();
    assert!(reopen(old_root, &row).is_err(), "the old key opens nothing");
    here.adopt(keys);
    let there = reopen(root.clone(), &row).unwrap();
    for vault in [&here, &there] {
        assert_eq!(said(vault), before.0);
        assert_eq!(
            vault.open_for("log key", b"o", &before.1).unwrap().expose(),
            b"seed"
        );
        assert!(vault.order_key(&order.0, b"o", &order.2).is_ok());
        assert_eq!(vault.older_sealing_keys(), 1);
    }
    // Sealed again, it needs the newest key alone; what was not is gone with the older.
    let again = there
        .reseal_for("log key", b"o", &before.1)
        .unwrap()
        .unwrap();
    assert_eq!(there.reseal_for("log key", b"o", &again).unwrap(), None);
    there.adopt(there.newest_alone());
    assert!(there.open_for("log key", b"o", &again).is_ok());
    assert!(there.open_for("log key", b"o", &before.1).is_err());
    assert_eq!(said(&there), before.0);
}

#[test]
fn a_pool_whose_key_is_replaced_opens_both_and_then_the_newer_alone() {
    let dir = tempfile::tempdir().unwrap();
    let here = vault(dir.path(), [1; 16]);
    let place = here.aad("slots", b"steam", b"0:1");
    let wrapped = here.new_pool_key(b"steam");
    let old = here.pool_key(b"steam", &wrapped).unwrap();
    let sealed = old.seal(here.entropy(), &place, b"KEY-1");
    assert_eq!(old.reseal(here.entropy(), &place, &sealed).unwrap(), None);
    let both = here.replaced_pool_key(b"steam", &wrapped).unwrap();
    let ring = here.pool_key(b"steam", &both).unwrap();
    assert!(ring.is_being_replaced() && !old.is_being_replaced());
    let again = ring.reseal(here.entropy(), &place, &sealed).unwrap();
    let again = again.unwrap();
    assert!(ring.open(&place, &sealed).is_ok() && ring.open(&place, &again).is_ok());
    assert!(old.open(&place, &again).is_err());
    // A root key that is replaced meanwhile wraps both again.
    let (_, keys) = here.replaced_root().unwrap();
    here.adopt(keys);
    let rewrapped = here.rewrap_pool_key(b"steam", &both).unwrap().unwrap();
    assert_eq!(here.rewrap_pool_key(b"steam", &rewrapped).unwrap(), None);
    here.adopt(here.newest_alone());
    assert!(here.pool_key(b"steam", &both).is_err());
    let newest = Vault::newest_pool_key(&rewrapped);
    let newest = here.pool_key(b"steam", &newest).unwrap();
    assert!(newest.open(&place, &again).is_ok());
    assert!(newest.open(&place, &sealed).is_err());
}

#[test]
fn data_without_a_row_of_keys_opens_by_its_root_key_and_is_freed_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = RootKey::create(dir.path(), &SystemEntropy).unwrap();
    // As such a shop's erase.keys is: wrapped below the root key itself.
    let keyset = Keyset::of_root(root.expose());
    let keys = Keys {
        root: root.clone(),
        keyset,
    };
    let old = Vault::with(dir.path(), keys, [1; 16], Arc::new(SystemEntropy), true).unwrap();
    old.prepare_month("2026-10").unwrap();
    let (link, sealed) = (old.link_secret(7), old.seal_for("log key", b"o", b"seed"));
    let open = |row: Option<&[u8]>| {
        Vault::open(
            dir.path(),
            root.clone(),
            [1; 16],
            row,
            Arc::new(SystemEntropy),
        )
        .unwrap()
    };
    let here = open(None);
    assert_eq!(here.link_secret(7), link);
    let row = here.keyset_row(&here.freed_of_root());
    let freed = open(Some(&row));
    assert_eq!(freed.link_secret(7), link);
    assert!(freed.has_month("2026-10"));
    assert_eq!(
        freed.open_for("log key", b"o", &sealed).unwrap().expose(),
        b"seed"
    );
    let new = freed.seal_for("log key", b"o", b"seed");
    assert!(
        here.open_for("log key", b"o", &new).is_err(),
        "the root key alone seals no more"
    );
}

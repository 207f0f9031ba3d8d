//! Stories of the places where copies lie: that fail, lie, and keep what nobody knows of.

use super::*;

#[tokio::test]
async fn of_a_place_no_more_is_taken_than_was_put_there() {
    let disk = tempfile::tempdir().unwrap();
    fs::write(disk.path().join("a"), b"0123456789").unwrap();
    let place = FolderPlace(disk.path().to_owned());
    let to = disk.path().join("to");
    let error = place.get_file("a", &to, 9).unwrap_err().to_string();
    assert!(
        error.contains("longer than the 9 bytes") && !to.exists(),
        "{error}"
    );
    place.get_file("a", &to, 10).unwrap();
    assert_eq!(fs::read(to).unwrap(), b"0123456789");
}

#[tokio::test]
async fn what_works_at_one_place_takes_nothing_back_of_what_failed_at_another() {
    let (shop, ..) = backed_up().await;
    let names = ["folder a".to_owned(), "folder b".to_owned()];
    let [a, b] = &names;
    let fails = |place: &str| PlaceError {
        place: place.to_owned(),
        why: "no route".to_owned(),
    };
    let note = |worked: &[String], failed: &[PlaceError]| {
        shop.shop.note_places(&names, worked, failed).unwrap();
        let index = shop.shop.backups().unwrap();
        index.failing.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(note(&[], &[fails(a), fails(b)]), [a.clone(), b.clone()]);
    assert_eq!(
        note(std::slice::from_ref(a), &[fails(b)]),
        *std::slice::from_ref(b)
    );
    let alarms = || {
        let effects = shop.shop.effects(100).unwrap();
        let ours = |one: &&Effect| one.kind == EffectKind::BackupFailed;
        effects.iter().filter(ours).count()
    };
    assert_eq!(alarms(), 1, "it failed twice");
    // Neither is another backup a success there, nor that it was not asked.
    back_up(&shop).unwrap();
    assert_eq!(note(std::slice::from_ref(a), &[]), *std::slice::from_ref(b));
    let alarm = shop.shop.backup_alarm().unwrap().unwrap();
    assert_eq!(alarm.reason, "folder b: no route");
    shop.shop.note_backup(Some("no room")).unwrap();
    let alarm = shop.shop.backup_alarm().unwrap().unwrap();
    assert_eq!(alarm.reason, "no room; folder b: no route");
    shop.shop.note_backup(None).unwrap();
    assert_eq!(note(std::slice::from_ref(b), &[]), [""; 0]);
    assert_eq!(shop.shop.backup_alarm().unwrap(), None);
    // What is not set up any more fails nobody.
    assert_eq!(note(&[], &[fails(b)]), [b.as_str()]);
    shop.shop
        .note_places(std::slice::from_ref(a), &[], &[])
        .unwrap();
    assert!(shop.shop.backups().unwrap().failing.is_empty());
}

#[tokio::test]
async fn an_index_that_does_not_read_is_an_alarm_that_names_it() {
    let (shop, ..) = backed_up().await;
    let path = shop.dir.path().join("shop/backups/index.json");
    fs::write(&path, "{").unwrap();
    let alarm = shop.shop.backup_alarm().unwrap().unwrap();
    let named = alarm.reason.contains(&path.display().to_string());
    assert!(named && alarm.reason.contains("move it away"), "{alarm:?}");
    // As a disk's error: there, and not to be read.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let alarm = shop.shop.backup_alarm().unwrap().unwrap();
    assert!(alarm.reason.contains("index.json"), "{alarm:?}");
    assert!(shop.shop.note_backup(Some("any")).is_err());
}

#[tokio::test]
async fn a_failure_that_cannot_be_written_down_is_an_alarm_until_something_is_written() {
    let (shop, ..) = backed_up().await;
    // As a full disk: the index reads, and no other takes its place.
    let blocked = shop.dir.path().join("shop/backups/index.json.new");
    fs::create_dir(&blocked).unwrap();
    assert!(shop.shop.note_backup(Some("no room")).is_err());
    let alarm = shop.shop.backup_alarm().unwrap().unwrap();
    assert!(alarm.reason.starts_with("no room; nor is"), "{alarm:?}");
    assert!(alarm.newest_ms.is_some());
    fs::remove_dir(&blocked).unwrap();
    shop.shop.note_backup(Some("no room")).unwrap();
    assert_eq!(shop.shop.backup_alarm().unwrap().unwrap().reason, "no room");
    shop.shop.note_backup(None).unwrap();
    assert_eq!(shop.shop.backup_alarm().unwrap(), None);
}

#[tokio::test]
async fn copies_of_a_lost_index_are_taken_over_at_their_place_and_go_in_their_time() {
    let (shop, _, (data, keys)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    let place = FolderPlace(disk.path().to_owned());
    shop.shop.bring_backups(&[&place]).unwrap();
    // Another shop's, one of an older version, and what is no backup.
    let other = "keystall-20200101T000000Z-00000000-11111111.data.zst.age";
    let older = "keystall-20200101T000000Z-11111111.data.zst.age";
    for name in [other, older, "keystall-notes.txt"] {
        fs::write(disk.path().join(name), b"x").unwrap();
    }
    fs::remove_file(shop.dir.path().join("shop/backups/index.json")).unwrap();
    shop.clock.advance_ms(24 * HOUR_MS);
    let (newer, _) = back_up(&shop).unwrap();
    shop.shop.bring_backups(&[&place]).unwrap();
    let index = shop.shop.backups().unwrap();
    let of = |copies: &[SealedCopy]| {
        let found = copies.iter().filter(|copy| copy.found_ms.is_some());
        found.map(|copy| copy.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&index.data), *std::slice::from_ref(&data.name));
    assert_eq!(of(&index.keys), *std::slice::from_ref(&keys.name));
    let strange = &index.strange[&place.name()];
    assert_eq!((strange.files, strange.first.as_str()), (1, older));
    // Nobody verified them: they are no backup.
    assert_eq!(index.newest_at(&place.name()).unwrap().name, newer.name);
    let there = |name: &str| disk.path().join(name).exists();
    let pruned = |days: i64| {
        for _ in 0..days {
            shop.clock.advance_ms(24 * HOUR_MS);
            back_up(&shop).unwrap();
            shop.shop.bring_backups(&[&place]).unwrap();
            shop.shop.prune_backups(KEEP_ONE, &[&place]).unwrap();
        }
        (there(&keys.name), there(&data.name))
    };
    assert_eq!(pruned(1), (true, true));
    assert_eq!(pruned(12), (true, true), "what is found opens so long");
    assert_eq!(pruned(2), (false, false), "and goes after two weeks");
    assert!(there(other) && there(older) && there("keystall-notes.txt"));
}

#[tokio::test]
async fn month_keys_that_were_found_go_two_days_after_an_erasure() {
    let (shop, order, (data, keys)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    let place = FolderPlace(disk.path().to_owned());
    shop.shop.bring_backups(&[&place]).unwrap();
    fs::remove_file(shop.dir.path().join("shop/backups/index.json")).unwrap();
    shop.clock.advance_ms(24 * HOUR_MS);
    back_up(&shop).unwrap();
    shop.shop.bring_backups(&[&place]).unwrap();
    erase(&shop, &order);
    let there = |name: &str| disk.path().join(name).exists();
    let pruned = |hours: i64| {
        shop.clock.advance_ms(hours * HOUR_MS);
        shop.shop.bring_backups(&[&place]).unwrap();
        shop.shop.prune_backups(KEEP_ONE, &[&place]).unwrap();
        (there(&keys.name), there(&data.name))
    };
    assert_eq!(pruned(1), (true, true));
    assert_eq!(pruned(48), (false, true));
}

#[tokio::test]
async fn a_copy_that_another_machine_of_this_shop_makes_now_is_left_alone() {
    let (shop, _, (data, _)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    let place = FolderPlace(disk.path().to_owned());
    shop.shop.bring_backups(&[&place]).unwrap();
    let later = data.name.replace("keystall-2", "keystall-3");
    fs::write(disk.path().join(&later), b"x").unwrap();
    shop.shop.bring_backups(&[&place]).unwrap();
    let index = shop.shop.backups().unwrap();
    assert_eq!(index.data.len(), 1);
    assert_eq!(index.strange[&place.name()].first, later);
    fs::remove_file(disk.path().join(&later)).unwrap();
    shop.shop.bring_backups(&[&place]).unwrap();
    assert!(shop.shop.backups().unwrap().strange.is_empty());
}

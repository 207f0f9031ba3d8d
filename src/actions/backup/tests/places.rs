//! Stories of the places where copies lie: that fail, lie, and keep what nobody knows of.

use std::fs::File;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn cut(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A folder under a name of its own that may give other data than were put there, and longer lengths in its list.
struct Double<'a> {
    name: &'static str,
    folder: &'a Path,
    garbles: bool,
    longer: u64,
    put: AtomicU32,
}

impl<'a> Double<'a> {
    fn new(name: &'static str, folder: &'a Path) -> Self {
        Self {
            name,
            folder,
            garbles: false,
            longer: 0,
            put: AtomicU32::new(0),
        }
    }

    fn folder(&self) -> FolderPlace {
        FolderPlace(self.folder.to_owned())
    }
}

impl Place for Double<'_> {
    fn name(&self) -> String {
        self.name.to_owned()
    }
    fn put_file(&self, name: &str, path: &Path) -> Result<(), PlaceError> {
        self.put.fetch_add(1, Ordering::Relaxed);
        self.folder().put_file(name, path)
    }
    fn get_file(&self, name: &str, path: &Path, bytes: u64) -> Result<(), PlaceError> {
        self.folder().get_file(name, path, bytes)?;
        if self.garbles && name.ends_with(DATA_ENDING) {
            fs::write(path, b"not what was put").unwrap();
        }
        Ok(())
    }
    fn list(&self, prefix: &str) -> Result<Vec<Placed>, PlaceError> {
        let mut placed = self.folder().list(prefix)?;
        placed.iter_mut().for_each(|one| one.bytes += self.longer);
        Ok(placed)
    }
    fn delete(&self, name: &str) -> Result<(), PlaceError> {
        self.folder().delete(name)
    }
}

/// A place that gives other data than were put there.
fn liar<'a>(name: &'static str, folder: &'a Path) -> Double<'a> {
    Double {
        garbles: true,
        ..Double::new(name, folder)
    }
}

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
async fn copies_of_a_lost_index_go_from_the_shops_own_folder_in_their_time() {
    let (shop, _, (data, keys)) = backed_up().await;
    let folder = shop.dir.path().join("shop/backups");
    fs::remove_file(folder.join("index.json")).unwrap();
    let other = "keystall-20200101T000000Z-00000000-11111111.keys.zst.age";
    fs::write(folder.join(other), b"x").unwrap();
    let days = |count: i64| {
        for _ in 0..count {
            shop.clock.advance_ms(24 * HOUR_MS);
            back_up(&shop).unwrap();
            shop.shop.bring_backups(&[]).unwrap();
            shop.shop.prune_backups(KEEP_ONE, &[]).unwrap();
        }
        (file(&shop, &keys).exists(), file(&shop, &data).exists())
    };
    assert_eq!(days(1), (true, true));
    let index = shop.shop.backups().unwrap();
    assert!(index.data[0].name == data.name && index.data[0].found_ms.is_some());
    assert_ne!(index.newest().unwrap().name, data.name);
    assert_eq!(days(14), (false, false), "two weeks after they were found");
    assert!(folder.join(other).exists());
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

#[tokio::test]
async fn a_copy_that_is_gone_from_its_place_or_cut_short_counts_no_longer_and_is_brought_again() {
    let (shop, _, (data, keys)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    let place = FolderPlace(disk.path().to_owned());
    let name = place.name();
    shop.shop.bring_backups(&[&place]).unwrap();
    let there = |copy: &SealedCopy| disk.path().join(&copy.name);
    fs::remove_file(there(&data)).unwrap();
    cut(&there(&keys));
    // Not what was verified: it takes no other's place, and the place has no backup any more.
    let (local, aside) = (file(&shop, &keys), shop.dir.path().join("aside"));
    fs::copy(&local, &aside).unwrap();
    flip(&local);
    let brought = shop.shop.bring_backups(&[&place]).unwrap();
    let [error] = brought.failed.as_slice() else {
        panic!("{brought:?}");
    };
    assert!(error.why.contains("does not read back"), "{error}");
    let index = shop.shop.backups().unwrap();
    assert!(index.newest_at(&name).is_none() && index.strange.is_empty());
    assert_eq!(there(&keys).metadata().unwrap().len(), keys.bytes / 2);
    fs::copy(&aside, &local).unwrap();
    let brought = shop.shop.bring_backups(&[&place]).unwrap();
    assert_eq!(brought.worked, *std::slice::from_ref(&name));
    let index = shop.shop.backups().unwrap();
    assert_eq!(index.newest_at(&name).unwrap().name, data.name);
    for copy in [&data, &keys] {
        assert_eq!(hash_file(&there(copy)).unwrap().1, copy.blake3);
    }
    // An older one is not brought again, and is told once; what is left of it goes in its time.
    shop.clock.advance_ms(24 * HOUR_MS);
    let (newer, _) = back_up(&shop).unwrap();
    cut(&there(&data));
    let mut told = Vec::new();
    for _ in 0..2 {
        let brought = shop.shop.bring_backups(&[&place]).unwrap();
        told.extend(brought.failed.iter().map(PlaceError::to_string));
    }
    assert!(told.len() == 1 && told[0].contains(&data.name), "{told:?}");
    let index = shop.shop.backups().unwrap();
    assert_eq!(index.newest_at(&name).unwrap().name, newer.name);
    assert!(!index.data[0].is_at(&name));
    for _ in 0..4 {
        shop.clock.advance_ms(24 * HOUR_MS);
        back_up(&shop).unwrap();
        shop.shop.bring_backups(&[&place]).unwrap();
        shop.shop.prune_backups(KEEP_ONE, &[&place]).unwrap();
    }
    assert!(!there(&data).exists());
    let index = shop.shop.backups().unwrap();
    assert!(index.data.iter().all(|copy| copy.name != data.name));
}

#[tokio::test]
async fn a_disk_that_was_away_comes_back_as_it_was_and_gives_up_what_was_to_go_meanwhile() {
    let (shop, order, (data, keys)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    // The disk is what lies there, and the folder it is mounted at stays.
    let (mounted, away) = (disk.path().join("mounted"), disk.path().join("away"));
    fs::create_dir(&mounted).unwrap();
    let place = FolderPlace(mounted.clone());
    let round = |hours: i64| {
        shop.clock.advance_ms(hours * HOUR_MS);
        let brought = shop.shop.bring_backups(&[&place]).unwrap();
        shop.shop.prune_backups(KEEP_ONE, &[&place]).unwrap();
        brought
    };
    round(0);
    fs::rename(&mounted, &away).unwrap();
    fs::create_dir(&mounted).unwrap();
    let brought = round(1);
    assert!(
        brought.failed[0].why.contains("is its disk there"),
        "{brought:?}"
    );
    // A blip: nothing was forgotten, and what lies there is what lay there.
    fs::remove_dir_all(&mounted).unwrap();
    fs::rename(&away, &mounted).unwrap();
    round(1);
    let index = shop.shop.backups().unwrap();
    assert_eq!(index.newest_at(&place.name()).unwrap().name, data.name);
    // Away for days, in which an order was erased and its month's key replaced.
    fs::rename(&mounted, &away).unwrap();
    fs::create_dir(&mounted).unwrap();
    erase(&shop, &order);
    for _ in 0..4 {
        round(24);
        back_up(&shop).unwrap();
    }
    assert!(!file(&shop, &keys).exists());
    fs::remove_dir_all(&mounted).unwrap();
    fs::rename(&away, &mounted).unwrap();
    round(1);
    assert!(!mounted.join(&keys.name).exists(), "the erasure reached it");
}

#[tokio::test]
async fn a_copy_that_is_gone_from_the_shops_own_folder_is_no_backup() {
    let (shop, _, (data, keys)) = backed_up().await;
    let newest = || shop.shop.backups().unwrap().newest().cloned();
    cut(&file(&shop, &keys));
    shop.shop.bring_backups(&[]).unwrap();
    assert_eq!(newest(), None, "without its month keys it does not open");
    // Others are made at once, of the same keys.
    let again = shop.shop.refresh_key_copies().unwrap().unwrap();
    assert_ne!(again.name, keys.name);
    assert_eq!(newest().unwrap().name, data.name);
    fs::remove_file(file(&shop, &data)).unwrap();
    shop.shop.bring_backups(&[]).unwrap();
    assert_eq!(newest(), None);
    let (data, _) = back_up(&shop).unwrap();
    shop.shop.bring_backups(&[]).unwrap();
    assert_eq!(newest().unwrap().name, data.name);
}

#[tokio::test]
async fn a_place_that_takes_nothing_for_hours_gets_its_copies_in_the_first_hour_that_it_does() {
    let (shop, _, (data, keys)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    let place = FolderPlace(disk.path().to_owned());
    // As a full disk: it gives its list, and the file does not get there.
    let blocked = [&data, &keys].map(|copy| disk.path().join(format!("{}.part", copy.name)));
    blocked
        .iter()
        .for_each(|path| fs::create_dir(path).unwrap());
    let failed = || {
        shop.clock.advance_ms(HOUR_MS);
        shop.shop.bring_backups(&[&place]).unwrap().failed.len()
    };
    assert_eq!([(); 4].map(|()| failed()), [1; 4]);
    blocked
        .iter()
        .for_each(|path| fs::remove_dir(path).unwrap());
    assert_eq!(failed(), 0);
    let index = shop.shop.backups().unwrap();
    assert_eq!(index.newest_at(&place.name()).unwrap().name, data.name);
}

#[tokio::test]
async fn a_copy_that_was_sent_again_counts_only_when_it_reads_back_again() {
    let (shop, _, (data, _)) = backed_up().await;
    let far = tempfile::tempdir().unwrap();
    let honest = Double::new("far", far.path());
    let liar = liar("far", far.path());
    shop.shop.bring_backups(&[&honest]).unwrap();
    fs::remove_file(far.path().join(&data.name)).unwrap();
    for _ in 0..3 {
        shop.clock.advance_ms(HOUR_MS);
        let brought = shop.shop.bring_backups(&[&liar]).unwrap();
        assert!(brought.worked.is_empty() && brought.failed.len() == 1);
        assert!(shop.shop.backups().unwrap().newest_at("far").is_none());
    }
    let brought = shop.shop.bring_backups(&[&honest]).unwrap();
    assert_eq!(brought.worked, ["far"]);
    assert!(shop.shop.backups().unwrap().newest_at("far").is_some());
}

#[tokio::test]
async fn found_copies_outlive_an_hour_in_which_their_disk_is_away() {
    let (shop, _, (data, keys)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    let (mounted, away) = (disk.path().join("mounted"), disk.path().join("away"));
    fs::create_dir(&mounted).unwrap();
    let place = FolderPlace(mounted.clone());
    shop.shop.bring_backups(&[&place]).unwrap();
    // As on another machine: nothing in its own folder, and no index.
    fs::remove_dir_all(shop.dir.path().join("shop/backups")).unwrap();
    let round = || {
        shop.clock.advance_ms(24 * HOUR_MS);
        back_up(&shop).unwrap();
        shop.shop.bring_backups(&[&place]).unwrap();
        shop.shop.prune_backups(KEEP_ONE, &[&place]).unwrap();
    };
    (0..3).for_each(|_| round());
    fs::rename(&mounted, &away).unwrap();
    fs::create_dir(&mounted).unwrap();
    round();
    fs::remove_dir_all(&mounted).unwrap();
    fs::rename(&away, &mounted).unwrap();
    round();
    for copy in [&data, &keys] {
        assert!(mounted.join(&copy.name).exists(), "{}", copy.name);
    }
}

#[tokio::test]
async fn a_place_whose_list_is_never_right_is_told_of_and_not_sent_everything_every_hour() {
    let (shop, ..) = backed_up().await;
    let far = tempfile::tempdir().unwrap();
    let place = Double {
        longer: 16,
        ..Double::new("wrong", far.path())
    };
    let sent = |hours: i64| {
        let mut failed = Vec::new();
        for _ in 0..hours {
            shop.clock.advance_ms(HOUR_MS);
            failed.extend(shop.shop.bring_backups(&[&place]).unwrap().failed);
        }
        (place.put.swap(0, Ordering::Relaxed), failed)
    };
    assert_eq!(sent(1).0, 2, "data and keys");
    let (again, failed) = sent(19);
    let said = failed[0].why.contains("and the list shows");
    assert!(again == 2 && said, "{again}: {failed:?}");
    let brought = shop.shop.bring_backups(&[&place]).unwrap();
    assert!(
        brought.worked.is_empty(),
        "it fails until its list is right"
    );
    assert_eq!(sent(20).0, 2);
}

#[tokio::test]
async fn what_was_sent_to_a_place_and_never_read_back_goes_from_there_in_its_time() {
    let (shop, _, (data, _)) = backed_up().await;
    let far = tempfile::tempdir().unwrap();
    let liar = liar("liar", far.path());
    let there = || far.path().join(&data.name).exists();
    for day in 0..4 {
        let brought = shop.shop.bring_backups(&[&liar]).unwrap();
        assert_eq!(brought.failed.len(), 1, "{brought:?}");
        assert!(there() || day > 0);
        shop.shop.prune_backups(KEEP_ONE, &[&liar]).unwrap();
        assert!(shop.shop.backups().unwrap().newest_at("liar").is_none());
        shop.clock.advance_ms(24 * HOUR_MS);
        back_up(&shop).unwrap();
    }
    shop.shop.prune_backups(KEEP_ONE, &[&liar]).unwrap();
    assert!(!there());
}

#[tokio::test]
async fn a_place_gets_the_newest_copies_and_what_does_not_read_back_does_not_count() {
    let (shop, _, (data, keys)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    let place = FolderPlace(disk.path().to_owned());
    let gone = FolderPlace(disk.path().join("not-mounted"));
    let far = tempfile::tempdir().unwrap();
    let liar = liar("liar", far.path());
    let brought = shop.shop.bring_backups(&[&gone, &liar, &place]).unwrap();
    assert_eq!(brought.worked, [place.name()]);
    let [gone_said, liar_said] = brought.failed.as_slice() else {
        panic!("{brought:?}");
    };
    assert!(gone_said.place.contains("not-mounted"), "{gone_said}");
    assert!(liar_said.why.contains("does not read back"), "{liar_said}");
    let index = shop.shop.backups().unwrap();
    assert_eq!(index.newest_at(&place.name()).unwrap().name, data.name);
    assert!(index.newest_at("liar").is_none() && index.newest_at(&gone.name()).is_none());
    let mut placed = vec![data.name.clone(), keys.name.clone()];
    placed.sort();
    assert_eq!(names(disk.path()), placed);
    // A shop stands again from there.
    let machine = Machine::new(&shop);
    machine
        .restore(&shop, &disk.path().join(&data.name))
        .unwrap();
    // Those of the next days take its place, here and there.
    let one = Retention {
        daily: 1,
        weekly: 0,
    };
    let mut left = 0;
    for _ in 0..3 {
        shop.clock.advance_ms(24 * HOUR_MS);
        back_up(&shop).unwrap();
        shop.shop.bring_backups(&[&place]).unwrap();
        left += shop.shop.prune_backups(one, &[&place]).unwrap().left;
    }
    assert!(left >= 1);
    let there: Vec<String> = names(disk.path());
    assert!(!there.contains(&data.name), "{there:?}");
    for copy in &shop.shop.backups().unwrap().data {
        assert!(there.contains(&copy.name) && file(&shop, copy).exists());
    }
    assert_eq!(shop.shop.backups().unwrap().data.len(), 3);
}

#[tokio::test]
async fn a_place_that_takes_nothing_new_keeps_what_it_has_and_the_merchant_hears_of_old_keys() {
    let (shop, _, (data, keys)) = backed_up().await;
    let disk = tempfile::tempdir().unwrap();
    let place = FolderPlace(disk.path().to_owned());
    shop.shop.bring_backups(&[&place]).unwrap();
    let mut told = String::new();
    for _ in 0..5 {
        shop.clock.advance_ms(24 * HOUR_MS);
        back_up(&shop).unwrap();
        let pruned = shop.shop.prune_backups(KEEP_ONE, &[&place]).unwrap();
        for error in pruned.failed {
            told = error.to_string();
        }
    }
    assert!(told.contains(&keys.name), "{told}");
    assert!(!file(&shop, &data).exists());
    let has_both =
        || disk.path().join(&data.name).exists() && disk.path().join(&keys.name).exists();
    assert!(has_both());
    let index = shop.shop.backups().unwrap();
    assert_eq!(index.newest_at(&place.name()).unwrap().name, data.name);
    shop.shop.bring_backups(&[&place]).unwrap();
    shop.shop.prune_backups(KEEP_ONE, &[&place]).unwrap();
    assert!(!has_both());
}

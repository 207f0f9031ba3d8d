//! Stories of a restore that is disturbed, and of what a stranger puts beside it.

use super::*;

#[tokio::test]
async fn nobody_opens_the_shop_from_the_first_change_of_a_restore_to_its_last() {
    let (shop, _, (data, _)) = backed_up().await;
    let machine = Machine::new(&shop);
    let file = file(&shop, &data);
    machine.restore(&shop, &file).unwrap();
    // Its root key is another since: the restore changes that, too.
    let newer = machine.open(&shop).unwrap();
    newer.replace_root_key().unwrap();
    newer.close();
    let database = machine.shop_dir().join("shop.redb");
    let mut heard = Vec::new();
    let done = machine.restore_with(&shop, &file, None, &mut |step| {
        let is_held = fs::File::open(&database).unwrap().try_lock().is_err();
        heard.push((is_held, step));
    });
    assert!(done.unwrap().root_key);
    let first = heard.iter().position(|(_, step)| step.contains("root.key"));
    let changes = &heard[first.unwrap()..];
    assert!(changes.len() >= 5, "{heard:?}");
    assert!(changes.iter().all(|(is_held, _)| *is_held), "{heard:?}");
    // And where somebody has it open, nothing is changed.
    let opened = machine.open(&shop).unwrap();
    let set_aside = || {
        let names = names(&machine.shop_dir()).into_iter();
        names.filter(|name| name.contains("before-restore")).count()
    };
    let before = set_aside();
    let refused = machine.restore(&shop, &file).unwrap_err().to_string();
    assert!(refused.contains("stop the daemon first"), "{refused}");
    assert_eq!(set_aside(), before);
    opened.close();
}

#[tokio::test]
async fn what_an_earlier_restore_set_aside_is_never_overwritten() {
    let (shop, _, (data, keys)) = backed_up().await;
    let machine = Machine::new(&shop);
    let (data, keys) = (file(&shop, &data), file(&shop, &keys));
    machine.restore(&shop, &data).unwrap();
    let path = machine.shop_dir().join("erase.keys");
    let whole = fs::read_to_string(&path).unwrap();
    let (head, months) = whole.split_once('\n').unwrap();
    let (month, _) = months.split_once(' ').unwrap();
    for round in 1..=2 {
        let others = format!("{head}\n{month} other-{round}\n");
        fs::write(&path, &others).unwrap();
        machine
            .restore_with(&shop, &data, Some(&keys), &mut |_| {})
            .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    }
    for round in 1..=2 {
        let aside = path.with_extension(format!("keys.before-restore-{round}"));
        let text = fs::read_to_string(&aside).unwrap();
        assert!(text.ends_with(&format!("other-{round}\n")), "{text}");
        assert_eq!(
            fs::metadata(aside).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[tokio::test]
async fn a_list_of_ended_ledgers_that_does_not_read_is_not_taken_for_none() {
    let (shop, _, (data, _)) = backed_up().await;
    let machine = Machine::new(&shop);
    let (file, dir) = (file(&shop, &data), machine.shop_dir());
    machine.restore(&shop, &file).unwrap();
    let (list, before) = (dir.join("ledger.ended"), names(&dir));
    let refused = || {
        let error = machine.restore(&shop, &file).unwrap_err().to_string();
        assert!(
            error.contains(&list.display().to_string()),
            "it is named: {error}"
        );
        let plain = crate::actions::RestoreRequest {
            copy: &dir.join("shop.redb.copy"),
            recovery: &shop.recovery,
            known: &[],
            signed_unknown: true,
            dry_run: false,
        };
        fs::copy(dir.join("shop.redb"), plain.copy).unwrap();
        let entropy = Arc::new(SeededEntropy::new(80));
        let error = Shop::restore(&dir, &plain, options(&shop), entropy, &mut |_| {});
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("move it away") && error.contains(&list.display().to_string()),
            "{error}"
        );
        fs::remove_file(plain.copy).unwrap();
        assert_eq!(names(&dir), before);
    };
    fs::write(&list, "some.test/01234567\n").unwrap();
    refused();
    // As a disk's error: there, and not to be read.
    fs::remove_file(&list).unwrap();
    fs::create_dir(&list).unwrap();
    refused();
    fs::remove_dir(&list).unwrap();
    machine.restore(&shop, &file).unwrap();
}

#[tokio::test]
async fn a_room_that_a_kill_left_goes_with_the_next_verification_and_one_in_use_stays() {
    let among = tempfile::tempdir().unwrap();
    let room = |name: &str| {
        let path = among.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("root.key"), b"secret").unwrap();
        fs::File::create(path.join("lock")).unwrap()
    };
    drop(room("keystall-verify-killed"));
    let used = room("keystall-verify-used");
    used.try_lock().unwrap();
    drop(room("somebodys"));
    let killed = among.path().join("keystall-verify-a-link");
    std::os::unix::fs::symlink(among.path().join("somebodys"), killed).unwrap();
    // Without their locks: one of today, and one of two days ago.
    for (name, days) in [("keystall-verify-early", 0), ("keystall-verify-old", 2)] {
        drop(room(name));
        let path = among.path().join(name);
        fs::remove_file(path.join("lock")).unwrap();
        let then = SystemTime::now() - Duration::from_secs(days * 24 * 3_600);
        fs::File::open(path).unwrap().set_modified(then).unwrap();
    }
    super::verify::sweep(among.path());
    assert_eq!(
        names(among.path()),
        [
            "keystall-verify-a-link",
            "keystall-verify-early",
            "keystall-verify-used",
            "somebodys"
        ]
    );
    // And in a shop's own folder, at its start.
    let (shop, ..) = backed_up().await;
    let checking = shop.dir.path().join("shop/backups/checking");
    fs::create_dir(&checking).unwrap();
    fs::write(checking.join("root.key"), b"secret").unwrap();
    shop.shop.clean_backups().unwrap();
    assert!(!checking.exists());
}

#[tokio::test]
async fn a_restore_says_what_vouches_for_the_backup() {
    let (shop, _, (data, _)) = backed_up().await;
    let machine = Machine::new(&shop);
    let file = file(&shop, &data);
    let done = machine.restore(&shop, &file).unwrap();
    let first = shop.shop.log_keys().unwrap()[0].1.keys[0].1.clone();
    assert_eq!(done.vouched.first_vkey, first);
    assert_eq!(done.vouched.by, [""; 0], "on an empty machine nothing does");
    let again = machine.restore(&shop, &file).unwrap();
    assert_eq!(again.vouched.by, ["its root key is the one of this folder"]);
    let newer = machine.open(&shop).unwrap();
    newer.replace_root_key().unwrap();
    newer.close();
    let again = machine.restore(&shop, &file).unwrap();
    let by = "its ledger begins with the log key of the database in this folder";
    assert_eq!(again.vouched.by, [by]);
    let highwater = shop.dir.path().join("shop/ledger.highwater");
    fs::copy(highwater, machine.shop_dir().join("ledger.highwater")).unwrap();
    let again = machine.restore(&shop, &file).unwrap();
    assert!(again.vouched.by[1].contains("ledger.highwater"));
}

#[tokio::test]
async fn a_backup_of_another_ledger_is_not_put_in_the_place_of_this_shops() {
    let (shop, _, (data, _)) = backed_up().await;
    let machine = Machine::new(&shop);
    let file = file(&shop, &data);
    machine.restore(&shop, &file).unwrap();
    // As if the file had been made by somebody else: the folder's ledger begins with another key, and its root key is another.
    let database = machine.shop_dir().join("shop.redb");
    let store = crate::store::Store::open(options(&shop)(&database), Box::new(|_| {})).unwrap();
    let write = store.write(|tx| -> Result<(), crate::store::WriteError<()>> {
        let mut log = tx.generation(0)?.unwrap();
        log.keys[0].1 = log.keys[0].1.replace('+', "-");
        Ok(tx.put_generation(0, &log)?)
    });
    write.wait().unwrap();
    store.close();
    let root = machine.shop_dir().join("root.key");
    fs::remove_file(&root).unwrap();
    fs::write(&root, [9; 32]).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o400)).unwrap();
    let error = machine.restore(&shop, &file).unwrap_err();
    assert!(matches!(error, BackupError::OtherLedger(_)), "{error}");
    assert_eq!(fs::read(&root).unwrap(), [9; 32]);
    // Nor where no key lies beside that database.
    fs::remove_file(&root).unwrap();
    let error = machine.restore(&shop, &file).unwrap_err();
    assert!(matches!(error, BackupError::OtherLedger(_)), "{error}");
    assert!(!root.exists());
    // A key without its database vouches for nothing: it may have come with the same file.
    fs::remove_file(&database).unwrap();
    let done = machine.restore(&shop, &file).unwrap();
    assert_eq!(done.vouched.by, [""; 0]);
    fs::rename(&database, machine.dir.path().join("away")).unwrap();
    let done = machine.restore(&shop, &file).unwrap();
    assert_eq!(done.vouched.by, [""; 0]);
}

#[tokio::test]
async fn a_restored_shop_goes_back_again_with_the_month_keys_of_its_new_generation_beside() {
    let (shop, _, (data, keys)) = backed_up().await;
    let beside = tempfile::tempdir().unwrap();
    let file_of_data = beside.path().join(&data.name);
    fs::copy(file(&shop, &data), &file_of_data).unwrap();
    fs::copy(file(&shop, &keys), beside.path().join(&keys.name)).unwrap();
    let machine = Machine::new(&shop);
    machine.restore(&shop, &file_of_data).unwrap();
    let restored = machine.open(&shop).unwrap();
    let options = options(&shop);
    let wish = BackupWish {
        settings: None,
        options: &options,
    };
    let (_, newer) = restored.create_backup(&wish, &mut |_, _| true).unwrap();
    assert_eq!(newer.generation, 1);
    restored.close();
    let of_newer = machine.shop_dir().join("backups").join(&newer.name);
    fs::copy(of_newer, beside.path().join(&newer.name)).unwrap();
    machine.restore(&shop, &file_of_data).unwrap();
    let error = Machine::new(&shop).restore(&shop, &file_of_data);
    assert!(matches!(error, Err(BackupError::StrangeKeys(_))));
}

#[tokio::test]
async fn month_keys_that_nothing_vouches_for_are_taken_by_their_name_alone() {
    let (shop, order, (data, keys)) = backed_up().await;
    let beside = tempfile::tempdir().unwrap();
    let (data, good) = (file(&shop, &data), file(&shop, &keys));
    let file_of_data = beside.path().join(data.file_name().unwrap());
    fs::copy(&data, &file_of_data).unwrap();
    fs::copy(&good, beside.path().join(&keys.name)).unwrap();
    // What anybody makes who knows the public key: later, and with another checkpoint.
    let identity = identity_of_text(&shop.recovery).unwrap();
    let whole = unpack_keys(&good, &[&identity]).unwrap();
    let mut manifest = whole.manifest.clone();
    (manifest.size, manifest.at_ms) = (manifest.size + 9, manifest.at_ms + HOUR_MS);
    manifest.note = manifest.note.replacen('A', "B", 1);
    let recipient = shop.shop.backup_recipient().unwrap().unwrap();
    let entropy = SeededEntropy::new(4);
    let mut part =
        super::stream::PartWriter::begin(&manifest, &[recipient], &entropy, Vec::new()).unwrap();
    part.file("erase.keys", &whole.erase_keys).unwrap();
    let erased = format!("{} {}\n", order.id, manifest.at_ms);
    part.file("erased", erased.as_bytes()).unwrap();
    let planted = beside.path().join("keystall-9.keys.zst.age");
    fs::write(&planted, part.finish(0).unwrap()).unwrap();
    let machine = Machine::new(&shop);
    let error = machine.restore(&shop, &file_of_data).unwrap_err();
    assert!(
        matches!(&error, BackupError::StrangeKeys(path) if *path == planted),
        "{error}"
    );
    assert!(!machine.shop_dir().exists());
    let mut steps = Vec::new();
    let done = machine
        .restore_with(&shop, &file_of_data, Some(&good), &mut |step| {
            steps.push(step)
        })
        .unwrap();
    assert_eq!(done.erased, 0, "it names an order that nobody erased");
    let left_out = format!("{} is left out", planted.display());
    assert!(
        steps.iter().any(|step| step.starts_with(&left_out)),
        "{steps:?}"
    );
}

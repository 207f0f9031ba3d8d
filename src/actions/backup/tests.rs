//! Stories of backups: made while a shop sells, proven, kept, lost, and gone back to.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::folder::Folder;
use super::key::identity_of_text;
use super::stream::{Manifest, StreamError};
use super::unpack::{unpack_data, unpack_keys};
use super::*;
use crate::actions::{Shop, ShopError};
use crate::domain::{Effect, EffectKind, Order, OrderState, Secret, Slug};
use crate::ledger::sign::RecoverySecret;
use crate::store::{Options, Rows};
use crate::testing::{SeededEntropy, TestShop, Till};
use crate::vault::{BackupIdentity, seal_to};

mod places;
mod restores;

const HOUR_MS: i64 = 3_600_000;

async fn sell(shop: &TestShop, transaction: &str) -> Order {
    let order = shop.order("steam").await;
    let claim = shop.claim(&order, transaction);
    shop.shop.settle(claim).await.unwrap();
    let order = shop.shop.order(order.id).unwrap().unwrap();
    assert_eq!(order.state, OrderState::Delivered);
    order
}

fn options(shop: &TestShop) -> impl Fn(&Path) -> Options + use<> {
    let clock = shop.clock.clone();
    move |path| Options::file(path, 1 << 20, clock.clone())
}

fn back_up(shop: &TestShop) -> Result<(SealedCopy, SealedCopy), BackupError> {
    let options = options(shop);
    let wish = BackupWish {
        settings: Some(b"[shop]\ntitle = \"T\"\n"),
        options: &options,
    };
    shop.shop.create_backup(&wish, &mut |_, _| true)
}

fn file(shop: &TestShop, copy: &SealedCopy) -> PathBuf {
    shop.dir.path().join("shop/backups").join(&copy.name)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Another machine: an empty folder, the sheet, and the files.
struct Machine {
    dir: tempfile::TempDir,
    recovery: Secret,
    dry_run: bool,
    signed_unknown: bool,
    without_keys: bool,
}

impl Machine {
    fn new(shop: &TestShop) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            recovery: shop.recovery.clone(),
            dry_run: false,
            signed_unknown: true,
            without_keys: false,
        }
    }

    fn shop_dir(&self) -> PathBuf {
        self.dir.path().join("shop")
    }

    fn restore(&self, shop: &TestShop, file: &Path) -> Result<SealedRestored, BackupError> {
        self.restore_with(shop, file, None, &mut |_| {})
    }

    fn restore_with(
        &self,
        shop: &TestShop,
        file: &Path,
        keys: Option<&Path>,
        step: &mut dyn FnMut(String),
    ) -> Result<SealedRestored, BackupError> {
        let settings_to = self.shop_dir().join("keystall.toml");
        let request = SealedRequest {
            file,
            keys,
            recovery: &self.recovery,
            known: &[],
            signed_unknown: self.signed_unknown,
            without_keys: self.without_keys,
            dry_run: self.dry_run,
            settings_to: &settings_to,
            policy: Till::default().policy,
        };
        let entropy = Arc::new(SeededEntropy::new(77));
        restore_sealed(&self.shop_dir(), &request, &options(shop), entropy, step)
    }

    fn open(&self, shop: &TestShop) -> Result<Shop, ShopError> {
        let entropy = Arc::new(SeededEntropy::new(78));
        Shop::open(
            &self.shop_dir(),
            Till::default().policy,
            options(shop),
            entropy,
        )
    }
}

/// A shop with two sales, its backup, and a third sale after it.
async fn backed_up() -> (TestShop, Order, (SealedCopy, SealedCopy)) {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 10);
    let sold = sell(&shop, "T1").await;
    sell(&shop, "T2").await;
    let copies = back_up(&shop).unwrap();
    sell(&shop, "T3").await;
    (shop, sold, copies)
}

#[tokio::test]
async fn a_shop_stands_again_on_an_empty_machine_with_the_sheet_alone() {
    let (shop, sold, (data, _)) = backed_up().await;
    let machine = Machine::new(&shop);
    let file = file(&shop, &data);
    let dry = Machine {
        dry_run: true,
        ..Machine::new(&shop)
    };
    let would = dry.restore(&shop, &file).unwrap();
    assert_eq!(
        would.restored.withheld,
        [(Slug::parse("steam").unwrap(), 8)]
    );
    assert!(!dry.shop_dir().exists(), "a dry run leaves nothing");

    let done = machine.restore(&shop, &file).unwrap();
    assert!(done.root_key && matches!(done.keys, KeysFrom::File(_)));
    assert_eq!((done.restored.generation, done.restored.closed), (1, 0));
    assert_eq!(done.restored.withheld, [(Slug::parse("steam").unwrap(), 8)]);
    let dir = machine.shop_dir();
    for (name, mode) in [
        ("root.key", 0o400),
        ("erase.keys", 0o600),
        ("keystall.toml", 0o600),
    ] {
        let found = fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}");
    }
    let restored = machine.open(&shop).unwrap();
    let view = restored.view_order(sold.id).unwrap().unwrap();
    assert_eq!(view.keys.len(), 1, "what was sold before opens");
    assert_eq!(restored.check_books().unwrap().wrong, Vec::<String>::new());
    assert_eq!(
        restored.backup_recipient().unwrap(),
        shop.shop.backup_recipient().unwrap()
    );
    assert!(restored.restoration().unwrap().unwrap().copy_at_ms <= data.at_ms);
    restored.close();
    // Once more, as after a kill at its end.
    let again = machine.restore(&shop, &file).unwrap();
    assert_eq!(again.keys, KeysFrom::Folder);
    machine.open(&shop).unwrap().close();
}

#[tokio::test]
async fn what_a_restore_refuses_changes_nothing() {
    let (shop, _, (data, keys)) = backed_up().await;
    let refused = |machine: Machine, file: &Path| {
        let error = machine.restore(&shop, file).unwrap_err().to_string();
        assert!(!machine.shop_dir().exists(), "{error}");
        error
    };
    let unknown = Machine {
        signed_unknown: false,
        ..Machine::new(&shop)
    };
    assert!(refused(unknown, &file(&shop, &data)).contains("--signed-unknown"));
    let stranger = Machine {
        recovery: Secret::from("ab".repeat(32)),
        ..Machine::new(&shop)
    };
    assert!(refused(stranger, &file(&shop, &data)).contains("another key"));
    let keys = refused(Machine::new(&shop), &file(&shop, &keys));
    assert!(keys.contains(".data.zst.age"), "{keys}");
    // A folder of another shop is left alone.
    let other = TestShop::with(Till {
        seed: 9,
        ..Till::default()
    });
    let machine = Machine::new(&shop);
    fs::create_dir(machine.shop_dir()).unwrap();
    let root = other.dir.path().join("shop/root.key");
    fs::copy(root, machine.shop_dir().join("root.key")).unwrap();
    let error = machine.restore(&shop, &file(&shop, &data)).unwrap_err();
    assert!(matches!(error, BackupError::OtherShop(_)), "{error}");
    assert_eq!(names(&machine.shop_dir()), ["backups", "root.key"]);
}

#[tokio::test]
async fn a_backup_with_one_wrong_byte_or_without_its_end_is_refused() {
    let (shop, _, (data, keys)) = backed_up().await;
    let identity = identity_of_text(&shop.recovery).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, database) = (folder.path().join("f"), folder.path().join("db"));
    let mut looked = 0;
    for (copy, is_data) in [(&data, true), (&keys, false)] {
        let whole = fs::read(file(&shop, copy)).unwrap();
        let mut refused = |bytes: &[u8], what: String| {
            fs::write(&path, bytes).unwrap();
            let _ = fs::remove_file(&database);
            let unpacked = match is_data {
                true => unpack_data(
                    &path,
                    &[&identity],
                    &database,
                    &mut Progress::new(&mut |_, _| true),
                )
                .map(drop),
                false => unpack_keys(&path, &[&identity]).map(drop),
            };
            assert!(unpacked.is_err(), "{what} of {} is let in", copy.name);
            looked += 1;
        };
        // All of the header and the beginning, then a sample.
        for at in (0..700)
            .chain((700..whole.len()).step_by(97))
            .filter(|at| *at < whole.len())
        {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            refused(&flipped, format!("a flip at {at}"));
        }
        for end in (0..whole.len()).step_by(53) {
            refused(&whole[..end], format!("an end at {end}"));
        }
        refused(
            &[whole.as_slice(), b"x"].concat(),
            "a byte behind".to_owned(),
        );
    }
    assert!(looked > 1_500, "{looked}");
}

/// Seals anything to the shop's own key, which is no secret.
fn forged(shop: &TestShop, plain: &[u8]) -> tempfile::NamedTempFile {
    let recipient = shop.shop.backup_recipient().unwrap().unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let sealed = seal_to(&[recipient], &SeededEntropy::new(5), Vec::new()).unwrap();
    let mut out = zstd::stream::write::Encoder::new(sealed, 3).unwrap();
    out.write_all(plain).unwrap();
    let bytes = out.finish().unwrap().finish().unwrap();
    file.write_all(&bytes).unwrap();
    file
}

fn frame(letter: u8, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32).to_be_bytes();
    [&[letter][..], &length, bytes].concat()
}

#[tokio::test]
async fn what_a_stranger_sealed_to_the_shops_public_key_does_no_harm() {
    let (shop, _, (data, _)) = backed_up().await;
    let identity = identity_of_text(&shop.recovery).unwrap();
    let good = super::unpack::manifest_of(&file(&shop, &data), &[&identity]).unwrap();
    let begin = |manifest: &Manifest| {
        let manifest = serde_json::to_vec(manifest).unwrap();
        [b"keystall-backup/v1\n".to_vec(), frame(b'm', &manifest)].concat()
    };
    let named = |name: &str, bytes: &[u8]| {
        let name = [&[name.len() as u8], name.as_bytes(), bytes].concat();
        frame(b'f', &name)
    };
    let newer = Manifest {
        schema: 1_000,
        ..good.clone()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "begins otherwise",
            b"hello, this is no backup at all".to_vec(),
        ),
        ("newer version", b"keystall-backup/v2\n".to_vec()),
        ("newer version", begin(&newer)),
        (
            "too long",
            [begin(&good), vec![b'r', 255, 255, 255, 255]].concat(),
        ),
        (
            "ends early",
            [begin(&good), vec![b'r', 0, 0, 255, 255, 1]].concat(),
        ),
        (
            "does not belong",
            [begin(&good), named("../../root/.ssh/authorized_keys", b"x")].concat(),
        ),
        (
            "twice",
            [
                begin(&good),
                named("root.key", &[1; 32]),
                named("root.key", &[2; 32]),
            ]
            .concat(),
        ),
        (
            "without its table",
            [begin(&good), frame(b'r', &[0, 0, 0, 0])].concat(),
        ),
        (
            "does not know: install",
            [begin(&good), frame(b't', b"colours")].concat(),
        ),
        ("does not know", [begin(&good), frame(b'?', b"")].concat()),
        (
            "without a key",
            [
                begin(&good),
                frame(b't', b"meta"),
                frame(b'r', &[0, 0, 9, 9, 1]),
            ]
            .concat(),
        ),
        ("no tables", [begin(&good), frame(b'e', &[0; 8])].concat()),
        (
            "another number",
            [begin(&good), frame(b't', b"meta"), frame(b'e', &[1; 8])].concat(),
        ),
        (
            "follows its end",
            [begin(&good), frame(b'e', &[0; 8]), vec![0]].concat(),
        ),
    ];
    for (expected, plain) in cases {
        let file = forged(&shop, &plain);
        let machine = Machine::new(&shop);
        let error = machine.restore(&shop, file.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!machine.shop_dir().exists(), "{expected}");
    }
    // Rows without an end, that compress to nothing: there is to be room for as many as the manifest says.
    let small = Manifest {
        store_bytes: 1 << 20,
        ..good.clone()
    };
    let mut rows = [begin(&small), frame(b't', b"meta")].concat();
    for number in 0..40 {
        // As the store writes text and bytes: their length, and what they are.
        let key = [&[0, 0, 0, 8][..], format!("row-{number:04}").as_bytes()].concat();
        let value = [&[0, 16, 0, 0][..], &[0; 1 << 20]].concat();
        let length = (key.len() as u32).to_be_bytes();
        rows.extend(frame(b'r', &[&length[..], &key, &value].concat()));
    }
    let machine = Machine::new(&shop);
    let error = machine.restore(&shop, forged(&shop, &rows).path());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("take more than the database"), "{error}");
    // A gigabyte of zeros in a few kilobytes is left where it is: a frame has its limit.
    let bomb = [begin(&good), vec![b'r', 3, 255, 255, 255], vec![0; 1 << 20]].concat();
    let machine = Machine::new(&shop);
    let error = machine
        .restore(&shop, forged(&shop, &bomb).path())
        .unwrap_err();
    assert!(
        matches!(error, BackupError::Stream(StreamError::Form(_))),
        "{error}"
    );
}

#[tokio::test]
async fn an_erased_order_stays_erased_when_an_older_backup_is_restored() {
    let (shop, sold, (data, _)) = backed_up().await;
    shop.shop.erase_order(sold.id).unwrap();
    // The keys' copy follows the erasure; the month key is not replaced yet.
    shop.clock.advance_ms(HOUR_MS);
    let keys = super::Index::read(&shop.dir.path().join("shop"))
        .unwrap()
        .keys
        .len();
    assert_eq!(keys, 1);
    let (_, newer) = back_up(&shop).unwrap();
    let machine = Machine::new(&shop);
    let done = machine.restore(&shop, &file(&shop, &data)).unwrap();
    assert_eq!(done.keys, KeysFrom::File(file(&shop, &newer)));
    assert_eq!(done.erased, 1);
    let restored = machine.open(&shop).unwrap();
    let view = restored.view_order(sold.id).unwrap().unwrap();
    assert!(view.erased_at_ms.is_some() && view.keys.is_empty());
    restored.close();
}

#[tokio::test]
async fn copies_of_month_keys_follow_a_replaced_key_and_the_old_ones_go() {
    let (shop, sold, _) = backed_up().await;
    assert_eq!(
        shop.shop.refresh_key_copies().unwrap(),
        None,
        "nothing changed"
    );
    shop.shop.erase_order(sold.id).unwrap();
    shop.shop.replace_month_keys().unwrap();
    shop.clock.advance_ms(HOUR_MS);
    let made = shop.shop.refresh_key_copies().unwrap().unwrap();
    assert_eq!(shop.shop.refresh_key_copies().unwrap(), None);
    shop.clock.advance_ms(48 * HOUR_MS);
    let none = Retention {
        daily: 0,
        weekly: 0,
    };
    assert_eq!(shop.shop.prune_backups(none, &[]).unwrap().left, 1);
    let index = shop.shop.backups().unwrap();
    let left: Vec<&String> = index.keys.iter().map(|copy| &copy.name).collect();
    assert_eq!(left, [&made.name]);
    assert_eq!(index.data.len(), 1, "the newest data stay");
}

#[tokio::test]
async fn without_month_keys_the_shop_stands_and_its_orders_stay_closed_until_they_are_found() {
    let (shop, sold, (data, keys)) = backed_up().await;
    let alone = tempfile::tempdir().unwrap();
    let file_alone = alone.path().join(&data.name);
    fs::copy(file(&shop, &data), &file_alone).unwrap();
    let mut machine = Machine::new(&shop);
    let refused = machine.restore(&shop, &file_alone).unwrap_err();
    assert!(matches!(refused, BackupError::NoMonthKeys(2)), "{refused}");
    machine.without_keys = true;
    let done = machine.restore(&shop, &file_alone).unwrap();
    assert_eq!((&done.keys, done.restored.closed), (&KeysFrom::Nowhere, 2));
    let restored = machine.open(&shop).unwrap();
    assert!(
        restored
            .view_order(sold.id)
            .unwrap()
            .unwrap()
            .keys
            .is_empty()
    );
    restored.close();
    // Somebody finds the other file.
    let settings_to = machine.shop_dir().join("keystall.toml");
    let found = file(&shop, &keys);
    let request = SealedRequest {
        file: &file_alone,
        keys: Some(&found),
        recovery: &machine.recovery,
        known: &[],
        signed_unknown: true,
        without_keys: false,
        dry_run: false,
        settings_to: &settings_to,
        policy: Till::default().policy,
    };
    let entropy = Arc::new(SeededEntropy::new(79));
    let done = restore_sealed(
        &machine.shop_dir(),
        &request,
        &options(&shop),
        entropy,
        &mut |_| {},
    );
    assert_eq!(done.unwrap().restored.closed, 0);
    let restored = machine.open(&shop).unwrap();
    assert_eq!(restored.view_order(sold.id).unwrap().unwrap().keys.len(), 1);
    restored.close();
}

#[tokio::test]
async fn a_backup_counts_only_after_its_proof_and_a_cut_off_one_leaves_nothing() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 3_000);
    let folder = shop.dir.path().join("shop/backups");
    let options = options(&shop);
    let wish = BackupWish {
        settings: None,
        options: &options,
    };
    // Ended at each of its looks, until none is left.
    let mut looks = 0;
    loop {
        let mut left = looks;
        let made = shop.shop.create_backup(&wish, &mut |_, _| {
            left -= 1;
            left >= 0
        });
        if made.is_ok() {
            break;
        }
        assert!(matches!(made, Err(BackupError::Stopped)));
        assert_eq!(names(&folder), ["lock"]);
        looks += 1;
    }
    assert!(looks >= 3, "{looks}");
    let index = shop.shop.backups().unwrap();
    let mut files = vec!["index.json".to_owned(), "lock".to_owned()];
    files.extend(
        index
            .data
            .iter()
            .chain(&index.keys)
            .map(|copy| copy.name.clone()),
    );
    files.sort();
    assert_eq!(names(&folder), files);
}

#[tokio::test]
async fn what_a_kill_left_is_finished_or_removed_by_the_next_run() {
    let (shop, _, (data, _)) = backed_up().await;
    let folder = shop.dir.path().join("shop/backups");
    // Killed after the index named it, before it had its name; and in the midst of another.
    fs::rename(
        folder.join(&data.name),
        folder.join(format!("{}.part", data.name)),
    )
    .unwrap();
    fs::write(folder.join("keystall-x.data.zst.age.part"), b"half").unwrap();
    fs::create_dir(folder.join("checking")).unwrap();
    fs::write(folder.join("checking/root.key"), b"secret").unwrap();
    drop(Folder::hold(&shop.dir.path().join("shop")).unwrap());
    let left = names(&folder);
    assert!(left.contains(&data.name) && left.len() == 4, "{left:?}");
    let first = Folder::hold(&shop.dir.path().join("shop")).unwrap();
    assert!(matches!(back_up(&shop), Err(BackupError::Busy)));
    drop(first);
    back_up(&shop).unwrap();
}

#[tokio::test]
async fn the_merchant_is_told_once_when_backups_fail_twice_and_again_after_a_good_one() {
    let shop = TestShop::new();
    let alarms = || {
        let effects = shop.shop.effects(100).unwrap();
        let ours = |one: &&Effect| one.kind == EffectKind::BackupFailed;
        effects.iter().filter(ours).count()
    };
    shop.shop.note_backup(Some("no room")).unwrap();
    assert_eq!(alarms(), 0, "once may pass");
    for _ in 0..3 {
        shop.shop.note_backup(Some("no room")).unwrap();
        assert_eq!(alarms(), 1);
    }
    assert_eq!(shop.shop.backup_alarm().unwrap().unwrap().reason, "no room");
    back_up(&shop).unwrap();
    assert_eq!(shop.shop.backup_alarm().unwrap(), None);
    shop.shop.note_backup(Some("again")).unwrap();
    shop.shop.note_backup(Some("again")).unwrap();
    assert_eq!(alarms(), 2);
}

#[tokio::test]
async fn a_shop_without_a_key_says_so_and_gets_one_from_the_sheet() {
    let shop = TestShop::new();
    let root = shop.shop.log_keys().unwrap()[0].1.root_vkey.clone();
    let stranger = Secret::from("ab".repeat(32));
    assert!(matches!(
        backup_identity(&stranger, Some(&root)),
        Err(BackupKeyError::Stranger)
    ));
    let identity = backup_identity(&shop.recovery, Some(&root)).unwrap();
    assert_eq!(
        shop.shop.backup_recipient().unwrap(),
        Some(identity.recipient())
    );
    assert!(
        !shop.shop.put_backup_key(identity.recipient()).unwrap(),
        "it has it already"
    );
    let other = BackupIdentity::once(&SeededEntropy::new(3)).recipient();
    assert!(shop.shop.put_backup_key(other).unwrap());
    let said = shop.shop.admin_log(None, 100).unwrap();
    assert!(
        said.iter().any(|one| one.text.contains(&other.to_string())),
        "the ledger says so"
    );
    let write = shop
        .shop
        .store()
        .write(|tx| -> Result<(), crate::store::WriteError<()>> {
            Ok(tx.remove_meta("backup_recipient")?)
        });
    write.wait().unwrap();
    assert!(matches!(back_up(&shop), Err(BackupError::NoKey)));
}

#[tokio::test]
async fn the_seed_of_the_backups_key_has_a_context_of_its_own() {
    let secret = RecoverySecret::parse(&"01".repeat(32)).unwrap();
    let identity = BackupIdentity::from_seed(&secret.backup_seed());
    // Fixed: a sheet that was printed opens what was sealed to it, whatever version reads it.
    assert_eq!(identity.recipient().to_string(), FIXED);
}

const FIXED: &str = "age19c6usty3qmpemmzhtqqvggkvjurkhpfhtqtwmtvq6kw5cmq7zqes942pr3";

#[tokio::test]
async fn a_backup_is_proven_with_the_sheet_and_its_books_are_checked() {
    let (shop, _, (data, _)) = backed_up().await;
    let verify = |file: &Path, dir: &Path| {
        let entropy = Arc::new(SeededEntropy::new(6));
        let (policy, options) = (Till::default().policy, options(&shop));
        verify_sealed(
            dir,
            file,
            None,
            &shop.recovery,
            policy,
            &options,
            entropy,
            &mut |_, _| true,
        )
    };
    let verified = verify(&file(&shop, &data), &shop.dir.path().join("shop")).unwrap();
    let books = verified.books.unwrap();
    assert_eq!((books.orders, books.slots, books.wrong.len()), (2, 10, 0));
    assert_eq!(
        (verified.bytes, &verified.blake3),
        (data.bytes, &data.blake3)
    );
    // On a machine without a shop, and without the month keys.
    let alone = tempfile::tempdir().unwrap();
    let copy = alone.path().join("b.data.zst.age");
    fs::copy(file(&shop, &data), &copy).unwrap();
    let verified = verify(&copy, &alone.path().join("nothing")).unwrap();
    assert!(verified.books.is_none() && verified.entries == data.size);
}

#[tokio::test]
async fn a_backup_of_a_changed_ledger_does_not_prove_itself() {
    let (shop, ..) = backed_up().await;
    // An entry's line is changed in the database itself: its backup is made, and is refused by its proof.
    let rows = shop.shop.store().read().unwrap();
    let head = rows.head().unwrap();
    let is_sale = |seq: &u64| {
        let line = rows.entry(head.at(*seq)).unwrap().unwrap().line;
        line.windows(6).any(|part| part == b"\"amt\":")
    };
    let at = head.at((0..head.size).find(is_sale).unwrap());
    drop(rows);
    let write = shop
        .shop
        .store()
        .write(move |tx| -> Result<(), crate::store::WriteError<()>> {
            let mut row = tx.entry(at)?.unwrap();
            let place = row
                .line
                .windows(6)
                .position(|part| part == b"\"amt\":")
                .unwrap()
                + 6;
            row.line[place] = if row.line[place] == b'1' { b'2' } else { b'1' };
            // "Never written twice" is said after it was written.
            let _ = tx.put_entry(at, &row);
            Ok(())
        });
    write.wait().unwrap();
    let before = shop.shop.backups().unwrap();
    assert!(matches!(back_up(&shop), Err(BackupError::Chain(_))));
    assert_eq!(shop.shop.backups().unwrap(), before);
}

const KEEP_ONE: Retention = Retention {
    daily: 1,
    weekly: 0,
};

fn erase(shop: &TestShop, order: &Order) {
    shop.shop.erase_order(order.id).unwrap();
    shop.shop.replace_month_keys().unwrap();
    shop.clock.advance_ms(HOUR_MS);
    shop.shop.refresh_key_copies().unwrap().unwrap();
    shop.shop.prune_backups(KEEP_ONE, &[]).unwrap();
}

#[tokio::test]
async fn the_keys_of_the_newest_data_outlive_two_erasures_and_another_backup_is_due() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 10);
    let first = sell(&shop, "T1").await;
    let second = sell(&shop, "T2").await;
    let third = sell(&shop, "T3").await;
    let (data, keys) = back_up(&shop).unwrap();
    assert!(!shop.shop.is_backup_outdated().unwrap());
    erase(&shop, &first);
    assert!(shop.shop.is_backup_outdated().unwrap());
    erase(&shop, &second);
    let index = shop.shop.backups().unwrap();
    assert_eq!(index.newest().unwrap().name, data.name);
    assert!(file(&shop, &keys).exists());
    // Who names the older keys gets the orders, without those that were erased.
    let machine = Machine::new(&shop);
    let settings_to = machine.shop_dir().join("keystall.toml");
    let (file_of_data, file_of_keys) = (file(&shop, &data), file(&shop, &keys));
    let request = SealedRequest {
        file: &file_of_data,
        keys: Some(&file_of_keys),
        recovery: &machine.recovery,
        known: &[],
        signed_unknown: true,
        without_keys: false,
        dry_run: false,
        settings_to: &settings_to,
        policy: Till::default().policy,
    };
    let entropy = Arc::new(SeededEntropy::new(79));
    let to = machine.shop_dir();
    let done = restore_sealed(&to, &request, &options(&shop), entropy, &mut |_| {}).unwrap();
    assert_eq!((done.restored.closed, done.erased), (0, 2));
    let restored = machine.open(&shop).unwrap();
    let shown = |order: &Order| restored.view_order(order.id).unwrap().unwrap().keys.len();
    assert_eq!((shown(&first), shown(&second), shown(&third)), (0, 0, 1));
    restored.close();
    // Two days later the keys are gone, and that backup is none any more.
    shop.clock.advance_ms(48 * HOUR_MS);
    shop.shop.prune_backups(KEEP_ONE, &[]).unwrap();
    assert!(!file_of_keys.exists());
    assert_eq!(shop.shop.backups().unwrap().newest(), None);
    let (again, _) = back_up(&shop).unwrap();
    assert!(!shop.shop.is_backup_outdated().unwrap());
    assert_eq!(
        shop.shop.backups().unwrap().newest().unwrap().name,
        again.name
    );
}

#[tokio::test]
async fn an_index_names_no_files_but_backups() {
    let (shop, _, (data, _)) = backed_up().await;
    let path = shop.dir.path().join("shop/backups/index.json");
    let text = fs::read_to_string(&path).unwrap();
    for name in [
        "../shop.redb",
        "/etc/passwd",
        "keystall-.data.zst.age",
        "keystall-a/../b.data.zst.age",
    ] {
        fs::write(&path, text.replace(&data.name, name)).unwrap();
        assert!(
            matches!(shop.shop.backups(), Err(BackupError::Index { .. })),
            "{name}"
        );
        let pruned = shop.shop.prune_backups(KEEP_ONE, &[]);
        assert!(matches!(pruned, Err(BackupError::Index { .. })), "{name}");
    }
}

#[tokio::test]
async fn month_keys_that_do_not_read_are_not_passed_over() {
    let (shop, _, (data, keys)) = backed_up().await;
    let beside = tempfile::tempdir().unwrap();
    let (file_of_data, damaged) = (
        beside.path().join(&data.name),
        beside.path().join(&keys.name),
    );
    fs::copy(file(&shop, &data), &file_of_data).unwrap();
    let bytes = fs::read(file(&shop, &keys)).unwrap();
    fs::write(&damaged, &bytes[..bytes.len() - 1]).unwrap();
    let machine = Machine::new(&shop);
    let error = machine.restore(&shop, &file_of_data).unwrap_err();
    assert!(
        matches!(&error, BackupError::KeysBeside { path, .. } if *path == damaged),
        "{error}"
    );
    assert!(!machine.shop_dir().exists());
}

#[tokio::test]
async fn a_root_key_that_was_to_follow_is_set_aside_with_its_database() {
    let (shop, _, (data, _)) = backed_up().await;
    let machine = Machine::new(&shop);
    machine.restore(&shop, &file(&shop, &data)).unwrap();
    let next = machine.shop_dir().join("root.key.next");
    fs::write(&next, [7; 32]).unwrap();
    machine.restore(&shop, &file(&shop, &data)).unwrap();
    let aside = machine.shop_dir().join("root.key.next.before-restore-1");
    assert!(
        machine
            .shop_dir()
            .join("shop.redb.before-restore-1")
            .exists()
    );
    assert!(!next.exists());
    assert_eq!(fs::read(aside).unwrap(), [7; 32]);
}

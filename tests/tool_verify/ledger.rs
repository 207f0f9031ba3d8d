//! `ledger`: what the tool adds to the checks of an export.

use crate::Desk;
use crate::ledger_shop::{Shop, log_key, shop_of_24};
use ed25519_dalek::SigningKey;
use keystall::ledger::cosignature::{WitnessKey, cosign};
use keystall::ledger::note::{self, Checkpoint};

const NAME: &str = "witness.example/w1";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[11; 32])
}

/// The shop with the witness's line on the note of this size.
fn cosigned(mut shop: Shop, size: u64, key: &SigningKey) -> Shop {
    let note = &shop.notes[&size];
    let line = cosign(key, NAME, &Checkpoint::parse(note).unwrap(), 1_795_000_000);
    let note = note::with_lines(note, &line).unwrap();
    shop.notes.insert(size, note);
    shop
}

#[test]
fn the_newest_checkpoint_must_be_cosigned_by_a_witness_that_is_asked_for() {
    let desk = Desk::new();
    let witness = WitnessKey::new(NAME, &key().verifying_key()).to_string();
    let plain = desk.put_export("plain", &shop_of_24().files(0));
    let newest = desk.put_export("newest", &cosigned(shop_of_24(), 24, &key()).files(0));
    let older = desk.put_export("older", &cosigned(shop_of_24(), 23, &key()).files(0));
    assert_eq!(desk.pinned(&["ledger", &plain]).exit, 0);
    assert_eq!(
        desk.pinned(&["ledger", &plain, "--witness", &witness]).exit,
        4
    );
    assert_eq!(
        desk.pinned(&["ledger", &older, "--witness", &witness]).exit,
        4
    );
    let said = desk.pinned(&["ledger", &plain, "--witness", &witness]);
    assert!(said.out.contains("witnesses   0/1"), "{}", said.out);
    let said = desk.pinned(&["ledger", &newest, "--witness", &witness]);
    assert_eq!(said.exit, 0, "{}", said.out);
    assert!(said.out.contains("witnesses   1/1"), "{}", said.out);
    assert!(
        said.out
            .contains("witness.example/w1 saw the checkpoint of size 24"),
        "{}",
        said.out
    );
    // A line under the witness's name and key id that it did not make.
    let mut forged = cosigned(shop_of_24(), 24, &key());
    let other = cosign(
        &key(),
        NAME,
        &Checkpoint::parse(&forged.notes[&9]).unwrap(),
        7,
    );
    let note = note::with_lines(&forged.notes[&24], &other).unwrap();
    forged.notes.insert(24, note);
    let forged = desk.put_export("forged", &forged.files(0));
    assert_eq!(
        desk.pinned(&["ledger", &forged, "--witness", &witness])
            .exit,
        1
    );
    assert_eq!(desk.pinned(&["ledger", &forged]).exit, 0);
    let log = WitnessKey::new(NAME, &log_key().verifying_key()).to_string();
    assert_eq!(desk.pinned(&["ledger", &newest, "--witness", &log]).exit, 4);
}

#[test]
fn each_exit_says_what_to_do_next() {
    let desk = Desk::new();
    let export = desk.put_export("export", &shop_of_24().files(0));
    let said = desk.pinned(&["ledger", &export]);
    assert!(
        said.out
            .lines()
            .last()
            .unwrap()
            .starts_with("next        keep the newest"),
        "{}",
        said.out
    );
    assert_eq!(said.err, "", "no progress where there is no terminal");
    let said = desk.pinned(&["ledger", &export, "--nonce", "absent"]);
    assert_eq!(said.exit, 4);
    assert!(
        said.out
            .lines()
            .last()
            .unwrap()
            .starts_with("next        nothing wrong"),
        "{}",
        said.out
    );
}

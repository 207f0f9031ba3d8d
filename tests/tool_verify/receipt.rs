//! `receipt`: what a buyer holds.

use crate::ledger_shop::{
    ORIGIN, R, Shop, log_key, pinned, receipt_of_three, root_key, shop_of_24, vkey_of,
};
use crate::{Desk, went_on};
use ed25519_dalek::SigningKey;
use keystall::ledger::cosignature::{WitnessKey, cosign};
use keystall::ledger::entry::{Body, SlotList, Why};
use keystall::ledger::note::{self, Checkpoint};
use keystall::ledger::receipt::Receipt;

#[test]
fn a_receipt_says_in_words_what_was_bought() {
    let desk = Desk::new();
    let receipt = desk.put("receipt.txt", receipt_of_three().to_string());
    let said = desk.pinned(&["receipt", &receipt]);
    assert_eq!(said.exit, 0, "{}", said.out);
    for line in [
        "bought      3 × game-key, from the shop's stock of keys",
        "paid        19.99 CNY",
        "order       A00002",
        "keys        3/3",
        "next        keep the file",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
}

#[test]
fn a_pin_of_another_log_is_named() {
    let desk = Desk::new();
    let receipt = desk.put("receipt.txt", receipt_of_three().to_string());
    let other = vkey_of(&log_key(), "other.example/89abcdef").to_string();
    let said = desk.says(&["receipt", &receipt, "--vkey", &other]);
    assert_eq!(said.exit, 4);
    assert!(
        said.out
            .contains("the pinned key is of another log: other.example/89abcdef"),
        "{}",
        said.out
    );
    let root = vkey_of(&root_key(), ORIGIN).to_string();
    assert_eq!(desk.says(&["receipt", &receipt, "--vkey", &root]).exit, 4);
}

#[test]
fn a_receipt_of_an_erased_order_still_verifies() {
    let desk = Desk::new();
    // Sale 3 was erased by entry 17 or so; its buyer kept the receipt, and another copy with the private fields cut out.
    let kept = shop_of_24().receipt(3, &[(0, 0)], &[]);
    let mut shown = kept.clone();
    shown.opens.clear();
    for receipt in [kept, shown] {
        let receipt = desk.put("receipt.txt", receipt.to_string());
        let said = desk.pinned(&["receipt", &receipt]);
        assert_eq!(said.exit, 0, "{}", said.out);
    }
}

#[test]
fn what_somebody_kept_is_held_against_the_receipt() {
    let desk = Desk::new();
    let receipt = desk.put("receipt.txt", receipt_of_three().to_string());
    let shop = shop_of_24();
    let same = desk.put("same.note", shop.newest_note());
    let nine = desk.put("nine.note", &shop.notes[&9]);
    let other = desk.put("other.txt", shop.receipt(3, &[(0, 0)], &[]).to_string());
    assert_eq!(
        desk.pinned(&["receipt", &receipt, "--known", &same]).exit,
        0
    );
    assert_eq!(
        desk.pinned(&["receipt", &receipt, "--known", &other]).exit,
        0
    );
    assert_eq!(
        desk.pinned(&["receipt", &receipt, "--known", &nine]).exit,
        4
    );
    let mut liar = Shop::opened();
    while liar.lines.len() < 24 {
        liar.beat();
    }
    let liar = desk.put("liar.note", liar.newest_note());
    assert_eq!(
        desk.pinned(&["receipt", &receipt, "--known", &liar]).exit,
        5
    );
    assert_eq!(
        desk.pinned(&["receipt", &receipt, "--known", &receipt])
            .exit,
        0
    );
    let cut = desk.put("cut.txt", receipt_of_three().to_string().trim_end());
    assert_eq!(desk.pinned(&["receipt", &receipt, "--known", &cut]).exit, 3);
}

#[test]
fn after_a_rotation_the_buyer_pins_the_key_of_then() {
    let desk = Desk::new();
    let mut shop = shop_of_24();
    let new = SigningKey::from_bytes(&[4; 32]);
    shop.rotate(new.clone());
    shop.beat();
    let receipt = desk.put("receipt.txt", shop.receipt(3, &[(0, 0)], &[]).to_string());
    let said = desk.pinned(&["receipt", &receipt]);
    assert_eq!(said.exit, 4);
    assert!(
        said.out.contains("in force when it was made"),
        "{}",
        said.out
    );
    let newer = vkey_of(&new, ORIGIN).to_string();
    assert_eq!(
        desk.pinned(&["receipt", &receipt, "--vkey", &newer]).exit,
        0
    );
}

const WITNESS: &str = "witness.example/w1";

fn witness_key() -> SigningKey {
    SigningKey::from_bytes(&[11; 32])
}

/// The receipt with a witness's line in each of its notes.
fn witnessed(mut receipt: Receipt) -> Receipt {
    for proof in &mut receipt.proofs {
        let checkpoint = Checkpoint::parse(&proof.note).unwrap();
        let line = cosign(&witness_key(), WITNESS, &checkpoint, 1_795_000_000);
        proof.note = note::with_lines(&proof.note, &line).unwrap();
    }
    receipt
}

#[test]
fn a_witness_that_is_asked_for_must_have_cosigned() {
    let desk = Desk::new();
    let witness = WitnessKey::new(WITNESS, &witness_key().verifying_key()).to_string();
    let plain = desk.put("plain.txt", receipt_of_three().to_string());
    let cosigned = desk.put("cosigned.txt", witnessed(receipt_of_three()).to_string());
    assert_eq!(
        desk.pinned(&["receipt", &plain, "--witness", &witness])
            .exit,
        4
    );
    let said = desk.pinned(&["receipt", &cosigned, "--witness", &witness]);
    assert_eq!(said.exit, 0, "{}", said.out);
    assert!(
        said.out
            .contains("witnessed   witness.example/w1 at 2026-11-18T11:06:40Z"),
        "{}",
        said.out
    );
    assert_eq!(desk.pinned(&["receipt", &cosigned]).exit, 0);
    let stranger = WitnessKey::new("other.example", &log_key().verifying_key()).to_string();
    assert_eq!(
        desk.pinned(&["receipt", &cosigned, "--witness", &stranger])
            .exit,
        4
    );
    let both = [
        "receipt",
        &cosigned,
        "--witness",
        &stranger,
        "--witness",
        &witness,
    ];
    assert_eq!(desk.pinned(&both).exit, 0);
    assert_eq!(
        desk.pinned(&["receipt", &plain, "--witness", &pinned().to_string()])
            .exit,
        2
    );
}

/// Two batches, a `more` line of further slots and one of a replacement.
fn large_receipt() -> Receipt {
    let mut shop = Shop::opened();
    let (first, second) = (shop.import("game-key", 3), shop.import("game-key", 2));
    let sale = shop.sell("A00001", "game-key", 3, "0:0-1", &["1:0"]);
    let (out, slots) = (
        SlotList::parse("0:1").unwrap(),
        SlotList::parse("1:1").unwrap(),
    );
    let why = Why::Bad;
    let replaced = shop.commit(Body::Replace {
        sale,
        out,
        slots,
        why,
        r: R,
    });
    let shop = went_on(&shop, 2);
    shop.receipt(
        sale,
        &[(first, 0), (second, 0), (second, 1)],
        &[sale + 1, replaced],
    )
}

#[test]
fn every_flip_deletion_and_truncation_of_a_receipt_is_noticed() {
    let passes = |file: &[u8]| {
        let receipt = Receipt::parse(file);
        receipt.is_ok_and(|receipt| receipt.verify(&[pinned()], &[]).is_ok())
    };
    let file = large_receipt().to_string().into_bytes();
    assert!(passes(&file));
    for position in 0..file.len() {
        for mask in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80] {
            let mut changed = file.clone();
            changed[position] ^= mask;
            assert!(!passes(&changed), "byte {position} mask {mask:#x}");
        }
        let mut shorter = file.clone();
        shorter.remove(position);
        assert!(!passes(&shorter), "without byte {position}");
        assert!(!passes(&file[..position]), "cut at {position}");
    }
}

//! What the verifier tells of one entry, of its progress, of a restore, and that threads do not change a word.
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use keystall::ledger::note::Checkpoint;
use keystall::ledger::tree::{leaf_hash, node_hash};
use keystall::ledger::verify::{self, Explained, Place, Report, Request};
use keystall::ledger::{Exit, Hash};
use ledger_shop::{Files, HOUR_MS, pinned, shop_of_24, vkey_of, write};
use std::sync::Mutex;

fn explained(files: &Files, place: Place) -> (Report, Explained) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    let request = Request {
        vkeys: vec![pinned()],
        explain: Some(place),
        ..Request::default()
    };
    let report = verify::ledger(folder.path(), &request);
    let explained = report
        .explained
        .first()
        .unwrap_or_else(|| panic!("{place}: {report}"))
        .clone();
    (report, explained)
}

/// Walks the path again, from the line's hash to the root that the note signs.
fn holds(explained: &Explained) {
    let hash = |text: &str| Hash::from_hex(text).unwrap();
    let mut node = leaf_hash(hash(&explained.hash).as_ref());
    assert_eq!(node.to_string(), explained.leaf);
    for step in &explained.path {
        node = match step.side {
            "left" => node_hash(&hash(&step.sibling), &node),
            _ => node_hash(&node, &hash(&step.sibling)),
        };
        assert_eq!(node.to_string(), step.result);
    }
    let note = Checkpoint::parse(explained.note.as_ref().unwrap()).unwrap();
    assert_eq!((Some(note.size), note.root), (explained.covered_by, node));
    assert_eq!(explained.root, Some(node.to_string()));
    assert_eq!(explained.prev, explained.prev_expected);
}

#[test]
fn every_entry_of_every_form_is_explained_up_to_its_root() {
    let shop = shop_of_24();
    for seq in 0..24 {
        let (report, entry) = explained(&shop.files(0), seq.into());
        assert_eq!(report.exit, Exit::Proven);
        assert_eq!(entry.line.as_ref(), Some(&shop.lines[seq as usize]));
        holds(&entry);
        holds(&explained(&shop.skeleton(0), seq.into()).1);
        if !(3..9).contains(&seq) {
            let (_, entry) = explained(&shop.range(9, 24).files(0), seq.into());
            assert_eq!(entry.line.as_ref(), Some(&shop.lines[seq as usize]));
            assert_eq!(entry.file.ends_with("carried.ndjson"), seq < 3);
            holds(&entry);
        }
    }
}

#[test]
fn an_explanation_is_told_in_words_and_says_why_a_key_is_trusted() {
    let mut shop = shop_of_24();
    shop.rotate(ed25519_dalek::SigningKey::from_bytes(&[4; 32]));
    let seq = shop.beat();
    let mut second = shop.restored("shop.example/89abcdef", 27);
    second.beat();
    let mut files = shop.files(0);
    files.extend(second.files(1));
    let text = explained(&files, 4.into()).0.to_string();
    for part in [
        "entry       4 of generation 0: gen-0/entries.ndjson, byte ",
        "hash      BLAKE3.derive_key(\"keystall 2026-11 ledger entry v1\", line)",
        "the hash of entry 3, the one before",
        "leaf      SHA-256(00, hash)",
        "to its right: SHA-256(01, node below, it)",
        "is what the first checkpoint that covers it signs, at size 10:",
        "trusted   because it was given with --vkey",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let first = explained(&files, 0.into()).0.to_string();
    assert!(
        first.contains("64 zeros, as the first entry has"),
        "{first}"
    );
    let (_, rotated) = explained(&files, seq.into());
    assert_eq!(
        rotated.signed_by,
        Some(vkey_of(&shop.key, &shop.origin).to_string())
    );
    assert!(
        rotated
            .trusted_because
            .unwrap()
            .starts_with("entry 24 rotates to it")
    );
    let generation = 1;
    let (_, later) = explained(&files, Place { generation, seq: 1 });
    assert_eq!(later.generation, 1);
    assert!(later.trusted_because.unwrap().contains("origin key"));
}

#[test]
fn a_restore_is_told_with_what_it_lost() {
    let first = shop_of_24();
    let mut files = first.files(0);
    files.extend(first.restored("shop.example/89abcdef", 31).files(1));
    let (report, _) = explained(&files, 0.into());
    assert_eq!(report.exit, Exit::Proven, "{report}");
    let text = report.to_string();
    assert!(
        text.contains("the copy holds 24 entries, 31 were signed, so 7 or more are gone"),
        "{text}"
    );
    assert!(
        text.contains("not proven  what the entries from 24 on"),
        "{text}"
    );
}

#[test]
fn each_form_says_what_it_does_not_prove() {
    let shop = shop_of_24();
    let (range, _) = explained(&shop.range(9, 24).files(0), 9.into());
    let text = range.to_string();
    for part in [
        "slots handed out before 9 not checked",
        "leaves out no stock or rotate line",
        "void in this range",
        "CNY refunded in this range",
        "entries     15, seq 9 to 23",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let (skeleton, _) = explained(&shop.skeleton(0), 9.into());
    let text = skeleton.to_string();
    assert!(text.contains("a skeleton holds hashes alone"), "{text}");
}

#[test]
fn any_number_of_threads_says_the_same() {
    let mut shop = shop_of_24();
    for number in 0..700_u64 {
        shop.t_ms += HOUR_MS;
        if number == 400 {
            shop.sell("D00001", "game-key", 1, "0:1", &[]);
        }
        shop.beat();
    }
    for files in [
        shop.files(0),
        shop.range(300, 725).files(0),
        shop.skeleton(0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files);
        let told = |threads| {
            let request = Request {
                vkeys: vec![pinned()],
                explain: Some(500.into()),
                threads,
                ..Request::default()
            };
            serde_json::to_value(verify::ledger(folder.path(), &request)).unwrap()
        };
        let alone = told(1);
        for threads in [2, 3, 8] {
            assert_eq!(told(threads), alone);
        }
    }
}

#[test]
fn progress_reaches_its_whole() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &shop_of_24().files(0));
    let told = Mutex::new(Vec::new());
    let request = Request {
        vkeys: vec![pinned()],
        ..Request::default()
    };
    let tell = |done, whole| told.lock().unwrap().push((done, whole));
    verify::ledger_with_progress(folder.path(), &request, &tell);
    let told = told.into_inner().unwrap();
    assert!(told.iter().all(|(done, whole)| done <= whole));
    assert!(
        told.iter().any(|(done, whole)| done == whole && *whole > 0),
        "{told:?}"
    );
}

//! Anchors of a whole export, as the verifier counts and reports them.
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystall::ledger::verify::{self, Report, Request};
use ledger_shop::{pinned, shop_of_24, write};
use std::path::Path;

fn eml(note: &str) -> String {
    format!(
        "Date: Sun, 22 Nov 2026 03:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Disposition: attachment; filename=checkpoint.txt\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        STANDARD.encode(note)
    )
}

fn report(anchors: &[(&str, &str)], tsa_certs: Vec<Vec<u8>>) -> Report {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &shop_of_24().files(0));
    let place = folder.path().join("gen-0/anchors");
    std::fs::create_dir(&place).unwrap();
    for (name, text) in anchors {
        std::fs::write(place.join(Path::new(name)), text).unwrap();
    }
    let request = Request {
        vkeys: vec![pinned()],
        tsa_certs,
        ..Request::default()
    };
    verify::ledger(folder.path(), &request)
}

fn counted(report: &Report) -> (u64, u64) {
    let check = report.checks.iter().find(|check| check.name == "anchors");
    check.map(|check| (check.passed, check.total)).unwrap()
}

#[test]
fn mailed_checkpoints_are_counted_and_listed() {
    let shop = shop_of_24();
    let (size, note) = shop.notes.last_key_value().unwrap();
    let (mail, pointer) = (format!("{size}.eml"), format!("{size}.git"));
    let commit = format!("remote file:///srv/log.git\ncommit {}\n", "0a".repeat(20));
    let report = report(&[(&mail, &eml(note)), (&pointer, &commit)], Vec::new());
    assert_eq!(report.exit.code(), 0, "{report}");
    assert_eq!(counted(&report), (1, 1), "a commit is named, not counted");
    assert_eq!(report.anchors.len(), 2);
    let text = report.to_string();
    assert!(text.contains("anchors     1/1"), "{text}");
    assert!(text.contains("file:///srv/log.git"), "{text}");
}

#[test]
fn an_anchor_over_another_history_is_tampering() {
    let shop = shop_of_24();
    let (size, note) = shop.notes.last_key_value().unwrap();
    let (_, other) = shop.notes.first_key_value().unwrap();
    assert_ne!(note, other);
    let report = report(&[(&format!("{size}.eml"), &eml(other))], Vec::new());
    assert_eq!(report.exit.code(), 1, "{report}");
    assert_eq!(counted(&report), (0, 1));
}

#[test]
fn an_anchor_without_its_checkpoint_is_incomplete() {
    let shop = shop_of_24();
    let (_, note) = shop.notes.last_key_value().unwrap();
    let report = report(&[("23.eml", &eml(note))], Vec::new());
    assert_eq!(report.exit.code(), 4, "{report}");
}

#[test]
fn a_strange_file_among_the_anchors_is_malformed() {
    assert_eq!(report(&[("24.asc", "")], Vec::new()).exit.code(), 3);
    assert_eq!(
        report(&[], Vec::new()).exit.code(),
        0,
        "an empty folder is none"
    );
}

#[test]
fn trust_in_an_authority_asks_for_a_stamp() {
    let pem = include_bytes!("vectors/timestamps/ca-ec.pem").to_vec();
    assert_eq!(report(&[], vec![pem]).exit.code(), 4);
    assert_eq!(report(&[], vec![b"no certificate".to_vec()]).exit.code(), 2);
}

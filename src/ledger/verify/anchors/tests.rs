//! Single anchors against a mark over the bytes of `tests/vectors/timestamps/body.txt`.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::ledger::Hash;
use crate::ledger::note::sign_checkpoint;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use std::fs;
use std::path::PathBuf;

fn vector(name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    fs::read(root.join("tests/vectors/timestamps").join(name)).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn note(size: u64, root: u8) -> String {
    sign_checkpoint(&key(), "shop.example/0123abcd", size, &Hash([root; 32]))
}

fn mark() -> Point {
    let checkpoint = Checkpoint::parse(&note(24, 3)).unwrap();
    let mut mark = Point::mark(&checkpoint, Some(0), checkpoint.origin.as_str().into());
    mark.matches = Some(true);
    mark.valid = true;
    mark
}

fn judged(points: &[Point], trust: Option<&str>, name: &str, bytes: &[u8]) -> Outcome {
    let mut authorities = Authorities::nobody();
    if let Some(pem) = trust {
        authorities.add_pem(&vector(pem)).unwrap();
    }
    let log = Log {
        number: 0,
        origin: "shop.example/0123abcd",
        points,
        keys: &LogKeys::default(),
        pinned: &[Vkey::new("shop.example/0123abcd", &key().verifying_key())],
    };
    judge(&log, &authorities, (name, bytes))
}

/// Exit of the fault if there is one, and whether the anchor passed.
fn short(outcome: &Outcome) -> (u8, bool) {
    let exit = outcome
        .fault
        .as_ref()
        .map_or(Exit::Proven, |fault| fault.exit);
    let passed = outcome.anchor.as_ref().is_some_and(|anchor| anchor.passed);
    (exit.code(), passed)
}

fn eml(part: &str, note: &str) -> Vec<u8> {
    format!(
        "From: shop@shop.example\r\nDate: Sun, 22 Nov 2026 03:00:00 +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=\"{part}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        STANDARD.encode(note)
    )
    .into_bytes()
}

#[test]
fn a_time_stamp_passes_under_a_trusted_authority_only() {
    let (marks, token) = ([mark()], vector("p256-sha256.tsr"));
    let outcome = judged(&marks, Some("ca-ec.pem"), "24.tsr", &token);
    assert_eq!(short(&outcome), (0, true));
    assert!(outcome.anchor.unwrap().time.unwrap().starts_with("20"));
    // Not asked for: said, not counted, no fault.
    let outcome = judged(&marks, None, "24.tsr", &token);
    assert_eq!(short(&outcome), (0, false));
    assert!(
        outcome
            .anchor
            .unwrap()
            .not_proven
            .contains("SHA-256 of the signer")
    );
    // Asked for, and nobody trusted vouches for it.
    let outcome = judged(&marks, Some("ca-other.pem"), "24.tsr", &token);
    assert_eq!(short(&outcome), (4, false));
}

#[test]
fn trust_in_an_authority_asks_for_a_time_stamp() {
    let request = crate::ledger::verify::Request {
        tsa_certs: vec![vector("ca-ec.pem")],
        ..Default::default()
    };
    let token = vector("p256-sha256.tsr");
    let stamp = || judged(&[mark()], Some("ca-ec.pem"), "24.tsr", &token);
    let mail = || {
        judged(
            &[mark()],
            None,
            "24.eml",
            &eml("checkpoint.txt", &note(24, 3)),
        )
    };
    let missing = |anchors: Vec<Outcome>| {
        let mut audit = Audit::new(&request);
        audit.load_authorities();
        let listed = anchors.into_iter().filter_map(|outcome| outcome.anchor);
        listed.for_each(|anchor| audit.list_anchor(anchor));
        audit.settle_anchors();
        !audit.findings.incomplete.is_empty()
    };
    assert!(missing(Vec::new()));
    assert!(missing(vec![mail()]), "a mail is no time stamp");
    assert!(!missing(vec![mail(), stamp()]));
    assert!(!missing(vec![stamp(), stamp()]));
}

#[test]
fn each_bad_time_stamp_has_its_exit() {
    for (file, exit) in [
        ("other-imprint.tsr", 1),
        ("changed-attribute.tsr", 1),
        ("changed-signature.tsr", 1),
        ("another-certificate.tsr", 1),
        ("no-eku.tsr", 4),
        ("expired.tsr", 4),
        ("sha1.tsr", 4),
        ("truncated.tsr", 3),
        ("refused.tsr", 3),
        ("empty.tsr", 3),
    ] {
        let outcome = judged(&[mark()], Some("ca-ec.pem"), "24.tsr", &vector(file));
        assert_eq!(short(&outcome), (exit, false), "{file}");
    }
}

#[test]
fn an_anchor_of_a_checkpoint_that_does_not_hold_does_not_pass() {
    let token = vector("p256-sha256.tsr");
    for (valid, matches) in [(false, Some(true)), (true, Some(false)), (true, None)] {
        let mut point = mark();
        (point.valid, point.matches) = (valid, matches);
        let outcome = judged(&[point], Some("ca-ec.pem"), "24.tsr", &token);
        assert!(!outcome.anchor.unwrap().passed);
    }
    let mut known = mark();
    known.known = Some("kept.note".to_owned());
    let outcome = judged(&[known], Some("ca-ec.pem"), "24.tsr", &token);
    assert_eq!(short(&outcome), (4, false), "a known note is no mark");
    let outcome = judged(&[mark()], Some("ca-ec.pem"), "25.tsr", &token);
    assert_eq!(short(&outcome), (4, false), "no mark has its size");
}

#[test]
fn a_mail_holds_the_note_of_its_size() {
    let marks = [mark()];
    let sound = eml("checkpoint.txt", &note(24, 3));
    let outcome = judged(&marks, None, "24.eml", &sound);
    assert_eq!(short(&outcome), (0, true));
    let time = outcome.anchor.unwrap().time.unwrap();
    assert_eq!(time, "2026-11-22T03:00:00Z");
    let witnessed = format!(
        "{}\u{2014} witness.example {}\n",
        note(24, 3),
        STANDARD.encode([9; 76])
    );
    let crlf = note(24, 3).replace('\n', "\r\n");
    for text in [witnessed, crlf] {
        let outcome = judged(&marks, None, "24.eml", &eml("checkpoint.txt", &text));
        assert_eq!(short(&outcome), (0, true));
    }
    for (part, text, exit) in [
        ("checkpoint.txt", note(24, 4), 1),
        ("checkpoint.txt", note(25, 3), 1),
        ("checkpoint.txt", note(24, 3).replace("\n\n", "\n"), 3),
        // The body is the mark's, the pinned key's line is that of another size.
        (
            "checkpoint.txt",
            format!(
                "{}{}\n",
                note(24, 3),
                note(23, 3).lines().next_back().unwrap()
            ),
            1,
        ),
        ("note.txt", note(24, 3), 3),
    ] {
        let outcome = judged(&marks, None, "24.eml", &eml(part, &text));
        assert_eq!(short(&outcome), (exit, false), "{part} {text}");
    }
    let twice = [sound.as_slice(), sound.as_slice()].concat();
    for broken in [&b""[..], b"hello", &sound[..200], &vec![b'x'; 300 * 1024]] {
        assert_eq!(short(&judged(&marks, None, "24.eml", broken)), (3, false));
    }
    // What follows the last boundary is an epilogue: no part of the mail.
    assert_eq!(short(&judged(&marks, None, "24.eml", &twice)), (0, true));
}

#[test]
fn a_commit_is_named_and_not_counted() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let sound = format!("remote https://git.example/log.git\ncommit {commit}\n");
    let outcome = judged(&[mark()], None, "24.git", sound.as_bytes());
    assert_eq!(short(&outcome), (0, false));
    assert!(outcome.anchor.unwrap().not_proven.contains(commit));
    for broken in [
        sound.replace("commit 0", "commit G"),
        sound.replace("remote ", ""),
        sound.trim_end().to_owned(),
        format!("{sound}more\n"),
        sound.replace("https", "ht tps"),
    ] {
        let outcome = judged(&[mark()], None, "24.git", broken.as_bytes());
        assert_eq!(short(&outcome), (3, false), "{broken}");
    }
}

#[test]
fn only_names_of_anchors_lie_in_the_folder() {
    for name in ["24.txt", "024.tsr", "24", ".tsr", "-1.tsr", "24.tsr.bak"] {
        assert_eq!(bytes_max(name), None, "{name}");
        assert_eq!(
            short(&judged(&[mark()], None, name, b"")),
            (3, false),
            "{name}"
        );
    }
}

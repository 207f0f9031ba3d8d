//! `sign`: the origin key, on a machine that is not the shop's.

use crate::Desk;
use crate::ledger_shop::{ORIGIN, log_key, vkey_of};
use keystall::ledger::entry::Body;
use keystall::ledger::sign::RecoverySecret;

#[test]
fn a_rotation_is_signed_with_the_secret_and_nothing_else_is() {
    let desk = Desk::new();
    let vkey = vkey_of(&log_key(), ORIGIN).to_string();
    let bytes = Body::rotate_message(ORIGIN, 120, &vkey);
    let message = desk.put("rotate.txt", [&bytes[..], b"\n"].concat());
    let secret = desk.put("secret.txt", format!("{}\n", "5a".repeat(32)));
    let root = RecoverySecret::parse(&"5a".repeat(32))
        .unwrap()
        .root_vkey(ORIGIN);
    let root_text = root.to_string();

    let said = desk.says(&[
        "sign",
        &message,
        "--secret-file",
        &secret,
        "--root-vkey",
        &root_text,
    ]);
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(
        said.err
            .contains("After entry 120 the ledger is signed by this key"),
        "{}",
        said.err
    );
    let signature = hex::decode(said.out.trim_end()).unwrap();
    assert!(root.verifies(&bytes, signature.as_slice().try_into().unwrap()));

    let other = vkey_of(&log_key(), ORIGIN).to_string();
    let said = desk.says(&[
        "sign",
        &message,
        "--secret-file",
        &secret,
        "--root-vkey",
        &other,
    ]);
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    for text in [
        "",
        "pay everything to me\n",
        "keystall 2026-11 rotate v1\nx\n",
    ] {
        let message = desk.put("other.txt", text);
        let said = desk.says(&["sign", &message, "--secret-file", &secret]);
        assert_eq!((said.exit, said.out.as_str()), (3, ""), "{text}");
    }
    let wrong = desk.put("wrong.txt", "5a5a");
    let said = desk.says(&["sign", &message, "--secret-file", &wrong]);
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    assert!(!said.err.contains("5a5a"), "{}", said.err);
}

#[test]
fn the_words_of_the_sheet_sign_and_a_mistyped_one_is_named() {
    let desk = Desk::new();
    let vkey = vkey_of(&log_key(), ORIGIN).to_string();
    let bytes = Body::rotate_message(ORIGIN, 120, &vkey);
    let message = desk.put("rotate.txt", &bytes);
    let secret = RecoverySecret::new([0x5a; 32]);
    let root = secret.root_vkey(ORIGIN).to_string();
    let words = secret.words();
    let sign = |text: String| {
        let secret = desk.put("secret.txt", text);
        desk.says(&[
            "sign",
            &message,
            "--secret-file",
            &secret,
            "--root-vkey",
            &root,
        ])
    };
    let by_hex = sign("5a".repeat(32));
    assert_eq!(by_hex.exit, 0, "{}", by_hex.err);
    let numbered = words
        .iter()
        .enumerate()
        .map(|(at, word)| format!("{}. {word}\n", at + 1));
    for text in [
        words.join(" "),
        numbered.collect(),
        secret.expose_qr_text().to_string(),
    ] {
        let said = sign(text);
        assert_eq!((said.exit, &said.out), (0, &by_hex.out), "{}", said.err);
    }

    let mut wrong = words.clone();
    let mistyped = format!("{}q", words[6]);
    wrong[6] = mistyped.as_str();
    let said = sign(wrong.join(" "));
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    assert!(
        said.err.contains("word 7") && said.err.contains(words[6]),
        "{}",
        said.err
    );
    assert!(!said.err.contains(&mistyped), "{}", said.err);
    let mut exchanged = words;
    exchanged.swap(0, 23);
    let said = sign(exchanged.join(" "));
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    assert!(said.err.contains("checksum"), "{}", said.err);
}

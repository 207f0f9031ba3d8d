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

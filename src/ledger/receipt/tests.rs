#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn whatever_is_not_a_receipt_is_malformed_and_no_panic() {
    let starts = [
        "",
        "\n",
        "keystall-receipt/v1",
        "keystall-receipt/v1\n",
        "keystall-receipt/v1\nentry \n",
    ];
    for text in starts {
        assert!(Receipt::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(Receipt::parse(b"keystall-receipt/v1\nentry \xff\n").is_err());
}

#[test]
fn a_receipt_does_not_show_its_keys_when_debugged() {
    let receipt = Receipt {
        keys: vec![KeyOpening {
            batch: 0,
            index: 0,
            salt: [1; 32],
            key: b"SECRET-KEY".to_vec(),
            path: Vec::new(),
        }],
        ..Receipt::default()
    };
    assert!(!format!("{receipt:?}").contains("SECRET"));
    assert!(receipt.to_string().contains(&STANDARD.encode("SECRET-KEY")));
}

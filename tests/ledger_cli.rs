//! The auditor's tool as a person runs it.
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use ledger_shop::{pinned, receipt_of_three, shop_of_24, write};
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    let tool = env!("CARGO_BIN_EXE_keystall-verify");
    Command::new(tool).args(args).output().unwrap()
}

fn code(args: &[&str]) -> i32 {
    run(args).status.code().unwrap()
}

#[test]
fn an_auditor_checks_an_export_and_a_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let shop = shop_of_24();
    let export = folder.path().join("export");
    write(&export, &shop.files(0));
    let (receipt, note) = (
        folder.path().join("receipt.txt"),
        folder.path().join("kept.note"),
    );
    std::fs::write(&receipt, receipt_of_three().to_string()).unwrap();
    std::fs::write(&note, &shop.notes[&9]).unwrap();
    let vkey = pinned().to_string();
    let paths = [&export, &receipt, &note].map(|path| path.to_str().unwrap());
    let [export, receipt, note] = paths;

    let whole = run(&[
        "ledger", export, "--vkey", &vkey, "--known", receipt, "--known", note,
    ]);
    let text = String::from_utf8(whole.stdout).unwrap();
    assert_eq!(whole.status.code(), Some(0), "{text}");
    assert!(
        text.contains("receipts    1/1") && text.contains("not proven"),
        "{text}"
    );

    let json = run(&[
        "ledger",
        export,
        "--vkey",
        &vkey,
        "--explain",
        "4",
        "--json",
    ])
    .stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        (&json["exit"], &json["explained"][0]["seq"]),
        (&0.into(), &4.into())
    );

    assert_eq!(code(&["receipt", receipt, "--vkey", &vkey]), 0);
    assert_eq!(
        code(&["receipt", receipt, "--vkey", &vkey, "--known", note]),
        4
    );
    assert_eq!(code(&["receipt", note, "--vkey", &vkey]), 3);
    assert_eq!(code(&["ledger", receipt, "--vkey", &vkey]), 4);
    // The same forms as `keystall ledger export` takes: a time, or a date, whose whole day counts.
    for (flag, time, exit) in [
        ("--since", "2099-01-01T00:00:00Z", 4),
        ("--since", "2099-01-01", 4),
        ("--since", "2000-01-01", 0),
        ("--until", "2099-01-01", 0),
        ("--until", "2000-01-01", 4),
    ] {
        let args = ["ledger", export, "--vkey", &vkey, flag, time];
        assert_eq!(code(&args), exit, "{flag} {time}");
    }
}

#[test]
fn a_wrong_call_ends_with_2_and_help_with_0() {
    let vkey = pinned().to_string();
    for args in [
        &["ledger"][..],
        &["ledger", "."],
        &["ledger", ".", "--vkey", "x"],
        &["ledger", ".", "--vkey", &vkey, "--skip-signatures"],
        &["ledger", ".", "--vkey", &vkey, "--since", "yesterday"],
        &["ledger", "/nonexistent", "--vkey", &vkey],
        &["receipt", "/nonexistent", "--vkey", &vkey],
        &["compare", "a", "b"],
    ] {
        assert_eq!(code(args), 2, "{args:?}");
    }
    assert_eq!(code(&["--help"]), 0);
}

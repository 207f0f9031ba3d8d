//! `schema`: every report that the tool prints has the shape that it says.

use crate::ledger_shop::{ORIGIN, Shop, receipt_of_three, root_key, shop_of_24, vkey_of};
use crate::{Desk, went_on};
use boon::{Compiler, Schemas};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Holds reports against the schema that the tool prints.
struct Shape {
    schemas: Schemas,
    index: boon::SchemaIndex,
    seen: BTreeSet<(String, i64)>,
}

impl Shape {
    fn printed() -> Self {
        let said = Desk::new().says(&["schema"]);
        assert_eq!(said.exit, 0);
        let schema: Value = serde_json::from_str(&said.out).unwrap();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("report.json", schema).unwrap();
        let index = compiler.compile("report.json", &mut schemas).unwrap();
        Self {
            schemas,
            index,
            seen: BTreeSet::new(),
        }
    }

    fn accepts(&self, report: &Value) -> bool {
        self.schemas.validate(report, self.index).is_ok()
    }

    fn holds(&mut self, desk: &Desk, exit: i32, args: &[&str]) -> Value {
        let (code, report) = desk.json(args);
        assert_eq!(code, exit, "{args:?}: {report:#}");
        assert_eq!(report["exit"], json!(exit));
        if let Err(error) = self.schemas.validate(&report, self.index) {
            panic!("{args:?}: {error:#}\n{report:#}");
        }
        let command = report["command"].as_str().unwrap().to_owned();
        self.seen
            .insert((command, report["exit"].as_i64().unwrap()));
        report
    }
}

/// A shop with another history of as many entries.
fn liar() -> Shop {
    let mut liar = Shop::opened();
    while liar.lines.len() < 24 {
        liar.beat();
    }
    liar
}

#[test]
fn every_report_of_every_command_and_verdict_has_the_printed_shape() {
    let (desk, mut shape) = (Desk::new(), Shape::printed());
    let shop = shop_of_24();
    let export = desk.put_export("export", &shop.files(0));
    let note = desk.put("kept.note", &shop.notes[&9]);
    let newest = desk.put("newest.note", shop.newest_note());
    let lie = desk.put("lie.note", liar().newest_note());
    let mut files = shop.files(0);
    files.get_mut("gen-0/entries.ndjson").unwrap()[100] ^= 1;
    let broken = desk.put_export("broken", &files);
    files.insert("gen-0/marks.ndjson".into(), b"x\n".to_vec());
    let malformed = desk.put_export("malformed", &files);

    let report = shape.holds(
        &desk,
        0,
        &["ledger", &export, "--known", &note, "--explain", "4"],
    );
    assert_eq!(report["explained"][0]["seq"], 4);
    let exit = shape.holds(&desk, 1, &["ledger", &broken])["fault"]["exit"].clone();
    assert_eq!(exit, 1);
    shape.holds(&desk, 2, &["ledger", "missing"]);
    shape.holds(&desk, 2, &["ledger", &export, "--known", "missing"]);
    shape.holds(&desk, 3, &["ledger", &malformed]);
    shape.holds(&desk, 4, &["ledger", &export, "--nonce", "absent"]);
    shape.holds(&desk, 5, &["ledger", &export, "--known", &lie]);

    let text = receipt_of_three().to_string();
    let receipt = desk.put("receipt.txt", &text);
    let report = shape.holds(&desk, 0, &["receipt", &receipt, "--known", &newest]);
    assert_eq!(
        (&report["qty"], &report["amount"]["decimal"]),
        (&3.into(), &"19.99".into())
    );
    let forged = desk.put("forged.txt", text.replace("A00002", "A00009"));
    shape.holds(&desk, 1, &["receipt", &forged]);
    shape.holds(&desk, 2, &["receipt", "missing"]);
    shape.holds(&desk, 3, &["receipt", &note]);
    let report = shape.holds(&desk, 1, &["receipt", &receipt, "--known", &forged]);
    assert_eq!(report["pinned"].as_array().unwrap().len(), 1);
    shape.holds(&desk, 4, &["receipt", &receipt, "--known", &note]);
    shape.holds(&desk, 5, &["receipt", &receipt, "--known", &lie]);

    shape.holds(&desk, 0, &["compare", &note, &export]);
    shape.holds(&desk, 0, &["compare", &receipt, &export]);
    shape.holds(&desk, 1, &["compare", &newest, &broken]);
    shape.holds(&desk, 2, &["compare", &note]);
    shape.holds(&desk, 2, &["compare", &note, "missing"]);
    shape.holds(&desk, 3, &["compare", &note, &malformed]);
    shape.holds(&desk, 4, &["compare", &note, &newest]);
    shape.holds(&desk, 5, &["compare", &lie, &newest, "--out", "fork.txt"]);
    shape.holds(&desk, 5, &["compare", "fork.txt"]);
    shape.holds(&desk, 2, &["compare", &lie, &newest, "--out", "fork.txt"]);
    shape.holds(
        &desk,
        70,
        &["compare", &lie, &newest, "--out", "no/such/folder"],
    );
    let proof = std::fs::read_to_string(desk.path("fork.txt")).unwrap();
    let other = desk.put("other.txt", proof.replacen("\n24\n", "\n23\n", 2));
    shape.holds(&desk, 1, &["compare", &other]);
    let cut = desk.put("cut.txt", proof.trim_end());
    shape.holds(&desk, 3, &["compare", &cut]);
    let longer = desk.put("longer.note", went_on(&shop, 2).newest_note());
    shape.holds(&desk, 4, &["compare", &longer, &export]);

    for command in ["ledger", "receipt", "compare"] {
        for exit in [0, 1, 2, 3, 4, 5] {
            assert!(
                shape.seen.contains(&(command.to_owned(), exit)),
                "{command} {exit}"
            );
        }
    }
}

#[test]
fn a_fork_proof_of_nobodys_key_has_the_printed_shape_too() {
    let (desk, mut shape) = (Desk::new(), Shape::printed());
    let (one, other) = (
        desk.put("one.note", shop_of_24().newest_note()),
        desk.put("other.note", liar().newest_note()),
    );
    shape.holds(&desk, 5, &["compare", &one, &other, "--out", "fork.txt"]);
    let root = vkey_of(&root_key(), ORIGIN).to_string();
    let said = desk.says(&["compare", "fork.txt", "--vkey", &root, "--json"]);
    let report = serde_json::from_str(&said.out).unwrap();
    assert_eq!(said.exit, 4);
    assert!(shape.accepts(&report), "{report:#}");
}

#[test]
fn a_report_that_says_two_things_is_refused_by_the_schema() {
    let (desk, mut shape) = (Desk::new(), Shape::printed());
    let export = desk.put_export("export", &shop_of_24().files(0));
    let report = shape.holds(&desk, 0, &["ledger", &export]);
    let changed = |key: &str, value: Value| {
        let mut report = report.clone();
        report[key] = value;
        report
    };
    assert!(shape.accepts(&report));
    for (key, value) in [
        ("exit", json!(1)),
        ("verdict", json!("tampered")),
        ("checks", json!([])),
        ("pinned", json!([])),
        ("incomplete", json!(["something"])),
        ("fault", json!({"exit": 1, "what": "x"})),
        ("generations", Value::Null),
        ("surprise", json!(1)),
        ("command", json!("receipt")),
    ] {
        assert!(!shape.accepts(&changed(key, value)), "{key}");
    }
}

//! The vectors that independent verifiers read: `tests/vectors/ledger.json` is what this code makes of them.
//!
//! `KEYSTALL_WRITE_VECTORS=1 cargo test --test ledger_vectors` writes the file anew; review its difference as a change
//! of the format.
#![allow(clippy::unwrap_used)]

mod ledger_shop;
mod vectors;

use keystall::ledger::commitment::{self, Field};
use keystall::ledger::cosignature::Cosigned;
use keystall::ledger::entry::{Entry, hash_line};
use keystall::ledger::note::{Checkpoint, Vkey};
use keystall::ledger::receipt::Receipt;
use keystall::ledger::{WitnessKey, tree};
use ledger_shop::{asked, cases, example, ranges, skeletons, vkey_of};
use serde_json::{Value, json};
use vectors::exports::{export, export_of, receipt, share};
use vectors::forks::{fork_exit, forks};
use vectors::keys::{origin_key, origin_keys, statements, verifier_keys};
use vectors::lines::{bad_lines, field_commitments, lines};
use vectors::notes::{cosignatures, note_verdict, notes};
use vectors::trees::{consistency, digests, inclusion, root};
use vectors::{bytes, hash, hashes, number, text, texts, vkeys};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ledger.json");

#[test]
fn the_vectors_are_what_this_code_makes() {
    let made = format!("{:#}\n", vectors());
    if std::env::var_os("KEYSTALL_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap();
    assert!(
        made == kept,
        "the vectors differ from {FILE}: the format changed"
    );
}

#[test]
fn the_worked_example_is_what_this_code_makes() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(EXAMPLE_BEGINS).unwrap();
    let (kept, after) = rest.split_once("```").unwrap();
    let made = example::text();
    if std::env::var_os("KEYSTALL_WRITE_VECTORS").is_some() {
        std::fs::write(PAGE, format!("{before}{EXAMPLE_BEGINS}{made}```{after}")).unwrap();
    } else {
        assert!(made == kept, "the example in {PAGE} is another");
    }
}

#[test]
fn the_vectors_hold_when_read_back() {
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    for (section, check) in SECTIONS {
        let list = vectors[section].as_array().unwrap();
        assert!(!list.is_empty(), "{section}");
        for vector in list {
            assert!(check(vector, &vectors), "{section}: {}", vector["name"]);
        }
    }
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ledger/format.md");

const EXAMPLE_BEGINS: &str = "is computed by a test from the code.\n\n```text\n";

type Judge = fn(&Value, &Value) -> bool;

const SECTIONS: [(&str, Judge); 16] = [
    ("lines", |v, _| {
        let line = text(&v["line"]).as_bytes();
        let entry = Entry::parse(line).unwrap();
        hash_line(line) == hash(&v["hash"]) && json!(entry.body.name()) == v["type"]
    }),
    ("bad_lines", |v, _| {
        Entry::parse(&bytes(&v["line_hex"])).is_err()
    }),
    ("field_commitments", |v, _| {
        let field = [Field::Buyer, Field::Pay, Field::Who];
        let field = field
            .into_iter()
            .find(|f| f.name() == text(&v["field"]))
            .unwrap();
        let salt = bytes(&v["salt"]).try_into().unwrap();
        commitment::field(&salt, field, &bytes(&v["value_hex"])) == hash(&v["commitment"])
    }),
    ("key_commitments", |v, _| {
        let salt = bytes(&v["salt"]).try_into().unwrap();
        commitment::key(&salt, &bytes(&v["key_hex"])) == hash(&v["commitment"])
    }),
    ("roots", |v, _| {
        tree::root_of(hashes(&v["leaves"])) == hash(&v["root"])
    }),
    ("inclusion", |v, _| {
        let leaf = tree::leaf_hash(&bytes(&v["leaf_data"]));
        let (index, size) = (number(&v["index"]), number(&v["size"]));
        let valid =
            tree::verify_inclusion(&leaf, index, size, &hashes(&v["path"]), &hash(&v["root"]));
        json!(valid) == v["valid"]
    }),
    ("consistency", |v, _| {
        let (old, new) = (number(&v["old_size"]), number(&v["new_size"]));
        let (old_root, new_root) = (hash(&v["old_root"]), hash(&v["new_root"]));
        let valid = tree::verify_consistency(old, new, &hashes(&v["path"]), &old_root, &new_root);
        json!(valid) == v["valid"]
    }),
    ("notes", |v, _| {
        json!(note_verdict(text(&v["note"]), text(&v["vkey"]))) == v["verdict"]
    }),
    ("vkeys", |v, _| {
        json!(Vkey::parse(text(&v["vkey"])).is_ok()) == v["valid"]
    }),
    ("trees", |v, _| digests(number(&v["sizes"])) == v["digests"]),
    ("origin_keys", |v, _| {
        let key = origin_key(&bytes(&v["secret"]));
        json!(vkey_of(&key, text(&v["key_name"])).to_string()) == v["vkey"]
    }),
    ("statements", |v, _| {
        let vkey = Vkey::parse(text(&v["vkey"])).unwrap();
        let signature = bytes(&v["signature"]).try_into().unwrap();
        json!(vkey.verifies(text(&v["message"]).as_bytes(), &signature)) == v["valid"]
    }),
    ("cosignatures", |v, _| {
        let witness = WitnessKey::parse(text(&v["vkey"])).unwrap();
        let note = Checkpoint::parse(text(&v["note"])).unwrap();
        let (verdict, time) = match note.cosigned_by(&witness) {
            Cosigned::At(time_s) => ("signed", Some(time_s)),
            Cosigned::No => ("unsigned", None),
            Cosigned::Forged => ("forged", None),
        };
        json!(verdict) == v["verdict"] && json!(time) == v["time"]
    }),
    ("forks", |v, _| {
        fork_exit(text(&v["proof"]), &vkeys(v)) == number(&v["exit"])
    }),
    ("exports", |v, all| {
        let case = export_of(v, &all["shared"]);
        let report = case.report();
        report.exit.code() == case.exit && cases::is_expected(&report, &v["expect"])
    }),
    ("receipts", |v, _| {
        let known: Vec<_> = texts(&v["known"]);
        let known: Vec<_> = known
            .iter()
            .map(|note| Checkpoint::parse(note).unwrap())
            .collect();
        let outcome = Receipt::parse(text(&v["receipt"]).as_bytes())
            .map_err(Into::into)
            .and_then(|receipt| receipt.verify(&vkeys(v), &known));
        json!(outcome.map_or_else(|fault| fault.exit.code(), |_| 0)) == v["exit"]
    }),
];

fn vectors() -> Value {
    let mut exports = exports();
    let shared = share(&mut exports);
    json!({
        "comment": COMMENT,
        "lines": lines(),
        "bad_lines": bad_lines(),
        "field_commitments": field_commitments(),
        "key_commitments": [{
            "name": "a key", "salt": "01".repeat(32), "key_hex": hex::encode("KEY-0-0"),
            "commitment": commitment::key(&[1; 32], b"KEY-0-0").to_string(),
        }],
        "roots": (0..=17).map(root).collect::<Vec<_>>(),
        "inclusion": inclusion(),
        "consistency": consistency(),
        "notes": notes(),
        "vkeys": verifier_keys(),
        "trees": [{"name": "sizes 0 to 300", "sizes": 300, "digests": digests(300)}],
        "origin_keys": origin_keys(),
        "statements": statements(),
        "cosignatures": cosignatures(),
        "forks": forks(),
        "exports": exports,
        "shared": shared,
        "receipts": cases::receipts().into_iter().map(receipt).collect::<Vec<_>>(),
    })
}

fn exports() -> Vec<Value> {
    let mut all = cases::exports();
    all.extend(asked::exports());
    all.extend(ranges::exports());
    all.extend(skeletons::exports());
    all.extend(asked::cosigned());
    all.extend(ledger_shop::signed::exports());
    all.extend(ledger_shop::edges::exports());
    all.into_iter().map(export).collect()
}

const COMMENT: [&str; 21] = [
    "Vectors of the receipt ledger, format 1. Every section but `shared` is a list of objects, each with a name.",
    "All keys, salts and times are fixed: the log key is Ed25519 from the seed 01 × 32, the origin key from 02 × 32.",
    "lines: line is canonical (exit 3 is wrong); hash is its chain hash in hex; type is its type.",
    "bad_lines: line_hex is hex of bytes that a verifier must call malformed (exit 3).",
    "field_commitments, key_commitments: salt and the committed bytes in hex, the commitment in hex.",
    "roots: leaves is the list of each leaf's data in hex; root is the RFC 6962 root with SHA-256.",
    "inclusion: leaf_data in hex (not yet hashed as a leaf), index, size, path from the leaf upwards; valid says whether it proves.",
    "consistency: old_size, new_size, path, old_root, new_root; valid says whether it proves.",
    "trees: leaf i's data is SHA-256 of i as 4 bytes, big-endian. digests are SHA-256 over: roots of the sizes 0 to `sizes`; inclusion: the paths of each size from 1 and in it each index from 0; consistency: the paths of each new size from 1 and for it each old size from 1 to it.",
    "vkeys: valid says whether vkey is a log key's verifier key, Ed25519 of type 0x01.",
    "notes: verdict of note under vkey alone: signed, unsigned (no line of that key), forged (such a line with a wrong signature), malformed.",
    "cosignatures: the same for a witness's vkey of type 0x04; time is the Unix second of the one signed.",
    "origin_keys: vkey under key_name of the key from the recovery secret (hex). statements: whether signature (hex) over message is by vkey.",
    "exports: files maps a path in the export's folder to its text, binary to its bytes in base64, shared to the name of a text in the top-level object `shared`.",
    "exports: vkeys are pinned; known lists the texts of notes or receipts given with --known; nonce, since, until and witnesses, where there, are the flags of that name; exit is the exit code.",
    "exports: kind is whole (every generation is), range, skeleton, or cosigned. expect, where exit is 0: of each generation the seq of its first entry here, the number of entries here, the newest signed size; stock of each sku.",
    "forks: proof is the text of a fork proof; exit 5 is a fork that is proven.",
    "receipts: receipt is the file's text; vkeys are pinned; known lists notes; exit is the exit code.",
    "`ref` of slots, refund, replace and erase is the seq (an integer) of the sale in the same generation.",
    "An outage is covered when the silence less down_ms is at most 26 hours.",
    "The format is explained in src/ledger/format.md.",
];

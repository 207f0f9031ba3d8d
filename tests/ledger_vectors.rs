//! The vectors that independent verifiers read: `tests/vectors/ledger.json` is what this code makes of them.
//!
//! `KEYSTALL_WRITE_VECTORS=1 cargo test --test ledger_vectors` writes the file anew; review its difference as a change
//! of the format.
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystall::ledger::Hash;
use keystall::ledger::commitment::{self, Field};
use keystall::ledger::entry::{Entry, hash_line};
use keystall::ledger::note::{Checkpoint, SignedBy, Vkey};
use keystall::ledger::receipt::Receipt;
use keystall::ledger::tree::{self, Frontier};
use ledger_shop::{ORIGIN, Rows, cases, log_key, pinned, root_key, shop_of_24, verified, vkey_of};
use serde_json::{Value, json};

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
fn the_vectors_hold_when_read_back() {
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    for (section, check) in SECTIONS {
        let list = vectors[section].as_array().unwrap();
        assert!(!list.is_empty(), "{section}");
        for vector in list {
            assert!(check(vector), "{section}: {}", vector["name"]);
        }
    }
}

type Judge = fn(&Value) -> bool;

const SECTIONS: [(&str, Judge); 10] = [
    ("lines", |v| {
        let line = text(&v["line"]).as_bytes();
        let entry = Entry::parse(line).unwrap();
        hash_line(line) == hash(&v["hash"]) && json!(entry.body.name()) == v["type"]
    }),
    ("bad_lines", |v| {
        Entry::parse(&bytes(&v["line_hex"])).is_err()
    }),
    ("field_commitments", |v| {
        let field = [Field::Buyer, Field::Pay, Field::Who];
        let field = field
            .into_iter()
            .find(|f| f.name() == text(&v["field"]))
            .unwrap();
        let salt = bytes(&v["salt"]).try_into().unwrap();
        commitment::field(&salt, field, &bytes(&v["value_hex"])) == hash(&v["commitment"])
    }),
    ("key_commitments", |v| {
        let salt = bytes(&v["salt"]).try_into().unwrap();
        commitment::key(&salt, &bytes(&v["key_hex"])) == hash(&v["commitment"])
    }),
    ("roots", |v| {
        tree::root_of(hashes(&v["leaves"])) == hash(&v["root"])
    }),
    ("inclusion", |v| {
        let leaf = tree::leaf_hash(&bytes(&v["leaf_data"]));
        let (index, size) = (number(&v["index"]), number(&v["size"]));
        let valid =
            tree::verify_inclusion(&leaf, index, size, &hashes(&v["path"]), &hash(&v["root"]));
        json!(valid) == v["valid"]
    }),
    ("consistency", |v| {
        let (old, new) = (number(&v["old_size"]), number(&v["new_size"]));
        let (old_root, new_root) = (hash(&v["old_root"]), hash(&v["new_root"]));
        let valid = tree::verify_consistency(old, new, &hashes(&v["path"]), &old_root, &new_root);
        json!(valid) == v["valid"]
    }),
    ("notes", |v| {
        json!(note_verdict(text(&v["note"]), text(&v["vkey"]))) == v["verdict"]
    }),
    ("exports", |v| {
        let files = v["files"].as_object().unwrap().iter();
        let files = files.map(|(path, text)| (path.clone(), self::text(text).as_bytes().to_vec()));
        let report = verified(&files.collect(), &vkeys(v), &texts(&v["known"]));
        json!(report.exit.code()) == v["exit"]
    }),
    ("receipts", |v| {
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
        "exports": cases::exports().into_iter().map(export).collect::<Vec<_>>(),
        "receipts": cases::receipts().into_iter().map(receipt).collect::<Vec<_>>(),
    })
}

fn lines() -> Vec<Value> {
    let mut shop = shop_of_24();
    shop.rotate(root_key());
    let later = shop.restored("shop.example/89abcdef", 30);
    let lines = shop.lines.iter().chain(&later.lines[..1]);
    let vector = |(number, line): (usize, &String)| {
        let entry = Entry::parse(line.as_bytes()).unwrap();
        json!({
            "name": format!("line {number}"), "type": entry.body.name(),
            "line": line, "hash": hash_line(line.as_bytes()).to_string(),
        })
    };
    lines.enumerate().map(vector).collect()
}

fn bad_lines() -> Vec<Value> {
    let shop = shop_of_24();
    let sale = &shop.lines[4];
    let changes = [
        ("white space after the brace", "{", "{ "),
        ("white space after a comma", ",\"buyer\"", ", \"buyer\""),
        ("a leading zero", "\"qty\":3", "\"qty\":03"),
        ("minus zero", "\"amt\":1999", "\"amt\":-0"),
        ("a float", "\"qty\":3", "\"qty\":3.0"),
        ("an exponent", "\"qty\":3", "\"qty\":3e0"),
        (
            "an integer of 2^53",
            "\"amt\":1999",
            "\"amt\":9007199254740992",
        ),
        ("money as text", "\"amt\":1999", "\"amt\":\"1999\""),
        ("null", "\"amt\":1999", "\"amt\":null"),
        ("a key twice", "\"amt\":1999", "\"amt\":1999,\"amt\":1999"),
        ("a key missing", "\"amt\":1999,", ""),
        ("an unknown key", "\"amt\":1999", "\"abc\":1,\"amt\":1999"),
        ("keys not sorted", "\"amt\":1999,", "\"zz\":1,\"amt\":1999,"),
        ("an escape", "game-key", "game\\u002dkey"),
        ("text that is not ASCII", "game-key", "gäme-key"),
        ("an upper-case sku", "game-key", "Game-key"),
        ("an empty sku", "game-key", ""),
        ("a lower-case currency", "\"CNY\"", "\"cny\""),
        ("an order number too short", "A00002", "A0002"),
        ("an order number with a dash", "A00002", "A-0002"),
        ("a quantity of zero", "\"qty\":3", "\"qty\":0"),
        ("an unknown kind", "\"pool\"", "\"pond\""),
        ("slots without a pool", "\"pool\"", "\"hand\""),
        ("another version", "\"v\":1", "\"v\":2"),
        ("an unknown type", "\"sale\"", "\"gift\""),
        ("seq 0 without open", "\"seq\":4", "\"seq\":0"),
        ("slots not merged", "0:1-2", "0:1,0:2"),
        ("slots not ascending", "0:1-2", "0:2,0:0"),
        ("a slot twice", "0:1-2", "0:1,0:1"),
        ("a range of one", "0:1-2", "0:1-1"),
        ("a range turned round", "0:1-2", "0:2-1"),
        ("a leading zero in a slot", "0:1-2", "0:01-2"),
        ("no slots", "0:1-2", ""),
        ("a carriage return at the end", "\"v\":1}", "\"v\":1}\r"),
        ("bytes after the object", "\"v\":1}", "\"v\":1}}"),
        ("no closing brace", "\"v\":1}", "\"v\":1"),
    ];
    let mut all: Vec<_> = changes
        .into_iter()
        .map(|(name, from, to)| {
            assert!(sale.contains(from), "{from}");
            let line = sale.replacen(from, to, 1);
            json!({"name": name, "line_hex": hex::encode(line)})
        })
        .collect();
    let upper = sale.replacen(&sale[22..40], &sale[22..40].to_uppercase(), 1);
    assert_ne!(&upper, sale);
    let long = shop.lines[6].replacen("drand 4242", &"x".repeat(1024), 1);
    let open = shop.lines[0].replacen("\"seq\":0", "\"seq\":5", 1);
    let prior = shop.restored("shop.example/89abcdef", 30).lines[0].clone();
    let partial = prior.replacen(",\"prior_size\":24", "", 1);
    assert_ne!(partial, prior);
    for (name, line) in [
        ("upper-case hex", upper),
        ("longer than 1024 bytes", long),
        ("an open that is not seq 0", open),
        ("an open with a part of prior", partial),
        ("an empty line", String::new()),
        ("an empty object", "{}".to_owned()),
    ] {
        all.push(json!({"name": name, "line_hex": hex::encode(line)}));
    }
    all.push(json!({"name": "bytes that are not UTF-8", "line_hex": "7b22ff223a317d"}));
    all
}

fn field_commitments() -> Vec<Value> {
    let values = [
        (Field::Buyer, "买家@example.org"),
        (Field::Pay, "epay\n20261121000001"),
        (Field::Who, "li"),
        (Field::Buyer, ""),
    ];
    let vector = |(field, value): (Field, &str)| {
        json!({
            "name": format!("{} of {} bytes", field.name(), value.len()), "field": field.name(),
            "salt": "02".repeat(32), "value_hex": hex::encode(value),
            "commitment": commitment::field(&[2; 32], field, value.as_bytes()).to_string(),
        })
    };
    values.into_iter().map(vector).collect()
}

/// The data of leaf `index` of the trees in the vectors.
fn leaf(index: u64) -> Hash {
    Hash([index as u8; 32])
}

fn grown(size: u64) -> (Rows, Frontier) {
    let (mut rows, mut frontier) = (Rows::default(), Frontier::new());
    for index in 0..size {
        rows.0.push(frontier.append(leaf(index).as_ref()));
    }
    (rows, frontier)
}

fn root(size: u64) -> Value {
    let leaves: Vec<_> = (0..size).map(|index| leaf(index).to_string()).collect();
    let root = grown(size).1.root().to_string();
    json!({"name": format!("size {size}"), "leaves": leaves, "root": root})
}

fn inclusion() -> Vec<Value> {
    let mut all = Vec::new();
    for size in [1, 2, 3, 7, 8, 13] {
        let (rows, frontier) = grown(size);
        let root = frontier.root();
        for index in 0..size {
            let path = tree::inclusion_proof(&rows, index, size).unwrap();
            let mut add = |name: &str, path: &[Hash], index: u64, valid: bool| {
                all.push(json!({
                    "name": format!("leaf {index} of {size}, {name}"), "leaf_data": leaf(index).to_string(),
                    "index": index, "size": size, "path": spelled(path), "root": root.to_string(), "valid": valid,
                }));
            };
            add("whole", &path, index, true);
            add(
                "one hash more",
                &[&path[..], &[Hash::ZERO]].concat(),
                index,
                false,
            );
            if let Some((_, rest)) = path.split_first() {
                add("one hash less", rest, index, false);
                let mut flipped = path.clone();
                flipped[0].0[31] ^= 1;
                add("a bit flipped", &flipped, index, false);
                add("another index", &path, (index + 1) % size, false);
            }
        }
    }
    all
}

fn consistency() -> Vec<Value> {
    let mut all = Vec::new();
    for (old, new) in [
        (0, 5),
        (1, 1),
        (1, 2),
        (2, 5),
        (3, 7),
        (4, 8),
        (6, 8),
        (7, 8),
        (8, 13),
        (13, 13),
    ] {
        let rows = grown(new).0;
        let path = tree::consistency_proof(&rows, old, new).unwrap();
        let (old_root, new_root) = (grown(old).1.root(), grown(new).1.root());
        let mut add = |name: &str, path: &[Hash], old_root: Hash, valid: bool| {
            all.push(json!({
                "name": format!("{old} to {new}, {name}"), "old_size": old, "new_size": new, "path": spelled(path),
                "old_root": old_root.to_string(), "new_root": new_root.to_string(), "valid": valid,
            }));
        };
        add("whole", &path, old_root, true);
        add("another old root", &path, Hash([9; 32]), false);
        add(
            "one hash more",
            &[&path[..], &[Hash::ZERO]].concat(),
            old_root,
            false,
        );
        if let Some((_, rest)) = path.split_first() {
            add("one hash less", rest, old_root, false);
        }
    }
    all
}

fn notes() -> Vec<Value> {
    let note = shop_of_24().newest_note().to_owned();
    let vkey = pinned().to_string();
    let blob = note.rsplit_once(' ').unwrap().1.trim_end();
    let mut other = STANDARD.decode(blob).unwrap();
    other[40] ^= 1;
    let forged = note.replacen(blob, &STANDARD.encode(other), 1);
    let witness = format!(
        "{note}\u{2014} witness.example {}\n",
        STANDARD.encode([9; 76])
    );
    let small_order = {
        let id = &STANDARD.decode(blob).unwrap()[..4];
        let mut signature = [0; 64];
        signature[0] = 1;
        note.replacen(blob, &STANDARD.encode([id, &signature].concat()), 1)
    };
    let all = [
        ("whole", note.clone(), vkey.clone()),
        ("with an unknown witness", witness, vkey.clone()),
        (
            "another key",
            note.clone(),
            vkey_of(&root_key(), ORIGIN).to_string(),
        ),
        (
            "another name of the key",
            note.clone(),
            vkey_of(&log_key(), "other.example/0123abcd").to_string(),
        ),
        ("a changed signature", forged, vkey.clone()),
        ("a signature of small order", small_order, vkey.clone()),
        (
            "another size",
            note.replacen("\n24\n", "\n25\n", 1),
            vkey.clone(),
        ),
        (
            "a size with a leading zero",
            note.replacen("\n24\n", "\n024\n", 1),
            vkey.clone(),
        ),
        (
            "an extension line",
            note.replacen("\n\n", "\nextra\n\n", 1),
            vkey.clone(),
        ),
        (
            "a hyphen for the dash",
            note.replacen('\u{2014}', "-", 1),
            vkey.clone(),
        ),
        (
            "base64 without padding",
            note.replacen("=\n", "\n", 1),
            vkey.clone(),
        ),
        (
            "pad bits set in the root",
            pad_bits_set(&note),
            vkey.clone(),
        ),
        (
            "no signature",
            format!("{}\n\n", note.split_once("\n\n").unwrap().0),
            vkey.clone(),
        ),
        ("no end of line", note.trim_end().to_owned(), vkey.clone()),
        ("carriage returns", note.replace('\n', "\r\n"), vkey),
    ];
    let vector = |(name, note, vkey): (&str, String, String)| {
        let verdict = note_verdict(&note, &vkey);
        json!({"name": name, "note": note, "vkey": vkey, "verdict": verdict})
    };
    all.into_iter().map(vector).collect()
}

/// The last digit before the padding of the root's base64 raised by one: the same bytes to a lax reader.
fn pad_bits_set(note: &str) -> String {
    let at = note.find("=\n").unwrap();
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = digits.find(&note[at - 1..at]).unwrap();
    assert_eq!(value % 4, 0, "an honest writer leaves the pad bits zero");
    format!(
        "{}{}{}",
        &note[..at - 1],
        &digits[value + 1..value + 2],
        &note[at..]
    )
}

fn note_verdict(note: &str, vkey: &str) -> &'static str {
    match Checkpoint::parse(note).map(|note| note.signed_by(&Vkey::parse(vkey).unwrap())) {
        Ok(SignedBy::Yes) => "signed",
        Ok(SignedBy::No) => "unsigned",
        Ok(SignedBy::Forged) => "forged",
        Err(_) => "malformed",
    }
}

fn export(case: cases::ExportCase) -> Value {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let files = case
        .files
        .into_iter()
        .map(|(path, bytes)| (path, json!(text(bytes))));
    json!({
        "name": case.name, "vkeys": spelled(&case.vkeys), "known": case.known, "exit": case.exit,
        "files": Value::Object(files.collect()),
    })
}

fn receipt(case: cases::ReceiptCase) -> Value {
    json!({
        "name": case.name, "vkeys": spelled(&case.vkeys), "known": case.known, "exit": case.exit,
        "receipt": String::from_utf8(case.receipt).unwrap(),
    })
}

fn spelled<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(T::to_string).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| text(v).to_owned())
        .collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).unwrap()
}

fn hash(value: &Value) -> Hash {
    Hash::from_hex(text(value)).unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn vkeys(value: &Value) -> Vec<Vkey> {
    let texts = texts(&value["vkeys"]);
    texts
        .iter()
        .map(|text| Vkey::parse(text).unwrap())
        .collect()
}

const COMMENT: [&str; 13] = [
    "Vectors of the receipt ledger, format 1. Every section is a list of objects, each with a name.",
    "All keys, salts and times are fixed: the log key is Ed25519 from the seed 01 × 32, the origin key from 02 × 32.",
    "lines: line is canonical (exit 3 is wrong); hash is its chain hash in hex; type is its type.",
    "bad_lines: line_hex is hex of bytes that a verifier must call malformed (exit 3).",
    "field_commitments, key_commitments: salt and the committed bytes in hex, the commitment in hex.",
    "roots: leaves is the list of each leaf's data in hex; root is the RFC 6962 root with SHA-256.",
    "inclusion: leaf_data in hex (not yet hashed as a leaf), index, size, path from the leaf upwards; valid says whether it proves.",
    "consistency: old_size, new_size, path, old_root, new_root; valid says whether it proves.",
    "notes: verdict of note under vkey alone: signed, unsigned (no line of that key), forged (such a line with a wrong signature), malformed.",
    "exports: files maps a path in the export's folder to its text; vkeys are pinned; known lists the texts of notes or receipts given with --known; exit is the exit code.",
    "receipts: receipt is the file's text; vkeys are pinned; known lists notes; exit is the exit code.",
    "`ref` of slots, refund, replace and erase is the seq (an integer) of the sale in the same generation.",
    "An outage is covered when the silence less down_ms is at most 26 hours.",
];

//! The vectors that independent verifiers read: `tests/vectors/ledger.json` is what this code makes of them.
//!
//! `KEYSTALL_WRITE_VECTORS=1 cargo test --test ledger_vectors` writes the file anew; review its difference as a change
//! of the format.
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use keystall::ledger::Hash;
use keystall::ledger::WitnessKey;
use keystall::ledger::commitment::{self, Field};
use keystall::ledger::cosignature::Cosigned;
use keystall::ledger::entry::{Body, Entry, hash_line};
use keystall::ledger::fork::ForkProof;
use keystall::ledger::note::{Checkpoint, SignedBy, Vkey};
use keystall::ledger::receipt::Receipt;
use keystall::ledger::tree::{self, Frontier};
use ledger_shop::parts::Witness;
use ledger_shop::{
    ORIGIN, Rows, Shop, asked, cases, example, log_key, pinned, ranges, root_key, shop_of_24,
    skeletons, vkey_of,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

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
    all.extend(each_type_spoiled());
    all.push(json!({"name": "bytes that are not UTF-8", "line_hex": "7b22ff223a317d"}));
    all
}

/// One line of each type, each key left out, of the other kind, in another place, and with one key more.
fn each_type_spoiled() -> Vec<Value> {
    let mut shop = shop_of_24();
    shop.rotate(root_key());
    let later = shop.restored("shop.example/89abcdef", 30);
    let mut seen = BTreeMap::new();
    for line in shop.lines.iter().chain(&later.lines) {
        let entry: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let optional = entry.contains_key("prior") || entry.contains_key("beacon");
        let name = format!(
            "{}{}",
            text(&entry["type"]),
            if optional {
                " with its optional keys"
            } else {
                ""
            }
        );
        seen.entry(name).or_insert((line.clone(), entry));
    }
    assert_eq!(seen.len(), 15);
    let mut all = Vec::new();
    for (name, (line, entry)) in seen {
        let mut add = |what: String, spelled: String| {
            assert!(
                Entry::parse(spelled.as_bytes()).is_err(),
                "{name}, {what}: {spelled}"
            );
            all.push(json!({"name": format!("{name}, {what}"), "line_hex": hex::encode(spelled)}));
        };
        for key in entry.keys() {
            // Some keys are optional; the rest of `prior` is not when one of it is there.
            if key != "beacon" {
                let mut less = entry.clone();
                less.remove(key);
                add(format!("without {key}"), json!(less).to_string());
            }
            let mut other = entry.clone();
            other[key] = if entry[key].is_number() {
                json!(entry[key].to_string())
            } else {
                json!(1)
            };
            add(format!("{key} of the other kind"), json!(other).to_string());
        }
        let mut more = entry.clone();
        more.insert("zzz".to_owned(), json!(1));
        add("a key more".to_owned(), json!(more).to_string());
        let (first, rest) = line[1..line.len() - 1].split_once(',').unwrap();
        add(
            "its first key last".to_owned(),
            format!("{{{rest},{first}}}"),
        );
        add("white space at its end".to_owned(), format!("{line} "));
    }
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

/// SHA-256 over all roots, all inclusion proofs and all consistency proofs of the trees of up to this many leaves.
fn digests(sizes: u64) -> Value {
    let leaf = |index: u64| Sha256::digest(u32::try_from(index).unwrap().to_be_bytes());
    let (mut rows, mut frontier) = (Rows::default(), Frontier::new());
    let (mut roots, mut inclusion, mut consistency) = (Sha256::new(), Sha256::new(), Sha256::new());
    roots.update(frontier.root());
    for size in 1..=sizes {
        rows.0.push(frontier.append(&leaf(size - 1)));
        roots.update(frontier.root());
        for index in 0..size {
            for hash in tree::inclusion_proof(&rows, index, size).unwrap() {
                inclusion.update(hash);
            }
        }
        for old in 1..=size {
            for hash in tree::consistency_proof(&rows, old, size).unwrap() {
                consistency.update(hash);
            }
        }
    }
    let hex = |hasher: Sha256| hex::encode(hasher.finalize());
    json!({"roots": hex(roots), "inclusion": hex(inclusion), "consistency": hex(consistency)})
}

fn verifier_keys() -> Vec<Value> {
    let good = pinned().to_string();
    let (rest, data) = good.rsplit_once('+').unwrap();
    let (name, hash) = rest.split_once('+').unwrap();
    let key_of = |algorithm: u8, key: &[u8]| {
        let data = [&[algorithm], key].concat();
        let digest = Sha256::digest([name.as_bytes(), b"\n", &data].concat());
        format!(
            "{name}+{}+{}",
            hex::encode(&digest[..4]),
            STANDARD.encode(data)
        )
    };
    let key = log_key().verifying_key().to_bytes();
    let mut one = [0; 32];
    one[0] = 1;
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    // y = p + 1: the same point as y = 1 to a lax reader.
    let mut above_p = [0xff; 32];
    (above_p[0], above_p[31]) = (0xee, 0x7f);
    let all = [
        ("whole", good.clone(), true),
        ("another name", good.replacen("shop.", "shap.", 1), false),
        ("another hash", good.replacen(hash, "00000000", 1), false),
        (
            "an upper-case hash",
            good.replacen(hash, &hash.to_uppercase(), 1),
            false,
        ),
        (
            "without padding",
            good.trim_end_matches('=').to_owned(),
            false,
        ),
        (
            "URL-safe base64",
            good.replacen(data, &data.replace('+', "-").replace('/', "_"), 1),
            data == data.replace('+', "-").replace('/', "_"),
        ),
        ("a space at the end", format!("{good} "), false),
        ("no name", good[name.len()..].to_owned(), false),
        ("two parts", format!("{name}+{data}"), false),
        ("a key of a cosigner", key_of(4, &key), false),
        ("31 bytes of key", key_of(1, &key[..31]), false),
        ("a point of small order, y = 1", key_of(1, &one), false),
        ("a point of small order, y = 0", key_of(1, &[0; 32]), false),
        (
            "a point of small order, y above p",
            key_of(1, &above_p),
            false,
        ),
        ("no point of the curve", key_of(1, &off_curve), false),
    ];
    let all = all
        .into_iter()
        .filter(|(_, vkey, valid)| *valid || *vkey != good);
    all.map(|(name, vkey, valid)| json!({"name": name, "vkey": vkey, "valid": valid}))
        .collect()
}

/// Ed25519 from the seed that is derived from a recovery secret of 32 bytes.
fn origin_key(secret: &[u8]) -> SigningKey {
    SigningKey::from_bytes(&blake3::derive_key(
        "keystall 2026-11 origin key v1",
        secret,
    ))
}

fn origin_keys() -> Vec<Value> {
    let vector = |secret: [u8; 32]| {
        let vkey = vkey_of(&origin_key(&secret), ORIGIN).to_string();
        json!({"name": format!("{:02x} × 32", secret[0]), "secret": hex::encode(secret), "key_name": ORIGIN, "vkey": vkey})
    };
    [[0; 32], [0xa5; 32]].into_iter().map(vector).collect()
}

/// What the origin key signs: the messages of `rotate` and of an `open` after a restore.
fn statements() -> Vec<Value> {
    let shop = shop_of_24();
    let new = vkey_of(&SigningKey::from_bytes(&[4; 32]), ORIGIN).to_string();
    let next = vkey_of(&SigningKey::from_bytes(&[3; 32]), "shop.example/89abcdef").to_string();
    let rotate = Body::rotate_message(ORIGIN, 24, &new);
    let open = Body::open_message(ORIGIN, 24, &shop.head, 30, &next);
    let root = vkey_of(&root_key(), ORIGIN).to_string();
    let mut all = Vec::new();
    for (name, message) in [("rotate", rotate), ("open", open)] {
        let signature = root_key().sign(&message).to_bytes();
        let message = String::from_utf8(message).unwrap();
        let mut add = |what: &str, message: &str, signature: &[u8], valid: bool| {
            all.push(json!({
                "name": format!("{name}, {what}"), "message": message, "vkey": root,
                "signature": hex::encode(signature), "valid": valid,
            }));
        };
        add("as signed", &message, &signature, true);
        add(
            "with a line feed at its end",
            &format!("{message}\n"),
            &signature,
            false,
        );
        add(
            "of another seq or size",
            &message.replacen("\n24\n", "\n25\n", 1),
            &signature,
            false,
        );
        add(
            "by another key",
            &message,
            &log_key().sign(message.as_bytes()).to_bytes(),
            false,
        );
        add("with S + L", &message, &s_plus_l(&signature), false);
    }
    all
}

/// The same signature to a verifier that does not check S < L.
fn s_plus_l(signature: &[u8; 64]) -> [u8; 64] {
    // L = 2^252 + 27742317777372353535851937790883648493, little-endian.
    let l =
        hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let (mut sum, mut carry) = (*signature, 0_u16);
    for (byte, l) in sum[32..].iter_mut().zip(l) {
        let value = u16::from(*byte) + u16::from(l) + carry;
        (*byte, carry) = (value as u8, value >> 8);
    }
    assert_eq!(carry, 0);
    sum
}

fn cosignatures() -> Vec<Value> {
    let witness = Witness::new("witness.example/w1", 7);
    let other = Witness::new("witness.example/w2", 8);
    let shop = shop_of_24();
    let note = shop.newest_note();
    let good = witness.cosign(note, 1_795_007_300);
    let blob = good.trim_end().rsplit_once(' ').unwrap().1;
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = STANDARD.decode(blob).unwrap();
        change(&mut bytes);
        good.replacen(blob, &STANDARD.encode(bytes), 1)
    };
    let forged = ["a changed time", "a changed signature"].map(|name| {
        let at = if name == "a changed time" { 11 } else { 40 };
        (
            name,
            changed(&|bytes| bytes[at] ^= 1),
            witness.vkey(),
            "forged",
        )
    });
    let mut all = vec![
        ("as signed", good.clone(), witness.vkey(), "signed"),
        (
            "before the log's own signature",
            {
                let (text, lines) = good.split_once("\n\n").unwrap();
                let lines: String = lines
                    .lines()
                    .rev()
                    .map(|line| format!("{line}\n"))
                    .collect();
                format!("{text}\n\n{lines}")
            },
            witness.vkey(),
            "signed",
        ),
        (
            "beside another witness",
            other.cosign(&good, 1_795_007_301),
            witness.vkey(),
            "signed",
        ),
        ("of another witness", good.clone(), other.vkey(), "unsigned"),
        ("none", note.to_owned(), witness.vkey(), "unsigned"),
        (
            "without a time",
            changed(&|bytes| {
                bytes.drain(4..12);
            }),
            witness.vkey(),
            "forged",
        ),
        (
            "of a smaller checkpoint",
            {
                let line = witness.cosign(&shop.notes[&23], 1_795_007_300);
                format!("{note}{}\n", line.lines().next_back().unwrap())
            },
            witness.vkey(),
            "forged",
        ),
    ];
    all.extend(forged);
    let vector = |(name, note, vkey, verdict): (&str, String, String, &str)| {
        let time = (verdict == "signed").then_some(1_795_007_300_u64);
        json!({"name": name, "note": note, "vkey": vkey, "verdict": verdict, "time": time})
    };
    all.into_iter().map(vector).collect()
}

fn fork_exit(proof: &str, vkeys: &[Vkey]) -> u64 {
    let fork = ForkProof::parse(proof.as_bytes()).map_err(Into::into);
    let outcome = fork.and_then(|fork| fork.verify(vkeys));
    // A fork that is proven ends with 5; a proof of one that does not hold, with what is wrong with it.
    u64::from(outcome.map_or_else(|fault| fault.exit().code(), |_| 5))
}

/// Fork proofs, spelled here: what the two histories of one key have in common is their `open`.
fn forks() -> Vec<Value> {
    let ours = shop_of_24();
    let mut other = Shop::opened();
    while other.lines.len() < 24 {
        other.beat();
    }
    let (a, b) = (ours.newest_note(), other.newest_note());
    let (a9, b9) = (&ours.notes[&9], &other.notes[&9]);
    let base64 = |hash: &Hash| STANDARD.encode(hash);
    let root = Frontier::from_source(&ours.rows, 9).unwrap().root();
    let path: Vec<_> = tree::consistency_proof(&ours.rows, 9, 24).unwrap();
    let lines: String = path
        .iter()
        .map(|hash| format!("path {}\n", base64(hash)))
        .collect();
    let entry = |shop: &Shop, index: u64, hash: Option<Hash>| {
        let line = shop.lines[usize::try_from(index).unwrap()].as_bytes();
        format!(
            "leaf {}\n{}",
            hash.unwrap_or(hash_line(line)),
            shop.proof(index)
        )
    };
    let file =
        |kind: &str, parts: &[&str]| format!("keystall-fork/v1\nkind {kind}\n{}", parts.concat());
    let size = file("size", &[a, b]);
    let prefix = |older: &str, root: &Hash, lines: &str| {
        file(
            "prefix",
            &[older, a, &format!("root {}\n", base64(root)), lines],
        )
    };
    let of_prefix = prefix(b9, &root, &lines);
    let of_entry = file("entry", &[&entry(&ours, 3, None), &entry(&other, 3, None)]);
    let elsewhere = Shop::opened_with(log_key(), root_key(), "other.example/89abcdef");
    let stranger = vkey_of(&SigningKey::from_bytes(&[9; 32]), ORIGIN);
    let own = a.lines().next_back().unwrap();
    let mut all: Vec<(&str, u64, String)> = vec![
        ("size", 5, size.clone()),
        ("size, turned round", 5, file("size", &[b, a])),
        ("size, the same note twice", 3, file("size", &[a, a])),
        ("size, of two sizes", 3, file("size", &[a, b9])),
        (
            "size, of two logs",
            3,
            file("size", &[elsewhere.newest_note(), &ours.notes[&1]]),
        ),
        (
            "size, a note with two signatures",
            3,
            file("size", &[&format!("{a}{own}\n"), b]),
        ),
        ("size, one note alone", 3, file("size", &[a])),
        ("size, three notes", 3, file("size", &[a, b, b])),
        (
            "size, a changed signature",
            1,
            size.replacen(own, &own.replacen(&own[60..64], "AAAA", 1), 1),
        ),
        ("size, a changed root", 1, {
            let root = a.lines().nth(2).unwrap();
            size.replacen(root, &base64(&Hash([7; 32])), 1)
        }),
        ("prefix", 5, of_prefix.clone()),
        (
            "prefix, the root that was signed",
            3,
            prefix(a9, &root, &lines),
        ),
        (
            "prefix, a root of nothing",
            1,
            prefix(b9, &Hash([7; 32]), &lines),
        ),
        (
            "prefix, a hash too few",
            1,
            prefix(b9, &root, lines.split_once('\n').unwrap().1),
        ),
        (
            "prefix, a hash too many",
            1,
            prefix(b9, &root, &format!("{lines}path {}\n", base64(&root))),
        ),
        (
            "prefix, the larger one first",
            3,
            file(
                "prefix",
                &[a, b9, &format!("root {}\n", base64(&root)), &lines],
            ),
        ),
        ("entry", 5, of_entry.clone()),
        ("entry, of two sizes", 5, {
            let mut later = other.clone();
            later.beat();
            file("entry", &[&entry(&ours, 3, None), &entry(&later, 3, None)])
        }),
        (
            "entry, the same entry",
            3,
            file("entry", &[&entry(&ours, 0, None), &entry(&other, 0, None)]),
        ),
        (
            "entry, two positions",
            3,
            file("entry", &[&entry(&ours, 3, None), &entry(&other, 4, None)]),
        ),
        (
            "entry, a leaf that is not there",
            1,
            file(
                "entry",
                &[
                    &entry(&ours, 3, Some(Hash([7; 32]))),
                    &entry(&other, 3, None),
                ],
            ),
        ),
        (
            "an unknown kind",
            3,
            size.replacen("kind size", "kind date", 1),
        ),
        ("another version", 3, size.replacen("/v1", "/v2", 1)),
        ("an empty line at the end", 3, format!("{size}\n")),
        ("no end of the last line", 3, size.trim_end().to_owned()),
        ("carriage returns", 3, size.replace('\n', "\r\n")),
        ("an empty file", 3, String::new()),
    ];
    let vector = |(name, exit, proof): (&str, u64, String), vkey: &Vkey| json!({"name": name, "proof": proof, "vkeys": [vkey.to_string()], "exit": exit});
    let unpinned = vector(("size, another key pinned", 4, size), &stranger);
    let pinned = pinned();
    let mut all: Vec<_> = all.drain(..).map(|case| vector(case, &pinned)).collect();
    all.push(unpinned);
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
    let mut all = Vec::from(all);
    let vkey = pinned().to_string();
    let blob_with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = STANDARD.decode(blob).unwrap();
        change(&mut bytes);
        note.replacen(blob, &STANDARD.encode(bytes), 1)
    };
    let own_line = note.lines().next_back().unwrap();
    let wrong_line = blob_with(&|bytes| bytes[50] ^= 1)
        .lines()
        .next_back()
        .unwrap()
        .to_owned();
    let witnesses = |count: usize| {
        let line = format!("\u{2014} w {}\n", STANDARD.encode([9; 8]));
        format!("{note}{}", line.repeat(count))
    };
    let named = |name: &str| format!("{note}\u{2014} {name} {}\n", STANDARD.encode([9; 8]));
    let root = note.lines().nth(2).unwrap();
    for (name, note) in [
        (
            "a signature with S + L",
            blob_with(&|bytes| {
                let signature: [u8; 64] = bytes[4..].try_into().unwrap();
                bytes[4..].copy_from_slice(&s_plus_l(&signature));
            }),
        ),
        ("another key id", blob_with(&|bytes| bytes[0] ^= 1)),
        (
            "63 bytes of signature",
            blob_with(&|bytes| {
                bytes.pop();
            }),
        ),
        ("65 bytes of signature", blob_with(&|bytes| bytes.push(0))),
        ("a key id alone", blob_with(&|bytes| bytes.truncate(4))),
        ("the key's line twice", format!("{note}{own_line}\n")),
        (
            "a wrong line of the key after a good one",
            format!("{note}{wrong_line}\n"),
        ),
        (
            "a good line of the key after a wrong one",
            note.replacen(own_line, &format!("{wrong_line}\n{own_line}"), 1),
        ),
        ("64 signatures", witnesses(63)),
        ("65 signatures", witnesses(64)),
        ("a plus sign in another signer's name", named("w+x")),
        ("white space in another signer's name", named("w\u{3000}x")),
        (
            "a control character in another signer's name",
            named("w\u{1}x"),
        ),
        (
            "a line that is no signature at the end",
            format!("{note}hello\n"),
        ),
        ("an empty line at the end", format!("{note}\n")),
        (
            "two spaces after the dash",
            note.replacen("\u{2014} ", "\u{2014}  ", 1),
        ),
        (
            "a space at the end of a line",
            note.replacen("\n24\n", "\n24 \n", 1),
        ),
        ("no origin", note.replacen(ORIGIN, "", 1)),
        (
            "another origin above the signature",
            note.replacen(ORIGIN, "other.example/0123abcd", 1),
        ),
        (
            "a size of 2^53",
            note.replacen("\n24\n", "\n9007199254740992\n", 1),
        ),
        ("a negative size", note.replacen("\n24\n", "\n-24\n", 1)),
        ("no blank line", note.replacen("\n\n", "\n", 1)),
        (
            "31 bytes of root",
            note.replacen(root, &STANDARD.encode([1; 31]), 1),
        ),
        ("an empty file", String::new()),
    ] {
        all.push((name, note, vkey.clone()));
    }
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

/// Texts that several exports have are kept once, under a name from their hash.
fn share(exports: &mut [Value]) -> Value {
    let mut times = BTreeMap::new();
    for text in exports
        .iter()
        .flat_map(|export| export["files"].as_object().unwrap().values())
    {
        *times.entry(text.to_string()).or_insert(0) += 1;
    }
    let mut shared = json!({});
    for export in exports {
        let files = export["files"].as_object_mut().unwrap();
        let often = |text: &Value| text.to_string().len() > 100 && times[&text.to_string()] > 1;
        let paths: Vec<_> = files
            .iter()
            .filter(|(_, text)| often(text))
            .map(|(path, _)| path.clone())
            .collect();
        let mut named = json!({});
        for path in paths {
            let text = files.remove(&path).unwrap();
            let name = hex::encode(&Sha256::digest(self::text(&text))[..4]);
            assert!(shared[&name].is_null() || shared[&name] == text);
            shared[&name] = text;
            named[&path] = json!(name);
        }
        if named != json!({}) {
            export["shared"] = named;
        }
    }
    shared
}

fn export(case: cases::ExportCase) -> Value {
    let mut vector = json!({
        "name": case.name, "kind": case.kind, "vkeys": spelled(&case.vkeys), "known": case.known, "exit": case.exit,
        "files": {},
    });
    for (path, bytes) in &case.files {
        match path.ends_with(".bin") {
            true => vector["binary"][path] = json!(STANDARD.encode(bytes)),
            false => vector["files"][path] = json!(std::str::from_utf8(bytes).unwrap()),
        }
    }
    let time = |t_ms| jiff::Timestamp::from_millisecond(t_ms).unwrap().to_string();
    for (flag, value) in [
        ("nonce", case.nonce.map(|nonce| json!(nonce))),
        ("since", case.since_ms.map(|t_ms| json!(time(t_ms)))),
        ("until", case.until_ms.map(|t_ms| json!(time(t_ms)))),
        (
            "witnesses",
            Some(json!(case.witnesses)).filter(|_| !case.witnesses.is_empty()),
        ),
    ] {
        if let Some(value) = value {
            vector[flag] = value;
        }
    }
    if case.exit == 0 {
        vector["expect"] = expected(&case);
    }
    vector
}

/// What a verifier that passes must have seen: each generation's first seq, its entries and its newest signed size.
fn expected(case: &cases::ExportCase) -> Value {
    let mut all = Vec::new();
    for number in 0.. {
        let lines = |file: &str| {
            let bytes = case.files.get(&format!("gen-{number}/{file}"));
            let text = bytes.map(|bytes| std::str::from_utf8(bytes).unwrap());
            text.map(|text| {
                text.lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap())
                    .collect::<Vec<_>>()
            })
        };
        let Some(marks) = lines("marks.ndjson") else {
            break;
        };
        let skeleton = case.files.get(&format!("gen-{number}/skeleton.bin"));
        let prefix = lines("prefix.json").map_or(0, |prefix| self::number(&prefix[0]["size"]));
        let entries = match skeleton {
            Some(hashes) => hashes.len() / 32,
            None => lines("entries.ndjson").unwrap().len(),
        };
        let signed = marks.last().unwrap()["size"].clone();
        all.push(json!({"first": prefix, "entries": entries, "signed": signed}));
    }
    let mut expected = json!({"generations": all});
    if case.kind != "skeleton" {
        expected["stock"] = serde_json::to_value(case.report().stock).unwrap();
    }
    expected
}

/// An export case as it stands in the file.
fn export_of(v: &Value, shared: &Value) -> cases::ExportCase {
    let object = |name: &str| v[name].as_object().into_iter().flatten();
    let texts_of = |name: &str| {
        v[name]
            .as_array()
            .map_or_else(Vec::new, |_| texts(&v[name]))
    };
    let plain =
        object("files").map(|(path, text)| (path.clone(), self::text(text).as_bytes().to_vec()));
    let binary = object("binary")
        .map(|(path, text)| (path.clone(), STANDARD.decode(self::text(text)).unwrap()));
    let common = object("shared").map(|(path, name)| {
        let text = self::text(&shared[text(name)]);
        (path.clone(), text.as_bytes().to_vec())
    });
    let leak = |value: &Value| &*text(value).to_owned().leak();
    let time = |name: &str| {
        let time = v[name]
            .as_str()
            .map(|time| time.parse::<jiff::Timestamp>().unwrap());
        time.map(|time| time.as_millisecond())
    };
    cases::ExportCase {
        name: leak(&v["name"]),
        kind: leak(&v["kind"]),
        files: plain.chain(binary).chain(common).collect(),
        vkeys: vkeys(v),
        known: texts(&v["known"]),
        nonce: v["nonce"].as_str().map(|_| leak(&v["nonce"])),
        since_ms: time("since"),
        until_ms: time("until"),
        witnesses: texts_of("witnesses"),
        exit: u8::try_from(number(&v["exit"])).unwrap(),
    }
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

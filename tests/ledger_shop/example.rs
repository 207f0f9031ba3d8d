//! The worked example of `src/ledger/format.md`: three entries, computed step by step.

use super::*;
use keystall::ledger::tree::{leaf_hash, node_hash};
use std::fmt::Write;

/// What stands between the marks in the specification.
pub fn text() -> String {
    let mut shop = Shop::opened();
    shop.import("game-key", 2);
    let sale = shop.sell("A00001", "game-key", 1, "0:0", &[]);
    let mut text = String::new();
    let mut add = |name: &str, value: &dyn std::fmt::Display| {
        writeln!(
            text,
            "{name}\n    {}",
            value
                .to_string()
                .trim_end()
                .replace('\n', "\n    ")
                .replace("\n    \n", "\n\n")
        )
        .unwrap();
    };
    add("log key: Ed25519 from 32 bytes of 01; its vkey", &pinned());
    add(
        "origin key: Ed25519 from 32 bytes of 02; its vkey",
        &vkey_of(&root_key(), ORIGIN),
    );
    let open = open(Field::Buyer);
    let value = String::from_utf8(open.value.clone()).unwrap();
    add("contact of the buyer", &value);
    add("its salt", &hex::encode(open.salt));
    add(
        "commitment C, `buyer` of entry 2",
        &commitment::field(&open.salt, Field::Buyer, &open.value),
    );
    let mut leaves = Vec::new();
    for (index, (salt, key)) in shop.batches[0].keys.iter().enumerate() {
        let k = commitment::key(salt, key);
        leaves.push(leaf_hash(k.as_ref()));
        add(
            &format!("key {index}"),
            &String::from_utf8(key.clone()).unwrap(),
        );
        add(&format!("salt of key {index}"), &hex::encode(salt));
        add(&format!("commitment K_{index}"), &k);
    }
    add(
        "`keys` of entry 1: node(leaf(K_0), leaf(K_1))",
        &node_hash(&leaves[0], &leaves[1]),
    );
    leaves.clear();
    for (seq, line) in shop.lines.iter().enumerate() {
        let h = hash_line(line.as_bytes());
        leaves.push(leaf_hash(h.as_ref()));
        add(&format!("line {seq}, {} bytes", line.len()), line);
        add(&format!("h_{seq}"), &h);
        add(&format!("leaf_{seq} = SHA-256(00 ‖ h_{seq})"), &leaves[seq]);
    }
    let node = node_hash(&leaves[0], &leaves[1]);
    add("node = SHA-256(01 ‖ leaf_0 ‖ leaf_1)", &node);
    add(
        "root of size 3 = SHA-256(01 ‖ node ‖ leaf_2)",
        &node_hash(&node, &leaves[2]),
    );
    add("checkpoint of size 3", &shop.newest_note());
    add(
        "its line in marks.ndjson",
        &parts::mark_line(shop.newest_note(), 3),
    );
    add(
        "receipt of the sale",
        &shop.receipt(sale, &[(0, 0)], &[]).to_string(),
    );
    text
}
